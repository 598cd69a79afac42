# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a stream was last proven: what a signed record must say for that, and what proves nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import itertools
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, MismatchError, SignatureError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamEntry
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level, StreamSummary
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import proofs, records
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import envelope_of

from .council import LOCK, followed, governed
from .forge import Forge
from .lab import COMPONENTS, FILES, NAME, START, Clock, Lab, declared, problems
from .test_restore import Tampered, listing

HOUR = dt.timedelta(hours=1)
TIER1, TIER2 = ("h", "tier1"), ("h", "tier2")
CONF = "/etc/app/main.conf"
_numbers = itertools.count()


def sealed_in(lab: Lab, clock: Clock) -> Lab:
    """Host h, sealed as the clock shows; an hour has passed since."""
    files = {path: content for path, content in FILES.items() if path != "/etc/base"}
    assert lab.run(MemorySource({**files, "/etc/base/x": b"base\n"})).complete
    clock.advance(hours=1)
    return lab


@pytest.fixture
def sealed(lab: Lab, clock: Clock) -> Lab:
    """A repository with host h, sealed an hour ago."""
    return sealed_in(lab, clock)


def entry_of(lab: Lab, stream: str = "tier1") -> StreamEntry:
    return lab.live().streams["h", stream]


def stream_of(entry: StreamEntry, **changes: t.Any) -> dict[str, t.Any]:
    """What the record of a restore says of one snapshot."""
    return {
        "host_id": entry.host_id,
        "stream": entry.stream,
        "snapshot": entry.manifest.sha256,
        "components": [fingerprint.component for fingerprint in entry.fingerprints],
        "whole": True,
        **changes,
    }


def put(lab: Lab, *streams: t.Any, **changes: t.Any) -> str:
    """Put the record of a restore as if it was made now; returns its name.

    :param streams: what its subject says of snapshots; of the newest one of tier1 unless told otherwise.
    :param changes: fields of the record, ``result``, ``keyring``, and ``use`` of the key that signs.
    """
    keyring = changes.pop("keyring", lab.keyring)
    use = changes.pop("use", "record")
    named_at = changes.pop("named_at", None)
    at = lab.store.clock()
    listed = list(streams) or [stream_of(entry_of(lab))]
    snapshots = [stream.get("snapshot") for stream in listed if isinstance(stream, dict)]
    result = changes.pop("result", "equal")
    fields = {
        "repository": NAME,
        "root": lab.repository.root.id,
        "kind": "restore",
        "at": at,
        "by": next(key.id for key in lab.repository.root.keys.sign if key.use == use),
        "subject": {"host": "h", "snapshots": snapshots, "streams": listed},
        # each record is an object of its own
        "detail": {"result": result, "entries": next(_numbers)},
        **changes,
    }
    record = Record(**fields)
    data = envelope_of(keyring, record_format.PAYLOAD_TYPE, record_format.payload(record), use=use)
    name = names.for_record(record.kind, named_at or record.at, data)
    lab.store.put_new(name, io.BytesIO(data), lock_until=LOCK)
    return name


def proven_at(lab: Lab, key: tuple[str, str] = TIER1) -> dt.datetime | None:
    """When a stream was last proven; verify says the same."""
    proof = proofs.proven(lab.repository).get(key)
    at = None if proof is None else proof.at
    (told,) = (stream for stream in lab.verify(Level.SIGNATURES).streams if (stream.host_id, stream.stream) == key)
    assert told.proven_at == at
    return at


class TestRestored:
    """With the records that restores really leave."""

    def test_a_restore_proves_what_it_restored_and_the_newest_proof_counts(
        self, sealed: Lab, clock: Clock, tmp_path: Path
    ) -> None:
        assert proofs.proven(sealed.repository) == {}
        for number in range(2):
            done = sealed.restore(tmp_path / f"target{number}")
            assert done.record is not None
            found = proofs.proven(sealed.repository)
            assert found.keys() == {TIER1, TIER2}
            assert found[TIER1] == proofs.Proof(
                clock(), done.record, "restore", entry_of(sealed).manifest.sha256, ("app",)
            )
            clock.advance(hours=1)
        assert proven_at(sealed, TIER2) == clock() - HOUR

    def test_of_some_components_only_what_is_whole_is_proven(self, lab: Lab, clock: Clock, tmp_path: Path) -> None:
        policy = declared(*COMPONENTS, {"name": "more", "paths": ["/etc/more"], "tier": "tier1"})
        lab.run(MemorySource({**FILES, "/etc/more": b"x"}), policy=lambda: policy)
        lab.restore(tmp_path / "target", selection=Selection(newest=True, components=("app", "base")))
        assert proofs.proven(lab.repository).keys() == {TIER2}

    def test_one_byte_off_proves_nothing(self, sealed: Lab, tmp_path: Path) -> None:
        def lose(header: dict[str, t.Any]) -> None:
            listing(header).pop()

        with pytest.raises(MismatchError):
            sealed.restore(tmp_path / "target", trip=Tampered(lose))
        assert sealed.names("records/")
        assert proofs.proven(sealed.repository) == {}

    def test_check_mode_proves_nothing(self, sealed: Lab, tmp_path: Path) -> None:
        sealed.restore(tmp_path / "target", check=True)
        assert proofs.proven(sealed.repository) == {}

    def test_a_proof_outlives_the_snapshot_that_it_was_made_with(
        self, sealed: Lab, clock: Clock, tmp_path: Path
    ) -> None:
        sealed.restore(tmp_path / "target")
        at = clock()
        clock.advance(hours=1)
        sealed.run(MemorySource({**FILES, CONF: b"drifted"}))
        assert entry_of(sealed).captured_at > at
        assert proven_at(sealed) == at

    def test_a_host_that_was_renamed_keeps_its_proof(self, sealed: Lab, clock: Clock, tmp_path: Path) -> None:
        sealed.restore(tmp_path / "target")
        at = clock()
        clock.advance(hours=1)
        folder = sealed.folder()
        sealed.open(folder, "renamed")
        sealed.snapshot(folder, MemorySource(FILES), "renamed", host_id=lambda: "h", keyring=lambda: sealed.keyring)
        sealed.seal(folder)
        assert proven_at(sealed) == at


