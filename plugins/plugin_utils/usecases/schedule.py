# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts are due now, how late they are, and when each tier is due next."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable, Mapping, Sequence

from ..model.schedule import Schedule
from ..model.tier import Tier
from ..schedule import due
from ..schedule.jitter import jitter
from . import points
from .repository import Repository


class State(enum.Enum):
    """How a host stands to the schedule of a tier."""

    CURRENT = "current"
    DUE = "due"
    # due, and now is outside its windows or in a blackout
    CLOSED = "closed"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A host that has components of a tier. ``identity`` is whose stream it is."""

    host: str
    identity: str
    tier: Tier


@dataclasses.dataclass(frozen=True)
class Standing:
    """A host and a tier of its: when it was last due and proven, and is due next; None where that is never."""

    host: str
    tier: str
    state: State
    due: dt.datetime | None
    verified_at: dt.datetime | None
    next_due: dt.datetime | None
    late: dt.timedelta


def verified(repository: Repository) -> dict[tuple[str, str], dt.datetime]:
    """When each live stream was proven last, by identity of its host and its name."""
    return {key: entry.verified_at for key, entry in points.live(repository).streams.items()}


def standings(
    wanted: Iterable[Wanted], proven: Mapping[tuple[str, str], dt.datetime], now: dt.datetime
) -> tuple[Standing, ...]:
    """Judge each host by the schedule of its tier; tiers without one are left out.

    What was never captured is due as if it had been since the last due moment, and at once where there was none.

    :param now: the controller's time: its timers go by that, and must find due what they fire for.
    """
    moments: dict[Tier, tuple[dt.datetime | None, dt.datetime | None, bool]] = {}
    found = []
    for one in wanted:
        tier = one.tier
        if tier.schedule is None:
            continue
        if tier not in moments:
            rules = (tier.schedule, tier.windows, tier.blackouts)
            permitted = due.is_permitted(now, tier.windows, tier.blackouts)
            moments[tier] = (due.last_due(*rules, now), due.next_due(*rules, now), permitted)
        last, following, permitted = moments[tier]
        at = proven.get((one.identity, tier.name))
        missed = at is None or (last is not None and at < last)
        state = State.CURRENT if not missed else State.DUE if permitted else State.CLOSED
        late = now - last if missed and last is not None else dt.timedelta()
        found.append(Standing(one.host, tier.name, state, last, at, following, late))
    return tuple(found)


def chosen(found: Iterable[Standing], limit: int) -> tuple[list[str], list[str]]:
    """The due hosts, each once, and those beyond *limit* (0 for none), who wait for the next run.

    Who was proven longest ago comes first, and among equals an order that has nothing to do with their names, so that
    the hosts of one rack or site are not all taken together.
    """
    oldest: dict[str, float] = {}
    for one in found:
        if one.state is State.DUE:
            at = one.verified_at.timestamp() if one.verified_at else float("-inf")
            oldest[one.host] = min(at, oldest.get(one.host, at))
    ordered = sorted(oldest, key=lambda host: (oldest[host], jitter(host, 1 << 32), host))
    return (ordered[:limit], ordered[limit:]) if limit else (ordered, [])


def schedules(wanted: Iterable[Wanted]) -> dict[str, tuple[Schedule, ...]]:
    """The different schedules of each tier that has any: groups of hosts may have one of their own."""
    found: dict[str, dict[Schedule, None]] = {}
    for one in wanted:
        if one.tier.schedule is not None:
            found.setdefault(one.tier.name, {})[one.tier.schedule] = None
    return {name: tuple(found[name]) for name in sorted(found)}


def least_slack(wanted: Iterable[Wanted], now: dt.datetime) -> dict[str, dt.timedelta]:
    """For how long a run of each tier that has windows may at least still begin on all hosts, once it is due."""
    least: dict[str, dt.timedelta] = {}
    for tier in {one.tier: None for one in wanted}:
        left = None if tier.schedule is None else due.slack(tier.schedule, tier.windows, tier.blackouts, now)
        if left is not None:
            least[tier.name] = min(left, least.get(tier.name, left))
    return least


def next_due(found: Sequence[Standing]) -> dict[str, dt.datetime]:
    """When each tier is due next on any host."""
    soonest: dict[str, dt.datetime] = {}
    for one in found:
        if one.next_due is not None:
            soonest[one.tier] = min(one.next_due, soonest.get(one.tier, one.next_due))
    return soonest


def metrics(found: Sequence[Standing]) -> str:
    """What is due, in the text format of Prometheus."""
    lines = [
        "# HELP holdfast_next_due_timestamp_seconds When a tier is due next.",
        "# TYPE holdfast_next_due_timestamp_seconds gauge",
        *(
            f'holdfast_next_due_timestamp_seconds{{tier="{tier}"}} {int(at.timestamp())}'
            for tier, at in next_due(found).items()
        ),
        "# HELP holdfast_overdue_hosts Hosts that were due and have not been proven since.",
        "# TYPE holdfast_overdue_hosts gauge",
    ]
    late: dict[str, list[float]] = {}
    for one in found:
        late.setdefault(one.tier, []).extend([] if one.state is State.CURRENT else [one.late.total_seconds()])
    lines += [f'holdfast_overdue_hosts{{tier="{tier}"}} {len(each)}' for tier, each in late.items()]
    lines += [
        "# HELP holdfast_lateness_seconds How long ago the host that is latest was due.",
        "# TYPE holdfast_lateness_seconds gauge",
    ]
    lines += [f'holdfast_lateness_seconds{{tier="{tier}"}} {max(each, default=0):.0f}' for tier, each in late.items()]
    return "\n".join([*lines, ""])
