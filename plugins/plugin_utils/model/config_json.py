# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration in JSON, a value a line: the order of members says nothing (RFC 8259, section 4), nor do commas.

Numbers stay as they are spelled. Without commas a line does not change because another comes after it.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator, Sequence

from ..errors import FormatError
from .config_node import MOST_DEPTH, Node

_STEP = "  "


class _Number(str):
    """A number as it is spelled."""


def nodes(text: str) -> tuple[Node, ...]:
    """Read a document.

    :raises FormatError: it is no JSON in UTF-8, names a member twice, or is nested too deeply.
    """
    try:
        text.encode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_members, parse_int=_Number, parse_float=_Number, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as e:
        raise FormatError("a configuration is no JSON") from e
    return (_node("", value, 0),)


def _refuse(_constant: str) -> t.NoReturn:
    raise FormatError("a configuration in JSON has a number that JSON has not")


def _members(pairs: Sequence[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError("a configuration in JSON names a member twice")
    return found


def _node(name: str, value: t.Any, depth: int) -> Node:
    if depth >= MOST_DEPTH:
        raise FormatError(f"a configuration is nested more than {MOST_DEPTH} deep")
    indent = _STEP * depth
    children = tuple(_children(value, depth + 1))
    if not children:
        said = name + (value if isinstance(value, _Number) else json.dumps(value))
        return Node(indent + said, said)
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return Node(f"{indent}{name}{begin}", f"{name}{begin}", children=children, closing=(f"{indent}{end}",))


def _children(value: t.Any, depth: int) -> Iterator[Node]:
    if isinstance(value, dict):
        for key, member in sorted(value.items()):
            yield _node(f"{json.dumps(key)}: ", member, depth)
    elif isinstance(value, list):
        for member in value:
            yield _node("", member, depth)
