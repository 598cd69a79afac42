# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A place for daemons that want accounts, files of ``/etc`` and ``/run``, and network namespaces of their own.

It is a mount and a PID namespace, whose first process ends when whoever started it does, and all others with it:
nothing is left, however that ends. One OpenSSH daemon lets in, on loopback. Takes root.
"""

from __future__ import annotations

import abc
import contextlib
import os
import signal
import subprocess
import types
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .place import NotRootError
from .sshd import free_port, make_key, send, tool, wait_for

_Member = t.TypeVar("_Member")

PASSWORD = "lab-of-devices"
# of PASSWORD, by crypt(5) with few rounds: what a login costs is not what is tested
_HASH = (
    "$6$rounds=1000$holdfastlab$dadPSqemrbcug8B9xQVqnej28Yz4fNtnKgHiEpDl5AAHgo9dfxF3SLPqjyeCLCWn6kJgAnc0mBbAuKx0DihJG."
)
_FIRST_ID = 46000
_TRIES = 5
_SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile /etc/apart/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PrintMotd no
PrintLastLog no
MaxStartups 1000:30:2000
LogLevel VERBOSE
{more}
"""
_BEGIN = """\
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs {folder}/layer
mkdir {folder}/layer/upper {folder}/layer/work
mount -t overlay overlay -o lowerdir=/etc,upperdir={folder}/layer/upper,workdir={folder}/layer/work /etc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/netns /run/home
cp -a {folder}/etc/apart /etc/apart
for name in passwd group shadow; do cat {folder}/etc/$name >> /etc/$name; done
for name in {accounts}; do install -d -o $name -g $name /run/home/$name; done
{more}
touch {folder}/up
exec cat > /dev/null
"""


class Apart:
    """The place, where it runs.

    :param folder: where keys, logs and what is copied into ``/etc`` go.
    :param accounts: who logs in, all with one password.
    :param shell: their shell, a file of ``/etc/apart`` or an absolute path.
    :param groups: groups that all of them are in, beside their own.
    """

    def __init__(self, folder: Path, accounts: Sequence[str], *, shell: str, groups: Sequence[str] = ()) -> None:
        self.folder = folder
        self.accounts = tuple(accounts)
        self.etc = folder / "etc" / "apart"
        self.known_hosts = folder / "known_hosts"
        self.user_key = folder / "user_key"
        self.port = 0
        self._shell = shell
        self._groups = tuple(groups)
        self._first: subprocess.Popen[bytes] | None = None
        self._leader = 0
        self._write_files()

    def start(self, script: str, *, sshd: str = "") -> None:
        """Run a script of sh there that starts what is wanted, then the daemon that lets in.

        :param script: run as root with ``-eu``; ``{port}`` stands for the port that the daemon will have.
        :param sshd: further lines of sshd_config(5).
        :raises NotRootError: whoever runs this may not.
        :raises MissingToolError: OpenSSH is not on this machine.
        """
        if os.geteuid() != 0:
            raise NotRootError("this has namespaces of its own, which takes root: run these tests as root")
        for _attempt in range(_TRIES):
            self.port = free_port()
            self._begin(script.replace("{port}", str(self.port)))
            if self._let_in(sshd):
                return
            self.stop()
        raise AssertionError("no port was free for sshd")

    def stop(self) -> None:
        """End all that runs there, and wait for that."""
        if self._first is None:
            return
        stdin = t.cast(t.IO[bytes], self._first.stdin)
        with contextlib.suppress(OSError):
            stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._first.wait(timeout=20)
        if self._first.poll() is None:
            send(self._first.pid, signal.SIGKILL)
            self._first.wait()
        self._first = None

    def __enter__(self) -> t.Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.stop()

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command there as root, and return what it prints.

        :raises AssertionError: it failed, and that was to be checked.
        """
        done = subprocess.run(
            self.within(*command), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        assert not check or done.returncode == 0, f"{command!r}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def within(self, *command: str) -> list[str]:
        """A command of this machine that runs another one there, as root."""
        return ["nsenter", "--target", str(self._leader), "--mount", "--pid", "--", *command]

    def log(self) -> str:
        """What the daemon that lets in has logged."""
        return (self.folder / "sshd.log").read_text(errors="replace")

    def variables(self, account: str) -> dict[str, t.Any]:
        """The inventory's variables of a device that this account is."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": account,
            "ansible_password": PASSWORD,
            "holdfast_device_known_hosts": [str(self.known_hosts)],
        }

    def _begin(self, script: str) -> None:
        (self.folder / "up").unlink(missing_ok=True)
        begin = self.folder / "begin.sh"
        begin.write_text(_BEGIN.format(folder=self.folder, accounts=" ".join(self.accounts), more=script))
        log = self.folder / "begin.log"
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-eu", str(begin)]
        with log.open("wb") as stream:
            first = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=stream, stderr=stream, start_new_session=True
            )
        self._first = first
        try:
            wait_for(lambda: (self.folder / "up").exists() or first.poll() is not None, "what is started apart")
            assert first.poll() is None, f"it does not start:\n{log.read_text(errors='replace')}"
            children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
            self._leader = int(children[0])
        except BaseException:
            self.stop()
            raise

    def _let_in(self, more: str) -> bool:
        """Start the daemon; whether its port was free."""
        log = self.folder / "sshd.log"
        log.unlink(missing_ok=True)
        configuration = self.folder / "sshd_config"
        configuration.write_text(_SSHD.format(port=self.port, folder=self.folder, more=more))
        public = (self.folder / "host_key.pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}")
        self.run(tool("sshd"), "-f", str(configuration), "-E", str(log), check=False)
        wait_for(lambda: log.exists() and any(word in log.read_text() for word in ("listening", "Cannot bind")), "sshd")
        return "listening" in log.read_text()

    def _write_files(self) -> None:
        self.etc.mkdir(parents=True)
        (self.folder / "layer").mkdir()
        make_key(self.folder / "host_key")
        make_key(self.user_key)
        (self.etc / "authorized_keys").write_text(self.user_key.with_suffix(".pub").read_text())
        shell = self._shell if self._shell.startswith("/") else f"/etc/apart/{self._shell}"
        numbered = [(name, _FIRST_ID + place) for place, name in enumerate(self.accounts)]
        files = {
            "passwd": [f"{name}:x:{number}:{number}::/run/home/{name}:{shell}" for name, number in numbered],
            "group": [f"{name}:x:{number}:" for name, number in numbered],
            "shadow": [f"{name}:{_HASH}:19000:0:99999:7:::" for name, _number in numbered],
        }
        for name, lines in files.items():
            (self.folder / "etc" / name).write_text("".join(f"{line}\n" for line in lines))

    def joining(self) -> str:
        """Lines of sh that put all accounts into the groups: those of a package that is there."""
        members = ",".join(self.accounts)
        return "".join(
            f"sed -i -e '/^{group}:/s/$/,{members}/' -e '/^{group}:/s/:,/:/' /etc/group\n" for group in self._groups
        )


class Members(Mapping[str, _Member]):
    """Devices by their names, which run in one place while this is a context."""

    def __init__(self, members: Mapping[str, _Member], place: Apart) -> None:
        self._members = members
        self.place = place

    @abc.abstractmethod
    def start(self) -> None:
        """Start all of them, and the daemon that lets in."""

    def stop(self) -> None:
        """End all of them, and wait for that."""
        self.place.stop()

    def __getitem__(self, name: str) -> _Member:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __enter__(self) -> t.Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.stop()
