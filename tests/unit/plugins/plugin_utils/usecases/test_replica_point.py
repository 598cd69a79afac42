# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A point that is waited for: what is copied for it, what is asked, and what is said where it does not come."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    ReplicaBehindError,
    RunAbandonedError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.model.replica import CopiedBy
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import replica_point
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.replica_objects import Replica
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .faults import FaultyStore
from .lab import FILES, Clock, Lab, problems
from .replica_sites import Sites, early_points, held, longest_locks


@pytest.fixture
def sites(lab: Lab, clock: Clock) -> Sites:
    """A repository with a point, and a replica that has it."""
    found = Sites(lab, clock)
    backed_up(found)
    found.replicate()
    clock.advance(hours=1)
    return found


def backed_up(sites: Sites, text: bytes = b"x", hosts: int = 3) -> str:
    """Back hosts up; returns the name of the point."""
    sources = {f"h{n}": MemorySource({**FILES, "/etc/app/other": text}) for n in range(hosts)}
    return sites.lab.run(sources).name


def bring(sites: Sites, point: str, far: MemoryStore | FaultyStore | None = None) -> None:
    replica_point.bring(sites.lab.repository, sites.replica(far), point)


def test_seal_names_its_point(sites: Sites) -> None:
    assert backed_up(sites) == sites.lab.names("points/")[-1]


def test_brings_what_its_run_has_put_and_no_more(sites: Sites) -> None:
    point = backed_up(sites, b"new")
    before = held(sites.far)
    watched = FaultyStore(sites.far)
    bring(sites, point, watched)
    put = [name for operation, name in watched.calls if operation == "put"]
    assert put[-1] == point
    assert set(put) == held(sites.far) - before == held(sites.lab.store) - before
    assert longest_locks(sites.far) == longest_locks(sites.lab.store)
    assert not sites.replicate().copied
    assert not problems(sites.at_far().verify())


def test_of_unchanged_hosts_asks_the_same_however_many_they_are(sites: Sites) -> None:
    calls = []
    for hosts in (3, 9):
        backed_up(sites, hosts=hosts)
        sites.replicate()
        sites.clock.advance(hours=1)
        watched = FaultyStore(sites.far)
        bring(sites, backed_up(sites, hosts=hosts), watched)
        calls.append([operation for operation, _name in watched.calls])
    assert calls[0] == calls[1]
    assert calls[0].count("put") == 2


def test_brings_carried_snapshots_with_their_later_lock(sites: Sites) -> None:
    sites.clock.advance(days=60)
    point = backed_up(sites, hosts=1)
    bring(sites, point)
    assert longest_locks(sites.far) == longest_locks(sites.lab.store)


def test_brings_the_later_lock_of_what_has_not_changed_in_a_run_of_days(sites: Sites) -> None:
    sources = {f"h{n}": MemorySource({**FILES, "/etc/app/other": b"x"}) for n in range(3)}
    folder = sites.lab.folder()
    sites.lab.open(folder, *sources)
    for host, source in sources.items():
        sites.lab.snapshot(folder, source, host)
    sites.clock.advance(days=31)
    sealed = sites.lab.seal(folder)
    assert (sealed.unchanged, sealed.stored) == (6, 0)
    bring(sites, sealed.name)
    assert longest_locks(sites.far) == longest_locks(sites.lab.store)
    assert not sites.replicate().renewed


def test_brings_the_stamp_that_stands_beside_it(sites: Sites) -> None:
    point = backed_up(sites)
    parts = names.parse(point)
    assert parts.at is not None
    stamp = names.for_point(names.Kind.STAMP, parts.at, parts.run, b"token")
    sites.lab.store.put_new(stamp, io.BytesIO(b"token"), lock_until=sites.clock() + dt.timedelta(days=500))
    bring(sites, point)
    assert stamp in held(sites.far)


def test_twice_is_once(sites: Sites) -> None:
    point = backed_up(sites, b"new")
    bring(sites, point)
    watched = FaultyStore(sites.far)
    bring(sites, point, watched)
    assert "put" not in [operation for operation, _name in watched.calls]


def test_a_replica_that_is_behind_is_brought_up_to_date_first(sites: Sites) -> None:
    for text in (b"1", b"2"):
        backed_up(sites, text)
        sites.clock.advance(hours=1)
    bring(sites, backed_up(sites, b"3"))
    assert held(sites.far) == held(sites.lab.store)


def test_a_replica_that_is_behind_and_cannot_have_a_damaged_pack_does_not_have_the_point(sites: Sites) -> None:
    backed_up(sites, b"1")
    sites.clock.advance(hours=1)
    before = held(sites.lab.store)
    point = backed_up(sites, b"2")
    (pack, *_more) = sorted(name for name in held(sites.lab.store) - before if name.startswith("packs/"))
    for version in sites.lab.memory._versions[pack]:
        version.data = b"x" * len(version.data)
    with pytest.raises(ReplicaBehindError, match="could not be copied"):
        bring(sites, point)


def test_at_every_call_no_point_is_early(sites: Sites) -> None:
    point = backed_up(sites, b"new")
    watched = FaultyStore(sites.far)
    start = {name: sites.far.get(name) for name in held(sites.far)}
    locks = longest_locks(sites.far)
    bring(sites, point, watched)
    for last in range(len(watched.calls)):
        sites.far = MemoryStore(now=sites.clock)
        for name, data in start.items():
            sites.far.put_new(name, io.BytesIO(data), lock_until=locks[name])

        def killed(number: int, _operation: str, _name: str, last: int = last) -> None:
            if number >= last:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            bring(sites, point, FaultyStore(sites.far, after=killed))
        assert not early_points(sites.lab.store, sites.far)
        bring(sites, point)
        assert held(sites.far) == held(sites.lab.store)


