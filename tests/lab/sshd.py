# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OpenSSH daemons on loopback as managed hosts, started by whoever runs the tests, each with its own keys and port.

All hosts share this machine's files. Nothing outside the given folder is written, but for ``/run/sshd``, which the
daemon of root wants to be there (sshd(8)).
"""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_PACKAGES = {"sshd": "openssh-server", "ssh-keygen": "openssh-client", "ssh": "openssh-client", "scp": "openssh-client"}
_PLACES = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
# a daemon that is not root's cannot give a terminal away, and ends the session that asks for one
TERMINALS = os.geteuid() == 0
_WAIT_SECONDS = 60
_TRIES = 5
_MARK = "HOLDFAST_LAB_HOST"

_CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
LogLevel VERBOSE
Subsystem sftp internal-sftp
SetEnv {environment}
{more}
"""


class MissingToolError(Exception):
    """A tool that the tests cannot do without is not on this machine."""


def tool(name: str) -> str:
    """The path of a tool.

    :raises MissingToolError: it is not there; names the Debian package.
    """
    found = shutil.which(name, path=_PLACES)
    if found is None:
        package = _PACKAGES.get(name, name)
        raise MissingToolError(f"{name} is not on this machine: install the package {package} and run the tests again")
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"in {_WAIT_SECONDS} seconds it did not come: {what}"
        time.sleep(0.01)


@dataclasses.dataclass(frozen=True)
class Host:
    """How one daemon differs from the others.

    :param options: further lines of its sshd_config(5).
    :param environment: variables of every session.
    :param within: a command that runs the daemon, given to it as arguments, in a place of its own, and becomes it.
    :param user: who logs in.
    """

    options: Sequence[str] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    within: Sequence[str] = ()
    user: str = dataclasses.field(default_factory=getpass.getuser)


