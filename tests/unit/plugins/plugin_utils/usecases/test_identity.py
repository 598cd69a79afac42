# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts whose name is not who they are: renamed, cloned, with a clock of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _tree
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    NameRefusedError,
    NotFoundError,
    PolicyError,
    RunError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.base import Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Body, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import choose, points, records, run_folder
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import snapshot as use_case
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder, Receipt
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.seal_point import Sealed
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.snapshot import HeardHost
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .council import governed, request_of, retired
from .forge import Forge
from .lab import COMPONENTS, FILES, START, Clock, Lab, declared, problems

OTHER = {**FILES, "/etc/app/main.conf": b"listen = 9090\n"}
Host = tuple[str, str]


def body_of(lab: Lab, sealed: Sealed) -> Body:
    (point,) = points.find(lab.repository, str(sealed.id))[0]
    return point.body


def told(body: Body, *checks: str) -> list[str]:
    return [found.detail for found in body.consistency if found.check in checks]


def asked_of(lab: Lab, calls: list[str]) -> Callable[[], Keyring]:
    def connect() -> Keyring:
        calls.append("keyring")
        return lab.keyring

    return connect


def snapshot(lab: Lab, folder: PointFolder, host: Host, **more: t.Any) -> Receipt:
    """Capture a host with a name and an identity."""
    name, host_id = host
    source = more.pop("source", MemorySource(FILES))
    return lab.snapshot(folder, source, name, **{"keyring": lambda: lab.keyring, "host_id": lambda: host_id, **more})


def run(lab: Lab, hosts: Mapping[Host, Mapping[str, bytes] | None], expected: tuple[str, ...] = ()) -> Body:
    """A run of these hosts, each with what it holds, None where it does not answer; returns what was sealed."""
    folder = lab.folder()
    lab.open(folder, *(expected or [name for name, _host_id in hosts]))
    for host, files in hosts.items():
        source = MemorySource(files or {})
        source.failure = ConnectionLostError("the host was not reached") if files is None else None
        try:
            snapshot(lab, folder, host, source=source)
        except CaptureError:
            assert files is None
    return body_of(lab, lab.seal(folder))


