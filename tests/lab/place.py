# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accounts, sudo and doas of a managed host's own: a private mount namespace, out of which nothing is changed.

Takes root. The namespace ends with the daemon that runs in it.
"""

from __future__ import annotations

import dataclasses
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .sshd import MissingToolError, tool

# where the host's own files are seen from within: on the way to a test's folder no other user may pass
INSIDE = Path("/srv")
PYTHON = INSIDE / "python" / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
_FIRST_ID = 47000

_ENTER = """\
mount --bind {folder}/etc /etc
mount --bind {folder}/srv /srv
mount --bind {python} /srv/python
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/dev
mount --rbind /dev /mnt/dev
mount -t tmpfs -o mode=755 tmpfs /dev
for node in null zero full random urandom tty; do touch /dev/$node; mount --bind /mnt/dev/$node /dev/$node; done
mkdir /dev/pts /dev/shm
mount --rbind /mnt/dev/pts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -s pts/ptmx /dev/ptmx
ln -s /proc/self/fd /dev/fd
if [ -S {folder}/log.socket ]; then touch /dev/log; mount --bind {folder}/log.socket /dev/log; fi
umount -l /mnt/dev
umount /mnt
if [ -d /run/sudo ]; then mount -t tmpfs -o mode=711 tmpfs /run/sudo; fi
{more}
exec "$@"
"""


class NotRootError(Exception):
    """These tests need users of their own, which takes root."""


@dataclasses.dataclass(frozen=True)
class Place:
    """What a host sees below ``/etc`` and ``/srv`` while the rest is this machine's.

    :param folder: where that lies outside.
    """

    folder: Path

    @property
    def srv(self) -> Path:
        """What is ``/srv`` within."""
        return self.folder / "srv"

    def within(self, *more: str) -> list[str]:
        """A command that goes there and runs the command that is given to it.

        :param more: lines of a shell script, run before.
        """
        script = _ENTER.format(folder=self.folder, python=sys.base_prefix, more="\n".join(more))
        return [tool("unshare"), "--mount", "--propagation", "private", "/bin/sh", "-euc", script, "enter"]


def make(folder: Path, *, passwords: dict[str, str], sudoers: Sequence[str], doas: Sequence[str]) -> Place:
    """Make accounts with these passwords, root's among them, and their rights.

    :param sudoers: lines of sudoers(5); this machine's own are not there.
    :param doas: lines of doas.conf(5).
    :raises NotRootError: whoever runs the tests may not.
    """
    if os.geteuid() != 0:
        raise NotRootError("become is tried with users of its own, which takes root: run these tests as root")
    for name, package in (("sudo", "sudo"), ("doas", "opendoas"), ("setfacl", "acl"), ("unshare", "util-linux")):
        if shutil.which(name) is None:
            raise MissingToolError(f"{name} is not on this machine: install the package {package}")
    etc = folder / "etc"
    for inside in ("python", "home"):
        (folder / "srv" / inside).mkdir(parents=True)
    (folder / "srv").chmod(0o755)
    subprocess.run(["cp", "-a", "/etc/.", str(etc)], check=True)
    for number, name in enumerate(sorted(set(passwords) - {"root"}), _FIRST_ID):
        home = INSIDE / "home" / name
        _append(etc / "passwd", f"{name}:x:{number}:{number}::{home}:/bin/sh")
        _append(etc / "group", f"{name}:x:{number}:")
        _append(etc / "shadow", f"{name}:*:19000:0:99999:7:::")
        (folder / "srv" / "home" / name).mkdir(mode=0o700)
        os.chown(folder / "srv" / "home" / name, number, number)
    lines = [f"{name}:{password}\n" for name, password in passwords.items()]
    subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-euc", f"mount --bind {etc} /etc; exec chpasswd"],
        input="".join(lines),
        text=True,
        check=True,
    )
    (etc / "sudoers").write_text("\n".join(["Defaults !fqdn", *sudoers, ""]))
    (etc / "sudoers").chmod(0o440)
    (etc / "doas.conf").write_text("\n".join([*doas, ""]))
    (etc / "doas.conf").chmod(0o600)
    return Place(folder)


def identity(place: Place, name: str) -> int:
    """The uid, and gid, of one of its accounts."""
    for line in (place.folder / "etc" / "passwd").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split(":")[2])
    return pwd.getpwnam(name).pw_uid


def _append(path: Path, line: str) -> None:
    with path.open("a") as stream:
        stream.write(f"{line}\n")
