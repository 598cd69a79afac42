# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much a repository will hold, and ask of its store: expected values, day by day. Pure arithmetic.

A stream is stored when it has changed, and when its lock runs short: then its host stores it anew, or seal carries it.
So what is expected of it follows from its chance to change on a day and from the keep rule. Why there is nothing here
that compares contents with one another: docs/adr/0017-object-storage-is-the-record.md.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from .keep import FULL_AFTER_POINTS
from .retention import RENEWAL_DAYS, RetentionClass, grace

DAYS = 365
MONTHS = 12
# what bodies, points, stamps, records and root links are summed up under; no class can have this name
POINTS = "(points)"
# kinds of requests, as price lists tell them apart; "other" asks for the lock configuration of a bucket
REQUESTS = ("put", "head", "get", "list", "other", "transition")
# a newest snapshot is renewed this long before it could not be named any longer
MARGIN_DAYS = 1.0
# what a full body takes to name a point that it covers, and a listing shows at a time
COVER_BYTES = 35.0
LISTED_AT_ONCE = 1000
# as stores put it: one request up to this size, beyond it a beginning, parts of it, and an end
SINGLE_BYTES = 64 * 1024 * 1024
_FULL_DAYS = RENEWAL_DAYS / 2
_RENEWALS = tuple(range(RENEWAL_DAYS - 14, RENEWAL_DAYS + 1))


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Streams that are expected to do alike.

    :param streams: how many; a fraction where they are expected ones.
    :param bytes: of a snapshot of each of them together, packs and manifests.
    :param changes: the chance that one of them changes on a day.
    :param burst: how many snapshots such a day makes.
    :param renewal: days from a put to the end of the lock, less the days of the class.
    :param left: in how many days the newest must be renewed, and of how many of them; 0 for what was never stored.
    :param silent: their hosts do not answer: they are carried.
    :param arriving: how many more there are each day, as large as these.
    """

    streams: float
    bytes: float
    changes: float
    burst: float
    renewal: int
    left: tuple[tuple[float, float], ...]
    silent: bool = False
    arriving: float = 0.0


@dataclasses.dataclass(frozen=True)
class Group:
    """The streams of one name in one class, and what is known of them.

    Means are of one snapshot, in bytes; ``unpacked`` is the configuration in its pack, None where nobody looked.
    ``changes``, ``renewed`` and ``carried`` are snapshots a day, of all of them.
    """

    retention_class: str
    stream: str
    cohorts: tuple[Cohort, ...]
    pack: float
    manifest: float
    unpacked: float | None = None
    changes: float = 0.0
    renewed: float = 0.0
    carried: float = 0.0

    @property
    def streams(self) -> float:
        """How many there are."""
        return sum(cohort.streams for cohort in self.cohorts)

    @property
    def compression(self) -> float | None:
        """How many bytes of configuration one byte of a pack holds."""
        return self.unpacked / self.pack if self.unpacked and self.pack else None

    @property
    def change_chance(self) -> float:
        """The chance of one of them to change on a day."""
        return _mean((cohort.changes, cohort.streams) for cohort in self.cohorts if not cohort.silent)

    @property
    def burst(self) -> float:
        """How many snapshots a day with a change makes."""
        return _mean((cohort.burst, cohort.streams) for cohort in self.cohorts) or 1.0


@dataclasses.dataclass(frozen=True)
class Held:
    """Objects that the store has already: how old they are, and for how many days more it keeps them."""

    retention_class: str
    age: int
    left: int
    objects: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Runs:
    """What the runs leave beside snapshots, and what they read.

    :param per_day: how many recovery points are sealed on a day.
    :param partial: bytes of a body that is not full.
    :param per_stream: bytes of a full body for each live stream.
    :param statement: bytes of a point, with its stamp.
    :param objects: how many objects a run puts beside snapshots: body, point, perhaps a stamp.
    :param listed: points that the store lists.
    :param links: of the root's chain.
    :param full_bytes: of the newest full body; 0 where there is none.
    :param since_full: bytes of bodies after it, and ``points_since`` how many.
    :param full_age: its age in days.
    :param enforced: whether the medium holds locks itself; else open lists packs and manifests too.
    """

    per_day: float
    partial: float
    per_stream: float
    statement: float
    objects: int = 2
    listed: int = 0
    links: int = 1
    full_bytes: float = 0.0
    since_full: float = 0.0
    points_since: int = 0
    full_age: float = 0.0
    enforced: bool = True


@dataclasses.dataclass(frozen=True)
class Basis:
    """What a forecast stands on.

    :param hosts: whose streams these are.
    :param measured_days: how long the churn was looked at; 0 where it is assumed.
    """

    classes: Mapping[str, RetentionClass]
    groups: tuple[Group, ...]
    held: tuple[Held, ...]
    runs: Runs
    hosts: int
    measured_days: float = 0.0

    @property
    def longest_days(self) -> int:
        """The days of the longest class of the root, which rules bodies and points."""
        return max(kept.days for kept in self.classes.values())

    def grown(self, hosts: int | None, monthly: float) -> Basis:
        """The same with a fleet of *hosts* from now on, and so many more each month; new ones are like those here.

        :param hosts: None for as many as there are.
        """
        if not self.hosts:
            return self
        share = 0.0 if hosts is None else max(0.0, hosts / self.hosts - 1)
        daily = monthly * MONTHS / DAYS / self.hosts
        if not share and not daily:
            return self
        return dataclasses.replace(
            self, groups=tuple(_grown(group, share, daily) for group in self.groups), hosts=hosts or self.hosts
        )


@dataclasses.dataclass(frozen=True)
class Day:
    """The end of a day: what each class holds, and what that day added and asked for.

    ``archived`` is the part of ``held`` that is in an archive storage class. ``read`` are bytes of bodies that runs
    fetch.
    """

    held: Mapping[str, float]
    archived: Mapping[str, float]
    objects: Mapping[str, float]
    added: Mapping[str, float]
    snapshots: Mapping[str, float]
    requests: Mapping[str, float]
    read: float


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What is expected of each day, and when each class holds as much as it ever will without growth.

    :param start: what each class holds today, in bytes.
    :param steady: by class, days from today until nothing that was put before then is left, and bytes held from then.
    """

    days: tuple[Day, ...]
    start: Mapping[str, float]
    steady: Mapping[str, tuple[int, float]]

    def total(self, kind: str, days: int | None = None) -> float:
        """Requests of a kind in the first so many days."""
        return sum(day.requests[kind] for day in self.days[:days])

    def months(self) -> list[tuple[int, tuple[Day, ...]]]:
        """The days of each month of a twelfth of a year, numbered from 1."""
        ends = [round(DAYS * number / MONTHS) for number in range(MONTHS + 1)]
        return [(number, self.days[ends[number - 1] : ends[number]]) for number in range(1, MONTHS + 1)]


