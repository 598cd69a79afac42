# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A recovery point: the signed set of snapshots of one run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import typing as t
from collections.abc import Iterable, Mapping

from ..errors import PolicyError
from .snapshot import Fingerprint

STATEMENT_LIMIT = 64 * 1024
# there only where a host that did not change has another inventory name than at its capture
_NAME = "name"


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
    """The content of a recovery point."""

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


@dataclasses.dataclass(frozen=True)
class Statement:
    """What is signed: the body's digest and the figures a reader wants before fetching it."""

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
