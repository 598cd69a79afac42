# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a replica gets, in which order and how long locked; and what is said of how it differs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import typing as t
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    FullError,
    PolicyError,
    StoreError,
    TrustError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.model.replica import CopiedBy, Depth
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Listed, Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import events, replicate
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.replica_objects import Pair
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .faults import FaultyStore
from .forge import Forge
from .lab import FILES, START, Clock, Lab, problems
from .replica_sites import Sites, early_points, held, longest_locks


@pytest.fixture
def sites(lab: Lab, clock: Clock) -> Sites:
    """A repository with two points of two hosts, and an empty replica."""
    found = Sites(lab, clock)
    backed_up(found)
    clock.advance(hours=1)
    backed_up(found, b"other")
    return found


def backed_up(sites: Sites, text: bytes = b"x") -> str:
    """Back both hosts up; returns the name of the point."""
    sealed = sites.lab.run(
        {host: MemorySource({**FILES, "/etc/app/other": text + host.encode()}) for host in ("a", "b")}
    )
    return sealed.name


def put(store: Store, name: str, data: bytes, lock_until: dt.datetime) -> None:
    store.put_new(name, io.BytesIO(data), lock_until=lock_until)


def one(sites: Sites, kind: str, number: int = 0) -> str:
    return sites.lab.names(f"{kind}/")[number]


def replace(store: Store, name: str, data: bytes | None) -> None:
    """Let all versions of a name hold other bytes, or none be there: what a disk does."""
    assert isinstance(store, MemoryStore)
    if data is None:
        del store._versions[name]
        return
    for version in store._versions[name]:
        version.data = data
        version.listed = dataclasses.replace(version.listed, size=len(data))


class TestCopies:
    def test_all_of_it_with_its_locks_and_it_restores(self, sites: Sites) -> None:
        done = sites.replicate()
        assert set(done.copied) == held(sites.lab.store) == held(sites.far)
        assert longest_locks(sites.far) == longest_locks(sites.lab.store)
        assert done.copied_bytes == sum(listed.size for listed in sites.far.list())
        assert not done.findings
        there = sites.at_far()
        assert not problems(there.verify())
        assert there.contents("a") == sites.lab.contents("a")

    def test_nothing_when_all_is_there(self, sites: Sites) -> None:
        sites.replicate()
        watched = FaultyStore(sites.far)
        for depth in Depth:
            again = sites.replicate(watched, depth=depth)
            assert (again.copied, again.copied_bytes, again.lag.seconds) == ((), 0, 0)
        assert {operation for operation, _name in watched.calls} <= {"list", "clock", "head", "get"}

    def test_nothing_in_check_mode_and_says_what_it_would_copy(self, sites: Sites) -> None:
        would = sites.replicate(check=True)
        assert not list(sites.far.list())
        done = sites.replicate()
        assert (set(would.copied), would.copied_bytes) == (set(done.copied), done.copied_bytes)

    def test_in_the_order_in_which_readers_need_it(self, sites: Sites) -> None:
        copied = sites.replicate().copied
        kinds = [name.partition("/")[0] for name in copied]
        assert kinds == sorted(kinds, key=["root", "packs", "manifests", "bodies", "points", "records"].index)

    def test_later_only_what_is_new(self, sites: Sites) -> None:
        sites.replicate()
        sites.clock.advance(hours=1)
        backed_up(sites, b"third")
        done = sites.replicate(depth=Depth.NAMES)
        assert sorted(name.partition("/")[0] for name in done.copied) == [
            "bodies",
            *["manifests"] * 2,
            *["packs"] * 2,
            "points",
        ]

    def test_what_was_carried_again_with_the_later_lock(self, sites: Sites) -> None:
        sites.replicate()
        sites.clock.advance(days=60)
        # b does not answer
        sites.lab.run({"a": MemorySource(FILES)})
        done = sites.replicate()
        assert done.renewed
        assert longest_locks(sites.far) == longest_locks(sites.lab.store)

    def test_never_with_a_lock_shorter_than_the_keep_rule(self, sites: Sites) -> None:
        name = one(sites, "packs")
        data = sites.lab.store.get(name)
        replace(sites.lab.store, name, None)
        put(sites.lab.store, name, data, sites.clock() + dt.timedelta(hours=1))
        sites.replicate()
        parts = names.parse(name)
        assert parts.at is not None
        days = sites.lab.repository.root.classes[parts.retention_class].days
        assert longest_locks(sites.far)[name] == parts.at + dt.timedelta(days=days)
        assert not sites.replicate().copied

    def test_no_delete_marker(self, sites: Sites) -> None:
        sites.replicate()
        for name in sites.lab.names():
            sites.lab.memory.put_marker(name)
        done = sites.replicate()
        assert not done.copied
        assert not [listed for listed in sites.far.list() if listed.marker]
        assert held(sites.far) == held(sites.lab.store)

    def test_what_a_marker_hides_all_the_same(self, sites: Sites) -> None:
        for name in sites.lab.names():
            sites.lab.memory.put_marker(name)
        sites.replicate()
        assert held(sites.far) == held(sites.lab.store)
        assert not problems(sites.at_far().verify())

    def test_the_right_version_beside_wrong_ones(self, sites: Sites) -> None:
        name = one(sites, "packs")
        put(sites.lab.store, name, b"wrong", sites.clock() + dt.timedelta(days=900))
        sites.replicate()
        assert sites.far.get(name) != b"wrong"
        assert name in held(sites.far)
        # the wrong one has the longer lock, and is no reason to send the right one again
        assert not sites.replicate().copied

    def test_what_is_no_object_stays(self, sites: Sites) -> None:
        put(sites.lab.store, "packs/d0030/x", b"?", sites.clock() + dt.timedelta(days=9))
        sites.replicate()
        assert not list(sites.far.list("packs/d0030/x"))

    def test_what_is_let_go_of_by_now_is_not_sent(self, sites: Sites) -> None:
        sites.clock.advance(days=2000)
        done = sites.replicate()
        assert {name.partition("/")[0] for name in done.copied} == {"root"}

    def test_what_is_in_grace_is_sent_and_may_go_soon(self, sites: Sites) -> None:
        sites.clock.advance(days=150)
        sites.replicate()
        name = next(name for name in sites.lab.names("packs/d0030/"))
        assert longest_locks(sites.far)[name] == sites.clock() + dt.timedelta(days=1)

    def test_to_a_folder(self, sites: Sites, tmp_path: Path) -> None:
        far = FileStore.create(tmp_path / "far")
        sites.replicate(far)
        assert held(far) == held(sites.lab.store)


