# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify finds each broken promise, names it, and says what to do; a sound repository gives no finding."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import shutil
import typing as t
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DeniedError, KeyMissingError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import manifest as manifest_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import pack as pack_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import base as keys_base
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamEntry
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Listed
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects, points, snapshot
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import Receipt
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import Finding, Level, Severity, verify
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import envelope_of

from .forge import Forge
from .lab import FILES, START, Clock, Lab, declared, problems

LOCK = START + dt.timedelta(days=500)


@pytest.fixture
def sealed(lab: Lab, clock: Clock) -> Lab:
    """Two points: a first of two hosts, then one in which one stream drifted."""
    hosts = {"a": MemorySource(FILES), "b": MemorySource(FILES)}
    lab.run(hosts)
    clock.advance(hours=1)
    hosts["a"].files["/etc/base"] = b"drifted"
    lab.run(hosts)
    return lab


def entry_of(lab: Lab, host: str = "a", stream: str = "tier1") -> StreamEntry:
    return lab.live().streams[host, stream]


def only(lab: Lab, level: Level, *severities: Severity) -> Finding:
    """The one finding of that severity at a level."""
    (found,) = problems(lab.verify(level), *severities)
    assert found.remedy.endswith(".")
    return found


def listed_under(listed: Iterable[Listed], prefix: str) -> list[Listed]:
    return [one for one in listed if one.name.startswith(prefix)]


def head_of(listed: Iterable[Listed], name: str, version: str | None) -> Listed:
    return next(one for one in listed if one.name == name and version in (None, one.version))


def appears_at(lab: Lab, first: Level, *severities: Severity) -> Finding:
    """The finding that this level and those above have, and none below."""
    for level in Level:
        if level < first:
            assert problems(lab.verify(level), *severities) == []
    return {only(lab, level, *severities) for level in Level if level >= first}.pop()


class TestSound:
    @pytest.mark.parametrize("level", Level)
    def test_no_finding_and_what_was_looked_at(self, sealed: Lab, level: Level) -> None:
        report = sealed.verify(level)
        assert report.sound
        assert report.findings == ()
        assert report.level is level
        deep = level >= Level.SIGNATURES
        assert [summary.complete for summary in report.points] == [True] * 2 * deep
        assert report.snapshots == 5 * deep
        assert report.packs_opened == 5 * (level is Level.KEYS)
        assert (report.objects, report.unsealed, report.records) == (15, 0, 0)
        assert report.stored_bytes == sum(listed.size for listed in sealed.store.list())

    def test_a_file_store_says_that_it_does_not_enforce(self, file_lab: Lab) -> None:
        file_lab.run(MemorySource(FILES))
        report = file_lab.verify()
        assert report.sound
        (note,) = report.findings
        assert (note.severity, note.item) == (Severity.NOTE, file_lab.store.location)
        assert "does not itself refuse deletion" in note.problem

    def test_points_in_order_with_their_change(self, lab: Lab, clock: Clock) -> None:
        for number in (1, 2):
            lab.run(MemorySource(FILES), change={"id": f"CHG-{number}"})
            clock.advance(hours=1)
        summaries = lab.verify().points
        assert [(s.change, s.sealed_at, s.streams, s.point) for s in summaries] == [
            ("CHG-1", START, 2, "main"),
            ("CHG-2", START + dt.timedelta(hours=1), 2, "main"),
        ]

    def test_an_empty_repository_is_sound(self, lab: Lab) -> None:
        report = lab.verify()
        assert (report.sound, report.points, report.objects, report.findings) == (True, (), 1, ())

    def test_who_may_only_read_can_verify(self, sealed: Lab) -> None:
        class ReadOnly(MemoryStore):
            def _clock(self) -> dt.datetime:
                raise DeniedError("cannot ask for the time")

        store = ReadOnly(now=sealed.memory._now)
        store._versions = sealed.memory._versions
        assert sealed.on(store).verify(Level.CONTENT).snapshots == 5

    def test_all_but_the_last_level_need_no_key(self, sealed: Lab) -> None:
        for level in Level:
            if level is not Level.KEYS:
                assert verify(sealed.repository, level=level).sound
        with pytest.raises(KeyMissingError, match="open half"):
            verify(sealed.repository, level=Level.KEYS)

    def test_a_restorer_without_the_digest_key_verifies_too(self, sealed: Lab, keys: Path, tmp_path: Path) -> None:
        shutil.copytree(keys / "open", tmp_path / "half" / "open")
        report = verify(sealed.repository, level=Level.KEYS, keyring=LocalKeyring(tmp_path / "half"))
        assert (report.sound, report.packs_opened) == (True, 5)

    def test_an_operator_cannot(self, sealed: Lab, keys: Path, tmp_path: Path) -> None:
        shutil.copytree(keys / "seal", tmp_path / "half" / "seal")
        with pytest.raises(KeyMissingError, match="open half"):
            verify(sealed.repository, level=Level.KEYS, keyring=LocalKeyring(tmp_path / "half"))


