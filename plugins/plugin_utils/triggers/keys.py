# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys that may ask for a capture: a folder with one file for each, which its owner alone reads."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

from ..errors import PolicyError
from .request import HOST, MANUAL_CHANGE, Request
from .signature import KEY_ID

EVERY_HOST = "*"
LEAST_SECRET_BYTES = 32
_LIMIT_BYTES = 1 << 20
_OF_A_HOST = "host:"
_REMEDY = "Give it to the user that listens, with mode 0600, in a folder of mode 0700."


@dataclasses.dataclass(frozen=True)
class Key:
    """A key: its secret, and the hosts it may ask for; ``hosts`` is None for all."""

    id: str
    secret: bytes = dataclasses.field(repr=False)
    hosts: frozenset[str] | None

    def allows(self, request: Request) -> bool:
        """Whether this key may ask for that. A host's own key may ask for its capture after a manual change, only."""
        if self.id.startswith(_OF_A_HOST):
            return request.kind == MANUAL_CHANGE and request.hosts == (self.id.removeprefix(_OF_A_HOST),)
        return self.hosts is None or self.hosts.issuperset(request.hosts)


def check_folder(folder: Path) -> None:
    """Look at the folder once, before anything listens.

    :raises PolicyError: it is no folder of this user's, or others can write there.
    """
    try:
        found = os.stat(folder)
    except OSError as e:
        raise PolicyError(f"the folder of keys cannot be read ({e.strerror})", item=str(folder)) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        problem = "is not a folder that this user owns and nobody else reads"
        raise PolicyError(f"the folder of keys {problem}", item=str(folder), remedy="Give it mode 0700.")


def find(folder: Path, key: str) -> Key | None:
    """Read the key of that id, anew each time: a file that is put there or taken away counts at once.

    The first line is the secret, of 32 characters at least; each further line is a host that the key may ask for, or
    ``*`` for all. That of ``host:NAME`` has none: the host is in its name.

    :raises PolicyError: the file is not one that its owner alone reads, or is not of this form; no message holds any
        of it.
    """
    if not KEY_ID.fullmatch(key):
        return None
    path = folder / key
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise PolicyError(f"the key cannot be read ({e.strerror})", item=str(path), remedy=_REMEDY) from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PolicyError("the key is not a file that this user alone reads", item=str(path), remedy=_REMEDY)
        lines = file.read(_LIMIT_BYTES).split(b"\n")
    secret = lines[0].rstrip(b"\r")
    if len(secret) < LEAST_SECRET_BYTES:
        remedy = "Make one by: openssl rand -hex 32."
        raise PolicyError(f"the secret is shorter than {LEAST_SECRET_BYTES} characters", item=str(path), remedy=remedy)
    return Key(key, secret, _hosts(key, [line.decode("ascii", "replace").strip() for line in lines[1:]], path))


def _hosts(key: str, lines: list[str], path: Path) -> frozenset[str] | None:
    names = frozenset(line for line in lines if line)
    if key.startswith(_OF_A_HOST):
        if names:
            raise PolicyError("the key of a host names hosts", item=str(path), remedy="Leave the secret alone in it.")
        return frozenset({key.removeprefix(_OF_A_HOST)})
    if names == {EVERY_HOST}:
        return None
    if not names or not all(HOST.fullmatch(name) for name in names):
        remedy = "After the secret, write a line for each host, or one line with a star."
        raise PolicyError("the key does not say which hosts it may ask for", item=str(path), remedy=remedy)
    return names
