# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which part of a snapshot a restore is about: never a link to what is not there, never a file without its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.wanted import Wanted, to_write
from hypothesis import given
from hypothesis import strategies as st


def entry(path: str, kind: EntryKind = EntryKind.FILE, target: str = "", content: bytes = b"x") -> Entry:
    more = (len(content), hashlib.sha256(content).hexdigest()) if kind is EntryKind.FILE else (0, "")
    return Entry(path, kind, 0o644, 0, 0, "root", "root", 1, *more, target)


def wanted(*entries: Entry) -> Wanted:
    files = [one for one in entries if one.kind is EntryKind.FILE]
    return Wanted(
        {one.path: one for one in entries},
        {one.path: b"x" for one in files},
        {one.path: "app" for one in entries},
        (),
    )


FOLDER = entry("/etc/app", EntryKind.DIRECTORY)
FIRST = entry("/etc/app/a")
SECOND = entry("/etc/app/b", EntryKind.HARDLINK, "/etc/app/a")
THIRD = entry("/etc/app/c", EntryKind.HARDLINK, "/etc/app/a")
OTHER = entry("/etc/app/d")
ALL = wanted(FOLDER, FIRST, SECOND, THIRD, OTHER)


def test_a_hard_link_whose_first_name_is_left_out_becomes_the_file() -> None:
    part = ALL.only(lambda path: path != "/etc/app/a")
    assert list(part.entries) == ["/etc/app", "/etc/app/b", "/etc/app/c", "/etc/app/d"]
    assert part.entries["/etc/app/b"].kind is EntryKind.FILE
    assert part.entries["/etc/app/b"].sha256 == FIRST.sha256
    assert (part.entries["/etc/app/c"].kind, part.entries["/etc/app/c"].target) == (EntryKind.HARDLINK, "/etc/app/b")
    assert set(part.contents) == {"/etc/app/b", "/etc/app/d"}
    assert set(part.owner) == set(part.entries)


def test_all_of_it_is_the_same() -> None:
    assert ALL.only(lambda path: True) == ALL


@given(st.sets(st.sampled_from(sorted(ALL.entries))))
def test_any_part_can_be_written(kept: set[str]) -> None:
    part = ALL.only(kept.__contains__)
    assert set(part.entries) == kept
    for path, one in part.entries.items():
        assert (one.kind is EntryKind.FILE) == (path in part.contents)
        if one.kind is EntryKind.HARDLINK:
            first = part.entries[one.target]
            assert first.kind is EntryKind.FILE
            assert list(part.entries).index(one.target) < list(part.entries).index(path)
    assert _groups(part.entries) == {names & kept for names in _groups(ALL.entries)} - {frozenset()}


def _groups(entries: Mapping[str, Entry]) -> set[frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for path, one in entries.items():
        groups.setdefault(one.target or path, set()).add(path)
    return {frozenset(names) for names in groups.values()}


def test_the_first_name_is_first_as_hosts_tell_it() -> None:
    # by bytes /etc/a.x comes before /etc/a/x, by segments after it
    part = wanted(
        entry("/etc/a", EntryKind.DIRECTORY), entry("/etc/a/x", EntryKind.HARDLINK, "/etc/a.x"), entry("/etc/a.x")
    )
    assert part.only(lambda _path: True) == part


def test_writing_one_name_writes_all_of_them_and_the_folder() -> None:
    assert [one.path for one in to_write({"/etc/app/b"}, ALL)] == ["/etc/app", "/etc/app/a", "/etc/app/b", "/etc/app/c"]
    assert [one.path for one in to_write({"/etc/app/d"}, ALL)] == ["/etc/app", "/etc/app/d"]
    assert to_write(set(), ALL) == []
