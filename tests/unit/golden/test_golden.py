# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories of every format version ever released stay readable, and one made now keeps the same promises."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import io
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import KeyMissingError, TrustError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names, pack
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age, zstd
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    choose,
    open_snapshot,
    proofs,
    repository,
    verify,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import Repository

from ..plugins.plugin_utils.format.schemas import VALIDATORS
from ..plugins.plugin_utils.usecases.lab import Clock
from .make import FOLDER, MARK, START, WARNING, make, told

VERSIONS = sorted(path.name for path in FOLDER.glob("v?"))
LONG = dt.timedelta(days=36500)


@dataclasses.dataclass(frozen=True)
class Golden:
    """A golden repository, loaded into memory: its keyring laid out as its owner had it, and what it must give."""

    path: Path
    repository: Repository
    keys: Path
    expected: dict[str, t.Any]

    @property
    def keyring(self) -> LocalKeyring:
        return LocalKeyring(self.keys)

    def object(self, name: str) -> bytes:
        return (self.path / "store" / name).read_bytes()

    def named(self, kind: names.Kind) -> list[str]:
        return [name for name in self.expected["objects"] if names.parse(name).kind is kind]


@pytest.fixture(scope="module", params=[*VERSIONS, "now"])
def golden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Golden:
    work = tmp_path_factory.mktemp("golden")
    path = FOLDER / request.param
    if request.param == "now":
        path = work / "made"
        make(path, work)
    expected = json.loads((path / "expected.json").read_text(encoding="utf-8"))
    clock = Clock()
    store = MemoryStore(now=clock)
    for name in expected["objects"]:
        # the store holds each since the time in its name
        clock.moment = names.parse(name).at or START
        store.put_new(name, io.BytesIO((path / "store" / name).read_bytes()), lock_until=clock.moment + LONG)
    clock.moment = instant.from_text(expected["now"])
    keys = lay_out(path / "keyring", work / "keys")
    return Golden(path, repository.open_repository(store, pin=expected["pin"]), keys, expected)


def lay_out(source: Path, target: Path) -> Path:
    """Copy a keyring as its owner had it: private, without the warnings."""
    target.mkdir(mode=0o700)
    for path in sorted(source.rglob("*.*")):
        half = target / path.parent.name
        half.mkdir(mode=0o700, exist_ok=True)
        copy = half / path.name.replace(MARK, "")
        copy.touch(mode=0o600)
        copy.write_bytes(path.read_bytes().removeprefix(WARNING))
    return target


def test_version_1_is_among_them() -> None:
    assert "v1" in VERSIONS


def test_nothing_of_it_was_changed_added_or_lost(golden: Golden) -> None:
    folder = golden.path / "store"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == golden.expected["objects"]
    for name in found:
        assert names.parse(name).sha256 == hashlib.sha256(golden.object(name)).hexdigest()


def test_every_document_is_valid_by_the_schemas(golden: Golden) -> None:
    for kind, schema in ((names.Kind.ROOT, "root"), (names.Kind.POINT, "statement"), (names.Kind.RECORD, "record")):
        for name in golden.named(kind):
            envelope = json.loads(golden.object(name))
            VALIDATORS["envelope"].validate(envelope)
            VALIDATORS[schema].validate(json.loads(base64.b64decode(envelope["payload"])))
    for kind, schema in ((names.Kind.MANIFEST, "manifest"), (names.Kind.BODY, "body")):
        for name in golden.named(kind):
            VALIDATORS[schema].validate(json.loads(zstd.decompress(golden.object(name), limit=10**6)))


def test_every_private_key_says_that_it_is_for_tests_only(golden: Golden) -> None:
    for path in (golden.path / "keyring").rglob("*.*"):
        if path.name != "keyring.json":
            assert MARK in path.name
            assert path.read_bytes().startswith(WARNING)


def test_it_opens_by_its_pin_alone(golden: Golden) -> None:
    assert golden.repository.name == golden.expected["repository"]
    with pytest.raises(TrustError):
        repository.open_repository(golden.repository.store, pin="0" * 64)


