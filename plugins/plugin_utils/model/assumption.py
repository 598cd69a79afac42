# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people assume of a fleet that was never backed up: what a forecast of the first day stands on."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping, Sequence

from .policy import Finding, Tier
from .retention import RetentionClass
from .sizing import Basis, Group, Runs, newcomers

KEY = "assume"
_FIELDS = ("hosts", "runs_per_day", "streams")
_STREAM_FIELDS = ("tier", "bytes", "files", "changes_per_day", "compression", "hosts")
MOST_HOSTS = 1_000_000
MOST_RUNS = 1440
_SIZE = re.compile(r"([0-9]{1,15})(|KiB|MiB|GiB)")
_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

# measured, on /etc of a Debian 12 with 1,361 paths and 2.2 MB: docs/guide_sizing.md
_COMPRESSION = 3.0
_MANIFEST_PATH = 44.0
# the least that a manifest and a pack come to, with keys and instructions
_MANIFEST_LEAST, _PACK_LEAST = 1300.0, 1600.0
# a body for each stream, and a signed statement
_BODY_STREAM, _STATEMENT = 180.0, 1200.0


def read_assumption(
    value: t.Any, findings: list[Finding], *, classes: Mapping[str, RetentionClass], tiers: Mapping[str, Tier]
) -> Basis:
    """Read ``assume``; what is wrong is added to *findings*, and then what is returned means nothing."""
    fields = value if isinstance(value, Mapping) else {}
    _known(KEY, fields, _FIELDS, findings)
    hosts = int(_number(f"{KEY}.hosts", fields.get("hosts"), findings, 1, MOST_HOSTS))
    per_day = _number(f"{KEY}.runs_per_day", fields.get("runs_per_day", 1), findings, 0.01, MOST_RUNS)
    given = fields.get("streams")
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        findings.append(Finding(f"{KEY}.streams", "is no list", "Give one, like [{tier: tier1, bytes: 2MiB}]."))
        given = ()
    groups = [_group(f"{KEY}.streams[{place}]", one, hosts, tiers, findings) for place, one in enumerate(given)]
    return basis(classes, [group for group in groups if group is not None], hosts=hosts, per_day=per_day)


def basis(classes: Mapping[str, RetentionClass], groups: Sequence[Group], *, hosts: int, per_day: float) -> Basis:
    """What a forecast stands on before the first run: nothing is stored, and every stream is due at once."""
    streams = sum(group.streams for group in groups)
    runs = Runs(per_day, _BODY_STREAM * streams, _BODY_STREAM, _STATEMENT)
    return Basis(classes, tuple(groups), (), runs, hosts)


def _group(key: str, given: t.Any, hosts: int, tiers: Mapping[str, Tier], findings: list[Finding]) -> Group | None:
    fields = given if isinstance(given, Mapping) else {}
    _known(key, fields, _STREAM_FIELDS, findings)
    tier = tiers.get(str(fields.get("tier")))
    if tier is None:
        findings.append(Finding(f"{key}.tier", "is no tier that is known", f"Use one of {', '.join(sorted(tiers))}."))
        return None
    size = _size(f"{key}.bytes", fields.get("bytes"), findings)
    files = _number(f"{key}.files", fields.get("files", 500), findings, 1, 10_000_000)
    changes = _number(f"{key}.changes_per_day", fields.get("changes_per_day", 0.05), findings, 0, MOST_RUNS)
    ratio = _number(f"{key}.compression", fields.get("compression", _COMPRESSION), findings, 1, 1000)
    streams = _number(f"{key}.hosts", fields.get("hosts", hosts), findings, 1, MOST_HOSTS)
    pack, manifest = _PACK_LEAST + size / (ratio or 1.0), _MANIFEST_LEAST + _MANIFEST_PATH * files
    burst = max(1.0, changes)
    return Group(
        retention_class=tier.retention_class,
        stream=tier.name,
        cohorts=newcomers(streams, pack + manifest, min(1.0, changes), burst),
        pack=pack,
        manifest=manifest,
        unpacked=float(size),
        changes=changes * streams,
    )


def _known(key: str, fields: Mapping[str, t.Any], known: Sequence[str], findings: list[Finding]) -> None:
    findings += [
        Finding(f"{key}.{name}", "is not known here", f"Known: {', '.join(known)}.")
        for name in sorted(map(str, fields))
        if name not in known
    ]


def _number(key: str, value: t.Any, findings: list[Finding], least: float, most: float) -> float:
    # what a template has made of a number is a text
    try:
        found = float(value) if not isinstance(value, bool) else least - 1
    except (TypeError, ValueError):
        found = least - 1
    if not least <= found <= most:
        findings.append(Finding(key, f"{value!r} is out of range", f"Give a number from {least:g} to {most:g}."))
        return least
    return found


def _size(key: str, value: t.Any, findings: list[Finding]) -> int:
    found = _SIZE.fullmatch(str(value)) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    if found is None:
        findings.append(Finding(key, f"{value!r} is no number of bytes", "Give one, perhaps with a unit like 2MiB."))
        return 0
    return int(found[1]) * _SIZES[found[2]]
