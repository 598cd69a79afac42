# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of access for a window become typed values here, once: who gives it, and where what lets in is put."""

from __future__ import annotations

import datetime as dt
import os
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..errors import FormatError, PolicyError
from ..keyring.vault_access import VaultAccess
from ..keyring.vault_settings import VaultSettings
from ..model import instant
from ..model.policy import Finding, refuse
from ..usecases.access import SHORTEST_KEYS, Assume
from ..usecases.access_folder import AccessFolder
from ..version import COLLECTION
from . import run
from .options import S3, Location, Options

if t.TYPE_CHECKING:
    from ..keyring.vault_client import VaultClient

_ROLE = ("assume_role_arn", "external_id", "sts_endpoint_url", "profile")
# what AWS allows a role at most
_LONGEST_SECONDS = 12 * 3600

ACCESS: Mapping[str, t.Any] = {
    "request": {"type": "str"},
    "path": {"type": "path"},
    "sts": {
        "type": "dict",
        "options": {
            **{name: S3[name] for name in _ROLE},
            "assume_role_arn": {"type": "str", "required": True},
            "max_seconds": {"type": "int", "default": 3600},
        },
    },
}


def broker(location: Location) -> VaultAccess:
    """Who gives out rights in Vault; it is not asked yet.

    :raises PolicyError: the keyring is not in Vault, or its options do not say where that is.
    """
    if location.keyring_type != "vault":
        raise PolicyError(
            "access for a window is given to a keyring in Vault alone",
            item="holdfast_repository.keyring.type",
            remedy="Who holds a folder of keys has them until he gives it back: see docs/guide_access.md",
        )
    settings = VaultSettings.read(location.vault or {}, os.environ)
    return VaultAccess(lambda: _client(settings), location.name)


def _client(settings: VaultSettings) -> VaultClient:
    from ..keyring.vault_client import VaultClient

    return VaultClient(settings)


def assume(options: Options, location: Location, ticket: str) -> tuple[Assume | None, int]:
    """Who gives keys of the restorer's role in the store, and for how many seconds at most; None where nobody does.

    :param ticket: what the server's log shall name.
    :raises PolicyError: the store has no roles, or the options are not usable.
    """
    given = options["sts"]
    if given is None:
        return None, 0
    if not location.on_s3:
        raise PolicyError("a repository in a folder has no roles", item="sts", remedy="Leave sts out")
    longest = given["max_seconds"]
    if not SHORTEST_KEYS <= longest <= _LONGEST_SECONDS:
        problem, remedy = f"{longest} is out of range", f"Give {SHORTEST_KEYS} to {_LONGEST_SECONDS}."
        refuse([Finding("sts.max_seconds", problem, remedy)])
    # a run that gives no keys needs no botocore
    from ..store.s3_client import Client
    from ..store.s3_settings import S3Settings
    from ..store.wrappers import Patience

    told = {name: given[name] for name in _ROLE if given.get(name) is not None}
    settings = S3Settings(**{**(location.s3 or {}), **told})
    context = {"holdfast.config": COLLECTION, "run": run.RUN_ID, "change": ticket}
    client = Client(location.url, settings, context=context, patience=Patience())
    return client.role_keys, longest


def folder(options: Options) -> AccessFolder:
    """Where what lets in is put."""
    return AccessFolder(Path(options["path"]))


def window(options: Options) -> tuple[dt.datetime, dt.datetime]:
    """From when until when people are asked to give access; raises PolicyError where that is not said."""
    findings, found = [], []
    for name in ("from", "until"):
        try:
            found.append(instant.from_text(str(options[name])))
        except FormatError as e:
            findings.append(Finding(name, e.message, "Give UTC to the second."))
    refuse(findings)
    since, until = found
    return since, until
