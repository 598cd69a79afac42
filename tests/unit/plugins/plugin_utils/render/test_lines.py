# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import difflib
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.model.difference import Comparison
from ansible_collections.holdfast.config.plugins.plugin_utils.model.redaction import MASK, Redactor
from ansible_collections.holdfast.config.plugins.plugin_utils.render import lines
from ansible_collections.holdfast.config.plugins.plugin_utils.render.lines import SHOWN_BYTES, Shown, diff, shown
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.render.samples import (
    compared,
    file,
    link,
    of,
    side,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NOTHING = Redactor()
CORPUS = yaml.safe_load((Path(__file__).parents[1] / "model" / "redaction_corpus.yml").read_text(encoding="utf-8"))


def told(before: str, after: str, redactor: Redactor = NOTHING) -> list[str]:
    return [str(line) for line in diff(before, after, redactor=redactor)[0]]


def only(comparison: Comparison) -> Shown:
    (difference,) = comparison.differences
    return shown(comparison, difference)


def expected(before: str, after: str) -> list[str]:
    """What the standard library makes of it, in the form of ours."""
    old, new = (text.split("\n")[:-1] for text in (before, after))
    found = list(difflib.unified_diff(old, new, lineterm=""))[2:]
    return list(found)


TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=30).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


@given(TEXTS, TEXTS)
@settings(max_examples=300)
def test_a_diff_turns_one_text_into_the_other(before: str, after: str) -> None:
    found, _more = diff(before, after, redactor=NOTHING)
    old, new = before.split("\n")[:-1], after.split("\n")[:-1]
    at = 0
    made: list[str] = []
    for line in found:
        if line.kind == lines.HUNK:
            first = line.text.split()[1].removeprefix("-")
            start, _comma, length = first.partition(",")
            begin = int(start) - (0 if length == "0" else 1)
            made += old[at:begin]
            at = begin
        elif line.kind == lines.CONTEXT:
            assert old[at] == line.text
            made.append(line.text)
            at += 1
        elif line.kind == lines.OLD:
            assert old[at] == line.text
            at += 1
        else:
            made.append(line.text)
    assert made + old[at:] == new


def test_hunks_have_three_lines_around_each_change_and_are_joined_where_these_meet() -> None:
    before = "".join(f"{number}\n" for number in range(40))
    for places in ([5], [0], [39], [5, 12], [5, 13], [3, 30], [0, 39]):
        after = "".join(f"{'x' if number in places else number}\n" for number in range(40))
        assert told(before, after) == expected(before, after), places
    assert told("", "a\n") == ["@@ -0,0 +1 @@", "+a"]
    assert told("a\n", "") == ["@@ -1 +0,0 @@", "-a"]
    assert told("a\n", "a\n") == []


def test_a_missing_end_of_the_last_line_is_a_difference() -> None:
    assert told("a\nb", "a\nb\n") == ["@@ -1,2 +1,2 @@", " a", "-b", "\\ No newline at end of file", "+b"]
    assert told("x\na", "y\na") == ["@@ -1,2 +1,2 @@", "-x", "+y", " a", "\\ No newline at end of file"]


def test_a_secret_that_changed_shows_as_two_lines_that_look_alike() -> None:
    assert told("password = one\n", "password = another\n") == [
        "@@ -1 +1 @@",
        f"-password = {MASK}",
        f"+password = {MASK}",
    ]
    # also where it is not on the line that differs
    assert told("token: x\na\n", "token: x\nb\n") == ["@@ -1,2 +1,2 @@", f" token: {MASK}", "-a", "+b"]


def test_of_a_key_that_changed_it_does_not_show_which_lines_are_the_same() -> None:
    before, after = (f"-----BEGIN PRIVATE KEY-----\nsame\n{body}\n-----END PRIVATE KEY-----\n" for body in "ab")
    found = told(before, after)
    assert [line[0] for line in found[1:]] == list("----++++")
    assert told(before, before) == []
    # the same key further down is the same
    assert told(before, f"x\n{before}") == [
        "@@ -1,3 +1,4 @@",
        "+x",
        " -----BEGIN PRIVATE KEY-----",
        f" {MASK}",
        f" {MASK}",
    ]


def test_line_ends_of_other_systems_and_other_separators_are_visible() -> None:
    assert told("a\n", "a\r\nb\x0cc\u2028d\n") == ["@@ -1 +1,2 @@", "-a", "+a\\r", "+b\\x0cc\\u2028d"]


@pytest.mark.parametrize(("count", "kinds"), [(60_000, 60_000), (60_000, 2), (3_900, 60)])
def test_texts_whose_lines_take_too_long_to_match_are_shown_as_replaced(count: int, kinds: int) -> None:
    before = "".join(f"{number % kinds}\n" for number in range(count))
    after = "first\n" + "".join(f"{number * 7 % kinds}\n" for number in range(count)) + "last\n"
    found, more = diff(before, after, redactor=NOTHING, most=count + 2)
    assert [line.kind for line in found] == [lines.HUNK, *[lines.OLD] * count, lines.NEW]
    assert more == count + 1


def test_of_large_texts_only_what_lies_between_the_changes_is_replaced() -> None:
    before = [f"{number}\n" for number in range(60_000)]
    after = [*before[:100], "x\n", *before[101:]]
    assert told("".join(before), "".join(after))[3:6] == [" 99", "-100", "+x"]


