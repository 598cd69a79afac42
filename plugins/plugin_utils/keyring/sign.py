# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures by ed25519 (RFC 8032), and by ECDSA over P-256 and SHA-256 (FIPS 186-5), as key services have them.

Verifying takes public keys alone. Of ECDSA only the form that nobody but the key's holder can make is taken: DER, and
the lower of the two values of s that fit.
"""

from __future__ import annotations

import hashlib
import typing as t

from ..errors import KeyringError, SignatureError, UnknownVersionError
from .base import missing_cryptography

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
except ImportError:
    hashes = serialization = ec = ed25519 = utils = None  # type: ignore[assignment]

#: What keys are made of here, and what KMS makes; docs/design/format.md.
ALGORITHM, ECDSA_P256 = "ed25519", "ecdsa-p256-sha256"
# of the group of P-256 (SP 800-186, 3.2.1.3)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


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


def verify(public: bytes, data: bytes, signature: bytes, *, algorithm: str = ALGORITHM) -> None:
    """Return if *signature* over *data* is by the holder of *public*, else raise SignatureError.

    :param public: 32 raw bytes of ed25519, the SubjectPublicKeyInfo of ECDSA.
    :raises UnknownVersionError: this version does not know the algorithm.
    """
    _require()
    if algorithm == ECDSA_P256:
        return _verify_ecdsa(public, data, signature)
    if algorithm != ALGORITHM:
        raise UnknownVersionError(f"this version cannot verify by the algorithm {algorithm!r}", item=key_id(public))
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except ValueError as e:
        raise SignatureError("the public key is not an ed25519 key") from e
    except InvalidSignature as e:
        raise SignatureError("the signature is not by this key over these bytes", item=key_id(public)) from e


def _verify_ecdsa(public: bytes, data: bytes, signature: bytes) -> None:
    try:
        key = serialization.load_der_public_key(public)
    except (ValueError, UnsupportedAlgorithm) as e:
        raise SignatureError("the public key is not a key of P-256", item=key_id(public)) from e
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError("the public key is not a key of P-256", item=key_id(public))
    if lower(signature) != signature:
        raise SignatureError("the signature is not in the one form that is taken", item=key_id(public))
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as e:
        raise SignatureError("the signature is not by this key over these bytes", item=key_id(public)) from e


def lower(signature: bytes) -> bytes:
    """Return a signature of ECDSA in the form that :func:`verify` takes; raises SignatureError where it is none."""
    _require()
    try:
        r, s = utils.decode_dss_signature(signature)
    except ValueError as e:
        raise SignatureError("this is no signature of ECDSA") from e
    return bytes(utils.encode_dss_signature(r, min(s, _ORDER - s) if 0 < s < _ORDER else s))


def key_id(public: bytes) -> str:
    """Return the id of a public key, as :func:`verify` takes it: the first 16 hex digits of its SHA-256."""
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
