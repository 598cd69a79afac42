# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as definitions for AWX. They were not tried on one: held here is what they say of each other."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import awx_roles, matrix


@pytest.fixture
def awx() -> dict[str, t.Any]:
    return awx_roles.definitions("prod", organization="Ops", project="holdfast", inventory="all")


def test_each_role_is_for_what_is_defined(awx: dict[str, t.Any]) -> None:
    teams = {team["name"] for team in awx["teams"]}
    jobs = {job["name"] for job in awx["job_templates"]}
    workflows = {flow["name"] for flow in awx["workflow_job_templates"]}
    for role in awx["roles"]:
        assert role["team"] in teams
        assert role["role"] in ("execute", "approval")
        assert set(role.get("job_templates", ())) <= jobs
        assert set(role.get("workflows", ())) <= workflows
        assert "credentials" not in role
    credentials = {one["name"] for one in awx["credentials"]}
    assert all(set(job["credentials"]) <= credentials for job in awx["job_templates"])
    assert {one["credential_type"] for one in awx["credentials"]} == {"holdfast Vault", "Amazon Web Services"}


def test_nobody_approves_what_he_launches(awx: dict[str, t.Any]) -> None:
    launches: dict[str, set[str]] = {}
    approves: dict[str, set[str]] = {}
    for role in awx["roles"]:
        kind = approves if role["role"] == "approval" else launches
        kind.setdefault(role["team"], set()).update(role.get("workflows", ()), role.get("job_templates", ()))
    assert approves.keys() == {"holdfast-prod-approver"}
    assert not approves.keys() & launches.keys()
    assert ["holdfast-prod-restorer", "holdfast-prod-approver"] in awx["apart"]
    assert ["holdfast-prod-operator", "holdfast-prod-restorer"] in awx["apart"]


def test_what_has_to_be_approved_is_launched_by_its_workflow_alone(awx: dict[str, t.Any]) -> None:
    launched = {name for role in awx["roles"] for name in role.get("job_templates", ())}
    assert "holdfast-prod: restore" not in launched
    (flow,) = (one for one in awx["workflow_job_templates"] if "restore" in one["name"])
    approve, run = flow["workflow_nodes"]
    assert approve["unified_job_template"]["type"] == "workflow_approval"
    assert approve["related"] == {"success_nodes": [{"identifier": run["identifier"]}]}
    assert run["unified_job_template"]["name"] == "holdfast-prod: restore"


def test_who_launches_sets_no_variables_of_his_own(awx: dict[str, t.Any]) -> None:
    """A repository of his own would get the job's secrets: its keyring's url says where they are sent."""
    launched = [*awx["job_templates"], *awx["workflow_job_templates"]]
    assert launched
    for one in launched:
        asks = {name for name, value in one.items() if name.startswith("ask_") and value}
        assert asks == {"ask_limit_on_launch"}, one["name"]
        assert one["survey_enabled"] == ("survey_spec" in one)


def test_what_is_asked_at_launch_is_a_variable_of_the_playbook(awx: dict[str, t.Any]) -> None:
    asked = {job["name"]: job.get("survey_spec", {}).get("spec", []) for job in awx["job_templates"]}
    (access,) = (spec for name, spec in asked.items() if "access" in name)
    assert [question["variable"] for question in access] == ["access_request", "access_state"]
    assert [question["type"] for question in access] == ["text", "multiplechoice"]
    assert access[1]["choices"] == "present\nabsent"
    collection = matrix.FILE.parents[3]
    for job in matrix.load().jobs:
        role = collection / "roles" / job.name / "defaults" / "main.yml"
        known = (role if role.exists() else collection / "playbooks" / f"{job.name}.yml").read_text()
        for question in asked[f"holdfast-prod: {job.name}"]:
            assert re.search(rf"\b{question['variable']}\b", known), question["variable"]
            assert not question["required"]
            # an answer that was not given is no empty text
            assert question.get("min", 1) == 1
    for flow in awx["workflow_job_templates"]:
        (name,) = (name for name in asked if flow["name"] == f"{name}, approved")
        assert flow["survey_spec"]["spec"] == asked[name]


def test_nothing_that_is_asked_is_written_on_the_controller_or_says_where() -> None:
    variables = {one.variable for job in matrix.load().jobs for one in job.asks}
    assert not [one for one in variables if re.search("html|report|path$|sts|repository|hosts|dest|url", one)]


def test_the_owner_has_no_job_and_no_team(awx: dict[str, t.Any]) -> None:
    assert "owner" not in json.dumps(awx)


def test_a_secret_is_a_field_of_a_type_and_nothing_else(awx: dict[str, t.Any]) -> None:
    (kind,) = awx["credential_types"]
    secret = [field["id"] for field in kind["inputs"]["fields"] if field.get("secret")]
    assert secret == ["secret_id"]
    assert all("inputs" not in one for one in awx["credentials"])
    # which AWX refuses
    assert not [name for name in kind["injectors"]["env"] if name.startswith("ANSIBLE_")]


def test_every_job_has_a_playbook_of_its_name(awx: dict[str, t.Any]) -> None:
    playbooks = {path.stem for path in (matrix.FILE.parents[3] / "playbooks").glob("*.yml")}
    assert {job.name for job in matrix.load().jobs} <= playbooks
    assert {job["playbook"] for job in awx["job_templates"]} == {f"{job.name}.yml" for job in matrix.load().jobs}
