# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Candidates of configurations whose lines are paths from the top: ``set`` and ``delete``.

What is written with braces is the same configuration, a path for each line without a block: that is how Junos, VyOS and
EdgeOS print one form as the other.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from ..errors import PolicyError
from .config_node import LINE, Node, Tree
from .config_tree import LONGEST_LINE, Rules, rules_of
from .platform import BRACES, SET, Structure

_SET, _DEACTIVATE, _ACTIVATE = "set", "deactivate", "activate"
_INACTIVE = "inactive: "
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|\S+')

# of a line with its verb; no configuration has a path of so many, but for a text whose own quotes part it
MOST_WORDS = 128

Words = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Path:
    """A line: its verb, its words, and what the lines have in common among which its order counts."""

    verb: str
    words: Words
    sequence: Hashable | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        if len(self.words) >= MOST_WORDS:
            raise PolicyError(
                f"a configuration has a path of {MOST_WORDS} words or more",
                item="structure",
                remedy="Restore by a way of the platform that replaces the configuration as a whole.",
            )

    @property
    def line(self) -> str:
        return " ".join((self.verb, *self.words))


def candidate(live: Tree, wanted: Tree, structure: Structure) -> Words:
    """The lines to type, as :func:`.candidate.candidate` promises.

    :raises PolicyError: a path of blocks has :data:`MOST_WORDS` words or more.
    """
    reader = _Reader(rules_of(structure))
    device = _Device(reader.rules)
    old, new = reader.paths(live), reader.paths(wanted)
    anew: set[_Path] = set()
    while True:
        removals = list(_removals(old, new, anew, device))
        left = device.typed(old, removals)
        added = [path.line for path in new if path not in left]
        broken = _broken(device.typed(left, added), new) - anew
        if not broken:
            return (*removals, *added)
        anew |= broken


def applied(live: Tree, typed: Sequence[str], structure: Structure) -> Tree:
    """What a device makes of typed lines, as :func:`.candidate.applied` promises."""
    reader = _Reader(rules_of(structure))
    left = _Device(reader.rules).typed(reader.paths(live), typed)
    return Tree(SET, tuple(Node(path.line, path.line) for path in left))


def same(one: Tree, other: Tree, structure: Structure) -> bool:
    """Whether two trees are one configuration to a device."""
    reader = _Reader(rules_of(structure))
    first, second = reader.paths(one), reader.paths(other)
    return set(first) == set(second) and not _broken(first, second) and not _broken(second, first)


def _removals(old: dict[_Path, None], new: dict[_Path, None], anew: set[_Path], device: _Device) -> Iterator[str]:
    """Lines that take away what is not wanted or comes again, each as short as it can be."""
    negate = device.rules.structure.negate
    kept = {path for path in old if path in new and path not in anew}
    above = {stem for path in kept for stem in device.stems(path)}
    replaced = {mark for path in new if path not in kept for mark in device.marks(path)}
    gone: set[int] = set()
    for path in [*old][::-1]:
        stems = device.stems(path)
        if path in kept or not gone.isdisjoint(stems):
            continue
        if path.verb == _DEACTIVATE:
            yield " ".join((_ACTIVATE, *path.words))
            continue
        if path not in anew and not replaced.isdisjoint(device.marks(path)):
            continue
        length = next((length for length, stem in enumerate(stems, 1) if stem not in above), len(stems))
        gone.add(stems[length - 1])
        yield " ".join((negate, *path.words[:length]))


def _broken(there: dict[_Path, None], wanted: dict[_Path, None]) -> set[_Path]:
    """Paths of sequences that are in another order than is wanted."""
    sequences: dict[Hashable, list[_Path]] = {}
    for path in wanted:
        if path.sequence is not None and path in there:
            sequences.setdefault(path.sequence, []).append(path)
    of = {path: path.sequence for path in wanted}
    found: dict[Hashable, list[_Path]] = {}
    for path in there:
        if of.get(path) is not None:
            found.setdefault(of[path], []).append(path)
    return {path for sequence, paths in sequences.items() if found.get(sequence) != paths for path in paths}


