# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each owner is told: how what they own stands, and what waits for them. Names and states, no content."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ..errors import PolicyError
from ..model.coverage import ACCEPTED, COVERED, GAP, LATE, Row
from ..model.fleet import HostPolicy
from ..model.record import Record
from ..model.waiver import Waiver
from .approvals import Pending

# so long before an exception expires its owners hear of it
SOON = dt.timedelta(days=30)
# what RFC 5321 calls a mailbox, without quotes and without address literals
ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_LONGEST = 200


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A request that people may sign: its id, by which name a quorum knows it, who asks, and until when."""

    id: str
    operation: str
    by: str
    expires: dt.datetime


@dataclasses.dataclass(frozen=True)
class Digest:
    """What one owner is told. It holds no moment of its making: while nothing changes, it stays the same.

    ``late`` are gaps whose last proof is older than their RPO, ``gaps`` the others. ``expiring`` are exceptions, by
    id, that end within SOON. ``addresses`` are those among what their components name as contact and steward.
    """

    owner: str
    covered: int
    late: tuple[Row, ...]
    gaps: tuple[Row, ...]
    accepted: tuple[Row, ...]
    expiring: tuple[tuple[str, dt.datetime], ...]
    requests: tuple[Waiting, ...]
    addresses: tuple[str, ...]


def digests(
    rows: Iterable[Row], fleet: Sequence[HostPolicy], requests: Sequence[Pending], now: dt.datetime
) -> tuple[Digest, ...]:
    """The digest of each owner of *fleet*, by name. What nobody owns is in none.

    :param rows: the coverage of *fleet* at *now*.
    :param requests: what people may sign; those are an owner's that name a host, group or component of theirs.
    :raises PolicyError: an owner, a contact or a steward holds what would end a line of a mail's head.
    """
    owned: dict[str, list[Row]] = {}
    for row in rows:
        if row.owner:
            owned.setdefault(row.owner, []).append(row)
    told: dict[str, set[str]] = {}
    expiring: dict[str, set[tuple[str, dt.datetime]]] = {}
    waiting: dict[str, dict[str, Waiting]] = {}
    asked = [(_named(one.document.subject), one) for one in requests if isinstance(one.document, Record)]
    named: dict[Waiver, _Named] = {}
    for one in fleet:
        if one.policy is None:
            continue
        names, groups = {one.host, one.identity}, set(one.groups)
        for waiver in one.policy.waivers:
            if waiver not in named:
                named[waiver] = _Named(frozenset(waiver.hosts), frozenset(waiver.groups), frozenset(waiver.components))
        soon = [
            (named[waiver].components, (waiver.id, waiver.expires))
            for waiver in one.policy.waivers
            if named[waiver].means(names, groups) and now < waiver.expires <= now + SOON
        ]
        of_host = [(about.components, pending) for about, pending in asked if about.means(names, groups)]
        for component in one.policy.components:
            _require_line("owner", component.owner, one.host)
            for field in ("contact", "steward"):
                said = getattr(component, field)
                _require_line(field, said, one.host)
                if ADDRESS.fullmatch(said):
                    told.setdefault(component.owner, set()).add(said)
            expiring.setdefault(component.owner, set()).update(
                ending for components, ending in soon if not components or component.name in components
            )
            waiting.setdefault(component.owner, {}).update(
                (pending.id, _waiting(pending))
                for components, pending in of_host
                if not components or component.name in components
            )
    return tuple(
        _digest(
            owner,
            owned[owner],
            tuple(sorted(expiring.get(owner, ()), key=lambda pair: (pair[1], pair[0]))),
            tuple(sorted(waiting.get(owner, {}).values(), key=lambda found: (found.expires, found.id))),
            tuple(sorted(told.get(owner, ()))),
        )
        for owner in sorted(owned)
    )


def _digest(
    owner: str,
    rows: Sequence[Row],
    expiring: tuple[tuple[str, dt.datetime], ...],
    requests: tuple[Waiting, ...],
    addresses: tuple[str, ...],
) -> Digest:
    gaps = [row for row in rows if row.state == GAP]
    return Digest(
        owner,
        sum(row.state == COVERED for row in rows),
        tuple(row for row in gaps if LATE in row.reasons),
        tuple(row for row in gaps if LATE not in row.reasons),
        tuple(row for row in rows if row.state == ACCEPTED),
        expiring,
        requests,
        addresses,
    )


@dataclasses.dataclass(frozen=True)
class _Named:
    """The hosts, groups and components that something names; no component means all of these hosts'."""

    hosts: frozenset[str]
    groups: frozenset[str]
    components: frozenset[str]

    def means(self, names: set[str], groups: set[str]) -> bool:
        """Whether it names a host that is called so and in these groups."""
        return not (self.hosts.isdisjoint(names) and self.groups.isdisjoint(groups))


def _named(subject: Mapping[str, t.Any]) -> _Named:
    """What a record's subject names."""
    found: dict[str, set[str]] = {}
    for field in ("hosts", "groups", "components"):
        listed = subject.get(field)
        names = [one for one in listed if isinstance(one, str)] if isinstance(listed, (list, tuple)) else []
        found[field] = set(names)
    if isinstance(subject.get("host"), str):
        found["hosts"].add(subject["host"])
    return _Named(frozenset(found["hosts"]), frozenset(found["groups"]), frozenset(found["components"]))


def _waiting(pending: Pending) -> Waiting:
    return Waiting(pending.id, pending.operation, pending.request.by, pending.request.expires)


def _require_line(field: str, said: str, host: str) -> None:
    if len(said) > _LONGEST or not all(one.isprintable() for one in said):
        raise PolicyError(
            f"a component's {field} is longer than {_LONGEST} characters or holds some that cannot be printed",
            host=host,
            item=field,
            remedy="Give a name, an address or a number, in one line.",
        )
