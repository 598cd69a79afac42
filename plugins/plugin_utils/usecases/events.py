# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs say of themselves, signed: that one begins, that it ended without a seal, what it saw that nobody allowed.

Of a run that sealed the signed recovery point is the end: it has the same run and name. Of a restore its record is,
which names what said that it begins.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import FormatError, HoldfastError, ObjectMissingError, RunAbandonedError
from ..format import names
from ..keyring.base import Keyring
from ..model import instant
from ..model.record import AUDIT, Record
from ..store.base import Listed
from . import objects, points, records, run_folder, seal_point
from .repository import Repository
from .run_folder import OpenPoint, PointFolder

INTENT = "intent"
ENDED = "ended"
UNAUTHORISED_CHANGE = "unauthorised-change"

# how a run ended that sealed nothing
NOTHING = "nothing-captured"
UNSEALED = "unsealed"
INTERRUPTED = "interrupted"
# and a restore that left no record
UNRECORDED = "unrecorded"
UNFINISHED = "unfinished"

# a run that has said nothing more for so long has ended without saying so
OVERDUE = dt.timedelta(days=1)
# an open looks that far back; verify looks at all
_LOOKED_BACK = dt.timedelta(days=3)
_MOST_READ = 40
# only where one of those is not known to have ended
_MOST_READ_SINCE = 400
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Event:
    """A believed record of kind ``audit``; ``name`` is its object's, ``event`` what happened."""

    name: str
    at: dt.datetime
    event: str
    subject: Mapping[str, t.Any]
    detail: Mapping[str, t.Any]

    @property
    def point(self) -> tuple[str, str]:
        """The run that it is about, and the name of its point; empty where it is about none."""
        return str(self.subject.get("run", "")), str(self.subject.get("point", ""))

    @property
    def host(self) -> str:
        """The host whose restore it is about; empty where it is about none."""
        return str(self.subject.get("host", "")) if self.event in (INTENT, ENDED) else ""

    @property
    def spoken(self) -> str:
        """Who began what, when; for an intent."""
        actor = self.detail.get("actor")
        by = actor if isinstance(actor, Mapping) else {}
        who = by.get("awx_user") or by.get("user") or "somebody"
        run, point = self.point
        where = f" on {by['controller']}" if by.get("controller") else ""
        what = f"the restore of {_line(self.host)}" if self.host else _line(f"{point:.32}")
        return f"run {run!s:.16} of {_line(who)}{_line(where)}, begun at {instant.to_text(self.at)} for {what}"


def put_event(
    repository: Repository,
    keyring: Keyring,
    event: str,
    subject: Mapping[str, t.Any],
    detail: Mapping[str, t.Any],
    *,
    check: bool = False,
    use: str = "point",
    now: dt.datetime | None = None,
    noted: Callable[[str], object] | None = None,
) -> str | None:
    """Sign and put a record of what happened; returns its name, None in check mode, which puts nothing.

    :param event: one of this module's.
    :param subject: what it is about; ``event`` is added.
    :param detail: the rest. Neither holds content of a configuration.
    :param use: of the key that signs: ``point`` for who backs up, ``record`` for who restores.
    :param now: the store's time, where it is known; else the store is asked.
    :param noted: called with its name before the store is asked to take it.
    :raises HoldfastError: it could not be signed, or the store did not take it, or took it and did not say so.
    """
    if check:
        return None
    root = repository.root
    now = instant.whole(repository.store.clock() if now is None else now)
    record = Record(
        repository=root.repository,
        root=root.id,
        kind=AUDIT,
        at=now,
        by=keyring.signer(use=use, among=root.signing(use, now)),
        subject={**subject, "event": event},
        detail=dict(detail),
    )
    return records.put_made(repository, record, now=now, keyring=keyring, use=use, noted=noted)


def event_of(name: str, record: Record) -> Event:
    """What a believed record of kind ``audit`` says; raises FormatError where it says no event."""
    event = record.subject.get("event")
    if record.kind != AUDIT or not isinstance(event, str):
        raise FormatError("does not say what happened", item=name)
    return Event(name, record.at, event, record.subject, record.detail)


def read_event(repository: Repository, name: str, versions: Sequence[Listed] | None = None) -> Event:
    """Read an event and check its signature; raises as :func:`records.read_witnessed`."""
    return event_of(name, records.read_witnessed(repository, name, versions)[0])


