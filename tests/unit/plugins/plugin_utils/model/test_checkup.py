# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import checkup
from ansible_collections.holdfast.config.plugins.plugin_utils.model.checkup import ERROR, OK, WARNING, Duties

DUTIES = Duties(
    {
        "operator": frozenset({"put_packs", "digest", "sign_point"}),
        "restorer": frozenset({"put_records", "unwrap"}),
        "auditor": frozenset(),
    },
    {"put_packs": "put packs", "digest": "key digests", "sign_point": "sign points", "unwrap": "open"}
    | {"put_records": "put records"},
)
NOTHING = dict.fromkeys(("put_packs", "put_records", "digest", "sign_point", "unwrap"), False)


def duty(*may: str, identity: str | None = None) -> list[tuple[str, str]]:
    tried = {**NOTHING, **dict.fromkeys(may, True)}
    return [(one.id, one.severity) for one in checkup.duty(tried, DUTIES, identity=identity)]


@pytest.mark.parametrize(
    ("may", "identity", "found"),
    [
        ((), None, [("duty", OK)]),
        (("put_packs", "digest", "sign_point"), None, [("duty", OK)]),
        (("put_packs", "digest", "sign_point"), "operator", [("duty", OK)]),
        (("put_packs", "digest"), None, [("duty", WARNING)]),
        (("put_packs", "digest"), "operator", [("duty", ERROR)]),
        (("put_packs", "digest", "sign_point", "put_records"), None, [("duty", WARNING)]),
        (("put_packs",), "auditor", [("duty", ERROR)]),
        ((), "operator", [("duty", ERROR)]),
        (("digest", "unwrap"), None, [("duty.separated", WARNING)]),
        (("put_records", "unwrap", "digest"), "restorer", [("duty.separated", WARNING), ("duty", ERROR)]),
    ],
)
def test_duties(may: tuple[str, ...], identity: str | None, found: list[tuple[str, str]]) -> None:
    assert duty(*may, identity=identity) == found


def test_where_nothing_was_tried_nothing_is_said_of_duties() -> None:
    assert checkup.duty({}, DUTIES, identity="operator") == []


@pytest.mark.parametrize(
    ("text", "numbers"), [("1.36.0", (1, 36, 0)), ("2.19.0rc1", (2, 19, 0)), ("v1", ()), ("", ()), ("3", (3,))]
)
def test_versions(text: str, numbers: tuple[int, ...]) -> None:
    assert checkup.version(text) == numbers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ansible_password", "hello"),
        ("ansible_become_pass", "x"),
        ("vault_token", "abc"),
        ("api_key", "0123"),
        ("db_passwords", "hello"),
        ("wlan_psk", "hello"),
        ("db_apikey", "0123"),
        ("snmp_community", "public"),
        ("aws_secret_access_key", "abc"),
        ("anything", "-----BEGIN OPENSSH PRIVATE KEY-----\nx"),
        ("anything", "AGE-SECRET-KEY-1ABC"),
        ("anything", "hvs." + "a" * 24),
        ("anything", "ghp_" + "a" * 36),
        ("proxy", "http://user:word@proxy.example.com:3128"),
    ],
)
def test_what_looks_like_a_credential(name: str, value: str) -> None:
    assert checkup.is_credential(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ansible_password", "{{ lookup('env', 'PASSWORD') }}"),
        ("ansible_password", " "),
        ("password_file", "/etc/x"),
        ("token_path", "/etc/x"),
        ("tokens", "3"),
        ("passed", "yes"),
        ("url", "https://example.com:8200/a@b"),
        ("url", "https://user@example.com"),
        ("proxy", "http://user:{{ word }}@proxy"),
        ("anything", "-----BEGIN PUBLIC KEY-----"),
        ("anything", "-----BEGIN CERTIFICATE-----"),
    ],
)
def test_what_does_not(name: str, value: str) -> None:
    assert not checkup.is_credential(name, value)


def test_names_of_credentials_are_told_and_how_many_hosts_have_them() -> None:
    found = checkup.secrets({f"v{number}_password": number for number in range(1, 8)})
    assert found.severity == WARNING
    assert found.what.endswith(
        "v1_password (1 host), v2_password (2 hosts), v3_password (3 hosts), "
        "v4_password (4 hosts), v5_password (5 hosts), 2 more"
    )
