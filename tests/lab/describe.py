# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a tree is, told by lstat(2) and its kin: shares no code with the collection, so that it can witness.

A program too, for a managed host's Python: ``python3 - FOLDER`` prints the description as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "char device",
    stat.S_IFBLK: "block device",
}
_BLOCK = 1 << 20


def describe(folder: str | bytes) -> dict[str, dict[str, t.Any]]:
    """Every path at and below a folder, relative to it (``.`` is the folder), with all that it is.

    ``kind``, ``mode``, ``uid``, ``gid``, ``mtime_ns``, ``xattrs`` (name to hex) and by kind ``size``, ``sha256`` and
    ``data`` (ranges that are no holes, in bytes), ``target`` (hex), ``device``; ``names`` are all the names here of an
    inode that has several. Names are UTF-8 with ``surrogateescape``.

    :raises OSError: something cannot be read: a description is whole or there is none.
    """
    found: dict[str, dict[str, t.Any]] = {}
    inodes: dict[tuple[int, int], list[str]] = {}
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _add(found, inodes, top, b".", ".")
    finally:
        os.close(top)
    for names in inodes.values():
        for name in names if len(names) > 1 else ():
            found[name]["names"] = sorted(names)
    return found


def _add(
    found: dict[str, dict[str, t.Any]],
    inodes: dict[tuple[int, int], list[str]],
    folder: int,
    name: bytes,
    path: str,
) -> None:
    st = os.stat(name, dir_fd=folder, follow_symlinks=False)
    kind = _KINDS[stat.S_IFMT(st.st_mode)]
    told: dict[str, t.Any] = {
        "kind": kind,
        "mode": f"{stat.S_IMODE(st.st_mode):04o}",
        "uid": st.st_uid,
        "gid": st.st_gid,
        "mtime_ns": st.st_mtime_ns,
        "xattrs": _xattrs(b"/proc/self/fd/%d/%s" % (folder, name)),
    }
    found[path] = told
    if kind == "dir":
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        try:
            for child in os.listdir(below):
                raw = os.fsencode(child)
                text = raw.decode("utf-8", "surrogateescape")
                _add(found, inodes, below, raw, text if path == "." else f"{path}/{text}")
        finally:
            os.close(below)
        return
    inodes.setdefault((st.st_dev, st.st_ino), []).append(path)
    if kind == "file":
        told.update(_content(folder, name))
    elif kind == "symlink":
        told["target"] = os.readlink(name, dir_fd=folder).hex()
    else:
        told["device"] = st.st_rdev


def _xattrs(path: bytes) -> dict[str, str]:
    names = os.listxattr(path, follow_symlinks=False)
    return {
        os.fsencode(name).decode("utf-8", "surrogateescape"): os.getxattr(path, name, follow_symlinks=False).hex()
        for name in sorted(names)
    }


def _content(folder: int, name: bytes) -> dict[str, t.Any]:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        digest = hashlib.sha256()
        size = 0
        while True:
            block = os.read(fd, _BLOCK)
            if not block:
                break
            size += len(block)
            digest.update(block)
        return {"size": size, "sha256": digest.hexdigest(), "data": _data(fd, size)}
    finally:
        os.close(fd)


def _data(fd: int, size: int) -> list[list[int]]:
    """The ranges that are no holes (lseek(2), SEEK_DATA)."""
    ranges = []
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break  # ENXIO: nothing but a hole follows
        at = os.lseek(fd, start, os.SEEK_HOLE)
        ranges.append([start, at])
    return ranges


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe(os.fsencode(sys.argv[1]))))
