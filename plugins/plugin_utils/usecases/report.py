# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the configuration of a fleet stands: coverage, age, last change, locks, replicas, proven restores."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ..errors import FormatError, HoldfastError, ObjectMissingError
from ..model import coverage
from ..model.fleet import HostPolicy
from ..model.point import StreamEntry
from ..model.record import Record
from ..model.standing import Site, Standing, standings
from . import objects, points, records
from .coverage import accepted
from .replica_objects import Replica
from .repository import Repository
from .restore_record import EQUAL, RESTORE

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
    now = objects.now(repository.store)
    live = points.live(repository, now=now)
    signed, refused = accepted(repository, now=now)
    rows = coverage.rows(fleet, live.streams, signed, now=now, known=known, ended=live.ended)
    sites = tuple(map(_site, replicas))
    proven, not_read = restores(repository, now=now)
    found = standings(rows, fleet, live.streams, sites=sites, changes=changes(live.streams.values()), proven=proven)
    away = tuple(f"replica {site.name} did not answer: {site.lacks}" for site in sites if site.lacks)
    return Report(tuple(found), now, sites, (*live.warnings, *refused, *not_read, *away))


def restores(
    repository: Repository, *, now: dt.datetime
) -> tuple[dict[tuple[tuple[str, str], str], dt.datetime], tuple[str, ...]]:
    """When all of a snapshot last came back equal from a restore, by its stream's key and each component; and warnings.

    A record of a key that was removed since proves nothing, nor does one that lies ahead.
    """
    found: dict[tuple[tuple[str, str], str], dt.datetime] = {}
    warnings = []
    listed = records.record_names(repository, RESTORE)
    for name in sorted(listed, reverse=True)[:MOST_RESTORES]:
        try:
            record, removed = records.read_witnessed(repository, name, listed[name])
        except (FormatError, ObjectMissingError) as e:
            warnings.append(f"record {name} is not believed: {e}")
            continue
        if removed is None and record.at <= now + points.CLOCK_SKEW:
            for part in _proven(record):
                found.setdefault(part, record.at)
    if len(listed) > MOST_RESTORES:
        warnings.append(f"{len(listed) - MOST_RESTORES} older records of restores were not read")
    return found, tuple(warnings)


def _proven(record: Record) -> Iterable[tuple[tuple[str, str], str]]:
    streams = record.subject.get("streams")
    if record.detail.get("result") != EQUAL or not isinstance(streams, list):
        return
    for stream in streams:
        # a restore of some paths proves these alone
        if isinstance(stream, dict) and stream.get("whole") is True and isinstance(stream.get("components"), list):
            for component in stream["components"]:
                yield (str(stream.get("host_id")), str(stream.get("stream"))), str(component)


def _site(replica: Replica) -> Site:
    try:
        store = replica.connect()
        held = (listed.name for kind in ("packs/", "manifests/") for listed in store.list(kind) if not listed.marker)
        return Site(replica.name, frozenset(held))
    except HoldfastError as e:
        return Site(replica.name, lacks=e.message)
