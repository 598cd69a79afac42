# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lint of the policies of a fleet: what can be read, and yet cannot be meant."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from .component import FILES, Component
from .exclusions import Exclusion
from .finding import Finding, spoken
from .fleet import HostPolicy
from .lint_keeping import Recorded, beside
from .policy import UNOWNED, Policy
from .schedule import Blackout, Schedule, Window, zone
from .tier import Tier
from .waiver import Waiver

ERROR, WARNING = "error", "warning"
# within it each month has been, and clocks were set forward and back
HORIZON = dt.timedelta(days=366)


class LargestGap(t.Protocol):
    """The longest time between two moments at which a schedule is due and permitted."""

    def __call__(
        self,
        schedule: Schedule,
        windows: Sequence[Window],
        blackouts: Sequence[Blackout],
        *,
        since: dt.datetime,
        until: dt.datetime,
    ) -> dt.timedelta: ...


# Gives a test of whether one of the patterns matches a path, or a folder above it.
Covers = Callable[[Iterable[str]], Callable[[str], bool]]


@dataclasses.dataclass(frozen=True)
class Remark:
    """One finding about one host, and whether it is an error or a warning."""

    host: str
    finding: Finding
    severity: str = ERROR


@dataclasses.dataclass(frozen=True)
class Shared:
    """What is found of so many hosts in the same words, of which ``host`` is the first."""

    host: str
    hosts: int
    finding: Finding
    severity: str


def lint(
    fleet: Sequence[HostPolicy],
    largest_gap: LargestGap,
    covers: Covers,
    *,
    now: dt.datetime,
    recorded: Recorded | None = None,
) -> tuple[Remark, ...]:
    """All remarks about *fleet*, host by host in its order. Hosts that share a policy are judged once.

    :param now: UTC; due moments are looked at for a year from it.
    :param recorded: what the repository holds; without it nothing is said of signatures, nor of the root's classes.
    """
    hosts = {one.host: one for one in fleet}
    alone: dict[tuple[int, int], tuple[tuple[Finding, str], ...]] = {}
    gaps: dict[str, tuple[tuple[Finding, str], ...]] = {}
    remarks: list[Remark] = []
    for one in fleet:
        remarks.extend(Remark(one.host, finding) for finding in one.findings)
        remarks.extend(Remark(one.host, finding, WARNING) for finding in _misspelt(one))
        if one.policy is None:
            continue
        key = id(one.policy), id(one.around)
        if key not in alone:
            judged = [*_of_policy(one.policy, largest_gap, covers, gaps, now)]
            judged += [(finding, ERROR) for finding in beside(one.policy, one.around, recorded)]
            alone[key] = tuple(judged)
        remarks.extend(Remark(one.host, finding, severity) for finding, severity in alone[key])
        remarks.extend(Remark(one.host, finding, severity) for finding, severity in _dependencies(one, hosts))
    remarks.extend(Remark(host, finding, ERROR) for host, finding in _cycles(fleet, hosts))
    remarks.extend(Remark(host, finding, WARNING) for host, finding in _idle(fleet))
    order = {name: position for position, name in enumerate(hosts)}
    return tuple(sorted(remarks, key=lambda remark: order[remark.host]))


def shared(remarks: Iterable[Remark]) -> tuple[Shared, ...]:
    """The remarks with what is said of several hosts told once; errors first."""
    counts: Counter[tuple[Finding, str]] = Counter()
    first: dict[tuple[Finding, str], str] = {}
    for remark in remarks:
        key = remark.finding, remark.severity
        counts[key] += 1
        first.setdefault(key, remark.host)
    found = [Shared(host, counts[key], *key) for key, host in first.items()]
    return tuple(sorted(found, key=lambda one: one.severity != ERROR))


def _of_policy(
    policy: Policy,
    largest_gap: LargestGap,
    covers: Covers,
    gaps: dict[str, tuple[tuple[Finding, str], ...]],
    now: dt.datetime,
) -> Iterator[tuple[Finding, str]]:
    for component in policy.components:
        yield from _owners(component)
        yield from _emptied(component, covers)
    for name in sorted({component.tier for component in policy.components}):
        tier = policy.tiers[name]
        if repr(tier) not in gaps:
            gaps[repr(tier)] = (*_promise(tier, largest_gap, now), *_clock_changes(tier, now))
        yield from gaps[repr(tier)]
    for position, exclusion in enumerate(policy.exclusions):
        if not exclusion.holds(now):
            problem = f"{exclusion.pattern} has expired, and excludes nothing any more"
            remedy = "Delete it, or decide on it again."
            yield Finding(f"holdfast_exclusions[{position}].expires", problem, remedy), WARNING
    for position, waiver in enumerate(policy.waivers):
        if not waiver.holds(now):
            problem = f"{waiver.id} has expired: what it accepted is a gap"
            remedy = "Close the gap, or let people accept it again."
            yield Finding(f"holdfast_exceptions[{position}].expires", problem, remedy), ERROR


