# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entropy import random_spans
from hypothesis import given
from hypothesis import strategies as st

TRIES = 1000
DRAWN: dict[str, Callable[[random.Random], str]] = {
    "128 bits in hexadecimal digits": lambda dice: dice.randbytes(16).hex(),
    "256 bits in hexadecimal digits": lambda dice: dice.randbytes(32).hex().upper(),
    "128 bits in base64": lambda dice: base64.b64encode(dice.randbytes(16)).decode(),
    "256 bits in base64": lambda dice: base64.b64encode(dice.randbytes(32)).decode(),
    "192 bits in base64 for addresses": lambda dice: base64.urlsafe_b64encode(dice.randbytes(24)).decode(),
    "160 bits in base32": lambda dice: base64.b32encode(dice.randbytes(20)).decode(),
    "24 letters and digits": lambda dice: "".join(dice.choices(string.ascii_letters + string.digits, k=24)),
    "32 small letters and digits": lambda dice: "".join(dice.choices(string.ascii_lowercase + string.digits, k=32)),
}
# what looks random and is public, or only looks so
PUBLIC = (
    "UUID=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 / ext4 errors=remount-ro 0 1",
    "b08dfa6083e7567a1921a715000001fb",
    "d41d8cd98f00b204e9800998ecf8427e  etc/app/app.conf",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  app.tar.gz",
    "commit = 1fba865ab73cc98a3109f88d85eb82c1bfc29b37",
    "https://git.example.org/app/blob/1fba865ab73cc98a3109f88d85eb82c1bfc29b37/log.c#L161",
    "image: registry.example.org/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    'checksum = "8e8cf4ec1c2e1d31f5cf5ffb4a3a5d8d9e9ff3b7d5e4c2a190b7a6c5d4e3f201"',
    '"integrity": "sha512-Kq3sY5bdc0dZ8yJbTrC7L0pWvHq5N2RmXfUe1gAo9sTz4iVkQ6wPnJhBcDxEyFlGmZr8u2S7t=="',
    "github.com/pkg/errors v0.9.1 h1:FEBLx1zS214owpjy7qsBeixbURkuhQAwrK5UwLGTwt4=",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@example.org",
    "cert-authority,principals=ops ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBE9q1x",
    "256 SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8 ann@example.org (ED25519)",
    "PublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
    "certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUMvakNDQWVhZ0F3SUJBZ0lCQURBTkJna3E=",
    "fingerprint: 9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B",
    "/usr/lib/x86_64-linux-gnu/security/pam_systemd_home2.so",
    "net.ipv4.conf.all.accept_source_route_v2_extended = 0",
    "FallbackNTP=0.debian.pool.ntp.org 1.debian.pool.ntp.org",
    "SSLCipherSuite ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305",
    "KexAlgorithms sntrup761x25519-sha512@openssh.com,diffie-hellman-group-exchange-sha256",
    "org.apache.catalina.core.ThreadLocalLeakPreventionListener2",
    "# ----------------------------------------------------------------",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1b",
)


def hits(line: str) -> list[str]:
    return [line[start:end] for start, end in random_spans(line)]


@pytest.mark.parametrize("drawn", DRAWN)
def test_what_is_drawn_by_lot_is_seen_nine_times_of_ten(drawn: str) -> None:
    dice = random.Random(drawn)
    words = [DRAWN[drawn](dice) for _try in range(TRIES)]
    seen = sum(any(len(hit) >= 0.8 * len(word) for hit in hits(f'pepper = "{word}"')) for word in words)
    assert seen >= 0.9 * TRIES


@pytest.mark.parametrize("line", PUBLIC)
def test_what_is_public_or_only_looks_so_is_not(line: str) -> None:
    assert hits(line) == []


def test_the_padding_of_base64_is_part_of_it() -> None:
    assert hits('kek: "kR8vWq2nXz5tLm7pYb4cGdHs1oAe9iUfJ3xQ6wZ0yT8="') == [
        "kR8vWq2nXz5tLm7pYb4cGdHs1oAe9iUfJ3xQ6wZ0yT8="
    ]


def test_hexadecimal_digits_are_a_secret_where_they_are_assigned_alone() -> None:
    drawn = "9f86d081884c7d659a2feaa0c55ad015"
    assert hits(f"pepper = {drawn}") == [drawn]
    assert hits(f"  pepper: '{drawn}' # why") == [drawn]
    assert hits(f"{drawn} pepper") == []
    assert hits(f"md5 = {drawn}") == []


def test_a_word_for_what_is_public_tells_of_its_own_value_alone() -> None:
    drawn = "Vq8kZt3Lm5wXr2Nb7Yc4Gd9Hs1Jf6Pe0"
    for line in (
        f'{{"id": 5, "pepper": "{drawn}"}}',
        f'{{"version":1,"pepper":"{drawn}"}}',
        f"build=7 pepper={drawn}",
        f"https://api/?id=5&x={drawn}",
    ):
        assert hits(line) == [drawn], line
    for line in (f'{{"x": 1, "checksum": "{drawn}"}}', f'"hashes": ["sha1", "{drawn}"]', f"public key = {drawn}"):
        assert hits(line) == [], line


@given(st.text(st.sampled_from("ab1AB/+-_=: \"'"), max_size=200))
def test_spans_are_in_order_and_within_the_line(line: str) -> None:
    found = list(random_spans(line))
    assert all(0 <= start < end <= len(line) for start, end in found)
    assert found == sorted(found)
