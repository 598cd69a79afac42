# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The public side of every key a root names. Private halves never leave their keyring."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

_CLASS_YEAR = re.compile(r"(?P<class>[a-z][a-z0-9-]{0,31})-(?P<year>[0-9]{4})(?P<series>[a-z]?)")


@dataclasses.dataclass(frozen=True)
class SignKey:
    """A key that signs for a machine: ``use`` is ``point`` (backup) or ``record`` (restore, drill, audit)."""

    id: str
    use: str
    algorithm: str
    public: bytes
    not_before: dt.datetime
    not_after: dt.datetime


@dataclasses.dataclass(frozen=True)
class ClassYearKey:
    """A public key of one retention class and year, the unit of destruction.

    ``series`` tells successors apart after a suspected leak: empty, then ``b``, ``c`` and so on.
    ``public`` is what the scheme encrypts to: for ``age-x25519`` a recipient of https://age-encryption.org/v1.
    """

    retention_class: str
    year: int
    scheme: str
    public: str
    series: str = ""

    @property
    def id(self) -> str:
        """The name that manifests and identity files give this key: ``d0030-2026``."""
        return f"{self.retention_class}-{self.year}{self.series}"


def class_year(key: str) -> tuple[str, int, str] | None:
    """The class, year and series of a key's id such as ``d0090-2026b``; None where it is no such id."""
    found = _CLASS_YEAR.fullmatch(key)
    return None if found is None else (found["class"], int(found["year"]), found["series"])


def own_prefix(repository: str) -> bool:
    """Whether ``holdfast-REPOSITORY--``, with which its keys begin on a server, begins no other repository's keys."""
    return "--" not in repository and not repository.endswith("-")


@dataclasses.dataclass(frozen=True)
class DigestKey:
    """Names a secret under which digests in manifests are keyed; the secret stays in the keyring."""

    id: str
    scheme: str


@dataclasses.dataclass(frozen=True)
class PublicKeys:
    """All that a keyring made for one repository and a root publishes. The last digest key is the current one."""

    sign: tuple[SignKey, ...]
    wrap: tuple[ClassYearKey, ...]
    escrow: tuple[ClassYearKey, ...]
    digest: tuple[DigestKey, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature and the id of the key that made it."""

    key_id: str
    signature: bytes
