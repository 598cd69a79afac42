# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wrapping under an RSA public key: RSAES-OAEP with SHA-256 (RFC 8017), as Transit and cloud key services open it."""

from __future__ import annotations

import base64
import binascii
import typing as t

from ..errors import FormatError
from .base import missing_cryptography

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
except ImportError:
    hashes = serialization = padding = rsa = None  # type: ignore[assignment]

# what is weaker is not believed, whoever signed the root that names it
LEAST_BITS = 2048


def encrypt(public: str, data: bytes) -> bytes:
    """Encrypt a few bytes, offline.

    :param public: base64 of the key's SubjectPublicKeyInfo (RFC 5280, DER), on one line.
    :raises FormatError: *public* is no such key, or *data* is too long for it.
    :raises DependencyMissingError: cryptography is not installed.
    """
    key = _load(public)
    try:
        return bytes(
            key.encrypt(
                data, padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
            )
        )
    except ValueError:
        failure = FormatError("this is too long to be wrapped under an RSA key")
    # outside of the handler: what cryptography says may hold what it was given
    raise failure


def wrapped_bytes(public: str) -> int:
    """How many bytes everything has that was encrypted under a key, which :func:`encrypt` takes.

    :raises FormatError, DependencyMissingError: as :func:`encrypt`.
    """
    return (int(_load(public).key_size) + 7) // 8


def public_of_pem(pem: str) -> str:
    """Return the public key of a PEM file as :func:`encrypt` takes it; raises FormatError where it is none."""
    public = "".join(line.strip() for line in pem.splitlines() if not line.startswith("-----"))
    _load(public)
    return public


def _load(public: str) -> t.Any:
    if serialization is None:
        raise missing_cryptography()
    try:
        key = serialization.load_der_public_key(base64.b64decode(public.encode("ascii", "replace"), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as e:
        raise FormatError("the public key is no SubjectPublicKeyInfo in base64") from e
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_BITS:
        raise FormatError(f"the public key is no RSA key of {LEAST_BITS} bits or more")
    return key
