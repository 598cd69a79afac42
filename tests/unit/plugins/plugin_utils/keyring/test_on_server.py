# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keyrings on a server have in common, beside what the conformance suite asks of each of them."""

from __future__ import annotations

from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    KeyMissingError,
    PolicyError,
    UnknownVersionError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import connect
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import HKDF_SHA256, HMAC_SHA256, Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey, DigestKey

KINDS = {"vault": {"vault": {"url": "https://127.0.0.1:1"}}, "awskms": {"awskms": {"region": "eu-central-1"}}}
KEY = DigestKey("0" * 15 + "1", HMAC_SHA256)


@pytest.fixture(params=sorted(KINDS))
def ring(request: pytest.FixtureRequest) -> Keyring:
    """A keyring whose server is never asked."""
    return connect(request.param, path=None, repository="prod", **KINDS[request.param])


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("name", ["a--b", "a-"])
def test_no_repository_has_a_name_that_begins_anothers_keys(kind: str, name: str) -> None:
    with pytest.raises(PolicyError, match="cannot be called"):
        connect(kind, path=None, repository=name, **KINDS[kind])


def test_keys_of_another_kind_of_keyring_are_told_from_an_unknown_version(ring: Keyring) -> None:
    for call in (
        lambda: ring.digest_key(DigestKey(KEY.id, HKDF_SHA256), repository="prod"),
        lambda: ring.unwrap(ClassYearKey("d0030", 2026, "age-x25519", "age1"), b"x"),
    ):
        with pytest.raises(UnknownVersionError) as caught:
            call()
        assert "set its type" in str(caught.value)


@pytest.mark.parametrize("key_id", ["d0030", "../2026", "d0030-2026/x"])
def test_only_ids_of_class_years_become_names_of_keys(ring: Keyring, key_id: str) -> None:
    key = mock.create_autospec(ClassYearKey, instance=True, id=key_id, scheme="rsa-oaep-sha256", public="")
    with pytest.raises(KeyMissingError, match="not the id"):
        ring.unwrap(key, b"x")


def test_a_digest_key_is_asked_for_once_also_where_it_is_refused(ring: Keyring) -> None:
    with mock.patch.object(ring, "_digest", side_effect=[bytes(32)]) as asked:
        assert ring.digest_key(KEY, repository="prod") == ring.digest_key(KEY, repository="prod") == bytes(32)
    assert asked.call_count == 1
    other = DigestKey("0" * 15 + "2", HMAC_SHA256)
    with mock.patch.object(ring, "_digest", side_effect=KeyMissingError("no right")) as asked:
        for _time in range(2):
            with pytest.raises(KeyMissingError, match="no right"):
                ring.digest_key(other, repository="prod")
    assert asked.call_count == 1
    with pytest.raises(WrongKeyError, match="another repository"):
        ring.digest_key(KEY, repository="prod-eu")