class Sshd:
    """A daemon that runs."""

    def __init__(self, name: str, folder: Path, user_key: Path, host: Host) -> None:
        self.name = name
        self.user = host.user
        self.folder = folder
        self._user_key = user_key
        self._host = host
        self._log = folder / "log"
        folder.mkdir(parents=True)
        self._public = make_key(folder / "host_key")
        (folder / "authorized_keys").write_text(user_key.with_suffix(".pub").read_text())
        (folder / "known_hosts").write_text(f"{name} {self._public}\n")
        self.port = 0
        self._process = self._start()

    def variables(self, *, port: int | None = None) -> dict[str, t.Any]:
        """The inventory's variables of this host.

        :param port: of a proxy before it.
        """
        reached = reach(self.name, self.folder / "known_hosts", self._user_key, port=port or self.port, user=self.user)
        return {**reached, "ansible_ssh_use_tty": TERMINALS}

    def log(self) -> str:
        """All that the daemon has logged."""
        return self._log.read_text(errors="replace")

    def sessions(self) -> int:
        """How many commands and subsystems it has started, in all connections."""
        return len(re.findall(r"^Starting session: ", self.log(), re.MULTILINE))

    def connections(self) -> list[int]:
        """The processes that each serve one connection."""
        return _children(self._process.pid)

    def freeze(self) -> None:
        """Stop all of it, so that it is reached and does not answer."""
        for pid in self._processes():
            send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in self._processes():
            send(pid, signal.SIGCONT)

    def drop(self) -> None:
        """End every connection by SIGKILL of the processes that serve it; what they have started lives on."""
        served = [pid for pid in _below(self._process.pid) if _name(pid).startswith("sshd")]
        for pid in served:
            send(pid, signal.SIGKILL)
        wait_for(lambda: not any(map(alive, served)), "the end of the connections")

    def stop(self) -> None:
        """End the daemon and all that it has started, and wait for that."""
        started = self._processes()
        for pid in started:
            send(pid, signal.SIGKILL)
        self._process.wait()
        wait_for(lambda: not any(map(alive, started)), f"the end of {self.name}")

    def _start(self) -> subprocess.Popen[bytes]:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for _attempt in range(_TRIES):
            self.port = free_port()
            process = self._try()
            if process is not None:
                return process
        raise AssertionError(f"sshd did not start:\n{self.log()}")

    def _try(self) -> subprocess.Popen[bytes] | None:
        """Start it; None where somebody else took the port meanwhile."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = {_MARK: str(self.folder), "HOME": str(home), **self._host.environment}
        options = list(self._host.options)
        if self.user != getpass.getuser():
            # another user may not pass through a folder of tests, and sshd reads the file as that user
            keys = f"{tool('cat')} {self.folder}/authorized_keys"
            options += [f"AuthorizedKeysCommand {keys}", "AuthorizedKeysCommandUser root"]
        configuration = self.folder / "sshd_config"
        configuration.write_text(
            _CONFIGURATION.format(
                port=self.port,
                folder=self.folder,
                environment=" ".join(f'"{name}={value}"' for name, value in environment.items()),
                more="\n".join(options),
            )
        )
        command = [*self._host.within, tool("sshd"), "-D", "-e", "-f", str(configuration)]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": _PLACES, _MARK: str(self.folder)},
                start_new_session=True,
            )
        wait_for(lambda: process.poll() is not None or "Server listening on" in self.log(), "sshd to listen")
        if process.poll() is None:
            return process
        assert "Address already in use" in self.log(), f"sshd does not start:\n{self.log()}"
        return None

    def _processes(self) -> list[int]:
        """The daemon, what it has started, and what of that was left by its parent."""
        below = [self._process.pid, *_below(self._process.pid)]
        return [*below, *(pid for pid in self._marked() if pid not in below)]

    def _marked(self) -> list[int]:
        mark = f"{_MARK}={self.folder}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found


@contextlib.contextmanager
def sshds(folder: Path, hosts: Mapping[str, Host]) -> Iterator[dict[str, Sshd]]:
    """Start one daemon for each host, and stop them all.

    :param folder: where keys, configurations and logs go; short, since sockets may be put there.
    :raises MissingToolError: OpenSSH's server or client is not on this machine.
    """
    for name in _PACKAGES:
        tool(name)
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "user_key"
    make_key(key)
    with contextlib.ExitStack() as stack:
        running = {}
        for name, host in hosts.items():
            running[name] = Sshd(name, folder / name, key, host)
            stack.callback(running[name].stop)
        yield running


def reach(name: str, known_hosts: Path, key: Path, *, port: int, user: str) -> dict[str, t.Any]:
    """The inventory's variables of a daemon on loopback, whatever stands in the files of whoever runs the tests.

    :param name: what *known_hosts* calls it.
    :param key: the private key that it lets in.
    """
    options = [f"UserKnownHostsFile={known_hosts}", f"HostKeyAlias={name}", "IdentitiesOnly=yes", "IdentityAgent=none"]
    return {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": port,
        "ansible_user": user,
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": " ".join(["-F none", *(f"-o {option}" for option in options)]),
    }


def clients(folder: Path, hosts: Mapping[str, Mapping[str, object]]) -> None:
    """Write programs ``ssh`` and ``scp`` for whom each of these hosts has its lines of ssh_config(5).

    They are those of this machine, which look for that file in the home of the account, whatever HOME says.
    """
    folder.mkdir(exist_ok=True)
    config = folder / "ssh_config"
    lines = [
        f"Host {name}\n" + "".join(f"  {key} {said}\n" for key, said in told.items()) for name, told in hosts.items()
    ]
    config.write_text("".join(lines))
    for name in ("scp", "ssh"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {tool(name)} -F {config} "$@"\n')
        program.chmod(0o755)


def make_key(path: Path) -> str:
    """Make an SSH key without passphrase; returns its public half."""
    subprocess.run([tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()


def free_port() -> int:
    """A port of loopback that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended: a stopped one that lost its session has (setpgid(2))."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _status(pid: int) -> tuple[str, str, int]:
    """Name, state and parent of a process (proc(5), stat)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return "", "X", 0
    name, _end, rest = text.partition("(")[2].rpartition(")")
    state, parent = rest.split()[:2]
    return name, state, int(parent)


def _name(pid: int) -> str:
    return _status(pid)[0]


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    return _status(pid)[1] not in "XZ"


def _children(pid: int) -> list[int]:
    found = (int(process.name) for process in Path("/proc").glob("[0-9]*"))
    return [child for child in found if _status(child)[2] == pid and alive(child)]


def _below(pid: int) -> list[int]:
    return [found for child in _children(pid) for found in (child, *_below(child))]
