# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A schedule in the words of systemd timers: systemd.time(7), "Calendar Events"."""

from __future__ import annotations

from ..model.schedule import Schedule

_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def on_calendar(schedule: Schedule) -> tuple[str, ...]:
    """The values of ``OnCalendar=``, one for each of its pairs of hours and minutes."""
    weekdays = f"{','.join(_NAMES[day] for day in schedule.weekdays)} " if schedule.weekdays else ""
    days = ",".join(f"{day:02}" for day in schedule.monthdays) or "*"
    found = []
    for hours, minutes in schedule.minutes_by_hours.items():
        hour = "*" if len(hours) == 24 else ",".join(f"{hour:02}" for hour in hours)
        minute = ",".join(f"{minute:02}" for minute in minutes)
        found.append(f"{weekdays}*-*-{days} {hour}:{minute}:00 {schedule.timezone}")
    return tuple(found)
