# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines that are taken back in their own way: with less than they say, or one by one."""

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.model import candidate, config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import REAL, Rule, Structure
from hypothesis import given
from hypothesis import strategies as st


def rules(*patterns: str) -> tuple[Rule, ...]:
    return tuple(Rule(pattern, REAL, "these tests") for pattern in patterns)


STRUCTURE = Structure(
    style="indent",
    comment=r"^\s*!\s*$",
    close=(r"^exit(?:-address-family)?$",),
    replaces=rules(r"^(?P<key>(?:password|description)) "),
    shortened=rules(r"^(?P<key>(?:password|description)) "),
    lasting=rules("^interface "),
    negate="no",
)
WORDS = st.sampled_from(["a", "b", "c"])
LINES = st.one_of(
    WORDS.map("password {}".format),
    st.builds(
        lambda name, lines: "\n".join([f"interface {name}", *(f" {line}" for line in lines)]),
        WORDS,
        st.lists(WORDS.map("description {}".format) | WORDS.map("address {}".format), min_size=1, max_size=4),
    ),
)


def typed(live: str, wanted: str) -> tuple[str, ...]:
    return candidate.candidate(config_tree.parse(live, STRUCTURE), config_tree.parse(wanted, STRUCTURE), STRUCTURE)


def test_a_negation_says_no_more_than_it_may() -> None:
    assert typed("password s3cret\n", "") == ("no password",)
    assert typed("interface a\n description x y\n mtu 9000\n", "interface a\n mtu 9000\n") == (
        "interface a",
        " no description",
        "exit",
    )


def test_what_is_replaced_is_not_taken_away_first() -> None:
    assert typed("password other\n", "password s3cret\n") == ("password s3cret",)


def test_the_lines_of_a_block_that_lasts_are_taken_back_one_by_one() -> None:
    assert typed("interface a\n address 1\n description x\n", "") == (
        "interface a",
        " no description",
        " no address 1",
        "exit",
    )


def test_an_empty_block_that_lasts_is_taken_away() -> None:
    assert typed("interface a\nexit\n", "") == ("no interface a",)


def test_closing_lines_deep_within_belong_to_their_blocks() -> None:
    text = "router bgp 1\n address-family ipv4\n  network 1\n exit-address-family\nexit\n"
    assert typed("", text) == ("router bgp 1", " address-family ipv4", "  network 1", " exit", "exit")


@given(st.lists(LINES, max_size=4), st.lists(LINES, max_size=4))
def test_what_is_typed_gives_what_is_wanted(before: list[str], after: list[str]) -> None:
    live, wanted = (reduced(lines) for lines in (before, after))
    lines = candidate.candidate(live, wanted, STRUCTURE)
    assert candidate.same(candidate.applied(live, lines, STRUCTURE), wanted, STRUCTURE)


def reduced(lines: list[str]) -> config_tree.Tree:
    """A configuration as a device has it: each line once, and one of those that take each other's place."""
    empty = config_tree.parse("", STRUCTURE)
    return candidate.applied(empty, tuple("\n".join(lines).splitlines()), STRUCTURE)
