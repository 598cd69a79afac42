# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shares of a secret by SLIP-0039: any M of N give it back, fewer tell nothing of it. The one file that imports it.

https://github.com/satoshilabs/slips/blob/master/slip-0039.md. A share is a line of words with a checksum of its own,
and names its set, so that a mistyped share and one of another set are told apart from a right one. The library's
command ``shamir recover`` joins shares without this collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import typing as t
from collections.abc import Sequence

from ..errors import DependencyMissingError, FormatError, IntegrityError

try:
    import shamir_mnemonic  # type: ignore[import-untyped]
except ImportError:
    shamir_mnemonic = None

# what SLIP-0039 numbers shares by has four bits
MOST = 16


def split(secret: bytes, *, threshold: int, count: int) -> list[str]:
    """Split a secret into shares, and see that any that were made give it back.

    :param secret: an even number of bytes, 16 or more, as the scheme takes them.
    :param threshold: how many shares give it back, 2 or more.
    :param count: how many shares, :data:`MOST` at most.
    :returns: a line of words for each.
    :raises FormatError: the numbers or the length cannot be.
    :raises DependencyMissingError: shamir-mnemonic is not installed, here and in every function of this module.
    """
    library = _library()
    if not 2 <= threshold <= count <= MOST:
        raise FormatError(f"{threshold} of {count} is no split: 2 or more must be needed, of {MOST} at most")
    if len(secret) < 16 or len(secret) % 2:
        raise FormatError("a secret is split in an even number of bytes, 16 or more")
    # no passphrase: whoever has enough shares has the secret, and so nothing is gained by slow derivation
    made = [str(line) for line in library.generate_mnemonics(1, [(threshold, count)], secret, b"", True, 0)[0]]
    if any(join(chosen) != secret for chosen in (made[:threshold], made[count - threshold :])):
        raise IntegrityError("shares that were just made do not give the secret back", remedy="Use none of them.")
    return made


def is_share(line: str) -> bool:
    """Whether a line of words has the checksum of a share; of which secret it does not say."""
    return _parsed(line) is not None


def digest(line: str) -> str:
    """The SHA-256 of a share. It may be public: a share is as hard to guess as the secret."""
    return hashlib.sha256(line.encode()).hexdigest()


def join(lines: Sequence[str]) -> bytes:
    """Give back the secret that was split.

    :param lines: as many shares of one set as are needed, in any order.
    :raises IntegrityError: one is no share, they are of different sets, or they are not as many as are needed.
    """
    library = _library()
    secret: bytes | None = None
    with contextlib.suppress(library.MnemonicError, ValueError):
        secret = bytes(library.combine_mnemonics(list(lines)))
    if secret is None:
        # outside of the handler: what the library says holds words of shares
        raise IntegrityError("these shares do not give a secret back: one is wrong, or they are not of one set")
    return secret


def _parsed(line: str) -> t.Any:
    library = _library()
    try:
        return library.Share.from_mnemonic(line)
    except (library.MnemonicError, ValueError):
        return None


def _library() -> t.Any:
    if shamir_mnemonic is None:
        raise DependencyMissingError(
            "the Python library shamir-mnemonic is not installed on this machine",
            remedy="Install shamir-mnemonic for the Python that runs Ansible; nothing but the escrow module needs it",
        )
    return shamir_mnemonic
