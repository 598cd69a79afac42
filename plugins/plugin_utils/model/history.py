# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of one path, or of one component, of a host: from what its snapshots tell without being opened.

Contents and targets of links are known by digests under a key of the host alone. Where two snapshots have digests under
different keys these say nothing about each other: that is told, and never taken for a change.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from .entry import EntryKind, folders_above
from .snapshot import CapturedComponent, KeyedEntry

FIRST, CHANGED, VOLATILE, REMOVED, BACK = "first seen", "changed", "volatile", "removed", "back"
# whether anything changed is not known
NOT_COMPARABLE = "not comparable"
# nothing is known from here on, and the same as before is known again
NOT_CAPTURED, NOT_DECLARED, SEEN_AGAIN = "not captured", "not declared", "seen again"
STATUSES = (FIRST, CHANGED, VOLATILE, REMOVED, BACK, NOT_COMPARABLE, NOT_CAPTURED, NOT_DECLARED, SEEN_AGAIN)

CONTENT, DEFINITION = "content", "definition"
_XATTRS = "extended attributes"
# as speaks_for takes it: who lists a path so says that it was not there
ABSENT = "absent"
# of a component's paths that changed; more are counted
NAMED = 10


@dataclasses.dataclass(frozen=True)
class Look:
    """What one snapshot says about a path, or about a component as a whole.

    ``at`` is when it was captured and ``until`` when its stream was last proven to be so. ``component`` declares the
    path there; empty where none does. ``left_out`` is the reason why that says nothing of it. Else ``entry`` is what
    the path was, None where it was not there; of a whole component ``captured`` is that. ``snapshot`` is its digest.
    """

    at: dt.datetime
    until: dt.datetime
    stream: str
    snapshot: str
    component: str = ""
    digest_key: str = ""
    entry: KeyedEntry | None = None
    captured: CapturedComponent | None = None
    left_out: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    """One change, as the first snapshot tells of it that has it; ``look`` is that, without what was ``captured``.

    It came between ``after``, when what was before was last proven (None where nothing was), and ``at``. ``what`` names
    what changed, and ``not_compared`` what could not be compared. ``reason`` says why nothing is known, ``paths`` what
    changed in a component and ``more`` how many more did. ``key_changed`` says that digests are under another key.
    """

    at: dt.datetime
    after: dt.datetime | None
    status: str
    look: Look
    what: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    reason: str = ""
    paths: tuple[str, ...] = ()
    more: int = 0
    key_changed: bool = False


@dataclasses.dataclass(frozen=True)
class Compared:
    """In what two looks differ, and in what they cannot be compared."""

    what: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    volatile: bool = False
    paths: tuple[str, ...] = ()
    more: int = 0


def of_path(manifest: Iterable[CapturedComponent], path: str, look: Look, *, component: str | None = None) -> Look:
    """What a snapshot with these components says about *path*.

    :param look: when and of which stream it is.
    :param component: let that one speak alone.
    """
    silent = None
    for part in manifest:
        if component not in (None, part.component.name):
            continue
        entry = next((keyed for keyed in part.entries if keyed.entry.path == path), None)
        if entry is None and not part.component.declares(path):
            continue
        told = dataclasses.replace(
            look, component=part.component.name, digest_key=part.fingerprint.digest_key, entry=entry
        )
        if entry is not None or part.speaks_for(path):
            return told
        silent = dataclasses.replace(told, left_out=_why(part, path))
    return silent or look


def of_component(manifest: Iterable[CapturedComponent], name: str, look: Look) -> Look:
    """What a snapshot with these components says about that one as a whole."""
    for part in manifest:
        if part.component.name == name:
            return dataclasses.replace(look, component=name, digest_key=part.fingerprint.digest_key, captured=part)
    return look


def _why(part: CapturedComponent, path: str) -> str:
    """Why a component says nothing about a path, by the nearest folder above it that is left out."""
    here = {*folders_above(path), path}
    above = [left for left in part.left_out if left.path in here and left.reason != ABSENT]
    return max(above, key=lambda left: len(left.path)).reason if above else ""


def history(looks: Iterable[Look], ends: Mapping[str, dt.datetime] | None = None) -> Iterator[Row]:
    """One row for each change between looks that come in the order in which they were taken.

    :param ends: when streams were last proven at all: later they say nothing any more. Others are taken to go on.
    """
    teller = _Teller(ends or {})
    for look in looks:
        row = teller.tell(look)
        if row is not None:
            yield row


