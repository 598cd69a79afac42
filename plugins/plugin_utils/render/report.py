# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a fleet stands, as a table for a terminal of 80 columns, and as one page to print."""

from __future__ import annotations

import datetime as dt
import itertools
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ..model import instant
from ..model.coverage import ACCEPTED, COVERED, GAP, STATES
from ..model.redaction import visible
from ..model.standing import Site, Standing
from . import coverage
from .coverage import LISTED, WIDTH
from .html import pieces

_TEMPLATE = "report.html.j2"
_NAME = 26
_DEEPER = "  "
_NONE = "-"


def lines(rows: Sequence[Standing], now: dt.datetime) -> list[str]:
    """The table: what is not covered first, then by age against RPO; the first of them."""
    told = [f"At {instant.to_text(now)}: {coverage.summary(one.row for one in rows)}", ""]
    told.append(f"{'host/component':<{_NAME}} state    age/RPO   changed    locked to  restored   +")
    for one in _ordered(rows, now)[:LISTED]:
        name = visible(f"{one.row.host}/{one.row.component}" if one.row.component else one.row.host)
        # what does not fit stands above its figures
        if len(name) > _NAME:
            told += textwrap.wrap(name, WIDTH)
            name = ""
        figures = (_day(one.changed_at), _day(one.locked_until), _day(one.restored_at))
        told.append(
            f"{name:<{_NAME}} {one.row.state:<8} {_age(one, now):<9} {' '.join(f'{word:<10}' for word in figures)} "
            f"{len(one.replicas) or _NONE}"
        )
        if one.change:
            told += textwrap.wrap(
                visible(f"changed under {one.change}"), WIDTH, initial_indent=_DEEPER, subsequent_indent=_DEEPER
            )
    if len(rows) > LISTED:
        told.append(f"... and {len(rows) - LISTED} more")
    return [*told, "", *_NOTES]


_NOTES = (
    "age: since it was last proven equal. changed: the newest snapshot of its stream.",
    "restored: all of a snapshot, equal. +: replicas that hold the newest one.",
)


def page(rows: Sequence[Standing], now: dt.datetime, sites: Sequence[Site], warnings: Sequence[str]) -> Iterator[str]:
    """All of it as HTML, in pieces.

    :param rows: those of one host beside each other.
    :raises DependencyMissingError: jinja2 is not installed.
    """
    return pieces(
        _TEMPLATE,
        at=instant.to_text(now),
        summary=coverage.summary(one.row for one in rows),
        counts=[(state, sum(one.row.state == state for one in rows)) for state in STATES],
        proven=sum(one.restored_at is not None for one in rows),
        total=len(rows),
        attention=[_cells(one, now) for one in _ordered((one for one in rows if one.row.reasons), now)],
        hosts=_by_host(rows, now),
        sites=[(site, sum(site.name in one.replicas for one in rows)) for site in sites],
        warnings=warnings,
    )


def span(length: dt.timedelta) -> str:
    """A length of time in its largest unit, rounded down: ``45m``, ``26h``, ``12d``."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes}m"
    return f"{minutes // 60}h" if minutes < 72 * 60 else f"{minutes // (24 * 60)}d"


def _ordered(rows: Iterable[Standing], now: dt.datetime) -> list[Standing]:
    """What is not covered first, then what comes nearest to its RPO."""
    order = (GAP, ACCEPTED, COVERED)
    return sorted(
        rows,
        key=lambda one: (order.index(one.row.state), -(_share(one, now) or 0.0), one.row.host, one.row.component),
    )


def _share(one: Standing, now: dt.datetime) -> float | None:
    """How much of the RPO has gone since it was last proven; None where it never was, or there is none."""
    if one.row.verified_at is None or not one.rpo:
        return None
    return max((now - one.row.verified_at) / one.rpo, 0.0)


def _age(one: Standing, now: dt.datetime) -> str:
    if one.rpo is None:
        return _NONE
    age = _NONE if one.row.verified_at is None else span(now - one.row.verified_at)
    return f"{age}/{span(one.rpo)}"


def _day(at: dt.datetime | None) -> str:
    return _NONE if at is None else f"{at:%Y-%m-%d}"


def _by_host(rows: Iterable[Standing], now: dt.datetime) -> Iterator[tuple[str, str, list[dict[str, object]]]]:
    for host, listed in itertools.groupby(rows, key=lambda one: one.row.host):
        cells = [(one, _cells(one, now)) for one in listed]
        yield host, ", ".join(cells[0][0].row.groups), [cell for _one, cell in cells]


def _cells(one: Standing, now: dt.datetime) -> dict[str, object]:
    share = _share(one, now)
    return {
        "host": one.row.host,
        "component": one.row.component,
        "tier": one.row.tier,
        "owner": one.row.owner,
        "state": one.row.state,
        "said": coverage.said(one.row),
        "age": _age(one, now),
        "verified": "" if one.row.verified_at is None else instant.to_text(one.row.verified_at),
        "share": None if share is None else min(round(share * 100), 100),
        "changed": _day(one.changed_at),
        "change": one.change,
        "locked": _day(one.locked_until),
        "replicas": one.replicas,
        "restored": _day(one.restored_at),
    }
