# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was backed up by another tool: where a snapshot comes from, its component's name, and how many are taken."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..errors import FormatError
from . import instant

# a component of this name is imported, and no other one
PREFIX = "imported-"
# which of the versions of a period are taken: the last one of each day, week, month; the newest of all; or each
ALL, DAILY, WEEKLY, MONTHLY, NEWEST = "all", "daily", "weekly", "monthly", "newest"
THINNINGS = (ALL, DAILY, WEEKLY, MONTHLY, NEWEST)
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_SLUG = 40
_DIGITS = 8

T = t.TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Imported:
    """Where an imported snapshot comes from. Nobody signed it there.

    ``source`` tells one version from the others of its stream: the id of a commit, or a keyed digest of a file. ``at``
    is when it was imported, the store's time; None where a document that says so is malformed. ``time_source`` says
    what told when it was captured (``commit``, ``name``, ``mtime``), ``author`` who made the commit; an entry of a
    recovery point says neither.
    """

    tool: str
    source: str
    at: dt.datetime | None
    time_source: str = ""
    author: str = ""

    def in_entry(self) -> dict[str, t.Any]:
        """As the entry of a recovery point says it."""
        return {"tool": self.tool, "source": self.source, "at": None if self.at is None else instant.to_text(self.at)}

    def in_manifest(self) -> dict[str, t.Any]:
        """As a manifest says it."""
        return {**self.in_entry(), "time_source": self.time_source, "author": self.author}


def read(value: t.Any) -> Imported | None:
    """Read :meth:`Imported.in_entry` or :meth:`Imported.in_manifest` back; None where nothing was imported.

    Whatever else stands there was imported too, from nobody knows where: it is never taken for a capture.
    """
    if value is None:
        return None
    fields = value if isinstance(value, Mapping) else {}

    def text(name: str) -> str:
        found = fields.get(name)
        return found if isinstance(found, str) else ""

    try:
        at: dt.datetime | None = instant.from_text(text("at"))
    except FormatError:
        at = None
    return Imported(text("tool") or "unknown", text("source"), at, text("time_source"), text("author"))


def component_of(path: str) -> str:
    """The name of the component that holds the backups of one file of a host."""
    slug = _NOT_A_NAME.sub("-", path.lower()).strip("-")[:_SLUG].strip("-")
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]
    return f"{PREFIX}{slug}-{digest}" if slug else f"{PREFIX}{digest}"


def thinned(versions: Sequence[T], keep: str, at: Callable[[T], dt.datetime]) -> list[T]:
    """Of the versions of one stream, oldest first, those that are taken; the last one of each period.

    Two of a stream never share a second: of several the last one counts.

    :param keep: one of THINNINGS.
    """
    last: dict[object, T] = {}
    for version in versions:
        last[_period(at(version), keep)] = version
    return sorted(last.values(), key=at)


def _period(moment: dt.datetime, keep: str) -> object:
    day = moment.date()
    return {
        ALL: moment.replace(microsecond=0),
        DAILY: day,
        WEEKLY: day.isocalendar()[:2],
        MONTHLY: (day.year, day.month),
        NEWEST: None,
    }[keep]
