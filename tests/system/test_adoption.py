# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of playbooks that know nothing of this collection, whose configurations the callback takes."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from .lab import CANARY, COLLECTIONS, OPEN, PLUGINS, SEAL, SNAPSHOT, Lab, Run

IOS = """\
Building configuration...

Current configuration : {size} bytes
!
! Last configuration change at 1{size}:00:00 UTC
version 15.2
hostname {host}
enable secret 5 {canary}
interface Vlan1
 description {what}
!
end
"""
XML = "<data><system><password>{canary}</password><host>{host}</host></system></data>\n"


class Fleet:
    """Devices web1, web2 … whose running configurations are files, and whose backups go to one folder."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.backups = lab.path / "backup"
        lab.variables |= {"ansible_network_os": "cisco.ios.ios", "lab": str(lab.path)}
        collection = lab.path / "collections" / "ansible_collections" / "lab" / "net" / "plugins"
        collection.mkdir(parents=True)
        (collection / "action").symlink_to(PLUGINS / "action")
        for host in lab.hosts:
            self.runs(host)

    def runs(self, host: str, form: str = IOS, **told: t.Any) -> str:
        """Let a device run a configuration."""
        text = form.format(**{"host": host, "canary": CANARY, "what": "core", "size": 5, **told})
        (self.lab.path / f"{host}.running").write_text(text)
        return text

    def play(self, tasks: t.Any, *, check: bool = False, **options: str) -> Run:
        """Run a playbook with adoption; facts show in results, so nobody collects these."""
        env = {
            "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{self.lab.path}/collections",
            "ANSIBLE_CALLBACKS_ENABLED": "holdfast.config.recorder",
            "HOLDFAST_ADOPT": "true",
            **options,
        }
        return self.lab.play(tasks, check=check, env=env)

    def back(self, host: str, component: str) -> str:
        """What a restore brings back of what was adopted."""
        under = self.lab.path / "back"
        options = {"under": f"{under}/{{{{ inventory_hostname }}}}", "newest": True, "components": [component]}
        self.lab.play([{"name": "restore", "holdfast.config.restore": options}], "--limit", host).ok()
        return (under / host / "holdfast" / component / "text").read_text()


@pytest.fixture
def fleet(lab: Lab) -> Fleet:
    return Fleet(lab)


def backup(name: str = "back up", to: str = "{{ inventory_hostname }}.cfg", **more: t.Any) -> dict[str, t.Any]:
    """A task of a network module with ``backup: true``."""
    arguments = {
        "backup": True,
        "running": "{{ lab }}/{{ inventory_hostname }}.running",
        "to": f"{{{{ lab }}}}/backup/{to}",
    }
    return {"name": name, "lab.net.lab_config": arguments, **more}


def reading(action: str, **arguments: str) -> dict[str, t.Any]:
    """A task that returns what a device runs."""
    return {"name": action, f"lab.net.{action}": {"running": "{{ lab }}/{{ inventory_hostname }}.running", **arguments}}


def streams(lab: Lab) -> set[tuple[str, str, str]]:
    """Host, stream and state of all that the newest recovery point holds."""
    newest = max(lab.points(), key=lambda point: point.statement.sealed_at)
    return {(entry.name, entry.stream, entry.state.value) for entry in newest.body.streams}


def notes(run: Run) -> list[dict[str, t.Any]]:
    """What the run folder says of each configuration."""
    assert run.folder is not None
    return t.cast("list[dict[str, t.Any]]", json.loads((run.folder / "adoption.json").read_text()))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_backups_of_a_playbook_that_nobody_edits(fleet: Fleet) -> None:
    text = fleet.runs("web1")
    run = fleet.play([backup()], HOLDFAST_ADOPT_REMOVE="true", HOLDFAST_ADOPT_TIER="tier2").ok()
    report = run.reports["adopted"]
    assert (report["complete"], report["sealed_by"]) == (True, "callback")
    assert streams(fleet.lab) == {(host, "adopted-running", "stored") for host in ("web1", "web2")}
    assert {entry.retention_class for entry in fleet.lab.points()[0].body.streams} == {"d0030"}
    assert files(fleet.backups) == []
    assert "adopted         2 sealed" in run.output
    assert fleet.back("web1", "adopted-running") == text

    # only what tells the time of the answer differs
    fleet.runs("web1", size=6)
    fleet.runs("web2", what="edge")
    fleet.play([backup()], HOLDFAST_ADOPT_TIER="tier2").ok()
    assert streams(fleet.lab) == {("web1", "adopted-running", "unchanged"), ("web2", "adopted-running", "stored")}
    assert files(fleet.backups) == ["web1.cfg", "web2.cfg"]
    assert CANARY in (fleet.backups / "web2.cfg").read_text()
    fleet.lab.sound()


def test_what_comes_before_the_seal_goes_into_the_open_point(fleet: Fleet) -> None:
    on_device = {"when": "inventory_hostname == 'web2'"}
    on_host = {"when": "inventory_hostname == 'web1'"}
    fleet.runs("web2", XML)
    facts, datastore = reading("lab_facts"), reading("netconf_get", source="running")
    tasks = [OPEN, {**SNAPSHOT, **on_host}, {**facts, **on_host}, {**datastore, **on_device}, SEAL]
    run = fleet.play(tasks).ok()
    assert set(run.reports) == {"main"}
    assert (run.report["complete"], run.report["sealed_by"]) == (True, "task")
    assert streams(fleet.lab) == {
        ("web1", "tier1", "stored"),
        ("web1", "adopted-running", "stored"),
        ("web2", "adopted-netconf", "stored"),
    }
    fleet.lab.sound()


def test_what_cannot_be_adopted_is_named(new_lab: t.Callable[[int], Lab]) -> None:
    fleet = Fleet(new_lab(8))
    fleet.lab.host_variables["web5"]["ansible_network_os"] = "lab.net.lab"
    fleet.lab.host_variables["web6"]["ansible_connection"] = "ssh"
    fleet.runs("web2", IOS[:-4])
    fleet.runs("web3", what="password ********")
    fleet.runs("web4", "None")
    run = fleet.play(
        [
            backup("hidden", no_log="{{ inventory_hostname == 'web1' }}"),
            {**reading("netconf_get", source="running", filter="x"), "name": "filtered", "run_once": True},
            backup("elsewhere", delegate_to="web5", when="inventory_hostname == 'web1'"),
            backup("looped", loop=["a", "b"], when="inventory_hostname == 'web5'"),
            backup("one file", "running.cfg", when="inventory_hostname in ['web7', 'web8']"),
        ],
        HOLDFAST_ADOPT_REMOVE="true",
    ).ok()
    told = {(note["host"], note["task"]): note["problem"] for note in notes(run) if not note["sealed"]}
    assert "no_log" in told["web1", "hidden"]
    assert "cut off" in told["web2", "hidden"]
    assert "masked" in told["web3", "hidden"]
    assert "stands for nothing" in told["web4", "hidden"]
    assert "filter" in told["web1", "filtered"]
    assert "delegated" in told["web1", "elsewhere"]
    assert "another machine" in told["web6", "hidden"]
    assert "wrote the same file" in told["web7", "one file"]
    assert told["web8", "one file"] == told["web7", "one file"]
    assert len(told) == 9
    for host, task in told:
        assert f"{host}: not adopted, task '{task}'" in run.output
    assert "9 configurations were returned and NOT sealed" in " ".join(run.output.split())
    assert streams(fleet.lab) == {("web5", "adopted-running", "stored")}
    assert "lab.net.lab is not known" in next(note["problem"] for note in notes(run) if note["sealed"])
    # what is not sealed is not removed
    assert files(fleet.backups) == ["running.cfg", *(f"web{host}.cfg" for host in (1, 2, 3, 4, 6, 7, 8))]


def test_a_run_that_fails_and_one_that_only_checks(fleet: Fleet) -> None:
    checked = fleet.play([backup()], check=True, HOLDFAST_ADOPT_REMOVE="true").ok()
    assert [note["problem"] for note in notes(checked)] == ["check mode stores nothing"] * 2
    assert (fleet.lab.points(), len(files(fleet.backups))) == ([], 2)

    failed = fleet.play([OPEN, SNAPSHOT, backup(), {"name": "fail", "ansible.builtin.fail": {}}, SEAL])
    assert failed.rc == 2
    assert {name: report["sealed_by"] for name, report in failed.reports.items()} == {
        "main": "callback",
        "adopted": "callback",
    }
    assert all(note["sealed"] for note in notes(failed))


def test_without_a_repository_and_without_being_asked(fleet: Fleet) -> None:
    del fleet.lab.variables["holdfast_repository_id"]
    run = fleet.play([backup()], HOLDFAST_ADOPT_REMOVE="true").ok()
    assert "NOTHING SEALED" in run.output or "UNSEALED" in run.output
    assert [note["sealed"] for note in notes(run)] == [False, False]
    assert files(fleet.backups) == ["web1.cfg", "web2.cfg"]

    silent = fleet.play([backup()], HOLDFAST_ADOPT="false").ok()
    assert "HOLDFAST" not in silent.output
