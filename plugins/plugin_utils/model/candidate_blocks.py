# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Candidates of configurations whose lines stand in blocks, typed as they are printed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Hashable, Iterator, Sequence

from . import candidate_order
from .candidate_order import Unit
from .config_node import LINE, Node, Tree
from .config_tree import Rules, parse_lines, rules_of
from .platform import Structure

_STEP = " "


def candidate(live: Tree, wanted: Tree, structure: Structure) -> tuple[str, ...]:
    """The lines to type, as :func:`.candidate.candidate` promises."""
    rules = rules_of(structure)
    old, new = _plain(live.nodes), _plain(wanted.nodes)
    names = candidate_order.Names((node.key, bool(node.children)) for node in (*old, *new))
    kept = {_id(node) for node in new}
    # what another line takes the place of gives no name to anything
    gone = [node.key for node in old if _id(node) not in kept and rules.replaces(node.key) is None]
    typing = _Typing(rules, frozenset(name for key in gone for name in names.given(key)))
    removals, additions = typing.level(old, new, 0, ordered=False)
    ordered = (*names.in_order(removals, users_first=True), *names.in_order(additions, users_first=False))
    return tuple(line for unit in ordered for line in unit.lines)


def applied(live: Tree, typed: Sequence[str], structure: Structure) -> Tree:
    """What a device makes of typed lines, as :func:`.candidate.applied` promises."""
    up = rf"^\s*{re.escape(structure.up)}$"
    reading = dataclasses.replace(structure, close=(*structure.close, up) if structure.up else structure.close)
    given = parse_lines(typed, reading)
    device = _Device(rules_of(structure))
    return Tree(live.style, device.level(_plain(live.nodes), given.nodes, 0))


def canonical(tree: Tree, structure: Structure) -> Hashable:
    """What two trees have in common that are one configuration to a device."""
    return _canonical(_plain(tree.nodes), rules_of(structure), ordered=False)


def _canonical(nodes: Sequence[Node], rules: Rules, *, ordered: bool) -> Hashable:
    told = [(_id(node), _canonical(node.children, rules, ordered=rules.is_ordered(node))) for node in nodes]
    if ordered:
        return tuple(told)
    sequences: dict[Hashable, list[Hashable]] = {}
    others = set()
    for node, one in zip(nodes, told, strict=True):
        sequence = rules.sequence(node.key)
        if sequence is None:
            others.add(one)
        else:
            sequences.setdefault(sequence, []).append(one)
    return frozenset(others), frozenset((key, tuple(found)) for key, found in sequences.items())


def _id(node: Node) -> Hashable:
    return node.key, node.literal


