# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A note of what was looked at: it comes back for the same commit, and is passed over where it cannot be believed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.mirror.note import Note

NOTE = Note("a" * 40, dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc), frozenset({"1" * 64, "2" * 64}))


def test_it_comes_back_for_the_commit_it_was_made_for_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes" / "x.json"
    assert Note.read(path, NOTE.last) is None
    NOTE.write(path)
    assert Note.read(path, NOTE.last) == NOTE
    assert Note.read(path, "b" * 40) is None
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"last": "x", "at": "soon", "points": []}', '{"last"', "\udcff"])
def test_a_broken_one_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, errors="surrogateescape")
    assert Note.read(tmp_path / "x.json", "x") is None
