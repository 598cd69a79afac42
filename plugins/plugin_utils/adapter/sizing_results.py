# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sizing as a task's result: plain figures, and a report for people. Names of classes and streams, no host's."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ..model.prices import Cost, Prices, cost
from ..model.sizing import DAYS, REQUESTS, Day, Group
from ..render import sizing as text
from ..usecases.sizing import Actual, Past, Sizing

_SILENT = "whose hosts do not answer: they are carried until people retire them"


def sized(found: Sizing, prices: Prices | None) -> dict[str, t.Any]:
    """What was measured, what is expected of a year, and what became of an earlier forecast. Never a change."""
    months = found.forecast.months()
    costs = [cost(days, prices) for _number, days in months] if prices else []
    whole = cost(found.forecast.days, prices) if prices else None
    return {
        "changed": False,
        "measured_days": round(found.basis.measured_days, 2),
        "hosts": found.basis.hosts,
        "new_hosts": found.new_hosts,
        "runs_per_day": round(found.basis.runs.per_day, 3),
        "silent_streams": found.silent_streams,
        "expired_bytes": found.expired,
        "groups": [_group(group) for group in found.basis.groups],
        "classes": _classes(found, whole),
        "months": [_month(number, days, costs[number - 1] if prices else None) for number, days in months],
        "requests": {kind: round(found.forecast.total(kind)) for kind in REQUESTS},
        "requests_a_run": {
            kind: round(found.forecast.total(kind) / (found.basis.runs.per_day * DAYS), 2) for kind in REQUESTS
        },
        "read_bytes": round(sum(day.read for day in found.forecast.days)),
        "cost": None if whole is None or prices is None else _cost(whole, prices),
        "actual": [_actual(month) for month in found.months],
        "past": None if found.past is None else _past(found.past),
        "report": list(_report(found, prices, costs, whole)),
        "warnings": list(found.warnings),
    }


def _group(group: Group) -> dict[str, t.Any]:
    compression = group.compression
    return {
        "class": group.retention_class,
        "stream": group.stream,
        "streams": round(group.streams),
        "changes_per_day": round(group.changes, 3),
        "renewed_per_day": round(group.renewed, 3),
        "carried_per_day": round(group.carried, 3),
        "pack_bytes": round(group.pack),
        "manifest_bytes": round(group.manifest),
        "unpacked_bytes": None if group.unpacked is None else round(group.unpacked),
        "compression": None if compression is None else round(compression, 2),
    }


def _classes(found: Sizing, whole: Cost | None) -> list[dict[str, t.Any]]:
    last = found.forecast.days[-1]
    rows = []
    for name in sorted({*found.forecast.start, *last.held}):
        steady_days, steady_bytes = found.forecast.steady.get(name, (0, 0.0))
        kept = found.basis.classes.get(name)
        rows.append(
            {
                "class": name,
                "days": found.basis.longest_days if kept is None else kept.days,
                "held_bytes": round(found.forecast.start.get(name, 0.0)),
                "held_bytes_in_a_year": round(last.held.get(name, 0.0)),
                "objects_in_a_year": round(last.objects.get(name, 0.0)),
                "steady_in_days": steady_days,
                "steady_bytes": round(steady_bytes),
                "cost": None if whole is None else round(whole.storage.get(name, 0.0), 2),
            }
        )
    return rows


def _month(number: int, days: Sequence[Day], price: Cost | None) -> dict[str, t.Any]:
    return {
        "month": number,
        "held_bytes": _rounded(days[-1].held),
        "archived_bytes": _rounded(days[-1].archived),
        "added_bytes": {name: round(sum(day.added.get(name, 0.0) for day in days)) for name in days[-1].added},
        "requests": {kind: round(sum(day.requests[kind] for day in days)) for kind in REQUESTS},
        "read_bytes": round(sum(day.read for day in days)),
        "cost": None if price is None else round(price.total, 2),
    }


def _rounded(figures: t.Mapping[str, float]) -> dict[str, int]:
    return {name: round(value) for name, value in sorted(figures.items())}


def _cost(whole: Cost, prices: Prices) -> dict[str, t.Any]:
    return {
        "currency": prices.currency,
        "total": round(whole.total, 2),
        "storage": {name: round(value, 2) for name, value in sorted(whole.storage.items())},
        "requests": {kind: round(value, 2) for kind, value in sorted(whole.requests.items())},
        "egress": round(whole.egress, 2),
    }


def _actual(month: Actual) -> dict[str, t.Any]:
    return {"month": month.month, "versions": dict(month.versions), "bytes": dict(month.bytes)}


def _past(past: Past) -> dict[str, t.Any]:
    return {
        "days": past.days,
        "measured_days": round(past.measured_days, 2),
        "held_bytes": past.total_held.as_dict(),
        "puts": past.total_puts.as_dict(),
        "classes": [
            {"class": name, "held_bytes": held.as_dict(), "puts": past.puts[name].as_dict()}
            for name, held in past.held.items()
        ],
        # a store tells of no request that left nothing
        "other_requests": None,
    }


def _report(found: Sizing, prices: Prices | None, costs: Sequence[Cost], whole: Cost | None) -> t.Iterator[str]:
    currency = prices.currency if prices else ""
    days = found.basis.measured_days
    yield f"Measured over {days:.1f} days" if days else "Assumed, not measured"
    yield from text.basis(found.basis)
    yield from _remarks(found)
    yield ""
    yield "Expected of each month"
    yield from text.year(found.forecast, costs, currency)
    yield ""
    yield from text.classes(found.forecast, whole, currency)
    yield ""
    yield from text.requests(found.forecast, whole, currency, found.basis.runs.per_day)
    if whole is not None:
        yield f"A year costs {whole.total:,.2f} {currency}".rstrip() + f", {whole.egress:,.2f} of it for what is read"
    if found.past is not None:
        yield ""
        yield f"What the forecast of {found.past.days} days ago said of today, and what is there"
        yield from text.past(found.past.held, found.past.puts)
        yield "Requests other than puts leave nothing to count: the store's own log tells them"


def _remarks(found: Sizing) -> t.Iterator[str]:
    growth = found.wanted.monthly_growth
    if found.new_hosts:
        assumed = f"{growth:g} a month are expected" if growth else "no more are expected unless growth says so"
        yield f"{found.new_hosts} hosts are new in these days; {assumed}"
    if found.silent_streams:
        yield f"{found.silent_streams} streams {_SILENT}"
    if found.expired:
        yield f"{text.quantity(found.expired)} wait for the store's expiry, and are in no forecast"
