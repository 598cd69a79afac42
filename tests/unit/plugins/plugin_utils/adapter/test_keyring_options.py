# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import keyring_options
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError, StoreError

RING = {"type": "vault", "url": "https://vault.example.com:8200", "engine_mount_point": "apps/transit"}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
BROKER = {"identity": "broker", "auth_method": "cert", "token_ttl": "20m", "token_max_ttl": "24h"}


def options(ring: dict[str, t.Any] | None = None, *, pin: str | None = None, **args: t.Any) -> Options:
    given = {"access_max_ttl": "24h", "access_bound_cidrs": [], **args}
    repository = {"name": "prod", "url": "file:///nowhere", "keyring": ring or RING}
    return Options({**given, "repository": repository, "repository_id": pin}, lambda _name: None, check=False)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VAULT_ADDR", "VAULT_TOKEN", "HASHI_VAULT_ROLE_ID", "HASHI_VAULT_AUTH_METHOD"):
        monkeypatch.delenv(name, raising=False)


def test_the_administrator_logs_in_by_himself_and_not_as_a_job() -> None:
    job = {**RING, "auth_method": "approle", "role_id": "of jobs", "mount_point": "jobs"}
    given = options(job)
    setup = keyring_options.setup(given, given.location())
    assert setup.location == "https://vault.example.com:8200 apps/transit"
    settings = setup._client.settings
    assert (settings.auth_method, settings.role_id, settings.mount_point) == ("token", None, None)
    given = options(job, administrator={"auth_method": "userpass", "username": "carol", "mount_point": None})
    settings = keyring_options.setup(given, given.location())._client.settings
    assert (settings.auth_method, settings.username, settings.auth_path) == ("userpass", "carol", "userpass")


def test_what_is_wrong_is_named_by_where_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASHI_VAULT_MOUNT_POINT", "jobs")
    given = options()
    assert keyring_options.setup(given, given.location())._client.settings.mount_point is None
    given = options(administrator={"auth_method": "approle"})
    with pytest.raises(PolicyError) as caught:
        keyring_options.setup(given, given.location())
    assert caught.value.item == "administrator.role_id"


@pytest.mark.parametrize(
    ("ring", "says"),
    [
        ({"path": "/etc/keyring"}, "nothing to set up"),
        ({**RING, "auth_method": "approle", "role_id": "7c0e6c2e-\u2026"}, "one line of text"),
        # which somebody gives to it, and Vault does not
        ({**RING, "auth_method": "jwt"}, "role_id"),
        ({**RING, "url": "http://vault.example.com"}, "not encrypted"),
    ],
)
def test_a_keyring_that_has_nothing_to_set_up_or_cannot_be_used(ring: dict[str, t.Any], says: str) -> None:
    given = options(ring)
    with pytest.raises(PolicyError, match=says):
        keyring_options.setup(given, given.location())


@pytest.mark.parametrize("role_id", [{}, {"role_id": None}])
def test_the_role_id_of_jobs_is_not_known_before_they_have_a_way_in(role_id: dict[str, t.Any]) -> None:
    given = options({**RING, "auth_method": "approle", **role_id})
    assert keyring_options.setup(given, given.location())._client.settings.auth_method == "token"


def test_the_operator_has_a_way_in_unless_something_else_is_declared() -> None:
    (login,) = keyring_options.asked(options()).logins
    assert (login.identity, login.auth_method, login.token_ttl) == ("operator", "approle", 1200)
    assert keyring_options.asked(options(logins=[])).logins == ()
    assert keyring_options.asked(options()).classes == ["d0030", "d0090", "d0400"]


def test_every_finding_is_told_at_once(tmp_path: Path) -> None:
    wrong = {"identity": "operator", "auth_method": "approle", "token_ttl": "x", "token_max_ttl": "1h"}
    with pytest.raises(PolicyError) as caught:
        keyring_options.asked(options(logins=[wrong], access_max_ttl="0", access_bound_cidrs=["here"]))
    for where in ("logins[0].token_ttl", "access_max_ttl", "access_bound_cidrs"):
        assert where in str(caught.value)


def test_a_certificate_is_read_and_a_private_key_goes_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(CERTIFICATE)
    (login,) = keyring_options.asked(options(logins=[{**BROKER, "certificate": str(path)}])).logins
    assert login.certificate == CERTIFICATE
    for content in ("", "-----BEGIN PRIVATE KEY-----\nsecret", CERTIFICATE + "-----BEGIN RSA PRIVATE KEY-----\nsecret"):
        path.write_text(content)
        with pytest.raises(PolicyError, match="no PEM file of a certificate") as caught:
            keyring_options.asked(options(logins=[{**BROKER, "certificate": str(path)}]))
        assert "secret" not in str(caught.value)
    with pytest.raises(PolicyError, match="no PEM file"):
        keyring_options.asked(options(logins=[{**BROKER, "certificate": str(tmp_path / "none")}]))


def test_the_root_is_looked_for_only_where_one_is_pinned() -> None:
    assert keyring_options.root_store(options().location()) is None
    assert isinstance(keyring_options.root_store(options(pin="ab" * 32).location()), StoreError)
