# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A replica of a repository: how it comes by its objects, how far it is behind, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum

from .verification import Finding


class Depth(enum.IntEnum):
    """How closely two sites are compared; each depth holds those before it.

    ``names``: what one site has by name and size and the other has not; of what was put again since, the locks as well.
    ``locks``: every lock of both sites, which on S3 is two requests an object. ``content``: every byte of the replica
    is read and held against the digest in its name.
    """

    NAMES = 1
    LOCKS = 2
    CONTENT = 3


class CopiedBy(enum.Enum):
    """Who brings objects to a replica: this collection, or the servers by themselves."""

    COLLECTION = "collection"
    SERVER = "server"


@dataclasses.dataclass(frozen=True)
class Lag:
    """How far a replica is behind, by the times at which recovery points were sealed: its RPO.

    ``newest`` is that of the newest point of the repository, ``newest_there`` of the newest one that the replica has
    too, ``oldest_waiting`` of the oldest one that it lacks; None where there is no such point. ``points`` counts those
    it lacks. ``seconds`` is how long the oldest of these has been waiting: what was sealed since then is lost with the
    repository.
    """

    newest: dt.datetime | None
    newest_there: dt.datetime | None
    oldest_waiting: dt.datetime | None
    points: int
    seconds: int


@dataclasses.dataclass(frozen=True)
class ReplicaState:
    """A replica beside its repository.

    Counts are of objects, that is, of names: ``lacking`` are those that it lacks, ``short`` those with an earlier lock
    than the repository has, ``damaged`` those of which it has no version with the right digest, ``extra`` those that
    are locked there still and are not in the repository any more.
    """

    name: str
    location: str
    depth: Depth
    lag: Lag
    objects: int
    lacking: int
    short: int
    damaged: int
    extra: int
    findings: tuple[Finding, ...]


@dataclasses.dataclass(frozen=True)
class Replicated:
    """What was copied to a replica, or in check mode would be.

    ``copied`` are the names of objects put there, ``renewed`` counts those of them that it had with an earlier lock and
    ``mended`` those that were damaged there. ``returned`` are records of restores that it alone had, brought home.
    ``held_back`` are recovery points that name what could not be copied. ``findings`` are what was not copied, and why.
    """

    name: str
    location: str
    copied: tuple[str, ...]
    copied_bytes: int
    renewed: int
    mended: int
    returned: tuple[str, ...]
    held_back: tuple[str, ...]
    before: Lag
    lag: Lag
    findings: tuple[Finding, ...]
