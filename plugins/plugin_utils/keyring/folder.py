# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder that is its owner's alone, and files in it that are whole or not there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import KeyringError

# One name is enough: who writes holds the lock, and what a killed write left is removed by the next.
_TEMPORARY = ".new"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class PrivateFolder:
    """One folder, mode 0700, with files of mode 0600.

    Every method raises KeyringError where the folder or a file cannot be used, gives others any right, or belongs to
    somebody other than the current user or root.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        with _mapped(self.path):
            return self.path.is_dir()

    def make(self) -> None:
        """Make the folder if it is missing, its parents with it, and drop what a killed :meth:`write` left."""
        with _mapped(self.path):
            if not self.path.is_dir():
                self.path.mkdir(mode=0o700, parents=True)
                _sync(self.path.parent)
            self._check()
            (self.path / _TEMPORARY).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Name what is in the folder, sorted."""
        with _mapped(self.path):
            self._check()
            return sorted(os.listdir(self.path))

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes; None where there is no such file or no such folder."""
        path = self.path / name
        with _mapped(path), contextlib.suppress(FileNotFoundError):
            self._check()
            with path.open("rb") as file:
                _check(path, os.fstat(file.fileno()))
                return file.read()
        return None

    def write(self, name: str, data: bytes) -> None:
        """Put a file in one step: durable when this returns, and after a kill either the old one or the new one."""
        temporary = self.path / _TEMPORARY
        with _mapped(self.path / name):
            self._check()
            temporary.unlink(missing_ok=True)
            with open(temporary, "xb", opener=_private) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, self.path / name)
            _sync(self.path)

    def clear(self) -> None:
        """Remove all files of the folder."""
        with _mapped(self.path):
            for name in self.names():
                (self.path / name).unlink()

    def move(self, path: Path) -> None:
        """Give the folder another name, where nothing is or an empty folder: durable when this returns."""
        with _mapped(path):
            os.rename(self.path, path)
            _sync(path.parent)
        self.path = path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out; the lock ends with the process. Raises KeyringError where another has it."""
        with _mapped(self.path):
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e:
                raise KeyringError(
                    "another process is making keys here", item=str(self.path), remedy="Wait for it and run this again"
                ) from e
            yield
        finally:
            os.close(descriptor)

    def _check(self) -> None:
        _check(self.path, os.stat(self.path))


def _check(path: Path, status: os.stat_result) -> None:
    if status.st_mode & _OTHERS:
        raise KeyringError(
            "others than its owner may read or write a private part of the keyring",
            item=str(path),
            remedy="Take their rights away (chmod go=)",
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyringError(
            "a private part of the keyring belongs to another user",
            item=str(path),
            remedy="Make the user who runs this its owner (chown)",
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise KeyringError(f"the keyring cannot be used: {e.strerror}", item=str(path)) from e
