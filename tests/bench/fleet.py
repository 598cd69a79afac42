# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of sshd daemons on loopback, each host with a tree of its own, and runs of ansible-playbook on it.

``HOSTS``, ``FILES`` and ``ROUNDS`` set the size.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.sshd import Sshd

HOSTS = int(os.environ.get("HOSTS", "20"))
FILES = int(os.environ.get("FILES", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
FORKS = 20
FOLDERS = 40

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BECOME = CHECKOUT / "tests" / "system" / "plugins" / "become"
PING = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}]

WARM = {"ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=1800s"}
COLD = {"ansible_ssh_args": "-o ControlMaster=no -o ControlPath=none"}
# a host's half, and the ping beside it, then are modules that are sent as files: nothing can be piped
NO_STDIN = {"ansible_become": True, "ansible_become_method": "itself"}
# the default of Ansible: it looks for the host's Python, and sends modules by stdin
FIND_PYTHON = {"ansible_python_interpreter": "auto_silent"}
WAYS: dict[str, Mapping[str, t.Any]] = {
    "piped": {},
    "module, Python to be found": FIND_PYTHON,
    "module, become without stdin": NO_STDIN,
}


@dataclasses.dataclass(frozen=True)
class Spent:
    """What one run took: seconds by the clock, and CPU seconds of its process with all its children.

    The daemons and what they start are no children of it, nor are the masters of warm SSH connections.
    """

    seconds: float
    cpu: float


@dataclasses.dataclass(frozen=True)
class Repository:
    """A repository with its keyring, and the state folder of a controller that knows no other one."""

    path: Path
    pin: str

    def variables(self) -> dict[str, t.Any]:
        """The inventory's variables of it."""
        given = {"name": "bench", "url": f"file://{self.path}/repository", "keyring": {"path": f"{self.path}/keyring"}}
        return {"holdfast_repository": given, **({"holdfast_repository_id": self.pin} if self.pin else {})}

    def environment(self) -> dict[str, str]:
        """What a run needs of its surroundings."""
        return {
            "ANSIBLE_CALLBACKS_ENABLED": "holdfast.config.recorder",
            "HOLDFAST_STATE_DIR": str(self.path / "state"),
        }

    def last_report(self) -> Mapping[str, t.Any]:
        """What the recorder said of the point of the newest run."""
        newest = max((self.path / "state" / "runs").glob("*/report.json"), key=lambda path: path.stat().st_mtime_ns)
        (point,) = json.loads(newest.read_bytes())
        return t.cast(Mapping[str, t.Any], point)


