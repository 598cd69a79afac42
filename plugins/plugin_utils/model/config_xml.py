# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration in XML, an element a line: what white space, comments and the order of attributes say is nothing.

No document type and no entity is taken: both come from a device, and could read files of the controller or grow
without bounds (XML 1.0, section 4).
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from xml.parsers import expat

from ..errors import FormatError
from .config_node import MOST_DEPTH, Node

_STEP = "  "
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def nodes(text: str) -> tuple[Node, ...]:
    """Read a document.

    :raises FormatError: it is not well-formed, has a document type or is nested too deeply.
    """
    reader = _Reader()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(text.encode("utf-8", "surrogateescape"), True)
    except expat.ExpatError as e:
        # its message has a place, and nothing of the text
        raise FormatError(
            f"a configuration is no well-formed XML ({expat.ErrorString(e.code)}, line {e.lineno})"
        ) from e
    return (reader.root.node(0),) if reader.root else ()


def _refuse(*_declared: t.Any) -> None:
    raise FormatError("a configuration in XML has a document type, which no device needs")


@dataclasses.dataclass
class _Element:
    name: str
    attributes: str
    parts: list[_Element | str] = dataclasses.field(default_factory=list)

    def node(self, depth: int) -> Node:
        """The element as lines, at a depth."""
        indent = _STEP * depth
        head = f"{self.name}{self.attributes}"
        elements = [part for part in self.parts if isinstance(part, _Element)]
        if not elements:
            text = "".join(part for part in self.parts if isinstance(part, str))
            said = f"<{head}>{_escaped(text)}</{self.name}>" if text else f"<{head}/>"
            return Node(indent + said, said)
        children = tuple(self._children(depth + 1))
        return Node(f"{indent}<{head}>", f"<{head}>", children=children, closing=(f"{indent}</{self.name}>",))

    def _children(self, depth: int) -> t.Iterator[Node]:
        for part in self.parts:
            if isinstance(part, _Element):
                yield part.node(depth)
            elif part.strip():
                said = _escaped(part.strip())
                yield Node(_STEP * depth + said, said)


class _Reader:
    def __init__(self) -> None:
        self.root: _Element | None = None
        self._stack: list[_Element] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._stack) >= MOST_DEPTH:
            raise FormatError(f"a configuration is nested more than {MOST_DEPTH} deep")
        told = "".join(f' {key}="{_escaped(value)}"' for key, value in sorted(attributes.items()))
        element = _Element(name, told)
        if self._stack:
            self._stack[-1].parts.append(element)
        else:
            self.root = element
        self._stack.append(element)

    def end(self, _name: str) -> None:
        self._stack.pop()

    def text(self, text: str) -> None:
        parts = self._stack[-1].parts
        if parts and isinstance(parts[-1], str):
            parts[-1] += text
        else:
            parts.append(text)


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)
