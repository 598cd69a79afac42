# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an interrupted verify has noted: whole lines alone count, for a time, and for who wrote them."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import RunError
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_journal import Journal, key

from .lab import START

WEEK = dt.timedelta(days=7)
ID = "ab" * 32


def journal(path: Path, *, after: dt.timedelta = dt.timedelta(0), identity: str = "memory://") -> Journal:
    return Journal(path, ID, identity, now=START + after, believe=WEEK)


def file_of(path: Path) -> Path:
    (found,) = (path / "verify" / ID).iterdir()
    return found


def test_what_was_noted_is_found_by_the_next(tmp_path: Path) -> None:
    first = journal(tmp_path)
    assert first.find("a") is None
    first.note("a", ["x", None])
    first.close(ended=False)
    found = journal(tmp_path, after=dt.timedelta(days=1)).find("a")
    assert found is not None
    assert (found.at, found.value) == (START, ["x", None])


def test_it_is_gone_once_a_verify_has_ended(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.note("a")
    first.close(ended=True)
    assert journal(tmp_path).find("a") is None
    assert list((tmp_path / "verify" / ID).iterdir()) == []


def test_an_ended_one_that_noted_nothing_removes_what_was_there(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.note("a")
    first.close(ended=False)
    journal(tmp_path).close(ended=True)
    assert journal(tmp_path).find("a") is None


@pytest.mark.parametrize(("days", "counts"), [(7, True), (7.1, False), (-0.01, True), (-1, False)])
def test_it_counts_for_a_time(tmp_path: Path, days: float, counts: bool) -> None:
    first = journal(tmp_path)
    first.note("a")
    first.close(ended=False)
    assert (journal(tmp_path, after=dt.timedelta(days=days)).find("a") is not None) is counts


def test_a_replica_has_notes_of_its_own(tmp_path: Path) -> None:
    """There the same versions have the same ids."""
    first = journal(tmp_path)
    first.note("a")
    first.close(ended=False)
    assert journal(tmp_path, identity="memory://other").find("a") is None


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal(tmp_path / "made").note("a")
    finally:
        os.umask(before)
    for folder in ("made", "made/verify", f"made/verify/{ID}"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700, folder
    assert file_of(tmp_path / "made").stat().st_mode & 0o777 == 0o600


def test_names_of_hosts_and_objects_are_not_in_it(tmp_path: Path) -> None:
    journal(tmp_path).note(key("content", "packs/d0090/secret-host/tier1/x", "v", 10))
    assert b"secret-host" not in file_of(tmp_path).read_bytes()


@pytest.mark.parametrize(
    "tail",
    [
        b'["2026-03-01T12:00:00Z","b',
        b"\x00\xff\n",
        b"[" * 900 + b"\n",
        b"{}\n[]\n[1,2,3]\n",
        b'["yesterday","b",null]\n',
        b'["2026-03-01T12:00:00Z",["b"],null]\n',
        b'["2026-03-01T12:00:00Z","b",null,1]\n',
        b'["2026-03-01T12:00:00Z","b","' + b"x" * 2000 + b'"]\n',
    ],
)
def test_what_is_no_note_is_passed_over(tmp_path: Path, tail: bytes) -> None:
    first = journal(tmp_path)
    first.note("a")
    first.close(ended=False)
    with file_of(tmp_path).open("ab") as file:
        file.write(tail)
    second = journal(tmp_path)
    assert second.find("a") is not None
    assert second.find("b") is None
    # and spoils none that comes after it
    second.note("c")
    second.close(ended=False)
    assert journal(tmp_path).find("c") is not None


def test_each_note_is_one_write(tmp_path: Path) -> None:
    """Two that verify at once add to one file."""
    one, two = journal(tmp_path), journal(tmp_path)
    for number in range(20):
        (one, two)[number % 2].note(f"{number}", number)
    lines = [json.loads(line) for line in file_of(tmp_path).read_text().splitlines() if line]
    assert [line[2] for line in lines] == list(range(20))


def test_what_others_can_write_is_not_believed(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.note("a")
    first.close(ended=False)
    file_of(tmp_path).chmod(0o622)
    assert journal(tmp_path).find("a") is None
    file_of(tmp_path).chmod(0o600)
    file_of(tmp_path).parent.chmod(0o777)
    with pytest.raises(RunError, match="others can enter it"):
        journal(tmp_path).note("b")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.note("a")
    first.close(ended=False)
    planted = file_of(tmp_path)
    planted.rename(tmp_path / "elsewhere")
    planted.symlink_to(tmp_path / "elsewhere")
    second = journal(tmp_path)
    assert second.find("a") is None
    with pytest.raises(RunError, match="cannot be noted"):
        second.note("b")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be noted"):
        journal(tmp_path / "file").note("a")


def test_a_key_is_of_all_that_was_asked() -> None:
    asked = ("content", "name", "v", 10)
    keys = {key(*asked), key(*asked[:-1], 11), key("content", "name", "w", 10), key("keys", *asked[1:]), key(*asked, 1)}
    assert len(keys) == 5
    assert key(*asked) == key(*asked)
