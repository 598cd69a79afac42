# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders and files of the managed host: each opened relative to its folder, nothing followed.

Private to this collection. Standard library only, Python 3.8+.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import struct
import sys

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_MAX_ITEMS = 200
READ = 1 << 20
PAUSE = 0.05  # seconds between two tries
TEMPORARY = re.compile(r"\.holdfast-[0-9a-f]{16}")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# FS_IOC_GETFLAGS and the flags i and a (ioctl_iflags(2)); some processors spell "read" otherwise
_READS = 1 << 30 if os.uname().machine.startswith(("mips", "ppc", "sparc", "alpha", "parisc")) else 2 << 30
_GET_FLAGS = _READS | struct.calcsize("l") << 16 | ord("f") << 8 | 1
_IMMUTABLE = 0x10 | 0x20
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class RefusedError(Exception):
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


def changed_meanwhile(path: str) -> RefusedError:
    return RefusedError("os", f"somebody changed {path} while it was restored", [path])


def internal(e: Exception) -> RefusedError:
    trace = e.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    line = trace.tb_lineno if trace is not None else 0
    file = os.path.basename(trace.tb_frame.f_code.co_filename) if trace is not None else ""
    return RefusedError("internal", f"{type(e).__name__} in line {line} of {file}")


def code_of(e: OSError) -> str:
    return errno.errorcode.get(e.errno or 0, "an error")


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def to_text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def path_of(names: tuple[bytes, ...]) -> str:
    return "/" + to_text(b"/".join(names))


def names_of(path: str) -> tuple[bytes, ...]:
    """The segments of a path; raises ValueError for one that must not be written."""
    segments = path.split("/")
    if segments[0] or {"", ".", ".."} & set(segments[1:] or ".") or "\0" in path:
        raise ValueError("is not a plain absolute path")
    if "/.holdfast-" in path and any(TEMPORARY.fullmatch(segment) for segment in segments):
        raise ValueError("has a name kept for working files")
    return tuple(to_bytes(name) for name in segments[1:])


def join(folder: bytes, name: bytes) -> bytes:
    return folder.rstrip(b"/") + b"/" + name


def checked(value: t.Any, kind: type) -> t.Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"not a {kind.__name__}")
    return value


def checked_number(value: t.Any) -> int:
    if checked(value, int) < 0:
        raise TypeError("a negative number")
    return int(value)


@contextlib.contextmanager
def closing(fd: int) -> t.Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def working_on(path: str) -> t.Iterator[None]:
    """Name the path at which the system failed."""
    try:
        yield
    except OSError as e:
        if e.errno in FULL:
            raise RefusedError("no_space", f"{code_of(e)} on {path}", [path]) from e
        raise RefusedError("os", f"{code_of(e)} on {path}", [path]) from e


@contextlib.contextmanager
def same_time(folder: str) -> t.Iterator[None]:
    """Give a folder, where there is one, its time back after something in it changed."""
    try:
        st = os.stat(folder)
    except OSError:
        yield
        return
    yield
    os.utime(folder, ns=(st.st_atime_ns, st.st_mtime_ns))


def normal_path(root: str) -> bytes:
    return os.path.normpath(to_bytes(root))


def no_root(root: str, e: OSError) -> RefusedError:
    code = errno.errorcode.get(e.errno or 0, "an error")
    return RefusedError("root", f"{root} is not a folder to write in ({code})", [root])


def open_place(root: str) -> int:
    """Open the root of something in place, which must be there."""
    if not root.startswith("/") or "\0" in root:
        raise RefusedError("root", "the root is not an absolute path", [root])
    try:
        return os.open(normal_path(root), FOLDER_FLAGS)
    except OSError as e:
        raise no_root(root, e) from e


def open_folder(root: int, names: tuple[bytes, ...], *, made: set[tuple[bytes, ...]] | None = None) -> tuple[int, bool]:
    """Open the folder *names* below the root, following nothing: the deepest there is, and whether it is that one.

    :param made: make what is missing, closed to others, and note here in which folders that was.
    """
    fd = os.dup(root)
    try:
        for depth, name in enumerate(names):
            try:
                below = os.open(name, FOLDER_FLAGS, dir_fd=fd)
            except FileNotFoundError:
                if made is None:
                    return fd, False
                os.mkdir(name, 0o700, dir_fd=fd)
                below = os.open(name, FOLDER_FLAGS, dir_fd=fd)
                made.update((names[:depth], names[: depth + 1]))
            except OSError as e:
                if e.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                path = "/" + to_text(b"/".join(names[: depth + 1]))
                st = lstat(fd, name)
                if st is not None and stat.S_ISLNK(st.st_mode):
                    raise RefusedError("outside", f"{path} is a symlink, and entries go below it", [path]) from e
                raise RefusedError("in_the_way", f"{path} is no folder, and entries go below it", [path]) from e
            os.close(fd)
            fd = below
    except BaseException:
        os.close(fd)
        raise
    return fd, True


