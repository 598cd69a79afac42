# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Aliases that a policy calls versions or commits are just those."""

from __future__ import annotations

import contextlib
import re
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.alias import Aliases, read_aliases
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ALIAS
from hypothesis import given, settings
from hypothesis import strategies as st

VERSIONS = """
0.0.0 1.4.2 v1.4.2 10.20.30 1.0.0-alpha 1.0.0-alpha.1 1.0.0-0.3.7 1.0.0-x.7.z.92 1.0.0-x-y-z.- 1.0.0+20130313144700
1.0.0-beta+exp.sha.5114f85 1.0.0+21AF26D3---117B344092BD 1.0.0-rc.1+build.1 1.0.0--- 2.0.0+001 1.1.2-0A 99999999.0.0
"""
NO_VERSIONS = """
1 1.2 1.2.3.4 v v1 vv1.2.3 V1.2.3 01.2.3 1.02.3 1.2.03 1.2.3- 1.2.3+ 1.2.3-01 1.2.3-a..b 1.2.3+a+b 1.2.3-a_b -1.2.3
1.2.3-.a 1.2.3+.a latest
"""
COMMITS = ("0123abc", "0" * 40, "f" * 64, "0123456789abcdef")
NO_COMMITS = ("0123ab", "0123ABC", "g123abc", "f" * 65, "v0123abc", "")
words = st.from_regex(r"[0-9A-Za-z-]{1,4}", fullmatch=True)


def takes(pattern: str, alias: str) -> bool:
    with contextlib.suppress(PolicyError):
        Aliases(pattern).require(alias)
        return True
    return False


def test_a_refusal_says_what_to_give() -> None:
    for pattern in ("semver", "commit", "v.*"):
        with pytest.raises(PolicyError) as caught:
            Aliases(pattern).require("latest")
        assert caught.value.item == "alias"
        assert caught.value.remedy


def read(value: t.Any) -> Aliases | None:
    findings: list[Finding] = []
    found = read_aliases(value, findings)
    assert not findings
    return found


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("semver", VERSIONS.split(), NO_VERSIONS.split()),
        ("commit", COMMITS, NO_COMMITS),
        ("rel-[0-9]{4}|hotfix", ("rel-2026", "hotfix"), ("rel-20260", "a-hotfix", "rel-2026\n")),
    ],
)
def test_only_what_a_policy_names_may_be_an_alias(pattern: str, good: t.Sequence[str], bad: t.Sequence[str]) -> None:
    assert [alias for alias in good if not takes(pattern, alias)] == []
    assert [alias for alias in bad if takes(pattern, alias)] == []
    assert all(ALIAS.fullmatch(alias) for alias in good)
    assert read({"pattern": pattern}) == Aliases(pattern)


def test_nothing_is_wanted_where_nothing_is_said() -> None:
    assert read(None) is None


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 10**6), min_size=3, max_size=3), st.lists(words, max_size=3), st.lists(words, max_size=2)
)
def test_a_version_is_built_as_its_grammar_says(numbers: list[int], before: list[str], build: list[str]) -> None:
    version = ".".join(map(str, numbers)) + ("-" + ".".join(before) if before else "")
    version += "+" + ".".join(build) if build else ""
    padded = any(re.fullmatch(r"0[0-9]+", part) for part in before)
    assert takes("semver", version) is not padded


def test_people_would_take_them_for_one() -> None:
    semver, commit, own = Aliases("semver"), Aliases("commit"), Aliases("v.*")
    assert semver.same("v1.4.2", "1.4.2")
    assert not semver.same("1.4.2", "1.4.20")
    assert not semver.same("1.4.2-rc.1", "1.4.2")
    assert commit.same("0123abc", "0123abc4567")
    assert commit.same("0123abc4567", "0123abc")
    assert not commit.same("0123abc", "0123abd4567")
    # what was an alias before the policy said so
    assert not commit.same("0", "0123abc")
    assert own.same("v1", "v1")
    assert not own.same("v1", "v1.0")
