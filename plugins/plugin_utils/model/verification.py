# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What verify looks at and what it reports."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
from collections.abc import Mapping


class Level(enum.IntEnum):
    """How deep to look; each level holds those before it.

    ``names``: every object is one of the format, and locked as long as its class says. ``signatures``: every point is
    signed, its body and manifests are the bytes it names, its parents are there, what it names exists with the lock it
    says. ``content``: every pack's bytes have the digest in their name. ``keys``: every pack opens with this keyring
    and holds what its manifest says.
    """

    NAMES = 1
    SIGNATURES = 2
    CONTENT = 3
    KEYS = 4


class Severity(enum.Enum):
    """An ``error`` breaks a promise.

    A ``warning`` wants somebody's eyes; a ``note`` is expected after an interrupted run.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclasses.dataclass(frozen=True)
class Sample:
    """Which snapshots are read: of each class so many percent, of those drawn by name and *seed*.

    Of one class and percentage p, any ceil(100/p) successive seeds that begin with a multiple of that number draw every
    snapshot, and any twice as many do whatever they begin with. Who knows the seed knows what is drawn, and nobody can
    choose it: the draw is a digest of the name, which ends in the digest of the object.

    :param percent: of classes that are not named; 100 reads all.
    :param classes: percent of those that are.
    :param newest: percent of the newest snapshots of live streams, drawn beside those of their class.
    :param seed: None for the number of the day since 1970.
    """

    percent: int = 100
    classes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    newest: int = 0
    seed: int | None = None

    def draws(self, name: str, retention_class: str, *, newest: bool) -> bool:
        """Whether the snapshot whose manifest has this name is read; an object that is of no snapshot, by its own."""
        percent = self.classes.get(retention_class, self.percent)
        return self._drawn(name, percent) or (newest and self._drawn(name, self.newest))

    def _drawn(self, name: str, percent: int) -> bool:
        if percent in (0, 100):
            return percent == 100
        turns = -(-100 // percent)
        cycle, turn = divmod(self.seed or 0, turns)
        # drawn anew for each cycle: a schedule that skips seeds does not meet the same part for ever
        digest = hashlib.sha256(f"{cycle}:{name}".encode()).digest()
        place = int.from_bytes(digest[:7], "big") * 100 / (1 << 56)
        return (place - turn * percent) % 100 < percent


@dataclasses.dataclass(frozen=True)
class Extent:
    """So many objects, and the bytes of all their versions."""

    objects: int = 0
    bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Source:
    """From what a damaged object, or its stream, can be had instead.

    Either another ``version`` of the object, which has the right bytes; or a ``recovery_point`` with an ``older`` or
    ``newer`` snapshot of the stream, captured then, of which nothing wrong was found. ``read``: it was read too.
    """

    which: str
    version: str = ""
    recovery_point: str = ""
    captured_at: dt.datetime | None = None
    read: bool = True


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that verify found, and what to do about it.

    ``host`` and ``stream`` say whose snapshot it is about, empty where it is about none. ``versions`` are those of the
    object that are wrong. ``restore_from`` is where the same, or the nearest there is, can be had in this repository.
    """

    severity: Severity
    item: str
    problem: str
    remedy: str
    host: str = ""
    stream: str = ""
    versions: tuple[str, ...] = ()
    restore_from: tuple[Source, ...] = ()


@dataclasses.dataclass(frozen=True)
class PointSummary:
    """A recovery point that is believed."""

    id: str
    point: str
    sealed_at: dt.datetime
    complete: bool
    streams: int
    change: str
    alias: str = ""


@dataclasses.dataclass(frozen=True)
class StreamSummary:
    """A live stream: whose it is, how old its newest snapshot is, and when it was last proven.

    ``captured_at`` is when that snapshot was made, ``verified_at`` when the host was last seen to equal it.
    ``proven_at`` is when a snapshot of the stream was last opened and compared equal; None where none was.
    ``restore_open`` says that the newest snapshot was taken under an open restore, and is chosen only if it is named.
    ``storage_class`` is where the store keeps its pack, empty for the usual one: of an archive class, a restore waits.
    ``imported`` names the tool that captured it, where that was another one.
    """

    host: str
    host_id: str
    stream: str
    captured_at: dt.datetime
    verified_at: dt.datetime
    proven_at: dt.datetime | None
    restore_open: bool
    storage_class: str = ""
    imported: str = ""


@dataclasses.dataclass(frozen=True)
class Report:
    """What was verified. Counts are of what the level looked at.

    ``read`` are packs and manifests, at level content and deeper all objects, that were read and compared; ``unread``
    those that the level reads and this time did not: not drawn, or resting in an archive class. ``resumed`` are those
    of ``read`` that an interrupted verify had read, the first of them at ``resumed_since``. ``at`` is when it began.
    """

    level: Level
    points: tuple[PointSummary, ...]
    snapshots: int
    packs_opened: int
    records: int
    objects: int
    stored_bytes: int
    timestamped: int
    unsealed: int
    findings: tuple[Finding, ...]
    streams: tuple[StreamSummary, ...] = ()
    read: Extent = Extent()
    unread: Extent = Extent()
    resumed: Extent = Extent()
    resumed_since: dt.datetime | None = None
    sample: Sample | None = None
    at: dt.datetime | None = None

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The findings that break a promise."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def whole(self) -> bool:
        """Whether everything was read that the level reads."""
        return not self.unread.objects

    @property
    def sound(self) -> bool:
        """Whether no promise is broken, and everything was read that the level reads."""
        return self.whole and not self.broken
