# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the store would not take: it waits, sealed, and a later run stores it under its own run, point and change."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import json
import os
import typing as t
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DeniedError,
    ExpiredError,
    FullError,
    KeyMissingError,
    KeyringError,
    NotLockedError,
    PolicyError,
    RunAbandonedError,
    RunError,
    StoreError,
    ThrottledError,
    TrustError,
    UnavailableError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore, GuardedStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import points, run_folder, seal_point
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.leftovers import ship_leftovers
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder, claim, sweep
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .faults import Fault, FaultyStore
from .lab import FILES, START, Clock, Lab, problems
from .test_run_folder import dead_pid

CHANGE = {"id": "CHG-1", "requester": "somebody"}
FLEET = ("a", "b", "c")
NEXT = "f" * 16
LET_GO = "holds nothing any more that may be named, and is let go of"


def refusing(of: str = "", error: type[StoreError] = UnavailableError, *, after: int = 0) -> Fault:
    """Refuse puts whose name holds *of*, all but the first *after*."""
    seen = itertools.count()

    def fault(_number: int, operation: str, name: str) -> None:
        if operation == "put" and of in name and next(seen) >= after:
            raise error("refused")

    return fault


def captured(
    lab: Lab,
    fault: Fault,
    *hosts: str,
    folder: PointFolder | None = None,
    files: dict[str, bytes] | None = None,
    **opening: t.Any,
) -> PointFolder:
    """A run that has ended, in which the store refused some puts: opened and captured, not sealed."""
    hosts = hosts or FLEET
    folder = folder or lab.folder()
    claim(lab.state_dir, folder.run, dead_pid())
    lab.open(folder, *hosts, change=CHANGE, **opening)
    flaky = lab.on(FaultyStore(lab.store, before=fault))
    for host in hosts:
        with contextlib.suppress(StoreError):
            flaky.snapshot(folder, MemorySource(files or FILES), host)
    return folder


def ship(lab: Lab, **more: t.Any) -> list[str]:
    done = ship_leftovers(lab.state_dir, lab.repository, lab.keyring, **{"run": NEXT, **more})
    assert not any("still waits" in line for line in done.shipped)
    return sorted([*done.shipped, *done.waiting], key=lambda line: line.split()[5])


def all_points(lab: Lab) -> dict[str, points.Point]:
    """All believed points by their own name; none names a stream twice."""
    found = {point.body.point: point for point in points.history(lab.repository)}
    for point in found.values():
        assert len({entry.key for entry in point.body.streams}) == len(point.body.streams)
    return found


@pytest.mark.parametrize("error", [UnavailableError, ThrottledError, FullError, ExpiredError], ids=lambda e: e.__name__)
@pytest.mark.parametrize("after", range(4))
def test_one_host_of_three_is_stored_late(lab: Lab, clock: Clock, error: type[StoreError], after: int) -> None:
    """Refused from the first, second, third or fourth of its objects on: packs and manifests of two streams."""
    folder = captured(lab, refusing("/b/", error, after=after))
    sealed = lab.seal(folder)
    assert (sealed.complete, list(sealed.failed), sealed.missing) == (False, ["b"], ())
    assert "refused" in sealed.failed["b"]
    assert folder.waits_for_store
    clock.advance(days=1)

    (line,) = ship(lab)
    early, late = all_points(lab)["main"], all_points(lab)["main-late"]
    assert line == f"recovery point main of run {folder.run} was stored late, as {late.id}"
    assert (late.body.run, late.body.change) == (folder.run, CHANGE)
    assert (late.body.expected, late.body.complete, late.body.failed) == (("b",), True, ())
    assert (late.body.parents, late.body.sealed_at) == ((early.id,), clock.moment)
    assert {entry.host for entry in late.body.streams} == {"b"}
    for entry in late.body.streams:
        assert entry.state is StreamState.STORED
        assert (entry.captured_at, entry.verified_at) == (START, START)
        # held as long as if it had been stored when it was shipped, or as it was stored then
        assert entry.lock_until >= START + dt.timedelta(days=30)
    assert any("opened at 2026-03-01T12:00:00Z; the store took it only now" in f.detail for f in late.body.consistency)
    assert lab.contents("b") == FILES
    assert problems(lab.verify()) == []
    assert not folder.waits_for_store
    assert ship(lab) == []


