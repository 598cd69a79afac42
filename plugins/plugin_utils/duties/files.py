# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rendered policies as files of a folder on the controller: written where they differ, each its owner's alone."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import PolicyError

_MODE = 0o600
# what stands there may be anything; more than this is none of ours
_LIMIT_BYTES = 256 * 1024


@dataclasses.dataclass(frozen=True)
class Change:
    """A file that is, or was, otherwise than it should be.

    :param before: its text; "" where it was not there, or was no text.
    """

    path: Path
    before: str
    after: str


def write(folder: Path, files: Mapping[str, str], *, check: bool) -> list[Change]:
    """Make the files of a folder what they should be, each in one step; what else is there stays.

    :param files: texts by their path below the folder, at most one folder deeper.
    :param check: write nothing, and say what would be written.
    :returns: what was otherwise, or had other rights than its owner's to read and write.
    :raises PolicyError: the folder cannot be written.
    """
    changes = []
    for name, text in sorted(files.items()):
        path = folder / name
        try:
            before, mode = _read(path)
            if (before, mode) == (text, _MODE):
                continue
            if not check:
                _write(folder, path, text)
        except OSError as e:
            raise PolicyError(
                f"cannot be written: {e.strerror}", item=str(path), remedy="Name a folder of yours in dest"
            ) from None
        changes.append(Change(path, before, text))
    return changes


def _read(path: Path) -> tuple[str, int]:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return "", 0
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LIMIT_BYTES:
        return "", 0
    return path.read_bytes().decode("utf-8", "replace"), stat.S_IMODE(found.st_mode)


def _write(folder: Path, path: Path, text: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # made by mkstemp it is its owner's alone from the first
    handle, name = tempfile.mkstemp(prefix=".holdfast-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
