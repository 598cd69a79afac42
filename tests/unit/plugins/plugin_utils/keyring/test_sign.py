# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    KeyringError,
    SignatureError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import sign

# RFC 8032, 7.1, test 2
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
# RFC 8410, 10.3
PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
NOT_ED25519 = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq
-----END PRIVATE KEY-----
"""


def test_a_known_signature_verifies() -> None:
    sign.verify(PUBLIC, b"\x72", SIGNATURE)


def test_a_known_private_key_has_its_public_key() -> None:
    # RFC 8410, 10.1
    assert sign.public_of(PEM).hex() == "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"


def test_what_is_signed_verifies_without_the_private_key() -> None:
    pem, public = sign.generate()
    assert len(public) == 32
    assert sign.public_of(pem) == public
    signature = sign.sign(pem, b"payload")
    assert len(signature) == 64
    sign.verify(public, b"payload", signature)


def test_any_change_is_refused() -> None:
    other = sign.generate()[1]
    for public, data, signature in (
        (PUBLIC, b"\x73", SIGNATURE),
        (PUBLIC, b"", SIGNATURE),
        (other, b"\x72", SIGNATURE),
        (PUBLIC, b"\x72", SIGNATURE[:-1]),
        (PUBLIC, b"\x72", b""),
        (PUBLIC[:-1], b"\x72", SIGNATURE),
        (b"", b"\x72", SIGNATURE),
        *((PUBLIC, b"\x72", SIGNATURE[:i] + bytes([SIGNATURE[i] ^ 1]) + SIGNATURE[i + 1 :]) for i in range(64)),
    ):
        with pytest.raises(SignatureError):
            sign.verify(public, data, signature)


def test_key_id_is_of_the_raw_key() -> None:
    assert sign.key_id(PUBLIC) == hashlib.sha256(PUBLIC).hexdigest()[:16] == "39f713d0a644253f"


@pytest.mark.parametrize("pem", [b"", b"x", PEM[:-40], NOT_ED25519, PUBLIC])
def test_what_is_no_signing_key(pem: bytes) -> None:
    with pytest.raises(KeyringError):
        sign.sign(pem, b"payload")


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign, "ed25519", None)
    for call in (sign.generate, lambda: sign.sign(PEM, b""), lambda: sign.verify(PUBLIC, b"", b"")):
        with pytest.raises(DependencyMissingError, match="cryptography"):
            call()
