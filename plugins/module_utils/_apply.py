# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The half of a restore that runs on the managed host: write entries below a folder. Private to this collection.

Runs piped into a bare interpreter (by ``BOOTSTRAP`` of ``_tree.py``, which calls :func:`serve`) and inside the module
``host_apply``; both call :func:`answer`. Standard library only, Python 3.8+, no other file of the collection.

**Request**: ``root`` (absolute folder, made with mode 0700 where it is missing; never ``/``), ``entries`` (as
``_tree.py`` gives them, parents first), ``owners`` (set owner and group; default true), ``owner_by`` (``id``, the
default, or ``name``: the host's own id of that name, else the entry's), ``check`` (tell what would be written; then the
payload may be left out). **Payload**: the contents of the ``file`` entries in their order, nothing else.

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
import os
import pwd
import re
import stat
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

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class _RefusedError(Exception):
    """Becomes the ``error`` of the answer."""

    def __init__(self, kind: str, message: str, items: t.Sequence[str] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.items = list(items)

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


class _Entry:
    """One entry of the request, checked."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.path = _checked(given["path"], str)
        self.kind = _checked(given["kind"], str)
        self.names = tuple(_bytes(name) for name in self.path.split("/")[1:])
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
        segments = self.path.split("/")
        if segments[0] or {"", ".", ".."} & set(segments[1:] or ".") or "\0" in self.path:
            raise ValueError("is not a plain absolute path")
        if any(_TEMPORARY.fullmatch(segment) for segment in segments):
            raise ValueError("has a name kept for working files")
        if self.kind not in _KINDS:
            raise ValueError("is of an unknown kind")
        if self.kind == "file" and not _DIGEST.fullmatch(self.sha256):
            raise ValueError("has no digest")
        if self.kind in ("symlink", "hardlink") and not self.target:
            raise ValueError("has no target")
        texts = _bytes("".join([self.target, self.user, self.group, *self.xattrs]))
        if b"\0" in texts or max(self.uid, self.gid) >= 1 << 32 or abs(self.mtime_ns) >= _LATEST:
            raise ValueError("has impossible attributes")


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
                fd = os.open(temporary, _NEW_FLAGS, 0o600, dir_fd=folder)
                try:
                    _write_content(fd, payload.blocks(entry), entry.size)
                    self._dress(fd, entry)
                    os.fsync(fd)
                finally:
                    os.close(fd)
            elif entry.kind == "symlink":
                os.symlink(_bytes(entry.target), temporary, dir_fd=folder)
                if self._owners:
                    os.chown(temporary, *self._owner(entry), dir_fd=folder, follow_symlinks=False)
                self._set_xattrs(_link_path(folder, temporary), entry, follow=False)
                times = (entry.mtime_ns, entry.mtime_ns)
                os.utime(temporary, ns=times, dir_fd=folder, follow_symlinks=False)
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


def answer(request: t.Mapping[str, t.Any], payload: t.Any = b"") -> dict[str, t.Any]:
    """Answer one request; never raises, errors are in the answer.

    :param payload: bytes, or a binary stream: one that cannot seek is read into memory, up to what the entries promise.
    """
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