class TestDamage:
    def test_in_the_repository_is_named_and_not_copied(self, sites: Sites) -> None:
        name = one(sites, "packs")
        replace(sites.lab.store, name, b"rotten")
        done = sites.replicate()
        assert name not in held(sites.far)
        (finding,) = done.findings
        assert (finding.severity, finding.item) == (Severity.ERROR, name)
        assert "damaged" in finding.problem
        # 199 other hosts' newest copies do not wait for what never comes
        assert not done.held_back
        assert len(sites.far_points()) == 2

    def test_in_the_repository_alone_is_told_with_where_it_is(self, sites: Sites) -> None:
        sites.replicate()
        name = one(sites, "packs")
        replace(sites.lab.store, name, b"rotten")
        (finding,) = sites.replicate().findings
        assert "holdfast_read_from=far" in finding.remedy
        assert name in held(sites.far)

    @pytest.mark.parametrize("kind", ["root", "packs", "manifests", "bodies", "points"])
    def test_at_the_replica_is_mended(self, sites: Sites, kind: str) -> None:
        sites.replicate()
        name = one(sites, kind)
        size = len(sites.far.get(name))
        replace(sites.far, name, b"x" * size)
        assert sites.compare(Depth.LOCKS).damaged == 0
        assert sites.compare(Depth.CONTENT).damaged == 1
        done = sites.replicate(depth=Depth.CONTENT)
        assert (done.copied, done.mended) == ((name,), 1)
        assert name in held(sites.far)

    def test_of_another_size_is_seen_by_the_listing(self, sites: Sites) -> None:
        sites.replicate()
        replace(sites.far, one(sites, "packs"), b"x")
        assert sites.replicate(depth=Depth.NAMES).mended == 1

    def test_a_short_lock_at_the_replica_is_mended(self, sites: Sites) -> None:
        sites.replicate()
        name = one(sites, "packs")
        data = sites.far.get(name)
        replace(sites.far, name, None)
        put(sites.far, name, data, sites.clock() + dt.timedelta(hours=1))
        assert sites.compare().short == 1
        assert sites.replicate().renewed == 1
        assert sites.compare().short == 0

    def test_a_rotten_version_with_the_longer_lock_keeps_nothing(self, sites: Sites) -> None:
        sites.replicate()
        name = one(sites, "packs")
        data = sites.far.get(name)
        replace(sites.far, name, None)
        put(sites.far, name, data, sites.clock() + dt.timedelta(hours=1))
        put(sites.far, name, b"x" * len(data), sites.clock() + dt.timedelta(days=3000))
        assert sites.replicate(depth=Depth.CONTENT).renewed == 1
        assert sites.compare(Depth.CONTENT).short == 0


