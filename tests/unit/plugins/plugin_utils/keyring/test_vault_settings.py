# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import VAULT
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyringError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import vault_settings
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_settings import VaultSettings

URL = {"url": "https://vault.example.com:8200"}
APPROLE = {**URL, "auth_method": "approle", "role_id": "r"}


def test_the_options_of_tasks_are_those_of_the_settings() -> None:
    assert set(VAULT) == set(vault_settings.NAMES)


def test_defaults() -> None:
    settings = VaultSettings.read(URL, {})
    assert settings == VaultSettings("https://vault.example.com:8200")
    assert (settings.engine, settings.auth_path, settings.validate_certs) == ("transit", "token", True)
    assert (settings.timeout, settings.retries) == (30, 3)


def test_paths_are_taken_with_slashes_around_them() -> None:
    settings = VaultSettings.read({**APPROLE, "engine_mount_point": "/team/transit/", "mount_point": "jobs/"}, {})
    assert (settings.engine, settings.auth_path) == ("team/transit", "jobs")


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        (["ANSIBLE_HASHI_VAULT_ADDR", "HASHI_VAULT_ADDR", "VAULT_ADDR"], "url", "https://v"),
        (["ANSIBLE_HASHI_VAULT_NAMESPACE", "HASHI_VAULT_NAMESPACE", "VAULT_NAMESPACE"], "namespace", "team/a"),
        (["ANSIBLE_HASHI_VAULT_CA_CERT", "HASHI_VAULT_CA_CERT", "VAULT_CACERT"], "ca_cert", "/ca.pem"),
        (["ANSIBLE_HASHI_VAULT_ROLE_ID", "HASHI_VAULT_ROLE_ID"], "role_id", "r"),
        (["HASHI_VAULT_TIMEOUT"], "timeout", 2.5),
        (["HASHI_VAULT_RETRIES"], "retries", 0),
    ],
)
def test_the_environment_holds_where_no_option_is_given(variables: list[str], name: str, value: t.Any) -> None:
    given = {} if name == "url" else URL
    for variable in variables:
        # the first of them wins, and an empty one is none
        later = variables[variables.index(variable) + 1 :]
        environ = dict.fromkeys(variables, "") | {variable: str(value)} | dict.fromkeys(later, "/other")
        assert getattr(VaultSettings.read(given, environ), name) == value
    assert getattr(VaultSettings.read({**URL, name: value}, {variables[0]: "ignored"}), name) == value


def test_the_auth_method_by_environment() -> None:
    environ = {"HASHI_VAULT_AUTH_METHOD": "approle", "HASHI_VAULT_ROLE_ID": "r", "HASHI_VAULT_MOUNT_POINT": "jobs"}
    settings = VaultSettings.read(URL, environ)
    assert (settings.auth_method, settings.role_id, settings.auth_path) == ("approle", "r", "jobs")


@pytest.mark.parametrize(("told", "validates"), [("1", False), ("true", False), ("0", True), ("", True), ("x", True)])
def test_vaults_own_variable_that_skips_verification(told: str, validates: bool) -> None:
    assert VaultSettings.read(URL, {"VAULT_SKIP_VERIFY": told}).validate_certs is validates
    assert VaultSettings.read({**URL, "validate_certs": True}, {"VAULT_SKIP_VERIFY": told}).validate_certs
    assert VaultSettings.read(URL, {"VAULT_SKIP_VERIFY": told, "HASHI_VAULT_VALIDATE_CERTS": "yes"}).validate_certs


