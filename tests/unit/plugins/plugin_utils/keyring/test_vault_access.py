# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The broker takes a token that is what it asked for, and no other; a server says of others what no real one does."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyringError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_access import Token, VaultAccess
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_client import VaultClient
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_settings import VaultSettings

from .fake_vault import FakeVault, fake_vault

ROLE = "holdfast-lab-restorer"
SECRET = "hvs.CANARY"
TOKEN = {
    "client_token": SECRET,
    "accessor": "acc1",
    "lease_duration": 600,
    "policies": [ROLE],
    "renewable": False,
    "orphan": True,
}


@pytest.fixture
def fake() -> Iterator[FakeVault]:
    """A server that makes what is asked for."""
    with fake_vault(lambda _method, path, _body: (200, {"auth": TOKEN}) if "create" in path else (204, b"")) as running:
        yield running


def broker(fake: FakeVault) -> VaultAccess:
    settings = VaultSettings(url=fake.url, retries=0)
    return VaultAccess(lambda: VaultClient(settings, environ={"VAULT_TOKEN": "own"}), "lab")


def answering(fake: FakeVault, **changes: t.Any) -> None:
    """Let it make another token."""
    fake.answers = lambda _method, path, _body: (
        (200, {"auth": {**TOKEN, **changes}}) if "create" in path else (204, b"")
    )


def test_a_token_is_asked_for_that_ends_and_says_what_for(fake: FakeVault) -> None:
    given = broker(fake).give(seconds=600, meta={"ticket": "CHG1"})
    assert given == Token(SECRET, "acc1", 600)
    assert SECRET not in repr(given)
    ((_method, path, body, token),) = fake.asked
    assert (path, token) == (f"auth/token/create/{ROLE}", "own")
    assert (body["ttl"], body["explicit_max_ttl"], body["renewable"]) == ("600s", "600s", False)
    assert (body["policies"], body["no_default_policy"], body["meta"]) == ([ROLE], True, {"ticket": "CHG1"})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lease_duration": 601}, "longer"),
        ({"lease_duration": 0}, "longer"),
        ({"lease_duration": None}, "longer"),
        ({"lease_duration": True}, "longer"),
        ({"policies": [ROLE, "default"]}, "policies"),
        ({"policies": ["root"]}, "policies"),
        ({"policies": None}, "policies"),
        ({"renewable": True}, "renewed"),
        ({"orphan": False}, "own token"),
    ],
)
def test_another_token_is_ended_and_not_given_out(fake: FakeVault, changes: t.Any, told: str) -> None:
    answering(fake, **changes)
    with pytest.raises(KeyringError, match=told) as caught:
        broker(fake).give(seconds=600, meta={})
    assert SECRET not in str(caught.value)
    assert fake.asked[-1][1:3] == ("auth/token/revoke-accessor", {"accessor": "acc1"})


@pytest.mark.parametrize("changes", [{"accessor": ""}, {"accessor": None}, {"client_token": None}])
def test_a_token_that_nobody_could_end_is_not_given_out(fake: FakeVault, changes: t.Any) -> None:
    answering(fake, **changes)
    with pytest.raises(KeyringError, match="no accessor"):
        broker(fake).give(seconds=600, meta={})


@pytest.mark.parametrize("status", [400, 404])
def test_a_role_that_is_not_there_is_named(fake: FakeVault, status: int) -> None:
    fake.answers = lambda *_asked: (status, {"errors": ["unknown role"]})
    with pytest.raises(KeyringError, match=ROLE):
        broker(fake).give(seconds=600, meta={})


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ((200, {"data": {"ttl": 7}}), 7),
        ((200, {"data": {"ttl": 0}}), 0),
        ((200, {"data": {"ttl": "7"}}), 0),
        ((400, {"errors": ["invalid accessor"]}), 0),
        ((404, {"errors": []}), 0),
    ],
)
def test_a_token_lasts_or_has_ended(fake: FakeVault, answer: t.Any, left: int) -> None:
    fake.answers = lambda *_asked: answer
    assert broker(fake).left("acc1") == left
    broker(fake).end("acc1")


def test_an_end_that_is_not_taken_is_told(fake: FakeVault) -> None:
    fake.answers = lambda *_asked: (400, {"errors": ["1 error occurred"]})
    with pytest.raises(KeyringError, match="cannot end access"):
        broker(fake).end("acc1")
