# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accepted requests as files, one each, from before they are answered until what they asked for is sealed."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import secrets
import typing as t
from pathlib import Path

from ..errors import FormatError, PolicyError, ThrottledError
from . import folder, request
from .request import Request

MOST = 10_000
ID = re.compile(r"[0-9]{14}-[0-9a-f]{16}", re.ASCII)
_SUFFIX = ".json"
_FAILED = ".failed"
_ASIDE = "aside"
_LOCK = "lock"


@dataclasses.dataclass(frozen=True)
class Accepted:
    """A request that was accepted: its id, when (Unix seconds), and whose key or which listener asked."""

    id: str
    at: float
    key: str
    request: Request


class Spool:
    """A folder of accepted requests, of mode 0700, that one process listens for."""

    def __init__(self, path: Path, *, most: int = MOST) -> None:
        """Have the folder, and be its only listener until this process ends.

        :param most: requests that may wait at once.
        :raises PolicyError: it is not this user's alone, or another process listens for it.
        """
        self.path = path
        self._most = most
        # how many more there is room for, or fewer: others only take out
        self._room = 0
        folder.make(path)
        folder.make(path / _ASIDE)
        self._lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            remedy = "Give each listener a spool of its own."
            raise PolicyError("another process listens for this spool", item=str(path), remedy=remedy) from None

    def close(self) -> None:
        """Let another process listen."""
        os.close(self._lock)

    def put(self, asked: Request, *, key: str, now: float) -> Accepted:
        """Keep a request; it is on the disk when this returns. One thread at a time calls it.

        :raises ThrottledError: too many wait.
        :raises OSError: the disk did not take it.
        """
        if self._room <= 0:
            self._room = self._most - len(self.waiting())
        if self._room <= 0:
            raise ThrottledError("too many requests wait", remedy="Ask again later.")
        accepted = Accepted(f"{int(now * 1000):014d}-{secrets.token_hex(8)}", now, key, asked)
        value = {"at": now, "key": key, "request": asked.as_json()}
        folder.write(self._file(accepted.id), json.dumps(value, ensure_ascii=True).encode("ascii"))
        self._room -= 1
        return accepted

    def waiting(self) -> list[str]:
        """The ids of what is not done, oldest first."""
        names = (name.removesuffix(_SUFFIX) for name in os.listdir(self.path) if name.endswith(_SUFFIX))
        return sorted(name for name in names if ID.fullmatch(name))

    def get(self, name: str) -> Accepted | None:
        """Read one back; None where it is done, and where it was damaged, which sets it aside."""
        try:
            value = json.loads(self._file(name).read_bytes())
            return Accepted(name, float(value["at"]), str(value["key"]), request.from_json(value["request"]))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, FormatError):
            self.set_aside(name)
            return None

    def set_aside(self, name: str) -> None:
        """Take one out of what waits, and keep its file in the folder ``aside``, for people to look at."""
        with contextlib.suppress(FileNotFoundError):
            os.replace(self._file(name), self.path / _ASIDE / f"{name}{_SUFFIX}")

    def take_failed(self) -> frozenset[str]:
        """The ids of which a run told since the last call that it failed."""
        found = frozenset(name for name in os.listdir(self.path) if name.endswith(_FAILED))
        for name in found:
            with contextlib.suppress(OSError):
                os.unlink(self.path / name)
        return frozenset(name.removesuffix(_FAILED) for name in found)

    def _file(self, name: str) -> Path:
        return self.path / f"{name}{_SUFFIX}"


def since(name: str) -> float:
    """When a request was accepted, in Unix seconds, by its id."""
    return int(name[:14]) / 1000


def done(path: Path, names: t.Iterable[str], *, check: bool = False) -> list[str]:
    """Take requests out of a spool whose captures are sealed; return those that were there.

    :param check: say what would be taken, and take nothing.
    :raises PolicyError: one is no id of a request, or cannot be taken out. The other ids are looked at first.
    """
    there = _there(path, names)
    if check or not there:
        return there
    try:
        for name in there:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path / f"{name}{_SUFFIX}")
        folder.sync(path)
    except OSError as e:
        raise PolicyError(f"a request cannot be taken out of the spool ({e.strerror})", item=str(path)) from None
    return there


def failed(path: Path, names: t.Iterable[str], *, check: bool = False) -> list[str]:
    """Tell the listener of a spool that the run of these requests failed; return those that it did not know of.

    :param check: say what would be told, and tell nothing.
    :raises PolicyError: one is no id of a request, or it cannot be told. The other ids are looked at first.
    """
    there = [name for name in _there(path, names) if not os.path.lexists(path / f"{name}{_FAILED}")]
    try:
        for name in [] if check else there:
            folder.write(path / f"{name}{_FAILED}", b"")
    except OSError as e:
        raise PolicyError(f"the spool cannot be written ({e.strerror})", item=str(path)) from None
    return there


def _there(path: Path, names: t.Iterable[str]) -> list[str]:
    wanted = list(names)
    for name in wanted:
        if not ID.fullmatch(name):
            raise PolicyError("this is no id of a request", item="ids", remedy="Give the ids of the event.")
    return [name for name in wanted if os.path.lexists(path / f"{name}{_SUFFIX}")]
