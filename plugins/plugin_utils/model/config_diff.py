# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In what two configurations differ, each line below those that it stands in: docs/design/configuration_text.md."""

from __future__ import annotations

import bisect
import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

from .config_node import Node, Tree, lines_of

BOTH, OLD, NEW = " ", "-", "+"


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A line of one side, or of both where it only stands above lines that differ.

    ``place`` counts the lines of its text from 0, of the new one for BOTH.
    """

    kind: str
    text: str
    place: int


def difference(old: Tree, new: Tree) -> tuple[Change, ...]:
    """Name every line that only one side has, each below the lines that it stands in; nothing where both are equal.

    A line that has another place among its siblings is one that goes and one that comes, and so is a literal of which
    a line differs. Both trees are of normalised texts: what says nothing is not in them.
    """
    if old.nodes == new.nodes:
        return ()
    return tuple(_changes(_placed(old.nodes, 0), _placed(new.nodes, 0)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Placed:
    """A node with the place of its line in the text."""

    node: Node
    place: int

    @property
    def head(self) -> Hashable:
        """What it is known by among its siblings."""
        return (self.node.text, self.node.literal)

    def below(self) -> list[_Placed]:
        """The nodes of its block."""
        return _placed(self.node.children, self.place + 1 + len(self.node.literal))

    def whole(self, kind: str) -> Iterator[Change]:
        """All its lines, as those of one side."""
        for number, text in enumerate(lines_of([self.node])):
            yield Change(kind, text, self.place + number)

    def closing(self) -> int:
        """The place of the first line after its block."""
        return self.place + _length(self.node) - len(self.node.closing)


def _placed(nodes: Sequence[Node], first: int) -> list[_Placed]:
    found = []
    for node in nodes:
        found.append(_Placed(node, first))
        first += _length(node)
    return found


def _length(node: Node) -> int:
    return sum(1 for _line in lines_of([node]))


def _changes(old: Sequence[_Placed], new: Sequence[_Placed]) -> Iterator[Change]:
    pairs = _kept(old, new)
    at_old = at_new = 0
    for place_old, place_new in [*pairs, (len(old), len(new))]:
        for gone in old[at_old:place_old]:
            yield from gone.whole(OLD)
        for come in new[at_new:place_new]:
            yield from come.whole(NEW)
        if place_old < len(old) and place_new < len(new):
            yield from _below(old[place_old], new[place_new])
        at_old, at_new = place_old + 1, place_new + 1


def _below(old: _Placed, new: _Placed) -> Iterator[Change]:
    if old.node == new.node:
        return
    yield Change(BOTH, new.node.text, new.place)
    yield from _changes(old.below(), new.below())
    if old.node.closing != new.node.closing:
        for kind, one in ((OLD, old), (NEW, new)):
            for number, text in enumerate(one.node.closing):
                yield Change(kind, text, one.closing() + number)


def _kept(old: Sequence[_Placed], new: Sequence[_Placed]) -> list[tuple[int, int]]:
    """Which siblings are the same on both sides and in the same order: most of them, of all that are on both sides.

    That is a longest increasing sequence of places, which costs little more than the sum of the sides, however many
    lines a hostile device gives.
    """
    places = {(head, number): place for place, (head, number) in enumerate(_numbered(new))}
    pairs = [(place, places[one]) for place, one in enumerate(_numbered(old)) if one in places]
    ends: list[int] = []
    at: list[int] = []
    before: list[int | None] = []
    for number, (_place, there) in enumerate(pairs):
        length = bisect.bisect_left(ends, there)
        before.append(at[length - 1] if length else None)
        if length == len(ends):
            ends.append(there)
            at.append(number)
        else:
            ends[length] = there
            at[length] = number
    found = []
    last = at[-1] if at else None
    while last is not None:
        found.append(pairs[last])
        last = before[last]
    return found[::-1]


def _numbered(siblings: Sequence[_Placed]) -> Iterator[tuple[Hashable, int]]:
    """What each is known by, and how many before it are known by the same."""
    seen: Counter[Hashable] = Counter()
    for one in siblings:
        yield one.head, seen[one.head]
        seen[one.head] += 1
