# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests need of MinIO's admin API; its own client is a program that takes longer to build and to run.

What is sent is encrypted with the administrator's secret as madmin-go's ``EncryptData`` does it, by PBKDF2.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
import typing as t
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .server import Keys
from .signed import Signed

_PBKDF2_AESGCM = b"\x02"
_ROUNDS = 8192
# what secure-io/sio-go encrypts at once; a longer text would be several
_CHUNK = 1 << 14


class MinioAdmin:
    """An administrator."""

    def __init__(self, endpoint: str, keys: Keys, ca_path: Path) -> None:
        self._signed = Signed(endpoint, keys, ca_path)

    def add_user(self, keys: Keys) -> None:
        """Make a user, who may do nothing yet."""
        told = {"secretKey": keys.secret, "status": "enabled"}
        self._put("add-user", {"accessKey": keys.access}, self._sealed(told))

    def disable_user(self, access: str) -> None:
        """Let a user do nothing any more."""
        self._put("set-user-status", {"accessKey": access, "status": "disabled"}, b"")

    def add_own_key(self, keys: Keys) -> None:
        """Make a further key of whoever asks (a service account), with his rights."""
        self._put("add-service-account", {}, self._sealed({"accessKey": keys.access, "secretKey": keys.secret}))

    def set_policy(self, access: str, name: str, document: str) -> None:
        """Make a policy of this name, and make it the only one of this user."""
        self._put("add-canned-policy", {"name": name}, document.encode())
        self._attach(access, name)

    def no_policy(self, access: str) -> None:
        """Take the policies of this user away."""
        self._attach(access, "")

    def set_quota(self, bucket: str, size: int) -> None:
        """Let a bucket hold so many bytes; 0 ends it.

        One put of more than that is refused at once. What several add up to is seen when the scanner has been there.
        """
        self._put("set-bucket-quota", {"bucket": bucket}, json.dumps({"size": size, "quotatype": "hard"}).encode())

    def set_remote_target(self, bucket: str, target: Mapping[str, t.Any]) -> str:
        """Say where a bucket may be replicated to (madmin-go, BucketTarget); returns the name that rules call it by."""
        return str(json.loads(self._put("set-remote-target", {"bucket": bucket}, self._sealed(target))))

    def _attach(self, access: str, policies: str) -> None:
        self._put("set-user-or-group-policy", {"policyName": policies, "userOrGroup": access, "isGroup": "false"}, b"")

    def _put(self, call: str, query: Mapping[str, str], body: bytes) -> bytes:
        return self._signed.put(f"/minio/admin/v3/{call}", query, body)

    def _sealed(self, value: t.Any) -> bytes:
        """Encrypt JSON: salt, cipher, nonce, and one chunk, which is the last (secure-io/sio-go)."""
        text = json.dumps(value).encode()
        assert len(text) < _CHUNK, "a longer text is several chunks"
        salt, nonce = secrets.token_bytes(32), secrets.token_bytes(8)
        cipher = AESGCM(hashlib.pbkdf2_hmac("sha256", self._signed.keys.secret.encode(), salt, _ROUNDS))
        bound = cipher.encrypt(_numbered(nonce, 0), b"", b"")
        return salt + _PBKDF2_AESGCM + nonce + cipher.encrypt(_numbered(nonce, 1), text, b"\x80" + bound)


def _numbered(nonce: bytes, number: int) -> bytes:
    return nonce + struct.pack("<I", number)
