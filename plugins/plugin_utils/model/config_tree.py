# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of a device as a tree of lines: docs/design/configuration_text.md.

A text is hostile: what is nested more than :data:`MOST_DEPTH` deep is refused, and no pattern is searched in a line of
more than :data:`LONGEST_LINE` characters. Bytes that are no UTF-8 are decoded with ``surrogateescape`` by the caller.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
import typing as t
from collections.abc import Callable, Sequence

from ..errors import FormatError
from . import config_json, config_xml
from .config_node import COMMENT, LINE, MOST_DEPTH, Node, Tree, lines, lines_of
from .config_quotes import Quotes
from .platform import BRACES, FLAT, INDENT, JSON, NESTED, XML, Rule, Structure

LONGEST_LINE = 4096

__all__ = [
    "COMMENT",
    "LINE",
    "LONGEST_LINE",
    "MOST_DEPTH",
    "Node",
    "Rules",
    "Tree",
    "lines",
    "lines_of",
    "parse",
    "parse_lines",
    "rules_of",
    "split",
]

# how many lines a literal may have, so that many beginnings without an end do not cost the square of the text
_MOST_LITERAL = 20_000
_TAB = 8
_ANNOTATION = re.compile(r";\s*##[^\"']*$")
_KEY = "key"
_MARK = "mark"

Matched: t.TypeAlias = "tuple[int, str | None]"


class Rules:
    """The patterns of a structure, compiled."""

    def __init__(self, structure: Structure) -> None:
        try:
            self._comment = re.compile(structure.comment) if structure.comment else None
            self._close = [re.compile(pattern) for pattern in structure.close]
            self._literals = [(re.compile(one.begin), one.end) for one in structure.literals]
            self._ordered = _compiled(structure.ordered)
            self._sequence = _compiled(structure.sequence)
            self._unordered = _compiled(structure.unordered)
            self._replaces = _compiled(structure.replaces)
            self._shortened = _compiled(structure.shortened)
            self._lasting = _compiled(structure.lasting)
        except (re.error, OverflowError, RecursionError) as e:
            raise FormatError(f"a rule of a platform is no regular expression ({e})", item="structure") from e
        self.structure = structure

    def is_comment(self, line: str) -> bool:
        """Whether a line tells a device nothing: it is blank, or a comment."""
        return not line.strip() or (self._comment is not None and _search(self._comment, line) is not None)

    def is_close(self, line: str) -> bool:
        """Whether a line only ends a block."""
        return _found(self._close, line.strip())

    def is_ordered(self, node: Node) -> bool:
        """Whether order counts among the children of a line, named with the sign of its block or without."""
        if not self._ordered:
            return False
        said = node.text.strip()
        return _found(self._ordered, node.key) or (said != node.key and _found(self._ordered, said))

    def sequence(self, key: str) -> Matched | None:
        """What a line has in common with the siblings among which its order counts, None where there are none."""
        return _matched(self._sequence, key)

    def unordered(self, key: str) -> Matched | None:
        """What a line has in common with the siblings among which its order has no meaning, None without any."""
        return _matched(self._unordered, key)

    def replaces(self, key: str) -> Matched | None:
        """What a line has in common with the one that it takes the place of, None where there is none."""
        return _matched(self._replaces, key)

    def shortened(self, key: str) -> str:
        """What of a line its negation says."""
        found = _matched(self._shortened, key)
        return key if found is None or found[1] is None else found[1]

    def is_lasting(self, key: str) -> bool:
        """Whether a line's block cannot be taken away while there are lines in it."""
        return any(_search(pattern, key) for pattern in self._lasting)

    def literal_head(self, line: str) -> str:
        """A line that may begin a literal, without the mark that is to close it."""
        for begin, _end in self._literals:
            match = _search(begin, line)
            if match and _MARK in begin.groupindex and match[_MARK] is not None:
                return line[: match.start(_MARK)].rstrip()
        return line

    def begins_literal(self, line: str) -> bool:
        """Whether a line may begin a literal."""
        return self.opens(line) != "" or _found([begin for begin, _end in self._literals], line)

    def opens(self, line: str) -> str:
        """What closes the value in quotes, or the comment, that a line leaves open; empty where it leaves none."""
        quotes = Quotes(self.structure.style)
        quotes.take(line)
        return quotes.open

    def literal_end(self, line: str) -> tuple[str, bool] | None:
        """The pattern that ends the literal that a line begins; and whether it does so in that line already."""
        for begin, end in self._literals:
            match = _search(begin, line)
            if match is None:
                continue
            if "{0}" not in end or _MARK not in begin.groupindex or match[_MARK] is None:
                return end, False
            pattern = end.replace("{0}", re.escape(match[_MARK]))
            return pattern, re.compile(pattern).search(line, match.end()) is not None
        return None


