# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as policies of Vault."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, vault_policies
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.tests.unit import duties_page


def rules(identity: str, **more: str) -> dict[str, str]:
    """Capabilities by path."""
    text = vault_policies.policy(identity, repository="prod", **more)
    return dict(re.findall(r'^path "([^"]+)" \{\s*capabilities = \[([^]]*)\]', text, re.MULTILINE))


def test_the_guide_has_the_policies_that_are_rendered() -> None:
    text = duties_page.GUIDE.read_text(encoding="utf-8")
    assert duties_page.policies(text) == ["operator", "restorer", "owner"]
    assert duties_page.guide(text) == text


def test_names() -> None:
    assert vault_policies.name("operator", "prod") == "holdfast-prod-operator"
    assert vault_policies.token_role("prod") == vault_policies.name("restorer", "prod")


def test_what_the_operator_and_the_restorer_may() -> None:
    assert rules("operator") == {
        "transit/hmac/holdfast-prod--digest/sha2-256": '"update"',
        "transit/keys/holdfast-prod--point": '"read"',
        "transit/sign/holdfast-prod--point": '"update"',
    }
    assert rules("restorer", mount="kv/transit/") == {
        "kv/transit/keys/holdfast-prod--*": '"read"',
        "kv/transit/decrypt/holdfast-prod--*": '"update"',
        "kv/transit/sign/holdfast-prod--record": '"update"',
    }


@pytest.mark.parametrize("identity", matrix.IDENTITIES)
def test_no_policy_creates_deletes_or_reaches_beyond_the_repository(identity: str) -> None:
    for path, capabilities in rules(identity).items():
        assert set(capabilities.replace('"', "").split(", ")) <= {"read", "update"}
        assert "holdfast-prod-" in path or path.startswith("auth/token/")
        if path.startswith("transit/"):
            assert path.split("/")[2].startswith("holdfast-prod--")


def test_who_has_no_right_has_a_policy_that_says_so() -> None:
    assert rules("approver") == {}
    assert vault_policies.policy("approver", repository="prod").startswith("# The approver has no right")


def test_what_the_owner_may_say_of_a_key() -> None:
    text = vault_policies.policy("owner", repository="prod")
    told = text.split('path "transit/keys/holdfast-prod--*"')[1].split("path ")[0]
    assert '"type" = ["rsa-3072", "ed25519", "hmac"]' in told
    assert not [word for word in ("deletion_allowed", "exportable", "min_") if word in told.split("# ")[0]]


def test_the_broker_says_what_a_token_is_for_and_when_it_ends() -> None:
    text = vault_policies.policy("broker", repository="prod")
    assert 'required_parameters = ["explicit_max_ttl", "meta"]' in text
    assert '"id"' not in text
    assert '"type"' not in text


@pytest.mark.parametrize(
    "given",
    [
        {"repository": "prod--eu"},
        {"repository": "prod-"},
        {"repository": "Prod"},
        {"repository": ""},
        {"repository": 'prod"'},
        {"repository": "prod\n"},
        {"repository": 1},
        {"mount": 'transit"'},
        {"mount": "transit/+"},
        {"mount": "transit/*"},
        {"mount": ""},
        {"mount": None},
        {"identity": "thief"},
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, t.Any]) -> None:
    with pytest.raises(PolicyError) as caught:
        vault_policies.policy(**{"identity": "operator", "repository": "prod", "mount": "transit", **given})
    assert caught.value.remedy
