# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an engineer finds after a change, by the playbooks find and show, with no key at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from .lab import Lab, Run

FIND, SHOW = "holdfast.config.find", "holdfast.config.show"
CHANGE = {
    "id": "CHG0042",
    "deployment": "deploy-7",
    "version": "2.1.0",
    "environment": "production",
    "deployer": "dora",
    "requester": "rita",
}


@pytest.fixture(scope="module")
def fleet(new_lab: Callable[[int], Lab]) -> Lab:
    """Three runs: of all for a change, of web1 alone with an alias, and one in which web2 failed. Then no keyring."""
    lab = new_lab(2)
    lab.play("holdfast.config.backup", "-e", json.dumps({"holdfast_change": CHANGE})).ok()
    lab.change("web1")
    lab.play("holdfast.config.backup", "--limit", "web1", "-e", "backup_alias=v2.1.0").ok()
    shutil.rmtree(lab.app("web2"))
    lab.app("web2").symlink_to(lab.app("web2"))
    lab.host_variables["web2"]["ansible_python_interpreter"] = "/nonexistent/python"
    assert lab.play("holdfast.config.backup").rc != 0
    shutil.rmtree(lab.path / "keyring")
    return lab


def tables(run: Run) -> list[str]:
    """The lines that a playbook printed for people: none of them is JSON or wider than a terminal."""
    assert '"msg"' not in run.output
    lines = run.output[run.output.index("TASK [") : run.output.index("PLAY RECAP")].splitlines()
    assert max(map(len, lines[1:])) <= 80
    return lines[1:]


def test_a_change_is_found_by_its_ticket(fleet: Lab) -> None:
    lines = tables(fleet.play(FIND, "-e", "change_id=CHG0042").ok())
    (point,) = [number for number, line in enumerate(lines) if " complete  " in line]
    assert lines[point].split()[3:7] == ["2", "0", "0", "0"]
    assert "CHG0042, deploy-7, 2.1.0, production, dora" in lines[point + 1]
    assert sorted(line.split()[1] for line in lines if line.split()[2:3] == ["tier1"]) == ["web1", "web2"]
    assert "failed hosts" not in lines


def test_machines_have_all_of_it(fleet: Lab) -> None:
    task = {"holdfast.config.catalog_info": {"host": "web1", "component": "app", "limit": 1}, "run_once": True}
    failed = {"holdfast.config.catalog_info": {"state": "failed"}, "run_once": True}
    run = fleet.play([{"name": "web1", **task}, {"name": "failed", **failed}], check=True).ok()
    result = run.on("web1").result
    assert (result["changed"], result["more"], result["stale"]) == (False, ["points", "snapshots"], [])
    (snapshot,) = result["snapshots"]
    assert (snapshot["host"], snapshot["tier"], snapshot["components"]) == ("web1", "tier1", ["app"])
    assert (snapshot["state"], snapshot["recovery_point"]) == ("unchanged", result["points"][0]["recovery_point"])
    assert snapshot["first_recovery_point"] != snapshot["recovery_point"]
    assert result["counts"] == {"points": 3, "snapshots": 3, "namings": 4, "hosts": 2}
    told = run.on("failed").result
    assert [(one["host"], one["recovery_point"]) for one in told["failures"]] == [
        ("web2", told["points"][0]["recovery_point"])
    ]
    assert told["snapshots"] == []
    (file,) = fleet.state.glob("catalog/*/*.sqlite")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_one_recovery_point_and_one_snapshot_are_shown_in_full(fleet: Lab) -> None:
    point = fleet.play(SHOW, "-e", "show_alias=v2.1.0").ok()
    lines = tables(point)
    assert [line.split()[-1] for line in lines if line.startswith("alias ")] == ["v2.1.0"]
    assert [line.split()[:3] for line in lines if line.startswith("web1 ")] == [["web1", "tier1", "stored"]]
    (digest,) = [
        entry["snapshot"] for entry in point.on("Show", "web1").result["point"]["streams"] if entry["state"] == "stored"
    ]
    snapshot = fleet.play(SHOW, "-e", f"show_snapshot={digest[:12]}").ok()
    lines = tables(snapshot)
    # a path that is longer than a line goes on in the next one
    text = "".join(line.replace(" ", "") for line in lines)
    assert "file0600" in text
    assert "keys/tls.key" in text
    assert "symlink" in text
    several = fleet.play(SHOW, "-e", "show_host=web1")
    assert several.on("Show", "web1").message.startswith("several recovery points are found: ")


def test_a_damaged_file_is_made_anew_and_that_is_said(fleet: Lab) -> None:
    (file,) = fleet.state.glob("catalog/*/*.sqlite")
    file.write_bytes(b"no database" * 500)
    run = fleet.play(FIND, "-e", "find_state=failed").ok()
    assert run.on("Find", "web1").result["warnings"] == ["the catalog was made anew: its file was damaged"]
    assert any(line.startswith("  web2 in ") for line in tables(run))