class TestBelieved:
    def test_a_whole_and_equal_one_by_a_record_key(self, sealed: Lab, clock: Clock) -> None:
        put(sealed)
        assert proven_at(sealed) == clock()
        assert proven_at(sealed, TIER2) is None

    @pytest.mark.parametrize("result", ["different", "undone", "refused", "unknown", "", None, True, ["equal"]])
    def test_another_result(self, sealed: Lab, result: t.Any) -> None:
        put(sealed, result=result)
        assert proven_at(sealed) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"whole": False},
            {"whole": 1},
            {"whole": "true"},
            {"whole": None},
            {"components": []},
            {"components": ["app", "base"]},
            {"components": "app"},
            {"components": ["app", 7]},
            {"components": [{}]},
            {"components": None},
            {"host_id": "other"},
            {"stream": "tier2"},
            {"snapshot": "0" * 64},
            {"snapshot": None},
            {"snapshot": ["x"]},
        ],
        ids=str,
    )
    def test_what_is_not_said_of_the_whole_stream(self, sealed: Lab, changes: dict[str, t.Any]) -> None:
        put(sealed, stream_of(entry_of(sealed), **changes))
        assert proofs.proven(sealed.repository) == {}
        assert not problems(sealed.verify())

    @pytest.mark.parametrize("streams", [[], "x", 7, {}, [7], ["x"], [[]], [None]], ids=str)
    def test_odd_subjects(self, sealed: Lab, streams: t.Any) -> None:
        entry = entry_of(sealed)
        put(sealed, subject={"host": "h", "snapshots": [entry.manifest.sha256], "streams": streams})
        assert proofs.proven(sealed.repository) == {}
        assert not problems(sealed.verify())

    def test_one_of_another_kind(self, sealed: Lab) -> None:
        put(sealed, kind="audit")
        assert proven_at(sealed) is None

    def test_what_was_proven_later_than_now_or_before_it_was_there(self, sealed: Lab, clock: Clock) -> None:
        # the key of the first hour signs from then on
        sealed.run(MemorySource({**FILES, CONF: b"drifted"}))
        entry = entry_of(sealed)
        for at in (clock() + HOUR, entry.captured_at - HOUR):
            put(sealed, at=at)
            assert proven_at(sealed) is None
        # as far as honest clocks may differ
        for at in (entry.captured_at - HOUR / 6, clock() + HOUR / 6):
            put(sealed, at=at)
            assert proven_at(sealed) == at

    def test_the_newest_counts_whatever_the_order(self, sealed: Lab, clock: Clock) -> None:
        moments = [clock() + minutes * HOUR / 60 for minutes in (5, 9, 1)]
        witnessed = [
            (name, records.read_witnessed(sealed.repository, name)[0])
            for name in (put(sealed, at=at) for at in moments)
        ]
        assert proven_at(sealed) == max(moments)
        found = proofs.gather(sealed.repository, witnessed, [entry_of(sealed)], now=clock())
        assert (found[TIER1].at, found[TIER1].record) == (max(moments), witnessed[1][0])

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"use": "point"}, SignatureError),
            ({"by": "0" * 16}, SignatureError),
            ({"named_at": START}, FormatError),
            ({"repository": "other"}, FormatError),
            ({"request": Request("a", "b", "c", START, "0" * 32)}, FormatError),
            ({"root": "0" * 64}, SignatureError),
        ],
        ids=["point key", "another key", "another time", "another repository", "a request", "another root"],
    )
    def test_a_record_that_is_not_believed(
        self, sealed: Lab, changes: dict[str, t.Any], error: type[FormatError]
    ) -> None:
        name = put(sealed, **changes)
        with pytest.raises(error):
            records.read_witnessed(sealed.repository, name)
        assert proofs.proven(sealed.repository) == {}
        report = sealed.verify()
        assert (report.records, [finding.item for finding in problems(report)]) == (0, [name])

    def test_the_key_of_another_repository(self, sealed: Lab, other_keys: Path) -> None:
        name = put(sealed, keyring=LocalKeyring(other_keys))
        assert proven_at(sealed) is None
        assert [finding.item for finding in problems(sealed.verify())] == [name]

    def test_a_damaged_one_hides_no_other(self, sealed: Lab, clock: Clock) -> None:
        put(sealed)
        name = put(sealed, at=clock() + HOUR / 6)
        sealed.memory._versions[name][0].data = b"damaged"
        assert proven_at(sealed) == clock()

    def test_a_key_that_was_removed_since_proves_nothing(self, tmp_path: Path, keys: Path, clock: Clock) -> None:
        lab = sealed_in(governed(tmp_path, keys, clock), clock)
        name = put(lab)
        assert proven_at(lab) == clock()
        (key,) = (key.id for key in lab.repository.root.keys.sign if key.use == "record")
        clock.advance(hours=1)
        # rotated alone it counts for what it signed while it was valid
        rotated = followed(lab, rotate=("record",))
        assert proven_at(rotated) == clock() - HOUR
        clock.advance(hours=1)
        after = followed(rotated, remove=(key,))
        assert proven_at(after) is None
        assert [f.item for f in after.verify().findings if "has removed" in f.problem] == [name]


