# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way to a host, for both halves, over real SSH: each host of one play is reached by a way of its own.

That no run shows content, ``-vvvv`` among them, is asserted for each in ``lab.Running.end``.
"""

from __future__ import annotations

import dataclasses
import shutil
import typing as t
from collections.abc import Callable, Iterator, Mapping

import pytest
from ansible_collections.holdfast.config.tests.lab.pythons import pythons
from ansible_collections.holdfast.config.tests.lab.sshd import TERMINALS, Host, Sshd, sshds
from ansible_collections.holdfast.config.tests.system.lab import OPEN, SEAL, SNAPSHOT, Lab, Run, tree

RUN = [OPEN, SNAPSHOT, SEAL]
# a second trip for the content of what has changed; a restore looks, writes, and looks again
DRIFT_TRIPS, RESTORE_TRIPS = 2, 3

NO_STDIN = {"ansible_become": True, "ansible_become_method": "itself"}
# a login shell that prints garbles sftp as well, as it does everywhere
NO_SFTP = {"ansible_ssh_transfer_method": "piped"}
SHELL = 'exec {shell} -c "$SSH_ORIGINAL_COMMAND"'
# what a profile prints; the last line has no end
NOISE = """\
echo '*** 3 updates can be applied ***'
echo 'HOLDFAST1'
echo 'bash: warning: setlocale: cannot change locale' >&2
printf 'Last login: today '
"""


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to a host.

    :param variables: its inventory.
    :param shell: a script that stands for the login shell, and is given a command in ``SSH_ORIGINAL_COMMAND``.
    :param piped: whether its half is piped to Python in every trip, and not sent as a module.
    """

    variables: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    shell: str = ""
    piped: bool = True

    def as_module(self) -> Way:
        """The same, where the host's half runs as a module."""
        return Way({**self.variables, **NO_STDIN}, self.shell, piped=False)

    @property
    def by_ssh(self) -> bool:
        return self.variables.get("ansible_connection") != "local"


def _shells() -> dict[str, Way]:
    """Login shells other than sh, those that are on this machine; bash is on all."""
    names = [name for name in ("bash", "csh", "fish", "ksh", "tcsh", "zsh") if shutil.which(name)]
    return {name: Way(NO_SFTP, SHELL.format(shell=name)) for name in names}


PLAIN: dict[str, Way] = {
    "ssh": Way(),
    "pipelining": Way({"ansible_pipelining": True}),
    "cold": Way({"ansible_ssh_args": "-o ControlMaster=no"}),
    "local": Way({"ansible_connection": "local"}),
    "noise": Way(NO_SFTP, NOISE + SHELL.format(shell="bash")),
    "executable": Way({"ansible_shell_executable": "/bin/bash"}),
    **_shells(),
    **{
        f"python{major}.{minor}": Way({"ansible_python_interpreter": path})
        for (major, minor), path in pythons().items()
    },
}
MODULES: dict[str, Way] = {
    f"{name}-module": PLAIN[name].as_module() for name in PLAIN if name not in ("executable", "pipelining")
}
WAYS: dict[str, Way] = {
    **PLAIN,
    **MODULES,
    "paramiko": Way({"ansible_connection": "paramiko_ssh", "ansible_paramiko_host_key_checking": False}, piped=False),
    # a module by the connection's stdin
    "auto": Way({"ansible_pipelining": True, "ansible_python_interpreter": "auto"}, piped=False),
    "auto-silent": Way({"ansible_python_interpreter": "auto_silent"}, piped=False),
    # nothing is written there where a half is piped
    "no-tmp": Way({"ansible_remote_tmp": "/proc/no/such/folder"}),
}
SSH = [name for name, way in WAYS.items() if way.by_ssh]
PIPED = [name for name, way in WAYS.items() if way.piped]


@dataclasses.dataclass(frozen=True)
class Journey:
    """Runs in which each host was reached by its way, and how many commands its daemon had started before each."""

    lab: Lab
    first: Run
    elsewhere: Run
    unchanged: Run
    changed: Run
    sessions: list[dict[str, int]]

    def commands(self, way: str, number: int) -> int:
        """How many commands a run, by its number, took on a host."""
        return self.sessions[number + 1][way] - self.sessions[number][way]


