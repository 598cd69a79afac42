# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lets in is in files that nobody else can read or replace, and is known until it has ended."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_client import RoleKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.access_folder import AccessFolder, state_of

UNTIL = dt.datetime(2026, 11, 28, 23, tzinfo=dt.timezone.utc)
SECRET = "hvs.CANARY"
KEPT = state_of(record="a" * 64, ticket="CHG1", accessor="acc1", secret=SECRET, until=UNTIL, store_until=UNTIL)
KEYS = RoleKeys("AK1", "s3cret", "t0ken", UNTIL)


@pytest.fixture
def folder(tmp_path: Path) -> AccessFolder:
    return AccessFolder(tmp_path / "at" / "access")


def test_files_are_written_and_read_back(folder: AccessFolder) -> None:
    assert folder.read() is None
    folder.write(KEPT, SECRET, KEYS)
    assert (folder.read(), folder.holds(KEPT), folder.has_keys) == (KEPT, True, True)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder.path, *folder.path.iterdir())}
    assert modes == {"access": 0o700, "token": 0o600, "credentials": 0o600, "access.json": 0o600}
    assert (folder.path / "credentials").read_text() == (
        "[holdfast-restorer]\naws_access_key_id = AK1\naws_secret_access_key = s3cret\naws_session_token = t0ken\n"
    )
    assert SECRET not in (folder.path / "access.json").read_text()


def test_another_token_is_seen(folder: AccessFolder) -> None:
    folder.write(KEPT, SECRET, None)
    (folder.path / "token").write_text("hvs.other\n")
    assert not folder.holds(KEPT)
    (folder.path / "token").unlink()
    assert not folder.holds(KEPT)


def test_keys_that_are_no_longer_meant_go(folder: AccessFolder) -> None:
    folder.write(KEPT, SECRET, KEYS)
    folder.write(KEPT, SECRET, None)
    assert folder.has_keys
    folder.write(dataclasses.replace(KEPT, store_until=None), SECRET, None)
    assert not folder.has_keys


def test_all_files_go(folder: AccessFolder) -> None:
    folder.write(KEPT, SECRET, KEYS)
    assert folder.left() == ("token", "credentials", "access.json")
    folder.clear()
    assert list(folder.path.iterdir()) == []
    folder.clear()
    assert folder.left() == ()


def test_what_is_not_of_it_stays(folder: AccessFolder) -> None:
    folder.write(KEPT, SECRET, None)
    (folder.path / ".new-x").write_text(SECRET)
    (folder.path / "other").touch()
    folder.clear()
    assert [path.name for path in folder.path.iterdir()] == ["other"]


def test_keys_that_would_be_other_lines_are_refused(folder: AccessFolder) -> None:
    for keys in (RoleKeys("AK1", "s3cret\n[default]", "t", UNTIL), RoleKeys("", "s", "t", UNTIL)):
        with pytest.raises(FormatError, match="not one line"):
            folder.write(KEPT, SECRET, keys)


def test_a_folder_where_others_may_write_is_refused(folder: AccessFolder) -> None:
    folder.path.mkdir(parents=True)
    folder.path.chmod(0o770)
    for call in (folder.read, lambda: folder.write(KEPT, SECRET, None)):
        with pytest.raises(PolicyError, match="others than who runs this may write"):
            call()
    assert list(folder.path.iterdir()) == []


def test_a_folder_that_leads_elsewhere_is_refused(folder: AccessFolder, tmp_path: Path) -> None:
    folder.path.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    folder.path.symlink_to(tmp_path / "elsewhere")
    for call in (folder.read, lambda: folder.write(KEPT, SECRET, None)):
        with pytest.raises(PolicyError, match="it is no folder"):
            call()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_files_that_lead_elsewhere_are_not_followed(folder: AccessFolder, tmp_path: Path) -> None:
    folder.write(KEPT, SECRET, KEYS)
    for name in ("token", "access.json"):
        other = tmp_path / name
        (folder.path / name).rename(other)
        (folder.path / name).symlink_to(other)
    with pytest.raises(PolicyError, match="cannot be used"):
        folder.read()
    folder.write(KEPT, "hvs.new", None)
    assert (tmp_path / "token").read_text() == f"{SECRET}\n"


def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below = AccessFolder(tmp_path / "file" / "x")
    for call in (below.read, lambda: below.write(KEPT, SECRET, None)):
        with pytest.raises(PolicyError, match="cannot be used"):
            call()


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"until": 1}', b"\xff", b"[" * 60000, KEPT.write().replace(b"23:00", b"25:00")],
    ids=["empty", "list", "nothing", "number", "no text", "deep", "no time"],
)
def test_what_somebody_has_edited_is_refused(folder: AccessFolder, data: bytes) -> None:
    folder.write(KEPT, SECRET, None)
    (folder.path / "access.json").write_bytes(data)
    with pytest.raises(FormatError, match="does not say what access was given for"):
        folder.read()


def test_a_fifo_is_not_waited_for(folder: AccessFolder) -> None:
    folder.path.mkdir(parents=True)
    os.mkfifo(folder.path / "access.json")
    with pytest.raises(FormatError):
        folder.read()
