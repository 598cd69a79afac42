# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of cleartext that other modules leave: only the very one that was read is removed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, RunError, TooLargeError
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import backup_file

TEXT = b"enable secret CANARY\nend\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "backup" / "sw1.cfg"
    path.parent.mkdir(mode=0o755)
    path.write_bytes(TEXT)
    path.chmod(0o644)
    return path


def test_what_was_read_is_removed(path: Path) -> None:
    text, file = backup_file.read(path, 100)
    assert text == TEXT
    backup_file.remove(file)
    assert list(path.parent.iterdir()) == []


class TestNotRead:
    """Another's text could be sealed as that of the device, and another's file be removed."""

    @pytest.mark.parametrize("form", ["symlink", "hard link", "folder", "fifo", "absent", "writable", "NUL"])
    def test_no_file_of_its_own(self, path: Path, form: str) -> None:
        other = path.with_name("other")
        if form == "symlink":
            other.symlink_to(path)
        elif form == "hard link":
            os.link(path, other)
        elif form == "folder":
            other.mkdir()
        elif form == "fifo":
            os.mkfifo(other)
        elif form == "writable":
            other.write_bytes(TEXT)
            other.chmod(0o666)
        elif form == "NUL":
            other = path.with_name("a\0b")
        with pytest.raises(CaptureError, match="backup file") as refused:
            backup_file.read(other, 100)
        assert "CANARY" not in str(refused.value)

    def test_too_large(self, path: Path) -> None:
        with pytest.raises(TooLargeError):
            backup_file.read(path, len(TEXT) - 1)
        assert backup_file.read(path, len(TEXT))[0] == TEXT


class TestNotRemoved:
    """What has changed since is not the file that was sealed."""

    def refused(self, path: Path, file: backup_file.BackupFile) -> str:
        with pytest.raises(RunError, match="not removed") as refused:
            backup_file.remove(file)
        return str(refused.value)

    def test_written_to_since(self, path: Path) -> None:
        _text, file = backup_file.read(path, 100)
        path.write_bytes(TEXT.replace(b"secret", b"SECRET"))
        assert "written to since" in self.refused(path, file)
        assert path.exists()

    def test_another_in_its_place(self, path: Path) -> None:
        _text, file = backup_file.read(path, 100)
        path.rename(path.with_name("old"))
        path.write_bytes(TEXT)
        assert "another file" in self.refused(path, file)
        assert path.exists()

    def test_a_link_in_its_place(self, path: Path) -> None:
        _text, file = backup_file.read(path, 100)
        moved = path.rename(path.with_name("old"))
        path.symlink_to(moved)
        self.refused(path, file)
        assert moved.exists()

    def test_a_folder_that_others_write_to(self, path: Path) -> None:
        _text, file = backup_file.read(path, 100)
        path.parent.chmod(0o777)
        assert "others may put files" in self.refused(path, file)
        assert path.exists()

    def test_gone(self, path: Path) -> None:
        _text, file = backup_file.read(path, 100)
        path.unlink()
        self.refused(path, file)
