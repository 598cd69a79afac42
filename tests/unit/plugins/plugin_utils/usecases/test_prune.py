# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expiry of a store that has none: only what neither lock, grace, hold nor a last copy keeps."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import os
import typing as t
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import UnavailableError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, points, prune, records, stamps
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.prune import Pruned
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.seal_point import Sealed
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import Level
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .lab import COMPONENTS, FILES, NAME, START, Clock, Lab, declared, problems
from .test_approvals import ROOT, TWO, Council, request_of

DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)


class ClockedStore(FileStore):
    """A file store whose file system lives in the lab's time."""

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root)
        self._now = clock

    def _clock(self) -> dt.datetime:
        return self._now()


# one short class, so that whole lives of objects pass in months
SHORT = {"d0030": RetentionClass("d0030", 30, "compliance")}


def short() -> Policy:
    return declared(tiers={"tier1": {"class": "d0030"}})


def made(
    path: Path, keys: Path, clock: Clock, classes: Mapping[str, RetentionClass] | None = None, **more: t.Any
) -> Lab:
    """A repository in a folder, in the lab's time."""
    (path / "store").mkdir()
    store = ClockedStore(path / "store", clock)
    keyring = LocalKeyring(keys)
    root, _made = repositories.create(store, keyring, name=NAME, classes=classes or SHORT, **more)
    assert root is not None
    return Lab(path, repositories.open_repository(store, pin=root.id), keyring, clock)


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Months of runs sync often, and nothing here asks whether they are durable."""
    with mock.patch.object(os, "fsync"):
        yield


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock) -> Lab:
    return made(tmp_path, keys, clock)


def run(lab: Lab, sources: Mapping[str, MemorySource] | MemorySource, policy: Callable[[], Policy] = short) -> Sealed:
    return lab.run(sources, policy=policy)


def files_of(lab: Lab) -> FileStore:
    assert isinstance(lab.store, FileStore)
    return lab.store


def pruned(lab: Lab, *, check: bool = False) -> Pruned:
    return prune.prune(lab.repository, files_of(lab), check=check)


def versions(lab: Lab, prefix: str = "") -> set[str]:
    return {f"{listed.name}@{listed.version}" for listed in lab.store.list(prefix)}


def drifting(number: int) -> dict[str, bytes]:
    return {path: content + str(number).encode() for path, content in FILES.items()}


def lived(lab: Lab, clock: Clock) -> MemorySource:
    """Ten months of runs every 15 days, with drift each time; host gone answers the first one alone."""
    source = MemorySource(drifting(0))
    run(lab, {"h": source, "gone": MemorySource(FILES)})
    for number in range(1, 20):
        clock.advance(days=15)
        source.files = drifting(number)
        run(lab, {"h": source})
    return source


def expected(lab: Lab, now: dt.datetime) -> set[str]:
    """What may go, spelled out one version at a time."""
    live = lab.live()
    last = {ref.name for entry in live.streams.values() for ref in (entry.pack, entry.manifest)}
    believed = points.Reading(lab.repository, now=now).believed.values()
    told = {name for point in believed for name in (point.name, point.statement.body_name)}
    everything = list(lab.store.list())
    gone = set()
    for listed in everything:
        parts = names.parse(listed.name)
        kept = lab.repository.root.classes[parts.retention_class or "d0030"]
        over = listed.lock_until is not None and listed.lock_until + kept.grace < now
        if over and not listed.held and parts.kind is not names.Kind.ROOT:
            gone.add((listed.name, listed.version))
    # a later version of the same bytes stands in for one that was carried on
    carried = {listed.name for listed in everything if (listed.name, listed.version) not in gone}
    return {f"{name}@{version}" for name, version in gone if name not in last | told or name in carried}


@dataclasses.dataclass(frozen=True)
class Life:
    """A repository that was lived in; and what pruning it said in check mode, then really, each twice."""

    lab: Lab
    clock: Clock
    source: MemorySource
    done: tuple[Pruned, ...]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Life]:
    clock = Clock()
    with clock.ruling():
        lab = made(tmp_path_factory.mktemp("life"), keys, clock)
        source = lived(lab, clock)
        before, may_go = versions(lab), expected(lab, clock.moment)
        checked = pruned(lab, check=True)
        assert versions(lab) == before
        done = pruned(lab)
        assert set(done.removed) == may_go == before - versions(lab)
        yield Life(lab, clock, source, (checked, done, pruned(lab, check=True), pruned(lab)))


def test_what_was_put_beside_a_last_copy_does_not_stand_in_for_it(lab: Lab, clock: Clock) -> None:
    """Who may put can give a name other bytes and a long lock."""
    run(lab, {"h": MemorySource(FILES)})
    clock.advance(days=3000)
    entry = next(iter(lab.live().streams.values()))
    lab.store.put_new(entry.pack.name, io.BytesIO(b"junk"), lock_until=clock.moment + 10 * DAY)
    done = pruned(lab)
    assert entry.pack.name in done.kept
    assert lab.contents("h") == FILES


class TestMonths:
    """Daily life, with a silent host."""

    def test_what_has_expired_is_removed_once(self, life: Life) -> None:
        checked, done, *again = life.done
        assert {name.split("/")[0] for name in done.removed} == {"packs", "manifests", "bodies", "points"}
        # check mode has said the same, and nothing is left for a second time
        assert checked == done
        assert [(one.removed, one.freed_bytes) for one in again] == [((), 0), ((), 0)]
        assert done.freed_bytes > 0

    def test_what_is_left_is_whole(self, life: Life) -> None:
        lab = life.lab
        assert problems(lab.verify()) == []
        assert lab.live().warnings == ()
        assert lab.contents("h") == life.source.files
        assert lab.contents("gone") == FILES
        for point in points.history(lab.repository):
            if point.statement.sealed_at > lab.store.clock() - 30 * DAY:
                assert lab.contents("h", Selection(point=point.id))

    def test_runs_go_on(self, life: Life) -> None:
        life.clock.advance(days=1)
        assert run(life.lab, {"h": life.source}).unchanged == 2


def test_nothing_has_expired_yet(lab: Lab, clock: Clock) -> None:
    run(lab, MemorySource(FILES))
    before = versions(lab)
    for _month in range(5):
        assert pruned(lab) == Pruned((), 0, ())
        clock.advance(days=28)
    assert versions(lab) == before


def superseded_snapshot(lab: Lab, clock: Clock) -> tuple[str, dt.datetime]:
    """A manifest that a newer one has followed; and when the store may let go of it."""
    run(lab, MemorySource(FILES))
    name = lab.live().streams["h", "tier2"].manifest.name
    clock.advance(days=1)
    run(lab, MemorySource(drifting(1)))
    (listed,) = lab.store.list(name)
    assert listed.lock_until is not None
    return name, keep.expiry(listed.lock_until, 30)


def test_the_grace_is_kept_to_the_second(lab: Lab, clock: Clock) -> None:
    name, gone = superseded_snapshot(lab, clock)
    clock.moment = gone
    assert not [removed for removed in pruned(lab).removed if removed.startswith(name)]
    clock.advance(seconds=1)
    assert [removed for removed in pruned(lab).removed if removed.startswith(name)]
    assert list(lab.store.list(name)) == []


def test_what_is_held_stays_until_it_is_not(lab: Lab, clock: Clock) -> None:
    name, gone = superseded_snapshot(lab, clock)
    (listed,) = lab.store.list(name)
    lab.store.hold(name, listed.version, on=True)
    clock.moment = gone + 3650 * DAY
    pruned(lab)
    assert [held.held for held in lab.store.list(name)] == [True]
    lab.store.hold(name, listed.version, on=False)
    pruned(lab)
    assert list(lab.store.list(name)) == []


def test_of_several_versions_the_expired_ones_go(lab: Lab, clock: Clock) -> None:
    name, gone = superseded_snapshot(lab, clock)
    later = objects.put(lab.store, name, lab.store.get(name), lock_until=gone + 100 * DAY)
    clock.moment = gone + SECOND
    assert len([removed for removed in pruned(lab).removed if removed.startswith(name)]) == 1
    assert [listed.version for listed in lab.store.list(name)] == [later.version]


def test_last_copies_stay_whatever_their_lock(lab: Lab, clock: Clock) -> None:
    """Nobody has backed up for twenty years: what is there is all there is."""
    run(lab, {"h": MemorySource(FILES), "gone": MemorySource(FILES)})
    clock.advance(days=1)
    run(lab, {"h": MemorySource(drifting(1))})
    clock.advance(days=7300)
    done = pruned(lab)
    # the snapshots that a newer one has followed, and nothing else
    assert {name.split("/")[0] for name in done.removed} == {"packs", "manifests"}
    assert len(done.removed) == 4
    live = {ref.name for entry in lab.live().streams.values() for ref in (entry.pack, entry.manifest)}
    assert live < set(done.kept)
    assert {name.split("/")[0] for name in set(done.kept) - live} == {"bodies", "points"}
    assert lab.contents("gone") == FILES
    assert lab.contents("h") == drifting(1)
    assert pruned(lab).kept == done.kept


def test_after_a_long_pause_nothing_looks_hidden(lab: Lab, clock: Clock) -> None:
    """The point of the first day is the parent of one that was sealed today."""
    run(lab, MemorySource(FILES))
    clock.advance(days=1000)
    run(lab, MemorySource(FILES))
    assert problems(lab.verify()) == []
    pruned(lab)
    assert problems(lab.verify()) == []
    # once that one is old itself, the parent has no more to say
    for _half_month in range(4):
        clock.advance(days=15)
        run(lab, MemorySource(FILES))
    pruned(lab)
    assert not [name for name in lab.names("points/") if name.startswith("points/2026-")]
    assert problems(lab.verify()) == []


def test_the_root_stays_for_ever(lab: Lab, clock: Clock) -> None:
    run(lab, MemorySource(FILES))
    clock.advance(days=365 * 60)
    pruned(lab)
    assert len(lab.names("root/")) == 1
    assert repositories.open_repository(lab.store, pin=lab.repository.root.id).name == NAME


def test_what_is_not_of_the_format_is_somebody_elses(lab: Lab, clock: Clock) -> None:
    run(lab, MemorySource(FILES))
    strangers = ["notes/readme", "packs/d0030/h/tier2/20260301T120000Z-short.tar.zst.age", "zzz"]
    for name in strangers:
        lab.store.put_new(name, io.BytesIO(b"x"), lock_until=clock.moment + DAY)
    clock.advance(days=5000)
    pruned(lab)
    assert set(strangers) < set(lab.names())


def test_planted_points_keep_nothing_and_go_when_they_expire(lab: Lab, clock: Clock) -> None:
    run(lab, MemorySource(FILES))
    data = b"signed by nobody"
    name = names.for_point(names.Kind.POINT, START, "0" * 16, data)
    objects.put(lab.store, name, data, lock_until=START + 10 * DAY)
    clock.moment = START + 130 * DAY
    assert name in lab.names()
    pruned(lab)
    assert name in lab.names()
    clock.advance(seconds=1)
    assert [removed.split("@")[0] for removed in pruned(lab).removed] == [name]


def test_what_nobody_keeps_any_longer_goes(tmp_path: Path, keys: Path, clock: Clock) -> None:
    """Beyond the maximum of its class, and after its component has moved to another tier."""
    limited = {"d0030": {"days": 30, "maximum": 200}}
    tiers = {"tier1": {"class": "d0030"}}
    before, after = (
        declared({**COMPONENTS[0], "tier": tier}, COMPONENTS[1], classes=limited, tiers=tiers)
        for tier in ("tier1", "tier2")
    )
    lab = made(tmp_path, keys, clock, {"d0030": before.classes["d0030"]})
    run(lab, {"h": MemorySource(FILES), "gone": MemorySource(FILES)}, lambda: before)
    for _half_month in range(14):
        clock.advance(days=15)
        run(lab, {"h": MemorySource(FILES)}, lambda: after)
    assert set(lab.live().streams) == {("h", "tier2")}
    pruned(lab)
    assert lab.names("packs/d0030/gone/") == lab.names("packs/d0030/h/tier1/") == []
    assert lab.contents("h") == FILES
    assert problems(lab.verify()) == []


def test_a_retired_hosts_copies_go_and_the_record_says_why(tmp_path: Path, keys: Path, clock: Clock) -> None:
    council = Council.make(tmp_path)
    lab = made(tmp_path, keys, clock, people=council.everybody, quorum=(TWO, ROOT))
    run(lab, {"h": MemorySource(FILES), "gone": MemorySource(FILES)})
    clock.advance(days=1)
    pending, _made = records.ask(
        lab.repository, "retired", host="gone", stream=None, request=request_of(lab), live=lab.live().streams
    )
    council.all_sign(lab, pending, "alice", "bob")
    record, _made = records.complete(lab.repository, pending)
    for _half_month in range(14):
        clock.advance(days=15)
        run(lab, {"h": MemorySource(FILES)})
    pruned(lab)
    assert [name for name in lab.names() if "/gone/" in name] == []
    assert record in lab.names()
    assert problems(lab.verify()) == []
    assert lab.contents("h") == FILES


def test_stamps_go_with_their_points(lab: Lab, clock: Clock) -> None:
    source = MemorySource(FILES)
    for number in range(18):
        sealed = run(lab, source)
        (point,), _refused = points.find(lab.repository, sealed.id or "")
        at = point.statement.sealed_at
        stamps.put(lab.repository, at, point.statement.run, str(number).encode(), lock_until=keep.point_lock(at, 30))
        clock.advance(days=15)
    done = pruned(lab)
    removed = [name for name in done.removed if name.startswith("stamps/")]
    assert removed
    beside = {(names.parse(name).at, names.parse(name).run) for name in lab.names("points/")}
    assert {(names.parse(name).at, names.parse(name).run) for name in lab.names("stamps/")} == beside
    clock.advance(days=5000)
    done = pruned(lab)
    # those of the points that say what is live are kept with them
    assert len([name for name in done.kept if name.startswith("stamps/")]) == len(
        [name for name in done.kept if name.startswith("points/")]
    )


@pytest.mark.parametrize("step", [1, 7])
def test_interrupted_anywhere_it_breaks_no_promise(
    lab: Lab, clock: Clock, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    source = lived(lab, clock)
    expire = FileStore.expire
    while True:
        left = step

        def dying(store: FileStore, name: str, version: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise UnavailableError("gone")
            expire(store, name, version)

        before = len(versions(lab))
        with monkeypatch.context() as patched:
            patched.setattr(FileStore, "expire", dying)
            try:
                pruned(lab)
                break
            except UnavailableError:
                assert len(versions(lab)) == before - step
        assert problems(lab.verify(Level.SIGNATURES)) == []
        assert lab.live().warnings == ()
        step *= 2
    assert lab.contents("h") == source.files
