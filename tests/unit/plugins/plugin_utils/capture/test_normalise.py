# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import threading

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import normalise
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.normalise import normalised, normaliser
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import candidate, config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import (
    BRACES,
    FLAT,
    INDENT,
    JSON,
    NESTED,
    SET,
    TEXT,
    XML,
    Item,
    Literal,
    Platform,
    Structure,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.model.configurations import (
    INDENTED,
    NOISE,
    TYPED,
    rules,
)
from hypothesis import given, settings
from hypothesis import strategies as st

VOLATILE = rules(r"^! time ", r"^x time (?P<volatile>\S+)", r"^(?P<block>uptime)$", r"^acl (?P<volatile>a|b)")


def platform(structure: Structure = TYPED, *, form: str = "config", begin: str = "") -> Platform:
    item = Item("running", "show running-config", "what runs", form=form, begin=begin)
    return Platform("made", "Made up", (), None, (item,), structure, volatile=VOLATILE)


MADE = platform()


def steady(text: str, given: Platform = MADE, extra: tuple[str, ...] = ()) -> str:
    return normalised(given, "running", text.encode("utf-8", "surrogateescape"), extra).decode(
        "utf-8", "surrogateescape"
    )


@given(
    NOISE | INDENTED | st.text(max_size=40).filter(lambda text: text.isprintable()),
    st.sampled_from([INDENT, BRACES, NESTED, SET, FLAT, XML, JSON]),
    st.sampled_from(["", "^user", "^a"]),
    st.sampled_from([(), (r"^(?P<volatile>.)b",), (r" +(?P<volatile>\S+) ?[ab]",), ("^a",)]),
)
@settings(max_examples=400, deadline=None)
def test_what_was_normalised_stays_as_it_is(text: str, style: str, begin: str, extra: tuple[str, ...]) -> None:
    given = platform(dataclasses.replace(TYPED, style=style), begin=begin)
    once = steady(text, given, extra)
    assert steady(once, given, extra) == once


def test_white_space_at_ends_and_the_header_are_no_drift() -> None:
    given = platform(begin=r"^version ")
    bare = "version 15\nhostname a\n x\n"
    assert steady("Building configuration...\r\n\r\nversion 15  \r\nhostname a\r\n x\t\r\n\r\n", given) == bare
    assert steady("hostname a\n", given) == "hostname a\n"
    # what another item would be has no header
    assert normalised(given, "other", b"a\nversion 15\n") == b"a\nversion 15\n"


def test_only_what_a_rule_names_is_left_away() -> None:
    text = "! time 12:00\nx time 12:00 b\nuptime\n 3 days\n!\n! other\nhostname a\n"
    assert steady(text) == "x time * b\n!\n! other\nhostname a\n"
    assert steady(text.replace("12:00", "13:00")) == steady(text)
    for other in ("x time 12:00 c", "! othex", "hostname b", " hostname a"):
        assert steady(text + other + "\n") != steady(text), other


@given(INDENTED, st.integers(min_value=0), st.sampled_from(["secret z", " secret z", "no secret z"]))
@settings(max_examples=150, deadline=None)
def test_a_line_that_no_rule_names_is_drift_wherever_it_comes(text: str, place: int, line: str) -> None:
    lines = text.splitlines(keepends=True)
    at = place % (len(lines) + 1)
    assert steady("".join((*lines[:at], f"{line}\n", *lines[at:]))) != steady(text)


def test_a_volatile_line_takes_what_is_below_it_only_where_the_rule_says_so() -> None:
    assert steady("head a\n below\n", extra=("^head ",)) == " below\n"
    assert steady("head a\n below\nx\n", extra=("^(?P<block>head) ",)) == "x\n"


def test_nothing_in_a_literal_is_volatile() -> None:
    text = "banner motd ^C\n! time 1\nx time 1\n^C\n"
    assert steady(text) == text
    # neither is its head, without which it would be read as configuration
    assert steady(text, extra=("^banner",)) == text
    assert steady(text, extra=("^(?P<block>banner)",)) == ""


def test_a_secret_that_is_salted_anew_is_no_drift_and_its_absence_is() -> None:
    key = Structure(NESTED, literals=(Literal(r'set key "-+BEGIN [^"]*$', r'-+END [^"]*"$'),))
    given = dataclasses.replace(platform(key), volatile=rules(r"^\s*set key (?P<volatile>.+)", "ENC (?P<volatile>.+)"))
    one = 'config a\n    set key "-----BEGIN X-----\nabc\n-----END X-----"\n    set psk ENC abc\nend\n'
    assert (
        steady(one, given)
        == steady(one.replace("abc", "def"), given)
        != steady(one.replace("    set psk ENC abc\n", ""), given)
    )
    assert steady(one, given) == "config a\n    set key *\n    set psk ENC *\nend\n"


def test_order_is_drift_but_where_a_rule_says_that_it_has_no_meaning() -> None:
    assert (
        steady("user b\n x\nname z\nuser a\n")
        == steady("user a\nname z\nuser b\n x\n")
        == "user a\nname z\nuser b\n x\n"
    )
    assert steady("name a\nmtu b\n") != steady("mtu b\nname a\n")
    # nor where it counts after all: in an ordered block
    assert steady("acl c\n user b\n user a\n") != steady("acl c\n user a\n user b\n")


def test_texts_that_are_no_configuration_are_taken_by_line() -> None:
    given = platform(form=TEXT)
    text = "/ip address \\\nadd\nuser b\nuser a\nacl b\n  banner x ^C\n"
    assert steady(text, given) == text.replace("acl b", "acl *")


def test_xml_is_compared_by_element_and_what_is_broken_by_line() -> None:
    given = dataclasses.replace(
        platform(form=XML), volatile=rules(r"^\s*(?P<block><revision>)", r"<id>(?P<volatile>\d+)<")
    )
    one = "<c><revision><time>1</time></revision><a><id>1</id></a></c>"
    assert steady(one, given) == "<c>\n  <a>\n    <id>*</id>\n  </a>\n</c>\n"
    assert steady(one.replace("1", "2").replace("><", ">\n<"), given) == steady(one, given)
    assert steady(one + "<", given) == one.replace("<id>1", "<id>*") + "<\n"
    assert steady('{"b": 1, "a": [2]}', platform(form=JSON)) == '{\n  "a": [\n    2\n  ]\n  "b": 1\n}\n'


def test_bytes_that_are_no_text_are_compared_as_they_are() -> None:
    assert normalised(MADE, "running", b"\xff\x00\xfe a\n") == b"\xff\x00\xfe a\n"
    assert normalised(MADE, "running", b"") == b""


def test_a_line_that_is_too_long_for_patterns_is_drift() -> None:
    long = f"! time {'1' * config_tree.LONGEST_LINE}\n"
    assert steady(long) == long


def test_what_is_nested_too_deeply_is_compared_by_line() -> None:
    deep = "".join(f"{' ' * depth}a\n" for depth in range(200)) + "user b\nuser a\n"
    assert steady(f"{deep}! time 1\n") == deep


def test_patterns_that_run_away_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalise, "_MATCHING", 0.2)
    with pytest.raises(CaptureError, match="processor time"):
        steady(f"{'a' * 60}b\n", extra=("(a+)+$",))
    with pytest.raises(PolicyError, match="regular expression"):
        steady("a\n", extra=("(",))