def lifetime(kept: RetentionClass, renewal: int) -> int:
    """Days from a put until the store drops it: lock and grace."""
    return kept.days + renewal + kept.grace.days


def point_lifetime(longest_days: int) -> int:
    """Days from the put of a body or point until the store drops it."""
    return longest_days + RENEWAL_DAYS + grace(longest_days).days


def put_requests(size: float) -> int:
    """How many requests it takes to put so many bytes."""
    return 1 if size <= SINGLE_BYTES else 2 + math.ceil(size / SINGLE_BYTES)


def likely(counts: Sequence[tuple[int, float]]) -> list[float]:
    """The chance of each of several streams to change on a day, from few days of looking.

    Streams are alike to some degree: by how much their counts differ more than chance does, each is drawn towards what
    is common to all (empirical Bayes, by the moments of such counts). The sum over all is what was counted.

    :param counts: of each: days with a change, and days looked at.
    """
    looked = sum(days for _count, days in counts)
    if looked <= 0:
        return [0.0] * len(counts)
    common = sum(count for count, _days in counts) / looked
    rates = [(count / days if days > 0 else common, days) for count, days in counts]
    spread = _mean(((rate - common) ** 2, days) for rate, days in rates)
    chance = common * (1 - common)
    own = max(0.0, spread - chance * len(counts) / looked)
    found = []
    for rate, days in rates:
        weight = own / (own + chance / days) if own and days > 0 else 0.0
        found.append(min(1.0, weight * rate + (1 - weight) * common))
    return found