def events(
    repository: Repository, *, since: dt.datetime | None = None, until: dt.datetime | None = None, most: int = 10_000
) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Believed events, the newest first, and a line for each name that is not believed.

    :param since: none that is older; only months from then on are listed.
    :param until: none that is newer, nor any that lies more than 15 minutes ahead of the store's time.
    :param most: how many are read at most.
    """
    last = objects.now(repository.store) + run_ahead()
    last = last if until is None else min(last, until)
    listed = _listed(repository, since, last)
    found, refused = _read(repository, listed, most)
    return tuple(found), tuple(refused)


def run_ahead() -> dt.timedelta:
    """How far ahead of a reader's clock a moment may lie and still be believed."""
    return points.CLOCK_SKEW


def _listed(repository: Repository, since: dt.datetime | None, until: dt.datetime) -> dict[str, list[Listed]]:
    """Names of events in that time, the newest first, with their versions."""
    found: dict[str, list[Listed]] = {}
    prefixes = ["records/audit/"] if since is None else [f"records/audit/{month}/" for month in _months(since, until)]
    for prefix in prefixes:
        for listed in repository.store.list(prefix):
            try:
                at = names.parse(listed.name).at
            except FormatError:
                continue
            if not listed.marker and at is not None and (since or at) <= at <= until:
                found.setdefault(listed.name, []).append(listed)
    return {name: found[name] for name in sorted(found, reverse=True)}


def _months(since: dt.datetime, until: dt.datetime) -> list[str]:
    day, months = since.date().replace(day=1), []
    while day <= until.date():
        months.append(f"{day:%Y-%m}")
        day = (day + dt.timedelta(days=31)).replace(day=1)
    return months


def _read(repository: Repository, listed: Mapping[str, list[Listed]], most: int) -> tuple[list[Event], list[str]]:
    found, refused = [], []
    for name in list(listed)[:most]:
        try:
            found.append(read_event(repository, name, listed[name]))
        except (FormatError, ObjectMissingError) as e:
            refused.append(f"{name}: {e.message}")
    return found, refused


def unended(
    told: Iterable[Event],
    sealed: Collection[tuple[str, str]],
    *,
    now: dt.datetime,
    overdue: dt.timedelta = OVERDUE,
    restored: Collection[str] | None = None,
) -> list[Event]:
    """Intents that neither a sealed point nor an event of their end has followed, the oldest first.

    A point that was stored late stands beside the one that was begun, and is no end of it.

    :param sealed: run and name of each believed point.
    :param overdue: for how long a run, or a restore, may be under way.
    :param restored: the intents that believed records of restores name; None where these were not read, and nothing is
        said of restores.
    """
    known = list(told)
    ended = {event.point for event in known if event.event == ENDED and not event.host} | set(sealed)
    closed = {str(event.subject.get("intent")) for event in known if event.event == ENDED and event.host}
    closed |= set(restored or ())

    def is_over(event: Event) -> bool:
        if event.host:
            return restored is None or names.parse(event.name).sha256 in closed
        return event.point in ended

    open_still = [
        event for event in known if event.event == INTENT and event.at + overdue <= now and not is_over(event)
    ]
    return sorted(open_still, key=lambda event: (event.at, event.name))


def announce(folder: PointFolder, repository: Repository, keyring: Keyring, opened: OpenPoint) -> OpenPoint:
    """Say, signed, that the run begins: once for each point, and before a host is asked.

    What cannot be kept is a note of the point, and stops no backup. Runs that began a day ago or longer, and of which
    nothing more is known, are notes as well.

    :returns: the open point with these notes.
    """
    if opened.check:
        return opened
    with folder.locked():
        opened = folder.read_open()
        if folder.read_intent() is not None or folder.read_sealed() is not None:
            return opened
        notes = []
        now = opened.now()
        try:
            # a bare snapshot of each host of a fleet would ask as often
            notes = [] if folder.single else _silent(repository, folder.state_dir, now)
            # a store may take it and its answer be lost
            note = folder.write_intent
            put_event(repository, keyring, INTENT, _subject(opened), _detail(opened), now=now, noted=note)
        except RunAbandonedError:
            raise
        except HoldfastError as e:
            notes.append(f"the record that this run begins was not kept: {e}")
            if folder.read_intent() is None:
                folder.write_intent("")
        if notes:
            opened = dataclasses.replace(opened, notes=(*opened.notes, *notes))
            folder.write_open(opened)
        return opened


def _subject(opened: OpenPoint) -> dict[str, t.Any]:
    return {"run": opened.run, "point": opened.point}


def _detail(opened: OpenPoint) -> dict[str, t.Any]:
    told: dict[str, t.Any] = {
        "expected": len(opened.expected),
        "actor": dict(opened.actor),
        "change": dict(opened.change),
    }
    return told if opened.alias is None else {**told, "alias": opened.alias}


