# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records (format.md section 7)."""

from __future__ import annotations

import typing as t

from ..errors import FormatError
from ..model.record import PEOPLE_KINDS, Record, Request
from . import canonical, dsse
from .canonical import moment

PAYLOAD_TYPE = "application/vnd.holdfast.record+json"
MOST_SIGNERS = 100


def payload(record: Record) -> bytes:
    """The bytes of a record that are to be signed."""
    document: dict[str, t.Any] = {
        **canonical.header("record", record.repository),
        "root": record.root,
        "record": record.kind,
        "at": moment(record.at),
        "by": record.by,
        "subject": dict(record.subject),
        "detail": dict(record.detail),
    }
    if record.request is not None:
        document["request"] = write_request(record.request)
    return canonical.dump(document)


def read(data: bytes, *, what: str) -> tuple[Record, dsse.Envelope]:
    """Read a record and its envelope: one signature by a machine, or some of people. They are not judged here."""
    envelope = dsse.read(data, PAYLOAD_TYPE, what=what)
    record = read_payload(envelope.payload, what=what)
    most = MOST_SIGNERS if record.kind in PEOPLE_KINDS else 1
    if not 1 <= len(envelope.signatures) <= most:
        raise FormatError(f"holds {len(envelope.signatures)} signatures", item=what)
    return record, envelope


def read_payload(data: bytes, *, what: str) -> Record:
    """Read :func:`payload` back."""
    fields = canonical.expect(canonical.load(data, what=what), "record", what=what)
    return Record(
        repository=fields.text("repository"),
        root=fields.digest("root"),
        kind=fields.text("record"),
        at=fields.moment("at"),
        by=fields.text("by"),
        subject=fields.mapping("subject"),
        detail=fields.mapping("detail"),
        request=read_request(fields.inner("request")) if fields.has("request") else None,
    )


def write_request(request: Request) -> dict[str, t.Any]:
    """What people are asked, as records and root links hold it."""
    return {
        "by": request.by,
        "reason": request.reason,
        "ticket": request.ticket,
        "expires": moment(request.expires),
        "nonce": request.nonce,
    }


def read_request(fields: canonical.Fields) -> Request:
    """Read :func:`write_request` back."""
    return Request(
        by=fields.text("by"),
        reason=fields.text("reason"),
        ticket=fields.text("ticket"),
        expires=fields.moment("expires"),
        nonce=fields.text("nonce"),
    )
