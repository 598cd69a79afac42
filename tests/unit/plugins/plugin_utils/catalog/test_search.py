# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Search finds what a look at everything finds, whichever way it walks, and by an index."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import itertools
import json
import random
import typing as t
from collections.abc import Callable, Iterator, Sequence

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.catalog.index import (
    CARRIED,
    LIVE,
    STORED,
    UNCHANGED,
    Entry,
    Index,
    NamingRow,
    PointRow,
    StreamRow,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.catalog.search import Search
from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import OF_RUN, Query, State
from hypothesis import given, settings
from hypothesis import strategies as st

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
START = 1_800_000_000
HOSTS, TIERS, COMPONENTS = ("h0", "h1", "h2"), ("tier1", "tier2"), ("app", "db")
STATES = (STORED, UNCHANGED, CARRIED, LIVE)


def moment(seconds: int) -> dt.datetime:
    return EPOCH + dt.timedelta(seconds=seconds)


def digest(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()


def stream(host: str, tier: str, parts: Sequence[str]) -> StreamRow:
    return StreamRow(host, host, tier, "d0030", host, json.dumps(list(parts)), tuple(parts))


def naming(of: StreamRow, captured_at: int, state: int, sealed_at: int, lock: int = 9) -> NamingRow:
    ids = [bytes.fromhex(digest(kind, of.host, of.stream, captured_at)) for kind in ("manifest", "pack")]
    verified = captured_at if state in (STORED, CARRIED) else sealed_at
    locks = (START + lock, START + lock)
    return NamingRow(of, captured_at, *ids, "v", "v", 1, 2, *locks, "", "", "", state, sealed_at - verified)


def entry(number: int, namings: Sequence[NamingRow], failed: Sequence[str] = (), **words: str) -> Entry:
    at = START + 60 * number
    counts = [sum(one.state == state for one in namings) for state in (STORED, UNCHANGED, CARRIED)]
    said = {name: words.get(name, "") for name in ("alias", "change_id", "requester", *OF_RUN[1:], "actor")}
    name = digest("point", number)
    row = PointRow(name, f"points/{name}", "r", "main", at, at, 0, not failed, False, *counts, len(failed), 0, **said)
    return Entry(row, namings, [(host, False, "why") for host in failed])


def naive(entries: Sequence[Entry], query: Query) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Ids of points, of snapshots, and failures, by looking at everything."""
    order = sorted(entries, key=lambda one: one.point.sealed_at, reverse=query.newest_first)
    ran = {n.manifest for one in entries for n in one.namings if n.state != LIVE}
    of_run = [query.recovery_point, query.alias, query.state, *(getattr(query, name) for name in OF_RUN)]

    def fits(one: Entry) -> bool:
        row = one.point
        words = ("alias", *OF_RUN)
        return (
            row.digest.startswith(query.recovery_point or "")
            and all(getattr(query, word) in (None, getattr(row, word)) for word in words)
            and (query.since is None or moment(row.sealed_at) >= query.since)
            and (query.until is None or moment(row.sealed_at) <= query.until)
            and (query.state is not State.COMPLETE or row.complete)
            and (query.state is not State.FAILED or not row.complete)
            and (query.state is not State.CARRIED or row.carried > 0)
        )

    def names(one: NamingRow) -> bool:
        counts = one.state != LIVE or (one.manifest not in ran and all(value is None for value in of_run))
        return (
            (one.state == CARRIED if query.state is State.CARRIED else counts)
            and query.host in (None, one.stream.host)
            and query.tier in (None, one.stream.stream)
            and (query.component is None or query.component in one.stream.parts)
            and one.manifest.hex().startswith(query.snapshot or "")
        )

    plain = query.component is query.tier is query.snapshot is None
    points, snapshots, failures = [], {}, []
    for one in filter(fits, order):
        failed = [host for host, _missing, _reason in sorted(one.failures) if query.host in (None, host)]
        if plain and query.state in (None, State.FAILED):
            failures += [(host, one.point.digest) for host in failed]
        named = [n for n in one.namings if names(n)]
        of_failed = plain and bool(failed) and query.state in (None, State.FAILED)
        if not query.of_streams or (named and query.state is not State.FAILED) or of_failed:
            points.append(one.point.digest)
        if query.state is not State.FAILED:
            for n in sorted(named, key=lambda n: n.captured_at, reverse=query.newest_first):
                snapshots[n.manifest.hex()] = None
    return points[: query.limit], list(snapshots)[: query.limit], failures[: query.limit]


@st.composite
def repositories(draw: st.DrawFn) -> list[Entry]:
    """Points in which streams are stored, found unchanged, carried, or only listed."""
    streams = [
        stream(host, tier, draw(st.sampled_from([("app",), ("db",), ("app", "db")])))
        for host, tier in itertools.product(HOSTS, TIERS)
    ]
    newest: dict[int, int] = {}
    locks: dict[int, int] = {}
    # each captured in a second of its own: of one second there is no order
    seconds = itertools.count(START - 10_000)
    found = []
    for number in range(draw(st.integers(1, 6))):
        namings = []
        for place, one in enumerate(streams):
            state = draw(st.sampled_from([None, None, *STATES]))
            if state is None:
                continue
            if state == STORED or place not in newest:
                newest[place] = next(seconds)
            # who carries a snapshot, or finds it again, says a lock that is no shorter
            locks[place] = locks.get(place, 0) + draw(st.integers(0, 2))
            namings.append(naming(one, newest[place], state, START + 60 * number, locks[place]))
        words = {name: draw(st.sampled_from(["", "a", "b"])) for name in ("alias", *OF_RUN)}
        failed = draw(st.lists(st.sampled_from(HOSTS), unique=True, max_size=1))
        found.append(entry(number, namings, failed, **words))
    return draw(st.permutations(found))


@st.composite
def queries(draw: st.DrawFn) -> Query:
    given_: dict[str, t.Any] = {}
    choices: dict[str, st.SearchStrategy[t.Any]] = {
        "host": st.sampled_from([*HOSTS, "h9"]),
        "tier": st.sampled_from(TIERS),
        "component": st.sampled_from([*COMPONENTS, "none"]),
        "alias": st.sampled_from(["a", "b"]),
        **{name: st.sampled_from(["a", "b"]) for name in OF_RUN},
        "since": st.integers(0, 6).map(lambda n: moment(START + 60 * n) + dt.timedelta(milliseconds=1)),
        "until": st.integers(0, 6).map(lambda n: moment(START + 60 * n) - dt.timedelta(milliseconds=1)),
        "state": st.sampled_from(State),
        "recovery_point": st.integers(0, 6).map(lambda n: digest("point", n)[:12]),
        "snapshot": st.builds(
            lambda host, tier, second: digest("manifest", host, tier, START - 10_000 + second)[:12],
            st.sampled_from(HOSTS),
            st.sampled_from(TIERS),
            st.integers(0, 3),
        ),
    }
    for name in draw(st.lists(st.sampled_from(sorted(choices)), unique=True, max_size=3)):
        given_[name] = draw(choices[name])
    if given_.get("since", EPOCH) > given_.get("until", moment(2 * START)):
        del given_["since"]
    return Query(**given_, limit=draw(st.integers(1, 5)), newest_first=draw(st.booleans()))


@contextlib.contextmanager
def indexed(entries: Sequence[Entry]) -> Iterator[Index]:
    with contextlib.closing(Index(None)) as index:
        with index.writing():
            for one in entries:
                index.add(one)
        yield index


def found(search: Search, query: Query) -> tuple[list[str], list[str], list[tuple[str, str]]]:
    return (
        [one.digest for one in search.points(query)],
        [one.digest for one in search.snapshots(query)],
        [(one.host, one.point) for one in search.failures(query)],
    )


@settings(max_examples=80, deadline=None)
@given(entries=repositories(), asked=st.lists(queries(), min_size=3, max_size=6))
def test_it_finds_what_a_look_at_everything_finds(entries: list[Entry], asked: list[Query]) -> None:
    with indexed(entries) as index:
        for query in asked:
            for walks in (None, True, False):
                search = Search(index)
                if walks is not None:
                    search._walks_snapshots = lambda *_asked, walks=walks: walks  # type: ignore[method-assign]
                assert found(search, query) == naive(entries, query), (query, walks)


@settings(max_examples=60, deadline=None)
@given(entries=repositories(), seed=st.integers(0, 9), gone=st.integers(1, 6))
def test_whatever_the_order_in_which_points_come_and_go(entries: list[Entry], seed: int, gone: int) -> None:
    left = entries[gone:]
    with indexed(left) as made, indexed(entries) as kept:
        names = [one.point.name for one in entries[:gone]]
        random.Random(seed).shuffle(names)
        with kept.writing():
            kept.drop(names)
        again = set(kept.untold())
        with kept.writing():
            for one in left:
                if one.point.name in again:
                    kept.add(one)
        assert kept.untold() == []
        every = Query(limit=100)
        for search in (Search.points, Search.snapshots, Search.failures):
            ask = t.cast(Callable[[Search, Query], list[t.Any]], search)
            assert ask(Search(kept), every) == ask(Search(made), every)
        assert Search(kept).counts() == Search(made).counts()


def test_a_snapshot_has_the_latest_lock_that_a_point_says_it_has() -> None:
    one = stream("h0", "tier1", ["app"])
    told = [
        entry(number, [dataclasses.replace(naming(one, START, state, START + 60 * number, lock), name=f"n{number}")])
        for number, (state, lock) in enumerate([(STORED, 1), (CARRIED, 5), (UNCHANGED, 5), (LIVE, 1)])
    ]
    for order in itertools.permutations(told):
        with indexed(order) as index:
            (snapshot,) = Search(index).snapshots(Query())
        assert snapshot.lock_until == moment(START + 5)
        assert (snapshot.name, snapshot.point, snapshot.first_point) == ("n2", digest("point", 2), digest("point", 0))


def test_digests_that_begin_alike_are_told_apart() -> None:
    """Somebody who may sign could make as many of them as he likes, of one second."""
    one = stream("h0", "tier1", ["app"])
    ids = [bytes(4) + bytes([number]) * 28 for number in range(40)]
    named = [dataclasses.replace(naming(one, START, STORED, START), manifest=each) for each in ids]
    with indexed([entry(0, named)]) as index:
        assert {snapshot.digest for snapshot in Search(index).snapshots(Query())} == {each.hex() for each in ids}
        for each in ids[1:]:
            assert [s.digest for s in Search(index).snapshots(Query(snapshot=each.hex()[:12]))] == [each.hex()]


KEYS: tuple[Query, ...] = (
    Query(),
    Query(newest_first=False),
    Query(host="h0"),
    Query(component="app"),
    Query(tier="tier1"),
    *(Query(**{name: "a"}) for name in ("alias", *OF_RUN)),  # type: ignore[arg-type]
    Query(since=moment(START)),
    Query(until=moment(START)),
    *(Query(state=state) for state in State),
    Query(recovery_point="0" * 12),
    Query(snapshot="0" * 12),
)


@pytest.mark.parametrize("query", KEYS, ids=str)
@pytest.mark.parametrize("walks", [True, False])
def test_namings_and_snapshots_are_never_looked_through_from_end_to_end(query: Query, walks: bool) -> None:
    """Of a million of them that would take a second. Nor are all namings sorted for a few: they lie in order."""
    with indexed([entry(0, [naming(stream("h0", "tier1", ["app"]), START, STORED, START)])]) as index:
        search = Search(index)
        search._walks_snapshots = lambda *_asked: walks  # type: ignore[method-assign]
        asked: list[str] = []
        index.connection.set_trace_callback(asked.append)
        found(search, query)
        index.connection.set_trace_callback(None)
        for sql in [one for one in asked if one.startswith("SELECT")]:
            plan = [row[3] for row in index.connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
            assert not [step for step in plan if step.startswith(("SCAN n", "SCAN s"))], (sql, plan)
            by_digest = query.snapshot is not None and walks and "snapshot s" in sql
            assert not by_digest or any("snapshot_manifest" in step or "s USING INTEGER" in step for step in plan), plan
            ordered = "FROM point p CROSS JOIN naming n" in sql and query.recovery_point is None
            assert not (ordered and any("TEMP B-TREE" in step for step in plan)), (sql, plan)
