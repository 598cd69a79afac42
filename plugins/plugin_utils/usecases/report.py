# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the configuration of a fleet stands: coverage, age, last change, locks, replicas, proven restores."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..errors import HoldfastError
from ..model.fleet import HostPolicy
from ..model.point import StreamEntry
from ..model.standing import Proven, Site, Standing, standings
from . import points, proofs
from .catalog import Catalog
from .coverage import cover
from .replica_objects import Replica
from .repository import Repository

# restores are done by people: who has more of them than this has the newest ones told
MOST_RESTORES = 2000
_NAMED = 20


@dataclasses.dataclass(frozen=True)
class Report:
    """How each component stood at ``now``, the store's time; ``sites`` are the replicas that were looked at.

    ``warnings`` name what was not believed or not read.
    """

    rows: tuple[Standing, ...]
    now: dt.datetime
    sites: tuple[Site, ...] = ()
    warnings: tuple[str, ...] = ()


def report(
    repository: Repository,
    fleet: Sequence[HostPolicy],
    *,
    known: Iterable[str] = (),
    replicas: Iterable[Replica] = (),
    catalog: Callable[[], Catalog] | None = None,
) -> Report:
    """Say how each component of *fleet* stands. Reads no content, and needs no key.

    :param known: hosts that a CMDB names.
    :param replicas: sites of which is told what they hold: two listings each.
    :param catalog: opens the catalog, which knows the tickets of changes. Where it cannot, the rest is told.
    """
    found = cover(repository, fleet, known=known)
    sites = tuple(map(_site, replicas))
    proven, not_read = restores(repository, now=found.now)
    changes, not_told = _changes(catalog, found.live.values())
    rows = standings(found.rows, fleet, found.live, sites=sites, changes=changes, proven=proven)
    imported = tuple(_imported(fleet, found.live.values()))
    away = tuple(f"replica {site.name} did not answer: {site.lacks}" for site in sites if site.lacks)
    return Report(tuple(rows), found.now, sites, (*found.warnings, *not_read, *not_told, *imported, *away))


def restores(repository: Repository, *, now: dt.datetime) -> tuple[Proven, tuple[str, ...]]:
    """When all of a snapshot last came back equal from a restore, by its stream's key and each component; and warnings.

    A record of a key that was removed since proves nothing, nor does one that lies ahead.
    """
    told = proofs.witnessed(repository, most=MOST_RESTORES)
    found: dict[tuple[tuple[str, str], str], dt.datetime] = {}
    for _name, record in told.records:
        if record.at <= now + points.CLOCK_SKEW:
            for key, _snapshot, components in proofs.told_whole(record):
                for component in components:
                    found.setdefault((key, component), record.at)
    unread = (f"{told.unread} older records of restores were not read",) if told.unread else ()
    return found, (*told.refused, *unread)


def _changes(
    catalog: Callable[[], Catalog] | None, entries: Iterable[StreamEntry]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The tickets under which snapshots were stored, by their digests, and why some may be missing."""
    if catalog is None:
        return {}, ()
    try:
        with catalog() as opened:
            told = opened.changes(entry.manifest.sha256 for entry in entries)
            return told, tuple(f"tickets of changes may be missing: {reason}" for reason in opened.stale)
    except HoldfastError as e:
        return {}, (f"tickets of changes are not told: {e}",)


def _imported(fleet: Iterable[HostPolicy], entries: Iterable[StreamEntry]) -> Iterator[str]:
    """Names the hosts of which the newest that there is came from another tool."""
    newest: dict[str, StreamEntry] = {}
    for entry in sorted(entries, key=lambda entry: entry.age_order):
        newest[entry.host_id] = entry
    by_tool: dict[str, list[str]] = {}
    for one in fleet:
        found = newest.get(one.identity)
        if found is not None and found.imported is not None:
            by_tool.setdefault(found.imported.tool, []).append(one.host)
    for tool, hosts in sorted(by_tool.items()):
        more = f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
        told = f"{', '.join(hosts[:_NAMED])}{more}"
        yield f"the newest evidence was imported from {tool}, where nobody signed it: {told}"


def _site(replica: Replica) -> Site:
    try:
        store = replica.connect()
        held = (listed.name for kind in ("packs/", "manifests/") for listed in store.list(kind) if not listed.marker)
        return Site(replica.name, frozenset(held))
    except HoldfastError as e:
        return Site(replica.name, lacks=e.message)
