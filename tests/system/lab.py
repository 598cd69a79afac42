# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository, a keyring and hosts made of folders; and whole runs of ansible-playbook on them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils import keyring, store
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, points, verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import Repository, open_repository

PLUGINS = Path(__file__).parent / "plugins"
COLLECTIONS = Path(__file__).parents[2] / ".dev" / "tree"
BIN = Path(sys.executable).parent
# -P: what stands beside it is not imported by other names
PLAYBOOK = (sys.executable, "-P", str(Path(__file__).parents[1] / "lab" / "playbook.py"))
NAME = "lab"

# in every captured file, and in no output
CANARY = "CANARY-5b7f0c2e9d41"

OPEN = {"name": "open", "holdfast.config.recovery_point": {"state": "open"}, "run_once": True}
SNAPSHOT = {"name": "snapshot", "holdfast.config.snapshot": {}}
SEAL = {"name": "seal", "holdfast.config.recovery_point": {"state": "sealed"}, "run_once": True}

# ends like ssh, but runs the command here: the real connection plugin, without a server
FAKE_SSH = '#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c "$last"\n'

# no process of the controller's, and outlives it; it holds a file that all labs of this machine share, whose root one
# restore in place has at a time
PYTHON = """\
#!/usr/bin/env -S --unset=COLLECT_TO sh
cd {trips}
echo >> count
number=$(($(wc -l < count)))
pass() {{
  if [ -e wait-$1-$number ]; then
    touch reached-$1-$number
    while [ -e wait-$1-$number ]; do sleep 0.02; done
  fi
}}
pass before
if [ -e wait-sent-$number ]; then
  cat > sent-$number
  exec < sent-$number
  pass sent
fi
flock {python} {python} "$@"
status=$?
pass after
touch ended-$number
exit $status
"""


@dataclasses.dataclass(frozen=True)
class Task:
    """A task's result on one host."""

    status: str
    host: str
    task: str
    action: str
    result: Mapping[str, t.Any]

    @property
    def message(self) -> str:
        """What a failed task says."""
        return str(self.result.get("msg", ""))


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of ansible-playbook that has ended."""

    rc: int
    output: str
    tasks: tuple[Task, ...]
    reports: Mapping[str, Mapping[str, t.Any]]
    folder: Path | None

    def on(self, task: str, host: str | None = None) -> Task:
        """The one result of the task of that name, on that host where it ran on several."""
        found = self.all(task, host)
        assert len(found) == 1, f"{len(found)} results of {task} on {host}\n{self.output}"
        return found[0]

    def all(self, task: str, host: str | None = None) -> list[Task]:
        """All results of a task."""
        return [kept for kept in self.tasks if kept.task == task and host in (None, kept.host)]

    def states(self, task: str) -> dict[str, str]:
        """What became of a task on each host."""
        return {kept.host: kept.status for kept in self.all(task)}

    @property
    def report(self) -> Mapping[str, t.Any]:
        """The recorder's report of the run's only point."""
        (only,) = self.reports.values()
        return only

    def lines(self, point: str = "main") -> dict[str, Mapping[str, t.Any]]:
        """The recorder's line of each host."""
        return {line["host"]: line for line in self.reports[point]["hosts"]}

    def ok(self) -> Run:
        """This run, which must have ended well."""
        assert self.rc == 0, self.output
        return self


def in_order(repository: Repository) -> list[points.Point]:
    """All recovery points that are believed, by when they were sealed, and within a second parents first."""
    read = [points.read_point(repository, name) for name in points.point_names(repository)]
    found = {point.id: point for point in read}
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            known = [depth(parent) for parent in found[name].statement.parents if parent in found]
            depths[name] = 1 + max(known, default=0)
        return depths[name]

    return sorted(found.values(), key=lambda one: (one.statement.sealed_at, depth(one.id), one.body.point))


