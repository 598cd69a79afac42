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

    :param start: from which day on; AWX runs nothing that was due before.
    """
    found = []
    for hours, minutes in schedule.minutes_by_hours.items():
        parts = ["FREQ=DAILY", "INTERVAL=1"]
        if schedule.weekdays:
            parts.append(f"BYDAY={','.join(_NAMES[day] for day in schedule.weekdays)}")
        if schedule.monthdays:
            parts.append(f"BYMONTHDAY={','.join(map(str, schedule.monthdays))}")
        parts.append(f"BYHOUR={','.join(map(str, hours))}")
        parts.append(f"BYMINUTE={','.join(map(str, minutes))}")
        parts.append("BYSECOND=0")
        found.append(f"DTSTART;TZID={schedule.timezone}:{start:%Y%m%d}T000000 RRULE:{';'.join(parts)}")
    return tuple(found)
