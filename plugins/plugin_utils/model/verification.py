# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What verify looks at and what it reports."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum


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
class Finding:
    """One thing that verify found, and what to do about it."""

    severity: Severity
    item: str
    problem: str
    remedy: str


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
    """

    host: str
    host_id: str
    stream: str
    captured_at: dt.datetime
    verified_at: dt.datetime
    proven_at: dt.datetime | None
    restore_open: bool


@dataclasses.dataclass(frozen=True)
class Report:
    """What was verified. Counts are of what the level looked at."""

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

    @property
    def sound(self) -> bool:
        """Whether no promise is broken."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)
