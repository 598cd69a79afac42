# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is expected equals the mean of what happens to many streams, one by one; and sums come out by hand."""

from __future__ import annotations

import dataclasses
import random

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import sizing
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.sizing import (
    POINTS,
    Basis,
    Cohort,
    Compared,
    Group,
    Held,
    Runs,
)

CLASSES = {"d0007": RetentionClass("d0007", 7, "compliance")}
RUNS = Runs(per_day=1.0, partial=400.0, per_stream=100.0, statement=50.0)
DAYS = 200


def basis(*cohorts: Cohort, runs: Runs = RUNS, held: tuple[Held, ...] = (), hosts: int = 1) -> Basis:
    return Basis(CLASSES, (Group("d0007", "tier0", cohorts, 100.0, 10.0),), held, runs, hosts)


def cohort(**more: float) -> Cohort:
    """One stream of 110 bytes that never changes and has 20 days of renewal, just stored."""
    given = {"streams": 1.0, "bytes": 110.0, "changes": 0.0, "burst": 1.0, "renewal": 20, **more}
    return Cohort(left=((given["renewal"] - 1, given["streams"]),), **given)  # type: ignore[arg-type]


def lived(chance: random.Random, changes: float, renewal: int, days: int) -> list[int]:
    """On which days one stream is stored that was stored just now, told without any expectation."""
    stored, last = [], 0
    for day in range(1, days + 1):
        if chance.random() < changes or day - last > renewal - 1:
            stored.append(day)
            last = day
    return stored


@pytest.mark.parametrize("changes", [0.0, 0.01, 0.1, 0.6])
def test_what_is_expected_is_the_mean_of_many_streams(changes: float) -> None:
    chance, number = random.Random(7), 2000
    events = [lived(chance, changes, 20, DAYS) for _stream in range(number)]
    told = sizing.forecast(basis(cohort(changes=changes)), days=DAYS)
    for days in (30, 60, DAYS):
        mean = sum(day <= days for stored in events for day in stored) / number
        assert sum(day.snapshots["d0007"] for day in told.days[:days]) == pytest.approx(mean, rel=0.03)
    # what was put more than lock and grace ago is gone
    kept = 7 + 20 + 120
    held = sum(DAYS - day < kept for stored in events for day in stored) / number
    assert told.days[-1].held["d0007"] == pytest.approx(110 * held, rel=0.03)
    assert told.days[-1].objects["d0007"] == pytest.approx(2 * held, rel=0.03)


def test_a_burst_makes_several_snapshots_and_resets_the_lock_once() -> None:
    once, thrice = (
        sum(day.snapshots["d0007"] for day in sizing.forecast(basis(cohort(changes=0.5, burst=burst)), days=100).days)
        for burst in (1.0, 3.0)
    )
    assert thrice == pytest.approx(3 * once, rel=0.01)


@pytest.mark.parametrize(("per_day", "every"), [(1.0, 20), (24.0, 19 + 1 / 24), (1 / 7, 21), (0.5, 20)])
def test_an_unchanged_stream_is_put_when_the_first_run_finds_its_lock_short(per_day: float, every: float) -> None:
    runs = dataclasses.replace(RUNS, per_day=per_day)
    told = sizing.forecast(basis(cohort(), runs=runs), days=DAYS)
    assert sum(day.snapshots["d0007"] for day in told.days) == pytest.approx(DAYS / every, abs=1)


def test_a_silent_stream_is_carried_and_read_for_it() -> None:
    loud = sizing.forecast(basis(cohort()), days=60)
    # whatever its chance was while its host answered
    silent = sizing.forecast(basis(cohort(silent=True, changes=0.5)), days=60)
    assert [day.snapshots for day in loud.days] == [day.snapshots for day in silent.days]
    assert silent.total("get") - loud.total("get") == pytest.approx(2 * 3)
    # nobody opens a bucket for it as a worker would
    assert loud.total("other") - silent.total("other") == pytest.approx(3)


def test_what_is_there_is_held_until_its_own_end() -> None:
    held = (Held("d0007", age=5, left=10, objects=4, bytes=1000), Held(POINTS, age=0, left=400, objects=2, bytes=30))
    told = sizing.forecast(Basis(CLASSES, (), held, RUNS, 0), days=20, archive_after={"d0007": 8})
    assert told.start == {"d0007": 1000, POINTS: 30}
    assert [day.held["d0007"] for day in told.days] == [1000.0] * 10 + [0.0] * 10
    assert [day.archived["d0007"] for day in told.days] == [0.0] * 3 + [1000.0] * 7 + [0.0] * 10
    assert told.total("transition") == 4


