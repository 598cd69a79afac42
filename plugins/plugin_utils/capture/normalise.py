# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a device's text decides about drift: docs/design/configuration_text.md.

Left away is only what a rule names: lines that change by themselves, the header before the first line of a
configuration, white space at the ends of lines, and the order of siblings in which it has no meaning. What is stored
is the text as it is.

A rule of volatile lines takes away the line in which it is found. A group ``volatile`` takes only what it took out of
the line, for which a :data:`BLANK` stands; a group ``block`` takes all that stands in the line's block too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import re
import signal
import threading
import time
import typing as t
from collections.abc import Iterator, Sequence

from ..errors import CaptureError, FormatError, PolicyError
from ..model import config_tree
from ..model.config_tree import COMMENT, LINE, LONGEST_LINE, Node, Rules, Tree
from ..model.platform import CONFIG, JSON, TEXT, XML, Item, Platform, Rule, Structure

BLANK = "*"
VERSION = "device-1"

_VOLATILE, _BLOCK = "volatile", "block"
_MATCHING = 60.0  # seconds of processor time that one text may take
# after so many changes a line that still changes is left as it was
_MOST_CHANGES = 16


def normaliser(platform: Platform) -> str:
    """The name of what normalises texts of a platform: another one where its rules are others.

    Patterns of a component are part of its definition, and of no name.
    """
    structure = platform.structure
    told = {
        "volatile": _patterns(platform.volatile),
        "items": [
            [item.name, item.form, item.begin, _patterns(item.volatile)]
            for item in sorted(platform.items, key=lambda item: item.name)
        ],
        "structure": [
            *(structure.style, structure.comment, list(structure.close), structure.up),
            *map(_patterns, (structure.ordered, structure.sequence, structure.unordered)),
            [[one.begin, one.end] for one in structure.literals],
        ],
    }
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    return f"{VERSION}/{platform.name}/{hashlib.sha256(canonical).hexdigest()[:16]}"


def _patterns(rules: Sequence[Rule]) -> list[str]:
    return [rule.pattern for rule in rules]


def normalised(platform: Platform, item_name: str, text: bytes, extra: Sequence[str] = ()) -> bytes:
    """What of a text decides about drift; of its own result it makes the same.

    :param item_name: the item that the text is; one that the platform has not is a configuration without a header.
    :param extra: patterns of a component, beside those of the platform.
    :raises PolicyError: a pattern is no regular expression.
    :raises CaptureError: matching takes more than a minute of processor time.
    """
    item = platform.item(item_name) or Item(item_name, "", "")
    volatile = (*_patterns(platform.volatile), *_patterns(item.volatile), *extra)
    structure = structure_of(platform, item)
    normalise = _Normalise(structure, item.begin, _compiled(volatile), config_tree.rules_of(structure))
    with bounded(item_name):
        steady = normalise.steady(text.decode("utf-8", "surrogateescape"))
    return "".join(f"{line}\n" for line in steady).encode("utf-8", "surrogateescape")


def structure_of(platform: Platform, item: Item) -> Structure:
    """How an item's text is read: by the platform's structure where it is a configuration, else by its form."""
    if item.form == CONFIG:
        return platform.structure
    if item.form == platform.structure.style:
        return platform.structure
    return Structure(item.form if item.form in (XML, JSON) else TEXT)


def tree(platform: Platform, item_name: str, text: bytes, extra: Sequence[str] = ()) -> Tree:
    """What of a text decides about drift, as a tree to be shown; arguments and errors as of :func:`normalised`."""
    item = platform.item(item_name) or Item(item_name, "", "")
    steady = normalised(platform, item_name, text, extra).decode("utf-8", "surrogateescape")
    return _parsed(config_tree.split(steady), structure_of(platform, item))


