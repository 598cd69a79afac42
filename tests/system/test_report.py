# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet of which one host was never backed up, by the playbook."""

from __future__ import annotations

import json

from .lab import Lab


def test_the_playbook_prints_a_table_and_writes_a_page_and_json(lab: Lab) -> None:
    lab.play("holdfast.config.backup", "-e", json.dumps({"holdfast_change": {"id": "CHG0042"}})).ok()
    lab.hosts.append("web3")
    lab.host_variables["web3"] = {}
    # an auditor has no keyring
    (lab.path / "keyring").rename(lab.path / "elsewhere")
    files = {"report_html": str(lab.path / "all.html"), "report_path": str(lab.path / "all.json")}
    ran = lab.play("holdfast.config.report", "-e", json.dumps(files)).ok()
    assert "2 covered, 0 accepted, 1 gap" in ran.output
    assert ran.on("Look").result["report"][3].split()[:2] == ["web3/app", "gap"]
    assert ran.on("Look").result["gaps"] == 1
    rows = {row["host"]: row for row in json.loads((lab.path / "all.json").read_text())["rows"]}
    assert rows["web1"]["rpo_seconds"]
    assert [rows[host]["change"] for host in ("web1", "web2", "web3")] == ["CHG0042", "CHG0042", ""]
    assert ran.output.count("  changed under CHG0042") == 2
    assert rows["web1"]["changed_at"] == rows["web1"]["verified_at"]
    assert rows["web3"]["changed_at"] is None
    page = (lab.path / "all.html").read_text()
    assert "2 covered, 0 accepted, 1 gap" in page
    assert "<script" not in page
