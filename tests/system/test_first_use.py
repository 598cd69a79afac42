# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""First use: a short inventory is enough, and what is wrong in it is said before anything is touched."""

from __future__ import annotations

import shutil
import sys
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import OPEN, SEAL, SNAPSHOT, Lab, Run, tree

PIN = "0" * 64
SHORT_INVENTORY = """\
all:
  hosts: {{web1: {{ansible_connection: local}}}}
  vars:
    holdfast_repository: {{name: first, url: "file://{path}/repository", keyring: {{path: "{path}/keyring"}}}}
    holdfast_components: [{{name: app, paths: ["{path}/hosts/web1/app"]}}]
"""


def test_six_lines_of_inventory_are_enough(bare: Lab) -> None:
    bare.inventory = SHORT_INVENTORY.format(path=bare.path)
    made = bare.play([{"name": "make", "holdfast.config.repository": {}}]).ok()
    assert made.on("make").result["next_steps"][0].endswith(made.on("make").result["inventory_line"])
    bare.inventory += f"    {made.on('make').result['inventory_line']}\n"
    assert len(bare.inventory.splitlines()) == 6
    backup = bare.play("holdfast.config.backup").ok()
    assert backup.report["complete"]
    under = bare.path / "restored"
    restored = bare.play("holdfast.config.restore", "-e", "restore_newest=true", "-e", f"restore_under={under}").ok()
    assert "paths compared, all equal." in restored.output
    assert tree(under / str(bare.app("web1")).lstrip("/")) == tree(bare.app("web1"))


def test_the_next_step_of_the_table_is_a_command_that_works(lab: Lab) -> None:
    lab.hosts = ["web1"]
    step = lab.play("holdfast.config.backup").ok().report["next_step"]
    command, *args = step.removeprefix("restore: ").replace("/path", str(lab.path / "restored")).split()
    assert command == "ansible-playbook"
    # without it, and elsewhere, it would say that no hosts matched, and end well
    assert args[1] == "-i"
    assert Path(args[2]).is_absolute()
    lab.play(*args).ok()


LOCATIONS: dict[str, tuple[dict[str, t.Any], str, str]] = {
    "no-pin": ({"holdfast_repository_id": ""}, "holdfast_repository_id is not set", "state=present"),
    "pin-not-hex": ({"holdfast_repository_id": "yes"}, "holdfast_repository_id", "Paste the line"),
    "pin-a-number": ({"holdfast_repository_id": 12}, "holdfast_repository_id", "quotes"),
    "wrong-pin": ({"holdfast_repository_id": PIN}, PIN, "Check URL and pin"),
    "wrong-name": ({"holdfast_repository": {"name": "other"}}, "holdfast_repository.name", "Correct the name"),
    "no-url": ({"holdfast_repository": {"url": ""}}, "holdfast_repository.url", "Set holdfast_repository to"),
    "http": ({"holdfast_repository": {"url": "http://h/p"}}, "URL is not usable", "file:///absolute/path"),
    "s3": ({"holdfast_repository": {"url": "s3://b/p"}}, "URL is not usable", "file:///absolute/path"),
    "relative": ({"holdfast_repository": {"url": "file:repo"}}, "URL is not usable", "file:///absolute/path"),
    "nowhere": ({"holdfast_repository": {"url": "file:///nonexistent/x"}}, "no directory", "state=present"),
    "no-keyring": ({"holdfast_repository": {"keyring": {}}}, "holdfast_repository.keyring.path", "Name the folder"),
    "empty-keyring": ({"holdfast_repository": {"keyring": {"path": "/nonexistent"}}}, "seal half", "Run this where"),
}


@pytest.fixture(scope="module")
def bad_locations(new_lab: Callable[[int], Lab]) -> tuple[Lab, Run]:
    """Hosts of which each has one thing wrong with its repository, and a run that opens a point for each."""
    lab = new_lab(0)
    for case, (variables, _item, _remedy) in LOCATIONS.items():
        lab.hosts.append(host := f"bad-{case}")
        whole = {**lab.variables["holdfast_repository"], **variables.get("holdfast_repository", {})}
        lab.host_variables[host] = {**variables, "holdfast_repository": whole}
    opening = {"state": "open", "name": "{{ inventory_hostname }}"}
    return lab, lab.play([{"name": "open", "holdfast.config.recovery_point": opening}])


