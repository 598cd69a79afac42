# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""To become another user on a host, by sudo, doas and su: what is granted is backed up and restored, what is refused
fails the host by name, says what to do, and never waits for ever.

Each host of one play is another user's. They see accounts and rights of their own in a private mount namespace.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import threading
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import place
from ansible_collections.holdfast.config.tests.lab.place import PYTHON, Place
from ansible_collections.holdfast.config.tests.lab.sshd import Host, Sshd, sshds
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, PLUGINS, SEAL, SNAPSHOT, Lab, Run, tree

RUN = [OPEN, SNAPSHOT, SEAL]
# how long Ansible waits for a connection, or for a password to be asked
PATIENCE_SECONDS = 30
BECOME = f"{PLUGINS / 'become'}:{Path(place.__file__).parent / 'plugins' / 'become'}"

PASSWORDS = {name: f"{name}'s" for name in ("root", "ada", "ben", "cleo", "dora", "eve", "flo", "gus")}
SUDOERS = (
    "Defaults:eve,flo requiretty",
    "root ALL=(ALL:ALL) ALL",
    "ada ALL=(ALL:ALL) ALL",
    "ben ALL=(ALL:ALL) NOPASSWD: ALL",
    "eve ALL=(ALL:ALL) ALL",
    "flo ALL=(ALL:ALL) NOPASSWD: ALL",
    "gus ALL=(ALL:ALL) /bin/true",
)
DOAS = ("permit ada", "permit nopass ben")
# Ansible must find the Python, so that the first trip of a task runs as a module
AUTO = {"ansible_python_interpreter": "auto_silent", "ansible_interpreter_python_fallback": [str(PYTHON)]}


@dataclasses.dataclass(frozen=True)
class Case:
    """A host's login user and its inventory."""

    login: str
    variables: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    reason: str = ""
    remedy: str = ""
    unreachable: bool = False

    @property
    def user(self) -> str:
        """Who it becomes."""
        return str(self.variables.get("ansible_become_user", "root"))

    def as_module(self) -> Case:
        """The same where the host's half runs as a module."""
        return dataclasses.replace(self, variables={**self.variables, **AUTO})


def becoming(method: str, password: str | None = None, user: str = "root", **more: t.Any) -> dict[str, t.Any]:
    """The inventory of becoming another user."""
    given = {} if password is None else {"ansible_become_password": password}
    how = {"ansible_become": True, "ansible_become_method": method, "ansible_become_user": user}
    return {**how, **given, **more}


def _both(name: str, case: Case) -> dict[str, Case]:
    return {name: case, f"{name}-module": case.as_module()}


GRANTED: dict[str, Case] = {
    **_both("sudo", Case("ben", becoming("sudo"))),
    **_both("sudo-password", Case("ada", becoming("sudo", PASSWORDS["ada"]))),
    **_both("sudo-pipelining", Case("ada", becoming("sudo", PASSWORDS["ada"], ansible_pipelining=True))),
    **_both("sudo-unprivileged", Case("ben", becoming("sudo", user="dora"))),
    # refused without a terminal, it is asked again with one
    "sudo-terminal": Case("flo", becoming("sudo")),
    "sudo-terminal-password": Case("eve", becoming("sudo", PASSWORDS["eve"])),
    "doas": Case("ben", becoming("doas")),
    "doas-password": Case("ada", becoming("doas", PASSWORDS["ada"])),
    "doas-unprivileged": Case("ben", becoming("doas", user="dora")),
    "su": Case("cleo", becoming("su", PASSWORDS["root"])),
}
WRONG = ("refused the password for become", "Correct ansible_become_password")
NONE = ("none is given", "Give ansible_become_password")
NO = ("refused", "may become that user")
REFUSED: dict[str, Case] = {
    **_both("sudo-wrong", Case("ada", becoming("sudo", "wrong"), *WRONG)),
    **_both("sudo-missing", Case("ada", becoming("sudo"), *NONE)),
    **_both("sudo-nobody", Case("cleo", becoming("sudo", PASSWORDS["cleo"]), *NO)),
    **_both("sudo-one-command", Case("gus", becoming("sudo", PASSWORDS["gus"]), *NO)),
    "sudo-no-user": Case("ben", becoming("sudo", user="nobody-here"), *NO),
    "sudo-no-program": Case("ben", becoming("sudo", ansible_become_exe="/no/such/sudo"), *NO),
    "doas-wrong": Case("ada", becoming("doas", "wrong"), *WRONG),
    "doas-missing": Case("ada", becoming("doas"), *NO),
    "doas-nobody": Case("cleo", becoming("doas", PASSWORDS["cleo"]), *NO),
    "su-wrong": Case("cleo", becoming("su", "wrong"), *WRONG),
    # su waits for a password that nobody gives
    "su-missing": Case(
        "cleo",
        becoming("su", ansible_ssh_timeout=3),
        "become did not succeed",
        "ansible_become_password",
        unreachable=True,
    ),
    **_both("without", Case("ada", {}, "/srv/root/key, /srv/root/more/key", "Grant the right (become)")),
    **_both(
        "not-enough",
        Case("ben", becoming("sudo", user="dora", reads="root"), "/srv/root/key", "Grant the right (become)"),
    ),
}
CASES = {**GRANTED, **REFUSED}


