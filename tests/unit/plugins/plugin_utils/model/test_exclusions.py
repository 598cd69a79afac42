# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Exclude
from ansible_collections.holdfast.config.plugins.plugin_utils.model.exclusions import read_exclusions
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy

NOW = dt.datetime(2026, 12, 24, 12, tzinfo=dt.timezone.utc)
CACHE = {"pattern": "/etc/ssh/cache", "reason": "transient"}


def policy(*exclusions: t.Any) -> Policy:
    components = [
        {"name": "ssh", "paths": ["/etc/ssh"], "excludes": [{"pattern": "*.bak", "reason": "own"}]},
        {"name": "web", "paths": ["/etc/nginx"]},
        {"name": "env", "unit": "nginx.service"},
    ]
    return read_policy(host="web1", components=components, exclusions=list(exclusions), now=NOW)


def patterns(found: Policy) -> list[list[str]]:
    return [[one.pattern for one in component.excludes] for component in found.components]


def test_an_exclusion_adds_to_the_excludes_of_file_components() -> None:
    found = policy(CACHE)
    assert patterns(found) == [["*.bak", "/etc/ssh/cache"], ["/etc/ssh/cache"], []]
    assert found.components[1].excludes == (Exclude("/etc/ssh/cache", "transient"),)


def test_it_may_be_for_some_components() -> None:
    assert patterns(policy({**CACHE, "components": ["web"]})) == [["*.bak"], ["/etc/ssh/cache"], []]


def test_a_pattern_of_the_component_itself_keeps_its_reason() -> None:
    assert policy({"pattern": "*.bak", "reason": "fleet"}).components[0].excludes == (Exclude("*.bak", "own"),)


@pytest.mark.parametrize(("expires", "excluded"), [("2026-12-24", True), ("2026-12-23", False)])
def test_what_has_expired_leaves_nothing_out(expires: str, excluded: bool) -> None:
    assert bool(policy({**CACHE, "expires": expires}).components[1].excludes) is excluded


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("x", "is not a list"),
        ([{"pattern": "x"}], "lacks a pattern or a reason"),
        ([{**CACHE, "reason": "absent"}], "what captures say of a gap"),
        ([{**CACHE, "expires": "tomorrow"}], "neither a day nor a moment"),
        ([{**CACHE, "expire": "2026-12-24"}], "not a key of this version"),
        ([{**CACHE, "components": "web"}], "is not a list"),
        ([7], "is not a mapping"),
    ],
)
def test_what_is_wrong_is_told(given: t.Any, message: str) -> None:
    findings: list[Finding] = []
    assert read_exclusions(given, findings) == ()
    assert message in " ".join(map(str, findings))
