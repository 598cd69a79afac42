# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choose the snapshots to restore from."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..capture.patterns import covering
from ..errors import HoldfastError, NotFoundError, PolicyError
from ..model import instant
from ..model.point import StreamEntry, StreamState, identity, require_alias
from . import points
from .repository import Repository
from .run_folder import POINT_NAME

_PREFIX = re.compile(r"[0-9a-f]{12,64}")
_NAMED = 10
# what a run itself found on a host; the rest of what its point names is older
_OWN = (StreamState.STORED, StreamState.UNCHANGED)
_LISTED = "Look at the recovery points that find lists."


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which snapshots to restore from: exactly one of the first six, and never the newest unless that is asked for.

    ``point`` and ``snapshot`` are digests, or at least 12 of their first digits; ``alias`` and ``change_id`` find one
    recovery point by what people call it. ``point_name`` leaves of several those of that name, such as ``pre``.
    ``paths`` are patterns as in excludes, each standing for all below what it matches; none are all.

    :raises PolicyError: it is not said once, or something of it cannot be.
    """

    point: str | None = None
    snapshot: str | None = None
    time: dt.datetime | None = None
    newest: bool = False
    components: tuple[str, ...] = ()
    alias: str | None = None
    change_id: str | None = None
    point_name: str | None = None
    paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        chosen = [self.point, self.snapshot, self.alias, self.change_id, self.time]
        if sum(value is not None for value in chosen) + self.newest != 1:
            raise PolicyError(
                "which snapshot is meant is not said once",
                remedy="Give one of recovery_point, snapshot, alias, change_id, time, newest.",
            )
        for digest in (self.point, self.snapshot):
            if digest is not None and not _PREFIX.fullmatch(digest):
                raise PolicyError(
                    f"{digest!r} is not a digest or its first 12 digits or more",
                    item="recovery_point or snapshot",
                    remedy="Copy it from a run's table or from find.",
                )
        if self.alias is not None:
            require_alias(self.alias)
        if self.change_id is not None and not self.change_id:
            raise PolicyError("the change to look for is empty", item="change_id", remedy="Give its id.")
        if self.point_name is not None:
            self._judge_name(self.point_name)
        judge_paths(self.paths)

    def _judge_name(self, name: str) -> None:
        if self.point or self.snapshot or self.alias:
            raise PolicyError(
                "point_name goes with change_id, time and newest alone",
                item="point_name",
                remedy="Leave it out: the others mean one recovery point.",
            )
        if not POINT_NAME.fullmatch(name):
            raise PolicyError(
                f"{name!r} is not a name of a recovery point",
                item="point_name",
                remedy="Give its name in its run, such as pre.",
            )

    @property
    def spoken(self) -> str:
        """What was asked for, for errors."""
        moment = None if self.time is None else instant.to_text(self.time)
        change = None if self.change_id is None else f"change {self.change_id!r}"
        what = self.point or self.snapshot or self.alias or change or moment or "newest"
        return what if self.point_name is None else f"{what} of {self.point_name}"

    @property
    def is_digest(self) -> bool:
        """Whether somebody named the very point or snapshot."""
        return self.point is not None or self.snapshot is not None

    @property
    def is_latest(self) -> bool:
        """Whether it means what was newest then or is now, whichever run found it."""
        return (self.newest or self.time is not None) and self.point_name is None

    @property
    def is_of_runs(self) -> bool:
        """Whether only what runs themselves found counts, and not the older copies that their points name besides."""
        return self.alias is not None or self.change_id is not None or self.point_name is not None


def judge_paths(paths: Sequence[str]) -> None:
    """Raise PolicyError for a pattern that is none, or that stands for every path."""
    for path in paths:
        try:
            covering([path])
        except ValueError as e:
            raise PolicyError(f"{path!r} is not a path or pattern", item="paths", remedy="See excludes.") from e
        if not path.strip("/"):
            raise PolicyError(
                f"{path!r} names no path", item="paths", remedy="Leave paths out for all of the components."
            )


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A stream's snapshot and the components to take from it."""

    entry: StreamEntry
    components: tuple[str, ...]

    @property
    def restore_open(self) -> bool:
        """Whether it was captured under an open restore, and chosen since somebody named it: worth a warning."""
        return not self.entry.is_rollback_target