@functools.lru_cache(maxsize=256)
def rules_of(structure: Structure) -> Rules:
    """The patterns of a structure, compiled once.

    :raises FormatError: one is no regular expression.
    """
    return Rules(structure)


def _compiled(rules: Sequence[Rule]) -> list[re.Pattern[str]]:
    return [re.compile(rule.pattern) for rule in rules]


def _search(pattern: re.Pattern[str], line: str) -> re.Match[str] | None:
    return pattern.search(line) if len(line) <= LONGEST_LINE else None


def _found(patterns: Sequence[re.Pattern[str]], line: str) -> bool:
    if len(line) > LONGEST_LINE:
        return False
    return any(map(re.Pattern.search, patterns, itertools.repeat(line)))


def _matched(patterns: Sequence[re.Pattern[str]], key: str) -> Matched | None:
    if len(key) > LONGEST_LINE:
        return None
    for number, pattern in enumerate(patterns):
        match = pattern.search(key)
        if match:
            return number, match[_KEY] if _KEY in pattern.groupindex else None
    return None


def parse(text: str, structure: Structure) -> Tree:
    """Read a configuration in the style of its platform.

    :raises FormatError: it is nested too deeply, or it is XML or JSON and not well-formed.
    """
    if structure.style == XML:
        return Tree(XML, config_xml.nodes(text))
    if structure.style == JSON:
        return Tree(JSON, config_json.nodes(text))
    return parse_lines(split(text), structure)


def split(text: str) -> list[str]:
    """The lines of a text, without line feeds; that one ends the last line says nothing."""
    found = text.split("\n")
    if found[-1] == "":
        found.pop()
    return found


def parse_lines(texts: Sequence[str], structure: Structure) -> Tree:
    """Read a configuration that is already cut into lines, in a style that is neither XML nor JSON.

    :raises FormatError: it is nested too deeply.
    """
    reader = _READERS.get(structure.style, _Reader)(rules_of(structure))
    literals = _Literals(reader.rules, texts)
    at = 0
    while at < len(texts):
        body, whole = literals.after(at)
        reader.whole = reader.whole and whole
        reader.take(texts[at], texts[at + 1 : at + 1 + body])
        at += 1 + body
    return Tree(structure.style, reader.finish(), reader.whole)


class _Literals:
    """Finds which lines of a text are literals; what has no end is none."""

    def __init__(self, rules: Rules, texts: Sequence[str]) -> None:
        self._rules = rules
        self._texts = texts
        self._endless: set[str] = set()

    def after(self, at: int) -> tuple[int, bool]:
        """How many lines after the one at *at* are its literal, and whether that has an end."""
        line = self._texts[at]
        if self._rules.structure.style == FLAT:
            return self._continued(at)
        opened = self._rules.opens(line)
        if opened and opened not in self._endless:
            return self._quoted(at, opened)
        found = self._rules.literal_end(line)
        if found is None or found[1]:
            return 0, True
        pattern = found[0]
        if pattern not in self._endless:
            end = re.compile(pattern)
            last = min(len(self._texts), at + 1 + _MOST_LITERAL)
            for place in range(at + 1, last):
                if _search(end, self._texts[place]):
                    return place - at, True
            if last == len(self._texts):
                self._endless.add(pattern)
        return 0, False

    def _quoted(self, at: int, opened: str) -> tuple[int, bool]:
        """A value in quotes, or a comment, that goes over several lines; where one has no end none is followed more."""
        quotes = Quotes(self._rules.structure.style)
        for place in range(at, min(len(self._texts), at + 1 + _MOST_LITERAL)):
            quotes.take(self._texts[place])
            if not quotes.open:
                return place - at, True
        self._endless.add(opened)
        return 0, False

    def _continued(self, at: int) -> tuple[int, bool]:
        """RouterOS ends a line that goes on with a backslash (manual, "Scripting": line continuation)."""
        place = at
        while self._texts[place].endswith("\\"):
            if place + 1 == len(self._texts):
                return place - at, False
            place += 1
        return place - at, True


@dataclasses.dataclass(slots=True)
class _Open:
    """A node whose block is still being read."""

    text: str = ""
    key: str = ""
    kind: str = LINE
    indent: int = -1
    literal: tuple[str, ...] = ()
    children: list[_Open] = dataclasses.field(default_factory=list)
    closing: list[str] = dataclasses.field(default_factory=list)

    def frozen(self) -> Node:
        """The node, once all of it was read."""
        children = tuple(child.frozen() for child in self.children)
        return Node(self.text, self.key, self.kind, self.literal, children, tuple(self.closing))


