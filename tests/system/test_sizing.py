# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizing in whole runs: on the first day without a repository, and later from one in a folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import typing as t
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.page import Home, Page

from .lab import Lab, Task, tree

GUIDE = Path(__file__).parents[2] / "docs" / "guide_sizing.md"
ASSUME = {"hosts": 200, "streams": [{"tier": "tier1", "bytes": "2MiB", "files": 1200}]}
PRICES = {"currency": "EUR", "storage_gb_month": {"standard": 0.025}, "requests_1000": {"put": 0.005}}


def sizing(**options: t.Any) -> dict[str, t.Any]:
    return {"name": "size", "holdfast.config.sizing": options, "run_once": True}


def made_earlier(lab: Lab, days: int) -> None:
    """Let all that is stored have been put so many days before it was, as its own folders tell it."""
    for path in (lab.path / "repository").rglob("*"):
        ago = path.stat().st_mtime - days * 86400
        os.utime(path, (ago, ago))


def test_the_first_day_is_asked_without_a_repository(bare: Lab) -> None:
    found = bare.play([sizing(assume=ASSUME, prices=PRICES)]).ok().on("size")
    assert (found.status, found.result["changed"]) == ("ok", False)
    assert found.result["measured_days"] == 0
    (group,) = found.result["groups"]
    assert (group["class"], group["streams"], group["unpacked_bytes"]) == ("d0090", 200, 2 << 20)
    months = [sum(month["held_bytes"].values()) for month in found.result["months"]]
    assert months == sorted(months)
    assert months[0] > 200 * group["pack_bytes"]
    assert found.result["cost"]["total"] > 0
    assert found.result["cost"]["currency"] == "EUR"
    assert all(len(line) <= 80 for line in found.result["report"])
    assert not (bare.path / "repository").exists()


def test_the_playbook_shows_a_report_by_the_command_of_the_guide_and_nothing_changes(lab: Lab, tmp_path: Path) -> None:
    lab.play("holdfast.config.backup").ok()
    made_earlier(lab, 3)
    lab.change("web1")
    lab.play("holdfast.config.backup").ok()
    before = tree(lab.path / "repository")
    # what an auditor has: the repository, and no key
    shutil.rmtree(lab.path / "keyring")
    lab.variables["sizing_prices"] = PRICES
    would = lab.play("holdfast.config.sizing", check=True).ok()
    found = would.on("Size").result
    assert (found["hosts"], found["changed"], found["past"]) == (2, False, None)
    (group,) = found["groups"]
    assert 0 < group["changes_per_day"] < 1
    assert group["compression"] > 0
    assert any(line.startswith("Measured over 3.0 days") for line in would.output.splitlines())

    made_earlier(lab, 37)
    (command,) = Page(GUIDE).commands()
    environment = lab.environment(tmp_path)
    shown = Home(lab.path, environment=environment).give(command)
    told = [Task(**json.loads(line)) for line in Path(environment["COLLECT_TO"]).read_text().splitlines()]
    (found,) = (task.result for task in told if task.task == "Size")
    assert (found["hosts"], found["changed"], found["past"]["days"]) == (2, False, 30)
    assert "Measured over 28.0 days" in shown
    assert re.search(r"class +forecast +held +off", shown)
    assert tree(lab.path / "repository") == before


def test_what_the_listing_holds_is_what_the_folder_holds(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    made_earlier(lab, 3)
    lab.change("web2")
    lab.play("holdfast.config.backup").ok()
    found = lab.play([sizing(window_days=7)]).ok().on("size").result
    stored = [path for path in (lab.path / "repository").rglob("*") if path.is_file() and ".incoming" not in str(path)]
    assert sum(one["held_bytes"] for one in found["classes"]) == sum(path.stat().st_size for path in stored)
    assert sum(sum(month["versions"].values()) for month in found["actual"]) == len(stored)


def test_a_repository_of_today_says_what_to_do(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    failed = lab.play([sizing()]).on("size")
    assert failed.status == "failed"
    assert "less than a day" in failed.message
    assert "assume" in failed.result["remedy"]


def test_options_that_say_nothing_are_refused_by_name(bare: Lab) -> None:
    for options, named in (
        ({"assume": {**ASSUME, "hosts": 0}}, "assume.hosts"),
        ({"assume": {**ASSUME, "streams": [{"tier": "tier7", "bytes": 1}]}}, "assume.streams[0].tier"),
        ({"assume": ASSUME, "prices": {"storage_gb_month": {}}}, "prices.storage_gb_month.standard"),
        ({"assume": ASSUME, "compare_days": 3}, "compare_days"),
        ({"assume": ASSUME, "monthly_growth": -1}, "monthly_growth"),
    ):
        failed = bare.play([sizing(**options)]).on("size")
        assert failed.status == "failed"
        assert named in failed.message