class TestNames:
    """Level names: what lies there, and how it is locked."""

    def test_locks_that_a_listing_does_not_show_are_asked_for(self, sealed: Lab) -> None:
        """As on S3: what the listing leaves out is neither taken for no lock, nor for one."""
        listed = list(sealed.memory.list())
        bare = [one if one.marker else dataclasses.replace(one, lock_until=None, lock_known=False) for one in listed]
        with mock.patch.object(sealed.memory, "_list", side_effect=lambda prefix: iter(listed_under(bare, prefix))):
            assert problems(sealed.verify(Level.NAMES)) == []
            short = dataclasses.replace(listed[0], lock_until=START)
            told = [short, *listed[1:]]
            with mock.patch.object(sealed.memory, "_head", side_effect=lambda name, v: head_of(told, name, v)):
                assert "is locked only until" in only(sealed, Level.NAMES).problem

    def test_foreign_objects(self, sealed: Lab) -> None:
        sealed.store.put_new("packs/d0090/a/tier1/readme.txt", io.BytesIO(b"x"), lock_until=LOCK)
        found = appears_at(sealed, Level.NAMES, Severity.WARNING)
        assert found.item == "packs/d0090/a/tier1/readme.txt"
        assert "not an object of this format" in found.problem
        assert sealed.verify().sound

    @pytest.mark.parametrize("kind", ["packs", "manifests", "bodies", "points", "root"])
    def test_a_marker_before_the_lock_ends(self, sealed: Lab, kind: str) -> None:
        name = sealed.names(f"{kind}/")[0]
        sealed.memory.put_marker(name)
        found = appears_at(sealed, Level.NAMES)
        assert found.item == name
        assert "marked as deleted while locked" in found.problem
        assert sealed.contents("a")["/etc/base"] == b"drifted"

    def test_a_marker_after_the_lock_is_expiry(self, sealed: Lab, clock: Clock) -> None:
        name = entry_of(sealed).pack.name
        clock.advance(days=400)
        sealed.memory.put_marker(name)
        assert problems(sealed.verify(Level.NAMES)) == []

    def test_a_marker_after_the_lock_is_expiry_though_the_same_bytes_were_locked_anew_since(
        self, sealed: Lab, clock: Clock
    ) -> None:
        """As where a host comes back after a long outage and its stream is carried."""
        name = entry_of(sealed).pack.name
        content = sealed.memory.get(name)
        clock.advance(days=400)
        sealed.memory.put_marker(name)
        clock.advance(days=1)
        until = sealed.memory.clock() + dt.timedelta(days=400)
        sealed.memory.put_new(name, io.BytesIO(content), lock_until=until)
        assert problems(sealed.verify(Level.NAMES)) == []
        sealed.memory.put_marker(name)
        assert "marked as deleted while locked" in appears_at(sealed, Level.NAMES).problem

    @pytest.mark.parametrize("kind", ["packs", "manifests", "bodies", "points"])
    def test_a_lock_shorter_than_the_class(self, sealed: Lab, kind: str) -> None:
        name = sealed.names(f"{kind}/")[0]
        for lock, said in ((START + dt.timedelta(days=20), "only until 2026-03-21"), (None, "not at all")):
            version = sealed.memory._versions[name][0]
            version.listed = dataclasses.replace(version.listed, lock_until=lock)
            found = only(sealed, Level.NAMES)
            assert found.item == name
            assert said in found.problem

    def test_a_class_that_the_root_does_not_know(self, sealed: Lab) -> None:
        name = names.for_snapshot(names.Kind.PACK, "d9999", "a", "tier1", START, b"x")
        sealed.store.put_new(name, io.BytesIO(b"x"), lock_until=LOCK)
        assert only(sealed, Level.NAMES, Severity.WARNING).item == name


