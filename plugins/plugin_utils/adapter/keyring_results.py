# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a repository's place in Vault, as results of tasks. No secret id is ever part of them."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..keyring.vault_setup import VaultSetup
from ..model.logins import Login
from ..model.setting import ELSEWHERE, HELD, Outcome
from ..model.setting import results as settings
from ..usecases.keyring_setup import Asked, Ready
from . import results
from .options import Location

_MAKE = "ansible localhost -m holdfast.config.repository: it makes keys and root"


def keyring(location: Location, setup: VaultSetup, asked: Asked, ready: Ready, *, diff: bool) -> dict[str, t.Any]:
    """What became of mount, policies, ways in and keys, and what to do next."""
    result: dict[str, t.Any] = {
        "changed": ready.changed,
        "repository": location.name,
        "location": setup.location,
        "settings": settings(ready.outcomes),
        "logins": [_login(login, ready.role_ids[login.identity]) for login in asked.logins],
        "warnings": [f"{one.name}: {one.why}. {one.remedy}" for one in ready.outcomes if _is_warning(one)],
        "owner_steps": _owner_steps(location, setup, ready),
        "next_steps": _next_steps(setup, asked, ready),
    }
    moved = [one for one in ready.outcomes if one.moved]
    if diff and moved:
        result["diff"] = [
            {
                "before_header": one.name,
                "after_header": one.name,
                "before": _side(one.before),
                "after": _side(one.after),
            }
            for one in moved
        ]
    return result


def _is_warning(outcome: Outcome) -> bool:
    if outcome.name == "keys to make":
        return False
    return outcome.state in ELSEWHERE or (outcome.state == HELD and bool(outcome.why))


def _login(login: Login, known_by: str) -> dict[str, str]:
    """What stands in the inventory of who logs in so."""
    name = "username" if login.auth_method == "userpass" else "role_id"
    return {
        "identity": login.identity,
        "auth_method": login.auth_method,
        "mount_point": login.mount_point,
        name: known_by,
    }


def _owner_steps(location: Location, setup: VaultSetup, ready: Ready) -> list[str]:
    if not any(one.name == "keys to make" for one in ready.outcomes):
        return []
    policy = setup.of("owner")
    return [
        f"As the owner: export VAULT_TOKEN=$(vault token create -orphan -policy={policy} -ttl=1h -field=token)",
        f"Then, with auth_method token and his folder as path of the keyring, {_MAKE} of {location.name}.",
    ]


def _next_steps(setup: VaultSetup, asked: Asked, ready: Ready) -> list[str]:
    made = {one.name for one in ready.outcomes if one.before is None and one.state == "changed"}
    return [
        f"Where the {login.identity} runs, set auth_method to approle and role_id to "
        f"{ready.role_ids[login.identity]} in holdfast_repository.keyring, and HASHI_VAULT_SECRET_ID to what this "
        "prints: vault write -force -field=secret_id "
        f"auth/{login.mount_point}/role/{setup.of(login.identity)}/secret-id"
        for login in asked.logins
        if login.auth_method == "approle" and f"login {login.identity}" in made
    ]


def _side(fields: Mapping[str, t.Any] | None) -> str:
    """One side of a diff: a line for each field, and a policy as it is."""
    if fields is None:
        return ""
    if set(fields) == {"policy"}:
        return f"{fields['policy']}\n"
    return results.diff_lines([f"{field}: {value}" for field, value in fields.items()])