@pytest.mark.parametrize("case", LOCATIONS)
def test_a_bad_location_is_refused_with_its_key_and_a_remedy(bad_locations: tuple[Lab, Run], case: str) -> None:
    _lab, run = bad_locations
    _variables, item, remedy = LOCATIONS[case]
    failed = run.on("open", f"bad-{case}")
    assert failed.status == "failed"
    assert item in failed.message
    assert remedy in failed.message
    assert failed.result["remedy"]


def test_a_bad_location_touches_nothing(bad_locations: tuple[Lab, Run], made: tuple[Lab, Run]) -> None:
    lab, run = bad_locations
    assert run.rc == 2
    assert not run.reports
    assert lab.stored() == made[0].stored()
    assert not Path("/nonexistent").exists()


APP = {"name": "app", "paths": ["/app"]}
POLICIES: dict[str, tuple[dict[str, t.Any], str, str]] = {
    "tier": ({"holdfast_components": [{**APP, "tier": "gold"}]}, "no tier 'gold'", "tier0, tier1, tier2"),
    "class": ({"holdfast_tiers": {"tier1": {"class": "d9"}}}, "holdfast_tiers.tier1.class", "d0030, d0090, d0400"),
    "key": ({"holdfast_components": [{**APP, "path": "/b"}]}, "holdfast_components[0].path", "Known here: name, paths"),
    "relative": ({"holdfast_components": [{"name": "app", "paths": ["app"]}]}, "'app' is not absolute", "slash"),
    "dots": ({"holdfast_components": [{"name": "app", "paths": ["/a/../b"]}]}, "dot segment", "Spell the path out"),
    "all": ({"holdfast_components": [{"name": "app", "paths": ["/"]}]}, "whole file system", "Name the folders"),
    "twice": ({"holdfast_components": [APP, APP]}, "[1] (app).name: is declared twice", "its own name"),
    "name": ({"holdfast_components": [{**APP, "name": "A b"}]}, "holdfast_components[0].name", "a small letter"),
    "paths": ({"holdfast_components": [{**APP, "paths": []}]}, "(app).paths: no list of paths", "Give absolute"),
    "exclude": ({"holdfast_components": [{**APP, "excludes": [{"pattern": "x"}]}]}, "excludes[0]", "Give both"),
    "none": ({"holdfast_components": []}, "holdfast_components: no components", "Declare at least one"),
    "days": ({"holdfast_classes": {"d0090": {"days": 91}}}, "item d0090", "give other days another name"),
    "zero": ({"holdfast_classes": {"d0090": {"days": 0}}}, "holdfast_classes.d0090.days", "Give 1 to 36500"),
    "rpo": ({"holdfast_tiers": {"tier1": {"rpo": "soon"}}}, "holdfast_tiers.tier1.rpo", "like 30m, 24h, 7d"),
}


@pytest.fixture(scope="module")
def bad_policies(new_lab: Callable[[int], Lab]) -> tuple[Lab, Run]:
    """Hosts of which each has one thing wrong with its policy, one that is well, and a run that snapshots them."""
    lab = new_lab(1)
    spy = lab.path / "spy"
    spy.write_text(f"#!/bin/sh\ntouch {lab.path}/asked\nexit 1\n")
    spy.chmod(0o755)
    for case, (variables, _item, _remedy) in POLICIES.items():
        lab.hosts.append(host := f"bad-{case}")
        lab.host_variables[host] = {**variables, "ansible_python_interpreter": str(spy)}
    lab.host_variables["web1"] = {"ansible_python_interpreter": sys.executable}
    return lab, lab.play([OPEN, SNAPSHOT, SEAL])


