# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong on the way to a host and back: the host is not backed up, by name; nothing half is believed; the next
run is whole.

Each host of a play meets another fault, in both halves; one host meets none.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab.proxy import Fault, Plan, Proxy, proxy
from ansible_collections.holdfast.config.tests.lab.sshd import Host, Sshd, alive, send, sshds, wait_for
from ansible_collections.holdfast.config.tests.system.lab import OPEN, SEAL, SNAPSHOT, Lab, Run, tree

RUN = [OPEN, SNAPSHOT, SEAL]
GOOD = "good"
# no connection outlives its command: what a cut or a kill meets is the command's own
COLD = {"ansible_ssh_args": "-o ControlMaster=no"}
HALVES: dict[str, dict[str, t.Any]] = {
    "piped": {},
    "module": {"ansible_become": True, "ansible_become_method": "itself"},
}
# much of it cannot be compressed, so that most of what comes back is the answer
LARGE = 256 * 1024

# a Python that stops itself where it is about to do what is named, until somebody lets it go on (sys.addaudithook)
STOPPING = """\
#!{python}
import os, runpy, signal, sys

def named(path):
    return isinstance(path, (bytes, str)) and os.path.basename(os.fsencode(path)) == {name!r}

def hook(event, args):
    if event == {event!r} and any(map(named, args[:2])) and os.path.exists({gate!r}):
        os.unlink({gate!r})
        with open({reached!r} + ".new", "w") as stream:
            stream.write(str(os.getpid()))
        os.rename({reached!r} + ".new", {reached!r})
        os.kill(os.getpid(), signal.SIGSTOP)

sys.addaudithook(hook)
if "-c" in sys.argv:
    exec(sys.argv[sys.argv.index("-c") + 1])
else:
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
IN_THE_WALK = ("open", b"app.conf")


class Stop:
    """A host's Python that stops itself."""

    def __init__(self, lab: Lab, host: str, moment: tuple[str, bytes]) -> None:
        self._gate = lab.path / f"gate-{host}"
        self._reached = lab.path / f"reached-{host}"
        self.python = lab.path / f"python-{host}"
        event, name = moment
        self._gate.touch()
        self.python.write_text(
            STOPPING.format(
                python=sys.executable, event=event, name=name, gate=str(self._gate), reached=str(self._reached)
            )
        )
        self.python.chmod(0o755)

    def wait(self) -> int:
        """Wait until it has stopped; returns its process."""
        wait_for(self._reached.exists, f"the stop of {self.python.name}")
        pid = int(self._reached.read_text())
        wait_for(lambda: _state(pid) == "T", f"the stop of {self.python.name}")
        return pid


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def hosts_of(lab: Lab, folder: Path, names: list[str]) -> Iterator[dict[str, Sshd]]:
    """A daemon for each host and the good one, reached without anything between."""
    lab.hosts = [*names, GOOD]
    for name in lab.hosts:
        lab.fill(name)
        (lab.app(name) / "large").write_bytes(os.urandom(LARGE))
    with sshds(folder / "sshd", dict.fromkeys(lab.hosts, Host())) as running:
        reach(lab, running)
        yield running


def reach(lab: Lab, running: Mapping[str, Sshd], **more: Mapping[str, t.Any]) -> None:
    """Reach hosts over SSH, by the half that their name ends in."""
    for name in lab.hosts:
        half = HALVES.get(name.rpartition("-")[2], {})
        lab.host_variables[name] = {**running[name].variables(), **COLD, **half, **more.get(name, {})}


def restoring(lab: Lab) -> dict[str, t.Any]:
    """A task that restores each host's newest."""
    under = f"{lab.path}/back/{{{{ inventory_hostname }}}}"
    return {"name": "restore", "holdfast.config.restore": {"newest": True, "under": under}}


def nothing_of_them_is_believed(lab: Lab, run: Run, hosts: list[str]) -> None:
    """The run fails for them by name, and seals the good host alone."""
    assert run.rc != 0
    (point,) = lab.points()
    assert [entry.host for entry in point.body.streams] == [GOOD]
    named = {*(failure.host for failure in point.body.failed), *point.body.missing}
    assert named == set(hosts)
    assert not point.statement.complete
    states = run.states("snapshot")
    assert {states[host] for host in hosts} <= {"failed", "unreachable"}, run.output
    assert {host for host, line in run.lines().items() if line["error"] or line["missing"]} == set(hosts)
    assert not [path for path in lab.stored() if any(f"/{host}/" in path for host in hosts)]
    assert lab.sound().unsealed == 0