class TestServers:
    """The servers copy, and are waited for."""

    def brought(self, sites: Sites, point: str, *, after: int, seconds: float = 60) -> list[float]:
        """Wait while the servers bring all after so many looks; returns the waits."""
        waits: list[float] = []

        def sleep(wait: float) -> None:
            waits.append(wait)
            if len(waits) == after:
                sites.replicate()

        replica = sites.replica(copied_by=CopiedBy.SERVER, wait_seconds=seconds)
        replica_point.bring(sites.lab.repository, replica, point, monotonic=lambda: sum(waits), sleep=sleep)
        return waits

    def test_until_all_is_there(self, sites: Sites) -> None:
        point = backed_up(sites, b"new")
        assert len(self.brought(sites, point, after=3)) == 3
        assert self.brought(sites, point, after=9) == []

    def test_a_point_that_came_before_its_pack_is_not_there(self, sites: Sites) -> None:
        point = backed_up(sites, b"new")
        sites.far.put_new(
            point, io.BytesIO(sites.lab.store.get(point)), lock_until=sites.clock() + dt.timedelta(days=500)
        )
        assert len(self.brought(sites, point, after=2)) == 2

    def test_a_point_whose_hosts_are_unchanged_and_whose_packs_never_came(self, sites: Sites) -> None:
        """What an earlier run put, and the parent of this point, must be there as well."""
        sites.far = MemoryStore(now=sites.clock)
        before = held(sites.lab.store)
        sites.clock.advance(hours=1)
        point = backed_up(sites)
        roots = {name for name in before if name.startswith("root/")}
        for name in (held(sites.lab.store) - before) | roots:
            until = sites.clock() + dt.timedelta(days=500)
            sites.far.put_new(name, io.BytesIO(sites.lab.store.get(name)), lock_until=until)
        with pytest.raises(ReplicaBehindError, match="did not bring it"):
            self.brought(sites, point, after=10**6, seconds=5)
        assert len(self.brought(sites, point, after=2)) == 2

    def test_in_vain(self, sites: Sites) -> None:
        point = backed_up(sites, b"new")
        with pytest.raises(ReplicaBehindError, match=r"did not bring it in 5 s: .* are not there, first packs/"):
            self.brought(sites, point, after=10**6, seconds=5)

    def test_one_that_comes_back_meanwhile(self, sites: Sites) -> None:
        point = backed_up(sites, b"new")
        sites.replicate()

        def away(number: int, _operation: str, _name: str) -> None:
            if number < 2:
                raise UnavailableError("away")

        far = FaultyStore(sites.far, before=away)
        waits: list[float] = []
        replica_point.bring(
            sites.lab.repository,
            sites.replica(far, copied_by=CopiedBy.SERVER),
            point,
            monotonic=lambda: sum(waits),
            sleep=waits.append,
        )
        assert waits


class TestAll:
    """Each replica is tried, and what became of it is told."""

    def lost(self, name: str, **more: bool) -> Replica:
        def gone() -> MemoryStore:
            raise UnavailableError("nothing answers there")

        return Replica(name, gone, wait=True, **more)

    def test_one_that_is_not_waited_for_is_left_alone(self, sites: Sites) -> None:
        point = backed_up(sites)
        replicas = [dataclasses.replace(self.lost("a"), wait=False)]
        assert replica_point.bring_to_all(sites.lab.repository, replicas, point) == ()

    def test_one_that_may_do_without_is_a_warning(self, sites: Sites) -> None:
        point = backed_up(sites)
        (told,) = replica_point.bring_to_all(sites.lab.repository, [self.lost("a", required=False)], point)
        assert "replica a does not have the recovery point yet: nothing answers there" in told

    def test_the_others_get_it_and_those_that_must_have_it_are_named(self, sites: Sites) -> None:
        point = backed_up(sites)
        replicas = [self.lost("a"), dataclasses.replace(sites.replica(), wait=True), self.lost("c")]
        with pytest.raises(ReplicaBehindError, match=r"replica a \(.*replica c \(") as caught:
            replica_point.bring_to_all(sites.lab.repository, replicas, point)
        assert caught.value.details["replicas_behind"] == ["a", "c"]
        assert caught.value.remedy is not None
        assert point in held(sites.far)

    def test_an_empty_one_is_not_seeded_by_a_run(self, sites: Sites) -> None:
        point = backed_up(sites)
        empty = MemoryStore(now=sites.clock)
        replicas = [dataclasses.replace(sites.replica(empty), wait=True)]
        with pytest.raises(ReplicaBehindError, match="replica far is empty"):
            replica_point.bring_to_all(sites.lab.repository, replicas, point)
        assert not list(empty.list())

    def test_a_run_that_has_ended_stops(self, sites: Sites) -> None:
        def ended() -> MemoryStore:
            raise RunAbandonedError("ended")

        with pytest.raises(RunAbandonedError):
            replica_point.bring_to_all(
                sites.lab.repository, [Replica("far", ended, wait=True)], sites.lab.names("points/")[0]
            )


def test_what_cannot_be_copied_is_told(sites: Sites) -> None:
    backed_up(sites, b"1")
    sites.clock.advance(hours=1)
    point = backed_up(sites, b"2")

    def archived(_number: int, operation: str, name: str) -> None:
        if operation == "get" and name.startswith("packs/"):
            raise ArchivedError("rests in an archive class")

    near = sites.lab.on(FaultyStore(sites.lab.store, before=archived)).repository
    with pytest.raises(ReplicaBehindError, match=r"could not be copied: packs/.* rests in an archive class"):
        replica_point.bring(near, sites.replica(), point)
    assert point not in held(sites.far)
