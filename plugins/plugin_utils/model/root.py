# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repository's root: its name, keys and classes, as one link of a signed chain."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

from ..errors import KeyringError, PolicyError
from .keys import ClassYearKey, PublicKeys, SignKey
from .record import Request
from .retention import RetentionClass

# any kind of key; the others ask for a FIDO2 key
ANY_KEY = "any"
ROOT_OPERATION = "root"


@dataclasses.dataclass(frozen=True)
class Person:
    """Somebody who signs root links and records with an OpenSSH key."""

    principal: str
    roles: tuple[str, ...]
    public: str
    not_before: dt.datetime
    not_after: dt.datetime


@dataclasses.dataclass(frozen=True)
class Quorum:
    """How many people, of which roles, an operation takes.

    ``presence`` is what it takes of each signer's key: ``any``; ``touch``: a FIDO2 key that was touched; ``pin``: a
    FIDO2 key that was touched and whose user was verified by PIN or biometrics.
    """

    operation: str
    required: int
    roles: tuple[str, ...]
    presence: str = ANY_KEY


@dataclasses.dataclass(frozen=True)
class Root:
    """One link. ``id`` is the SHA-256 of its bytes: what the inventory pins.

    ``tips`` are the points, and ``records`` the records signed by people, that were known when it was made: what a key
    or person missing here, and named by an earlier link, is still believed for. ``request`` is what people signed it
    for.
    """

    id: str
    repository: str
    link: int
    previous: str | None
    created: dt.datetime
    classes: Mapping[str, RetentionClass]
    keys: PublicKeys
    people: tuple[Person, ...] = ()
    quorum: tuple[Quorum, ...] = ()
    tips: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    request: Request | None = None

    @property
    def longest_days(self) -> int:
        """The days of the longest class: what points, bodies and records are locked by."""
        return max(kept.days for kept in self.classes.values())

    @property
    def digest_key_id(self) -> str:
        """The digest key under which new manifests are written."""
        return self.keys.digest[-1].id

    def retention(self, declared: RetentionClass) -> RetentionClass:
        """Return the root's class of that name; raises PolicyError where the inventory says otherwise."""
        known = self.classes.get(declared.name)
        if known is None:
            raise PolicyError(
                f"class {declared.name} is not in the root of repository {self.repository}",
                item=declared.name,
                remedy=f"Use one of {', '.join(sorted(self.classes))}, or let repository state=present ask for a root "
                "link that adds it.",
            )
        if known != declared:
            raise PolicyError(
                f"class {declared.name} is {known.spoken}, in the root of repository {self.repository}, and "
                f"{declared.spoken}, in the inventory",
                item=declared.name,
                remedy="A class is never edited: give other days another name.",
            )
        return known

    def signer(self, key_id: str, use: str, at: dt.datetime) -> SignKey | None:
        """The key of that id, if the root lets it sign for *use* at that moment."""
        for key in self.keys.sign:
            if key.id == key_id and key.use == use and key.not_before <= at <= key.not_after:
                return key
        return None

    def signing(self, use: str, at: dt.datetime) -> tuple[str, ...]:
        """Ids of the keys that may sign for *use* at that moment."""
        return tuple(key.id for key in self.keys.sign if key.use == use and key.not_before <= at <= key.not_after)

    def rule(self, operation: str) -> Quorum | None:
        """How many people an operation takes; None where the root lets nobody do it."""
        return next((quorum for quorum in self.quorum if quorum.operation == operation), None)

    def wrap_key(self, retention_class: str, year: int) -> ClassYearKey:
        """The newest key of a class and year to wrap under; raises KeyringError where the root has none."""
        return self._class_year(self.keys.wrap, retention_class, year, "wrapping")

    def escrow_key(self, retention_class: str, year: int) -> ClassYearKey:
        """The newest escrow key of a class and year; raises KeyringError where the root has none."""
        return self._class_year(self.keys.escrow, retention_class, year, "escrow")

    def _class_year(self, keys: tuple[ClassYearKey, ...], retention_class: str, year: int, use: str) -> ClassYearKey:
        found = [key for key in keys if key.retention_class == retention_class and key.year == year]
        if not found:
            raise KeyringError(
                f"the root of repository {self.repository} has no {use} key for class {retention_class} in {year}",
                item=f"{retention_class}-{year}",
                remedy="Run holdfast.config.repository with state=present: a root link that people sign adds years.",
            )
        return max(found, key=lambda key: key.series)
