# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ed25519 signatures (RFC 8032). Verifying takes public keys alone."""

from __future__ import annotations

import hashlib
import typing as t

from ..errors import KeyringError, SignatureError
from .base import missing_cryptography

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519
except ImportError:
    serialization = ed25519 = None  # type: ignore[assignment]

ALGORITHM = "ed25519"


def generate() -> tuple[bytes, bytes]:
    """Make a key pair.

    :returns: the private key (PEM, PKCS #8, not encrypted) and the public key (32 raw bytes).
    :raises DependencyMissingError: cryptography is not installed, here and wherever this module signs or verifies.
    """
    _require()
    private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, private.public_key().public_bytes_raw()


def public_of(private_pem: bytes) -> bytes:
    """Return the raw public key of a private one; raises KeyringError when it is not an ed25519 key."""
    return bytes(_private(private_pem).public_key().public_bytes_raw())


def sign(private_pem: bytes, data: bytes) -> bytes:
    """Return the 64-byte signature; raises KeyringError when the key is not an ed25519 key."""
    return bytes(_private(private_pem).sign(data))


def verify(public: bytes, data: bytes, signature: bytes) -> None:
    """Return if *signature* over *data* is by the holder of *public* (32 raw bytes), else raise SignatureError."""
    _require()
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except ValueError as e:
        raise SignatureError("the public key is not an ed25519 key") from e
    except InvalidSignature as e:
        raise SignatureError("the signature is not by this key over these bytes", item=key_id(public)) from e


def key_id(public: bytes) -> str:
    """Return the id of a raw public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def _private(private_pem: bytes) -> t.Any:
    _require()
    try:
        private = serialization.load_pem_private_key(private_pem, password=None)
    # TypeError is how an encrypted key is refused
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise KeyringError("a signing key is damaged or encrypted") from e
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise KeyringError("a signing key is not an ed25519 key")
    return private


def _require() -> None:
    if ed25519 is None:
        raise missing_cryptography()
