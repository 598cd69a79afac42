# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keyrings of the collection on the servers of the lab."""

from __future__ import annotations

import configparser
import typing as t
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.awskms import AwsKmsKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.awskms_client import KmsClient
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.awskms_settings import KmsSettings
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault import VaultKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_client import VaultClient
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_settings import VaultSettings
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault

if t.TYPE_CHECKING:
    from ansible_collections.holdfast.config.tests.lab.kms.server import Kms


def client_at(
    vault: Vault, environ: dict[str, str], *, monotonic: t.Callable[[], float] | None = None, **settings: t.Any
) -> VaultClient:
    """A client of this Vault; it does not wait between two calls.

    :param environ: all that it sees of the environment.
    :param settings: options of the keyring.
    """
    told = {"url": vault.url, "ca_cert": str(vault.ca_path), **settings}
    more = {"monotonic": monotonic} if monotonic else {}
    return VaultClient(VaultSettings.read(told, environ), environ=environ, sleep=lambda _seconds: None, **more)


def keyring_at(
    vault: Vault,
    token: str,
    *,
    repository: str,
    mount: str = "transit",
    path: Path | None = None,
    **settings: t.Any,
) -> VaultKeyring:
    """The keyring of a repository, as the holder of a token sees it.

    :param path: the owner's folder.
    """
    client = client_at(vault, {"VAULT_TOKEN": token}, engine_mount_point=mount, **settings)
    return VaultKeyring(lambda: client, repository=repository, mount=mount, path=path)


def kms_keyring_at(
    kms: Kms, who: dict[str, str], folder: Path, *, repository: str, path: Path | None = None, **settings: t.Any
) -> AwsKmsKeyring:
    """The keyring of a repository, as somebody sees it.

    :param who: what :meth:`Kms.identity` returned.
    :param folder: where the file of profiles is, which ``AWS_CONFIG_FILE`` names.
    :param path: the owner's folder.
    """
    profiles = configparser.ConfigParser()
    profiles.read(folder / "aws")
    name = who["aws_access_key_id"]
    profiles[f"profile {name}"] = who
    with (folder / "aws").open("w") as file:
        profiles.write(file)
    told = {"endpoint_url": kms.url, "profile": name, **settings}
    return AwsKmsKeyring(lambda: KmsClient(KmsSettings(**told)), repository=repository, path=path)
