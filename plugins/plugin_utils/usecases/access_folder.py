# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lets somebody in for a window, in a folder of the controller that nobody else may write to.

::

    <path>/token         the token for Vault, 0600
          /credentials   keys for the store as a profile of AWS, 0600; not where none were given
          /access.json   what they were given for and how they are ended, 0600; no secret
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import os
import stat
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import FormatError, PolicyError
from ..model import instant
from .run_folder import UNFINISHED, write_whole

if t.TYPE_CHECKING:
    from ..store.s3_client import RoleKeys

TOKEN, KEYS, STATE = "token", "credentials", "access.json"
PROFILE = "holdfast-restorer"
# bytes; what is written here is less than 8 KiB
_LIMIT = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Kept:
    """What is known of the files.

    :param record: the digest of the record that people signed.
    :param accessor: of the token: who has it can end it, and nothing else.
    :param token: SHA-256 of the token.
    :param until: when the token ends.
    :param store_until: when the keys for the store end; None where there are none.
    """

    record: str
    ticket: str
    accessor: str
    token: str
    until: dt.datetime
    store_until: dt.datetime | None = None

    def write(self) -> bytes:
        """As a file."""
        told = {
            **dataclasses.asdict(self),
            "until": instant.to_text(self.until),
            "store_until": None if self.store_until is None else instant.to_text(self.store_until),
        }
        return json.dumps(told, indent=1, sort_keys=True).encode() + b"\n"


class AccessFolder:
    """The folder; nothing of it is read or made yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Kept | None:
        """What is known of the files that are there; None where nothing is.

        :raises PolicyError: others may write there, or it cannot be read.
        :raises FormatError: somebody has edited it.
        """
        if not self._private():
            return None
        data = self._bytes(STATE)
        return None if data is None else _read(data, str(self.path / STATE))

    def holds(self, kept: Kept) -> bool:
        """Whether the token's file is there as it was written."""
        return _sha256((self._bytes(TOKEN) or b"").strip()) == kept.token

    @property
    def has_keys(self) -> bool:
        """Whether there are keys for the store."""
        return self._bytes(KEYS) is not None

    def write(self, kept: Kept, token: str | None, keys: RoleKeys | None) -> None:
        """Write what is given; what is known of it first, so that it can be ended whatever happens.

        :param token: None where the one that is there stays.
        :param keys: None where those that are there stay, or where there are to be none.
        :raises PolicyError: it cannot be written.
        """
        with self._reaching():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._private()
            write_whole(self.path / STATE, kept.write())
            if token is not None:
                write_whole(self.path / TOKEN, f"{token}\n".encode())
            if keys is not None:
                write_whole(self.path / KEYS, _profile(keys))
            elif kept.store_until is None:
                (self.path / KEYS).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the files, what is known of them last; the folder stays.

        :raises PolicyError: they cannot be removed.
        """
        with self._reaching():
            for name in self.left():
                (self.path / name).unlink(missing_ok=True)

    def left(self) -> tuple[str, ...]:
        """Names of the files that are there, also of those that a run has begun and was killed.

        :raises PolicyError: others may write there, or it cannot be read.
        """
        with self._reaching():
            there = sorted(os.listdir(self.path)) if self._private() else []
        begun = [name for name in there if name.startswith(UNFINISHED)]
        # what is known of them last
        return (*begun, *(name for name in (TOKEN, KEYS, STATE) if name in there))

    def _private(self) -> bool:
        """Whether it is there; raises PolicyError where others could put something in its place."""
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError as e:
            raise self._unusable(e.strerror or "unknown error") from None
        if not stat.S_ISDIR(found.st_mode):
            raise self._unusable("it is no folder")
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise self._unusable("others than who runs this may write there")
        return True

    def _bytes(self, name: str) -> bytes | None:
        """A file of the folder, whole; None where there is none."""
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as e:
            raise self._unusable(e.strerror or "unknown error") from None
        with self._reaching(), os.fdopen(descriptor, "rb") as file:
            return file.read(_LIMIT)

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise self._unusable(e.strerror or "unknown error") from None

    def _unusable(self, why: str) -> PolicyError:
        return PolicyError(
            f"the folder for what lets in cannot be used: {why}",
            item=str(self.path),
            remedy="Name one in path that is, or can be made, yours alone, best in memory: /dev/shm/… or /run/user/…",
        )


def state_of(
    *, record: str, ticket: str, accessor: str, secret: str, until: dt.datetime, store_until: dt.datetime | None
) -> Kept:
    """What is to be known of a token and keys that were given."""
    return Kept(record, ticket, accessor, _sha256(secret.encode()), until, store_until)


def _profile(keys: RoleKeys) -> bytes:
    values = {
        "aws_access_key_id": keys.access,
        "aws_secret_access_key": keys.secret,
        "aws_session_token": keys.token,
    }
    # a server's answer must not become other lines of the file
    if not all(value.isprintable() and value for value in values.values()):
        raise FormatError("the keys that the store gave are not one line of text each", item=KEYS)
    lines = [f"[{PROFILE}]", *(f"{name} = {value}" for name, value in values.items())]
    return "".join(f"{line}\n" for line in lines).encode()


def _read(data: bytes, what: str) -> Kept:
    try:
        told: t.Any = json.loads(data)
        fields: Mapping[str, t.Any] = told if isinstance(told, dict) else {}
        until, store_until = instant.from_text(fields["until"]), fields["store_until"]
        texts = {name: fields[name] for name in ("record", "ticket", "accessor", "token")}
        if not all(isinstance(text, str) for text in texts.values()):
            raise FormatError("is no text")
        ends = None if store_until is None else instant.from_text(store_until)
        return Kept(**texts, until=until, store_until=ends)
    except (ValueError, KeyError, TypeError, RecursionError, FormatError):
        raise FormatError(
            "does not say what access was given for",
            item=what,
            remedy="Somebody has edited it: end the token in Vault by its accessor, and remove the folder",
        ) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
