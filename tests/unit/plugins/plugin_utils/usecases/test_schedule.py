# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt

from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import due_hosts
from ansible_collections.holdfast.config.plugins.plugin_utils.model.schedule import Blackout, Schedule, Window
from ansible_collections.holdfast.config.plugins.plugin_utils.model.tier import Tier
from ansible_collections.holdfast.config.plugins.plugin_utils.schedule.jitter import jitter
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import schedule
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.schedule import State, Wanted

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
DUE = dt.datetime(2026, 11, 28, 2, tzinfo=dt.timezone.utc)
NIGHTLY = Schedule("UTC", at=(dt.time(2),))


def tier(name: str = "tier1", **fields: object) -> Tier:
    return Tier(name, "d0090", DAY, 4 * HOUR, **{"schedule": NIGHTLY, **fields})


def test_a_host_is_due_until_it_is_proven() -> None:
    wanted = [Wanted("web1", "web1", tier()), Wanted("web2", "old2", tier()), Wanted("web3", "web3", tier())]
    proven = {("web1", "tier1"): DUE - HOUR, ("old2", "tier1"): DUE + HOUR / 60}
    found = schedule.standings(wanted, proven, DUE + HOUR)
    assert [(one.host, one.state) for one in found] == [
        ("web1", State.DUE),
        ("web2", State.CURRENT),
        ("web3", State.DUE),
    ]
    assert found[0].late == HOUR
    assert {one.next_due for one in found} == {DUE + DAY}


def test_it_is_due_at_the_very_moment_its_timer_fires() -> None:
    (found,) = schedule.standings([Wanted("web1", "web1", tier())], {("web1", "tier1"): DUE - DAY}, DUE)
    assert (found.state, found.late) == (State.DUE, dt.timedelta())


def test_a_tier_without_schedule_is_never_due() -> None:
    assert schedule.standings([Wanted("web1", "web1", tier(schedule=None))], {}, DUE) == ()


def test_a_host_that_was_missed_waits_outside_its_window_and_in_a_blackout() -> None:
    window = Window("UTC", dt.time(1), 4 * HOUR)
    freeze = Blackout(DUE + 2 * HOUR, DUE + 3 * HOUR, "freeze")
    wanted = [Wanted("web1", "web1", tier(windows=(window,), blackouts=(freeze,)))]
    states = {hours: schedule.standings(wanted, {}, DUE + hours * HOUR)[0].state for hours in (1, 2, 4)}
    assert states == {1: State.DUE, 2: State.CLOSED, 4: State.CLOSED}
    assert schedule.chosen(schedule.standings(wanted, {}, DUE + 2 * HOUR), 0) == ([], [])


def test_a_controller_that_was_down_for_a_week_takes_each_host_once_and_the_oldest_first() -> None:
    names = [f"web{number}" for number in range(9)]
    wanted = [Wanted(name, name, each) for name in names for each in (tier(), tier("tier2"))]
    proven = {(name, each): DUE - (9 + place) * DAY for place, name in enumerate(names) for each in ("tier1", "tier2")}
    del proven["web3", "tier2"]
    now, taken, runs = DUE + HOUR, [], []
    while True:
        hosts, waiting = schedule.chosen(schedule.standings(wanted, proven, now), 4)
        if not hosts:
            break
        runs.append((len(hosts), len(waiting)))
        taken += hosts
        proven |= {(host, each): now for host in hosts for each in ("tier1", "tier2")}
    assert taken == ["web3", "web8", "web7", "web6", "web5", "web4", "web2", "web1", "web0"]
    assert runs == [(4, 5), (4, 1), (1, 0)]


def test_delays_are_the_same_each_time_and_within_their_spread() -> None:
    delays = [jitter(f"web{number}", 300) for number in range(1000)]
    assert delays == [jitter(f"web{number}", 300) for number in range(1000)]
    assert (min(delays) >= 0, max(delays) < 300) == (True, True)
    assert len(set(delays)) > 250
    assert jitter("web1", 0) == 0


def test_metrics_say_what_was_due_and_how_late_it_is() -> None:
    wanted = [Wanted("web1", "web1", tier()), Wanted("web2", "web2", tier())]
    text = schedule.metrics(schedule.standings(wanted, {("web1", "tier1"): DUE}, DUE + HOUR))
    assert f'holdfast_next_due_timestamp_seconds{{tier="tier1"}} {int((DUE + DAY).timestamp())}\n' in text
    assert 'holdfast_overdue_hosts{tier="tier1"} 1\n' in text
    assert 'holdfast_lateness_seconds{tier="tier1"} 3600\n' in text


def test_a_host_that_was_never_captured_is_due_though_no_moment_has_passed() -> None:
    never = Window("UTC", dt.time(12), HOUR)
    (found,) = schedule.standings([Wanted("web1", "web1", tier(windows=(never,)))], {}, DUE)
    assert (found.state, found.due) == (State.CLOSED, None)
    (found,) = schedule.standings([Wanted("web1", "web1", tier(windows=(never,)))], {}, DUE + 10 * HOUR)
    assert found.state is State.DUE


def test_a_run_is_not_delayed_out_of_its_window() -> None:
    narrow = Window("UTC", dt.time(2), HOUR / 60)
    wanted = [Wanted("web1", "web1", tier(windows=(narrow,))), Wanted("web2", "web2", tier())]
    assert schedule.least_slack(wanted, DUE) == {"tier1": HOUR / 60}
    assert 0 <= due_hosts.plan(wanted, 1 << 40, DUE)["tier1"]["jitter"] < 30
