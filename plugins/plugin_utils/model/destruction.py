# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The destruction of a class-year's key: what people sign for it, and what records say that tell of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Mapping

from ..errors import FormatError
from . import instant
from .keys import class_year
from .point import StreamEntry
from .record import DESTRUCTION, ESCROW_DESTROYED, Record

#: kinds of the records by which a machine says that it is about to destroy a key, and that it has
DESTROYING, DESTROYED = "destroying", "destroyed"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_COUNTS = ("snapshots", "locked", "newest", "hosts_left_without")


@dataclasses.dataclass(frozen=True)
class Demand:
    """The key that people are asked to have destroyed, and what they saw of it.

    ``snapshots`` are under it, ``locked`` of them have a lock that has not ended, and ``newest`` are the newest ones of
    live streams that still open; nothing that opens is left of so many ``hosts_left_without`` them. ``in_use``: nothing
    follows it in the root, so that backups of its class fail once it is gone.
    """

    key: str
    snapshots: int
    locked: int
    newest: int
    hosts_left_without: int
    in_use: bool

    @property
    def subject(self) -> dict[str, t.Any]:
        """What a record says of it."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Destroyed:
    """A key that was destroyed as people had signed: when, and by which records.

    ``record`` is the digest of the record that says so, ``demand`` of that which people signed, and ``signers`` are
    these. ``newest`` are the digests of the manifests that were the newest of live streams, and ``escrow`` the ids of
    the escrow keys that open what was under it. ``seen`` is how many snapshots people signed for.
    """

    key: str
    at: dt.datetime
    record: str
    demand: str
    signers: tuple[str, ...]
    newest: frozenset[str]
    escrow: frozenset[str] = frozenset()
    seen: int = 0

    def ends(self, entry: StreamEntry) -> bool:
        """Whether records say that *entry* was the newest of its stream and can be opened no more.

        Its class and year are asked too: whoever signs such a record may not end what people did not speak of. Which of
        the keys of that year it is under only its manifest tells.
        """
        known = class_year(self.key)
        return (
            known is not None
            and (entry.retention_class, entry.key_year) == known[:2]
            and entry.manifest.sha256 in self.newest
        )

    @property
    def spoken(self) -> str:
        """For people: when, by which record, and who signed for it."""
        return (
            f"key {self.key} was destroyed on {instant.to_text(self.at)}, by record {self.record}, "
            f"signed by {', '.join(self.signers)}"
        )


@dataclasses.dataclass(frozen=True)
class EscrowStatement:
    """Who holds the escrow key of that id has signed that every copy of it is destroyed."""

    key: str
    at: dt.datetime
    record: str
    signers: tuple[str, ...]


def demand_of(record: Record, digest: str) -> Demand:
    """What a record of kind ``destruction`` demands; raises FormatError where it says nothing of the kind."""
    subject: Mapping[str, t.Any] = record.subject
    names = {field.name for field in dataclasses.fields(Demand)}
    fits = record.kind == DESTRUCTION and subject.keys() == names and isinstance(subject["in_use"], bool)
    if not fits or not _is_key(subject["key"]) or not all(_is_count(subject[name]) for name in _COUNTS):
        # what else it says may narrow what people meant
        raise FormatError("does not say which key is to be destroyed, and what people saw of it", item=digest)
    return Demand(**subject)


def escrow_of(record: Record, digest: str) -> str:
    """The escrow key that a record of kind ``escrow-destroyed`` tells of; raises FormatError where it tells of none."""
    key = record.subject.get("key")
    if record.kind != ESCROW_DESTROYED or record.subject.keys() != {"key"} or not isinstance(key, str):
        raise FormatError("does not say which escrow key was destroyed", item=digest)
    if not _is_key(key):
        raise FormatError("does not say which escrow key was destroyed", item=digest)
    return key


def begun_of(record: Record, digest: str) -> tuple[str, str]:
    """Key and demand of a record of kind ``destroying``; raises FormatError where it is none."""
    return _subject(record, DESTROYING, digest)


def destroyed_of(record: Record, digest: str) -> tuple[str, str, frozenset[str], frozenset[str]]:
    """Key, demand, newest manifests and escrow keys of a record of kind ``destroyed``.

    :raises FormatError: it is none.
    """
    key, demand = _subject(record, DESTROYED, digest)
    newest, escrow = record.detail.get("newest"), record.detail.get("escrow")
    if (
        not isinstance(newest, list)
        or not isinstance(escrow, list)
        or not all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in newest)
        or not all(_is_key(one) for one in escrow)
    ):
        raise FormatError("does not say what was lost with the key", item=digest)
    return key, demand, frozenset(newest), frozenset(escrow)


def _subject(record: Record, kind: str, digest: str) -> tuple[str, str]:
    key, demand = record.subject.get("key"), record.subject.get("record")
    if record.kind != kind or not _is_key(key) or not isinstance(demand, str) or not _DIGEST.fullmatch(demand):
        raise FormatError("does not say which key it is about, and who demanded that", item=digest)
    return str(key), demand


def _is_key(value: t.Any) -> bool:
    return isinstance(value, str) and class_year(value) is not None


def _is_count(value: t.Any) -> bool:
    # a bool is an int
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