def typed(platform: Platform, item_name: str, text: bytes, extra: Sequence[str] = ()) -> Tree:
    """A text as a tree to compute a candidate of; arguments and errors as of :func:`normalised`.

    Lines are compared by what decides about drift, and typed as they stand: none is typed with a BLANK in it. Nothing
    is typed of a line that changes by itself as a whole.
    """
    item = platform.item(item_name) or Item(item_name, "", "")
    volatile = (*_patterns(platform.volatile), *_patterns(item.volatile), *extra)
    structure = structure_of(platform, item)
    normalise = _Normalise(structure, item.begin, _compiled(volatile), config_tree.rules_of(structure))
    with bounded(item_name):
        return normalise.typed(text.decode("utf-8", "surrogateescape"))


@dataclasses.dataclass(frozen=True)
class DeviceTexts:
    """What of a component's texts is compared: of a platform, with the component's own volatile patterns."""

    platform: Platform
    volatile: tuple[str, ...] = ()

    def steady(self, path: str, text: bytes) -> bytes:
        """What of the text at a path decides about drift; errors as of :func:`normalised`."""
        return normalised(self.platform, path.rpartition("/")[2], text, self.volatile)

    def tree(self, path: str, text: bytes) -> Tree:
        """The same as a tree; errors as of :func:`normalised`."""
        return tree(self.platform, path.rpartition("/")[2], text, self.volatile)


@functools.lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    found = []
    for pattern in dict.fromkeys(patterns):
        try:
            found.append(re.compile(pattern))
        except (re.error, OverflowError, RecursionError) as e:
            raise PolicyError(
                f"a pattern of volatile lines is no regular expression ({e})",
                item=_VOLATILE,
                remedy="Give one that Python's re takes; its group named volatile is what is left away.",
            ) from e
    return tuple(found)


def _parsed(texts: Sequence[str], structure: Structure) -> Tree:
    """A tree of lines; of what is not well-formed one without blocks."""
    try:
        if structure.style in (XML, JSON):
            return config_tree.parse("\n".join(texts), structure)
        return config_tree.parse_lines(texts, structure)
    except FormatError:
        return Tree(TEXT, tuple(Node(line, line.strip()) for line in texts), whole=False)


