# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DependencyMissingError,
    FormatError,
    IntegrityError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from hypothesis import given
from hypothesis import strategies as st

PLAIN = b"PermitRootLogin no\n"


@functools.cache
def pair() -> tuple[str, str]:
    return age.generate()


@functools.cache
def sealed() -> bytes:
    return age.encrypt(PLAIN, [pair()[1]])


def test_generate_gives_an_identity_and_its_recipient() -> None:
    secret, recipient = age.generate()
    assert secret.startswith("AGE-SECRET-KEY-1")
    assert recipient.startswith("age1")
    assert age.recipient_of(secret) == recipient
    assert age.generate()[0] != secret


@given(st.binary(max_size=200))
def test_what_is_encrypted_is_decrypted(data: bytes) -> None:
    secret, recipient = pair()
    assert age.decrypt(age.encrypt(data, [recipient]), [secret]) == data


def test_more_than_one_chunk_of_the_stream() -> None:
    data = bytes(3 * 64 * 1024 + 1)
    secret, recipient = pair()
    assert age.decrypt(age.encrypt(data, [recipient]), [secret]) == data


def test_every_recipient_opens_it_and_nobody_else() -> None:
    one, two, other = age.generate(), age.generate(), age.generate()
    data = age.encrypt(PLAIN, [one[1], two[1]])
    assert age.decrypt(data, [one[0]]) == PLAIN
    assert age.decrypt(data, [other[0], two[0]]) == PLAIN
    for secrets in ([other[0]], []):
        with pytest.raises(WrongKeyError):
            age.decrypt(data, secrets)


def test_it_is_the_binary_form() -> None:
    assert sealed().startswith(b"age-encryption.org/v1\n-> X25519 ")
    assert PLAIN not in sealed()


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF])
def test_no_flipped_byte_gives_plaintext(mask: int) -> None:
    """Only a recipient stanza that was damaged may look like one for somebody else."""
    data = sealed()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= mask
        with pytest.raises((WrongKeyError, IntegrityError)) as caught:
            age.decrypt(bytes(flipped), [pair()[0]])
        if isinstance(caught.value, WrongKeyError):
            assert position < data.index(b"\n--- ")


def test_no_cut_gives_plaintext() -> None:
    data = sealed()
    for length in range(len(data)):
        with pytest.raises(IntegrityError):
            age.decrypt(data[:length], [pair()[0]])


@pytest.mark.parametrize("data", [b"", b"age", PLAIN, b"-----BEGIN AGE ENCRYPTED FILE-----\n", bytes(500)])
def test_what_is_not_age_is_no_wrong_key(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        age.decrypt(data, [pair()[0]])


def test_bytes_behind_the_last_chunk_are_refused() -> None:
    with pytest.raises(IntegrityError):
        age.decrypt(sealed() + b"\0", [pair()[0]])


def test_a_recipient_is_needed() -> None:
    with pytest.raises(FormatError, match="at least one recipient"):
        age.encrypt(PLAIN, [])


@pytest.mark.parametrize("text", ["", "age1", "age1é", "ssh-ed25519 AAAA", "\udcff", "age1\0"])
def test_neither_a_recipient_nor_an_identity(text: str) -> None:
    with pytest.raises(FormatError):
        age.encrypt(PLAIN, [pair()[1], text])
    with pytest.raises(FormatError):
        age.recipient_of(text)
    with pytest.raises(FormatError):
        age.decrypt(sealed(), [pair()[0], text])


@pytest.mark.parametrize("change", [lambda s: s[:-1], lambda s: s + "\n", lambda s: s + "\udcff", lambda s: s + "é"])
def test_a_secret_is_in_no_error(change: object) -> None:
    secret = change(pair()[0])  # type: ignore[operator]
    for call in (age.recipient_of, lambda text: age.encrypt(b"", [text]), lambda text: age.decrypt(sealed(), [text])):
        with pytest.raises(FormatError) as caught:
            call(secret)
        error: BaseException | None = caught.value
        while error:
            assert secret[16:40] not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__


def test_without_pyrage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "pyrage", None)
    for call in (
        age.generate,
        lambda: age.recipient_of(""),
        lambda: age.encrypt(b"", []),
        lambda: age.decrypt(b"", []),
        lambda: age.public_key(SSH),
        lambda: age.encrypt_for(b"", SSH),
    ):
        with pytest.raises(DependencyMissingError, match="pyrage"):
            call()


SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def test_a_person_has_a_key_of_age_or_of_openssh() -> None:
    secret, recipient = age.generate()
    assert age.public_key(f" {recipient}\n") == recipient
    assert age.public_key(f"{SSH} bob@example.com\n") == SSH
    assert age.decrypt(age.encrypt_for(PLAIN, recipient), [secret]) == PLAIN
    assert age.encrypt_for(PLAIN, SSH + " bob").startswith(b"age-encryption.org/v1\n-> ssh-ed25519 ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-\udcff x",
        "sk-ssh-ed25519@openssh.com AAAA",
        "ecdsa-sha2-nistp256 AAAA",
    ],
)
def test_what_cannot_decrypt_is_no_key_of_a_person(text: str) -> None:
    with pytest.raises(FormatError):
        age.encrypt_for(PLAIN, text)


def test_an_identity_in_the_place_of_a_key_is_not_shown() -> None:
    secret = pair()[0]
    with pytest.raises(FormatError) as caught:
        age.public_key(secret)
    assert caught.value.__context__ is None
    assert secret[16:40] not in f"{caught.value} {caught.value!r}"
