# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import itertools
import typing as t
import zoneinfo

from ansible_collections.holdfast.config.plugins.plugin_utils.model.schedule import Blackout, Schedule, Window
from ansible_collections.holdfast.config.plugins.plugin_utils.schedule import cron, due, oncalendar, rrule
from croniter import croniter
from dateutil import rrule as recurrence
from hypothesis import given, settings
from hypothesis import strategies as st

UTC = dt.timezone.utc
BERLIN = "Europe/Berlin"
DAY = dt.timedelta(days=1)
ZONES = ("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")
times = st.builds(dt.time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))
steps = st.sampled_from([15, 30, 60, 180, 360, 720, 1440]).map(lambda minutes: dt.timedelta(minutes=minutes))
days = st.fixed_dictionaries({}) | st.one_of(
    st.fixed_dictionaries({"weekdays": st.sets(st.integers(0, 6), min_size=1).map(sorted).map(tuple)}),
    st.fixed_dictionaries({"monthdays": st.sets(st.integers(1, 31), min_size=1, max_size=4).map(sorted).map(tuple)}),
)
schedules = st.builds(
    lambda zone, when, narrowed: Schedule(zone, **when, **narrowed),
    st.sampled_from(ZONES),
    st.fixed_dictionaries({"at": st.lists(times, min_size=1, max_size=4, unique=True).map(tuple)})
    | st.fixed_dictionaries({"every": steps}),
    days,
)
moments = st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2032, 1, 1), timezones=st.just(UTC))


def first(schedule: Schedule, since: dt.datetime, number: int) -> list[dt.datetime]:
    return list(itertools.islice(due.moments(schedule, since), number))


def walls(schedule: Schedule, since: dt.datetime, of: t.Iterable[dt.datetime]) -> t.Iterator[dt.datetime]:
    """What a calendar without time zones says, as moments; of those that exist, and of what comes twice the first."""
    here = zoneinfo.ZoneInfo(schedule.timezone)
    for wall in of:
        moment = wall.replace(tzinfo=here).astimezone(UTC)
        if moment > since and moment.astimezone(here).replace(tzinfo=None) == wall:
            yield moment


# of each drawn schedule 500 dates are compared: a few schedules are many dates
@settings(max_examples=12)
@given(schedules, moments)
def test_awx_means_the_same_500_dates(schedule: Schedule, since: dt.datetime) -> None:
    found = []
    start = since.astimezone(zoneinfo.ZoneInfo(schedule.timezone)).date() - DAY
    for text in rrule.rules(schedule, start):
        head, rule = text.split(" ")
        assert head == f"DTSTART;TZID={schedule.timezone}:{start:%Y%m%d}T000000"
        parsed = recurrence.rrulestr(rule, dtstart=dt.datetime.combine(start, dt.time()))
        found += itertools.islice(walls(schedule, since, parsed), 500)
    ours = first(schedule, since, 500)
    assert ours == sorted(found)[:500]
    assert len(ours) == 500


@settings(max_examples=12)
@given(schedules, moments)
def test_cron_means_the_same_500_dates_but_where_clocks_change(schedule: Schedule, since: dt.datetime) -> None:
    here = zoneinfo.ZoneInfo(schedule.timezone)
    naive = since.astimezone(here).replace(tzinfo=None) - DAY
    found = []
    for line in cron.lines(schedule):
        turns = croniter(line, naive)
        dates = (turns.get_next(dt.datetime) for _turn in itertools.count())
        found += itertools.islice(walls(schedule, since, dates), 500)
    assert first(schedule, since, 500) == sorted(found)[:500]


def test_the_words_of_systemd() -> None:
    daily = Schedule(BERLIN, at=(dt.time(2, 30), dt.time(14, 30), dt.time(3, 45)), weekdays=(0, 5))
    assert oncalendar.on_calendar(daily) == (
        f"Mon,Sat *-*-* 02,14:30:00 {BERLIN}",
        f"Mon,Sat *-*-* 03:45:00 {BERLIN}",
    )
    assert oncalendar.on_calendar(Schedule("UTC", every=dt.timedelta(minutes=15), monthdays=(1, 15))) == (
        "*-*-01,15 *:00,15,30,45:00 UTC",
    )


def test_a_time_that_daylight_saving_skips_is_not_due_that_day() -> None:
    nightly = Schedule(BERLIN, at=(dt.time(2, 30),))
    assert [str(one)[:16] for one in first(nightly, dt.datetime(2027, 3, 26, 12, tzinfo=UTC), 3)] == [
        "2027-03-27 01:30",
        "2027-03-29 00:30",
        "2027-03-30 00:30",
    ]


def test_a_time_that_daylight_saving_repeats_is_due_once() -> None:
    nightly = Schedule(BERLIN, at=(dt.time(2, 30),))
    assert [str(one)[:16] for one in first(nightly, dt.datetime(2027, 10, 30, 12, tzinfo=UTC), 2)] == [
        "2027-10-31 00:30",
        "2027-11-01 01:30",
    ]


@given(schedules, moments)
def test_the_last_due_moment_is_followed_by_the_next_one(schedule: Schedule, now: dt.datetime) -> None:
    last, following = due.last_due(schedule, (), (), now), due.next_due(schedule, (), (), now)
    assert last is not None
    assert last <= now < following
    assert due.next_due(schedule, (), (), last) == following


