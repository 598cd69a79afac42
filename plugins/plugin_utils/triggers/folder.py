# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders and files that outlive a power cut, and that nobody else reads."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import PolicyError


def make(path: Path) -> None:
    """Have the folder, of mode 0700 and this user's.

    :raises PolicyError: it cannot be made, or is another's.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(path)
    except OSError as e:
        raise PolicyError(f"the folder cannot be made ({e.strerror})", item=str(path)) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        remedy = "Name a folder of this user's with mode 0700."
        raise PolicyError("the folder is not one that this user alone reads", item=str(path), remedy=remedy)


def write(path: Path, data: bytes) -> None:
    """Put a file there whole, or not at all; it is on the disk when this returns.

    :raises OSError: the disk did not take it.
    """
    beside = path.with_name(f".{path.name}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have the names of a folder on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
