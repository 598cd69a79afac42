# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A FIDO2 authenticator that needs no finger, and the fields of SSH signatures, to be put together in any wrong way.

Sources: OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f, RFC 4251 section 5.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NAMESPACE = b"holdfast.config"
SK_ED25519 = b"sk-ssh-ed25519@openssh.com"
SK_ECDSA = b"sk-ecdsa-sha2-nistp256@openssh.com"
TOUCHED = 1
VERIFIED = 4


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def mpint(value: int) -> bytes:
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


def strings(data: bytes) -> list[bytes]:
    """Take apart what is nothing but strings."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(data[4:end])
        data = data[end:]
    return found


def line(key: bytes) -> str:
    """Spell a key's blob as a public key line."""
    return f"{strings(key[: 4 + int.from_bytes(key[:4], 'big')])[0].decode()} {base64.b64encode(key).decode()}"


def fingerprint(key: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


@dataclasses.dataclass(frozen=True)
class Sshsig:
    """The fields of a signature, in the order they stand in."""

    key: bytes
    namespace: bytes = NAMESPACE
    reserved: bytes = b""
    hash_algorithm: bytes = b"sha512"
    signature: bytes = b""
    version: int = 1

    @classmethod
    def of(cls, blob: bytes) -> Sshsig:
        return cls(*strings(blob[10:]), version=int.from_bytes(blob[6:10], "big"))

    @property
    def blob(self) -> bytes:
        fields = (self.key, self.namespace, self.reserved, self.hash_algorithm, self.signature)
        return b"SSHSIG" + self.version.to_bytes(4, "big") + b"".join(string(field) for field in fields)

    def signed(self, message: bytes) -> bytes:
        """What a key signs for this signature."""
        digest = hashlib.new(self.hash_algorithm.decode(), message).digest()
        return b"SSHSIG" + b"".join(
            string(field) for field in (self.namespace, self.reserved, self.hash_algorithm, digest)
        )

    def with_signature(self, *parts: bytes, rest: bytes = b"") -> Sshsig:
        """Return this with a signature of these strings, and after them *rest*."""
        return dataclasses.replace(self, signature=b"".join(string(part) for part in parts) + rest)


class Authenticator:
    """Signs with whatever flags and counter it is told to vouch for.

    :param kind: ``SK_ED25519`` or ``SK_ECDSA``.
    :param seed: another one is another key.
    :param application: what the key was made for.
    """

    def __init__(self, kind: bytes = SK_ED25519, *, seed: int = 1, application: bytes = b"ssh:") -> None:
        self._kind = kind
        self._application = application
        self._ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))
        self._ecdsa = ec.derive_private_key(seed, ec.SECP256R1())

    @property
    def key(self) -> bytes:
        if self._kind == SK_ED25519:
            fields = (self._kind, self._ed25519.public_key().public_bytes_raw(), self._application)
        else:
            point = self._ecdsa.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            fields = (self._kind, b"nistp256", point, self._application)
        return b"".join(string(field) for field in fields)

    @property
    def line(self) -> str:
        return line(self.key)

    def sign(
        self,
        message: bytes,
        *,
        flags: int = TOUCHED | VERIFIED,
        counter: int = 7,
        namespace: bytes = NAMESPACE,
        hash_algorithm: bytes = b"sha512",
    ) -> bytes:
        """Return the blob of a signature."""
        made = Sshsig(self.key, namespace, hash_algorithm=hash_algorithm)
        vouched = bytes([flags]) + counter.to_bytes(4, "big")
        asserted = hashlib.sha256(self._application).digest() + vouched + hashlib.sha256(made.signed(message)).digest()
        return made.with_signature(self._kind, self._raw(asserted), rest=vouched).blob

    def _raw(self, data: bytes) -> bytes:
        if self._kind == SK_ED25519:
            return self._ed25519.sign(data)
        r, s = utils.decode_dss_signature(self._ecdsa.sign(data, ec.ECDSA(hashes.SHA256())))
        return mpint(r) + mpint(s)
