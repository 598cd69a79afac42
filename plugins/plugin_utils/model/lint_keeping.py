# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lint of a policy against what stands beside it: governance, the repository, its people and the ticket server."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping

from ..errors import PolicyError
from .component import Component
from .finding import Finding
from .fleet import Surroundings
from .governance import DataClass
from .keep import record_lock
from .policy import Policy
from .retention import RetentionClass
from .root import Root
from .ticket import OPERATIONS, REQUIRE
from .tier import Tier


@dataclasses.dataclass(frozen=True)
class Recorded:
    """What a repository holds that policies are judged by: its root, and who signed exceptions, by their digests."""

    root: Root
    signed: Mapping[str, tuple[str, ...]]


def beside(policy: Policy, around: Surroundings, recorded: Recorded | None) -> Iterator[Finding]:
    """What of *policy* contradicts what stands beside it; each is an error."""
    used = [policy.tiers[name] for name in sorted({component.tier for component in policy.components})]
    for tier in used:
        yield from _promised(tier, around)
        if recorded is not None:
            try:
                recorded.root.retention(policy.classes[tier.retention_class])
            except PolicyError as e:
                yield Finding(f"holdfast_tiers.{tier.name}.class", e.message, e.remedy or "")
    if recorded is not None:
        for position, waiver in enumerate(policy.waivers):
            if not recorded.signed.get(waiver.digest):
                remedy = "Let people sign it: until then what it accepts is a gap."
                yield Finding(f"holdfast_exceptions[{position}]", f"nobody has signed {waiver.id} as it stands", remedy)
    if around.governance is None:
        return
    for component in policy.components:
        governed = around.governance.classes.get(component.data_class)
        kept = policy.classes[policy.tiers[component.tier].retention_class]
        if governed is not None:
            yield from _kept(component, kept, governed)
        elif around.governance.classes:
            key = f"holdfast_components ({component.name}).data_class"
            remedy = f"Use one of {', '.join(sorted(around.governance.classes))}, or let governance name it."
            yield Finding(key, f"governance says nothing of {component.data_class}", remedy)
    if around.governance.audit_days is not None and used:
        classes = recorded.root.classes if recorded is not None else policy.classes
        yield from _audited(around.governance.audit_days, classes, policy, used)


def _promised(tier: Tier, around: Surroundings) -> Iterator[Finding]:
    key = f"holdfast_tiers.{tier.name}"
    if around.replicas is not None:
        for name in tier.replicas:
            if name not in around.replicas:
                remedy = "Add it to holdfast_repository.replicas, or correct the name."
                yield Finding(f"{key}.replicas", f"holdfast_repository has no replica {name}", remedy)
    if around.people is not None and tier.approvals > around.people:
        problem = f"{tier.approvals} people must agree to a restore, and there are {around.people}"
        yield Finding(f"{key}.approvals", problem, "Ask for fewer, or add people to holdfast_people.")
    if not around.tickets:
        for operation in OPERATIONS:
            if getattr(tier.change, operation) == REQUIRE:
                problem = "a ticket is required, and holdfast_tickets names nobody to ask about it"
                yield Finding(f"{key}.change.{operation}", problem, "Set holdfast_tickets: else each is refused.")


def _kept(component: Component, kept: RetentionClass, governed: DataClass) -> Iterator[Finding]:
    key = f"holdfast_components ({component.name}).tier"
    least, most = governed.minimum_days, governed.maximum_days
    if least is not None and kept.days < least:
        problem = f"class {kept.name} locks for {kept.days} days, and {governed.name} must be kept for {least}"
        yield Finding(key, problem, "Give it a tier whose class locks for longer.")
    if most is None:
        return
    longest = kept.shortest_maximum if kept.maximum is None else kept.maximum
    if longest > most:
        problem = (
            f"class {kept.name} may keep for {longest} days, renewal and the store's grace included, and "
            f"{governed.name} may be kept for {most}"
        )
        yield Finding(key, problem, "Give it a tier whose class locks for less, or has such a maximum.")
    elif kept.maximum is None:
        problem = f"class {kept.name} has no maximum, and {governed.name} may be kept for {most} days"
        yield Finding(key, problem, f"Use a class with a maximum of {kept.shortest_maximum} to {most} days.")


def _audited(days: int, classes: Mapping[str, RetentionClass], policy: Policy, used: list[Tier]) -> Iterator[Finding]:
    longest = max(kept.days for kept in classes.values())
    epoch = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)
    locked = (record_lock(epoch, longest) - epoch).days
    if days > locked:
        problem = f"records must be kept for {days} days, and are locked for {locked}"
        remedy = "They outlast the longest class: declare one that is longer."
        yield Finding("holdfast_governance.audit_days", problem, remedy)
    backups = max(policy.classes[tier.retention_class].days for tier in used)
    if days < backups:
        problem = f"asks for {days} days of records, and backups are kept for {backups}"
        yield Finding("holdfast_governance.audit_days", problem, f"Ask for {backups} days at least.")