def the_next_run_is_whole(lab: Lab) -> None:
    """Back up and restore all hosts."""
    run = lab.play([*RUN, restoring(lab)], "--forks", "8").ok()
    assert run.report["complete"]
    assert {entry.host for entry in lab.points()[-1].body.streams} == set(lab.hosts)
    for host in lab.hosts:
        assert tree(lab.path / "back" / host / str(lab.app(host)).lstrip("/")) == tree(lab.app(host))
    lab.sound()


@pytest.fixture
def lab(new_lab: Callable[[int], Lab]) -> Lab:
    """No hosts, and an empty repository."""
    return new_lab(0)


# bytes that go through: none, a part of SSH's own greeting, a part of the request, of the answer, and most of it
CUTS = {
    f"{direction}-{at}-{half}": Plan(direction, at)
    for half in HALVES
    for direction, at in (
        ("up", 0),
        ("up", 2_000),
        ("up", 20_000),
        ("down", 2_000),
        ("down", 60_000),
        ("down", 340_000),
    )
}


def test_a_connection_that_is_cut_anywhere(lab: Lab, tmp_path: Path) -> None:
    with hosts_of(lab, tmp_path, list(CUTS)) as running, contextlib.ExitStack() as stack:
        proxies = {name: stack.enter_context(proxy(running[name].port, plan)) for name, plan in CUTS.items()}
        through(lab, running, proxies)
        run = lab.play(RUN, "--forks", "8")
        nothing_of_them_is_believed(lab, run, list(CUTS))
        assert set(run.states("snapshot").values()) == {"unreachable", "ok"}
        for name, plan in CUTS.items():
            assert proxies[name].passed[plan.direction] == plan.at
        reach(lab, running)
        the_next_run_is_whole(lab)


# as a cable is pulled: SSH itself must ask whether the host is there
HELD = {"asked-piped": Plan("down", 60_000, Fault.HOLD), "asked-module": Plan("down", 60_000, Fault.HOLD)}
ASKING = {"ansible_ssh_args": "-o ControlMaster=no -o ServerAliveInterval=1 -o ServerAliveCountMax=2"}


def test_a_network_that_falls_silent_and_a_host_that_is_stopped(lab: Lab, tmp_path: Path) -> None:
    with hosts_of(lab, tmp_path, [*HELD, "stopped-piped"]) as running, contextlib.ExitStack() as stack:
        proxies = {name: stack.enter_context(proxy(running[name].port, plan)) for name, plan in HELD.items()}
        through(lab, running, proxies)
        for name in HELD:
            lab.host_variables[name] |= ASKING
        lab.host_variables["stopped-piped"]["ansible_ssh_timeout"] = 2
        running["stopped-piped"].freeze()
        run = lab.play(RUN)
        running["stopped-piped"].thaw()
        nothing_of_them_is_believed(lab, run, [*HELD, "stopped-piped"])
        assert set(run.states("snapshot").values()) == {"unreachable", "ok"}
        reach(lab, running)
        the_next_run_is_whole(lab)


def test_a_task_that_takes_too_long(lab: Lab, tmp_path: Path) -> None:
    late = [f"late-{half}" for half in HALVES]
    with hosts_of(lab, tmp_path, late) as running:
        stops = stopping(lab, running, late, IN_THE_WALK)
        for name in late:
            lab.host_variables[name]["patience"] = 5
        run = lab.play([OPEN, {**SNAPSHOT, "timeout": "{{ patience | default(0) }}"}, SEAL])
        for stop in stops.values():
            send(stop.wait(), signal.SIGKILL)
        nothing_of_them_is_believed(lab, run, late)
        reach(lab, running)
        the_next_run_is_whole(lab)


KILLS = [f"{killed}-{half}" for killed in ("half", "session") for half in HALVES]


