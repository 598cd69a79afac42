# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a tier is backed up, and when it may be: schedules, maintenance windows and blackouts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
import zoneinfo
from collections.abc import Iterator, Sequence

from ..errors import FormatError
from . import instant
from .finding import Finding, read_duration, read_known, read_mapping, read_text

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEFAULT_ZONE = "UTC"
_DAY = dt.timedelta(days=1)
_MINUTE = dt.timedelta(minutes=1)
_HOUR = dt.timedelta(hours=1)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
# names of the IANA database: zoneinfo would take a path for one
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
# they stand in the same folder, and systemd, AWX or another machine know them not, or otherwise
_NO_ZONES = frozenset({"localtime", "factory", "posixrules", "posix", "right"})
# so many times of day are no schedule any longer
_MOST_TIMES = 48
_LONGEST_WINDOW = dt.timedelta(days=7)
_LONGEST_BLACKOUT = dt.timedelta(days=366)
_MOST_BLACKOUTS = 500


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Times of day, on some days; or every so many minutes or hours, counted from midnight.

    What systemd timers, cron and iCalendar rules (RFC 5545) can all say, so that each of them means the same moments.
    ``timezone`` is an IANA name. ``at`` are wall-clock times, none where ``every`` is given, which divides an hour or a
    day. ``weekdays`` (0 is Monday) and ``monthdays`` (1 to 31) narrow the days; empty for all. One of the two alone is
    given: where both are, cron takes either and the others take both.
    """

    timezone: str
    at: tuple[dt.time, ...] = ()
    every: dt.timedelta | None = None
    weekdays: tuple[int, ...] = ()
    monthdays: tuple[int, ...] = ()

    @property
    def times(self) -> tuple[dt.time, ...]:
        """Its wall-clock times of a day, in order, ``every`` spelled out."""
        if self.every is None:
            return tuple(sorted(self.at))
        minutes = range(0, _DAY // _MINUTE, self.every // _MINUTE)
        return tuple(dt.time(*divmod(minute, 60)) for minute in minutes)

    @property
    def minutes_by_hours(self) -> dict[tuple[int, ...], tuple[int, ...]]:
        """Its times as pairs of hours and of minutes, of which each hour goes with each minute of its pair.

        A line of a timer, of cron or of iCalendar can say one such pair.
        """
        hours: dict[int, tuple[int, ...]] = {}
        for time in self.times:
            hours[time.minute] = (*hours.get(time.minute, ()), time.hour)
        pairs: dict[tuple[int, ...], tuple[int, ...]] = {}
        for minute, of in hours.items():
            pairs[of] = (*pairs.get(of, ()), minute)
        return pairs


@dataclasses.dataclass(frozen=True)
class Window:
    """A maintenance window: it opens at a wall-clock time of some days (0 is Monday; empty for all), and lasts."""

    timezone: str
    opens: dt.time
    lasts: dt.timedelta
    weekdays: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Blackout:
    """From one moment until another nothing is captured by schedule, and why."""

    begins: dt.datetime
    ends: dt.datetime
    reason: str


def read_schedule(key: str, value: t.Any, findings: list[Finding]) -> Schedule | None:
    """Read ``schedule`` of a tier; None where it cannot be used, and what is wrong is added to *findings*."""
    before = len(findings)
    fields = read_mapping(key, value, findings)
    read_known(key, fields, ("at", "every", "weekdays", "monthdays", "timezone"), findings)
    zone = _read_zone(f"{key}.timezone", fields.get("timezone", DEFAULT_ZONE), findings)
    at, every = fields.get("at"), fields.get("every")
    if (at is None) == (every is None) and len(findings) == before:
        problem = "says both at and every" if at is not None else "says no time"
        remedy = "Give one: {at: ['02:30']} or {every: 6h}."
        findings.append(Finding(key, problem, remedy))
    times = () if at is None else _read_times(f"{key}.at", at, findings)
    step = None if every is None else _read_every(f"{key}.every", every, findings)
    weekdays = _read_weekdays(f"{key}.weekdays", fields.get("weekdays"), findings)
    monthdays = _read_monthdays(f"{key}.monthdays", fields.get("monthdays"), findings)
    if weekdays and monthdays:
        remedy = "Give one of them: cron would take either day, and systemd and AWX only what is both."
        findings.append(Finding(key, "says both weekdays and monthdays", remedy))
    return None if len(findings) > before else Schedule(zone, times, step, weekdays, monthdays)


def read_windows(key: str, value: t.Any, findings: list[Finding]) -> tuple[Window, ...]:
    """Read ``windows`` of a tier; what is wrong is added to *findings*."""
    found = []
    for at, given in _each(key, value, "{opens, lasts, weekdays, timezone}", findings):
        before = len(findings)
        fields = read_mapping(at, given, findings)
        read_known(at, fields, ("opens", "lasts", "weekdays", "timezone"), findings)
        zone = _read_zone(f"{at}.timezone", fields.get("timezone", DEFAULT_ZONE), findings)
        opens = _read_time(f"{at}.opens", fields.get("opens"), findings)
        lasts = read_duration(f"{at}.lasts", fields.get("lasts"), findings, most=_LONGEST_WINDOW)
        weekdays = _read_weekdays(f"{at}.weekdays", fields.get("weekdays"), findings)
        if len(findings) == before and opens is not None and lasts is not None:
            found.append(Window(zone, opens, lasts, weekdays))
    return tuple(found)


def read_blackouts(key: str, value: t.Any, findings: list[Finding]) -> tuple[Blackout, ...]:
    """Read ``blackouts`` of a tier; what is wrong is added to *findings*."""
    found = []
    given = list(_each(key, value, "{begins, ends, reason}", findings))
    if len(given) > _MOST_BLACKOUTS:
        findings.append(Finding(key, f"are {len(given)}", f"Give {_MOST_BLACKOUTS} at most."))
        return ()
    for at, one in given:
        before = len(findings)
        fields = read_mapping(at, one, findings)
        read_known(at, fields, ("begins", "ends", "reason"), findings)
        begins, ends = (_read_moment(f"{at}.{name}", fields.get(name), findings) for name in ("begins", "ends"))
        reason = read_text(f"{at}.reason", fields.get("reason"), findings)
        if len(findings) > before or begins is None or ends is None:
            continue
        if not begins < ends:
            findings.append(Finding(f"{at}.ends", "is not after begins", "Give a later moment."))
        elif ends - begins > _LONGEST_BLACKOUT:
            remedy = "Give a year at most: what is never captured is an exception, and people sign that."
            findings.append(Finding(f"{at}.ends", "is more than a year after begins", remedy))
        else:
            found.append(Blackout(begins, ends, reason))
    return tuple(sorted(found, key=lambda blackout: blackout.begins))


def zone(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of an IANA name; raises KeyError where this machine knows none of that name."""
    if not _ZONE.fullmatch(name) or name.partition("/")[0].lower() in _NO_ZONES:
        raise KeyError(name)
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as e:
        # a folder of the database, such as Europe, raises as what is no file does
        raise KeyError(name) from e


