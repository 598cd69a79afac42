# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import keyring_results
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Location
from ansible_collections.holdfast.config.plugins.plugin_utils.model.logins import Login
from ansible_collections.holdfast.config.plugins.plugin_utils.model.setting import Outcome
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.keyring_setup import Asked, Ready
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.paper_vault import (
    PaperVault,
    paper_setup,
)

LOCATION = Location("prod", "file:///srv/prod", "vault", "", None)
LOGINS = (
    Login("operator", "approle", "approle", 600, 3600),
    Login("auditor", "userpass", "people", 600, 3600),
)
UNMADE = Outcome("keys to make", "missing", {"keys": 36}, why="not made yet", remedy="The owner makes them")


def result(*outcomes: Outcome, diff: bool = False) -> dict[str, t.Any]:
    ready = Ready(outcomes, {"operator": "an id", "auditor": "holdfast-prod-auditor"})
    with paper_setup(PaperVault()) as setup:
        asked = Asked(LOGINS, 3600, (), ["d0030"], 2026)
        found = keyring_results.keyring(LOCATION, setup, asked, ready, diff=diff)
    json.dumps(found)
    return found


def test_what_is_held_is_no_change_and_leaves_nothing_to_do() -> None:
    found = result(Outcome("mount", "held"), diff=True)
    assert found["settings"] == [{"setting": "mount", "state": "held", "why": "", "remedy": ""}]
    assert (found["changed"], found["warnings"], found["owner_steps"], found["next_steps"]) == (False, [], [], [])
    assert "diff" not in found


def test_each_way_in_is_told_as_an_inventory_has_it() -> None:
    operator, auditor = result()["logins"]
    assert operator == {
        "identity": "operator",
        "auth_method": "approle",
        "mount_point": "approle",
        "role_id": "an id",
    }
    assert auditor["username"] == "holdfast-prod-auditor"


def test_only_a_way_in_that_was_made_needs_a_secret_id() -> None:
    (step,) = result(Outcome("login operator", "changed", None, {"token_ttl": 600}))["next_steps"]
    assert "role_id to an id in holdfast_repository.keyring" in step
    assert step.endswith("vault write -force -field=secret_id auth/approle/role/holdfast-prod-operator/secret-id")
    assert result(Outcome("login operator", "changed", {"token_ttl": 1}, {"token_ttl": 600}))["next_steps"] == []
    assert result(Outcome("login operator", "differs", None, {}))["next_steps"] == []


def test_the_owner_is_told_what_to_do_where_keys_are_missing() -> None:
    found = result(UNMADE)
    assert "-policy=holdfast-prod-owner" in found["owner_steps"][0]
    assert "holdfast.config.repository" in found["owner_steps"][1]
    # that is what comes next, and no reason to warn
    assert found["warnings"] == []
    assert not found["changed"]


def test_what_is_for_somebody_else_is_a_warning() -> None:
    found = result(
        Outcome("key point", "undeclared", why="no root names version 2", remedy="Rotate by the root"),
        Outcome("audit", "held", why="one audit device", remedy="Enable a second one"),
        Outcome("root", "not compared", why="the root was not read", remedy="Run it elsewhere"),
        Outcome("key d0030-2026", "missing", why="the root names it", remedy="See"),
        Outcome("policy operator", "differs", {"policy": "a"}, {"policy": "b"}, why="policy", remedy="Find out"),
    )
    assert [line.partition(":")[0] for line in found["warnings"]] == ["key point", "audit", "root", "key d0030-2026"]
    assert found["changed"]


def test_a_diff_has_the_fields_that_differ_and_policies_as_they_are() -> None:
    found = result(
        Outcome("mount", "held"),
        Outcome("policy operator", "changed", {"policy": 'path "a" {}'}, {"policy": 'path "b" {}'}),
        Outcome("login operator", "differs", {"token_ttl": 1}, {"token_ttl": 600}),
        Outcome("access restorer", "changed", None, {"orphan": True}),
        diff=True,
    )
    assert [(one["before_header"], one["before"], one["after"]) for one in found["diff"]] == [
        ("policy operator", 'path "a" {}\n', 'path "b" {}\n'),
        ("login operator", "token_ttl: 1\n", "token_ttl: 600\n"),
        ("access restorer", "", "orphan: True\n"),
    ]
