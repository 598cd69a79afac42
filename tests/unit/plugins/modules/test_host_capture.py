# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module adds; that it answers as the pipe does is tested in module_utils."""

from __future__ import annotations

import base64
import json
import os
import typing as t
import zlib
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.plugins.modules import host_capture


def run(args: dict[str, t.Any], capsys: pytest.CaptureFixture[str]) -> dict[str, t.Any]:
    with patch_module_args(args), pytest.raises(SystemExit):
        host_capture.main()
    return json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def priority(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The priorities asked for; the tests keep theirs."""
    asked: list[int] = []
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, value: asked.append(value))
    return asked


def contents(result: dict[str, t.Any]) -> bytes:
    """The contents that follow the header of an answer."""
    unpacker = zlib.decompressobj()
    unpacker.decompress(base64.b64decode(result["answer"]))
    return zlib.decompress(unpacker.unused_data)


def request(root: Path) -> dict[str, t.Any]:
    part = {"name": "app", "paths": ["/a"], "excludes": [], "unreadable": "error"}
    return {"op": "content", "root": str(root), "components": [part], "limits": {"bytes": 100, "entries": 10}}


@pytest.mark.parametrize("check", [True, False])
def test_answers_unchanged_in_both_modes(tmp_path: Path, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    (tmp_path / "a").write_bytes(b"content")
    result = run({"request": json.dumps(request(tmp_path)), "_ansible_check_mode": check}, capsys)
    assert result["changed"] is False
    assert contents(result) == b"content"


def test_a_request_as_a_mapping_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_bytes(b"content")
    result = run({"request": request(tmp_path)}, capsys)
    assert contents(result) == b"content"


def test_an_error_is_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for given, kind in ((json.dumps(request(tmp_path)), b'"absent"'), ("{no json", b'"request"')):
        result = run({"request": given}, capsys)
        assert "failed" not in result
        assert b'{"error":{"type":' + kind in zlib.decompress(base64.b64decode(result["answer"]))


def test_the_log_of_the_host_is_spared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, message, **_more: logged.append(message))
    run({"request": json.dumps(request(tmp_path))}, capsys)
    assert logged == []


def test_the_priority_is_lowered(tmp_path: Path, capsys: pytest.CaptureFixture[str], priority: list[int]) -> None:
    run({"request": json.dumps(request(tmp_path))}, capsys)
    assert priority == [max(10, os.getpriority(os.PRIO_PROCESS, 0))]


def test_the_documentation_is_of_this_module() -> None:
    documentation = yaml.safe_load(host_capture.DOCUMENTATION)
    assert documentation["module"] == "host_capture"
    assert set(documentation["options"]) == {"request"}
    for example in yaml.safe_load(host_capture.EXAMPLES):
        given = json.loads(example["holdfast.config.host_capture"]["request"])
        assert _tree.answer(given)[0].get("error", {"type": "absent"})["type"] in ("absent", "unreadable")
    sample = yaml.safe_load(host_capture.RETURN)["answer"]["sample"]
    assert int(zlib.decompress(base64.b64decode(sample))[:8], 16) == len(zlib.decompress(base64.b64decode(sample))) - 8
