# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role ``awx`` by the real modules of ``awx.awx``, against a server that answers as AWX does."""

from __future__ import annotations

import tempfile
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import awx_roles, matrix
from ansible_collections.holdfast.config.tests.lab import forked_python, molecule
from ansible_collections.holdfast.config.tests.lab.awx import collection
from ansible_collections.holdfast.config.tests.lab.awx.server import TOKEN, Awx, serve
from ansible_collections.holdfast.config.tests.lab.go_build import NotBuiltError
from ansible_collections.holdfast.config.tests.lab.page import Home, Page
from ansible_collections.holdfast.config.tests.system.lab import BIN, COLLECTIONS, Lab, Run

ROOT = Path(__file__).parents[2]
ROLE = yaml.safe_load((ROOT / "roles/awx/vars/main.yml").read_text(encoding="utf-8").replace("!unsafe ", ""))
JOBS = [*(job.name for job in matrix.load().jobs), *(job["name"] for job in ROLE["__awx_jobs"])]
PREFIX = "holdfast-test"
GUIDE = ROOT / "docs" / "guide_awx.md"
SCENARIO = ROOT / "extensions" / "molecule" / "awx" / "inventory.yml"


@pytest.fixture(scope="module")
def modules() -> Path:
    try:
        return collection.collections()
    except NotBuiltError as e:
        pytest.exit(str(e), returncode=1)


@pytest.fixture(scope="module")
def interpreter(modules: Path) -> Iterator[Path]:
    """Runs the many modules of one run, which all import the same."""
    common = ("ansible.module_utils.urls", "ansible_collections.awx.awx.plugins.module_utils.controller_api")
    with (
        tempfile.TemporaryDirectory(prefix="hf-") as folder,
        forked_python.python(Path(folder), common, [modules]) as python,
    ):
        yield python


@pytest.fixture
def awx() -> Iterator[Awx]:
    yield from serve(Awx((*(f"{name}.yml" for name in JOBS), "deploy.yml")))


class Site:
    """A controller with the inventory of the Molecule scenario, and an AWX."""

    def __init__(self, lab: Lab, awx: Awx, modules: Path, interpreter: Path) -> None:
        self.lab, self.awx, self.interpreter = lab, awx, interpreter
        self.environment = {
            "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{modules}",
            # each of the many modules is one process, and not four
            "ANSIBLE_PIPELINING": "true",
            "CONTROLLER_HOST": awx.url,
            "CONTROLLER_OAUTH_TOKEN": TOKEN,
            "LAB_PYTHON": str(interpreter),
        }
        declared = yaml.safe_load(SCENARIO.read_text())["all"]["vars"]
        lab.variables |= {name: value for name, value in declared.items() if not name.startswith("ansible_")}

    def run(self, *, check: bool = False, **variables: t.Any) -> Run:
        """Run the playbook."""
        self.lab.variables |= variables
        args = ("--extra-vars", f"ansible_python_interpreter={self.interpreter}")
        return self.lab.start("holdfast.config.awx", *args, check=check, env=self.environment).end(within=600)


@pytest.fixture
def site(tmp_path: Path, awx: Awx, modules: Path, interpreter: Path) -> Site:
    return Site(Lab(tmp_path / "lab"), awx, modules, interpreter)


def test_all_is_made_once_and_removed_as_the_guide_says(site: Site, tmp_path: Path) -> None:
    awx = site.awx
    deploy = theirs(awx)
    before = {kind: sorted(held) for kind, held in awx.items.items()}
    # the reader's own: where AWX is, and what it clones
    project = yaml.safe_load(SCENARIO.read_text())["all"]["vars"]["awx_project_url"]
    page = Page(GUIDE, {"https://awx.example.com": awx.url, "https://git.example.com/ops/holdfast.git": project})
    make, remove = page.commands()
    told = {name: value for name, value in site.environment.items() if not name.startswith("CONTROLLER_")}
    home = Home(tmp_path, [BIN], told)
    (tmp_path / "inventory.yml").write_text(SCENARIO.read_text())
    shown = home.tell("bash", "-euo", "pipefail", "-c", make, secret=TOKEN)
    assert TOKEN not in shown
    assert_all_is_there(awx, deploy)

    # it defines all twice: nothing of it changes, nor was anything changed while it was made
    made = list(awx.changes)
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        molecule.run("awx", folder, **site.environment)
    assert awx.changes == made
    assert not [change for change in made if change.startswith("PATCH")]
    # a template that asks nothing has its survey removed once, as it is made
    removed = [change for change in made if change.startswith("DELETE")]
    assert len(set(removed)) == len(removed)

    home.give(remove, CONTROLLER_HOST=awx.url, CONTROLLER_OAUTH_TOKEN=TOKEN)
    assert {kind: sorted(held) for kind, held in awx.items.items()} == before


def theirs(awx: Awx) -> dict[str, t.Any]:
    """A job template of somebody else, with a project and an inventory of his own."""
    place = {"organization": awx.named("organizations", "Default")["id"]}
    project = awx.create("projects", {"name": "theirs", "scm_type": "git", **place})
    inventory = awx.create("inventories", {"name": "theirs", **place})
    told = {"name": "deploy", "playbook": "deploy.yml", "project": project["id"], "inventory": inventory["id"]}
    return awx.create("job_templates", told)