def test_a_store_that_takes_nothing_gets_the_point_itself_late(lab: Lab, clock: Clock) -> None:
    folder = captured(lab, refusing())
    with pytest.raises(RunError, match="would hold nothing"):
        lab.on(FaultyStore(lab.store, before=refusing())).seal(folder)
    clock.advance(hours=5)
    (line,) = ship(lab)
    (point,) = all_points(lab).values()
    assert f"main of run {folder.run} was stored late, as {point.id}" in line
    assert (point.body.point, point.body.run, point.body.change) == ("main", folder.run, CHANGE)
    assert (point.body.expected, point.body.complete) == (FLEET, True)
    assert {entry.captured_at for entry in point.body.streams} == {START}
    for host in FLEET:
        assert lab.contents(host) == FILES
    assert problems(lab.verify()) == []


def test_a_point_that_the_store_did_not_take_is_sealed_late(lab: Lab, clock: Clock) -> None:
    """All hosts are stored, and the store goes away before the seal."""
    folder = captured(lab, refusing("nothing"))
    for _attempt in range(2):
        with pytest.raises(UnavailableError):
            lab.on(FaultyStore(lab.store, before=refusing())).seal(folder)
    assert folder.waits_for_store
    clock.advance(days=40)
    assert len(ship(lab)) == 1
    (point,) = all_points(lab).values()
    assert (point.body.complete, point.body.run) == (True, folder.run)
    # in the meantime the locks have become short
    for entry in point.body.streams:
        days = lab.repository.root.classes[entry.retention_class].days
        assert entry.lock_until >= clock.moment + dt.timedelta(days=days)
    assert problems(lab.verify()) == []


def test_hosts_that_never_came_are_missing_in_a_late_point_too(lab: Lab) -> None:
    folder = lab.folder()
    claim(lab.state_dir, folder.run, dead_pid())
    lab.open(folder, *FLEET)
    with pytest.raises(UnavailableError):
        lab.on(FaultyStore(lab.store, before=refusing())).snapshot(folder, MemorySource(FILES), "b")
    ship(lab)
    (point,) = all_points(lab).values()
    assert (point.body.complete, point.body.missing) == (False, ("a", "c"))
    assert lab.contents("b") == FILES


def test_what_was_stored_late_is_what_the_next_run_compares_with(lab: Lab, clock: Clock) -> None:
    lab.seal(captured(lab, refusing("/b/")))
    clock.advance(hours=1)
    ship(lab)
    again = lab.run({host: MemorySource(FILES) for host in FLEET})
    assert (again.stored, again.unchanged, again.complete) == (0, 6, True)


def test_a_late_point_carries_what_is_due(lab: Lab, clock: Clock) -> None:
    lab.run({"silent": MemorySource(FILES)})
    lab.seal(captured(lab, refusing("/b/")))
    clock.advance(days=31)
    ship(lab)
    late = all_points(lab)["main-late"].body
    assert {entry.host for entry in late.streams if entry.state is StreamState.CARRIED} >= {"silent"}


def test_who_could_not_store_is_told_that_nothing_is_lost(lab: Lab) -> None:
    folder = lab.folder()
    lab.open(folder, "h")
    for error in (UnavailableError("not reached", remedy="Mend it."), FullError("no room", remedy="Mend it.")):

        def fault(_number: int, operation: str, _name: str, error: StoreError = error) -> None:
            if operation == "put":
                raise error

        with pytest.raises(type(error)) as caught:
            lab.on(FaultyStore(lab.store, before=fault)).snapshot(folder, MemorySource(FILES))
        assert caught.value.host == "h"
        assert "Mend it. What was captured is kept, sealed: the next run on this controller stores it" in str(
            caught.value
        )
        assert "the next run on this controller stores it" in str(folder.read_receipts()["h"].error)


@pytest.mark.parametrize("error", [DeniedError, NotLockedError], ids=lambda e: e.__name__)
def test_what_waiting_does_not_mend_is_not_kept(lab: Lab, error: type[StoreError]) -> None:
    folder = captured(lab, refusing("", error), "h")
    assert not folder.waits_for_store
    assert "the next run" not in str(folder.read_receipts()["h"].error)


# Killed, or kept from its store, once seal had begun


