# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import secret_file
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError


def held(folder: Path, data: bytes, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("data", [b"hunter2", b"hunter2\n", b"hunter2\r\n"])
def test_the_line_of_a_file_is_the_secret(tmp_path: Path, data: bytes) -> None:
    assert secret_file.read(held(tmp_path, data), "smtp.password_file") == "hunter2"


def test_without_a_file_there_is_none() -> None:
    assert secret_file.read(None, "smtp.password_file") == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_one_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(PolicyError, match="can be read by others"):
        secret_file.read(held(tmp_path, b"hunter2", mode), "smtp.password_file")


@pytest.mark.parametrize("data", [b"", b"\n", b"hunter2\nmore", b"hunter2\0", b"x" * 8193, b"\xffhunter2"])
def test_what_is_not_one_line_of_text_is_refused_and_not_shown(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(PolicyError, match="password_file") as caught:
        secret_file.read(held(tmp_path, data), "smtp.password_file")
    assert "hunter2" not in str(caught.value)


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        secret_file.read(str(tmp_path / "none"), "smtp.password_file")
