# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of the inventory and their schedules, and what a task says of them."""

from __future__ import annotations

import datetime as dt
import platform
import typing as t
from collections.abc import Mapping, Sequence

from ..model import instant
from ..schedule import cron, oncalendar, rrule
from ..schedule.jitter import jitter
from ..usecases import schedule
from ..usecases.schedule import Standing, Wanted
from . import fleet


def wanted(task_vars: Mapping[str, t.Any], tier: str | None) -> tuple[list[Wanted], dict[str, str]]:
    """What the hosts of the inventory declare, and of those whose policy cannot be read why.

    :param tier: this one alone; None for all.
    """
    found: list[Wanted] = []
    unusable = {}
    for one in fleet.read(task_vars):
        if one.policy is None or not one.policy.components:
            said = " · ".join(map(str, one.findings)) or "no components are declared"
            unusable[one.host] = f"the policy cannot be used: {said}"
            continue
        # what is declared is stored by tier, and a stream is named after its
        names = [stream.name for stream in one.policy.streams() if tier in (None, stream.name)]
        found += [Wanted(one.host, one.identity, one.policy.tiers[name]) for name in names]
    return found, unusable


def plan(found: Sequence[Wanted], spread: int, now: dt.datetime) -> dict[str, t.Any]:
    """Each tier's schedules in the words of systemd, cron and AWX.

    A run asks after its delay whether it may begin: a delay is less than half of what a window leaves it.
    """
    left = {tier: int(least.total_seconds()) // 2 for tier, least in schedule.least_slack(found, now).items()}
    return {
        tier: {
            "on_calendar": [text for one in listed for text in oncalendar.on_calendar(one)],
            "cron": [{"timezone": one.timezone, "lines": list(cron.lines(one))} for one in listed],
            "cron_minutes": sorted({minute for one in listed for minute in cron.minutes(one, now)}),
            "rrules": [text for one in listed for text in rrule.rules(one, now.date())],
            "jitter": jitter(f"{platform.node()} {tier}", min(spread, left.get(tier, spread))),
        }
        for tier, listed in schedule.schedules(found).items()
    }


def told(found: Sequence[Standing], limit: int) -> dict[str, t.Any]:
    """What the task returns of the hosts."""
    hosts, waiting = schedule.chosen(found, limit)
    taken = {one.due for one in found if one.host in set(hosts) and one.state is schedule.State.DUE and one.due}
    return {
        "hosts": hosts,
        "waiting": waiting,
        "due": _text(max(taken, default=None)) or "",
        "next_due": {tier: instant.to_text(at) for tier, at in schedule.next_due(found).items()},
        "standings": [
            {
                "host": one.host,
                "tier": one.tier,
                "state": one.state.value,
                "due": _text(one.due),
                "verified_at": _text(one.verified_at),
                "next_due": _text(one.next_due),
                "late_seconds": int(one.late.total_seconds()),
            }
            for one in found
        ],
    }


def _text(moment: dt.datetime | None) -> str | None:
    return None if moment is None else instant.to_text(moment)