def under_open_restores(chosen: Iterable[Chosen]) -> tuple[str, ...]:
    """A warning for each snapshot that was chosen although it may hold half of a restore."""
    return tuple(
        f"snapshot {one.entry.manifest.sha256[:12]} was captured while a restore was open on {one.entry.name}"
        for one in chosen
        if one.restore_open
    )


def from_elsewhere(chosen: Iterable[Chosen]) -> tuple[str, ...]:
    """A warning for each snapshot that another tool captured."""
    return tuple(
        f"snapshot {one.entry.manifest.sha256[:12]} of {one.entry.spoken} was imported from {one.entry.imported.tool}: "
        "nobody signed it at its source"
        for one in chosen
        if one.entry.imported is not None
    )


def choose(
    repository: Repository, host: str, selection: Selection, *, host_id: str | None = None
) -> tuple[Chosen, ...]:
    """Find the snapshots that a selection names: each component from the newest one that declares it.

    What was captured under an open restore is chosen only by its digest or its point's. By alias, change or name of
    points only what their runs found on the host is chosen, none of the older copies that they name besides.
    What was imported is chosen where its component is named, by its own times, or by its digest; and where a recovery
    point that is meant holds nothing else of the host.

    :param host: its identity, or an inventory name that it has or had.
    :param host_id: its identity, where that is known; *host* is not looked for then.
    :raises NotFoundError: no sealed point that is believed holds what was asked for.
    :raises PolicyError: *host* means hosts of different identities, or an alias or change several recovery points.
    """
    host_id, entries = _entries(repository, host, selection, host_id)
    entries = _eligible(entries, selection, host)
    newest = _by_component(entries)
    if selection.is_latest:
        for name in selection.components:
            if name not in newest:
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
    if selection.is_latest:
        newest = _rollback_targets(repository, host_id, {name: newest[name] for name in wanted}, selection.time)
    elif not selection.is_digest:
        newest = _by_component(entry for entry in entries if entry.is_rollback_target)
    unfit = [name for name in wanted if name not in newest]
    if unfit:
        raise NotFoundError(
            f"every snapshot of {', '.join(unfit)} was taken while a restore was open on the host",
            host=host,
            item=unfit[0],
            remedy="Back it up again once none is; to use one all the same, give its recovery_point or snapshot.",
        )
    by_snapshot: dict[str, list[str]] = {}
    for name in wanted:
        by_snapshot.setdefault(newest[name].manifest.name, []).append(name)
    return tuple(
        Chosen(next(e for e in newest.values() if e.manifest.name == manifest), tuple(components))
        for manifest, components in by_snapshot.items()
    )


def _entries(
    repository: Repository, host: str, selection: Selection, host_id: str | None
) -> tuple[str, list[StreamEntry]]:
    """The identity of the host that is meant, and what there is of it to choose from; raises NotFoundError."""
    point = _one_point(repository, host, selection, host_id)
    found = list(_candidates(repository, selection, point))
    host_id = host_id or identity(host, found)
    if host_id is None and not (selection.is_latest and selection.newest):
        # it had another name then
        host_id = identity(host, points.live(repository).streams.values())
    entries = [entry for entry in found if entry.host_id == host_id]
    if not entries and selection.is_latest:
        # retired, or kept no longer: what is still there can be restored
        found = list(_all_entries(repository, selection.time))
        host_id = host_id or identity(host, found)
        entries = [entry for entry in found if entry.host_id == host_id]
    if host_id is None or not entries:
        raise NotFoundError(
            "no recovery point holds a snapshot of this host as asked",
            host=host,
            item=selection.spoken,
            remedy="Look at the recovery points that find lists, at the host's inventory name and at its identity.",
        )
    if selection.is_of_runs:
        entries = _own(entries, host, selection)
        if point is not None:
            _require_whole(point, host, entries, selection)
    return host_id, entries


