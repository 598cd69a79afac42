# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every row of the threat model's tables names tests, and these are there."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "design" / "threat-model.md"
HERE = "tests/unit/plugins/plugin_utils/"
_TEST = re.compile(r"`([\w/]+\.py)::(\w+(?:::\w+)?)`")
_NONE = re.compile(r"no test: \S")


def rows() -> Iterator[tuple[str, str]]:
    """The first and the last cell of each row of each table."""
    table: list[str] = []
    for line in [*PAGE.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            table.append(line)
            continue
        for row in table[2:]:
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            yield cells[0], cells[-1]
        table = []


ROWS = list(rows())


@functools.cache
def held_in(path: str) -> frozenset[str]:
    """The tests of a file, those of classes with the name of their class, and those classes themselves."""
    found = set()
    for node in ast.parse((CHECKOUT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inside = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            found |= {node.name, *(f"{node.name}::{name}" for name in inside)}
    return frozenset(name for name in found if name.rpartition("::")[2].lower().startswith("test"))


@pytest.mark.parametrize(("name", "cell"), ROWS, ids=[name for name, _cell in ROWS])
def test_a_row_names_tests_that_are_there(name: str, cell: str) -> None:
    named = _TEST.findall(cell)
    # and in no other form
    rest = _TEST.sub("", cell).strip(", ")
    assert _NONE.match(rest) or (named and not rest), f"{name}: {cell}"
    for file, test in named:
        path = file if file.startswith("tests/") else HERE + file
        assert (CHECKOUT / path).is_file(), path
        assert test in held_in(path), f"{path} has no {test}"


def test_all_tables_are_looked_at() -> None:
    assert len(ROWS) > 40
    assert "test_a_row_names_tests_that_are_there" in held_in("tests/unit/test_threat_model.py")
