# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All devices of a batch in one task, and what each host's own snapshot makes of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.modules import snapshot_devices
from ansible_collections.holdfast.config.tests.lab.devices.player import PASSWORD, Player

from .lab import OPEN, SEAL, SNAPSHOT, Lab
from .test_devices import Fleet, changed, packs, reasons

BATCH = {"name": "batch", "holdfast.config.snapshot_devices": {}}
RUN = [OPEN, BATCH, SNAPSHOT, SEAL]


@pytest.fixture
def player() -> Iterator[Player]:
    with Player() as player:
        yield player


@pytest.fixture
def fleet(new_lab: Callable[[int], Lab], player: Player) -> Fleet:
    return Fleet(new_lab(1), player)


def test_each_device_is_asked_once_and_its_own_task_tells_what_was_done(fleet: Fleet) -> None:
    # what one host's variables say may stand in another's
    fleet.lab.host_variables["web1"]["logins"] = {"r1": "r1"}
    r1, r2 = fleet.add("r1", ansible_user="{{ hostvars['web1'].logins['r1'] }}"), fleet.add("r2", "eos")
    run = fleet.play("-vvvv", tasks=RUN).ok()
    batch = run.on("batch").result
    assert (batch["captured"], batch["left_to_snapshot"], batch["failed_hosts"]) == (["r1", "r2"], ["web1"], {})
    assert reasons(run) == {"web1": "first", "r1": "first", "r2": "first"}
    assert all(run.on("snapshot", host).result["changed"] for host in fleet.lab.hosts)
    assert run.report["complete"]
    assert (r1.logins, r2.logins) == (1, 1)
    before = packs(fleet.lab)
    changed(r1, "ip address 192.0.2.1", "ip address 192.0.2.9")
    checked = fleet.play("--diff", tasks=RUN, check=True).ok()
    assert reasons(checked) == {"web1": "unchanged", "r1": "drift", "r2": "unchanged"}
    assert checked.on("snapshot", "r1").result["streams"][0]["state"] == "would_store"
    assert packs(fleet.lab) == before
    assert (r1.logins, r2.logins) == (2, 2)


def test_devices_that_fail_fail_by_themselves(fleet: Fleet) -> None:
    fleet.add("r1")
    cut = fleet.add("r2")
    cut.faults.cut_after = 200
    fleet.add("r3", holdfast_components=[{"name": "config", "kind": "device", "items": ["no-such-item"]}])
    fleet.add("r4", holdfast_device_jump="{{ nobody_knows }}")
    run = fleet.play("-vvv", tasks=RUN)
    assert run.rc != 0
    assert run.on("batch").status == "ok"
    assert set(run.on("batch").result["failed_hosts"]) == {"r2", "r3", "r4"}
    failed = {"r2": "failed", "r3": "failed", "r4": "failed"}
    assert run.states("snapshot") == {"web1": "ok", "r1": "ok", **failed}
    for host in failed:
        assert run.on("snapshot", host).message == run.on("batch").result["failed_hosts"][host]
    assert "no-such-item" in run.on("snapshot", "r3").message
    told = {host: line["result"] for host, line in run.lines().items()}
    assert told == {"web1": "stored", "r1": "stored", **dict.fromkeys(failed, "FAILED")}
    assert not run.report["complete"]
    assert cut.logins == 1


def test_each_batch_of_a_play_has_its_own(fleet: Fleet) -> None:
    for name in ("r1", "r2", "r3"):
        # the play says it, for each host by itself
        fleet.add(name)
        fleet.lab.host_variables[name].pop("ansible_password")
    play = {
        "hosts": "all",
        "serial": 2,
        "vars": {
            "passwords": dict.fromkeys(fleet.lab.hosts, PASSWORD),
            "ansible_password": "{{ passwords[inventory_hostname] }}",
        },
        "tasks": RUN,
    }
    run = fleet.play(tasks=[play]).ok()
    assert [task.result["captured"] for task in run.all("batch")] == [["r1", "r2"], ["r3"]]
    assert reasons(run) == dict.fromkeys(fleet.lab.hosts, "first")


def test_nobody_gets_the_password_of_the_host_that_the_task_runs_for(fleet: Fleet) -> None:
    fleet.lab.hosts.clear()
    fleet.add("r1")
    fleet.add("r2")
    # they have the same password, and nothing says so of the second
    for name in ("ansible_password", "ansible_become_password"):
        fleet.lab.host_variables["r2"].pop(name)
    run = fleet.play(tasks=RUN)
    assert run.states("snapshot") == {"r1": "ok", "r2": "failed"}
    assert "does not let the user in" in run.on("snapshot", "r2").message


def test_a_strategy_without_batches_is_refused(fleet: Fleet) -> None:
    device = fleet.add("r1")
    run = fleet.play(tasks=[{"hosts": "all", "strategy": "free", "tasks": [BATCH]}])
    assert run.rc != 0
    assert "bypasses the host loop" in run.output
    assert device.logins == 0


def test_the_second_example_seals_what_was_captured_where_all_that_remain_fail(fleet: Fleet) -> None:
    fleet.lab.hosts.clear()
    fleet.add("r1")
    cut = fleet.add("r2")
    cut.faults.cut_after = 200
    # the plays of the documentation as they stand, and no callback that would seal in their place
    plays = yaml.safe_load(snapshot_devices.EXAMPLES)[1:]
    run = fleet.lab.play(plays, env={"ANSIBLE_CALLBACKS_ENABLED": "collect"})
    assert run.states("Snapshot") == {"r2": "ignored"}
    assert run.on("Snapshot", "r2").message == run.on("Ask them").result["failed_hosts"]["r2"]
    assert "is sealed and not complete: r2" in run.on("Seal the recovery point").message
    assert run.rc != 0
    (point,) = fleet.lab.points()
    assert {entry.host for entry in point.body.streams} == {"r1"}


def test_what_the_own_task_alone_says_is_not_what_the_batch_captured(fleet: Fleet) -> None:
    fleet.lab.hosts.clear()
    fleet.add("r1")
    own = {"name": "snapshot", "holdfast.config.snapshot": {"components": [{"name": "other", "kind": "device"}]}}
    run = fleet.play(tasks=[OPEN, BATCH, own, SEAL])
    assert "did not know components of this task" in run.on("snapshot", "r1").message
    assert run.rc != 0
