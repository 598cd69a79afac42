# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of owners, and their names."""

from __future__ import annotations

from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.owner_results import file_name
from hypothesis import given
from hypothesis import strategies as st

OWNERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(OWNERS, OWNERS)
def test_a_file_name_stays_in_its_folder_and_is_one_owners(one: str, other: str) -> None:
    name = file_name(one)
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")
    assert len(f"{name}.json".encode()) <= 255
    assert (name == file_name(other)) == (one == other)