class TestOrder:
    def test_a_point_waits_for_what_cannot_be_read_now_and_its_children_with_it(self, sites: Sites) -> None:
        name = one(sites, "packs")

        def archived(_number: int, operation: str, of: str) -> None:
            if operation == "get" and of == name:
                raise ArchivedError("rests in an archive class", item=of, remedy="Ask for it back")

        points = sites.lab.names("points/")
        near = FaultyStore(sites.lab.store, before=archived)
        first = replicate.replicate(sites.lab.on(near).repository, sites.replica(), seed=True)
        assert list(first.held_back) == points
        assert not sites.far_points()
        assert not early_points(sites.lab.store, sites.far)
        assert first.lag.points == 2
        again = sites.replicate()
        assert not again.held_back
        assert sites.far_points() == points

    def test_another_version_is_read_where_the_newest_rests(self, sites: Sites) -> None:
        """Once carried, the current version may be in an archive class and the one before it not."""
        name = one(sites, "packs")
        later = sites.clock() + dt.timedelta(days=900)
        put(sites.lab.store, name, sites.lab.store.get(name), later)
        newest = list(sites.lab.store.list(name))[-1].version
        inner = MemoryStore._get

        def resting(store: MemoryStore, of: str, version: str | None) -> bytes:
            if (of, version) == (name, newest):
                raise ArchivedError("rests in an archive class", item=of, remedy="Ask for it back")
            return inner(store, of, version)

        with mock.patch.object(MemoryStore, "_get", resting):
            assert not sites.replicate().held_back
        assert longest_locks(sites.far)[name] >= later

    def test_a_point_waits_for_a_pack_of_a_class_that_came_after_the_root_was_read(self, sites: Sites) -> None:
        name = one(sites, "packs")
        with mock.patch.object(Pair, "_known", lambda _pair, parts: parts.sha256 != names.parse(name).sha256):
            assert sites.replicate().held_back
        assert not early_points(sites.lab.store, sites.far)
        assert not sites.replicate().held_back

    def test_a_point_comes_after_its_parent_whatever_their_names(self, sites: Sites) -> None:
        parent = one(sites, "points", 1)
        told = {"sealed_at": START - dt.timedelta(hours=1), "parents": (names.parse(parent).sha256,)}
        child = Forge(sites.lab).put(statement=told, body=told)
        assert child < parent
        assert sites.replicate().copied[-2:] == (parent, child)

    def test_what_is_sealed_meanwhile_is_the_next_runs(self, sites: Sites) -> None:
        def sealed(number: int, operation: str, name: str) -> None:
            if operation == "put" and name.startswith("manifests/") and not late:
                late.append(name)
                sites.clock.advance(seconds=5)
                backed_up(sites, b"meanwhile")

        late: list[str] = []
        before = sites.lab.names("points/")
        sites.replicate(FaultyStore(sites.far, after=sealed))
        assert late
        assert sites.far_points() == before
        assert not early_points(sites.lab.store, sites.far)
        sites.replicate()
        assert held(sites.far) == held(sites.lab.store)


