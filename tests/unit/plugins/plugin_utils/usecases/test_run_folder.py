# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run folder: private, each file whole or not there, and no digest key left once nobody needs it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import IntegrityError, RunError, UnavailableError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import run_folder, run_report
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import (
    PointFolder,
    Receipt,
    claim,
    open_points,
    point_of_host,
    remember,
    remembered,
    sweep,
    waiting_points,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .faults import FaultyStore
from .lab import FILES, START, Clock, Lab

RUN, OTHER = "a" * 16, "b" * 16


def forked(work: Callable[[], None]) -> int:
    """Do *work* in a process of its own; returns its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def dead_pid() -> int:
    """The id of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Sets the umask until the test ends."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_all_of_it_is_its_owners_alone(lab: Lab, umask: Callable[[int], int], mask: int) -> None:
    umask(mask)
    claim(lab.state_dir, RUN, os.getpid())
    folder = lab.folder(run=RUN)
    lab.open(folder)
    folder.add_batch(["h"])
    lab.snapshot(folder, MemorySource(FILES))
    run_report.write(lab.state_dir, RUN, run_report.gather(lab.state_dir, RUN))
    seen = [lab.state_dir, *lab.state_dir.rglob("*")]
    lab.seal(folder)
    seen += lab.state_dir.rglob("*")
    assert len(seen) > 12
    for path in seen:
        if path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            assert (path, oct(mode)) == (path, oct(0o700 if path.is_dir() else 0o600))


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(mode)
    with pytest.raises(RunError, match="others can enter it") as caught:
        claim(tmp_path, RUN, os.getpid())
    assert "HOLDFAST_STATE_DIR" in str(caught.value)


def test_what_is_written_is_read_back(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    opened = lab.open(folder, "h", "ä/ö")
    again = PointFolder(lab.state_dir, RUN, "main")
    assert again.read_open() == opened
    assert again.read_root() == lab.repository.root
    receipts = [
        lab.snapshot(folder, MemorySource(FILES)),
        Receipt("ä/ö", (), error="a path that is not UTF-8: \udcff"),
    ]
    folder.write_receipt(receipts[1])
    assert again.read_receipts() == {receipt.host: receipt for receipt in receipts}
    folder.write_receipt(Receipt("h", ()))
    assert again.read_receipts()["h"].streams == ()
    for batch in (["h"], ["ä/ö", "h"], []):
        folder.add_batch(batch)
    assert again.read_batches() == {"h", "ä/ö"}
    assert again.read_sealed() is None


def test_receipts_of_pushed_texts_stand_beside_that_of_their_host(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    own = Receipt("h", (), error="one", machine="m", clock_ahead=7)
    text = Receipt("h", (), error="two", held_back=True, follows="old")
    other = Receipt("ä/ö", (), error="three", held_back=True)
    folder.write_receipt(other, pushed="a")
    assert folder.read_receipts() == {"ä/ö": other}
    folder.write_receipt(text, pushed="a")
    folder.write_receipt(own)
    folder.write_receipt(text, pushed="../b")
    both = Receipt("h", (), "one; two", follows="old", machine="m", clock_ahead=7)
    assert folder.read_receipts() == {"h": both, "ä/ö": other}
    for name in ("a", "../b"):
        folder.write_receipt(Receipt("h", ()), pushed=name)
    assert folder.read_receipts()["h"] == own
    folder.write_receipt(text, pushed="a")
    folder.write_receipt(own, whole=True)
    assert folder.read_receipts()["h"] == own
    assert {path.name for path in folder.path.iterdir()} == {"receipts", "pushed"}


@pytest.mark.parametrize(("run", "point"), [("x", "main"), (RUN, ".."), (RUN, "a/b"), ("../" + "a" * 13, "main")])
def test_names_never_leave_the_folder(tmp_path: Path, run: str, point: str) -> None:
    with pytest.raises(RunError):
        PointFolder(tmp_path, run, point)


def test_a_damaged_file_is_told_by_its_path(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    lab.open(folder)
    for name, read in (("point.json", folder.read_open), ("live.json", folder.read_live)):
        (folder.path / name).write_text("{")
        with pytest.raises(RunError, match=name) as caught:
            read()
        assert "Run the play again" in str(caught.value)
    (folder.path / "root.json").unlink()
    with pytest.raises(RunError, match=r"root\.json"):
        folder.read_root()


def test_a_file_is_whole_or_not_there_when_its_writer_is_killed(tmp_path: Path) -> None:
    """Killed at every call that touches the file, twice: with nothing there before, and with an older one."""
    calls = ("mkstemp", "fdopen", "rename")

    def write(size: int, kill_at: str | None) -> None:
        def killing(inner: t.Any) -> t.Any:
            def call(*args: t.Any, **more: t.Any) -> t.Any:
                os.kill(os.getpid(), signal.SIGKILL)
                return inner(*args, **more)

            return call

        if kill_at == "mkstemp":
            run_folder.tempfile.mkstemp = killing(run_folder.tempfile.mkstemp)
        elif kill_at is not None:
            setattr(os, kill_at, killing(getattr(os, kill_at)))
        PointFolder(tmp_path, RUN, "main").write_sealed({"size": size, "filler": "x" * size})

    def sealed() -> int:
        found = PointFolder(tmp_path, RUN, "main").read_sealed()
        return 0 if found is None else found["size"]

    for size in (100_000, 200_000):
        before = sealed()
        for call in calls:
            assert os.WTERMSIG(forked(lambda size=size, call=call: write(size, call))) == signal.SIGKILL
            assert sealed() == before
        assert forked(lambda size=size: write(size, None)) == 0
        assert sealed() == size


def test_a_full_disk_is_one_sentence_and_leaves_what_was(lab: Lab) -> None:
    """A limit of the file size stands for it: the system refuses in the same place."""
    folder = lab.folder(run=RUN)
    lab.open(folder)
    folder.write_receipt(Receipt("h", (), error="first"))
    before = sorted(path for path in lab.state_dir.rglob("*"))

    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        with pytest.raises(RunError) as caught:
            folder.write_receipt(Receipt("h", (), error="second" * 100))
        assert "File too large" in str(caught.value)
        assert str(folder.path / "receipts") in str(caught.value)
        assert "Give room" in str(caught.value)

    assert forked(write) == 0
    assert folder.read_receipts()["h"].error == "first"
    assert sorted(path for path in lab.state_dir.rglob("*")) == before


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    folder = PointFolder(tmp_path / "state", RUN, "main")
    for attempt in (
        lambda: claim(tmp_path / "state", RUN, 1),
        lambda: folder.add_batch(["h"]),
        lambda: folder.locked().__enter__(),
    ):
        with pytest.raises(RunError, match="HOLDFAST_STATE_DIR"):
            attempt()
    assert not folder.exists()
    assert open_points(tmp_path / "state", RUN) == []


def test_the_lock_keeps_another_process_out_and_ends_with_its_owner(tmp_path: Path) -> None:
    folder = PointFolder(tmp_path, RUN, "main")
    taken, may_end = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        with folder.locked():
            os.write(taken[1], b"x")
            os.read(may_end[0], 1)
            os.kill(os.getpid(), signal.SIGKILL)
    os.read(taken[0], 1)
    descriptor = os.open(folder.path / "lock", os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(may_end[1], b"x")
    os.waitpid(pid, 0)
    with folder.locked(), pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for end in (*taken, *may_end, descriptor):
        os.close(end)


def held_keys(state_dir: Path) -> list[str]:
    return sorted(path.parents[2].name for path in state_dir.rglob("hosts/*") if b"digest_keys" in path.read_bytes())


def test_keys_of_dead_runs_are_swept_and_of_living_ones_kept(lab: Lab) -> None:
    dead, mine = "c" * 16, "d" * 16
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        for run, pid in ((dead, dead_pid()), (OTHER, other.pid), (mine, os.getpid())):
            claim(lab.state_dir, run, pid)
            lab.open(lab.folder(run=run))
        assert held_keys(lab.state_dir) == [OTHER, dead, mine]
        sweep(lab.state_dir, keep="e" * 16)
        assert held_keys(lab.state_dir) == [OTHER, mine]
    finally:
        other.communicate(b"\n")
    sweep(lab.state_dir, keep=OTHER)
    assert held_keys(lab.state_dir) == [OTHER, mine]
    sweep(lab.state_dir, keep=mine)
    assert held_keys(lab.state_dir) == [mine]


@pytest.mark.parametrize("claimed", [None, "", "{}", "[]", '{"pid": 1, "where": "another machine"}'])
def test_keys_of_a_run_that_cannot_be_asked_for_stay_for_a_week(lab: Lab, claimed: str | None) -> None:
    """Another container or machine may share the folder: its processes are not to be seen here."""
    lab.open(lab.folder(run=RUN))
    run = lab.state_dir / "runs" / RUN
    if claimed is not None:
        (run / "controller.json").write_text(claimed)
    sweep(lab.state_dir, keep=OTHER)
    assert held_keys(lab.state_dir) == [RUN]
    week_ago = time.time() - 7 * 24 * 3600 - 60
    os.utime(run, (week_ago, week_ago))
    sweep(lab.state_dir, keep=OTHER)
    assert held_keys(lab.state_dir) == []


def test_the_first_claim_of_a_run_stays(tmp_path: Path) -> None:
    """Workers come later, and the run is not theirs."""
    claim(tmp_path, RUN, 4711)
    claim(tmp_path, RUN, 4712)
    assert json.loads((tmp_path / "runs" / RUN / "controller.json").read_text())["pid"] == 4711


def test_keys_of_a_run_that_was_killed_while_it_opened_are_swept(lab: Lab) -> None:
    claim(lab.state_dir, RUN, dead_pid())
    folder = lab.folder(run=RUN)

    def opening() -> None:
        PointFolder.write_open = lambda *_args: os.kill(os.getpid(), signal.SIGKILL)
        lab.open(folder)

    assert os.WTERMSIG(forked(opening)) == signal.SIGKILL
    assert held_keys(lab.state_dir) == [RUN]
    assert open_points(lab.state_dir, RUN) == []
    sweep(lab.state_dir, keep=OTHER)
    assert held_keys(lab.state_dir) == []


def test_a_sweep_keeps_what_an_unsealed_point_has(lab: Lab) -> None:
    claim(lab.state_dir, RUN, dead_pid())
    sealed, unsealed = lab.folder("main", run=RUN), lab.folder("second", run=RUN)
    for folder in (sealed, unsealed):
        lab.open(folder)
        lab.snapshot(folder, MemorySource(FILES))
        folder.write_receipt(Receipt("i", ()), pushed="ilo")
    lab.seal(sealed)
    sweep(lab.state_dir, keep=OTHER)
    assert sealed.read_receipts() == {}
    assert sealed.read_sealed() is not None
    assert set(unsealed.read_receipts()) == {"h", "i"}
    assert unsealed.read_open().point == "second"


def test_a_sweep_leaves_what_is_no_run(tmp_path: Path) -> None:
    claim(tmp_path, RUN, dead_pid())
    (tmp_path / "runs" / RUN / "report.json").touch()
    (tmp_path / "runs" / RUN / "Not-A-Point" / "hosts").mkdir(parents=True)
    (tmp_path / "runs" / "notes" / "main" / "hosts").mkdir(parents=True)
    sweep(tmp_path, keep=OTHER)
    assert (tmp_path / "runs" / "notes" / "main" / "hosts").exists()
    assert (tmp_path / "runs" / RUN / "Not-A-Point" / "hosts").exists()


def test_a_snapshot_finds_its_point(lab: Lab) -> None:
    def found(host: str = "h", named: str | None = None) -> str:
        return point_of_host(lab.state_dir, RUN, host=host, named=named).point

    alone = found()
    assert alone == found() != found("other")
    assert found(named="pre") == "pre"
    lab.open(lab.folder("pre", run=RUN))
    with pytest.raises(RunError, match="pre are open, and none of them is main"):
        found()
    lab.open(lab.folder(run=RUN))
    assert found() == "main"


def test_a_host_alone_may_come_again(lab: Lab) -> None:
    """Two snapshots of a host in one run, outside of any point, make two points."""
    points = []
    for _number in range(2):
        folder = point_of_host(lab.state_dir, RUN, host="h", named=None)
        lab.open(folder)
        lab.snapshot(folder, MemorySource(FILES))
        points.append(lab.seal(folder).id)
    assert len(set(points)) == 2


def test_nothing_in_it_is_secret_once_it_is_sealed(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    lab.open(folder)
    keys = [key.hex() for key in folder.read_host("h").digest_keys.values()]
    lab.snapshot(folder, MemorySource(FILES))
    lab.seal(folder)
    texts = [path.read_text() for path in lab.state_dir.rglob("*") if path.is_file()]
    assert keys
    assert not any(key in text for key in keys for text in texts)


def test_a_report_of_a_run_is_json(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    lab.open(folder)
    lab.snapshot(folder, MemorySource(FILES))
    sealed = lab.seal(folder)
    path = run_report.write(lab.state_dir, RUN, run_report.gather(lab.state_dir, RUN))
    (document,) = json.loads(path.read_text())
    assert (document["id"], document["complete"]) == (sealed.id, True)
    assert document["hosts"][0]["stored_bytes"] == sealed.stored_bytes


def test_opening_is_the_same_for_whoever_asks(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    opened = lab.open(folder)
    assert dataclasses.asdict(folder.read_open()) == dataclasses.asdict(opened)
    assert opened.monotonic <= time.monotonic() or opened.monotonic == 0.0


# What the store did not take


@pytest.fixture
def refused(lab: Lab) -> PointFolder:
    """A point of a run that has ended: both streams of host h were captured, and the store took neither."""
    claim(lab.state_dir, RUN, dead_pid())
    folder = lab.folder(run=RUN)
    lab.open(folder)

    def refuse(_number: int, operation: str, _name: str) -> None:
        if operation == "put":
            raise UnavailableError("not reached")

    with pytest.raises(UnavailableError):
        lab.on(FaultyStore(lab.store, before=refuse)).snapshot(folder, MemorySource(FILES))
    return folder


def test_a_leftover_is_read_as_it_was_kept(lab: Lab, refused: PointFolder) -> None:
    found = PointFolder(lab.state_dir, RUN, "main").read_leftovers()
    assert {left.entry.stream for left in found} == {"tier1", "tier2"}
    for left in found:
        assert left.receipt.entry == left.entry
        assert (left.receipt.reason, left.receipt.stored_bytes) == ("first", len(left.pack) + len(left.manifest))
        assert (left.entry.pack.size, left.entry.manifest.size) == (len(left.pack), len(left.manifest))
        assert hashlib.sha256(left.pack).hexdigest() == left.entry.pack.sha256
        # not stored: it has no version
        assert left.entry.pack.version == left.entry.manifest.version == ""
    refused.keep_leftover(found[0])
    assert refused.read_leftovers() == found
    refused.drop_leftovers()
    refused.drop_leftovers()
    assert refused.read_leftovers() == []
    assert not refused.waits_for_store


def test_leftovers_are_their_owners_alone(lab: Lab, refused: PointFolder) -> None:
    paths = [refused.path / "leftovers", *(refused.path / "leftovers").iterdir()]
    assert len(paths) == 7
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("suffix", [".pack", ".manifest", ".json"])
def test_a_damaged_leftover_is_told_by_its_path(refused: PointFolder, suffix: str) -> None:
    path = min((refused.path / "leftovers").glob(f"*{suffix}"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError if suffix == ".json" else IntegrityError) as caught:
        refused.read_leftovers()
    assert str(path) in str(caught.value)


def test_a_leftover_that_was_not_written_whole_is_none(refused: PointFolder) -> None:
    """Its writer was killed between the files: what counts comes last."""
    found = refused.read_leftovers()
    for kills_at in range(3):
        refused.drop_leftovers()
        calls = iter(range(3))

        def killing(source: t.Any, target: t.Any, kills_at: int = kills_at, calls: Iterator[int] = calls) -> None:
            if next(calls) == kills_at:
                os.kill(os.getpid(), signal.SIGKILL)
            os.replace(source, target)

        def keep(killing: t.Any = killing) -> None:
            os.rename = killing
            refused.keep_leftover(found[0])

        assert os.WTERMSIG(forked(keep)) == signal.SIGKILL
        assert refused.read_leftovers() == []
        assert not refused.waits_for_store
        refused.keep_leftover(found[0])
        assert refused.read_leftovers() == found[:1]


def test_a_point_waits_for_what_it_is(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    lab.open(folder)
    assert not folder.waits_for_store
    for _time in range(2):
        folder.mark_unsent()
        assert folder.waits_for_store
    folder.drop_leftovers()
    assert not folder.waits_for_store


def test_points_of_ended_runs_wait_and_no_others(lab: Lab, refused: PointFolder) -> None:
    def waiting(keep: str = "e" * 16) -> list[str]:
        return [
            str(point.path.relative_to(lab.state_dir / "runs")) for point in waiting_points(lab.state_dir, keep=keep)
        ]

    second, plain = lab.folder("second", run=RUN), lab.folder("plain", run=RUN)
    for folder in (second, plain):
        lab.open(folder)
    second.mark_unsent()
    claim(lab.state_dir, OTHER, os.getpid())
    living = lab.folder(run=OTHER)
    lab.open(living)
    living.mark_unsent()
    # never opened: nothing to ship
    (lab.state_dir / "runs" / RUN / "third").mkdir()
    (lab.state_dir / "runs" / RUN / "third" / "unsent").touch()
    shutil.copytree(lab.state_dir / "runs" / RUN, lab.state_dir / "runs" / "notes")
    assert waiting() == [f"{RUN}/main", f"{RUN}/second"]
    assert waiting(keep=RUN) == []
    assert waiting_points(lab.state_dir / "nowhere", keep=RUN) == []


def test_a_sweep_thins_out_what_has_been_shipped(lab: Lab, refused: PointFolder) -> None:
    refused.write_sealed({})
    for waits in (True, False):
        sweep(lab.state_dir, keep=OTHER)
        assert bool(refused.read_receipts()) is waits
        assert refused.waits_for_store is waits
        refused.drop_leftovers()


def test_a_receipt_tells_what_the_store_held_back(refused: PointFolder) -> None:
    receipt = refused.read_receipts()["h"]
    assert receipt.held_back
    assert receipt.streams == ()
    again = dataclasses.replace(receipt, held_back=False)
    refused.write_receipt(again)
    assert refused.read_receipts()["h"] == again


# What must be carried


def test_what_is_due_is_read_in_its_order(lab: Lab, clock: Clock) -> None:
    lab.run({host: MemorySource(FILES) for host in ("h", "b", "c")})
    clock.advance(days=40)
    folder = lab.folder(run=RUN)
    lab.open(folder)
    due = keep.due(lab.live().streams.values(), lab.repository.root.classes, clock.moment + dt.timedelta(days=1))
    assert len(due) == 6
    assert folder.read_due() == list(due)
    assert {entry.key for entry in folder.read_live()[0]} == {entry.key for entry in due}
    # a run of a day must still be able to name the rest
    spare = {entry.key: keep.renewal("/".join(entry.key)) for entry in due}
    clock.moment = START + min(spare.values()) - dt.timedelta(days=1)
    for run, expected in ((OTHER, []), ("c" * 16, [key for key, days in spare.items() if days == min(spare.values())])):
        later = lab.folder(run=run)
        lab.open(later)
        assert [entry.key for entry in later.read_due()] == sorted(expected)
        clock.advance(seconds=1)


def test_nothing_is_due_where_nothing_is(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    lab.open(folder)
    assert folder.read_due() == []
    assert folder.read_live() == ([], ())


@pytest.mark.parametrize("name", ["due.json", "live.json"])
def test_what_is_gone_or_damaged_is_never_nothing(lab: Lab, name: str) -> None:
    folder = lab.folder(run=RUN)
    lab.open(folder)
    read = folder.read_due if name == "due.json" else folder.read_live
    (folder.path / name).write_text("[")
    with pytest.raises(RunError, match=name):
        read()
    (folder.path / name).unlink()
    with pytest.raises(RunError, match="are gone"):
        read()


def test_seal_drops_what_is_due(lab: Lab) -> None:
    folder = lab.folder(run=RUN)
    lab.open(folder)
    assert (folder.path / "due.json").exists()
    lab.snapshot(folder, MemorySource(FILES))
    lab.seal(folder)
    assert not (folder.path / "due.json").exists()


# The last point that was sealed here

ID, LAST = "cd" * 32, "ab" * 32


def test_a_controller_remembers_the_point_it_sealed_last(tmp_path: Path) -> None:
    assert remembered(tmp_path, ID, START) is None
    for point in ("12" * 32, LAST):
        remember(tmp_path, ID, point, START)
    assert remembered(tmp_path, ID, START - dt.timedelta(seconds=1)) == LAST
    # it may have expired since
    assert remembered(tmp_path, ID, START) is None
    assert remembered(tmp_path, "ef" * 32, START) is None
    assert stat.S_IMODE((tmp_path / "sealed").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "sealed" / f"{ID}.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "1",
        '"x"',
        '{"id": 1}',
        '{"lock_until": 1, "id": 1}',
        '{"lock_until": "soon", "id": 1}',
        "\xff",
    ],
)
def test_a_damaged_memory_is_none(tmp_path: Path, text: str) -> None:
    remember(tmp_path, ID, LAST, START)
    (tmp_path / "sealed" / f"{ID}.json").write_bytes(text.encode("latin-1"))
    assert remembered(tmp_path, ID, START - dt.timedelta(days=1)) is None


def test_a_point_that_was_sealed_here_must_be_there(lab: Lab, clock: Clock) -> None:
    """A frozen replica, an old copy, a thief: whatever it is, the next point says so."""
    lab.run(MemorySource(FILES))
    before = dict(lab.memory._versions)
    clock.advance(hours=1)
    sealed = lab.run(MemorySource(FILES))
    assert remembered(lab.state_dir, lab.repository.chain.links[0].root.id, clock.moment) == sealed.id
    clock.advance(hours=1)
    assert lab.open(lab.folder(run=RUN)).notes == ()
    lab.memory._versions = before
    (note,) = lab.open(lab.folder(run=OTHER)).notes
    assert note == (
        f"recovery point {sealed.id}, which this controller sealed and the store locked, is not there or not believed"
    )


def test_check_mode_remembers_nothing(lab: Lab) -> None:
    lab.on(DryRunStore(lab.store)).run(MemorySource(FILES), check=True)
    assert not (lab.state_dir / "sealed").exists()
