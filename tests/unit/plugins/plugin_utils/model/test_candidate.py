# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import tracemalloc

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.candidate import applied, candidate, same
from ansible_collections.holdfast.config.plugins.plugin_utils.model.config_tree import Tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import INDENT, NESTED, Literal, Structure
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.model.configurations import (
    BRACED,
    BRACED_LINES,
    INDENTED,
    PATHS,
    SET_LINES,
    TYPED,
    rules,
)
from hypothesis import given, settings


def tree(text: str, structure: Structure = TYPED) -> Tree:
    return config_tree.parse(text, structure)


def typed(live: str, wanted: str, structure: Structure = TYPED) -> list[str]:
    return list(candidate(tree(live, structure), tree(wanted, structure), structure))


def leads(live: str, wanted: str, structure: Structure) -> bool:
    old, new = tree(live, structure), tree(wanted, structure)
    return same(applied(old, candidate(old, new, structure), structure), new, structure)


@given(INDENTED, INDENTED)
@settings(max_examples=300, deadline=None)
def test_what_is_typed_in_blocks_gives_what_was_wanted(live: str, wanted: str) -> None:
    assert leads(live, wanted, TYPED)


@given(SET_LINES, SET_LINES)
@settings(max_examples=300, deadline=None)
def test_what_is_typed_as_paths_gives_what_was_wanted(live: str, wanted: str) -> None:
    assert leads(live, wanted, PATHS)


@given(BRACED_LINES, BRACED_LINES)
@settings(max_examples=200, deadline=None)
def test_what_is_typed_for_braces_gives_what_was_wanted(live: str, wanted: str) -> None:
    assert leads(live, wanted, BRACED)


@pytest.mark.parametrize(("texts", "structure"), [(INDENTED, TYPED), (SET_LINES, PATHS), (BRACED_LINES, BRACED)])
def test_nothing_is_typed_for_the_same(texts: object, structure: Structure) -> None:
    @given(texts)
    @settings(max_examples=60, deadline=None)
    def holds(text: str) -> None:
        assert typed(text, text, structure) == []

    holds()


IOS = Structure(
    INDENT,
    comment=r"^\s*!",
    close=(r"^exit-address-family$", r"^end$"),
    ordered=rules(r"^ip access-list "),
    sequence=rules(r"^(?P<key>access-list \d+) "),
    replaces=rules(r"^(?P<key>hostname|description|ip access-group) "),
    literals=(Literal(r"^banner \S+ (?P<mark>\^C)", "{0}"),),
    negate="no",
)


def test_a_line_is_typed_below_those_that_it_stands_in_and_removals_come_first() -> None:
    live = """hostname r1
router bgp 65001
 neighbor 192.0.2.1 remote-as 65002
 neighbor 192.0.2.9 remote-as 65009
 address-family ipv4 unicast
  network 198.51.100.0/24
 exit-address-family
"""
    wanted = live.replace("hostname r1", "hostname r2").replace(" neighbor 192.0.2.9 remote-as 65009\n", "")
    wanted = wanted.replace("  network 198.51.100.0/24", "  network 203.0.113.0/24")
    assert typed(live, wanted, IOS) == [
        "router bgp 65001",
        " address-family ipv4 unicast",
        "  no network 198.51.100.0/24",
        " exit",
        " no neighbor 192.0.2.9 remote-as 65009",
        "exit",
        # it takes the place of the old one
        "hostname r2",
        "router bgp 65001",
        " address-family ipv4 unicast",
        "  network 203.0.113.0/24",
        " exit",
        "exit",
    ]


def test_what_uses_a_name_goes_before_what_has_it_and_comes_after() -> None:
    live = """ip access-list extended OLD-IN
 permit ip any any
interface Gi0/1
 ip access-group OLD-IN in
"""
    # the text alone would type the reference first
    wanted = """interface Gi0/1
 ip access-group NEW-IN in
ip access-list extended NEW-IN
 deny ip any any
"""
    assert typed(live, wanted, IOS) == [
        "interface Gi0/1",
        " no ip access-group OLD-IN in",
        "exit",
        "no ip access-list extended OLD-IN",
        "ip access-list extended NEW-IN",
        " deny ip any any",
        "exit",
        "interface Gi0/1",
        " ip access-group NEW-IN in",
        "exit",
    ]
    assert typed("", "snmp-server community x RO MGMT\nip access-list standard MGMT\n permit any\n", IOS)[0] == (
        "ip access-list standard MGMT"
    )


def test_lines_whose_order_counts_keep_it_whatever_they_use() -> None:
    objects = "object-group GROUP-{0}\n host 192.0.2.{0}\n"
    lists = "access-list 1 permit GROUP-{0}\n"
    wanted = "".join(text.format(number) for text in (lists, objects) for number in (2, 1))
    live = "object-group GROUP-2\n host 192.0.2.2\n"
    found = typed(live, wanted, IOS)
    assert [line for line in found if line.startswith("access-list")] == [lists.format(n).strip() for n in (2, 1)]
    assert leads(live, wanted, IOS)


