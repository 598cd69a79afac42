# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.logins import Login, read_duration, read_logins
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding

TIMES = {"token_ttl": "20m", "token_max_ttl": "24h"}
GIVEN = {"identity": "operator", "auth_method": "approle", **TIMES}
JWT = {**GIVEN, "auth_method": "jwt"}


def read(*given: dict[str, t.Any]) -> tuple[tuple[Login, ...], list[str]]:
    findings: list[Finding] = []
    return read_logins(given, findings), [one.key for one in findings]


def test_what_is_left_out_has_a_value() -> None:
    (login,), findings = read({**GIVEN, "mount_point": None, "token_bound_cidrs": None, "secret_id_num_uses": None})
    assert findings == []
    assert login == Login("operator", "approle", "approle", 1200, 86400)


def test_networks_and_mounts_are_spelled_in_one_way() -> None:
    more = {"mount_point": "/apps/approle/", "token_bound_cidrs": ["10.0.0.1", "fd00::/8"], "secret_id_ttl": "90d"}
    (login,), findings = read({**GIVEN, **more})
    assert findings == []
    assert login.mount_point == "apps/approle"
    assert login.token_bound_cidrs == ("10.0.0.1/32", "fd00::/8")
    assert login.secret_id_ttl == 90 * 86400


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({**GIVEN, "token_ttl": "soon"}, "logins[0].token_ttl"),
        ({**GIVEN, "token_ttl": "0"}, "logins[0].token_ttl"),
        ({**GIVEN, "token_ttl": "400d", "token_max_ttl": "401d"}, "logins[0].token_ttl"),
        ({**GIVEN, "token_ttl": "2h", "token_max_ttl": "1h"}, "logins[0].token_ttl"),
        ({**GIVEN, "token_bound_cidrs": ["10.0.0.1/8"]}, "logins[0].token_bound_cidrs"),
        ({**GIVEN, "secret_id_bound_cidrs": ["here"]}, "logins[0].secret_id_bound_cidrs"),
        ({**GIVEN, "secret_id_num_uses": -1}, "logins[0].secret_id_num_uses"),
        ({**GIVEN, "mount_point": "../sys"}, "logins[0].mount_point"),
        ({**GIVEN, "mount_point": "a b"}, "logins[0].mount_point"),
        ({**GIVEN, "bound_subject": "x"}, "logins[0].bound_subject"),
        ({**JWT, "bound_subject": "x", "secret_id_ttl": "1h"}, "logins[0].secret_id_ttl"),
        (JWT, "logins[0]"),
        ({**GIVEN, "auth_method": "cert"}, "logins[0].certificate"),
    ],
)
def test_what_cannot_be_used_is_named(given: dict[str, t.Any], where: str) -> None:
    found, findings = read(given)
    assert found == ()
    assert where in findings


def test_an_identity_has_one_way_in_and_a_mount_one_method() -> None:
    assert read(GIVEN, GIVEN)[1] == ["logins[1].identity"]
    other = {**JWT, "identity": "broker", "bound_subject": "x", "mount_point": "approle"}
    assert read(GIVEN, other)[1] == ["logins[1].mount_point"]
    assert read(GIVEN, {**other, "mount_point": None})[1] == []


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("3m", 180), ("2h", 7200), ("1d", 86400)])
def test_durations(text: str, seconds: int) -> None:
    findings: list[Finding] = []
    assert read_duration("x", text, findings) == seconds
    assert findings == []


@pytest.mark.parametrize("text", ["", "-1", "1w", "1.5h", "\u0661h", "1h ", "9999999999", None, True, ["1h"]])
def test_what_is_no_duration(text: t.Any) -> None:
    findings: list[Finding] = []
    assert read_duration("x", text, findings) == 0
    assert [one.key for one in findings] == ["x"]
