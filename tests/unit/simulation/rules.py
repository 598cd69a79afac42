# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules by which nothing is lost, each with a way to take it out of the library for a while.

A rule without which every history still holds would be no rule: what a world needs to be like for that to show is in
:class:`.world.Temper`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import sys
import typing as t
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    ObjectRef,
    Retirement,
    StreamEntry,
    StreamState,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    carry,
    leftovers,
    objects,
    points,
    records,
    seal_point,
    snapshot,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder

from .parts import Wire

Removal = t.ContextManager[t.Any]


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule, what breaks first without it, and seeds of worlds where that shows."""

    name: str
    says: str
    kinds: frozenset[str]
    seeds: tuple[int, ...]
    removed: Callable[[], Removal]


RULES: list[Rule] = []


def rule(name: str, says: str, *kinds: str, seeds: Sequence[int] = ()) -> Callable[[Callable[[], Removal]], None]:
    """Add a rule; what is decorated takes it out of the library."""

    def add(removed: Callable[[], Removal]) -> None:
        RULES.append(Rule(name, says, frozenset(kinds), tuple(seeds), removed))

    return add


@rule("carry", "What its host does not give is carried on", "LOST", seeds=(16, 27, 25))
def _nothing_is_carried() -> Removal:
    return mock.patch.object(carry, "carry", return_value=carry.Carried((), (), ()))


@rule(
    "carry-all", "All live streams are carried, whether this run expects their host or not", "LOST", seeds=(47, 25, 28)
)
def _expected_hosts_only() -> Removal:
    due = seal_point._due

    def of_expected(folder: PointFolder, *args: t.Any) -> list[StreamEntry]:
        expected = folder.read_open().expected
        return [entry for entry in due(folder, *args) if entry.host in expected]

    return mock.patch.object(seal_point, "_due", of_expected)


@rule("renew", "A newest snapshot whose lock has become short is stored anew", "SHORT", seeds=(25, 28, 8))
@contextlib.contextmanager
def _any_lock_will_do() -> Iterator[None]:
    def wanted(stream: t.Any, sheet: t.Any, *_args: t.Any) -> bool:
        return stream.name not in sheet.streams

    with mock.patch.object(snapshot, "_wanted_at_once", wanted), _not_looked_at_again():
        yield


@rule("look-again", "Seal looks again at locks that were long enough when the run began", "SHORT", seeds=(39, 8, 50))
def _no_second_look() -> Removal:
    return _not_looked_at_again()


def _not_looked_at_again() -> Removal:
    def proven(
        _repository: t.Any, given: Sequence[StreamEntry], *_args: t.Any
    ) -> tuple[list[StreamEntry], dict[str, str]]:
        return sorted(given, key=lambda entry: entry.key), {}

    return mock.patch.object(seal_point, "_proven", proven)


@rule("lengthen", "What is carried is put again, with a lock as long as its class asks for", "SHORT", seeds=(2, 14, 8))
def _carried_as_it_is() -> Removal:
    def renew(_repository: t.Any, entry: StreamEntry, _now: t.Any, state: StreamState) -> StreamEntry:
        return dataclasses.replace(entry, state=state)

    return mock.patch.object(carry, "renew", renew)


@rule("credit", "Carrying proves nothing: a carried snapshot keeps its times", "CREDIT", seeds=(2, 14, 8))
def _carrying_proves() -> Removal:
    renew = carry.renew

    def proven(repository: t.Any, entry: StreamEntry, now: dt.datetime, state: StreamState) -> StreamEntry:
        return dataclasses.replace(renew(repository, entry, now, state), verified_at=now)

    return mock.patch.object(carry, "renew", proven)


@rule("urgent-first", "What the store would drop first is carried first", "LOST", seeds=(3, 49, 32))
def _urgent_last() -> Removal:
    due = keep.due
    return mock.patch.object(keep, "due", lambda *args: tuple(reversed(due(*args))))


@rule("grace", "The store keeps for a while what is no longer locked", "LOST", seeds=(14, 8, 23))
def _no_grace() -> Removal:
    return mock.patch.object(keep, "expiry", lambda lock_until, _days: lock_until)


@rule("point-lock", "A point is locked as long as anything it names", "SHORT", seeds=(0, 1, 2))
def _point_of_the_shortest_class() -> Removal:
    return mock.patch.object(keep, "point_lock", lambda now, _days: now + dt.timedelta(days=30))


@rule("full", "After so many points there is a new full body", "SLOW", "FOREVER", seeds=(6, 37, 29))
def _one_full_body() -> Removal:
    body_bytes = seal_point._body_bytes

    def first_alone(folder: PointFolder, draft: t.Any, opened: t.Any, *args: t.Any) -> bytes:
        if opened.full_sealed_at is None:
            return body_bytes(folder, draft, opened, *args)
        return body_format.write(draft)

    return mock.patch.object(seal_point, "_body_bytes", first_alone)


@rule("full-lists-all", "A full body lists every live stream, of all hosts", "MISSED", "LOST", seeds=(0, 1, 2))
def _full_of_this_run() -> Removal:
    return mock.patch.object(PointFolder, "read_live", return_value=([], ()))


@rule("covers", "A full body covers the points it has seen, and no other", "MISSED", seeds=(5, 6, 16))
def _covers_all_that_is_older() -> Removal:
    read = points.Reading.__init__

    def newer_alone(reading: points.Reading, *args: t.Any, **more: t.Any) -> None:
        read(reading, *args, **more)
        newest = max((point.name for point in reading.believed.values() if point.body.full), default="")
        reading.believed = {id: point for id, point in reading.believed.items() if point.name >= newest}  # noqa: A001

    return mock.patch.object(points.Reading, "__init__", newer_alone)


@rule(
    "captured-last",
    "The newest snapshot is the one captured last, not the one sealed last",
    "MISSED",
    "CREDIT",
    seeds=(5, 6, 44),
)
def _sealed_last() -> Removal:
    def newest(entries: t.Iterable[StreamEntry]) -> dict[tuple[str, str], StreamEntry]:
        # points come by name, the newest first
        found: dict[tuple[str, str], StreamEntry] = {}
        for entry in entries:
            found.setdefault(entry.key, entry)
        return found

    return mock.patch.object(points, "newest", newest)


@rule("store-time", "Time is the store's, not the controller's", "MISSED", "CREDIT", seeds=(5, 16, 58))
def _controllers_time() -> Removal:
    return mock.patch.object(Wire, "_clock", lambda wire: wire._inner.clock() + wire.skew)


@rule(
    "superseded", "A stream whose components are all in others now is carried no longer", "FOREVER", seeds=(29, 39, 54)
)
def _never_superseded() -> Removal:
    return mock.patch.object(keep, "superseded", return_value=False)


@rule("proven-later", "A stream takes another's place only with a later proof", "MISSED", "WRONG", seeds=(15, 48, 52))
def _superseded_by_any() -> Removal:
    def superseded(entry: StreamEntry, beside: t.Iterable[StreamEntry]) -> bool:
        held = {
            print_.component
            for other in beside
            if (other.host, other.stream != entry.stream) == (entry.host, True)
            for print_ in other.fingerprints
        }
        return {print_.component for print_ in entry.fingerprints} <= held

    return mock.patch.object(keep, "superseded", superseded)


@rule("retired", "What people have retired is carried no longer", "FOREVER", seeds=(55, 34, 1))
def _never_retired() -> Removal:
    return mock.patch.object(records, "retirements", return_value=((), ()))


@rule(
    "retired-then", "A host that comes back after it was retired is live again", "MISSED", "FOREVER", seeds=(59, 14, 16)
)
def _retired_for_ever() -> Removal:
    def ends(retirement: Retirement, entry: StreamEntry) -> bool:
        return entry.host == retirement.host and retirement.stream in (None, entry.stream)

    return mock.patch.object(Retirement, "ends", ends)


@rule("maximum", "Nothing is carried beyond the maximum of its class", "FOREVER", seeds=(22, 15, 34))
def _no_maximum() -> Removal:
    return mock.patch.object(keep, "outlives", return_value=False)


@rule("body-first", "The statement is put last", "MISSED", seeds=(43, 41, 18))
def _statement_first() -> Removal:
    put = objects.put
    waiting: list[Callable[[], ObjectRef]] = []

    def other_order(store: Store, name: str, data: bytes, *, lock_until: dt.datetime, **more: t.Any) -> ObjectRef:
        if name.startswith("bodies/"):
            waiting[:] = [lambda: put(store, name, data, lock_until=lock_until, **more)]
            return ObjectRef(name, "", len(data), lock_until)
        ref = put(store, name, data, lock_until=lock_until, **more)
        if name.startswith("points/"):
            waiting.pop()()
        return ref

    return mock.patch.object(objects, "put", other_order)


@rule(
    "digest",
    "A version is believed for its digest, whatever else was put beside it",
    "MISSED",
    "SHORT",
    seeds=(14, 5, 13),
)
def _newest_version() -> Removal:
    return mock.patch.object(objects, "read", lambda store, name, **_more: store.get(name))


@rule("late", "What the store refused is stored by the next run of that controller", "LEFT", seeds=(29, 9, 55))
def _nothing_is_shipped() -> Removal:
    return mock.patch.object(leftovers, "ship_leftovers", return_value=[])


@rule(
    "late-partial",
    "A point that is stored late is no full body: others may have stored something newer",
    "MISSED",
    "CREDIT",
    seeds=(36, 54, 9),
)
def _late_and_full() -> Removal:
    body_bytes = seal_point._body_bytes

    def full(folder: PointFolder, draft: t.Any, opened: t.Any, *args: t.Any) -> bytes:
        late = opened.full_size == sys.maxsize
        return body_bytes(folder, draft, dataclasses.replace(opened, full_size=0) if late else opened, *args)

    return mock.patch.object(seal_point, "_body_bytes", full)


@rule("compare", "A host is unchanged only where it holds what its newest snapshot does", "WRONG", seeds=(1, 9, 12))
def _drift_is_nothing() -> Removal:
    compare = snapshot._compare

    def same(*args: t.Any, **more: t.Any) -> tuple[str, tuple[str, ...]]:
        reason, changed = compare(*args, **more)
        return ("unchanged", ()) if reason == "drift" else (reason, changed)

    return mock.patch.object(snapshot, "_compare", same)


@rule(
    "ancestors",
    "Points signed by a removed key count where the link that removed it descends from them",
    "MISSED",
    seeds=(59, 30),
)
def _tips_alone() -> Removal:
    return mock.patch.object(points.Vouching, "add", return_value=None)
