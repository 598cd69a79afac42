# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""keyring.json: what a local keyring publishes, kept in each of its halves. It holds no secret."""

from __future__ import annotations

import base64
import dataclasses
import json
import typing as t

from ..errors import FormatError, KeyringError, UnknownVersionError
from ..model import instant
from ..model.keys import ClassYearKey, DigestKey, PublicKeys, SignKey

_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Published:
    """The repository that a keyring serves, and its public keys."""

    repository: str
    keys: PublicKeys


def dump(published: Published) -> bytes:
    """Return the file's bytes: JSON with the field names that a root uses."""
    keys = published.keys
    document = {
        "format": _FORMAT,
        "repository": published.repository,
        "keys": {
            "sign": [_sign_fields(key) for key in keys.sign],
            "wrap": [_class_year_fields(key) for key in keys.wrap],
            "escrow": [_class_year_fields(key) for key in keys.escrow],
            "digest": [dataclasses.asdict(key) for key in keys.digest],
        },
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def load(data: bytes, *, what: str) -> Published:
    """Read :func:`dump` back; *what* names the file in errors.

    :raises UnknownVersionError: a newer collection wrote it.
    :raises KeyringError: it is damaged.
    """
    try:
        document = json.loads(data)
        version = document["format"]
        if version == _FORMAT:
            return _published(document)
    except (ValueError, LookupError, TypeError, RecursionError, FormatError) as e:
        raise KeyringError("a file of the keyring is damaged", item=what, remedy="Restore it from a copy") from e
    raise UnknownVersionError("a newer version of the collection wrote this keyring", item=what)


def _published(document: dict[str, t.Any]) -> Published:
    keys = document["keys"]
    return Published(
        repository=document["repository"],
        keys=PublicKeys(
            sign=tuple(_sign_key(fields) for fields in keys["sign"]),
            wrap=tuple(_class_year_key(fields) for fields in keys["wrap"]),
            escrow=tuple(_class_year_key(fields) for fields in keys["escrow"]),
            digest=tuple(DigestKey(id=fields["id"], scheme=fields["scheme"]) for fields in keys["digest"]),
        ),
    )


def _sign_fields(key: SignKey) -> dict[str, str]:
    return {
        "id": key.id,
        "use": key.use,
        "algorithm": key.algorithm,
        "public": base64.b64encode(key.public).decode(),
        "not_before": instant.to_text(key.not_before),
        "not_after": instant.to_text(key.not_after),
    }


def _sign_key(fields: dict[str, str]) -> SignKey:
    return SignKey(
        id=fields["id"],
        use=fields["use"],
        algorithm=fields["algorithm"],
        public=base64.b64decode(fields["public"], validate=True),
        not_before=instant.from_text(fields["not_before"]),
        not_after=instant.from_text(fields["not_after"]),
    )


def _class_year_fields(key: ClassYearKey) -> dict[str, t.Any]:
    return {
        "class": key.retention_class,
        "year": key.year,
        "series": key.series,
        "scheme": key.scheme,
        "public": key.public,
    }


def _class_year_key(fields: dict[str, t.Any]) -> ClassYearKey:
    return ClassYearKey(
        retention_class=fields["class"],
        year=fields["year"],
        series=fields["series"],
        scheme=fields["scheme"],
        public=fields["public"],
    )
