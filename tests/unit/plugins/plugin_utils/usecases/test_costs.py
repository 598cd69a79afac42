# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run asks of store and keyring, counted call by call (docs/design/costs.md).

A call is one of the store's interface; the time that a put asks for inside is not counted, since a store far away
answers that from what it was told before.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.format import body as body_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import statement as statement_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import (
    ClassYearKey,
    DigestKey,
    PublicKeys,
    Signature,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import (
    STATEMENT_LIMIT,
    Body,
    Statement,
    StreamState,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Listed, Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import events, objects, open_point, points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.points import Point
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository, sign_envelope
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import OpenPoint
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .faults import FaultyStore
from .lab import COMPONENTS, FILES, Clock, Lab, declared
from .test_approvals import Council, asked, followed, governed, planted

Calls = Sequence[tuple[str, str]]
Sources = Mapping[str, MemorySource]


class CountedStore(FaultyStore):
    """Counts what it passes on, and tells lists by what they list."""

    def __init__(self, inner: Store, calls: list[tuple[str, str]]) -> None:
        super().__init__(inner)
        self.calls = calls

    def _list(self, prefix: str) -> Iterator[Listed]:
        return iter(self._call("list", prefix, lambda: list(self._inner.list(prefix))))


class CountedKeyring(Keyring):
    """Counts what it passes on."""

    def __init__(self, inner: Keyring, calls: list[tuple[str, str]]) -> None:
        self._inner = inner
        self._calls = calls

    def create(self, *args: t.Any, **given: t.Any) -> PublicKeys:
        self._calls.append(("create", ""))
        return self._inner.create(*args, **given)

    def renew(self, *args: t.Any, **given: t.Any) -> PublicKeys:
        self._calls.append(("renew", ""))
        return self._inner.renew(*args, **given)

    def made(self, *, repository: str) -> PublicKeys:
        self._calls.append(("made", repository))
        return self._inner.made(repository=repository)

    def signer(self, *, use: str, among: Collection[str]) -> str:
        self._calls.append(("signer", use))
        return self._inner.signer(use=use, among=among)

    def sign(self, pae: bytes, *, use: str, key_id: str) -> Signature:
        self._calls.append(("sign", use))
        return self._inner.sign(pae, use=use, key_id=key_id)

    def digest_key(self, key: DigestKey, *, repository: str) -> bytes:
        self._calls.append(("digest_key", key.id))
        return self._inner.digest_key(key, repository=repository)

    def unwrap(self, key: ClassYearKey, wrapped: bytes) -> str:
        self._calls.append(("unwrap", key.id))
        return self._inner.unwrap(key, wrapped)

    def destroy(self, key: ClassYearKey) -> bool:
        self._calls.append(("destroy", key.id))
        return self._inner.destroy(key)

    def holds(self, key: ClassYearKey) -> bool:
        self._calls.append(("holds", key.id))
        return self._inner.holds(key)


@dataclasses.dataclass(frozen=True)
class Spent:
    """The calls of one run by the tasks of its play, and what open decided and seal left."""

    open: Calls
    workers: Calls
    seal: Calls
    opened: OpenPoint
    sealed: Point


def measured(lab: Lab, sources: Sources, *, pin: str | None = None, policy: Callable[[], Policy] = declared) -> Spent:
    """One run in which open and seal connect anew, as two tasks of a play do; the next one is an hour later."""
    calls: list[tuple[str, str]] = []
    store, keyring = CountedStore(lab.store, calls), CountedKeyring(lab.keyring, calls)
    folder = lab.folder()

    def connected() -> Lab:
        repository = open_repository(store, pin=pin or lab.repository.root.id)
        return dataclasses.replace(lab, repository=repository, keyring=keyring)

    opening_lab = connected()
    opened = events.announce(folder, opening_lab.repository, keyring, opening_lab.open(folder, *sources))
    opening = tuple(calls)
    for host, source in sources.items():
        lab.on(store).snapshot(folder, source, host, policy)
    working = tuple(calls[len(opening) :])
    sealed = connected().seal(folder)
    sealing = tuple(calls[len(opening) + len(working) :])
    assert sealed.complete
    (name,) = (name for name in lab.names("points/") if names.parse(name).sha256 == sealed.id)
    t.cast(Clock, lab.wall_clock).advance(hours=1)
    return Spent(opening, working, sealing, opened, points.read_point(lab.repository, name))


def counted(calls: Calls) -> dict[str, int]:
    """How often what was asked for: ``get points``, ``list bodies``, ``sign``."""
    tally = collections.Counter(f"{call} {what.partition('/')[0]}" if "/" in what else call for call, what in calls)
    return dict(sorted(tally.items()))


def opening(
    *,
    links: int = 1,
    uncovered: int = 1,
    days: int = 1,
    parents: int = 0,
    retired: int = 0,
    digest_keys: int = 1,
    lists: int = 0,
) -> dict[str, int]:
    """What open calls, whatever the number of hosts.

    :param links: of the root's chain.
    :param uncovered: points that no full body has taken in, the newest full one among them.
    :param parents: covered parents of uncovered points under an older root link than the newest.
    :param retired: records that no full body has taken in.
    :param digest_keys: the current one, and each other one that a fingerprint of an expected host stands under.
    :param days: on which the uncovered points were sealed.
    :param lists: of packs and manifests, where the medium does not enforce locks.
    """
    found = {
        "list root": 1,
        "get root": links,
        "clock": 1,
        "list points": 1,
        "get points": uncovered + parents,
        "list bodies": days,
        "get bodies": uncovered,
        "list records": 3,
        "get records": retired,
        "list packs": lists,
        "list manifests": lists,
        "put records": 1,
        "digest_key": digest_keys,
        "signer": 2,
        "sign": 1,
    }
    return {name: number for name, number in sorted(found.items()) if number}


def sealing(*, links: int = 1) -> dict[str, int]:
    """What seal calls where no silent stream needs a later lock."""
    found = {"list root": 1, "get root": links, "put bodies": 1, "put points": 1, "signer": 1, "sign": 1}
    return dict(sorted(found.items()))


def holds(spent: Spent, opened: dict[str, int], sealed: dict[str, int] | None = None) -> None:
    """An unchanged run cost exactly that; no task asked for the same thing twice, and no worker for anything."""
    assert counted(spent.open) == opened
    assert counted(spent.workers) == {}
    assert counted(spent.seal) == (sealed or sealing())
    for called in (spent.open, spent.seal):
        # which key signs a keyring knows after it has been asked once
        calls = [call for call in called if call[0] != "signer"]
        assert sorted(set(calls)) == sorted(calls)


def fleet(hosts: int) -> dict[str, MemorySource]:
    return {f"h{number}": MemorySource(FILES) for number in range(hosts)}


def spelled(lab: Lab, statement: Statement, body: Body, by: str) -> dict[str, bytes]:
    """Body and statement of a point as seal puts them, by name; the statement says which body it is of."""
    data = body_format.write(body)
    body_name = names.for_point(names.Kind.BODY, body.sealed_at, body.run, data)
    told = dataclasses.replace(statement, body_name=body_name, body_sha256=names.parse(body_name).sha256)
    payload = statement_format.payload(told)
    envelope = sign_envelope(lab.keyring, statement_format.PAYLOAD_TYPE, payload, use="point", by=by)
    return {body_name: data, names.for_point(names.Kind.POINT, body.sealed_at, body.run, envelope): envelope}


def signing_key(lab: Lab, at: dt.datetime) -> str:
    """The key that signs points at that moment."""
    return lab.keyring.signer(use="point", among=lab.repository.root.signing("point", at))


def put_all(lab: Lab, found: Mapping[str, bytes], at: dt.datetime) -> None:
    """Put a body and its statement with the locks of points sealed at that moment."""
    lock_until = keep.point_lock(at, lab.repository.root.longest_days)
    for name, data in found.items():
        objects.put(lab.store, name, data, lock_until=lock_until)


def put_beside(lab: Lab, point: Point, number: int) -> set[str]:
    """Put the points of so many runs that were open at the same time as that of *point*; returns their ids.

    None of them knows another, so they differ by their run alone.
    """
    by = signing_key(lab, point.body.sealed_at)
    # what is made for the run itself is what seal has put
    assert spelled(lab, point.statement, point.body, by).keys() == {point.statement.body_name, point.name}
    ids = set()
    for count in range(number):
        run = f"{count:015x}e"
        found = spelled(
            lab, dataclasses.replace(point.statement, run=run), dataclasses.replace(point.body, run=run), by
        )
        put_all(lab, found, point.body.sealed_at)
        ids |= {names.parse(name).sha256 for name in found if name.startswith("points/")}
    return ids


@pytest.fixture(autouse=True)
def in_the_middle_of_a_month(clock: Clock) -> None:
    """Events are listed by months, and those of three days are looked at: on its first days a list more."""
    clock.advance(days=4)


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Council:
    return Council.make(tmp_path_factory.mktemp("people"))


# Hosts


@pytest.mark.parametrize("hosts", [1, 20, 200])
def test_an_unchanged_run_costs_the_same_calls_at_any_number_of_hosts(lab: Lab, clock: Clock, hosts: int) -> None:
    sources = fleet(hosts)
    lab.run(sources)
    clock.advance(hours=1)
    spent = measured(lab, sources)
    holds(spent, opening())
    assert (len(spent.open), len(spent.seal)) == (11 + 4, 4 + 2)
    assert len(spent.sealed.body.streams) == 2 * hosts


def test_runs_of_all_hosts_leave_one_point_at_most_that_no_full_body_has_taken_in(lab: Lab) -> None:
    """Two bodies of all streams outweigh a full one."""
    sources = fleet(20)
    lab.run(sources)
    for _run in range(8):
        spent = measured(lab, sources)
        assert spent.opened.points_since <= 1
        holds(spent, opening(uncovered=1 + spent.opened.points_since))


def test_a_changed_stream_costs_its_worker_two_puts_and_open_and_seal_nothing(lab: Lab) -> None:
    sources = fleet(20)
    lab.run(sources)
    for number in range(3):
        sources[f"h{number}"].files["/etc/app/main.conf"] = b"changed"
    spent = measured(lab, sources)
    assert counted(spent.workers) == {"put manifests": 3, "put packs": 3}
    assert (counted(spent.open), counted(spent.seal)) == (opening(), sealing())


def test_a_silent_stream_whose_lock_runs_short_costs_seal_two_gets_and_two_puts(lab: Lab, clock: Clock) -> None:
    lab.run(fleet(4))
    # longer than any lock's renewal
    clock.advance(days=31)
    spent = measured(lab, fleet(1))
    assert counted(spent.open) == opening()
    each = dict.fromkeys(("get packs", "get manifests", "put packs", "put manifests"), 2 * 3)
    assert counted(spent.seal) == dict(sorted({**sealing(), **each}.items()))
    assert sum(entry.state is StreamState.CARRIED for entry in spent.sealed.body.streams) == 2 * 3


@pytest.mark.parametrize("hosts", [1, 20])
def test_a_medium_that_enforces_no_lock_is_listed_for_what_is_gone(
    tmp_path: Path, keys: Path, clock: Clock, hosts: int
) -> None:
    lab = Lab.make(tmp_path, MemoryStore(now=clock, enforced=False), keys, clock)
    lab.run(fleet(hosts))
    holds(measured(lab, fleet(hosts)), opening(lists=1))


# Points since the last full body


def test_each_point_since_the_last_full_body_costs_two_gets_until_there_are_a_hundred(lab: Lab) -> None:
    """Runs of one host of many: their bodies together weigh less than the full one until their number makes it due."""
    lab.run(fleet(240))
    one = fleet(1)
    spent = measured(lab, one, policy=lambda: declared(COMPONENTS[0]))
    holds(spent, opening())
    since = 1
    for number in (1, keep.FULL_AFTER_POINTS - 1, keep.FULL_AFTER_POINTS):
        put_beside(lab, spent.sealed, number - since)
        spent = measured(lab, one, policy=lambda: declared(COMPONENTS[0]))
        since = number + 1
        assert spent.opened.points_since == number
        holds(spent, opening(uncovered=1 + number))
        assert spent.sealed.body.full is (number == keep.FULL_AFTER_POINTS)
    assert set(spent.sealed.body.covers) == set(spent.opened.seen)
    assert len(spent.sealed.body.covers) == 1 + keep.FULL_AFTER_POINTS
    assert len(spent.sealed.body.streams) == 480
    holds(measured(lab, one, policy=lambda: declared(COMPONENTS[0])), opening())


def test_three_thousand_points_since_the_last_full_body_cost_as_many_and_the_next_run_ends_that(lab: Lab) -> None:
    """More than a hundred come only of runs that were all opened before one of them was sealed."""
    lab.run(fleet(8))
    one = fleet(1)
    first = measured(lab, one).sealed
    put_beside(lab, first, 3000 - 1)
    spent = measured(lab, one)
    assert (spent.opened.points_since, len(spent.opened.seen)) == (3000, 3001)
    holds(spent, opening(uncovered=3001))
    assert spent.opened.notes == ()
    point = spent.sealed
    assert (point.body.full, set(point.body.covers)) == (True, set(spent.opened.seen))
    assert len(point.body.parents) == open_point.MOST_PARENTS
    assert set(point.body.parents) < set(point.body.covers)
    envelope = dsse.read(lab.store.get(point.name), statement_format.PAYLOAD_TYPE, what=point.name)
    assert len(envelope.payload) < STATEMENT_LIMIT
    after = measured(lab, one)
    holds(after, opening())
    assert after.opened.parents == (point.id,)


# Root links


@pytest.mark.parametrize("links", [1, 2, 4])
@pytest.mark.parametrize("pinned", ["first", "newest"])
def test_each_root_link_is_read_once_by_open_and_once_by_seal(
    tmp_path: Path, keys: Path, clock: Clock, council: Council, links: int, pinned: str
) -> None:
    lab = governed(tmp_path, keys, clock, council.everybody)
    first = lab.repository.root.id
    for _link in range(links - 1):
        lab = followed(lab, council, "alice", "bob", rotate=("point",))
        clock.advance(hours=1)
    sources = fleet(4)
    lab.run(sources)
    spent = measured(lab, sources, pin=first if pinned == "first" else lab.repository.root.id)
    holds(spent, opening(links=links), sealing(links=links))


def test_under_an_older_root_a_point_costs_a_get_for_each_covered_parent_until_a_full_body_comes(
    tmp_path: Path, keys: Path, clock: Clock, council: Council
) -> None:
    lab = governed(tmp_path, keys, clock, council.everybody)
    sources = fleet(8)
    lab.run(sources)
    clock.advance(hours=1)
    before = lab.live().tips
    several = measured(lab, fleet(1)).sealed
    parents = {several.id} | put_beside(lab, several, 4)
    full = measured(lab, sources).sealed
    assert (full.body.full, set(full.body.covers)) == (True, {*before, *parents})
    assert set(full.body.parents) == parents
    holds(measured(lab, fleet(1)), opening(uncovered=1))
    lab = followed(lab, council, "alice", "bob", rotate=("point",))
    holds(measured(lab, fleet(1)), opening(links=2, uncovered=2, parents=5), sealing(links=2))
    spent = measured(lab, sources)
    assert spent.sealed.body.full
    holds(spent, opening(links=2, uncovered=3, parents=5), sealing(links=2))
    holds(measured(lab, sources), opening(links=2), sealing(links=2))


def test_a_new_digest_key_costs_one_call_more_while_fingerprints_stand_under_the_old_one(
    tmp_path: Path, keys: Path, clock: Clock, council: Council
) -> None:
    lab = governed(tmp_path, keys, clock, council.everybody)
    sources = fleet(20)
    lab.run(sources)
    lab = followed(lab, council, "alice", "bob", rotate=("digest",))
    for digest_keys in (2, 1):
        spent = measured(lab, sources)
        holds(
            spent, opening(links=2, uncovered=1 + spent.opened.points_since, digest_keys=digest_keys), sealing(links=2)
        )
        for source in sources.values():
            source.files.update({"/etc/app/main.conf": b"changed", "/etc/base": b"changed"})
        measured(lab, sources)


# Records


@pytest.mark.parametrize("retired", [0, 50])
def test_a_record_of_the_retired_costs_a_get_until_a_full_body_takes_it_in(
    tmp_path: Path, keys: Path, clock: Clock, council: Council, retired: int
) -> None:
    lab = governed(tmp_path, keys, clock, council.everybody)
    sources = fleet(12)
    lab.run(sources | {f"gone{number}": MemorySource(FILES) for number in range(retired)})
    clock.advance(hours=1)
    for number in range(retired):
        pending = asked(lab, subject={"host": f"gone{number}"})
        signatures = (council.signature(name, pending) for name in ("alice", "bob"))
        envelope = dataclasses.replace(
            pending.envelope, signatures=tuple(sorted(signatures, key=lambda signature: signature.key_id))
        )
        planted(lab, pending.operation, pending.at, dsse.write(envelope))
    clock.advance(hours=1)
    one = fleet(1)
    for since in range(2):
        spent = measured(lab, one)
        holds(spent, opening(uncovered=1 + since, retired=retired))
        assert not spent.sealed.body.full
    clock.advance(days=16)
    spent = measured(lab, sources)
    assert (spent.sealed.body.full, len(spent.sealed.body.retired)) == (True, retired)
    assert {entry.host for entry in spent.sealed.body.streams} == set(sources)
    holds(measured(lab, sources), opening())


def test_a_restore_puts_and_signs_twice_and_check_mode_never(lab: Lab, tmp_path: Path) -> None:
    lab.run()

    def spent(place: str, *, check: bool) -> dict[str, int]:
        calls: list[tuple[str, str]] = []
        counting = dataclasses.replace(
            lab.on(CountedStore(lab.store, calls)), keyring=CountedKeyring(lab.keyring, calls)
        )
        counting.restore(tmp_path / place, check=check)
        tally = counted(calls)
        return {name: tally[name] for name in ("clock", "put records", "signer", "sign") if name in tally}

    looked = spent("one", check=True)
    assert not {"put records", "signer", "sign"} & looked.keys()
    done = spent("two", check=False)
    assert (done["put records"], done["signer"], done["sign"]) == (2, 2, 2)
    assert done["clock"] - looked.get("clock", 0) == 2