class _Teller:
    """What is known of a path so far.

    Several streams may declare it, each with snapshots of its own: it is not declared once none does, and not captured
    once all that do leave it out.
    """

    def __init__(self, ends: Mapping[str, dt.datetime]) -> None:
        self._ends = ends
        self._declaring: set[str] = set()
        self._capturing: set[str] = set()
        self._known: Look | None = None
        self._last: Look | None = None
        self._proven: dt.datetime | None = None
        self._paused = ""

    def tell(self, look: Look) -> Row | None:
        """Take in one look; the row that it makes, if any."""
        if not look.component:
            return self._undeclared(look)
        self._declaring.add(look.stream)
        if look.left_out:
            return self._silent(look)
        self._capturing.add(look.stream)
        row = self._seen(look)
        self._known, self._paused = look, ""
        self._proven = look.until if self._proven is None else max(self._proven, look.until)
        if _is_there(look):
            self._last = look
        return row

    def _undeclared(self, look: Look) -> Row | None:
        if look.stream not in self._declaring:
            return None
        self._declaring.discard(look.stream)
        self._capturing.discard(look.stream)
        # what never was there is not missed
        if self._declaring or (self._last is None and not self._paused):
            return None
        self._paused = NOT_DECLARED
        return self._row(look, NOT_DECLARED)

    def _silent(self, look: Look) -> Row | None:
        self._capturing.discard(look.stream)
        going_on = any(self._ends.get(stream, look.at) >= look.at for stream in self._capturing)
        if going_on or self._paused == look.left_out:
            return None
        self._paused = look.left_out
        return self._row(look, NOT_CAPTURED, reason=look.left_out)

    def _seen(self, look: Look) -> Row | None:
        before = self._known
        if not _is_there(look):
            if before is not None and _is_there(before):
                return self._row(look, REMOVED)
            return self._row(look, SEEN_AGAIN) if self._paused and self._last is not None else None
        if self._last is None:
            return self._row(look, FIRST)
        found = compared(self._last, look)
        told = {
            "what": found.what,
            "not_compared": found.not_compared,
            "paths": found.paths,
            "more": found.more,
            "key_changed": self._last.digest_key != look.digest_key,
        }
        if before is not None and not _is_there(before):
            return self._row(look, BACK, **told)
        if found.what:
            return self._row(look, VOLATILE if found.volatile else CHANGED, **told)
        if found.not_compared:
            return self._row(look, NOT_COMPARABLE, **told)
        return self._row(look, SEEN_AGAIN) if self._paused else None

    def _row(self, look: Look, status: str, **told: t.Any) -> Row:
        # of two streams the one may have been proven since the other was captured
        after = None if self._proven is None else min(self._proven, look.at)
        # all of a component's paths, of each change of it, would be most of the memory
        return Row(look.at, after, status, dataclasses.replace(look, captured=None), **told)


def _is_there(look: Look) -> bool:
    return look.entry is not None or look.captured is not None


def compared(before: Look, after: Look) -> Compared:
    """In what a path that was there at both looks differs, or a component."""
    if before.captured is not None and after.captured is not None:
        return _components(before.captured, after.captured)
    if before.entry is None or after.entry is None:
        return Compared()
    return _entries(before.entry, after.entry, same_key=before.digest_key == after.digest_key)


def _entries(before: KeyedEntry, after: KeyedEntry, *, same_key: bool) -> Compared:
    old, new = before.entry, after.entry
    # those of manifests have neither content nor targets nor values of extended attributes
    what, unknown = old.differences(new), []
    if old.kind is new.kind and old.kind is not EntryKind.DIRECTORY:
        name = CONTENT if old.kind is EntryKind.FILE else "target"
        if old.size != new.size or (same_key and before.digest != after.digest):
            what.insert(0, name)
        elif not same_key:
            unknown.append(name)
    if before.xattr_digests.keys() != after.xattr_digests.keys():
        what.append(_XATTRS)
    elif before.xattr_digests and not same_key:
        unknown.append(_XATTRS)
    elif before.xattr_digests != after.xattr_digests:
        what.append(_XATTRS)
    return Compared(tuple(what), tuple(unknown))


def _components(before: CapturedComponent, after: CapturedComponent) -> Compared:
    old, new = before.fingerprint, after.fingerprint
    what = [DEFINITION] if old.definition != new.definition else []
    if old.digest_key != new.digest_key:
        return Compared(tuple(what), (CONTENT,))
    if old.raw == new.raw:
        return Compared(tuple(what))
    paths = _changed(before, after)
    # what agrees although its bytes do not is volatile
    return Compared((CONTENT, *what), (), not what and old.agrees(new), paths[:NAMED], len(paths[NAMED:]))


def _changed(before: CapturedComponent, after: CapturedComponent) -> tuple[str, ...]:
    """The paths that only one of two captures has, or that differ."""
    old, new = _by_path(before), _by_path(after)
    return tuple(
        path
        for path in sorted({*old, *new})
        if path not in old or path not in new or _entries(old[path], new[path], same_key=True).what
    )


def _by_path(part: CapturedComponent) -> Mapping[str, KeyedEntry]:
    return {keyed.entry.path: keyed for keyed in part.entries}
