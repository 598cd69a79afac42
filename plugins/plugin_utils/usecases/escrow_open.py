# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open escrow that is in several hands: enough shares give its keys back, in memory or in a folder that is memory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from ..errors import (
    FormatError,
    HoldfastError,
    IntegrityError,
    KeyMissingError,
    KeyringError,
    PolicyError,
    WrongKeyError,
)
from ..keyring import identities
from ..keyring.folder import PrivateFolder
from ..keyring.identities import Identity
from ..model.escrow import EscrowSet, Share
from ..seal import age, shares
from .escrow import SEALED, keys_of, read_sealed, read_set

# bytes; sixteen of them would fit many times
_SHARE_LIMIT = 64 * 1024
_HOLDER = re.compile(r"^# Custodian: (\S+)$", re.MULTILINE)
_ENCRYPTED = (b"age-encryption.org/", b"-----BEGIN AGE")
_MEMORY = ("tmpfs", "ramfs")
_MOUNTS = Path("/proc/self/mountinfo")
_SWAPS = Path("/proc/swaps")


@dataclasses.dataclass(frozen=True)
class Opened:
    """A set that was opened, by whose shares, and the identities in it, which are shown nowhere.

    ``warnings`` say where shares are that others may find long after.
    """

    escrow: EscrowSet
    by: tuple[str, ...]
    warnings: tuple[str, ...]
    text: bytes = dataclasses.field(repr=False)
    identities: tuple[Identity, ...] = dataclasses.field(repr=False)


def open_set(path: Path, given: Sequence[Path]) -> Opened:
    """Open the set in the folder *path* in memory.

    :param given: files of shares, each decrypted by who holds it. All of them must be right, also those beyond the
        threshold.
    :raises KeyMissingError: they are too few, or there is no set.
    :raises WrongKeyError, IntegrityError: one of them is of another set, or damaged; it says whose.
    :raises KeyringError: one of them is readable for others, or the set cannot be used.
    """
    escrow = read_set(path)
    sealed = read_sealed(path, escrow)
    held: dict[str, str] = {}
    for file in given:
        share, words = _read_share(file, escrow)
        if share.custodian in held:
            raise PolicyError(
                f"the share of {share.custodian} is given twice",
                item=str(file),
                remedy="Give the shares of different custodians.",
            )
        held[share.custodian] = words
    if len(held) < escrow.threshold:
        others = ", ".join(name for name in escrow.custodians if name not in held)
        raise KeyMissingError(
            f"{escrow.threshold} shares open this, and {len(held)} are here",
            item=str(path / SEALED),
            remedy=f"Ask {others}: each decrypts their own with age -d.",
        )
    by = tuple(name for name in escrow.custodians if name in held)
    text = _unsealed(sealed, [held[name] for name in by[: escrow.threshold]], path)
    found = tuple(identities.read(text, PrivateFolder(path)))
    if keys_of(found) != escrow.keys:
        raise IntegrityError(
            "holds other keys than it says", item=str(path / SEALED), remedy="Take another copy of the folder."
        )
    lying = [f"{file} is on a disk: destroy it afterwards" for file in given if not in_memory(file)]
    swapped = ["this machine swaps: what is in memory may reach a disk (swapoff -a)"] if _swaps() else []
    return Opened(escrow, by, (*lying, *swapped), text, found)


def join(opened: Opened, destination: Path, *, on_disk: bool, check: bool = False) -> bool:
    """Write the identities into a private folder that is memory.

    :param on_disk: take a folder that is on a disk too.
    :returns: whether they were written now; the folder may hold them already.
    :raises PolicyError: the folder is on a disk, holds other keys, or cannot be one.
    """
    _require_place(destination)
    if not on_disk and not in_memory(destination):
        raise PolicyError(
            "is on a disk, where what was written can be found long after",
            item=str(destination),
            remedy="Name a folder in memory, such as /dev/shm/escrow; or set on_disk, and destroy the disk afterwards",
        )
    folder = PrivateFolder(destination)
    there = folder.read(identities.FILE)
    if there == opened.text:
        return False
    if there is not None:
        raise PolicyError(
            "holds other keys", item=str(destination / identities.FILE), remedy="Name another folder, or remove this."
        )
    if not check:
        folder.make()
        folder.write(identities.FILE, opened.text)
    return True


