# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who can seal, sign and open: keyrings, and the operations on public keys that need none."""

from __future__ import annotations

import mmap
import os
import typing as t
from collections.abc import Mapping
from pathlib import Path

from .. import aws as _aws  # noqa: F401
from ..errors import PolicyError
from .base import Keyring
from .local import LocalKeyring

if t.TYPE_CHECKING:
    from .awskms_client import KmsClient
    from .awskms_settings import KmsSettings
    from .vault_client import VaultClient
    from .vault_settings import VaultSettings

__all__ = ["Keyring", "LocalKeyring", "connect"]

KINDS = ("local", "vault", "awskms")

# one byte that this process and all that are forked from it share: how many of them have used Vault, to two
_vault_used = mmap.mmap(-1, 1)
# the same of KMS
_kms_used = mmap.mmap(-1, 1)


def connect(
    kind: str,
    *,
    path: str | None,
    repository: str = "",
    vault: Mapping[str, t.Any] | None = None,
    awskms: Mapping[str, t.Any] | None = None,
) -> Keyring:
    """Return the keyring of that kind; nothing is read or made yet, and no server is asked.

    :param kind: ``local``, ``vault`` or ``awskms``.
    :param path: the folder of a local keyring; of one on a server the owner's, which nobody else needs.
    :param repository: the repository's name; a keyring on a server is that of one.
    :param vault: how to reach a Vault, as :class:`.vault_settings.VaultSettings` names it.
    :param awskms: how to reach KMS, as :class:`.awskms_settings.KmsSettings` names it.
    :raises PolicyError: a kind that this version does not have, or an option that the kind needs is not given.
    """
    if kind == "vault":
        return _vault(path, repository, vault or {})
    if kind == "awskms":
        return _awskms(path, repository, awskms or {})
    if kind != "local":
        raise PolicyError(
            f"this version has no keyring of the kind {kind!r}", remedy=f"Use one of the kinds {', '.join(KINDS)}"
        )
    if not path:
        raise PolicyError(
            "a local keyring needs the path of its folder", remedy="Name the folder in the keyring's path"
        )
    return LocalKeyring(Path(path).expanduser())


def _vault(path: str | None, repository: str, given: Mapping[str, t.Any]) -> Keyring:
    # here, so that a run loads the driver of its keyring and no other
    from .vault import VaultKeyring
    from .vault_settings import VaultSettings

    settings = VaultSettings.read(given, os.environ)
    return VaultKeyring(
        lambda: _client(settings),
        repository=repository,
        mount=settings.engine,
        path=Path(path).expanduser() if path else None,
    )


def _client(settings: VaultSettings) -> VaultClient:
    from .vault_client import VaultClient

    _vault_used[0] = min(_vault_used[0] + 1, 2)
    return VaultClient(settings)


def _awskms(path: str | None, repository: str, given: Mapping[str, t.Any]) -> Keyring:
    from .awskms import AwsKmsKeyring
    from .awskms_settings import KmsSettings

    settings = KmsSettings(**given)
    return AwsKmsKeyring(
        lambda: _kms_client(settings), repository=repository, path=Path(path).expanduser() if path else None
    )


def _kms_client(settings: KmsSettings) -> KmsClient:
    from .awskms_client import KmsClient

    _kms_used[0] = min(_kms_used[0] + 1, 2)
    return KmsClient(settings)


def _load_vault_ahead() -> None:
    """Load hvac in the process that forks workers once two of them have used it: each after them saves 0.1 s.

    A backup has two, which open and seal its point: it is no quicker for that. A restore has one for each host.
    """
    if _vault_used[0] > 1:
        from . import vault_client  # noqa: F401


def _load_kms_ahead() -> None:
    """The same of botocore and what it knows of KMS: 0.2 s each."""
    if _kms_used[0] > 1:
        from ..aws import session

        session.load_ahead("kms")


os.register_at_fork(before=_load_vault_ahead)
os.register_at_fork(before=_load_kms_ahead)