def _silent(repository: Repository, state_dir: Path, now: dt.datetime) -> list[str]:
    """A line for some of the runs of the last days, of other controllers, that began and said nothing more.

    What this controller has put itself is not read again: how its own runs ended it knows from their folders.
    """
    own = run_folder.known_events(state_dir)
    listed = {
        name: versions for name, versions in _listed(repository, now - _LOOKED_BACK, now).items() if name not in own
    }
    old = {name: versions for name, versions in listed.items() if _is_old(name, now)}
    told, _refused = _read(repository, old, _MOST_READ)
    open_still = unended(told, (), now=now)
    if open_still:
        runs = _sealed_runs(repository, open_still[0].at, now)
        open_still = [event for event in open_still if event.point[0] not in runs]
    if open_still:
        # their end may have been said since
        since = {name: versions for name, versions in listed.items() if name not in old}
        if len(since) > _MOST_READ_SINCE:
            return ["whether runs that began a day ago ended is not looked for among so many records: verify does"]
        told, _refused = _read(repository, since, len(since))
        open_still = unended([*open_still, *told], (), now=now)
    lines = [f"{event.spoken}, neither sealed nor said how it ended" for event in open_still[:_NAMED]]
    more = len(open_still) - _NAMED
    return [*lines, *([f"and {more} more such runs: verify names them"] if more > 0 else [])]


def _is_old(name: str, now: dt.datetime) -> bool:
    at = names.parse(name).at
    return at is not None and at + OVERDUE <= now


def _sealed_runs(repository: Repository, since: dt.datetime, until: dt.datetime) -> set[str]:
    """Runs that have put a point between two moments, by the points' names alone."""
    found = set()
    day = since.date()
    while day <= until.date():
        for listed in repository.store.list(f"points/{day.isoformat()}/"):
            try:
                found.add(names.parse(listed.name).run)
            except FormatError:
                continue
        day += dt.timedelta(days=1)
    return found


def conclude(folder: PointFolder, repository: Repository, keyring: Keyring, *, interrupted: bool = False) -> str | None:
    """Say, signed, that a run ended without sealing this point; returns the record's name, None where that is not so.

    Once for each point, and not while what it sealed waits for the store: a later run seals it then.

    :param interrupted: its process has ended, and another one says so.
    :raises HoldfastError: it could not be kept; it may be said again.
    """
    # what the process put and had no time to note; it takes the lock itself
    seal_point.note_landed(folder, repository)
    with folder.locked():
        begun = folder.read_intent()
        opened = folder.read_open()
        if begun is None or not begun[0] or begun[1] or opened.check or folder.waits_for_store:
            return None
        if folder.read_sealed() is not None:
            return None
        if all(listed.marker or listed.name != begun[0] for listed in repository.store.list(begun[0])):
            # the store did not take it: there is nothing to end
            folder.write_intent("")
            return None
        receipts = folder.read_receipts().values()
        answered = sum(receipt.error is None for receipt in receipts)
        result = INTERRUPTED if interrupted else UNSEALED if answered else NOTHING
        name = put_event(
            repository,
            keyring,
            ENDED,
            {**_subject(opened), "intent": names.parse(begun[0]).sha256},
            {
                "result": result,
                "expected": len(opened.expected),
                "captured": answered,
                "failed": len(receipts) - answered,
            },
        )
        folder.write_intent(begun[0], name or "")
        return name


def conclude_ended(state_dir: Path, repository: Repository, keyring: Keyring, *, run: str) -> tuple[str, ...]:
    """Say of earlier runs here that have ended, and that neither sealed nor said so, that they were interrupted.

    Never raises for what it could not keep: the next run tries again.

    :param run: the id of this run, which is left alone.
    :returns: a line for each.
    """
    told = []
    for folder in run_folder.ended_points(state_dir, keep=run):
        try:
            if _undecided(folder, repository) and conclude(folder, repository, keyring, interrupted=True):
                told.append(f"run {folder.run} ended before it sealed recovery point {folder.point}")
        except RunAbandonedError:
            raise
        except HoldfastError as e:
            told.append(f"how run {folder.run} ended was not kept: {e}")
    return tuple(told)


def _undecided(folder: PointFolder, repository: Repository) -> bool:
    begun = folder.read_intent()
    if begun is None or not begun[0] or begun[1] or folder.read_sealed() is not None:
        return False
    if folder.read_open().location.get("name") != repository.name:
        return False
    # another repository may have had that name
    return repository.chain.place(folder.read_root().id) is not None


def _line(text: object) -> str:
    """Text of a signed record in a line of people's: bounded, and nothing that steers a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(text))[:80]