@pytest.fixture(scope="module")
def journey(new_lab: Callable[[int], Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Back up all hosts, again by local, again by their ways, and after a change; then restore them."""
    lab = new_lab(0)
    lab.hosts = list(WAYS)
    for name in WAYS:
        lab.fill(name)
    with sshds(tmp_path_factory.mktemp("sshd"), {name: _host(lab, name) for name in SSH}) as running:

        def by_ways() -> None:
            for name, way in WAYS.items():
                reach = running[name].variables() if way.by_ssh else {}
                lab.host_variables[name] = {**reach, **way.variables}

        def play(*args: t.Any) -> Run:
            run = lab.play(*args, "--forks", "8", env={"ANSIBLE_PARAMIKO_PTY": str(TERMINALS)})
            sessions.append(_sessions(running))
            return run

        sessions = [_sessions(running)]
        by_ways()
        first = play(RUN)
        lab.host_variables = {name: {} for name in WAYS}
        elsewhere = play(RUN)
        by_ways()
        unchanged = play(RUN)
        for name in WAYS:
            lab.change(name)
        restore = {"newest": True, "under": f"{lab.path}/back/{{{{ inventory_hostname }}}}"}
        changed = play([*RUN, {"name": "restore", "holdfast.config.restore": restore}], "-vvvv")
        yield Journey(lab, first, elsewhere, unchanged, changed, sessions)


def _host(lab: Lab, name: str) -> Host:
    options = [f"Banner {lab.path}/banner"]
    (lab.path / "banner").write_text("All that you do here is watched.\n")
    if WAYS[name].shell:
        script = lab.path / f"shell-{name}"
        script.write_text(f"#!/bin/sh\n{WAYS[name].shell}\n")
        script.chmod(0o755)
        options.append(f"ForceCommand {script}")
    return Host(options=options)


def _sessions(running: Mapping[str, Sshd]) -> dict[str, int]:
    return {name: sshd.sessions() for name, sshd in running.items()}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_backs_up_and_restores(journey: Journey, way: str) -> None:
    assert journey.first.on("snapshot", way).status == "ok", journey.first.on("snapshot", way).message
    assert [stream["reason"] for stream in journey.first.on("snapshot", way).result["streams"]] == ["first"]
    assert [stream["reason"] for stream in journey.changed.on("snapshot", way).result["streams"]] == ["drift"]
    assert journey.changed.on("restore", way).result["equal"]
    app = journey.lab.app(way)
    assert tree(journey.lab.path / "back" / way / str(app).lstrip("/")) == tree(app)


@pytest.mark.parametrize("way", WAYS)
def test_what_was_captured_by_one_way_is_unchanged_by_another(journey: Journey, way: str) -> None:
    for run in (journey.elsewhere, journey.unchanged):
        result = run.on("snapshot", way)
        assert (result.status, result.result.get("changed")) == ("ok", False), result.message


@pytest.mark.parametrize("way", [way for way in PIPED if way in SSH])
def test_an_unchanged_host_costs_one_command_by_ssh(journey: Journey, way: str) -> None:
    assert journey.commands(way, 2) == 1


@pytest.mark.parametrize("way", [way for way in PIPED if way in SSH])
def test_a_piped_trip_is_one_command_by_ssh(journey: Journey, way: str) -> None:
    assert journey.commands(way, 0) == 1
    assert journey.commands(way, 3) == DRIFT_TRIPS + RESTORE_TRIPS


def test_all_hosts_are_whole_in_every_point(journey: Journey) -> None:
    for run in (journey.first, journey.elsewhere, journey.unchanged, journey.changed):
        run.ok()
        assert run.report["complete"]
    assert len(journey.lab.points()) == 4
    assert journey.lab.sound().unsealed == 0


def test_nothing_is_left_in_the_temporary_folder_of_hosts(journey: Journey) -> None:
    assert not [path for path in (journey.lab.path / "remote").rglob("*") if path.is_file()]


def test_a_python_that_was_found_earlier_in_the_play_is_piped_to(journey: Journey) -> None:
    found = [{"name": "ping", "ansible.builtin.ping": {}}, *RUN]
    run = journey.lab.play(found, "--limit", "auto,auto-silent", "-vvv").ok()
    assert "AnsiballZ_ping" in run.output
    assert "AnsiballZ_host_capture" not in run.output
    assert {kept.result["changed"] for kept in run.all("snapshot")} == {False}