class Log(threading.Thread):
    """What the hosts' syslog is told, by a socket in the place of ``/dev/log``."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._told: list[str] = []
        self.start()

    def run(self) -> None:
        """Read until the other end of the test."""
        while message := self._socket.recv(1 << 16):
            self._told.append(message.decode(errors="replace"))

    def told(self) -> list[str]:
        """All messages until now."""
        return list(self._told)


@dataclasses.dataclass(frozen=True)
class Tried:
    """Every case in one run, again, and those that were granted after a change, with a restore."""

    lab: Lab
    place: Place
    log: Log
    first: Run
    again: Run
    changed: Run
    sessions: Sequence[Mapping[str, int]]

    def reads(self, name: str) -> Path:
        """The folder of a host's component, outside."""
        return _reads(self.place, CASES[name])


def _reads(there: Place, case: Case) -> Path:
    return there.srv / str(case.variables.get("reads", case.user))


@pytest.fixture(scope="module")
def tried(new_lab: Callable[[int], Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """Back up all; those that are granted it again, and restore them after a change."""
    folder = tmp_path_factory.mktemp("place")
    there = place.make(folder, passwords=PASSWORDS, sudoers=SUDOERS, doas=DOAS)
    log = Log(folder / "log.socket")
    for owner in ("root", "dora"):
        _fill(there, owner, "1")
    (there.srv / "back").mkdir(mode=0o1777)
    (there.srv / "back").chmod(0o1777)
    lab = new_lab(0)
    lab.hosts = list(CASES)
    env = {"ANSIBLE_BECOME_PLUGINS": BECOME, "ANSIBLE_TIMEOUT": str(PATIENCE_SECONDS)}
    with sshds(tmp_path_factory.mktemp("sshd"), {name: _host(there, case) for name, case in CASES.items()}) as running:
        for name, case in CASES.items():
            lab.host_variables[name] = {**running[name].variables(), **_inventory(there, case)}

        def play(*args: t.Any) -> Run:
            run = lab.play(*args, "--forks", "8", env=env)
            sessions.append(_sessions(running))
            return run

        sessions: list[Mapping[str, int]] = [_sessions(running)]
        first = play(RUN)
        granted = ["--limit", ",".join(GRANTED)]
        again = play(RUN, *granted)
        for owner in ("root", "dora"):
            _fill(there, owner, "2")
        under = "/srv/back/{{ inventory_hostname }}"
        restore = {"name": "restore", "holdfast.config.restore": {"newest": True, "under": under}}
        changed = play([*RUN, restore], "-vvvv", *granted)
        yield Tried(lab, there, log, first, again, changed, sessions)


def _host(there: Place, case: Case) -> Host:
    return Host(user=case.login, within=there.within(), environment={"HOME": f"/srv/home/{case.login}"})


def _inventory(there: Place, case: Case) -> dict[str, t.Any]:
    return {
        "ansible_python_interpreter": str(PYTHON),
        "ansible_remote_tmp": f"/srv/home/{case.login}/tmp",
        **case.variables,
        "holdfast_components": [{"name": "app", "paths": [f"/srv/{_reads(there, case).name}"]}],
    }


def _fill(there: Place, owner: str, text: str) -> None:
    """What only *owner* may read, and everybody may see."""
    top = there.srv / owner
    (top / "more").mkdir(parents=True, exist_ok=True)
    for path in (top / "key", top / "more" / "key"):
        path.write_text(f"{CANARY} {text}\n")
        path.chmod(0o400)
    uid = place.identity(there, owner)
    for path in (top, *top.rglob("*")):
        os.chown(path, uid, uid)


def _sessions(running: Mapping[str, Sshd]) -> dict[str, int]:
    return {name: sshd.sessions() for name, sshd in running.items()}


@pytest.mark.parametrize("name", GRANTED)
def test_who_may_become_another_user_is_backed_up_and_restored(tried: Tried, name: str) -> None:
    assert tried.first.on("snapshot", name).status == "ok", tried.first.on("snapshot", name).message
    assert tried.first.on("snapshot", name).result["changed"] is True
    assert tried.again.on("snapshot", name).result["changed"] is False
    assert tried.changed.on("snapshot", name).result["streams"][0]["reason"] == "drift"
    assert tried.changed.on("restore", name).result["equal"]
    back = tried.place.srv / "back" / name / "srv" / tried.reads(name).name
    assert tree(back) == tree(tried.reads(name))
    uid = place.identity(tried.place, GRANTED[name].user)
    assert {path.stat().st_uid for path in back.rglob("*")} == {uid}


@pytest.mark.parametrize("name", ["sudo", "sudo-password", "sudo-unprivileged", "sudo-pipelining"])
def test_becoming_by_sudo_costs_no_more_commands(tried: Tried, name: str) -> None:
    first, again = (
        after[name] - before[name] for before, after in zip(tried.sessions[:2], tried.sessions[1:3], strict=True)
    )
    assert (first, again) == (1, 1)


@pytest.mark.parametrize("name", REFUSED)
def test_who_may_not_fails_by_name_with_a_remedy(tried: Tried, name: str) -> None:
    case = REFUSED[name]
    task = tried.first.on("snapshot", name)
    assert task.status == ("unreachable" if case.unreachable else "failed")
    (reason,) = [failure.reason for failure in tried.lab.points()[0].body.failed if failure.host == name]
    assert case.reason in reason
    assert case.remedy in reason
    assert tried.first.lines()[name]["error"] == reason
    if not case.unreachable:
        assert case.remedy in task.result["remedy"]


def test_nothing_of_who_may_not_is_stored(tried: Tried) -> None:
    assert tried.first.rc != 0
    point, *_later = tried.lab.points()
    assert not point.statement.complete
    assert {entry.host for entry in point.body.streams} == set(GRANTED)
    assert {failure.host for failure in point.body.failed} == set(REFUSED)
    assert not [path for path in tried.lab.stored() if any(f"/{name}/" in path for name in REFUSED)]
    assert tried.lab.sound().unsealed == 0


def test_no_password_is_in_any_output(tried: Tried) -> None:
    for run in (tried.first, tried.again, tried.changed):
        for password in PASSWORDS.values():
            assert password not in run.output


def test_the_hosts_log_is_told_nothing_of_what_was_asked_or_found(tried: Tried) -> None:
    told = tried.log.told()
    # what sudo itself writes there of a command that ran as a module
    assert any("AnsiballZ_host_capture" in message for message in told)
    for message in told:
        assert CANARY not in message
        assert "/srv/root" not in message
        assert '"op"' not in message


def test_a_local_connection_that_becomes_with_a_password_does_not_wait_for_ever(new_lab: Callable[[int], Lab]) -> None:
    lab = new_lab(1)
    readable = {"holdfast_components": [{"name": "app", "paths": ["/etc/passwd"]}]}
    # sudo of root asks for no password, and Ansible opens a terminal to give it all the same
    how = becoming("sudo", "not asked for", user="nobody", ansible_python_interpreter="/usr/bin/python3")
    lab.host_variables["web1"] = {**how, **readable, "ansible_remote_tmp": "/var/tmp/.holdfast-test"}
    run = lab.play(RUN).ok()
    assert run.on("snapshot").result["changed"]
    lab.host_variables["web1"]["ansible_pipelining"] = True
    assert lab.play(RUN).ok().on("snapshot").result["changed"] is False


def test_a_host_without_any_python_fails_by_name(
    new_lab: Callable[[int], Lab], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bare")
    there = place.make(folder, passwords={"ben": "x"}, sudoers=SUDOERS, doas=DOAS)
    (folder / "nothing").touch()
    found = subprocess.run(
        ["/bin/sh", "-c", "ls -d /usr/bin/python[0-9]* /usr/local/bin/python[0-9]* 2>/dev/null; true"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    hidden = [f"mount --bind {folder}/nothing {os.path.realpath(path)}" for path in found]
    host = Host(user="ben", within=there.within(*hidden), environment={"HOME": "/srv/home/ben"})
    lab = new_lab(0)
    lab.hosts = ["bare"]
    with sshds(tmp_path_factory.mktemp("sshd"), {"bare": host}) as running:
        lab.host_variables["bare"] = {
            **running["bare"].variables(),
            "ansible_python_interpreter": "auto",
            "ansible_remote_tmp": "/srv/home/ben/tmp",
        }
        run = lab.play(RUN)
    assert run.rc != 0
    assert run.on("snapshot").status == "failed"
    assert "ansible_python_interpreter" in run.on("snapshot").result["remedy"]
    assert not lab.points()