class _Reader:
    """Reads a tree as paths."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def paths(self, tree: Tree) -> dict[_Path, None]:
        """All paths of a tree, in its order, each once."""
        found = self._of_blocks(tree.nodes, (), None) if tree.style == BRACES else self._of_lines(tree.nodes)
        return dict.fromkeys(found)

    def _of_lines(self, nodes: Sequence[Node]) -> Iterator[_Path]:
        for node in nodes:
            words = _spoken(node.key)
            if node.kind == LINE and len(words) > 1 and words[0] in (_SET, _DEACTIVATE):
                yield _Path(words[0], (*words[1:], *node.literal), self.rules.sequence(node.key))

    def _of_blocks(self, nodes: Sequence[Node], above: Words, sequence: Hashable | None) -> Iterator[_Path]:
        for one in nodes:
            if one.kind != LINE:
                continue
            node, inactive = _active(one)
            head, *values = _values((*words_of(node.key), *node.literal))
            path = (*above, *head)
            inner = path if sequence is None and self.rules.is_ordered(node) else sequence
            if node.children:
                yield from self._of_blocks(node.children, path, inner)
            elif values:
                yield from (_Path(_SET, (*path, *value), inner) for value in values)
            else:
                yield _Path(_SET, path, inner)
            if inactive:
                yield _Path(_DEACTIVATE, path)


def _active(node: Node) -> tuple[Node, bool]:
    """A node without the word that says it is inactive (Junos); and whether it is."""
    if not node.key.startswith(_INACTIVE):
        return node, False
    said = node.text.strip().removeprefix(_INACTIVE)
    return dataclasses.replace(node, key=node.key.removeprefix(_INACTIVE), text=said), True


def _values(words: Words) -> list[Words]:
    """A line's words; of a list in brackets what stands before it, and then each of its values (Junos)."""
    if len(words) > 2 and words[-1] == "]" and "[" in words:
        at = words.index("[")
        return [words[:at], *((word,) for word in words[at + 1 : -1])]
    return [words]


def words_of(line: str) -> Words:
    """The words of a line; what stands in quotes is one."""
    return tuple(_WORD.findall(line))


def _spoken(line: str) -> Words:
    """The words of a line with its verb; what comes after so many is one."""
    found = list(itertools.islice(_WORD.finditer(line), MOST_WORDS))
    if len(found) < MOST_WORDS:
        return tuple(word[0] for word in found)
    return (*(word[0] for word in found[:-1]), line[found[-1].start() :].rstrip())


class _Device:
    """The model of a device that is typed on."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._stems: dict[tuple[int, str], int] = {}

    def stems(self, path: _Path) -> tuple[int, ...]:
        """The beginnings of a path, shortest first, each as its number: spelled, they would cost the square of it."""
        found = [0]
        for word in path.words:
            found.append(self._stems.setdefault((found[-1], word), len(self._stems) + 1))
        return tuple(found[1:])

    def marks(self, path: _Path) -> Iterator[Hashable]:
        """What a path has in common with the one that it takes the place of.

        Rules for braces are of lines, and what of a path was a line is told by none: it may be any end of it.
        """
        if path.verb != _SET:
            return
        if self.rules.structure.style != BRACES:
            found = self.rules.replaces(path.line)
            if found is not None:
                yield found
            return
        said = " ".join(path.words)
        start = 0
        for stem, word in zip((0, *self.stems(path)), path.words, strict=False):
            found = self.rules.replaces(said[start:]) if len(said) - start <= LONGEST_LINE else None
            if found is not None:
                yield stem, found
            start += len(word) + 1

    def typed(self, paths: dict[_Path, None], lines: Sequence[str]) -> dict[_Path, None]:
        """The paths that are there once lines were typed; what is deleted goes with all below it."""
        found = dict(paths)
        below = _Index(found, self.stems)
        replaced = _Index(found, self.marks)
        for line in lines:
            verb, *words = _spoken(line)
            path = _Path(verb, tuple(words), self.rules.sequence(line))
            if verb == self.rules.structure.negate:
                for one in below.taken(self.stems(path)[-1]) if words else ():
                    found.pop(one, None)
            elif verb == _ACTIVATE:
                found.pop(_Path(_DEACTIVATE, path.words), None)
            elif path not in found:
                for one in (one for mark in self.marks(path) for one in replaced.taken(mark)):
                    found.pop(one, None)
                found[path] = None
                below.add(path)
                replaced.add(path)
        return found


class _Index:
    """Finds paths by what they are known by, without a look at all of them; some of them may have gone since."""

    def __init__(self, paths: Iterable[_Path], known_by: Callable[[_Path], Iterable[Hashable]]) -> None:
        self._known_by = known_by
        self._found: dict[Hashable, list[_Path]] = {}
        for path in paths:
            self.add(path)

    def add(self, path: _Path) -> None:
        """Take a path that came."""
        for one in self._known_by(path):
            self._found.setdefault(one, []).append(path)

    def taken(self, known_by: Hashable) -> Sequence[_Path]:
        """The paths that are known so, which are now to go."""
        return self._found.pop(known_by, ())
