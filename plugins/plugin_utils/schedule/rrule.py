# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A schedule as iCalendar recurrence rules (RFC 5545, section 3.3.10), as AWX takes them."""

from __future__ import annotations

import datetime as dt

from ..model.schedule import Schedule

_NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def rules(schedule: Schedule, start: dt.date) -> tuple[str, ...]:
    """One text for each of its pairs of hours and minutes: ``DTSTART;TZID=…:… RRULE:…``.

    And one for each day of the month: AWX takes no rule of several (validate_rrule in awx/api/serializers.py).

    :param start: from which day on; AWX runs nothing that was due before.
    """
    found = []
    for hours, minutes in schedule.minutes_by_hours.items():
        parts = ["FREQ=DAILY", "INTERVAL=1"]
        if schedule.weekdays:
            parts.append(f"BYDAY={','.join(_NAMES[day] for day in schedule.weekdays)}")
        times = [f"BYHOUR={','.join(map(str, hours))}", f"BYMINUTE={','.join(map(str, minutes))}", "BYSECOND=0"]
        for days in [[f"BYMONTHDAY={day}"] for day in schedule.monthdays] or [[]]:
            rule = ";".join([*parts, *days, *times])
            found.append(f"DTSTART;TZID={schedule.timezone}:{start:%Y%m%d}T000000 RRULE:{rule}")
    return tuple(found)
