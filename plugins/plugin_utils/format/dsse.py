# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DSSE v1 envelopes: the signed form of root links, statements and records.

Source: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..model.keys import Signature
from . import canonical


@dataclasses.dataclass(frozen=True)
class Envelope:
    """A payload, its type and the signatures over both. Nothing of it is believed before a signature is checked."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def pae(self) -> bytes:
        """The bytes that are signed."""
        return pae(self.payload_type, self.payload)


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def write(envelope: Envelope) -> bytes:
    """Spell an envelope canonically."""
    document: dict[str, t.Any] = {
        "payloadType": envelope.payload_type,
        "payload": canonical.b64(envelope.payload),
        "signatures": [{"keyid": s.key_id, "sig": canonical.b64(s.signature)} for s in envelope.signatures],
    }
    return canonical.dump(document)


def read(data: bytes, payload_type: str, *, what: str) -> Envelope:
    """Read an envelope of that type; raises FormatError."""
    fields = canonical.Fields(canonical.load(data, what=what), what)
    if fields.text("payloadType") != payload_type:
        raise fields.refuse("payloadType", f"is not {payload_type}")
    signatures = fields.each("signatures", lambda s: Signature(s.text("keyid"), s.bytes("sig")))
    return Envelope(payload_type, fields.bytes("payload"), signatures)
