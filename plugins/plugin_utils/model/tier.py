# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tier: how much a loss would hurt, and what follows from it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Mapping

from . import schedule, ticket
from .finding import Finding, read_duration, read_known, read_mapping, read_name, read_number, read_words
from .retention import RetentionClass
from .schedule import Blackout, Schedule, Window
from .ticket import ChangeRule

DEFAULT_LATENCY = dt.timedelta(minutes=15)
TIER_NAME = re.compile(r"tier[0-9]{1,2}")
DEFAULT_TIERS: Mapping[str, Mapping[str, t.Any]] = {
    "tier0": {"class": "d0400", "rpo": "6h", "rto": "1h"},
    "tier1": {"class": "d0090", "rpo": "24h", "rto": "4h"},
    "tier2": {"class": "d0030", "rpo": "7d", "rto": "24h"},
}
DEFAULT_TIER = "tier1"
KEYS = (
    "class",
    "rpo",
    "rto",
    "schedule",
    "windows",
    "blackouts",
    "replicas",
    "drill_every",
    "approvals",
    "latency",
    "change",
)
REPLICA = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# beyond these a typing error is likelier than a promise
LONGEST_RPO = LONGEST_RTO = dt.timedelta(days=366)
LONGEST_DRILL = dt.timedelta(days=3660)
LONGEST_LATENCY = dt.timedelta(days=7)
MOST_APPROVALS = 100


@dataclasses.dataclass(frozen=True)
class Tier:
    """The promised recovery point (rpo) and recovery time (rto), the class that keeps it, and how both are held.

    ``schedule`` says when it is backed up, None where nothing but a run by hand or a trigger does. It is captured by
    schedule inside one of ``windows`` alone, where there are some, and in none of ``blackouts``. ``replicas`` are names
    of sites that must hold it, ``drill_every`` is how often its restore is drilled, ``approvals`` how many people must
    agree to one, and ``latency`` how long after it was due a backup counts as late. ``change`` is what its changes
    take.
    """

    name: str
    retention_class: str
    rpo: dt.timedelta
    rto: dt.timedelta
    schedule: Schedule | None = None
    windows: tuple[Window, ...] = ()
    blackouts: tuple[Blackout, ...] = ()
    replicas: tuple[str, ...] = ()
    drill_every: dt.timedelta | None = None
    approvals: int = 0
    latency: dt.timedelta = DEFAULT_LATENCY
    change: ChangeRule = dataclasses.field(default=ChangeRule())


def read_tiers(value: t.Any, classes: Mapping[str, RetentionClass], findings: list[Finding]) -> dict[str, Tier]:
    """Read ``holdfast_tiers`` over the built-in tiers; what is wrong is added to *findings*."""
    tiers = {}
    for name, given in {**DEFAULT_TIERS, **read_mapping("holdfast_tiers", value, findings)}.items():
        key = f"holdfast_tiers.{name}"
        if not read_name(key, name, TIER_NAME, "tier and a number, like tier0", findings):
            continue
        tier = _read_tier(key, name, read_mapping(key, given, findings), classes, findings)
        if tier is not None:
            tiers[name] = tier
    return tiers


def _read_tier(
    key: str, name: str, given: Mapping[str, t.Any], classes: Mapping[str, RetentionClass], findings: list[Finding]
) -> Tier | None:
    fields = {**DEFAULT_TIERS.get(name, DEFAULT_TIERS[DEFAULT_TIER]), **given}
    read_known(key, fields, KEYS, findings)
    if not isinstance(fields["class"], str) or fields["class"] not in classes:
        remedy = f"Use one of {', '.join(sorted(classes))}, or declare it in holdfast_classes."
        findings.append(Finding(f"{key}.class", f"no class {fields['class']!r}", remedy))
        return None
    rpo = read_duration(f"{key}.rpo", fields["rpo"], findings, most=LONGEST_RPO)
    rto = read_duration(f"{key}.rto", fields["rto"], findings, most=LONGEST_RTO)
    drill, latency, approvals = fields.get("drill_every"), fields.get("latency"), fields.get("approvals")
    if drill is not None:
        drill = read_duration(f"{key}.drill_every", drill, findings, least=dt.timedelta(days=1), most=LONGEST_DRILL)
    if latency is not None:
        latency = read_duration(f"{key}.latency", latency, findings, most=LONGEST_LATENCY)
    if approvals is not None:
        approvals = read_number(f"{key}.approvals", approvals, findings, least=0, most=MOST_APPROVALS)
    when, between, outside, asked = (fields.get(one) for one in ("schedule", "windows", "blackouts", "change"))
    at = None if when is None else schedule.read_schedule(f"{key}.schedule", when, findings)
    windows = () if between is None else schedule.read_windows(f"{key}.windows", between, findings)
    blackouts = () if outside is None else schedule.read_blackouts(f"{key}.blackouts", outside, findings)
    change = ChangeRule() if asked is None else ticket.read_change_rule(f"{key}.change", asked, findings)
    replicas = _read_replicas(f"{key}.replicas", fields.get("replicas"), findings)
    if rpo is None or rto is None:
        return None
    return Tier(
        name,
        fields["class"],
        rpo,
        rto,
        schedule=at,
        windows=windows,
        blackouts=blackouts,
        replicas=replicas,
        drill_every=drill,
        approvals=approvals or 0,
        latency=latency or DEFAULT_LATENCY,
        change=change,
    )


def _read_replicas(key: str, value: t.Any, findings: list[Finding]) -> tuple[str, ...]:
    names = read_words(key, value, findings)
    remedy = "Name sites as holdfast_repository.replicas does."
    findings.extend(
        Finding(key, f"{name!r} is no name of a replica", remedy) for name in names if not REPLICA.fullmatch(name)
    )
    return names
