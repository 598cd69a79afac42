# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What role ``awx`` defines beside the matrix of duties is of this collection: playbooks, options, identities."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.SafeLoader):
    """Reads a text that Ansible is told not to template as a text."""


_Loader.add_constructor("!unsafe", lambda loader, node: node.value)
ROLE = yaml.load((ROOT / "roles/awx/vars/main.yml").read_text(encoding="utf-8"), Loader=_Loader)
JOBS: list[dict[str, t.Any]] = ROLE["__awx_jobs"]
NAMES = [job["name"] for job in JOBS]
MATRIX = {job.name: job for job in matrix.load().jobs}


def templated(text: str, **variables: t.Any) -> t.Any:
    """What Ansible makes of a template."""
    return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text))


def options(name: str) -> set[str]:
    """Variables that a playbook reads, and options of the role of its name."""
    known = set(re.findall(r"\b([a-z]+(?:_[a-z]+)+) \| default", (ROOT / "playbooks" / f"{name}.yml").read_text()))
    spec = ROOT / "roles" / name / "meta" / "argument_specs.yml"
    if spec.exists():
        known |= set(yaml.safe_load(spec.read_text())["argument_specs"]["main"]["options"])
    return known


@pytest.mark.parametrize("job", JOBS, ids=NAMES)
def test_a_job_is_a_playbook_of_this_collection_and_asks_for_its_options(job: dict[str, t.Any]) -> None:
    assert {one["variable"] for one in job["asks"]} <= options(job["name"])


@pytest.mark.parametrize("job", JOBS, ids=NAMES)
def test_a_job_runs_as_an_identity_of_the_matrix_that_has_credentials(job: dict[str, t.Any]) -> None:
    with_jobs = {one.identity for one in MATRIX.values()}
    with_teams = {team for one in MATRIX.values() for team in (*one.launched_by, *one.approved_by)}
    assert job["identity"] in with_jobs
    assert set(job["launched_by"]) <= with_teams
    assert job["name"] not in MATRIX


def test_who_launches_says_neither_where_nor_what_is_written() -> None:
    variables = [one["variable"] for job in JOBS for one in job["asks"]]
    assert not [one for one in variables if re.search("html|report$|path|sts|repository|hosts|dest|url|tasks", one)]


def test_a_change_cannot_be_launched_without_its_ticket() -> None:
    spec = yaml.safe_load((ROOT / "roles/change/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    (asked,) = (job["asks"] for job in JOBS if job["name"] == "change")
    required = {name for name, option in spec["options"].items() if option.get("required")}
    assert {one["variable"] for one in asked if one.get("required")} == required


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://git.example.com/ops/holdfast.git", True),
        ("git@git.example.com:ops/holdfast.git", True),
        ("ssh://git@git.example.com:2222/ops/holdfast.git", True),
        ("https://token@git.example.com/ops/holdfast.git", False),
        ("https://user:token@git.example.com/ops/holdfast.git", False),
        ("ssh://git:password@git.example.com/ops/holdfast.git", False),
    ],
)
def test_no_secret_is_taken_in_a_url_of_the_project(url: str, taken: bool) -> None:
    tasks = yaml.safe_load((ROOT / "roles/awx/tasks/main.yml").read_text(encoding="utf-8"))
    (asked,) = (task["ansible.builtin.assert"] for task in tasks if task["name"] == "Require what the role needs")
    assert templated("{{ " + f"({') and ('.join(asked['that'])})" + " }}", awx_project_url=url) is taken


def test_the_questions_that_name_a_ticket_are_asked() -> None:
    asked = {one.variable for job in MATRIX.values() for one in job.asks}
    assert set(ROLE["__awx_ticket_questions"]) <= asked
    assert set(ROLE["__awx_with_tickets"]) <= {*MATRIX, *NAMES}


def test_a_credential_gives_variables_that_awx_lets_it_give_and_this_collection_reads() -> None:
    read = (ROOT / "plugins/plugin_utils/adapter/tickets.py").read_text()
    (kind,) = ROLE["__awx_credential_types"]
    fields = {field["id"]: field.get("secret", False) for field in kind["inputs"]["fields"]}
    assert fields == {"username": False, "password": True, "token": True}
    for name, text in kind["injectors"]["env"].items():
        # AWX refuses those
        assert not name.startswith("ANSIBLE_")
        assert f'"{name}"' in read
        assert text.strip("{ }") in fields


def test_the_workflow_of_changes_backs_up_before_approval_and_after_whatever_happened() -> None:
    flow = ROLE["__awx_change_workflow"]
    nodes = {node["identifier"]: node for node in flow["workflow_nodes"]}
    (question,) = flow["survey_spec"]["spec"]
    role = yaml.safe_load((ROOT / "roles/backup/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    assert question["required"]
    assert question["variable"] in role["options"]
    asked = {one.variable for one in MATRIX["backup"].asks}
    # a template takes from a node what it asks for, and AWX refuses all else
    assert set(nodes["pre"]["extra_data"]) | set(nodes["post"]["extra_data"]) <= asked
    assert nodes["pre"]["related"] == {"success_nodes": [{"identifier": "approve"}]}
    assert nodes["approve"]["related"] == {"success_nodes": [{"identifier": "change"}]}
    assert nodes["change"]["related"] == {"always_nodes": [{"identifier": "post"}]}