class Lab:
    """Hosts web1, web2 … whose component ``app`` is a folder each, one repository, one keyring, one state folder."""

    def __init__(self, path: Path, *, hosts: int = 2, pin: str | None = None) -> None:
        self.path = path
        self.hosts = [f"web{number}" for number in range(1, hosts + 1)]
        self.state = path / "state"
        self.variables: dict[str, t.Any] = {
            "holdfast_repository": {
                "name": NAME,
                "url": f"file://{path}/repository",
                "keyring": {"path": f"{path}/keyring"},
            },
            "holdfast_components": [{"name": "app", "paths": [f"{path}/hosts/{{{{ inventory_hostname }}}}/app"]}],
        }
        if pin:
            self.variables["holdfast_repository_id"] = pin
        self.inventory = ""
        self.inventory_path = path / "inventory.yml"
        self.host_variables: dict[str, dict[str, t.Any]] = {host: {} for host in self.hosts}
        self._runs = 0
        for folder in ("home", "run"):
            (path / folder).mkdir(parents=True)
        (path / "ansible.cfg").touch()
        for host in self.hosts:
            self.fill(host)

    def app(self, host: str) -> Path:
        """The folder of a host's component."""
        return self.path / "hosts" / host / "app"

    def fill(self, host: str) -> None:
        """Make a host's configuration: files, a secret, an empty folder, a link."""
        app = self.app(host)
        (app / "keys").mkdir(parents=True)
        (app / "empty").mkdir()
        (app / "app.conf").write_text(f"# {CANARY} {host}\nlisten = 8080\n")
        (app / "keys" / "tls.key").write_text(f"-----BEGIN {CANARY}-----\n{host}\n")
        (app / "keys" / "tls.key").chmod(0o600)
        (app / "current").symlink_to("app.conf")

    def change(self, host: str, text: str = "listen = 9090") -> None:
        """Edit a host's configuration."""
        (self.app(host) / "app.conf").write_text(f"# {CANARY} {host}\n{text}\n")

    def play(self, playbook: t.Any, *args: str, check: bool = False, env: Mapping[str, str] | None = None) -> Run:
        """Run a playbook: a name, a list of plays, or a list of tasks for all hosts; content must show nowhere."""
        return self.start(playbook, *args, check=check, env=env).end()

    def start(self, playbook: t.Any, *args: str, check: bool = False, env: Mapping[str, str] | None = None) -> Running:
        """Start a playbook and return at once."""
        work = self._begin()
        name = playbook
        if not isinstance(playbook, str):
            name = str(work / "play.yml")
            Path(name).write_text(json.dumps(as_plays(playbook)))
        more = ["--check"] if check else []
        command = [*PLAYBOOK, "-i", str(self.inventory_path), name, *more, *args]
        return Running(self, work, command, {**self.environment(work), **(env or {})})

    def typed(self, commands: str) -> Run:
        """Run a playbook by what somebody types in the folder of the lab, in a shell."""
        work = self._begin()
        return Running(self, work, ["bash", "-euo", "pipefail", "-c", commands], self.environment(work)).end()

    def _begin(self) -> Path:
        """The folder of another run."""
        self._runs += 1
        work = self.path / "run" / str(self._runs)
        work.mkdir()
        self.write_inventory()
        return work

    def environment(self, work: Path) -> dict[str, str]:
        """All that a run gets from its surroundings."""
        return {
            "ANSIBLE_BECOME_PLUGINS": str(PLUGINS / "become"),
            "ANSIBLE_CALLBACKS_ENABLED": "holdfast.config.recorder,collect",
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS / "callback"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_REMOTE_TEMP": str(self.path / "remote"),
            "COLLECT_TO": str(work / "tasks.jsonl"),
            "HOLDFAST_STATE_DIR": str(self.state),
            "HOME": str(self.path / "home"),
            "LANG": "C.UTF-8",
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }

    def write_inventory(self) -> None:
        """Write ``inventory``, or else what stands in ``variables`` and ``host_variables``.

        Where ``inventory_path`` is a folder, which may have ``group_vars``, it is ``hosts.yml`` there.
        """
        hosts = {host: self.host_variables[host] for host in self.hosts}
        variables = {"ansible_connection": "local", **self.variables}
        text = self.inventory or yaml.safe_dump({"all": {"hosts": hosts, "vars": variables}})
        (self.inventory_path / "hosts.yml" if self.inventory_path.is_dir() else self.inventory_path).write_text(text)

    def over_ssh(self) -> None:
        """Reach the hosts by Ansible's own ssh connection, whose ssh runs commands here."""
        fake = self.path / "ssh"
        fake.write_text(FAKE_SSH)
        fake.chmod(0o755)
        self.variables |= {
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(fake),
            "ansible_ssh_transfer_method": "piped",
        }

    def restored_in_place(self) -> None:
        """Keep apart what would be on a machine for each host, and call a secret what no output may show."""
        self.variables["holdfast_journal_dir"] = f"{self.path}/hosts/{{{{ inventory_hostname }}}}/journal"
        self.variables["holdfast_components"][0]["secrets"] = [f"(?P<secret>{CANARY})"]
        for host in self.hosts:
            self.host_variables[host]["ansible_python_interpreter"] = str(self.python(host))

    def python(self, host: str) -> Path:
        """Make a host's Python: one that shares its root with others waits for them, and its trips can be stopped.

        A trip waits, ``before`` it, once all of its request was ``sent``, or ``after`` it, for as long as a file
        ``wait-<when>-<number>`` is in the folder ``trips`` of the host, beside which it puts ``reached-…``, and
        ``ended-<number>`` when it ends.
        """
        trips = self.path / "hosts" / host / "trips"
        trips.mkdir(exist_ok=True)
        python = trips / "python"
        python.write_text(PYTHON.format(trips=trips, python=sys.executable))
        python.chmod(0o755)
        return python

    def journals(self, host: str) -> list[Path]:
        """The restores in place that are open on a host."""
        return sorted((self.path / "hosts" / host / "journal").glob("*/journal.json"))

    def without_stdin(self) -> None:
        """Become by a way that cannot pipe, so that each half runs as a module."""
        self.variables |= {"ansible_become": True, "ansible_become_method": "itself"}

    def unknown_python(self) -> None:
        """Let Ansible find the hosts' Python, which takes a module: the first trip of each task runs as one."""
        self.variables |= {
            "ansible_python_interpreter": "auto_silent",
            "ansible_interpreter_python_fallback": [sys.executable],
        }

    def repository(self) -> Repository:
        """The repository, opened by the library."""
        return open_repository(self.store(), pin=self.variables["holdfast_repository_id"])

    def store(self) -> store.Store:
        """The store, opened by the library."""
        return store.connect(self.variables["holdfast_repository"]["url"])

    def keyring(self) -> Keyring:
        """The keyring, opened by the library."""
        return keyring.connect("local", path=str(self.path / "keyring"))

    def points(self) -> list[points.Point]:
        """All recovery points that are believed, the newest last."""
        return in_order(self.repository())

    def record(self, name: str) -> Record:
        """A signed record."""
        return record_format.read(objects.read(self.store(), name), what=name)[0]

    def sound(self) -> verify.Report:
        """What verify finds at its deepest level, in which no promise may be broken."""
        report = verify.verify(self.repository(), level=verify.Level.KEYS, keyring=self.keyring())
        assert report.sound, report.findings
        assert report.packs_opened == report.snapshots
        return report

    def stored(self) -> dict[str, str]:
        """Every file of the repository with the digest of its bytes."""
        return tree(self.path / "repository")

    def stored_of_hosts(self) -> dict[str, str]:
        """The same, without records: runs say in them that they begin and how they ended."""
        return {name: digest for name, digest in self.stored().items() if not name.startswith("records")}


