# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is public of escrow in several hands: ``escrow.json`` beside the sealed file. No object of a repository."""

from __future__ import annotations

import typing as t

from ..errors import FormatError
from ..model.escrow import CUSTODIAN, EscrowKey, EscrowSet, Share
from ..model.keys import class_year
from . import canonical


def write(escrow: EscrowSet) -> bytes:
    """Spell it."""
    document: dict[str, t.Any] = {
        **canonical.header("escrow", escrow.repository),
        "made_at": canonical.moment(escrow.made_at),
        "threshold": escrow.threshold,
        "sealed_sha256": escrow.sealed_sha256,
        "keys": [{"id": key.id, "recipient": key.recipient} for key in escrow.keys],
        "shares": [
            {
                "custodian": share.custodian,
                "key_sha256": share.key_sha256,
                "words_sha256": share.words_sha256,
                "file_sha256": share.file_sha256,
            }
            for share in escrow.shares
        ],
    }
    return canonical.dump(document)


def read(data: bytes, *, what: str) -> EscrowSet:
    """Read :func:`write` back; raises FormatError for anything else."""
    fields = canonical.expect(canonical.load(data, what=what), "escrow", what=what)
    found = EscrowSet(
        repository=fields.text("repository"),
        made_at=fields.moment("made_at"),
        threshold=fields.number("threshold"),
        shares=fields.each("shares", _read_share),
        keys=fields.each("keys", lambda key: EscrowKey(key.text("id"), key.text("recipient"))),
        sealed_sha256=fields.digest("sealed_sha256"),
    )
    if not 2 <= found.threshold <= len(found.shares) or len(set(found.custodians)) < len(found.shares):
        raise FormatError("names too few shares, or a custodian twice", item=what)
    if not all(CUSTODIAN.fullmatch(name) for name in found.custodians):
        raise FormatError("names a custodian as no file can be called", item=what)
    if not all(class_year(key.id) for key in found.keys):
        raise FormatError("names a key as none of a class and year is called", item=what)
    return found


def _read_share(fields: canonical.Fields) -> Share:
    return Share(
        custodian=fields.text("custodian"),
        key_sha256=fields.digest("key_sha256"),
        words_sha256=fields.digest("words_sha256"),
        file_sha256=fields.digest("file_sha256"),
    )