def _read_zone(key: str, value: t.Any, findings: list[Finding]) -> str:
    try:
        if isinstance(value, str):
            zone(value)
            return value
    except KeyError:
        pass
    remedy = "Give a name of the IANA database, like Europe/Berlin or UTC; the machine needs its package tzdata."
    findings.append(Finding(key, f"{value!r} is no time zone", remedy))
    return DEFAULT_ZONE


def _each(key: str, value: t.Any, form: str, findings: list[Finding]) -> Iterator[tuple[str, t.Any]]:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        findings.append(Finding(key, "is not a list", f"Give a list of {form}."))
        return
    for position, given in enumerate(value):
        yield f"{key}[{position}]", given


def _read_times(key: str, value: t.Any, findings: list[Finding]) -> tuple[dt.time, ...]:
    given = [value] if isinstance(value, (str, int)) else value
    if not isinstance(given, Sequence) or not 1 <= len(given) <= _MOST_TIMES:
        findings.append(Finding(key, "is no list of times", f"Give 1 to {_MOST_TIMES}, like ['02:30', '14:30']."))
        return ()
    times = [_read_time(key, one, findings) for one in given]
    return tuple(sorted({time for time in times if time is not None}))


def _read_time(key: str, value: t.Any, findings: list[Finding]) -> dt.time | None:
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found:
        return dt.time(int(found[1]), int(found[2]))
    remedy = "Give hours and minutes, like '02:30'."
    if isinstance(value, int) and not isinstance(value, bool):
        # YAML 1.1 reads 02:30 as a number of base 60
        remedy = "Put it in quotes, like '14:30': YAML reads it as a number."
    findings.append(Finding(key, f"{value!r} is no time of day", remedy))
    return None


def _read_every(key: str, value: t.Any, findings: list[Finding]) -> dt.timedelta | None:
    every = read_duration(key, value, findings, least=dt.timedelta(minutes=1), most=_DAY)
    if every is None:
        return None
    if _HOUR % every if every < _HOUR else every % _HOUR or _DAY % every:
        remedy = (
            "Give minutes that divide an hour (1m, 5m, 10m, 15m, 20m, 30m) or hours that divide a day (1h, 6h, 12h)."
        )
        findings.append(Finding(key, f"{value} divides neither an hour nor a day", remedy))
        return None
    return every


def _read_weekdays(key: str, value: t.Any, findings: list[Finding]) -> tuple[int, ...]:
    given = () if value is None else value
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        findings.append(Finding(key, "is not a list", f"Give some of {', '.join(WEEKDAYS)}."))
        return ()
    findings.extend(
        Finding(key, f"{day!r} is no day of the week", f"Give some of {', '.join(WEEKDAYS)}.")
        for day in given
        if day not in WEEKDAYS
    )
    return tuple(sorted({WEEKDAYS.index(day) for day in given if day in WEEKDAYS}))


def _read_monthdays(key: str, value: t.Any, findings: list[Finding]) -> tuple[int, ...]:
    given = () if value is None else value
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        findings.append(Finding(key, "is not a list", "Give days of the month, like [1, 15]."))
        return ()
    days = [day for day in given if isinstance(day, int) and not isinstance(day, bool) and 1 <= day <= 31]
    if len(days) != len(given):
        findings.append(Finding(key, "holds what is no day of a month", "Give numbers from 1 to 31."))
    return tuple(sorted(set(days)))


def _read_moment(key: str, value: t.Any, findings: list[Finding]) -> dt.datetime | None:
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return instant.whole(value)
    try:
        return instant.from_text(value if isinstance(value, str) else "")
    except FormatError:
        remedy = "Give it in UTC and in quotes, like '2026-12-24T00:00:00Z'."
        findings.append(Finding(key, f"{value!r} is no moment", remedy))
        return None
