# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options and the result of the module ``duties``: the matrix, rendered for one repository."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..duties import awx_roles, files, matrix, s3_policies, tables, vault_policies
from ..model.policy import Finding, refuse
from ..store.s3_settings import read_bucket
from .options import Location, Options

DUTIES: Mapping[str, t.Any] = {
    "identities": {"type": "list", "elements": "str", "choices": list(matrix.IDENTITIES)},
    "servers": {"type": "list", "elements": "str", "choices": list(matrix.S3_SERVERS)},
    "dest": {"type": "path"},
    "awx": {
        "type": "dict",
        "options": {
            "organization": {"type": "str", "default": "Default"},
            "project": {"type": "str", "default": "holdfast"},
            "inventory": {"type": "str", "default": "holdfast"},
        },
    },
}
_AWX_DEFAULTS = {"organization": "Default", "project": "holdfast", "inventory": "holdfast"}


def rendered(options: Options, *, diff: bool) -> dict[str, t.Any]:
    """Render everything, and write it where a folder is named.

    :raises PolicyError: the inventory names no repository that can have policies, or the folder cannot be written.
    """
    location = options.location()
    policies = list(_policies(options, location))
    if not policies:
        remedy = "Policies are for a store at s3://, or for a keyring of type vault. Else rights are those of files."
        refuse([Finding("holdfast_repository", "has nothing that takes policies", remedy)])
    awx = awx_roles.definitions(location.name, **(options["awx"] or _AWX_DEFAULTS))
    texts = {policy["file"]: policy["text"] for policy in policies}
    texts["awx.json"] = _text(awx)
    folder = options["dest"]
    changes = files.write(_absolute(folder), texts, check=options.check) if folder else []
    result = {
        "changed": bool(changes),
        "policies": policies,
        "awx": awx,
        "files": sorted(texts) if folder else [],
        "report": tables.report(),
        "warnings": [
            f"{policy['file']}: {policy['server']} takes no policy of this length. Use a shorter bucket or prefix."
            for policy in policies
            if "document" in policy and s3_policies.too_long(policy["document"], policy["server"])
        ],
    }
    if diff and changes:
        result["diff"] = [
            {
                "before": change.before,
                "after": change.after,
                "before_header": str(change.path),
                "after_header": str(change.path),
            }
            for change in changes
        ]
    return result


def _policies(options: Options, location: Location) -> Iterator[dict[str, t.Any]]:
    identities = options["identities"] or matrix.IDENTITIES
    # in the order of the matrix, each once
    identities = [each for each in matrix.IDENTITIES if each in identities]
    if location.on_s3:
        bucket = read_bucket(location.url)
        servers = options["servers"] or matrix.S3_SERVERS
        for server in (each for each in matrix.S3_SERVERS if each in servers):
            for identity in identities:
                document = s3_policies.document(
                    identity, bucket=bucket.name, prefix=bucket.prefix.rstrip("/"), server=server
                )
                name = f"holdfast-{location.name}-{identity}"
                yield {**_named(identity, server, name, "json", _text(document)), "document": document}
    if location.keyring_type == "vault":
        mount = str((location.vault or {}).get("engine_mount_point") or "transit")
        for identity in identities:
            text = vault_policies.policy(identity, repository=location.name, mount=mount)
            yield _named(identity, "vault", vault_policies.name(identity, location.name), "hcl", text)


def _named(identity: str, server: str, name: str, suffix: str, text: str) -> dict[str, t.Any]:
    return {"identity": identity, "server": server, "name": name, "file": f"{server}/{name}.{suffix}", "text": text}


def _text(value: t.Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _absolute(folder: str) -> Path:
    path = Path(folder).expanduser()
    if not path.is_absolute():
        refuse([Finding("dest", f"{folder!r} is not absolute", "Start it with a slash, or with {{ playbook_dir }}/.")])
    return path
