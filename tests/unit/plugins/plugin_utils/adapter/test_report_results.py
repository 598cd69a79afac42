# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task of the report tells, and which files it writes."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import report_results
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.model.coverage import COVERED, GAP, Row
from ansible_collections.holdfast.config.plugins.plugin_utils.model.standing import Standing
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.report import Report

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.timezone.utc)
FOUND = Report(
    (
        Standing(Row("web1", ("web",), "app", "tier1", "web-team", COVERED, verified_at=NOW), change="CHG0042"),
        Standing(Row("web2", ("web",), "app", "tier1", "", GAP, ("never captured",))),
    ),
    NOW,
    warnings=("one",),
)


@pytest.mark.parametrize("check", [True, False])
def test_files_are_written_but_in_check_mode(tmp_path: Path, check: bool) -> None:
    written = {name: str(tmp_path / name) for name in ("path", "html")}
    result = report_results.reported(Options(written, lambda _name: None, check=check), FOUND, ["two"])
    assert {name: result[name] for name in written if name in result} == ({} if check else written)
    assert [Path(file).exists() for file in written.values()] == [not check] * 2
    assert (result["changed"], result["covered"], result["gaps"]) == (False, 1, 1)
    assert result["warnings"] == ["one", "two"]
    if not check:
        rows = json.loads(Path(written["path"]).read_text())["rows"]
        assert [(row["host"], row["change"]) for row in rows] == [("web1", "CHG0042"), ("web2", "")]


def test_one_owner_is_told_of_alone() -> None:
    result = report_results.reported(Options({"owner": "web-team"}, lambda _name: None, check=True), FOUND, ())
    assert (result["covered"], result["gaps"]) == (1, 0)