class _Reader:
    """Puts lines into the blocks that they stand in; here there are none, as among lines that are paths."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.whole = True
        self.root = _Open()
        self.stack = [self.root]

    def take(self, line: str, literal: Sequence[str]) -> None:
        """Take the next line, with the literal after it."""
        if not literal and self.rules.is_comment(line):
            self.comment(line)
        else:
            self.line(line, tuple(literal))

    def comment(self, line: str) -> None:
        """Take a line that tells a device nothing."""
        self.stack[-1].children.append(_Open(line, line.strip(), COMMENT))

    def line(self, line: str, literal: tuple[str, ...]) -> None:
        """Take a line that tells a device something."""
        self.stack[-1].children.append(_Open(line, line.strip(), literal=literal))

    def open(self, node: _Open) -> None:
        """Take a line that begins a block."""
        if len(self.stack) > MOST_DEPTH:
            raise FormatError(f"a configuration is nested more than {MOST_DEPTH} deep")
        self.stack[-1].children.append(node)
        self.stack.append(node)

    def close(self, line: str) -> None:
        """Take a line that ends a block; one that ends none is a comment."""
        if self.stack[-1] is self.root:
            self.comment(line)
        else:
            self.stack.pop().closing.append(line)

    def finish(self) -> tuple[Node, ...]:
        """All nodes of the outermost block."""
        return tuple(node.frozen() for node in self.root.children)


class _Flat(_Reader):
    """Each line stands for itself, but for RouterOS, which prints the menu of lines above them."""

    def line(self, line: str, literal: tuple[str, ...]) -> None:
        if line.startswith("/"):
            self.stack = [self.root]
            self.open(_Open(line, line.strip(), literal=literal))
        else:
            super().line(line, literal)


class _Indent(_Reader):
    """What stands deeper than the line before it is in its block; comments stand where the line after them does."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self._comments: list[str] = []

    def comment(self, line: str) -> None:
        self._comments.append(line)

    def line(self, line: str, literal: tuple[str, ...]) -> None:
        spread = line.expandtabs(_TAB)
        indent = len(spread) - len(spread.lstrip())
        while self.stack[-1].indent >= indent:
            self.stack.pop()
        if not literal and self.rules.is_close(line):
            self._end(line, indent)
            return
        self._flush(self.stack[-1])
        self.open(_Open(line, line.strip(), indent=indent, literal=literal))

    def _end(self, line: str, indent: int) -> None:
        siblings = self.stack[-1].children
        # the end of the whole text belongs to no block
        ends = indent > 0 or line.strip().startswith(self.rules.structure.up)
        if ends and siblings and siblings[-1].indent == indent and not siblings[-1].closing:
            siblings[-1].closing = [*self._comments, line]
            self._comments = []
        else:
            self._comments.append(line)

    def _flush(self, parent: _Open) -> None:
        parent.children += [_Open(comment, comment.strip(), COMMENT) for comment in self._comments]
        self._comments = []

    def finish(self) -> tuple[Node, ...]:
        self._flush(self.root)
        return super().finish()


class _Braces(_Reader):
    """A line that ends with a brace opens a block, and one that is a brace ends it (Junos, VyOS, EdgeOS)."""

    def take(self, line: str, literal: Sequence[str]) -> None:
        if literal and line.lstrip().startswith("/*"):
            self.stack[-1].children.append(_Open(line, line.strip(), COMMENT, literal=tuple(literal)))
        else:
            super().take(line, literal)

    def line(self, line: str, literal: tuple[str, ...]) -> None:
        said = _ANNOTATION.sub(";", line.strip()) if len(line) <= LONGEST_LINE else line.strip()
        if literal:
            super().line(line, literal)
        elif said.rstrip("; ") == "}":
            self.close(line)
        elif said.endswith("{"):
            self.open(_Open(line, said[:-1].rstrip()))
        else:
            self.stack[-1].children.append(_Open(line, said.removesuffix(";").rstrip()))


class _Nested(_Reader):
    """``config`` and ``edit`` open a block, ``end`` and ``next`` close it (FortiOS)."""

    def line(self, line: str, literal: tuple[str, ...]) -> None:
        word = line.split(None, 1)[0] if line.strip() else ""
        if word in ("config", "edit") and not literal:
            self.open(_Open(line, line.strip()))
        elif line.strip() in ("end", "next"):
            self.close(line)
        else:
            super().line(line, literal)


_READERS: dict[str, Callable[[Rules], _Reader]] = {
    INDENT: _Indent,
    BRACES: _Braces,
    NESTED: _Nested,
    FLAT: _Flat,
}