def _require_place(path: Path) -> None:
    try:
        _resolved(path)
    except (OSError, ValueError):
        raise PolicyError(
            "leads nowhere, as a loop of symbolic links does",
            item=repr(str(path)),
            remedy="Name a folder in memory that can be made, such as /dev/shm/escrow.",
        ) from None


def _resolved(path: Path) -> Path:
    """Where a path leads, be it there or not; raises OSError of a loop, which Python 3.13 resolves, and ValueError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        path.stat()
    return path.resolve()


def in_memory(path: Path) -> bool:
    """Whether a folder, or where it is to be made, is a file system in memory (proc(5), mountinfo); may be swapped."""
    try:
        where = _resolved(path)
        while not where.exists():
            where = where.parent
        device = os.stat(where).st_dev
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        head, _dash, tail = line.partition(" - ")
        if head.split()[2:3] == [number] and tail.split()[:1]:
            return tail.split()[0] in _MEMORY
    return False


def _swaps() -> bool:
    """Whether memory may be written to a disk (proc(5): a line for each place, below a head)."""
    try:
        return len(_SWAPS.read_text(encoding="utf-8", errors="replace").splitlines()) > 1
    except OSError:
        return False


def _unsealed(sealed: bytes, words: Sequence[str], path: Path) -> bytes:
    failure: HoldfastError | None = None
    text = b""
    try:
        secret = shares.join(words).decode("ascii", "replace")
        text = age.decrypt(sealed, [secret])
    except (FormatError, KeyringError) as e:
        failure = e
    if failure is not None:
        # outside of the handler, so that nothing hangs behind it
        raise IntegrityError(
            f"the shares are right, and do not open the file: {failure.message}",
            item=str(path / SEALED),
            remedy="Take another copy of the folder: its manifest and its file are not of one split.",
        )
    return text


def _read_share(file: Path, escrow: EscrowSet) -> tuple[Share, str]:
    """Read a decrypted share and find whose it is, by what it says and not by what is written above it."""
    data = _read(file)
    if data.startswith(_ENCRYPTED):
        raise PolicyError(
            "this share is still encrypted",
            item=str(file),
            remedy="Whoever holds it decrypts it: age -d -i KEY SHARE.age > /dev/shm/SHARE",
        )
    text = data.decode("utf-8", "replace")
    words = " ".join(word for line in text.splitlines() if not line.startswith("#") for word in line.lower().split())
    share = escrow.by_words(shares.digest(words))
    if share is not None:
        return share, words
    named = _HOLDER.search(text)
    of = (
        f"the share of {named[1]}"
        if named and named[1] in escrow.custodians
        else "a share of nobody whom the set names"
    )
    if not shares.is_share(words):
        raise IntegrityError(
            f"{of} is damaged", item=str(file), remedy="Decrypt it again, or take the share of another custodian."
        )
    raise WrongKeyError(
        f"{of} is of another split" if named else "a share is of another split",
        item=str(file),
        remedy="Shares open only the file that they were made with: look for the share of this split.",
    )


def _read(file: Path) -> bytes:
    problem = ""
    data = b""
    try:
        # a pipe would be waited for
        with open(file, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as source:
            status = os.fstat(source.fileno())
            data = source.read(_SHARE_LIMIT) if stat.S_ISREG(status.st_mode) else b""
    except OSError as e:
        problem = f"the share cannot be read: {e.strerror}"
    else:
        if not stat.S_ISREG(status.st_mode):
            problem = "the share is no file"
        elif status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            problem = "others than its owner may read this share"
    if problem:
        raise KeyringError(problem, item=str(file), remedy="Put it into a file of mode 0600, in /dev/shm.")
    return data
