# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify as a task: in processes of a worker, by sample, and shown while it runs."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from .lab import Lab

QUIET = {"HOLDFAST_PROGRESS_INTERVAL": "0"}
LOUD = {"HOLDFAST_PROGRESS_INTERVAL": "0.000001"}


def verify(name: str, **options: t.Any) -> dict[str, t.Any]:
    """A verification, once."""
    return {"name": name, "holdfast.config.verify": options, "run_once": True, "ignore_errors": True}


def drifted(lab: Lab, runs: int) -> None:
    """So many points, in each of which every host has something new."""
    for _number in range(runs):
        lab.play("holdfast.config.backup").ok()
        for host in lab.hosts:
            lab.change(host)


def progress(output: str) -> list[str]:
    """The lines that say how far it is."""
    return [line for line in output.splitlines() if line.startswith("holdfast: ") and "verified" in line]


def test_any_number_of_processes_says_the_same_and_progress_where_it_is_wanted(lab: Lab) -> None:
    drifted(lab, runs=2)
    tasks = [verify(f"by {forks}", level="keys", forks=forks) for forks in (1, 5)]
    run = lab.play(tasks, env=LOUD).ok()
    alone, several = ({**run.on(f"by {forks}").result, "verified_at": ""} for forks in (1, 5))
    assert alone == several
    assert alone["sound"]
    total = alone["objects"]
    assert f"holdfast: {total} of {total} objects verified, " in progress(run.output)[-1]
    assert progress(lab.play(tasks, env=QUIET).ok().output) == []
    # and where nothing is said of it, a short run says nothing
    assert progress(lab.play(tasks).ok().output) == []


def test_a_sample_says_what_it_has_not_read(lab: Lab) -> None:
    drifted(lab, runs=2)
    tasks = [verify(f"seed {seed}", sample=50, seed=seed) for seed in (4, 5)]
    run = lab.play([*tasks, verify("typo", sample={"d009": 5}), verify("names", level="names", sample=5)]).ok()
    told = [run.on(f"seed {seed}").result for seed in (4, 5)]
    # a manifest and a pack each: what one has not read the other has
    assert sum(result["unread"]["objects"] for result in told) == 2 * told[0]["snapshots"] == 8
    for result in told:
        assert (result["broken"], result["sound"]) == (0, not result["unread"]["objects"])
    assert any("NOT READ" in result["summary"] for result in told)
    assert "the root knows no class d009" in run.on("typo").message
    assert "a sample is of objects" in run.on("names").message


def test_the_role_keeps_a_report_and_wants_young_points(lab: Lab, tmp_path: Path) -> None:
    drifted(lab, runs=1)
    report = tmp_path / "report.json"
    role = ["-e", json.dumps({"verify_report": str(report), "verify_max_age_hours": 1, "verify_sample": {"newest": 9}})]
    run = lab.play("holdfast.config.verify", *role).ok()
    assert json.loads(report.read_text())["sound"]
    assert report.stat().st_mode & 0o777 == 0o600
    assert "level content: no promise broken" in run.output
    # what the command line gives is text
    plain = ("verify_max_age_hours=1", "verify_allow_unread=false", "verify_forks=1", "verify_streams=true")
    assert "no promise broken" in lab.play("holdfast.config.verify", *(f"-e{one}" for one in plain)).ok().output
    (point,) = (lab.path / "repository").glob("points/*/*@*")
    point.chmod(0o600)
    point.write_bytes(b"{}")
    failed = lab.play("holdfast.config.verify", *role)
    assert failed.rc == 2
    told = json.loads(report.read_text())
    assert (told["sound"], told["broken"] > 0, told["recovery_points"]) == (False, True, [])
