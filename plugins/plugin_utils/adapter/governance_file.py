# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Governance as the inventory says it, or as the file that it names does: YAML, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import typing as t
from pathlib import Path

from .. import safe_yaml
from ..errors import FormatError
from ..model.finding import Finding
from ..model.governance import COLUMNS, Governance, from_rows, read_governance

KEY = "holdfast_governance"
_LARGEST = 1 << 20


def governance(value: t.Any, findings: list[Finding]) -> Governance | None:
    """Read ``holdfast_governance``; what is wrong with it, or with its file, is added to *findings*.

    :param value: a mapping, or the absolute path of a file whose name ends in yml, yaml, json or csv.
    :raises DependencyMissingError: the file is YAML, and PyYAML is not installed.
    """
    if not isinstance(value, str):
        return read_governance(value, findings)
    path = Path(value)
    kind = path.suffix.lower()
    if "\0" in value or not path.is_absolute() or kind not in (".yml", ".yaml", ".json", ".csv"):
        remedy = "Give an absolute path that ends in .yml, .json or .csv, or the mapping itself."
        findings.append(Finding(KEY, f"{value!r} is no path of such a file", remedy))
        return None
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as e:
        remedy = "Put it on the controller, where whoever runs this can read it."
        findings.append(Finding(KEY, f"{value} cannot be read ({e.strerror})", remedy))
        return None
    if len(data) > _LARGEST:
        findings.append(Finding(KEY, f"{value} is larger than 1 MiB", "Name the file of retention rules alone."))
        return None
    key = f"{KEY} ({path.name})"
    told = len(findings)
    try:
        read = _rows(data, findings, key) if kind == ".csv" else (_json if kind == ".json" else safe_yaml.load)(data)
    except (FormatError, UnicodeDecodeError, csv.Error) as e:
        problem = e.message if isinstance(e, FormatError) else "is no table in UTF-8"
        findings.append(Finding(key, problem, "See docs/guide_policy.md for its form."))
        return None
    if read is None and len(findings) == told:
        findings.append(Finding(key, "is empty", "Give classes, or do not name it."))
    return read_governance(read, findings, key=key)


def _rows(data: bytes, findings: list[Finding], key: str) -> t.Any:
    table = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    names = list(table.fieldnames or ())
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        findings.append(Finding(key, f"has the column {twice[0]!r} twice", "Name each column once."))
        return {}
    if "data_class" not in (table.fieldnames or ()):
        findings.append(Finding(key, "has no column data_class", f"Give a first line: {','.join(COLUMNS)}"))
        return {}
    return from_rows(list(table), findings, key=key)


def _json(data: bytes) -> t.Any:
    try:
        read = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_each_once)
        # half of a surrogate pair could be written nowhere
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as e:
        raise FormatError("is no JSON", remedy="Give a JSON object.") from e
    return read


def _each_once(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FormatError("holds a key twice", remedy="Give each key once.")
    return found