def test_a_block_whose_order_is_another_is_taken_away_and_typed_anew() -> None:
    block = "ip access-list extended A\n permit tcp any any\n deny ip any any\n"
    other = "ip access-list extended A\n deny ip any any\n permit tcp any any\n"
    assert typed(block, other, IOS) == [
        "no ip access-list extended A",
        *("ip access-list extended A", " deny ip any any", " permit tcp any any", "exit"),
    ]
    # what comes at its end needs no more than itself
    assert typed(block, f"{block} remark x\n", IOS) == ["ip access-list extended A", " remark x", "exit"]
    lines = [f"access-list 1 permit 192.0.2.{number}\n" for number in range(4)]
    moved = "".join((lines[0], lines[2], lines[1], lines[3]))
    assert [line.split(".")[-1] for line in typed("".join(lines), moved, IOS)] == ["3", "2", "1", "2", "1", "3"]


def test_what_is_negated_already_is_taken_back_by_what_it_negates() -> None:
    assert typed("interface x\n no ip redirects\n shutdown\n", "interface x\n", IOS) == [
        *("interface x", " no shutdown", " ip redirects", "exit"),
    ]


def test_a_literal_is_taken_away_by_its_head_and_typed_whole() -> None:
    assert typed("banner motd ^C\nno x\n^C\n", "banner motd ^C\n y\n^C\n", IOS) == [
        *("no banner motd", "banner motd ^C", " y", "^C"),
    ]


def test_a_line_that_opens_a_block_without_lines_is_left_again() -> None:
    structure = Structure(INDENT, comment="^!", close=("^exit",), negate="no")
    assert typed("", "interface lo\nexit\n!\nip forwarding\n", structure) == ["interface lo", "exit", "ip forwarding"]


def test_a_whole_configuration_is_typed_on_a_device_that_has_none() -> None:
    text = "hostname r1\ninterface lo\n ip address 192.0.2.1/32\n"
    assert typed("", text, IOS) == ["hostname r1", "interface lo", " ip address 192.0.2.1/32", "exit"]


def test_paths_are_deleted_as_high_up_as_nothing_is_kept() -> None:
    live = "set system name a\nset system ntp server x\nset system ntp server y\nset vlan 1 name z\n"
    assert typed(live, "set system name b\n", PATHS) == ["delete vlan", "delete system", "set system name b"]
    assert typed(live, live.replace("set system ntp server y\n", ""), PATHS) == ["delete system ntp server y"]
    # a path that is above one that stays takes it along
    assert typed("set a b\nset a b c\n", "set a b c\n", PATHS) == ["delete a b", "set a b c"]
    assert typed('set x "a b"\n', "", PATHS) == ["delete x"]


def test_braces_are_typed_as_paths() -> None:
    live = "system {\n    host-name a;\n    inactive: ntp {\n        server x;\n    }\n}\n"
    wanted = live.replace("host-name a", "host-name b").replace("inactive: ", "").replace("x;", "[ x y ];")
    assert typed(live, wanted, BRACED) == [
        "activate system ntp",
        "delete system host-name",
        "set system host-name b",
        "set system ntp server y",
    ]
    replacing = dataclasses.replace(BRACED, replaces=rules("^(?P<key>host-name) "))
    assert typed(live, live.replace("host-name a", "host-name b"), replacing) == ["set system host-name b"]
    assert leads(live, live.replace("host-name a", "host-name b"), replacing)


@pytest.mark.parametrize("structure", [Structure(NESTED, negate="unset"), Structure(INDENT)])
def test_where_nothing_can_be_typed_that_is_said(structure: Structure) -> None:
    empty = Tree(structure.style)
    with pytest.raises(PolicyError, match="no lines can be computed"):
        candidate(empty, empty, structure)
    with pytest.raises(PolicyError, match="no lines can be computed"):
        applied(empty, (), structure)


def test_many_lines_cost_no_square_of_their_number() -> None:
    live = "".join(
        f"interface e{number}\n ip access-group A in\nip access-list A\n permit {number}\n" for number in range(3000)
    )
    assert len(typed(live, "", IOS)) == 3001
    paths = "".join(f"set x {number} mtu 1\n" for number in range(5000))
    assert typed(paths, "", PATHS) == ["delete x"]


def test_long_lines_cost_no_more_than_they_are_long() -> None:
    """A table of the beginnings of each path would take a hundred megabytes here."""
    long = "set a " + "b " * 5_000 + "c\n"
    tracemalloc.start()
    try:
        assert leads("set a x\n", long + "set d e\n", PATHS)
        assert leads(long, "set d e\n", PATHS)
        deep = "a b c d {\n" * 25 + "x {\n" + "".join(f"y{n};\n" for n in range(100)) + "}\n" * 26
        assert leads("", deep, BRACED)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()
    with pytest.raises(PolicyError, match="128 words"):
        typed("", "a b c {\n" * 60 + "x;\n" + "}\n" * 60, BRACED)
