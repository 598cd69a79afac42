# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks return: flat, honest about change, and never content."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import results, storage_results
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Location
from ansible_collections.holdfast.config.plugins.plugin_utils.format.dsse import Envelope
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.people import NAMESPACE
from ansible_collections.holdfast.config.plugins.plugin_utils.model.hold import Scope
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import PublicKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ObjectRef, StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Root
from ansible_collections.holdfast.config.plugins.plugin_utils.model.setting import Outcome as Setting
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import (
    Extent,
    Sample,
    Source,
    StreamSummary,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.approvals import Pending
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.chain import Approval
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.leftovers import Shipping
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.legal_hold import Holding, Object
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.prune import Pruned
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import (
    OpenPoint,
    Receipt,
    StreamReceipt,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.seal_point import Sealed
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.storage import Ready
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.succession import Outcome
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import (
    Finding,
    Level,
    PointSummary,
    Report,
    Severity,
)

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
DIGEST = "ab" * 32
# keys that Ansible takes for verdicts, whatever their value
VERDICTS = {"failed", "skipped", "unreachable", "exception", "msg"}


def ref(kind: str, suffix: str) -> ObjectRef:
    return ObjectRef(f"{kind}/d0090/h/tier1/20260301T120000Z-{DIGEST}{suffix}", "v", 10, NOW)


ENTRY = StreamEntry(
    host="h",
    host_id="h",
    stream="tier1",
    retention_class="d0090",
    state=StreamState.STORED,
    captured_at=NOW,
    verified_at=NOW,
    pack=ref("packs", ".tar.zst.age"),
    manifest=ref("manifests", ".json.zst"),
    fingerprints=(),
)
SEALED = Sealed(
    sealed=True,
    point="main",
    id=DIGEST,
    complete=True,
    stored=1,
    unchanged=2,
    stored_bytes=10,
    failed={},
    missing=(),
    alias="v1.4.2",
)
RECEIPT = Receipt(
    "h",
    (
        StreamReceipt("tier0", "unchanged", (), 0, ENTRY),
        StreamReceipt("tier1", "drift", ("app", "ssh"), 20, ENTRY, left_out_bytes=7),
        StreamReceipt("tier2", "first", ("base",), 0, None),
    ),
)


def plain(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """A result is JSON, and has no key that Ansible takes for a verdict."""
    assert not VERDICTS & set(result)
    assert isinstance(result["changed"], bool)
    assert json.loads(json.dumps(result)) == result
    return result


class TestOpened:
    OPENED = OpenPoint(
        run="0123456789abcdef",
        point="pre",
        location={},
        opened_at=NOW,
        monotonic=0.0,
        expected=("a", "b"),
        parents=(DIGEST,),
        seen=(DIGEST,),
        full_size=0,
        full_sealed_at=None,
        since_full=0,
        points_since=1,
        change={},
        check=False,
        notes=("clocks differ",),
    )

    def test_what_it_says(self) -> None:
        assert plain(results.opened_point(self.OPENED, Shipping(("main was stored late",), ("x waits",)))) == {
            "changed": True,
            "run": "0123456789abcdef",
            "name": "pre",
            "alias": "",
            "expected": 2,
            "parents": [DIGEST],
            "warnings": ["x waits", "clocks differ"],
            "shipped": ["main was stored late"],
        }

    def test_to_open_alone_is_no_change(self) -> None:
        found = plain(results.opened_point(dataclasses.replace(self.OPENED, alias="v1"), Shipping((), ("x waits",))))
        assert (found["changed"], found["alias"]) == (False, "v1")


class TestSealed:
    def test_what_it_says(self) -> None:
        assert plain(results.sealed_point(SEALED)) == {
            "changed": True,
            "name": "main",
            "sealed": True,
            "recovery_point": DIGEST,
            "alias": "v1.4.2",
            "complete": True,
            "stored": 1,
            "unchanged": 2,
            "stored_bytes": 10,
            "failed_hosts": {},
            "missing_hosts": [],
            "waiting_hosts": [],
            "carried": 0,
            "carry_waiting": 0,
            "carry_failed": [],
            "timestamped": False,
            "unauthorised_changes": [],
            "warnings": [],
        }

    @pytest.mark.parametrize(
        ("sealed", "changed"), [({"stored": 0}, False), ({"sealed": False, "id": None}, False), ({"id": None}, True)]
    )
    def test_changed_is_what_was_newly_stored(self, sealed: dict[str, t.Any], changed: bool) -> None:
        found = plain(results.sealed_point(Sealed(**{**vars(SEALED), **sealed})))
        assert found["changed"] is changed
        assert isinstance(found["recovery_point"], str)

    def test_hosts_by_name(self) -> None:
        sealed = Sealed(**{**vars(SEALED), "failed": {"a": "why"}, "missing": ("b",), "waiting": ("c",)})
        found = plain(results.sealed_point(sealed))
        assert (found["failed_hosts"], found["missing_hosts"], found["waiting_hosts"]) == ({"a": "why"}, ["b"], ["c"])

    def test_what_became_of_silent_streams(self) -> None:
        lines = tuple(f"gone{number}/tier1: is gone" for number in range(25))
        carried = Sealed(
            **{
                **vars(SEALED),
                "stored": 0,
                "carried": 3,
                "carry_waiting": 2,
                "carry_failed": lines,
                "timestamped": True,
                "warnings": ("the recovery point has no time stamp: gone",),
            }
        )
        found = plain(results.sealed_point(carried))
        # a later lock is no change of anything
        assert (found["changed"], found["complete"]) == (False, True)
        assert (found["carried"], found["carry_waiting"], found["timestamped"]) == (3, 2, True)
        assert found["carry_failed"] == list(lines)
        # warnings are for eyes: the first of them
        assert found["warnings"][:2] == [carried.warnings[0], "not carried: gone0/tier1: is gone"]
        assert len(found["warnings"]) == 21


LOCATION = Location("prod", "file:///srv/backup", "local", "/srv/keyring", None)
ROOT = Root(
    id=DIGEST,
    repository="prod",
    link=2,
    previous="cd" * 32,
    created=NOW,
    classes={},
    keys=PublicKeys((), (), (), ()),
)
LINE = f"holdfast_repository_id: '{DIGEST}'"
PENDING = Pending("ef" * 32, ROOT, Envelope("x", b"", ()))


class TestRoot:
    @staticmethod
    def told(outcome: Outcome, *, to_sign: str | None = None, diff: bool = False) -> dict[str, t.Any]:
        return plain(results.root(LOCATION, outcome, to_sign=to_sign, diff=diff))

    @pytest.mark.parametrize(
        ("state", "changed"),
        [("made", True), ("unchanged", False), ("asked", True), ("waiting", False), ("followed", True)],
    )
    def test_what_it_says(self, state: str, changed: bool) -> None:
        found = self.told(Outcome(state, ROOT, ("repository prod",), ("repository prod", "new")))
        assert {name: value for name, value in found.items() if name != "next_steps"} == {
            "changed": changed,
            "repository": "prod",
            "location": "file:///srv/backup",
            "root_state": state,
            "link": 2,
            "repository_id": DIGEST,
            "inventory_line": LINE,
            "says": ["repository prod", "new"] if state == "followed" else ["repository prod"],
        }

    def test_check_mode_has_made_none(self) -> None:
        found = self.told(Outcome("made", None, after=("repository prod",)), diff=True)
        assert (found["repository_id"], found["inventory_line"], found["link"]) == ("", "", 0)
        assert (found["changed"], found["next_steps"]) == (True, [])
        assert found["diff"] == {"before": "", "after": "repository prod\n"}

    def test_a_diff_is_there_where_something_differs(self) -> None:
        same = ("class d0030: 30 days",)
        assert "diff" not in self.told(Outcome("unchanged", ROOT, same, same), diff=True)
        assert "diff" not in self.told(Outcome("asked", ROOT, same, ()), diff=False)
        assert self.told(Outcome("asked", ROOT, same, (*same, "person alice")), diff=True)["diff"] == {
            "before": "class d0030: 30 days\n",
            "after": "class d0030: 30 days\nperson alice\n",
        }

    def test_what_comes_next(self) -> None:
        assert self.told(Outcome("unchanged", ROOT))["next_steps"] == []
        made, *rest = self.told(Outcome("made", ROOT))["next_steps"]
        assert LINE in made
        assert [
            word in " ".join(rest) for word in ("/srv/keyring/escrow", "/srv/keyring/open", "/srv/keyring/seal")
        ] == [
            True,
            True,
            True,
        ]
        followed, *rest = self.told(Outcome("followed", ROOT))["next_steps"]
        assert LINE in followed
        assert "/srv/keyring/seal" in rest[0]

    def test_where_escrow_was_made_offline_nothing_has_to_go_there(self, tmp_path: Path) -> None:
        escrow = tmp_path / "escrow"
        escrow.mkdir()
        location = dataclasses.replace(LOCATION, keyring_path=str(tmp_path))

        def told(state: str) -> str:
            return "\n".join(results.root(location, Outcome(state, ROOT), to_sign=None, diff=False)["next_steps"])

        assert [f"Move {escrow} " in told(state) for state in ("made", "followed")] == [True, True]
        (escrow / "recipients.txt").touch()
        assert [f"Move {escrow} " in told(state) for state in ("made", "followed")] == [False, False]
        assert f"Leave {escrow}/recipients.txt there" in told("made")
        (escrow / "identities.txt").touch()
        assert [f"Move {escrow} " in told(state) for state in ("made", "followed")] == [True, True]

    @pytest.mark.parametrize("to_sign", [None, "/home/ops/to-sign"])
    def test_whose_signatures_are_lacking(self, to_sign: str | None) -> None:
        approval = Approval(False, ("alice",), ("1 more person", "somebody of role operations"), ())
        found = self.told(Outcome("waiting", ROOT, pending=PENDING, approval=approval), to_sign=to_sign)
        assert found["request"] == PENDING.id
        assert found["signed_by"] == ["alice"]
        assert found["lacking"] == ["1 more person", "somebody of role operations"]
        steps = found["next_steps"]
        assert any(f"request={PENDING.id} to_sign=FILE" in step for step in steps) is (to_sign is None)
        file = to_sign or "FILE"
        assert any(f"ssh-keygen -Y sign -f KEY -n {NAMESPACE} {file}" in step for step in steps)
        assert any(f"signature={file}.sig" in step for step in steps)
        assert "request" not in self.told(Outcome("unchanged", ROOT))


class TestPruned:
    GIVEN = Pruned(("packs/x@1", "packs/y@2"), 1234, ("packs/z",))

    def test_what_it_says(self) -> None:
        assert plain(results.pruned(LOCATION, self.GIVEN, diff=False)) == {
            "changed": True,
            "repository": "prod",
            "location": "file:///srv/backup",
            "removed": 2,
            "freed_bytes": 1234,
            "kept_last_copies": ["packs/z"],
        }

    def test_nothing_is_no_change_and_no_diff(self) -> None:
        found = plain(results.pruned(LOCATION, Pruned((), 0, ("packs/z",)), diff=True))
        assert (found["changed"], found["removed"]) == (False, 0)
        assert "diff" not in found

    def test_a_diff_names_what_goes(self) -> None:
        found = plain(results.pruned(LOCATION, self.GIVEN, diff=True))
        assert found["diff"] == {"before": "packs/x@1\npacks/y@2\n", "after": ""}


class TestReceipt:
    def test_each_stream(self) -> None:
        found = plain(results.receipt(RECEIPT, diff=False))
        assert found["changed"]
        assert [(s["stream"], s["state"], s["reason"], s["snapshot"]) for s in found["streams"]] == [
            ("tier0", "unchanged", "unchanged", DIGEST),
            ("tier1", "stored", "drift", DIGEST),
            ("tier2", "would_store", "first", ""),
        ]
        assert found["streams"][1]["changed_components"] == ["app", "ssh"]
        assert found["streams"][1]["stored_bytes"] == 20
        assert [stream["left_out_bytes"] for stream in found["streams"]] == [0, 7, 0]
        assert found["open_restores"] == []
        assert "diff" not in found

    def test_open_restores(self) -> None:
        assert plain(results.receipt(Receipt("h", (), restores=("a", "b")), diff=False))["open_restores"] == ["a", "b"]

    def test_unchanged_is_no_change(self) -> None:
        assert not plain(results.receipt(Receipt("h", RECEIPT.streams[:1]), diff=True))["changed"]
        assert results.receipt(Receipt("h", RECEIPT.streams[:1]), diff=True)["diff"] == []

    def test_a_diff_names_components_and_reasons(self) -> None:
        found = plain(results.receipt(RECEIPT, diff=True))["diff"]
        assert found == [
            {
                "before_header": "h/tier1",
                "after_header": "h/tier1 (drift)",
                "before": "app: as last sealed\nssh: as last sealed\n",
                "after": "app: drift\nssh: drift\n",
            },
            {
                "before_header": "h/tier2",
                "after_header": "h/tier2 (first)",
                "before": "",
                "after": "base: first\n",
            },
        ]


class TestReport:
    REPORT = Report(
        level=Level.KEYS,
        points=(PointSummary(DIGEST, "main", NOW, True, 2, "CHG-1", "v1.4.2"),),
        snapshots=1,
        packs_opened=1,
        records=0,
        objects=5,
        stored_bytes=100,
        timestamped=0,
        unsealed=0,
        findings=(Finding(Severity.NOTE, "x", "is odd", "Look at it."),),
        read=Extent(5, 100),
        at=NOW,
    )

    def test_what_it_says(self) -> None:
        assert plain(results.report(self.REPORT)) == {
            "changed": False,
            "sound": True,
            "level": "keys",
            "recovery_points": [
                {
                    "id": DIGEST,
                    "name": "main",
                    "sealed_at": "2026-03-01T12:00:00Z",
                    "complete": True,
                    "streams": 2,
                    "change": "CHG-1",
                    "alias": "v1.4.2",
                }
            ],
            "snapshots": 1,
            "packs_opened": 1,
            "records": 0,
            "objects": 5,
            "stored_bytes": 100,
            "timestamped": 0,
            "unsealed": 0,
            "live_streams": 0,
            "proven_streams": 0,
            "summary": "level keys: no promise broken; 5 objects read, 100 B",
            "verified_at": "2026-03-01T12:00:00Z",
            "broken": 0,
            "read": {"objects": 5, "bytes": 100},
            "unread": {"objects": 0, "bytes": 0},
            "resumed": {"objects": 0, "bytes": 0, "since": None},
            "findings": [
                {
                    "severity": "note",
                    "item": "x",
                    "problem": "is odd",
                    "remedy": "Look at it.",
                    "host": "",
                    "stream": "",
                    "versions": [],
                    "restore_from": [],
                }
            ],
        }

    def test_a_sample_is_never_called_sound(self) -> None:
        sample = Sample(percent=5, seed=20783)
        report = dataclasses.replace(self.REPORT, sample=sample, read=Extent(1, 5), unread=Extent(19, 12_345))
        told = plain(results.report(report))
        assert (told["sound"], told["broken"], told["sample"]["seed"]) == (False, 0, 20783)
        assert told["summary"] == (
            "level keys: no promise broken; 1 objects read, 5 B; 19 NOT READ, 12.3 kB (a sample, seed 20783)"
        )

    def test_since_when_a_resumed_report_is(self) -> None:
        report = dataclasses.replace(self.REPORT, resumed=Extent(3, 9), resumed_since=NOW)
        told = plain(results.report(report))
        assert told["resumed"] == {"objects": 3, "bytes": 9, "since": "2026-03-01T12:00:00Z"}
        assert told["summary"].endswith("; 3 of them earlier, since 2026-03-01T12:00:00Z")

    def test_a_damage_names_whose_it_is_and_what_to_restore_from(self) -> None:
        sources = (Source("right", version="v2"), Source("older", recovery_point=DIGEST, captured_at=NOW, read=False))
        finding = Finding(Severity.ERROR, "x", "is odd", "Look.", "web1", "tier1", ("v1",), sources)
        (told,) = plain(results.report(dataclasses.replace(self.REPORT, findings=(finding,))))["findings"]
        assert (told["host"], told["stream"], told["versions"]) == ("web1", "tier1", ["v1"])
        nothing = {"version": "", "recovery_point": "", "captured_at": None, "read": True}
        assert told["restore_from"] == [
            {**nothing, "which": "right", "version": "v2"},
            {
                **nothing,
                "which": "older",
                "recovery_point": DIGEST,
                "captured_at": "2026-03-01T12:00:00Z",
                "read": False,
            },
        ]

    def test_streams_are_counted_and_listed_where_they_are_asked_for(self) -> None:
        streams = (
            StreamSummary("web-a", "web1", "tier1", NOW, NOW + dt.timedelta(days=1), None, restore_open=True),
            StreamSummary("web2", "web2", "tier1", NOW, NOW, NOW + dt.timedelta(hours=1), False, "GLACIER"),
        )
        report = dataclasses.replace(self.REPORT, streams=streams)
        short, long = plain(results.report(report)), plain(results.report(report, streams=True))
        assert "streams" not in short
        assert (short["live_streams"], short["proven_streams"]) == (2, 1)
        assert long.pop("streams") == [
            {
                "host": "web-a",
                "host_id": "web1",
                "stream": "tier1",
                "captured_at": "2026-03-01T12:00:00Z",
                "verified_at": "2026-03-02T12:00:00Z",
                "proven_at": None,
                "restore_open": True,
                "storage_class": "",
                "imported": "",
            },
            {
                "host": "web2",
                "host_id": "web2",
                "stream": "tier1",
                "captured_at": "2026-03-01T12:00:00Z",
                "verified_at": "2026-03-01T12:00:00Z",
                "proven_at": "2026-03-01T13:00:00Z",
                "restore_open": False,
                "storage_class": "GLACIER",
                "imported": "",
            },
        ]
        assert long == short

    @pytest.mark.parametrize(("severity", "sound"), [(Severity.ERROR, False), (Severity.WARNING, True)])
    def test_only_an_error_is_unsound(self, severity: Severity, sound: bool) -> None:
        findings = (Finding(severity, "x", "is odd", "Look at it."),)
        assert results.report(Report(**{**vars(self.REPORT), "findings": findings}))["sound"] is sound


class TestRepository:
    """The root, and beside it the bucket."""

    LOCATION = Location("prod", "s3://backups/prod", "local", "/k", DIGEST)
    SAME = Setting("versioning", "held", "Enabled", "Enabled")
    MOVED = Setting("tls_only", "changed", None, {"Sid": "HoldfastTlsOnly"})

    def told(self, ready: Ready | None, outcome: Outcome | None = None, *, diff: bool = True) -> dict[str, t.Any]:
        root = outcome or Outcome("unchanged", ROOT)
        return storage_results.repository(self.LOCATION, root, ready, to_sign=None, diff=diff)

    def test_without_a_bucket_it_is_that_of_the_root(self) -> None:
        assert self.told(None) == results.root(self.LOCATION, Outcome("unchanged", ROOT), to_sign=None, diff=True)

    def test_a_bucket_that_is_as_asked_is_no_change(self) -> None:
        found = self.told(Ready(made=False, outcomes=(self.SAME,)))
        assert (found["changed"], found["bucket_made"], "diff" in found) == (False, False, False)
        assert found["storage"] == [{"setting": "versioning", "state": "held", "why": "", "remedy": ""}]

    def test_a_diff_shows_what_has_changed_alone(self) -> None:
        ready = Ready(made=False, outcomes=(self.SAME, self.MOVED))
        found = self.told(ready, Outcome("asked", ROOT, ("a",), ("a", "b")))
        bucket, root = found["diff"]
        assert (bucket["before"], bucket["after"]) == ({"tls_only": None}, {"tls_only": {"Sid": "HoldfastTlsOnly"}})
        assert root == {"before": "a\n", "after": "a\nb\n"}
        assert "diff" not in self.told(ready, diff=False)
        assert self.told(ready, diff=False)["changed"]

    def test_a_bucket_that_would_be_made_is_a_change(self) -> None:
        found = self.told(Ready(made=True, outcomes=(), missing=True))
        assert (found["changed"], found["bucket_made"], found["storage"]) == (True, True, [])
        assert found["diff"][0]["after"] == {"bucket": "made"}


class TestHolding:
    """What became of a legal hold."""

    ONE = Object("packs/a", "1", held=False)
    GIVEN = Holding(Scope(host="h"), (ONE, Object("packs/b", "1", held=True)), (ONE,), ("packs/c",), DIGEST)

    @pytest.mark.parametrize(("on", "after"), [(True, "held"), (False, "not held")])
    def test_only_what_was_not_so_is_told(self, on: bool, after: str) -> None:
        found = storage_results.holding(self.GIVEN, on=on, diff=True)
        assert (found["changed"], found["objects"], found["changed_objects"]) == (True, 2, ["packs/a@1"])
        assert (found["subject"], found["missing"], found["record"]) == ({"host": "h"}, ["packs/c"], DIGEST)
        assert found["diff"]["after"] == f"packs/a@1: {after}\n"
        assert not VERDICTS & found.keys()

    def test_what_was_so_is_no_change(self) -> None:
        found = storage_results.holding(dataclasses.replace(self.GIVEN, changed=(), record=""), on=True, diff=True)
        assert (found["changed"], "diff" in found) == (False, False)

    @pytest.mark.parametrize("on", [True, False])
    def test_record_that_was_put_alone_is_a_change_and_one_that_was_read_is_none(self, on: bool) -> None:
        found = storage_results.holding(dataclasses.replace(self.GIVEN, changed=()), on=on, diff=True)
        assert (found["changed"], "diff" in found) == (on, False)
