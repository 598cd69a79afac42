# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SIGKILL of the controlling process, wherever it is: nothing half-written is believed, and the next run is whole."""

from __future__ import annotations

import fcntl
import time
import typing as t
from collections.abc import Callable

import pytest

from .lab import OPEN, SEAL, SNAPSHOT, Lab, Running, tree

RUN = [OPEN, SNAPSHOT, SEAL]

# like the lab's ssh, and waits at a gate before it does what it is asked
GATED_SSH = """\
#!/bin/sh
for last; do :; done
if [ -e {gate} ]; then
  touch {reached}
  while [ -e {gate} ]; do sleep 0.02; done
fi
exec /bin/sh -c "$last"
"""


class Gate:
    """A place where a run waits until the test has killed it."""

    def __init__(self, lab: Lab) -> None:
        self.path = lab.path / "gate"
        self.reached = lab.path / "reached"
        self.path.touch()

    def task(self) -> dict[str, t.Any]:
        """A task that waits here."""
        script = f"touch {self.reached}; while [ -e {self.path} ]; do sleep 0.02; done"
        return {"name": "gate", "ansible.builtin.shell": script, "run_once": True}

    def kill_here(self, running: Running) -> None:
        """Kill the run once it waits here, open the gate, and wait for the workers it leaves."""
        wait_for(self.reached.exists)
        running.kill(meanwhile=self.path.unlink)


def reach_by_gated_ssh(lab: Lab, gate: Gate, host: str = "web1") -> None:
    """Reach a host by an ssh that waits at the gate."""
    slow = lab.path / "slow-ssh"
    slow.write_text(GATED_SSH.format(gate=gate.path, reached=gate.reached))
    slow.chmod(0o755)
    lab.host_variables[host] = {"ansible_connection": "ssh", "ansible_ssh_executable": str(slow)}


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it is so, a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for does not come"
        time.sleep(0.01)


def killed_once_open(lab: Lab) -> None:
    gate = Gate(lab)
    gate.kill_here(lab.start([OPEN, gate.task(), SNAPSHOT, SEAL]))


def killed_once_stored(lab: Lab) -> None:
    gate = Gate(lab)
    gate.kill_here(lab.start([OPEN, SNAPSHOT, gate.task(), SEAL]))


def killed_while_a_host_answers(lab: Lab) -> None:
    gate = Gate(lab)
    reach_by_gated_ssh(lab, gate, "web2")
    running = lab.start([OPEN, SNAPSHOT, SEAL])
    # the first run's manifest, and this one's
    wait_for(lambda: len(list((lab.path / "repository").glob("manifests/*/web1/*/*@*"))) == 2)
    gate.kill_here(running)
    lab.host_variables["web2"] = {}


def killed_in_its_seal(lab: Lab) -> None:
    gate = Gate(lab)
    earlier = set(lab.state.glob("runs/*"))
    running = lab.start([OPEN, SNAPSHOT, gate.task(), SEAL])
    wait_for(gate.reached.exists)
    (folder,) = set(lab.state.glob("runs/*")) - earlier
    lock = folder / "main" / "lock"
    with lock.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        gate.path.unlink()
        wait_for(lambda: running.has_open(lock))
        running.kill(meanwhile=held.close)


# what is killed before its seal, and how many packs and manifests without a point that leaves
MOMENTS: dict[Callable[[Lab], None], int] = {
    killed_once_open: 0,
    killed_while_a_host_answers: 2,
    killed_once_stored: 4,
}


@pytest.mark.parametrize("killed", MOMENTS, ids=lambda killed: killed.__name__)
def test_a_killed_run_leaves_nothing_that_is_believed_and_the_next_one_is_whole(
    lab: Lab, killed: Callable[[Lab], None]
) -> None:
    first = lab.play(RUN).ok()
    for host in lab.hosts:
        lab.change(host)
    killed(lab)
    assert [point.id for point in lab.points()] == [first.report["id"]]
    assert lab.sound().unsealed == MOMENTS[killed]
    (keys,) = lab.state.glob("runs/*/main/hosts")
    assert len(list(keys.iterdir())) == 2

    restored = "{{ inventory_hostname }}"
    restore = {"name": "restore", "holdfast.config.restore": {"newest": True, "under": f"{lab.path}/r/{restored}"}}
    run = lab.play([*RUN, restore]).ok()
    assert not keys.exists()
    assert {kept.result["streams"][0]["reason"] for kept in run.all("snapshot")} == {"drift"}
    _first, newest = lab.points()
    assert (newest.id, newest.statement.complete) == (run.report["id"], True)
    assert newest.body.parents == (first.report["id"],)
    for host in lab.hosts:
        assert tree(lab.path / "r" / host / str(lab.app(host)).lstrip("/")) == tree(lab.app(host))
    assert lab.sound().unsealed == MOMENTS[killed]


def test_a_run_that_is_killed_in_its_seal_is_sealed_by_the_next_one(lab: Lab) -> None:
    first = lab.play(RUN).ok()
    for host in lab.hosts:
        lab.change(host)
    killed_in_its_seal(lab)
    assert [point.id for point in lab.points()] == [first.report["id"]]
    assert lab.sound().unsealed == 4
    run = lab.play(RUN).ok()
    assert {kept.result["streams"][0]["reason"] for kept in run.all("snapshot")} == {"unchanged"}
    assert len(run.on("open").result["shipped"]) == 1
    points = {point.id: point for point in lab.points()}
    newest = points.pop(run.report["id"])
    (late,) = [point for point in points.values() if point.id != first.report["id"]]
    assert late.statement.complete
    assert late.body.parents == (first.report["id"],)
    assert newest.body.parents == (late.id,)
    assert not list(lab.state.glob("runs/*/*/hosts"))
    assert lab.sound().unsealed == 0


def test_a_killed_restore_is_made_whole_by_the_next_one(lab: Lab) -> None:
    lab.play(RUN).ok()
    gate = Gate(lab)
    reach_by_gated_ssh(lab, gate)
    restore = {"name": "restore", "holdfast.config.restore": {"newest": True, "under": f"{lab.path}/r"}}
    gate.kill_here(lab.start([restore], "--limit", "web1"))
    assert not lab.sound().records
    lab.host_variables["web1"] = {}
    run = lab.play([restore], "--limit", "web1").ok()
    assert run.on("restore").result["equal"]
    assert tree(lab.path / "r" / str(lab.app("web1")).lstrip("/")) == tree(lab.app("web1"))
    assert lab.sound().records == 1


def test_the_keys_of_a_run_that_lives_are_left_alone(lab: Lab) -> None:
    gate = Gate(lab)
    running = lab.start([OPEN, gate.task(), SNAPSHOT, SEAL], "--limit", "web1")
    wait_for(gate.reached.exists)
    lab.play(RUN, "--limit", "web2").ok()
    gate.path.unlink()
    run = running.end().ok()
    assert run.report["complete"]
    assert len(lab.points()) == 2
    assert not list(lab.state.glob("runs/*/*/hosts"))
