# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters that read what the repository holds."""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

from ..plugin_utils.errors import FormatError
from ..plugin_utils.format import record as record_format
from ..plugin_utils.model import instant
from ..plugin_utils.model.record import Request


def read_record(text: t.Any) -> dict[str, t.Any]:
    """What a record object says, as plain values; no signature is judged.

    :param text: the object's text as the store has it: a DSSE envelope in canonical JSON.
    :raises AnsibleFilterError: it is not that.
    """
    if not isinstance(text, str):
        raise AnsibleFilterError(f"read_record takes the text of a record, not {type(text).__name__}")
    try:
        data = str(text).encode()
        record, envelope = record_format.read(data, what="the text")
    except (FormatError, UnicodeEncodeError) as e:
        raise AnsibleFilterError(f"read_record was not given a record: {e}") from e
    return {
        "kind": record.kind,
        "at": instant.to_text(record.at),
        "by": record.by,
        "subject": dict(record.subject),
        "detail": dict(record.detail),
        "request": _request(record.request),
        "signatures": [signature.key_id for signature in envelope.signatures],
        "digest": hashlib.sha256(data).hexdigest(),
    }


def _request(request: Request | None) -> dict[str, str] | None:
    if request is None:
        return None
    return {
        "by": request.by,
        "reason": request.reason,
        "ticket": request.ticket,
        "expires": instant.to_text(request.expires),
    }


class FilterModule:
    """What Ansible looks up."""

    def filters(self) -> dict[str, Callable[..., t.Any]]:
        """Each filter by its name."""
        return {"read_record": read_record}
