# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-rulebook as a process, and who asks it for captures: all of it set up by the commands of its guide."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers import signature
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.points import Point
from ansible_collections.holdfast.config.tests.lab.page import Home, Page
from ansible_collections.holdfast.config.tests.system.lab import PLUGINS, Lab

ROOT = Path(__file__).parents[2]
EDA = ROOT / ".dev" / "eda"
GUIDE = ROOT / "docs" / "guide_triggers.md"
# how the commands of the guide begin
KEYS = "install -d"
LISTEN = "ansible-rulebook --rulebook holdfast.config."
ASK = "body="
SECRET = b"lab-0123456789abcdef0123456789abcdef"
# of two shared cores: how long is printed, and decides nothing
PATIENCE_SECONDS = 60
TOOK: list[str] = []


def wait(what: str, condition: Callable[[], t.Any], told: Callable[[], str] = str) -> t.Any:
    """Return what *condition* gives once it gives something; *told* is shown where it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it does not come: {what}\n{told()}"
        time.sleep(0.05)
    return found


class Rulebook:
    """One rulebook of the collection, with a key ``ci`` for all hosts that the guide makes, and one for each host."""

    def __init__(self, lab: Lab, path: Path) -> None:
        self.lab = lab
        self.keys = path / "keys"
        self.spool = path / "spool"
        self._work = path / "work"
        self._work.mkdir()
        # a file alone would lose what stands beside it
        lab.inventory_path = lab.path / "inventory"
        lab.inventory_path.mkdir(exist_ok=True)
        replaced = {"/etc/holdfast/keys": str(self.keys), "/var/lib/holdfast/triggers": str(self.spool)}
        # a device is told from its address, and here all have this one
        self._page = Page(GUIDE, {**replaced, "192.0.2.5": "127.0.0.1", "192.0.2.7": "127.0.0.1"})
        self._environment = {
            **lab.environment(self._work),
            # its playbooks run with Ansible as it is where these tests run, and its libraries
            "ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection"),
        }
        self._environment["PATH"] += f":{EDA / 'bin'}"
        self._mark = f"COLLECT_TO={self._environment['COLLECT_TO']}".encode()
        self.give(KEYS)
        for host in lab.hosts:
            self.key(f"host:{host}")
        self._process: subprocess.Popen[bytes] | None = None

    def key(self, name: str, *hosts: str) -> None:
        """Have a key."""
        (self.keys / name).write_bytes(b"\n".join([SECRET, *(host.encode() for host in hosts)]) + b"\n")
        (self.keys / name).chmod(0o600)

    def give(self, begin: str, **environment: str) -> str:
        """Give the commands of the guide that begin so; what they printed."""
        home = Home(self.lab.path, environment=self._environment)
        return home.give(self._page.command(begin), **environment)

    def start(self, name: str = "captures", port: str = "holdfast_webhook_port", *, more: str = "") -> None:
        """Run it as the guide says, with the variables of the guide, and return when it listens.

        :param more: what is typed after what the guide says.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        told = self._page.text("holdfast_trigger_keys:" if name == "captures" else "holdfast_trigger_spool:")
        ours = {"holdfast_trigger_quiet": 0, port: self.port}
        (self.lab.path / "triggers.yml").write_text(told + yaml.safe_dump(ours))
        self.lab.write_inventory()
        with (self._work / "output").open("ab") as output:
            self._process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"{self._page.command(LISTEN + name).rstrip()} {more}"],
                cwd=self.lab.path,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait("that it listens", self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.output()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def stop(self) -> None:
        """End it and all that it started, as where its machine dies."""
        if self._process is None:
            return
        while living := self._living():
            for process in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.poll()
            time.sleep(0.02)
        self._process.wait()
        self._process = None

    def _living(self) -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                # a zombie has none (proc(5))
                if self._mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def output(self) -> str:
        """All that it and its playbooks printed."""
        return (self._work / "output").read_text(errors="replace")

    def waiting(self) -> list[str]:
        """The requests that are not done."""
        return sorted(path.stem for path in self.spool.glob("*/*.json"))

    def sign(self, body: bytes, *, key: str = "ci", secret: bytes = b"", at: int = 0) -> dict[str, str]:
        """The headers of a request that is sent now, or was signed *at* seconds from now; by that key's own secret."""
        now, nonce = int(time.time()) + at, secrets.token_hex(16)
        own = secret or (self.keys / key).read_bytes().splitlines()[0]
        return signature.sign(own, key=key, timestamp=now, nonce=nonce, body=body)

    def post(self, value: t.Any, headers: dict[str, str] | None = None, **how: t.Any) -> tuple[int, dict[str, t.Any]]:
        """Ask; return the status and what was answered."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("POST", "/capture", body, self.sign(body, **how) if headers is None else headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def accepted(self, value: t.Any, **how: t.Any) -> str:
        """Ask, which must be accepted; return the id."""
        status, told = self.post(value, **how)
        assert status == 202, told
        return str(told["id"])

    def sealed(self, count: int, what: str) -> list[Point]:
        """Wait until there are that many points and nothing waits; *what* is told with how long it took."""
        begins = time.monotonic()
        wait(what, lambda: len(self.lab.points()) >= count and not self.waiting(), self.output)
        TOOK.append(f"{what}: {time.monotonic() - begins:.1f} s")
        return self.lab.points()
