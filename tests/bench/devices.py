# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers as a fleet of devices, and the ways to fetch their configurations that are measured beside each other.

``DEVICES`` sets how many there are.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.apart import PASSWORD
from ansible_collections.holdfast.config.tests.lab.frr import Routers
from ansible_collections.holdfast.config.tests.lab.sshd import tool

from .fleet import BIN, CHECKOUT, FORKS, Repository, Spent, spent
from .others import PROGRAMS

DEVICES = int(os.environ.get("DEVICES", "50"))
# what a snapshot asks a router for, in its own words
COMMANDS = ("show running-config", "show version")

OPEN = {"holdfast.config.recovery_point": {"state": "open"}, "run_once": True}
ALL = {"holdfast.config.snapshot_devices": {"concurrency": DEVICES}}
SNAPSHOT = {"holdfast.config.snapshot": {}}
SEAL = {"holdfast.config.recovery_point": {"state": "sealed"}, "run_once": True}
REMAINING = {
    "ansible.builtin.add_host": {"name": "{{ item }}", "groups": "remaining"},
    "loop": "{{ batch.remaining }}",
}
# by way: hosts and tasks of each play
PLAYS: Mapping[str, Sequence[tuple[str, Sequence[Mapping[str, t.Any]]]]] = {
    "a task on each": [("all", [OPEN, SNAPSHOT, SEAL])],
    "all in one task, and one on each": [("all", [OPEN, ALL, SNAPSHOT, SEAL])],
    "all in one task": [
        ("all", [OPEN, {**ALL, "register": "batch"}, REMAINING]),
        ("remaining", [SNAPSHOT]),
        ("all", [SEAL]),
    ],
}
# what fails there fails the seal: Ansible would end before it where all of them fail
_FAILING: Mapping[str, Mapping[str, bool]] = {"remaining": {"ignore_errors": True, "ignore_unreachable": True}}

_BARE = """\
import asyncio, json, sys
import asyncssh

async def fetch(slots, user, folder, port, password, known_hosts, commands):
    async with slots, asyncssh.connect(
        "127.0.0.1", port, username=user, password=password, known_hosts=known_hosts, client_keys=None, config=None
    ) as connection:
        for number, command in enumerate(commands):
            answer = await connection.run(command, check=True)
            with open(f"{folder}/{user}.{number}", "w") as file:
                file.write(answer.stdout)

async def main(users, **more):
    slots = asyncio.Semaphore(len(users))
    await asyncio.gather(*(fetch(slots, user, **more) for user in users))

asyncio.run(main(**json.load(open(sys.argv[1]))))
"""
_CLI_BACKUP = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.netcommon.cli_backup": {"dir_path": "{{ folder }}", "filename": "{{ inventory_hostname }}.cfg"}}
        ],
    }
]
_RANCID = """\
BASEDIR={folder}; export BASEDIR
PATH={path}; export PATH
TMPDIR={folder}/tmp; export TMPDIR
CVSROOT={folder}/CVS; export CVSROOT
LOGDIR={folder}/logs; export LOGDIR
RCSSYS=git; export RCSSYS
PAR_COUNT={forks}; export PAR_COUNT
MAX_ROUNDS=1; export MAX_ROUNDS
FILTER_PWDS=NO; export FILTER_PWDS
NOCOMMSTR=NO; export NOCOMMSTR
SENDMAIL=/bin/true; export SENDMAIL
LIST_OF_GROUPS="lab"; export LIST_OF_GROUPS
"""
_RANCID_PLACES = "/usr/lib/rancid/bin:/var/lib/rancid/bin"
_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


