# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A silent host keeps its last copy: a run of others gives it a later lock, and nothing else of it changes."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    DeniedError,
    EmptyPointError,
    FullError,
    HoldfastError,
    NotLockedError,
    ObjectMissingError,
    RunAbandonedError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Body, StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore, GuardedStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import carry, points, records
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository as repositories
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.chain import Chain
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.seal_point import Sealed
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import Level, Severity
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .faults import FaultyStore
from .lab import COMPONENTS, FILES, NAME, START, Clock, Lab, declared, problems
from .test_approvals import Council, governed, request_of

GONE = {("gone", "tier1"), ("gone", "tier2")}
MONTH = 31


@pytest.fixture
def lab(lab: Lab, clock: Clock) -> Lab:
    """Hosts h and gone were backed up a month ago, and their locks are short."""
    lab.run({"h": MemorySource(FILES), "gone": MemorySource(FILES)})
    clock.advance(days=MONTH)
    return lab


def opened(lab: Lab, *more: str, **options: t.Any) -> PointFolder:
    """A point that expects h and *more*, and to which h alone has answered."""
    folder = lab.folder()
    lab.open(folder, "h", *more, **options)
    lab.snapshot(folder, MemorySource(FILES))
    return folder


def silent_run(lab: Lab, *more: str, **options: t.Any) -> Sealed:
    """A run in which h answers, and nobody else."""
    return lab.seal(opened(lab, *more), **options)


def sealed_body(lab: Lab, sealed: Sealed) -> Body:
    assert sealed.id is not None
    (point,), _refused = points.find(lab.repository, sealed.id)
    return point.body


def carried(lab: Lab, sealed: Sealed) -> dict[tuple[str, str], StreamEntry]:
    """The streams that a point says were carried."""
    return {entry.key: entry for entry in sealed_body(lab, sealed).streams if entry.state is StreamState.CARRIED}


def carry_notes(lab: Lab, sealed: Sealed) -> list[str]:
    return [found.detail for found in sealed_body(lab, sealed).consistency if found.check == "carry"]


def on_put(error: HoldfastError, *, of: str = "/gone/", after: int = 0) -> Callable[[int, str, str], None]:
    """Let puts fail whose name holds *of*, all but the first *after*."""
    seen = 0

    def fault(_number: int, operation: str, name: str) -> None:
        nonlocal seen
        if operation == "put" and of in name:
            seen += 1
            if seen > after:
                raise error

    return fault