def newcomers(streams: float, size: float, changes: float, burst: float, arriving: float = 0.0) -> tuple[Cohort, ...]:
    """Cohorts of streams that were never stored, spread over all renewals as hashes spread them.

    :param size: bytes of a snapshot of one.
    """
    shared = len(_RENEWALS)
    some = streams / shared
    # where there are none yet, the size of one that arrives
    held = size * (some or 1.0)
    return tuple(
        Cohort(some, held, changes, burst, renewal, ((0.0, some),), arriving=arriving / shared) for renewal in _RENEWALS
    )


def _grown(group: Group, share: float, daily: float) -> Group:
    added = newcomers(
        group.streams * share, group.pack + group.manifest, group.change_chance, group.burst, group.streams * daily
    )
    return dataclasses.replace(group, cohorts=(*group.cohorts, *added))


def _mean(weighted: Iterable[tuple[float, float]]) -> float:
    values = list(weighted)
    total = sum(weight for _value, weight in values)
    return sum(value * weight for value, weight in values) / total if total > 0 else 0.0


def forecast(basis: Basis, *, days: int = DAYS, archive_after: Mapping[str, int] | None = None) -> Forecast:
    """What is expected of the next days.

    :param archive_after: by class, after how many days its objects go to an archive storage class.
    """
    sums = _Sums(days, archive_after or {})
    for held in basis.held:
        sums.hold(held)
    snapshots: dict[str, list[_Step]] = {}
    for group in basis.groups:
        kept = basis.classes[group.retention_class]
        steps = snapshots.setdefault(group.retention_class, [_Step() for _day in range(days)])
        multiple = (put_requests(group.pack) + put_requests(group.manifest)) / 2
        for cohort in group.cohorts:
            every = max(1.0, 1 / basis.runs.per_day)
            for day, step in enumerate(_lived(cohort, days, every, basis.runs.per_day)):
                steps[day].add(step)
                sums.snapshots(day, group.retention_class, step, lifetime(kept, cohort.renewal), multiple)
    live = _live_streams(basis.groups, days)
    steady_runs = _run_days(basis, live, days, sums)
    found = sums.days()
    return Forecast(
        found,
        sums.start(),
        {
            **{name: _steady(basis, name, steps) for name, steps in snapshots.items()},
            POINTS: (point_lifetime(basis.longest_days), steady_runs),
        },
    )


@dataclasses.dataclass
class _Step:
    """What is expected of some streams on one day."""

    stored: float = 0.0
    carried: float = 0.0
    bytes: float = 0.0

    def add(self, other: _Step) -> None:
        self.stored += other.stored
        self.carried += other.carried
        self.bytes += other.bytes


def _lived(cohort: Cohort, days: int, every: float, per_day: float) -> Iterable[_Step]:
    """Day by day what is put of a cohort; only every *every* days there is a run.

    Streams are told apart by the number of runs until their lock is short; those that wait a fraction of a run are
    shared between the runs next to it.
    """
    size = cohort.bytes / cohort.streams if cohort.streams else cohort.bytes
    chance = 0.0 if cohort.silent else min(1.0, cohort.changes * every)

    def runs_until(left: float) -> float:
        """The first run after a lock has become short."""
        return max(1.0, (math.floor(left * per_day) + 1) / per_day / every)

    wait = runs_until(cohort.renewal - MARGIN_DAYS)
    waiting = [0.0] * (math.ceil(max(wait, *(runs_until(left) for left, _streams in cohort.left), 1.0)) + 2)
    for left, streams in cohort.left:
        _spread(waiting, runs_until(left), streams)
    next_run = every
    for day in range(1, days + 1):
        step = _Step()
        waiting[1] += cohort.arriving
        if day >= next_run:
            next_run += every
            due, others = waiting[0] + waiting[1], sum(waiting[2:])
            changed = chance * (due + others)
            renewed = (1 - chance) * due
            waiting = [0.0, *(left * (1 - chance) for left in waiting[2:]), 0.0]
            _spread(waiting, wait, changed + renewed)
            put = changed * cohort.burst + renewed
            step = _Step(0.0 if cohort.silent else put, put if cohort.silent else 0.0, put * size)
        yield step


def _spread(waiting: list[float], runs: float, streams: float) -> None:
    whole = int(runs)
    waiting[whole] += streams * (1 - (runs - whole))
    waiting[whole + 1] += streams * (runs - whole)


