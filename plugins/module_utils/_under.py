# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore below another root than the host's own: each path at once, the set of them not.

Private to this collection.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

from ._entries import Entry, Payload, Room, read_entries
from ._paths import (
    FOLDER_FLAGS,
    TEMPORARY,
    RefusedError,
    checked,
    internal,
    lstat,
    no_root,
    normal_path,
    open_folder,
    to_bytes,
    to_text,
)
from ._writer import Writer

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t


class _Under(Writer):
    """One request at work: :meth:`plan` touches nothing, :meth:`execute` does what was planned."""

    def __init__(self, entries: list[Entry], owners: bool, by_name: bool) -> None:
        super().__init__(entries, owners, by_name)
        self._todo: list[Entry] = []
        self._touched: set[tuple[bytes, ...]] = set()
        self._swept: set[tuple[bytes, ...]] = set()

    def plan(self, root: int | None, base: int, starts: t.Mapping[str, tuple[int, int]]) -> list[str]:
        """Which paths are not as their entries say; raises RefusedError for what must not or cannot be written.

        :param root: the open root, None where it does not exist yet.
        :param base: the open folder in whose file system a missing root would be made.
        :param starts: as :meth:`Payload.verify` gives it; a file that is not in it is taken to have no holes.
        """
        found: dict[str, list[RefusedError]] = {"outside": [], "in_the_way": []}
        room: dict[int, Room] = {}
        inodes: dict[str, tuple[int, int] | None] = {}
        for entry in self._entries:
            try:
                dense = starts[entry.path][1] if entry.path in starts else entry.size
                inode = self._as_it_should_be(root, base, entry, inodes, room, dense)
            except RefusedError as e:
                found[e.kind].append(e)
                continue
            except OSError as e:
                code = errno.errorcode.get(e.errno or 0, "an error")
                raise RefusedError("os", f"{code} on {entry.path}, nothing was written", [entry.path]) from e
            inodes[entry.path] = inode
            if inode is None:
                self._todo.append(entry)
        for kind, refused in found.items():
            if refused:
                items = list(dict.fromkeys(item for e in refused for item in e.items))
                raise RefusedError(kind, f"{refused[0]}, nothing was written", items)
        for part in room.values():
            if part.need > part.free:
                _size, path = part.biggest
                text = f"{part.need} bytes are needed and {part.free} are free where {path} goes, nothing was written"
                raise RefusedError("no_space", text, [path])
        return [entry.path for entry in self._todo]

    def execute(self, root: int, payload: Payload, starts: t.Mapping[str, tuple[int, int]]) -> None:
        """Write what was planned, then folders' attributes, deepest first; raises RefusedError where it stops."""
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
                path = "/" + to_text(b"/".join(names))
                self._close(root, names, folders.get(names))
        except OSError as e:
            code = errno.errorcode.get(e.errno or 0, "an error")
            raise RefusedError("partial", f"stopped by {code} on {path}", [path]) from e

    def _as_it_should_be(
        self,
        root: int | None,
        base: int,
        entry: Entry,
        inodes: t.Mapping[str, tuple[int, int] | None],
        room: dict[int, Room],
        dense: int,
    ) -> tuple[int, int] | None:
        """The inode of a path that needs no writing, else None; counts the room that a file to be written takes."""
        folder, whole = (os.dup(base), False) if root is None else open_folder(root, entry.names[:-1])
        try:
            st = lstat(folder, entry.names[-1]) if whole else None
            if st is not None:
                self._refuse_kind(entry, st)
                if self._same(folder, entry, st, inodes):
                    return st.st_dev, st.st_ino
            if entry.kind == "file":
                room.setdefault(os.fstat(folder).st_dev, Room(os.fstatvfs(folder))).take(entry.path, dense)
        finally:
            os.close(folder)
        return None

    def _write(self, root: int, entry: Entry, payload: Payload) -> None:
        parent = entry.names[:-1]
        folder, _whole = open_folder(root, parent, made=self._touched)
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

    def _replace(self, root: int, folder: int, entry: Entry, payload: Payload) -> None:
        name = entry.names[-1]
        st = lstat(folder, name)
        if st is not None:
            self._refuse_kind(entry, st)
        temporary = b".holdfast-" + os.urandom(8).hex().encode("ascii")
        try:
            if entry.kind == "file":
                self._make_file(folder, temporary, entry, payload, sync=True)
            elif entry.kind == "symlink":
                self._make_symlink(folder, temporary, entry)
            else:
                target = tuple(to_bytes(segment) for segment in entry.target.split("/")[1:])
                source, _whole = open_folder(root, target[:-1])
                try:
                    os.link(target[-1], temporary, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
                finally:
                    os.close(source)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            # also where the rename did nothing, since both names were links to one inode already: rename(2)
            _remove(folder, temporary)

    def _close(self, root: int, names: tuple[bytes, ...], entry: Entry | None) -> None:
        folder, _whole = open_folder(root, names)
        try:
            if entry is not None:
                self._dress(folder, entry)
            os.fsync(folder)
        finally:
            os.close(folder)


def answer(request: t.Mapping[str, t.Any], payload: t.Any) -> dict[str, t.Any]:
    """Answer one request; never raises, errors are in the answer."""
    work = None
    try:
        try:
            root, check = checked(request["root"], str), bool(request.get("check", False))
            owners, by_name = bool(request.get("owners", True)), request.get("owner_by", "id") == "name"
            given = list(request["entries"])
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise RefusedError("request", "the request is not usable") from e
        entries = read_entries(given)
        work = _Under(entries, owners, by_name)
        return _done(work, entries, root, payload, check)
    except RefusedError as e:
        refused = e
    except Exception as e:  # noqa: BLE001  # a traceback could show content; where it happened is enough
        refused = internal(e)
    return {"error": refused.error(work.written if work else (), work.warnings if work else ())}


def _done(work: _Under, entries: list[Entry], root: str, payload: t.Any, check: bool) -> dict[str, t.Any]:
    root_fd = _open_root(root)
    base = root_fd if root_fd is not None else _open_nearest(root)
    try:
        files = [entry for entry in entries if entry.kind == "file"]
        contents = Payload(payload, sum(entry.size for entry in files))
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


def _open_root(root: str) -> int | None:
    """Open the root; None where it does not exist. Its own parents are the caller's choice and may be symlinks."""
    if not root.startswith("/") or "\0" in root:
        raise RefusedError("root", "the root is not an absolute path", [root])
    try:
        fd = os.open(normal_path(root), FOLDER_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise no_root(root, e) from e
    if os.path.samestat(os.fstat(fd), os.stat("/")):
        os.close(fd)
        raise RefusedError("root", "writing in place, with root /, is not offered yet", [root])
    return fd


def _make_root(root: str) -> int:
    path = normal_path(root)
    try:
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.mkdir(path, 0o700)
        parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
        return os.open(path, FOLDER_FLAGS)
    except OSError as e:
        raise no_root(root, e) from e


def _open_nearest(root: str) -> int:
    """Open the nearest folder above a missing root that exists."""
    path = os.path.dirname(normal_path(root))
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _lock(root: int, name: str) -> None:
    """Keep other applies out of this root while its descriptor is open."""
    try:
        fcntl.flock(root, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        raise RefusedError("busy", f"another apply is writing in {name}", [name]) from e
    except OSError:
        return  # a file system without locks


def _sweep(folder: int) -> None:
    """Remove what a killed apply left in a folder; the lock on the root keeps those of others out of it."""
    for name in os.listdir(folder):
        if TEMPORARY.fullmatch(name):
            _remove(folder, os.fsencode(name))


def _remove(folder: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except (FileNotFoundError, IsADirectoryError):
        return