class Killed(BaseException):
    """The process ends here."""


def reached(lab: Lab) -> Callable[[], seal_point.Means]:
    return lambda: seal_point.Means(lab.repository, lab.keyring, None)


def failing(error: BaseException) -> Callable[[], seal_point.Means]:
    def reach() -> t.NoReturn:
        raise error

    return reach


def the_point(lab: Lab, folder: PointFolder, hosts: tuple[str, ...] = FLEET) -> points.Body:
    """The one point of that run: whole, sealed once, with the times its hosts were captured at."""
    (point,) = points.history(lab.repository)
    assert (point.body.run, point.body.point, point.body.change) == (folder.run, "main", CHANGE)
    assert (point.body.expected, point.body.complete) == (FLEET, True)
    assert {entry.host for entry in point.body.streams} == set(hosts)
    assert {entry.captured_at for entry in point.body.streams} == {START}
    for host in hosts:
        assert lab.contents(host) == FILES
    assert problems(lab.verify()) == []
    return point.body


HINDRANCES = {
    "away": UnavailableError("not reached", remedy="Look at it."),
    "busy": ThrottledError("busy"),
    "expired": ExpiredError("the credentials have expired", remedy="Renew them."),
    "no-keyring": KeyMissingError("the keyring is not here"),
    "unreadable-keyring": KeyringError("the keyring cannot be used"),
    "killed": Killed(),
    "abandoned": RunAbandonedError("the run has ended"),
}


@pytest.mark.parametrize("hindrance", HINDRANCES)
def test_a_point_whose_store_or_keyring_is_not_reached_is_sealed_by_the_next_run(
    lab: Lab, clock: Clock, hindrance: str
) -> None:
    folder = captured(lab, refusing("nothing"))
    error = HINDRANCES[hindrance]
    for _attempt in range(2):
        with pytest.raises(type(error)) as caught:
            seal_point.reach_and_seal(folder, failing(error), later_batches=False)
        if hindrance not in ("killed", "abandoned"):
            assert str(caught.value).endswith("The next run on this controller seals this recovery point.")
            assert str(caught.value).count("The next run") == 1
    assert folder.waits_for_store
    sweep(lab.state_dir, keep=NEXT)
    clock.advance(hours=3)
    (line,) = ship(lab)
    assert f"main of run {folder.run} was stored late" in line
    assert the_point(lab, folder).sealed_at == clock.moment
    assert ship(lab) == []
    again = lab.run({host: MemorySource(FILES) for host in FLEET})
    assert (again.stored, again.unchanged) == (0, 6)


def test_with_what_the_store_refused_before(lab: Lab) -> None:
    """One host's packs wait, and then the store is away when seal begins: one point names all."""
    folder = captured(lab, refusing("/b/"))
    with pytest.raises(UnavailableError):
        seal_point.reach_and_seal(folder, failing(UnavailableError("not reached")), later_batches=False)
    assert len(ship(lab)) == 1
    the_point(lab, folder)
    assert ship(lab) == []


@pytest.mark.parametrize(
    "error",
    [TrustError("another repository"), PolicyError("no pin"), WrongKeyError("of another"), DeniedError("not allowed")],
    ids=lambda e: type(e).__name__,
)
def test_what_no_later_run_could_do_either_is_not_left_to_one(lab: Lab, error: Exception) -> None:
    folder = captured(lab, refusing("nothing"))
    with pytest.raises(type(error)) as caught:
        seal_point.reach_and_seal(folder, failing(error), later_batches=False)
    assert "The next run" not in str(caught.value)
    assert not folder.waits_for_store
    # and what was left to one before still is
    folder.mark_unsent()
    with pytest.raises(type(error)):
        seal_point.reach_and_seal(folder, failing(error), later_batches=False)
    assert folder.waits_for_store


def test_a_run_whose_batches_are_still_to_come_is_not_left_to_the_next(lab: Lab) -> None:
    folder = lab.folder()
    lab.open(folder, *FLEET)
    folder.add_batch(["a"])
    lab.snapshot(folder, MemorySource(FILES), "a")
    with pytest.raises(UnavailableError):
        seal_point.reach_and_seal(folder, failing(UnavailableError("not reached")))
    assert not folder.waits_for_store
    # one is not of a batch that was told, and has its receipt
    lab.snapshot(folder, MemorySource(FILES), "b")
    folder.add_batch(["c"])
    with pytest.raises(UnavailableError):
        seal_point.reach_and_seal(folder, failing(UnavailableError("not reached")))
    assert folder.waits_for_store


