# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyringError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder


@pytest.fixture
def folder(tmp_path: Path) -> PrivateFolder:
    made = PrivateFolder(tmp_path / "a" / "b")
    made.make()
    return made


def test_folders_and_files_are_their_owners_alone(folder: PrivateFolder) -> None:
    old = os.umask(0)
    try:
        folder.write("key", b"secret")
        inner = PrivateFolder(folder.path / "inner")
        inner.make()
    finally:
        os.umask(old)
    assert folder.path.stat().st_mode & 0o7777 == 0o700
    assert inner.path.stat().st_mode & 0o7777 == 0o700
    assert (folder.path / "key").stat().st_mode & 0o7777 == 0o600


def test_a_file_is_read_back_and_replaced(folder: PrivateFolder) -> None:
    folder.write("key", b"one")
    folder.write("key", b"two")
    assert folder.read("key") == b"two"
    assert folder.names() == ["key"]


def test_what_is_not_there_is_none(folder: PrivateFolder) -> None:
    absent = PrivateFolder(folder.path / "absent")
    assert (folder.read("key"), absent.read("key"), absent.exists()) == (None, None, False)


def test_make_keeps_files_and_drops_what_a_kill_left(folder: PrivateFolder) -> None:
    folder.write("key", b"one")
    (folder.path / ".new").write_bytes(b"half a sec")
    folder.make()
    assert folder.names() == ["key"]


def test_a_leftover_does_not_stop_a_write(folder: PrivateFolder) -> None:
    outside = folder.path.parent / "outside"
    (folder.path / ".new").symlink_to(outside)
    folder.write("key", b"one")
    assert folder.read("key") == b"one"
    assert not outside.exists()


@pytest.mark.parametrize("bit", [0o040, 0o020, 0o010, 0o004, 0o002, 0o001])
def test_rights_of_others_are_refused(folder: PrivateFolder, bit: int) -> None:
    folder.write("key", b"one")
    (folder.path / "key").chmod(0o600 | bit)
    with pytest.raises(KeyringError, match="others") as caught:
        folder.read("key")
    assert caught.value.item == str(folder.path / "key")
    assert "chmod" in (caught.value.remedy or "")
    (folder.path / "key").chmod(0o600)
    folder.path.chmod(0o700 | bit)
    for call in (lambda: folder.read("key"), lambda: folder.write("key", b""), folder.make, folder.names):
        with pytest.raises(KeyringError, match="others") as caught:
            call()
        assert caught.value.item == str(folder.path)


@pytest.mark.parametrize("function", ["stat", "fstat"])
def test_another_owner_is_refused(folder: PrivateFolder, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of another user need root to make: the answer of the system is changed instead."""
    folder.write("key", b"one")
    genuine = getattr(os, function)

    def of_another(*args: object, **options: object) -> os.stat_result:
        status = list(genuine(*args, **options))
        status[4] = os.geteuid() + 1
        return os.stat_result(status)

    with monkeypatch.context() as patched:
        patched.setattr(os, function, of_another)
        with pytest.raises(KeyringError, match="another user"):
            folder.read("key")
    assert folder.read("key") == b"one"


def test_two_writers_are_kept_apart(folder: PrivateFolder) -> None:
    with folder.locked(), pytest.raises(KeyringError, match="another process"), PrivateFolder(folder.path).locked():
        pass
    with PrivateFolder(folder.path).locked():
        pass


def test_errors_of_the_system_are_the_keyrings(folder: PrivateFolder) -> None:
    (folder.path / "file").touch()
    (folder.path / "directory").mkdir(mode=0o700)
    for call in (
        PrivateFolder(folder.path / "file").make,
        PrivateFolder(folder.path / "file").names,
        lambda: folder.read("directory"),
        lambda: folder.write("directory", b""),
        lambda: PrivateFolder(folder.path / "absent").locked().__enter__(),
    ):
        with pytest.raises(KeyringError) as caught:
            call()
        assert str(folder.path) in str(caught.value)


def test_a_folder_that_is_cleared_and_moved_takes_the_place_of_an_empty_one(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "new")
    folder.make()
    folder.write("left", b"by a killed run")
    folder.clear()
    assert folder.names() == []
    folder.write("file", b"whole")
    (tmp_path / "there").mkdir(mode=0o700)
    folder.move(tmp_path / "there")
    assert (folder.path, folder.read("file")) == (tmp_path / "there", b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_folder_takes_no_place_where_something_is(tmp_path: Path) -> None:
    folder, other = PrivateFolder(tmp_path / "new"), PrivateFolder(tmp_path / "there")
    for each in (folder, other):
        each.make()
        each.write("file", each.path.name.encode())
    with pytest.raises(KeyringError):
        folder.move(other.path)
    assert other.read("file") == b"there"
    assert folder.read("file") == b"new"