class Running:
    """A run of ansible-playbook under way."""

    def __init__(self, lab: Lab, work: Path, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._lab = lab
        self._work = work
        self._output = (work / "output").open("w+b")
        self._mark = f"COLLECT_TO={env['COLLECT_TO']}".encode()
        self.process = subprocess.Popen(
            command,
            cwd=lab.path,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def end(self, within: int = 120) -> Run:
        """Wait so many seconds for the end, and look for content in all that the run printed, returned and wrote."""
        try:
            rc = self.process.wait(timeout=within)
        finally:
            self._stop()
        self._output.seek(0)
        output = self._output.read().decode()
        self._output.close()
        kept = self._work / "tasks.jsonl"
        results = kept.read_text() if kept.exists() else ""
        for text in (output, results):
            assert not shown(text), f"content shows in the output:\n{output}"
        for path in self._lab.state.rglob("*"):
            assert not path.is_file() or not shown(path.read_bytes().decode("latin-1")), f"content stands in {path}"
        folder = self._folder(output)
        reports = json.loads((folder / "report.json").read_text()) if folder else []
        return Run(
            rc,
            output,
            tuple(Task(**json.loads(line)) for line in results.splitlines()),
            {report["point"]: report for report in reports},
            folder,
        )

    def kill(self, *, meanwhile: Callable[[], object]) -> None:
        """SIGKILL the controlling process alone, then wait until the workers that it leaves have ended."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        meanwhile()
        deadline = time.monotonic() + 60
        while self._living():
            assert time.monotonic() < deadline, "workers of the killed run do not end"
            time.sleep(0.02)
        self._output.close()

    def lose(self) -> None:
        """SIGKILL the controlling process and all its workers, as where their machine dies."""
        while living := self._living():
            for process in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)
            self.process.poll()
            time.sleep(0.01)
        self.process.wait()
        self._output.close()

    def has_open(self, path: Path) -> bool:
        """Whether a process of this run has that file open."""
        for process in self._living():
            with contextlib.suppress(OSError):
                if str(path) in [os.readlink(link) for link in (process / "fd").iterdir()]:
                    return True
        return False

    def _living(self) -> list[Path]:
        """The processes of this run. Workers leave its process group, and keep its environment (proc(5))."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                # a zombie has none
                if self._mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(process)
        return found

    def _stop(self) -> None:
        if self.process.poll() is None:
            for process in self._living():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)

    def _folder(self, output: str) -> Path | None:
        line = next((line for line in output.splitlines() if line.startswith("report  ")), None)
        return Path(line.split()[1]).parent if line else None


def as_plays(playbook: Sequence[Mapping[str, t.Any]]) -> list[Mapping[str, t.Any]]:
    """Plays as they are; tasks as one play for all hosts."""
    if any("hosts" in item for item in playbook):
        return [{"gather_facts": False, **play} for play in playbook]
    return [{"hosts": "all", "gather_facts": False, "tasks": list(playbook)}]


def tree(root: Path) -> dict[str, str]:
    """Every path below *root*: a file's digest, a link's target."""
    return {
        str(path.relative_to(root)): f"-> {os.readlink(path)}"
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(root.rglob("*"))
    }


def shown(text: str) -> bool:
    """Whether content shows in *text*, as it is or in base64."""
    return any(form in text for form in _forms())


def _forms() -> Iterator[str]:
    yield CANARY
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + CANARY.encode()).decode()
        yield encoded[4 : len(encoded) - 4]
