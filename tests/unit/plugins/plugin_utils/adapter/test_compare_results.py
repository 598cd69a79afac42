# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import compare_results
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.render.samples import compared

BEFORE = {"/etc/app/a": b"listen = S3CRET-1\n", "/etc/ssh/b": b"same\n"}
AFTER = {"/etc/app/a": b"listen = S3CRET-2\n", "/etc/ssh/b": b"same\n", "/etc/ssh/\x1bc": b"x\n"}


def test_a_result_names_paths_and_holds_no_content() -> None:
    result = compare_results.compared(compared(BEFORE, AFTER, unchanged=1, warnings=("w",)))
    assert (result["changed"], result["drift"], result["different"], result["unchanged"]) == (False, True, 2, 1)
    assert [one["path"] for one in result["differences"]] == ["/etc/app/a", "/etc/ssh/\\x1bc"]
    assert result["warnings"] == ["w"]
    assert result["report"][2:] == [
        "",
        "app: 1 changed",
        "changed /etc/app/a: content",
        "",
        "ssh: 1 added",
        "added /etc/ssh/\\x1bc: file, mode 0644, owner root:root",
    ]
    assert "S3CRET" not in json.dumps(result)
    assert "diff" not in result


def test_a_long_list_is_cut_and_its_length_is_told() -> None:
    many = {f"/etc/app/{number}": b"" for number in range(compare_results.LISTED + 5)}
    result = compare_results.compared(compared({}, many))
    assert (len(result["differences"]), result["different"]) == (compare_results.LISTED, compare_results.LISTED + 5)
    assert len(result["report"]) == compare_results.LISTED + 1


def test_drift_fails_where_that_is_asked_for() -> None:
    outcome = compared(BEFORE, AFTER)
    result = compare_results.compared(outcome, fail_on_drift=True)
    assert result["failed"]
    assert result["msg"] == (
        "2 paths differ between web1, sealed at 2026-11-21T01:16:23Z and web1, live at 2026-11-21T09:00:00Z: "
        "/etc/app/a, /etc/ssh/\\x1bc"
    )
    assert result["drift"]
    assert "failed" not in compare_results.compared(compared(BEFORE, BEFORE), fail_on_drift=True)
    calm = tuple(dataclasses.replace(one, volatile=True) for one in outcome.differences)
    result = compare_results.compared(dataclasses.replace(outcome, differences=calm), fail_on_drift=True)
    assert "failed" not in result


def test_a_long_failure_names_the_first_few() -> None:
    many = {f"/etc/app/{number}": b"" for number in range(9)}
    assert compare_results.compared(compared({}, many), fail_on_drift=True)["msg"].endswith("/etc/app/4 and 4 more")


def test_a_diff_is_one_text_for_each_component() -> None:
    app, ssh = compare_results.prepared(compared(BEFORE, AFTER))
    assert app["prepared"].startswith("app: 1 changed\n")
    assert "-listen = S3CRET-1\n+listen = S3CRET-2\n" in app["prepared"]
    assert ssh["prepared"].startswith("ssh: 1 added\n")


def test_a_page_is_for_its_user_alone_and_replaces_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("old")
    target.chmod(0o644)
    assert compare_results.write_page(str(target), compared(BEFORE, AFTER)) == str(target)
    assert "/etc/app/a" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["missing/page.html", "folder"])
def test_a_page_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(PolicyError, match="the page cannot be written"):
        compare_results.write_page(str(tmp_path / name), compared(BEFORE, AFTER))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
