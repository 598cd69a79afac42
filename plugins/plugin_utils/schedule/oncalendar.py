# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A schedule in the words of systemd timers: systemd.time(7), "Calendar Events"."""

from __future__ import annotations

import datetime as dt

from ..model.schedule import Schedule

_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def on_calendar(schedule: Schedule) -> tuple[str, ...]:
    """The values of ``OnCalendar=``, one for each minute of the hour that the schedule has times at."""
    weekdays = f"{','.join(_NAMES[day] for day in schedule.weekdays)} " if schedule.weekdays else ""
    days = ",".join(f"{day:02}" for day in schedule.monthdays) or "*"
    by_minute: dict[int, list[dt.time]] = {}
    for time in schedule.times:
        by_minute.setdefault(time.minute, []).append(time)
    hours = {
        minute: "*" if len(times) == 24 else ",".join(f"{time.hour:02}" for time in times)
        for minute, times in by_minute.items()
    }
    grouped: dict[str, list[int]] = {}
    for minute, hour in hours.items():
        grouped.setdefault(hour, []).append(minute)
    return tuple(
        f"{weekdays}*-*-{days} {hour}:{','.join(f'{minute:02}' for minute in minutes)}:00 {schedule.timezone}"
        for hour, minutes in grouped.items()
    )