def test_nothing_of_check_mode_nor_of_a_point_that_is_not_open_is_left(lab: Lab) -> None:
    dry = lab.on(DryRunStore(lab.store))
    folder = dry.folder()
    dry.open(folder, "h", check=True)
    for one in (folder, lab.folder()):
        with pytest.raises(UnavailableError):
            seal_point.reach_and_seal(one, failing(UnavailableError("x")), later_batches=False, check=True)
        assert not one.waits_for_store


def test_a_sealed_point_is_told_again_and_not_marked(lab: Lab) -> None:
    folder = captured(lab, refusing("nothing"))
    sealed = seal_point.reach_and_seal(folder, reached(lab), later_batches=False)
    with pytest.raises(UnavailableError):
        seal_point.reach_and_seal(folder, failing(UnavailableError("not reached")), later_batches=False)
    assert not folder.waits_for_store
    assert seal_point.reach_and_seal(folder, reached(lab), later_batches=False) == sealed


@pytest.fixture
def lab_at(tmp_path: Path, keys: Path, clock: Clock) -> Callable[[str], Lab]:
    """Makes labs, each in memory and a folder of its own."""

    def make(name: str) -> Lab:
        (tmp_path / name).mkdir()
        return Lab.make(tmp_path / name, MemoryStore(now=clock), keys, clock)

    return make


class Instants:
    """Ends the process at one instant: before or after a call of the store, before or after a file is written."""

    def __init__(self, at: int) -> None:
        self._left = at

    def strike(self, *_told: object) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    @contextlib.contextmanager
    def on(self, lab: Lab) -> t.Iterator[Lab]:
        write = run_folder.write_whole

        def written(path: Path, data: bytes) -> None:
            self.strike()
            write(path, data)
            self.strike()

        with mock.patch.object(run_folder, "write_whole", written):
            yield lab.on(FaultyStore(lab.store, before=self.strike, after=self.strike))


@pytest.mark.parametrize("behind", [False, True], ids=["all stored", "one host waits"])
def test_killed_at_any_instant_of_its_seal_it_is_sealed_once(lab_at: Callable[[str], Lab], behind: bool) -> None:
    for at in itertools.count():
        lab = lab_at(f"seal{at}")
        folder = captured(lab, refusing("/b/" if behind else "nothing"))
        if behind:
            with pytest.raises(UnavailableError):
                seal_point.reach_and_seal(folder, failing(UnavailableError("away")), later_batches=False)
        instants = Instants(at)
        with instants.on(lab) as dying:
            try:
                if behind:
                    ship(dying)
                else:
                    seal_point.reach_and_seal(folder, reached(dying), later_batches=False)
                ended = False
            except Killed:
                ended = True
        ship(lab)
        if behind or at > 1:
            the_point(lab, folder)
        else:
            # killed before it was noted that seal had begun: as one that never came to it
            assert len(points.history(lab.repository)) == at
        assert ship(lab) == []
        if not ended:
            break
    assert at >= 12


@pytest.mark.parametrize("error", [UnavailableError, Killed], ids=lambda e: e.__name__)
def test_a_statement_that_landed_is_not_put_again(lab: Lab, clock: Clock, error: type[BaseException]) -> None:
    """The answer was lost, for good: within the run nobody knows that the point is sealed."""
    folder = captured(lab, refusing("nothing"))

    def lost(_number: int, operation: str, name: str) -> None:
        if operation == "put" and name.startswith("points/"):
            raise error("lost")

    with pytest.raises(error):
        lab.on(FaultyStore(lab.store, after=lost)).seal(folder)
    (point,) = points.history(lab.repository)
    clock.advance(hours=1)
    before = list(lab.store.list())
    (line,) = [line for line in ship(lab) if "waits" not in line] or [""]
    assert list(lab.store.list()) == before
    assert line in ("", f"recovery point main of run {folder.run} was stored late, as {point.id}")
    done = folder.read_sealed()
    assert done is not None
    assert (done["id"], done["complete"], done["stored"]) == (point.id, True, 6)
    assert run_folder.remembered(lab.state_dir, lab.repository.chain.links[0].root.id, clock.moment) == point.id


