# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choose the snapshots to restore from."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator

from ..errors import NotFoundError, PolicyError
from ..model import instant
from ..model.point import StreamEntry, identity
from . import points
from .repository import Repository

_PREFIX = re.compile(r"[0-9a-f]{12,64}")


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which snapshots to restore from: exactly one of the four, and never the newest unless that is asked for.

    ``point`` and ``snapshot`` are digests, or at least 12 of their first digits.
    """

    point: str | None = None
    snapshot: str | None = None
    time: dt.datetime | None = None
    newest: bool = False
    components: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        chosen = [self.point is not None, self.snapshot is not None, self.time is not None, self.newest]
        if sum(chosen) != 1:
            raise PolicyError(
                "which snapshot to restore is not said once",
                remedy="Give one of recovery_point, snapshot, time, newest.",
            )
        for digest in (self.point, self.snapshot):
            if digest is not None and not _PREFIX.fullmatch(digest):
                raise PolicyError(
                    f"{digest!r} is not a digest or its first 12 digits or more",
                    item="recovery_point or snapshot",
                    remedy="Copy it from a run's table or from verify.",
                )

    @property
    def spoken(self) -> str:
        """What was asked for, for errors."""
        moment = None if self.time is None else instant.to_text(self.time)
        return self.point or self.snapshot or moment or "newest"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A stream's snapshot and the components to take from it."""

    entry: StreamEntry
    components: tuple[str, ...]


def choose(
    repository: Repository, host: str, selection: Selection, *, host_id: str | None = None
) -> tuple[Chosen, ...]:
    """Find the snapshots that a selection names: each component from the newest one that declares it.

    :param host: its identity, or an inventory name that it has or had.
    :param host_id: its identity, where that is known; *host* is not looked for then.
    :raises NotFoundError: no sealed point that is believed holds what was asked for.
    :raises PolicyError: *host* means hosts of different identities.
    """
    found = list(_candidates(repository, host, selection))
    host_id = host_id or identity(host, found)
    if host_id is None and not selection.newest:
        # it had another name then
        host_id = identity(host, points.live(repository).streams.values())
    entries = [entry for entry in found if entry.host_id == host_id]
    if not entries and (selection.newest or selection.time is not None):
        # retired, or kept no longer: what is still there can be restored
        found = list(_all_entries(repository, selection.time))
        host_id = host_id or identity(host, found)
        entries = [entry for entry in found if entry.host_id == host_id]
    if host_id is None or not entries:
        raise NotFoundError(
            "no recovery point holds a snapshot of this host as asked",
            host=host,
            item=selection.spoken,
            remedy="Look at the recovery points that verify lists, at the host's inventory name and at its identity.",
        )
    newest: dict[str, StreamEntry] = {}
    for entry in entries:
        for fingerprint in entry.fingerprints:
            known = newest.get(fingerprint.component)
            if known is None or entry.age_order > known.age_order:
                newest[fingerprint.component] = entry
    for name in selection.components:
        if name not in newest and selection.point is None and selection.snapshot is None:
            newest.update(_dropped(repository, host_id, name, selection.time))
    unknown = [name for name in selection.components if name not in newest]
    if unknown:
        raise NotFoundError(
            f"no component {', '.join(unknown)} there",
            host=host,
            item=unknown[0],
            remedy=f"The snapshot has {', '.join(sorted(newest))}.",
        )
    wanted = sorted(set(selection.components) or set(newest))
    by_snapshot: dict[str, list[str]] = {}
    for name in wanted:
        by_snapshot.setdefault(newest[name].manifest.name, []).append(name)
    return tuple(
        Chosen(next(e for e in newest.values() if e.manifest.name == manifest), tuple(components))
        for manifest, components in by_snapshot.items()
    )


def _candidates(repository: Repository, host: str, selection: Selection) -> Iterator[StreamEntry]:
    if selection.point is not None:
        yield from _point_by_digest(repository, selection.point, host).body.streams
    elif selection.snapshot is not None:
        live = _all_entries(repository)
        yield from (entry for entry in live if entry.manifest.sha256.startswith(selection.snapshot))
    else:
        yield from points.live(repository, until=selection.time).streams.values()


def _dropped(repository: Repository, host_id: str, component: str, until: dt.datetime | None) -> dict[str, StreamEntry]:
    """The newest snapshot of a component that no live stream of the host holds any more."""
    found = [
        entry
        for entry in _all_entries(repository, until)
        if entry.host_id == host_id and any(fingerprint.component == component for fingerprint in entry.fingerprints)
    ]
    return {component: max(found, key=lambda entry: entry.age_order)} if found else {}


def _all_entries(repository: Repository, until: dt.datetime | None = None) -> Iterator[StreamEntry]:
    for point in points.history(repository):
        if until is None or point.statement.sealed_at <= until:
            yield from point.body.streams


def _point_by_digest(repository: Repository, digest: str, host: str) -> points.Point:
    found, refused = points.find(repository, digest)
    if not found and refused:
        raise refused[0]
    if len(found) != 1:
        raise NotFoundError(
            f"{len(found)} recovery points have that digest" if found else "no recovery point has that digest",
            host=host,
            item=digest,
            remedy="Give all 64 digits of one." if found else "Look at the recovery points that verify lists.",
        )
    return found[0]