@pytest.mark.parametrize(
    ("given", "item"),
    [
        ({}, "url"),
        ({"url": "vault.example.com"}, "url"),
        ({"url": "http://vault.example.com"}, "url"),
        ({"url": "https://user:pa55word@v"}, "url"),
        ({"url": "https://v/?pa55word"}, "url"),
        ({"url": "https://[pa55word"}, "url"),
        ({"url": 7}, "url"),
        ({**URL, "auth_method": "aws_iam"}, "auth_method"),
        ({**URL, "auth_method": "approle"}, "role_id"),
        ({**URL, "auth_method": "jwt"}, "role_id"),
        ({**URL, "auth_method": "userpass"}, "username"),
        ({**URL, "auth_method": "ldap"}, "username"),
        ({**URL, "auth_method": "cert"}, "cert_auth_public_key"),
        ({**URL, "mount_point": "transit"}, "mount_point"),
        ({**URL, "engine_mount_point": "../sys"}, "engine_mount_point"),
        ({**URL, "engine_mount_point": "a b"}, "engine_mount_point"),
        ({**URL, "engine_mount_point": ""}, "engine_mount_point"),
        ({**APPROLE, "mount_point": "a?b"}, "mount_point"),
        ({**URL, "namespace": "a\nb"}, "namespace"),
        ({**APPROLE, "role_id": "a/../b"}, "role_id"),
        ({**URL, "auth_method": "userpass", "username": "a/../../sys"}, "username"),
        ({**URL, "ca_cert": "a\0b"}, "ca_cert"),
        ({**URL, "validate_certs": "maybe"}, "validate_certs"),
        ({**URL, "timeout": 0}, "timeout"),
        ({**URL, "timeout": True}, "timeout"),
        ({**URL, "timeout": "pa55word"}, "timeout"),
        ({**URL, "retries": -1}, "retries"),
        ({**URL, "retries": 1.5}, "retries"),
    ],
)
def test_what_is_not_usable_is_named_and_not_repeated(given: dict[str, t.Any], item: str) -> None:
    with pytest.raises(PolicyError) as caught:
        VaultSettings.read(given, {})
    assert caught.value.item == f"holdfast_repository.keyring.{item}"
    assert caught.value.remedy
    assert "pa55word" not in str(caught.value)


def test_what_the_environment_says_is_judged_as_well() -> None:
    for name, value in (("TIMEOUT", "soon"), ("RETRIES", "often"), ("VALIDATE_CERTS", "maybe")):
        for prefix in ("HASHI_VAULT_", "ANSIBLE_HASHI_VAULT_"):
            with pytest.raises(PolicyError) as caught:
                VaultSettings.read(URL, {f"{prefix}{name}": value})
            # where the value is, and not the option that nobody has given
            assert caught.value.item == f"{prefix}{name}"
    with pytest.raises(PolicyError) as caught:
        VaultSettings.read({}, {"VAULT_ADDR": "http://vault.example.com"})
    assert caught.value.item == "VAULT_ADDR"


def test_a_setting_is_named_by_where_it_was_given() -> None:
    places = {"role_id": "administrator.role_id", "username": "administrator.username"}
    for given, environ, item in (
        ({"auth_method": "approle"}, {}, "administrator.role_id"),
        ({"auth_method": "approle"}, {"HASHI_VAULT_ROLE_ID": "a/b"}, "HASHI_VAULT_ROLE_ID"),
        ({"auth_method": "userpass", "username": "a/b"}, {"HASHI_VAULT_USERNAME": "c"}, "administrator.username"),
        ({"timeout": 0}, {}, "holdfast_repository.keyring.timeout"),
    ):
        with pytest.raises(PolicyError) as caught:
            VaultSettings.read({**URL, **given}, environ, places=places)
        assert caught.value.item == item


def test_a_mount_of_the_environment_is_not_that_of_a_token() -> None:
    """It says where jobs log in."""
    environ = {"HASHI_VAULT_MOUNT_POINT": "jobs"}
    assert VaultSettings.read(URL, environ).mount_point is None
    assert VaultSettings.read({**URL, "auth_method": "token"}, environ).mount_point is None
    assert VaultSettings.read(APPROLE, environ).auth_path == "jobs"
    with pytest.raises(PolicyError, match="auth_method token has none"):
        VaultSettings.read({**URL, "mount_point": "jobs"}, environ)


