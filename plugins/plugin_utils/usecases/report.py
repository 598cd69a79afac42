# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the configuration of a fleet stands: coverage, age, last change, locks, replicas, proven restores."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ..errors import HoldfastError
from ..model.fleet import HostPolicy
from ..model.point import StreamEntry
from ..model.standing import Proven, Site, Standing, standings
from . import points, proofs
from .coverage import cover
from .replica_objects import Replica
from .repository import Repository

# restores are done by people: who has more of them than this has the newest ones told
MOST_RESTORES = 2000


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
    changes: t.Callable[[Iterable[StreamEntry]], Mapping[str, str]] = lambda _entries: {},
) -> Report:
    """Say how each component of *fleet* stands. Reads no content, and needs no key.

    :param known: hosts that a CMDB names.
    :param replicas: sites of which is told what they hold: two listings each.
    :param changes: tells the tickets under which snapshots were stored, by the digests of their manifests.
    """
    found = cover(repository, fleet, known=known)
    sites = tuple(map(_site, replicas))
    proven, not_read = restores(repository, now=found.now)
    rows = standings(found.rows, fleet, found.live, sites=sites, changes=changes(found.live.values()), proven=proven)
    away = tuple(f"replica {site.name} did not answer: {site.lacks}" for site in sites if site.lacks)
    return Report(tuple(rows), found.now, sites, (*found.warnings, *not_read, *away))


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


def _site(replica: Replica) -> Site:
    try:
        store = replica.connect()
        held = (listed.name for kind in ("packs/", "manifests/") for listed in store.list(kind) if not listed.marker)
        return Site(replica.name, frozenset(held))
    except HoldfastError as e:
        return Site(replica.name, lacks=e.message)
