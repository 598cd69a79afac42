# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of a restore in place need on a whole host: a judge, faults at named points, restores without a play."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import halves
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.transaction import Transaction
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import ConnectionLostError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component, Handling
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore import Restored
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_in_place import Way, restore_in_place
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_record import Context
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.lab.half import WITH_KILLS
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import Lab, Running

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbooks" / "restore_with_ansible.md"
FAULTY = "/usr/local/lib/faulty-python"
_FAULT = "/run/fault"
_REACHED = "/run/fault.reached"

# takes a half from the pipe, stops at trips of that name, and gives the fault points of a restore something to do
_FAULTY = f"""\
#!{nspawn.PYTHON}
import json, os, signal, sys, time
{WITH_KILLS}
KILLS = b'''
    import os, signal, sys, time

    def told():
        with open("{_FAULT}") as file:
            return file.read()

    try:
        fault = told()
        when, what = fault.split()
        if when == point and (what == "unit") == sys.argv[0].endswith("apply.pyc"):
            with open("{_REACHED}.new", "w") as file:
                print(os.getpid(), file=file)
            os.rename("{_REACHED}.new", "{_REACHED}")
            if what != "wait":
                os.kill(os.getpid(), signal.SIGKILL)
            while told() == fault:
                time.sleep(0.05)
    except (FileNotFoundError, ValueError):
        return
'''
if os.path.exists("{_FAULT}"):
    with os.fdopen(os.dup(0), "rb") as pipe:
        half = with_kills(pipe, KILLS)
        request = pipe.readline()
        payload = pipe.read()
    space = dict()
    exec("def at(point):" + KILLS.decode(), space)
    space["at"]("trip:" + str(json.loads(request).get("op")))
    staged = os.memfd_create("stdin")
    with os.fdopen(os.dup(staged), "wb") as file:
        file.write(half + request + payload)
    os.lseek(staged, 0, os.SEEK_SET)
    os.dup2(staged, 0)
os.execv("{nspawn.PYTHON}", ["{nspawn.PYTHON}", *sys.argv[1:]])
"""


def prepare(host: Machine) -> None:
    """Put the Python on a host whose restores can be stopped."""
    host.run("tee", FAULTY, text=_FAULTY.encode())
    host.run("chmod", "0755", FAULTY)


def keep(host: Machine, folder: str, name: str) -> None:
    """Keep a pristine copy of a folder under a name."""
    copy = f"/srv/pristine/{name}"
    host.run("sh", "-euc", f"rm -rf {copy}; mkdir -p {copy}; rsync -aAXH --numeric-ids {folder}/ {copy}/")


def differs(host: Machine, folder: str, name: str) -> list[str]:
    """What rsync would do to a folder to make it the pristine copy of that name, path by path."""
    compare = ("rsync", "-aAXHcni", "--numeric-ids", "--delete", f"/srv/pristine/{name}/", f"{folder}/")
    return host.run(*compare).stdout.decode(errors="replace").splitlines()


def left_over(host: Machine) -> str:
    """Working files of restores that are still there: journals, stage folders, units."""
    names = "'(' -name '.holdfast-????????????????' -o -name 'holdfast-restore-*' ')'"
    look = f"find /etc /srv /var/lib /run/systemd -xdev {names} -not -path '/srv/pristine/*'"
    return host.run("sh", "-c", f"{look}; ls -A /var/lib/holdfast 2>/dev/null || true").stdout.decode()


class Fault:
    """A point at which the host's half of the next restores is killed, or waits.

    :param point: one that the half names, or ``trip:<op>``, where such a trip begins.
    :param unit: it is the units of restores that are killed there, which else pass.
    """

    def __init__(self, host: Machine, point: str, *, kill: bool = True, unit: bool = False) -> None:
        self._host = host
        host.run("rm", "-f", _REACHED)
        host.run("tee", _FAULT, text=f"{point} {'unit' if unit else 'kill' if kill else 'wait'}\n".encode())

    @property
    def reached(self) -> bool:
        """Whether a restore has come there."""
        return self._host.path(_REACHED).exists()

    def await_it(self) -> None:
        """Wait until a restore has come there."""
        wait_for(lambda: self.reached, "the fault")

    def kill(self) -> None:
        """Kill what waits there."""
        self._host.run("kill", "-KILL", self._waiting)
        self.remove()

    def let_go(self) -> None:
        """Let what waits there go on, and wait for its end."""
        process = self._host.path(f"/proc/{self._waiting}")
        self.remove()
        wait_for(lambda: not process.exists(), "the end of what went on")

    @property
    def _waiting(self) -> str:
        return self._host.path(_REACHED).read_text().strip()

    def remove(self) -> None:
        """Let restores pass again."""
        self._host.run("rm", "-f", _FAULT, _REACHED)


class Direct:
    """Restores of a lab's only host by the use case itself, without a play: a trip is a pipe to the host's Python.

    :param journal: a journal folder on the host, by which several restores may be open beside each other.
    """

    def __init__(self, lab: Lab, host: Machine, *, journal: str | None = None, lease: int = 300) -> None:
        self._lab = lab
        self._host = host
        self._journal = journal
        self._lease = lease

    def restore(
        self,
        restore: str,
        selection: Selection,
        handling: Mapping[str, Handling] | None = None,
        **more: t.Any,
    ) -> Restored:
        """Restore the lab's components as they are declared, with validators and units as given here."""
        handled = handling or {}
        declared = {
            name: Component(name, tuple(paths), "tier1", "", "", handling=handled.get(name, Handling()))
            for name, paths in ((one["name"], one["paths"]) for one in self._lab.variables["holdfast_components"])
        }
        check = more.pop("check", False)
        return restore_in_place(
            self._lab.repository(),
            self._lab.keyring(),
            Host(self.trip, journal=self._journal),
            self.transaction(restore),
            host=self._host.name,
            selection=selection,
            context=Context(self._host.name, "/"),
            way=Way(declared, **more),
            check=check,
        )

    def transaction(self, restore: str) -> Transaction:
        """The transaction of that id."""
        return Transaction(self.trip, restore=restore, run="a test", lease=self._lease, journal=self._journal)

    def trip(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        """Implements capture.wire.Trip."""
        sent = halves.piped(half, json.dumps(request).encode(), payload)
        done = self._host.run(FAULTY, "-I", "-S", "-c", _tree.BOOTSTRAP, text=sent, check=False)
        if done.returncode != 0:
            raise ConnectionLostError(f"the host's half ended with {done.returncode}")
        return done.stdout.decode()


def from_runbook(section: str, command: str) -> str:
    """The arguments of the first use of a command in a section of the runbook."""
    text = RUNBOOK.read_text().split(f"\n## {section}", 1)[1]
    found = re.search(rf"^{re.escape(command)} (.*)$", text, re.MULTILINE)
    assert found is not None, f"no {command} in {section}"
    return found[1]


def kill_all(lab: Lab, running: Running) -> None:
    """SIGKILL a controller with its workers and their connections, which keep its environment (proc(5))."""
    mark = f"HOME={lab.path}/home".encode()

    def kill_the_rest() -> None:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)

    running.kill(meanwhile=kill_the_rest)


def shown(host: Machine, unit: str, *properties: str) -> dict[str, str]:
    """Properties of a unit."""
    told = host.run("systemctl", "show", unit, *(f"-p{name}" for name in properties)).stdout.decode()
    return dict(line.split("=", 1) for line in re.findall(r"^\w+=.*$", told, re.MULTILINE))
