# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The half of a restore that runs on the managed host. Private to this collection.

Runs piped into a bare interpreter (by ``BOOTSTRAP`` of ``_tree.py``, which calls :func:`serve`) and inside the module
``host_apply``; both call :func:`answer`. Standard library only, Python 3.8+, no other file of the collection.

**Below another root**, a request without ``op``: ``root`` (absolute folder, made with mode 0700 where it is missing;
never ``/``), ``entries`` (as ``_tree.py`` gives them, parents first), ``owners`` (set owner and group; default true),
``owner_by`` (``id``, the default, or ``name``: the host's own id of that name, else the entry's), ``check`` (tell what
would be written; then the payload may be left out). **Payload**: the contents of the ``file`` entries in their order,
nothing else.

**Answer**: ``{"written": [paths], "warnings": [[path, text]], "euid": n}``. What already is as the entry says (kind,
content, attributes, mtime) is not written again. Or ``{"error": {type, message, items, count, written, warnings}}``,
at most 200 items:

* ``request``, ``root``, ``hostile`` (entries that must not be written), ``payload`` (not the bytes that the entries
  promise), ``outside`` (a symlink stands where a folder must be), ``in_the_way`` (a folder where a file must go, or
  the reverse), ``no_space``, ``busy`` (another apply is at work in this root), ``os``, ``internal``: nothing was
  touched, unless ``written`` says otherwise, since somebody changed the tree or the payload meanwhile;
* ``partial``: stopped half-way by the system; ``written`` says what is in place.

Each path changes at once: a temporary file ``.holdfast-<16 hex digits>`` in the same folder (0600), complete and on
disk, is renamed over it. Whole pages (4 KiB) of zeros in it are left as holes. The set of paths is not atomic.
Temporary files of a killed apply are removed by the next one that writes in their folder. Nothing outside the root is
written: every folder is opened relative to its parent with ``O_NOFOLLOW``.

**In place**, a request with ``op``: all of it or nothing, by a journal (docs/adr/0015). ``root`` may be ``/``.

* ``check`` (judge all, touch nothing), ``apply``, ``drop`` (let go of the old state), ``undo`` (bring it back),
  ``status`` (renews the lease), ``recover`` (bring back what others left open: whose lease is over, or from before the
  last boot);
* with each: ``journal`` (a folder, made 0700; default /var/lib/holdfast, ~/.local/state/holdfast for who is not root),
  ``restore`` (16 hex digits: the id of this restore; not with ``recover``), ``run`` (who restores, for people, at most
  200 characters), ``lease`` (seconds for which nobody else acts on it, default 300);
* with ``check`` and ``apply``: ``root``, ``entries`` (each may have ``part``: its place in ``parts``), ``owners``,
  ``owner_by``, ``remove`` (what must not be there afterwards: ``{"path", "part"}`` or a path; a folder goes where all
  that is in it goes), ``parts`` (``{"name", "paths", "validate", "validate_timeout", "reload"}``), ``replace_kinds``
  (what is of another kind than its entry is replaced, else refused), ``arm`` (a unit of systemd brings the old state
  back where the lease ends).

``paths`` of a part are its declared paths, globs as given: what leads to one of them may be a symlink and is resolved
as the host does, within ``root``. From there on, and where no ``paths`` are given, nothing is followed. ``validate``
runs right after the change; where it has ``{path}`` in an argument, before it, with each staged file. No such command:
``not_validated``. ``reload`` are units; those that are active are reloaded or restarted, once.

**Answer** of those: ``{"written", "removed", "warnings": [[path, text]], "not_atomic": [[path, why]], "validated":
[parts], "not_validated": [[part, why]], "reloaded": [units], "not_reloaded": [[unit, why]], "recovered": [{"restore",
"run"}], "left": [[path, why]], "euid", "state", "armed", "milliseconds": {"stage", "apply", "validate", "reload"}}``.
``state`` is ``open`` (the journal waits for ``drop`` or ``undo``), ``closed``, or ``nothing`` (there is nothing to do).
``written`` of ``undo`` and ``recover`` are paths brought back, ``left`` those that were not, since somebody changed
them meanwhile. Or the error, with ``recovered``, ``left`` and ``undone``: something was touched and all of it brought
back, but for ``left``. More types: ``invalid`` (a validator refuses), ``reload``, ``immutable``, ``read_only``,
``mount`` (a mount point must be removed, or become something else), ``journal`` (it cannot be made or read), ``stale``
(nothing is open under that id); ``busy`` is also a restore that is open, by name.

**Journal**: ``<journal>/<restore>/`` (0700), files in it 0600. ``folders.json`` is there as long as a stage folder may
be, ``journal.json`` as long as the restore is open, ``lease.json`` says until when nobody else acts, ``reload.json``
which units were asked to reload, ``apply.pyc`` is this program for the unit. Stage folders are
``.holdfast-<restore>`` (0700), one in every folder that changes.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import functools
import grp
import hashlib
import io
import json
import marshal
import os
import pwd
import re
import select
import stat
import struct
import sys
import time
import zlib

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

MARK = "HOLDFAST1 "

