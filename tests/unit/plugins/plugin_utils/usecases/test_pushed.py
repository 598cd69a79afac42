# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts that tasks push into a run, beside what their hosts give, and texts of all kinds through a whole life."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.composite import Composite
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host import Host
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    PolicyError,
    RunError,
    StoreError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ConsistencyFinding, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy, read_pushed
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import points, run_report, verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.leftovers import ship_leftovers
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder, Receipt
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource, near_trip

from .faults import FaultyStore
from .lab import FILES, START, Clock, Lab, problems
from .test_leftovers import NEXT, captured, refusing


class Silent(MemorySource):
    """A host that must not be asked."""

    def _travel(self, kind: str, components: t.Any) -> None:
        raise AssertionError("the host was asked")


def push(lab: Lab, folder: PointFolder, host: str = "h", *, check: bool = False, **texts: t.Any) -> Receipt:
    """Push texts by name; one that is a mapping is all that the task says of it."""
    content = [{"name": name, **(text if isinstance(text, dict) else {"text": text})} for name, text in texts.items()]
    return lab.snapshot(
        folder,
        Silent(),
        host,
        lambda: read_pushed(host=host, content=content),
        pushed=tuple(texts),
        check=check,
    )


def reasons(receipt: Receipt) -> dict[str, str]:
    return {part.stream: part.reason for part in receipt.streams}


def body(lab: Lab) -> points.Body:
    """The body of the newest point."""
    return max(points.history(lab.repository), key=lambda point: point.statement.sealed_at).body


def states(lab: Lab) -> dict[tuple[str, str], StreamState]:
    return {entry.key: entry.state for entry in body(lab).streams}


class TestStreams:
    """A pushed text is a stream, with reasons like any other."""

    def test_a_life(self, lab: Lab, clock: Clock) -> None:
        told = []
        for text in ("fan=1\nuptime=5\n", "fan=1\nuptime=6\n", "fan=2\nuptime=7\n"):
            folder = lab.folder()
            lab.open(folder)
            told.append(reasons(push(lab, folder, ilo={"text": text, "volatile": ["^uptime="]})))
            sealed = lab.seal(folder)
            assert (sealed.complete, sealed.stored + sealed.unchanged) == (True, 1)
            clock.advance(hours=1)
        assert told == [{"ilo": "first"}, {"ilo": "unchanged"}, {"ilo": "drift"}]
        assert lab.contents() == {"/holdfast/ilo/text": b"fan=2\nuptime=7\n"}
        folder = lab.folder()
        lab.open(folder)
        again = push(lab, folder, ilo={"text": "fan=2", "volatile": ["^uptime=", "^#"]})
        assert reasons(again) == {"ilo": "policy"}
        clock.advance(days=90)
        folder = lab.folder()
        lab.open(folder)
        assert reasons(push(lab, folder, ilo={"text": "fan=2\nuptime=7\n", "volatile": ["^uptime="]})) == {
            "ilo": "renewal"
        }

    def test_its_tier_says_how_long_it_is_kept(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder)
        push(lab, folder, ilo={"text": "x", "tier": "tier0"}, bmc="y")
        lab.seal(folder)
        assert {e.stream: e.retention_class for e in body(lab).streams} == {"ilo": "d0400", "bmc": "d0090"}

    def test_check_mode_stores_nothing(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder, check=True)
        receipt = push(lab, folder, check=True, ilo="x")
        assert [(part.reason, part.entry) for part in receipt.streams] == [("first", None)]
        assert lab.seal(folder, check=True).stored == 1
        assert len(lab.names()) == 1


