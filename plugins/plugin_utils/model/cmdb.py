# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that a CMDB export names, in CSV (RFC 4180) or JSON (a list of objects)."""

from __future__ import annotations

import csv
import io
import json
import typing as t

from ..errors import PolicyError

FORMATS = ("csv", "json")


def read_hosts(text: str, *, format: str, field: str) -> tuple[tuple[str, ...], tuple[int, ...]]:  # noqa: A002
    """Read the names of hosts from *field* of each row, each once, in their order.

    :param format: one of FORMATS.
    :returns: the names, and the numbers of the rows that name none, counted from 1 without a heading.
    :raises PolicyError: the text is not of that format, it has no row, or no row has the field.
    """
    text = text.removeprefix("\ufeff")
    rows = _csv_rows(text, field) if format == "csv" else _json_rows(text)
    if not rows:
        # a fleet that the CMDB knows nothing of would have no gaps
        raise PolicyError("the CMDB export has no rows", remedy="Export the hosts that it knows.")
    found: dict[str, None] = {}
    bad = []
    for number, row in enumerate(rows, 1):
        name = row.get(field) if isinstance(row, dict) else None
        if isinstance(name, str) and name.strip() and name.strip().isprintable():
            found[name.strip()] = None
        else:
            bad.append(number)
    if not found:
        raise PolicyError("no row of the CMDB export names a host", item=field, remedy="Name its field in host_field.")
    return tuple(found), tuple(bad)


def _csv_rows(text: str, field: str) -> list[t.Any]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if field not in (reader.fieldnames or ()):
            remedy = "Name one of its columns in host_field."
            raise PolicyError("the CMDB export has no such column", item=field, remedy=remedy)
        return list(reader)
    except csv.Error as e:
        raise PolicyError("the CMDB export is not CSV", remedy="Export it as RFC 4180 says.") from e


def _json_rows(text: str) -> list[t.Any]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise PolicyError("the CMDB export is not JSON", remedy="Export it as a list of objects.") from e
    if not isinstance(rows, list):
        raise PolicyError("the CMDB export is not a list", remedy="Export it as a list of objects.")
    return rows