def _misspelt(one: HostPolicy) -> Iterator[Finding]:
    for name, like in one.misspelt:
        yield Finding(name, "is no variable of this collection: nobody reads it", f"Was {like} meant?")


def _emptied(component: Component, covers: Covers) -> Iterator[tuple[Finding, str]]:
    for exclude in component.excludes if component.kind == FILES else ():
        if all(map(covers((exclude.pattern,)), component.paths)):
            problem = f"{exclude.pattern} leaves out all of it"
            remedy = "Narrow the pattern, or do not declare the component."
            yield Finding(f"holdfast_components ({component.name}).excludes", problem, remedy), ERROR


def _clock_changes(tier: Tier, now: dt.datetime) -> Iterator[tuple[Finding, str]]:
    """Times of day that a night skips or repeats, where clocks are set; ``every`` is not missed for one of many."""
    if tier.schedule is None or not tier.schedule.at:
        return
    here = zone(tier.schedule.timezone)
    today = now.astimezone(here).date()
    for time in tier.schedule.times:
        for day in (today + dt.timedelta(days=ahead) for ahead in range(HORIZON.days)):
            wall = dt.datetime.combine(day, time, tzinfo=here)
            before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
            if before is None or after is None or before == after or not _is_named(tier.schedule, day):
                continue
            problem = f"{time:%H:%M} is {'skipped' if before < after else 'there twice'} on {day}, when clocks are set"
            remedy = "Choose a time of day outside that hour, or UTC as the timezone."
            yield Finding(f"holdfast_tiers.{tier.name}.schedule.at", problem, remedy), WARNING
            break


def _is_named(schedule: Schedule, day: dt.date) -> bool:
    by_week = not schedule.weekdays or day.weekday() in schedule.weekdays
    return by_week and (not schedule.monthdays or day.day in schedule.monthdays)


def _idle(fleet: Sequence[HostPolicy]) -> Iterator[tuple[str, Finding]]:
    """Exclusions and exceptions that are of none of the hosts that have them, each at the first of these."""
    first: dict[Exclusion | Waiver, tuple[str, str]] = {}
    meant: set[Exclusion | Waiver] = set()
    judged: set[int] = set()
    for one in fleet:
        if one.policy is None:
            continue
        if id(one.policy) not in judged:
            judged.add(id(one.policy))
            for position, exclusion in enumerate(one.policy.exclusions):
                first.setdefault(exclusion, (one.host, f"holdfast_exclusions[{position}]"))
                if exclusion not in meant and any(_may_leave_out(exclusion, found) for found in one.policy.components):
                    meant.add(exclusion)
        for position, waiver in enumerate(one.policy.waivers):
            first.setdefault(waiver, (one.host, f"holdfast_exceptions[{position}]"))
            named = one.host in waiver.hosts or not set(waiver.groups).isdisjoint(one.groups)
            declared = {found.name for found in one.policy.components}
            if named and (not waiver.components or not declared.isdisjoint(waiver.components)):
                meant.add(waiver)
    for idle, (host, key) in first.items():
        if idle not in meant:
            said = idle.pattern if isinstance(idle, Exclusion) else idle.id
            remedy = "Delete it, or correct the hosts, components or paths that it names."
            yield host, Finding(key, f"{said} is of nothing that is declared", remedy)


def _may_leave_out(exclusion: Exclusion, component: Component) -> bool:
    """Whether something of the component can match; sure of the opposite alone."""
    if component.kind != FILES or (exclusion.components and component.name not in exclusion.components):
        return False
    if not exclusion.pattern.startswith("/"):
        return True
    start = _literal(exclusion.pattern)
    return any(start.startswith(_literal(path)) or _literal(path).startswith(start) for path in component.paths)


def _literal(pattern: str) -> str:
    """What a path pattern begins with before its first wildcard."""
    return re.split(r"[*?\[]", pattern, maxsplit=1)[0]


