# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of access become typed values, or are refused by name before a server is asked."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import access_options
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Location, Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

FILE = Location("lab", "file:///x", "vault", "", None, vault={"url": "https://vault.test"})
S3 = dataclasses.replace(FILE, url="s3://bucket/x", s3={"endpoint_url": "https://s3.test", "profile": "broker"})
ROLE = "arn:aws:iam::123456789012:role/restorer"


def options(**given: t.Any) -> Options:
    return Options(given, lambda _name: None, check=False)


def test_only_a_keyring_in_vault_has_a_broker() -> None:
    access_options.broker(FILE)
    with pytest.raises(PolicyError, match="to a keyring in Vault alone"):
        access_options.broker(dataclasses.replace(FILE, keyring_type="local"))


def test_without_sts_no_keys_are_asked_for() -> None:
    assert access_options.assume(options(sts=None), S3, "CHG1") == (None, 0)


def test_keys_are_asked_for_by_the_settings_of_the_store_and_those_of_the_role() -> None:
    given = {"assume_role_arn": ROLE, "external_id": None, "profile": "restorer", "max_seconds": 1800}
    assume, longest = access_options.assume(options(sts=given), S3, "CHG1")
    assert longest == 1800
    settings = t.cast("t.Any", assume).__self__._session._settings
    assert (settings.endpoint_url, settings.profile, settings.assume_role_arn) == ("https://s3.test", "restorer", ROLE)


@pytest.mark.parametrize(
    ("location", "changes", "told"),
    [
        (FILE, {}, "a repository in a folder has no roles"),
        (S3, {"max_seconds": 899}, "out of range"),
        (S3, {"max_seconds": 43201}, "out of range"),
        (S3, {"assume_role_arn": "restorer"}, "assume_role_arn"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(location: Location, changes: t.Any, told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        access_options.assume(options(sts={"assume_role_arn": ROLE, "max_seconds": 3600, **changes}), location, "CHG1")


def test_a_window_is_in_utc_to_the_second() -> None:
    since = dt.datetime(2026, 11, 28, 20, tzinfo=dt.timezone.utc)
    given = {"from": "2026-11-28T20:00:00Z", "until": "2026-11-28T23:00:00Z"}
    assert access_options.window(options(**given)) == (since, since + dt.timedelta(hours=3))
    with pytest.raises(PolicyError, match=r"from.*until"):
        access_options.window(options(**{"from": "20:00", "until": None}))