def _eligible(entries: Sequence[StreamEntry], selection: Selection, host: str) -> list[StreamEntry]:
    """What may be chosen by itself, and of what was imported what is named; raises NotFoundError where nothing may.

    At a time what was imported counts by its own times, which :func:`_dropped` looks at.
    """
    captured = [entry for entry in entries if entry.imported is None]
    imported = [entry for entry in entries if entry.imported is not None]
    named = [e for e in imported if any(part.component in selection.components for part in e.fingerprints)]
    if not selection.is_latest:
        return list(entries) if selection.snapshot is not None else [*captured, *named] or imported
    if not captured and not selection.components:
        known = ", ".join(sorted(_by_component(imported)))
        raise NotFoundError(
            "all that there is of this host was imported from the backups of another tool",
            host=host,
            item=selection.spoken,
            remedy=f"Name what is to be taken in components: {known}.",
        )
    return captured if selection.time is not None else [*captured, *named]


def _by_component(entries: Iterable[StreamEntry]) -> dict[str, StreamEntry]:
    """The newest snapshot of each component."""
    newest: dict[str, StreamEntry] = {}
    for entry in entries:
        for fingerprint in entry.fingerprints:
            known = newest.get(fingerprint.component)
            if known is None or entry.age_order > known.age_order:
                newest[fingerprint.component] = entry
    return newest


def _own(entries: Sequence[StreamEntry], host: str, selection: Selection) -> list[StreamEntry]:
    """Those of a host's entries that the runs of their points themselves found there; raises NotFoundError.

    A point also names what a silent host had before, and one that has a full body what other runs found.
    """
    own = [entry for entry in entries if entry.state in _OWN]
    if not own:
        raise NotFoundError(
            "the host was not captured in any such run: what its recovery point names of it is older",
            host=host,
            item=selection.spoken,
            remedy="To restore that one, choose it by time, recovery_point or snapshot.",
        )
    return own


def _require_whole(point: points.Point, host: str, own: Sequence[StreamEntry], selection: Selection) -> None:
    """Raise NotFoundError where a host is to be restored whole from a run in which it failed."""
    names = {host, *(entry.name for entry in own)}
    if selection.components or not names & {*(failure.host for failure in point.body.failed), *point.body.missing}:
        return
    held = ", ".join(sorted(_by_component(own)))
    raise NotFoundError(
        "the host failed in that run, and its recovery point holds it only in part",
        host=host,
        item=point.id,
        remedy=f"Name what is to be restored in components (it holds {held}), or choose another recovery point.",
    )


def _one_point(repository: Repository, host: str, selection: Selection, host_id: str | None) -> points.Point | None:
    """The recovery point that a selection means, where it means one."""
    if selection.point is not None:
        return _point_by_digest(repository, selection.point, host)
    if selection.alias is not None:
        return _point_by_alias(repository, selection.alias, host, host_id)
    if selection.change_id is not None:
        return _point_of_change(repository, selection, host, host_id)
    return None


def _candidates(repository: Repository, selection: Selection, point: points.Point | None) -> Iterator[StreamEntry]:
    if point is not None:
        yield from point.body.streams
    elif selection.snapshot is not None:
        live = _all_entries(repository)
        yield from (entry for entry in live if entry.manifest.sha256.startswith(selection.snapshot))
    elif selection.point_name is not None:
        for named in _named_points(repository, selection.point_name, selection.time):
            yield from named.body.streams
    else:
        found = points.live(repository, until=selection.time)
        # who is given the rest of a host must not take that for all of it: to open these says why it cannot be done
        yield from (*found.streams.values(), *found.unreadable)


def _named_points(repository: Repository, name: str, until: dt.datetime | None) -> list[points.Point]:
    return points.search(
        repository, lambda statement: statement.point == name and (until is None or statement.sealed_at <= until)
    )[0]


def _point_by_alias(repository: Repository, alias: str, host: str, host_id: str | None) -> points.Point:
    found, refused = points.search(repository, lambda statement: statement.alias == alias)
    if not found:
        raise NotFoundError(f"no recovery point has the alias {alias}", host=host, item=alias, remedy=_look(refused))
    if len(found) > 1:
        raise _several(f"{len(found)} recovery points have the alias {alias}", found, host, host_id, ())
    return found[0]


