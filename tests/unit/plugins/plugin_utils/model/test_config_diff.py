# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

from ansible_collections.holdfast.config.plugins.plugin_utils.model import config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.config_diff import BOTH, NEW, OLD, difference
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.model.configurations import (
    BRACED,
    BRACED_LINES,
    INDENTED,
    NOISE,
    TYPED,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def shown(old: str, new: str) -> list[str]:
    found = difference(config_tree.parse(old, TYPED), config_tree.parse(new, TYPED))
    return [f"{change.kind}{change.text}" for change in found]


@given(st.tuples(INDENTED, INDENTED) | st.tuples(NOISE, NOISE), st.sampled_from([TYPED, BRACED]))
@settings(max_examples=300, deadline=None)
def test_lines_that_go_and_come_turn_one_text_into_the_other(
    texts: tuple[str, str], structure: config_tree.Structure
) -> None:
    old, new = (config_tree.parse(text, structure) for text in texts)
    before, after = (config_tree.lines(tree) for tree in (old, new))
    found = difference(old, new)
    gone = [change for change in found if change.kind == OLD]
    come = [change for change in found if change.kind == NEW]
    assert (found == ()) == (before == after)
    assert all(before[change.place] == change.text for change in gone)
    assert all(after[change.place] == change.text for change in found if change.kind != OLD)
    without_gone = [line for place, line in enumerate(before) if place not in {change.place for change in gone}]
    without_come = [line for place, line in enumerate(after) if place not in {change.place for change in come}]
    assert without_gone == without_come


@given(BRACED_LINES)
@settings(max_examples=50, deadline=None)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    tree = config_tree.parse(text, BRACED)
    assert difference(tree, tree) == ()


def test_a_changed_line_is_shown_below_all_lines_that_it_stands_in() -> None:
    old = "interface a\n mtu 1500\n vrf x\nrouter 1\n family v4\n  network a\n exit-family\nuser a\n"
    new = old.replace("mtu 1500", "mtu 9000").replace("  network a\n", "  network a\n  network b\n")
    assert shown(old, new) == [
        " interface a",
        "- mtu 1500",
        "+ mtu 9000",
        " router 1",
        "  family v4",
        "+  network b",
    ]


def test_a_block_that_comes_is_shown_with_all_that_is_in_it() -> None:
    assert shown("user a\n", "user a\ninterface b\n mtu 1\n!\n") == ["+interface b", "+ mtu 1", "+!"]


def test_another_order_is_a_difference_and_the_fewest_lines_move() -> None:
    assert shown("a\nb\nc\nd\n", "b\nc\nd\na\n") == ["-a", "+a"]


def test_a_literal_is_shown_as_a_whole_and_so_is_what_ends_a_block() -> None:
    assert shown("banner m ^C\nx\n^C\n", "banner m ^C\ny\n^C\n") == [
        *("-banner m ^C", "-x", "-^C"),
        *("+banner m ^C", "+y", "+^C"),
    ]
    assert shown("r\n b\n c\nexit\n", "r\n b\n c\nexit-r\n") == [" r", "-exit", "+exit-r"]


def test_lines_that_are_there_often_are_told_by_their_number() -> None:
    found = shown("x\n" * 20_000, "x\n" * 20_001)
    assert Counter(found) == {"+x": 1}
    assert BOTH not in {line[0] for line in found}
