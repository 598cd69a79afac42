# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root links (format.md section 3)."""

from __future__ import annotations

import hashlib
import typing as t

from ..model.keys import ClassYearKey, DigestKey, PublicKeys, SignKey
from ..model.policy import LOCK_MODES
from ..model.retention import RetentionClass
from ..model.root import ANY_KEY, Person, Quorum, Root
from . import canonical, dsse
from .canonical import Fields, moment
from .record import read_request, write_request

PAYLOAD_TYPE = "application/vnd.holdfast.root+json"


def payload(root: Root) -> bytes:
    """The bytes of a link that are to be signed; ``root.id`` is not among them."""
    document: dict[str, t.Any] = {
        **canonical.header("root", root.repository),
        "link": root.link,
        "previous": root.previous,
        "created": moment(root.created),
        "classes": [_write_class(kept) for _name, kept in sorted(root.classes.items())],
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
        "quorum": [_write_quorum(quorum) for quorum in root.quorum],
        "tips": list(root.tips),
    }
    if root.records:
        document["records"] = list(root.records)
    if root.request is not None:
        document["request"] = write_request(root.request)
    return canonical.dump(document)


def read(data: bytes, *, what: str) -> tuple[Root, dsse.Envelope]:
    """Read a link and its envelope. Neither signature nor place in the chain is judged here."""
    envelope = dsse.read(data, PAYLOAD_TYPE, what=what)
    return read_payload(envelope.payload, id=hashlib.sha256(data).hexdigest(), what=what), envelope


def read_payload(data: bytes, *, id: str, what: str) -> Root:  # noqa: A002
    """Read :func:`payload` back.

    :param id: the SHA-256 of the link it is in; empty where nobody has signed it yet.
    """
    fields = canonical.expect(canonical.load(data, what=what), "root", what=what)
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
    return Root(
        id=id,
        repository=fields.text("repository"),
        link=fields.number("link"),
        previous=fields.digest_or_none("previous"),
        created=fields.moment("created"),
        classes={kept.name: kept for kept in classes},
        keys=public,
        people=fields.each("people", _read_person),
        quorum=fields.each("quorum", _read_quorum),
        tips=fields.digests("tips"),
        records=fields.digests("records") if fields.has("records") else (),
        request=read_request(fields.inner("request")) if fields.has("request") else None,
    )


def _write_class(kept: RetentionClass) -> dict[str, t.Any]:
    document = {"name": kept.name, "days": kept.days, "mode": kept.mode}
    return document if kept.maximum is None else {**document, "maximum": kept.maximum}


def _write_quorum(quorum: Quorum) -> dict[str, t.Any]:
    document = {"operation": quorum.operation, "required": quorum.required, "roles": list(quorum.roles)}
    return document if quorum.presence == ANY_KEY else {**document, "presence": quorum.presence}


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
    maximum = fields.number("maximum") if fields.has("maximum") else None
    return RetentionClass(fields.text("name"), fields.number("days"), mode, maximum)


def _read_quorum(fields: Fields) -> Quorum:
    return Quorum(
        operation=fields.text("operation"),
        required=fields.number("required"),
        roles=fields.texts("roles"),
        presence=fields.text("presence") if fields.has("presence") else ANY_KEY,
    )


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
