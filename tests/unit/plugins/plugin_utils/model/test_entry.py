# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind

FILE = Entry("/etc/a", EntryKind.FILE, 0o644, 1, 2, "ann", "ops", 5, 3, "ab" * 32, "", {"user.a": b"1"})


def test_an_entry_does_not_differ_from_itself() -> None:
    assert FILE.differences(FILE) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": EntryKind.SYMLINK}, ["kind"]),
        ({"sha256": "cd" * 32}, ["content"]),
        ({"target": "x"}, ["target"]),
        ({"mode": 0o600}, ["mode"]),
        ({"xattrs": {}}, ["extended attributes"]),
        ({"uid": 0}, []),
        ({"user": "root"}, []),
        ({"uid": 0, "user": "root"}, ["owner"]),
        ({"uid": 0, "user": ""}, ["owner"]),
        ({"gid": 0}, []),
        ({"group": "root"}, []),
        ({"gid": 0, "group": "root"}, ["group"]),
        ({"mtime_ns": 6}, []),
        (
            {"mode": 0, "sha256": "", "uid": 9, "user": "x", "gid": 9, "group": "x"},
            ["content", "mode", "owner", "group"],
        ),
    ],
)
def test_differences_are_named_content_first(change: dict[str, t.Any], words: list[str]) -> None:
    other = dataclasses.replace(FILE, **change)
    assert FILE.differences(other) == words
    assert other.differences(FILE) == words
    assert FILE.differences(other, owners=False) == [word for word in words if word not in ("owner", "group")]
