# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a sizing, and what a task gets of it: what the module's page and the guide say."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.modules import sizing as page
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import sizing_options, sizing_results
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import sizing

GUIDE = (Path(__file__).parents[5] / "docs" / "guide_sizing.md").read_text(encoding="utf-8")
DEFAULTS = {"window_days": 28, "monthly_growth": 0.0}
ASSUME = {"hosts": 20, "streams": [{"tier": "tier1", "bytes": "2MiB"}]}


def options(**given: t.Any) -> Options:
    return Options({**DEFAULTS, **given}, lambda _name: None, check=False)


def sized(**given: t.Any) -> dict[str, t.Any]:
    """As the action does, without a repository."""
    asked = options(**given)
    basis = sizing_options.assumption(asked)
    assert basis is not None
    prices = sizing_options.prices(asked, basis.classes)
    return sizing_results.sized(sizing.assumed(basis, sizing_options.wanted(asked, prices)), prices)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guide_shows_what_its_example_gives() -> None:
    play, prices = (yaml.safe_load(block) for block in blocks("yaml"))
    assume = play[0]["tasks"][0]["holdfast.config.sizing"]["assume"]
    report = sized(assume=assume, **prices)["report"]
    shown = [line for line in blocks("text")[0].splitlines() if line]
    assert len(shown) > 5
    assert [line for line in shown if line not in report] == []


def test_the_page_names_all_that_is_returned_and_asked() -> None:
    returned = yaml.safe_load(page.RETURN)
    found = sized(assume=ASSUME)
    assert found.keys() - {"changed", "warnings"} == returned.keys()
    asked = yaml.safe_load(page.DOCUMENTATION)["options"]
    assert asked.keys() == sizing_options.SIZING.keys()
    for name in ("groups", "classes", "months"):
        assert found[name][0].keys() == returned[name]["contains"].keys()


def test_without_prices_nothing_is_said_of_prices() -> None:
    found = sized(assume=ASSUME)
    assert found["cost"] is None
    assert {row["cost"] for row in (*found["classes"], *found["months"])} == {None}
    assert not any("costs" in line for line in found["report"])


def test_an_hourly_schedule_is_one_number_away() -> None:
    daily, hourly = (sized(assume={**ASSUME, "runs_per_day": runs}) for runs in (1, 24))
    assert hourly["requests"]["list"] > 20 * daily["requests"]["list"]
    assert hourly["runs_per_day"] == 24


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"window_days": 0}, "window_days"),
        ({"window_days": 401}, "window_days"),
        ({"compare_days": 0}, "compare_days"),
        ({"compare_days": 121}, "compare_days"),
        ({"expected_hosts": 0}, "expected_hosts"),
        ({"runs_per_day": 0.0}, "runs_per_day"),
        ({"runs_per_day": float("nan")}, "runs_per_day"),
        ({"monthly_growth": float("inf")}, "monthly_growth"),
    ],
)
def test_numbers_out_of_range_are_named(given: dict[str, t.Any], key: str) -> None:
    with pytest.raises(PolicyError, match=key):
        sizing_options.wanted(options(**given), None)


def test_what_is_assumed_has_no_past() -> None:
    with pytest.raises(PolicyError, match="compare_days"):
        sizing_options.assumption(options(assume=ASSUME, compare_days=3))


def test_classes_of_the_inventory_count() -> None:
    classes, tiers = {"d1000": {"days": 1000}}, {"tier1": {"class": "d1000"}}
    found = sized(assume=ASSUME, classes=classes, tiers=tiers)
    assert [row["class"] for row in found["classes"]] == ["(points)", "d1000"]
    assert found["classes"][0]["days"] == 1000