class TestSignatures:
    """Level signatures: every point and record, what they name, and their parents."""

    @pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"\x00" + data[1:], lambda data: b""])
    @pytest.mark.parametrize("kind", ["bodies", "points"])
    def test_a_damaged_point_or_body(self, sealed: Lab, kind: str, damage: Callable[[bytes], bytes]) -> None:
        name = sealed.names(f"{kind}/")[-1]
        version = sealed.memory._versions[name][0]
        version.data = damage(version.data)
        report = sealed.verify(Level.SIGNATURES)
        assert len(report.points) == 1
        (found,) = problems(report)
        assert found.item == sealed.names("points/")[-1]
        assert "does not have the digest it is named by" in found.problem

    @pytest.mark.parametrize("kind", ["bodies"])
    def test_a_missing_body(self, sealed: Lab, kind: str) -> None:
        del sealed.memory._versions[sealed.names(f"{kind}/")[0]]
        report = sealed.verify(Level.SIGNATURES)
        assert problems(report)[0].item == sealed.names("points/")[0]
        assert len(report.points) == 1

    def test_a_hidden_point_shows_by_its_child(self, sealed: Lab) -> None:
        first, second = sealed.names("points/")
        hidden = names.parse(first).sha256
        del sealed.memory._versions[first]
        found = next(f for f in problems(sealed.verify(Level.SIGNATURES)) if "parent" in f.problem)
        assert found.item == second
        assert hidden in found.problem

    def test_a_parent_that_has_expired_is_a_note(self, sealed: Lab, clock: Clock) -> None:
        for kind in ("points", "bodies"):
            del sealed.memory._versions[sealed.names(f"{kind}/")[0]]
        clock.advance(days=401)
        report = sealed.verify(Level.SIGNATURES)
        notes = [f for f in problems(report, Severity.NOTE) if "parent" in f.problem]
        assert len(notes) == 1
        assert [f for f in problems(report) if "parent" in f.problem] == []

    def test_an_incomplete_point_wants_eyes(self, lab: Lab) -> None:
        folder = lab.folder()
        lab.open(folder, "a", "gone")
        lab.snapshot(folder, MemorySource(FILES), "a")
        lab.seal(folder)
        found = appears_at(lab, Level.SIGNATURES, Severity.WARNING)
        assert "is incomplete: gone" in found.problem

    @pytest.mark.parametrize("which", ["pack", "manifest"])
    def test_what_a_point_names_is_gone(self, sealed: Lab, which: str) -> None:
        name = getattr(entry_of(sealed), which).name
        del sealed.memory._versions[name]
        found = [f for f in problems(sealed.verify(Level.SIGNATURES)) if f.item == name]
        # both points name it
        assert len(found) == 2
        assert all("is gone" in f.problem and "a/tier1" in f.problem for f in found)
        assert sealed.verify(Level.KEYS).packs_opened == 4

    @pytest.mark.parametrize("which", ["pack", "manifest"])
    def test_what_expired_after_its_lock_is_no_finding(self, sealed: Lab, clock: Clock, which: str) -> None:
        ref = getattr(entry_of(sealed), which)
        clock.moment = ref.lock_until
        del sealed.memory._versions[ref.name]
        assert [f for f in problems(sealed.verify(Level.SIGNATURES)) if f.item == ref.name] == []

    @pytest.mark.parametrize("which", ["pack", "manifest"])
    def test_a_lock_that_was_shortened_within_its_class(self, sealed: Lab, which: str) -> None:
        ref = getattr(entry_of(sealed), which)
        version = sealed.memory._versions[ref.name][0]
        version.listed = dataclasses.replace(version.listed, lock_until=ref.lock_until - dt.timedelta(days=1))
        assert problems(sealed.verify(Level.NAMES)) == []
        found = problems(sealed.verify(Level.SIGNATURES))
        assert {f.item for f in found} == {ref.name}
        assert all("its lock is shorter than recovery point" in f.problem for f in found)

    def test_what_a_killed_run_left_is_a_note(self, sealed: Lab) -> None:
        folder = sealed.folder()
        sealed.open(folder, "c")
        sealed.snapshot(folder, MemorySource(FILES), "c")
        found = appears_at(sealed, Level.SIGNATURES, Severity.NOTE)
        assert found.problem.startswith("4 packs and manifests belong to no sealed recovery point")
        report = sealed.verify()
        assert (report.sound, report.unsealed) == (True, 4)

    def put_record(self, lab: Lab, *, use: str = "record", by: str = "", damage: bool = False) -> str:
        root = lab.repository.root
        signer = by or next(key.id for key in root.keys.sign if key.use == use)
        record = Record(root.repository, root.id, "restore", lab.store.clock(), signer, {}, {})
        data = envelope_of(lab.keyring, record_format.PAYLOAD_TYPE, record_format.payload(record), use=use)
        name = names.for_record("restore", record.at, data)
        data = data[:-2] + b"}}" if damage else data
        lab.store.put_new(name, io.BytesIO(data), lock_until=START + dt.timedelta(days=900))
        return name

    def test_records_count_when_they_are_believed(self, sealed: Lab) -> None:
        self.put_record(sealed)
        assert sealed.verify(Level.NAMES).records == 0
        assert sealed.verify(Level.SIGNATURES).records == 1

    @pytest.mark.parametrize("wrong", [{"use": "point"}, {"by": "0" * 16}, {"damage": True}])
    def test_a_bad_record(self, sealed: Lab, wrong: dict[str, t.Any]) -> None:
        name = self.put_record(sealed, **wrong)
        found = problems(sealed.verify(Level.SIGNATURES))
        assert [f.item for f in found] == [name]
        assert sealed.verify(Level.SIGNATURES).records == 0

    def test_a_wrong_time_that_was_signed(self, lab: Lab, clock: Clock) -> None:
        """The clock of a run is told by the store; who lies about it is told by the store too."""
        clock.advance(hours=5)
        self.lie(lab, -2)
        found = appears_at(lab, Level.SIGNATURES, Severity.WARNING)
        assert "says it was sealed at 2026-03-01T15:00:00Z" in found.problem

    def test_a_time_ahead_is_not_believed(self, lab: Lab) -> None:
        self.lie(lab, 2)
        assert "was sealed in the future" in appears_at(lab, Level.SIGNATURES).problem

    @staticmethod
    def lie(lab: Lab, hours: int) -> None:
        folder = lab.folder()
        opened = lab.open(folder)
        folder.write_open(dataclasses.replace(opened, opened_at=opened.opened_at + dt.timedelta(hours=hours)))
        lab.snapshot(folder, MemorySource(FILES))
        lab.seal(folder)


