# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of a configuration and what stands in their blocks, whatever the style that they were read from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

LINE, COMMENT = "line", "comment"
# what is nested deeper is no configuration, and would exhaust the stack
MOST_DEPTH = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A line, and what stands in its block.

    ``text`` is the line as it stands, ``key`` what it says: without the blanks around it and without the signs of its
    block. ``literal`` are the lines of a text of its own that follows, ``closing`` those that end the block, with
    comments before them. A node of kind COMMENT tells a device nothing.
    """

    text: str
    key: str
    kind: str = LINE
    literal: tuple[str, ...] = ()
    children: tuple[Node, ...] = ()
    closing: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Tree:
    """A whole text. ``whole`` is false where a literal has no end: then where it ends cannot be told."""

    style: str
    nodes: tuple[Node, ...] = ()
    whole: bool = True


def lines(tree: Tree) -> list[str]:
    """The lines of the text that a tree was read from, or of that which it stands for."""
    return list(lines_of(tree.nodes))


def lines_of(nodes: Sequence[Node]) -> Iterator[str]:
    """The lines of nodes, each with all that is below it."""
    for node in nodes:
        yield node.text
        yield from node.literal
        yield from lines_of(node.children)
        yield from node.closing