def _live_streams(groups: Iterable[Group], days: int) -> list[float]:
    """How many streams are live at the end of each day."""
    now = sum(group.streams for group in groups)
    daily = sum(cohort.arriving for group in groups for cohort in group.cohorts)
    return [now + daily * day for day in range(1, days + 1)]


def _run_days(basis: Basis, live: Sequence[float], days: int, sums: _Sums) -> float:
    """Add what runs leave and ask for beside snapshots; returns the bytes of a steady state."""
    runs = basis.runs
    kept = point_lifetime(basis.longest_days)
    listed = [runs.listed + math.floor(runs.per_day * day) for day in range(days)]
    gone = sums.gone(POINTS)
    chain = _Bodies(runs)
    done = 0
    for day in range(days):
        points = max(0.0, listed[day] - gone[day] / max(1, runs.objects))
        added = read = uncovered = number = 0.0
        while (done + 1) / runs.per_day <= day + 1:
            done += 1
            number += 1
            uncovered += chain.uncovered
            read += chain.read
            added += chain.seal(live[day], points, done / runs.per_day) + runs.statement
        sums.points(day, number, added, kept, runs.objects)
        sums.reading(day, read, _run_requests(runs, number, uncovered, points))
    last = max(1, min(days, 30))
    mean = sum(sums.added_points(day) for day in range(days - last, days)) / last
    # full bodies grow with the points that they name, until as many expire as are made
    more = max(0.0, runs.per_day * kept - (listed[-1] if days else 0)) * COVER_BYTES
    return (mean + more * runs.per_day * chain.share_full) * kept


def _run_requests(runs: Runs, number: float, uncovered: float, points: float) -> dict[str, float]:
    """What open and seal ask for beside puts: docs/design/costs.md counts them."""
    days = max(number, uncovered / max(1.0, runs.per_day)) if number else 0.0
    pages = max(0, math.ceil(points / LISTED_AT_ONCE) - 1)
    return {
        "list": number * (4 + pages + (0 if runs.enforced else 2)) + days,
        "get": number * 2 * runs.links + 2 * uncovered,
        "other": number * 2,
    }