@given(schedules, moments, st.integers(1, 72))
def test_what_is_permitted_lies_in_a_window_and_in_no_blackout(
    schedule: Schedule, now: dt.datetime, hours: int
) -> None:
    window = Window(BERLIN, dt.time(1), dt.timedelta(hours=5), weekdays=(5, 6))
    blackout = Blackout(now, now + hours * dt.timedelta(hours=1), "freeze")
    found = due.next_due(schedule, (window,), (blackout,), now)
    if found is not None:
        local = found.astimezone(zoneinfo.ZoneInfo(BERLIN))
        assert found >= blackout.ends
        assert local.weekday() in (5, 6)
        assert 1 <= local.hour <= 6


def test_a_schedule_that_no_window_ever_meets_is_never_due() -> None:
    noon = Schedule("UTC", at=(dt.time(12),))
    window = Window("UTC", dt.time(1), dt.timedelta(hours=4))
    now = dt.datetime(2026, 11, 25, tzinfo=UTC)
    assert due.next_due(noon, (window,), (), now) is None
    assert due.last_due(noon, (window,), (), now) is None
    assert due.largest_gap(noon, (window,), (), since=now, until=now + 30 * DAY) == 30 * DAY


def test_a_window_over_midnight_belongs_to_the_day_it_opens_on() -> None:
    window = Window("UTC", dt.time(22), dt.timedelta(hours=6), weekdays=(5,))
    saturday = dt.datetime(2026, 11, 28, tzinfo=UTC)
    assert due.is_permitted(saturday + dt.timedelta(hours=27), (window,), ())
    assert not due.is_permitted(saturday + dt.timedelta(hours=28), (window,), ())
    assert not due.is_permitted(saturday + dt.timedelta(hours=3), (window,), ())


def test_the_largest_gap_of_a_daily_backup_is_longer_where_a_blackout_lies_in_it() -> None:
    daily = Schedule("UTC", at=(dt.time(2),))
    begin = dt.datetime(2026, 12, 1, 2, tzinfo=UTC)
    freeze = Blackout(begin + 2 * DAY, begin + 4 * DAY, "freeze")
    assert due.largest_gap(daily, (), (), since=begin, until=begin + 10 * DAY) == DAY
    assert due.largest_gap(daily, (), (freeze,), since=begin, until=begin + 10 * DAY) == 3 * DAY


def test_a_blackout_of_a_year_is_stepped_over_and_not_counted_out() -> None:
    minutely = Schedule("UTC", every=dt.timedelta(minutes=1))
    now = dt.datetime(2026, 12, 1, tzinfo=UTC)
    freeze = Blackout(now - 180 * DAY, now + 180 * DAY, "freeze")
    window = Window("UTC", dt.time(22), dt.timedelta(hours=1))
    assert due.next_due(minutely, (), (freeze,), now) == freeze.ends
    assert due.last_due(minutely, (), (freeze,), now) == freeze.begins - dt.timedelta(minutes=1)
    assert due.next_due(minutely, (window,), (freeze,), now) == freeze.ends + dt.timedelta(hours=22)
    assert due.last_due(minutely, (window,), (freeze,), now) == freeze.begins - dt.timedelta(hours=1, minutes=1)


@settings(max_examples=30)
@given(schedules, moments, st.integers(1, 72), st.integers(1, 9 * 24))
def test_what_is_stepped_over_is_what_is_not_permitted(
    schedule: Schedule, now: dt.datetime, hours: int, length: int
) -> None:
    window = Window(BERLIN, dt.time(23), hours * dt.timedelta(hours=1), weekdays=(0, 5))
    freeze = Blackout(now - DAY, now - DAY + length * dt.timedelta(hours=1), "freeze")
    rules = ((window,), (freeze,))
    ahead = itertools.takewhile(lambda moment: moment <= now + 60 * DAY, due.moments(schedule, now))
    behind = itertools.takewhile(lambda moment: moment <= now, due.moments(schedule, now - 60 * DAY))
    following = next((moment for moment in ahead if due.is_permitted(moment, *rules)), None)
    last = max((moment for moment in behind if due.is_permitted(moment, *rules)), default=None)
    found = due.next_due(schedule, *rules, now)
    assert found == following if following else found is None or found > now + 60 * DAY
    assert due.last_due(schedule, *rules, now, within=60 * DAY) == last


def test_the_slack_is_what_the_shortest_opening_leaves() -> None:
    now = dt.datetime(2026, 12, 1, tzinfo=UTC)
    daily = Schedule("UTC", at=(dt.time(2),))
    nightly = Window("UTC", dt.time(1), dt.timedelta(minutes=62))
    saturday = Window("UTC", dt.time(1), dt.timedelta(hours=6), weekdays=(5,))
    assert due.slack(daily, (nightly,), (), now) == dt.timedelta(minutes=2)
    assert due.slack(daily, (saturday,), (), now) == dt.timedelta(hours=5)
    assert due.slack(daily, (), (), now) is None
    assert due.slack(daily, (Window("UTC", dt.time(5), dt.timedelta(hours=1)),), (), now) is None
