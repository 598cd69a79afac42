# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong in an inventory, and the readers of plain values that tell it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import FormatError, PolicyError
from . import instant

_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# what an inventory says begins so, and what a file says with its path
_OPTION = re.compile(r"(?!holdfast_)[a-z_]+(?![^.\[])")
# beyond these a typing error is likelier than an end
_FIRST_YEAR, _LAST_YEAR = 2020, 2099


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing wrong in the inventory: where it stands, what it is, and the remedy."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}. {self.remedy}"


def refuse(findings: Sequence[Finding], *, host: str | None = None) -> None:
    """Raise PolicyError with all *findings*, if there are any.

    Where all are of a task's own options, it says that, and not that the policy is wrong.
    """
    if findings:
        of_task = all(_OPTION.match(finding.key) for finding in findings)
        what, where = ("this cannot be done", "task") if of_task else ("the policy cannot be used", "inventory")
        raise PolicyError(
            f"{what}: {' · '.join(map(str, findings)).removesuffix('.')}",
            host=host,
            remedy=f"Nothing was touched. Correct the {where} and run again.",
        )


def read_mapping(key: str, value: t.Any, findings: list[Finding]) -> Mapping[str, t.Any]:
    """A mapping, empty where nothing is given; what is none is added to *findings*."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        findings.append(Finding(key, "is not a mapping", "Give keys and values."))
        return {}
    return value


def read_known(key: str, fields: Mapping[str, t.Any], allowed: Sequence[str], findings: list[Finding]) -> None:
    """Add each key to *findings* that is none of *allowed*."""
    findings.extend(
        Finding(f"{key}.{field}", "is not a key of this version", f"Known here: {', '.join(allowed)}.")
        for field in fields
        if field not in allowed
    )


def read_name(key: str, name: t.Any, form: re.Pattern[str], spoken: str, findings: list[Finding]) -> bool:
    """Whether *name* has the *form*, which is *spoken* for people; what has not is added to *findings*."""
    if isinstance(name, str) and form.fullmatch(name):
        return True
    findings.append(Finding(key, f"{name!r} is not a name", f"It becomes part of object names: use {spoken}."))
    return False


def read_text(key: str, value: t.Any, findings: list[Finding]) -> str:
    """One line of text, empty where it is none; that is added to *findings*."""
    if isinstance(value, str) and value and value.isprintable():
        return str(value)
    findings.append(Finding(key, f"{value!r} is not a text", "Give one line of text."))
    return ""


def read_words(key: str, value: t.Any, findings: list[Finding], *, distinct: bool = True) -> tuple[str, ...]:
    """Read a list of texts of one line each; what is wrong is added to *findings*.

    :param distinct: drop what was there before.
    """
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        findings.append(Finding(key, "is not a list", "Give a list of texts."))
        return ()
    findings.extend(
        Finding(key, f"{word!r} is not a text", "Give one line of text, in quotes.")
        for word in value
        if not is_line(word)
    )
    words = [word for word in value if is_line(word)]
    return tuple(dict.fromkeys(words) if distinct else words)


def is_line(value: t.Any) -> bool:
    """Whether it is a text of one line, and not empty."""
    return isinstance(value, str) and bool(value) and value.isprintable()


def read_duration(
    key: str,
    value: t.Any,
    findings: list[Finding],
    *,
    least: dt.timedelta = dt.timedelta(minutes=1),
    most: dt.timedelta = dt.timedelta(days=99999),
) -> dt.timedelta | None:
    """Minutes, hours or days, as ``30m``, ``24h``, ``7d``; None where it is none from *least* to *most*.

    What is wrong is added to *findings*: a bound that nobody means is the sign of a typing error.
    """
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        problem = f"{value!r} is not a duration"
        findings.append(Finding(key, problem, "Give minutes, hours or days, like 30m, 24h, 7d."))
        return None
    given = dt.timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not least <= given <= most:
        problem = f"{value} is {'less' if given < least else 'more'} than anybody means here"
        findings.append(Finding(key, problem, f"Give {spoken(least)} to {spoken(most)}: is the unit right?"))
        return None
    return given


def spoken(duration: dt.timedelta) -> str:
    """Spell a duration as :func:`read_duration` reads it, in the largest unit that it is a whole number of."""
    minutes = int(duration.total_seconds()) // 60
    for unit, length in (("d", 1440), ("h", 60)):
        if minutes and minutes % length == 0:
            return f"{minutes // length}{unit}"
    return f"{minutes}m"


def read_expiry(key: str, value: t.Any, findings: list[Finding]) -> dt.datetime | None:
    """Read until when something holds: a moment in UTC, or a day, whose end in UTC is meant.

    None where it is neither, or a year nobody means; that is added to *findings*.
    """
    text = value.isoformat() if isinstance(value, dt.date) and not isinstance(value, dt.datetime) else value
    try:
        if not isinstance(text, str):
            raise FormatError("is no text")
        moment = instant.from_text(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            problem = f"{text!r} is not in this century's policies"
            findings.append(Finding(key, problem, f"Give a day of {_FIRST_YEAR} to {_LAST_YEAR}: is the year right?"))
            return None
        return moment + dt.timedelta(days=1) if _DAY.fullmatch(text) else moment
    except FormatError:
        remedy = "Give a day like '2026-12-24', or a moment like '2026-12-24T00:00:00Z', in quotes."
        findings.append(Finding(key, f"{value!r} is neither a day nor a moment", remedy))
        return None


def read_number(key: str, value: t.Any, findings: list[Finding], *, least: int, most: int) -> int | None:
    """Read a whole number from *least* to *most*; None where it is none, and that is added to *findings*."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    findings.append(Finding(key, f"{value!r} is no number that it may be", f"Give {least} to {most}."))
    return None
