# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open, snapshot, seal: what is stored and why, what is said, and what is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    HoldfastError,
    NameRefusedError,
    NotLockedError,
    PolicyError,
    RunAbandonedError,
    RunError,
    TrustError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.content import ComponentContent
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding, read_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.preset import Preset
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore, GuardedStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, points, seal_point, snapshot
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.chain import Chain
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import HostSite, MemorySource

from .lab import COMPONENTS, FILES, START, Clock, Lab, declared


@pytest.fixture
def source() -> MemorySource:
    return MemorySource(FILES)


def reasons(lab: Lab, source: MemorySource, **more: t.Any) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Run once and say why each stream was stored, and what changed."""
    folder = lab.folder()
    lab.open(folder)
    receipt = lab.snapshot(folder, source, **more)
    lab.seal(folder)
    return {part.stream: (part.reason, part.changed) for part in receipt.streams}


UNCHANGED = {"tier1": ("unchanged", ()), "tier2": ("unchanged", ())}


class TestReasons:
    """Why a stream is stored."""

    @pytest.fixture(autouse=True)
    def first(self, lab: Lab, source: MemorySource, clock: Clock) -> None:
        assert reasons(lab, source) == {"tier1": ("first", ("app",)), "tier2": ("first", ("base",))}
        clock.advance(hours=1)

    def test_unchanged_proves_and_puts_a_point_alone(self, lab: Lab, source: MemorySource) -> None:
        before = lab.names()
        source.trips.clear()
        assert reasons(lab, source) == UNCHANGED
        assert source.trips == [("fingerprints", ("app", "base"))]
        assert [name.split("/")[0] for name in sorted(set(lab.names()) - set(before))] == ["bodies", "points"]
        for entry in lab.live().streams.values():
            assert entry.state is StreamState.UNCHANGED
            assert (entry.captured_at, entry.verified_at) == (START, START + dt.timedelta(hours=1))

    def test_an_unchanged_host_costs_no_store(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder)

        def connected() -> Store:
            raise AssertionError("the store was asked for")

        snapshot.snapshot(folder, source, host="h", policy=declared, store=connected, writer="0.1.0")
        assert lab.seal(folder).unchanged == 2

    def test_drift_stores_the_stream_it_is_in(self, lab: Lab, source: MemorySource) -> None:
        source.files["/etc/app/main.conf"] = b"listen = 9090\n"
        source.trips.clear()
        assert reasons(lab, source) == {"tier1": ("drift", ("app",)), "tier2": ("unchanged", ())}
        assert source.trips == [("fingerprints", ("app", "base")), ("content", ("app",))]
        assert lab.contents()["/etc/app/main.conf"] == b"listen = 9090\n"
        assert reasons(lab, source) == UNCHANGED

    def test_drift_names_the_components_that_changed(self, lab: Lab, source: MemorySource) -> None:
        both = declared({**COMPONENTS[0]}, {**COMPONENTS[1], "tier": "tier1"})
        assert reasons(lab, source, policy=lambda: both) == {"tier1": ("policy", ())}
        source.files["/etc/base"] = b"drifted"
        assert reasons(lab, source, policy=lambda: both) == {"tier1": ("drift", ("base",))}

    @pytest.mark.parametrize(
        "change",
        [
            {"paths": ["/etc/app", "/etc/base"]},
            {"owner": "others"},
            {"data_class": "secret"},
            {"excludes": [{"pattern": "*.bak", "reason": "transient"}]},
            {"unreadable": "leave_out"},
        ],
    )
    def test_another_definition_is_policy_and_no_drift(
        self, lab: Lab, source: MemorySource, change: dict[str, t.Any]
    ) -> None:
        edited = declared({**COMPONENTS[0], **change}, COMPONENTS[1])
        assert reasons(lab, source, policy=lambda: edited) == {"tier1": ("policy", ()), "tier2": ("unchanged", ())}
        assert reasons(lab, source, policy=lambda: edited) == UNCHANGED

    def test_what_is_volatile_is_no_drift_and_stored_with_the_next(self, lab: Lab, source: MemorySource) -> None:
        first = declared()
        steady = dataclasses.replace(first.components[0], volatile=("/etc/app/state",))
        edited = dataclasses.replace(first, components=(steady, *first.components[1:]))
        source.files["/etc/app/state"] = b"1"
        assert reasons(lab, source, policy=lambda: edited)["tier1"] == ("policy", ())
        source.files["/etc/app/state"] = b"2"
        assert reasons(lab, source, policy=lambda: edited) == UNCHANGED
        source.files["/etc/app/main.conf"] = b"listen = 9090\n"
        assert reasons(lab, source, policy=lambda: edited)["tier1"] == ("drift", ("app",))
        assert lab.contents()["/etc/app/state"] == b"2"

    def test_another_tier_is_a_first_snapshot_there(self, lab: Lab, source: MemorySource) -> None:
        moved = declared({**COMPONENTS[0], "tier": "tier0"}, COMPONENTS[1])
        assert reasons(lab, source, policy=lambda: moved) == {"tier0": ("first", ("app",)), "tier2": ("unchanged", ())}

    def test_another_class_of_a_tier_is_policy(self, lab: Lab, source: MemorySource) -> None:
        longer = declared(tiers={"tier1": {"class": "d0400"}})
        assert reasons(lab, source, policy=lambda: longer)["tier1"] == ("policy", ())
        entry = lab.live().streams["h", "tier1"]
        assert entry.retention_class == "d0400"
        assert entry.lock_until >= START + dt.timedelta(days=400)

    def test_a_lock_that_runs_short_is_renewed_in_one_trip(self, lab: Lab, source: MemorySource, clock: Clock) -> None:
        spare = keep.renewal("h/tier2")
        clock.moment = START + spare - dt.timedelta(days=1)
        assert reasons(lab, source)["tier2"] == UNCHANGED["tier2"]
        clock.advance(seconds=1)
        source.trips.clear()
        assert reasons(lab, source)["tier2"] == ("renewal", ())
        assert ("content", ("base",)) in source.trips
        entry = lab.live().streams["h", "tier2"]
        assert entry.captured_at == clock.moment
        assert entry.lock_until == clock.moment + dt.timedelta(days=30) + spare

    def test_drift_is_told_where_the_lock_ran_short_too(self, lab: Lab, source: MemorySource, clock: Clock) -> None:
        clock.advance(days=200)
        source.files["/etc/base"] = b"drifted"
        assert reasons(lab, source) == {"tier1": ("renewal", ()), "tier2": ("drift", ("base",))}

    def test_locks_are_as_the_keep_rule_says(self, lab: Lab) -> None:
        for entry in lab.live().streams.values():
            kept = lab.repository.root.classes[entry.retention_class]
            expected = START + dt.timedelta(days=kept.days) + keep.renewal(f"{entry.host}/{entry.stream}")
            assert {entry.pack.lock_until, entry.manifest.lock_until, entry.lock_until} == {expected}
        (body,) = lab.store.list("bodies/")
        (point,) = lab.store.list("points/")
        assert body.lock_until == point.lock_until == START + dt.timedelta(days=430)


class TestCheckMode:
    """Fingerprints, and what would be stored; no content, no put."""

    def test_nothing_is_put(self, lab: Lab, source: MemorySource) -> None:
        lab.run(source)
        source.files["/etc/base"] = b"drifted"
        source.trips.clear()
        before = list(lab.store.list())
        dry = lab.on(DryRunStore(lab.store))
        folder = lab.folder()
        dry.open(folder, check=True)
        receipt = dry.snapshot(folder, source, check=True)
        assert [(part.reason, part.stored_bytes, part.entry is None) for part in receipt.streams] == [
            ("unchanged", 0, False),
            ("drift", 0, True),
        ]
        sealed = dry.seal(folder, check=True)
        assert (sealed.sealed, sealed.id, sealed.stored, sealed.unchanged) == (True, None, 1, 1)
        assert list(lab.store.list()) == list(dry.store.list()) == before
        assert source.trips == [("fingerprints", ("app", "base"))]

    def test_a_first_run_brings_no_content_either(self, lab: Lab, source: MemorySource) -> None:
        sealed = lab.on(DryRunStore(lab.store)).run(source, check=True)
        assert (sealed.stored, sealed.stored_bytes, sealed.id) == (2, 0, None)
        assert source.trips == [("fingerprints", ("app", "base"))]
        assert len(lab.names()) == 1

    def test_a_renewal_is_told(self, lab: Lab, source: MemorySource, clock: Clock) -> None:
        lab.run(source)
        clock.advance(days=60)
        folder = lab.folder()
        lab.open(folder, check=True)
        assert [part.reason for part in lab.snapshot(folder, source, check=True).streams] == ["renewal", "renewal"]

    @pytest.mark.parametrize("check", [True, False])
    def test_check_mode_and_the_real_thing_do_not_mix(self, lab: Lab, source: MemorySource, check: bool) -> None:
        folder = lab.folder()
        lab.open(folder, check=check)
        with pytest.raises(RunError, match="check mode"):
            lab.snapshot(folder, source, check=not check)
        with pytest.raises(RunError, match="check mode"):
            lab.seal(folder, check=not check)
        assert len(lab.names()) == 1


class TestFailures:
    """A host that gives nothing is told, and takes nobody else with it."""

    def test_a_failed_host_leaves_a_receipt_and_an_incomplete_point(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder, "good", "bad")
        lab.snapshot(folder, source, "good")
        broken = MemorySource(FILES)
        broken.failure = ConnectionLostError("the host went away", remedy="Look at it.")
        with pytest.raises(ConnectionLostError, match="host bad"):
            lab.snapshot(folder, broken, "bad")
        assert "went away" in str(folder.read_receipts()["bad"].error)
        sealed = lab.seal(folder)
        assert (sealed.sealed, sealed.complete, list(sealed.failed), sealed.missing) == (True, False, ["bad"], ())
        assert (sealed.stored, sealed.unchanged) == (2, 0)
        (name,) = points.point_names(lab.repository)
        point = points.read_point(lab.repository, name)
        assert (point.body.complete, point.statement.complete) == (False, False)
        assert [(f.host, "went away" in f.reason) for f in point.body.failed] == [("bad", True)]
        assert point.statement.counts["failed"] == 1
        assert set(lab.live().streams) == {("good", "tier1"), ("good", "tier2")}

    def test_a_second_attempt_heals_the_receipt(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder)
        source.failure = CaptureError("not now")
        with pytest.raises(CaptureError):
            lab.snapshot(folder, source)
        source.failure = None
        lab.snapshot(folder, source)
        assert lab.seal(folder).complete

    def test_a_host_that_never_came_is_missing(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder, "a", "b", "c")
        lab.snapshot(folder, source, "b")
        sealed = lab.seal(folder)
        assert (sealed.complete, sealed.missing, sealed.failed) == (False, ("a", "c"), {})
        body = points.read_point(lab.repository, points.point_names(lab.repository)[0]).body
        assert (body.expected, body.missing) == (("a", "b", "c"), ("a", "c"))

    def test_a_host_that_failed_keeps_its_last_copy(self, lab: Lab, source: MemorySource, clock: Clock) -> None:
        lab.run({"a": source, "b": source})
        clock.advance(days=1)
        folder = lab.folder()
        lab.open(folder, "a", "b")
        lab.snapshot(folder, source, "a")
        lab.seal(folder)
        assert lab.contents("b") == FILES

    def test_nothing_given_is_no_point(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder)
        with pytest.raises(RunError, match="no host was asked"):
            lab.seal(folder)
        source.failure = CaptureError("the disk is on fire")
        with pytest.raises(CaptureError):
            lab.snapshot(folder, source)
        with pytest.raises(RunError, match="the disk is on fire"):
            lab.seal(folder)
        assert len(lab.names()) == 1

    def test_a_policy_that_is_refused_stands_in_the_receipt(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder)

        def wrong() -> t.Any:
            return declared({"name": "app", "paths": ["etc"]})

        with pytest.raises(PolicyError):
            lab.snapshot(folder, source, policy=wrong)
        assert "not absolute" in str(folder.read_receipts()["h"].error)
        with pytest.raises(PolicyError, match="d0090 is 90 days"):
            lab.snapshot(folder, source, policy=lambda: declared(classes={"d0090": {"days": 91}}))
        with pytest.raises(PolicyError, match="d0007 is not in the root"):
            lab.snapshot(
                folder,
                source,
                policy=lambda: declared(classes={"d0007": {"days": 7}}, tiers={"tier1": {"class": "d0007"}}),
            )
        assert source.trips == []

    def test_a_bug_shows_as_one(self, lab: Lab) -> None:
        class Buggy(MemorySource):
            def _content(self, components: t.Any) -> dict[str, ComponentContent]:
                raise ZeroDivisionError

        folder = lab.folder()
        lab.open(folder)
        with pytest.raises(ZeroDivisionError):
            lab.snapshot(folder, Buggy(FILES))
        assert folder.read_receipts() == {}

    def test_a_snapshot_that_is_refused_before_it_begins_leaves_a_receipt_where_that_counts(
        self, lab: Lab, source: MemorySource
    ) -> None:
        folder = lab.folder()
        error = PolicyError("no", remedy="Go.")
        assert snapshot.refused(folder, error, host="h") is error
        assert not folder.path.exists()
        lab.open(folder)
        snapshot.refused(folder, PolicyError("no"), host="another")
        assert folder.read_receipts() == {}
        snapshot.refused(folder, PolicyError("no", remedy="Go."), host="h")
        snapshot.refused(folder, PolicyError("neither"), host="h", pushed=["ilo"])
        assert folder.read_receipts()["h"].error == "no (host h). Go.; neither (host h)"
        lab.snapshot(folder, source)
        assert folder.read_receipts()["h"].error == "neither (host h)"


class TestOrder:
    """Open, then snapshots, then seal: once each, or as often as one likes."""

    def test_open_is_idempotent(self, lab: Lab, clock: Clock) -> None:
        folder = lab.folder()
        first = lab.open(folder, "a", "a", "b")
        assert first.expected == ("a", "b")
        clock.advance(minutes=1)
        assert lab.open(folder, "c") == first

    def test_seal_is_idempotent(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder)
        lab.snapshot(folder, source)
        first = lab.seal(folder)
        before = lab.names()
        assert first.id is not None
        assert lab.seal(folder) == lab.seal(PointFolder(lab.state_dir, folder.run, "main")) == first
        assert lab.names() == before

    def test_a_run_may_make_several_points(self, lab: Lab, source: MemorySource) -> None:
        ids = []
        for name in ("pre", "post"):
            folder = lab.folder(name, run="a" * 16)
            opened = lab.open(folder)
            assert set(opened.parents) == set(ids[-1:])
            lab.snapshot(folder, source)
            ids.append(lab.seal(folder).id)
        assert {points.read_point(lab.repository, n).body.point for n in points.point_names(lab.repository)} == {
            "pre",
            "post",
        }

    def test_nothing_goes_before_open(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        for step in (lambda: lab.snapshot(folder, source), lambda: lab.seal(folder)):
            with pytest.raises(RunError, match="is not open in this run") as caught:
                step()
            assert "state=open" in str(caught.value)
        assert source.trips == []

    def test_nothing_goes_after_seal(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder, "a", "b")
        lab.snapshot(folder, source, "a")
        lab.seal(folder)
        source.trips.clear()
        for host in ("a", "b"):
            with pytest.raises(RunError, match="is sealed") as caught:
                lab.snapshot(folder, source, host)
            assert "another name" in str(caught.value)
        assert source.trips == []
        assert "b" not in folder.read_receipts()

    def test_a_host_that_was_too_slow_is_not_told_that_it_is_safe(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder, "a", "b")
        lab.snapshot(folder, source, "a")

        class Slow(MemorySource):
            def _content(self, components: t.Any) -> dict[str, ComponentContent]:
                lab.seal(folder)
                return super()._content(components)

        with pytest.raises(RunError, match="sealed before this host was done") as caught:
            lab.snapshot(folder, Slow(FILES), "b")
        assert "host b" in str(caught.value)
        assert lab.seal(folder).missing == ("b",)

    def test_an_unexpected_host_is_refused_and_changes_nothing(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder, "a")
        with pytest.raises(RunError, match="does not expect it") as caught:
            lab.snapshot(folder, source, "b")
        assert "host b" in str(caught.value)
        lab.snapshot(folder, source, "a")
        assert lab.seal(folder).complete

    @pytest.mark.parametrize("name", ["", "Main", "../main", "a/b", "x" * 33, "1"])
    def test_a_point_has_a_name(self, lab: Lab, name: str) -> None:
        with pytest.raises(RunError):
            lab.folder(name)

    def test_nobody_expected_is_refused(self, lab: Lab) -> None:
        with pytest.raises(RunError, match="expect no host"):
            lab.open(lab.folder(), expected=[])

    def test_seal_wants_the_root_that_open_had(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder)
        lab.snapshot(folder, source)
        (link,) = lab.repository.chain.links
        other = dataclasses.replace(
            lab.repository, chain=Chain((dataclasses.replace(link, ids=frozenset({"ab" * 32})),))
        )
        with pytest.raises(TrustError):
            seal_point.seal(folder, other, lab.keyring)
        assert lab.seal(folder).complete


class TestBatches:
    """With ``serial``, seal is met once a batch, and waits for the last."""

    def test_seal_waits_for_hosts_whose_batch_has_not_come(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder, "a", "b", "c")
        folder.add_batch(["a"])
        lab.snapshot(folder, source, "a")
        waiting = lab.seal(folder, later_batches=True)
        assert (waiting.sealed, waiting.id, waiting.complete, waiting.waiting) == (False, None, False, ("b", "c"))
        folder.add_batch(["c", "b"])
        lab.snapshot(folder, source, "c")
        sealed = lab.seal(folder, later_batches=True)
        # b's batch has come and gone without it
        assert (sealed.sealed, sealed.complete, sealed.missing, sealed.waiting) == (True, False, ("b",), ())

    def test_who_does_not_wait_seals_what_is_there(self, lab: Lab, source: MemorySource) -> None:
        folder = lab.folder()
        lab.open(folder, "a", "b")
        lab.snapshot(folder, source, "a")
        assert not lab.seal(folder, later_batches=True).sealed
        assert lab.seal(folder, later_batches=False).missing == ("b",)


class TestClocks:
    """The store's time rules; the controller's own may differ a little."""

    @pytest.mark.parametrize("minutes", [-14.9, -6, -4.9, 0, 4.9, 6, 14.9])
    def test_a_clock_that_is_a_little_off_is_told(
        self, lab: Lab, source: MemorySource, clock: Clock, minutes: float
    ) -> None:
        folder = lab.folder()
        wrong = clock() + dt.timedelta(minutes=minutes)
        opened = lab.open(folder, wall_clock=lambda: wrong)
        assert opened.opened_at == clock()
        told = [note for note in opened.notes if "clocks" in note]
        assert len(told) == (abs(minutes) > 5)
        lab.snapshot(folder, source)
        lab.seal(folder)
        body = points.read_point(lab.repository, points.point_names(lab.repository)[0]).body
        assert [finding.detail for finding in body.consistency] == told
        assert body.sealed_at == clock()

    @pytest.mark.parametrize("minutes", [-16, 16])
    def test_a_clock_that_is_far_off_stops_the_run(self, lab: Lab, clock: Clock, minutes: int) -> None:
        folder = lab.folder()
        wrong = clock() + dt.timedelta(minutes=minutes)
        with pytest.raises(RunError, match="differ by 960 seconds") as caught:
            lab.open(folder, wall_clock=lambda: wrong)
        assert "chrony" in str(caught.value)
        assert not folder.exists()

    def test_a_run_tells_time_by_the_store_and_what_has_passed(
        self, lab: Lab, source: MemorySource, clock: Clock
    ) -> None:
        folder = lab.folder()
        lab.open(folder)
        clock.advance(minutes=7)
        lab.snapshot(folder, source)
        clock.advance(minutes=7)
        lab.seal(folder)
        body = points.read_point(lab.repository, points.point_names(lab.repository)[0]).body
        assert body.opened_at == START
        assert {entry.captured_at for entry in body.streams} == {START + dt.timedelta(minutes=7)}
        assert body.sealed_at == START + dt.timedelta(minutes=14)


def test_names_that_a_store_could_take_for_one_are_refused(lab: Lab, source: MemorySource) -> None:
    with pytest.raises(NameRefusedError):
        lab.open(lab.folder(), "Web", "web")
    assert not lab.folder().exists()


def test_a_host_that_was_renamed_a_little_is_backed_up_and_told(lab: Lab, source: MemorySource) -> None:
    """What was sealed under the old spelling cannot be renamed."""
    lab.run({"Web": source})
    folder = lab.folder()
    assert lab.open(folder, "web").notes == ("host web has snapshots under the name Web",)
    lab.snapshot(folder, source, "web")
    assert lab.seal(folder).complete
    assert lab.run({"Web": source}).unchanged == 2


def test_notes_are_few(lab: Lab, source: MemorySource) -> None:
    """Whoever can put could make any number of points that nobody believes; each note stands in a signed body."""
    for number in range(30):
        data = str(number).encode()
        name = names.for_point(names.Kind.POINT, START, "0" * 16, data)
        objects.put(lab.store, name, data, lock_until=START + dt.timedelta(days=500))
    notes = lab.open(lab.folder(), "h").notes
    assert len(notes) == 21
    assert "10 more" in notes[-1]


@pytest.mark.parametrize("host", ["ä b/c", ".hidden", "x" * 200, "2001:db8::1", "a%2Fb", "=" + "0" * 64])
def test_any_host_name_comes_back(lab: Lab, source: MemorySource, host: str) -> None:
    lab.run({host: source})
    assert lab.contents(host) == FILES
    assert set(lab.live().streams) == {(host, "tier1"), (host, "tier2")}


def test_the_digest_keys_are_gone_after_seal(lab: Lab, source: MemorySource) -> None:
    folder = lab.folder()
    lab.open(folder)
    keys = {key.hex() for key in folder.read_host("h").digest_keys.values()}
    assert len(keys) == 1

    def held() -> bool:
        files = [path.read_bytes() for path in lab.state_dir.rglob("*") if path.is_file()]
        return any(key.encode() in data for key in keys for data in files)

    assert held()
    lab.snapshot(folder, source)
    lab.seal(folder)
    assert not held()


def test_hosts_have_digest_keys_of_their_own(lab: Lab) -> None:
    folder = lab.folder()
    lab.open(folder, "a", "b")
    first, second = (set(folder.read_host(host).digest_keys.values()) for host in "ab")
    assert not first & second


def test_equal_content_of_two_hosts_looks_different(lab: Lab) -> None:
    lab.run({"a": MemorySource(FILES), "b": MemorySource(FILES)})
    streams = lab.live().streams
    for tier in ("tier1", "tier2"):
        assert streams["a", tier].fingerprints[0].raw != streams["b", tier].fingerprints[0].raw


class ShortStore(MemoryStore):
    """Locks for fewer days than it was asked for."""

    days = 40.0

    def _put(self, name: str, stream: t.BinaryIO, lock_until: dt.datetime) -> t.Any:
        stored = super()._put(name, stream, lock_until)
        return dataclasses.replace(stored, lock_until=lock_until - dt.timedelta(days=self.days))


def test_a_lock_that_was_not_given_is_never_acknowledged(lab: Lab, source: MemorySource) -> None:
    short = ShortStore(now=lab.memory._now)
    short._versions = lab.memory._versions
    folder = lab.folder()
    lab.open(folder)
    with pytest.raises(NotLockedError) as caught:
        lab.on(short).snapshot(folder, source)
    assert "host h" in str(caught.value)
    assert "packs/" in str(caught.value)
    with pytest.raises(RunError):
        lab.seal(folder)
    assert lab.live().streams == {}


class TestWeeksLongRun:
    """The store is honest, and the run took so long that a lock became short before its seal."""

    @pytest.fixture
    def folder(self, lab: Lab, clock: Clock) -> PointFolder:
        folder = lab.folder()
        lab.open(folder, "slow", "quick")
        lab.snapshot(folder, MemorySource(FILES), "slow")
        clock.advance(days=35)
        lab.snapshot(folder, MemorySource(FILES), "quick")
        return folder

    def test_what_was_captured_gets_another_lock_before_it_is_named(
        self, lab: Lab, clock: Clock, folder: PointFolder
    ) -> None:
        assert lab.seal(folder).complete
        for (host, stream), entry in lab.live().streams.items():
            assert entry.state is StreamState.STORED
            assert entry.captured_at == (START if host == "slow" else clock.moment)
            for ref in (entry.pack, entry.manifest):
                held = lab.store.head(ref.name, version=ref.version)
                assert held.lock_until == ref.lock_until
            days = dt.timedelta(days=lab.repository.root.classes[entry.retention_class].days)
            assert entry.lock_until == clock.moment + days + keep.renewal(f"{host}/{stream}")

    def test_a_lock_that_became_short_until_seal_is_never_named(
        self, lab: Lab, clock: Clock, folder: PointFolder
    ) -> None:
        for receipt in folder.read_receipts().values():
            if receipt.host == "slow":
                for part in receipt.streams:
                    assert part.entry is not None
                    del lab.memory._versions[part.entry.pack.name]
        sealed = lab.seal(folder)
        assert (sealed.complete, list(sealed.failed), sealed.stored) == (False, ["slow"], 2)
        assert "ends before its class does" in sealed.failed["slow"]
        assert {entry.host for entry in lab.live().streams.values()} == {"quick"}


def test_the_change_stands_in_the_body(lab: Lab, source: MemorySource) -> None:
    lab.run(source, change={"id": "CHG-1", "requester": "somebody"})
    body = points.read_point(lab.repository, points.point_names(lab.repository)[0]).body
    assert body.change == {"id": "CHG-1", "requester": "somebody"}


def test_marks_become_findings_of_the_point(lab: Lab) -> None:
    class Moving(MemorySource):
        def _content(self, components: t.Any) -> dict[str, ComponentContent]:
            found = super()._content(components)
            marks = ("changed while read: /etc/app/other",)
            return {name: dataclasses.replace(part, marks=marks) for name, part in found.items()}

    lab.run(Moving(FILES))
    body = points.read_point(lab.repository, points.point_names(lab.repository)[0]).body
    assert [f.detail for f in body.consistency] == [
        "h/tier1: app: changed while read: /etc/app/other",
        "h/tier2: base: changed while read: /etc/app/other",
    ]


def test_what_is_left_out_without_being_excluded_is_told_each_time(lab: Lab, tmp_path: Path) -> None:
    site = HostSite(tmp_path / "host")
    for path, content in FILES.items():
        site.write(path, content)
    site.write("/etc/app/note.bak", b"transient")
    os.mkfifo(site.at("/etc/app/fifo"))
    excluding = declared(
        {
            **COMPONENTS[0],
            "paths": ["/etc/app", "/etc/gone"],
            "excludes": [{"pattern": "*.bak", "reason": "transient"}],
        }
    )
    for reason in ("first", "unchanged"):
        folder = lab.folder()
        lab.open(folder)
        (part,) = lab.snapshot(folder, site.source, policy=lambda: excluding).streams
        assert part.reason == reason
        assert part.gaps == (("/etc/app/fifo", "special file (fifo)"), ("/etc/gone", "absent"))
        assert folder.read_receipts()["h"].streams[0].gaps == part.gaps
        assert part.left_out_bytes == folder.read_receipts()["h"].streams[0].left_out_bytes == len(b"transient")
        lab.seal(folder)


def test_a_path_of_a_preset_that_another_system_has_is_no_gap(lab: Lab, tmp_path: Path) -> None:
    site = HostSite(tmp_path / "host")
    for path, content in FILES.items():
        site.write(path, content)

    def preset(name: str, key: str, findings: list[Finding]) -> Preset:
        return Preset(name=name, description="The app", paths=("/etc/app", "/etc/sysconfig/app", "/etc/app/other/x"))

    given = read_policy(host="h", components=["app"], presets=preset)
    folder = lab.folder()
    lab.open(folder)
    (part,) = lab.snapshot(folder, site.source, policy=lambda: given).streams
    assert part.gaps == ()
    (content,) = site.source.content(list(given.components)).values()
    assert content.left_out == (("/etc/app/other/x", "absent"), ("/etc/sysconfig/app", "absent"))


def test_a_worker_whose_controller_has_gone_puts_nothing(lab: Lab, source: MemorySource) -> None:
    def gone() -> None:
        raise RunAbandonedError("the run has ended")

    folder = lab.folder()
    lab.open(folder)
    with pytest.raises(RunAbandonedError):
        lab.on(GuardedStore(lab.store, gone)).snapshot(folder, source)
    assert len(lab.names()) == 1


def test_two_controllers_at_once_lose_nothing(lab: Lab, source: MemorySource) -> None:
    folders = [lab.folder(), lab.folder()]
    for folder, host in zip(folders, "ab", strict=True):
        lab.open(folder, host)
    for folder, host in zip(folders, "ab", strict=True):
        lab.snapshot(folder, source, host)
    ids = {lab.seal(folder).id for folder in folders}
    live = lab.live()
    assert set(live.tips) == ids
    assert {host for host, _tier in live.streams} == {"a", "b"}
    merged = lab.run({"a": source, "b": source})
    assert lab.live().tips == (merged.id,)


def test_counts_are_those_of_the_run(lab: Lab) -> None:
    hosts = {"a": MemorySource(FILES), "b": MemorySource(FILES)}
    first = lab.run(hosts)
    put = sum(listed.size for listed in itertools.chain(lab.store.list("packs/"), lab.store.list("manifests/")))
    assert (first.stored, first.unchanged, first.stored_bytes) == (4, 0, put)
    hosts["b"].files["/etc/base"] = b"drifted"
    second = lab.run(hosts)
    assert (second.stored, second.unchanged) == (1, 3)


def test_errors_name_the_host_once(lab: Lab, source: MemorySource) -> None:
    folder = lab.folder()
    lab.open(folder)
    source.failure = HoldfastError("it failed", host="deeper")
    with pytest.raises(HoldfastError, match=r"it failed \(host deeper\)$"):
        lab.snapshot(folder, source)


def test_the_run_folder_has_all_that_a_worker_needs(lab: Lab, source: MemorySource, tmp_path: Path) -> None:
    """A worker knows the folder's path and nothing else of what open did."""
    folder = lab.folder()
    lab.open(folder)
    elsewhere = PointFolder(lab.state_dir, folder.run, folder.point)
    lab.snapshot(elsewhere, source)
    assert lab.seal(folder).complete
