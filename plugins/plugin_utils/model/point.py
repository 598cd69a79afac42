# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A recovery point: the signed set of snapshots of one run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import re
import typing as t
from collections.abc import Iterable, Mapping

from ..errors import PolicyError
from . import imported
from .imported import Imported
from .snapshot import Fingerprint

STATEMENT_LIMIT = 64 * 1024
# a name that people give a recovery point: versions, tags, commits
ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
# a statement repeats the change's id for those who look for it, unless it is longer
SHORT_CHANGE = 256
# how a mark begins that says: captured while a restore in place was open on the host
RESTORE_OPEN = "restore open"
# there only where a host that did not change has another inventory name than at its capture
_NAME = "name"
# there only where it was imported from the backups of another tool
_IMPORTED = "imported"


class StreamState(enum.Enum):
    """What a run did for a stream."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    CARRIED = "carried"
    LIVE = "live"


@dataclasses.dataclass(frozen=True)
class ObjectRef:
    """An object in the store as it was read back when it was put."""

    name: str
    version: str
    size: int
    lock_until: dt.datetime

    @property
    def sha256(self) -> str:
        """The digest its name ends in."""
        return self.name.rsplit("-", 1)[1].split(".", 1)[0]


@dataclasses.dataclass(frozen=True)
class StreamEntry:
    """One stream in a recovery point. ``extra`` keeps fields a newer writer added.

    ``host`` is the inventory name at the time of capture, which names the objects; ``host_id`` is whose stream it is,
    whatever the inventory calls that host by now.
    """

    host: str
    host_id: str
    stream: str
    retention_class: str
    state: StreamState
    captured_at: dt.datetime
    verified_at: dt.datetime
    pack: ObjectRef
    manifest: ObjectRef
    fingerprints: tuple[Fingerprint, ...]
    marks: tuple[str, ...] = ()
    extra: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Identity of the host and stream: what a live stream is told by."""
        return (self.host_id, self.stream)

    @property
    def name(self) -> str:
        """The inventory name under which it was last proven: ``host``, unless its host has another one since."""
        name = self.extra.get(_NAME)
        return name if isinstance(name, str) else self.host

    def named(self, name: str) -> StreamEntry:
        """The same, proven under that inventory name."""
        extra = {field: value for field, value in self.extra.items() if field != _NAME}
        return dataclasses.replace(self, extra=extra if name == self.host else {**extra, _NAME: name})

    @property
    def spoken(self) -> str:
        """Host and stream, for people."""
        return f"{self.name}/{self.stream}"

    def belongs_to(self, host: str) -> bool:
        """Whether *host* is its host's identity, or a name of it that this entry knows."""
        return host in (self.host_id, self.host, self.name)

    @property
    def is_rollback_target(self) -> bool:
        """Whether it may be chosen without being named: not where it was captured under an open restore.

        It may hold half of what was restored then. It is a copy all the same: kept, carried, and restored if asked for.
        """
        return not any(mark.startswith(RESTORE_OPEN) for mark in self.marks)

    @property
    def imported(self) -> Imported | None:
        """Where it comes from, if another tool captured it; None where a run of this collection did."""
        return imported.read(self.extra.get(_IMPORTED))

    @property
    def key_year(self) -> int:
        """The year of the key that it is sealed under: that of its capture, or of its import."""
        found = self.imported
        return self.captured_at.year if found is None or found.at is None else found.at.year

    def from_elsewhere(self, origin: Imported) -> StreamEntry:
        """The same, saying that it was imported."""
        return dataclasses.replace(self, extra={**self.extra, _IMPORTED: origin.in_entry()})

    @property
    def age_order(self) -> tuple[dt.datetime, str, dt.datetime, dt.datetime]:
        """The greatest is the newest snapshot; of the same snapshot the latest proof, and then the longest lock."""
        return (self.captured_at, self.manifest.sha256, self.verified_at, self.lock_until)

    @property
    def lock_until(self) -> dt.datetime:
        """Until when both of its objects are locked."""
        return min(self.pack.lock_until, self.manifest.lock_until)


@dataclasses.dataclass(frozen=True)
class Retirement:
    """Says that nobody keeps a host's streams, or one of them, any longer: people signed the record of that digest.

    It speaks of what was last proven at ``at`` or before: a host that comes back is live again. ``host`` is an
    identity, so that a new host of an old name is not meant.
    """

    host: str
    stream: str | None
    at: dt.datetime
    record: str

    def ends(self, entry: StreamEntry) -> bool:
        """Whether *entry* is what this retires."""
        return self.names(entry) and entry.verified_at <= self.at

    def names(self, entry: StreamEntry) -> bool:
        """Whether it speaks of the stream of *entry*, whenever that was proven."""
        return entry.host_id == self.host and self.stream in (None, entry.stream)


def identity(host: str, entries: Iterable[StreamEntry]) -> str | None:
    """Whose identity *host* is, or is a name of, among these; None where it is nobody's.

    An identity, or the name under which a host was last proven, counts more than a name that another one had before.

    :raises PolicyError: it means hosts of different identities.
    """
    meant = [entry for entry in entries if entry.belongs_to(host)]
    now = [entry for entry in meant if host in (entry.host_id, entry.name)]
    known: dict[str, str] = {}
    for entry in now or meant:
        known.setdefault(entry.host_id, entry.name)
    if len(known) > 1:
        told = " and ".join(f"{name} (identity {host_id})" for host_id, name in sorted(known.items()))
        raise PolicyError(
            f"{host} means {told}", item=host, remedy="Give a name or an identity that only the one you mean has."
        )
    return next(iter(known), None)


def require_alias(alias: str) -> None:
    """Raise PolicyError for what can be no alias."""
    if not ALIAS.fullmatch(alias):
        raise PolicyError(
            f"{alias!r} is no alias of a recovery point",
            item="alias",
            remedy="Give a letter or digit, then letters, digits and . _ + -, 64 characters at most.",
        )


@dataclasses.dataclass(frozen=True)
class HostFailure:
    """A host that gave no whole answer, and the reason in words."""

    host: str
    reason: str


@dataclasses.dataclass(frozen=True)
class ConsistencyFinding:
    """Something that several streams of a point do not agree on."""

    check: str
    detail: str


@dataclasses.dataclass(frozen=True)
class Body:
    """The content of a recovery point. ``actor`` says who ran it; older ones say nobody."""

    repository: str
    root: str
    run: str
    point: str
    opened_at: dt.datetime
    sealed_at: dt.datetime
    parents: tuple[str, ...]
    full: bool
    covers: tuple[str, ...]
    streams: tuple[StreamEntry, ...]
    expected: tuple[str, ...]
    failed: tuple[HostFailure, ...]
    missing: tuple[str, ...]
    consistency: tuple[ConsistencyFinding, ...]
    change: Mapping[str, t.Any]
    complete: bool
    retired: tuple[Retirement, ...] = ()
    alias: str | None = None
    actor: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def change_id(self) -> str:
        """The ticket of the run; empty where it has none."""
        value = self.change.get("id")
        return value if isinstance(value, str) else ""


@dataclasses.dataclass(frozen=True)
class Statement:
    """What is signed: the body's digest and what a reader wants to know before fetching it.

    ``change`` is the id of the run's change, empty where it has none; None where only the body says it.
    """

    repository: str
    root: str
    run: str
    point: str
    sealed_at: dt.datetime
    complete: bool
    full: bool
    parents: tuple[str, ...]
    counts: Mapping[str, int]
    body_name: str
    body_sha256: str
    alias: str | None = None
    change: str | None = None