def _owners(component: Component) -> Iterator[tuple[Finding, str]]:
    key = f"holdfast_components ({component.name})"
    if component.owner == UNOWNED:
        yield Finding(f"{key}.owner", "nobody owns it", "Name the team that answers for it."), ERROR
    if not component.contact:
        yield Finding(f"{key}.contact", "nobody can be called about it", "Give an address or a number."), WARNING
    if not component.steward:
        remedy = "Name who decides on its retention and its exceptions."
        yield Finding(f"{key}.steward", "nobody is accountable for its data", remedy), WARNING


def _promise(tier: Tier, largest_gap: LargestGap, now: dt.datetime) -> Iterator[tuple[Finding, str]]:
    key = f"holdfast_tiers.{tier.name}"
    if tier.schedule is None:
        problem = f"promises an rpo of {spoken(tier.rpo)}, and nothing backs it up by schedule"
        yield Finding(f"{key}.schedule", problem, "Give a schedule that keeps the rpo."), WARNING
        return
    until = now + HORIZON
    open_gap = largest_gap(tier.schedule, (), (), since=now, until=until)
    in_windows = largest_gap(tier.schedule, tier.windows, (), since=now, until=until) if tier.windows else open_gap
    if in_windows >= HORIZON > open_gap:
        remedy = "Let a window be open at a time of the schedule."
        yield Finding(f"{key}.windows", "no moment of the schedule is in a window", remedy), ERROR
    elif in_windows + tier.latency > tier.rpo:
        problem = f"{spoken(tier.rpo)} cannot be kept: {spoken(in_windows)} may pass until the next backup is due"
        remedy = f"Its latency of {spoken(tier.latency)} adds to that: schedule it oftener, or promise less."
        yield Finding(f"{key}.rpo", problem, remedy), ERROR
    elif tier.blackouts:
        dark = largest_gap(tier.schedule, tier.windows, tier.blackouts, since=now, until=until)
        if dark + tier.latency > tier.rpo:
            problem = f"leave {spoken(dark)} without a backup, and the rpo is {spoken(tier.rpo)}"
            yield Finding(f"{key}.blackouts", problem, "Shorten them, or let people accept that."), ERROR


def _dependencies(one: HostPolicy, hosts: Mapping[str, HostPolicy]) -> Iterator[tuple[Finding, str]]:
    for component in one.policy.components if one.policy else ():
        for named in component.depends_on:
            key = f"holdfast_components ({component.name}).depends_on"
            other = _component(hosts, *_target(one.host, named))
            if other is None:
                remedy = "Declare it there, or correct the name."
                yield Finding(key, f"{named} is declared nowhere", remedy), ERROR
            elif _rank(component.tier) < _rank(other.tier):
                problem = f"{component.tier} depends on {named}, which is of {other.tier}"
                yield Finding(key, problem, "Give what it depends on the same tier at least."), WARNING


def _cycles(fleet: Sequence[HostPolicy], hosts: Mapping[str, HostPolicy]) -> Iterator[tuple[str, Finding]]:
    """Each cycle once, at the host where it was met first."""
    done: set[tuple[str, str]] = set()
    for one in fleet:
        for component in one.policy.components if one.policy else ():
            start = (one.host, component.name)
            if not component.depends_on or start in done:
                continue
            path: dict[tuple[str, str], None] = {start: None}
            waiting = [iter(_targets(hosts, start))]
            while waiting:
                following = next(waiting[-1], None)
                if following is None:
                    waiting.pop()
                    done.add(path.popitem()[0])
                elif following in path:
                    round_trip = [*path][[*path].index(following) :]
                    told = " → ".join(f"{host}:{name}" for host, name in (*round_trip, following))
                    key = f"holdfast_components ({following[1]}).depends_on"
                    remedy = "Take one of them out: neither could be restored first."
                    yield following[0], Finding(key, f"goes round in a circle: {told}", remedy)
                elif following not in done:
                    path[following] = None
                    waiting.append(iter(_targets(hosts, following)))


def _targets(hosts: Mapping[str, HostPolicy], at: tuple[str, str]) -> list[tuple[str, str]]:
    found = _component(hosts, *at)
    return [_target(at[0], named) for named in found.depends_on] if found else []


def _target(host: str, named: str) -> tuple[str, str]:
    other, _colon, name = named.rpartition(":")
    return other or host, name


def _component(hosts: Mapping[str, HostPolicy], host: str, name: str) -> Component | None:
    found = hosts.get(host)
    listed = found.policy.components if found and found.policy else ()
    return next((one for one in listed if one.name == name), None)


def _rank(tier: str) -> int:
    return int(tier.removeprefix("tier"))
