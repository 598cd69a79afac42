# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sizing as text for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..model.prices import Cost
from ..model.sizing import REQUESTS, Basis, Compared, Forecast

WIDTH = 80
# how wide a column of names may be: the only one, or one of two
_WORD, _WORDS = 16, 13
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def quantity(size: float) -> str:
    """A number of bytes, for people: ``12.3 MiB``."""
    value, place = float(size), 0
    while abs(value) >= 1024 and place < len(_UNITS) - 1:
        value /= 1024
        place += 1
    return f"{value:.0f} B" if not place else f"{value:.1f} {_UNITS[place]}"


def count(number: float) -> str:
    """A number of things, for people: two digits after the point where it is small, and millions beyond one."""
    if number >= 1_000_000:
        return f"{number / 1_000_000:,.1f} M"
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.2f}"


def money(amount: float) -> str:
    """A price, for people: without its hundredths where it is large."""
    return f"{amount:,.2f}" if amount < 1000 else f"{amount:,.0f}"


def basis(found: Basis) -> Iterator[str]:
    """What the forecast stands on, by class and stream."""
    yield f"{found.hosts} hosts, {count(found.runs.per_day)} runs a day"
    rows = [
        (
            group.retention_class,
            group.stream,
            count(group.streams),
            count(group.change_chance * group.burst * group.streams),
            quantity(group.pack),
            quantity(group.manifest),
            f"{group.compression:.1f}" if group.compression else "-",
        )
        for group in found.groups
    ]
    yield from table(("class", "stream", "streams", "a day", "pack", "manifest", "ratio"), rows, left=2)


def year(found: Forecast, costs: Sequence[Cost], currency: str) -> Iterator[str]:
    """What is expected of each month: bytes held, requests, and the price where there are prices."""
    heads = ("month", "held", "added", "snapshots", *("put", "get", "list"), *([currency or "price"] if costs else ()))
    rows = []
    for (number, days), place in zip(found.months(), range(len(found.days)), strict=False):
        if not days:
            continue
        told = [
            str(number),
            quantity(sum(days[-1].held.values())),
            quantity(sum(sum(day.added.values()) for day in days)),
            count(sum(sum(day.snapshots.values()) for day in days)),
            *(count(sum(day.requests[kind] for day in days)) for kind in ("put", "get", "list")),
        ]
        rows.append((*told, *([money(costs[place].total)] if costs else ())))
    yield from table(heads, rows)


def classes(found: Forecast, cost: Cost | None, currency: str) -> Iterator[str]:
    """What each class holds today, in a year, and when it holds as much as it ever will."""
    last = found.days[-1]
    rows = []
    for name in sorted({*found.start, *last.held}):
        days, size = found.steady.get(name, (0, 0.0))
        rows.append(
            (
                name,
                quantity(found.start.get(name, 0.0)),
                quantity(last.held.get(name, 0.0)),
                count(last.objects.get(name, 0.0)),
                f"{days} d",
                quantity(size),
                *([money(cost.storage.get(name, 0.0))] if cost else ()),
            )
        )
    heads = ("class", "today", "in a year", "objects", "after", "steady")
    yield from table((*heads, *([f"{currency or 'price'}/year"] if cost else ())), rows)


def requests(found: Forecast, cost: Cost | None, currency: str, runs: float) -> Iterator[str]:
    """Requests of a year by kind, and of a run."""
    rows = [
        (
            kind,
            count(found.total(kind)),
            count(found.total(kind) / (runs * len(found.days))),
            *([money(cost.requests.get(kind, 0.0))] if cost else ()),
        )
        for kind in REQUESTS
        if found.total(kind)
    ]
    heads = ("requests", "a year", "a run")
    yield from table((*heads, *([f"{currency or 'price'}/year"] if cost else ())), rows)


def past(held: Mapping[str, Compared], puts: Mapping[str, Compared]) -> Iterator[str]:
    """A forecast beside what became of it."""
    rows = []
    for name in held:
        size, put = held[name], puts.get(name, Compared(0.0, 0.0))
        rows.append(
            (
                name,
                quantity(size.forecast),
                quantity(size.actual or 0.0),
                _percent(size),
                count(put.forecast),
                count(put.actual or 0.0),
                _percent(put),
            )
        )
    yield from table(("class", "forecast", "held", "off", "forecast", "puts", "off"), rows)


def _percent(compared: Compared) -> str:
    return "-" if compared.deviation is None else f"{compared.deviation:+.1f} %"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Columns two apart, cut where a terminal ends.

    :param left: how many columns, from the first, are words; the others are figures.
    """
    lines = [heads, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    # a name may be as long as people like
    widths[:left] = [min(width, _WORD if left == 1 else _WORDS) for width in widths[:left]]
    return [
        "  ".join(
            cell[:width].ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()[:WIDTH]
        for line in lines
    ]