def test_settings_hold_no_secret() -> None:
    """They stand in run folders."""
    names = {field.name for field in dataclasses.fields(VaultSettings)}
    assert not names & {"token", "secret_id", "password", "jwt"}


# secrets

METHODS: list[tuple[str, dict[str, str], str]] = [
    ("token", {}, "token"),
    ("approle", {"role_id": "r"}, "secret_id"),
    ("jwt", {"role_id": "r"}, "jwt"),
    ("userpass", {"username": "u"}, "password"),
    ("ldap", {"username": "u"}, "password"),
]


@pytest.mark.parametrize(("method", "more", "secret"), METHODS)
def test_a_secret_comes_from_the_environment(method: str, more: dict[str, str], secret: str) -> None:
    settings = VaultSettings.read({**URL, "auth_method": method, **more}, {})
    for prefix in ("ANSIBLE_HASHI_VAULT_", "HASHI_VAULT_"):
        assert settings.secret({f"{prefix}{secret.upper()}": " s3cret\n"}) == "s3cret"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(("method", "more", "secret"), METHODS)
def test_a_secret_comes_from_a_file(method: str, more: dict[str, str], secret: str, tmp_path: Path) -> None:
    path = tmp_path / ".vault-token"
    named = {"token_path": str(tmp_path)} if secret == "token" else {f"{secret}_file": str(path)}
    settings = VaultSettings.read({**URL, "auth_method": method, **more, **named}, {})
    with pytest.raises(KeyringError, match="was found") as missing:
        settings.secret({})
    assert secret.upper() in (missing.value.remedy or "")
    path.touch(0o600)
    path.write_text("s3cret\n")
    assert settings.secret({}) == "s3cret"
    assert settings.secret({f"HASHI_VAULT_{secret.upper()}": "other"}) == "other"
    path.chmod(0o640)
    assert settings.secret({}) == "s3cret"
    path.chmod(0o644)
    if secret == "jwt":
        assert settings.secret({}) == "s3cret"
    else:
        with pytest.raises(KeyringError, match="everybody") as caught:
            settings.secret({})
        assert caught.value.item == str(path)


def test_the_token_of_who_has_logged_in(tmp_path: Path) -> None:
    settings = VaultSettings.read(URL, {})
    (tmp_path / ".vault-token").touch(0o600)
    (tmp_path / ".vault-token").write_text("hvs.x")
    assert settings.secret({"HOME": str(tmp_path)}) == "hvs.x"
    assert settings.secret({"HOME": str(tmp_path), "VAULT_TOKEN": "hvs.y"}) == "hvs.y"


def test_a_certificate_needs_no_secret() -> None:
    keys = {"cert_auth_public_key": "/c", "cert_auth_private_key": "/k"}
    assert VaultSettings.read({**URL, "auth_method": "cert", **keys}, {}).secret({"VAULT_TOKEN": "x"}) == ""


def test_a_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.touch(0o600)
    settings = VaultSettings.read(
        {**URL, "auth_method": "cert", "cert_auth_public_key": "/c", "cert_auth_private_key": str(key)}, {}
    )
    assert settings.certificate() == ("/c", str(key))
    key.chmod(0o640)
    assert settings.certificate() == ("/c", str(key))
    for mode in (0o644, 0o602):
        key.chmod(mode)
        with pytest.raises(KeyringError, match="everybody") as caught:
            settings.certificate()
        assert caught.value.item == str(key)
    assert VaultSettings.read(URL, {}).certificate() is None


@pytest.mark.parametrize("text", ["two\nlines", "€", "a\0b", "  "])
def test_what_cannot_be_a_secret_is_not_repeated(text: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(KeyringError) as caught:
        VaultSettings.read({**APPROLE, "secret_id_file": str(path)}, {}).secret({})
    assert not text.strip() or text not in str(caught.value)
    with pytest.raises(KeyringError):
        VaultSettings.read({**APPROLE, "secret_id_file": str(tmp_path)}, {}).secret({})