@dataclasses.dataclass
class Devices:
    """The routers, and a controller beside them."""

    path: Path
    routers: Routers

    def __post_init__(self) -> None:
        for folder in ("home", "repositories", "bare", "backups"):
            (self.path / folder).mkdir()
        (self.path / "ansible.cfg").touch()
        (self.path / "bare.py").write_text(_BARE)
        (self.path / "cli_backup.json").write_text(json.dumps(_CLI_BACKUP))
        for name, plays in PLAYS.items():
            written = [
                {"hosts": hosts, "gather_facts": False, "tasks": list(tasks), **_FAILING.get(hosts, {})}
                for hosts, tasks in plays
            ]
            self._play(name).write_text(json.dumps(written))
        self._repositories = 0
        self._empty = Repository(self.path / "empty", "")
        self._empty.path.mkdir()
        made = self._ansible(
            ["ansible", "r1", "-o", "-m", "holdfast.config.repository"],
            self._empty.variables(),
            self._empty.environment(),
        )[1]
        self._empty = dataclasses.replace(self._empty, pin=json.loads(made.partition("=> ")[2])["repository_id"])

    def new_repository(self) -> Repository:
        """A repository in which nothing is yet."""
        self._repositories += 1
        path = self.path / "repositories" / str(self._repositories)
        for part in ("repository", "keyring"):
            shutil.copytree(self._empty.path / part, path / part, symlinks=True)
        return Repository(path, self._empty.pin)

    def ours(self, way: str, repository: Repository, *, changed: int) -> Spent:
        """One run of ours, that stored so many of the routers."""
        environment = repository.environment()
        took = self._ansible(["ansible-playbook", str(self._play(way))], repository.variables(), environment)[0]
        told = repository.last_report()
        stored = [line for line in told["hosts"] if line["result"] == "stored"]
        assert (told["complete"], len(stored)) == (True, changed), told
        return took

    def bare(self) -> Spent:
        """A program that asks all of them at once for the same, and writes down what they say."""
        place = self.routers.place
        asked = {
            "users": [router.account for router in self.routers.values()],
            "folder": str(self.path / "bare"),
            "port": place.port,
            "password": PASSWORD,
            "known_hosts": str(place.known_hosts),
            "commands": COMMANDS,
        }
        (self.path / "bare.json").write_text(json.dumps(asked))
        command = [sys.executable, str(self.path / "bare.py"), str(self.path / "bare.json")]
        took = spent(command, self._environment(BIN), self.path)[0]
        for router in self.routers.values():
            assert (self.path / "bare" / f"{router.account}.0").read_text().rstrip().endswith("end")
        return took

    def cli_backup(self) -> Spent:
        """A play of ansible.netcommon.cli_backup."""
        assert PROGRAMS.is_dir(), f"{PROGRAMS} is not there: `make bench` makes it"
        way = {
            "ansible_connection": "ansible.netcommon.network_cli",
            "ansible_network_os": "cisco.ios.ios",
            "ansible_network_cli_ssh_type": "libssh",
            "folder": str(self.path / "backups"),
        }
        environment = {"ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_PERSISTENT_CONNECT_TIMEOUT": "30"}
        command = ["ansible-playbook", str(self.path / "cli_backup.json")]
        took = self._ansible(command, way, environment, programs=PROGRAMS)[0]
        assert len(list((self.path / "backups").iterdir())) == len(self.routers)
        return took

    def rancid(self) -> Spent:
        """RANCID of Debian, into a repository of git, by another user: it refuses to be root."""
        return spent([*_NOBODY, tool("rancid-run"), "-f", str(self._rancid_conf)], self._around_rancid, self._rancid)[0]

    def prepare_rancid(self) -> None:
        """Let RANCID know the routers, and make its repository."""
        place, folder = self.routers.place, self._rancid
        for name in ("bin", "tmp"):
            (folder / name).mkdir(parents=True)
        hosts = "".join(
            f"Host {router.name}\n HostName 127.0.0.1\n Port {place.port}\n User {router.account}\n"
            for router in self.routers.values()
        )
        (folder / "known_hosts").write_text(place.known_hosts.read_text())
        (folder / "ssh_config").write_text(f"UserKnownHostsFile {folder}/known_hosts\n{hosts}")
        # it splits a command of its own at blanks
        ssh = folder / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {tool("ssh")} -F {folder}/ssh_config "$@"\n')
        ssh.chmod(0o755)
        users = "".join(f"add user {router.name} {router.account}\n" for router in self.routers.values())
        login = folder / ".cloginrc"
        login.write_text(f"add method * ssh\nadd autoenable * 1\n{users}add password * {PASSWORD}\n")
        login.chmod(0o600)
        path = self._around_rancid["PATH"]
        self._rancid_conf.write_text(_RANCID.format(folder=folder, path=path, forks=FORKS))
        subprocess.run(["chown", "-R", "nobody:nogroup", str(folder)], check=True)
        self.path.chmod(0o755)
        spent([*_NOBODY, tool("rancid-cvs"), "-f", str(self._rancid_conf)], self._around_rancid, folder)
        (folder / "lab" / "router.db").write_text("".join(f"{name};frr;up\n" for name in self.routers))

    def rancid_stored(self) -> int:
        """How many configurations stand in RANCID's repository."""
        found = (self._rancid / "lab" / "configs").glob("r*")
        return sum("router bgp" in path.read_text() for path in found)

    @property
    def _rancid(self) -> Path:
        return self.path / "rancid"

    @property
    def _rancid_conf(self) -> Path:
        return self._rancid / "rancid.conf"

    @property
    def _around_rancid(self) -> dict[str, str]:
        who = {f"GIT_{role}_{what}": "rancid" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        path = f"{self._rancid}/bin:{_RANCID_PLACES}:/usr/local/bin:/usr/bin:/bin"
        return {
            **who,
            "HOME": str(self._rancid),
            "LANG": "C.UTF-8",
            "PATH": path,
            "USER": "nobody",
            "LOGNAME": "nobody",
        }

    def _play(self, name: str) -> Path:
        return self.path / f"{name.replace(',', '').replace(' ', '-')}.json"

    def _ansible(
        self,
        command: Sequence[str],
        variables: Mapping[str, t.Any],
        environment: Mapping[str, str],
        programs: Path = BIN,
    ) -> tuple[Spent, str]:
        hosts = {name: router.variables() for name, router in self.routers.items()}
        for own in hosts.values():
            # one of the variables may say it otherwise for all
            for name in variables:
                own.pop(name, None)
        more = {"holdfast_components": ["device"], "ansible_python_interpreter": os.path.realpath(sys.executable)}
        document = {"all": {"hosts": hosts, "vars": {**more, **variables}}}
        (self.path / "inventory.yml").write_text(json.dumps(document))
        program, *arguments = command
        around = {**self._environment(programs), **environment}
        if programs is not BIN:
            around["ANSIBLE_COLLECTIONS_PATH"] = str(self.path / "none")
        return spent([str(programs / program), "-i", str(self.path / "inventory.yml"), *arguments], around, self.path)

    def _environment(self, programs: Path) -> dict[str, str]:
        return {
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".dev" / "tree"),
            "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"),
            "ANSIBLE_FORKS": str(FORKS),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(self.path / "home"),
            "LANG": "C.UTF-8",
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