def assert_all_is_there(awx: Awx, deploy: dict[str, t.Any]) -> None:
    """What the role makes, as who looks at AWX sees it."""
    definitions = awx_roles.definitions("test", organization="Default", project="holdfast", inventory="holdfast")
    assert awx.names("teams") == sorted(team["name"] for team in definitions["teams"])
    templates = {one["name"].removeprefix(f"{PREFIX}: "): one for one in awx.all("job_templates") if one is not deploy}
    assert sorted(templates) == sorted(JOBS)
    for name, template in templates.items():
        assert template["playbook"] == f"{name}.yml"
        assert not template["ask_variables_on_launch"]
        assert not template["ask_credential_on_launch"]
        assert awx.related(template, "notification_templates_error") == [
            awx.named("notification_templates", "on call")["id"]
        ]
    # what AWX templates, Ansible has not
    env = {one["name"]: one["injectors"].get("env", {}) for one in awx.all("credential_types")}
    assert env["holdfast tickets"]["HOLDFAST_TICKETS_TOKEN"] == "{{ token }}"
    assert env["holdfast Vault"]["HASHI_VAULT_SECRET_ID"] == "{{ secret_id }}"
    # nobody's secret was given, and no team can use a credential
    assert all(not one["inputs"] for one in awx.all("credentials"))
    assert not any(awx.granted(one, role) for one in awx.all("credentials") for role in ("use_role", "admin_role"))

    # a tier asks for a ticket before a restore, and none for a backup
    asked = {name: {one["variable"]: one for one in awx.survey(one).get("spec", [])} for name, one in templates.items()}
    assert asked["restore"]["restore_change"]["required"]
    assert not asked["backup"]["backup_change"]["required"]
    assert asked["change"]["change_id"]["required"]
    assert {name for name, template in templates.items() if template["survey_enabled"]} == {
        name for name, questions in asked.items() if questions
    }

    assert rights(awx) == wanted_rights(definitions)

    rules = {one["name"]: (one["rrule"], one["extra_data"]) for one in awx.all("schedules")}
    of_tier = "DTSTART;TZID=Europe/Berlin:20260101T000000 RRULE:FREQ=DAILY;INTERVAL=1;BYMONTHDAY="
    assert rules == {
        f"{PREFIX}: scheduled: tier1 1": (f"{of_tier}1;BYHOUR=2;BYMINUTE=30;BYSECOND=0", {"schedule_tier": "tier1"}),
        f"{PREFIX}: scheduled: tier1 2": (f"{of_tier}15;BYHOUR=2;BYMINUTE=30;BYSECOND=0", {"schedule_tier": "tier1"}),
    }
    assert {one["unified_job_template"] for one in awx.all("schedules")} == {templates["scheduled"]["id"]}

    flow = awx.named("workflow_job_templates", f"{PREFIX}: change, approved")
    nodes = {
        one["identifier"]: one
        for one in awx.all("workflow_job_template_nodes")
        if one["workflow_job_template"] == flow["id"]
    }
    approval = awx.named("workflow_approval_templates", f"{PREFIX}: change: approve")
    assert {name: one["unified_job_template"] for name, one in nodes.items()} == {
        "pre": templates["backup"]["id"],
        "approve": approval["id"],
        "change": deploy["id"],
        "post": templates["backup"]["id"],
    }
    paths = {
        (name, path): awx.related(one, f"{path}_nodes")
        for name, one in nodes.items()
        for path in ("success", "failure", "always")
        if awx.related(one, f"{path}_nodes")
    }
    assert paths == {
        ("pre", "success"): [nodes["approve"]["id"]],
        ("approve", "success"): [nodes["change"]["id"]],
        ("change", "always"): [nodes["post"]["id"]],
    }
    assert nodes["post"]["extra_data"] == {"backup_point": "post"}
    (question,) = awx.survey(flow)["spec"]
    assert (question["variable"], question["required"]) == ("backup_change_id", True)


def rights(awx: Awx) -> set[tuple[str, str, str]]:
    """Team, role and template, as AWX holds them."""
    teams = {team["id"]: team["name"] for team in awx.all("teams")}
    return {
        (teams[team], role, item["name"])
        for kind in ("job_templates", "workflow_job_templates")
        for item in awx.all(kind)
        for role in item["summary_fields"]["object_roles"]
        for team in awx.granted(item, role)
    }


def wanted_rights(definitions: dict[str, t.Any]) -> set[tuple[str, str, str]]:
    """The same as the matrix has it, and as the role says beside it."""
    matrix_has = {
        (role["team"], f"{role['role']}_role", name)
        for role in definitions["roles"]
        for name in (*role.get("job_templates", ()), *role.get("workflows", ()))
    }
    beside = {
        (f"{PREFIX}-{team}", "execute_role", f"{PREFIX}: {job['name']}")
        for job in ROLE["__awx_jobs"]
        for team in job["launched_by"]
    }
    flow = f"{PREFIX}: change, approved"
    return (
        matrix_has
        | beside
        | {
            (f"{PREFIX}-operator", "execute_role", flow),
            (f"{PREFIX}-approver", "approval_role", flow),
        }
    )


def test_a_dry_run_changes_nothing(site: Site) -> None:
    run = site.run(check=True)
    assert run.on("Have credential types").result["changed"]
    assert site.awx.changes == []


def test_without_the_collection_or_awx_nothing_is_touched(site: Site) -> None:
    site.environment["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
    run = site.run()
    assert "Install it" in run.on("Say what is missing").message
    assert site.awx.changes == []


def test_an_awx_that_takes_nothing_from_this_account_is_said(site: Site) -> None:
    site.environment["CONTROLLER_OAUTH_TOKEN"] = "another"
    run = site.run()
    assert "HTTP 401" in run.on("Say what is missing").message
    assert site.awx.changes == []
