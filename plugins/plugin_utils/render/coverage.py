# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coverage as text for a terminal of 80 columns, and as one page to print: no script, nothing from elsewhere."""

from __future__ import annotations

import datetime as dt
import html
import itertools
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..model import instant
from ..model.coverage import ACCEPTED, GAP, STATES, Row, totals
from ..model.redaction import visible

WIDTH = 80
# of each kind in the text; files hold all
LISTED = 200
_NAME = 40
_STYLE = """
:root { --page: #ffffff; --text: #1f2328; --dim: #59636e; --line: #d1d9e0;
  --covered: #1a7f37; --accepted: #9a6700; --gap: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --dim: #9198a1; --line: #3d444d;
  --covered: #3fb950; --accepted: #d29922; --gap: #f85149; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin-bottom: 1rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
td.figure, th.figure { text-align: right; }
ul { list-style: none; margin: 0; padding: 0; } small { color: var(--dim); }
.covered b { color: var(--covered); } .accepted b { color: var(--accepted); } .gap b { color: var(--gap); }
@media print { body { max-width: none; padding: 0; } tr { break-inside: avoid; } }
"""


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
    """
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="color-scheme" content="light dark">\n<title>Coverage</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Coverage: {_safe(summary(rows))}</h1>\n<p>At {instant.to_text(now)}, by the clock of the store.</p>\n"
    )
    for head, by in _VIEWS:
        yield from _counts(head, totals(rows, by))
    yield "<h2>Hosts</h2>\n<table>\n<tr><th>host</th><th>groups</th><th>components</th></tr>\n"
    for host, listed in itertools.groupby(rows, key=lambda row: row.host):
        of_host = list(listed)
        cells = "".join(_item(row) for row in of_host)
        groups = _safe(", ".join(of_host[0].groups))
        yield f"<tr><td>{_safe(host)}</td><td>{groups}</td><td><ul>{cells}</ul></td></tr>\n"
    yield "</table>\n</body>\n</html>\n"


def _item(row: Row) -> str:
    words = " · ".join(_safe(word) for word in (row.tier, row.owner) if word)
    told = _safe(said(row))
    beside = f" <small>{words}</small>" if words else ""
    name = _safe(row.component) or "the whole host"
    return f'<li class="{row.state}">{name}: <b>{row.state}</b>{beside}{f"<br>{told}" if told else ""}</li>'


def _counts(head: str, counted: dict[str, Counter[str]]) -> Iterator[str]:
    if not counted:
        return
    heads = "".join(f'<th class="figure">{state}</th>' for state in STATES)
    yield f"<table>\n<tr><th>{head}</th>{heads}</tr>\n"
    for name, of in counted.items():
        figures = "".join(f'<td class="figure">{of[state]}</td>' for state in STATES)
        yield f"<tr><td>{_safe(name)}</td>{figures}</tr>\n"
    yield "</table>\n"


def _table(head: str, counted: dict[str, Counter[str]]) -> Iterator[str]:
    yield f"{head:<{_NAME}}" + "".join(f"{state:>12}" for state in STATES)
    for name, of in counted.items():
        shown = visible(name)[:_NAME]
        yield f"{shown:<{_NAME}}" + "".join(f"{of[state]:>12}" for state in STATES)


def _spoken(row: Row) -> str:
    return visible(f"{row.host}/{row.component}" if row.component else row.host)


def _safe(text: str) -> str:
    return html.escape(visible(text))


_VIEWS: tuple[tuple[str, Callable[[Row], Iterable[str]]], ...] = (
    ("tier", lambda row: (row.tier,) if row.tier else ()),
    ("owner", lambda row: (row.owner,) if row.owner else ()),
    ("group", lambda row: row.groups),
)
