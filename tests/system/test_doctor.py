# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor by its playbook: on a first repository, on what was broken on purpose, and where nothing can be read."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab, Run, tree

PLAYBOOK = "holdfast.config.doctor"
TASKS: list[dict[str, t.Any]] = [
    {"name": "check", "holdfast.config.doctor": {}, "check_mode": True},
    {
        "name": "template",
        "holdfast.config.doctor": {},
        "vars": {"holdfast_repository_id": "{{ not_there }}"},
    },
    {"name": "strict", "holdfast.config.doctor": {"strict": True, "identity": "operator"}},
]


def of(run: Run, name: str, task: str = "Examine") -> list[str]:
    return [one["severity"] for one in run.on(task).result["checks"] if one["id"] == name]


@pytest.fixture(scope="module")
def lab(new_lab: Callable[[int], Lab]) -> Lab:
    """Two hosts, of which one was backed up, and a password in plain text."""
    made = new_lab(2)
    made.variables["ansible_password"] = CANARY
    made.play([OPEN, SNAPSHOT, SEAL], "--limit", "web1").ok()
    return made


def test_a_first_repository_is_sound_and_what_is_weak_is_named(lab: Lab) -> None:
    before = tree(lab.path / "repository")
    run = lab.play(PLAYBOOK).ok()
    result = run.on("Examine").result
    assert (result["sound"], result["changed"], result["errors"]) == (True, False, 0)
    for name in ("pin", "points", "clock", "keyring", "state_dir", "runs"):
        assert of(run, name) == ["ok"], name
    for name in ("lock", "duty.separated", "inventory.secrets"):
        assert of(run, name) == ["warning"], name
    told = {one["what"] for one in result["checks"] if one["id"] == "inventory.coverage"}
    assert told == {"never captured: web2"}
    assert tree(lab.path / "repository") == before
    table = result["report"]
    assert all(line in run.output.splitlines() and len(line) <= 80 for line in table)
    assert "ansible_password (2 hosts)" in run.output


def test_check_mode_a_template_that_fails_and_a_task_that_is_strict(lab: Lab) -> None:
    before = tree(lab.path / "repository")
    run = lab.play([{**task, "run_once": True} for task in TASKS])
    assert tree(lab.path / "repository") == before
    # in check mode no puts are tried
    assert of(run, "rights", "check") == ["ok"]
    assert of(run, "rights.delete", "check") == []
    # one variable that cannot be read is an error of its own
    assert of(run, "settings", "template") == ["error"]
    assert of(run, "libraries", "template") == ["ok"]
    assert run.rc != 0
    assert run.on("strict").message.endswith("errors: duty")
    assert run.on("strict").result["checks"]


def test_everything_that_is_broken_is_told_at_once(lab: Lab, tmp_path: Path) -> None:
    """A library of another Python, keys that others may read, runs that others may read, a wrong pin, a bad policy."""
    (tmp_path / "pyrage.py").write_text("raise ImportError('of another Python')\n")
    pin, tiers = lab.variables["holdfast_repository_id"], "holdfast_tiers__bad"
    lab.variables |= {"holdfast_repository_id": "0" * 64, tiers: {"tier0": {"rpo": "soon"}}}
    (lab.state / "runs").chmod(0o755)
    try:
        run = lab.play(PLAYBOOK, env={"PYTHONPATH": str(tmp_path)})
    finally:
        (lab.state / "runs").chmod(0o700)
        lab.variables["holdfast_repository_id"] = pin
        del lab.variables[tiers]
    assert run.rc != 0
    errors = {one["id"] for one in run.on("Examine").result["checks"] if one["severity"] == "error"}
    assert errors == {"libraries", "state_dir", "pin", "inventory.policy"}
    assert run.on("Require that nothing is an error").message == run.on("Examine").result["summary"]
    assert of(run, "clock") == ["ok"]
    assert of(run, "skipped") == ["warning"]


def test_an_inventory_without_a_repository_or_a_host_is_told_so(bare: Lab) -> None:
    bare.inventory = "all: {hosts: {}}\n"
    run = bare.play(PLAYBOOK)
    assert run.rc != 0
    assert of(run, "settings") == ["error"]
    assert of(run, "inventory") == ["warning"]
    assert of(run, "python") == ["ok"]
