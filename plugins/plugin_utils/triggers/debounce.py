# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests are captured by one run: those of a host are brought together, and wait while the host is busy."""

from __future__ import annotations

import dataclasses
import typing as t

from .request import DEVICE_CHANGE, MANUAL_CHANGE, MOST_HOSTS, MOST_LETTERS, Request
from .spool import Accepted

_CHANGES = (MANUAL_CHANGE, DEVICE_CHANGE)
_AND = ", "
_OTHERS = " and others"


@dataclasses.dataclass(frozen=True)
class Times:
    """In seconds, when a request is handed out.

    ``quiet`` is how long nobody must have changed a host, ``longest`` how long further changes may keep its capture
    waiting, and ``lease`` after which time a run that tells nothing counts as failed and is started again. ``at_once``
    is how many runs are handed out and not finished: a ruleset runs them one after another, and the lease counts from
    when one is handed out.
    """

    quiet: float = 5
    longest: float = 60
    lease: float = 900
    at_once: int = 2


@dataclasses.dataclass(frozen=True)
class Batch:
    """One run: its hosts, what was asked of them, and the ids of all that is done when it is sealed."""

    request: Request
    ids: tuple[str, ...]
    by: str

    def as_event(self, spool: str) -> dict[str, t.Any]:
        """What a rulebook is given. It holds texts that were judged, of which none is a template."""
        asked = self.request
        said = {name: getattr(asked, name) for name in ("deployment", "version", "environment", "deployer")}
        return {
            "kind": asked.kind,
            "hosts": list(asked.hosts),
            "trigger": {"kind": asked.kind, "id": self.ids[0], "by": self.by},
            "change": {name: text for name, text in {"id": asked.change, **said}.items() if text},
            "spool": spool,
            "ids": list(self.ids),
        }


@dataclasses.dataclass
class _Group:
    request: Request
    first: float
    last: float
    members: list[Accepted]


@dataclasses.dataclass
class _Run:
    until: float
    batch: Batch
    members: list[Accepted]
    # it told that it failed: its hosts are free, and it rests until its lease is over
    failed: bool = False


