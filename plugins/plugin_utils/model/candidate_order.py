# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which lines are taken away and added: what uses a name is there only while what it means is.

No platform tells which word of which line is a name. So a guess is made that can only cost the order of the text: of a
line's words those are names that begin no line, are no mere number, and do not stand in lines of many kinds, or above
blocks of two, as words of a language do. What has such a word within its block, or, without a block, in its line, uses
what has it in its own line. Where that goes in a circle, and everywhere else, the order is that of the text.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Hashable, Iterable, Sequence

# what more lines than these have in common is no name, and would cost the square of their number
_MOST_GIVERS = 100
# a name stands in the line that gives it, and in lines of a few other kinds that use it
_MOST_KINDS = 3


@dataclasses.dataclass(frozen=True)
class Unit:
    """What is typed for one line of the outermost block.

    ``head`` is that line, ``words`` are those of its block that are removed or added. Units with the same ``sequence``
    stay in their order whatever they use.
    """

    lines: tuple[str, ...]
    head: str
    words: tuple[str, ...]
    sequence: Hashable | None = None


class Names:
    """Tells names from the words of a language, by all lines of the outermost blocks of both sides."""

    def __init__(self, heads: Iterable[tuple[str, bool]]) -> None:
        """Take all lines, and whether each has a block."""
        self._first: set[str] = set()
        kinds: dict[str, set[str]] = {}
        of_blocks: dict[str, set[str]] = {}
        for head, block in heads:
            first, *others = head.split()
            self._first.add(first)
            for word in others:
                kinds.setdefault(word, set()).add(first)
                if block:
                    of_blocks.setdefault(word, set()).add(first)
        self._common = {word for word, found in kinds.items() if len(found) > _MOST_KINDS}
        self._common |= {word for word, found in of_blocks.items() if len(found) > 1}

    def given(self, head: str) -> list[str]:
        """The names that a line may give to what it stands for."""
        return [word for word in head.split()[1:] if self._is_name(word)]

    def _is_name(self, word: str) -> bool:
        return len(word) > 1 and not word.isdigit() and word not in self._common and word not in self._first

    def in_order(self, units: Sequence[Unit], *, users_first: bool) -> list[Unit]:
        """The units so that what uses a name comes before what has it, or after."""
        givers: dict[str, list[int]] = {}
        for place, unit in enumerate(units):
            for name in self.given(unit.head):
                givers.setdefault(name, []).append(place)
        givers = {name: places for name, places in givers.items() if len(places) <= _MOST_GIVERS}
        after: list[set[int]] = [set() for _unit in units]
        waits = [0] * len(units)
        for place, unit in enumerate(units):
            for other in self._used(place, unit, units, givers):
                first, second = (place, other) if users_first else (other, place)
                if second not in after[first]:
                    after[first].add(second)
                    waits[second] += 1
        return [units[place] for place in _sorted(after, waits, _before(units))]

    def _used(self, place: int, unit: Unit, units: Sequence[Unit], givers: dict[str, list[int]]) -> set[int]:
        own = set(self.given(unit.head))
        found = {other for word in unit.words if word not in own for other in givers.get(word, ())}
        if not unit.words:
            # a line without a block is taken to use the name of one that has a block
            found |= {other for word in own for other in givers.get(word, ()) if units[other].words}
        return found - {place}


def _before(units: Sequence[Unit]) -> list[int | None]:
    """For each unit the place of the one of its sequence that must come before it."""
    last: dict[Hashable, int] = {}
    found: list[int | None] = []
    for place, unit in enumerate(units):
        found.append(None if unit.sequence is None else last.get(unit.sequence))
        if unit.sequence is not None:
            last[unit.sequence] = place
    return found


def _sorted(after: Sequence[set[int]], waits: list[int], before: Sequence[int | None]) -> list[int]:
    """Places so that each comes before those *after* it; where they go in a circle, the first that may come.

    :param before: the place that must come before each, whatever goes in a circle.
    """
    for place, first in enumerate(before):
        if first is not None and place not in after[first]:
            after[first].add(place)
            waits[place] += 1
    ready = [place for place, count in enumerate(waits) if count == 0]
    left = [place for place, count in enumerate(waits) if count]
    done: list[int] = []
    is_done = [False] * len(waits)
    at = 0
    while len(done) < len(waits):
        if not ready:
            # none before it is left, so neither is the one that must come before it
            while is_done[left[at]]:
                at += 1
            ready.append(left[at])
        place = heapq.heappop(ready)
        if is_done[place]:
            continue
        is_done[place] = True
        done.append(place)
        for other in after[place]:
            waits[other] -= 1
            if waits[other] == 0 and not is_done[other]:
                heapq.heappush(ready, other)
    return done
