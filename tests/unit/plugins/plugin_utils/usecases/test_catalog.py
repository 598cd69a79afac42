# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalog: what enters it, what leaves it, and that nothing but the store decides what it says."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.catalog.index import Index
from ansible_collections.holdfast.config.plugins.plugin_utils.catalog.search import Search
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    BusyCatalogError,
    CatalogError,
    DamagedCatalogError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import (
    MOST,
    CatalogFailure,
    CatalogPoint,
    CatalogSnapshot,
    Query,
    State,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import catalog as catalogs
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import points
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.catalog import Catalog, open_catalog, place
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .forge import Forge
from .lab import FILES, START, Clock, Lab
from .test_approvals import Council, followed, governed
from .test_costs import CountedStore, counted

HOSTS = ("h0", "h1", "h2")
ALL = Query(limit=MOST)

Answers = tuple[list[CatalogPoint], list[CatalogSnapshot], list[CatalogFailure]]


def opened(lab: Lab, **more: t.Any) -> Catalog:
    return open_catalog(lab.repository, **{"state_dir": lab.state_dir, "forks": 1, **more})


def answers(lab: Lab, *queries: Query, **more: t.Any) -> list[Answers]:
    """All that the catalog says, of everything unless told otherwise."""
    with opened(lab, **more) as catalog:
        return [(catalog.points(q), catalog.snapshots(q), catalog.failures(q)) for q in queries or (ALL,)]


def anew(lab: Lab, *queries: Query) -> list[Answers]:
    """The same from a catalog that is made of the store alone."""
    return answers(lab, *queries, state_dir=None)


def source(text: bytes) -> MemorySource:
    return MemorySource({**FILES, "/etc/base": text})


def backed_up(lab: Lab, sources: dict[str, MemorySource], *silent: str, **more: t.Any) -> str:
    """One run, in which these hosts give no answer; the id of its point."""
    folder = lab.folder()
    lab.open(folder, *sources, *silent, **more)
    for host, one in sources.items():
        lab.snapshot(folder, one, host)
    return str(lab.seal(folder).id)


def expire(lab: Lab, *names_: str) -> None:
    """What the store's lifecycle does."""
    for name in names_:
        lab.memory._versions.pop(name)


def in_process(work: Callable[[], object]) -> int:
    """Do it in a process of its own; the exit status, or the signal that ended it as a negative number."""
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture(scope="module")
def six_runs(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Lab:
    """A repository of six runs of three hosts. Nobody changes it."""
    clock = Clock()
    with clock.ruling():
        lab = Lab.make(tmp_path_factory.mktemp("six-runs"), MemoryStore(now=clock), keys, clock)
        for number in range(6):
            backed_up(lab, {host: source(b"%d" % (number // (1 + index))) for index, host in enumerate(HOSTS)})
            clock.advance(hours=1)
    return lab


@pytest.fixture
def busy(six_runs: Lab, tmp_path: Path, clock: Clock) -> Lab:
    """A copy of it, at the hour after the last run."""
    clock.advance(hours=6)
    store = MemoryStore(now=clock)
    store._versions = {name: list(held) for name, held in six_runs.memory._versions.items()}
    return dataclasses.replace(six_runs.on(store), path=tmp_path, wall_clock=clock, runs=itertools.count(7))


# What it holds


def test_it_holds_what_points_say_and_nothing_else(lab: Lab, clock: Clock) -> None:
    change = {"id": "CHG1", "deployment": "d1", "version": "1.0", "environment": "test", "deployer": "dora"}
    first = backed_up(
        lab, {"h0": source(b"1")}, "h1", change=change, alias="v1", actor={"user": "u", "controller": "c"}
    )
    clock.advance(hours=1)
    second = backed_up(lab, {"h0": source(b"2")})
    with opened(lab) as catalog:
        newest, oldest = catalog.points(Query())
        assert (newest.digest, oldest.digest) == (second, first)
        assert (oldest.change_id, oldest.deployment_id, oldest.application_version) == ("CHG1", "d1", "1.0")
        assert (oldest.environment, oldest.deployer, oldest.alias, oldest.by) == ("test", "dora", "v1", "u on c")
        assert (oldest.stored, oldest.unchanged, oldest.missing, oldest.state) == (2, 0, 1, State.FAILED)
        assert (newest.stored, newest.unchanged, newest.state) == (1, 1, State.COMPLETE)
        assert catalog.point(first) == oldest
        assert catalog.point("0" * 64) is None
        believed = {point.id: point for point in points.history(lab.repository)}
        for snapshot in catalog.snapshots(Query()):
            (entry,) = [e for e in believed[snapshot.point].body.streams if e.manifest.sha256 == snapshot.digest]
            assert (snapshot.manifest, snapshot.pack, snapshot.state) == (entry.manifest, entry.pack, entry.state)
            assert (snapshot.captured_at, snapshot.verified_at) == (entry.captured_at, entry.verified_at)
            assert (snapshot.host, snapshot.host_id, snapshot.stream) == (entry.host, entry.host_id, entry.stream)
            assert snapshot.components == tuple(part.component for part in entry.fingerprints)
        (failure,) = catalog.failures(Query(host="h1"))
        assert (failure.host, failure.missing, failure.point) == ("h1", True, first)
        assert catalog.counts == dataclasses.replace(catalog.counts, points=2, snapshots=3, namings=4, hosts=1)
        assert (catalog.warnings, catalog.stale) == ((), ())


def test_what_a_full_body_lists_is_no_find_of_its_run(lab: Lab, clock: Clock) -> None:
    whole = backed_up(lab, {host: source(b"1") for host in HOSTS})
    ids = []
    for number in range(40):
        clock.advance(hours=1)
        ids.append(backed_up(lab, {"h0": source(b"%d" % number)}))
    full = [p for p in points.history(lab.repository) if p.body.full and p.id != whole]
    assert any(e.state is StreamState.LIVE and e.host == "h1" for p in full for e in p.body.streams)
    with opened(lab) as catalog:
        assert [point.digest for point in catalog.points(Query(host="h1"))] == [whole]
        assert {one.point for one in catalog.snapshots(Query(host="h1"))} == {whole}
        for point in full:
            assert {one.host for one in catalog.snapshots(Query(recovery_point=point.id))} == {"h0"}
    # the last one of these points that is left is all that tells of the others
    first = next(name for name in lab.names("points/") if names.parse(name).sha256 == whole)
    expire(lab, first)
    with opened(lab) as catalog:
        assert catalog.point(whole) is None
        alone = catalog.snapshots(Query(host="h1"))
        assert {one.state for one in alone} == {StreamState.LIVE}
        assert {one.stream for one in alone} == {"tier1", "tier2"}


def test_the_change_of_a_snapshot_is_that_of_the_run_that_stored_it(lab: Lab, clock: Clock) -> None:
    first = backed_up(lab, {"h0": source(b"1")}, change={"id": "CHG1"})
    backed_up(lab, {"h0": source(b"1"), "h1": source(b"1")}, change={"id": "CHG2"})
    clock.advance(days=60)
    backed_up(lab, {"h2": source(b"1")}, change={"id": "CHG3"})
    backed_up(lab, {"h3": source(b"1")})
    live = lab.live().streams

    def told() -> list[str | None]:
        with opened(lab) as catalog:
            digests = {host: live[host, "tier1"].manifest.sha256 for host in ("h0", "h1", "h2", "h3")}
            found = catalog.changes(["0" * 64, *digests.values()])
            return [found.get(digest) for digest in digests.values()]

    assert told() == ["CHG1", "CHG2", "CHG3", None]
    # who finds or carries it later has not changed it
    expire(lab, next(name for name in lab.names("points/") if names.parse(name).sha256 == first))
    assert told() == [None, "CHG2", "CHG3", None]


def test_a_renamed_host_is_found_by_each_of_its_names(lab: Lab, clock: Clock) -> None:
    backed_up(lab, {"old": source(b"1")})
    clock.advance(hours=1)
    folder = lab.folder()
    lab.open(folder, "new")
    lab.snapshot(folder, source(b"1"), "new", host_id=lambda: "old", keyring=lambda: lab.keyring)
    lab.seal(folder)
    clock.advance(hours=1)
    backed_up(lab, {"other": source(b"1")}, "new")
    with opened(lab) as catalog:
        for name in ("old", "new"):
            assert {(one.host, one.name) for one in catalog.snapshots(Query(host=name))} == {("old", "new")}
            assert len(catalog.points(Query(host=name))) == 3
            assert [one.host for one in catalog.failures(Query(host=name))] == ["new"]


# Up to date by steps, and made anew

step = st.one_of(
    st.tuples(st.just("run"), st.lists(st.sampled_from(HOSTS), min_size=1, unique=True), st.integers(0, 2)),
    st.tuples(st.just("pass"), st.sampled_from([1, 400, 900])),
    st.tuples(st.just("expire"), st.integers(0, 3)),
    st.tuples(st.just("open")),
)
QUERIES = (
    ALL,
    Query(host="h0", limit=MOST, newest_first=False),
    Query(component="app", limit=2),
    Query(tier="tier2", change_id="CHG1"),
    Query(change_id="CHG1", limit=3),
    Query(state=State.CARRIED),
    Query(state=State.COMPLETE, host="h1"),
    Query(state=State.FAILED),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=2, max_size=9))
def test_brought_up_to_date_by_steps_it_is_the_one_made_anew(keys: Path, steps: Sequence[t.Any]) -> None:
    clock = Clock()
    with clock.ruling(), tempfile.TemporaryDirectory() as folder:
        lab = Lab.make(Path(folder), MemoryStore(now=clock), keys, clock)
        for number, (what, *given_) in enumerate(steps):
            if what == "run":
                hosts, text = given_
                others = [host for host in HOSTS if host not in hosts]
                sources = {host: source(b"%d" % text) for host in hosts}
                backed_up(lab, sources, *others[: number % 2], change={"id": f"CHG{number % 2}"})
                clock.advance(hours=1)
            elif what == "pass":
                clock.advance(hours=given_[0])
            elif what == "expire":
                expire(lab, *lab.names("points/")[: given_[0]])
            else:
                assert answers(lab, *QUERIES) == anew(lab, *QUERIES)
        assert answers(lab, *QUERIES) == anew(lab, *QUERIES)
        told = oracle(lab)
        with opened(lab) as catalog:
            assert {(one.digest, one.first_point) for one in catalog.snapshots(ALL)} == told


def oracle(lab: Lab) -> set[tuple[str, str]]:
    """Each snapshot with the oldest point whose run found it, or the newest that lists it, from the bodies alone."""
    found: dict[str, str] = {}
    listed: dict[str, str] = {}
    for point in sorted(points.history(lab.repository), key=lambda point: point.name):
        for entry in point.body.streams:
            if entry.state is StreamState.LIVE:
                listed[entry.manifest.sha256] = point.id
            else:
                found.setdefault(entry.manifest.sha256, point.id)
    return {*found.items(), *((digest, by) for digest, by in listed.items() if digest not in found)}


def test_a_point_that_expired_goes_and_so_does_what_it_alone_named(busy: Lab) -> None:
    before = answers(busy)[0]
    oldest, newest = busy.names("points/")[0], busy.names("points/")[-1]
    expire(busy, oldest)
    after = answers(busy)[0]
    gone = names.parse(oldest).sha256
    assert [point for point in before[0] if point.digest != gone] == after[0]
    # of h0 every run has stored a snapshot, of the others the first one is still named by the second run
    lost = {one.digest for one in before[1]} - {one.digest for one in after[1]}
    assert {one.host for one in before[1] if one.digest in lost} == {"h0"}
    assert [after] == anew(busy)
    # what was known best by the newest is known again by those before it
    expire(busy, newest)
    assert answers(busy) == anew(busy)


def test_lock_and_version_are_those_of_whoever_carried_it_last(lab: Lab, clock: Clock) -> None:
    backed_up(lab, {"h0": source(b"1"), "h1": source(b"1")})
    ((_points, (first,), _failures),) = answers(lab, Query(host="h1", tier="tier2"))
    clock.advance(days=60)
    backed_up(lab, {"h0": source(b"1")})
    ((_points, (carried,), _failures),) = answers(lab, Query(host="h1", tier="tier2"))
    assert (carried.state, carried.digest) == (StreamState.CARRIED, first.digest)
    assert carried.lock_until > first.lock_until
    assert carried.verified_at == START
    entry = lab.live().streams["h1", "tier2"]
    assert (carried.manifest, carried.pack) == (entry.manifest, entry.pack)
    with opened(lab) as catalog:
        assert [one.host for one in catalog.snapshots(Query(state=State.CARRIED, tier="tier2"))] == ["h1"]


# What never enters


def test_a_forged_point_never_enters_and_is_named(busy: Lab, other_keys: Path) -> None:
    forge = Forge(busy)
    before = anew(busy)
    ways: tuple[dict[str, t.Any], ...] = (
        {"keyring": LocalKeyring(other_keys)},
        {"use": "record"},
        {"body_bytes": lambda _data: b"other"},
        {"body_bytes": lambda _data: b""},
        {"body": {"complete": False}},
        {"statement": {"repository": "other"}},
    )
    times = [{"sealed_at": START + dt.timedelta(hours=5, minutes=number)} for number in range(len(ways))]
    put = [
        forge.put(**{**way, "statement": {**at, **way.get("statement", {})}})
        for way, at in zip(ways, times, strict=True)
    ]
    put.append(forge.put(statement={"sealed_at": START + dt.timedelta(days=30)}))
    for _again in range(2):
        with opened(busy) as catalog:
            assert [(catalog.points(ALL), catalog.snapshots(ALL), catalog.failures(ALL))] == before
            for name in put:
                assert any(f"recovery point {name} is not believed: " in warning for warning in catalog.warnings)
            assert catalog.stale == ("7 recovery points are not believed, and not in it",)


def test_what_was_signed_for_the_future_enters_when_that_has_come(busy: Lab, clock: Clock) -> None:
    at = clock() + dt.timedelta(hours=2)
    name = Forge(busy).put(statement={"sealed_at": at})
    assert names.parse(name).sha256 not in {point.digest for point in answers(busy)[0][0]}
    clock.advance(hours=2)
    assert names.parse(name).sha256 in {point.digest for point in answers(busy)[0][0]}


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Council:
    return Council.make(tmp_path_factory.mktemp("people"))


def test_what_a_removed_key_signs_afterwards_never_enters(
    tmp_path: Path, keys: Path, clock: Clock, council: Council
) -> None:
    lab = governed(tmp_path, keys, clock, council.everybody)
    for number in range(3):
        backed_up(lab, {"h0": source(b"%d" % number)})
        clock.advance(hours=1)
    honest = answers(lab)
    stolen = tmp_path / "stolen"
    shutil.copytree(tmp_path / "keyring", stolen)
    old = dataclasses.replace(lab, keyring=LocalKeyring(stolen))
    (key_id,) = lab.repository.root.signing("point", clock())
    lab = followed(lab, council, "alice", "bob", rotate=("point",), remove=(key_id,))
    clock.advance(hours=1)
    with opened(lab) as catalog:
        assert [(catalog.points(ALL), catalog.snapshots(ALL), catalog.failures(ALL))] == honest
        assert catalog.warnings == (
            "the catalog was made anew: the root has another newest link than the one its points were judged by",
        )
    name = Forge(old).put(statement={"sealed_at": clock()})
    backed_up(lab, {"h0": source(b"after")})
    with opened(lab) as catalog:
        assert len(catalog.points(ALL)) == 4
        (warning,) = catalog.warnings
        assert warning.startswith(f"recovery point {name} is not believed: is signed by a key that was removed")
    assert answers(lab) == anew(lab)
    # who has not seen the new link adds nothing, and says so
    with opened(old) as catalog:
        assert len(catalog.points(ALL)) == 4
        assert "under a newer link of the root" in catalog.stale[0]


# The file


def file_of(lab: Lab) -> Path:
    return place(lab.state_dir, lab.repository)


DAMAGES: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("other bytes", lambda data: b"no database at all" * 100),
    ("cut", lambda data: data[: len(data) // 2]),
    ("all but its first page", lambda data: data[:4096] + b"\xff" * (len(data) - 4096)),
    ("its list of tables", lambda data: data[:100] + b"\xff" * 3996 + data[4096:]),
)


@pytest.mark.parametrize("damage", [damage for _name, damage in DAMAGES], ids=[name for name, _damage in DAMAGES])
def test_a_damaged_file_is_made_anew_and_that_is_said(busy: Lab, damage: Callable[[bytes], bytes]) -> None:
    before = answers(busy)
    file = file_of(busy)
    file.write_bytes(damage(file.read_bytes()))
    with opened(busy) as catalog:
        assert [(catalog.points(ALL), catalog.snapshots(ALL), catalog.failures(ALL))] == before
        assert catalog.warnings == ("the catalog was made anew: its file was damaged",)
    assert answers(busy) == before


def test_an_empty_file_is_filled_without_a_word(busy: Lab) -> None:
    before = answers(busy)
    file_of(busy).write_bytes(b"")
    with opened(busy) as catalog:
        assert catalog.warnings == ()
    assert answers(busy) == before


def test_a_file_of_another_version_is_made_anew_and_that_is_said(busy: Lab) -> None:
    before = answers(busy)
    with contextlib.closing(sqlite3.connect(file_of(busy))) as connection:
        connection.executescript("DROP TABLE point; CREATE TABLE point (all_new TEXT); PRAGMA user_version = 99")
    with opened(busy) as catalog:
        assert catalog.warnings == (
            "the catalog was made anew: it was of version 99, and this collection keeps version 1",
        )
    assert answers(busy) == before


def test_it_is_rebuilt_where_that_is_asked_for(busy: Lab) -> None:
    before = answers(busy)
    with opened(busy, rebuild=True) as catalog:
        assert catalog.warnings == ("the catalog was made anew: that was asked for",)
    assert answers(busy) == before


def test_nobody_else_may_read_it_and_what_others_can_reach_is_not_used(busy: Lab) -> None:
    answers(busy)
    file = file_of(busy)
    assert file.stat().st_mode & 0o777 == 0o600
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in (file.parent, file.parent.parent, busy.state_dir))
    file.chmod(0o644)
    with pytest.raises(CatalogError, match="others can reach it") as caught:
        opened(busy)
    assert "set HOLDFAST_STATE_DIR" in str(caught.value)
    file.unlink()
    file.symlink_to(busy.path / "elsewhere")
    with pytest.raises(CatalogError):
        opened(busy)


def test_where_there_is_no_room_it_says_so_and_works_in_memory(busy: Lab) -> None:
    def cramped() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        with pytest.raises(CatalogError, match="the catalog cannot be kept") as caught:
            opened(busy)
        assert "cache to false" in str(caught.value)

    assert in_process(cramped) == 0
    (busy.path / "file").touch()
    with pytest.raises(CatalogError, match="cannot be made"):
        opened(busy, state_dir=busy.path / "file")
    assert len(anew(busy)[0][0]) == 6


@pytest.mark.parametrize("at", [1, 3, 6])
def test_killed_in_the_middle_it_holds_whole_points_and_goes_on_from_there(
    busy: Lab, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    added = Index.add
    count = 0

    def last(index: Index, entry: t.Any) -> None:
        nonlocal count
        count += 1
        added(index, entry)
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def update() -> None:
        monkeypatch.setattr(Index, "add", last)
        # each point has a transaction of its own, and the last one is in the middle of it
        monkeypatch.setattr(catalogs, "_TOGETHER", 1)
        opened(busy)

    assert in_process(update) == -signal.SIGKILL
    with contextlib.closing(sqlite3.connect(file_of(busy))) as connection:
        (points_there,) = connection.execute("SELECT count(*) FROM point").fetchone()
        (strays,) = connection.execute(
            "SELECT count(*) FROM naming WHERE point NOT IN (SELECT id FROM point)"
        ).fetchone()
    assert (points_there, strays) == (at - 1, 0)
    assert answers(busy) == anew(busy)


def test_several_at_once_leave_one_whole_catalog(busy: Lab) -> None:
    pids = []
    for _number in range(4):
        pid = os.fork()
        if not pid:
            try:
                same = answers(busy) == anew(busy)
            except BaseException:
                os._exit(1)
            os._exit(0 if same else 2)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4
    with contextlib.closing(sqlite3.connect(file_of(busy))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert answers(busy) == anew(busy)


def test_held_by_another_it_shows_what_is_there_and_says_so(busy: Lab, clock: Clock) -> None:
    before = answers(busy)
    backed_up(busy, {"h0": source(b"later")})
    with contextlib.closing(sqlite3.connect(file_of(busy), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with opened(busy, busy_seconds=0.01) as catalog:
            assert [(catalog.points(ALL), catalog.snapshots(ALL), catalog.failures(ALL))] == before
            assert catalog.stale == ("another process holds the catalog's file: it was not brought up to date",)
    assert len(answers(busy)[0][0]) == 7


def emptied(file: Path) -> None:
    """What another process does first that makes the catalog anew."""
    with contextlib.closing(Index(file)) as index, index.writing():
        chain = index.meta("chain")
        index.empty()
        index.note("chain", chain)


def test_emptied_by_another_meanwhile_it_is_filled_again_before_it_answers(busy: Lab) -> None:
    before = answers(busy)
    with opened(busy) as catalog:
        emptied(file_of(busy))
        assert [(catalog.points(ALL), catalog.snapshots(ALL), catalog.failures(ALL))] == before
        emptied(file_of(busy))
        assert catalog.counts.points == 6
        assert (catalog.warnings, catalog.stale) == ((), ())


def test_an_answer_is_of_one_moment_whatever_others_write(busy: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(busy)[0][1]
    found = Search._snapshot_ids

    def dropped(search: Search, *asked: t.Any) -> list[int]:
        ids = found(search, *asked)
        with (
            contextlib.closing(Index(file_of(busy), busy_seconds=0.01)) as other,
            contextlib.suppress(BusyCatalogError),
            other.writing(),
        ):
            other.drop(other.names())
        return ids

    with opened(busy) as catalog:
        monkeypatch.setattr(Search, "_snapshot_ids", dropped)
        assert catalog.snapshots(ALL) == before


def test_what_another_has_made_of_a_damaged_file_is_used_and_not_removed(busy: Lab) -> None:
    before = answers(busy)
    file = file_of(busy)
    with opened(busy) as catalog:
        file.unlink()
        with opened(busy):
            theirs = file.stat().st_ino
        with pytest.raises(DamagedCatalogError), catalog._index.writing():
            catalog._index.note("key", "value")
        catalog._open_anew()
        assert [(catalog.points(ALL), catalog.snapshots(ALL), catalog.failures(ALL))] == before
        assert catalog.warnings == ()
    assert file.stat().st_ino == theirs


@pytest.mark.parametrize("change", ["UPDATE meta SET value = '['", "UPDATE stream SET components = 'x'"])
def test_a_row_that_cannot_be_is_damage(busy: Lab, change: str) -> None:
    before = answers(busy)
    with contextlib.closing(sqlite3.connect(file_of(busy))) as connection:
        connection.executescript(change)
    with opened(busy) as catalog:
        assert [(catalog.points(ALL), catalog.snapshots(ALL), catalog.failures(ALL))] == before
        assert catalog.warnings == ("the catalog was made anew: its file was damaged",)


def test_each_site_has_a_file_of_its_own(busy: Lab) -> None:
    replica = MemoryStore("memory://replica", now=busy.wall_clock)
    replica._versions = dict(busy.memory._versions)
    for name in busy.names("points/")[-2:]:
        del replica._versions[name]
    assert len(answers(busy.on(replica))[0][0]) == 4
    assert len(answers(busy)[0][0]) == 6
    assert len(list(busy.state_dir.glob("catalog/*/*.sqlite"))) == 2


def test_several_processes_read_points_as_one_does(busy: Lab) -> None:
    assert answers(busy, forks=3) == anew(busy)


def test_it_asks_for_no_more_than_lists_and_gets(busy: Lab) -> None:
    calls: list[tuple[str, str]] = []
    store = CountedStore(busy.store, calls)
    answers(busy.on(store))
    assert counted(calls) == {"clock": 1, "get bodies": 6, "get points": 6, "list bodies": 1, "list points": 1}
    calls.clear()
    answers(busy.on(store))
    assert counted(calls) == {"clock": 1, "list points": 1}
