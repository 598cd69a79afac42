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


def read(data: bytes, payload_type: str, *, what: str, signatures: int | None = None) -> Envelope:
    """Read an envelope of that type; raises FormatError.

    An envelope has one spelling: what nobody signed must not make another object, and so another id, of one payload.

    :param signatures: how many there must be, where their number is settled.
    """
    fields = canonical.Fields(canonical.load(data, what=what), what)
    if fields.others(("payload", "payloadType", "signatures")):
        raise fields.refuse("signatures", "stands beside fields that an envelope does not have")
    if fields.text("payloadType") != payload_type:
        raise fields.refuse("payloadType", f"is not {payload_type}")
    found = fields.each("signatures", _read_signature)
    if signatures is not None and len(found) != signatures:
        raise fields.refuse("signatures", f"holds {len(found)}, not {signatures}")
    return Envelope(payload_type, fields.bytes("payload"), found)


def _read_signature(fields: canonical.Fields) -> Signature:
    if fields.others(("keyid", "sig")):
        raise fields.refuse("signatures", "holds fields that a signature does not have")
    return Signature(fields.text("keyid"), fields.bytes("sig"))
