# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a file or folder is, as a journal has it, and how it gets that again. Private to this collection."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import stat

from ._paths import NEW_FLAGS, READ, closing, set_mtime, to_bytes
from ._units import UNITS, WANTED_BY

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_ARMED_FOLDERS = (*WANTED_BY, os.path.basename(UNITS))
_OWN_NAMES = (".holdfast-", "holdfast-restore-")


def what_is(st: os.stat_result) -> dict[str, int]:
    """What an inode is, as a journal has it."""
    return {
        "dev": st.st_dev,
        "ino": st.st_ino,
        "kind": stat.S_IFMT(st.st_mode),
        "mode": stat.S_IMODE(st.st_mode),
        "uid": st.st_uid,
        "gid": st.st_gid,
        "size": st.st_size,
        "mtime_ns": st.st_mtime_ns,
    }


def digest_of_names(fd: int) -> str:
    """A digest of the names in a folder, without those that come and go with a restore."""
    names = [
        os.fsencode(name) for name in os.listdir(fd) if not name.startswith(_OWN_NAMES) and name not in _ARMED_FOLDERS
    ]
    return hashlib.sha256(b"\0".join(sorted(names))).hexdigest()


def settle(fd: int, told: t.Mapping[str, t.Any]) -> None:
    """Give a folder the time that is told of it, unless somebody made or removed names in it since."""
    if digest_of_names(fd) == told["names"]:
        set_mtime(fd, told["mtime_ns"])


def sha256_of(fd: int) -> str:
    digest = hashlib.sha256()
    while True:
        block = os.read(fd, READ)
        if not block:
            return digest.hexdigest()
        digest.update(block)


def _xattr_values(fd: int, names: t.Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        with contextlib.suppress(OSError):
            found[name] = base64.b64encode(os.getxattr(fd, os.fsdecode(to_bytes(name)))).decode("ascii")
    return found


def same_attributes(fd: int, told: t.Mapping[str, t.Any]) -> bool:
    st = os.fstat(fd)
    plain = (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode), st.st_mtime_ns)
    return plain == (told["uid"], told["gid"], told["mode"], told["mtime_ns"])


def _set_attributes(fd: int, told: t.Mapping[str, t.Any], before: t.Mapping[str, t.Any]) -> None:
    """In the order of :meth:`_Apply._dress`; raises OSError where one cannot be set."""
    st = os.fstat(fd)
    if (st.st_uid, st.st_gid) != (told["uid"], told["gid"]):
        os.fchown(fd, told["uid"], told["gid"])
    for name, value in _xattr_values(fd, {**before["xattrs"], **told["xattrs"]}).items():
        if name not in told["xattrs"]:
            os.removexattr(fd, os.fsdecode(to_bytes(name)))
        elif value == told["xattrs"][name]:
            continue
    for name, value in told["xattrs"].items():
        if _xattr_values(fd, [name]).get(name) != value:
            os.setxattr(fd, os.fsdecode(to_bytes(name)), base64.b64decode(value))
    os.fchmod(fd, told["mode"])
    os.utime(fd, ns=(told["mtime_ns"], told["mtime_ns"]))


def bring_attributes_back(fd: int, was: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any]) -> bool:
    """Give a folder the attributes it had, each one that is still what was set; whether others are left."""
    st = os.fstat(fd)
    left = False
    owner, old, new = (st.st_uid, st.st_gid), (was["uid"], was["gid"]), (now["uid"], now["gid"])
    if owner == new != old:
        os.fchown(fd, *old)
    elif owner != old:
        left = True
    names = {**was["xattrs"], **now["xattrs"]}
    found = _xattr_values(fd, names)
    for name in names:
        value, back = found.get(name), was["xattrs"].get(name)
        if value == back:
            continue
        if value != now["xattrs"].get(name):
            left = True
        elif back is None:
            os.removexattr(fd, os.fsdecode(to_bytes(name)))
        else:
            os.setxattr(fd, os.fsdecode(to_bytes(name)), base64.b64decode(back))
    # an access control list changes the bits of the group by itself
    free = 0o070 if any("posix_acl" in name for name in names) else 0
    mode = stat.S_IMODE(st.st_mode)
    if mode & ~free in (was["mode"] & ~free, now["mode"] & ~free):
        if stat.S_IMODE(os.fstat(fd).st_mode) != was["mode"]:
            os.fchmod(fd, was["mode"])
    else:
        left = True
    return left


def pour(source: int, target: int) -> str:
    """Copy the rest of one file to another; returns the digest."""
    digest = hashlib.sha256()
    while True:
        block = os.read(source, READ)
        if not block:
            return digest.hexdigest()
        digest.update(block)
        while block:
            block = block[os.write(target, block) :]


def half_name(saved: bytes) -> bytes:
    """The name that is in a stage folder while a file is written in place, whose old bytes are *saved* there."""
    return b"h" + saved


def overwrite(
    folder: int,
    name: bytes,
    source: int,
    stage: int,
    saved: bytes,
    before: t.Mapping[str, t.Any],
    told: t.Mapping[str, t.Any],
) -> None:
    """Write a file in place: content, then attributes. While it is under way there is a mark in the stage folder."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(half_name(saved), NEW_FLAGS, 0o600, dir_fd=stage))
    os.fsync(stage)
    with closing(os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)) as fd:
        os.ftruncate(fd, 0)
        pour(source, fd)
        _set_attributes(fd, told, before)
        os.fsync(fd)
    os.unlink(half_name(saved), dir_fd=stage)
    os.fsync(stage)
