# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root links (format.md section 3)."""

from __future__ import annotations

import hashlib
import typing as t

from ..model.keys import ClassYearKey, DigestKey, PublicKeys, SignKey
from ..model.policy import LOCK_MODES, RetentionClass
from ..model.root import Person, Quorum, Root
from . import canonical, dsse
from .canonical import Fields, moment

PAYLOAD_TYPE = "application/vnd.holdfast.root+json"


def payload(root: Root) -> bytes:
    """The bytes of a link that are to be signed; ``root.id`` is not among them."""
    return canonical.dump(
        {
            **canonical.header("root", root.repository),
            "link": root.link,
            "previous": root.previous,
            "created": moment(root.created),
            "classes": [
                {"name": kept.name, "days": kept.days, "mode": kept.mode}
                for kept in sorted(root.classes.values(), key=lambda kept: kept.name)
            ],
            "keys": {
                "sign": [_write_sign(key) for key in root.keys.sign],
                "wrap": [_write_class_year(key) for key in root.keys.wrap],
                "escrow": [_write_class_year(key) for key in root.keys.escrow],
                "digest": [{"id": key.id, "scheme": key.scheme} for key in root.keys.digest],
            },
            "people": [
                {
                    "principal": person.principal,
                    "roles": list(person.roles),
                    "public": person.public,
                    "not_before": moment(person.not_before),
                    "not_after": moment(person.not_after),
                }
                for person in root.people
            ],
            "quorum": [
                {"operation": quorum.operation, "required": quorum.required, "roles": list(quorum.roles)}
                for quorum in root.quorum
            ],
            "tips": list(root.tips),
        }
    )


def read(data: bytes, *, what: str) -> tuple[Root, dsse.Envelope]:
    """Read a link and its envelope. Neither signature nor place in the chain is judged here."""
    envelope = dsse.read(data, PAYLOAD_TYPE, what=what)
    fields = canonical.expect(canonical.load(envelope.payload, what=what), "root", what=what)
    keys = fields.inner("keys")
    classes = fields.each("classes", _read_class)
    if not classes or len({kept.name for kept in classes}) != len(classes):
        raise fields.refuse("classes", "is empty or names a class twice")
    public = PublicKeys(
        sign=keys.each("sign", _read_sign),
        wrap=keys.each("wrap", _read_class_year),
        escrow=keys.each("escrow", _read_class_year),
        digest=keys.each("digest", lambda f: DigestKey(f.text("id"), f.text("scheme"))),
    )
    if not public.digest:
        raise keys.refuse("digest", "is empty")
    root = Root(
        id=hashlib.sha256(data).hexdigest(),
        repository=fields.text("repository"),
        link=fields.number("link"),
        previous=fields.digest_or_none("previous"),
        created=fields.moment("created"),
        classes={kept.name: kept for kept in classes},
        keys=public,
        people=fields.each("people", _read_person),
        quorum=fields.each("quorum", lambda f: Quorum(f.text("operation"), f.number("required"), f.texts("roles"))),
        tips=fields.digests("tips"),
    )
    return root, envelope


def _write_sign(key: SignKey) -> dict[str, t.Any]:
    return {
        "id": key.id,
        "use": key.use,
        "algorithm": key.algorithm,
        "public": canonical.b64(key.public),
        "not_before": moment(key.not_before),
        "not_after": moment(key.not_after),
    }


def _write_class_year(key: ClassYearKey) -> dict[str, t.Any]:
    return {
        "class": key.retention_class,
        "year": key.year,
        "series": key.series,
        "scheme": key.scheme,
        "public": key.public,
    }


def _read_class(fields: Fields) -> RetentionClass:
    mode = fields.text("mode")
    if mode not in LOCK_MODES:
        raise fields.refuse("mode", "is no lock mode of this format")
    return RetentionClass(fields.text("name"), fields.number("days"), mode)


def _read_sign(fields: Fields) -> SignKey:
    return SignKey(
        id=fields.text("id"),
        use=fields.text("use"),
        algorithm=fields.text("algorithm"),
        public=fields.bytes("public"),
        not_before=fields.moment("not_before"),
        not_after=fields.moment("not_after"),
    )


def _read_class_year(fields: Fields) -> ClassYearKey:
    return ClassYearKey(
        retention_class=fields.text("class"),
        year=fields.number("year"),
        series=fields.text("series"),
        scheme=fields.text("scheme"),
        public=fields.text("public"),
    )


def _read_person(fields: Fields) -> Person:
    return Person(
        principal=fields.text("principal"),
        roles=fields.texts("roles"),
        public=fields.text("public"),
        not_before=fields.moment("not_before"),
        not_after=fields.moment("not_after"),
    )
