# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signed statements of recovery points: an in-toto Statement in a DSSE envelope (format.md section 6).

Source: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

import typing as t

from ..errors import FormatError
from ..model.point import STATEMENT_LIMIT, Statement
from . import canonical, dsse
from .canonical import moment

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE = "urn:holdfast:recovery-point:1"


def payload(statement: Statement) -> bytes:
    """The bytes of a statement that are to be signed; raises FormatError beyond 64 KiB."""
    document = {
        "_type": _TYPE,
        "subject": [{"name": statement.body_name, "digest": {"sha256": statement.body_sha256}}],
        "predicateType": _PREDICATE,
        "predicate": {
            **canonical.header("recovery-point", statement.repository),
            "root": statement.root,
            "run": statement.run,
            "point": statement.point,
            "sealed_at": moment(statement.sealed_at),
            "complete": statement.complete,
            "full": statement.full,
            "parents": list(statement.parents),
            "counts": dict(statement.counts),
            **_names(statement),
        },
    }
    data = canonical.dump(document, what=statement.body_name)
    if len(data) > STATEMENT_LIMIT:
        raise FormatError("the statement would be larger than 64 KiB", item=statement.body_name)
    return data


def read(data: bytes, *, what: str) -> tuple[Statement, dsse.Envelope]:
    """Read a statement and its envelope; the signature is not judged here."""
    envelope = dsse.read(data, PAYLOAD_TYPE, what=what, signatures=1)
    if len(envelope.payload) > STATEMENT_LIMIT:
        raise FormatError("the statement is larger than 64 KiB", item=what)
    fields = canonical.Fields(canonical.load(envelope.payload, what=what), what)
    if fields.text("_type") != _TYPE or fields.text("predicateType") != _PREDICATE:
        raise fields.refuse("predicateType", "is not that of a recovery point")
    predicate = canonical.expect(fields.mapping("predicate"), "recovery-point", what=what)
    subjects = fields.each("subject", lambda f: (f.text("name"), f.inner("digest").digest("sha256")))
    if len(subjects) != 1:
        raise fields.refuse("subject", "does not name one body")
    counts = predicate.inner("counts")
    statement = Statement(
        repository=predicate.text("repository"),
        root=predicate.digest("root"),
        run=predicate.text("run"),
        point=predicate.text("point"),
        sealed_at=predicate.moment("sealed_at"),
        complete=predicate.flag("complete"),
        full=predicate.flag("full"),
        parents=predicate.digests("parents"),
        counts={name: counts.number(name) for name in predicate.mapping("counts")},
        body_name=subjects[0][0],
        body_sha256=subjects[0][1],
        alias=predicate.alias_or_none("alias"),
        change=predicate.text("change") if predicate.has("change") else None,
    )
    return statement, envelope


def _names(statement: Statement) -> dict[str, t.Any]:
    """What people look for a point by, where it is told."""
    told = {"alias": statement.alias, "change": statement.change}
    return {name: value for name, value in told.items() if value is not None}