class TestManifests:
    """A manifest is what its points say it is."""

    @pytest.fixture
    def lie(self, lab: Lab) -> Callable[..., None]:
        """Seal a point whose entries were changed by who holds the operator's key."""

        def lie(change: Callable[[StreamEntry, StreamEntry], tuple[StreamEntry, StreamEntry]]) -> None:
            folder = lab.folder()
            lab.open(folder)
            one_class = declared(tiers={"tier2": {"class": "d0090"}})
            first, second = lab.snapshot(folder, MemorySource(FILES), policy=lambda: one_class).streams
            assert first.entry is not None
            assert second.entry is not None
            changed = change(first.entry, second.entry)
            parts = [dataclasses.replace(p, entry=e) for p, e in zip((first, second), changed, strict=True)]
            folder.write_receipt(Receipt("h", tuple(parts)))
            with mock.patch.object(points, "check_body"):
                lab.seal(folder)

        return lie

    @pytest.mark.parametrize("which", ["pack", "manifest"])
    def test_exchanged_with_that_of_another_stream(self, lab: Lab, lie: Callable[..., None], which: str) -> None:
        lie(
            lambda a, b: (
                dataclasses.replace(a, **{which: getattr(b, which)}),
                dataclasses.replace(b, **{which: getattr(a, which)}),
            )
        )
        (found,) = problems(lab.verify(Level.SIGNATURES))
        assert found.item == lab.names("points/")[0]
        assert "for another snapshot than its name says" in found.problem

    @pytest.mark.parametrize("which", ["pack", "manifest"])
    def test_exchanged_with_that_of_the_same_stream_and_second(self, lab: Lab, which: str) -> None:
        """Two controllers at once: all that stands in the names but the digest is the same."""
        folders = [lab.folder(), lab.folder()]
        for folder in folders:
            lab.open(folder)
        receipts = [
            lab.snapshot(folder, MemorySource({**FILES, "/etc/app/main.conf": str(number).encode()}))
            for number, folder in enumerate(folders)
        ]
        first, second = (receipt.streams[0].entry for receipt in receipts)
        assert first is not None
        assert second is not None
        assert first.captured_at == second.captured_at
        exchanged = dataclasses.replace(second, **{which: getattr(first, which)})
        parts = (dataclasses.replace(receipts[1].streams[0], entry=exchanged), receipts[1].streams[1])
        folders[1].write_receipt(Receipt("h", parts))
        for folder in folders:
            lab.seal(folder)
        (found,) = problems(lab.verify(Level.SIGNATURES))
        assert found.item == exchanged.manifest.name
        assert "describes another snapshot" in found.problem

    @pytest.mark.parametrize(
        ("change", "item"),
        [
            ({"captured_at": START - dt.timedelta(days=1)}, "points/"),
            ({"host": "other"}, "points/"),
            ({"host_id": "other"}, "manifests/d0090/h/tier1/"),
            ({"fingerprints": ()}, "manifests/d0090/h/tier1/"),
        ],
    )
    def test_told_otherwise(self, lab: Lab, lie: Callable[..., None], change: dict[str, t.Any], item: str) -> None:
        lie(lambda a, b: (dataclasses.replace(a, **change), b))
        (found,) = problems(lab.verify(Level.SIGNATURES))
        assert found.item.startswith(item)

    def test_one_of_two_points_lies(self, lab: Lab, lie: Callable[..., None], clock: Clock) -> None:
        """The first point may be honest: each is held against the manifest."""
        lab.run(MemorySource(FILES))
        clock.advance(hours=1)
        lie(lambda a, b: (dataclasses.replace(a, host_id="other"), b))
        (found,) = problems(lab.verify(Level.SIGNATURES))
        assert "describes another snapshot" in found.problem

    @pytest.mark.parametrize("data", [b"", b"garbage"])
    def test_damaged(self, sealed: Lab, data: bytes) -> None:
        ref = entry_of(sealed).manifest
        sealed.memory._versions[ref.name][0].data = data
        found = problems(sealed.verify(Level.SIGNATURES))
        assert [f.item for f in found] == [ref.name]
        assert "a/tier1 cannot be restored" in found[0].problem