class TestRenamed:
    def test_a_stream_goes_on_under_another_name_and_stays_unchanged(self, lab: Lab, clock: Clock) -> None:
        before = run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        after = run(lab, {("web-a", "web1"): FILES})
        assert (after.expected, after.missing, after.complete) == (("web-a",), (), True)
        for old, new in zip(before.streams, after.streams, strict=True):
            assert new.state is StreamState.UNCHANGED
            assert new.key == old.key
            # its objects are named as they were
            assert (new.host, new.name, new.manifest) == ("web1", "web-a", old.manifest)
            assert new.verified_at == clock.moment
        assert told(after, "identity") == ["web-a goes on with the streams of web1"]
        assert lab.live().streams.keys() == {("web1", "tier1"), ("web1", "tier2")}
        assert not problems(lab.verify())

    def test_drift_is_drift_and_history_has_both_names(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        folder = lab.folder()
        lab.open(folder, "web-a")
        receipt = snapshot(lab, folder, ("web-a", "web1"), source=MemorySource(OTHER))
        assert [part.reason for part in receipt.streams] == ["drift", "unchanged"]
        lab.seal(folder)
        history = [entry for point in points.history(lab.repository) for entry in point.body.streams]
        assert {(entry.host, entry.host_id) for entry in history} == {("web1", "web1"), ("web-a", "web1")}
        assert [name for name in lab.names("packs/") if "/web-a/" in name]
        report = lab.verify()
        assert not problems(report)
        # each under the digest key of the one identity
        assert report.packs_opened == 3

    @pytest.mark.parametrize("drifts", [False, True])
    def test_what_it_costs_is_one_keyring_call_once(self, lab: Lab, clock: Clock, drifts: bool) -> None:
        run(lab, {("web1", "web1"): FILES})
        files = OTHER if drifts else FILES
        calls: list[str] = []
        for expected in (["keyring"], [], []):
            clock.advance(days=1)
            folder = lab.folder()
            lab.open(folder, "web-a", "web2")
            calls.clear()
            snapshot(lab, folder, ("web-a", "web1"), source=MemorySource(files), keyring=asked_of(lab, calls))
            snapshot(lab, folder, ("web2", "web2"), keyring=asked_of(lab, calls))
            assert calls == expected
            assert told(body_of(lab, lab.seal(folder)), "identity") == (
                ["web-a goes on with the streams of web1"] if expected else []
            )

    def test_it_may_be_renamed_again_and_back(self, lab: Lab, clock: Clock) -> None:
        for number, name in enumerate(["web1", "web-a", "web-b", "web1", "web1"]):
            body = run(lab, {(name, "web1"): FILES})
            assert {entry.name for entry in body.streams} == {name}
            assert {entry.host for entry in body.streams} == {"web1"}
            assert {entry.state for entry in body.streams} == {StreamState.UNCHANGED if number else StreamState.STORED}
            clock.advance(days=1)
        # nothing of it is left in what is stored
        assert all("name" not in entry.extra for entry in body.streams)
        assert told(body, "identity") == []

    def test_an_identity_that_is_new_begins(self, lab: Lab) -> None:
        body = run(lab, {("web1", "rack 7/unit 3"): FILES})
        assert {entry.key[0] for entry in body.streams} == {"rack 7/unit 3"}
        assert {entry.host for entry in body.streams} == {"web1"}
        assert not problems(lab.verify())

    def test_a_host_that_lost_its_identity_begins_anew(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web-a", "web1"): FILES})
        clock.advance(days=1)
        body = run(lab, {("web-a", "web-a"): FILES})
        assert {entry.state for entry in body.streams if entry.host_id == "web-a"} == {StreamState.STORED}
        # the old one is silent now, and kept
        assert len(lab.live().streams) == 4

    def test_a_component_that_moved_while_it_was_renamed_is_in_one_stream(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        moved = declared({**COMPONENTS[0], "tier": "tier0"}, COMPONENTS[1])
        folder = lab.folder()
        lab.open(folder, "web-a")
        snapshot(lab, folder, ("web-a", "web1"), policy=lambda: moved)
        lab.seal(folder)
        assert lab.live().streams.keys() == {("web1", "tier0"), ("web1", "tier2")}
        assert not problems(lab.verify())

    def test_what_other_streams_hold_under_the_new_name_is_not_carried(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=40)
        moved = declared({**COMPONENTS[0], "tier": "tier0"}, COMPONENTS[1])
        folder = lab.folder()
        lab.open(folder, "web-a")
        snapshot(lab, folder, ("web-a", "web1"), policy=lambda: moved)
        assert lab.seal(folder).carried == 0

    def test_the_old_name_is_not_carried_beside_the_new_one(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=40)
        body = run(lab, {("web-a", "web1"): FILES})
        assert {(entry.host, entry.state) for entry in body.streams} == {("web-a", StreamState.STORED)}

    def test_silent_under_its_new_name_it_is_carried(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        run(lab, {("web-a", "web1"): FILES})
        clock.advance(days=40)
        body = run(lab, {("web-a", "web1"): None, ("web2", "web2"): FILES})
        silent = [entry for entry in body.streams if entry.host_id == "web1"]
        assert {(entry.name, entry.state) for entry in silent} == {("web-a", StreamState.CARRIED)}
        assert [failed.host for failed in body.failed] == ["web-a"]

    def test_a_lock_that_ran_short_fails_the_host_by_its_name_of_now(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        folder = lab.folder()
        lab.open(folder, "web-a", "web2")
        snapshot(lab, folder, ("web-a", "web1"))
        snapshot(lab, folder, ("web2", "web2"))
        clock.advance(days=40)
        # of two streams one: what else the host gave does not count either
        for name in [name for name in lab.names("packs/") if "/web1/tier1/" in name]:
            del lab.memory._versions[name]
        body = body_of(lab, lab.seal(folder))
        assert {failed.host for failed in body.failed} == {"web-a"}
        assert {entry.name for entry in body.streams if entry.state is not StreamState.LIVE} == {"web2"}

    def test_full_bodies_tell_it_on(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        run(lab, {("web-a", "web1"): FILES})
        clock.advance(days=17)
        body = run(lab, {("web2", "web2"): FILES})
        assert body.full
        assert {entry.name for entry in body.streams} == {"web-a", "web2"}
        calls: list[str] = []
        folder = lab.folder()
        lab.open(folder, "web-a")
        snapshot(lab, folder, ("web-a", "web1"), keyring=asked_of(lab, calls))
        assert calls == []

    def test_what_is_gone_from_the_store_is_stored_anew_under_the_new_name(self, file_lab: Lab, tmp_path: Path) -> None:
        lab = file_lab
        run(lab, {("web1", "web1"): FILES})
        for path in (tmp_path / "store" / "packs").rglob("*tier1/*"):
            path.unlink()
        folder = lab.folder()
        lab.open(folder, "web-a")
        receipt = snapshot(lab, folder, ("web-a", "web1"))
        assert [part.reason for part in receipt.streams] == ["first", "unchanged"]

    def test_a_stream_without_a_newer_key_is_compared_under_its_own(self, lab: Lab) -> None:
        run(lab, {("web1", "web1"): FILES})
        folder = lab.folder()
        lab.open(folder, "web-a")
        with mock.patch.object(LocalKeyring, "digest_key", side_effect=AssertionError("asked")):
            with pytest.raises(AssertionError):
                snapshot(lab, folder, ("web-a", "web1"))
            assert snapshot(lab, folder, ("web-a", "web-a")).streams


class TestFound:
    @pytest.fixture
    def renamed(self, lab: Lab, clock: Clock) -> Lab:
        """web1 became web-a, and did not change; a new host has its old name."""
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        run(lab, {("web-a", "web1"): FILES})
        return lab

    @pytest.mark.parametrize("host", ["web1", "web-a"])
    def test_by_name_and_by_identity(self, renamed: Lab, host: str) -> None:
        assert renamed.contents(host) == FILES
        first, last = sorted(points.history(renamed.repository), key=lambda point: point.statement.sealed_at)
        # by the name of now also in what was sealed under the one before
        for selection in (
            choose.Selection(point=first.id),
            choose.Selection(point=last.id),
            choose.Selection(time=START),
            choose.Selection(snapshot=first.body.streams[0].manifest.sha256),
        ):
            assert set(renamed.contents(host, selection).items()) <= set(FILES.items())
            assert renamed.contents(host, selection)

    def test_a_name_that_means_two_hosts_is_refused_with_both(self, renamed: Lab, clock: Clock) -> None:
        clock.advance(days=1)
        run(renamed, {("web1", "web1-2026"): OTHER})
        for ask in (
            lambda: renamed.contents("web1"),
            lambda: records.ask(
                renamed.repository,
                "retired",
                host="web1",
                stream=None,
                request=request_of(renamed),
                live=renamed.live().streams,
            ),
        ):
            with mock.patch.object(records, "_require_reachable"), pytest.raises(PolicyError) as caught:
                ask()
            assert caught.value.message == "web1 means web-a (identity web1) and web1 (identity web1-2026)"
            assert caught.value.remedy
        assert renamed.contents("web-a") == FILES
        assert renamed.contents("web1-2026") == OTHER
        # who knows the identity needs no name
        for host_id, entries in (("web1", 2), ("web1-2026", 2)):
            chosen = choose.choose(renamed.repository, "web1", choose.Selection(newest=True), host_id=host_id)
            assert [part.entry.host_id for part in chosen] == [host_id] * entries

    def test_a_point_of_then_knows_the_names_of_then(self, renamed: Lab, clock: Clock) -> None:
        first = min(points.history(renamed.repository), key=lambda point: point.statement.sealed_at)
        clock.advance(days=1)
        run(renamed, {("web1", "web1-2026"): OTHER})
        assert renamed.contents("web1", choose.Selection(point=first.id)) == FILES

    def test_a_component_it_had_under_its_old_name(self, lab: Lab, clock: Clock) -> None:
        more = declared(*COMPONENTS, {"name": "late", "paths": ["/etc/late"], "tier": "tier1"})
        folder = lab.folder()
        lab.open(folder, "web1")
        lab.snapshot(folder, MemorySource({**FILES, "/etc/late": b"1"}), "web1", policy=lambda: more)
        lab.seal(folder)
        clock.advance(days=1)
        run(lab, {("web-a", "web1"): OTHER})
        (chosen,) = choose.choose(lab.repository, "web-a", choose.Selection(newest=True, components=("late",)))
        assert (chosen.entry.host, chosen.components) == ("web1", ("late",))

    def test_nobody_is_told_so(self, renamed: Lab) -> None:
        for selection in (choose.Selection(newest=True), choose.Selection(time=START)):
            with pytest.raises(NotFoundError, match="no recovery point holds"):
                renamed.contents("web-b", selection)


class TestRetired:
    @pytest.fixture
    def lab(self, tmp_path: Path, keys: Path, clock: Clock) -> Lab:
        lab = governed(tmp_path, keys, clock)
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        run(lab, {("web-a", "web1"): FILES, ("web2", "web2"): FILES})
        return lab

    @pytest.mark.parametrize("host", ["web1", "web-a"])
    def test_by_its_name_or_its_identity_which_is_what_people_sign(self, lab: Lab, host: str) -> None:
        pending, _made = records.ask(
            lab.repository, "retired", host=host, stream=None, request=request_of(lab), live=lab.live().streams
        )
        assert records.require_record(pending).subject == {"host": "web1"}

    def test_it_is_live_no_more_whatever_it_is_called(self, lab: Lab, clock: Clock) -> None:
        clock.advance(hours=1)
        retired(lab, "web-a")
        assert set(lab.live().ended.items()) == {(("web1", tier), "retired") for tier in ("tier1", "tier2")}
        # and what is still there can be restored by either name
        assert lab.contents("web-a") == lab.contents("web1") == FILES

    def test_a_new_host_of_the_old_name_is_not_retired_with_it(self, lab: Lab, clock: Clock) -> None:
        clock.advance(hours=1)
        run(lab, {("web1", "web1-2026"): OTHER})
        clock.advance(hours=1)
        retired(lab, "web-a")
        assert {key[0] for key in lab.live().streams} == {"web2", "web1-2026"}

    def test_nobody_of_that_name(self, lab: Lab) -> None:
        with pytest.raises(NotFoundError, match="host web9 has no live stream") as caught:
            retired(lab, "web9")
        assert "holdfast_host_id" in str(caught.value)


class TestCloned:
    @pytest.mark.parametrize("hosts", [[("web1", "web1"), ("web-a", "web1")], [("web-a", "web1"), ("web1", "web1")]])
    def test_a_name_that_is_the_identity_of_another_host(self, lab: Lab, hosts: list[Host]) -> None:
        folder = lab.folder()
        lab.open(folder, "web1", "web-a")
        first, second = hosts
        snapshot(lab, folder, first)
        with pytest.raises(PolicyError) as caught:
            snapshot(lab, folder, second)
        assert caught.value.message == f"{first[0]} and {second[0]} have one identity in this run, web1"
        assert (caught.value.host, caught.value.item) == (second[0], "holdfast_host_id")
        body = body_of(lab, lab.seal(folder))
        assert [failed.host for failed in body.failed] == [second[0]]
        assert f"{first[0]} and {second[0]} have one identity" in body.failed[0].reason
        assert {entry.host for entry in body.streams} == {first[0]}

    def test_a_new_host_of_an_old_name_does_not_go_on_as_the_one_that_had_it(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES})
        clock.advance(days=1)
        run(lab, {("web-a", "web1"): FILES})
        clock.advance(days=1)
        folder = lab.folder()
        lab.open(folder, "web1", "web-a")
        with pytest.raises(PolicyError, match="web1 would go on with the streams of web-a") as caught:
            snapshot(lab, folder, ("web1", "web1"), source=MemorySource(OTHER))
        assert "--limit web1" in str(caught.value)
        assert [part.reason for part in snapshot(lab, folder, ("web-a", "web1")).streams] == ["unchanged"] * 2
        # with an identity of its own it begins, and both are in one run
        new = snapshot(lab, folder, ("web1", "web1-2026"), source=MemorySource(OTHER))
        assert [part.reason for part in new.streams] == ["first"] * 2
        lab.seal(folder)
        assert {key[0]: entry.name for key, entry in lab.live().streams.items()} == {
            "web1": "web-a",
            "web1-2026": "web1",
        }
        assert not problems(lab.verify())

    def test_two_may_exchange_their_names(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web1", "web1"): FILES, ("web2", "web2"): OTHER})
        clock.advance(days=1)
        body = run(lab, {("web1", "web2"): OTHER, ("web2", "web1"): FILES})
        assert {entry.state for entry in body.streams} == {StreamState.UNCHANGED}
        assert {entry.key[0]: entry.name for entry in body.streams} == {"web1": "web2", "web2": "web1"}

    def test_one_identity_twice(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder, "web1", "web2")
        snapshot(lab, folder, ("web1", "id"))
        with pytest.raises(PolicyError, match="web1 and web2 have one identity in this run, id"):
            snapshot(lab, folder, ("web2", "id"))
        # the first one may come again
        assert snapshot(lab, folder, ("web1", "id")).error is None
        body = body_of(lab, lab.seal(folder))
        assert ([failed.host for failed in body.failed], body.complete) == (["web2"], False)

    def test_an_identity_that_differs_from_a_name_in_case_alone(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder, "web1", "web2")
        with pytest.raises(NameRefusedError, match="web1 and WEB1 differ only in case"):
            snapshot(lab, folder, ("web2", "WEB1"))

    def test_also_where_each_makes_a_point_of_its_own(self, lab: Lab) -> None:
        for number, (host, error) in enumerate([(("web-a", "web1"), None), (("web1", "web1"), PolicyError)]):
            folder = lab.folder(f"only-{number}", run="a" * 16)
            lab.open(folder, host[0])
            if error is None:
                snapshot(lab, folder, host)
                continue
            with pytest.raises(error, match="web-a and web1 have one identity in this run, web1"):
                snapshot(lab, folder, host)

    def test_the_next_run_begins_anew(self, lab: Lab, clock: Clock) -> None:
        run(lab, {("web-a", "web1"): FILES})
        clock.advance(days=1)
        body = run(lab, {("web1", "web1"): OTHER})
        # nobody can tell a clone from a host that got its old name back: the point says what happened
        assert told(body, "identity") == ["web1 goes on with the streams of web-a"]

    def test_a_host_that_nobody_expects_is_judged_by_its_name(self, lab: Lab) -> None:
        run(lab, {("web-a", "web1"): FILES})
        folder = lab.folder()
        lab.open(folder, "web-a")
        assert folder.find_host("web1") is not None
        for host in (("web-b", "web1"), ("web1", "web1"), ("web-b", "web-b")):
            with pytest.raises(RunError, match="does not expect it"):
                snapshot(lab, folder, host)
        assert snapshot(lab, folder, ("web-a", "web1")).streams
        lab.seal(folder)
        with pytest.raises(RunError, match="is sealed"):
            snapshot(lab, folder, ("web-a", "web1"))

    def test_what_is_no_identity_fails_its_host(self, lab: Lab) -> None:
        def refuse() -> str:
            raise PolicyError("no identity", item="holdfast_host_id")

        folder = lab.folder()
        lab.open(folder, "web1")
        with pytest.raises(PolicyError):
            lab.snapshot(folder, MemorySource(FILES), "web1", host_id=refuse)
        assert "no identity" in str(folder.read_receipts()["web1"].error)


def heard(root: Path, *, ahead: float = 0.0, now: Callable[[], dt.datetime] = lambda: START) -> HeardHost:
    """A host with its files below *root*, whose clock is ahead of the store's."""
    for path, data in FILES.items():
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).write_bytes(data)

    def trip(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
        header, contents = _tree.answer({**request, "root": str(root)})
        if "host" in header:
            header["host"]["time"] = int(now().timestamp() + ahead)
        return _tree.MARK + _tree.pack(header, contents)

    return HeardHost(trip)


class TestHeard:
    @pytest.fixture
    def same(self, tmp_path: Path) -> Callable[..., HeardHost]:
        """Makes hosts that say they are that machine."""

        def make(name: str, machine: str | None, **more: t.Any) -> HeardHost:
            root = tmp_path / name
            host = heard(root, **more)
            if machine is not None:
                (root / "etc/machine-id").write_text(machine)
            return host

        return make

    def capture(self, lab: Lab, hosts: Mapping[str, HeardHost]) -> Body:
        folder = lab.folder()
        lab.open(folder, *hosts)
        for name, source in hosts.items():
            lab.snapshot(folder, source, name)
        return body_of(lab, lab.seal(folder))

    def test_machines_that_answer_twice_are_named_once(
        self, lab: Lab, clock: Clock, same: Callable[..., HeardHost]
    ) -> None:
        machines = {"web1": "a\n", "web2": "a\n", "web3": "b\n", "db1": "c\n", "db2": "c\n", "db3": "c\n"}
        hosts = {name: same(name, machine) for name, machine in machines.items()}
        hosts |= {name: same(name, machine) for name, machine in (("x", None), ("y", None), ("z", ""), ("u", " \n"))}
        for _run in range(2):
            body = self.capture(lab, hosts)
            assert told(body, "machine") == [
                "db1, db2 and db3 answer with one machine id: is one a clone?",
                "web1 and web2 answer with one machine id: is one a clone?",
            ]
            assert body.complete
            # also where nothing has changed
            clock.advance(days=1)

    def test_neither_the_machine_id_nor_its_digest_is_stored(self, lab: Lab, same: Callable[..., HeardHost]) -> None:
        machine = "3d1219c7c4c5404aaa1f6d2a48adfda4\n"
        digest = hashlib.sha256(b"holdfast machine v1\0" + machine.encode()).hexdigest()
        folder = lab.folder()
        lab.open(folder, "web1", "web2")
        for name in ("web1", "web2"):
            lab.snapshot(folder, same(name, machine), name)
        assert {receipt.machine for receipt in folder.read_receipts().values()} == {digest}
        body = body_of(lab, lab.seal(folder))
        assert told(body, "machine")
        for name in lab.names():
            data = lab.store.get(name)
            assert digest.encode() not in data
        assert digest not in repr(body)

    def test_twenty_are_named(self, lab: Lab, same: Callable[..., HeardHost]) -> None:
        hosts = {f"h{number:02}": same(f"h{number:02}", "a\n") for number in range(23)}
        (line,) = told(self.capture(lab, hosts), "machine")
        assert line.endswith("h18, h19 and 3 more answer with one machine id: is one a clone?")

    @pytest.mark.parametrize(
        ("ahead", "says"),
        [
            (86_412, ["clock of web1 is 86,412 s ahead"]),
            (-86_412, ["clock of web1 is 86,412 s behind"]),
            (301, ["clock of web1 is 301 s ahead"]),
            (300, []),
            (-300, []),
            (0, []),
        ],
    )
    def test_a_clock_that_is_wrong_is_named_and_nothing_hangs_on_it(
        self, lab: Lab, clock: Clock, same: Callable[..., HeardHost], ahead: int, says: list[str]
    ) -> None:
        right, wrong = (same(name, None, ahead=by, now=clock) for name, by in (("web0", 0), ("web1", ahead)))
        for _run in range(2):
            body = self.capture(lab, {"web0": right, "web1": wrong})
            assert told(body, "clock") == says
            assert body.complete
            by_host = {entry.host: entry for entry in body.streams}
            one, other = by_host["web0"], by_host["web1"]
            assert (one.captured_at, one.verified_at) == (other.captured_at, other.verified_at)
            for entry in body.streams:
                spread = keep.renewal(f"{entry.host}/{entry.stream}")
                kept = lab.repository.root.classes[entry.retention_class]
                assert entry.lock_until == entry.captured_at + dt.timedelta(days=kept.days) + spread
            clock.advance(hours=1)
        assert not problems(lab.verify())

    @pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (1, 1)])
    def test_a_trip_that_takes_hours_makes_no_clock_wrong(
        self, lab: Lab, clock: Clock, tmp_path: Path, before: int, after: int
    ) -> None:
        host = heard(tmp_path / "web1", now=clock)
        trip = host._trip

        def slow(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
            clock.advance(hours=before)
            printed = trip(half, request, payload)
            clock.advance(hours=after)
            return printed

        host._trip = slow
        assert told(self.capture(lab, {"web1": host}), "clock") == []

    def test_a_host_that_failed_is_heard_too(self, lab: Lab, same: Callable[..., HeardHost]) -> None:
        folder = lab.folder()
        lab.open(folder, "web1", "web2")
        lab.snapshot(folder, same("web1", "a\n"), "web1")
        with pytest.raises(RunError, match="no room"):
            use_case.snapshot(
                folder,
                same("web2", "a\n", ahead=-900),
                host="web2",
                policy=declared,
                store=mock.Mock(side_effect=RunError("no room")),
                writer="0.1.0",
            )
        body = body_of(lab, lab.seal(folder))
        assert told(body, "machine", "clock") == [
            "web1 and web2 answer with one machine id: is one a clone?",
            "clock of web2 is 900 s behind",
        ]

    @pytest.mark.parametrize(
        "host",
        [
            {},
            {"time": None, "machine": None},
            {"time": "soon"},
            {"time": 2**60},
            {"time": 1, "machine": "x"},
            {"time": 1, "machine": 7},
        ],
    )
    def test_an_answer_that_says_it_in_another_form_is_refused(self, host: t.Any) -> None:
        def trip(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
            header, contents = _tree.answer(request)
            return _tree.MARK + _tree.pack({**header, "components": {}, "host": host}, contents)

        with pytest.raises(ConnectionLostError):
            HeardHost(trip).fingerprints([])

    def test_a_half_of_an_older_version_says_no_machine(self) -> None:
        def trip(half: str, request: Mapping[str, t.Any], payload: bytes = b"") -> str:
            header, contents = _tree.answer(request)
            del header["host"]["machine"]
            return _tree.MARK + _tree.pack(header, contents)

        host = HeardHost(trip)
        assert host.fingerprints([]) == {}
        assert host.machine is None


class TestBelieved:
    @pytest.mark.parametrize("name", ["", "\n", "a\x1b[2J"])
    @pytest.mark.parametrize("field", ["host_id", "name"])
    def test_a_point_that_calls_a_host_what_no_host_may_be_called_is_not(self, lab: Lab, name: str, field: str) -> None:
        run(lab, {("web1", "web1"): FILES})
        forge = Forge(lab)
        streams = tuple(
            dataclasses.replace(entry, host_id=name) if field == "host_id" else entry.named(name)
            for entry in forge.point.body.streams
        )
        forge.put(body={"streams": streams})
        assert any("names a host that may not be called so" in warning for warning in lab.live().warnings)
        lab.open(lab.folder(), "web1")

    def test_receipts_of_an_older_version_are_read(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder, "web1")
        folder.write_receipt(Receipt("web1", (), follows="x", machine="y", clock_ahead=7))
        (path,) = (folder.path / "receipts").glob("*.json")
        assert folder.read_receipts()["web1"] == Receipt("web1", (), follows="x", machine="y", clock_ahead=7)
        path.write_text('{"host": "web1", "error": null, "held_back": false, "streams": []}')
        assert folder.read_receipts() == {"web1": Receipt("web1", ())}


class TestClaims:
    def test_of_many_at_once_one_has_it(self, tmp_path: Path) -> None:
        for host in ("a", "b", "a", "c"):
            given = (
                contextlib.nullcontext()
                if host == "a"
                else pytest.raises(PolicyError, match=f"a and {host} have one identity in this run, id")
            )
            with given:
                run_folder.claim_identity(tmp_path, "a" * 16, host, "id")

    def test_the_race_for_one_is_won_by_one(self, tmp_path: Path) -> None:
        run_folder.claim_identity(tmp_path, "a" * 16, "a", "a")
        folder = tmp_path / "runs" / ("a" * 16) / ".identities"
        # it was not there when it was looked for
        with mock.patch.object(Path, "exists", return_value=False), pytest.raises(PolicyError):
            run_folder.claim_identity(tmp_path, "a" * 16, "b", "a")
        assert sorted(path.name for path in folder.iterdir()) == ["a"]

    def test_names_never_leave_the_folder(self, tmp_path: Path) -> None:
        for name in ("../../x", "/etc/y"):
            run_folder.claim_identity(tmp_path, "a" * 16, name, name)
        assert {path.name for path in (tmp_path / "runs" / ("a" * 16) / ".identities").iterdir()} == {
            "%2E.%2F..%2Fx",
            "%2Fetc%2Fy",
        }

    def test_they_are_no_point_and_go_with_the_run(self, tmp_path: Path) -> None:
        run_folder.claim_identity(tmp_path, "a" * 16, "a", "b")
        assert run_folder.open_points(tmp_path, "a" * 16) == []
        run_folder.claim(tmp_path, "a" * 16, 2**22 + 1)
        run_folder.sweep(tmp_path, keep="b" * 16)
        assert not (tmp_path / "runs" / ("a" * 16) / ".identities").exists()
