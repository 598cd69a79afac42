# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run costs beside a `ping` play of the same hosts: alternating, whole processes, medians and their ratio.

Prints and never judges: these machines' speed is not ours. ``HOSTS``, ``FILES`` and ``ROUNDS`` set the size.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

HOSTS = int(os.environ.get("HOSTS", "20"))
FILES = int(os.environ.get("FILES", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
BIN = Path(sys.executable).parent
COLLECTIONS = Path(__file__).parents[2] / ".dev" / "tree"

PING = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.ping:\n"


class Fleet:
    """Hosts that are folders on this machine, with an equal tree each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for number in range(HOSTS):
            self._make_tree(path / "hosts" / f"host{number}" / "etc")
        (path / "ping.yml").write_text(PING)
        self._write_inventory("")
        made = self._run("ansible", "host0", "-o", "-m", "holdfast.config.repository")
        self._write_inventory(json.loads(made.partition("=> ")[2])["repository_id"])

    def ping(self) -> None:
        """One module on every host."""
        self._run("ansible-playbook", str(self.path / "ping.yml"))

    def backup(self) -> None:
        """One backup of every host."""
        self._run("ansible-playbook", "holdfast.config.backup")

    def change(self) -> None:
        """One changed line on every host."""
        for file in self.path.glob("hosts/*/etc/d0/f0.conf"):
            file.write_text(f"changed = {time.monotonic_ns()}\n")

    def _make_tree(self, etc: Path) -> None:
        for number in range(FILES):
            file = etc / f"d{number % 40}" / f"f{number}.conf"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"name = {number}\n" * (1 + number % 200))

    def _write_inventory(self, pin: str) -> None:
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "holdfast_repository": {
                "name": "bench",
                "url": f"file://{self.path}/repository",
                "keyring": {"path": f"{self.path}/keyring"},
            },
            "holdfast_components": [{"name": "etc", "paths": [f"{self.path}/hosts/{{{{ inventory_hostname }}}}/etc"]}],
            **({"holdfast_repository_id": pin} if pin else {}),
        }
        hosts = {f"host{number}": None for number in range(HOSTS)}
        document = {"all": {"hosts": hosts, "vars": variables}}
        (self.path / "inventory.yml").write_text(json.dumps(document))

    def _run(self, program: str, *arguments: str) -> str:
        env = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_FORKS": "20",
            "HOLDFAST_STATE_DIR": str(self.path / "state"),
        }
        command = [str(BIN / program), "-i", str(self.path / "inventory.yml"), *arguments]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("bench"))


def test_first_full_run_beside_ping(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    seconds, cpu = _timed(fleet.backup)
    ping, ping_cpu = _timed(fleet.ping)
    _print(capsys, f"first full run: {seconds:.2f} s ({seconds / ping:.2f} of ping), {_a_host(cpu, ping_cpu)}")
    assert list((fleet.path / "repository" / "points").iterdir())


@pytest.mark.parametrize("name", ["no-drift run", "run with a change on every host"])
def test_later_runs_beside_ping(fleet: Fleet, capsys: pytest.CaptureFixture[str], name: str) -> None:
    pings, runs = [], []
    for _round in range(ROUNDS):
        pings.append(_timed(fleet.ping))
        if name != "no-drift run":
            fleet.change()
        runs.append(_timed(fleet.backup))
    ratio = statistics.median(run[0] / ping[0] for run, ping in zip(runs, pings, strict=True))
    spread = [run[0] / ping[0] for run, ping in zip(runs, pings, strict=True)]
    cpu = statistics.median(run[1] for run in runs)
    ping_cpu = statistics.median(ping[1] for ping in pings)
    seconds = statistics.median(run[0] for run in runs)
    _print(
        capsys,
        f"{name}: {seconds:.2f} s, {ratio:.2f} of ping ({min(spread):.2f} to {max(spread):.2f}), "
        f"{_a_host(cpu, ping_cpu)}",
    )
    assert ratio > 0


def _timed(do: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds of the whole process with all its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    do()
    spent = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _a_host(cpu: float, ping_cpu: float) -> str:
    return f"{(cpu - ping_cpu) / HOSTS * 1000:+.0f} ms CPU a host beside ping"


def _print(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n  {HOSTS} hosts with {FILES} files: {line}")
