# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that runs in the background, and can be killed, stopped and started again."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..sshd import MissingToolError, wait_for

PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
_WAIT_SECONDS = 60
# below what the kernel gives to whoever connects (ip_local_port_range), which would take a port that is to be had again
_PORTS = range(15000, 32000)
_given: set[int] = set()
_giving = threading.Lock()


class NotStartedError(Exception):
    """A server did not start; says what it has logged."""


def tool(name: str) -> str:
    """The path of a tool that :func:`require` has seen.

    :raises MissingToolError: it is not there.
    """
    found = shutil.which(name, path=PATH)
    if found is None:
        raise MissingToolError(f"{name} is not on this machine")
    return found


def require(packages: Mapping[str, str]) -> None:
    """See that tools are there, each named with its Debian package.

    :raises MissingToolError: some are not; names all packages that are missing.
    """
    missing = {package for name, package in packages.items() if shutil.which(name, path=PATH) is None}
    if missing:
        names = " ".join(sorted(missing))
        raise MissingToolError(
            f"missing on this machine: apt-get install --no-install-recommends {names}, and run the tests again"
        )


def port() -> int:
    """A port of loopback that nobody listens on, that this process has not given before, and that stays free."""
    with _giving:
        # two runs at once begin at different places
        first = os.getpid() * 131 % len(_PORTS)
        for number in (*_PORTS[first:], *_PORTS[:first]):
            if number not in _given and _free(number):
                _given.add(number)
                return number
    raise NotStartedError(f"no port of {_PORTS.start} to {_PORTS.stop - 1} is free")


def _free(number: int) -> bool:
    with socket.socket() as probe:
        # as a server does that starts again while old connections linger
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


class Daemon:
    """One process, which ends with the thread that started it, however that ends.

    :param command: runs it in the foreground.
    :param log: what it prints.
    :param environment: all that it sees.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._command = [tool("setpriv"), "--pdeathsig", "KILL", *command]
        self._log = log
        self._environment = {"PATH": PATH, "LANG": "C.UTF-8", **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it is there; a paused one is."""
        return self._process is not None and self._process.poll() is None

    def start(self, ready: Callable[[], bool]) -> None:
        """Start it, and wait until it is ready.

        :raises NotStartedError: it ended, or was not ready in time.
        """
        assert not self.running, f"{self._command} runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self._log.parent,
                start_new_session=True,
            )
        deadline = time.monotonic() + _WAIT_SECONDS
        while not ready():
            if not self.running or time.monotonic() > deadline:
                ended = f"ended with {self._process.returncode}" if not self.running else "is not ready"
                self.kill()
                raise NotStartedError(f"{self._command[3]} {ended}:\n{self.log()[-4000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it by SIGKILL, and wait for that; one that has ended stays so."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Stop it, so that it takes connections and does not answer."""
        self._send(signal.SIGSTOP)
        # a thread that runs stops a moment later, and may have answered until then
        wait_for(lambda: self._states() <= {"T", "Z", "X"}, "the stop of all threads")

    def resume(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def limit_files(self, size: int) -> None:
        """Let it make no file larger than so many bytes: what it writes beyond them fails, as on a full disk."""
        if self._process is not None and self.running:
            hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def log(self) -> str:
        """All that it has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _states(self) -> set[str]:
        """The states of its threads (proc(5), stat)."""
        found = set()
        for thread in Path(f"/proc/{self._process.pid}/task").glob("*/stat") if self._process else ():
            with contextlib.suppress(OSError):
                found.add(thread.read_text(errors="replace").rpartition(")")[2].split()[0])
        return found

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
