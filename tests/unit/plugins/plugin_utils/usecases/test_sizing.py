# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sizing measures, and how little it needs for that.

Forecasts are held against fleets that really lived in tests/unit/simulation/test_sizing.py.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import sizing_results
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ConnectionLostError,
    DeniedError,
    HoldfastError,
    PolicyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model import sizing as model
from ansible_collections.holdfast.config.plugins.plugin_utils.model.prices import read_prices
from ansible_collections.holdfast.config.plugins.plugin_utils.model.sizing import POINTS, Group
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Listed, Stored
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import sizing
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.sizing import Sizing, Wanted
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .faults import FaultyStore
from .lab import FILES, Clock, Lab


class AuditedStore(FaultyStore):
    """A bucket as an auditor has it: nothing can be put, not even to learn the time, and lists show no locks."""

    def _clock(self) -> dt.datetime:
        raise DeniedError("only who may write can ask")

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        raise AssertionError("an auditor puts nothing")

    def _list(self, prefix: str) -> Iterator[Listed]:
        for listed in super()._list(prefix):
            yield dataclasses.replace(listed, lock_until=None, lock_known=False)


def fleet(hosts: int) -> dict[str, MemorySource]:
    return {f"h{number}": MemorySource(FILES) for number in range(hosts)}


def live(lab: Lab, clock: Clock, sources: dict[str, MemorySource], days: int) -> None:
    """A run each day; a host that fails leaves the others."""
    for _day in range(days):
        folder = lab.folder()
        lab.open(folder, *sources)
        for host, source in sources.items():
            try:
                lab.snapshot(folder, source, host)
            except HoldfastError:
                assert source.failure is not None
        lab.seal(folder)
        clock.advance(days=1)


def change(source: MemorySource, number: int) -> None:
    source.files["/etc/app/main.conf"] = f"listen = {number}\n".encode()


def sized(lab: Lab, clock: Clock, **more: t.Any) -> Sizing:
    return sizing.size(lab.repository, Wanted(**more), now=clock())


def group(found: Sizing, stream: str) -> Group:
    (only,) = (one for one in found.basis.groups if one.stream == stream)
    return only


def test_changes_are_told_from_first_snapshots_and_from_renewals(lab: Lab, clock: Clock) -> None:
    sources = fleet(4)
    for day in range(40):
        if day in (10, 20, 30):
            change(sources["h0"], day)
        live(lab, clock, sources, 1)
    found = sized(lab, clock, window_days=60)
    app, base = group(found, "tier1"), group(found, "tier2")
    # 39 days from the first run to the last
    assert app.changes * 39 == pytest.approx(3)
    assert (base.changes, base.carried, app.carried) == (0, 0, 0)
    renewed = len(lab.names("packs/")) - 8 - 3
    assert (app.renewed + base.renewed) * 39 == pytest.approx(renewed)
    assert renewed > 4
    assert found.basis.runs.per_day == pytest.approx(1)
    assert (found.basis.hosts, found.new_hosts, found.silent_streams) == (4, 0, 0)


def test_silent_hosts_are_carried_and_named(lab: Lab, clock: Clock) -> None:
    sources = fleet(3)
    live(lab, clock, sources, 2)
    sources["h0"].failure = ConnectionLostError("the host was not reached", remedy="Switch it on.")
    live(lab, clock, sources, 38)
    found = sized(lab, clock, window_days=60)
    assert found.silent_streams == 2
    assert sum(one.carried for one in found.basis.groups) * 39 >= 2
    assert any(cohort.silent for one in found.basis.groups for cohort in one.cohorts)


def test_hosts_that_came_are_named(lab: Lab, clock: Clock) -> None:
    sources = fleet(2)
    live(lab, clock, sources, 5)
    sources["late"] = MemorySource(FILES)
    live(lab, clock, sources, 5)
    assert sized(lab, clock).new_hosts == 1
    assert sized(lab, clock, window_days=3).new_hosts == 0


def test_an_auditor_measures_the_same_without_rights_locks_and_keys(lab: Lab, clock: Clock) -> None:
    sources = fleet(3)
    live(lab, clock, sources, 6)
    change(sources["h1"], 6)
    live(lab, clock, sources, 4)
    audited = dataclasses.replace(lab.repository, store=AuditedStore(lab.store))
    wanted = Wanted(back_days=3)
    whole, read = (sizing.size(repository, wanted, now=clock()) for repository in (lab.repository, audited))
    assert read.basis.groups == whole.basis.groups
    assert read.past == whole.past
    assert read.forecast.days[-1].held == pytest.approx(whole.forecast.days[-1].held, rel=0.02)


