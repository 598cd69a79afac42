# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole Linux hosts: systemd as process 1 of a container, over an overlay of this machine's root, reached by its sshd.

Takes root. Network and kernel are this machine's; users, services and files are the host's own, and what it writes goes
to the given folder. Mounts are made in a namespace that ends with the machine, so none stays behind.

A program too, for Molecule: ``up FOLDER NAME`` starts a machine that outlives it, and writes the inventory's variables
to ``FOLDER/variables.json``; ``down FOLDER`` stops it and removes the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .place import NotRootError
from .sshd import MissingToolError, free_port, make_key, reach, wait_for

_PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "dbus-daemon": "dbus",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "nsenter": "util-linux",
    "rsync": "rsync",
    "setfacl": "acl",
    "getfattr": "attr",
    "setcap": "libcap2-bin",
    "chattr": "e2fsprogs",
}
PYTHON = "/usr/bin/python3"
_CHECKOUT = Path(__file__).resolve().parents[2]
# where a machine has it, which has a /tmp of its own
CHECKOUT = "/srv/checkout"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROCESS = "process"

# not the distribution's own: this machine's services would take this machine's ports
_TARGET = """\
[Unit]
Description=A host of the tests
Requires=basic.target
Wants=dbus.service systemd-logind.service lab-sshd.service
After=basic.target dbus.service lab-sshd.service
AllowIsolate=yes
"""
_SERVICE = """\
[Unit]
Description=The only way in

[Service]
Type=notify
RuntimeDirectory=sshd
ExecStart=/usr/sbin/sshd -D -e -f /etc/ssh/lab/sshd_config
KillMode=process
"""
_SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey /etc/ssh/lab/host_key
AuthorizedKeysFile /etc/ssh/lab/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
MaxStartups 100
Subsystem sftp internal-sftp
"""
_ENTER = """\
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=/,upperdir={folder}/upper,workdir={folder}/work {folder}/root
{prepare}
exec systemd-nspawn --quiet --register=no --keep-unit --link-journal=no --directory={folder}/root --machine={name} \
  --hostname={name} --setenv=LANG=C.UTF-8 --bind-ro={checkout}:{shown} --boot systemd.unit=lab.target
