# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signature of a webhook: HMAC-SHA256 (RFC 2104) over ``timestamp.nonce.body``, as in docs/design/webhook.md."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
from collections.abc import Mapping

from ..errors import FormatError, SignatureError

KEY = "X-Holdfast-Key"
TIMESTAMP = "X-Holdfast-Timestamp"
NONCE = "X-Holdfast-Nonce"
SIGNATURE = "X-Holdfast-Signature"
VERSION = "v1"
SKEW_SECONDS = 300

KEY_ID = re.compile(r"(?:host:[A-Za-z0-9_][A-Za-z0-9._-]{0,252}|[a-z0-9][a-z0-9._-]{0,63})", re.ASCII)
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_SIGNATURE = re.compile(VERSION + r"=(?P<hex>[0-9a-f]{64})", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Stamp:
    """What the four headers say: whose key, when (Unix seconds), the nonce, and the signature in hex."""

    key: str
    timestamp: int
    nonce: str
    signature: str


def sign(secret: bytes, *, key: str, timestamp: int, nonce: str, body: bytes) -> dict[str, str]:
    """Return the four headers of a request.

    :param timestamp: now, in Unix seconds.
    :param nonce: 16 to 64 letters, digits, ``_`` and ``-``, never used before with this key.
    """
    return {
        KEY: key,
        TIMESTAMP: str(timestamp),
        NONCE: nonce,
        SIGNATURE: f"{VERSION}={_mac(secret, str(timestamp), nonce, body)}",
    }


def read(headers: Mapping[str, str]) -> Stamp:
    """Read the four headers; *headers* looks names up without regard to case, or has them as they are spelled here.

    :raises FormatError: one is missing, or is not of its form.
    """
    key = _header(headers, KEY, KEY_ID)
    timestamp = _header(headers, TIMESTAMP, _TIMESTAMP)
    nonce = _header(headers, NONCE, _NONCE)
    signature = _header(headers, SIGNATURE, _SIGNATURE)
    return Stamp(key[0], int(timestamp[0]), nonce[0], signature["hex"])


def verify(stamp: Stamp, secret: bytes, body: bytes, *, now: float) -> None:
    """Hold a request against its secret and the clock. How long it takes does not depend on what differs.

    :param now: Unix seconds.
    :raises SignatureError: another secret, another body, or more than 300 seconds off.
    """
    expected = _mac(secret, str(stamp.timestamp), stamp.nonce, body)
    if not hmac.compare_digest(expected, stamp.signature):
        raise SignatureError("the key is not known here, or the signature is not that of this body by that key")
    if abs(now - stamp.timestamp) > SKEW_SECONDS:
        remedy = "Sign each request when it is sent, and let the clocks agree."
        raise SignatureError(f"the timestamp is more than {SKEW_SECONDS} seconds off", remedy=remedy)


def _mac(secret: bytes, timestamp: str, nonce: str, body: bytes) -> str:
    # neither the timestamp nor the nonce can hold a dot, so no other three make the same bytes
    return hmac.new(secret, f"{timestamp}.{nonce}.".encode() + body, hashlib.sha256).hexdigest()


def _header(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> re.Match[str]:
    found = form.fullmatch(headers.get(name, ""))
    if found is None:
        raise FormatError(f"the header {name} is missing, or not of its form", item=name)
    return found