def open_pinned(root: int, names: tuple[bytes, ...], inode: tuple[int, int]) -> int:
    """Open a folder again; raises RefusedError where it is not the one it was."""
    path = path_of(names)
    try:
        fd, whole = open_folder(root, names)
    except RefusedError as e:
        raise RefusedError("outside", f"{path} is no longer the folder it was", [path]) from e
    st = os.fstat(fd)
    if not whole or (st.st_dev, st.st_ino) != inode:
        os.close(fd)
        raise RefusedError("outside", f"{path} is no longer the folder it was", [path])
    return fd


def open_told(root: int, told: t.Mapping[str, t.Any], *, dev: bool) -> int:
    """Open a folder that a journal tells of; *dev*: it is of this boot, and so its device has the same number."""
    path = str(told["at"])
    names = names_of(path) if path != "/" else ()
    fd, whole = open_folder(root, names)
    st = os.fstat(fd)
    if not whole or st.st_ino != told["ino"] or (dev and st.st_dev != told["dev"]):
        os.close(fd)
        raise RefusedError("outside", f"{path} is no longer the folder it was", [path])
    return fd


def lstat(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def inode_at(folder: int, path: bytes) -> tuple[int, int] | None:
    """The inode to which a path leads, itself no link that is followed; None where that cannot be told."""
    try:
        st = os.stat(path, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return st.st_dev, st.st_ino


def real_path(fd: int) -> bytes | None:
    """Where an open folder is, from this process's root."""
    try:
        return os.readlink(b"/proc/self/fd/%d" % fd)
    except OSError:
        return None


def mount_points() -> frozenset[bytes]:
    """Where something is mounted (proc_pid_mountinfo(5))."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return frozenset()
    found = (line.split(b" ")[4] for line in lines if line.count(b" ") > 4)
    return frozenset(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 255]), path) for path in found)


def is_immutable(fd: int) -> bool:
    """Whether a file or folder has one of the flags of chattr(1) that keep its names from changing."""
    flags = bytearray(8)
    try:
        fcntl.ioctl(fd, _GET_FLAGS, flags)
    except OSError:
        return False
    return bool(int.from_bytes(flags[:4], sys.byteorder) & _IMMUTABLE)


def is_immutable_at(folder: int, name: bytes) -> bool:
    try:
        fd = os.open(name, FILE_FLAGS, dir_fd=folder)
    except OSError:
        return False
    with closing(fd):
        return is_immutable(fd)


def paths_below(folder: int, name: bytes, path: str) -> t.Iterator[bytes]:
    """All paths below a folder, relative to it; raises RefusedError where one of them or it cannot be removed."""
    with closing(os.open(name, FOLDER_FLAGS, dir_fd=folder)) as fd:
        if is_immutable(fd):
            raise RefusedError("immutable", f"{path} is immutable or append-only (chattr)", [path])
        for child in os.listdir(fd):
            raw = os.fsencode(child)
            inside = f"{path}/{to_text(raw)}"
            st = os.stat(raw, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(st.st_mode):
                for below in paths_below(fd, raw, inside):
                    yield join(raw, below)
            if stat.S_ISREG(st.st_mode) and is_immutable_at(fd, raw):
                raise RefusedError("immutable", f"{inside} is immutable or append-only (chattr)", [inside])
            yield raw


def remove_tree(folder: int, name: bytes, mounts: t.Iterable[bytes] | None = None) -> None:
    """Remove a folder with all that is in it, and nothing that is mounted there; raises OSError where that fails.

    :param mounts: as :func:`mount_points` gives them.
    """
    real = real_path(folder)
    if mounts is None:
        mounts = mount_points()
    if real is not None and any((mount + b"/").startswith(join(real, name) + b"/") for mount in mounts):
        raise OSError(errno.EBUSY, "something is mounted in it")
    _remove_below(folder, name)


def _remove_below(folder: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=folder)
        return
    except FileNotFoundError:
        return
    except IsADirectoryError:
        st = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if st.st_mode & 0o700 != 0o700 and os.geteuid() != 0:
        os.chmod(name, 0o700, dir_fd=folder)
    with closing(os.open(name, FOLDER_FLAGS, dir_fd=folder)) as fd:
        for child in os.listdir(fd):
            _remove_below(fd, os.fsencode(child))
    os.rmdir(name, dir_fd=folder)


def set_mtime(fd: int, mtime_ns: int) -> None:
    st = os.fstat(fd)
    if st.st_mtime_ns != mtime_ns:
        os.utime(fd, ns=(st.st_atime_ns, mtime_ns))


def sync(folder: int, name: bytes) -> None:
    with closing(os.open(name, FILE_FLAGS, dir_fd=folder)) as fd:
        os.fsync(fd)


def sync_folder(path: str) -> None:
    with closing(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as fd:
        os.fsync(fd)
