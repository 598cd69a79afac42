# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import hmac

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    FormatError,
    UnknownVersionError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age


def rfc5869(secret: bytes, info: bytes) -> bytes:
    """One block of HKDF-SHA256 without salt, spelled out."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def test_derive_is_rfc_5869() -> None:
    # test case 3 of appendix A: no salt, no info; the first 32 of its 42 bytes
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    assert base.derive(b"\x0b" * 22, b"").hex() == expected


@pytest.mark.parametrize("host_id", ["web1", "wéb1", ""])
def test_a_hosts_key_follows_from_the_runs_key_and_its_id(host_id: str) -> None:
    key = base.host_key(b"k" * 32, host_id)
    assert key == rfc5869(b"k" * 32, b"holdfast host digest v1\0" + host_id.encode())


def test_hosts_have_keys_of_their_own() -> None:
    keys = {base.host_key(run_key * 32, host_id) for run_key in (b"a", b"b") for host_id in ("web1", "web2")}
    assert len(keys) == 4


def test_the_key_of_secrets_is_the_repository_s_and_no_host_s() -> None:
    assert base.secret_key(b"a" * 32) == base.derive(b"a" * 32, b"holdfast repository secrets v1\0")
    assert base.secret_key(b"a" * 32) != base.secret_key(b"b" * 32)
    assert base.secret_key(b"a" * 32) not in {base.host_key(b"a" * 32, host) for host in ("", "web1", "secrets")}


def test_keyed_is_hmac_sha256() -> None:
    # RFC 4231, test case 2
    assert base.keyed(b"Jefe", b"what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
    assert base.keyed(b"k" * 32, b"x") == hmac.new(b"k" * 32, b"x", hashlib.sha256).hexdigest()


def test_wrap_is_age_to_the_public_key_and_nothing_else() -> None:
    secret, recipient = age.generate()
    key = ClassYearKey("d0030", 2026, "age-x25519", recipient)
    assert age.decrypt(base.wrap(key, "AGE-SECRET-KEY-1X"), [secret]) == b"AGE-SECRET-KEY-1X"


def test_wrap_refuses_what_it_does_not_know() -> None:
    with pytest.raises(UnknownVersionError, match="rsa-oaep") as caught:
        base.wrap(ClassYearKey("d0030", 2026, "rsa-oaep", "x"), "AGE-SECRET-KEY-1X")
    assert caught.value.item == "d0030-2026"
    with pytest.raises(FormatError):
        base.wrap(ClassYearKey("d0030", 2026, "age-x25519", "x"), "AGE-SECRET-KEY-1X")


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "hkdf", None)
    with pytest.raises(DependencyMissingError, match="cryptography"):
        base.derive(b"k" * 32, b"")