class Fleet:
    """Managed hosts, reached by SSH, and the controller beside them."""

    def __init__(self, path: Path, sshds: Mapping[str, Sshd]) -> None:
        self.path = path
        self.sshds = sshds
        self._repositories = 0
        for folder in ("home", "repositories"):
            (path / folder).mkdir()
        (path / "ansible.cfg").touch()
        (path / "ping.json").write_text(json.dumps(PING))
        for host in sshds:
            self._make_tree(self.tree(host))
        self._empty = Repository(path / "empty", "")
        self._empty.path.mkdir()
        first = next(iter(sshds))
        made = self.run(["ansible", first, "-o", "-m", "holdfast.config.repository"], repository=self._empty)[1]
        self._empty = dataclasses.replace(self._empty, pin=json.loads(made.partition("=> ")[2])["repository_id"])

    def tree(self, host: str) -> Path:
        """What is backed up of a host."""
        return self.path / "hosts" / host / "etc"

    def new_repository(self) -> Repository:
        """A repository in which nothing is yet."""
        self._repositories += 1
        path = self.path / "repositories" / str(self._repositories)
        for part in ("repository", "keyring"):
            shutil.copytree(self._empty.path / part, path / part, symlinks=True)
        return Repository(path, self._empty.pin)

    def ping(self, way: Mapping[str, t.Any], *, hosts: str = "all") -> Spent:
        """One module on every host, or on those of a pattern."""
        return self.run(["ansible-playbook", str(self.path / "ping.json"), "--limit", hosts], way=way)[0]

    def backup(self, way: Mapping[str, t.Any], repository: Repository, *, changed: int) -> Spent:
        """One backup of every host, in which so many of them had changed."""
        spent, output = self.run(["ansible-playbook", "holdfast.config.backup"], way=way, repository=repository)
        report = repository.last_report()
        assert report["complete"], output
        assert sum(line["changed"] for line in report["hosts"]) == changed, output
        return spent

    def restore(self, way: Mapping[str, t.Any], repository: Repository, *, hosts: str = "all") -> Spent:
        """One restore in place of what is newest."""
        given = ["-e", "restore_in_place=true", "-e", "restore_newest=true", "--limit", hosts]
        spent, output = self.run(
            ["ansible-playbook", "holdfast.config.restore", *given], way=way, repository=repository
        )
        assert f"Were written: {FILES}, " in " ".join(output.split()), output
        return spent

    def damage(self, *hosts: str) -> dict[Path, bytes]:
        """Write every file of these hosts anew; returns what was in them."""
        files = [path for host in hosts for path in self.tree(host).rglob("*.conf")]
        before = {path: path.read_bytes() for path in files}
        for path, content in before.items():
            path.write_bytes(b"damaged " + content)
        return before

    def change(self) -> None:
        """Write one file anew on every host."""
        for host in self.sshds:
            (self.tree(host) / "d0" / "f0.conf").write_text(f"changed = {time.monotonic_ns()}\n")

    def sessions(self) -> int:
        """How many commands and subsystems the daemons have started."""
        return sum(sshd.sessions() for sshd in self.sshds.values())

    def run(
        self,
        command: Sequence[str],
        *,
        way: Mapping[str, t.Any] | None = None,
        repository: Repository | None = None,
        environment: Mapping[str, str] | None = None,
        programs: Path = BIN,
    ) -> tuple[Spent, str]:
        """Run a program of Ansible to its end, which must be a good one; with what it printed.

        :param programs: the folder of the Ansible that is used.
        """
        given = {} if repository is None else repository.variables()
        self._write_inventory({**given, **WARM, **(way or {})})
        around = {
            "ANSIBLE_BECOME_PLUGINS": str(BECOME),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".dev" / "tree"),
            "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"),
            "ANSIBLE_FORKS": str(FORKS),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            # the path of a socket has 107 bytes at most (unix(7))
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.path / "cp"),
            "HOME": str(self.path / "home"),
            "LANG": "C.UTF-8",
            "PATH": f"{programs}:{os.environ['PATH']}",
            **({} if repository is None else repository.environment()),
            **(environment or {}),
        }
        program, *arguments = command
        return spent([str(programs / program), "-i", str(self.path / "inventory.yml"), *arguments], around, self.path)

    def _make_tree(self, etc: Path) -> None:
        for number in range(FILES):
            file = etc / f"d{number % FOLDERS}" / f"f{number}.conf"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"name = {number}\n" * (1 + number % 200))

    def _write_inventory(self, variables: Mapping[str, t.Any]) -> None:
        tree = self.tree("{{ inventory_hostname }}")
        document = {
            "all": {
                "hosts": {host: sshd.variables() for host, sshd in self.sshds.items()},
                "vars": {
                    # of the host, and not of a virtual environment there
                    "ansible_python_interpreter": os.path.realpath(sys.executable),
                    "holdfast_components": [{"name": "etc", "paths": [str(tree)]}],
                    # the hosts are one machine
                    "holdfast_journal_dir": f"{self.path}/journals/{{{{ inventory_hostname }}}}",
                    **variables,
                },
            }
        }
        (self.path / "inventory.yml").write_text(json.dumps(document))


def spent(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[Spent, str]:
    """Run a command in *folder* to its end, which must be a good one; with all that it printed."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            # counts this child alone, and what it has waited for itself
            _pid, status, used = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    assert process.returncode == 0, printed
    return Spent(seconds, used.ru_utime + used.ru_stime), printed