class TestTogether:
    """Several tasks and the host's own snapshot add up."""

    def test_each_stands_beside_the_others(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder, "h", "i")
        push(lab, folder, ilo="1", bmc="2")
        lab.snapshot(folder, MemorySource(FILES))
        push(lab, folder, san="3")
        push(lab, folder, "i", ilo="4")
        sealed = lab.seal(folder)
        assert (sealed.complete, sealed.stored) == (True, 6)
        assert set(states(lab)) == {("h", name) for name in ("tier1", "tier2", "ilo", "bmc", "san")} | {("i", "ilo")}
        assert lab.contents() == {
            **FILES,
            "/holdfast/ilo/text": b"1",
            "/holdfast/bmc/text": b"2",
            "/holdfast/san/text": b"3",
        }
        assert problems(lab.verify()) == []

    def test_a_host_for_which_something_was_pushed_has_answered(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder, "h", "i")
        push(lab, folder, ilo="1")
        sealed = lab.seal(folder)
        assert (sealed.complete, sealed.missing) == (False, ("i",))

    @pytest.mark.parametrize("first", [True, False])
    def test_a_host_that_fails_fails_whatever_was_pushed(self, lab: Lab, first: bool) -> None:
        folder = lab.folder()
        lab.open(folder)
        broken = MemorySource(FILES)
        broken.failure = CaptureError("the disk is on fire")
        if first:
            push(lab, folder, ilo="1")
        with pytest.raises(CaptureError):
            lab.snapshot(folder, broken)
        if not first:
            push(lab, folder, ilo="1")
        sealed = lab.seal(folder)
        assert (sealed.complete, list(sealed.failed), sealed.stored) == (False, ["h"], 1)
        assert "the disk is on fire" in sealed.failed["h"]
        assert states(lab) == {("h", "ilo"): StreamState.STORED}
        (point,) = points.history(lab.repository)
        assert point.statement.counts["stored"] == 1

    def test_what_cannot_be_pushed_fails_its_host_until_it_is(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder)
        lab.snapshot(folder, MemorySource(FILES))
        with pytest.raises(PolicyError, match="is empty"):
            push(lab, folder, ilo="")
        assert "is empty" in str(folder.read_receipts()["h"].error)
        assert len(folder.read_receipts()["h"].streams) == 2
        push(lab, folder, ilo="1")
        assert folder.read_receipts()["h"].error is None
        assert lab.seal(folder).complete

    def test_a_failure_of_several_is_told_once(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder)
        with pytest.raises(PolicyError):
            push(lab, folder, ilo="", bmc="1")
        assert str(folder.read_receipts()["h"].error).count("is empty") == 1

    def test_pushed_again_in_a_run_the_later_one_counts(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder)
        push(lab, folder, ilo="1", bmc="x")
        push(lab, folder, ilo="2")
        lab.seal(folder)
        assert lab.contents() == {"/holdfast/ilo/text": b"2", "/holdfast/bmc/text": b"x"}

    def test_a_host_that_is_not_expected_is_refused(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder)
        with pytest.raises(RunError, match="does not expect it"):
            push(lab, folder, "other", ilo="1")
        assert folder.read_receipts() == {}

    def test_names_that_no_file_could_have_are_told_apart(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder)
        for odd in ("../x", "\ud800", "a/b", "", "x" * 300):
            with pytest.raises(PolicyError):
                push(lab, folder, **{odd: "1"})
        assert len(list((folder.path / "pushed/h").iterdir())) == 5
        assert "is not a name" in str(folder.read_receipts()["h"].error)


class TestKept:
    """A text that nobody pushes any more is kept like a host that is silent."""

    def test_not_pushed_it_is_carried_when_due_and_before_that_left_alone(self, lab: Lab, clock: Clock) -> None:
        folder = lab.folder()
        lab.open(folder)
        push(lab, folder, ilo="1")
        lab.snapshot(folder, MemorySource(FILES))
        lab.seal(folder)
        clock.advance(days=1)
        lab.run(MemorySource(FILES))
        assert ("h", "ilo") not in states(lab) or states(lab)["h", "ilo"] is StreamState.LIVE
        clock.advance(days=30)
        lab.run(MemorySource(FILES))
        assert states(lab)["h", "ilo"] is StreamState.CARRIED
        (entry,) = (entry for entry in body(lab).streams if entry.stream == "ilo")
        assert (entry.captured_at, entry.verified_at) == (START, START)
        for _month in range(20):
            clock.advance(days=31)
            lab.run(MemorySource(FILES))
        assert lab.contents()["/holdfast/ilo/text"] == b"1"
        assert problems(lab.verify()) == []

    def test_the_host_not_asked_its_own_streams_are_kept_the_same_way(self, lab: Lab, clock: Clock) -> None:
        lab.run(MemorySource(FILES))
        clock.advance(days=31)
        folder = lab.folder()
        lab.open(folder)
        push(lab, folder, ilo="1")
        sealed = lab.seal(folder)
        assert (sealed.carried, sealed.complete, sealed.not_asked) == (2, True, ("h",))
        assert lab.seal(folder) == sealed
        # the point is whole by what was asked, and says what was not
        says = "only texts were pushed for h: its own streams were not asked for"
        assert ConsistencyFinding("asked", says) in body(lab).consistency
        (report,) = (one for one in run_report.gather(lab.state_dir, folder.run) if one.id == sealed.id)
        (line,) = report.hosts
        assert line.notes == ("only texts were pushed: its own streams were not asked for",)

    def test_a_host_that_is_known_by_texts_alone_lacks_nothing(self, lab: Lab) -> None:
        for text in "12":
            folder = lab.folder()
            lab.open(folder)
            push(lab, folder, ilo=text)
            lab.seal(folder)
            assert body(lab).consistency == ()


