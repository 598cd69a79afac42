# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an enterprise's own governance says of retention: how long each data class must and may be kept, and where.

A mapping of ``classes``, ``legal_holds`` and ``audit_days``; of a table one row a data class.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Mapping, Sequence

from .finding import Finding, read_expiry, read_known, read_mapping, read_number, read_text, read_words

KEYS = ("classes", "legal_holds", "audit_days")
CLASS_KEYS = ("minimum_days", "maximum_days", "jurisdiction")
HOLD_KEYS = ("id", "reason", "hosts", "until")
COLUMNS = ("data_class", *CLASS_KEYS)
_LONGEST_DAYS = 36500
_HOLD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclasses.dataclass(frozen=True)
class DataClass:
    """How long, in days, what is of a data class must be kept at least, and may be at most, and in which jurisdictions.

    None where there is no such bound; no jurisdiction where it may be kept anywhere.
    """

    name: str
    minimum_days: int | None = None
    maximum_days: int | None = None
    jurisdiction: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class LegalHold:
    """What must not expire for now: ``hosts`` are inventory names, ``until`` in UTC, None until it is lifted."""

    id: str
    reason: str
    hosts: tuple[str, ...] = ()
    until: dt.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Governance:
    """The rules of all data classes; ``audit_days`` is how long records must be kept at least, None where unsaid."""

    classes: Mapping[str, DataClass] = dataclasses.field(default_factory=dict, hash=False)
    legal_holds: tuple[LegalHold, ...] = ()
    audit_days: int | None = None


def read_governance(value: t.Any, findings: list[Finding], *, key: str = "holdfast_governance") -> Governance | None:
    """Read governance from plain values; what is wrong is added to *findings*. None where nothing is said.

    :param key: what findings put before its keys: the variable, or the file that the variable names.
    """
    if value is None:
        return None
    fields = read_mapping(key, value, findings)
    read_known(key, fields, KEYS, findings)
    classes = {}
    for name, given in read_mapping(f"{key}.classes", fields.get("classes"), findings).items():
        read = _read_class(f"{key}.classes.{name}", name, given, findings)
        if read is not None:
            classes[read.name] = read
    audit = _read_days(f"{key}.audit_days", fields.get("audit_days"), findings)
    return Governance(classes, _read_holds(f"{key}.legal_holds", fields.get("legal_holds"), findings), audit)


def from_rows(rows: Sequence[Mapping[str, t.Any]], findings: list[Finding], *, key: str) -> Mapping[str, t.Any]:
    """The same mapping from the rows of a table with the columns COLUMNS, all texts; empty where nothing is said.

    Several jurisdictions stand in one cell with ``;`` between them.
    """
    classes: dict[str, t.Any] = {}
    for number, row in enumerate(rows, start=2):
        at = f"{key}, line {number}"
        known = [str(column) for column in row if column is not None]
        read_known(at, dict.fromkeys(known), COLUMNS, findings)
        if None in row:
            findings.append(Finding(at, "has more cells than columns", "Put what holds a comma in double quotes."))
        name = str(row.get("data_class") or "").strip()
        if not name:
            findings.append(Finding(f"{at}.data_class", "is empty", "Name the data class of the row."))
            continue
        if name in classes:
            findings.append(Finding(f"{at}.data_class", f"{name} is there twice", "Give each class one row."))
        days = {field: _cell(row.get(field)) for field in ("minimum_days", "maximum_days")}
        places = [place.strip() for place in str(row.get("jurisdiction") or "").split(";")]
        classes[name] = {**days, "jurisdiction": [place for place in places if place]}
    return {"classes": classes}


def _cell(value: t.Any) -> t.Any:
    """A number of a table; None for an empty cell, and what is no number as it is."""
    text = str(value or "").strip()
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else text


def _read_class(key: str, name: t.Any, given: t.Any, findings: list[Finding]) -> DataClass | None:
    before = len(findings)
    spelled = read_text(key, name, findings)
    fields = read_mapping(key, given, findings)
    read_known(key, fields, CLASS_KEYS, findings)
    least = _read_days(f"{key}.minimum_days", fields.get("minimum_days"), findings)
    most = _read_days(f"{key}.maximum_days", fields.get("maximum_days"), findings)
    where = fields.get("jurisdiction")
    places = read_words(f"{key}.jurisdiction", [where] if isinstance(where, str) else where, findings)
    if least is not None and most is not None and most < least:
        findings.append(Finding(f"{key}.maximum_days", f"{most} is less than the minimum {least}", "Correct one."))
    return DataClass(spelled, least, most, places) if len(findings) == before else None


def _read_days(key: str, value: t.Any, findings: list[Finding]) -> int | None:
    return None if value is None else read_number(key, value, findings, least=1, most=_LONGEST_DAYS)


def _read_holds(key: str, value: t.Any, findings: list[Finding]) -> tuple[LegalHold, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        findings.append(Finding(key, "is not a list", "Give a list of {id, reason, hosts, until}."))
        return ()
    found: dict[str, LegalHold] = {}
    for position, given in enumerate(value):
        at = f"{key}[{position}]"
        before = len(findings)
        fields = read_mapping(at, given, findings)
        read_known(at, fields, HOLD_KEYS, findings)
        name = fields.get("id")
        if not isinstance(name, str) or not _HOLD.fullmatch(name):
            remedy = "Give letters, digits, dots, _ and -, like LH-7."
            findings.append(Finding(f"{at}.id", f"{name!r} is no name of a hold", remedy))
        elif name in found:
            findings.append(Finding(f"{at}.id", f"{name} is there twice", "Give each hold an id of its own."))
        reason = read_text(f"{at}.reason", fields.get("reason"), findings)
        hosts = read_words(f"{at}.hosts", fields.get("hosts"), findings)
        until = None if fields.get("until") is None else read_expiry(f"{at}.until", fields["until"], findings)
        if len(findings) == before:
            found[str(name)] = LegalHold(str(name), reason, hosts, until)
    return tuple(found.values())
