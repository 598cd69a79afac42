# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Escrow in the hands of several people: who has a share, how many open it, and which keys it holds."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re

# what a repository may be called; it is written above what is sealed
REPOSITORY = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# it becomes part of a file's name
CUSTODIAN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,62}")


@dataclasses.dataclass(frozen=True)
class Custodian:
    """A person who is to hold a share, and the public key that it is encrypted to: one of age, or of OpenSSH."""

    name: str
    key: str


@dataclasses.dataclass(frozen=True)
class Share:
    """A share as its set names it, with nothing of what it says.

    ``key_sha256`` is of the custodian's public key, ``words_sha256`` of the share's words, ``file_sha256`` of the file
    that they were encrypted into.
    """

    custodian: str
    key_sha256: str
    words_sha256: str
    file_sha256: str

    @property
    def file(self) -> str:
        """The name of its file in the folder of the set."""
        return share_file(self.custodian)


@dataclasses.dataclass(frozen=True)
class EscrowKey:
    """An escrow key: the class, year and series that it is of (``d0090-2026``), and its age recipient."""

    id: str
    recipient: str


@dataclasses.dataclass(frozen=True)
class EscrowSet:
    """Escrow keys in one sealed file that ``threshold`` of ``shares`` open.

    ``sealed_sha256`` is of the file. The recipient of the key that was split is told nowhere: nobody who lacks the
    shares can make another file that they open.
    """

    repository: str
    made_at: dt.datetime
    threshold: int
    shares: tuple[Share, ...]
    keys: tuple[EscrowKey, ...]
    sealed_sha256: str

    @property
    def custodians(self) -> tuple[str, ...]:
        """Names of all who hold a share."""
        return tuple(share.custodian for share in self.shares)

    def by_words(self, sha256: str) -> Share | None:
        """The share whose words have that digest."""
        return next((share for share in self.shares if share.words_sha256 == sha256), None)


def share_file(custodian: str) -> str:
    """What the file of a custodian's share is called."""
    return f"share-{custodian}.age"