def test_within_its_run_a_statement_that_landed_is_found_by_the_next_try(lab: Lab, clock: Clock) -> None:
    """As the callback tries once more at the end."""
    folder = captured(lab, refusing("nothing"))

    def lost(_number: int, operation: str, name: str) -> None:
        if operation == "put" and name.startswith("points/"):
            raise UnavailableError("lost")

    flaky = lab.on(FaultyStore(lab.store, after=lost))
    with pytest.raises(UnavailableError):
        flaky.seal(folder)
    before = list(lab.store.list())
    clock.advance(seconds=7)
    sealed = seal_point.reach_and_seal(folder, reached(flaky), later_batches=False)
    (point,) = points.history(lab.repository)
    assert (sealed.id, sealed.complete, sealed.stored) == (point.id, True, 6)
    assert list(lab.store.list()) == before
    assert not folder.waits_for_store


@pytest.mark.parametrize("later", ["within its run", "by the next run"])
def test_what_a_host_gives_after_a_statement_has_landed_is_named_too(lab: Lab, later: str) -> None:
    folder = captured(lab, refusing("/b/", NotLockedError), alias="before")

    def lost(_number: int, operation: str, name: str) -> None:
        if operation == "put" and name.startswith("points/"):
            raise UnavailableError("lost")

    with pytest.raises(UnavailableError):
        lab.on(FaultyStore(lab.store, after=lost)).seal(folder)
    (first,) = points.history(lab.repository)
    lab.snapshot(folder, MemorySource(FILES), "b")
    if later == "by the next run":
        ship(lab)
    else:
        sealed = lab.seal(folder)
        assert (sealed.complete, sealed.failed, sealed.missing) == (True, {}, ())
    (second,) = [point for point in points.history(lab.repository) if point.id != first.id]
    assert {entry.host for entry in first.body.streams} == {"a", "c"}
    assert {entry.host for entry in second.body.streams} == set(FLEET)
    assert lab.contents("b") == FILES
    # an alias is never moved, and means one point
    assert (first.body.alias, second.body.alias) == ("before", None)
    assert any("alias before" in finding.detail for finding in second.body.consistency)
    assert problems(lab.verify()) == []
    assert (lab.seal(folder).id, ship(lab)) == (second.id, [])


def test_a_statement_that_landed_without_its_lock_is_put_again(lab: Lab) -> None:
    folder = captured(lab, refusing("nothing"))

    def unlocked(_number: int, operation: str, name: str) -> None:
        if operation == "put" and name.startswith("points/"):
            for version in lab.memory._versions[name]:
                version.listed = dataclasses.replace(version.listed, lock_until=START)
            raise UnavailableError("lost")

    with pytest.raises(UnavailableError):
        lab.on(FaultyStore(lab.store, after=unlocked)).seal(folder)
    ship(lab)
    locks = [one.lock_until for one in lab.store.list("points/")]
    assert max(lock for lock in locks if lock) > START + dt.timedelta(days=300)


def test_hosts_that_waited_come_beside_a_point_that_had_landed(lab: Lab) -> None:
    folder = captured(lab, refusing("/b/"))

    def lost(_number: int, operation: str, name: str) -> None:
        if operation == "put" and name.startswith("points/"):
            raise UnavailableError("lost")

    with pytest.raises(UnavailableError):
        lab.on(FaultyStore(lab.store, after=lost)).seal(folder)
    ship(lab)
    found = all_points(lab)
    assert set(found) == {"main", "main-late"}
    assert {entry.host for entry in found["main"].body.streams} == {"a", "c"}
    assert {entry.host for entry in found["main-late"].body.streams} == {"b"}
    assert ship(lab) == []


# Newer than what waits


def test_a_host_that_was_backed_up_meanwhile_keeps_its_newer_copy(lab: Lab, clock: Clock) -> None:
    """By another controller: this one ships what it has first of all."""
    lab.seal(captured(lab, refusing("/b/")))
    clock.advance(days=1)
    drifted = {**FILES, "/etc/app/main.conf": b"listen = 9090\n"}
    lab.run({"b": MemorySource(drifted)})
    clock.advance(days=1)
    assert len(ship(lab)) == 1
    assert lab.contents("b") == drifted
    assert lab.run({"b": MemorySource(drifted)}).unchanged == 2
    # the older one is not lost
    assert {entry.captured_at for entry in all_points(lab)["main-late"].body.streams} == {START}
    assert problems(lab.verify()) == []