def test_threads_that_may_set_no_timer_normalise_too() -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(steady("user b\nuser a\n")))
    thread.start()
    thread.join()
    assert found == ["user a\nuser b\n"]


def test_other_rules_make_another_normaliser() -> None:
    name = normaliser(MADE)
    assert name.startswith("device-1/made/")
    assert len(name.rpartition("/")[2]) == 16
    others = [
        dataclasses.replace(MADE, volatile=VOLATILE[1:]),
        platform(begin="^version"),
        platform(form=TEXT),
        platform(dataclasses.replace(TYPED, unordered=())),
        platform(dataclasses.replace(TYPED, literals=())),
    ]
    assert len({name, *map(normaliser, others)}) == 1 + len(others)
    # what it is called, asked by, or how sure it is of its rules, changes nothing
    asked = dataclasses.replace(MADE.items[0], ask="show run", description="x")
    assert normaliser(dataclasses.replace(MADE, title="x", items=(asked,), secrets=VOLATILE)) == name


def test_a_candidate_types_values_as_they_stand_and_nothing_for_those_that_change_by_themselves() -> None:
    live, wanted = "x time 5\nhostname b\n! time 1\n", "! time 2\nx time 6\nhostname a\nacl a\n user c\n"
    trees = [normalise.typed(MADE, "running", text.encode()) for text in (live, wanted)]
    assert candidate.candidate(trees[0], trees[1], TYPED) == ("no hostname b", "hostname a", "acl a", " user c", "exit")
    other = normalise.typed(MADE, "running", b"")
    assert "x time 6" in candidate.candidate(other, trees[1], TYPED)
