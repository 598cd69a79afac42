# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a bucket: options of a task become typed values."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..model.policy import Finding, refuse
from ..model.retention import RetentionClass
from ..model.storage import ENCRYPTIONS, PUBLIC_ACCESS, Storage, read_storage
from .options import Options

STORAGE: Mapping[str, t.Any] = {
    "storage": {
        "type": "dict",
        "options": {
            "encryption": {"type": "str", "choices": list(ENCRYPTIONS), "default": "none"},
            "kms_key_id": {"type": "str"},
            "public_access_block": {
                "type": "dict",
                "options": {name: {"type": "bool", "default": True} for name in PUBLIC_ACCESS},
            },
            "tls_only": {"type": "bool"},
            "vpc_endpoints": {"type": "list", "elements": "str"},
            "source_networks": {"type": "list", "elements": "str"},
            "allowed_networks": {"type": "list", "elements": "str", "default": []},
            "lifecycle": {"type": "bool", "default": True},
            "abort_uploads_days": {"type": "int", "default": 7},
            "archive": {"type": "dict", "default": {}},
            "logging": {
                "type": "dict",
                "options": {"bucket": {"type": "str", "required": True}, "prefix": {"type": "str", "default": ""}},
            },
            "replication": {
                "type": "dict",
                "options": {"role": {"type": "str"}, "destination": {"type": "str", "required": True}},
            },
        },
    },
}


def storage(options: Options, classes: Mapping[str, RetentionClass]) -> Storage | None:
    """What the bucket should be, None where nothing is asked of it; raises PolicyError with every finding."""
    given = options["storage"]
    if given is None:
        return None
    findings: list[Finding] = []
    found = read_storage(given, classes, findings)
    refuse(findings)
    return found