def _plain(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Nodes without comments; of lines that are there twice one, with what stands in the blocks of all."""
    found: dict[Hashable, Node] = {}
    for node in nodes:
        if node.kind != LINE:
            continue
        there = found.get(_id(node))
        children = node.children if there is None else (*there.children, *node.children)
        closing = node.closing or (() if there is None else there.closing)
        found[_id(node)] = dataclasses.replace(node, children=children, closing=closing)
    return tuple(
        dataclasses.replace(node, children=_plain(node.children)) if node.children else node for node in found.values()
    )


def _negated(key: str, rules: Rules) -> str:
    """The line that takes a line back: a literal by what stands before its mark, a negation by what it negates."""
    said = rules.shortened(rules.literal_head(key))
    negate = f"{rules.structure.negate} "
    return said.removeprefix(negate) if said.startswith(negate) else negate + said


class _Typing:
    """Computes what is typed, level by level; each returns removals and additions."""

    def __init__(self, rules: Rules, gone: frozenset[str]) -> None:
        self._rules = rules
        self._gone = gone

    def level(
        self, old: Sequence[Node], new: Sequence[Node], depth: int, *, ordered: bool
    ) -> tuple[list[Unit], list[Unit]]:
        """Units of a block, removals in the reverse order of *old* and additions in the order of *new*."""
        before, after = ({_id(node): node for node in nodes} for nodes in (old, new))
        anew = self._anew(old, new, ordered=ordered)
        added = [node for node in new if _id(node) not in before or _id(node) in anew]
        replaced = {mark for mark in map(self._replaces, added) if mark is not None}
        removals: list[Unit] = []
        additions: list[Unit] = []
        for node in old:
            one = _id(node)
            if one not in after and node.children and self._rules.is_lasting(node.key):
                inner = self.level(node.children, (), depth + 1, ordered=False)
                removals += self._within(node, inner[0], depth)
            elif one not in after or one in anew:
                if one in anew or self._replaces(node) not in replaced or self._uses_gone(node):
                    removals.append(self._removal(node, depth))
            elif node.children != after[one].children:
                inner = self.level(node.children, after[one].children, depth + 1, ordered=self._rules.is_ordered(node))
                removals += self._within(node, inner[0], depth)
        for node in new:
            one = _id(node)
            if one not in before or one in anew:
                additions.append(self._addition(node, depth))
            elif node.children != before[one].children:
                inner = self.level(before[one].children, node.children, depth + 1, ordered=self._rules.is_ordered(node))
                additions += self._within(node, inner[1], depth)
        return removals[::-1], additions

    def _anew(self, old: Sequence[Node], new: Sequence[Node], *, ordered: bool) -> set[Hashable]:
        """What is on both sides and must be taken away and come again, so that the order is that of *new*."""
        before = {_id(node): node for node in old}
        found = {_id(node) for node in new if _id(node) in before and self._is_broken(before[_id(node)], node)}
        there, wanted = self._sequences(old, ordered=ordered), self._sequences(new, ordered=ordered)
        for sequence in there.keys() & wanted.keys():
            is_wanted = set(wanted[sequence])
            kept = [one for one in there[sequence] if one in is_wanted and one not in found]
            is_kept = set(kept)
            if kept + [one for one in wanted[sequence] if one not in is_kept] != wanted[sequence]:
                equal = next(at for at, one in enumerate(kept) if one != wanted[sequence][at])
                found |= set(kept[equal:])
        return found

    def _is_broken(self, old: Node, new: Node) -> bool:
        """Whether a block must be typed anew: order counts in it, and removing and adding lines would not give it."""
        if old.children == new.children or not self._rules.is_ordered(old):
            return False
        # what only comes again at the end stands where it is wanted
        return bool(self._anew(old.children, new.children, ordered=True) - {_id(node) for node in new.children[-1:]})

    def _sequences(self, nodes: Sequence[Node], *, ordered: bool) -> dict[Hashable, list[Hashable]]:
        found: dict[Hashable, list[Hashable]] = {}
        for node in nodes:
            sequence = "ordered" if ordered else self._rules.sequence(node.key)
            if sequence is not None:
                found.setdefault(sequence, []).append(_id(node))
        return found

    def _replaces(self, node: Node) -> Hashable | None:
        return None if node.children or node.literal else self._rules.replaces(node.key)

    def _uses_gone(self, node: Node) -> bool:
        """Whether a line uses a name of what is taken away; its reference must go before that."""
        return not self._gone.isdisjoint(node.key.split())

    def _removal(self, node: Node, depth: int) -> Unit:
        return Unit((_STEP * depth + _negated(node.text.strip(), self._rules),), node.key, tuple(_words(node)))

    def _addition(self, node: Node, depth: int) -> Unit:
        sequence = self._rules.sequence(node.key)
        return Unit(tuple(self._whole(node, depth)), node.key, tuple(_words(node)), sequence)

    def _whole(self, node: Node, depth: int) -> Iterator[str]:
        yield _STEP * depth + node.text.strip()
        yield from node.literal
        for child in node.children:
            yield from self._whole(child, depth + 1)
        if node.children or self._is_block(node):
            yield from self._up(depth)

    def _is_block(self, node: Node) -> bool:
        """Whether a line without a block opens one all the same, as its closing line tells."""
        up = self._rules.structure.up
        return bool(up) and any(line.strip().startswith(up) for line in node.closing)

    def _within(self, node: Node, units: Sequence[Unit], depth: int) -> Iterator[Unit]:
        """Units of a block as one of the block around it."""
        if units:
            lines = [line for unit in units for line in unit.lines]
            words = [word for unit in units for word in (*unit.head.split(), *unit.words)]
            yield Unit((_STEP * depth + node.text.strip(), *lines, *self._up(depth)), node.key, tuple(words))

    def _up(self, depth: int) -> Iterator[str]:
        if self._rules.structure.up:
            yield _STEP * depth + self._rules.structure.up


def _words(node: Node) -> Iterator[str]:
    """The words that a line with its block may use names by."""
    for child in node.children:
        yield from child.key.split()
        yield from _words(child)


class _Device:
    """The model of a device that is typed on."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def level(self, nodes: Sequence[Node], given: Sequence[Node], depth: int) -> tuple[Node, ...]:
        """The lines of a block after others were typed in it."""
        found = {_id(node): node for node in nodes}
        for line in given:
            if line.kind != LINE:
                continue
            taken = [one for one, node in found.items() if _negated(node.key, self._rules) == line.key]
            if taken and not line.children and not line.literal:
                for one in taken:
                    del found[one]
                continue
            there = found.get(_id(line))
            if there is None:
                self._replace(found, line)
                there = Node(_STEP * depth + line.key, line.key, literal=line.literal)
            children = self.level(there.children, line.children, depth + 1)
            found[_id(line)] = dataclasses.replace(there, children=children)
            if there.children and not children and self._rules.is_lasting(line.key):
                # nobody shows a block that lasts and is empty
                del found[_id(line)]
        return tuple(found.values())

    def _replace(self, found: dict[Hashable, Node], line: Node) -> None:
        mark = self._rules.replaces(line.key)
        if mark is None or line.children or line.literal:
            return
        for one, node in [*found.items()]:
            if not node.children and not node.literal and self._rules.replaces(node.key) == mark:
                del found[one]