class Debounce:
    """Requests that wait and requests that run. It has no clock: each call says when it is, in seconds that only grow.

    Nothing is ever dropped here: what was added is handed out until :meth:`finish` names it.
    """

    def __init__(self, times: Times = Times()) -> None:
        self._times = times
        # by what they say: one capture answers all of a group
        self._groups: dict[Request, _Group] = {}
        self._running: list[_Run] = []
        self._known: set[str] = set()
        self._failed: set[str] = set()

    def add(self, accepted: Accepted, now: float) -> None:
        """Let a request wait; one that is known already changes nothing."""
        if accepted.id in self._known:
            return
        self._known.add(accepted.id)
        said = _said(accepted.request)
        group = self._groups.setdefault(said, _Group(accepted.request, now, now, []))
        group.members.append(accepted)
        group.last = now

    def known(self) -> frozenset[str]:
        """The ids of all that waits or runs."""
        return frozenset(self._known)

    def running(self, now: float) -> frozenset[str]:
        """The ids of all that runs and whose lease is not over."""
        return frozenset(
            member.id for run in self._running if run.until > now and not run.failed for member in run.members
        )

    def finish(self, waiting: t.Container[str]) -> None:
        """Forget what is not in *waiting*, the ids of the spool; a run of which nothing is left has ended."""
        for group in self._groups.values():
            group.members = [member for member in group.members if member.id in waiting]
        self._groups = {said: group for said, group in self._groups.items() if group.members}
        for run in self._running:
            run.members = [member for member in run.members if member.id in waiting]
        self._running = [run for run in self._running if run.members]
        kept = [*self._waiting(), *(member for run in self._running for member in run.members)]
        self._known = {member.id for member in kept}
        self._failed &= self._known

    def fail(self, names: t.Container[str]) -> None:
        """Runs of these ids told that they failed: others may run now, and these again when their lease is over."""
        for run in self._running:
            run.failed = run.failed or any(member.id in names for member in run.members)

    def ready(self, now: float) -> list[Batch]:
        """Hand out what can run now; its hosts are busy until it is finished, or its lease is over.

        Requests run in the order in which they came, for each host. Such that say the same of different hosts make one
        run, so that a hundred hosts that change at once make no hundred runs; what failed runs by itself afterwards, so
        that one host that cannot be captured does not keep others from it.
        """
        self._end_leases(now)
        running = [run for run in self._running if not run.failed]
        taken = {host for run in running for host in run.batch.request.hosts}
        ready: list[_Group] = []
        for group in self._groups.values():
            if taken.isdisjoint(group.request.hosts) and self._settled(group, now):
                ready.append(group)
            taken |= set(group.request.hosts)
        handed = []
        for groups in self._joined(ready)[: max(0, self._times.at_once - len(running))]:
            for group in groups:
                del self._groups[_said(group.request)]
            members = [member for group in groups for member in group.members]
            batch = _batch(groups, members)
            self._running.append(_Run(now + self._times.lease, batch, members))
            handed.append(batch)
        return handed

    def _settled(self, group: _Group, now: float) -> bool:
        if group.request.kind not in _CHANGES:
            return True
        return now - group.last >= self._times.quiet or now - group.first >= self._times.longest

    def _end_leases(self, now: float) -> None:
        over = [run.members for run in self._running if run.until <= now]
        self._running = [run for run in self._running if run.until > now]
        for members in reversed(over):
            self._known -= {member.id for member in members}
            self._failed |= {member.id for member in members}
        for members in over:
            for member in members:
                self.add(member, now)

    def _waiting(self) -> t.Iterator[Accepted]:
        for group in self._groups.values():
            yield from group.members

    def _joined(self, groups: list[_Group]) -> list[list[_Group]]:
        """Those that say the same of different hosts, by the same people; those that never failed are the first."""
        found: list[list[_Group]] = []
        alone: list[list[_Group]] = []
        last: dict[tuple[Request, frozenset[str]], list[_Group]] = {}
        hosts: dict[tuple[Request, frozenset[str]], int] = {}
        for group in groups:
            if any(member.id in self._failed for member in group.members):
                alone.append([group])
                continue
            people = frozenset(_who(member) for member in group.members)
            key = (dataclasses.replace(group.request, hosts=(), actor=""), people)
            count = len(group.request.hosts)
            if key in last and hosts[key] + count <= MOST_HOSTS:
                last[key].append(group)
                hosts[key] += count
            else:
                last[key], hosts[key] = [group], count
                found.append(last[key])
        return found + alone


def _said(request: Request) -> Request:
    """What those have in common that one capture answers: they say the same of the same hosts, whoever did it."""
    return dataclasses.replace(request, actor="") if request.kind in _CHANGES else request


def _batch(groups: list[_Group], members: list[Accepted]) -> Batch:
    hosts = tuple(sorted({host for group in groups for host in group.request.hosts}))
    asked = dataclasses.replace(groups[0].request, hosts=hosts)
    return Batch(asked, tuple(member.id for member in members), _by(members))


def _who(accepted: Accepted) -> str:
    # a host's own key is as good as its name: whoever is on it can use it
    return accepted.request.actor or accepted.request.deployer or accepted.key


def _by(members: list[Accepted]) -> str:
    """Who did it, and whose key says so; of several as many as one text holds."""
    keys: dict[str, set[str]] = {}
    for each in members:
        # who logs on to a device asks by no key
        told = {each.key} - {_who(each)} if each.request.kind != DEVICE_CHANGE else set()
        keys.setdefault(_who(each), set()).update(told)
    people: dict[tuple[str, ...], list[str]] = {}
    for who, by in sorted(keys.items()):
        people.setdefault(tuple(sorted(by)), []).append(who)
    names = [_AND.join(who) + (f" (by {_AND.join(by)})" if by else "") for by, who in people.items()]
    text = _AND.join(names)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - len(_OTHERS)].rstrip()}{_OTHERS}"
