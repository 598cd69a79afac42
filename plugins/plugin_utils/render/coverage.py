# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coverage as text for a terminal of 80 columns, and as one page to print: no script, nothing from elsewhere."""

from __future__ import annotations

import datetime as dt
import itertools
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..model import instant
from ..model.coverage import ACCEPTED, GAP, STATES, Row, totals
from ..model.redaction import visible
from .html import pieces

WIDTH = 80
# of each kind in the text; files hold all
LISTED = 200
_NAME = 40
_TEMPLATE = "coverage.html.j2"


def report(rows: Sequence[Row], now: dt.datetime) -> list[str]:
    """All of it in lines: counts by tier, owner and group, then gaps and accepted exceptions, the first of each."""
    lines = [f"Coverage at {instant.to_text(now)}: {summary(rows)}"]
    for head, by in _VIEWS:
        counted = totals(rows, by)
        if counted:
            lines += ["", *_table(head, counted)]
    for state, head in ((GAP, "Gaps"), (ACCEPTED, "Accepted")):
        found = [row for row in rows if row.state == state]
        if found:
            lines += ["", head]
            for row in found[:LISTED]:
                lines += textwrap.wrap(f"{_spoken(row)}: {said(row)}", WIDTH, subsequent_indent="  ")
        if len(found) > LISTED:
            lines.append(f"... and {len(found) - LISTED} more")
    return lines


def summary(rows: Iterable[Row]) -> str:
    """How many are in each state, in a few words."""
    counted = Counter(row.state for row in rows)
    gaps = counted[GAP]
    return f"{counted[STATES[0]]} covered, {counted[ACCEPTED]} accepted, {gaps} gap{'' if gaps == 1 else 's'}"


def said(row: Row) -> str:
    """What there is to say of a row beside its state: why it is not covered, and who accepts that until when."""
    told = "; ".join(row.reasons)
    if row.state == ACCEPTED and row.until is not None:
        by = ", ".join(row.signers)
        told += f"; {row.exception} accepted by {by} until {instant.to_text(row.until)}: {row.control}"
    return visible(told)


def page(rows: Sequence[Row], now: dt.datetime) -> Iterator[str]:
    """All of it as HTML, in pieces: a line for each host, with each of its components.

    :param rows: those of one host beside each other.
    :raises DependencyMissingError: jinja2 is not installed.
    """
    return pieces(
        _TEMPLATE,
        at=instant.to_text(now),
        summary=summary(rows),
        views=[(head, totals(rows, by)) for head, by in _VIEWS],
        hosts=itertools.groupby(rows, key=lambda row: row.host),
        said=said,
    )


def _table(head: str, counted: dict[str, Counter[str]]) -> Iterator[str]:
    yield f"{head:<{_NAME}}" + "".join(f"{state:>12}" for state in STATES)
    for name, of in counted.items():
        shown = visible(name)[:_NAME]
        yield f"{shown:<{_NAME}}" + "".join(f"{of[state]:>12}" for state in STATES)


def _spoken(row: Row) -> str:
    return visible(f"{row.host}/{row.component}" if row.component else row.host)


_VIEWS: tuple[tuple[str, Callable[[Row], Iterable[str]]], ...] = (
    ("tier", lambda row: (row.tier,) if row.tier else ()),
    ("owner", lambda row: (row.owner,) if row.owner else ()),
    ("group", lambda row: row.groups),
)
