# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a schedule is due. The one file that imports dateutil.

A wall-clock time that daylight saving skips is not due that day; one that it repeats is due the first time. So do
systemd timers (252) and AWX's schedules; cron does otherwise, in those nights alone.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence

from ..errors import DependencyMissingError
from ..model.schedule import Blackout, Schedule, Window, zone

try:
    from dateutil import rrule
except ImportError as e:
    MISSING: ImportError | None = e
else:
    MISSING = None

Opening = tuple[dt.datetime, dt.datetime]

_DAY = dt.timedelta(days=1)
_INSTANT = dt.timedelta(microseconds=1)
# so many days, and one for clocks, and each day of the week was among them
_WEEK = 8
_MONTH = dt.timedelta(days=32)
_MOST_LOOKED_AT = 64
# within it each day of a month has been each day of the week, and clocks of all zones were set forward and back
_LONGEST_WAIT = dt.timedelta(days=1100)


def moments(schedule: Schedule, since: dt.datetime) -> Iterator[dt.datetime]:
    """When it is due after *since*, in UTC, in order; it ends where the calendar does.

    :raises DependencyMissingError: dateutil is not installed.
    """
    here = zone(schedule.timezone)
    times = schedule.times
    for day in _days(schedule, since.astimezone(here).date() - _DAY):
        yield from (moment for moment in _moments_of(day, times, here) if moment > since)


def _days(schedule: Schedule, first: dt.date) -> Iterator[dt.date]:
    _require()
    rule = rrule.rrule(
        # a month has few days to look at, where days of it are named
        rrule.MONTHLY if schedule.monthdays else rrule.DAILY,
        dtstart=dt.datetime.combine(first, dt.time()),
        byweekday=schedule.weekdays or None,
        bymonthday=schedule.monthdays or None,
    )
    return (day.date() for day in rule)


def _moments_of(day: dt.date, times: Sequence[dt.time], here: dt.tzinfo) -> Iterator[dt.datetime]:
    for time in times:
        wall = dt.datetime.combine(day, time)
        moment = wall.replace(tzinfo=here).astimezone(dt.timezone.utc)
        if moment.astimezone(here).replace(tzinfo=None) == wall:
            yield moment


def is_permitted(moment: dt.datetime, windows: Sequence[Window], blackouts: Sequence[Blackout]) -> bool:
    """Whether something may be captured by schedule at that moment."""
    if any(blackout.begins <= moment < blackout.ends for blackout in blackouts):
        return False
    return not windows or any(_is_open(window, moment) for window in windows)


def _is_open(window: Window, moment: dt.datetime) -> bool:
    return any(opens <= moment < closes for opens, closes in _openings(window, moment, ahead=0))


def _openings(window: Window, moment: dt.datetime, *, ahead: int, back: int = 1) -> Iterator[Opening]:
    """From when until when it is open, of the days around *moment* that it may be open on or open next."""
    here = zone(window.timezone)
    today = moment.astimezone(here).date()
    for shift in range(-(window.lasts // _DAY) - back, ahead + 1):
        day = today + shift * _DAY
        if not window.weekdays or day.weekday() in window.weekdays:
            # a window lasts as long as it says, whatever clocks do in between
            opens = dt.datetime.combine(day, window.opens, tzinfo=here).astimezone(dt.timezone.utc)
            yield opens, opens + window.lasts


def _permitted_from(moment: dt.datetime, windows: Sequence[Window], blackouts: Sequence[Blackout]) -> dt.datetime:
    """The first permitted moment from *moment* on."""
    while not is_permitted(moment, windows, blackouts):
        ends = [blackout.ends for blackout in blackouts if blackout.begins <= moment < blackout.ends]
        around = (opening for window in windows for opening in _openings(window, moment, ahead=_WEEK))
        moment = max(ends) if ends else min(opens for opens, closes in around if opens > moment)
    return moment


def _permitted_until(moment: dt.datetime, windows: Sequence[Window], blackouts: Sequence[Blackout]) -> dt.datetime:
    """The last permitted moment up to *moment*."""
    while not is_permitted(moment, windows, blackouts):
        begins = [blackout.begins for blackout in blackouts if blackout.begins <= moment < blackout.ends]
        around = (opening for window in windows for opening in _openings(window, moment, ahead=0, back=_WEEK))
        moment = (min(begins) if begins else max(closes for _opens, closes in around if closes <= moment)) - _INSTANT
    return moment


def next_due(
    schedule: Schedule, windows: Sequence[Window], blackouts: Sequence[Blackout], after: dt.datetime
) -> dt.datetime | None:
    """The first moment after *after* at which it is due and permitted; None where there is none."""
    bound = max([after, *(blackout.ends for blackout in blackouts)]) + _LONGEST_WAIT
    since = after
    while (moment := next(moments(schedule, since), None)) is not None and moment <= bound:
        permitted = _permitted_from(moment, windows, blackouts)
        if permitted == moment:
            return moment
        since = permitted - _INSTANT
    return None


def last_due(
    schedule: Schedule,
    windows: Sequence[Window],
    blackouts: Sequence[Blackout],
    now: dt.datetime,
    *,
    within: dt.timedelta = dt.timedelta(days=400),
) -> dt.datetime | None:
    """The last moment up to *now* at which it was due and permitted; None where there was none *within* that time."""
    here = zone(schedule.timezone)
    times = schedule.times
    latest = now
    today = now.astimezone(here).date()
    days = itertools.takewhile(lambda day: day <= today, _days(schedule, (now - within).astimezone(here).date() - _DAY))
    for day in reversed(list(days)):
        if day > latest.astimezone(here).date():
            continue
        for moment in reversed(list(_moments_of(day, times, here))):
            if moment > latest:
                continue
            if moment <= now - within:
                return None
            latest = _permitted_until(moment, windows, blackouts)
            if latest == moment:
                return moment
    return None


def slack(
    schedule: Schedule, windows: Sequence[Window], blackouts: Sequence[Blackout], after: dt.datetime
) -> dt.timedelta | None:
    """For how long a run that is due may at least still begin, before its window closes; None where none ever does.

    It looks at the times of a month, or at the first of them where there are many: those run again soon.
    """
    if not windows:
        return None
    until = after + _MONTH
    least = None
    moment = next_due(schedule, windows, blackouts, after)
    for _count in range(_MOST_LOOKED_AT):
        if moment is None or (least is not None and moment > until):
            break
        open_until = max(
            closes
            for window in windows
            for opens, closes in _openings(window, moment, ahead=0)
            if opens <= moment < closes
        )
        left = open_until - moment
        least = left if least is None else min(least, left)
        moment = next_due(schedule, windows, blackouts, moment)
    return least


def largest_gap(
    schedule: Schedule,
    windows: Sequence[Window],
    blackouts: Sequence[Blackout],
    *,
    since: dt.datetime,
    until: dt.datetime,
) -> dt.timedelta:
    """The longest time between two moments at which it is due and permitted, from *since* to *until*.

    Both ends count as such moments: where it is never due, the gap is all of the time.
    """
    due = itertools.takewhile(lambda moment: moment < until, moments(schedule, since))
    times = [since, *(moment for moment in due if is_permitted(moment, windows, blackouts)), until]
    return max(later - earlier for earlier, later in itertools.pairwise(times))


def _require() -> None:
    if MISSING is not None:
        raise DependencyMissingError(
            "python-dateutil is not installed", item="python-dateutil", remedy="Run pip install 'python-dateutil<3'."
        ) from MISSING
