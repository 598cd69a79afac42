# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is shown of a difference: a headline, and lines of the content that may be seen.

Which lines differ is told by what they hold; what is shown of them is masked. So a secret that changed shows as two
lines that look alike.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing as t
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..model.difference import CHANGED, Comparison, Difference, Side, spoken
from ..model.entry import Entry, EntryKind
from ..model.redaction import Blocks, Redactor, is_private, visible
from . import device_lines

T = t.TypeVar("T")
CONTEXT, OLD, NEW, HUNK, NOTE = " ", "-", "+", "@", "\\"
# what is larger on either side is named and not shown
SHOWN_BYTES = 1024 * 1024

_CONTENT = "content"
_AROUND = 3
# beyond these a file is shown as replaced between its first and its last line that differ: searching takes too long
_MOST_LINES = 4000
_MOST_PAIRS = 100_000
_NO_NEWLINE = "No newline at end of file"


@dataclasses.dataclass(frozen=True)
class Line:
    """A line to show, masked and visible: of both sides, of one, the head of a hunk, or a note."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text if self.kind == HUNK else f"{self.kind}{' ' if self.kind == NOTE else ''}{self.text}"


@dataclasses.dataclass(frozen=True)
class Shown:
    """A difference as people read it: the path, what became of it, its attributes in words, and lines of its content.

    ``content`` says that the path's content changed, ``note`` why there are no lines of it, ``more`` how many more.
    """

    path: str
    component: str
    status: str
    volatile: bool
    attributes: tuple[str, ...]
    content: bool = False
    lines: tuple[Line, ...] = ()
    more: int = 0
    note: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """In what it differs, content first, or what it is."""
        content = self.note or ("content" if self.content else "")
        return (*([content] if content else ()), *self.attributes)


def shown(comparison: Comparison, difference: Difference, *, most: int | None = None) -> Shown:
    """What may be shown of a difference.

    :param most: how many lines of content; what is more is counted. None for all.
    """
    note, lines, more = _content(comparison, difference, most)
    return Shown(
        path=visible(difference.path),
        component=difference.component,
        status=difference.status,
        volatile=difference.volatile,
        attributes=tuple(_attributes(difference)),
        content=_CONTENT in difference.what,
        lines=tuple(lines),
        more=more,
        note=note,
    )


def not_shown(entries: Sequence[Entry], redactor: Redactor) -> str:
    """Why no content of a path is shown, told by its entries alone; empty where it may be.

    :param entries: the path on both sides, or on the one that has it.
    """
    if redactor.wholly or any(is_private(entry.path) for entry in entries):
        return "private"
    if any(entry.size > SHOWN_BYTES for entry in entries):
        return f"larger than {SHOWN_BYTES // 1024} KiB"
    return ""


def has_content(difference: Difference) -> bool:
    """Whether a difference is one of content: of a file that changed, came or went."""
    if difference.status == CHANGED and not {_CONTENT, "kind"} & set(difference.what):
        return False
    return any(entry.kind is EntryKind.FILE for entry in _entries(difference))


def _entries(difference: Difference) -> list[Entry]:
    return [entry for entry in (difference.before, difference.after) if entry is not None]


def _attributes(difference: Difference) -> Iterator[str]:
    before, after = difference.before, difference.after
    if before is not None and after is not None:
        for name in difference.what:
            if name == _CONTENT:
                continue
            old, new = spoken(before, name, after), spoken(after, name, before)
            # keyed digests tell that a link leads elsewhere, and not where it leads
            yield f"{name} {old or '(unknown)'} -> {new or '(unknown)'}" if old or new else name
        return
    for entry in _entries(difference):
        yield entry.kind.value
        if entry.kind in (EntryKind.SYMLINK, EntryKind.HARDLINK) and entry.target:
            yield f"to {visible(entry.target)}"
        yield f"mode {entry.mode:04o}"
        yield f"owner {spoken(entry, 'owner')}:{spoken(entry, 'group')}"


def _content(comparison: Comparison, difference: Difference, most: int | None) -> tuple[str, Sequence[Line], int]:
    if not has_content(difference):
        return "", (), 0
    redactor = comparison.redactor(difference.component)
    reason = not_shown([e for e in _entries(difference) if e.kind is EntryKind.FILE], redactor)
    if reason:
        return _note(difference, reason), (), 0
    if comparison.before.contents is None and comparison.after.contents is None:
        # nobody asked for it
        return "", (), 0
    found = []
    for entry, side in ((difference.before, comparison.before), (difference.after, comparison.after)):
        data = _bytes(entry, side)
        if data is None:
            return _note(difference, "not at hand"), (), 0
        found.append(data)
    read = comparison.readers.get(difference.component)
    if read is not None:
        before, after = (read(difference.path, data) for data in found)
        shown_lines, more = device_lines.diff(before, after, redactor=redactor, most=most)
        return "", [Line(kind, text) for kind, text in shown_lines], more
    texts = []
    for data in found:
        text = _text(data)
        if text is None:
            return _note(difference, "binary"), (), 0
        texts.append(text)
    return "", *diff(*texts, redactor=redactor, most=most)


def _note(difference: Difference, reason: str) -> str:
    return f"content {'differs, ' if difference.status == CHANGED else ''}not shown ({reason})"


def _bytes(entry: Entry | None, side: Side) -> bytes | None:
    if entry is None or entry.kind is not EntryKind.FILE:
        return b""
    contents: Mapping[str, bytes] = side.contents or {}
    return contents.get(entry.path)


def _text(data: bytes) -> str | None:
    """The text that *data* is, None where it is none."""
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def diff(before: str, after: str, *, redactor: Redactor, most: int | None = None) -> tuple[list[Line], int]:
    """The unified diff of two texts, masked, with three lines around each change; and how many lines were left out.

    :param most: how many lines there are at most, None for all.
    """
    found = list(_places(_Text.of(before), _Text.of(after)))
    kept, more = limited(found, most)
    return [one.line(redactor) for one in kept], more


@dataclasses.dataclass(frozen=True)
class _Text:
    blocks: Blocks
    keys: Sequence[object]
    whole: bool

    @classmethod
    def of(cls, text: str) -> _Text:
        lines = text.split("\n")
        whole = lines[-1] == ""
        if whole:
            lines.pop()
        blocks = Blocks.of(lines)
        keys = blocks.keys()
        if not whole:
            # a last line without its end is not the same line
            keys[-1] = (keys[-1], _NO_NEWLINE)
        return cls(blocks, keys, whole)

    def places(self, kind: str, first: int, last: int) -> Iterator[_Place]:
        for place in range(first, last):
            yield _Place(kind, self, place)
        if not self.whole and last == len(self.keys) and first < last:
            yield _Place(NOTE, note=_NO_NEWLINE)


@dataclasses.dataclass(frozen=True)
class _Place:
    """A line to be shown, before it is masked: most of a large diff never is."""

    kind: str
    text: _Text | None = None
    number: int = 0
    note: str = ""

    def line(self, redactor: Redactor) -> Line:
        masked = self.note if self.text is None else self.text.blocks.masked(self.number, redactor)
        return Line(self.kind, visible(masked))


def _places(old: _Text, new: _Text) -> Iterator[_Place]:
    for group in _groups(old.keys, new.keys):
        (_tag, first_old, _last, first_new, _end), (_tag2, _first, last_old, _begin, last_new) = group[0], group[-1]
        yield _Place(HUNK, note=f"@@ -{_range(first_old, last_old)} +{_range(first_new, last_new)} @@")
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from old.places(CONTEXT, old_from, old_to)
                continue
            yield from old.places(OLD, old_from, old_to)
            yield from new.places(NEW, new_from, new_to)


Opcode: t.TypeAlias = "tuple[str, int, int, int, int]"


def _groups(old: Sequence[object], new: Sequence[object]) -> Iterator[list[Opcode]]:
    """Groups of changes that are near to one another, each with the lines around it."""
    codes = list(_opcodes(old, new))
    group: list[Opcode] = []
    for tag, old_from, old_to, new_from, new_to in codes:
        if tag != "equal":
            group.append((tag, old_from, old_to, new_from, new_to))
            continue
        if group and old_to - old_from > 2 * _AROUND:
            yield [*group, ("equal", old_from, old_from + _AROUND, new_from, new_from + _AROUND)]
            group = []
        if group:
            group.append((tag, old_from, old_to, new_from, new_to))
        else:
            back = min(_AROUND, old_to - old_from)
            group = [("equal", old_to - back, old_to, new_to - back, new_to)]
    if any(code[0] != "equal" for code in group):
        tag, old_from, old_to, new_from, new_to = group[-1]
        if tag == "equal":
            ahead = min(_AROUND, old_to - old_from)
            group[-1] = (tag, old_from, old_from + ahead, new_from, new_from + ahead)
        yield group


def _opcodes(old: Sequence[object], new: Sequence[object]) -> Iterator[Opcode]:
    head, tail = _common(old, new)
    if head:
        yield "equal", 0, head, 0, head
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if _is_quick(inner_old, inner_new):
        matcher = difflib.SequenceMatcher(None, inner_old, inner_new, autojunk=False)
        for tag, *places in matcher.get_opcodes():
            old_from, old_to, new_from, new_to = (place + head for place in places)
            yield tag, old_from, old_to, new_from, new_to
    elif inner_old or inner_new:
        yield "replace", head, len(old) - tail, head, len(new) - tail
    if tail:
        yield "equal", len(old) - tail, len(old), len(new) - tail, len(new)


def _common(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """How many lines are the same at the beginning, and then at the end."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    return head, tail


def _is_quick(old: Sequence[object], new: Sequence[object]) -> bool:
    if max(len(old), len(new)) > _MOST_LINES:
        return False
    counted = Counter(new)
    return sum(counted[key] for key in old) <= _MOST_PAIRS


def _range(first: int, last: int) -> str:
    """Lines as the head of a hunk has them, counted from 1 (diff(1), unified format)."""
    length = last - first
    if length == 1:
        return str(first + 1)
    return f"{first + 1 if length else first},{length}"


def limited(lines: Sequence[T], most: int | None) -> tuple[Sequence[T], int]:
    """The first lines, at most so many, and how many are left out."""
    if most is None or len(lines) <= most:
        return lines, 0
    return lines[:most], len(lines) - most
