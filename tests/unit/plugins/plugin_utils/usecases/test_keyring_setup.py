# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Vault is read before it is changed, and changed only where it can become what is declared."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties.matrix import IDENTITIES
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyringError, TrustError, UnavailableError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.logins import Login
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import keyring_setup
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.keyring_setup import Asked, Ready
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.paper_vault import (
    PaperVault,
    paper_setup,
)

from .lab import Lab

ASKED = Asked((Login("operator", "approle", "approle", 600, 3600),), 3600, (), ["d0030"], 2026)


def ready(vault: PaperVault, *, check: bool = False, store: t.Any = None, pin: str | None = None) -> Ready:
    with paper_setup(vault) as setup:
        return keyring_setup.ready(setup, store, ASKED, name="prod", pin=pin, check=check)


def states(found: Ready) -> dict[str, str]:
    return {one.name: one.state for one in found.outcomes if one.state != "held"}


def test_it_is_made_ready_once() -> None:
    vault = PaperVault()
    checked = ready(vault, check=True)
    assert (checked.changed, vault.written) == (True, [])
    made = ready(vault)
    assert made.changed
    assert made.role_ids == {"operator": "an id"}
    before = list(vault.written)
    again = ready(vault)
    assert (again.changed, vault.written) == (False, before)
    assert states(again) == {"keys to make": "missing"}
    (unmade,) = (one for one in again.outcomes if one.name == "keys to make")
    # this year and ten ahead, and those that sign and key digests
    assert unmade.before == {"keys": 11 + 3}


def test_policies_are_those_of_the_matrix_and_are_there_before_who_gets_them() -> None:
    vault = PaperVault()
    ready(vault)
    policies = keyring_setup.policies("prod", "transit")
    assert policies.keys() == set(IDENTITIES)
    # an approver signs with a key of his own, and does nothing in Vault
    assert policies["approver"] == ""
    for identity, text in policies.items():
        assert vault.kept.get(f"sys/policies/acl/holdfast-prod-{identity}", {}).get("policy", "") == text
    places = [path.partition("/")[0] for path in vault.written]
    assert places == sorted(places, key="sys auth".index)


@pytest.mark.parametrize("check", [True, False])
def test_what_it_cannot_become_is_named_and_nothing_is_changed(check: bool) -> None:
    vault = PaperVault()
    vault.kept["sys/mounts"]["transit/"] = {"type": "kv"}
    vault.kept["sys/audit"] = {}
    with pytest.raises(KeyringError, match="Nothing was changed") as caught:
        ready(vault, check=check)
    assert vault.written == []
    told = {one["setting"]: one["state"] for one in t.cast("t.Any", caught.value.details["settings"])}
    assert (told["mount"], told["audit"], told["policy operator"]) == ("refused", "refused", "differs")


def test_a_key_that_can_be_copied_is_found_before_anything_is_changed() -> None:
    vault = PaperVault()
    vault.key("point", "ed25519", exportable=True)
    with pytest.raises(KeyringError, match="key point is refused"):
        ready(vault)
    assert vault.written == []


def test_what_vault_does_not_keep_fails() -> None:
    vault = PaperVault()
    vault.deaf.add("sys/policies/acl/holdfast-prod-owner")
    with pytest.raises(KeyringError, match=r"policy owner is not kept .*What else is asked for is set"):
        ready(vault)


def test_the_root_is_read_where_it_can_be(lab: Lab) -> None:
    vault = PaperVault()
    ready(vault)
    found = ready(vault, store=lab.store, pin=lab.repository.root.id)
    assert "root" not in states(found)
    away = ready(vault, store=UnavailableError("it is not reached"), pin="ab" * 32)
    assert states(away)["root"] == "not compared"
    assert "it is not reached" in away.outcomes[-1].why
    with pytest.raises(TrustError):
        ready(vault, store=lab.store, pin="ab" * 32)
