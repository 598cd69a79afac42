# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizing held against fleets that really lived: forecast from the first 14 days, and what there is after 60.

Bytes held and requests to put are within 15 %, for hosts that change rarely, often, in bursts, all on one day of the
week; for hosts that fall silent; and for a fleet that grows, where the forecast is told by how much.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import retention
from ansible_collections.holdfast.config.plugins.plugin_utils.model import sizing as model
from ansible_collections.holdfast.config.plugins.plugin_utils.model.sizing import Compared
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import sizing
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.sizing import Past, Sizing, Wanted

from .fleets import Fleet, Profile, lived
from .parts import without_chance

MEASURED, LIVED = 14, 60
WITHIN = 15.0
PROFILES = {
    "quiet": Profile(changes=(0.01, 0.002, 0.0)),
    "mixed": Profile(),
    "busy": Profile(changes=(0.5, 0.2, 0.1)),
    "bursty": Profile(hosts=16, changes=(0.1, 0.05, 0.02), burst=2, runs=2),
    "weekly": Profile(weekly=("app", "base")),
    "silent": Profile(hosts=16, silent=8),
    "growing": Profile(hosts=10, monthly=8),
}
SEEDS = {"mixed": (0, 1)}
CASES = [(name, seed) for name in PROFILES for seed in SEEDS.get(name, (0,))]


@pytest.fixture(scope="module")
def fleets() -> Iterator[t.Callable[[str, int], Fleet]]:
    """Fleets by profile and seed, 60 days old; each lives once."""
    with tempfile.TemporaryDirectory() as folder:

        @functools.cache
        def fleet(name: str, seed: int) -> Fleet:
            return lived(seed, Path(tempfile.mkdtemp(dir=folder)), PROFILES[name], LIVED)

        yield fleet


def sized(fleet: Fleet, **more: t.Any) -> Sizing:
    """A fleet as its auditor sizes it, who is told how it grows."""
    wanted = Wanted(window_days=MEASURED, back_days=LIVED - MEASURED, monthly_growth=fleet.profile.monthly, **more)
    return sizing.size(fleet.repository, wanted, now=fleet.clock.moment)


def past(fleet: Fleet, **more: t.Any) -> Past:
    found = sized(fleet, **more).past
    assert found is not None
    return found


def off(compared: Compared) -> float:
    assert compared.deviation is not None
    return compared.deviation


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_a_forecast_of_two_weeks_holds_after_sixty_days(
    fleets: t.Callable[[str, int], Fleet], name: str, seed: int
) -> None:
    found = past(fleets(name, seed))
    assert found.measured_days == pytest.approx(MEASURED, abs=0.1)
    assert abs(off(found.total_held)) < WITHIN
    assert abs(off(found.total_puts)) < WITHIN


def test_what_there_is_is_what_the_store_holds(fleets: t.Callable[[str, int], Fleet]) -> None:
    fleet = fleets("mixed", 0)
    found = sized(fleet)
    assert found.past is not None
    listed = list(fleet.store.list())
    assert found.past.total_held.actual == sum(one.size for one in listed)
    since = fleet.clock.moment - dt.timedelta(days=LIVED - MEASURED)
    assert found.past.total_puts.actual == sum(one.modified > since for one in listed)
    assert sum(sum(month.versions.values()) for month in found.months) == len(listed)


def test_growth_is_no_part_of_a_forecast_unless_it_is_told(fleets: t.Callable[[str, int], Fleet]) -> None:
    """And the report says that hosts are new."""
    fleet = fleets("growing", 0)
    wanted = Wanted(window_days=MEASURED, back_days=LIVED - MEASURED)
    found = sizing.size(fleet.repository, wanted, now=fleet.clock.moment)
    assert found.past is not None
    assert off(found.past.total_held) < -WITHIN
    assert found.new_hosts > 0


# What is left out shows


def test_without_churn_the_forecast_is_wrong(
    fleets: t.Callable[[str, int], Fleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "likely", lambda counts: [0.0] * len(counts))
    found = past(fleets("mixed", 0))
    assert off(found.total_puts) < -WITHIN
    assert off(found.total_held) < -WITHIN


def never_renewed(group: model.Group, *, silent_alone: bool) -> model.Group:
    cohorts = tuple(
        dataclasses.replace(cohort, renewal=1000, left=((1000.0, cohort.streams),))
        if cohort.silent or not silent_alone
        else cohort
        for cohort in group.cohorts
    )
    return dataclasses.replace(group, cohorts=cohorts)


@pytest.mark.parametrize(("name", "silent_alone"), [("quiet", False), ("silent", True)])
def test_without_renewal_and_carry_the_forecast_is_wrong(
    fleets: t.Callable[[str, int], Fleet], monkeypatch: pytest.MonkeyPatch, name: str, silent_alone: bool
) -> None:
    group = sizing._Measured._group
    monkeypatch.setattr(
        sizing._Measured,
        "_group",
        lambda self, *given: never_renewed(group(self, *given), silent_alone=silent_alone),
    )
    classes = past(fleets(name, 0)).puts
    assert off(classes["d0400"]) < -WITHIN


def test_without_grace_the_forecast_is_wrong(
    fleets: t.Callable[[str, int], Fleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = past(fleets("busy", 0)).held["d0007"]
    # the rules of the store go on; the forecast alone forgets
    monkeypatch.setattr(retention, "grace", lambda _days: dt.timedelta())
    assert off(past(fleets("busy", 0)).held["d0007"]) < off(whole) - WITHIN


# Beyond sixty days


def test_what_is_put_and_what_expires_come_to_a_steady_state(tmp_path: Path) -> None:
    """Forecast from four weeks; half a year later most of what was there then has gone."""
    profile = Profile(hosts=5, changes=(0.6,), components=("app",))
    fleet = lived(3, tmp_path, profile, 28)
    found = sizing.size(fleet.repository, Wanted(), now=fleet.clock.moment)
    told = model.forecast(found.basis, days=200)
    with without_chance("sizes, later"):
        fleet.live(200)
    there = sum(one.size for one in fleet.store.list() if one.name.split("/")[1] == "d0007")
    assert abs(off(Compared(told.days[-1].held["d0007"], there))) < WITHIN
    days, size = found.forecast.steady["d0007"]
    assert days == 7 + 30 + 120
    assert abs(off(Compared(size, there))) < WITHIN
