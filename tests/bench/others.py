# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two backups of the same trees as others make them: a playbook that puts archives into S3, and restic."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.sshd import free_port, tool

from .fleet import CHECKOUT, HOSTS, Fleet, Spent

# the same ansible-core, with the collections of the package `ansible`: see requirements/bench.in
PROGRAMS = CHECKOUT / ".dev" / "bench" / "bin"
_BUCKET = "backups"
_WAIT_SECONDS = 30
_KEYS = {"access_key": "bench", "secret_key": "bench", "region": "us-east-1"}

# no task is here that a backup of this kind could do without
_USUAL: list[dict[str, t.Any]] = [
    {"community.general.archive": {"path": "{{ tree }}", "dest": "{{ tree }}.tar.gz", "format": "gz", "mode": "0600"}},
    {
        "ansible.builtin.stat": {"path": "{{ tree }}.tar.gz", "checksum_algorithm": "sha256"},
        "register": "archive",
    },
    {"ansible.builtin.fetch": {"src": "{{ tree }}.tar.gz", "dest": "{{ fetched }}", "flat": True}},
    {
        "amazon.aws.s3_object": {
            "bucket": _BUCKET,
            "object": "{{ run }}/{{ inventory_hostname }}-{{ archive.stat.checksum }}.tar.gz",
            "src": "{{ fetched }}",
            "mode": "put",
            "endpoint_url": "{{ endpoint }}",
            **_KEYS,
        },
        "delegate_to": "localhost",
    },
]
_RESTIC: list[dict[str, t.Any]] = [
    {
        "ansible.builtin.command": "{{ restic }} --repo {{ repository }} backup {{ tree }}",
        "environment": {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": "{{ repository }}-cache"},
    },
]
_RESTIC_RESTORE: list[dict[str, t.Any]] = [
    {
        "ansible.builtin.command": "{{ restic }} --repo {{ repository }} restore latest --target /",
        "environment": {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": "{{ repository }}-cache"},
    },
]


class Bucket:
    """An S3 server on loopback (moto), with a bucket."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"

    def make(self) -> None:
        """Make the bucket."""
        # moto asks for no signature
        request = urllib.request.Request(f"{self.endpoint}/{_BUCKET}", method="PUT")
        urllib.request.urlopen(request, timeout=_WAIT_SECONDS).close()

    def objects(self, run: int) -> int:
        """How many archives of a run are in it; of more than 1,000 a listing names so many."""
        listing = f"{self.endpoint}/{_BUCKET}?list-type=2&prefix={run}/"
        with urllib.request.urlopen(listing, timeout=_WAIT_SECONDS) as answer:
            return int(answer.read().count(b"<Key>"))


@contextlib.contextmanager
def bucket() -> Iterator[Bucket]:
    """Run an S3 server until the block ends."""
    assert PROGRAMS.is_dir(), f"{PROGRAMS} is not there: `make bench` makes it"
    port = free_port()
    with tempfile.TemporaryFile() as log:
        command = [str(PROGRAMS / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _await(port, process)
            made = Bucket(port)
            made.make()
            yield made
        finally:
            process.kill()
            process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, "the S3 server has ended"
            assert time.monotonic() < deadline, "the S3 server does not listen"
            time.sleep(0.05)
        else:
            return


class Other(abc.ABC):
    """Another way to back up a fleet."""

    @abc.abstractmethod
    def backup(self) -> Spent:
        """One backup of every host."""

    @abc.abstractmethod
    def forget(self) -> None:
        """Let the next backup be a first one."""


@dataclasses.dataclass
class Usual(Other):
    """Archives in a bucket: each host's tree is packed, digested, fetched and put under a new name."""

    fleet: Fleet
    bucket: Bucket
    runs: int = 0

    def backup(self) -> Spent:
        """One backup of every host."""
        self.runs += 1
        fetched = self.fleet.path / "fetched"
        variables = {
            "tree": str(self.fleet.tree("{{ inventory_hostname }}")),
            "fetched": f"{fetched}/{{{{ inventory_hostname }}}}.tar.gz",
            "run": str(self.runs),
            "endpoint": self.bucket.endpoint,
        }
        spent = _play(self.fleet, "usual", _USUAL, variables, programs=PROGRAMS)
        assert self.bucket.objects(self.runs) == min(HOSTS, 1000)
        return spent

    def forget(self) -> None:
        """Let the next backup be a first one."""
        shutil.rmtree(self.fleet.path / "fetched", ignore_errors=True)
        for archive in self.fleet.path.glob("hosts/*/etc.tar.gz"):
            archive.unlink()


@dataclasses.dataclass
class Restic(Other):
    """A restic repository for each host, on the host."""

    fleet: Fleet

    def backup(self) -> Spent:
        """One backup of every host."""
        before = self._snapshots()
        spent = _play(self.fleet, "restic", _RESTIC, self._variables)
        assert self._snapshots() - before == HOSTS
        return spent

    def restore(self, *, hosts: str = "all") -> Spent:
        """Bring back what was newest, in place."""
        return _play(self.fleet, "restic-restore", _RESTIC_RESTORE, self._variables, hosts=hosts)

    def forget(self) -> None:
        """Give each host a repository in which nothing is yet."""
        shutil.rmtree(self._repositories, ignore_errors=True)
        empty = self.fleet.path / "restic-empty"
        if not empty.exists():
            environment = {**os.environ, "RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": f"{empty}-cache"}
            command = [tool("restic"), "--repo", str(empty), "init"]
            subprocess.run(command, env=environment, check=True, capture_output=True)
        for host in self.fleet.sshds:
            shutil.copytree(empty, self._repositories / host)

    @property
    def _variables(self) -> dict[str, str]:
        return {
            "tree": str(self.fleet.tree("{{ inventory_hostname }}")),
            "repository": f"{self._repositories}/{{{{ inventory_hostname }}}}",
            "restic": tool("restic"),
        }

    @property
    def _repositories(self) -> Path:
        return self.fleet.path / "restic"

    def _snapshots(self) -> int:
        return len(list(self._repositories.glob("*/snapshots/*")))


def _play(
    fleet: Fleet,
    name: str,
    tasks: list[dict[str, t.Any]],
    variables: Mapping[str, t.Any],
    hosts: str = "all",
    **more: t.Any,
) -> Spent:
    playbook = fleet.path / f"{name}.json"
    playbook.write_text(json.dumps([{"hosts": hosts, "gather_facts": False, "vars": variables, "tasks": tasks}]))
    return fleet.run(["ansible-playbook", str(playbook)], **more)[0]
