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
    UnknownVersionError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import sign
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

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


# RFC 6979, A.2.5: P-256, SHA-256, message "sample"; this s is more than half of the order
X = 0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
Y = 0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299
R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def public_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


P256 = public_of(ec.EllipticCurvePublicNumbers(X, Y, ec.SECP256R1()).public_key())
LOW = utils.encode_dss_signature(R, ORDER - S)


def by_ecdsa(public: bytes, data: bytes, signature: bytes) -> None:
    sign.verify(public, data, signature, algorithm=sign.ECDSA_P256)


def test_a_known_signature_of_ecdsa_verifies_in_one_form_alone() -> None:
    """Nobody without the key makes another object of the same payload."""
    high = utils.encode_dss_signature(R, S)
    by_ecdsa(P256, b"sample", LOW)
    assert sign.lower(high) == sign.lower(LOW) == LOW
    for other in (high, LOW + b"\0", LOW[:1] + b"\x81" + LOW[1:], utils.encode_dss_signature(R, 2 * ORDER - S), b""):
        with pytest.raises(SignatureError):
            by_ecdsa(P256, b"sample", other)


def test_any_change_of_ecdsa_is_refused() -> None:
    another_curve = ec.generate_private_key(ec.SECP256K1())
    by_it = sign.lower(another_curve.sign(b"sample", ec.ECDSA(hashes.SHA256())))
    for public, data, signature in (
        (P256, b"sampl", LOW),
        (P256[:-1], b"sample", LOW),
        (b"", b"sample", LOW),
        (PUBLIC, b"sample", LOW),
        (public_of(ec.generate_private_key(ec.SECP256R1()).public_key()), b"sample", LOW),
        (public_of(another_curve.public_key()), b"sample", by_it),
        *((P256, b"sample", LOW[:i] + bytes([LOW[i] ^ 1]) + LOW[i + 1 :]) for i in range(len(LOW))),
    ):
        with pytest.raises(SignatureError):
            by_ecdsa(public, data, signature)


def test_a_key_signs_by_its_own_algorithm_alone() -> None:
    by_ecdsa(P256, b"sample", LOW)
    with pytest.raises(SignatureError):
        sign.verify(P256, b"sample", LOW)
    with pytest.raises(SignatureError):
        by_ecdsa(PUBLIC, b"\x72", SIGNATURE)
    with pytest.raises(UnknownVersionError, match="'ed448'"):
        sign.verify(PUBLIC, b"\x72", SIGNATURE, algorithm="ed448")


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign, "ed25519", None)
    for call in (sign.generate, lambda: sign.sign(PEM, b""), lambda: sign.verify(PUBLIC, b"", b"")):
        with pytest.raises(DependencyMissingError, match="cryptography"):
            call()