def _point_of_change(repository: Repository, selection: Selection, host: str, host_id: str | None) -> points.Point:
    wanted, name = selection.change_id, selection.point_name
    read, refused = points.search(repository, lambda statement: statement.change in (None, wanted))
    # older statements do not say it
    of_change = [point for point in read if point.body.change_id == wanted]
    found = [point for point in of_change if name in (None, point.body.point)]
    if not found:
        others = sorted({point.body.point for point in of_change})
        raise NotFoundError(
            f"no recovery point is of {selection.spoken}",
            host=host,
            item=wanted,
            remedy=f"Those of that change are named {', '.join(others)}." if others else _look(refused),
        )
    if len(found) > 1:
        ways = () if len({point.body.point for point in found}) == 1 else ("point_name",)
        raise _several(f"{len(found)} recovery points are of {selection.spoken}", found, host, host_id, ways)
    return found[0]


def _look(refused: Sequence[tuple[str, HoldfastError]]) -> str:
    """Where to look for a recovery point that was not found."""
    return f"{_LISTED} {len(refused)} are not believed: it names those too." if refused else _LISTED


def _several(
    problem: str, found: Sequence[points.Point], host: str, host_id: str | None, ways: Sequence[str]
) -> PolicyError:
    """The error that lists recovery points, oldest first, of which somebody must choose one.

    :param ways: options that tell them apart, besides recovery_point.
    """
    listed = sorted(found, key=lambda point: (point.body.sealed_at, point.id))[:_NAMED]
    told = []
    for point in listed:
        ours = [e for e in point.body.streams if (e.belongs_to(host) if host_id is None else e.host_id == host_id)]
        told.append(
            {
                "id": point.id,
                "name": point.body.point,
                "sealed_at": instant.to_text(point.body.sealed_at),
                "complete": point.body.complete,
                "captured": any(entry.state in _OWN for entry in ours),
            }
        )
    lines = [
        f"{one['id']} ({one['name']}, {one['sealed_at']}, {'complete' if one['complete'] else 'incomplete'}"
        f"{'' if one['captured'] else ', without this host'})"
        for one in told
    ]
    more = f" and {len(found) - len(listed)} more" if len(found) > len(listed) else ""
    return PolicyError(
        f"{problem}: {'; '.join(lines)}{more}",
        host=host,
        remedy=f"Say which: {' or '.join([*ways, 'recovery_point'])}.",
        details={"recovery_points": told},
    )


def _rollback_targets(
    repository: Repository, host_id: str, newest: Mapping[str, StreamEntry], until: dt.datetime | None
) -> dict[str, StreamEntry]:
    """The newest snapshot of each component that may be chosen without being named; those that have none are left out.

    Only where the newest one of all may not are older points read.

    :param newest: the newest snapshot of each component.
    """
    found = {name: entry for name, entry in newest.items() if entry.is_rollback_target}
    marked = newest.keys() - found.keys()
    if not marked:
        return found
    older = [e for e in _all_entries(repository, until) if e.host_id == host_id and e.is_rollback_target]
    for entry in sorted(older, key=lambda entry: entry.age_order):
        found.update((part.component, entry) for part in entry.fingerprints if part.component in marked)
    return found


def _dropped(repository: Repository, host_id: str, component: str, until: dt.datetime | None) -> dict[str, StreamEntry]:
    """The newest snapshot of a component that no live stream of the host holds any more."""
    found = [
        entry
        for entry in _all_entries(repository, until)
        if entry.host_id == host_id and any(fingerprint.component == component for fingerprint in entry.fingerprints)
    ]
    return {component: max(found, key=lambda entry: entry.age_order)} if found else {}


def _all_entries(repository: Repository, until: dt.datetime | None = None) -> Iterator[StreamEntry]:
    """Every entry of every point; until a moment those sealed by then, and of what was imported those captured."""
    for point in points.history(repository):
        for entry in point.body.streams:
            moment = point.statement.sealed_at if entry.imported is None else entry.captured_at
            if until is None or moment <= until:
                yield entry


def _point_by_digest(repository: Repository, digest: str, host: str) -> points.Point:
    found, refused = points.find(repository, digest)
    if not found and refused:
        raise refused[0]
    if len(found) != 1:
        raise NotFoundError(
            f"{len(found)} recovery points have that digest" if found else "no recovery point has that digest",
            host=host,
            item=digest,
            remedy="Give all 64 digits of one." if found else _LISTED,
        )
    return found[0]
