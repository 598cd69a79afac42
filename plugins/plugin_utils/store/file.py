# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store on a file system: plain files that stock tools read, each put by one exclusive link.

``<name>@<lock>.<16 hex>`` is a version, ``<name>@<lock>.<16 hex>.hold`` its legal hold. Lock and version stand in the
file's own name because one ``link`` makes a name and its lock appear together, whole, or not at all.
The file system does not refuse deletion: whoever owns the files can remove them.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import functools
import os
import re
import secrets
import stat
import typing as t
from collections.abc import Iterator
from pathlib import Path

from ..errors import CorruptError, DeniedError, FormatError, ObjectMissingError, StoreError, UnavailableError
from ..model.instant import from_name, to_name
from .base import DENIED, Listed, Store, Stored, name_fault, validate_name

_INCOMING = ".incoming"
_LEFTOVER = dt.timedelta(days=1)
_CHUNK = 1 << 20
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FILE = re.compile(r"(?P<segment>[^@]+)@(?P<version>(?P<lock>[0-9]{8}T[0-9]{6}Z)\.[0-9a-f]{16})")

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

# what was put together ends together, and reading a date costs more than finding its file
_lock_of = functools.lru_cache(maxsize=1024)(from_name)


class _Version(t.NamedTuple):
    segment: str
    version: str
    lock_until: dt.datetime


