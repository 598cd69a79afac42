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


def test_machines_have_all_of_it_from_a_damaged_file_too(fleet: Lab) -> None:
    (file,) = fleet.state.glob("catalog/*/*.sqlite")
    file.write_bytes(b"no database" * 500)
    stored = next(entry for point in fleet.points() for entry in point.body.streams if point.body.alias == "v2.1.0")
    asked: dict[str, dict[str, object]] = {
        "web1": {"host": "web1", "component": "app", "limit": 1},
        "failed": {"state": "failed", "display": True},
        "snapshot": {"snapshot": stored.manifest.sha256[:12], "details": True, "display": True},
        "several": {"host": "web1", "details": True},
    }
    tasks = [
        {"name": name, "holdfast.config.catalog_info": options, "run_once": True, "ignore_errors": name == "several"}
        for name, options in asked.items()
    ]
    run = fleet.play(tasks, check=True).ok()
    result = run.on("web1").result
    assert (result["changed"], result["more"], result["stale"]) == (False, ["points", "snapshots"], [])
    assert result["warnings"] == ["the catalog was made anew: its file was damaged"]
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
    assert any(line.startswith("  web2 in ") and line in run.output for line in told["report"])
    # a path that is longer than a line goes on in the next one
    text = "".join(line.replace(" ", "") for line in run.on("snapshot").result["report"])
    assert all(word in text for word in ("file0600", "keys/tls.key", "symlink"))
    assert run.on("several").message.startswith("several recovery points are found: ")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_one_recovery_point_is_shown_in_full(fleet: Lab) -> None:
    lines = tables(fleet.play(SHOW, "-e", "show_alias=v2.1.0").ok())
    assert [line.split()[-1] for line in lines if line.startswith("alias ")] == ["v2.1.0"]
    assert [line.split()[:3] for line in lines if line.startswith("web1 ")] == [["web1", "tier1", "stored"]]