def test_what_is_not_of_the_format_is_no_part_of_any_figure(lab: Lab, clock: Clock) -> None:
    live(lab, clock, fleet(2), 3)
    before = sized(lab, clock)
    memory = t.cast(MemoryStore, lab.store)
    until = clock() + dt.timedelta(days=100)
    memory._add("packs/d0090/h0/tier1/none", b"x" * 1000, lock_until=until, marker=False)
    memory._add("junk", b"x" * 1000, lock_until=until, marker=False)
    memory.put_marker(lab.names("packs/")[0])
    assert sized(lab, clock) == before


def test_a_manifest_that_cannot_be_read_leaves_the_ratio_unknown(lab: Lab, clock: Clock) -> None:
    live(lab, clock, fleet(2), 3)
    assert group(sized(lab, clock), "tier1").compression
    memory = t.cast(MemoryStore, lab.store)
    for name in lab.names("manifests/"):
        for version in memory._versions[name]:
            version.data = b"damaged"
    found = sized(lab, clock)
    assert group(found, "tier1").compression is None
    assert sizing_results.sized(found, None)["groups"][0]["compression"] is None


def test_sums_are_what_the_store_holds(lab: Lab, clock: Clock) -> None:
    live(lab, clock, fleet(2), 5)
    found = sized(lab, clock, back_days=2)
    listed = list(lab.store.list())
    assert sum(found.forecast.start.values()) == sum(one.size for one in listed)
    assert found.past is not None
    since = clock() - dt.timedelta(days=2)
    puts = {name: one.actual for name, one in found.past.puts.items()}
    assert puts[POINTS] == sum(one.modified > since for one in listed if one.name.startswith(("bodies/", "points/")))
    assert [sum(month.versions.values()) for month in found.months] == [len(listed)]


def test_a_forecast_of_days_ago_is_the_one_that_was_made_then(lab: Lab, clock: Clock) -> None:
    """Whatever came after it is not seen."""
    sources = fleet(3)
    live(lab, clock, sources, 5)
    change(sources["h0"], 0)
    live(lab, clock, sources, 4)
    # an hour before the next run
    clock.advance(hours=-1)
    told = model.forecast(sized(lab, clock).basis, days=3)
    clock.advance(hours=1)
    for day in range(3):
        for host, source in sources.items():
            change(source, 100 * day + len(host))
        sources[f"new{day}"] = MemorySource(FILES)
        live(lab, clock, sources, 1)
    clock.advance(hours=-1)
    past = sized(lab, clock, back_days=3).past
    assert past is not None
    assert {name: one.forecast for name, one in past.held.items()} == pytest.approx(dict(told.days[-1].held))


def test_what_waits_for_its_expiry_is_said_apart(lab: Lab, clock: Clock) -> None:
    sources = fleet(1)
    live(lab, clock, sources, 2)
    assert sized(lab, clock).expired == 0
    # the class's days, its renewal and its grace, while nobody ran
    clock.advance(days=90 + 30 + 120)
    live(lab, clock, sources, 2)
    found = sized(lab, clock, back_days=1)
    assert found.expired > 0
    assert found.past is not None
    assert found.past.held["d0090"].actual == sum(
        one.size for one in lab.store.list() if "/d0090/" in one.name and one.modified > clock() - dt.timedelta(days=9)
    )


def test_less_than_a_day_is_too_little(lab: Lab, clock: Clock) -> None:
    with pytest.raises(PolicyError, match="less than a day"):
        sized(lab, clock)
    live(lab, clock, fleet(1), 3)
    sized(lab, clock)
    with pytest.raises(PolicyError, match="less than a day"):
        sized(lab, clock, back_days=3)


def test_a_result_is_plain_and_names_no_host(lab: Lab, clock: Clock) -> None:
    live(lab, clock, {f"secret-name-{number}": MemorySource(FILES) for number in range(2)}, 4)
    prices = read_prices({"currency": "EUR", "storage_gb_month": {"standard": 5}}, [], classes=["d0090"])
    found = sizing_results.sized(sized(lab, clock, back_days=2), prices)
    text = json.dumps(found)
    assert "secret-name" not in text
    assert found["changed"] is False
    assert found["past"]["other_requests"] is None
    assert len(found["months"]) == 12
    assert all(len(line) <= 80 for line in found["report"])
    assert found["cost"]["total"] == pytest.approx(sum(month["cost"] for month in found["months"]), abs=0.2)


def test_a_schedule_that_is_told_counts_more_than_the_measured_one(lab: Lab, clock: Clock) -> None:
    live(lab, clock, fleet(1), 4)
    once, often = (sized(lab, clock, runs_per_day=runs, back_days=2) for runs in (None, 24.0))
    assert once.past == often.past
    assert often.forecast.total("list") > 20 * once.forecast.total("list")