class TestRefuses:
    def test_an_empty_replica_unless_told_to_seed_it(self, sites: Sites) -> None:
        with pytest.raises(PolicyError, match="replica far is empty"):
            sites.replicate(seed=False)
        assert not list(sites.far.list())
        sites.replicate()
        sites.replicate(seed=False)

    def test_a_store_that_cannot_hold_locks_is_no_replica(self, sites: Sites) -> None:
        def no_lock(_number: int, operation: str, _name: str) -> None:
            if operation == "probe":
                raise StoreError("ignores locks")

        with pytest.raises(StoreError, match="ignores locks"):
            sites.replicate(FaultyStore(sites.far, before=no_lock))
        assert not list(sites.far.list())

    def test_another_repository(self, sites: Sites, tmp_path: Path, other_keys: Path) -> None:
        Lab.make(tmp_path / "other", sites.far, other_keys, sites.clock)
        with pytest.raises(TrustError, match="holds another repository"):
            sites.replicate()
        with pytest.raises(TrustError):
            sites.compare()

    def test_one_that_servers_copy_to(self, sites: Sites) -> None:
        with pytest.raises(PolicyError, match="copied by the servers"):
            replicate.replicate(sites.lab.repository, sites.replica(copied_by=CopiedBy.SERVER), seed=True)


class TestInterrupted:
    @pytest.mark.parametrize("error", [UnavailableError, FullError])
    def test_says_what_was_copied_and_goes_on_from_there(self, sites: Sites, error: type[StoreError]) -> None:
        def full(number: int, operation: str, _name: str) -> None:
            if operation == "put" and number > 20:
                raise error("no more")

        with pytest.raises(error) as caught:
            sites.replicate(FaultyStore(sites.far, before=full))
        there = held(sites.far)
        assert caught.value.details["copied"] == len(there) > 0
        again = sites.replicate()
        assert set(again.copied) == held(sites.lab.store) - there

    def test_at_every_call_no_point_is_early_and_the_next_run_completes(self, sites: Sites) -> None:
        watched = FaultyStore(MemoryStore(now=sites.clock))
        sites.replicate(watched)
        for last in range(len(watched.calls)):
            sites.far = MemoryStore(now=sites.clock)

            def killed(number: int, _operation: str, _name: str, last: int = last) -> None:
                if number >= last:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                sites.replicate(FaultyStore(sites.far, after=killed))
            assert not early_points(sites.lab.store, sites.far)
            sites.replicate()
            assert longest_locks(sites.far) == longest_locks(sites.lab.store)
            assert len(list(sites.far.list())) == len(held(sites.far))


class TestLag:
    def test_of_an_empty_replica_is_the_age_of_the_first_point(self, sites: Sites) -> None:
        sites.clock.advance(hours=2)
        lag = sites.compare().lag
        assert (lag.points, lag.seconds) == (2, 3 * 3600)
        assert lag.newest == START + dt.timedelta(hours=1)
        assert (lag.newest_there, lag.oldest_waiting) == (None, START)

    def test_ends_with_the_run(self, sites: Sites) -> None:
        sites.clock.advance(hours=2)
        done = sites.replicate()
        assert (done.before.seconds, done.lag.seconds, done.lag.points) == (3 * 3600, 0, 0)
        assert done.lag.newest_there == done.lag.newest

    def test_counts_from_the_oldest_that_waits(self, sites: Sites) -> None:
        sites.replicate()
        sites.clock.advance(hours=5)
        backed_up(sites, b"late")
        sites.clock.advance(minutes=3)
        lag = sites.compare(Depth.NAMES).lag
        assert (lag.points, lag.seconds) == (1, 180)


