# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signed documents for tests, and whether what changes them is found out."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

from ansible_collections.holdfast.config.plugins.plugin_utils.errors import SignatureError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, dsse
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import sign
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature
from cryptography.hazmat.primitives.asymmetric import ed25519

from .strategies import WHAT, never_believed

_PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(b"test only".ljust(32))
_PUBLIC = _PRIVATE.public_key().public_bytes_raw()

Read = Callable[..., tuple[t.Any, dsse.Envelope]]


def signed(payload_type: str, payload: bytes) -> bytes:
    """An envelope whose signature is good, over any payload."""
    signature = Signature(sign.key_id(_PUBLIC), _PRIVATE.sign(dsse.pae(payload_type, payload)))
    return dsse.write(dsse.Envelope(payload_type, payload, (signature,)))


def payload_of(data: bytes, payload_type: str) -> dict[str, t.Any]:
    """The document that an envelope holds."""
    return canonical.load(dsse.read(data, payload_type, what=WHAT).payload, what=WHAT)


def outlives(good: bytes, bad: bytes, read: Read) -> bool:
    """Whether *bad* is read as another document than *good* and its signatures hold."""
    found = never_believed(good, bad, lambda data: read(data, what=WHAT))
    if found is None:
        return False
    document, envelope = found
    ours = [signature for signature in envelope.signatures if signature.key_id == sign.key_id(_PUBLIC)]
    try:
        for signature in ours:
            sign.verify(_PUBLIC, envelope.pae, signature.signature)
    except SignatureError:
        return False
    return bool(ours) and document != read(good, what=WHAT)[0]