@pytest.mark.parametrize("case", POLICIES)
def test_a_bad_policy_is_refused_with_its_key_and_a_remedy(bad_policies: tuple[Lab, Run], case: str) -> None:
    _lab, run = bad_policies
    _variables, item, remedy = POLICIES[case]
    failed = run.on("snapshot", f"bad-{case}")
    assert failed.status == "failed"
    assert item in failed.message
    assert remedy in failed.message
    assert f"host bad-{case}" in failed.message


def test_a_bad_policy_touches_neither_host_nor_store_and_costs_the_others_nothing(
    bad_policies: tuple[Lab, Run],
) -> None:
    lab, run = bad_policies
    assert run.rc == 2
    assert not (lab.path / "asked").exists()
    (point,) = lab.points()
    assert {entry.host for entry in point.body.streams} == {"web1"}
    assert {failure.host for failure in point.body.failed} == {f"bad-{case}" for case in POLICIES}
    assert not [path for path in lab.stored() if "/bad-" in path]


def test_what_all_modules_refuse(lab: Lab) -> None:
    before = lab.stored()
    run = lab.play(
        [
            {"name": "typo", "holdfast.config.snapshot": {"compnents": []}, "ignore_errors": True},
            {"name": "state", "holdfast.config.recovery_point": {"state": "closed"}, "ignore_errors": True},
            {"name": "level", "holdfast.config.verify": {"level": "all"}, "ignore_errors": True},
            {
                "name": "expect",
                "holdfast.config.recovery_point": {"state": "open", "expect": ["web1", "web9"]},
                "ignore_errors": True,
            },
            {"name": "name", "holdfast.config.recovery_point": {"state": "open", "name": "A b"}, "ignore_errors": True},
            {"name": "make", "holdfast.config.repository": {"state": "absent"}, "ignore_errors": True},
        ],
        "--limit",
        "web1",
    ).ok()
    assert {task.status for task in run.tasks} == {"ignored"}
    assert "compnents" in run.on("typo").message
    assert "components" in run.on("typo").message
    assert "sealed" in run.on("state").message
    assert "signatures" in run.on("level").message
    assert "web9" in run.on("expect").message
    assert "small letter" in run.on("name").message
    assert "present" in run.on("make").message
    assert lab.stored() == before
    assert not run.reports


RESTORES: dict[str, tuple[dict[str, t.Any], str, str]] = {
    "two": ({"restore_newest": True, "restore_snapshot": PIN}, "not said once", "Give one of recovery_point, snapshot"),
    "none": ({}, "not said once", "Give one of recovery_point, snapshot"),
    "root": ({"restore_newest": True, "restore_under": "/"}, "'/' is not a folder", "absolute path, not /"),
    "roots": ({"restore_newest": True, "restore_under": "//"}, "'//' is not a folder", "absolute path, not /"),
    "below": ({"restore_newest": True, "restore_under": "x"}, "'x' is not a folder", "absolute path, not /"),
    "dots": ({"restore_newest": True, "restore_under": "/x/../.."}, "is not a folder", "absolute path, not /"),
    "component": ({"restore_newest": True, "restore_components": ["db"]}, "no component db", "The snapshot has app"),
    "host": ({"restore_newest": True, "restore_source_host": "web9"}, "host web9", "the host's inventory name"),
    "early": ({"restore_time": "2001-01-01T00:00:00Z"}, "2001-01-01T00:00:00Z", "recovery points that find lists"),
    "time": ({"restore_time": "yesterday"}, "item time", "Give UTC"),
    "short": ({"restore_snapshot": "abc"}, "'abc' is not a digest", "12"),
    "point": ({"restore_recovery_point": PIN}, PIN, "recovery points that find lists"),
    "snapshot": ({"restore_snapshot": PIN}, PIN, "recovery points that find lists"),
}


@pytest.fixture(scope="module")
def bad_restores(new_lab: Callable[[int], Lab]) -> tuple[Lab, Run, dict[str, str]]:
    """Hosts of which each asks for a restore that cannot be, that run, and what stood in the store before it."""
    lab = new_lab(1)
    lab.play("holdfast.config.backup").ok()
    before = lab.stored()
    lab.variables |= {"restore_source_host": "web1", "restore_under": f"{lab.path}/restored"}
    lab.hosts = [f"bad-{case}" for case in RESTORES]
    lab.host_variables = {f"bad-{case}": variables for case, (variables, _item, _remedy) in RESTORES.items()}
    return lab, lab.play("holdfast.config.restore"), before