def test_a_host_that_succeeded_in_a_second_attempt_has_nothing_late(lab: Lab, clock: Clock) -> None:
    folder = captured(lab, refusing("/b/"))
    clock.advance(minutes=1)
    lab.snapshot(folder, MemorySource(FILES), "b")
    assert lab.seal(folder).complete
    before = list(lab.store.list())
    # nothing is behind any more, and nothing is told
    assert ship(lab) == []
    assert not folder.waits_for_store
    assert list(lab.store.list()) == before
    assert {entry.captured_at for entry in lab.live().streams.values() if entry.host == "b"} == {clock.moment}
    assert lab.contents("b") == FILES
    assert problems(lab.verify()) == []


@pytest.mark.parametrize("sealed", [True, False])
def test_of_two_failed_attempts_the_later_one_is_stored(lab: Lab, clock: Clock, sealed: bool) -> None:
    folder = captured(lab, refusing("/b/"))
    clock.advance(minutes=1)
    drifted = {**FILES, "/etc/base": b"drifted\n"}
    captured(lab, refusing("/b/"), "b", folder=folder, files=drifted)
    if sealed:
        lab.seal(folder)
    (line,) = ship(lab)
    assert "was stored late" in line
    assert lab.contents("b") == drifted
    assert len(all_points(lab)) == 1 + sealed
    # the earlier one would be named by nobody
    assert len(lab.names("packs/")) == 2 * (len(FLEET))
    assert not folder.waits_for_store
    assert problems(lab.verify()) == []


# Interrupted


@pytest.mark.parametrize("everything", [False, True], ids=["one host", "all hosts"])
@pytest.mark.parametrize("error", [RunAbandonedError, UnavailableError], ids=lambda e: e.__name__)
def test_shipping_that_breaks_off_anywhere_is_harmless(
    lab: Lab, clock: Clock, everything: bool, error: type[Exception]
) -> None:
    """The process ends, or the store goes away again, before each put in turn, until one attempt gets through."""
    folder = captured(lab, refusing("" if everything else "/b/"))
    if not everything:
        lab.seal(folder)
    before = set(all_points(lab))
    for puts in range(100):
        clock.advance(minutes=1)
        left = itertools.count()

        def gone(left: t.Iterator[int] = left, puts: int = puts) -> None:
            if next(left) >= puts:
                raise error("gone")

        guarded = lab.on(GuardedStore(lab.store, gone))
        try:
            lines = ship(guarded)
        except RunAbandonedError:
            lines = ["waits"]
        if "stored late" in lines[0]:
            break
        assert all("waits" in line for line in lines)
        assert set(all_points(lab)) == before
        assert any(point.waits_for_store for point in run_folder.open_points(lab.state_dir, folder.run))
    assert puts > 4
    assert ship(lab) == []
    assert set(all_points(lab)) == before | {"main" if everything else "main-late"}
    for host in FLEET:
        assert lab.contents(host) == FILES
    assert problems(lab.verify()) == []


