# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coverage: each component of each host is covered, an accepted exception, or a gap."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from . import sources
from .component import Component
from .fleet import HostPolicy
from .point import RESTORE_OPEN, StreamEntry
from .waiver import Waiver

COVERED, ACCEPTED, GAP = "covered", "accepted", "gap"
STATES = (COVERED, ACCEPTED, GAP)
# as far as honest clocks may differ
_SKEW = dt.timedelta(minutes=15)
UNUSABLE = "the policy of the host cannot be used"
UNDECLARED = "no component is declared"
UNKNOWN = "the host is unknown to the inventory"
NEVER = "never captured"
ABSENT = "not in the newest snapshot"
LATE = "proven longer ago than its RPO"
ENDED = "its newest snapshot counts no more: {why}"
UNLOCKED = "the lock of its newest snapshot has ended"
AHEAD = "proven at a time that is yet to come"
OPEN = "captured while a restore was open"
EXPIRED = "its exception {id} has expired"
UNSIGNED = "its exception {id} is not signed"


@dataclasses.dataclass(frozen=True)
class Row:
    """How one component of one host stands; ``component`` is empty where the whole host is a gap.

    ``reasons`` say why it is not covered, or what to know of a snapshot that covers it. ``exception``, ``control``,
    ``signers`` and ``until`` are those of the exception that accepts it, ``verified_at`` is when its stream was last
    proven.
    """

    host: str
    groups: tuple[str, ...]
    component: str
    tier: str
    owner: str
    state: str
    reasons: tuple[str, ...] = ()
    verified_at: dt.datetime | None = None
    exception: str = ""
    control: str = ""
    signers: tuple[str, ...] = ()
    until: dt.datetime | None = None


def rows(
    fleet: Iterable[HostPolicy],
    live: Mapping[tuple[str, str], StreamEntry],
    signed: Mapping[str, tuple[str, ...]],
    *,
    now: dt.datetime,
    known: Iterable[str] = (),
    ended: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> Iterator[Row]:
    """Judge each component of each host, in the order of *fleet*; each ends in exactly one state.

    :param live: the newest snapshot of every stream, by the host's identity and the stream's name.
    :param signed: by a waiver's digest, who of those that count has signed it.
    :param now: the store's time: an exception that has expired by then is a gap.
    :param ended: why the newest snapshots of other streams count no more.
    :param known: hosts that a CMDB names; those that are not in *fleet* are gaps. Case and a final dot mean nothing.
    """
    names = set()
    for one in fleet:
        names |= {folded(one.host), folded(one.identity)}
        yield from _host(one, live, signed, now, ended)
    for folded_name, name in sorted({folded(name): name for name in known}.items()):
        if folded_name not in names:
            yield Row(name, (), "", "", "", GAP, (UNKNOWN,))


def folded(name: str) -> str:
    """A host's name as it is compared: case and the final dot of a DNS name mean nothing (RFC 4343)."""
    return name.strip().rstrip(".").casefold()


def stream_of(component: Component) -> str:
    """The stream that a component is sealed in: its tier's, or one of its own for what tasks push."""
    return component.name if component.kind == sources.CONTENT else component.tier


def totals(judged: Iterable[Row], by: Callable[[Row], Iterable[str]]) -> dict[str, Counter[str]]:
    """How many rows are in each state, for each of the names that *by* tells of a row."""
    found: dict[str, Counter[str]] = {}
    for row in judged:
        for name in by(row):
            found.setdefault(name, Counter(dict.fromkeys(STATES, 0)))[row.state] += 1
    return {name: found[name] for name in sorted(found)}


def _host(
    one: HostPolicy,
    live: Mapping[tuple[str, str], StreamEntry],
    signed: Mapping[str, tuple[str, ...]],
    now: dt.datetime,
    ended: Mapping[tuple[str, str], str],
) -> Iterator[Row]:
    if one.policy is None:
        yield Row(one.host, one.groups, "", "", "", GAP, (UNUSABLE,))
        return
    waivers = [waiver for waiver in one.policy.waivers if _names(waiver, one)]
    # what people signed is hashed once for each host, not for each component
    signers = [(waiver, signed.get(waiver.digest, ())) for waiver in waivers]
    if not one.policy.components:
        yield _excused(Row(one.host, one.groups, "", "", "", GAP), UNDECLARED, signers, now)
    for component in one.policy.components:
        key = (one.identity, stream_of(component))
        entry = live.get(key)
        if entry is not None and entry.imported is not None:
            # another tool had it then, whatever its stream is called
            entry = None
        if entry is None:
            reason: str | None = ENDED.format(why=ended[key]) if key in ended else NEVER
        else:
            reason = _lack(component, entry, one.policy.tiers[component.tier].rpo, now)
        row = Row(one.host, one.groups, component.name, component.tier, component.owner, COVERED)
        if entry is not None:
            told = (OPEN,) if any(mark.startswith(RESTORE_OPEN) for mark in entry.marks) else ()
            row = dataclasses.replace(row, verified_at=entry.verified_at, reasons=told)
        yield row if reason is None else _excused(row, reason, signers, now)


def _lack(component: Component, entry: StreamEntry, rpo: dt.timedelta, now: dt.datetime) -> str | None:
    if all(fingerprint.component != component.name for fingerprint in entry.fingerprints):
        return ABSENT
    if entry.verified_at > now + _SKEW:
        return AHEAD
    if entry.lock_until <= now:
        return UNLOCKED
    return LATE if now - entry.verified_at > rpo else None


def _excused(row: Row, reason: str, waivers: Iterable[tuple[Waiver, tuple[str, ...]]], now: dt.datetime) -> Row:
    """The row as the exception accepts it that lasts longest; else a gap that names those that do not count."""
    counted, refused = [], []
    for waiver, signers in waivers:
        if waiver.components and row.component not in waiver.components:
            continue
        if not waiver.holds(now):
            refused.append(EXPIRED.format(id=waiver.id))
        elif not signers:
            refused.append(UNSIGNED.format(id=waiver.id))
        else:
            counted.append((waiver, signers))
    if not counted:
        return dataclasses.replace(row, state=GAP, reasons=(reason, *row.reasons, *refused))
    waiver, signers = max(counted, key=lambda pair: (pair[0].expires, pair[0].id))
    return dataclasses.replace(
        row,
        state=ACCEPTED,
        reasons=(reason, *row.reasons),
        exception=waiver.id,
        control=waiver.control,
        signers=signers,
        until=waiver.expires,
    )


def _names(waiver: Waiver, one: HostPolicy) -> bool:
    return one.host in waiver.hosts or not set(waiver.groups).isdisjoint(one.groups)