class TestCarried:
    """The same bytes under the same name, locked for longer."""

    @pytest.mark.parametrize("expected", [(), ("gone",)], ids=["not expected", "expected"])
    def test_a_silent_hosts_streams_get_a_later_lock(self, lab: Lab, clock: Clock, expected: tuple[str, ...]) -> None:
        before = lab.live().streams
        names = lab.names()
        sealed = silent_run(lab, *expected)
        assert (sealed.carried, sealed.carry_waiting, sealed.carry_failed) == (2, 0, ())
        assert (sealed.complete, sealed.missing) == (not expected, expected)
        # no new name but those of the run itself
        assert not [name for name in set(lab.names()) - set(names) if "/gone/" in name]
        found = carried(lab, sealed)
        assert set(found) == GONE
        for key, entry in found.items():
            assert entry.pack.name == before[key].pack.name
            assert entry.manifest.name == before[key].manifest.name
            assert (entry.captured_at, entry.verified_at) == (START, START)
            assert (entry.fingerprints, entry.marks) == (before[key].fingerprints, before[key].marks)
            kept = lab.repository.root.classes[entry.retention_class]
            for ref, old in ((entry.pack, before[key].pack), (entry.manifest, before[key].manifest)):
                assert ref.lock_until == keep.snapshot_lock(clock.moment, kept, "/".join(key)) > old.lock_until
                assert lab.store.head(ref.name, version=ref.version).lock_until == ref.lock_until
                assert lab.store.get(ref.name, version=ref.version) == lab.store.get(old.name, version=old.version)
        for key in GONE:
            assert lab.live().streams[key].lock_until > before[key].lock_until

    def test_the_point_counts_them_and_the_copy_restores(self, lab: Lab) -> None:
        sealed = silent_run(lab)
        (point,), _refused = points.find(lab.repository, sealed.id or "")
        assert (point.statement.counts["carried"], point.statement.counts["streams"]) == (2, 4)
        # what others hold is nothing that this run has stored
        assert (sealed.stored, sealed.unchanged) == (2, 0)
        assert lab.contents("gone") == FILES
        report = lab.verify()
        assert problems(report) == []
        assert [f for f in problems(report, Severity.WARNING) if "its newest copy" in f.problem] == []

    def test_nothing_is_carried_that_lasts(self, lab: Lab) -> None:
        silent_run(lab)
        versions = len(list(lab.store.list("packs/")))
        again = silent_run(lab)
        assert (again.carried, again.carry_waiting) == (0, 0)
        assert len(list(lab.store.list("packs/"))) == versions

    def test_an_answer_is_worth_more_than_what_is_carried(self, lab: Lab) -> None:
        sealed = lab.run({"h": MemorySource(FILES), "gone": MemorySource(FILES)})
        assert (sealed.carried, sealed.stored) == (0, 4)
        assert carried(lab, sealed) == {}

    def test_a_host_that_failed_is_carried(self, lab: Lab) -> None:
        folder = opened(lab, "gone")
        broken = MemorySource(FILES)
        broken.failure = CaptureError("the disk is on fire")
        with pytest.raises(CaptureError):
            lab.snapshot(folder, broken, "gone")
        sealed = lab.seal(folder)
        assert (list(sealed.failed), sealed.carried) == (["gone"], 2)
        assert set(carried(lab, sealed)) == GONE

    def test_for_years(self, lab: Lab, clock: Clock) -> None:
        """Whoever runs often enough keeps the last copy of a host that never comes back."""
        for _half_month in range(20):
            silent_run(lab)
            assert lab.contents("gone") == FILES
            for entry in lab.live().streams.values():
                kept = lab.repository.root.classes[entry.retention_class]
                assert keep.nameable(entry.lock_until, clock.moment, kept)
            assert not keep.fading(lab.live().streams.values(), lab.repository.root.classes, clock.moment)
            clock.advance(days=15)
        assert problems(lab.verify()) == []

    def test_a_run_of_one_host_alone_carries_too(self, lab: Lab) -> None:
        folder = lab.folder("only-0123456789abcdef-1")
        lab.open(folder, "h")
        lab.snapshot(folder, MemorySource(FILES))
        assert lab.seal(folder).carried == 2

    def test_sealing_again_says_what_was_carried(self, lab: Lab) -> None:
        del lab.memory._versions[lab.live().streams["gone", "tier1"].pack.name]
        folder = opened(lab)
        sealed = lab.seal(folder)
        assert (sealed.carried, len(sealed.carry_failed)) == (1, 1)
        assert lab.seal(folder) == sealed


