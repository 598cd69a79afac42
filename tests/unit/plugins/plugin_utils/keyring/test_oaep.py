# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DependencyMissingError, FormatError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base, oaep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
DER = PRIVATE.public_key().public_bytes(serialization.Encoding.DER, SPKI)
PUBLIC = base64.b64encode(DER).decode()
OTHERS = [
    key.public_key().public_bytes(serialization.Encoding.DER, SPKI)
    for key in (
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
    )
]


def opened(wrapped: bytes) -> bytes:
    """What the holder of the private key opens, by SHA-256 in both places."""
    sha = hashes.SHA256()
    return PRIVATE.decrypt(wrapped, padding.OAEP(mgf=padding.MGF1(algorithm=sha), algorithm=sha, label=None))


def test_what_is_wrapped_is_opened_by_the_private_key() -> None:
    key = ClassYearKey("d0030", 2026, "rsa-oaep-sha256", PUBLIC)
    assert opened(base.wrap(key, "AGE-SECRET-KEY-1X")) == b"AGE-SECRET-KEY-1X"
    assert base.wrap(key, "x") != base.wrap(key, "x")


def test_all_that_is_wrapped_has_the_length_that_is_told() -> None:
    assert len(oaep.encrypt(PUBLIC, b"x")) == len(oaep.encrypt(PUBLIC, b"xy")) == oaep.wrapped_bytes(PUBLIC) == 256


def test_the_public_key_of_a_pem_file() -> None:
    pem = PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, SPKI).decode()
    assert oaep.public_of_pem(pem) == PUBLIC


def test_what_is_too_long_is_not_repeated() -> None:
    with pytest.raises(FormatError, match="too long") as caught:
        oaep.encrypt(PUBLIC, b"secret" * 100)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "public",
    [
        *map(base64.b64encode, OTHERS),
        b"age1qqq",
        b"",
        "€".encode(),
    ],
    ids=["ed25519", "short", "age", "empty", "not-ascii"],
)
def test_what_is_no_rsa_key_that_is_long_enough(public: bytes) -> None:
    for read in (lambda: oaep.encrypt(public.decode(), b"x"), lambda: oaep.public_of_pem(public.decode())):
        with pytest.raises(FormatError, match="public key is no"):
            read()


@given(st.binary(max_size=400) | st.integers(0, len(DER) - 1).map(lambda end: DER[:end]))
def test_no_other_bytes_are_taken(data: bytes) -> None:
    with pytest.raises(FormatError):
        oaep.encrypt(base64.b64encode(data).decode(), b"x")


@given(st.text(max_size=60))
def test_no_text_is_taken(text: str) -> None:
    for read in (lambda: oaep.encrypt(text, b"x"), lambda: oaep.public_of_pem(text)):
        with pytest.raises(FormatError):
            read()


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oaep, "serialization", None)
    with pytest.raises(DependencyMissingError, match="cryptography"):
        oaep.encrypt(PUBLIC, b"x")