def test_what_is_put_goes_to_the_archive_and_expires() -> None:
    told = sizing.forecast(basis(cohort(changes=1.0)), days=DAYS, archive_after={"d0007": 30})
    kept = 7 + 20 + 120
    assert told.days[-1].held["d0007"] == pytest.approx(110 * kept)
    assert told.days[-1].archived["d0007"] == pytest.approx(110 * (kept - 30))


def test_new_streams_are_stored_at_once_and_then_like_the_others() -> None:
    ten = basis(cohort(streams=10.0, bytes=1100.0), hosts=10)
    grown = ten.grown(20, 0.0)
    assert grown.hosts == 20
    assert sizing.forecast(grown, days=1).days[0].snapshots["d0007"] == pytest.approx(10)
    more = sizing.forecast(ten.grown(None, 10.0), days=365)
    fixed = sizing.forecast(ten, days=365)
    # 120 hosts come in the year; each is stored once as it comes
    assert sum(day.snapshots["d0007"] for day in more.days) > sum(day.snapshots["d0007"] for day in fixed.days) + 120
    assert sizing.forecast(ten.grown(5, 0.0), days=30) == sizing.forecast(ten, days=30)


def test_bodies_are_full_by_weight_by_count_and_by_age() -> None:
    def added(runs: Runs, days: int) -> float:
        """Bytes of bodies, of a stream."""
        told = sizing.forecast(basis(cohort(), runs=runs), days=days)
        return sum(day.added[POINTS] for day in told.days) - runs.statement * runs.per_day * days

    # the first is full; two of 60 outweigh one of 100
    heavy = dataclasses.replace(RUNS, partial=60.0)
    assert added(heavy, 3) == pytest.approx(100 + 60 + 100 + 2 * sizing.COVER_BYTES, abs=1)
    # 100 that weigh nothing, and the one after them
    many = dataclasses.replace(RUNS, partial=0.0, per_day=102.0)
    assert added(many, 1) == pytest.approx(2 * 100, abs=1)
    # one that is older than 15 days
    rare = dataclasses.replace(RUNS, partial=0.0, per_day=0.25)
    assert added(rare, 12) == pytest.approx(100, abs=1)
    assert added(rare, 20) == pytest.approx(2 * 100 + 4 * sizing.COVER_BYTES, abs=1)


def test_requests_of_a_quiet_run_are_those_that_are_counted() -> None:
    """docs/guide_storage.md: 5 lists, 4 gets, 2 puts, 2 heads and 2 for the lock configuration."""
    runs = dataclasses.replace(RUNS, full_bytes=1e9, points_since=0, listed=1)
    told = sizing.forecast(basis(cohort(), runs=runs), days=1)
    asked = {kind: told.total(kind) for kind in ("list", "get", "put", "head", "other")}
    assert asked == {"list": 5, "get": 4, "put": 2, "head": 2, "other": 2}
    medium = dataclasses.replace(runs, enforced=False)
    assert sizing.forecast(basis(cohort(), runs=medium), days=1).total("list") == 7
    many = dataclasses.replace(runs, listed=2500)
    assert sizing.forecast(basis(cohort(), runs=many), days=1).total("list") == 7


def test_large_packs_are_put_in_parts() -> None:
    assert [sizing.put_requests(size) for size in (1, 64 << 20, (64 << 20) + 1, 200 << 20)] == [1, 1, 4, 6]


# How often streams change


def test_streams_that_are_alike_are_told_from_those_that_are_not() -> None:
    chance = random.Random(5)
    alike = sizing.likely([(sum(chance.random() < 0.1 for _day in range(14)), 14.0) for _stream in range(300)])
    assert max(alike) - min(alike) < 0.1
    assert sum(alike) / len(alike) == pytest.approx(0.1, rel=0.1)
    counts = [(14 if stream % 2 else 0, 14.0) for stream in range(300)]
    found = sizing.likely(counts)
    assert found[0] == pytest.approx(0.0, abs=0.05)
    assert found[1] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("counts", [[], [(0, 0.0)], [(0, 14.0)], [(3, 2.0), (0, 0.0), (1, 14.0)]])
def test_chances_are_chances(counts: list[tuple[int, float]]) -> None:
    found = sizing.likely(counts)
    assert len(found) == len(counts)
    assert all(0 <= chance <= 1 for chance in found)


def test_a_deviation_is_of_what_was() -> None:
    assert Compared(115.0, 100.0).deviation == pytest.approx(15)
    assert Compared(1.0, 0.0).deviation is None
    assert Compared(1.4, None).as_dict() == {"forecast": 1, "actual": None, "deviation": None}


def test_a_year_has_twelve_months_that_hold_all_of_its_days() -> None:
    told = sizing.forecast(basis(cohort()))
    months = told.months()
    assert [number for number, _days in months] == list(range(1, 13))
    assert sum(len(days) for _number, days in months) == len(told.days) == 365