@pytest.mark.parametrize("case", RESTORES)
def test_a_bad_restore_is_refused_with_its_key_and_a_remedy(
    bad_restores: tuple[Lab, Run, dict[str, str]], case: str
) -> None:
    _lab, run, _before = bad_restores
    _variables, item, remedy = RESTORES[case]
    failed = run.on("Restore and compare", f"bad-{case}")
    assert failed.status == "failed"
    assert item in failed.message
    assert remedy in failed.message


def test_a_bad_restore_touches_nothing(bad_restores: tuple[Lab, Run, dict[str, str]]) -> None:
    lab, run, before = bad_restores
    assert run.rc == 2
    assert not (lab.path / "restored").exists()
    assert lab.stored() == before


def test_a_misspelt_variable_restores_nothing(lab: Lab) -> None:
    lab.hosts = ["web1", "web2"]
    lab.play("holdfast.config.backup").ok()
    for host in lab.hosts:
        (lab.app(host) / "main.conf").write_text("changed since\n")
    before, live = lab.stored(), {host: tree(lab.app(host)) for host in lab.hosts}
    # one letter is lacking, without which it is every host
    asked = ("-e", "restore_newest=true", "-e", "restore_in_place=true", "-e", "restore_host=web1")
    refused = lab.play("holdfast.config.restore", *asked)
    assert refused.rc == 2
    for host in lab.hosts:
        message = refused.on("Restore and compare", host).message
        assert "restore_host is no variable of holdfast.config.restore: nothing was done" in message
        assert "Known here: restore_hosts" in message
    assert {host: tree(lab.app(host)) for host in lab.hosts} == live
    assert lab.stored() == before


def test_a_variable_of_a_playbook_is_named_as_it_was_given(lab: Lab) -> None:
    lab.hosts = ["web1"]
    refused = lab.play("holdfast.config.find", "-e", "find_since=yesterday")
    assert refused.on("Find").message.endswith("in UTC. As a variable: find_since.")
    lacking = lab.play("holdfast.config.import")
    assert lacking.on("Import").message.endswith("arguments: path, tool. As variables: import_path, import_tool.")
    nowhere = lab.play("holdfast.config.owners")
    assert nowhere.on("Tell owners").message.endswith("arguments: path. As a variable: owners_path.")
    neither = lab.play("holdfast.config.restore", "-e", "restore_newest=true")
    assert neither.on("Restore and compare").message.endswith("As variables: restore_under, restore_in_place.")


def test_each_half_of_the_keyring_does_its_part_without_the_others(lab: Lab) -> None:
    keyring = lab.path / "keyring"
    under = f"{lab.path}/restored/{{{{ inventory_hostname }}}}"
    restore = {"name": "restore", "holdfast.config.restore": {"newest": True, "under": under}}
    verify = {"name": "verify", "holdfast.config.verify": {"level": "keys"}, "run_once": True}
    for half in ("open", "escrow"):
        (keyring / half).rename(lab.path / half)
    lab.play("holdfast.config.backup").ok()
    refused = lab.play([{**restore, "ignore_errors": True}, {**verify, "ignore_errors": True}]).ok()
    for task in ("restore", "verify"):
        assert "the open half of the keyring is not here" in refused.all(task)[0].message
        assert "Run this where open/ is" in refused.all(task)[0].result["remedy"]
    assert not (lab.path / "restored").exists()

    (lab.path / "open").rename(keyring / "open")
    shutil.move(keyring / "seal", lab.path / "seal")
    run = lab.play([restore, verify, {**OPEN, "ignore_errors": True}]).ok()
    assert all(kept.result["record"] for kept in run.all("restore"))
    assert "the seal half of the keyring is not here" in run.on("open").message
