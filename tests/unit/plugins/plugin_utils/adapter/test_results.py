# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tasks return: flat, honest about change, and never content."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import results
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import ObjectRef, StreamEntry, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Chosen
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore import Difference, Restored
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import Receipt, StreamReceipt
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.seal_point import Sealed
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
)
RECEIPT = Receipt(
    "h",
    (
        StreamReceipt("tier0", "unchanged", (), 0, ENTRY),
        StreamReceipt("tier1", "drift", ("app", "ssh"), 20, ENTRY),
        StreamReceipt("tier2", "first", ("base",), 0, None),
    ),
)
RESTORED = Restored(
    sources=(Chosen(ENTRY, ("app",)),),
    before=(Difference("/etc/a", ("content", "mode")), Difference("/etc/b", ("missing",))),
    extra=("/etc/own",),
    entries=3,
    proven=True,
    owners=False,
    record="records/restore/x",
    warnings=("a warning",),
    seconds={"find": 0.12345},
)


def plain(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """A result is JSON, and has no key that Ansible takes for a verdict."""
    assert not VERDICTS & set(result)
    assert isinstance(result["changed"], bool)
    assert json.loads(json.dumps(result)) == result
    return result


class TestSealed:
    def test_what_it_says(self) -> None:
        assert plain(results.sealed_point(SEALED)) == {
            "changed": True,
            "name": "main",
            "sealed": True,
            "recovery_point": DIGEST,
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
        assert "diff" not in found

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


class TestRestored:
    def test_what_it_says(self) -> None:
        found = plain(results.restored(RESTORED, diff=False))
        assert found["changed"]
        assert found["equal"]
        assert found["written"] == ["/etc/a", "/etc/b"]
        assert found["extra"] == ["/etc/own"]
        assert found["snapshots"] == [DIGEST]
        assert found["seconds"] == {"find": 0.123}
        assert (found["entries"], found["owners_compared"], found["record"]) == (3, False, "records/restore/x")
        assert "diff" not in found

    def test_nothing_written_is_no_change(self) -> None:
        found = plain(results.restored(Restored(**{**vars(RESTORED), "before": (), "record": None}), diff=True))
        assert not found["changed"]
        assert found["record"] == ""
        assert "diff" not in found

    def test_a_diff_names_paths_and_attributes(self) -> None:
        assert plain(results.restored(RESTORED, diff=True))["diff"] == {
            "before": "'/etc/a' (content, mode)\n'/etc/b' (missing)\n",
            "after": "'/etc/a' (as sealed)\n'/etc/b' (as sealed)\n",
        }


class TestReport:
    REPORT = Report(
        level=Level.KEYS,
        points=(PointSummary(DIGEST, "main", NOW, True, 2, "CHG-1"),),
        snapshots=1,
        packs_opened=1,
        records=0,
        objects=5,
        stored_bytes=100,
        timestamped=0,
        unsealed=0,
        findings=(Finding(Severity.NOTE, "x", "is odd", "Look at it."),),
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
                }
            ],
            "snapshots": 1,
            "packs_opened": 1,
            "records": 0,
            "objects": 5,
            "stored_bytes": 100,
            "timestamped": 0,
            "unsealed": 0,
            "findings": [{"severity": "note", "item": "x", "problem": "is odd", "remedy": "Look at it."}],
        }

    @pytest.mark.parametrize(("severity", "sound"), [(Severity.ERROR, False), (Severity.WARNING, True)])
    def test_only_an_error_is_unsound(self, severity: Severity, sound: bool) -> None:
        findings = (Finding(severity, "x", "is odd", "Look at it."),)
        assert results.report(Report(**{**vars(self.REPORT), "findings": findings}))["sound"] is sound