@pytest.mark.parametrize(
    ("path", "before", "after", "note"),
    [
        ("/etc/ssh/ssh_host_rsa_key", b"a", b"b", "content differs, not shown (private)"),
        ("/etc/shadow", b"a", b"b", "content differs, not shown (private)"),
        ("/etc/a/blob", b"a", b"a\0", "content differs, not shown (binary)"),
        ("/etc/a/latin", b"a", b"\xe9", "content differs, not shown (binary)"),
        ("/etc/a/large", b"a", b"x" * (SHOWN_BYTES + 1), "content differs, not shown (larger than 1024 KiB)"),
        ("/etc/a/large", b"x" * (SHOWN_BYTES + 1), b"", "content differs, not shown (larger than 1024 KiB)"),
    ],
)
def test_what_is_not_shown_says_so(path: str, before: bytes, after: bytes, note: str) -> None:
    found = only(compared({path: before}, {path: after}))
    assert (found.note, found.lines) == (note, ())


def test_what_came_is_not_shown_either() -> None:
    found = only(compared({}, {"/etc/a/tls.key": b"x"}))
    assert found.note == "content not shown (private)"
    assert found.attributes == ("file", "mode 0644", "owner root:root")


def test_of_a_component_of_secrets_nothing_is_shown() -> None:
    outcome = compared({"/etc/a/x": b"1"}, {"/etc/a/x": b"2"}, redactors={"a": Redactor(wholly=True)})
    assert only(outcome).note == "content differs, not shown (private)"


def test_its_own_patterns_mask_a_component() -> None:
    redactors = {"a": Redactor((r"^k (?P<secret>\w+)",))}
    found = only(compared({"/etc/a/x": b"k one\n"}, {"/etc/a/x": b"k two\n"}, redactors=redactors))
    assert [line.text for line in found.lines] == ["@@ -1 +1 @@", f"k {MASK}", f"k {MASK}"]


def test_what_was_not_brought_is_not_at_hand() -> None:
    before, after = side([file("/etc/a/x", b"1")], {"/etc/a/x": b"1"}), side([file("/etc/a/x", b"2")], {})
    assert only(of(before, after)).note == "content differs, not shown (not at hand)"


def test_where_nobody_asked_for_content_it_is_named_alone() -> None:
    found = only(of(side([file("/etc/a/x", b"1")]), side([file("/etc/a/x", b"2", mode=0o600)])))
    assert found.words == ("content", "mode 0644 -> 0600")
    assert (found.note, found.lines) == ("", ())


def test_attributes_are_told_from_one_to_the_other() -> None:
    before = side([file("/etc/a/x", user="app", uid=9, xattrs={"user.a": b"S3CRET"})])
    after = side([file("/etc/a/x", mode=0o4755)])
    assert only(of(before, after)).words == (
        "mode 0644 -> 4755",
        "extended attributes user.a -> (unknown)",
        "owner app -> root",
    )


def test_where_a_link_leads_is_told_where_it_is_known() -> None:
    assert only(of(side([link("/etc/a", "x")]), side([link("/etc/a", "y\x1b")]))).words == ("target x -> y\\x1b",)
    assert only(of(side([link("/etc/a", "")]), side([link("/etc/a", "y")]))).words == ("target (unknown) -> y",)
    came = only(of(side([]), side([link("/etc/a", "y")])))
    assert came.words == ("symlink", "to y", "mode 0777", "owner root:root")


def test_a_file_that_became_a_link_shows_what_went() -> None:
    found = only(of(side([file("/etc/a", b"x\n")], {"/etc/a": b"x\n"}), side([link("/etc/a", "b")], {})))
    assert found.words[0] == "content"
    assert "kind file -> symlink" in found.words
    assert [str(line) for line in found.lines] == ["@@ -1 +0,0 @@", "-x"]


def test_lines_are_limited_and_the_rest_is_counted() -> None:
    assert lines.limited("abc", 2) == ("ab", 1)
    assert lines.limited("abc", 3) == ("abc", 0)
    assert lines.limited("abc", None) == ("abc", 0)


@pytest.mark.parametrize("case", CORPUS, ids=[case["source"] for case in CORPUS])
def test_no_secret_of_the_corpus_is_shown_of_a_file_that_changed(case: dict[str, t.Any]) -> None:
    path, text = case["path"], case["text"].replace("\N{BROKEN BAR}", "")
    assert all(secret in text for secret in case["secrets"])
    without, with_it = {path: b"a = 1\n"}, {path: f"a = 1\n{text}\n".encode()}
    for found in (only(compared(without, with_it)), only(compared(with_it, without))):
        view = "\n".join(line.text for line in found.lines)
        assert [secret for secret in case["secrets"] if secret in view] == []
        # by name nothing of the file is shown, else all but the secrets
        assert bool(found.note) is (case.get("by") == "name")
        assert found.note or ("a = 1" in view and MASK in view)


def test_the_corpus_holds_more_than_a_hundred_syntaxes_and_few_files_that_are_hidden_by_name() -> None:
    shown_by_line = [case for case in CORPUS if case.get("by") != "name"]
    assert len(shown_by_line) >= 100
    assert sum(len(case["secrets"]) for case in shown_by_line) >= 200
    assert len({case["source"] for case in CORPUS}) >= 120
