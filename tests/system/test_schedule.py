# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups by schedule, without what fires them."""

from __future__ import annotations

from .lab import Lab


def test_who_is_due_is_backed_up_by_schedule_and_nobody_where_none_is(lab: Lab) -> None:
    metrics = lab.path / "holdfast.prom"
    lab.host_variables["web1"]["holdfast_tiers"] = {"tier1": {"schedule": {"every": "1m"}}}
    lab.host_variables["web2"]["holdfast_tiers"] = {"tier1": {"schedule": {"monthdays": [31], "at": ["02:30"]}}}
    lab.play("holdfast.config.backup").ok()
    before = [point.id for point in lab.points()]

    # web1's next minute has come by now, or comes
    while not (run := lab.play("holdfast.config.scheduled", "-e", f"schedule_metrics={metrics}").ok()).reports:
        assert [point.id for point in lab.points()] == before
    (point,) = (point for point in lab.points() if point.id not in before)
    assert point.body.actor["trigger"]["kind"] == "schedule", point.body.actor
    assert {entry.host for entry in point.body.streams} == {"web1"}
    assert 'holdfast_next_due_timestamp_seconds{tier="tier1"}' in metrics.read_text()
    assert metrics.stat().st_mode & 0o777 == 0o644
    assert run.report["hosts"][0]["host"] == "web1"


def test_a_host_whose_policy_cannot_be_read_is_named_and_keeps_nobody_from_being_due(lab: Lab) -> None:
    lab.variables["holdfast_tiers"] = {"tier1": {"schedule": {"every": "1m"}}}
    lab.host_variables["web2"]["holdfast_components"] = [{"name": "app"}]
    lab.play([{"name": "make", "holdfast.config.repository": {}, "run_once": True}])
    run = lab.play([{"name": "ask", "holdfast.config.schedule_info": {"limit": 5}, "run_once": True}]).ok()
    result = run.on("ask").result
    assert result["hosts"] == ["web1"]
    assert set(result["unusable"]) == {"web2"}
