# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records (format.md section 7)."""

from __future__ import annotations

from ..model.record import Record
from . import canonical, dsse
from .canonical import moment

PAYLOAD_TYPE = "application/vnd.holdfast.record+json"


def payload(record: Record) -> bytes:
    """The bytes of a record that are to be signed."""
    return canonical.dump(
        {
            **canonical.header("record", record.repository),
            "root": record.root,
            "record": record.kind,
            "at": moment(record.at),
            "by": record.by,
            "subject": dict(record.subject),
            "detail": dict(record.detail),
        }
    )


def read(data: bytes, *, what: str) -> tuple[Record, dsse.Envelope]:
    """Read a record and its envelope; the signature is not judged here."""
    envelope = dsse.read(data, PAYLOAD_TYPE, what=what, signatures=1)
    fields = canonical.expect(canonical.load(envelope.payload, what=what), "record", what=what)
    record = Record(
        repository=fields.text("repository"),
        root=fields.digest("root"),
        kind=fields.text("record"),
        at=fields.moment("at"),
        by=fields.text("by"),
        subject=fields.mapping("subject"),
        detail=fields.mapping("detail"),
    )
    return record, envelope
