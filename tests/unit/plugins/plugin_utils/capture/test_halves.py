# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the host's halves are put together: of which files, in which order."""

from __future__ import annotations

import ast
import marshal
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _tree, _undo
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import halves

FOLDER = Path(_tree.__file__).parent


def imported(name: str) -> set[str]:
    """The files of the folder that one of them imports from when it runs."""
    found = set()
    for node in ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("half", list(halves.PARTS))
def test_each_part_stands_on_earlier_ones(half: str) -> None:
    parts = halves.PARTS[half]
    for place, name in enumerate(parts):
        assert imported(name) <= set(parts[:place]), name


def test_every_file_travels() -> None:
    files = {path.stem for path in FOLDER.glob("_*.py")} - {"__init__"}
    # what gathers texts is sent after a request that needs it
    assert files - {"_texts"} == {name for parts in halves.PARTS.values() for name in parts}


def test_what_ends_a_restore_is_a_small_part_of_all() -> None:
    assert len(halves.piped("back", b"{}")) < len(halves.piped("apply", b"{}")) / 2


def test_the_units_program_has_all_that_it_stands_on() -> None:
    parts = marshal.loads(next(c for c in marshal.loads(_undo.program()[16:]).co_consts if isinstance(c, bytes)))
    names = [name for name, _code in parts]
    assert names[-1] == "_undo"
    for place, name in enumerate(names):
        assert imported(name) <= set(names[:place]), name


def test_the_request_and_the_payload_come_last() -> None:
    assert halves.piped("tree", b"{}", b"abc").endswith(b"\n{}\nabc")
    assert halves.piped("apply", b"{}", b"abc").endswith(b"\n{}\nabc")
