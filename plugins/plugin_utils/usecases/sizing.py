# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizing: what a repository has come to, what that says of the next year, and whether it said so before.

Names, sizes and times that the store lists tell nearly all of it; the points tell which streams are live. No key is
needed. Figures are for planning: what is listed counts here whether or not a signature stands for it.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from ..errors import FormatError, ObjectMissingError, PolicyError
from ..format import manifest as manifest_format
from ..format import names
from ..format.names import Kind, ObjectName
from ..model import keep, sizing
from ..model.point import StreamEntry
from ..model.retention import RENEWAL_DAYS, RetentionClass
from ..model.sizing import POINTS, Basis, Cohort, Compared, Forecast, Group, Held, Runs
from ..store.base import Listed
from . import objects, points
from .repository import Repository

# a manifest is read to learn what its pack holds: of so many streams of a group, at most
MOST_MANIFESTS = 50
# statements that are read to tell full bodies from others
_MOST_STATEMENTS = 100
MOST_WINDOW_DAYS = 400
# the shortest grace: until then nothing that runs have put is gone from what a forecast is held against
MOST_BACK_DAYS = 120
_SHORTEST = dt.timedelta(days=1)
_DAY = dt.timedelta(days=1)
# a host is silent when so many runs, and at least so many days, went by without it
_SILENT_RUNS, _SILENT_DAYS = 3, 2
# between two snapshots of a stream that was renewed and not changed: this much less than the lock allows
_SLACK = dt.timedelta(days=1.5)
_OF_STREAMS = (Kind.PACK, Kind.MANIFEST)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a forecast goes by.

    :param window_days: over how many days churn is measured, counted back; whole weeks, since people work in weeks.
    :param back_days: hold today against the forecast of so many days ago; None for no such comparison.
    :param hosts: how large the fleet is to be; None for as it is.
    :param monthly_growth: hosts that come each month.
    :param runs_per_day: None for as measured.
    :param archive_after: by class, after how many days its objects go to an archive storage class.
    """

    window_days: int = 28
    back_days: int | None = None
    hosts: int | None = None
    monthly_growth: float = 0.0
    runs_per_day: float | None = None
    archive_after: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Past:
    """What the forecast of some days ago said of today, and what is there. By class: bytes held, and objects put.

    Of other requests nothing tells: the store's own log counts them.
    """

    days: int
    measured_days: float
    held: Mapping[str, Compared]
    puts: Mapping[str, Compared]

    @property
    def total_held(self) -> Compared:
        """Bytes of all classes."""
        return _total(self.held.values())

    @property
    def total_puts(self) -> Compared:
        """Objects of all classes."""
        return _total(self.puts.values())


@dataclasses.dataclass(frozen=True)
class Actual:
    """What was put in a month (``2026-11``) and is there still: by class, versions and bytes."""

    month: str
    versions: Mapping[str, int]
    bytes: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Sizing:
    """What was measured or assumed, what follows from it, and what became of an earlier forecast.

    ``new_hosts`` came during the measured days, of the ``basis.measured_days``; a forecast assumes none unless told.
    ``expired`` are bytes that neither lock nor grace keeps, and the store still has.
    """

    basis: Basis
    forecast: Forecast
    wanted: Wanted
    new_hosts: int = 0
    silent_streams: int = 0
    expired: int = 0
    months: tuple[Actual, ...] = ()
    past: Past | None = None
    warnings: tuple[str, ...] = ()


def assumed(basis: Basis, wanted: Wanted) -> Sizing:
    """A forecast from assumptions alone, for who has no repository yet."""
    grown = basis.grown(wanted.hosts, wanted.monthly_growth)
    return Sizing(grown, sizing.forecast(grown, archive_after=wanted.archive_after), wanted)


def size(repository: Repository, wanted: Wanted, *, now: dt.datetime | None = None) -> Sizing:
    """Measure a repository and forecast a year from today.

    :param now: the store's time, where the caller has it.
    :raises PolicyError: too little has happened yet to measure anything.
    :raises StoreError: the store does not answer.
    """
    now = now or objects.now(repository.store)
    listing = _Listing.read(repository)
    measured = _Measured(repository, listing, now, wanted)
    basis = measured.basis(manifests=MOST_MANIFESTS).grown(wanted.hosts, wanted.monthly_growth)
    return Sizing(
        basis=basis,
        forecast=sizing.forecast(basis, archive_after=wanted.archive_after),
        wanted=wanted,
        new_hosts=measured.new_hosts,
        silent_streams=sum(measured.is_silent(entry) for entry in measured.live.streams.values()),
        expired=listing.expired(now),
        months=listing.months(now),
        past=None if wanted.back_days is None else _past(repository, listing, now, wanted, wanted.back_days),
        warnings=measured.live.warnings,
    )


def _past(repository: Repository, listing: _Listing, now: dt.datetime, wanted: Wanted, back_days: int) -> Past:
    """The forecast that would have been made so many days ago, by what the store held then, beside what it holds now.

    Growth that nobody told of then is none; what has expired since is in neither figure.
    """
    then = now - dt.timedelta(days=back_days)
    # a schedule that is told is that of the days to come
    measured = _Measured(repository, listing, then, dataclasses.replace(wanted, runs_per_day=None))
    basis = measured.basis(manifests=0).grown(None, wanted.monthly_growth)
    told = sizing.forecast(basis, days=back_days)
    held = told.days[-1].held
    there = listing.bytes_by_class(now)
    puts = _puts_by_class(basis, told)
    put = listing.put_since(then, now)
    return Past(
        days=back_days,
        measured_days=basis.measured_days,
        held={name: Compared(held.get(name, 0.0), there.get(name, 0)) for name in sorted({*held, *there})},
        puts={name: Compared(puts.get(name, 0.0), put.get(name, 0)) for name in sorted({*puts, *put})},
    )


def _puts_by_class(basis: Basis, told: Forecast) -> dict[str, float]:
    found: dict[str, float] = {}
    for day in told.days:
        for name, number in day.snapshots.items():
            found[name] = found.get(name, 0.0) + 2 * number
    found[POINTS] = basis.runs.per_day * len(told.days) * basis.runs.objects
    return found


def _total(compared: Iterable[Compared]) -> Compared:
    both = list(compared)
    return Compared(sum(one.forecast for one in both), sum(one.actual or 0.0 for one in both))


@dataclasses.dataclass(frozen=True)
class _Version:
    """One version of an object, and when the store lets go of it."""

    listed: Listed
    parts: ObjectName
    retention_class: str
    expires: dt.datetime


StreamKey = tuple[str, str, str]


class _Listing:
    """All that a store holds, by its names: one pass, for every moment that is asked about."""

    def __init__(self, versions: Sequence[_Version]) -> None:
        self.versions = versions
        self.snapshots: dict[StreamKey, dict[str, list[Listed]]] = {}
        for version in versions:
            if version.parts.kind is Kind.PACK:
                packs = self.snapshots.setdefault(_stream_key(version.parts), {})
                packs.setdefault(version.listed.name, []).append(version.listed)

    @classmethod
    def read(cls, repository: Repository) -> _Listing:
        """List the store. What is no object of the format is no part of its size."""
        classes = repository.root.classes
        found = []
        for listed in repository.store.list():
            if listed.marker:
                continue
            try:
                parts = names.parse(listed.name)
            except FormatError:
                continue
            name = parts.retention_class if parts.kind in _OF_STREAMS else POINTS
            if name == POINTS or name in classes:
                found.append(_Version(listed, parts, name, _expires(listed, parts, classes)))
        return cls(found)

    def until(self, at: dt.datetime) -> list[_Version]:
        """What was there at a moment, of what is there now."""
        return [version for version in self.versions if version.listed.modified <= at]

    def held(self, at: dt.datetime) -> tuple[Held, ...]:
        """What was there at a moment, by class, age and what was left."""
        summed: dict[tuple[str, int, int], list[int]] = collections.defaultdict(lambda: [0, 0])
        for version in self.until(at):
            age, left = (at - version.listed.modified) // _DAY, (version.expires - at) // _DAY
            entry = summed[version.retention_class, age, left]
            entry[0] += 1
            entry[1] += version.listed.size
        return tuple(Held(*key, *sums) for key, sums in sorted(summed.items()))

    def bytes_by_class(self, at: dt.datetime) -> dict[str, int]:
        """Bytes that lock or grace keep at a moment: what waits for its expiry is no part of a forecast."""
        found: dict[str, int] = collections.defaultdict(int)
        for version in self.until(at):
            found[version.retention_class] += version.listed.size if version.expires > at else 0
        return dict(found)

    def put_since(self, then: dt.datetime, now: dt.datetime) -> dict[str, int]:
        """Versions by class that were put after a moment."""
        found: dict[str, int] = collections.defaultdict(int)
        for version in self.until(now):
            found[version.retention_class] += version.listed.modified > then
        return dict(found)

    def expired(self, now: dt.datetime) -> int:
        """Bytes that nothing keeps any longer and the store still has."""
        return sum(version.listed.size for version in self.versions if version.expires <= now)

    def months(self, now: dt.datetime) -> tuple[Actual, ...]:
        """What was put in each month and is there still."""
        found: dict[str, list[_Version]] = {}
        for version in self.until(now):
            found.setdefault(version.listed.modified.strftime("%Y-%m"), []).append(version)
        return tuple(_month(month, versions) for month, versions in sorted(found.items()))


def _month(month: str, versions: Iterable[_Version]) -> Actual:
    counts: dict[str, int] = collections.defaultdict(int)
    sizes: dict[str, int] = collections.defaultdict(int)
    for version in versions:
        counts[version.retention_class] += 1
        sizes[version.retention_class] += version.listed.size
    return Actual(month, dict(sorted(counts.items())), dict(sorted(sizes.items())))


def _expires(listed: Listed, parts: ObjectName, classes: Mapping[str, RetentionClass]) -> dt.datetime:
    """When the store lets go of a version: a listing that shows no locks leaves the keep rule to say until when."""
    longest = max(kept.days for kept in classes.values())
    if parts.kind is Kind.ROOT:
        # no lifecycle rule takes root links
        return dt.datetime.max.replace(tzinfo=dt.timezone.utc)
    kept = classes.get(parts.retention_class)
    days = longest if kept is None else kept.days
    lock = listed.lock_until
    if lock is None and kept is not None:
        lock = keep.snapshot_lock(listed.modified, kept, _spread_key(parts))
    elif lock is None:
        of_record = parts.kind is Kind.RECORD
        lock = (keep.record_lock if of_record else keep.point_lock)(listed.modified, longest)
    return keep.expiry(lock, days)


def _spread_key(parts: ObjectName) -> str:
    """What the renewal of a stream is spread by; of a name too long to be read back something that spreads as well."""
    return f"{names.unescape_host(parts.host) or parts.host}/{parts.stream}"


def _stream_key(parts: ObjectName) -> StreamKey:
    return parts.retention_class, parts.host, parts.stream


class _Measured:
    """A repository at one moment."""

    def __init__(self, repository: Repository, listing: _Listing, at: dt.datetime, wanted: Wanted) -> None:
        self._repository = repository
        self._classes = repository.root.classes
        self._listing = listing
        self._at = at
        self._points = [v for v in listing.until(at) if v.parts.kind is Kind.POINT]
        first = min((v.listed.modified for v in self._points), default=at)
        self._since = max(first, at - dt.timedelta(days=wanted.window_days))
        self._window = at - self._since
        if self._window < _SHORTEST:
            raise PolicyError(
                f"the recovery points of {repository.store.location} tell of less than a day",
                item=repository.name,
                remedy="Give assume until then: what is expected of hosts, and how often they change.",
            )
        self.live = points.live(repository, until=at, now=at)
        recent = [v.listed.modified for v in self._points if v.listed.modified >= self._since]
        # nothing was looked at after the last run
        self._looked_until = max(recent, default=at)
        self._per_day = wanted.runs_per_day or max(len(recent), 1) / (self._window / _DAY)
        self._silent_since = at - max(_SILENT_DAYS * _DAY, _SILENT_RUNS * _DAY / self._per_day)

    @property
    def new_hosts(self) -> int:
        """Hosts of which nothing was stored before the measured days, unless the repository itself is as young."""
        hosts: dict[str, bool] = {}
        for entry in self.live.streams.values():
            new = self._first(entry) > self._since + _SHORTEST
            hosts[entry.host_id] = hosts.get(entry.host_id, True) and new
        return sum(hosts.values())

    def is_silent(self, entry: StreamEntry) -> bool:
        """Whether its host has not answered for a while: the stream is carried."""
        return entry.verified_at < self._silent_since

    def basis(self, *, manifests: int) -> Basis:
        """What a forecast from this moment stands on.

        :param manifests: how many are read of each group, to learn how well packs are compressed.
        """
        grouped: dict[tuple[str, str], list[StreamEntry]] = {}
        for entry in self.live.streams.values():
            if entry.retention_class in self._classes:
                grouped.setdefault((entry.retention_class, entry.stream), []).append(entry)
        return Basis(
            classes=self._classes,
            groups=tuple(self._group(entries, manifests) for _key, entries in sorted(grouped.items())),
            held=self._listing.held(self._at),
            runs=self._runs(),
            hosts=len({entry.host_id for entry in self.live.streams.values()}),
            measured_days=self._window / _DAY,
        )

    def _first(self, entry: StreamEntry) -> dt.datetime:
        """When the first snapshot of a stream that is there still was made."""
        return min(self._times(entry), default=entry.captured_at)

    def _times(self, entry: StreamEntry) -> list[dt.datetime]:
        """When its snapshots were put the first time, until this moment, in their order."""
        packs = self._packs(entry)
        return sorted(min(one.modified for one in versions) for versions in packs.values())

    def _packs(self, entry: StreamEntry) -> dict[str, list[Listed]]:
        key = (entry.retention_class, names.escape_host(entry.host), entry.stream)
        found = {}
        for name, versions in self._listing.snapshots.get(key, {}).items():
            known = [one for one in versions if one.modified <= self._at]
            if known:
                found[name] = known
        return found

    def _group(self, entries: Sequence[StreamEntry], manifests: int) -> Group:
        kept = self._classes[entries[0].retention_class]
        looked = [self._churn(entry, kept) for entry in entries]
        days = (self._looked_until - self._since) / _DAY
        changed_days = sum(churn.changed_days for churn in looked)
        changes = sum(churn.changes for churn in looked)
        chances = sizing.likely([(churn.changed_days, churn.days) for churn in looked])
        burst = changes / changed_days if changed_days else 1.0
        return Group(
            retention_class=kept.name,
            stream=entries[0].stream,
            cohorts=self._cohorts(entries, chances, burst, kept),
            pack=sum(entry.pack.size for entry in entries) / len(entries),
            manifest=sum(entry.manifest.size for entry in entries) / len(entries),
            unpacked=self._unpacked(entries, manifests),
            changes=changes / days,
            renewed=sum(churn.renewals for churn in looked) / days,
            carried=sum(churn.carried for churn in looked) / days,
        )

    def _churn(self, entry: StreamEntry, kept: RetentionClass) -> _Churn:
        """What became of a stream in the measured days. Its first snapshot is no change."""
        times = self._times(entry)
        since = max(self._since, times[0]) if times else self._at
        alone = keep.renewal(f"{entry.host}/{entry.stream}") - sizing.MARGIN_DAYS * _DAY - _SLACK
        changed = []
        renewals = 0
        for before, moment in itertools.pairwise(times):
            if moment > self._since:
                if moment - before < alone:
                    changed.append(moment)
                else:
                    renewals += 1
        carried = [
            one
            for versions in self._packs(entry).values()
            for one in sorted(versions, key=lambda one: one.modified)[1:]
            if one.modified > self._since
        ]
        looked = ((entry.verified_at if self.is_silent(entry) else self._looked_until) - since) / _DAY
        return _Churn(
            changes=len(changed),
            changed_days=len({moment.date() for moment in changed}),
            renewals=renewals,
            carried=len(carried),
            days=max(0.0, looked),
        )

    def _cohorts(
        self, entries: Sequence[StreamEntry], chances: Sequence[float], burst: float, kept: RetentionClass
    ) -> tuple[Cohort, ...]:
        alike: dict[tuple[int, float, bool], list[StreamEntry]] = {}
        for entry, chance in zip(entries, chances, strict=True):
            days = keep.renewal(f"{entry.host}/{entry.stream}") // _DAY
            alike.setdefault((days, round(chance, 4), self.is_silent(entry)), []).append(entry)
        return tuple(
            Cohort(
                streams=len(members),
                bytes=sum(entry.pack.size + entry.manifest.size for entry in members),
                changes=chance,
                burst=burst,
                renewal=days,
                left=self._left(members, kept),
                silent=silent,
            )
            for (days, chance, silent), members in sorted(alike.items())
        )

    def _left(self, entries: Iterable[StreamEntry], kept: RetentionClass) -> tuple[tuple[float, float], ...]:
        """In how many days snapshots must be renewed, to a quarter of a day, and how many."""
        counted: dict[float, float] = collections.defaultdict(float)
        for entry in entries:
            left = (entry.lock_until - self._at) / _DAY - kept.days - sizing.MARGIN_DAYS
            counted[min(max(0.0, math.floor(left * 4) / 4), float(RENEWAL_DAYS))] += 1
        return tuple(sorted(counted.items()))

    def _unpacked(self, entries: Sequence[StreamEntry], most: int) -> float | None:
        """Bytes of configuration that a pack of the mean size holds, by the manifests of some streams."""
        # by digest: another sample for each group, and the same one each time
        sample = sorted(entries, key=lambda entry: hashlib.sha256(entry.manifest.name.encode()).digest())[:most]
        packed = unpacked = 0
        for entry in sample:
            try:
                data = objects.read(self._repository.store, entry.manifest.name, version=entry.manifest.version)
                manifest = manifest_format.read(data, what=entry.manifest.name)
            except (FormatError, ObjectMissingError):
                # verify names it; here one of many is missing
                continue
            packed += manifest.pack.size
            unpacked += sum(component.size for component in manifest.components)
        if not packed:
            return None
        return unpacked / packed * sum(entry.pack.size for entry in entries) / len(entries)

    def _runs(self) -> Runs:
        stamps = sum(v.parts.kind is Kind.STAMP for v in self._listing.until(self._at))
        beside = [v.listed.size for v in self._listing.until(self._at) if v.parts.kind in (Kind.POINT, Kind.STAMP)]
        number = max(1, len(self._points))
        streams = max(1, len(self.live.streams))
        full = max(0.0, self.live.full_size - sizing.COVER_BYTES * max(0, number - 1 - self.live.points_since))
        sealed = self.live.full_sealed_at
        return Runs(
            per_day=self._per_day,
            partial=self._partial() or full,
            per_stream=full / streams,
            statement=sum(beside) / number,
            objects=2 + (stamps > number / 2),
            listed=len(self._points),
            links=len(self._repository.chain.links),
            full_bytes=self.live.full_size,
            since_full=self.live.since_full,
            points_since=self.live.points_since,
            full_age=0.0 if sealed is None else (self._at - sealed) / _DAY,
            enforced=self._repository.store.enforced,
        )

    def _partial(self) -> float | None:
        """Mean bytes of the bodies of late that are not full; None where there are none."""
        sizes = {
            (v.parts.at, v.parts.run): v.listed.size for v in self._listing.until(self._at) if v.parts.kind is Kind.BODY
        }
        found = []
        late = sorted(self._points, key=lambda v: v.listed.name, reverse=True)[:_MOST_STATEMENTS]
        for version in late:
            try:
                statement, _removed = points.read_statement(self._repository, version.listed.name, [version.listed])
            except (FormatError, ObjectMissingError):
                continue
            size = sizes.get((version.parts.at, version.parts.run))
            if not statement.full and size is not None:
                found.append(size)
        return sum(found) / len(found) if found else None


@dataclasses.dataclass(frozen=True)
class _Churn:
    """What became of a stream in the days that it was looked at."""

    changes: int
    changed_days: int
    renewals: int
    carried: int
    days: float
