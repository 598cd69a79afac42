# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A schedule in the words of cron: crontab(5)."""

from __future__ import annotations

import datetime as dt

from ..model.schedule import Schedule, zone

_HOUR = 60
_MONTHS = 13


def lines(schedule: Schedule) -> tuple[str, ...]:
    """The five fields of a crontab line, one text for each of its pairs of hours and minutes.

    They are wall-clock times of ``schedule.timezone``. Debian's cron knows no time zone of a line's own, and runs all
    of a machine's in one: who writes them must say which.
    """
    days = ",".join(map(str, schedule.monthdays)) or "*"
    # cron counts from Sunday
    weekdays = ",".join(str((day + 1) % 7) for day in schedule.weekdays) or "*"
    found = []
    for hours, minutes in schedule.minutes_by_hours.items():
        hour = "*" if len(hours) == 24 else ",".join(map(str, hours))
        found.append(f"{','.join(map(str, minutes))} {hour} {days} * {weekdays}")
    return tuple(found)


def minutes(schedule: Schedule, now: dt.datetime) -> tuple[int, ...]:
    """At which minutes of an hour it is due in UTC, in the year after *now*.

    A machine whose zone is whole hours off UTC that looks at these minutes of each hour misses nothing, whatever the
    schedule's zone is, and catches up within the hour after it was down.
    """
    here = zone(schedule.timezone)
    offsets = {(now + dt.timedelta(days=30) * month).astimezone(here).utcoffset() for month in range(_MONTHS)}
    shifts = {int((offset or dt.timedelta()).total_seconds()) // 60 for offset in offsets}
    return tuple(sorted({(time.minute - shift) % _HOUR for time in schedule.times for shift in shifts}))
