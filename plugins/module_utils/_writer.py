# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes files, links and folders as their entries say, and tells which are so already. Private to this collection."""

from __future__ import annotations

import base64
import errno
import functools
import grp
import os
import pwd
import stat

from ._entries import Entry, Payload, runs_of
from ._inodes import sha256_of
from ._paths import FILE_FLAGS, FOLDER_FLAGS, NEW_FLAGS, RefusedError, closing, to_bytes, to_text

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t


class Writer:
    """Compares what stands there with entries, and makes what they say."""

    def __init__(self, entries: list[Entry], owners: bool, by_name: bool) -> None:
        self.written: list[str] = []
        self.warnings: list[list[str]] = []
        self._entries = entries
        self._owners = owners
        self._by_name = by_name

    @staticmethod
    def _refuse_kind(entry: Entry, st: os.stat_result) -> None:
        if entry.kind == "dir" and stat.S_ISLNK(st.st_mode):
            raise RefusedError("outside", f"{entry.path} is a symlink, and the entry is a folder", [entry.path])
        if stat.S_ISDIR(st.st_mode) and entry.kind != "dir":
            raise RefusedError("in_the_way", f"{entry.path} is a folder, and the entry is none", [entry.path])
        if entry.kind == "dir" and not stat.S_ISDIR(st.st_mode):
            raise RefusedError("in_the_way", f"{entry.path} is no folder, and the entry is one", [entry.path])

    def _same(
        self, folder: int, entry: Entry, st: os.stat_result, inodes: t.Mapping[str, tuple[int, int] | None]
    ) -> bool:
        name = entry.names[-1]
        if entry.kind == "hardlink":
            return (st.st_dev, st.st_ino) == inodes.get(entry.target)
        kinds = {"file": stat.S_IFREG, "dir": stat.S_IFDIR, "symlink": stat.S_IFLNK}
        if stat.S_IFMT(st.st_mode) != kinds[entry.kind] or st.st_mtime_ns != entry.mtime_ns:
            return False
        if self._owners and (st.st_uid, st.st_gid) != self._owner(entry):
            return False
        if entry.kind == "symlink":
            same = to_text(os.readlink(name, dir_fd=folder)) == entry.target
            return same and _xattrs(_link_path(folder, name), entry, follow=False) == entry.xattrs
        if stat.S_IMODE(st.st_mode) != entry.mode:
            return False
        if entry.kind == "file" and (st.st_size, st.st_nlink) != (entry.size, entry.links):
            return False
        try:
            fd = os.open(name, FOLDER_FLAGS if entry.kind == "dir" else FILE_FLAGS, dir_fd=folder)
        except OSError:
            return False
        try:
            return _xattrs(fd, entry) == entry.xattrs and (entry.kind == "dir" or sha256_of(fd) == entry.sha256)
        except OSError:
            return False
        finally:
            os.close(fd)

    def _owner(self, entry: Entry) -> tuple[int, int]:
        if not self._by_name:
            return entry.uid, entry.gid
        uid, gid = _uid(entry.user), _gid(entry.group)
        return entry.uid if uid is None else uid, entry.gid if gid is None else gid

    def _make_file(self, folder: int, name: bytes, entry: Entry, payload: Payload, *, sync: bool) -> None:
        with closing(os.open(name, NEW_FLAGS, 0o600, dir_fd=folder)) as fd:
            _write_content(fd, payload.blocks(entry), entry.size)
            self._dress(fd, entry)
            if sync:
                os.fsync(fd)
            elif hasattr(os, "posix_fadvise"):
                # its way to the disk begins, so that waiting for all of them later takes a third of the time
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def _make_symlink(self, folder: int, name: bytes, entry: Entry) -> None:
        os.symlink(to_bytes(entry.target), name, dir_fd=folder)
        if self._owners:
            os.chown(name, *self._owner(entry), dir_fd=folder, follow_symlinks=False)
        self._set_xattrs(_link_path(folder, name), entry, follow=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)

    def _dress(self, fd: int, entry: Entry) -> None:
        """Set owner, attributes, mode, time of an open file or folder.

        In this order: chown drops setuid bits and capabilities, and without privilege attributes can be set only
        while the owner may write.
        """
        if self._owners:
            os.fchown(fd, *self._owner(entry))
        self._set_xattrs(fd, entry)
        os.fchmod(fd, entry.mode)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def _set_xattrs(self, where: int | bytes, entry: Entry, *, follow: bool = True) -> None:
        present = _xattrs(where, entry, follow=follow)
        for name in sorted({**present, **entry.xattrs}):
            wanted = entry.xattrs.get(name)
            if wanted == present.get(name):
                continue
            try:
                if not hasattr(os, "setxattr"):
                    raise OSError(errno.ENOTSUP, "no extended attributes on this system")
                if wanted is None:
                    os.removexattr(where, os.fsdecode(to_bytes(name)), follow_symlinks=follow)
                else:
                    os.setxattr(where, os.fsdecode(to_bytes(name)), wanted, follow_symlinks=follow)
            except OSError as e:
                self.warnings.append([entry.path, f"{name}: {errno.errorcode.get(e.errno or 0, 'an error')}"])


def _link_path(folder: int, name: bytes) -> bytes:
    """A symlink's attributes have no call relative to a folder."""
    return b"/proc/self/fd/%d/%s" % (folder, name)


def _xattrs(where: int | bytes, entry: Entry, *, follow: bool = True) -> dict[str, bytes]:
    """The attributes there are; not those of the host's own security policy, unless the entry names them."""
    found = {}
    try:
        for native in os.listxattr(where, follow_symlinks=follow) if hasattr(os, "listxattr") else ():
            name = to_text(os.fsencode(native))
            if name in entry.xattrs or name == "security.capability" or not name.startswith("security."):
                found[name] = os.getxattr(where, native, follow_symlinks=follow)
    except OSError:
        return found
    return found


def attributes_of(fd: int, entry: Entry) -> dict[str, t.Any]:
    """What can be set of an open file or folder, as a journal has it."""
    st = os.fstat(fd)
    xattrs = {name: base64.b64encode(value).decode("ascii") for name, value in _xattrs(fd, entry).items()}
    return {
        "uid": st.st_uid,
        "gid": st.st_gid,
        "mode": stat.S_IMODE(st.st_mode),
        "mtime_ns": st.st_mtime_ns,
        "xattrs": xattrs,
    }


def _write_content(fd: int, blocks: t.Iterable[bytes], size: int) -> None:
    """Write a new file, and leave pages of zeros as holes: a sparse file stays one."""
    base = 0
    for block in blocks:
        for at, run in runs_of(block):
            while run:
                written = os.pwrite(fd, run, base + at)
                at, run = at + written, run[written:]
        base += len(block)
    os.ftruncate(fd, size)


@functools.lru_cache(maxsize=None)
def _uid(user: str) -> int | None:
    try:
        return pwd.getpwnam(os.fsdecode(to_bytes(user))).pw_uid if user else None
    except KeyError:
        return None


@functools.lru_cache(maxsize=None)
def _gid(group: str) -> int | None:
    try:
        return grp.getgrnam(os.fsdecode(to_bytes(group))).gr_gid if group else None
    except KeyError:
        return None
