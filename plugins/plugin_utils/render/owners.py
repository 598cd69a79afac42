# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an owner is told, as text of 80 columns: one is read as a file and in a mail."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ..model import instant
from ..model.coverage import Row
from ..model.redaction import visible
from .coverage import LISTED, WIDTH, said


def counts(covered: int, late: int, gaps: int, accepted: int, waiting: int) -> str:
    """How it stands in a few words, as the subject of a mail has it."""
    gap = "1 gap" if gaps == 1 else f"{gaps} gaps"
    return f"{covered} covered, {late} late, {gap}, {accepted} accepted, {waiting} to look at"


def section(head: str, lines: Sequence[str]) -> Iterator[str]:
    """A head and the first of *lines*; nothing where there are none."""
    if not lines:
        return
    yield from ("", head)
    for line in lines[:LISTED]:
        yield from textwrap.wrap(visible(line), WIDTH, subsequent_indent="  ")
    if len(lines) > LISTED:
        yield f"... and {len(lines) - LISTED} more"


def of_rows(rows: Iterable[Row]) -> list[str]:
    """A line for each component: its host, its name, its tier, why it is told, and when it was last proven."""
    return [
        f"{row.host}/{row.component} ({row.tier}): {said(row)}"
        + (f"; last proven {instant.to_text(row.verified_at)}" if row.verified_at else "")
        for row in rows
    ]
