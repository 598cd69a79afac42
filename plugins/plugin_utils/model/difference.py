# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two states of a host's configuration side by side, and in what they differ."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable, Mapping, Sequence

from . import instant
from .config_node import Tree
from .entry import Entry, EntryKind
from .redaction import Redactor, visible

# makes a tree of the path and the bytes of a text
Reader = Callable[[str, bytes], Tree]

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
STATUSES = (ADDED, REMOVED, CHANGED)
VOLATILE = "volatile"
# how two sides were compared: by what is in their packs, or by digests that say nothing of it
BY_CONTENT, BY_DIGESTS = "content", "digests"
# extended attributes that only root can set
PRIVILEGED_XATTRS = ("security.", "trusted.")

_CONTENT, _TARGET, _XATTRS = "content", "target", "extended attributes"


@dataclasses.dataclass(frozen=True)
class Side:
    """One of two trees: entries by path, and the component that each path is of.

    ``contents`` are the bytes of files by path, as far as they are at hand; None where nothing was opened.
    """

    entries: Mapping[str, Entry]
    component: Mapping[str, str]
    contents: Mapping[str, bytes] | None = None


@dataclasses.dataclass(frozen=True)
class Difference:
    """A path that is not on both sides what it is on one.

    ``what`` names attributes, as :meth:`Entry.differences` does, content first; it is empty for a path that one side
    does not have. ``volatile`` says that this changes by itself and is no drift.
    """

    path: str
    component: str
    status: str
    what: tuple[str, ...]
    before: Entry | None
    after: Entry | None
    volatile: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        """The same in plain values: names and attributes, never content."""
        told: dict[str, t.Any] = {
            "path": visible(self.path),
            "component": self.component,
            "status": self.status,
            "what": list(self.what),
            "volatile": self.volatile,
        }
        for name, entry, other in (("before", self.before, self.after), ("after", self.after, self.before)):
            if entry is not None:
                told[name] = _attributes(entry, other, self.what)
        return told


def compare_trees(
    before: Side, after: Side, *, owners: bool = True, without_xattrs: Sequence[str] = ()
) -> tuple[Difference, ...]:
    """Name every path that one side does not have, or has otherwise, in the order of paths.

    :param owners: compare owner and group too, equal by name or by number.
    :param without_xattrs: beginnings of names of extended attributes that are not compared.
    """
    found = []
    for path in sorted(before.entries.keys() | after.entries.keys()):
        old, new = before.entries.get(path), after.entries.get(path)
        component = (before if new is None else after).component[path]
        if old is None or new is None:
            found.append(Difference(path, component, ADDED if old is None else REMOVED, (), old, new))
            continue
        what = _without(old, without_xattrs).differences(_without(new, without_xattrs), owners=owners)
        if what:
            found.append(Difference(path, component, CHANGED, tuple(what), old, new))
    return tuple(found)


def _without(entry: Entry, beginnings: Sequence[str]) -> Entry:
    if not beginnings or not entry.xattrs:
        return entry
    kept = {name: value for name, value in entry.xattrs.items() if not name.startswith(tuple(beginnings))}
    return dataclasses.replace(entry, xattrs=kept)


def spoken(entry: Entry, attribute: str, other: Entry | None = None) -> str:
    """An attribute of an entry in words, empty where there is nothing to say.

    :param attribute: a word of :meth:`Entry.differences`.
    :param other: the entry of the same path on the other side: of extended attributes those that differ are named.
    """
    if attribute == "owner":
        return visible(entry.user or str(entry.uid))
    if attribute == "group":
        return visible(entry.group or str(entry.gid))
    if attribute == _XATTRS:
        there = {} if other is None else other.xattrs
        return ", ".join(visible(name) for name, value in sorted(entry.xattrs.items()) if there.get(name) != value)
    words = {"kind": entry.kind.value, "mode": f"{entry.mode:04o}", _TARGET: visible(entry.target)}
    return words.get(attribute, "")


def _attributes(entry: Entry, other: Entry | None, what: Sequence[str]) -> dict[str, t.Any]:
    named = what or ("kind", "mode", "owner", "group", *([_TARGET] if entry.target else []))
    told: dict[str, t.Any] = {name.replace(" ", "_"): spoken(entry, name, other) for name in named if name != _CONTENT}
    if entry.kind is EntryKind.FILE and (not what or _CONTENT in what):
        told["size"] = entry.size
    return told


@dataclasses.dataclass(frozen=True)
class Label:
    """What a side of a comparison is: a host as it is, or as snapshots of it say that it was.

    ``first`` and ``last`` are when its parts were captured; ``snapshots`` are the digests of theirs, and ``asked`` what
    selected them.
    """

    host: str
    first: dt.datetime
    last: dt.datetime
    snapshots: tuple[str, ...] = ()
    asked: str = ""

    @property
    def live(self) -> bool:
        """Whether it is the host as it is."""
        return not self.snapshots

    def __str__(self) -> str:
        when = instant.to_text(self.first)
        if self.last != self.first:
            when += f" to {instant.to_text(self.last)}"
        return visible(f"{self.host}, live at {when}" if self.live else f"{self.host}, sealed at {when}")

    def as_dict(self) -> dict[str, t.Any]:
        """The same in plain values."""
        return {
            "host": self.host,
            "live": self.live,
            "captured_at": instant.to_text(self.first),
            "captured_until": instant.to_text(self.last),
            "snapshots": list(self.snapshots),
            "asked": self.asked,
        }


@dataclasses.dataclass(frozen=True)
class NotCompared:
    """A component that could not be compared, and why."""

    component: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two sides and their differences. What is shown of content goes through the component's redactor.

    ``unchanged`` paths are equal on both sides. ``proof`` is BY_CONTENT or BY_DIGESTS. ``readers`` give, by component,
    what of a text is compared, as a tree: where there is one, differences are shown below the lines they stand in.
    """

    differences: tuple[Difference, ...]
    left: Label
    right: Label
    before: Side
    after: Side
    unchanged: int = 0
    proof: str = BY_CONTENT
    redactors: Mapping[str, Redactor] = dataclasses.field(default_factory=dict)
    readers: Mapping[str, Reader] = dataclasses.field(default_factory=dict)
    not_compared: tuple[NotCompared, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def drift(self) -> bool:
        """Whether anything differs that does not change by itself."""
        return any(not difference.volatile for difference in self.differences)

    @property
    def components(self) -> list[str]:
        """The components with differences, by name."""
        return sorted({difference.component for difference in self.differences})

    def counts(self, component: str | None = None) -> dict[str, int]:
        """How many paths were added, removed and changed, and how many differ that are volatile; of one or of all."""
        counted = dict.fromkeys((*STATUSES, VOLATILE), 0)
        for difference in self.differences:
            if component in (None, difference.component):
                counted[VOLATILE if difference.volatile else difference.status] += 1
        return counted

    def redactor(self, component: str) -> Redactor:
        """What masks the secrets of a component."""
        return self.redactors.get(component, Redactor())

    def as_dict(self) -> dict[str, t.Any]:
        """All of it in plain values: names, attributes and figures, never content."""
        return {
            "drift": self.drift,
            "left": self.left.as_dict(),
            "right": self.right.as_dict(),
            "proof": self.proof,
            "unchanged": self.unchanged,
            "summary": {**self.counts(), "components": {name: self.counts(name) for name in self.components}},
            "differences": [difference.as_dict() for difference in self.differences],
            "not_compared": [dataclasses.asdict(one) for one in self.not_compared],
        }