class TestCoverage:
    """What a signer could leave out, or shorten, without a wrong byte anywhere."""

    def test_a_full_point_that_hides_what_it_covers(self, sealed: Lab) -> None:
        believed = points.read_point(sealed.repository, sealed.names("points/")[0])
        covers = {"full": True, "covers": (believed.id,), "parents": (believed.id,)}
        streams = tuple(entry for entry in believed.body.streams if entry.host == "a")
        statement = {key: covers[key] for key in ("full", "parents")}
        name = Forge(sealed).put(body={**covers, "streams": streams}, statement=statement)
        found = next(f for f in problems(sealed.verify(Level.SIGNATURES)) if f.item == name)
        assert "covers recovery points whose snapshots it does not hold" in found.problem
        assert "b/tier1" in found.problem

    def test_a_full_point_that_goes_back_to_an_older_snapshot(self, sealed: Lab) -> None:
        first, second = (points.read_point(sealed.repository, name) for name in sealed.names("points/"))
        covers = {"full": True, "covers": (first.id, second.id), "parents": (second.id,)}
        statement = {key: covers[key] for key in ("full", "parents")}
        name = Forge(sealed).put(body={**covers, "streams": first.body.streams}, statement=statement)
        found = next(f for f in problems(sealed.verify(Level.SIGNATURES)) if f.item == name)
        assert "1 streams, a/tier2" in found.problem

    def test_a_lock_that_was_short_when_it_was_named(self, sealed: Lab) -> None:
        """Signed by who skipped the keep rule: name and lock agree, and the class is not kept."""
        forge = Forge(sealed)
        short = [
            dataclasses.replace(entry, manifest=dataclasses.replace(entry.manifest, lock_until=START))
            for entry in forge.point.body.streams
        ]
        forge.put(body={"streams": tuple(short[:1])})
        found = problems(sealed.verify(Level.SIGNATURES))
        assert [f.item for f in found] == [short[0].manifest.name]
        assert "was locked for less than its class" in found[0].problem

    def test_a_record_under_another_name(self, sealed: Lab) -> None:
        name = TestSignatures().put_record(sealed)
        for other in (name.replace("/restore/", "/drill/"), name.replace("T130000Z", "T130001Z")):
            assert other != name
            sealed.store.put_new(other, io.BytesIO(sealed.store.get(name)), lock_until=START + dt.timedelta(days=900))
        report = sealed.verify(Level.SIGNATURES)
        assert (report.records, len(problems(report))) == (1, 2)

    def test_a_place_that_the_store_cannot_list(self, file_lab: Lab) -> None:
        file_lab.run(MemorySource(FILES))
        (pack,) = (path for path in (file_lab.path / "store/packs/d0090").rglob("*@*"))
        link = pack.with_name(pack.name.replace(pack.name[:4], "2025"))
        link.symlink_to(pack)
        report = file_lab.verify(Level.NAMES)
        assert not report.sound
        assert any("symlink" in finding.problem for finding in problems(report))

    def test_one_identity_that_is_not_here(self, sealed: Lab, keys: Path, tmp_path: Path) -> None:
        shutil.copytree(keys / "open", tmp_path / "half" / "open")
        identities = tmp_path / "half/open/identities.txt"
        lines = identities.read_text().splitlines(keepends=True)
        at = next(n for n, line in enumerate(lines) if line.startswith("# d0030-2026"))
        identities.write_text("".join(lines[:at] + lines[at + 2 :]))
        report = verify(sealed.repository, level=Level.KEYS, keyring=LocalKeyring(tmp_path / "half"))
        assert report.packs_opened == 2
        warnings = problems(report, Severity.WARNING)
        assert len(warnings) == 3
        assert all("was not opened" in warning.problem for warning in warnings)


