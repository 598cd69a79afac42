# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module adds; that it answers as the pipe does is tested in module_utils."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import typing as t
import zlib
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.holdfast.config.plugins.modules import host_apply


def run(args: dict[str, t.Any], capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    """The result, and the answer in it."""
    with patch_module_args(args), pytest.raises(SystemExit):
        host_apply.main()
    result = json.loads(capsys.readouterr().out)
    answer = json.loads(zlib.decompress(base64.b64decode(result["answer"]))[8:]) if "answer" in result else {}
    return result, answer


def entry(content: bytes, **more: t.Any) -> dict[str, t.Any]:
    owner = {"uid": os.geteuid(), "gid": os.getegid(), "user": "", "group": ""}
    digest = hashlib.sha256(content).hexdigest()
    described = {"path": "/a", "kind": "file", "mode": 0o600, "mtime_ns": 1, "size": len(content), "sha256": digest}
    return {**described, **owner, **more}


@pytest.fixture
def args(tmp_path: Path) -> dict[str, t.Any]:
    """Options that write one file."""
    (tmp_path / "payload").write_bytes(b"content")
    request = {"root": str(tmp_path / "root"), "entries": [entry(b"content")]}
    return {"request": json.dumps(request), "payload": str(tmp_path / "payload")}


def test_change_and_no_change(tmp_path: Path, args: dict[str, t.Any], capsys: pytest.CaptureFixture[str]) -> None:
    for changed, written in ((True, ["/a"]), (False, [])):
        result, answer = run(args, capsys)
        assert (result["changed"], answer["written"]) == (changed, written)
        assert (tmp_path / "root/a").read_bytes() == b"content"
    assert (tmp_path / "payload").exists()


def test_check_mode(tmp_path: Path, args: dict[str, t.Any], capsys: pytest.CaptureFixture[str]) -> None:
    check = {**args, "_ansible_check_mode": True}
    for given in (check, {**check, "payload": None}):
        result, answer = run(given, capsys)
        assert (result["changed"], answer["written"]) == (True, ["/a"])
        assert not (tmp_path / "root").exists()
    run(args, capsys)
    result, answer = run(check, capsys)
    assert (result["changed"], answer["written"]) == (False, [])


def test_diff_mode_shows_no_content(args: dict[str, t.Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert "diff" not in run({**args, "_ansible_diff": True}, capsys)[0]


def test_an_error_is_an_answer(tmp_path: Path, args: dict[str, t.Any], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "payload").write_bytes(b"altered")
    result, answer = run(args, capsys)
    assert (result["changed"], answer["error"]["type"]) == (False, "payload")
    assert run({"request": "{no json"}, capsys)[1]["error"]["type"] == "request"


def test_a_payload_that_is_not_there_fails(args: dict[str, t.Any], capsys: pytest.CaptureFixture[str]) -> None:
    os.rename(args["payload"], args["payload"] + ".moved")
    os.symlink(args["payload"] + ".moved", args["payload"])
    result, _answer = run(args, capsys)
    assert result["failed"] is True
    assert result["msg"].startswith("the payload cannot be opened")


def test_attribute_values_show_nowhere(
    tmp_path: Path, args: dict[str, t.Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, message, **_more: logged.append(message))
    secret = base64.b64encode(b"attribute value").decode()
    request = {"root": str(tmp_path / "root"), "entries": [entry(b"content", xattrs={"user.a": secret})]}
    result, answer = run({**args, "request": json.dumps(request)}, capsys)
    assert secret not in json.dumps([result, answer, logged])
    assert logged == []


def test_the_documentation_is_of_this_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documentation = yaml.safe_load(host_apply.DOCUMENTATION)
    assert documentation["module"] == "host_apply"
    assert set(documentation["options"]) == {"request", "payload"}
    for example in yaml.safe_load(host_apply.EXAMPLES):
        given = json.loads(example["holdfast.config.host_apply"]["request"])
        given["root"] = str(tmp_path / "root")
        assert run({"request": json.dumps(given)}, capsys)[1]["written"] == ["/etc/app"]
    sample = yaml.safe_load(host_apply.RETURN)["answer"]["sample"]
    assert json.loads(zlib.decompress(base64.b64decode(sample))[8:])["written"] == ["/etc/app"]