def test_a_half_or_a_session_that_is_killed_in_the_walk(lab: Lab, tmp_path: Path) -> None:
    with hosts_of(lab, tmp_path, KILLS) as running:
        stops = stopping(lab, running, KILLS, IN_THE_WALK)
        started = lab.start(RUN, "--forks", "8")
        walks = {name: stop.wait() for name, stop in stops.items()}
        for name, walk in walks.items():
            if name.startswith("half"):
                send(walk, signal.SIGKILL)
            else:
                running[name].drop()
                send(walk, signal.SIGCONT)
        wait_for(lambda: not any(map(alive, walks.values())), "the end of the halves")
        run = started.end()
        nothing_of_them_is_believed(lab, run, KILLS)
        for half in HALVES:
            assert run.on("snapshot", f"session-{half}").status == "unreachable"
            killed = run.on("snapshot", f"half-{half}")
            assert killed.status == "failed"
            assert "signal 9 killed it" in killed.message
            assert "memory" in killed.result["remedy"]
        reach(lab, running)
        the_next_run_is_whole(lab)


def test_a_controller_that_is_killed_while_hosts_walk(lab: Lab, tmp_path: Path) -> None:
    names = [f"walks-{half}" for half in HALVES]
    with hosts_of(lab, tmp_path, names) as running:
        stops = stopping(lab, running, names, IN_THE_WALK)
        started = lab.start(RUN)
        walks = [stop.wait() for stop in stops.values()]

        def go_on() -> None:
            for walk in walks:
                send(walk, signal.SIGCONT)

        started.kill(meanwhile=go_on)
        wait_for(lambda: not any(map(alive, walks)), "the end of the halves")
        nothing_was_sealed(lab)
        reach(lab, running)
        the_next_run_is_whole(lab)


# where the connection stands still when the controller is killed
MOMENTS = {
    f"{moment}-{half}": Plan(direction, at, Fault.HOLD)
    for half in HALVES
    for moment, direction, at in (("before", "up", 2_000), ("request", "up", 20_000), ("answer", "down", 60_000))
}


def test_a_controller_that_is_killed_before_a_request_in_it_and_in_the_answer(lab: Lab, tmp_path: Path) -> None:
    with hosts_of(lab, tmp_path, list(MOMENTS)) as running, contextlib.ExitStack() as stack:
        proxies = {name: stack.enter_context(proxy(running[name].port, plan)) for name, plan in MOMENTS.items()}
        through(lab, running, proxies)
        started = lab.start(RUN, "--forks", "8")
        for name, held in proxies.items():
            wait_for(held.struck.is_set, name)

        def cut() -> None:
            for held in proxies.values():
                held.close()

        started.kill(meanwhile=cut)
        nothing_was_sealed(lab)
        reach(lab, running)
        the_next_run_is_whole(lab)


def test_a_restore_whose_half_is_killed_while_it_writes_is_made_whole_by_the_next(lab: Lab, tmp_path: Path) -> None:
    names = [f"writes-{half}" for half in HALVES]
    with hosts_of(lab, tmp_path, names) as running:
        lab.play(RUN).ok()
        stops = stopping(lab, running, names, ("os.rename", b"app.conf"))
        started = lab.start([restoring(lab)])
        for stop in stops.values():
            send(stop.wait(), signal.SIGKILL)
        run = started.end()
        assert run.states("restore") == {GOOD: "ok", **dict.fromkeys(names, "failed")}
        for name in names:
            assert "signal 9 killed it" in run.on("restore", name).message
        assert lab.sound().records == 1
        reach(lab, running)
        the_next_run_is_whole(lab)


def through(lab: Lab, running: Mapping[str, Sshd], proxies: Mapping[str, Proxy]) -> None:
    """Reach hosts through their proxies."""
    reach(lab, running, **{name: {"ansible_port": before.port} for name, before in proxies.items()})


def stopping(lab: Lab, running: Mapping[str, Sshd], names: Sequence[str], moment: tuple[str, bytes]) -> dict[str, Stop]:
    """Give hosts a Python that stops itself."""
    stops = {name: Stop(lab, name, moment) for name in names}
    reach(lab, running, **{name: {"ansible_python_interpreter": str(stop.python)} for name, stop in stops.items()})
    return stops


def nothing_was_sealed(lab: Lab) -> None:
    """There is no point, and what was stored belongs to none."""
    assert not lab.points()
    lab.sound()