class TestContent:
    """Level content: every byte of every version, without a key."""

    def test_wrong_bytes_of_a_pack(self, sealed: Lab) -> None:
        name = entry_of(sealed).pack.name
        data = sealed.memory._versions[name][0].data
        sealed.memory._versions[name][0].data = data[:100] + bytes([data[100] ^ 1]) + data[101:]
        assert problems(sealed.verify(Level.SIGNATURES)) == []
        found = only(sealed, Level.CONTENT)
        assert found.item == name
        assert "does not have the digest it is named by" in found.problem
        assert {f.item for f in problems(sealed.verify(Level.KEYS))} == {name}

    def test_a_wrong_version_beside_the_right_one(self, sealed: Lab) -> None:
        name = entry_of(sealed).pack.name
        sealed.store.put_new(name, io.BytesIO(b"put by somebody"), lock_until=LOCK)
        found = appears_at(sealed, Level.CONTENT, Severity.WARNING)
        assert found.item == name
        assert "1 other versions" in found.problem
        assert sealed.verify().sound

    def test_unsealed_leftovers_are_read_too(self, sealed: Lab) -> None:
        name = names.for_snapshot(names.Kind.PACK, "d0090", "c", "tier1", sealed.store.clock(), b"other")
        sealed.store.put_new(name, io.BytesIO(b"damaged"), lock_until=LOCK)
        assert only(sealed, Level.CONTENT).item == name


