# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as tables for people: docs/design/duties.md has them, and the report of the module ``duties``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import matrix

_YES, _NO = "yes", "-"
_SERVERS = {
    "aws": "AWS",
    "minio": "MinIO",
    "rgw": "Ceph RGW",
    "versitygw": "versitygw",
    "vault": "Vault",
}


def markdown(place: str) -> str:
    """Who may do what in the store or in the keyring, a row for each operation."""
    return _markdown(rows(place))


def otherwise() -> str:
    """What servers do other than the matrix says."""
    found = [("operation", "server", "to whom", "what it does", "why")]
    for one in matrix.load().operations:
        found += [
            (one.does, _SERVERS[other.server], _named(other.identities), other.how, other.why)
            for other in one.otherwise
        ]
    return _markdown(found)


def jobs() -> str:
    """Who may run what in AWX."""
    found = [("job", "with the credentials of", "launched by", "approved by")]
    found += [
        (f"{job.name}: {job.does}", job.identity, ", ".join(job.launched_by), ", ".join(job.approved_by) or _NO)
        for job in matrix.load().jobs
    ]
    return _markdown(found)


def report() -> list[str]:
    """Both tables as lines of text in columns."""
    return [*_columns(rows("store")), "", *_columns(rows("keyring"))]


def rows(place: str) -> list[tuple[str, ...]]:
    """The head and the rows of a table."""
    found: list[tuple[str, ...]] = [(f"in the {place}", *matrix.IDENTITIES)]
    found += [
        (one.does, *(_YES if each in one.allowed else _NO for each in matrix.IDENTITIES))
        for one in matrix.load().operations
        if one.place == place
    ]
    return found


def _named(identities: frozenset[str]) -> str:
    named = [each for each in matrix.IDENTITIES if each in identities]
    return "everybody" if len(named) == len(matrix.IDENTITIES) else ", ".join(named)


def _columns(table: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _markdown(table: Sequence[Sequence[str]]) -> str:
    head, *more = table
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *more))