def test_it_verifies_down_to_the_keys(golden: Golden) -> None:
    report = verify.verify(golden.repository, level=verify.Level.KEYS, keyring=golden.keyring)
    assert report.findings == ()
    assert [point.id for point in report.points] == list(golden.expected["points"])
    assert all(point.complete for point in report.points)
    assert (report.snapshots, report.packs_opened, report.records, report.unsealed) == (3, 3, 1, 0)


def test_it_verifies_without_any_key(golden: Golden) -> None:
    report = verify.verify(golden.repository, level=verify.Level.CONTENT)
    assert (report.findings, report.snapshots, report.objects) == ((), 3, len(golden.expected["objects"]))


def test_the_second_point_names_the_unchanged_snapshot_of_the_first(golden: Golden) -> None:
    first, second = (
        {chosen.entry.stream: chosen.entry for chosen in chosen_from(golden, choose.Selection(point=point))}
        for point in golden.expected["points"]
    )
    assert first["tier2"].manifest == second["tier2"].manifest
    assert first["tier2"].verified_at < second["tier2"].verified_at
    assert first["tier1"].manifest != second["tier1"].manifest


def chosen_from(golden: Golden, selection: choose.Selection) -> tuple[choose.Chosen, ...]:
    return choose.choose(golden.repository, golden.expected["host"], selection)


def restored(golden: Golden, selection: choose.Selection) -> dict[str, dict[str, t.Any]]:
    found: dict[str, dict[str, t.Any]] = {}
    for chosen in chosen_from(golden, selection):
        for part in open_snapshot.open_snapshot(golden.repository, golden.keyring, chosen).parts:
            found.update(told(part.entries, part.contents))
    return found


def test_every_point_restores_every_byte(golden: Golden) -> None:
    for point, expected in golden.expected["points"].items():
        assert restored(golden, choose.Selection(point=point)) == expected


def test_the_newest_and_a_moment_restore_every_byte(golden: Golden) -> None:
    first, second = golden.expected["points"].values()
    assert restored(golden, choose.Selection(newest=True)) == second
    now = instant.from_text(golden.expected["now"])
    assert restored(golden, choose.Selection(time=now - dt.timedelta(hours=6))) == first


def test_the_restore_that_was_recorded_proves_its_streams(golden: Golden) -> None:
    (name,) = (one for one in golden.named(names.Kind.RECORD) if names.parse(one).record == "restore")
    found = proofs.proven(golden.repository)
    assert found.keys() == {(golden.expected["host"], stream) for stream in ("tier1", "tier2")}
    assert {(proof.at, proof.record) for proof in found.values()} == {(names.parse(name).at, name)}


def test_names_of_every_kind_are_among_what_is_restored(golden: Golden) -> None:
    first, _second = golden.expected["points"].values()
    assert {"/etc/app/new%0Aline", "/etc/app/caf%E9.conf"} <= set(first)
    assert {fields["kind"] for fields in first.values()} == {"file", "dir", "symlink", "hardlink"}
    assert any(fields["xattrs"] for fields in first.values())
    assert any(fields["mtime_ns"] < 0 for fields in first.values())


def test_the_escrow_identity_alone_opens_every_pack(golden: Golden) -> None:
    lines = (golden.keys / "escrow" / "identities.txt").read_text().splitlines()
    secrets = [line for line in lines if line.startswith("AGE-SECRET-KEY-1")]
    opened: set[str] = set()
    for name in golden.named(names.Kind.PACK):
        tar = zstd.decompress(age.decrypt(golden.object(name), secrets), limit=10**6)
        found = pack.read(tar, max_members=100, max_bytes=10**6, what=name)
        assert found.host == golden.expected["host"]
        opened |= {content for part in found.components for content in told(part.entries, part.contents)}
    assert opened == {path for point in golden.expected["points"].values() for path in point}


def test_who_backs_up_cannot_read_back(golden: Golden, tmp_path: Path) -> None:
    seal = tmp_path / "keys"
    lay_out(golden.path / "keyring" / "seal", seal)
    (chosen, *_others) = chosen_from(golden, choose.Selection(newest=True))
    with pytest.raises(KeyMissingError):
        open_snapshot.open_snapshot(golden.repository, LocalKeyring(seal), chosen)
