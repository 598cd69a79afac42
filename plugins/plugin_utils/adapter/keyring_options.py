# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the keyring's set-up in Vault become typed values here, once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..errors import PolicyError, StoreError
from ..keyring.vault_setup import VaultSetup
from ..model.logins import IDENTITIES, METHODS, read_cidrs, read_duration, read_logins
from ..model.policy import Finding, refuse
from ..store.base import Store
from ..usecases.keyring_setup import Asked
from .options import VAULT, Location, Options

# how an administrator gets in is none of the inventory's business, which says how jobs do
_LOGIN = (
    "auth_method",
    "mount_point",
    "role_id",
    "username",
    "token_path",
    "token_file",
    "secret_id_file",
    "password_file",
    "jwt_file",
    "cert_auth_public_key",
    "cert_auth_private_key",
)
KEYRING: Mapping[str, t.Any] = {
    "administrator": {
        "type": "dict",
        "options": {**{name: VAULT[name] for name in _LOGIN}, "auth_method": {"type": "str", "default": "token"}},
    },
    "logins": {
        "type": "list",
        "elements": "dict",
        "options": {
            "identity": {"type": "str", "required": True, "choices": list(IDENTITIES)},
            "auth_method": {"type": "str", "choices": list(METHODS), "default": "approle"},
            "mount_point": {"type": "str"},
            "token_ttl": {"type": "str", "default": "20m"},
            "token_max_ttl": {"type": "str", "default": "24h"},
            "token_bound_cidrs": {"type": "list", "elements": "str"},
            "secret_id_ttl": {"type": "str"},
            "secret_id_num_uses": {"type": "int"},
            "secret_id_bound_cidrs": {"type": "list", "elements": "str"},
            "bound_audiences": {"type": "list", "elements": "str"},
            "bound_subject": {"type": "str"},
            "bound_claims": {"type": "dict"},
            "user_claim": {"type": "str"},
            "certificate": {"type": "path"},
            "allowed_common_names": {"type": "list", "elements": "str"},
        },
    },
    "access_max_ttl": {"type": "str", "default": "24h"},
    "access_bound_cidrs": {"type": "list", "elements": "str", "default": []},
}
_BACKUPS: Mapping[str, t.Any] = {
    "identity": "operator",
    "auth_method": "approle",
    "token_ttl": "20m",
    "token_max_ttl": "24h",
}


def setup(options: Options, location: Location) -> VaultSetup:
    """The repository's place in Vault, as its administrator sees it; no server is asked yet.

    :raises PolicyError: the keyring is not in Vault, or an option is not usable.
    """
    if location.keyring_type != "vault":
        raise PolicyError(
            f"a keyring of the type {location.keyring_type} has nothing to set up",
            item="holdfast_repository.keyring.type",
            remedy="Leave this out: the owner's run of repository makes its keys; or set type to vault",
        )
    # what the inventory says is what jobs will go by: it must be usable too
    _with_role_id(location).keyring()
    # here, so that who has another keyring needs no hvac
    from ..keyring.vault_client import VaultClient
    from ..keyring.vault_settings import VaultSettings

    reached = {name: value for name, value in (location.vault or {}).items() if name not in _LOGIN}
    given = {name: value for name, value in (options["administrator"] or {}).items() if value is not None}
    settings = VaultSettings.read(
        {**reached, "auth_method": "token", **given},
        os.environ,
        places={name: f"administrator.{name}" for name in _LOGIN},
    )
    return VaultSetup(VaultClient(settings), repository=location.name, mount=settings.engine)


def _with_role_id(location: Location) -> Location:
    """The same with a role id for AppRole where it has none: Vault makes that with the way in, which is yet to be."""
    vault = location.vault or {}
    if vault.get("auth_method") != "approle" or vault.get("role_id"):
        return location
    return dataclasses.replace(location, vault={**vault, "role_id": "not known yet"})


def asked(options: Options) -> Asked:
    """What is declared; raises PolicyError with every finding."""
    findings: list[Finding] = []
    given = options["logins"]
    logins = read_logins(
        [
            _with_certificate(f"logins[{n}]", one, findings)
            for n, one in enumerate([_BACKUPS] if given is None else given)
        ],
        findings,
    )
    found = Asked(
        logins=logins,
        access_ttl=read_duration("access_max_ttl", options["access_max_ttl"], findings, least=60),
        access_cidrs=read_cidrs("access_bound_cidrs", options["access_bound_cidrs"], findings),
        classes=sorted(options.classes()),
        year=dt.datetime.now(dt.timezone.utc).year,
    )
    refuse(findings)
    return found


def root_store(location: Location) -> Store | StoreError | None:
    """Where the root is read; an error where that is not reached, and None where nothing is pinned."""
    if location.pin is None:
        return None
    try:
        return location.store(check=True)
    except StoreError as e:
        return e


def _with_certificate(at: str, fields: Mapping[str, t.Any], findings: list[Finding]) -> Mapping[str, t.Any]:
    """A login with what is in the file of its certificate."""
    path = fields.get("certificate")
    if not path:
        return fields
    try:
        text = Path(path).expanduser().read_text("ascii")
    except (OSError, ValueError):
        text = ""
    # what else is in a file that was named by mistake must not get to a server
    if "PRIVATE KEY" in text or not text.strip().startswith("-----BEGIN CERTIFICATE-----"):
        remedy = "Name the PEM file of the CA, or of the client, without its key."
        findings.append(Finding(f"{at}.certificate", "is no PEM file of a certificate", remedy))
        return {**fields, "certificate": "-"}
    return {**fields, "certificate": text}