@contextlib.contextmanager
def bounded(item_name: str) -> Iterator[None]:
    """Stop matching once a text's time is used up, as module_utils/_texts.py does.

    A search that has begun lets no other thread run, and only the main one may set a timer: elsewhere what bounds a
    search is the length of lines.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_told: t.Any) -> t.NoReturn:
        raise CaptureError(
            f"the rules for texts of item {item_name} take more than {_MATCHING:.0f} seconds of processor time",
            item=item_name,
            remedy="Give patterns of volatile lines that do not run away, or leave the item out.",
        )

    before = signal.signal(signal.SIGVTALRM, stop)
    timer = signal.setitimer(signal.ITIMER_VIRTUAL, _MATCHING)
    begun = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if timer[0] > 0:
            # that of a caller goes on
            left = max(timer[0] - (time.process_time() - begun), 0.001)
            signal.setitimer(signal.ITIMER_VIRTUAL, left)


@dataclasses.dataclass
class _Normalise:
    structure: Structure
    begin: str
    volatile: tuple[re.Pattern[str], ...]
    rules: Rules
    # whether what was kept, read again, is the tree that it was kept of
    _exact: bool = True

    def steady(self, text: str) -> list[str]:
        """The lines that decide about drift."""
        texts = [line.rstrip() for line in config_tree.split(text)]
        first = None
        if self.structure.style not in (XML, JSON):
            texts, first = self._without_header(texts)
        read = _parsed(texts, self.structure)
        kept = dataclasses.replace(read, nodes=tuple(self._kept(read.nodes, first)))
        if self.structure.unordered:
            if not self._exact:
                kept = _parsed(config_tree.lines(kept), self.structure)
            if kept.whole:
                kept = dataclasses.replace(kept, nodes=self._sorted(kept.nodes))
        return config_tree.lines(kept)

    def typed(self, text: str) -> Tree:
        """The lines that a device would be typed, as a tree."""
        texts = [line.rstrip() for line in config_tree.split(text)]
        if self.structure.style not in (XML, JSON):
            texts, _first = self._without_header(texts)
        read = _parsed(texts, self.structure)
        return dataclasses.replace(read, nodes=self._typed(read.nodes))

    def _typed(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        found = []
        for node in nodes:
            said, _block = self._blanked(node.text)
            if said is None and not node.literal:
                continue
            # where a line says itself, it is known by what is left of it
            own = node.text.strip() == node.key and said is not None
            key = said.strip() if own and said is not None else node.key
            found.append(dataclasses.replace(node, key=key, children=self._typed(node.children)))
        return tuple(found)

    def _without_header(self, texts: list[str]) -> tuple[list[str], str | None]:
        """The lines from the first of a configuration, and that one: what the cut stands on is never left away."""
        if not self.begin:
            return texts, None
        begin = re.compile(self.begin)
        for place, line in enumerate(texts):
            if len(line) <= LONGEST_LINE and begin.search(line):
                return texts[place:], line
        return texts, None

    def _kept(self, nodes: Sequence[Node], first: str | None = None) -> Iterator[Node]:
        for place, node in enumerate(nodes):
            if place == 0 and first is not None:
                yield self._below(node)
            else:
                yield from self._kept_of(node)

    def _kept_of(self, node: Node) -> Iterator[Node]:
        text, block = self._blanked(node.text)
        self._exact = self._exact and (text == node.text)
        if block or (text == "" and not node.literal):
            return
        if text is None and node.literal:
            # without its head a literal would be read as lines of a configuration
            text = node.text
        if text is None:
            yield from self._kept(node.children)
            yield from (Node(line, line.strip(), COMMENT) for line in self._comments(node.closing[:-1]))
            return
        left = self._below(node)
        if text != node.text:
            literal = node.literal[-1:] if self.rules.begins_literal(text) else ()
            left = dataclasses.replace(left, text=text, literal=literal)
        yield left

    def _below(self, node: Node) -> Node:
        """A node with what is left of its block; the last line after that ends it, and those before are comments."""
        if not node.children and len(node.closing) < 2:
            return node
        closing = (*self._comments(node.closing[:-1]), *node.closing[-1:])
        return dataclasses.replace(node, children=tuple(self._kept(node.children)), closing=closing)

    def _comments(self, lines: Sequence[str]) -> Iterator[str]:
        return (text for text, _block in map(self._blanked, lines) if text)

    def _blanked(self, line: str) -> tuple[str | None, bool]:
        """What is left of a line, None where nothing is; and whether all in its block goes with it."""
        if len(line) > LONGEST_LINE:
            return line, False
        found = line
        for _time in range(_MOST_CHANGES):
            before = found
            for pattern in self.volatile:
                match = pattern.search(found)
                if match is None:
                    continue
                if _BLOCK in pattern.groupindex and match[_BLOCK] is not None:
                    return None, True
                if _VOLATILE not in pattern.groupindex:
                    return None, False
                found = pattern.sub(_without, found).rstrip()
            if found == before:
                return found, False
        return line, False

    def _sorted(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """Siblings whose order has no meaning, in the order of their text, each where one of them stood."""
        found: list[Node] = []
        places: dict[t.Hashable, list[int]] = {}
        for place, one in enumerate(nodes):
            node = one
            if node.children and not self.rules.is_ordered(node):
                node = dataclasses.replace(node, children=self._sorted(node.children))
            found.append(node)
            same = self.rules.unordered(node.key) if node.kind == LINE else None
            if same is not None and self.rules.sequence(node.key) is None:
                # where indents differ, another order would be another tree
                indent = len(node.text) - len(node.text.lstrip())
                places.setdefault((same, indent), []).append(place)
        for among in places.values():
            moved = sorted((found[place] for place in among), key=_text)
            for place, node in zip(among, moved, strict=True):
                found[place] = node
        return tuple(found)


def _without(match: re.Match[str]) -> str:
    start, end = match.span(_VOLATILE)
    if start == end or start < 0:
        return match[0]
    return f"{match.string[match.start() : start]}{BLANK}{match.string[end : match.end()]}"


def _text(node: Node) -> list[str]:
    return list(config_tree.lines_of([node]))