class FileStore(Store):
    """The files below one directory.

    Every step below the root is opened from the one above and follows no symlink, so nobody who can place one makes
    this store write or read elsewhere. "Newest" is the last modified; a tie, where the file system's time is coarse,
    goes by version.

    :param root: absolute path of a directory that exists; it may itself be reached through symlinks.
    """

    enforced = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = root.as_uri()

    def exists(self) -> bool:
        """Whether there is a directory at the root. Raises StoreError where that cannot be seen."""
        with self._mapped("find the directory"):
            return self.root.is_dir()

    @classmethod
    def create(cls, root: Path) -> FileStore:
        """Make the directory, for its owner alone, where it is not there yet. Raises StoreError."""
        store = cls(root)
        with store._mapped("make a directory"):
            missing = [path for path in (root, *root.parents) if not path.exists()]
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for made in missing:
                fd = os.open(made.parent, _DIRECTORY)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        return store

    def expire(self, name: str, version: str) -> None:
        """Remove a version whose lock has ended: what a store with a lifecycle does by itself, long after the lock.

        No other store has this, and the interface has not: nobody deletes through it. Idempotent and durable on return.

        :raises DeniedError: the version is locked still, or held.
        """
        validate_name(name)
        with self._mapped("remove", name):
            try:
                listed = self._head(name, version)
            except ObjectMissingError:
                return
            if listed.held or listed.lock_until is None or listed.lock_until >= self._clock():
                raise DeniedError(
                    f"{self.location} keeps it: it is {'held' if listed.held else 'locked'}",
                    item=name,
                    remedy="Wait for the end of its lock",
                )
            folder, last = _split(name)
            with self._folder(folder) as here, contextlib.suppress(FileNotFoundError):
                os.unlink(f"{last}@{version}", dir_fd=here)
                os.fsync(here)

    def _clock(self) -> dt.datetime:
        with self._incoming() as incoming:
            name = secrets.token_hex(16)
            fd = os.open(name, _NEW, 0o600, dir_fd=incoming)
            try:
                return _moment(os.fstat(fd).st_mtime_ns)
            finally:
                os.close(fd)
                os.unlink(name, dir_fd=incoming)

    def _probe(self) -> None:
        next(self._list(""), None)
        try:
            now = self._clock()
        except OSError as e:
            if e.errno in DENIED:
                return
            raise
        with self._incoming() as incoming:
            self._probe_link(incoming)
            self._sweep(incoming, now)

    def _probe_link(self, incoming: int) -> None:
        """Make sure that this file system has hard links, and refuses one onto a name that exists."""
        first, second = secrets.token_hex(16), secrets.token_hex(16)
        os.close(os.open(first, _NEW, 0o600, dir_fd=incoming))
        try:
            os.link(first, second, src_dir_fd=incoming, dst_dir_fd=incoming, follow_symlinks=False)
            with contextlib.suppress(FileExistsError):
                os.link(first, second, src_dir_fd=incoming, dst_dir_fd=incoming, follow_symlinks=False)
                raise StoreError(f"the file system of {self.location} replaces a name that exists")
        except OSError as e:
            # EPERM is what vfat and exfat say, the others come from FUSE
            if e.errno in {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK}:
                raise StoreError(
                    f"the file system of {self.location} makes no hard links",
                    remedy="Keep the repository on a file system that does, such as ext4, XFS, ZFS or NFS",
                ) from e
            raise
        finally:
            for name in (first, second):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=incoming)

    def _sweep(self, incoming: int, now: dt.datetime) -> None:
        with os.scandir(incoming) as entries:
            for entry in list(entries):
                # a put that still runs keeps its file young; another sweep may be faster
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode) and _moment(status.st_mtime_ns) < now - _LEFTOVER:
                        os.unlink(entry.name, dir_fd=incoming)

    def _may_put(self, name: str) -> bool | None:
        """By the rights on the folders, as the system judges them for this user; nothing is written."""
        incoming = self.root / _INCOMING
        return _may_write(incoming if incoming.is_dir() else self.root) and self._may_delete(name)

    def _may_delete(self, name: str) -> bool | None:
        """As :meth:`_may_put`: who may make a file in a folder may remove one there, whatever its lock says."""
        here = self.root
        for segment in name.split("/")[:-1]:
            if not (here / segment).is_dir():
                break
            here /= segment
        return _may_write(here)

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> Stored:
        folder, last = _split(name)
        file = f"{last}@{to_name(lock_until)}.{secrets.token_hex(8)}"
        with self._incoming() as incoming:
            temporary = secrets.token_hex(16)
            fd = os.open(temporary, _NEW, 0o600, dir_fd=incoming)
            try:
                try:
                    size = _fill(fd, stream)
                finally:
                    os.close(fd)
                with self._folder(folder, make=True, durable=True) as target:
                    os.link(temporary, file, src_dir_fd=incoming, dst_dir_fd=target, follow_symlinks=False)
                    os.fsync(target)
                    found = os.stat(file, dir_fd=target, follow_symlinks=False)
            finally:
                # what stays behind is swept: it must not hide the error, nor turn a put that is durable into one
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=incoming)
        read_back = _parse(file)
        if found.st_size != size or read_back is None:
            raise CorruptError(f"{self.location} holds {found.st_size} of {size} bytes", item=name)
        return Stored(name=name, version=read_back.version, lock_until=read_back.lock_until)

    def _get(self, name: str, version: str | None) -> bytes:
        folder, last = _split(name)
        file = f"{last}@{self._head(name, None).version if version is None else version}"
        if _parse(file) is None:
            raise _missing(name, version)
        with self._folder(folder) as here:
            # O_NONBLOCK: a FIFO of this name must not stop the reader
            fd = os.open(file, _READ | os.O_NONBLOCK, dir_fd=here)
        try:
            self._require_regular(os.fstat(fd), name)
            with open(fd, "rb", closefd=False) as source:
                return source.read()
        finally:
            os.close(fd)

    def _head(self, name: str, version: str | None) -> Listed:
        folder, _last = _split(name)
        for listed in reversed(self._scan(folder, prefix=name).get(name, [])):
            if version in (None, listed.version):
                return listed
        raise _missing(name, version)

    def _list(self, prefix: str) -> Iterator[Listed]:
        # a stack, not recursion: names may be hundreds of folders deep
        pending: list[str | list[Listed]] = [prefix[: prefix.rfind("/") + 1]]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                found = self._scan(item, prefix=prefix)
                pending.extend(found[key] or key for key in sorted(found, reverse=True))
            else:
                yield from item

    def _hold(self, name: str, version: str, on: bool) -> None:
        self._head(name, version)
        folder, last = _split(name)
        sidecar = f"{last}@{version}.hold"
        with self._folder(folder) as here:
            if on:
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(sidecar, _NEW, 0o400, dir_fd=here))
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(sidecar, dir_fd=here)
            os.fsync(here)

    def _scan(self, folder: str, *, prefix: str) -> dict[str, list[Listed]]:
        """Read one folder: each name that starts with *prefix* with its versions, oldest first.

        Folders that may hold such names stand among them with a "/" at the end and no versions, so that the keys sort
        as whole names do. Anything else that lies there is not the store's and is passed over.
        """
        found: dict[str, list[tuple[int, Listed]]] = {}
        try:
            with self._folder(folder) as here, os.scandir(here) as iterator:
                entries = {entry.name: entry for entry in iterator}
                for file, entry in entries.items():
                    # neither a name nor a prefix has an "@": others in the folder cost no parsing
                    version = _parse(file) if f"{folder}{file}".startswith(prefix) else None
                    name = f"{folder}{version.segment if version else file}"
                    if version and name_fault(name) is None:
                        # not there: removed since, after its lock
                        with contextlib.suppress(FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            self._require_regular(status, name)
                            listed = _listed(name, version, status, held=f"{file}.hold" in entries)
                            found.setdefault(name, []).append((status.st_mtime_ns, listed))
                    elif version is None and _may_hold(f"{name}/", prefix):
                        if entry.is_symlink():
                            raise self._not_followed(name)
                        if entry.is_dir(follow_symlinks=False):
                            found[f"{name}/"] = []
        except FileNotFoundError:
            return {}
        return {
            name: [listed for _mtime, listed in sorted(versions, key=lambda item: (item[0], item[1].version))]
            for name, versions in found.items()
        }

    @contextlib.contextmanager
    def _folder(self, folder: str, *, make: bool = False, durable: bool = False) -> Iterator[int]:
        """Open a folder (empty, or ending in "/") for the length of a with block.

        :param make: make what is not there, 0700.
        :param durable: fsync every folder on the way once the next one is in it: another process may have made that
            one a moment ago and not have come to its own fsync.
        """
        try:
            here = os.open(self.root, _DIRECTORY)
        except FileNotFoundError as e:
            raise UnavailableError(
                f"there is no directory at {self.location}",
                remedy="Mount it, or make the repository with repository state=present",
            ) from e
        try:
            for segment in folder.split("/")[:-1]:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(segment, 0o700, dir_fd=here)
                if durable:
                    os.fsync(here)
                above = here
                try:
                    here = os.open(segment, _DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
                except OSError as e:
                    if e.errno in {errno.ELOOP, errno.ENOTDIR}:
                        raise self._not_followed(folder) from e
                    raise
                os.close(above)
            yield here
        finally:
            os.close(here)

    def _incoming(self) -> contextlib.AbstractContextManager[int]:
        return self._folder(f"{_INCOMING}/", make=True)

    def _require_regular(self, status: os.stat_result, name: str) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self._not_followed(name)

    def _not_followed(self, name: str) -> CorruptError:
        return CorruptError(
            f"{self.location} has a symlink or a special file where a plain file or folder belongs",
            item=name,
            remedy="Look at this place by hand; symlinks below a repository are not followed",
        )


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _split(name: str) -> tuple[str, str]:
    """Return the folder, empty or ending in "/", and the last segment."""
    cut = name.rfind("/") + 1
    return name[:cut], name[cut:]


def _parse(file: str) -> _Version | None:
    match = _FILE.fullmatch(file)
    if match is None:
        return None
    try:
        return _Version(match["segment"], match["version"], _lock_of(match["lock"]))
    except FormatError:
        return None


def _may_hold(folder: str, prefix: str) -> bool:
    """Whether names in *folder* (ends in "/") are names of objects and may start with *prefix*."""
    return (folder.startswith(prefix) or prefix.startswith(folder)) and name_fault(f"{folder}x") is None


def _listed(name: str, version: _Version, status: os.stat_result, *, held: bool) -> Listed:
    return Listed(
        name=name,
        version=version.version,
        size=status.st_size,
        lock_until=version.lock_until,
        marker=False,
        held=held,
        modified=_moment(status.st_mtime_ns),
    )


def _missing(name: str, version: str | None) -> ObjectMissingError:
    what = "object" if version is None else "version of this object"
    return ObjectMissingError(f"the store holds no such {what}", item=name)


def _fill(fd: int, stream: t.BinaryIO) -> int:
    """Write *stream* whole and durable, and read-only from then on; return its size in bytes."""
    size = 0
    while chunk := stream.read(_CHUNK):
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(fd, rest) :]
        size += len(chunk)
    os.fchmod(fd, 0o400)
    os.fsync(fd)
    return size


def _moment(nanoseconds: int) -> dt.datetime:
    # in whole numbers: a float has no room for today's microseconds
    return _EPOCH + dt.timedelta(microseconds=nanoseconds // 1000)
