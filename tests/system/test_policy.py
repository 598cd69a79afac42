# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy of a host, said by several variables."""

from __future__ import annotations

import json
from pathlib import Path

from .lab import Lab


def test_a_policy_that_is_split_stores_nothing_anew_and_two_that_say_the_same_are_refused(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    (app,) = lab.variables.pop("holdfast_components")
    lab.variables["holdfast_components__app"] = [{**app, "steward": "alice", "regulations": ["PCI DSS"]}]
    lab.variables["holdfast_tiers__site"] = {"tier1": {"latency": "1h", "schedule": {"at": ["02:30"]}}}
    lab.variables["holdfast_exclusions__old"] = [{"pattern": "*.conf", "reason": "moved", "expires": "2025-12-31"}]
    run = lab.play("holdfast.config.backup").ok()
    assert {host: line["result"] for host, line in run.lines().items()} == dict.fromkeys(lab.hosts, "unchanged")

    lab.variables["holdfast_components__other"] = [app]
    before = lab.stored()
    run = lab.play("holdfast.config.backup")
    assert run.rc != 0
    assert "holdfast_components__other: declares the component app, which holdfast_components__app declares too" in (
        " ".join(run.output.split())
    )
    assert {name for name in lab.stored() if name not in before and "/snapshots/" in name} == set()


def test_the_lint_of_an_inventory_fails_by_errors_and_tells_all_of_it_in_a_file(lab: Lab, tmp_path: Path) -> None:
    told = tmp_path / "policy.json"
    (app,) = lab.variables["holdfast_components"]
    owned = {**app, "owner": "web-team", "steward": "alice", "contact": "4711"}
    lab.variables["holdfast_components"] = [owned]
    lab.variables["holdfast_tiers"] = {"tier1": {"rpo": "48h", "schedule": {"at": ["02:30"]}}}
    arguments = ("-e", f"policy_path={told}")
    run = lab.play("holdfast.config.policy", *arguments, "-e", "policy_records=true").ok()
    assert "0 errors and 0 warnings on 2 hosts" in run.output
    sound = json.loads(told.read_bytes())
    assert (sound["findings"], sound["owners"]) == ([], {"web-team": {"components": 2, "hosts": 2}})

    lab.variables["holdfast_tiers"]["tier1"]["rpo"] = "6h"
    lab.host_variables["web1"]["holdfast_governance"] = {
        "classes": {app.get("data_class", "internal"): {"minimum_days": 3650}}
    }
    run = lab.play("holdfast.config.policy", *arguments)
    assert run.rc != 0
    assert "2 errors and 0 warnings on 2 hosts" in " ".join(run.output.split())
    # not in a file alone: who runs it sees each
    assert run.output.count("holdfast_components (app).tier: ") == 2
    assert "web1 and 1 more: holdfast_tiers.tier1.rpo" in run.output
    found = json.loads(told.read_bytes())["findings"]
    assert sorted((one["host"], one["hosts"], one["key"], one["severity"]) for one in found) == [
        ("web1", 1, "holdfast_components (app).tier", "error"),
        ("web1", 2, "holdfast_tiers.tier1.rpo", "error"),
    ]