class TestBound:
    """A run carries so much, the most urgent first, and says what is left."""

    @staticmethod
    def urgency(lab: Lab, clock: Clock) -> list[tuple[str, str]]:
        due = keep.due(lab.live().streams.values(), lab.repository.root.classes, clock.moment)
        return [entry.key for entry in due if entry.host == "gone"]

    def test_what_is_left_waits_for_the_next_run(self, lab: Lab, clock: Clock) -> None:
        first, second = self.urgency(lab, clock)
        sealed = silent_run(lab, most_carried=1)
        assert (sealed.carried, sealed.carry_waiting, sealed.carry_failed) == (1, 1, ())
        assert set(carried(lab, sealed)) == {first}
        (note,) = carry_notes(lab, sealed)
        assert f"1 streams wait for the next run, first {'/'.join(second)}, locked until 2026-" in note
        # it is the next run's turn, and it is no failure
        assert sealed.complete
        again = silent_run(lab, most_carried=1)
        assert (again.carried, again.carry_waiting) == (1, 0)
        assert set(carried(lab, again)) == {second}

    def test_bytes_are_bounded_and_one_is_always_carried(
        self, lab: Lab, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = self.urgency(lab, clock)
        sizes = {key: entry.pack.size + entry.manifest.size for key, entry in lab.live().streams.items()}
        for most, both in ((1, False), (sizes[first] + sizes[second] - 1, False), (sizes[first] + sizes[second], True)):
            monkeypatch.setattr(carry, "MOST_BYTES", most)
            given = [lab.live().streams[key] for key in (first, second)]
            found = carry.carry(lab.repository, given, clock.moment)
            assert [entry.key for entry in found.entries] == [first, second][: 1 + both]
            assert [entry.key for entry in found.waiting] == [second][both:]

    def test_none_may_be_carried(self, lab: Lab) -> None:
        sealed = silent_run(lab, most_carried=0)
        assert (sealed.carried, sealed.carry_waiting, sealed.complete) == (0, 2, True)
        assert carried(lab, sealed) == {}


class TestLost:
    """One that cannot be carried holds up no other, is named, and does not make the run a failed one."""

    @staticmethod
    def lose(lab: Lab, what: str) -> StreamEntry:
        entry = lab.live().streams["gone", "tier1"]
        ref = entry.pack if what.endswith("pack") else entry.manifest
        if what.startswith("gone"):
            del lab.memory._versions[ref.name]
        else:
            (version,) = lab.memory._versions[ref.name]
            version.data = version.data[:-1] + bytes([version.data[-1] ^ 1])
        return entry

    @pytest.mark.parametrize("what", ["gone pack", "gone manifest", "damaged pack", "damaged manifest"])
    def test_it_is_named_and_the_others_are_carried(self, lab: Lab, what: str) -> None:
        lost = self.lose(lab, what)
        name = lost.pack.name if what.endswith("pack") else lost.manifest.name
        sealed = silent_run(lab)
        assert (sealed.complete, sealed.carried, sealed.carry_waiting) == (True, 1, 0)
        (line,) = sealed.carry_failed
        assert line.startswith("gone/tier1: ")
        assert name in line
        (note,) = carry_notes(lab, sealed)
        assert note.startswith("gone/tier1 was not carried: ")
        assert name in note
        assert set(carried(lab, sealed)) == {("gone", "tier2")}

    @pytest.mark.parametrize("what", ["gone pack", "damaged pack"])
    def test_it_stays_live_and_is_told_by_each_run(self, lab: Lab, clock: Clock, what: str) -> None:
        self.lose(lab, what)
        for _run in range(3):
            assert len(silent_run(lab).carry_failed) == 1
            # a full body comes between
            clock.advance(days=16)
        assert set(lab.live().streams) >= GONE

    def test_the_gate_tells_of_it(self, lab: Lab, clock: Clock) -> None:
        self.lose(lab, "gone pack")
        clock.advance(days=40)
        silent_run(lab)
        found = problems(lab.verify(), Severity.ERROR, Severity.WARNING)
        assert any(
            finding.item == "gone/tier1" and "its newest copy is locked only" in finding.problem for finding in found
        )

    @pytest.mark.parametrize("what", ["gone manifest", "damaged manifest"])
    def test_half_of_it_is_not_put_again_by_each_run(self, lab: Lab, what: str) -> None:
        """Each put is locked for months: what no point will name must not pile up."""
        lost = self.lose(lab, what)
        for _run in range(3):
            silent_run(lab)
        assert len(list(lab.store.list(lost.pack.name))) == 1

    def test_a_wrong_version_beside_the_right_one_is_passed_over(self, lab: Lab) -> None:
        ref = lab.live().streams["gone", "tier1"].pack
        (right,) = lab.memory._versions[ref.name]
        wrong = dataclasses.replace(right, data=b"planted")
        lab.memory._versions[ref.name] = [
            dataclasses.replace(wrong, listed=dataclasses.replace(right.listed, version="0" * 32)), right,
        ]  # fmt: skip
        sealed = silent_run(lab)
        assert (sealed.carried, sealed.carry_failed) == (2, ())
        assert lab.contents("gone") == FILES

    @pytest.mark.parametrize("error", [DeniedError, FullError, StoreError, NotLockedError], ids=lambda e: e.__name__)
    def test_a_put_that_is_refused_is_named(self, lab: Lab, error: type[StoreError]) -> None:
        refusing = lab.on(FaultyStore(lab.store, before=on_put(error("refused"), of="/gone/tier1/")))
        sealed = silent_run(refusing)
        assert (sealed.complete, sealed.carried) == (True, 1)
        assert sealed.carry_failed == ("gone/tier1: refused",)
        assert silent_run(lab).carried == 1

    def test_a_shorter_lock_than_asked_for_is_not_named(self, lab: Lab) -> None:
        class Short(MemoryStore):
            def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> t.Any:
                less = dt.timedelta(days=40 if "/gone/" in name else 0)
                return super()._put(name, stream, lock_until - less)

        short = Short(now=lab.memory._now)
        short._versions = lab.memory._versions
        sealed = silent_run(lab.on(short))
        assert (sealed.carried, len(sealed.carry_failed)) == (0, 2)
        assert "lock" in sealed.carry_failed[0]
        assert carried(lab, sealed) == {}


class TestInterrupted:
    """The store goes away, or the controller does: nothing half-carried is believed, and the next run goes on."""

    @pytest.mark.parametrize("error", [UnavailableError, ThrottledError], ids=lambda e: e.__name__)
    @pytest.mark.parametrize("after", range(4))
    def test_a_store_that_comes_back_ends_the_carrying_alone(
        self, lab: Lab, error: type[StoreError], after: int
    ) -> None:
        flaky = lab.on(FaultyStore(lab.store, before=on_put(error("not now"), after=after)))
        sealed = silent_run(flaky)
        assert sealed.complete
        assert sealed.carried == after // 2
        assert len(sealed.carry_failed) == 1
        assert sealed.carried + sealed.carry_waiting + len(sealed.carry_failed) == 2
        assert len(carried(lab, sealed)) == after // 2
        again = silent_run(lab)
        assert (again.carried, again.carry_failed) == (2 - after // 2, ())
        assert lab.contents("gone") == FILES

    def test_a_store_that_stays_away_leaves_the_point_for_later(self, lab: Lab) -> None:
        folder = opened(lab)
        away = lab.on(FaultyStore(lab.store, before=on_put(UnavailableError("not reached"), of="")))
        before = lab.names()
        with pytest.raises(UnavailableError, match="not reached"):
            away.seal(folder)
        assert folder.waits_for_store
        assert lab.names() == before
        assert folder.read_sealed() is None
        sealed = lab.seal(folder)
        assert (sealed.complete, sealed.carried) == (True, 2)

    @pytest.mark.parametrize("puts", range(6))
    def test_a_controller_that_is_gone_leaves_nothing_that_is_believed(self, lab: Lab, puts: int) -> None:
        """Two packs, two manifests, a body, a point: the process that controls the run is gone before each of them."""
        folder = opened(lab)
        left = puts

        def gone() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise RunAbandonedError("the run has ended")

        before = lab.live()
        with pytest.raises(RunAbandonedError):
            lab.on(GuardedStore(lab.store, gone)).seal(folder)
        assert lab.live() == before
        assert folder.read_sealed() is None
        # killed in its seal: the next run on this controller seals it
        assert folder.waits_for_store
        assert silent_run(lab).carried == 2
        assert problems(lab.verify()) == []
        assert lab.contents("gone") == FILES

    def test_carrying_ends_with_its_run(self, lab: Lab, clock: Clock) -> None:
        """It is no reason of one stream, and the next one is not tried."""
        asked = 0

        def gone_once() -> None:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise RunAbandonedError("the run has ended")

        guarded = lab.on(GuardedStore(lab.store, gone_once))
        with pytest.raises(RunAbandonedError):
            carry.carry(guarded.repository, list(lab.live().streams.values()), clock.moment)
        assert asked == 1

    def test_a_run_to_which_nobody_answers_keeps_what_is_due_and_puts_nothing_else(
        self, lab: Lab, clock: Clock
    ) -> None:
        """A repository whose only host is dead must not lose it while somebody runs."""
        folder = lab.folder()
        lab.open(folder, "gone")
        sealed = lab.seal(folder)
        assert (sealed.complete, sealed.missing, sealed.stored, sealed.unchanged) == (False, ("gone",), 0, 0)
        assert sealed.carried > 0
        assert problems(lab.verify()) == []
        before = list(lab.store.list())
        clock.advance(hours=1)
        again = lab.folder()
        lab.open(again, "gone")
        with pytest.raises(EmptyPointError, match="would hold nothing"):
            lab.seal(again)
        assert list(lab.store.list()) == before

    def test_the_only_host_is_dead_for_years(self, tmp_path: Path, keys: Path, clock: Clock) -> None:
        lab = Lab.make(tmp_path / "only", MemoryStore(now=clock), keys, clock)
        lab.run({"h": MemorySource(FILES)})
        for _run in range(60):
            clock.advance(days=15)
            folder = lab.folder()
            lab.open(folder, "h")
            with contextlib.suppress(EmptyPointError):
                lab.seal(folder)
            assert all(entry.lock_until > clock.moment for entry in lab.live().streams.values())
        assert lab.contents() == FILES
        for entry in lab.live().streams.values():
            assert (entry.captured_at, entry.verified_at) == (START, START)


class TestGate:
    """Verify warns while there is time: a run of any host mends it."""

    @staticmethod
    def fading(lab: Lab) -> dict[str, str]:
        found = problems(lab.verify(Level.SIGNATURES), Severity.WARNING)
        return {
            finding.item: finding.remedy for finding in found if "its newest copy is locked only" in finding.problem
        }

    def test_what_fades_is_told_until_a_run_carries_it(self, lab: Lab, clock: Clock) -> None:
        last = {key: entry.lock_until for key, entry in lab.live().streams.items()}
        clock.moment = last["gone", "tier2"] - dt.timedelta(days=15)
        assert "gone/tier2" not in self.fading(lab)
        clock.advance(seconds=1)
        told = self.fading(lab)
        assert "Back up again, any host" in told["gone/tier2"]
        # of three months there is more than half left
        assert "gone/tier1" not in told
        silent_run(lab)
        assert self.fading(lab) == {}

    def test_it_breaks_no_promise(self, lab: Lab, clock: Clock) -> None:
        clock.advance(days=500)
        assert len(self.fading(lab)) == 4
        assert lab.verify().sound


class TestCheckMode:
    def test_nothing_is_carried(self, lab: Lab) -> None:
        before = list(lab.store.list())
        dry = lab.on(DryRunStore(lab.store))
        folder = lab.folder()
        dry.open(folder, "h", check=True)
        dry.snapshot(folder, MemorySource(FILES), check=True)
        sealed = dry.seal(folder, check=True)
        assert (sealed.carried, sealed.carry_waiting, sealed.carry_failed) == (0, 0, ())
        assert list(dry.store.list()) == list(lab.store.list()) == before


class TestEnd:
    """What nobody keeps any longer is carried no more."""

    def test_a_component_that_moved_to_another_tier_is_carried_there(self, lab: Lab, clock: Clock) -> None:
        moved = declared({**COMPONENTS[0], "tier": "tier0"}, COMPONENTS[1])
        folder = lab.folder()
        lab.open(folder, "h", "gone")
        for host in ("h", "gone"):
            lab.snapshot(folder, MemorySource(FILES), host, lambda: moved)
        sealed = lab.seal(folder)
        # the old streams of tier1 were due: what they hold was just proven elsewhere
        assert sealed.carried == 0
        tiers = {"tier0", "tier2"}
        assert set(lab.live().streams) == {(host, tier) for host in ("h", "gone") for tier in tiers}
        clock.advance(days=40)
        sealed = lab.run(MemorySource(FILES), policy=lambda: moved)
        assert set(carried(lab, sealed)) == {("gone", tier) for tier in tiers}
        assert {key for key in lab.live().streams if key[0] == "gone"} == {("gone", "tier0"), ("gone", "tier2")}
        assert lab.contents("gone") == FILES

    def test_a_component_that_was_dropped_is_carried(self, lab: Lab) -> None:
        """Nothing else holds it: to stop declaring something is not to give it up."""
        fewer = declared(COMPONENTS[0])
        sealed = lab.run({"h": MemorySource(FILES), "gone": MemorySource(FILES)}, policy=lambda: fewer)
        assert set(carried(lab, sealed)) == {("h", "tier2"), ("gone", "tier2")}
        assert lab.live().ended == {}

    def test_a_component_that_moved_alone_keeps_the_rest_of_its_stream(self, lab: Lab, clock: Clock) -> None:
        both = declared(COMPONENTS[0], {**COMPONENTS[1], "tier": "tier1"})
        apart = declared({**COMPONENTS[0], "tier": "tier0"})
        lab.run(MemorySource(FILES), policy=lambda: both)
        clock.advance(days=MONTH)
        sealed = lab.run(MemorySource(FILES), policy=lambda: apart)
        # app is in tier0 now, base is nowhere else
        assert ("h", "tier1") in carried(lab, sealed)

    def test_people_end_it(self, tmp_path: Path, keys: Path, clock: Clock) -> None:
        council = Council.make(tmp_path)
        lab = governed(tmp_path, keys, clock, council.everybody)
        lab.run({"h": MemorySource(FILES), "gone": MemorySource(FILES), "back": MemorySource(FILES)})
        clock.advance(days=1)
        for host in ("gone", "back"):
            asked, _made = records.ask(
                lab.repository, "retired", host=host, stream=None, request=request_of(lab), live=lab.live().streams
            )
            council.all_sign(lab, asked, "alice", "bob")
            records.complete(lab.repository, asked)
        clock.advance(hours=1)
        # one of them comes back, and is live again
        lab.run({"h": MemorySource(FILES), "back": MemorySource(FILES)})
        clock.advance(days=MONTH)
        assert {host for host, _stream in carried(lab, silent_run(lab))} == {"back"}
        assert {host for host, _stream in lab.live().streams} == {"h", "back"}

    def test_a_maximum_ends_it(self, tmp_path: Path, keys: Path, clock: Clock) -> None:
        limited = declared(classes={"d0030": {"days": 30, "maximum": 365}})
        store = MemoryStore(now=clock)
        keyring = LocalKeyring(keys)
        root, _made = repositories.create(store, keyring, name=NAME, classes=limited.classes)
        assert root is not None
        lab = Lab(tmp_path, repositories.open_repository(store, pin=root.id), keyring, clock)
        lab.run({"h": MemorySource(FILES), "gone": MemorySource(FILES)}, policy=lambda: limited)
        carries, gone_at = 0, None
        while clock.moment < START + dt.timedelta(days=390):
            clock.advance(days=15)
            sealed = lab.run({"h": MemorySource(FILES)}, policy=lambda: limited)
            carries += ("gone", "tier2") in carried(lab, sealed)
            if ("gone", "tier2") not in lab.live().streams:
                gone_at = gone_at or clock.moment
        assert carries
        assert gone_at
        # neither lock nor grace has kept anything of it beyond the maximum
        locks = [listed.lock_until for listed in lab.store.list("packs/d0030/gone/") if listed.lock_until is not None]
        dropped = max(locks) + limited.classes["d0030"].grace
        assert dropped <= START + dt.timedelta(days=365)
        # and it was live as long as the store had it
        assert dropped < gone_at <= dropped + dt.timedelta(days=15)
        # what has no maximum goes on
        assert lab.live().streams["gone", "tier1"].lock_until > clock.moment + dt.timedelta(days=90)
        assert problems(lab.verify()) == []


def test_a_second_controller_carries_nothing_twice(lab: Lab) -> None:
    """Both opened before either sealed: the second gives a lock once more, and nothing is lost by it."""
    folders = [opened(lab), opened(lab)]
    sealed = [lab.seal(folder) for folder in folders]
    assert [one.carried for one in sealed] == [2, 2]
    assert lab.contents("gone") == FILES
    assert silent_run(lab).carried == 0
    assert problems(lab.verify()) == []


def test_no_lock_is_given_beyond_a_maximum(lab: Lab, clock: Clock) -> None:
    entry = lab.live().streams["gone", "tier1"]
    (link,) = lab.repository.chain.links
    limited = {**link.root.classes, "d0090": RetentionClass("d0090", 90, "compliance", 240)}
    root = dataclasses.replace(link.root, classes=limited)
    repository = dataclasses.replace(lab.repository, chain=Chain((dataclasses.replace(link, root=root),)))
    before = lab.names()
    clock.moment = entry.verified_at + dt.timedelta(days=20)
    with pytest.raises(NotLockedError, match="beyond the 240 days that class d0090 allows"):
        carry.renew(repository, entry, clock.moment, StreamState.UNCHANGED)
    assert lab.names() == before


def test_renew_names_what_is_missing(lab: Lab, clock: Clock) -> None:
    entry = lab.live().streams["gone", "tier1"]
    del lab.memory._versions[entry.manifest.name]
    with pytest.raises(ObjectMissingError) as caught:
        carry.renew(lab.repository, entry, clock.moment, StreamState.CARRIED)
    assert caught.value.item == entry.manifest.name