class TestCompares:
    def test_equal_sites(self, sites: Sites) -> None:
        sites.replicate()
        for depth in Depth:
            state = sites.compare(depth)
            assert (state.lacking, state.short, state.damaged, state.extra, state.findings) == (0, 0, 0, 0, ())
            assert state.objects == len(held(sites.lab.store))

    def test_what_is_behind_is_a_warning(self, sites: Sites) -> None:
        sites.replicate()
        sites.clock.advance(hours=1)
        backed_up(sites, b"late")
        state = sites.compare()
        assert state.lacking > 2
        assert {finding.severity for finding in state.findings} == {Severity.WARNING}

    def test_an_empty_replica_is_an_error(self, sites: Sites) -> None:
        state = sites.compare()
        assert state.lacking == len(held(sites.lab.store))
        assert "is empty" in next(f.problem for f in state.findings if f.severity is Severity.ERROR)

    @pytest.mark.parametrize("kind", ["packs", "manifests", "bodies"])
    def test_what_a_point_of_the_replica_names_and_it_lacks_is_an_error(self, sites: Sites, kind: str) -> None:
        sites.replicate()
        name = one(sites, kind)
        replace(sites.far, name, None)
        state = sites.compare()
        assert state.lag.seconds == 0
        assert [(f.item, f.severity) for f in state.findings] == [(name, Severity.ERROR)]

    def test_what_the_repository_has_lost_is_an_error(self, sites: Sites) -> None:
        sites.replicate()
        name = one(sites, "points", 1)
        replace(sites.lab.store, name, None)
        state = sites.compare()
        assert state.extra == 1
        (finding,) = state.findings
        assert (finding.severity, finding.item) == (Severity.ERROR, name)
        # and nothing is taken from the replica for it
        assert [finding.item for finding in sites.replicate().findings] == [name]
        assert name in held(sites.far)

    def test_what_has_expired_in_the_repository_is_none(self, sites: Sites) -> None:
        sites.replicate()
        sites.clock.advance(days=3000)
        for name in sites.lab.names("packs/"):
            replace(sites.lab.store, name, None)
        assert sites.compare().extra == 0

    def test_a_marker_on_a_point_of_the_replica(self, sites: Sites) -> None:
        sites.replicate()
        assert isinstance(sites.far, MemoryStore)
        sites.far.put_marker(one(sites, "points"))
        (finding,) = sites.compare().findings
        assert finding.severity is Severity.ERROR
        assert "marked as deleted at replica far" in finding.problem

    def test_the_record_of_a_restore_there_comes_home(self, sites: Sites, tmp_path: Path) -> None:
        sites.replicate()
        restored = sites.at_far().restore(tmp_path / "under", host="a")
        assert restored.record is not None
        state = sites.compare()
        assert state.extra == 0
        assert [finding.severity for finding in state.findings] == [Severity.WARNING] * 2
        (begun,) = (finding.item for finding in state.findings if finding.item != restored.record)
        left = {begun, restored.record}
        assert set(sites.replicate(check=True).returned) == left
        assert not left & set(held(sites.lab.store))
        assert set(sites.replicate().returned) == left
        assert left <= set(held(sites.lab.store))
        assert not sites.compare().findings
        assert not problems(sites.lab.verify())

    def test_what_no_key_of_the_repository_signed_does_not_come_home(self, sites: Sites) -> None:
        sites.replicate()
        data = b"x" * 1000
        name = names.for_record("restore", sites.clock(), data)
        put(sites.far, name, data, sites.clock() + dt.timedelta(days=36500))
        assert sites.replicate().returned == ()
        assert name not in held(sites.lab.store)

    def test_what_a_run_said_of_itself_does_not_come_home(self, sites: Sites) -> None:
        lab = sites.at_far()
        sites.replicate()
        name = events.put_event(lab.repository, lab.keyring, events.INTENT, {"run": "1" * 16, "point": "main"}, {})
        assert sites.replicate().returned == ()
        assert [finding.item for finding in sites.compare().findings if finding.severity is Severity.ERROR]
        assert name not in held(sites.lab.store)

    def test_many_are_counted_and_some_named(self, sites: Sites) -> None:
        for number in range(30):
            sites.clock.advance(minutes=1)
            backed_up(sites, b"%d" % number)
        state = sites.compare()
        assert len(state.findings) == 1 + 21
        assert state.findings[-1].item == f"{state.lacking - 20} more objects"


class Silent(FaultyStore):
    """A store whose lists tell no locks, as those of S3 do not."""

    def _list(self, prefix: str) -> Iterator[Listed]:
        for listed in super()._list(prefix):
            yield dataclasses.replace(listed, lock_until=None, lock_known=False)


