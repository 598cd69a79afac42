# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can seal, sign and open: keyrings, and the operations on public keys that need none."""

from __future__ import annotations

from pathlib import Path

from ..errors import PolicyError
from .base import Keyring
from .local import LocalKeyring

__all__ = ["Keyring", "LocalKeyring", "connect"]


def connect(kind: str, *, path: str | None) -> Keyring:
    """Return the keyring of that kind; nothing is read or made yet.

    :param kind: ``local``.
    :param path: the folder of a local keyring.
    :raises PolicyError: a kind that this version does not have, or an option that the kind needs is not given.
    """
    if kind != "local":
        raise PolicyError(f"this version has no keyring of the kind {kind!r}", remedy="Use the kind local")
    if not path:
        raise PolicyError(
            "a local keyring needs the path of its folder", remedy="Name the folder in the keyring's path"
        )
    return LocalKeyring(Path(path).expanduser())