class TestLeftovers:
    """What the store does not take is stored late, also of a push."""

    @pytest.mark.parametrize("of", ["/ilo/", "/tier1/", ""])
    def test_a_push_and_its_host(self, lab: Lab, clock: Clock, of: str) -> None:
        folder = captured(lab, refusing(of), "h")
        flaky = lab.on(FaultyStore(lab.store, before=refusing(of)))
        with contextlib.suppress(StoreError):
            push(flaky, folder, ilo="1")
        assert folder.read_receipts()["h"].held_back
        clock.advance(days=1)
        ship_leftovers(lab.state_dir, lab.repository, lab.keyring, run=NEXT)
        assert set(states(lab)) == {("h", "tier1"), ("h", "tier2"), ("h", "ilo")}
        assert body(lab).complete
        assert lab.contents() == {**FILES, "/holdfast/ilo/text": b"1"}
        assert not folder.waits_for_store
        assert folder.read_receipts()["h"].error is None

    def test_a_failure_that_has_nothing_to_do_with_the_store_stays(self, lab: Lab, clock: Clock) -> None:
        folder = captured(lab, refusing(), "h")
        with pytest.raises(PolicyError):
            push(lab, folder, ilo="")
        assert not folder.read_receipts()["h"].held_back
        clock.advance(days=1)
        ship_leftovers(lab.state_dir, lab.repository, lab.keyring, run=NEXT)
        assert "is empty" in body(lab).failed[0].reason

    def test_a_store_that_fails_for_one_push_fails_its_host(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder)
        lab.snapshot(folder, MemorySource(FILES))
        flaky = lab.on(FaultyStore(lab.store, before=refusing()))
        with pytest.raises(UnavailableError):
            push(flaky, folder, ilo="1")
        sealed = lab.seal(folder)
        assert (list(sealed.failed), sealed.stored) == (["h"], 2)


COMMANDS = [
    {"name": "date", "argv": ["date", "+# %s%N"]},
    {"name": "list", "argv": ["/bin/sh", "-c", "printf 'a\\nb\\n'"]},
]


def all_kinds(**more: t.Any) -> Policy:
    """Files and commands in one tier."""
    command = {"name": "said", "commands": COMMANDS, "volatile": ["^# [0-9]+$"], **more}
    return read_policy(host="h", components=[{"name": "app", "paths": ["/etc/hostname"]}, command])


class TestOneStream:
    """Texts of a host are in one stream with its files."""

    def test_a_life(self, lab: Lab, clock: Clock, tmp_path: Path) -> None:
        told = []
        for argv in (COMMANDS[1]["argv"], COMMANDS[1]["argv"], ["printf", "c\\n"]):
            folder = lab.folder()
            lab.open(folder)
            policy = all_kinds(commands=[COMMANDS[0], {"name": "list", "argv": argv}])
            told.append(reasons(lab.snapshot(folder, Host(near_trip), policy=lambda policy=policy: policy)))
            lab.seal(folder)
            clock.advance(hours=1)
        assert told == [{"tier1": "first"}, {"tier1": "unchanged"}, {"tier1": "policy"}]
        assert lab.contents()["/holdfast/said/list"] == b"c\n"
        report = lab.verify()
        assert (problems(report), report.packs_opened) == ([], 2)
        restored = lab.restore(tmp_path / "under")
        assert restored.proven
        assert (tmp_path / "under/holdfast/said/list").read_bytes() == b"c\n"
        assert (tmp_path / "under/holdfast/said/list").stat().st_mode & 0o7777 == 0o600
        assert lab.restore(tmp_path / "under").before == ()

    def test_verify_holds_volatile_lines_against_the_pack(self, lab: Lab) -> None:
        class Liar(MemorySource):
            """Says another digest of what is not volatile than that of its text."""

            def _content(self, components: t.Any) -> t.Any:
                found = Composite(Host(near_trip)).content(components)
                part = found["said"]
                wrong = dataclasses.replace(part.fingerprint, normalised="0" * 64)
                return {**found, "said": dataclasses.replace(part, fingerprint=wrong)}

        folder = lab.folder()
        lab.open(folder)
        lab.snapshot(folder, Liar(), policy=all_kinds)
        lab.seal(folder)
        assert [finding.problem for finding in problems(lab.verify())] == [
            "component said is not what its manifest says"
        ]
        assert problems(lab.verify(verify.Level.CONTENT)) == []
