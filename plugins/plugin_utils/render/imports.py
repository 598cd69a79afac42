# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was imported, as text for a terminal of 80 columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from ..model.imported import PREFIX
from ..model.redaction import visible
from .sizing import count, quantity

WIDTH = 80
# so many rows and places are shown; the result of the task has the others
ROWS, PLACES = 50, 10
_HOST, _WHAT = 25, 21
_ROW = "{:<25}  {:<21}  {:>6}  {:<10}  {:<10}"


@dataclasses.dataclass(frozen=True)
class Row:
    """One component of a host: how many versions of it, and the days of the first and the last one."""

    host: str
    component: str
    versions: int
    first: str
    last: str


def page(
    rows: Sequence[Row],
    figures: Sequence[tuple[str, int]],
    size: int,
    skipped: Sequence[tuple[str, str]],
    *,
    check: bool,
) -> Iterator[str]:
    """A table of what was imported, the figures that are not none, and what was not imported.

    :param figures: words and numbers.
    :param size: in bytes.
    :param skipped: places and reasons.
    """
    versions = sum(row.versions for row in rows)
    yield f"{'would import' if check else 'imported'} {count(versions)} versions, {quantity(size)}"
    if rows:
        yield _ROW.format("host", "component", "number", "first", "last")
        for row in rows[:ROWS]:
            what = _cut(row.component.removeprefix(PREFIX), _WHAT)
            yield _ROW.format(_cut(row.host, _HOST), what, row.versions, row.first[:10], row.last[:10]).rstrip()
        if len(rows) > ROWS:
            yield f"and {len(rows) - ROWS:,} more"
    yield from (f"{words}: {number:,}" for words, number in figures if number)
    yield from (_cut(f"not imported: {place}: {reason}", WIDTH) for place, reason in skipped[:PLACES])
    if len(skipped) > PLACES:
        yield f"and {len(skipped) - PLACES:,} more that were not imported"


def _cut(text: str, width: int) -> str:
    text = visible(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"
