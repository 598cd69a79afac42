# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a folder: written where they differ, and nobody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import files
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

TEXTS = {"minio/one.json": "{}\n", "vault/two.hcl": "# ü\n"}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_they_are_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "policies"
    assert [change.path.name for change in files.write(folder, TEXTS, check=True)] == ["one.json", "two.hcl"]
    assert not folder.exists()
    first = files.write(folder, TEXTS, check=False)
    assert [(change.before, change.after) for change in first] == [("", "{}\n"), ("", "# ü\n")]
    assert files.write(folder, TEXTS, check=False) == []
    assert {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.*")} == TEXTS
    assert {mode(path) for path in folder.rglob("*.*")} == {0o600}
    assert {mode(path) for path in (folder, folder / "minio")} == {0o700}


def test_what_is_otherwise_is_put_right_and_what_else_is_there_stays(tmp_path: Path) -> None:
    files.write(tmp_path, TEXTS, check=False)
    (tmp_path / "minio/one.json").write_text("{'more': 1}")
    (tmp_path / "vault/two.hcl").chmod(0o644)
    (tmp_path / "vault/own.hcl").write_text("own")
    found = files.write(tmp_path, TEXTS, check=False)
    assert {change.path.name: change.before for change in found} == {"one.json": "{'more': 1}", "two.hcl": "# ü\n"}
    assert (tmp_path / "minio/one.json").read_text() == "{}\n"
    assert mode(tmp_path / "vault/two.hcl") == 0o600
    assert (tmp_path / "vault/own.hcl").read_text() == "own"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("of somebody else")
    (tmp_path / "minio").mkdir()
    (tmp_path / "minio/one.json").symlink_to(other)
    (change, _two) = files.write(tmp_path, TEXTS, check=False)
    assert change.before == ""
    assert other.read_text() == "of somebody else"
    assert not (tmp_path / "minio/one.json").is_symlink()


@pytest.mark.parametrize("at", ["minio", "minio/one.json"])
def test_what_cannot_be_written_is_said(tmp_path: Path, at: str) -> None:
    path = tmp_path / at
    if at == "minio":
        path.write_text("a file")
    else:
        path.mkdir(parents=True)
        (path / "in it").write_text("x")
    with pytest.raises(PolicyError, match="cannot be written") as caught:
        files.write(tmp_path, TEXTS, check=False)
    assert caught.value.item == str(tmp_path / "minio/one.json")
    assert list(tmp_path.rglob(".holdfast-*")) == []