class TestKeys:
    """Level keys: what only opening tells. Each of these is a lie of who holds the operator's right."""

    @pytest.fixture
    def lying(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
        """Run once with a part of the backup exchanged."""

        def lying(module: object, name: str, value: object) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(module, name, value)
                lab.run(MemorySource(FILES))

        yield lying
        for level in (Level.NAMES, Level.SIGNATURES, Level.CONTENT):
            assert lab.verify(level).findings == ()

    def test_a_wrap_of_another_identity(self, lab: Lab, lying: Callable[..., None]) -> None:
        other = age.generate()[0]
        wrap = keys_base.wrap
        lying(keys_base, "wrap", lambda key, _secret: wrap(key, other))
        found = problems(lab.verify())
        assert len(found) == 2
        assert all("the wrapped key is not that of the pack" in f.problem for f in found)
        assert all("escrow" in f.remedy for f in found)

    def test_a_wrap_of_garbage(self, lab: Lab, lying: Callable[..., None]) -> None:
        wrap = keys_base.wrap
        lying(keys_base, "wrap", lambda key, _secret: wrap(key, "not an identity"))
        assert len(problems(lab.verify())) == 2

    def test_a_wrap_under_a_key_that_is_nobodys(self, lab: Lab, lying: Callable[..., None]) -> None:
        stranger = age.generate()[1]
        lying(keys_base, "wrap", lambda _key, secret: age.encrypt(secret.encode(), [stranger]))
        found = problems(lab.verify())
        assert len(found) == 2
        assert all("wrapped under another key" in f.problem for f in found)

    def test_no_wrap_at_all(self, lab: Lab, lying: Callable[..., None]) -> None:
        lying(keys_base, "wrap", lambda _key, _secret: b"")
        assert len(problems(lab.verify())) == 2

    def test_a_pack_for_another_recipient(self, lab: Lab, lying: Callable[..., None]) -> None:
        stranger = age.generate()[1]
        encrypt = age.encrypt
        lying(
            snapshot,
            "age",
            type("Age", (), {"generate": age.generate, "encrypt": lambda data, _to: encrypt(data, [stranger])}),
        )
        found = problems(lab.verify())
        assert len(found) == 2
        assert all(f.item.startswith("packs/") for f in found)

    @pytest.mark.parametrize("where", ["", "ab"])
    def test_a_wrong_digest_in_a_manifest(self, lab: Lab, lying: Callable[..., None], where: str) -> None:
        write = manifest_format.write

        def written(*args: t.Any, keyed: Callable[[bytes], str], **more: t.Any) -> bytes:
            return write(*args, keyed=lambda data: where * 32 or keyed(data + b"x"), **more)

        lying(manifest_format, "write", written)
        found = problems(lab.verify())
        # every file, each named
        assert sorted(f.problem.split("'")[1] for f in found) == sorted(FILES)
        assert all("is not what its manifest says" in f.problem for f in found)

    def test_a_wrong_fingerprint(self, lab: Lab, lying: Callable[..., None]) -> None:
        """It would hide drift, or make it up."""
        keyed = snapshot.key_fingerprint
        lying(snapshot, "key_fingerprint", lambda *args: dataclasses.replace(keyed(*args), raw="ab" * 32))
        found = problems(lab.verify())
        assert sorted(f.problem for f in found) == [
            "component app is not what its manifest says",
            "component base is not what its manifest says",
        ]

    def test_a_pack_of_other_components(self, lab: Lab, lying: Callable[..., None]) -> None:
        write = pack_format.write
        lying(pack_format, "write", lambda *, parts, **more: write(parts=parts[:0], **more))
        found = problems(lab.verify())
        assert len(found) == 2
        assert all("holds other components than its manifest" in f.problem for f in found)

    def test_who_has_no_digest_key_cannot_see_that(
        self, lab: Lab, lying: Callable[..., None], keys: Path, tmp_path: Path
    ) -> None:
        write = manifest_format.write
        lying(
            manifest_format,
            "write",
            lambda *args, keyed, **more: write(*args, keyed=lambda data: keyed(data + b"x"), **more),
        )
        shutil.copytree(keys / "open", tmp_path / "half" / "open")
        assert verify(lab.repository, level=Level.KEYS, keyring=LocalKeyring(tmp_path / "half")).sound
        assert not lab.verify().sound

    def test_another_keyring_opens_nothing(self, sealed: Lab, other_keys: Path) -> None:
        report = verify(sealed.repository, level=Level.KEYS, keyring=LocalKeyring(other_keys))
        assert report.packs_opened == 0
        assert len(problems(report)) == 5


def test_one_finding_does_not_end_the_search(sealed: Lab) -> None:
    victims = [entry_of(sealed, "a").pack.name, entry_of(sealed, "b").pack.name, sealed.names("points/")[0]]
    for name in victims:
        sealed.memory._versions[name][0].data = b"damaged"
    assert set(victims) <= {f.item for f in problems(sealed.verify())}
    assert sealed.verify().packs_opened >= 2


def test_findings_never_hold_content(sealed: Lab) -> None:
    for name in sealed.names():
        sealed.memory._versions[name][0].data += b"x"
    assert "listen" not in repr(sealed.verify(Level.CONTENT).findings)


def test_the_names_that_points_and_objects_give_are_used(sealed: Lab) -> None:
    """Guards this file: the entries that the tests damage are those that verify reads."""
    point = points.read_point(sealed.repository, sealed.names("points/")[-1])
    named = {entry.pack.name for entry in point.body.streams}
    assert entry_of(sealed).pack.name in named
    assert objects.read(sealed.store, entry_of(sealed).pack.name)