def test_shipped_and_killed_before_it_was_noted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = captured(lab, refusing("/b/"))
    lab.seal(folder)
    with monkeypatch.context() as killed:
        killed.setattr(PointFolder, "drop_leftovers", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ship(lab)
    late = all_points(lab)["main-late"]
    (line,) = ship(lab)
    assert line.endswith(late.id)
    assert ship(lab) == []
    assert len(all_points(lab)) == 2
    assert problems(lab.verify()) == []


def test_a_point_that_was_sealed_after_all_does_not_wait(lab: Lab) -> None:
    """The store came back within the same run: seal was called again."""
    folder = captured(lab, refusing("nothing"))
    with pytest.raises(UnavailableError):
        lab.on(FaultyStore(lab.store, before=refusing())).seal(folder)
    assert lab.seal(folder).complete
    assert [line for line in ship(lab) if "waits" in line] == []
    assert ship(lab) == []
    assert set(all_points(lab)) == {"main"}


def test_a_sweep_keeps_what_waits(lab: Lab) -> None:
    folder = captured(lab, refusing("/b/"))
    lab.seal(folder)
    sweep(lab.state_dir, keep=NEXT)
    assert folder.waits_for_store
    ship(lab)
    assert lab.contents("b") == FILES
    sweep(lab.state_dir, keep=NEXT)
    assert folder.read_receipts() == {}


# One holds up no other


def spoil(folder: PointFolder, suffix: str, how: Callable[[bytes], bytes]) -> Path:
    path = min((folder.path / "leftovers").glob(f"*{suffix}"))
    path.write_bytes(how(path.read_bytes()))
    return path


@pytest.mark.parametrize("suffix", [".pack", ".manifest", ".json"])
@pytest.mark.parametrize(
    "how",
    [lambda data: data[:-1], lambda data: b"", lambda data: bytes([data[0] ^ 1]) + data[1:]],
    ids=["truncated", "empty", "flipped"],
)
def test_a_damaged_leftover_is_refused_by_name(lab: Lab, suffix: str, how: Callable[[bytes], bytes]) -> None:
    damaged = captured(lab, refusing(), "a")
    sound = captured(lab, refusing(), "b")
    path = spoil(damaged, suffix, how)
    lines = {line.split()[5]: line for line in ship(lab)}
    assert "still waits" in lines[damaged.run]
    assert str(path) in lines[damaged.run]
    assert "was stored late" in lines[sound.run]
    assert lab.contents("b") == FILES
    assert {host for host, _stream in lab.live().streams} == {"b"}
    # it stays where somebody may look at it
    assert damaged.waits_for_store
    assert len(ship(lab)) == 1


@pytest.mark.parametrize("lost", [".pack", ".manifest"])
def test_half_a_leftover_is_refused_by_name(lab: Lab, lost: str) -> None:
    folder = captured(lab, refusing(), "a")
    path = spoil(folder, lost, bytes)
    path.unlink()
    (line,) = ship(lab)
    assert str(path.with_suffix("")) in line


@pytest.mark.parametrize("name", ["point.json", "receipts/a.json"])
def test_a_damaged_run_folder_holds_up_no_other(lab: Lab, name: str) -> None:
    damaged = captured(lab, refusing(), "a")
    sound = captured(lab, refusing(), "b")
    (damaged.path / name).write_text("{")
    lines = {line.split()[5]: line for line in ship(lab)}
    assert str(damaged.path / name) in lines[damaged.run]
    assert "still waits" in lines[damaged.run]
    assert "was stored late" in lines[sound.run]


def test_one_that_the_store_still_refuses_holds_up_no_other(lab: Lab) -> None:
    folders = [captured(lab, refusing(), host) for host in "ab"]
    lines = ship(lab.on(FaultyStore(lab.store, before=refusing("/a/", DeniedError))))
    assert [f"run {folder.run}" in line for folder, line in zip(folders, lines, strict=True)] == [True, True]
    assert "still waits: refused" in lines[0]
    assert "was stored late" in lines[1]
    assert "was stored late" in ship(lab)[0]
    assert lab.contents("a") == lab.contents("b") == FILES


# Left alone


@pytest.mark.parametrize("sealed", [True, False])
def test_what_waited_beyond_its_maximum_is_let_go_of(
    lab: Lab, clock: Clock, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    """The controller was away for so long that a lock given now would keep it longer than anything may be kept."""
    folder = captured(lab, refusing("/b/" if sealed else ""))
    if sealed:
        lab.seal(folder)
    clock.advance(days=100)
    monkeypatch.setattr(keep, "outlives", lambda *_args: True)
    before = lab.names()
    told = ship(lab)
    assert told == ([] if sealed else [f"recovery point main of run {folder.run} {LET_GO}"])
    assert lab.names() == before
    assert not folder.waits_for_store


def test_a_living_run_ships_for_itself(lab: Lab) -> None:
    folder = lab.folder()
    claim(lab.state_dir, folder.run, os.getpid())
    captured(lab, refusing(), "a", folder=folder)
    assert ship(lab) == []
    assert folder.waits_for_store
    (lab.state_dir / "runs" / folder.run / "controller.json").unlink()
    claim(lab.state_dir, folder.run, dead_pid())
    assert ship(lab, run=folder.run) == []
    assert len(ship(lab)) == 1


def test_another_repositorys_leftovers_are_left_alone(lab: Lab, keys: Path, clock: Clock, tmp_path: Path) -> None:
    """Another name; and the same name for another repository, which stands under another root."""
    clock.advance(seconds=1)
    other = Lab.make(tmp_path, MemoryStore(now=clock), keys, clock)
    assert other.repository.root.id != lab.repository.root.id
    folders = [
        captured(lab, refusing(), "a", location={"name": "other", "url": "memory://"}),
        captured(other, refusing(), "a", folder=lab.folder()),
    ]
    before = list(lab.store.list())
    assert ship(lab) == []
    assert list(lab.store.list()) == before
    assert all(folder.waits_for_store for folder in folders)
    assert len(ship(other)) == 1
    assert problems(other.verify()) == []


def test_check_mode_leaves_none(lab: Lab) -> None:
    dry = lab.on(DryRunStore(lab.store))
    folder = dry.folder()
    claim(lab.state_dir, folder.run, dead_pid())
    dry.open(folder, "h", check=True)
    dry.snapshot(folder, MemorySource(FILES), check=True)
    folder.mark_unsent()
    assert ship(lab) == []
    assert all_points(lab) == {}


# Points of other names


def test_points_with_long_names_stay_apart(lab: Lab) -> None:
    """Their names with an ending would be longer than names are."""
    run = f"{7:016x}"
    for host, name in (("a", "a-name-as-long-as-a-point-may-1"), ("b", "a-name-as-long-as-a-point-may-2")):
        folder = captured(lab, refusing(f"/{host}/"), host, "c", folder=lab.folder(name, run=run))
        lab.seal(folder)
    lines = ship(lab)
    assert ["was stored late" in line for line in lines] == [True, True]
    assert lab.contents("a") == lab.contents("b") == FILES
    assert len(all_points(lab)) == 4
    assert ship(lab) == []


def test_a_point_that_somebody_named_so_is_not_taken_for_it(lab: Lab) -> None:
    run = f"{7:016x}"
    lab.seal(captured(lab, refusing("nothing"), "c", folder=lab.folder("main-late", run=run)))
    lab.seal(captured(lab, refusing("/b/"), folder=lab.folder(run=run)))
    (line,) = ship(lab)
    assert "was stored late" in line
    assert lab.contents("b") == FILES
    assert len(all_points(lab)) == 3


# No room anywhere


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Fills the disk that the run folder is on."""

    def full(path: Path, _data: bytes) -> None:
        raise OSError(28, os.strerror(28), str(path))

    return lambda: monkeypatch.setattr(run_folder, "write_whole", full)


@pytest.mark.parametrize("error", [UnavailableError, FullError], ids=lambda e: e.__name__)
def test_the_stores_error_is_told_where_a_snapshot_finds_no_room(
    lab: Lab, full_disk: Callable[[], None], error: type[StoreError]
) -> None:
    folder = lab.folder()
    lab.open(folder, "h")
    full_disk()
    with pytest.raises(error, match="refused") as caught:
        lab.on(FaultyStore(lab.store, before=refusing("", error))).snapshot(folder, MemorySource(FILES))
    # nothing was kept: nobody is told that it was
    assert "the next run" not in str(caught.value)
    assert not folder.waits_for_store


def test_the_stores_error_is_told_where_a_seal_finds_no_room(lab: Lab, full_disk: Callable[[], None]) -> None:
    folder = captured(lab, refusing("nothing"))
    full_disk()
    with pytest.raises(UnavailableError, match="refused"):
        lab.on(FaultyStore(lab.store, before=refusing())).seal(folder)


def test_what_waits_holds_no_content(lab: Lab) -> None:
    """It may lie there for long: it is sealed as what is stored is, and no key of it is left."""
    canary = b"CANARY-of-the-content"
    folder = captured(lab, refusing("/b/"), "a", "b", files={**FILES, "/etc/app/main.conf": canary})
    lab.seal(folder)
    files = [path for path in folder.path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".pack" for path in files)
    for path in files:
        assert canary not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
        assert b"digest_keys" not in path.read_bytes()
    (host,) = {
        json.loads(p.read_text())["entry"]["host"]
        for p in files
        if p.parent.name == "leftovers" and p.suffix == ".json"
    }
    assert host == "b"