_KINDS = ("file", "dir", "symlink", "hardlink")
_MAX_ITEMS = 200
_READ = 1 << 20
_PAGE = 4096
_ZEROS = bytes(_PAGE)
_LATEST = (
    10**9 << 62
)  # nanoseconds: twice that is no time_t, and file systems know times that 64 bits of them do not hold
_TEMPORARY = re.compile(r"\.holdfast-[0-9a-f]{16}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

_ID = re.compile(r"[0-9a-f]{16}")
_SAVED = re.compile(r"[or][0-9]+")

_FORMAT = 1  # of a journal
_SYSTEM_JOURNAL = "/var/lib/holdfast"
_OWN_JOURNAL = "~/.local/state/holdfast"
_RUN_LENGTH = 200
_PATH_WORD = "{path}"
_LEASE_SECONDS = 300
_VALIDATE_SECONDS = 60
_SYSTEMCTL_SECONDS = 180
_ACCOUNT_SECONDS = 15  # as lckpwdf(3) waits
_OTHER_SECONDS = 60
_UNIT_SECONDS = 840  # it waits for an apply that goes on
_LATER_SECONDS = 2  # the unit finds the lease over
_PAUSE = 0.05
_HEAD = 256
_MAX_LINKS = 40  # as Linux has it
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ACCOUNTS = frozenset(f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"))

_HOST_ROOT = "/"
_SHELLS = ("sh", "/bin/sh")
_FAILED = "failed"
_TAKES_UP = ("active", "reloading", "activating", _FAILED)
_RUNNING = "run/systemd/system"  # sd_booted(3)
_UNITS = "etc/systemd/system.control"  # systemd.unit(5): beside what administrators write, which may be what comes back
_UNIT_PATHS = ("/etc/systemd/", "/run/systemd/", "/usr/lib/systemd/", "/usr/local/lib/systemd/", "/lib/systemd/")
_WANTED_BY = ("timers.target.wants", "sysinit.target.wants")
_ARMED_FOLDERS = (*_WANTED_BY, os.path.basename(_UNITS))
_OWN_NAMES = (".holdfast-", "holdfast-restore-")
# The service runs before others at boot. A timer comes before its service, so it must not wait for sysinit.target.
_SERVICE = """\
[Unit]
Description=Take back restore {restore}, which nobody closed (holdfast)
DefaultDependencies=no
RequiresMountsFor={journal}
After=local-fs.target systemd-remount-fs.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart={command}
TimeoutStartSec=900
"""
_TIMER = """\
[Unit]
Description=Take back restore {restore} when its lease is over (holdfast)
DefaultDependencies=no
Before=shutdown.target
Conflicts=shutdown.target

[Timer]
OnActiveSec={seconds}
AccuracySec=1s
"""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_STAT = os.stat_result((0,) * 10)
# FS_IOC_GETFLAGS and the flags i and a (ioctl_iflags(2)); some processors spell "read" otherwise
_READS = 1 << 30 if os.uname().machine.startswith(("mips", "ppc", "sparc", "alpha", "parisc")) else 2 << 30
_GET_FLAGS = _READS | struct.calcsize("l") << 16 | ord("f") << 8 | 1
_IMMUTABLE = 0x10 | 0x20

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class _RefusedError(Exception):
    """Becomes the ``error`` of the answer."""

    def __init__(self, kind: str, message: str, items: t.Sequence[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.items = list(items)
        self.written: list[str] = []
        self.warnings: list[list[str]] = []
        self.left: list[list[str]] = []
        self.undone = False
        self.recovered: list[dict[str, str]] = []

    def error(self, written: t.Sequence[str], warnings: t.Sequence[t.Sequence[str]]) -> dict[str, t.Any]:
        """The error with what was done until then."""
        return {
            "type": self.kind,
            "message": str(self),
            "items": self.items[:_MAX_ITEMS],
            "count": len(self.items),
            "written": list(written),
            "warnings": list(warnings),
        }

    def error_in_place(self) -> dict[str, t.Any]:
        """The error of something in place, with what became of it."""
        told = self.error(self.written, self.warnings)
        return {**told, "left": self.left, "undone": self.undone, "recovered": self.recovered}


class _Entry:
    """One entry of the request, checked."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.path = _checked(given["path"], str)
        self.kind = _checked(given["kind"], str)
        self.names = _names(self.path)
        self.part = _number(given["part"]) if given.get("part") is not None else None
        self.mode = _number(given["mode"]) & 0o7777
        self.uid = _number(given["uid"])
        self.gid = _number(given["gid"])
        self.user = _checked(given.get("user", ""), str)
        self.group = _checked(given.get("group", ""), str)
        self.mtime_ns = _checked(given["mtime_ns"], int)
        self.size = _number(given.get("size", 0)) if self.kind == "file" else 0
        self.sha256 = _checked(given.get("sha256", ""), str)
        self.target = _checked(given.get("target", ""), str)
        self.xattrs = {
            _checked(name, str): base64.b64decode(value, validate=True)
            for name, value in given.get("xattrs", {}).items()
        }
        self.links = 1
        if self.kind not in _KINDS:
            raise ValueError("is of an unknown kind")
        if self.kind == "file" and not _DIGEST.fullmatch(self.sha256):
            raise ValueError("has no digest")
        if self.kind in ("symlink", "hardlink") and not self.target:
            raise ValueError("has no target")
        texts = _bytes("".join([self.target, self.user, self.group, *self.xattrs]))
        if b"\0" in texts or max(self.uid, self.gid) >= 1 << 32 or abs(self.mtime_ns) >= _LATEST:
            raise ValueError("has impossible attributes")

    def is_like(self, other: _Entry) -> bool:
        """Whether the two would be the same on disk."""
        fields = ("kind", "mode", "uid", "gid", "user", "group", "size", "sha256", "target", "xattrs")
        return all(getattr(self, field) == getattr(other, field) for field in fields)


class _Payload:
    """The contents, one after the other."""

    def __init__(self, source: t.Any, total: int) -> None:
        if isinstance(source, (bytes, bytearray, memoryview)):
            source = io.BytesIO(source)
        elif not source.seekable():
            # a pipe: it ends when the sender is done, and one byte too many is enough to know
            source = io.BytesIO(source.read(total + 1))
        self._source = source
        self._total = total
        start = source.tell()
        self.size = source.seek(0, os.SEEK_END) - start
        source.seek(start)

    def verify(self, entries: t.Iterable[_Entry]) -> dict[str, tuple[int, int]]:
        """Compare the size and every digest; return where each file's content starts, and its bytes beside holes."""
        if self.size != self._total:
            more = "more" if self.size > self._total else "less"
            raise _RefusedError(
                "payload", f"the payload holds {more} than the {self._total} bytes that the entries promise"
            )
        starts = {}
        for entry in entries:
            start = self._source.tell()
            dense = sum(len(run) for block in self.blocks(entry) for _at, run in _runs(block))
            starts[entry.path] = start, dense
        return starts

    def at(self, start: int) -> None:
        """Go to where a content starts."""
        self._source.seek(start)

    def blocks(self, entry: _Entry) -> t.Iterator[bytes]:
        """The content of one file in pieces; raises after the last one unless its digest is the entry's."""
        digest = hashlib.sha256()
        left = entry.size
        while left:
            block = self._source.read(min(_READ, left))
            if not block:
                break
            left -= len(block)
            digest.update(block)
            yield block
        if left or digest.hexdigest() != entry.sha256:
            raise _RefusedError(
                "payload", f"the content of {entry.path} does not have its entry's digest", [entry.path]
            )


class _Room:
    """What is free of a file system, and what is to be written to it, in bytes."""

    def __init__(self, fs: os.statvfs_result) -> None:
        self._block = fs.f_frsize or _PAGE
        self.free = fs.f_bavail * self._block
        self.need = 0
        self.biggest = 0, ""
        # a file system that makes inodes as it goes says that it has none
        self.free_names = fs.f_favail if fs.f_files else None
        self.names = 0

    def take(self, path: str, size: int) -> None:
        """Count a file of that size."""
        self.need += -(-size // self._block) * self._block
        self.biggest = max(self.biggest, (size, path))


class _Apply:
    """One request at work: :meth:`plan` touches nothing, :meth:`execute` does what was planned."""

    def __init__(self, entries: list[_Entry], owners: bool, by_name: bool) -> None:
        self.written: list[str] = []
        self.warnings: list[list[str]] = []
        self._entries = entries
        self._owners = owners
        self._by_name = by_name
        self._todo: list[_Entry] = []
        self._touched: set[tuple[bytes, ...]] = set()
        self._swept: set[tuple[bytes, ...]] = set()

    def plan(self, root: int | None, base: int, starts: t.Mapping[str, tuple[int, int]]) -> list[str]:
        """Which paths are not as their entries say; raises _RefusedError for what must not or cannot be written.

        :param root: the open root, None where it does not exist yet.
        :param base: the open folder in whose file system a missing root would be made.
        :param starts: as :meth:`_Payload.verify` gives it; a file that is not in it is taken to have no holes.
        """
        found: dict[str, list[_RefusedError]] = {"outside": [], "in_the_way": []}
        room: dict[int, _Room] = {}
        inodes: dict[str, tuple[int, int] | None] = {}
        for entry in self._entries:
            try:
                dense = starts[entry.path][1] if entry.path in starts else entry.size
                inode = self._as_it_should_be(root, base, entry, inodes, room, dense)
            except _RefusedError as e:
                found[e.kind].append(e)
                continue
            except OSError as e:
                code = errno.errorcode.get(e.errno or 0, "an error")
                raise _RefusedError("os", f"{code} on {entry.path}, nothing was written", [entry.path]) from e
            inodes[entry.path] = inode
            if inode is None:
                self._todo.append(entry)
        for kind, refused in found.items():
            if refused:
                items = list(dict.fromkeys(item for e in refused for item in e.items))
                raise _RefusedError(kind, f"{refused[0]}, nothing was written", items)
        for part in room.values():
            if part.need > part.free:
                _size, path = part.biggest
                text = f"{part.need} bytes are needed and {part.free} are free where {path} goes, nothing was written"
                raise _RefusedError("no_space", text, [path])
        return [entry.path for entry in self._todo]

    def execute(self, root: int, payload: _Payload, starts: t.Mapping[str, tuple[int, int]]) -> None:
        """Write what was planned, then folders' attributes, deepest first; raises _RefusedError where it stops."""
        path = "/"
        try:
            for entry in self._todo:
                path = entry.path
                if entry.kind == "file":
                    payload.at(starts[path][0])
                self._write(root, entry, payload)
            folders = {entry.names: entry for entry in self._entries if entry.kind == "dir"}
            changed = self._touched | {entry.names for entry in self._todo if entry.kind == "dir"}
            for names in sorted(changed, key=len, reverse=True):
                path = "/" + _text(b"/".join(names))
                self._close(root, names, folders.get(names))
        except OSError as e:
            code = errno.errorcode.get(e.errno or 0, "an error")
            raise _RefusedError("partial", f"stopped by {code} on {path}", [path]) from e

    def _as_it_should_be(
        self,
        root: int | None,
        base: int,
        entry: _Entry,
        inodes: t.Mapping[str, tuple[int, int] | None],
        room: dict[int, _Room],
        dense: int,
    ) -> tuple[int, int] | None:
        """The inode of a path that needs no writing, else None; counts the room that a file to be written takes."""
        folder, whole = (os.dup(base), False) if root is None else _folder(root, entry.names[:-1])
        try:
            st = _lstat(folder, entry.names[-1]) if whole else None
            if st is not None:
                self._refuse_kind(entry, st)
                if self._same(folder, entry, st, inodes):
                    return st.st_dev, st.st_ino
            if entry.kind == "file":
                room.setdefault(os.fstat(folder).st_dev, _Room(os.fstatvfs(folder))).take(entry.path, dense)
        finally:
            os.close(folder)
        return None

    @staticmethod
    def _refuse_kind(entry: _Entry, st: os.stat_result) -> None:
        if entry.kind == "dir" and stat.S_ISLNK(st.st_mode):
            raise _RefusedError("outside", f"{entry.path} is a symlink, and the entry is a folder", [entry.path])
        if stat.S_ISDIR(st.st_mode) and entry.kind != "dir":
            raise _RefusedError("in_the_way", f"{entry.path} is a folder, and the entry is none", [entry.path])
        if entry.kind == "dir" and not stat.S_ISDIR(st.st_mode):
            raise _RefusedError("in_the_way", f"{entry.path} is no folder, and the entry is one", [entry.path])

    def _same(
        self, folder: int, entry: _Entry, st: os.stat_result, inodes: t.Mapping[str, tuple[int, int] | None]
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
            same = _text(os.readlink(name, dir_fd=folder)) == entry.target
            return same and _xattrs(_link_path(folder, name), entry, follow=False) == entry.xattrs
        if stat.S_IMODE(st.st_mode) != entry.mode:
            return False
        if entry.kind == "file" and (st.st_size, st.st_nlink) != (entry.size, entry.links):
            return False
        try:
            fd = os.open(name, _FOLDER_FLAGS if entry.kind == "dir" else _FILE_FLAGS, dir_fd=folder)
        except OSError:
            return False
        try:
            return _xattrs(fd, entry) == entry.xattrs and (entry.kind == "dir" or _sha256(fd) == entry.sha256)
        except OSError:
            return False
        finally:
            os.close(fd)

    def _owner(self, entry: _Entry) -> tuple[int, int]:
        if not self._by_name:
            return entry.uid, entry.gid
        uid, gid = _uid(entry.user), _gid(entry.group)
        return entry.uid if uid is None else uid, entry.gid if gid is None else gid

    def _write(self, root: int, entry: _Entry, payload: _Payload) -> None:
        parent = entry.names[:-1]
        folder, _whole = _folder(root, parent, made=self._touched)
        try:
            self._touched.add(parent)
            if parent not in self._swept:
                self._swept.add(parent)
                _sweep(folder)
            if entry.kind == "dir":
                # what exists gets its attributes at the end, and must be a folder by then
                with contextlib.suppress(FileExistsError):
                    os.mkdir(entry.names[-1], 0o700, dir_fd=folder)
            else:
                self._replace(root, folder, entry, payload)
        finally:
            os.close(folder)
        self.written.append(entry.path)

    def _replace(self, root: int, folder: int, entry: _Entry, payload: _Payload) -> None:
        name = entry.names[-1]
        st = _lstat(folder, name)
        if st is not None:
            self._refuse_kind(entry, st)
        temporary = b".holdfast-" + os.urandom(8).hex().encode("ascii")
        try:
            if entry.kind == "file":
                self._make_file(folder, temporary, entry, payload, sync=True)
            elif entry.kind == "symlink":
                self._make_symlink(folder, temporary, entry)
            else:
                target = tuple(_bytes(segment) for segment in entry.target.split("/")[1:])
                source, _whole = _folder(root, target[:-1])
                try:
                    os.link(target[-1], temporary, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
                finally:
                    os.close(source)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            # also where the rename did nothing, since both names were links to one inode already: rename(2)
            _remove(folder, temporary)

    def _make_file(self, folder: int, name: bytes, entry: _Entry, payload: _Payload, *, sync: bool) -> None:
        with _closing(os.open(name, _NEW_FLAGS, 0o600, dir_fd=folder)) as fd:
            _write_content(fd, payload.blocks(entry), entry.size)
            self._dress(fd, entry)
            if sync:
                os.fsync(fd)
            elif hasattr(os, "posix_fadvise"):
                # its way to the disk begins, so that waiting for all of them later takes a third of the time
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def _make_symlink(self, folder: int, name: bytes, entry: _Entry) -> None:
        os.symlink(_bytes(entry.target), name, dir_fd=folder)
        if self._owners:
            os.chown(name, *self._owner(entry), dir_fd=folder, follow_symlinks=False)
        self._set_xattrs(_link_path(folder, name), entry, follow=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)

    def _dress(self, fd: int, entry: _Entry) -> None:
        """Set owner, attributes, mode, time of an open file or folder.

        In this order: chown drops setuid bits and capabilities, and without privilege attributes can be set only
        while the owner may write.
        """
        if self._owners:
            os.fchown(fd, *self._owner(entry))
        self._set_xattrs(fd, entry)
        os.fchmod(fd, entry.mode)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def _set_xattrs(self, where: int | bytes, entry: _Entry, *, follow: bool = True) -> None:
        present = _xattrs(where, entry, follow=follow)
        for name in sorted({**present, **entry.xattrs}):
            wanted = entry.xattrs.get(name)
            if wanted == present.get(name):
                continue
            try:
                if not hasattr(os, "setxattr"):
                    raise OSError(errno.ENOTSUP, "no extended attributes on this system")
                if wanted is None:
                    os.removexattr(where, os.fsdecode(_bytes(name)), follow_symlinks=follow)
                else:
                    os.setxattr(where, os.fsdecode(_bytes(name)), wanted, follow_symlinks=follow)
            except OSError as e:
                self.warnings.append([entry.path, f"{name}: {errno.errorcode.get(e.errno or 0, 'an error')}"])

    def _close(self, root: int, names: tuple[bytes, ...], entry: _Entry | None) -> None:
        folder, _whole = _folder(root, names)
        try:
            if entry is not None:
                self._dress(folder, entry)
            os.fsync(folder)
        finally:
            os.close(folder)


def _at(point: str) -> None:
    """A point of a restore in place at which a test may kill this process; it does nothing."""


class _Kept:
    """A folder in which something is to change and that is there already: which one it is, and how it was."""

    def __init__(self, names: tuple[bytes, ...], fd: int, index: int) -> None:
        st = os.fstat(fd)
        self.names = names
        self.path = _path(names)
        self.index = index
        self.inode = st.st_dev, st.st_ino
        self.mtime_ns = st.st_mtime_ns
        self.mtime_after = st.st_mtime_ns
        self.names_digest = _names_digest(fd)
        self.staged = False
        self.attributes: _Step | None = None
        self.read_only = bool(os.fstatvfs(fd).f_flag & os.ST_RDONLY)
        self.immutable = _is_immutable(fd)
        self.real = _real(fd)

    def refuse(self, path: str) -> None:
        """Raise _RefusedError where nothing can change in this folder."""
        if self.read_only:
            raise _RefusedError("read_only", f"{path} is on a file system that is read-only", [path])
        if self.immutable:
            raise _RefusedError("immutable", f"{self.path} is immutable or append-only (chattr)", [path])

    def told(self) -> dict[str, t.Any]:
        """This folder as a journal has it."""
        return {
            "at": self.path,
            "dev": self.inode[0],
            "ino": self.inode[1],
            "mtime_ns": self.mtime_ns,
            "names": self.names_digest,
            "staged": self.staged,
        }


class _Step:
    """One path that is to change.

    ``how``: ``new`` (renamed to where nothing is), ``over`` (renamed over what is there), ``move`` (what is there is
    renamed away first), ``inner`` (it comes with a new folder above it), ``write`` (in place, a mount point), ``gone``
    (renamed away), ``attrs`` (a folder that stays).
    """

    def __init__(
        self, path: str, how: str, home: _Kept, at: tuple[bytes, ...], st: os.stat_result | None, entry: _Entry | None
    ) -> None:
        self.path = path
        self.how = how
        self.home = home
        self.at = at
        self.st = st
        self.entry = entry
        self.part: int | None = entry.part if entry is not None else None
        self.staged: tuple[bytes, ...] = ()
        self.saved: bytes | None = None
        self.tree: list[bytes] | None = None
        self.was: dict[str, t.Any] | None = None
        self.now: dict[str, t.Any] | None = None

    @property
    def is_folder(self) -> bool:
        """Whether a new folder comes to this path."""
        return self.how in ("new", "move", "inner") and (self.entry is None or self.entry.kind == "dir")

    def told(self) -> dict[str, t.Any]:
        """This step as a journal has it."""
        return {
            "path": self.path,
            "how": self.how,
            "folder": self.home.index,
            "at": [_text(name) for name in self.at],
            "saved": None if self.saved is None else _text(self.saved),
            "was": self.was,
            "now": self.now,
        }


class _Change(_Apply):
    """A restore in place at work: :meth:`judge` touches nothing, then :meth:`stage`, and :meth:`swap`."""

    def __init__(self, asked: _Asked, root: int) -> None:
        super().__init__(asked.entries, asked.owners, asked.by_name)
        self.removed: list[str] = []
        self.not_atomic: list[list[str]] = []
        self.left: list[list[str]] = []
        self.steps: list[_Step] = []
        self.kept: list[_Kept] = []
        self._asked = asked
        self._root = root
        self._stage_name = b".holdfast-" + asked.restore.encode("ascii")
        self._by_names: dict[tuple[bytes, ...], _Kept | None] = {}
        self._new: dict[tuple[bytes, ...], _Step] = {}
        self._of_entry: dict[str, _Step] = {}
        self._room: dict[int, _Room] = {}
        self._problems: dict[str, list[_RefusedError]] = {}
        self._mounts = _mounts()
        self._renames = 0
        self._near: tuple[tuple[bytes, ...], int] | None = None
        self._stays_near = False

    @property
    def parts(self) -> list[int]:
        """The parts of which something changes."""
        return sorted({step.part for step in self.steps if step.part is not None})

    def judge(self, starts: t.Mapping[str, tuple[int, int]]) -> None:
        """Find out all that is to change; raises _RefusedError for what must not or cannot be."""
        inodes: dict[str, tuple[int, int] | None] = {}
        for entry in sorted(self._entries, key=lambda entry: (entry.kind == "hardlink", len(entry.names))):
            inodes[entry.path] = None
            with self._judging(entry.path):
                inodes[entry.path] = self._judge(entry, inodes, starts)
        self._judge_removals()
        for kind in ("outside", "in_the_way", "mount", "immutable", "read_only"):
            refused = self._problems.get(kind)
            if refused:
                items = list(dict.fromkeys(item for e in refused for item in e.items))
                raise _RefusedError(kind, f"{refused[0]}, nothing was touched", items)
        self._judge_names()
        self._judge_room()
        written = {step.path for step in self.steps if step.how != "gone"}
        self.written = [entry.path for entry in self._entries if entry.path in written]

    @contextlib.contextmanager
    def _judging(self, path: str) -> t.Iterator[None]:
        try:
            yield
        except _RefusedError as e:
            self._problems.setdefault(e.kind, []).append(e)
        except OSError as e:
            raise _RefusedError("os", f"{_code(e)} on {path}, nothing was touched", [path]) from e

    def _judge(
        self,
        entry: _Entry,
        inodes: t.Mapping[str, tuple[int, int] | None],
        starts: t.Mapping[str, tuple[int, int]],
    ) -> tuple[int, int] | None:
        """The inode of a path that is as its entry says; else None, and there is a step for it."""
        parent, name = entry.names[:-1], entry.names[-1]
        st = None
        if not any(entry.names[:depth] in self._new for depth in range(1, len(entry.names))):
            folder, whole = _folder(self._root, parent)
            try:
                st = _lstat(folder, name) if whole else None
                if st is not None and self._same(folder, entry, st, inodes):
                    return st.st_dev, st.st_ino
            finally:
                os.close(folder)
        step = self._step_for(entry, st)
        if entry.kind == "dir" and step.how != "attrs":
            self._new[entry.names] = step
        self.steps.append(step)
        self._of_entry[entry.path] = step
        room = self._room_of(step.home)
        room.names += 1
        if entry.kind == "file":
            room.take(entry.path, starts[entry.path][1] if entry.path in starts else entry.size)
        return None

    def _step_for(self, entry: _Entry, st: os.stat_result | None) -> _Step:
        number = len(self.steps)
        if entry.kind == "dir" and st is not None and stat.S_ISDIR(st.st_mode):
            kept = self._kept_at(entry.names)
            if kept is None:
                raise _changed_meanwhile(entry.path)
            kept.refuse(entry.path)
            kept.mtime_after = entry.mtime_ns
            step = _Step(entry.path, "attrs", self._stage_in(kept), (), st, entry)
            # the attributes are tried on a folder in the stage, which tells what becomes of them
            step.staged = (b"d%d" % number,)
            kept.attributes = step
            return step
        # before the folders above it that are missing: they are steps of their own, with smaller numbers
        home, above = self._home(entry.names[:-1], entry.path)
        number = len(self.steps)
        at = entry.names[len(home.names) :]
        step = _Step(entry.path, self._how(entry, st, home, above), home, at, st, entry)
        step.staged = (*above, entry.names[-1]) if above else (b"n%d" % number,)
        if step.how in ("over", "move", "write"):
            step.saved = b"o%d" % number
            self._room_of(home).names += step.how != "move"
        if step.how == "move" and st is not None and stat.S_ISDIR(st.st_mode):
            step.tree = self._tree_of(home, entry.names[-1], entry.path)
            self._refuse_what_stays(entry, step.tree)
        return step

    def _refuse_what_stays(self, entry: _Entry, tree: t.Sequence[bytes]) -> None:
        """Refuse to let a folder make way with something in it that nobody said may go."""
        inside = [(*entry.names, *name.split(b"/")) for name in tree]
        stays = [_path(names) for names in inside if names not in self._asked.remove]
        if stays:
            text = f"{entry.path} is a folder, and must make way, but holds what is to stay"
            raise _RefusedError("in_the_way", text, stays)

    def _how(self, entry: _Entry, st: os.stat_result | None, home: _Kept, above: tuple[bytes, ...]) -> str:
        if above:
            return "inner"
        home.refuse(entry.path)
        if st is None:
            return "new"
        folder = self._pinned(home)
        try:
            if stat.S_ISREG(st.st_mode) and _is_immutable_at(folder, entry.names[-1]):
                raise _RefusedError("immutable", f"{entry.path} is immutable or append-only (chattr)", [entry.path])
            if home.real is not None and _join(home.real, entry.names[-1]) in self._mounts:
                return self._written_in_place(home, folder, entry, st)
        finally:
            os.close(folder)
        if (entry.kind == "dir") == stat.S_ISDIR(st.st_mode):
            return "over"
        if not self._asked.replace_kinds:
            self._refuse_kind(entry, st)
        self.not_atomic.append([entry.path, "it becomes something of another kind: for a moment nothing is there"])
        return "move"

    def _written_in_place(self, home: _Kept, folder: int, entry: _Entry, st: os.stat_result) -> str:
        if entry.kind != "file" or not stat.S_ISREG(st.st_mode):
            raise _RefusedError("mount", f"{entry.path} is a mount point and must become something else", [entry.path])
        fd = os.open(entry.names[-1], _FILE_FLAGS, dir_fd=folder)
        try:
            if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
                raise _RefusedError("read_only", f"{entry.path} is mounted read-only", [entry.path])
        finally:
            os.close(fd)
        self.not_atomic.append([entry.path, "it is a mount point and is written in place"])
        self._room_of(home).take(entry.path, st.st_size)
        return "write"

    def _home(self, names: tuple[bytes, ...], path: str) -> tuple[_Kept, tuple[bytes, ...]]:
        """Where what goes into a folder is staged: the folder that is there, and the place below its stage."""
        step = self._new.get(names)
        if step is not None:
            return step.home, step.staged
        kept = self._kept_at(names)
        if kept is not None:
            return self._stage_in(kept), ()
        home, above = self._home(names[:-1], path)
        if not above:
            home.refuse(path)
        step = _Step(_path(names), "inner" if above else "new", home, names[len(home.names) :], None, None)
        step.staged = (*above, names[-1]) if above else (b"n%d" % len(self.steps),)
        self.steps.append(step)
        self._new[names] = step
        self._room_of(home).names += 1
        self.warnings.append([step.path, "it was missing and no entry describes it: made with mode 0755"])
        return home, step.staged

    def _stage_in(self, kept: _Kept) -> _Kept:
        if not kept.staged:
            kept.staged = True
            self._room_of(kept).names += 1
        return kept

    def _kept_at(self, names: tuple[bytes, ...]) -> _Kept | None:
        if names not in self._by_names:
            fd, whole = _folder(self._root, names)
            try:
                kept = _Kept(names, fd, len(self.kept)) if whole else None
            finally:
                os.close(fd)
            self._by_names[names] = kept
            if kept is not None:
                self.kept.append(kept)
        return self._by_names[names]

    def _room_of(self, kept: _Kept) -> _Room:
        room = self._room.get(kept.inode[0])
        if room is None:
            fd = self._pinned(kept)
            try:
                room = self._room[kept.inode[0]] = _Room(os.fstatvfs(fd))
            finally:
                os.close(fd)
        return room

    def _judge_room(self) -> None:
        for room in self._room.values():
            _size, path = room.biggest
            if room.need > room.free:
                text = f"{room.need} bytes are needed and {room.free} are free where {path} goes, nothing was touched"
                raise _RefusedError("no_space", text, [path])
            if room.free_names is not None and room.names > room.free_names:
                text = f"{room.names} inodes are needed and {room.free_names} are free, nothing was touched"
                raise _RefusedError("no_space", text, [path] if path else [])

    def _judge_names(self) -> None:
        """Name the files that have names beside those that change."""
        names: dict[tuple[int, int], list[_Step]] = {}
        for step in self.steps:
            if step.how == "over" and step.st is not None and stat.S_ISREG(step.st.st_mode):
                names.setdefault((step.st.st_dev, step.st.st_ino), []).append(step)
        for steps in names.values():
            for step in steps:
                if step.st is not None and step.st.st_nlink > len(steps):
                    self.not_atomic.append([step.path, "other names of it keep the old content"])

    def _judge_removals(self) -> None:
        there: dict[tuple[bytes, ...], os.stat_result] = {}
        for names, (path, _part) in self._asked.remove.items():
            if any(names[:depth] in self._new for depth in range(1, len(names))) or self._is_covered(names):
                self.removed.append(path)
                continue
            with self._judging(path):
                try:
                    folder, whole = _folder(self._root, names[:-1])
                except _RefusedError:
                    continue  # where no folder is there is nothing in it
                with _closing(folder):
                    st = _lstat(folder, names[-1]) if whole else None
                if st is not None:
                    there[names] = st
        whole_ones = self._whole(there)
        for names, st in sorted(there.items(), key=lambda item: len(item[0])):
            path, part = self._asked.remove[names]
            if stat.S_ISDIR(st.st_mode) and names not in whole_ones:
                self.left.append([path, "it holds what is not to be removed"])
                continue
            self.removed.append(path)
            if names[:-1] not in whole_ones:
                with self._judging(path):
                    self._remove_step(names, st, path, part)

    def _is_covered(self, names: tuple[bytes, ...]) -> bool:
        """Whether a path is in a folder that makes way for something else as a whole."""
        above = {_path(names[:depth]) for depth in range(1, len(names))}
        return any(step.how == "move" and step.tree is not None and step.path in above for step in self.steps)

    def _whole(self, there: t.Mapping[tuple[bytes, ...], os.stat_result]) -> set[tuple[bytes, ...]]:
        """The folders in which there is nothing that stays."""
        found: set[tuple[bytes, ...]] = set()
        below: dict[tuple[bytes, ...], set[bytes]] = {}
        for names in there:
            below.setdefault(names[:-1], set()).add(names[-1])
        for names in sorted(there, key=len, reverse=True):
            if not stat.S_ISDIR(there[names].st_mode) or (self._asked.arm and names in _unit_folders()):
                continue
            with self._judging(_path(names)):
                fd, whole = _folder(self._root, names)
                try:
                    inside = {os.fsencode(name) for name in os.listdir(fd)} if whole else {b""}
                finally:
                    os.close(fd)
                folders = {name for name in inside if stat.S_ISDIR(there.get((*names, name), _NO_STAT).st_mode)}
                if inside <= below.get(names, set()) and all((*names, name) in found for name in folders):
                    found.add(names)
        return found

    def _remove_step(self, names: tuple[bytes, ...], st: os.stat_result, path: str, part: int | None) -> None:
        home = self._kept_at(names[:-1])
        if home is None:
            raise _changed_meanwhile(path)
        home.refuse(path)
        self._stage_in(home)
        if home.real is not None and _join(home.real, names[-1]) in self._mounts:
            raise _RefusedError("mount", f"{path} is a mount point and must be removed", [path])
        step = _Step(path, "gone", home, (names[-1],), st, None)
        step.part = part
        step.saved = b"r%d" % len(self.steps)
        if stat.S_ISDIR(st.st_mode):
            step.tree = self._tree_of(home, names[-1], path)
        else:
            folder = self._pinned(home)
            try:
                if stat.S_ISREG(st.st_mode) and _is_immutable_at(folder, names[-1]):
                    raise _RefusedError("immutable", f"{path} is immutable or append-only (chattr)", [path])
            finally:
                os.close(folder)
        self.steps.append(step)

    def _tree_of(self, home: _Kept, name: bytes, path: str) -> list[bytes]:
        """All that is in a folder that makes way; raises _RefusedError where it could not be removed later."""
        if home.real is not None:
            real = _join(home.real, name)
            for mount in self._mounts:
                if mount == real or mount.startswith(real + b"/"):
                    raise _RefusedError("mount", f"something is mounted in {path}, which must make way", [path])
        folder = self._pinned(home)
        try:
            return sorted(_below_folder(folder, name, path))
        finally:
            os.close(folder)

    def stage(self, payload: _Payload, starts: t.Mapping[str, tuple[int, int]]) -> None:
        """Make all that is new, complete and on disk, beside where it goes; give what is old a second name there."""
        for kept in self.kept:
            if kept.staged:
                with _on(kept.path):
                    self._make_stage(kept)
        with self._nearby():
            for step in self.steps:
                with _on(step.path):
                    self._new_one(step, payload, starts)
            for step in reversed(self.steps):
                if step.is_folder:
                    with _on(step.path):
                        self._dress_new(step)
            for step in self.steps:
                with _on(step.path):
                    self._settle_staged(step)
        _at("staged")
        with self._nearby():
            for step in self.steps:
                with _on(step.path):
                    self._save(step)
        self._sync_stages()
        _at("saved")

    def _make_stage(self, kept: _Kept) -> None:
        folder = self._pinned(kept)
        try:
            try:
                os.mkdir(self._stage_name, 0o700, dir_fd=folder)
            except FileExistsError:
                # of an attempt whose journal somebody removed
                _remove_tree(folder, self._stage_name)
                os.mkdir(self._stage_name, 0o700, dir_fd=folder)
        finally:
            os.close(folder)

    def _new_one(self, step: _Step, payload: _Payload, starts: t.Mapping[str, tuple[int, int]]) -> None:
        if not step.staged:
            return
        with self._in_stage(step) as folder:
            name, entry = step.staged[-1], step.entry
            if entry is None or entry.kind == "dir":
                os.mkdir(name, 0o700, dir_fd=folder)
            elif entry.kind == "file":
                payload.at(starts[entry.path][0])
                self._make_file(folder, name, entry, payload, sync=False)
            elif entry.kind == "symlink":
                self._make_symlink(folder, name, entry)
            else:
                self._make_link(folder, name, entry)

    def _make_link(self, folder: int, name: bytes, entry: _Entry) -> None:
        first = self._of_entry.get(entry.target)
        if first is None:
            target = self._asked.names[entry.target]
            source, _whole = _folder(self._root, target[:-1])
            with _closing(source):
                os.link(target[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            return
        with self._in_stage(first) as source:
            os.link(first.staged[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)

    def _dress_new(self, step: _Step) -> None:
        with self._in_stage(step) as folder:
            fd = os.open(step.staged[-1], _FOLDER_FLAGS, dir_fd=folder)
            with _closing(fd):
                self._dress_folder(fd, step)
                if os.geteuid() != 0 and step.how != "inner":
                    # to be renamed to another folder it must be writable by its owner
                    os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | 0o300)

    def _dress_folder(self, fd: int, step: _Step) -> None:
        if step.entry is None:
            os.fchmod(fd, 0o755)
        else:
            self._dress(fd, step.entry)

    def _settle_staged(self, step: _Step) -> None:
        """See that what is staged is on disk, and note what it is."""
        if not step.staged:
            return
        with self._in_stage(step) as folder:
            name = step.staged[-1]
            st = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if step.how == "attrs" and step.entry is not None:
                fd = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
                with _closing(fd):
                    self._dress(fd, step.entry)
                    step.now = _attributes(fd, step.entry)
                return
            step.now = _what(st)
            if stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode):
                _sync(folder, name)

    def _save(self, step: _Step) -> None:
        if step.how == "attrs" and step.entry is not None:
            with _closing(self._pinned(step.home)) as fd:
                step.was = _attributes(fd, step.entry)
            return
        if step.st is None:
            return
        step.was = _what(step.st)
        if step.saved is None or step.how in ("move", "gone"):
            return
        folder = self._pinned(step.home)
        with _closing(folder), _closing(self._stage_of(folder)) as stage:
            if step.how == "write":
                self._copy(folder, stage, step)
                return
            try:
                os.link(step.at[-1], step.saved, src_dir_fd=folder, dst_dir_fd=stage, follow_symlinks=False)
            except OSError as e:
                if e.errno not in _NO_LINKS:
                    raise
                step.how = "move"
                why = f"its old one takes no second name ({_code(e)}): for a moment nothing is there"
                self.not_atomic.append([step.path, why])
                return
            saved = _what(os.stat(step.saved, dir_fd=stage, follow_symlinks=False))
            live = _lstat(folder, step.at[-1])
            if live is None or (live.st_dev, live.st_ino) != (saved["dev"], saved["ino"]):
                raise _changed_meanwhile(step.path)
            # an overlay may give a file another number when it gets its second name
            if {**saved, "ino": 0, "dev": 0} != {**step.was, "ino": 0, "dev": 0}:
                raise _changed_meanwhile(step.path)
            step.was = saved

    def _copy(self, folder: int, stage: int, step: _Step) -> None:
        """Keep a copy of what is in a file that is written in place, and what it is itself."""
        if step.saved is None or step.entry is None:
            return
        with _closing(os.open(step.at[-1], _FILE_FLAGS, dir_fd=folder)) as source:
            with _closing(os.open(step.saved, _NEW_FLAGS, 0o600, dir_fd=stage)) as copy:
                digest = _pour(source, copy)
                os.fsync(copy)
            step.was = {**_what(os.fstat(source)), **_attributes(source, step.entry), "sha256": digest}
        with _closing(os.open(step.staged[-1], _FILE_FLAGS, dir_fd=stage)) as fd:
            step.now = {**(step.now or {}), **_attributes(fd, step.entry), "sha256": step.entry.sha256}

    def _sync_stages(self) -> None:
        for kept in self.kept:
            if kept.staged:
                with _closing(self._pinned(kept)) as folder:
                    _sync(folder, self._stage_name)
                    os.fsync(folder)

    def swap(self) -> None:
        """Put everything in its place; raises _RefusedError or OSError where that breaks off."""
        for step in self.steps:
            if step.how in ("new", "over", "move", "write"):
                self._put(step)
        for step in self.steps:
            if step.how == "gone":
                self._put(step)
        for step in sorted(self.steps, key=lambda step: len(step.home.names) + len(step.at), reverse=True):
            if step.is_folder and step.how != "inner":
                self._dress_top(step)
        for kept in sorted(self.kept, key=lambda kept: len(kept.names), reverse=True):
            self._finish(kept)
        _at("swapped")
        for step in self.steps:
            if step.how in ("new", "over", "move"):
                self._verify(step)

    def _put(self, step: _Step) -> None:
        with _on(step.path):
            self._put_it(step)

    def _put_it(self, step: _Step) -> None:
        folder = self._pinned(step.home)
        with _closing(folder), _closing(self._stage_of(folder)) as stage:
            live = _lstat(folder, step.at[-1])
            inode = None if live is None else (live.st_dev, live.st_ino)
            known = None if step.was is None else (step.was["dev"], step.was["ino"])
            if inode != known:
                raise _changed_meanwhile(step.path)
            if step.how == "write":
                self._write_in_place(folder, stage, step)
                return
            if step.how in ("move", "gone") and step.saved is not None:
                self._rename(step.at[-1], step.saved, folder, stage)
                if step.tree is not None and step.tree != sorted(_below_folder(stage, step.saved, step.path)):
                    raise _changed_meanwhile(step.path)
            if step.how != "gone":
                self._rename(step.staged[-1], step.at[-1], stage, folder)

    def _rename(self, name: bytes, to: bytes, source: int, target: int) -> None:
        self._renames += 1
        _at(f"before:{self._renames}")
        os.rename(name, to, src_dir_fd=source, dst_dir_fd=target)
        _at(f"after:{self._renames}")

    def _write_in_place(self, folder: int, stage: int, step: _Step) -> None:
        self._renames += 1
        _at(f"before:{self._renames}")
        with _closing(os.open(step.staged[-1], _FILE_FLAGS, dir_fd=stage)) as source:
            _overwrite(folder, step.at[-1], source, stage, step.saved or b"", step.was or {}, step.now or {})
        _at(f"after:{self._renames}")

    def _dress_top(self, step: _Step) -> None:
        """Once more: a rename may change a folder's time, and it may have had to be writable."""
        with _closing(self._pinned(step.home)) as folder:
            fd = os.open(step.at[-1], _FOLDER_FLAGS, dir_fd=folder)
        with _closing(fd):
            if step.now is not None and os.fstat(fd).st_ino != step.now["ino"]:
                raise _changed_meanwhile(step.path)
            self._dress_folder(fd, step)
            os.fsync(fd)

    def _finish(self, kept: _Kept) -> None:
        with _closing(self._pinned(kept)) as fd:
            if kept.attributes is not None and kept.attributes.entry is not None:
                self._dress(fd, kept.attributes.entry)
            else:
                _set_mtime(fd, kept.mtime_after)
            os.fsync(fd)

    def _verify(self, step: _Step) -> None:
        with _closing(self._pinned(step.home)) as folder:
            live = _lstat(folder, step.at[-1])
        if live is None or step.now is None or live.st_ino != step.now["ino"]:
            raise _changed_meanwhile(step.path)

    def staged_files(self, part: int) -> t.Iterator[tuple[str, str]]:
        """The path of each changed file of a part, and where it is staged."""
        for step in self.steps:
            if step.part == part and step.entry is not None and step.entry.kind in ("file", "hardlink"):
                real = step.home.real if step.home.real is not None else _bytes(self._asked.root + step.home.path)
                yield step.path, os.fsdecode(b"/".join([real.rstrip(b"/"), self._stage_name, *step.staged]))

    def _pinned(self, kept: _Kept) -> int:
        """Open a folder that is to change, which must be the one that was judged."""
        if self._near is not None and self._near[0] == kept.names:
            return os.dup(self._near[1])
        fd = _pinned(self._root, kept.names, kept.inode)
        if self._stays_near:
            self._leave()
            self._near = kept.names, os.dup(fd)
        return fd

    def _leave(self) -> None:
        if self._near is not None:
            os.close(self._near[1])
            self._near = None

    @contextlib.contextmanager
    def _nearby(self) -> t.Iterator[None]:
        """Keep the folder of the last step open for the next one, while work goes on in stage folders alone.

        To walk down to it for each of its files is most of what staging costs. What changes paths walks each time.
        """
        self._stays_near = True
        try:
            yield
        finally:
            self._stays_near = False
            self._leave()

    def _stage_of(self, folder: int) -> int:
        return os.open(self._stage_name, _FOLDER_FLAGS, dir_fd=folder)

    @contextlib.contextmanager
    def _in_stage(self, step: _Step) -> t.Iterator[int]:
        """The open folder in which a step's new one is staged."""
        with _closing(self._pinned(step.home)) as home:
            fd, _whole = _folder(home, (self._stage_name, *step.staged[:-1]))
        with _closing(fd):
            yield fd


def answer(request: t.Mapping[str, t.Any], payload: t.Any = b"") -> dict[str, t.Any]:
    """Answer one request; never raises, errors are in the answer.

    :param payload: bytes, or a binary stream: one that cannot seek is read into memory, up to what the entries promise.
    """
    if isinstance(request, dict) and "op" in request:
        return _answer_in_place(request, payload)
    work = None
    try:
        try:
            root, check = _checked(request["root"], str), bool(request.get("check", False))
            owners, by_name = bool(request.get("owners", True)), request.get("owner_by", "id") == "name"
            given = list(request["entries"])
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise _RefusedError("request", "the request is not usable") from e
        entries = _read_entries(given)
        work = _Apply(entries, owners, by_name)
        return _answer(work, entries, root, payload, check)
    except _RefusedError as e:
        refused = e
    except Exception as e:  # noqa: BLE001  # a traceback could show content; where it happened is enough
        refused = _internal(e)
    return {"error": refused.error(work.written if work else (), work.warnings if work else ())}


def _answer(work: _Apply, entries: list[_Entry], root: str, payload: t.Any, check: bool) -> dict[str, t.Any]:
    root_fd = _open_root(root)
    base = root_fd if root_fd is not None else _open_nearest(root)
    try:
        files = [entry for entry in entries if entry.kind == "file"]
        contents = _Payload(payload, sum(entry.size for entry in files))
        starts = {} if check and not contents.size else contents.verify(files)
        if check:
            written = work.plan(root_fd, base, starts)
        else:
            if root_fd is not None:
                _lock(root_fd, root)
            work.plan(root_fd, base, starts)
            if root_fd is None:
                root_fd = _make_root(root)
                _lock(root_fd, root)
            work.execute(root_fd, contents, starts)
            written = work.written
    finally:
        os.close(base)
        if root_fd not in (None, base):
            os.close(root_fd)
    return {"written": written, "warnings": work.warnings, "euid": os.geteuid()}


def _read_entries(given: t.Sequence[t.Any]) -> list[_Entry]:
    """Check all entries; raises _RefusedError of type hostile for the first that must not be written."""
    entries: dict[str, _Entry] = {}
    for position, fields in enumerate(given):
        try:
            entry = _Entry(fields)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            path = fields.get("path") if isinstance(fields, dict) else None
            named = path if isinstance(path, str) else f"number {position}"
            why = str(e) if e.__class__ is ValueError else "is malformed"
            raise _RefusedError("hostile", f"entry {named} {why}", [named]) from e
        problem = _against(entry, entries)
        if problem:
            raise _RefusedError("hostile", f"entry {entry.path} {problem}", [entry.path])
        if entry.kind == "hardlink":
            entries[entry.target].links += 1
        entries[entry.path] = entry
    for entry in entries.values():
        # once more, for folders that come after what is in them
        problem = _below(entry, entries)
        if problem:
            raise _RefusedError("hostile", f"entry {entry.path} {problem}", [entry.path])
    return list(entries.values())


def _against(entry: _Entry, earlier: t.Mapping[str, _Entry]) -> str:
    if entry.path in earlier:
        return "is there twice"
    if entry.kind == "hardlink" and (entry.target not in earlier or earlier[entry.target].kind != "file"):
        return "is a hard link to no earlier file"
    return ""


def _below(entry: _Entry, entries: t.Mapping[str, _Entry]) -> str:
    parent = entry.path.rpartition("/")[0]
    while parent:
        if parent in entries and entries[parent].kind != "dir":
            return f"is below {parent}, which is no folder"
        parent = parent.rpartition("/")[0]
    return ""


def _open_root(root: str) -> int | None:
    """Open the root; None where it does not exist. Its own parents are the caller's choice and may be symlinks."""
    if not root.startswith("/") or "\0" in root:
        raise _RefusedError("root", "the root is not an absolute path", [root])
    try:
        fd = os.open(_root_path(root), _FOLDER_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise _no_root(root, e) from e
    if os.path.samestat(os.fstat(fd), os.stat("/")):
        os.close(fd)
        raise _RefusedError("root", "writing in place, with root /, is not offered yet", [root])
    return fd


def _make_root(root: str) -> int:
    path = _root_path(root)
    try:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.mkdir(path, 0o700)
        parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
        return os.open(path, _FOLDER_FLAGS)
    except OSError as e:
        raise _no_root(root, e) from e


def _open_nearest(root: str) -> int:
    """Open the nearest folder above a missing root that exists."""
    path = os.path.dirname(_root_path(root))
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _root_path(root: str) -> bytes:
    return os.path.normpath(_bytes(root))


def _no_root(root: str, e: OSError) -> _RefusedError:
    code = errno.errorcode.get(e.errno or 0, "an error")
    return _RefusedError("root", f"{root} is not a folder to write in ({code})", [root])


def _lock(root: int, name: str) -> None:
    """Keep other applies out of this root while its descriptor is open."""
    try:
        fcntl.flock(root, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        raise _RefusedError("busy", f"another apply is writing in {name}", [name]) from e
    except OSError:
        return  # a file system without locks


def _folder(root: int, names: tuple[bytes, ...], *, made: set[tuple[bytes, ...]] | None = None) -> tuple[int, bool]:
    """Open the folder *names* below the root, following nothing: the deepest there is, and whether it is that one.

    :param made: make what is missing, closed to others, and note here in which folders that was.
    """
    fd = os.dup(root)
    try:
        for depth, name in enumerate(names):
            try:
                below = os.open(name, _FOLDER_FLAGS, dir_fd=fd)
            except FileNotFoundError:
                if made is None:
                    return fd, False
                os.mkdir(name, 0o700, dir_fd=fd)
                below = os.open(name, _FOLDER_FLAGS, dir_fd=fd)
                made.update((names[:depth], names[: depth + 1]))
            except OSError as e:
                if e.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                path = "/" + _text(b"/".join(names[: depth + 1]))
                st = _lstat(fd, name)
                if st is not None and stat.S_ISLNK(st.st_mode):
                    raise _RefusedError("outside", f"{path} is a symlink, and entries go below it", [path]) from e
                raise _RefusedError("in_the_way", f"{path} is no folder, and entries go below it", [path]) from e
            os.close(fd)
            fd = below
    except BaseException:
        os.close(fd)
        raise
    return fd, True


def _sweep(folder: int) -> None:
    """Remove what a killed apply left in a folder; the lock on the root keeps those of others out of it."""
    for name in os.listdir(folder):
        if _TEMPORARY.fullmatch(name):
            _remove(folder, os.fsencode(name))


def _remove(folder: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except (FileNotFoundError, IsADirectoryError):
        return


def _lstat(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _link_path(folder: int, name: bytes) -> bytes:
    """A symlink's attributes have no call relative to a folder."""
    return b"/proc/self/fd/%d/%s" % (folder, name)


def _xattrs(where: int | bytes, entry: _Entry, *, follow: bool = True) -> dict[str, bytes]:
    """The attributes there are; not those of the host's own security policy, unless the entry names them."""
    found = {}
    try:
        for native in os.listxattr(where, follow_symlinks=follow) if hasattr(os, "listxattr") else ():
            name = _text(os.fsencode(native))
            if name in entry.xattrs or name == "security.capability" or not name.startswith("security."):
                found[name] = os.getxattr(where, native, follow_symlinks=follow)
    except OSError:
        return found
    return found


def _sha256(fd: int) -> str:
    digest = hashlib.sha256()
    while True:
        block = os.read(fd, _READ)
        if not block:
            return digest.hexdigest()
        digest.update(block)


def _runs(block: bytes) -> t.Iterator[tuple[int, memoryview]]:
    """What of a block is not pages of zeros, as runs of pages, each with its place in the block."""
    start = None
    for at in range(0, len(block), _PAGE):
        page = block[at : at + _PAGE]
        if page == _ZEROS[: len(page)]:
            if start is not None:
                yield start, memoryview(block)[start:at]
            start = None
        elif start is None:
            start = at
    if start is not None:
        yield start, memoryview(block)[start:]


def _write_content(fd: int, blocks: t.Iterable[bytes], size: int) -> None:
    """Write a new file, and leave pages of zeros as holes: a sparse file stays one."""
    base = 0
    for block in blocks:
        for at, run in _runs(block):
            while run:
                written = os.pwrite(fd, run, base + at)
                at, run = at + written, run[written:]
        base += len(block)
    os.ftruncate(fd, size)


@functools.lru_cache(maxsize=None)
def _uid(user: str) -> int | None:
    try:
        return pwd.getpwnam(os.fsdecode(_bytes(user))).pw_uid if user else None
    except KeyError:
        return None


@functools.lru_cache(maxsize=None)
def _gid(group: str) -> int | None:
    try:
        return grp.getgrnam(os.fsdecode(_bytes(group))).gr_gid if group else None
    except KeyError:
        return None


def _checked(value: t.Any, kind: type) -> t.Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"not a {kind.__name__}")
    return value


def _number(value: t.Any) -> int:
    if _checked(value, int) < 0:
        raise TypeError("a negative number")
    return int(value)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _internal(e: Exception) -> _RefusedError:
    trace = e.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    line = trace.tb_lineno if trace is not None else 0
    return _RefusedError("internal", f"{type(e).__name__} in line {line}")


@contextlib.contextmanager
def _closing(fd: int) -> t.Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _on(path: str) -> t.Iterator[None]:
    """Name the path at which the system failed."""
    try:
        yield
    except OSError as e:
        if e.errno in _FULL:
            raise _RefusedError("no_space", f"{_code(e)} on {path}", [path]) from e
        raise _RefusedError("os", f"{_code(e)} on {path}", [path]) from e


@contextlib.contextmanager
def _same_time(folder: str) -> t.Iterator[None]:
    """Give a folder, where there is one, its time back after something in it changed."""
    try:
        st = os.stat(folder)
    except OSError:
        yield
        return
    yield
    os.utime(folder, ns=(st.st_atime_ns, st.st_mtime_ns))


def _code(e: OSError) -> str:
    return errno.errorcode.get(e.errno or 0, "an error")


def _path(names: tuple[bytes, ...]) -> str:
    return "/" + _text(b"/".join(names))


def _names(path: str) -> tuple[bytes, ...]:
    """The segments of a path; raises ValueError for one that must not be written."""
    segments = path.split("/")
    if segments[0] or {"", ".", ".."} & set(segments[1:] or ".") or "\0" in path:
        raise ValueError("is not a plain absolute path")
    if "/.holdfast-" in path and any(_TEMPORARY.fullmatch(segment) for segment in segments):
        raise ValueError("has a name kept for working files")
    return tuple(_bytes(name) for name in segments[1:])


def _join(folder: bytes, name: bytes) -> bytes:
    return folder.rstrip(b"/") + b"/" + name


def _real(fd: int) -> bytes | None:
    """Where an open folder is, from this process's root."""
    try:
        return os.readlink(b"/proc/self/fd/%d" % fd)
    except OSError:
        return None


def _mounts() -> frozenset[bytes]:
    """Where something is mounted (proc_pid_mountinfo(5))."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return frozenset()
    found = (line.split(b" ")[4] for line in lines if line.count(b" ") > 4)
    return frozenset(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 255]), path) for path in found)


def _is_immutable(fd: int) -> bool:
    """Whether a file or folder has one of the flags of chattr(1) that keep its names from changing."""
    flags = bytearray(8)
    try:
        fcntl.ioctl(fd, _GET_FLAGS, flags)
    except OSError:
        return False
    return bool(int.from_bytes(flags[:4], sys.byteorder) & _IMMUTABLE)


def _is_immutable_at(folder: int, name: bytes) -> bool:
    try:
        fd = os.open(name, _FILE_FLAGS, dir_fd=folder)
    except OSError:
        return False
    with _closing(fd):
        return _is_immutable(fd)


def _below_folder(folder: int, name: bytes, path: str) -> t.Iterator[bytes]:
    """All paths below a folder, relative to it; raises _RefusedError where one of them or it cannot be removed."""
    with _closing(os.open(name, _FOLDER_FLAGS, dir_fd=folder)) as fd:
        if _is_immutable(fd):
            raise _RefusedError("immutable", f"{path} is immutable or append-only (chattr)", [path])
        for child in os.listdir(fd):
            raw = os.fsencode(child)
            inside = f"{path}/{_text(raw)}"
            st = os.stat(raw, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(st.st_mode):
                for below in _below_folder(fd, raw, inside):
                    yield _join(raw, below)
            if stat.S_ISREG(st.st_mode) and _is_immutable_at(fd, raw):
                raise _RefusedError("immutable", f"{inside} is immutable or append-only (chattr)", [inside])
            yield raw


def _remove_tree(folder: int, name: bytes) -> None:
    """Remove a folder with all that is in it, and nothing that is mounted there; raises OSError where that fails."""
    real = _real(folder)
    if real is not None and any((mount + b"/").startswith(_join(real, name) + b"/") for mount in _mounts()):
        raise OSError(errno.EBUSY, "something is mounted in it")
    _remove_below(folder, name)


def _remove_below(folder: int, name: bytes) -> None:
    st = _lstat(folder, name)
    if st is None:
        return
    if not stat.S_ISDIR(st.st_mode):
        os.unlink(name, dir_fd=folder)
        return
    if st.st_mode & 0o700 != 0o700 and os.geteuid() != 0:
        os.chmod(name, 0o700, dir_fd=folder)
    with _closing(os.open(name, _FOLDER_FLAGS, dir_fd=folder)) as fd:
        for child in os.listdir(fd):
            _remove_below(fd, os.fsencode(child))
    os.rmdir(name, dir_fd=folder)


def _names_digest(fd: int) -> str:
    """A digest of the names in a folder, without those that come and go with a restore."""
    names = [
        os.fsencode(name) for name in os.listdir(fd) if not name.startswith(_OWN_NAMES) and name not in _ARMED_FOLDERS
    ]
    return hashlib.sha256(b"\0".join(sorted(names))).hexdigest()


def _set_mtime(fd: int, mtime_ns: int) -> None:
    st = os.fstat(fd)
    if st.st_mtime_ns != mtime_ns:
        os.utime(fd, ns=(st.st_atime_ns, mtime_ns))


def _settle(fd: int, told: t.Mapping[str, t.Any]) -> None:
    """Give a folder the time that is told of it, unless somebody made or removed names in it since."""
    if _names_digest(fd) == told["names"]:
        _set_mtime(fd, told["mtime_ns"])


def _sync(folder: int, name: bytes) -> None:
    with _closing(os.open(name, _FILE_FLAGS, dir_fd=folder)) as fd:
        os.fsync(fd)


def _sync_folder(path: str) -> None:
    with _closing(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as fd:
        os.fsync(fd)


def _what(st: os.stat_result) -> dict[str, int]:
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


def _attributes(fd: int, entry: _Entry) -> dict[str, t.Any]:
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


def _xattr_values(fd: int, names: t.Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        with contextlib.suppress(OSError):
            found[name] = base64.b64encode(os.getxattr(fd, os.fsdecode(_bytes(name)))).decode("ascii")
    return found


def _same_attributes(fd: int, told: t.Mapping[str, t.Any]) -> bool:
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
            os.removexattr(fd, os.fsdecode(_bytes(name)))
        elif value == told["xattrs"][name]:
            continue
    for name, value in told["xattrs"].items():
        if _xattr_values(fd, [name]).get(name) != value:
            os.setxattr(fd, os.fsdecode(_bytes(name)), base64.b64decode(value))
    os.fchmod(fd, told["mode"])
    os.utime(fd, ns=(told["mtime_ns"], told["mtime_ns"]))


def _bring_attributes_back(fd: int, was: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any]) -> bool:
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
            os.removexattr(fd, os.fsdecode(_bytes(name)))
        else:
            os.setxattr(fd, os.fsdecode(_bytes(name)), base64.b64decode(back))
    # an access control list changes the bits of the group by itself
    free = 0o070 if any("posix_acl" in name for name in names) else 0
    mode = stat.S_IMODE(st.st_mode)
    if mode & ~free in (was["mode"] & ~free, now["mode"] & ~free):
        if stat.S_IMODE(os.fstat(fd).st_mode) != was["mode"]:
            os.fchmod(fd, was["mode"])
    else:
        left = True
    return left


def _pour(source: int, target: int) -> str:
    """Copy the rest of one file to another; returns the digest."""
    digest = hashlib.sha256()
    while True:
        block = os.read(source, _READ)
        if not block:
            return digest.hexdigest()
        digest.update(block)
        while block:
            block = block[os.write(target, block) :]


def _half(saved: bytes) -> bytes:
    """The name that is in a stage folder while a file is written in place, whose old bytes are *saved* there."""
    return b"h" + saved


def _overwrite(
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
        os.close(os.open(_half(saved), _NEW_FLAGS, 0o600, dir_fd=stage))
    os.fsync(stage)
    with _closing(os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)) as fd:
        os.ftruncate(fd, 0)
        _pour(source, fd)
        _set_attributes(fd, told, before)
        os.fsync(fd)
    os.unlink(_half(saved), dir_fd=stage)
    os.fsync(stage)


def _pinned(root: int, names: tuple[bytes, ...], inode: tuple[int, int]) -> int:
    """Open a folder again; raises _RefusedError where it is not the one it was."""
    path = _path(names)
    try:
        fd, whole = _folder(root, names)
    except _RefusedError as e:
        raise _RefusedError("outside", f"{path} is no longer the folder it was", [path]) from e
    st = os.fstat(fd)
    if not whole or (st.st_dev, st.st_ino) != inode:
        os.close(fd)
        raise _RefusedError("outside", f"{path} is no longer the folder it was", [path])
    return fd


def _pinned_by(root: int, told: t.Mapping[str, t.Any], *, dev: bool) -> int:
    """Open a folder that a journal tells of; *dev*: it is of this boot, and so its device has the same number."""
    path = str(told["at"])
    names = _names(path) if path != "/" else ()
    fd, whole = _folder(root, names)
    st = os.fstat(fd)
    if not whole or st.st_ino != told["ino"] or (dev and st.st_dev != told["dev"]):
        os.close(fd)
        raise _RefusedError("outside", f"{path} is no longer the folder it was", [path])
    return fd


def _resolved(root: int, names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Where folders are, through symlinks as the host resolves them, within the root; what is missing stays."""
    todo = list(reversed(names))
    done: list[bytes] = []
    links = 0
    fd = os.dup(root)
    try:
        while todo:
            segment = todo.pop()
            if segment in (b"", b"."):
                continue
            if segment == b"..":
                todo += reversed(done[:-1])
                done = []
                fd = _instead(fd, os.dup(root))
                continue
            st = _lstat(fd, segment)
            if st is None:
                break_at = [segment, *reversed(todo)]
                if b".." in break_at:
                    raise _RefusedError("outside", f"{_path(names)} leads nowhere", [_path(names)])
                return (*done, *(name for name in break_at if name not in (b"", b".")))
            if not stat.S_ISLNK(st.st_mode):
                if not stat.S_ISDIR(st.st_mode):
                    return (*done, segment, *reversed(todo))
                fd = _instead(fd, os.open(segment, _FOLDER_FLAGS, dir_fd=fd))
                done.append(segment)
                continue
            target = os.readlink(segment, dir_fd=fd)
            links += 1
            if links > _MAX_LINKS:
                raise _RefusedError("outside", f"{_path(names)} is a loop of symlinks", [_path(names)])
            todo += target.split(b"/")[::-1]
            if target.startswith(b"/"):
                done = []
                fd = _instead(fd, os.dup(root))
    finally:
        os.close(fd)
    return tuple(done)


def _instead(fd: int, other: int) -> int:
    os.close(fd)
    return other


def _unit_folders() -> set[tuple[bytes, ...]]:
    """The folders that hold the unit of a restore while it is open."""
    above = tuple(_UNITS.encode("ascii").split(b"/"))
    return {above, *((*above, name.encode("ascii")) for name in _WANTED_BY)}


@functools.lru_cache(maxsize=None)
def _boot() -> str:
    """What names this boot of the host."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return _text(file.read().strip())
    except OSError:
        return ""


def _default_journal() -> str:
    return _SYSTEM_JOURNAL if os.geteuid() == 0 else _OWN_JOURNAL


def _require_own(st: os.stat_result) -> None:
    """Raise ValueError for what others could have written."""
    if st.st_uid not in (0, os.geteuid()) or st.st_mode & 0o022:
        raise ValueError("others may write it")


def _open_place(root: str) -> int:
    """Open the root of something in place, which must be there."""
    if not root.startswith("/") or "\0" in root:
        raise _RefusedError("root", "the root is not an absolute path", [root])
    try:
        return os.open(_root_path(root), _FOLDER_FLAGS)
    except OSError as e:
        raise _no_root(root, e) from e


def _is_account(path: str) -> bool:
    return path in _ACCOUNTS


def _changed_meanwhile(path: str) -> _RefusedError:
    return _RefusedError("os", f"somebody changed {path} while it was restored", [path])


def _damaged(journal: _Journal) -> _RefusedError:
    text = f"the journal of restore {journal.restore} is damaged: {journal.path}"
    return _RefusedError("journal", text, [journal.path])


def _busy(journal: _Journal, told: t.Mapping[str, t.Any]) -> _RefusedError:
    run = str(told.get("run", "")) or "an unnamed run"
    text = f"restore {journal.restore} of {run} is open on this host and its lease is not over, nothing was touched"
    return _RefusedError("busy", text, [journal.restore])


class _Part:
    """A component in a request."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.name = _checked(given["name"], str)
        self.paths = [_checked(path, str) for path in given.get("paths", ())]
        self.validate = [_checked(word, str) for word in given.get("validate", ())]
        self.reload = [_checked(unit, str) for unit in given.get("reload", ())]
        self.seconds = float(given.get("validate_timeout", _VALIDATE_SECONDS))
        if any("\0" in text for text in (*self.validate, *self.reload)) or any(u.startswith("-") for u in self.reload):
            raise ValueError("not a command, or not a unit")

    def links_above(self, path: str) -> int:
        """How many of the folders above *path* lead to what is declared, and so may be symlinks."""
        import fnmatch

        segments = path.split("/")[1:]
        depths = [
            len(declared) - 1
            for declared in (declared.split("/")[1:] for declared in self.paths)
            if len(declared) <= len(segments)
            and all(fnmatch.fnmatchcase(segment, pattern) for segment, pattern in zip(segments, declared))
        ]
        return min(depths, default=0)


class _Asked:
    """A request for something in place, checked as far as that needs no look at the host."""

    def __init__(self, request: t.Mapping[str, t.Any]) -> None:
        try:
            self.op = request["op"]
            self.root = _checked(request.get("root", "/"), str)
            self.journal = os.path.expanduser(_checked(request.get("journal", _default_journal()), str))
            self.restore = _checked(request["restore"], str) if self.op != "recover" else ""
            self.run = "".join(c for c in _checked(request.get("run", ""), str) if c.isprintable())[:_RUN_LENGTH]
            self.lease = _number(request.get("lease", _LEASE_SECONDS))
            self.owners, self.by_name = bool(request.get("owners", True)), request.get("owner_by", "id") == "name"
            self.replace_kinds, self.arm = bool(request.get("replace_kinds")), bool(request.get("arm"))
            self.parts = [_Part(part) for part in request.get("parts", ())]
            given, gone = list(request.get("entries", ())), list(request.get("remove", ()))
            if self.op not in _OPS or (self.op != "recover" and not _ID.fullmatch(self.restore)):
                raise ValueError("no such operation, or not the id of a restore")
            if not self.journal.startswith("/") or not self.journal.isprintable() or not self.lease:
                raise ValueError("not a place for a journal, or no lease")
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise _RefusedError("request", "the request is not usable") from e
        self.entries = _read_entries(given)
        self.removals = self._read_removals(gone)
        self.remove: dict[tuple[bytes, ...], tuple[str, int | None]] = {}
        self.names: dict[str, tuple[bytes, ...]] = {}

    def _read_removals(self, gone: t.Sequence[t.Any]) -> list[_Removal]:
        found = []
        written = {entry.path for entry in self.entries}
        above = {path[:at] for path in written for at, char in enumerate(path) if char == "/" and at}
        for number, given in enumerate(gone):
            try:
                removal = _Removal(given if isinstance(given, dict) else {"path": given})
                named = removal.path
                if named in written or named in above:
                    raise ValueError("is to be removed, and written")
            except (KeyError, TypeError, ValueError, AttributeError) as e:
                why = str(e) if e.__class__ is ValueError else "is malformed"
                raise _RefusedError("hostile", f"number {number} of what is to be removed {why}") from e
            found.append(removal)
        everything: list[_Entry | _Removal] = [*self.entries, *found]
        for one in everything:
            if one.part is not None and not 0 <= one.part < len(self.parts):
                raise _RefusedError("hostile", f"{one.path} is of no part", [one.path])
        return found

    def paths(self) -> t.Iterator[str]:
        """All that is to be written or removed."""
        for entry in self.entries:
            yield entry.path
        for removal in self.removals:
            yield removal.path

    def resolve(self, root: int) -> None:
        """Find out where the paths are, through the symlinks that lead to what is declared."""
        taken: dict[tuple[bytes, ...], _Entry] = {}
        seen: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}
        entries = []
        for entry in self.entries:
            entry.names = self.names[entry.path] = self._resolved(root, entry, seen)
            other = taken.setdefault(entry.names, entry)
            if other is entry:
                entries.append(entry)
            elif not entry.is_like(other):
                text = f"{entry.path} and {other.path} are one place on this host, and are to be different"
                raise _RefusedError("in_the_way", f"{text}, nothing was touched", [entry.path, other.path])
        self.entries = entries
        for removal in self.removals:
            names = self._resolved(root, removal, seen)
            if names not in taken:
                self.remove[names] = removal.path, removal.part

    def _resolved(
        self, root: int, one: _Entry | _Removal, seen: dict[tuple[bytes, ...], tuple[bytes, ...]]
    ) -> tuple[bytes, ...]:
        depth = self.parts[one.part].links_above(one.path) if one.part is not None else 0
        above = one.names[:depth]
        if above not in seen:
            seen[above] = _resolved(root, above)
        return seen[above] + one.names[depth:]


class _Removal:
    """A path that must not be there afterwards."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.path = _checked(given["path"], str)
        self.part = _number(given["part"]) if given.get("part") is not None else None
        self.names = _names(self.path)


class _Journal:
    """What a restore keeps on the host while it is open: a folder of files, each changed at once."""

    def __init__(self, folder: str, restore: str) -> None:
        self.restore = restore
        self.path = os.path.join(folder, restore)
        self._folder = folder

    def make(self) -> None:
        """Make the folder."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
        _sync_folder(self._folder)

    def read(self, name: str) -> dict[str, t.Any] | None:
        """One of its files, None where it is not there; raises _RefusedError where it cannot be believed."""
        try:
            with _closing(os.open(self.path, _FOLDER_FLAGS)) as folder:
                _require_own(os.fstat(folder))
                fd = os.open(name, _FILE_FLAGS, dir_fd=folder)
            with os.fdopen(fd, "rb") as file:
                _require_own(os.fstat(fd))
                told = json.loads(file.read())
            if not isinstance(told, dict) or told.get("format") != _FORMAT:
                raise ValueError("not of this format")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as e:
            text = f"the journal of restore {self.restore} cannot be read: {self.path}, nothing was touched"
            raise _RefusedError("journal", text, [os.path.join(self.path, name)]) from e
        return told

    def write(self, name: str, told: t.Mapping[str, t.Any]) -> None:
        """Write one of its files, on disk when this returns."""
        self.write_bytes(name, json.dumps({"format": _FORMAT, **told}).encode("ascii"))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file of its folder that is no JSON, on disk when this returns."""
        new = os.path.join(self.path, f".{name}.new")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        with os.fdopen(os.open(new, _NEW_FLAGS, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, os.path.join(self.path, name))
        _sync_folder(self.path)

    def forget(self, name: str) -> None:
        """Remove one of its files, for good when this returns."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.path, name))
        _sync_folder(self.path)

    def remove(self) -> None:
        """Remove it as a whole."""
        try:
            for name in sorted(os.listdir(self.path), key=lambda name: name == "folders.json"):
                os.unlink(os.path.join(self.path, name))
            os.rmdir(self.path)
        except FileNotFoundError:
            return
        _sync_folder(self._folder)

    def renew(self, seconds: int) -> None:
        """Let nobody else act for so many seconds."""
        until = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
        spoken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        self.write("lease.json", {"boot": _boot(), "until": until, "seconds": seconds, "time": spoken})

    def is_over(self) -> bool:
        """Whether others may act: its time is over, or it is from before the last boot."""
        try:
            lease = self.read("lease.json")
            return (
                lease is None
                or lease["boot"] != _boot()
                or float(lease["until"]) <= time.clock_gettime(time.CLOCK_BOOTTIME)
            )
        except (KeyError, TypeError, ValueError) as e:
            text = f"the lease of restore {self.restore} cannot be read: {self.path}, nothing was touched"
            raise _RefusedError("journal", text, [self.path]) from e


class _Journals:
    """All restores that a journal folder knows."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock: int | None = None

    def all(self) -> list[_Journal]:
        """Each that is there, in no order that means anything."""
        try:
            return [_Journal(self.folder, name) for name in sorted(os.listdir(self.folder)) if _ID.fullmatch(name)]
        except FileNotFoundError:
            return []
        except OSError as e:
            raise self._failed(e) from e

    def lock(self, seconds: float) -> bool:
        """Make the folder, and keep others that restore here out until this process ends; whether that took waiting.

        :raises _RefusedError: the folder cannot be had, or another one is still at work after so many seconds.
        """
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
            fd = os.open(self.folder, _FOLDER_FLAGS)
            _require_own(os.fstat(fd))
        except (OSError, ValueError) as e:
            raise self._failed(e) from e
        self._lock = fd
        deadline = time.monotonic() + seconds
        waited = False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return waited
            except BlockingIOError as e:
                if time.monotonic() >= deadline:
                    raise _RefusedError("busy", "another restore is at work on this host", [self.folder]) from e
                waited = True
                time.sleep(_PAUSE)
            except OSError:
                return waited  # a file system without locks

    def close(self) -> None:
        """Let others in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _failed(self, e: Exception) -> _RefusedError:
        why = _code(e) if isinstance(e, OSError) else "others may write there"
        return _RefusedError("journal", f"the folder for journals cannot be used ({why}): {self.folder}", [self.folder])


class _Undo:
    """Brings back what a journal says, path by path, where they still hold what the restore wrote.

    It may be killed and begun anew at any point: what to do it decides by what is there.
    """

    def __init__(self, told: t.Mapping[str, t.Any], restore: str, root: int) -> None:
        self.back: list[str] = []
        self.left: list[list[str]] = []
        self.folders: list[dict[str, t.Any]] = list(told["folders"])
        self._steps = list(told["steps"])
        self._dev = told["boot"] == _boot()
        self._root = root
        self._stage_name = b".holdfast-" + restore.encode("ascii")

    def run(self) -> None:
        """Bring all back, for good when this returns; raises OSError where the system does not let it."""
        # attributes of folders came last, and may not even let their owner in
        attributes = [step for step in self._steps if step["how"] == "attrs"]
        others = [step for step in reversed(self._steps) if step["how"] != "attrs"]
        for number, step in enumerate((*attributes, *others)):
            _at(f"undoing:{number}")
            try:
                self._step(step)
            except _RefusedError as e:
                self.left.append([step["path"], str(e)])
        deepest = sorted(self.folders, key=lambda told: told["at"].count("/"), reverse=True)
        for told in deepest:
            with contextlib.suppress(_RefusedError), _closing(self._open(told)) as fd:
                _settle(fd, told)
                os.fsync(fd)

    def _open(self, told: t.Mapping[str, t.Any]) -> int:
        return _pinned_by(self._root, told, dev=self._dev)

    def _step(self, step: t.Mapping[str, t.Any]) -> None:
        with _closing(self._open(self.folders[step["folder"]])) as home:
            if step["how"] == "attrs":
                if step["now"] and step["was"] and _bring_attributes_back(home, step["was"], step["now"]):
                    self.left.append([step["path"], "its attributes were changed since"])
                return
            at = _names("/" + "/".join(step["at"]))
            if step["saved"] is not None and not _SAVED.fullmatch(step["saved"]):
                raise ValueError("not a name of a stage folder")
            folder, whole = _folder(home, at[:-1])
            with _closing(folder):
                if whole:
                    self._path(home, folder, at[-1], step)

    def _path(self, home: int, folder: int, name: bytes, step: t.Mapping[str, t.Any]) -> None:
        live, was, now = _lstat(folder, name), step["was"], step["now"]
        if was is None:
            if live is not None:
                self._remove(folder, name, live, step)
            return
        if step["how"] == "write":
            self._write(home, name, step)
            return
        if live is not None and self._is(live, was, whole=False):
            return
        ours = live is None and step["how"] in ("move", "gone")
        if not ours and (live is None or now is None or not self._is(live, now)):
            self.left.append([step["path"], "it was changed since" if live is not None else "it was removed since"])
            return
        saved = _bytes(step["saved"])
        try:
            with _closing(os.open(self._stage_name, _FOLDER_FLAGS, dir_fd=home)) as stage:
                kept = _lstat(stage, saved)
                if kept is None or not self._is(kept, was, whole=False):
                    # who owns the folder above may have put a stage folder of his own there
                    raise FileNotFoundError
                kinds = {was["kind"], was["kind"] if live is None else stat.S_IFMT(live.st_mode)}
                if live is not None and len(kinds) > 1 and stat.S_IFDIR in kinds:
                    if not self._remove(folder, name, live, step):
                        return
                    _at("undoing:removed")
                os.rename(saved, name, src_dir_fd=stage, dst_dir_fd=folder)
        except FileNotFoundError:
            self.left.append([step["path"], "what was there is no longer in its stage folder"])
            return
        self.back.append(step["path"])

    def _remove(self, folder: int, name: bytes, live: os.stat_result, step: t.Mapping[str, t.Any]) -> bool:
        """Remove what is new, where it is still that; whether it is gone."""
        if step["now"] is None or not self._is(live, step["now"]):
            self.left.append([step["path"], "it was changed since"])
            return False
        if step["how"] == "inner" and os.geteuid() != 0:
            # the folder is new as well
            os.fchmod(folder, stat.S_IMODE(os.fstat(folder).st_mode) | 0o300)
        if not stat.S_ISDIR(live.st_mode):
            os.unlink(name, dir_fd=folder)
        else:
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError as e:
                if e.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                    raise
                self.left.append([step["path"], "there is something in it that the restore did not bring"])
                return False
        self.back.append(step["path"])
        return True

    def _write(self, home: int, name: bytes, step: t.Mapping[str, t.Any]) -> None:
        """Give a file that was written in place its old bytes."""
        saved, was, now = _bytes(step["saved"]), step["was"], step["now"]
        with contextlib.ExitStack() as stack:
            stage = stack.enter_context(_closing(os.open(self._stage_name, _FOLDER_FLAGS, dir_fd=home)))
            fd = stack.enter_context(_closing(os.open(name, _FILE_FLAGS, dir_fd=home)))
            if os.fstat(fd).st_ino != was["ino"]:
                self.left.append([step["path"], "it was changed since"])
                return
            half = _lstat(stage, _half(saved)) is not None
            digest = _sha256(fd)
            if not half and digest == was["sha256"] and _same_attributes(fd, was):
                return
            if not half and digest not in (was["sha256"], now["sha256"]):
                self.left.append([step["path"], "it was changed since"])
                return
            source = stack.enter_context(_closing(os.open(saved, _FILE_FLAGS, dir_fd=stage)))
            _overwrite(home, name, source, stage, saved, now, was)
        self.back.append(step["path"])

    def _is(self, st: os.stat_result, told: t.Mapping[str, t.Any], *, whole: bool = True) -> bool:
        """Whether this is that inode; ``whole``: and nobody has changed it since."""
        if st.st_ino != told["ino"] or stat.S_IFMT(st.st_mode) != told["kind"]:
            return False
        if self._dev and st.st_dev != told["dev"]:
            return False
        return not whole or stat.S_ISDIR(st.st_mode) or {**_what(st), "dev": 0} == {**told, "dev": 0}


def _done_in_place(asked: _Asked, payload: t.Any) -> dict[str, t.Any]:
    journals = _Journals(asked.journal)
    try:
        return _IN_PLACE[asked.op](asked, journals, payload)
    finally:
        journals.close()


def _answer_in_place(request: t.Mapping[str, t.Any], payload: t.Any) -> dict[str, t.Any]:
    """Answer one request that has ``op``."""
    try:
        return _done_in_place(_Asked(request), payload)
    except _RefusedError as e:
        refused = e
    except OSError as e:
        refused = _RefusedError("os", f"{_code(e)} at the journal or a path of it")
    except Exception as e:  # noqa: BLE001  # a traceback could show content; where it happened is enough
        refused = _internal(e)
    return {"error": refused.error_in_place()}


def _told(state: str, **more: t.Any) -> dict[str, t.Any]:
    """An answer, whole."""
    answer: dict[str, t.Any] = {
        name: []
        for name in (
            "written",
            "removed",
            "warnings",
            "not_atomic",
            "validated",
            "not_validated",
            "reloaded",
            "not_reloaded",
            "recovered",
            "left",
        )
    }
    return {**answer, "euid": os.geteuid(), "state": state, "armed": False, "milliseconds": {}, **more}


def _check(asked: _Asked, journals: _Journals, payload: t.Any) -> dict[str, t.Any]:
    recovered = []
    for journal in journals.all():
        told = journal.read("journal.json")
        if told is not None and journal.restore != asked.restore:
            if not journal.is_over():
                raise _busy(journal, told)
            recovered.append({"restore": journal.restore, "run": str(told.get("run", ""))})
    with _closing(_open_place(asked.root)) as root:
        change, _contents, _starts = _judged(asked, root, payload)
    return _told("closed" if change.steps else "nothing", **_outcome(change), recovered=recovered)


def _judged(asked: _Asked, root: int, payload: t.Any) -> tuple[_Change, _Payload, dict[str, tuple[int, int]]]:
    files = [entry for entry in asked.entries if entry.kind == "file"]
    contents = _Payload(payload, sum(entry.size for entry in files))
    starts = {} if asked.op == "check" and not contents.size else contents.verify(files)
    asked.resolve(root)
    change = _Change(asked, root)
    change.judge(starts)
    return change, contents, starts


def _outcome(change: _Change) -> dict[str, t.Any]:
    return {
        "written": change.written,
        "removed": change.removed,
        "warnings": [list(pair) for pair in dict.fromkeys(map(tuple, change.warnings))],
        "not_atomic": change.not_atomic,
        "left": change.left,
    }


def _apply(asked: _Asked, journals: _Journals, payload: t.Any) -> dict[str, t.Any]:
    clock = _Clock()
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(_closing(_open_place(asked.root)))
        journals.lock(0)
        recovered, warnings = _make_way(asked, journals)
        try:
            answer = _applied(asked, _Journal(journals.folder, asked.restore), root, payload, clock)
        except _RefusedError as e:
            e.recovered = recovered
            e.warnings += warnings
            raise
        return {**answer, "recovered": recovered, "warnings": warnings + answer["warnings"]}


def _applied(asked: _Asked, journal: _Journal, root: int, payload: t.Any, clock: _Clock) -> dict[str, t.Any]:
    accounts = _Accounts(root)
    try:
        if any(_is_account(path) for path in asked.paths()):
            accounts.take()
        change, contents, starts = _judged(asked, root, payload)
        if not change.steps:
            return _told("nothing", **_outcome(change))
        attempt = _Attempt(asked, change, journal, clock)
        try:
            attempt.prepare(contents, starts)
            attempt.swap()
            accounts.release()
            attempt.take_up()
        except Exception as e:
            # whatever it is, what was done is taken back, which takes the lock again
            accounts.release()
            raise attempt.taken_back(e, root) from e
    finally:
        accounts.release()
    return _told("open", **_outcome(change), **attempt.told())


class _Clock:
    """How long the phases take, in milliseconds."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}
        self._since = time.monotonic()

    def phase(self, name: str) -> None:
        """What has passed since the last one belongs to this one."""
        now = time.monotonic()
        self.told[name] = self.told.get(name, 0) + round((now - self._since) * 1000)
        self._since = now


class _Attempt:
    """One apply in place, from the first thing that is touched."""

    def __init__(self, asked: _Asked, change: _Change, journal: _Journal, clock: _Clock) -> None:
        self.validated: list[str] = []
        self.not_validated: list[list[str]] = []
        self.reloaded: list[str] = []
        self.not_reloaded: list[list[str]] = []
        self.armed = False
        self._asked = asked
        self._change = change
        self._journal = journal
        self._clock = clock
        self._systemd = _Systemd(asked.root)

    def told(self) -> dict[str, t.Any]:
        """Its part of the answer."""
        return {
            "validated": self.validated,
            "not_validated": self.not_validated,
            "reloaded": self.reloaded,
            "not_reloaded": self.not_reloaded,
            "armed": self.armed,
            "milliseconds": self._clock.told,
        }

    def prepare(self, contents: _Payload, starts: t.Mapping[str, tuple[int, int]]) -> None:
        """All that can be done before a path changes: stage, save, validate what is staged, journal, arm."""
        common = {
            "restore": self._asked.restore,
            "run": self._asked.run,
            "root": self._asked.root,
            "boot": _boot(),
            "folders": [kept.told() for kept in self._change.kept],
            "units": self._systemd.missing() if self._asked.arm else [],
        }
        self._journal.make()
        self._journal.write("folders.json", common)
        self._change.stage(contents, starts)
        self._clock.phase("stage")
        self._validate(staged=True)
        self._clock.phase("validate")
        self._journal.renew(self._asked.lease)
        self._journal.write("journal.json", {**common, "steps": [step.told() for step in self._change.steps]})
        _at("journalled")
        if self._asked.arm and self._systemd.runs and os.geteuid() == 0:
            self._systemd.arm(self._journal, self._asked.lease)
            self.armed = True
        _at("armed")

    def swap(self) -> None:
        """Put everything in its place."""
        self._change.swap()
        self._clock.phase("apply")

    def take_up(self) -> None:
        """Validate what changed and let services take it up."""
        self._validate(staged=False)
        _at("validated")
        self._clock.phase("validate")
        self._reload()
        _at("reloaded")
        self._clock.phase("reload")
        if sum(self._clock.told.values()) > self._asked.lease * 250:
            # the time that all this took is not to be missing at the end
            self._journal.renew(self._asked.lease)
            if self.armed:
                self._systemd.renew(self._asked.restore)

    def taken_back(self, e: Exception, root: int) -> _RefusedError:
        """Bring the old state back after a failure, and say what became of it."""
        refused = self._refused(e)
        try:
            told = self._journal.read("journal.json")
            if told is None:
                warnings = _close(self._journal, root)
            else:
                undo, warnings = _undo(self._journal, told, root)
                refused.left = undo.left
            refused.undone = True
            refused.warnings += warnings
        except (OSError, _RefusedError) as failed:
            why = str(failed) if isinstance(failed, _RefusedError) else _code(failed)
            refused.args = (f"{refused}; it could not be taken back yet ({why})",)
            refused.written = self._change.written
            refused.left = [[path, "it could not be taken back yet"] for path in self._change.written]
        return refused

    def _refused(self, e: Exception) -> _RefusedError:
        if isinstance(e, _RefusedError):
            return e
        if isinstance(e, OSError):
            text = f"{_code(e)} while it was restored"
            return _RefusedError("no_space" if e.errno in _FULL else "os", text)
        return _internal(e)

    def _validate(self, *, staged: bool) -> None:
        for number in self._change.parts:
            part = self._asked.parts[number]
            by_path = any(_PATH_WORD in word for word in part.validate)
            if not part.validate or by_path != staged:
                continue
            if by_path:
                files = list(self._change.staged_files(number))
                commands = [([word.replace(_PATH_WORD, file) for word in part.validate], path) for path, file in files]
            else:
                commands = [(part.validate, "")]
            try:
                for argv, path in commands:
                    self._judge(part, argv, path)
            except FileNotFoundError:
                self.not_validated.append([part.name, f"no such command: {part.validate[0]}"])
            else:
                self.validated.append(part.name)

    @staticmethod
    def _judge(part: _Part, argv: list[str], path: str) -> None:
        try:
            problem, said = _run(argv, part.seconds)
        except OSError as e:
            if e.errno == errno.ENOENT:
                raise
            problem, said = f"cannot be run ({_code(e)})", 0
        if problem == _exit_words(127) and argv[0] in _SHELLS:
            # sh(1): what it was to run is not there
            raise FileNotFoundError(errno.ENOENT, "no such command", argv[0])
        if problem:
            of = f" of {path}" if path else ""
            text = f"component {part.name}{of}: {argv[0]} {problem} and printed {said} bytes"
            raise _RefusedError("invalid", text, [part.name])

    def _reload(self) -> None:
        units = list(dict.fromkeys(unit for number in self._change.parts for unit in self._asked.parts[number].reload))
        changed = [step.path for step in self._change.steps] if self._systemd.runs else []
        unit_files = any(path.startswith(_UNIT_PATHS) for path in changed)
        if not self._systemd.runs:
            if units:
                self._change.warnings.append([units[0], "no unit was reloaded: systemd does not run this root"])
            return
        if unit_files and not units:
            self._journal.write("reload.json", {"units": [], "daemon": True})
            self._systemd.daemon_reload()
            return
        if not units:
            return
        # one unit may have several names
        states = dict(self._systemd.state(unit) for unit in units)
        wanted = {unit: state for unit, state in states.items() if state in _TAKES_UP}
        self.not_reloaded += [[unit, "it is not active"] for unit in states if unit not in wanted]
        self._journal.write("reload.json", {"units": list(wanted), "daemon": unit_files})
        if unit_files:
            self._systemd.daemon_reload()
        for unit, state in wanted.items():
            if state == _FAILED:
                self._revive(unit)
            else:
                self._systemd.reload(unit)
                self.reloaded.append(unit)
        for unit, state in wanted.items():
            if state != _FAILED and not self._systemd.is_active(unit):
                raise _RefusedError("reload", f"{unit} is not active any more after it was reloaded", [unit])

    def _revive(self, unit: str) -> None:
        """Start a unit that had failed, perhaps for want of what is back now; one that fails again is no worse."""
        _systemctl("reset-failed", "--", unit)
        problem, _said = _systemctl("restart", "--", unit)
        if problem or not self._systemd.is_active(unit):
            self.not_reloaded.append([unit, "it had failed before, and does not start"])
        else:
            self.reloaded.append(unit)


def _make_way(asked: _Asked, journals: _Journals) -> tuple[list[dict[str, str]], list[list[str]]]:
    """Take back what was left open: of others whose lease is over, and an earlier attempt of this restore."""
    recovered, warnings = [], []
    known = [(journal, journal.read("journal.json")) for journal in journals.all()]
    for journal, told in known:
        if told is not None and journal.restore != asked.restore and not journal.is_over():
            raise _busy(journal, told)
    for journal, told in known:
        undo = _finish_other(journal, told)
        if undo is not None and told is not None and journal.restore != asked.restore:
            recovered.append({"restore": journal.restore, "run": str(told.get("run", ""))})
        if undo is not None:
            says = f"left as it is by going back from restore {journal.restore}"
            warnings += [[path, f"{says}: {why}"] for path, why in undo.left]
    return recovered, warnings


def _finish_other(journal: _Journal, told: t.Mapping[str, t.Any] | None) -> _Undo | None:
    """Bring back what a journal says; where it holds none any more, remove what a killed restore left."""
    if told is not None:
        with _closing(_open_told(journal, told)) as root:
            return _undo(journal, told, root)[0]
    folders = journal.read("folders.json")
    if folders is None:
        _Systemd("/").disarm(journal.restore, [])
        journal.remove()
        return None
    with _closing(_open_told(journal, folders)) as root:
        _close(journal, root)
    return None


def _open_told(journal: _Journal, told: t.Mapping[str, t.Any]) -> int:
    root = told.get("root")
    if not isinstance(root, str):
        raise _damaged(journal)
    return _open_place(root)


def _undo(journal: _Journal, told: t.Mapping[str, t.Any], root: int) -> tuple[_Undo, list[list[str]]]:
    """Undo what a journal says, reload what had been asked to, and close it."""
    try:
        undo = _Undo(told, journal.restore, root)
        accounts = _Accounts(root)
        paths = [str(step["path"]) for step in told["steps"]]
    except (KeyError, TypeError) as e:
        raise _damaged(journal) from e
    try:
        if any(map(_is_account, paths)):
            accounts.take()
        undo.run()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as e:
        raise _damaged(journal) from e
    finally:
        accounts.release()
    _at("undone")
    systemd = _Systemd(str(told["root"]))
    asked = journal.read("reload.json")
    if asked is not None and systemd.runs:
        systemd.reload_again(asked)
    return undo, _close(journal, root, "undo")


def _close(journal: _Journal, root: int, ended: str = "") -> list[list[str]]:
    """End a restore: from here on nothing takes it back. Remove its stage folders, its unit and its journal.

    What cannot be removed is a warning, and is tried again by the next restore.

    :param ended: by what, for those who find it half removed.
    """
    told = journal.read("folders.json")
    if told is None:
        journal.remove()
        return []
    stage = b".holdfast-" + journal.restore.encode("ascii")
    same_boot = told.get("boot") == _boot()
    open_ = journal.read("journal.json")
    if open_ is not None:
        folders = [_as_it_is(root, folder, same_boot) for folder in told["folders"]]
        told = {**told, "folders": folders, "ended": ended}
        journal.write("folders.json", told)
        _at("dropping")
        journal.forget("journal.json")
    _at("dropped")
    warnings = []
    for folder in sorted(told["folders"], key=lambda folder: folder["at"].count("/"), reverse=True):
        if not folder["staged"]:
            continue
        try:
            with _closing(_pinned_by(root, folder, dev=same_boot)) as fd:
                _remove_tree(fd, stage)
                _settle(fd, folder)
        except _RefusedError:
            continue  # it was moved or replaced, with all that is in it
        except OSError as e:
            warnings.append([folder["at"], f"its stage folder could not be removed ({_code(e)})"])
    _Systemd(str(told["root"])).disarm(journal.restore, told.get("units", []))
    if not warnings:
        journal.remove()
    return warnings


def _as_it_is(root: int, folder: dict[str, t.Any], same_boot: bool) -> dict[str, t.Any]:
    """The same folder, with its time and names of now."""
    try:
        with _closing(_pinned_by(root, folder, dev=same_boot)) as fd:
            return {**folder, "mtime_ns": os.fstat(fd).st_mtime_ns, "names": _names_digest(fd)}
    except (OSError, _RefusedError):
        return folder


def _end(asked: _Asked, journals: _Journals, _payload: t.Any) -> dict[str, t.Any]:
    """Drop or undo a restore that is open."""
    journals.lock(_OTHER_SECONDS)
    journal = _Journal(journals.folder, asked.restore)
    told = journal.read("journal.json")
    if told is None:
        return _ended(journal, asked.op)
    with _closing(_open_told(journal, told)) as root:
        if asked.op == "drop":
            return _told("closed", warnings=_close(journal, root, "drop"))
        undo, warnings = _undo(journal, told, root)
    return _told("closed", written=undo.back, left=undo.left, warnings=warnings)


def _ended(journal: _Journal, op: str) -> dict[str, t.Any]:
    """The answer for a restore that is not open: it ended that way already, or it was killed before a path changed."""
    folders = journal.read("folders.json")
    ended = None if folders is None else folders.get("ended", "undo")
    if folders is not None:
        _finish_other(journal, None)
    if ended != op:
        text = f"no restore {journal.restore} is open on this host"
        raise _RefusedError("stale", text, [journal.restore])
    return _told("closed")


def _status(asked: _Asked, journals: _Journals, _payload: t.Any) -> dict[str, t.Any]:
    own = _Journal(journals.folder, asked.restore)
    state = "closed"
    if own.read("journal.json") is not None:
        journals.lock(_OTHER_SECONDS)
        told = own.read("journal.json")
        if told is not None:
            state = "open"
            own.renew(asked.lease)
            _Systemd(str(told.get("root"))).renew(asked.restore)
    others = [(journal, journal.read("journal.json")) for journal in journals.all()]
    listed = [{"restore": one.restore, "run": str(told.get("run", ""))} for one, told in others if told is not None]
    return _told(state, restores=listed)


def _recover(_asked: _Asked, journals: _Journals, _payload: t.Any) -> dict[str, t.Any]:
    journals.lock(_OTHER_SECONDS)
    recovered, back, left = [], [], []
    refused: _RefusedError | None = None
    for journal in journals.all():
        try:
            told = journal.read("journal.json")
            if told is not None and not journal.is_over():
                continue
            undo = _finish_other(journal, told)
        except _RefusedError as e:
            refused = refused or e
            continue
        if undo is not None and told is not None:
            recovered.append({"restore": journal.restore, "run": str(told.get("run", ""))})
            back += undo.back
            left += undo.left
    if refused is not None:
        raise refused
    return _told("closed" if recovered else "nothing", recovered=recovered, written=back, left=left)


_OPS = ("check", "apply", "drop", "undo", "status", "recover")
_IN_PLACE: dict[str, t.Callable[[_Asked, _Journals, t.Any], dict[str, t.Any]]] = {
    "check": _check,
    "apply": _apply,
    "drop": _end,
    "undo": _end,
    "status": _status,
    "recover": _recover,
}


class _Accounts:
    """The lock of the account files, as lckpwdf(3) takes it."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._fd: int | None = None

    def take(self) -> None:
        """Raises _RefusedError where another process keeps it."""
        folder, whole = _folder(self._root, (b"etc",))
        with _closing(folder):
            if not whole:
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(".pwd.lock", flags, 0o600, dir_fd=folder)
        deadline = time.monotonic() + _ACCOUNT_SECONDS
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as e:
                if e.errno not in (errno.EACCES, errno.EAGAIN):
                    raise
                if time.monotonic() >= deadline:
                    self.release()
                    text = "another process keeps the lock of the account files (/etc/.pwd.lock), nothing was touched"
                    raise _RefusedError("busy", text, ["/etc/.pwd.lock"]) from e
                time.sleep(_PAUSE)

    def release(self) -> None:
        """Let others have it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class _Systemd:
    """The system manager of a root, where one runs it: units are reloaded, and one is armed to go back by itself."""

    def __init__(self, root: str) -> None:
        self.runs = root == _HOST_ROOT and os.path.isdir(os.path.join(root, _RUNNING))
        self._folder = os.path.join(root, _UNITS)

    def missing(self) -> list[str]:
        """Folders that :meth:`arm` would have to make."""
        if not self.runs:
            return []
        return [name for name in (".", *_WANTED_BY) if not os.path.isdir(os.path.join(self._folder, name))]

    def arm(self, journal: _Journal, seconds: int) -> None:
        """Let this host go back by itself after so many seconds, and when it boots."""
        import importlib.util

        # what runs here may have come through a pipe: it has no file that could be copied
        program = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(_CODE)
        journal.write_bytes("apply.pyc", program)
        unit = f"holdfast-restore-{journal.restore}"
        python = [os.path.realpath(sys.executable), "-I", "-S", f"{journal.path}/apply.pyc"]
        command = " ".join(_unit_word(word) for word in (*python, *os.path.split(journal.path)))
        service = _SERVICE.format(restore=journal.restore, command=command, journal=_unit_word(journal.path))
        with _same_time(os.path.dirname(self._folder)):
            os.makedirs(self._folder, 0o755, exist_ok=True)
        timer = _TIMER.format(restore=journal.restore, seconds=seconds + _LATER_SECONDS)
        for name, text in ((f"{unit}.service", service), (f"{unit}.timer", timer)):
            with _same_time(self._folder):
                _write_unit(os.path.join(self._folder, name), text)
                _sync_folder(self._folder)
        for folder, name in self._wanted(unit):
            with _same_time(self._folder):
                os.makedirs(folder, 0o755, exist_ok=True)
            with _same_time(folder), contextlib.suppress(FileExistsError):
                os.symlink(f"../{name}", os.path.join(folder, name))
                _sync_folder(folder)
        self.daemon_reload()
        problem, _said = _systemctl("start", f"{unit}.timer")
        if problem:
            raise _RefusedError("os", f"the unit that would go back by itself could not be armed: systemctl {problem}")

    def renew(self, restore: str) -> None:
        """Begin the lease of the armed timer anew."""
        if self.runs and os.path.lexists(os.path.join(self._folder, f"holdfast-restore-{restore}.timer")):
            _systemctl("restart", f"holdfast-restore-{restore}.timer")

    def disarm(self, restore: str, made: t.Sequence[str]) -> None:
        """Take the unit away, where there is one; *made* are folders that came with it."""
        unit = f"holdfast-restore-{restore}"
        files = [os.path.join(folder, name) for folder, name in self._wanted(unit)]
        files += [os.path.join(self._folder, f"{unit}.{kind}") for kind in ("timer", "service")]
        there = [path for path in files if os.path.lexists(path)]
        if not there:
            return
        if self.runs:
            _systemctl("stop", f"{unit}.timer")
        for path in there:
            with contextlib.suppress(OSError), _same_time(os.path.dirname(path)):
                os.unlink(path)
        for name in _WANTED_BY:
            with contextlib.suppress(OSError), _same_time(self._folder):
                if name in made:
                    os.rmdir(os.path.join(self._folder, name))
        with contextlib.suppress(OSError), _same_time(os.path.dirname(self._folder)):
            if "." in made:
                os.rmdir(self._folder)
        if self.runs:
            # a unit that was killed would stay as one that has failed
            _systemctl("reset-failed", f"{unit}.service", f"{unit}.timer")
            self.daemon_reload()

    def _wanted(self, unit: str) -> list[tuple[str, str]]:
        return [
            (os.path.join(self._folder, wants), f"{unit}.{kind}")
            for wants, kind in zip(_WANTED_BY, ("timer", "service"))
        ]

    def daemon_reload(self) -> None:
        """Let systemd read its unit files again; raises _RefusedError where it does not."""
        problem, _said = _systemctl("daemon-reload")
        if problem:
            raise _RefusedError("reload", f"systemctl daemon-reload {problem}", ["systemd"])

    @staticmethod
    def state(unit: str) -> tuple[str, str]:
        """A unit's own name, whatever it is called, and its state; ``inactive`` where systemd does not tell."""
        told = bytearray()
        _systemctl("show", "--property=Id", "--property=ActiveState", "--", unit, head=told)
        known = dict(line.split("=", 1) for line in told.decode("utf-8", "replace").splitlines() if "=" in line)
        return known.get("Id") or unit, known.get("ActiveState", "inactive")

    def is_active(self, unit: str) -> bool:
        """Whether a unit runs."""
        return not _systemctl("is-active", "--quiet", "--", unit)[0]

    def reload(self, unit: str) -> None:
        """Let a unit take up its configuration; raises _RefusedError where it does not."""
        problem, _said = _systemctl("reload-or-restart", "--", unit)
        if problem:
            raise _RefusedError("reload", f"systemctl reload-or-restart {unit} {problem}", [unit])

    def reload_again(self, asked: t.Mapping[str, t.Any]) -> None:
        """After the old state is back, as far as that goes; a host that boots starts its units with it anyway."""
        if asked.get("daemon"):
            _systemctl("daemon-reload")
        state = bytearray()
        _systemctl("is-system-running", head=state)
        if state.strip() == b"initializing":
            return
        later = ["--no-block"] if state.strip() == b"starting" else []
        for unit in asked.get("units", ()):
            _systemctl("reload-or-restart", *later, "--", str(unit))


def _systemctl(*words: str, head: bytearray | None = None) -> tuple[str, int]:
    try:
        return _run(["systemctl", *words], _SYSTEMCTL_SECONDS, head)
    except OSError as e:
        return f"cannot be run ({_code(e)})", 0


def _write_unit(path: str, text: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with os.fdopen(os.open(path, _NEW_FLAGS, 0o644), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _unit_word(word: str) -> str:
    """A word of a command in a unit file (systemd.service(5), systemd.unit(5))."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(plain, escaped)
    return f'"{word}"'


def _run(argv: list[str], seconds: float, head: bytearray | None = None) -> tuple[str, int]:
    """Run a command of this host to its end: how it failed, if it did, and how many bytes it printed.

    What it printed is thrown away, since it may show content; only *head* takes its beginning.

    :raises OSError: it cannot be started.
    """
    import signal
    import subprocess

    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": _PATH, "LC_ALL": "C"},
        start_new_session=True,
    )
    printed, deadline = 0, time.monotonic() + seconds
    try:
        if process.stdout is None:
            raise OSError(errno.EPIPE, "no output")
        os.set_blocking(process.stdout.fileno(), False)
        while True:
            ended = process.poll() is not None
            try:
                piece = os.read(process.stdout.fileno(), _READ)
            except BlockingIOError:
                piece = None
            if piece:
                printed += len(piece)
                if head is not None:
                    head += piece[: max(0, _HEAD - len(head))]
            elif ended:
                # what it left behind may keep the pipe open
                break
            elif time.monotonic() >= deadline:
                return f"did not end within {seconds:g} seconds", printed
            else:
                select.select([process.stdout] if piece is None else [], [], [], _PAUSE)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    status = process.returncode
    if status == 0:
        return "", printed
    return (f"was killed by signal {-status}" if status < 0 else _exit_words(status)), printed


def _exit_words(status: int) -> str:
    return f"ended with status {status}"


def _go_back(folder: str, restore: str) -> _Undo | None:
    """Bring back one restore now, as its unit does when the lease is over, when the host boots, or when it is started.

    Where it has to wait for another process and the lease was renewed meanwhile, it does nothing.
    """
    journals = _Journals(folder)
    try:
        waited = journals.lock(_UNIT_SECONDS)
        journal = _Journal(folder, restore)
        told = journal.read("journal.json")
        if told is not None and waited and not journal.is_over():
            return None
        return _finish_other(journal, told)
    finally:
        journals.close()


def pack(header: t.Mapping[str, t.Any]) -> str:
    """Spell an answer as ``_tree.py`` does, without a blob."""
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode("ascii")
    return base64.b64encode(zlib.compress(b"%08x" % len(head) + head)).decode("ascii")


def serve(source: t.BinaryIO, sink: t.TextIO) -> None:
    """Read one request (a line of JSON), then the payload, and print one line: the mark, and the packed answer."""
    try:
        request = json.loads(source.readline())
    except (ValueError, RecursionError):
        request = {}
    sink.write(MARK + pack(answer(request, source)) + "\n")
    sink.flush()


def main(arguments: t.Sequence[str]) -> int:
    """What the armed unit runs: the arguments are the journal folder and the id of a restore."""
    try:
        undo = _go_back(*arguments)
    except (_RefusedError, OSError) as e:
        sys.stdout.write(f"{e if isinstance(e, _RefusedError) else _code(e)}\n")
        return 1
    for path, why in undo.left if undo is not None else ():
        sys.stdout.write(f"left as it is: {path!r}: {why}\n")
    sys.stdout.write("nothing is open\n" if undo is None else f"{len(undo.back)} paths were brought back\n")
    return 0


_CODE = sys._getframe().f_code  # this program, whatever it came from

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
