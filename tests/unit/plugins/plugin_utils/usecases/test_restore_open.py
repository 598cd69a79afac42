# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is captured while a restore in place is open on a host: stored, said, and never chosen without being named."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import results
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import wire
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    FullError,
    IntegrityError,
    NotFoundError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Body, StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import read_pushed
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    choose,
    leftovers,
    open_snapshot,
    points,
    run_report,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import Receipt, claim
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.snapshot import HeardHost
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import HostSite

from .faults import FaultyStore
from .forge import Forge
from .lab import COMPONENTS, FILES, START, Clock, Lab, declared, problems
from .test_leftovers import NEXT, refusing
from .test_run_folder import dead_pid

CONF = "/etc/app/main.conf"
RESTORE = "0123456789abcdef"
MARK = f"restore open: {RESTORE}"
NEWEST = Selection(newest=True)
UNCHANGED = ["unchanged", "unchanged"]


class Machine(HostSite):
    """A host with its files, and a folder in which restores in place keep their journals."""

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__(root)
        self.clock = clock
        self.journal = root / "var/lib/holdfast"
        self.asked: list[str] = []
        self.before: dict[int, t.Callable[[], object]] = {}
        for path, content in FILES.items():
            self.write(path, content)

    def heard(self) -> HeardHost:
        """What a run captures of it."""
        return HeardHost(self._trip, journal=str(self.journal))

    def _trip(self, half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        self.before.pop(len(self.asked), lambda: None)()
        self.asked.append(request["op"])
        header, contents = _tree.answer({**request, "root": str(self.root)})
        if "host" in header:
            header["host"]["time"] = int(self.clock().timestamp())
        return _tree.MARK + _tree.pack(header, contents)

    def open(self, restore: str = RESTORE) -> None:
        """Begin a restore in place."""
        (self.journal / restore).mkdir(parents=True)
        (self.journal / restore / "journal.json").write_text("{}")

    def close(self, restore: str = RESTORE) -> None:
        """End it."""
        shutil.rmtree(self.journal / restore)


@pytest.fixture
def machine(tmp_path: Path, clock: Clock) -> Machine:
    """A host that was never captured."""
    return Machine(tmp_path / "host", clock)


@pytest.fixture
def captured(lab: Lab, machine: Machine, clock: Clock) -> Machine:
    """The same, captured once; an hour has passed."""
    run(lab, machine)
    clock.advance(hours=1)
    machine.asked.clear()
    return machine


def capture(lab: Lab, machine: Machine, **more: t.Any) -> tuple[Receipt, Body | None]:
    """One run of this host alone: its receipt, and what was sealed."""
    folder = lab.folder()
    check = {"check": more.get("check", False)}
    lab.open(folder, **check)
    receipt = lab.snapshot(folder, machine.heard(), **more)
    # what the worker leaves is what seal reads
    assert folder.read_receipts()["h"].restores == receipt.restores
    sealed = lab.seal(folder, **check)
    if sealed.id is None:
        return receipt, None
    (point,) = points.find(lab.repository, sealed.id)[0]
    return receipt, point.body


def run(lab: Lab, machine: Machine, **more: t.Any) -> Body:
    """One run of this host alone, and what was sealed."""
    body = capture(lab, machine, **more)[1]
    assert body is not None
    return body


def told(body: Body) -> list[str]:
    return [found.detail for found in body.consistency if found.check == "restore_open"]


def by_stream(body: Body) -> dict[str, StreamEntry]:
    return {entry.stream: entry for entry in body.streams}


def manifest_of(lab: Lab, entry: StreamEntry) -> bool:
    return open_snapshot.read_manifest(lab.repository, entry).restore_open


class TestCaptured:
    def test_a_stream_that_differs_is_stored_and_marked_and_the_point_says_so(
        self, lab: Lab, captured: Machine
    ) -> None:
        captured.open()
        captured.write(CONF, b"half restored\n")
        receipt, body = capture(lab, captured)
        assert body is not None
        assert [part.reason for part in receipt.streams] == ["drift", "unchanged"]
        stored, unchanged = by_stream(body)["tier1"], by_stream(body)["tier2"]
        assert (stored.state, stored.marks, stored.is_rollback_target) == (StreamState.STORED, (MARK,), False)
        assert manifest_of(lab, stored)
        # equal to what is good is good evidence
        assert (unchanged.state, unchanged.marks, unchanged.is_rollback_target) == (StreamState.UNCHANGED, (), True)
        assert not manifest_of(lab, unchanged)
        assert told(body) == [f"a restore was open on h: {RESTORE}"]
        assert body.complete
        assert not problems(lab.verify())

    def test_where_nothing_differs_the_point_says_so_all_the_same(self, lab: Lab, captured: Machine) -> None:
        captured.open()
        receipt, body = capture(lab, captured)
        assert body is not None
        assert [part.reason for part in receipt.streams] == UNCHANGED
        assert {entry.marks for entry in body.streams} == {()}
        assert told(body) == [f"a restore was open on h: {RESTORE}"]
        assert captured.asked == ["fingerprint"]

    def test_a_first_snapshot_is_marked_too(self, lab: Lab, machine: Machine) -> None:
        machine.open()
        machine.open("f" * 16)
        body = run(lab, machine)
        assert {entry.marks for entry in body.streams} == {(MARK, f"restore open: {'f' * 16}")}
        assert all(manifest_of(lab, entry) for entry in body.streams)

    def test_without_a_restore_nothing_is_marked_or_said(self, lab: Lab, captured: Machine) -> None:
        captured.write(CONF, b"drifted\n")
        body = run(lab, captured)
        assert {entry.marks for entry in body.streams} == {()}
        assert told(body) == []

    @pytest.mark.parametrize("trip", [0, 1])
    def test_what_is_open_in_any_trip_counts(self, lab: Lab, captured: Machine, trip: int) -> None:
        captured.write(CONF, b"half restored\n")
        captured.before = {trip: captured.open, trip + 1: captured.close}
        body = run(lab, captured)
        assert captured.asked == ["fingerprint", "content"]
        assert by_stream(body)["tier1"].marks == (MARK,)
        assert told(body)

    def test_one_that_came_and_went_meanwhile_is_marked(
        self, lab: Lab, captured: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        captured.write(CONF, b"half restored\n")
        walked = _tree._walked

        def walk(*args: t.Any) -> dict[str, t.Any]:
            captured.open()
            captured.close()
            return walked(*args)

        monkeypatch.setattr(_tree, "_walked", walk)
        entry = by_stream(run(lab, captured))["tier1"]
        assert (entry.marks, entry.is_rollback_target) == (("restore open: came and went",), False)

    def test_a_snapshot_changes_nothing_on_the_host(self, lab: Lab, captured: Machine) -> None:
        captured.open()
        (captured.at("/etc/app") / f".holdfast-{RESTORE}").mkdir()
        (captured.at("/etc/app") / f".holdfast-{RESTORE}/0").write_bytes(b"staged")
        captured.write(CONF, b"half restored\n")
        before = captured.state()
        run(lab, captured)
        assert captured.state() == before
        assert b"staged" not in lab.contents(selection=Selection(time=START + dt.timedelta(days=1))).values()

    def test_what_a_restore_has_staged_is_not_captured_and_no_open_restore(self, lab: Lab, captured: Machine) -> None:
        (captured.at("/etc/app") / f".holdfast-{RESTORE}").mkdir()
        (captured.at("/etc/app") / f".holdfast-{RESTORE}/0").write_bytes(b"staged")
        receipt, body = capture(lab, captured)
        assert body is not None
        assert [part.reason for part in receipt.streams] == UNCHANGED
        assert told(body) == []

    def test_check_mode_says_it_and_stores_nothing(self, lab: Lab, captured: Machine) -> None:
        captured.open()
        captured.write(CONF, b"half restored\n")
        before = lab.names()
        receipt, body = capture(lab, captured, check=True)
        assert (receipt.restores, body) == ((RESTORE,), None)
        assert lab.names() == before

    def test_a_renewal_is_marked(self, lab: Lab, captured: Machine, clock: Clock) -> None:
        clock.advance(days=200)
        captured.open()
        body = run(lab, captured)
        assert {(entry.state, entry.marks) for entry in body.streams} == {(StreamState.STORED, (MARK,))}

    def test_a_host_that_failed_says_it_too(self, lab: Lab, machine: Machine) -> None:
        folder = lab.folder()
        lab.open(folder)
        machine.open()
        machine.remove("/etc/base")
        with pytest.raises(CaptureError):
            lab.snapshot(folder, machine.heard())
        # an error has no header that tells of the host
        assert folder.read_receipts()["h"].restores == ()

    @pytest.mark.parametrize("sealed", [False, True])
    def test_the_mark_survives_a_store_that_was_full(
        self, lab: Lab, machine: Machine, clock: Clock, sealed: bool
    ) -> None:
        machine.open()
        folder = lab.folder()
        claim(lab.state_dir, folder.run, dead_pid())
        lab.open(folder)
        # all of it waits, or the second stream alone
        flaky = lab.on(FaultyStore(lab.store, before=refusing("packs/", FullError, after=int(sealed))))
        with pytest.raises(FullError):
            flaky.snapshot(folder, machine.heard())
        if sealed:
            lab.seal(folder)
        clock.advance(hours=1)
        assert leftovers.ship_leftovers(lab.state_dir, lab.repository, lab.keyring, run=NEXT).shipped
        for point in points.history(lab.repository):
            assert {entry.marks for entry in point.body.streams} == {(MARK,)}
            assert told(point.body) == [f"a restore was open on h: {RESTORE}"]

    def test_pushed_texts_are_not_what_is_restored(self, lab: Lab, machine: Machine) -> None:
        machine.open()
        folder = lab.folder()
        lab.open(folder)
        policy = read_pushed(host="h", content=[{"name": "bmc", "text": "x"}])
        receipt = lab.snapshot(folder, machine.heard(), policy=lambda: policy, pushed=("bmc",))
        assert (receipt.restores, machine.asked) == ((), [])
        (entry,) = (part.entry for part in receipt.streams)
        assert entry is not None
        assert entry.is_rollback_target


class TestAfterwards:
    """The mark does not stick: once no restore is open, what is there is stored as what it is."""

    @pytest.fixture
    def marked(self, lab: Lab, machine: Machine, clock: Clock) -> Machine:
        """A host whose only snapshots were taken under an open restore."""
        machine.open()
        run(lab, machine)
        clock.advance(hours=1)
        machine.asked.clear()
        return machine

    def test_equal_content_is_stored_anew_once(self, lab: Lab, marked: Machine, clock: Clock) -> None:
        marked.close()
        receipt, body = capture(lab, marked)
        assert body is not None
        assert [(part.reason, part.changed) for part in receipt.streams] == [("restore", ()), ("restore", ())]
        assert {(entry.state, entry.marks) for entry in body.streams} == {(StreamState.STORED, ())}
        assert told(body) == []
        clock.advance(hours=1)
        receipt, _body = capture(lab, marked)
        assert [part.reason for part in receipt.streams] == UNCHANGED
        assert not problems(lab.verify())

    def test_check_mode_says_that_it_would_be(self, lab: Lab, marked: Machine) -> None:
        marked.close()
        receipt, _body = capture(lab, marked, check=True)
        assert [(part.reason, part.entry) for part in receipt.streams] == [("restore", None)] * 2

    def test_while_it_stays_open_nothing_is_stored_twice(self, lab: Lab, marked: Machine) -> None:
        before = lab.names("packs/")
        receipt, body = capture(lab, marked)
        assert body is not None
        assert [part.reason for part in receipt.streams] == UNCHANGED
        # what it equals is no rollback target, so it is none
        assert {(entry.state, entry.marks) for entry in body.streams} == {(StreamState.UNCHANGED, (MARK,))}
        assert lab.names("packs/") == before
        assert told(body)

    def test_one_that_opens_again_between_the_trips_marks_again(self, lab: Lab, marked: Machine) -> None:
        marked.close()
        marked.before = {1: lambda: marked.open("f" * 16)}
        body = run(lab, marked)
        assert {(entry.state, entry.marks) for entry in body.streams} == {
            (StreamState.STORED, (f"restore open: {'f' * 16}",))
        }

    def test_drift_and_policy_are_told_as_such(self, lab: Lab, marked: Machine) -> None:
        marked.close()
        marked.write(CONF, b"other\n")
        edited = declared(COMPONENTS[0], {**COMPONENTS[1], "owner": "others"})
        receipt, _body = capture(lab, marked, policy=lambda: edited)
        assert [(part.reason, part.changed) for part in receipt.streams] == [("drift", ("app",)), ("policy", ())]

    def test_a_silent_host_keeps_it_as_its_last_copy(self, lab: Lab, marked: Machine, clock: Clock) -> None:
        clock.advance(days=200)
        folder = lab.folder()
        lab.open(folder)
        assert lab.seal(folder).carried == 2
        for entry in lab.live().streams.values():
            assert (entry.state, entry.marks) == (StreamState.CARRIED, (MARK,))
            assert keep.nameable(entry.lock_until, clock(), lab.repository.root.classes[entry.retention_class])
        assert not problems(lab.verify())


class TestChosen:
    """By its digest or its point's: somebody asked for it. Never by time, nor as the newest."""

    def contents(self, lab: Lab, **selection: t.Any) -> bytes:
        return lab.contents(selection=Selection(**selection))[CONF]

    @pytest.fixture
    def history(self, lab: Lab, machine: Machine, clock: Clock) -> list[Body]:
        """A good snapshot, two under an open restore, and two hours that passed; each holds its number."""
        bodies = []
        for number in range(3):
            machine.write(CONF, str(number).encode())
            if number == 1:
                machine.open()
            bodies.append(run(lab, machine))
            clock.advance(hours=1)
        return bodies

    def test_newest_is_the_newest_that_was_whole(self, lab: Lab, history: list[Body]) -> None:
        assert self.contents(lab, newest=True) == b"0"
        assert not any(chosen.restore_open for chosen in choose.choose(lab.repository, "h", NEWEST))

    def test_at_a_time(self, lab: Lab, machine: Machine, clock: Clock, history: list[Body]) -> None:
        machine.close()
        machine.write(CONF, b"3")
        run(lab, machine)
        for hours, content in ((0, b"0"), (1, b"0"), (2, b"0"), (2.99, b"0"), (3, b"3")):
            assert self.contents(lab, time=START + dt.timedelta(hours=hours)) == content
        assert self.contents(lab, newest=True) == b"3"

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_whoever_names_one_gets_it_and_can_be_warned(self, lab: Lab, history: list[Body], number: int) -> None:
        entry = by_stream(history[number])["tier1"]
        found = points.history(lab.repository)
        (point,) = (point.id for point in found if point.body == history[number])
        for selection in (Selection(snapshot=entry.manifest.sha256), Selection(point=point)):
            chosen = choose.choose(lab.repository, "h", selection)
            assert {one.entry.stream: one.restore_open for one in chosen}["tier1"] is (number > 0)
            assert lab.contents(selection=selection)[CONF] == str(number).encode()

    def test_other_streams_are_as_new_as_they_are(self, lab: Lab, machine: Machine, clock: Clock) -> None:
        run(lab, machine)
        clock.advance(hours=1)
        machine.write("/etc/base", b"newer\n")
        machine.write(CONF, b"newer\n")
        run(lab, machine)
        clock.advance(hours=1)
        machine.open()
        machine.write(CONF, b"half restored\n")
        run(lab, machine)
        assert lab.contents() == {**FILES, "/etc/base": b"newer\n", CONF: b"newer\n"}

    def test_it_brings_back_no_component_that_was_dropped_since(self, lab: Lab, machine: Machine, clock: Clock) -> None:
        both = declared({**COMPONENTS[0]}, {**COMPONENTS[1], "tier": "tier1"})
        run(lab, machine, policy=lambda: both)
        clock.advance(hours=1)
        machine.open()
        run(lab, machine, policy=lambda: declared(COMPONENTS[0]))
        (chosen,) = choose.choose(lab.repository, "h", NEWEST)
        assert (chosen.components, chosen.entry.captured_at) == (("app",), START)
        (named,) = choose.choose(lab.repository, "h", dataclasses.replace(NEWEST, components=("base",)))
        assert named.components == ("base",)

    def test_a_dropped_component_comes_from_one_that_was_whole(self, lab: Lab, machine: Machine, clock: Clock) -> None:
        both = declared({**COMPONENTS[0]}, {**COMPONENTS[1], "tier": "tier1"})
        run(lab, machine, policy=lambda: both)
        clock.advance(hours=1)
        machine.open()
        machine.write("/etc/base", b"half restored\n")
        run(lab, machine, policy=lambda: both)
        machine.close()
        clock.advance(hours=1)
        run(lab, machine, policy=lambda: declared(COMPONENTS[0]))
        assert lab.contents(selection=Selection(newest=True, components=("base",)))["/etc/base"] == b"base\n"

    @pytest.mark.parametrize("selection", [NEWEST, Selection(time=START + dt.timedelta(days=1))])
    def test_where_no_snapshot_was_whole_nothing_is_chosen_for_somebody(
        self, lab: Lab, machine: Machine, clock: Clock, selection: Selection
    ) -> None:
        only = declared(COMPONENTS[1])
        run(lab, machine, policy=lambda: only)
        clock.advance(hours=1)
        machine.open()
        run(lab, machine)
        with pytest.raises(NotFoundError, match="every snapshot of app was taken while a restore was open") as caught:
            choose.choose(lab.repository, "h", selection)
        assert "recovery_point or snapshot" in str(caught.value.remedy)
        # what was whole can still be asked for
        (chosen,) = choose.choose(lab.repository, "h", dataclasses.replace(selection, components=("base",)))
        assert chosen.components == ("base",)

    def test_a_host_of_no_open_restore_costs_no_older_point(self, lab: Lab, machine: Machine, clock: Clock) -> None:
        for number in range(3):
            machine.write(CONF, str(number).encode())
            run(lab, machine)
            clock.advance(hours=1)
        asked: list[str] = []
        find = choose._all_entries

        def counted(*args: t.Any) -> t.Any:
            asked.append("history")
            return find(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(choose, "_all_entries", counted)
            choose.choose(lab.repository, "h", NEWEST)
            assert asked == []


class TestSigned:
    @pytest.mark.parametrize("marks", [(), ("app: restore open",), (MARK,)])
    @pytest.mark.parametrize("opened", [True, False])
    def test_point_and_manifest_say_the_same_or_neither_is_believed(
        self, lab: Lab, machine: Machine, opened: bool, marks: tuple[str, ...]
    ) -> None:
        if opened:
            machine.open()
        run(lab, machine)
        forge = Forge(lab)
        streams = tuple(dataclasses.replace(entry, marks=marks) for entry in forge.point.body.streams)
        point = forge.put(body={"streams": streams})
        entry = streams[0]
        honest = opened is (marks == (MARK,))
        if honest:
            open_snapshot.read_manifest(lab.repository, entry)
        else:
            with pytest.raises(IntegrityError, match="another snapshot than its recovery point"):
                open_snapshot.read_manifest(lab.repository, entry)
        assert point
        assert bool(problems(lab.verify())) is not honest


class TestTold:
    def test_a_task_and_the_table_say_it(self, lab: Lab, captured: Machine) -> None:
        captured.open()
        captured.write(CONF, b"half restored\n")
        folder = lab.folder()
        lab.open(folder)
        receipt = lab.snapshot(folder, captured.heard())
        assert results.receipt(receipt, diff=False)["open_restores"] == [RESTORE]
        lab.seal(folder)
        (report,) = run_report.gather(lab.state_dir, folder.run)
        (line,) = report.hosts
        assert line.notes == (f"a restore was open there: {RESTORE}; what differed is no rollback target",)
        assert f"  h: {line.notes[0]}" in run_report.render(report).splitlines()

    def test_other_marks_are_said_too(self, lab: Lab, captured: Machine) -> None:
        captured.open()
        captured.write(CONF, b"half restored\n")
        folder = lab.folder()
        lab.open(folder)
        receipt = lab.snapshot(folder, captured.heard())
        first, *rest = receipt.streams
        assert first.entry is not None
        entry = dataclasses.replace(first.entry, marks=(*first.entry.marks, "app: changed while read: /etc/app/other"))
        folder.write_receipt(dataclasses.replace(receipt, streams=(dataclasses.replace(first, entry=entry), *rest)))
        (report,) = run_report.gather(lab.state_dir, folder.run)
        assert report.hosts[0].notes[1:] == ("app: changed while read: /etc/app/other",)

    @pytest.mark.parametrize("said", [None, "x", {}, 7, [7], ["x"], [RESTORE, RESTORE], [RESTORE.upper()], ["a" * 17]])
    def test_what_is_no_list_of_restores_is_refused(self, said: t.Any) -> None:
        with pytest.raises(ConnectionLostError):
            wire.read_told({"host": {"time": 1, "restores": said}})

    def test_more_than_ten_are_refused(self) -> None:
        ids = [f"{number:016x}" for number in range(11)]
        assert wire.read_told({"host": {"time": 1, "restores": ids[:10]}}).restores == tuple(ids[:10])
        with pytest.raises(ConnectionLostError):
            wire.read_told({"host": {"time": 1, "restores": ids}})

    def test_a_half_that_tells_of_none_has_none(self) -> None:
        assert wire.read_told({"host": {"time": 1}}).restores == ()
        assert wire.read_told({"host": {"time": 1, "restores": [], "restored": True}}).restores == ("came and went",)
        assert wire.read_told({"host": {"time": 1, "restores": [RESTORE], "restored": True}}).restores == (RESTORE,)
