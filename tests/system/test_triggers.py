# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an event runs; and the jobs for CI servers, which run the same before and after a deployment."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers.request import Request
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers.spool import Spool

from .lab import Lab

JOBS = Path(__file__).parents[2] / "extensions" / "ci"
KINDS = ("pre-deployment", "post-deployment")
VARIABLES = {"HOLDFAST_CHANGE", "HOLDFAST_DEPLOYMENT", "HOLDFAST_VERSION", "HOLDFAST_ENVIRONMENT", "HOLDFAST_DEPLOYER"}
RUN = "ansible-playbook holdfast.config.backup --inventory inventory.yml --extra-vars @holdfast.yml"


def gitlab() -> tuple[set[str], list[list[str]]]:
    """The variables, and the commands of each stage in the order of stages."""
    jobs: dict[str, t.Any] = yaml.safe_load((JOBS / "gitlab-ci.yml").read_text())
    template = jobs[".holdfast"]
    commands = []
    for stage in jobs["stages"]:
        (job,) = [job for name, job in jobs.items() if isinstance(job, dict) and job.get("stage") == stage]
        kind = job.get("variables", {}).get("HOLDFAST_KIND", "")
        if "extends" in job:
            assert job["extends"] == ".holdfast"
        script = job.get("script") or template["script"]
        commands.append([line.replace('"$HOLDFAST_KIND"', kind) for line in script])
    return set(template["variables"]), commands


def github() -> tuple[set[str], list[list[str]]]:
    workflow: dict[str, t.Any] = yaml.safe_load((JOBS / "github-actions.yml").read_text())
    jobs = workflow["jobs"]
    assert [job.get("needs") for job in jobs.values()] == [None, *list(jobs)[:-1]]
    steps = [[step for step in job["steps"] if "run" in step] for job in jobs.values()]
    # an expression in a command would be a command of whoever names a branch
    assert not any("${{" in step["run"] for each in steps for step in each)
    return set(workflow["env"]), [[line for step in each for line in step["run"].splitlines()] for each in steps]


def jenkins() -> tuple[set[str], list[list[str]]]:
    text = (JOBS / "Jenkinsfile").read_text()
    assert text.count("{") == text.count("}")
    stages = re.split(r"stage\('", text)[1:]
    # single quotes: Groovy puts nothing into them
    assert not re.search(r'\bsh "', text)
    return set(re.findall(r"^ +(HOLDFAST_\w+) = ", text, re.MULTILINE)), [re.findall(r"sh '(.+)'", s) for s in stages]


@pytest.mark.parametrize("server", [gitlab, github, jenkins], ids=lambda server: server.__name__)
def test_a_job_backs_up_before_and_after(server: t.Callable[[], tuple[set[str], list[list[str]]]]) -> None:
    variables, (before, deploy, after) = server()
    assert variables == VARIABLES
    assert deploy == ["./deploy.sh"]
    for kind, commands in zip(KINDS, (before, after), strict=True):
        assert commands == [f"python3 holdfast_variables.py {kind} > holdfast.yml", RUN]


@pytest.mark.parametrize(
    ("schema", "file"), [("gitlab-ci", "gitlab-ci.yml"), ("github-workflows", "github-actions.yml")]
)
def test_a_job_is_of_its_servers_form(schema: str, file: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", JOBS / file]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_what_people_name_versions_by_is_read_back_as_it_was() -> None:
    names = ["v2 \N{ROCKET}", "Zo\xeb", "a\x7fb\x85c\u2028d\ufeffe\x1b[2Jf\n", 'quote" back\\slash', "\U000e0001"]
    for name in names:
        command = [sys.executable, JOBS / "holdfast_variables.py", "pre-deployment"]
        told = subprocess.run(command, env={"HOLDFAST_VERSION": name}, capture_output=True, check=True).stdout
        for loader in (yaml.CSafeLoader, yaml.SafeLoader):
            read = yaml.load(told.replace(b"!unsafe ", b""), Loader=loader)
            assert read["backup_change"] == {"version": name}
    environment = {b"HOLDFAST_VERSION": b"latin \xe9"}
    told = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert b"latin \xef\xbf\xbd" in told


def test_what_a_job_runs_tells_of_the_deployment_and_templates_nothing(new_lab: t.Callable[[int], Lab]) -> None:
    lab = new_lab(1)
    version = "{{ lookup('pipe', 'touch ' ~ playbook_dir ~ '/ran') }}"
    told = {"HOLDFAST_CHANGE": "CHG0031337", "HOLDFAST_DEPLOYMENT": "4711", "HOLDFAST_VERSION": version}
    command = [sys.executable, JOBS / "holdfast_variables.py", "pre-deployment"]
    variables = subprocess.run(command, env={**told, "HOLDFAST_DEPLOYER": "zoe"}, capture_output=True, check=True)
    (lab.path / "holdfast.yml").write_bytes(variables.stdout)
    lab.play("holdfast.config.backup", "--extra-vars", "@holdfast.yml").ok()
    (point,) = lab.points()
    assert point.body.change == {"id": "CHG0031337", "deployment": "4711", "version": version, "deployer": "zoe"}
    trigger = point.body.actor["trigger"]
    assert (trigger["kind"], trigger["id"], trigger["by"]) == ("pre-deployment", "4711", "zoe")


def test_what_is_sealed_is_taken_out_of_the_spool_once(new_lab: t.Callable[[int], Lab]) -> None:
    lab = new_lab(1)
    spool = Spool(lab.path / "spool")
    asked = Request("manual-change", ("web1",))
    kept, sealed = (spool.put(asked, key="ci", now=1795736445 + number).id for number in range(2))
    task = {"name": "done", "holdfast.config.trigger_done": {"spool": str(spool.path), "ids": [sealed]}}
    for check, changed, left in ((True, True, [kept, sealed]), (False, True, [kept]), (False, False, [kept])):
        result = lab.play([task], check=check).ok().on("done").result
        assert (result["changed"], result["done"]) == (changed, [sealed] if changed else [])
        assert spool.waiting() == left
    spool.close()


def test_an_event_reaches_no_more_than_the_hosts_it_names(new_lab: t.Callable[[int], Lab]) -> None:
    lab = new_lab(2)
    event = {"trigger": {"kind": "manual-change"}, "change": {}, "spool": str(lab.path), "ids": []}
    for hosts in (["all"], ["web*"], ["web1:web2"], ["!web1"], ["nosuch"]):
        run = lab.play("holdfast.config.capture_event", "-e", json.dumps({"capture_event": {**event, "hosts": hosts}}))
        assert not run.tasks
    assert lab.points() == []
    # one that is there does not pass for all; the listener is told that the run failed, and keeps what was asked
    spool = Spool(lab.path / "spool")
    kept = spool.put(Request("manual-change", ("nosuch", "web1")), key="ci", now=1795736445).id
    event = {**event, "hosts": ["web1", "nosuch"], "spool": str(spool.path), "ids": [kept]}
    assert lab.play("holdfast.config.capture_event", "-e", json.dumps({"capture_event": event})).rc != 0
    assert lab.points() == []
    assert spool.waiting() == [kept]
    assert spool.take_failed() == {kept}
    spool.close()
