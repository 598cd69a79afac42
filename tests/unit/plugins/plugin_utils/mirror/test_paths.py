# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names as segments of paths: any name, back again, and never one that git or a file system takes for something."""

from __future__ import annotations

import os

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import NameRefusedError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror import branch, paths
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.paths import Layout
from hypothesis import assume, example, given
from hypothesis import strategies as st

# file names are bytes without a slash and a NUL
NAMES = st.binary(min_size=1, max_size=60).filter(lambda raw: not {0, 47} & set(raw)).map(os.fsdecode)


@given(NAMES)
@example("..")
@example(".git")
@example("GIT~1")
@example(".gitattributes")
@example("a\nb")
@example("\u200c.git")
@example("=" + "0" * 64)
def test_any_name_is_a_harmless_segment_and_comes_back(name: str) -> None:
    spelled = paths.segment(name)
    branch.require_path(f"{spelled}/x")
    assert "/" not in spelled
    assert paths.unsegment(spelled) in (name, None)
    assert (paths.unsegment(spelled) is None) == (len(spelled) == 65 and spelled.startswith("="))


@given(NAMES, NAMES)
def test_two_names_are_two_segments(one: str, other: str) -> None:
    assume(one != other)
    assert paths.segment(one) != paths.segment(other)


@given(st.text(min_size=1, max_size=100))
def test_hosts_are_spelled_as_in_names_of_objects(host: str) -> None:
    try:
        wanted = names.escape_host(host)
    except NameRefusedError:
        assume(False)
    assume("/" not in host)
    assert paths.segment(host) == wanted


@pytest.mark.parametrize("name", ["", "a/b", "a\0b", "\ud800"])
def test_what_no_file_is_called_is_refused(name: str) -> None:
    with pytest.raises(NameRefusedError):
        paths.segment(name)


@pytest.mark.parametrize("text", ["%2e", "%41", ".a", "a b"])
def test_another_spelling_is_not_read_back(text: str) -> None:
    with pytest.raises(NameRefusedError):
        paths.unsegment(text)


@pytest.mark.parametrize("path", ["a/../b", "/a", "a//b", ".git/config", "a/git~1", '"a"', "a\\b", "é"])
def test_a_path_that_must_not_be_in_a_repository_is_refused(path: str) -> None:
    with pytest.raises(NameRefusedError):
        branch.require_path(path)


@pytest.mark.parametrize(
    ("layout", "group", "path"),
    [
        (Layout.RANCID, "core", "core/configs/rtr-1.example.net"),
        (Layout.RANCID, "", "configs/rtr-1.example.net"),
        (Layout.OXIDIZED, "", "Rtr-1.example.net"),
        (Layout.OXIDIZED, "site a/core", "site%20a/core/Rtr-1.example.net"),
    ],
)
def test_hosts_stand_where_rancid_and_oxidized_have_them(layout: Layout, group: str, path: str) -> None:
    assert paths.single(layout, "Rtr-1.example.net", group) == path