class TestListsWithoutLocks:
    @pytest.fixture
    def silent(self, sites: Sites) -> Sites:
        sites.lab = sites.lab.on(Silent(sites.lab.store))
        sites.far = Silent(sites.far)
        return sites

    def asked(self, sites: Sites, depth: Depth) -> int:
        """How many locks a run asks for."""
        near, far = t.cast("Silent", sites.lab.store), t.cast("Silent", sites.far)
        start = len(near.calls), len(far.calls)
        sites.replicate(depth=depth)
        return [operation for operation, _name in (*near.calls[start[0] :], *far.calls[start[1] :])].count("head")

    def test_copies_with_the_locks_all_the_same(self, silent: Sites) -> None:
        for depth in Depth:
            silent.clock.advance(hours=1)
            backed_up(silent, depth.name.encode())
            silent.replicate(depth=depth)
            assert told(silent.far) == told(silent.lab.store)

    def test_names_asks_for_no_lock_and_locks_for_all(self, silent: Sites) -> None:
        silent.replicate()
        assert self.asked(silent, Depth.NAMES) == 0
        assert self.asked(silent, Depth.LOCKS) == 2 * len(list(silent.far.list()))

    def test_names_sees_what_was_carried_and_asks_only_for_that(self, silent: Sites) -> None:
        silent.replicate()
        silent.clock.advance(days=60)
        silent.lab.run({"a": MemorySource(FILES)})
        assert silent.replicate(depth=Depth.NAMES).renewed
        assert told(silent.far) == told(silent.lab.store)
        # what came within the time by which clocks may differ is looked at again
        assert 0 < self.asked(silent, Depth.NAMES) <= 4 * len(list(silent.far.list()))
        assert not silent.replicate(depth=Depth.NAMES).copied

    def test_a_copy_made_long_after_the_last_version_is_of_that(self, silent: Sites) -> None:
        silent.clock.advance(days=60)
        silent.lab.run({"a": MemorySource(FILES)})
        silent.clock.advance(hours=1)
        silent.replicate()
        assert self.asked(silent, Depth.NAMES) == 0


def told(store: Store) -> dict[str, t.Any]:
    """The latest lock of each name, asked for one by one."""
    found: dict[str, t.Any] = {}
    for listed in store.list():
        lock = store.with_lock(listed).lock_until
        found[listed.name] = max(lock, found.get(listed.name, lock))
    return found


ACTIONS = ("back up", "silent", "replicate", "cut", "lose far", "rot far", "mark", "wait")


class TestAnyHistory:
    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    @given(actions=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 40)), max_size=12))
    def test_a_point_is_never_early_and_the_replica_becomes_the_repository(
        self, tmp_path_factory: pytest.TempPathFactory, keys: Path, actions: list[tuple[str, int]]
    ) -> None:
        clock = Clock()
        with clock.ruling():
            lab = Lab.make(tmp_path_factory.mktemp("history"), MemoryStore(now=clock), keys, clock)
            sites = Sites(lab, clock)
            backed_up(sites)
            for action, number in actions:
                clock.advance(minutes=1)
                act(sites, action, number)
                assert not early_points(lab.store, sites.far)
            done = sites.replicate(depth=Depth.CONTENT)
            assert not done.held_back
            assert held(sites.far) >= held(lab.store)
            far = longest_locks(sites.far)
            assert all(far[name] >= lock for name, lock in longest_locks(lab.store).items())
            assert not problems(sites.at_far().verify())


def act(sites: Sites, action: str, number: int) -> None:
    """One step of a history."""
    listed = list(sites.far.list())
    some = listed[number % len(listed)].name if listed else ""
    if action == "back up":
        backed_up(sites, b"%d" % number)
    elif action == "silent":
        sites.lab.run({"a": MemorySource(FILES)})
    elif action == "wait":
        sites.clock.advance(days=number)
    elif action == "replicate":
        sites.replicate(depth=list(Depth)[number % 3])
    elif action == "cut":

        def cut(at: int, _operation: str, _name: str) -> None:
            if at >= number:
                raise UnavailableError("cut")

        try:
            sites.replicate(FaultyStore(sites.far, before=cut))
        except UnavailableError:
            return
    elif some and action == "mark":
        sites.lab.memory.put_marker(some)
    elif some and action == "lose far":
        # all of it: what a single lost object means for the points there no order can help
        sites.far = MemoryStore("memory://far", now=sites.clock)
    elif some and action == "rot far" and not some.startswith(("packs/", "manifests/", "bodies/", "points/")):
        replace(sites.far, some, b"rotten")
