# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests were here before: their nonces, remembered on disk for as long as a timestamp is good."""

from __future__ import annotations

import collections
import hashlib
import os
from pathlib import Path

from ..errors import SignatureError, ThrottledError
from . import folder
from .signature import SKEW_SECONDS, Stamp

MOST_PER_KEY = 300
MOST = 50_000
_FILE = "nonces"
_SEPARATOR = " "


class Memory:
    """The nonces of a folder. Older ones are forgotten: their timestamps are refused by then."""

    def __init__(self, path: Path, *, now: float, most_per_key: int = MOST_PER_KEY, most: int = MOST) -> None:
        """Read what an earlier process remembered.

        :param now: Unix seconds.
        :param most_per_key: requests of one key in the ten minutes for which one is remembered.
        :param most: those of all keys.
        :raises PolicyError: the folder is not this user's alone.
        """
        folder.make(path)
        self._file = path / _FILE
        self._most_per_key = most_per_key
        self._most = most
        self._seen: dict[str, tuple[int, str]] = {}
        self._of_key: collections.Counter[str] = collections.Counter()
        self._lines = 0
        self._load(now)
        self._rewrite()

    def remember(self, stamp: Stamp, *, now: float) -> None:
        """Take a nonce once. Call it for what is signed, before anything is done; it is on the disk afterwards.

        :raises SignatureError: it was here before.
        :raises ThrottledError: this key, or all keys, asked too often.
        :raises OSError: the disk did not take it.
        """
        self._forget(now)
        name = _name(stamp)
        if name in self._seen:
            remedy = "Sign each request anew, with a nonce of its own."
            raise SignatureError("this nonce was used before", remedy=remedy)
        if self._of_key[stamp.key] >= self._most_per_key or len(self._seen) >= self._most:
            raise ThrottledError("too many requests", remedy="Ask again in ten minutes.")
        ends = stamp.timestamp + SKEW_SECONDS
        if self._lines >= 2 * len(self._seen) + self._most_per_key:
            self._rewrite()
        self._append(ends, name, stamp.key)
        self._add(ends, name, stamp.key)

    def __len__(self) -> int:
        return len(self._seen)

    def _add(self, ends: int, name: str, key: str) -> None:
        self._seen[name] = (ends, key)
        self._of_key[key] += 1

    def _forget(self, now: float) -> None:
        for name in [name for name, (ends, _key) in self._seen.items() if ends < now]:
            _ends, key = self._seen.pop(name)
            self._of_key[key] -= 1
            if not self._of_key[key]:
                del self._of_key[key]

    def _load(self, now: float) -> None:
        try:
            lines = self._file.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            ends, _separator, rest = line.partition(_SEPARATOR)
            name, _separator, key = rest.partition(_SEPARATOR)
            # the last line may have been cut off by a power cut: nothing was accepted by it
            if ends.isdecimal() and key and int(ends) >= now and name not in self._seen:
                self._add(int(ends), name, key)

    def _append(self, ends: int, name: str, key: str) -> None:
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "ab") as file:
            file.write(_line(ends, name, key))
            file.flush()
            os.fsync(file.fileno())
        self._lines += 1

    def _rewrite(self) -> None:
        lines = [_line(ends, name, key) for name, (ends, key) in self._seen.items()]
        folder.write(self._file, b"".join(lines))
        self._lines = len(lines)


def _name(stamp: Stamp) -> str:
    return hashlib.sha256(f"{stamp.key}\n{stamp.nonce}".encode()).hexdigest()[:32]


def _line(ends: int, name: str, key: str) -> bytes:
    return f"{ends}{_SEPARATOR}{name}{_SEPARATOR}{key}\n".encode("ascii")