class _Bodies:
    """The bodies of runs one after the other: which of them are full (the keep rule), and what an open reads."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._full, self._since, self._points = runs.full_bytes, runs.since_full, runs.points_since
        self._full_at = -runs.full_age
        self._sealed = self._fulls = 0

    @property
    def uncovered(self) -> int:
        """How many points the next open reads."""
        return self._points + bool(self._full)

    @property
    def read(self) -> float:
        """How many bytes of bodies it reads."""
        return self._full + self._since

    @property
    def share_full(self) -> float:
        """How many of the bodies so far are full ones."""
        return self._fulls / self._sealed if self._sealed else 0.0

    def seal(self, streams: float, points: float, now: float) -> float:
        """Seal a point; returns the bytes of its body."""
        self._sealed += 1
        partial = self._runs.partial
        due = self._points >= FULL_AFTER_POINTS or now > self._full_at + _FULL_DAYS
        if self._full and not due and self._since + partial <= self._full:
            self._since += partial
            self._points += 1
            return partial
        self._fulls += 1
        self._full = self._runs.per_stream * streams + COVER_BYTES * points
        self._since, self._points, self._full_at = 0.0, 0, now
        return self._full


def _steady(basis: Basis, name: str, steps: Sequence[_Step]) -> tuple[int, float]:
    """From the pace of the last days; where the fleet grows, that of its size by then."""
    kept = basis.classes[name]
    last = steps[-min(len(steps), 2 * RENEWAL_DAYS) :]
    daily = sum(step.bytes for step in last) / len(last)
    middle = lifetime(kept, sum(_RENEWALS) // len(_RENEWALS))
    return lifetime(kept, RENEWAL_DAYS), daily * middle


class _Sums:
    """Sums by class and day, kept as differences from one day to the next."""

    def __init__(self, days: int, archive_after: Mapping[str, int]) -> None:
        self._number = days
        self._archive_after = archive_after
        self._held: dict[str, list[float]] = {}
        self._archived: dict[str, list[float]] = {}
        self._objects: dict[str, list[float]] = {}
        self._added: dict[str, list[float]] = {}
        self._snapshots: dict[str, list[float]] = {}
        self._start: dict[str, float] = {}
        self._gone: dict[str, list[float]] = {}
        self._requests = [dict.fromkeys(REQUESTS, 0.0) for _day in range(days)]
        self._read = [0.0] * days

    def hold(self, held: Held) -> None:
        """Count what the store has already."""
        name = held.retention_class
        self._start[name] = self._start.get(name, 0.0) + held.bytes
        self._keep(name, -held.age, held.left, held.objects, held.bytes)
        if 0 <= held.left < self._number:
            self._row(self._gone, name)[held.left] += held.objects

    def snapshots(self, day: int, name: str, step: _Step, kept: int, multiple: float) -> None:
        """Count what is put on a day: a pack and a manifest each.

        :param multiple: how many requests it takes to put one of the two.
        """
        number = step.stored + step.carried
        if not number:
            return
        self._keep(name, day, day + kept, 2 * number, step.bytes)
        self._row(self._added, name)[day] += step.bytes
        self._row(self._snapshots, name)[day] += number
        requests = self._requests[day]
        requests["put"] += 2 * number * multiple
        requests["head"] += 2 * number
        requests["get"] += 2 * step.carried
        # who stores asks for the lock configuration of the bucket first
        requests["other"] += step.stored

    def points(self, day: int, number: float, size: float, kept: int, objects: int) -> None:
        """Count what runs put on a day beside snapshots."""
        self._keep(POINTS, day, day + kept, number * objects, size)
        self._row(self._added, POINTS)[day] += size
        self._requests[day]["put"] += number * objects
        self._requests[day]["head"] += number * objects

    def reading(self, day: int, size: float, requests: Mapping[str, float]) -> None:
        """Count what runs read on a day."""
        self._read[day] += size
        for kind, number in requests.items():
            self._requests[day][kind] += number

    def gone(self, name: str) -> list[float]:
        """How many of the objects that are there now have been dropped at the end of each day."""
        return _running(self._row(self._gone, name))

    def added_points(self, day: int) -> float:
        """Bytes that runs put on a day beside snapshots."""
        return self._row(self._added, POINTS)[day]

    def start(self) -> dict[str, float]:
        """What each class holds before the first day."""
        return dict(self._start)

    def days(self) -> tuple[Day, ...]:
        """All of it, day by day."""
        held, archived, objects = (
            {name: _running(row) for name, row in rows.items()} for rows in (self._held, self._archived, self._objects)
        )
        return tuple(
            Day(
                held=_at(held, day),
                archived=_at(archived, day),
                objects=_at(objects, day),
                added=_at(self._added, day),
                snapshots=_at(self._snapshots, day),
                requests=self._requests[day],
                read=self._read[day],
            )
            for day in range(self._number)
        )

    def _row(self, rows: dict[str, list[float]], name: str) -> list[float]:
        return rows.setdefault(name, [0.0] * self._number)

    def _keep(self, name: str, first: int, end: int, objects: float, size: float) -> None:
        self._between(self._row(self._held, name), first, end, size)
        self._between(self._row(self._objects, name), first, end, objects)
        after = self._archive_after.get(name)
        if after is None:
            return
        self._between(self._row(self._archived, name), first + after, end, size)
        if 0 <= first + after < min(end, self._number):
            self._requests[first + after]["transition"] += objects

    def _between(self, row: list[float], first: int, end: int, amount: float) -> None:
        first = max(0, first)
        if first < min(end, self._number):
            row[first] += amount
            if end < self._number:
                row[end] -= amount


def _at(rows: Mapping[str, Sequence[float]], day: int) -> dict[str, float]:
    return {name: row[day] for name, row in rows.items()}


def _running(row: Sequence[float]) -> list[float]:
    total, found = 0.0, []
    for value in row:
        total += value
        found.append(total)
    return found


@dataclasses.dataclass(frozen=True)
class Compared:
    """A figure that was forecast, and what became of it. ``actual`` is None where nothing tells."""

    forecast: float
    actual: float | None

    @property
    def deviation(self) -> float | None:
        """By how many percent the forecast was too high; None where the actual figure is nothing or not known."""
        return None if not self.actual else 100 * (self.forecast - self.actual) / self.actual

    def as_dict(self) -> dict[str, t.Any]:
        """Plain values, rounded."""
        off = self.deviation
        return {
            "forecast": round(self.forecast),
            "actual": None if self.actual is None else round(self.actual),
            "deviation": None if off is None else round(off, 1),
        }