class TestOlderForm:
    """Records that name snapshots alone, and count the paths that were compared."""

    @pytest.mark.parametrize(
        ("entries", "proves"), [(3, {TIER1, TIER2}), (2, set()), (4, set()), ("3", set()), (None, set())]
    )
    def test_they_prove_what_they_name_where_all_paths_were_compared(
        self, lab: Lab, clock: Clock, entries: t.Any, proves: set[tuple[str, str]]
    ) -> None:
        lab.run(MemorySource(FILES))
        digests = [entry.manifest.sha256 for entry in lab.live().streams.values()]
        put(lab, subject={"host": "h", "snapshots": digests}, detail={"result": "equal", "entries": entries})
        assert proofs.proven(lab.repository).keys() == proves

    @pytest.mark.parametrize("more", [["0" * 64], [7], "x", {}])
    def test_what_names_something_else_proves_nothing(self, lab: Lab, more: t.Any) -> None:
        lab.run(MemorySource(FILES))
        digests = [entry_of(lab).manifest.sha256]
        told = [*digests, *more] if isinstance(more, list) else more
        put(lab, subject={"host": "h", "snapshots": told}, detail={"result": "equal", "entries": 2})
        assert proofs.proven(lab.repository) == {}

    def test_a_manifest_that_is_gone_proves_nothing(self, lab: Lab) -> None:
        lab.run(MemorySource(FILES))
        entry = entry_of(lab)
        put(
            lab,
            subject={"host": "h", "snapshots": [entry.manifest.sha256]},
            detail={"result": "equal", "entries": 2},
        )
        assert proofs.proven(lab.repository).keys() == {TIER1}
        del lab.memory._versions[entry.manifest.name]
        assert proofs.proven(lab.repository) == {}


class TestVerify:
    """What verify says of each stream."""

    def test_age_and_proof_of_every_live_stream(self, sealed: Lab, clock: Clock) -> None:
        put(sealed)
        proven = clock()
        clock.advance(hours=1)
        files = {path: content for path, content in FILES.items() if path != "/etc/base"}
        sealed.run({"h": MemorySource({**files, "/etc/base/x": b"drifted"}), "g": MemorySource(FILES)})
        for level in Level:
            report = sealed.verify(level)
            told = {(stream.host, stream.stream): stream for stream in report.streams}
            if level is Level.NAMES:
                assert report.streams == ()
                continue
            assert list(told) == [("g", "tier1"), ("g", "tier2"), ("h", "tier1"), ("h", "tier2")]
            assert told["h", "tier1"] == StreamSummary("h", "h", "tier1", START, clock(), proven, False)
            assert told["h", "tier2"] == StreamSummary("h", "h", "tier2", clock(), clock(), None, False)

    def test_a_stream_whose_newest_snapshot_was_taken_under_an_open_restore(
        self, sealed: Lab, put_marked: Callable[[Lab], None]
    ) -> None:
        put_marked(sealed)
        told = {stream.stream: stream.restore_open for stream in sealed.verify(Level.SIGNATURES).streams}
        assert told == {"tier1": True, "tier2": False}

    @pytest.fixture
    def put_marked(self, clock: Clock) -> Callable[[Lab], None]:
        """Puts a point whose newest snapshot of tier1 says that a restore was open."""

        def mark(lab: Lab) -> None:
            forge = Forge(lab)
            streams = tuple(
                dataclasses.replace(
                    entry, marks=("restore open: came and went",), verified_at=entry.verified_at + HOUR / 60
                )
                if entry.stream == "tier1"
                else entry
                for entry in forge.point.body.streams
            )
            forge.put(body={"streams": streams})

        return mark
