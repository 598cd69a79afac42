# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of cleartext that other modules leave on the controller: read as they are, and removed as nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from pathlib import Path

from ..errors import CaptureError, RunError, TooLargeError

_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True)
class BackupFile:
    """The very file that was read: where it stands, which one it is, and the SHA-256 of what it held."""

    path: Path
    device: int
    inode: int
    sha256: str


def place(path: Path) -> Path:
    """The one name of what *path* names: absolute, and by no link of a folder. It need not be there.

    :raises CaptureError: nothing can have such a name.
    """
    try:
        whole = os.path.abspath(path)
        return Path(os.path.realpath(os.path.dirname(whole)), os.path.basename(whole))
    except (OSError, ValueError) as e:
        raise _unreadable(path, e) from None


def read(path: Path, limit_bytes: int) -> tuple[bytes, BackupFile]:
    """Read a file of this user's that has no other name and that not everybody may write.

    :param limit_bytes: how many bytes it may hold.
    :raises TooLargeError: it holds more.
    :raises CaptureError: it is no such file, or cannot be read; the error holds nothing of what it holds.
    """
    path = place(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as e:
        raise _unreadable(path, e) from None
    try:
        found = os.fstat(descriptor)
        problem = _problem(found)
        if problem:
            remedy = "Let the module write a file of its own, into a folder of this user's."
            raise CaptureError(f"the backup file {problem}", item=str(path), remedy=remedy)
        data = _held(descriptor, limit_bytes)
    except OSError as e:
        raise _unreadable(path, e) from None
    finally:
        os.close(descriptor)
    if len(data) > limit_bytes:
        raise TooLargeError(f"the backup file holds more than {limit_bytes} bytes", item=str(path))
    return data, BackupFile(path, found.st_dev, found.st_ino, hashlib.sha256(data).hexdigest())


def remove(file: BackupFile) -> None:
    """Remove a file if it is still the one that was read, and holds what it held; no link is followed.

    :raises RunError: it is not, others may put files there, or it cannot be removed.
    """
    try:
        folder = os.open(file.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as e:
        raise _kept(file, str(e.strerror)) from None
    try:
        around = os.fstat(folder)
        if around.st_uid != os.geteuid() or around.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _kept(file, "others may put files into its folder")
        _require_same(folder, file)
        os.unlink(file.path.name, dir_fd=folder)
    except OSError as e:
        raise _kept(file, str(e.strerror)) from None
    finally:
        os.close(folder)


def _require_same(folder: int, file: BackupFile) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(file.path.name, flags, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        same = (found.st_dev, found.st_ino) == (file.device, file.inode) and not _problem(found)
        if not same:
            raise _kept(file, "another file has its name")
        if hashlib.sha256(_held(descriptor, found.st_size)).hexdigest() != file.sha256:
            raise _kept(file, "it was written to since")
    finally:
        os.close(descriptor)


def _problem(found: os.stat_result) -> str:
    """Why a file may hold another's text than that of the module which said that it wrote it."""
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file"
    if found.st_uid != os.geteuid():
        return "belongs to somebody else"
    if found.st_nlink != 1:
        return "has another name too"
    return "may be written by everybody" if found.st_mode & stat.S_IWOTH else ""


def _held(descriptor: int, most: int) -> bytes:
    """What a file holds, and one byte more than *most* where it holds more than that."""
    parts, left = [], most + 1
    while left > 0:
        part = os.read(descriptor, min(_CHUNK, left))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _unreadable(path: Path, error: Exception) -> CaptureError:
    why = error.strerror if isinstance(error, OSError) else "it has no such name"
    return CaptureError(f"the backup file cannot be read: {why}", item=repr(str(path)))


def _kept(file: BackupFile, why: str) -> RunError:
    return RunError(
        f"the cleartext backup file was not removed: {why}",
        item=str(file.path),
        remedy="Look at it, and remove it by hand.",
    )
