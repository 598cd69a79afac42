# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole host that is watched by systemd: what somebody edits there by hand is sealed. Takes root."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.lab.page import Home, Page
from ansible_collections.holdfast.config.tests.system.lab import Lab, Run, Task

from .rulebook import ROOT, Rulebook, wait

GUIDE = ROOT / "docs" / "guide_watch.md"
STATE = "/var/lib/holdfast-watch"
UNITS = ("watch.path", "watch.service", "watch-soon.service", "watch-soon.timer", "watch-often.timer")
# names of folders that somebody may make who writes there
HOSTILE = ("ends\\", "two\nUnit=reboot.target", "{{ watch_keys }}", "%h", "$(reboot)", "-p wa")
RESTORE = "/var/lib/holdfast/0123456789abcdef"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Machine]:
    """A host with the configuration of an application."""
    with nspawn.machine(tmp_path / "m", "watched") as running:
        running.path("/etc/app/conf.d").mkdir(parents=True)
        running.path("/etc/app/conf.d/app.conf").write_text("listen = 8080\n")
        for name in HOSTILE:
            (running.path("/etc/app") / name).mkdir()
        yield running


@pytest.fixture
def lab(new_lab: Callable[[int], Lab], host: Machine) -> Lab:
    """That host alone, in the group of the guide."""
    lab = new_lab(0)
    lab.hosts = [host.name]
    lab.variables |= {"holdfast_components": [{"name": "app", "paths": ["/etc/app"]}], "watch_settle": 1}
    lab.host_variables[host.name] = {**host.variables(), "ansible_pipelining": True}
    group = {"linux": {"hosts": lab.host_variables}}
    lab.inventory = yaml.safe_dump({"all": {"children": group, "vars": lab.variables}})
    return lab


def test_what_is_edited_by_hand_is_sealed_and_the_host_can_ask_for_nothing_else(
    rulebook: Rulebook, lab: Lab, host: Machine, tmp_path: Path
) -> None:
    own = rulebook.keys / f"host:{host.name}"
    own.unlink()
    # what it says of a request too: no secret is in there
    rulebook.start(more="-v")
    page = Page(
        GUIDE,
        {
            "https://backup.example.org:5055": f"http://127.0.0.1:{rulebook.port}",
            "/etc/holdfast/keys": str(rulebook.keys),
        },
    )
    Home(lab.path).write(page)
    (lab.path / "ansible.cfg").write_text(f"[defaults]\ninventory = {lab.inventory_path}\n")

    def watch(*args: str) -> Run:
        return lab.play("watch.yml", "-vvv", "--diff", *args).ok()

    def log() -> str:
        return host.run("journalctl", "--no-pager", "--unit=holdfast-watch*").stdout.decode() + rulebook.output()

    runs = [watch()]
    verified = host.run("systemd-analyze", "verify", *(f"/etc/systemd/system/holdfast-{unit}" for unit in UNITS))
    assert verified.stderr == b""
    wait("the first look", host.path(f"{STATE}/seen.json").exists, log)
    old = own.read_text()
    assert old == host.path("/etc/holdfast-watch/secret").read_text()

    # the only command of the guide changes the secret alone; all that follows is signed with the new one
    (command,) = page.commands()
    environment = lab.environment(tmp_path)
    home = Home(lab.path, environment={**environment, "ANSIBLE_VERBOSITY": "3", "ANSIBLE_DIFF_ALWAYS": "1"})
    rotated = home.give(command)
    kept = Path(environment["COLLECT_TO"]).read_text()
    tasks = [Task(**json.loads(line)) for line in kept.splitlines()]
    changed = {task.task for task in tasks if task.result.get("changed")}
    assert changed == {"Take the old secret away", "Give the host its secret"}
    new = own.read_text()
    assert new != old
    body = {"kind": "manual-change", "hosts": [host.name]}

    def status(secret: str, **more: object) -> int:
        return rulebook.post({**body, **more}, key=own.name, secret=secret.strip().encode())[0]

    assert status(old) == 401
    assert status(new, hosts=["web1"]) == 403
    assert status(new, kind="pre-deployment") == 403

    host.run("sh", "-c", "for i in $(seq 600); do echo 'listen = 9090' >> /etc/app/conf.d/app.conf; done")
    point = rulebook.sealed(1, "600 edits by hand to a sealed point")[0]
    trigger = point.body.actor["trigger"]
    assert (trigger["kind"], trigger["by"]) == ("manual-change", f"unknown (by host:{host.name})")
    pending = host.path(f"{STATE}/pending.json")
    host.run("systemctl", "start", "holdfast-watch.service")
    wait("that nothing is pending", lambda: not pending.exists() and not rulebook.waiting(), log)
    assert host.run("systemctl", "is-active", "holdfast-watch.path").stdout == b"active\n"

    count = len(lab.points())
    # our own restore: one request, once it has ended
    host.path(RESTORE).mkdir(parents=True)
    host.path(f"{RESTORE}/journal.json").touch()
    host.run("sh", "-c", "echo 'listen = 7070' >> /etc/app/conf.d/app.conf")
    wait("that it waits", lambda: pending.exists() and json.loads(pending.read_text()).get("restore"), log)
    assert rulebook.waiting() == []
    host.path(f"{RESTORE}/journal.json").unlink()
    # a start while it runs is none
    wait(
        "that it is taken",
        lambda: host.run("systemctl", "start", "holdfast-watch.service") and not pending.exists(),
        log,
    )
    trigger = rulebook.sealed(count + 1, "the end of a restore to its sealed point")[-1].body.actor["trigger"]
    assert trigger["by"] == f"unknown (during a restore) (by host:{host.name})"

    runs.append(watch("-e", "watch_state=absent"))
    # -vvv shows commands with their arguments
    told = "".join([log(), rotated, kept, *(run.output + str(run.tasks) for run in runs)])
    assert "EXEC" in told
    assert new.strip() not in told
    assert old.strip() not in told
    assert not own.exists()
    folders = ("/etc/systemd/system", "/etc", "/usr/local/lib", "/var/lib")
    assert host.run("find", *folders, "-maxdepth", "1", "-name", "holdfast-watch*").stdout == b""