"""


class BootError(Exception):
    """A machine did not come up."""


class Machine:
    """A host that runs.

    :param folder: where all that it writes goes: on a file system that an overlay can have as its upper one.
    """

    def __init__(self, folder: Path, name: str, port: int, process: int, leader: int) -> None:
        self.folder = folder
        self.name = name
        self.port = port
        self._process = process
        self._leader = leader

    def run(self, *command: str | bytes, text: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run a command on it as root, with *text* as its input.

        :raises AssertionError: it failed, and that was to be checked.
        """
        done = subprocess.run(self.within(*command), input=text, capture_output=True, check=False, env=_environment())
        assert not check or done.returncode == 0, f"{command!r}: {done.returncode}\n{_shown(done)}"
        return done

    def start(self, *command: str, **more: t.Any) -> subprocess.Popen[bytes]:
        """Start a command on it as root."""
        return subprocess.Popen(self.within(*command), env=_environment(), **more)

    def within(self, *command: str | bytes) -> list[str | bytes]:
        """A command of this machine that runs another one on the host."""
        return ["nsenter", "--target", str(self._leader), "--mount", "--uts", "--ipc", "--pid", "--", *command]

    def python(self, program: Path, *args: str | bytes) -> t.Any:
        """Run a program that stands on this machine with the host's Python, and return the JSON that it prints."""
        done = self.run(PYTHON, "-", *args, text=program.read_bytes())
        return json.loads(done.stdout) if done.stdout else None

    def path(self, inside: str) -> Path:
        """One of its paths as this machine sees it, which is by no symlink of the host's that is absolute."""
        return Path(f"/proc/{self._leader}/root") / inside.lstrip("/")

    def variables(self, user: str = "root") -> dict[str, t.Any]:
        """The inventory's variables of this host."""
        reached = reach(self.name, self.folder / "known_hosts", self.folder / "user_key", port=self.port, user=user)
        return {
            **reached,
            "ansible_python_interpreter": PYTHON,
            "ansible_remote_tmp": "~/.ansible/tmp",
        }

    def add_user(self, name: str) -> None:
        """Make an account that may log in by the same key, and do nothing beyond its own."""
        self.run("useradd", "--create-home", "--password", "*", "--shell", "/bin/sh", name)

    def stop(self) -> None:
        """End it as where the power fails, and wait for that."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._leader, signal.SIGKILL)
        wait_for(lambda: _ended(self._process), f"the end of {self.name}")

    def boot_again(self) -> None:
        """End it as where the power fails, and boot it from what it has written until then."""
        self.stop()
        again = _boot(self.folder, self.name, self.port, ":", die_with_us=True)
        self._process, self._leader = again._process, again._leader


@contextlib.contextmanager
def machine(folder: Path, name: str) -> Iterator[Machine]:
    """Start a machine, and stop it at the end.

    :raises NotRootError: whoever runs the tests may not.
    :raises MissingToolError: a tool is missing; names the Debian package.
    :raises BootError: it did not come up.
    """
    running = up(folder, name, die_with_us=True)
    try:
        yield running
    finally:
        running.stop()


def require() -> None:
    """See that machines can be had.

    :raises NotRootError: whoever runs the tests may not.
    :raises MissingToolError: a tool is missing; names the Debian package.
    """
    if os.geteuid() != 0:
        raise NotRootError("whole hosts are containers, which take root: run these tests as root")
    missing = [package for name, package in _PACKAGES.items() if shutil.which(name, path=_PATH) is None]
    if not Path(PYTHON).exists():
        missing.append("python3")
    if missing:
        raise MissingToolError(f"missing on this machine: apt-get install {' '.join(missing)}, and run the tests again")


def up(folder: Path, name: str, *, die_with_us: bool) -> Machine:
    """Start a machine.

    :param die_with_us: it ends with this process, however that ends.
    """
    require()
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True)
    port = free_port()
    prepared = folder / "prepared"
    _prepare(prepared, folder, name, port)
    prepare = f"cp -R --preserve=mode {shlex.quote(str(prepared))}/. {shlex.quote(str(folder))}/root/"
    return _boot(folder, name, port, prepare, die_with_us=die_with_us)


def seen(path: Path) -> str:
    """Where a machine sees a path of this one: one of the checkout below CHECKOUT, all others where they are."""
    return f"{CHECKOUT}/{path.relative_to(_CHECKOUT)}" if path.is_relative_to(_CHECKOUT) else str(path)


def _boot(folder: Path, name: str, port: int, prepare: str, *, die_with_us: bool) -> Machine:
    script = _ENTER.format(
        folder=shlex.quote(str(folder)),
        name=name,
        prepare=prepare,
        checkout=shlex.quote(str(_CHECKOUT)),
        shown=CHECKOUT,
    )
    bound = ["setpriv", "--pdeathsig", "KILL"] if die_with_us else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*bound, "unshare", "--mount", "/bin/sh", "-euc", script],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )
    (folder / _PROCESS).write_text(str(process.pid))
    leader = _booted(process, folder)
    return Machine(folder, name, port, process.pid, leader)


def down(folder: Path) -> None:
    """Stop the machine of a folder, where one runs, and remove the folder."""
    with contextlib.suppress(FileNotFoundError):
        process = int((folder / _PROCESS).read_text())
        leader = _leader(process) if f"--directory={folder}/root" in _arguments(process) else None
        if leader is not None:
            Machine(folder, "", 0, process, leader).stop()
    if folder.exists():
        # what was made immutable could not be removed
        subprocess.run(["chattr", "-R", "-f", "-ia", str(folder)], check=False)
        shutil.rmtree(folder)


def _prepare(prepared: Path, folder: Path, name: str, port: int) -> None:
    """What is to lie over this machine's root: units, and the way in."""
    units = prepared / "etc" / "systemd" / "system"
    ssh = prepared / "etc" / "ssh" / "lab"
    for made in (units, ssh):
        made.mkdir(parents=True)
    (units / "lab.target").write_text(_TARGET)
    (units / "lab-sshd.service").write_text(_SERVICE)
    (ssh / "sshd_config").write_text(_SSHD.format(port=port))
    (ssh / "authorized_keys").write_text(make_key(folder / "user_key"))
    (folder / "known_hosts").write_text(f"{name} {make_key(ssh / 'host_key')}\n")
    (prepared / "etc" / "machine-id").write_text(f"{secrets.token_hex(16)}\n")
    (prepared / "etc" / "hostname").write_text(f"{name}\n")


def _booted(process: subprocess.Popen[bytes], folder: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        leader = _leader(process.pid)
        if leader is not None:
            enter = ["nsenter", "--target", str(leader), "--mount", "--pid", "--"]
            told = subprocess.run(
                [*enter, "systemctl", "is-active", "lab.target"], capture_output=True, check=False, env=_environment()
            )
            if told.stdout == b"active\n":
                return leader
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    raise BootError(f"the machine did not come up:\n{(folder / 'log').read_text(errors='replace')}")


def _leader(process: int) -> int | None:
    """Process 1 of the container that this nspawn has started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if fields["PPid"] == str(process) and fields["NSpid"].split()[-1] == "1":
                return int(fields["Pid"])
    return None


def _arguments(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().split("\0")
    except OSError:
        return []


def _ended(process: int) -> bool:
    """Whether a process is gone; it is reaped where it is ours."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(process, os.WNOHANG)[0] == process
    return not Path(f"/proc/{process}").exists()


def _environment() -> Mapping[str, str]:
    return {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/root"}


def _shown(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stdout + done.stderr).decode(errors="replace")


def _main(args: Sequence[str]) -> None:
    command, folder, *name = args
    if command == "down":
        down(Path(folder))
        return
    running = up(Path(folder), name[0], die_with_us=False)
    (running.folder / "variables.json").write_text(json.dumps(running.variables()))


if __name__ == "__main__":
    _main(sys.argv[1:])
