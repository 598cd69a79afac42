# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot: one stream at one time, as its manifest tells it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import typing as t
from collections.abc import Mapping

from . import imported
from .component import Component
from .entry import Entry, LeftOut, folders_above
from .imported import Imported


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """What a component looked like, keyed, so that only who holds the digest key can compare or guess.

    ``normalised`` stands for what is not volatile, as ``normaliser`` tells it from the rest; None where nothing is.
    """

    component: str
    definition: str
    digest_key: str
    raw: str
    normalised: str | None = None
    normaliser: str | None = None

    def agrees(self, other: Fingerprint) -> bool:
        """Whether two fingerprints of one component, under one key, show no drift."""
        stable = self.normalised is not None and self.normaliser == other.normaliser
        return self.raw == other.raw or (stable and self.normalised == other.normalised)

    def undecided(self, other: Fingerprint) -> bool:
        """Whether two that do not agree were normalised in different ways: what differs may be drift, or volatile."""
        told = self.normaliser is not None and other.normaliser is not None
        return told and self.normaliser != other.normaliser and self.raw != other.raw


@dataclasses.dataclass(frozen=True)
class KeyedEntry:
    """An entry as a manifest shows it.

    ``digest`` stands for its content or target, ``xattr_digests`` for its values.
    """

    entry: Entry
    digest: str
    xattr_digests: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class SecretDigest:
    """A declared secret: the path and the line that it stands on, and a digest that is the same on all hosts."""

    path: str
    line: int
    digest: str


@dataclasses.dataclass(frozen=True)
class CapturedComponent:
    """A component as the pack holds it.

    ``secrets`` are those that it declares and whose digests are known, None where nobody looked for any.
    """

    component: Component
    fingerprint: Fingerprint
    size: int
    entries: tuple[KeyedEntry, ...]
    left_out: tuple[LeftOut, ...]
    left_out_bytes: int
    marks: tuple[str, ...]
    secrets: tuple[SecretDigest, ...] | None = None

    @functools.cached_property
    def _silent(self) -> frozenset[str]:
        """The paths that it says nothing of, nor of what is below them; many paths are asked for."""
        return frozenset(left.path for left in self.left_out if left.reason != "absent")

    def speaks_for(self, path: str) -> bool:
        """Whether this capture would hold *path* if the host had it: declared, and at or below nothing left out."""
        return self.component.declares(path) and self._silent.isdisjoint((*folders_above(path), path))


@dataclasses.dataclass(frozen=True)
class PackDescription:
    """Name and measures of a pack; what a reader allows itself to unpack."""

    name: str
    size: int
    tar_size: int
    members: int


@dataclasses.dataclass(frozen=True)
class WrappedKey:
    """The secret of a pack's one-time recipient, wrapped under a class-year key."""

    retention_class: str
    year: int
    series: str
    scheme: str
    recipient: str
    wrapped: bytes

    @property
    def id(self) -> str:
        """The id of the class-year key."""
        return f"{self.retention_class}-{self.year}{self.series}"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is in one pack, and how to come by its key."""

    repository: str
    root: str
    host: str
    host_id: str
    stream: str
    retention_class: str
    captured_at: dt.datetime
    digest_key: str
    pack: PackDescription
    key: WrappedKey
    escrow: tuple[str, ...]
    components: tuple[CapturedComponent, ...]
    writer: str
    imported: t.Any = None
    restore_open: bool = False

    @property
    def origin(self) -> Imported | None:
        """Where it comes from, if another tool captured it; None where a run of this collection did."""
        return imported.read(self.imported)
