# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    CorruptError,
    NotFoundError,
    ObjectMissingError,
    StoreError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.destruction import Destroyed, EscrowStatement
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.snapshot import Manifest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Finding, Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    destroyed,
    escrow_drill,
    objects,
    open_snapshot,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.escrow_open import Opened
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import Repository
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .ceremony import Ceremony, make_folder
from .lab import FILES, START, Clock, Lab

KEYS = ("d0030-2026", "d0090-2026")


@pytest.fixture(scope="module")
def opened(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """The escrow of the labs' keyring, split and opened by two of three. Nobody changes it."""
    ceremony = Ceremony.make(tmp_path_factory.mktemp("drill"))
    ceremony.split("set", keys / "escrow")
    return ceremony.open("set", "alice", "carol")


def read(lab: Lab, name: str) -> Record:
    return record_format.read(objects.read(lab.store, name), what=name)[0]


def half(lab: Lab, tmp_path: Path, name: str) -> LocalKeyring:
    """A keyring of one half."""
    assert isinstance(lab.keyring, LocalKeyring)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / name).symlink_to(lab.keyring._path / name)
    return LocalKeyring(tmp_path / "half")


def test_escrow_opens_what_was_sealed(lab: Lab, opened: Opened) -> None:
    point = lab.run({"h": MemorySource(FILES), "i": MemorySource(FILES)}).id
    proof = escrow_drill.prove(lab.repository, opened, keyring=lab.keyring, context={"actor": {"user": "alice"}})
    assert proof.holds
    assert (proof.recovery_point, proof.packs, proof.files) == (point, 4, 2 * len(FILES))
    assert proof.bytes == 2 * sum(map(len, FILES.values()))
    assert (proof.class_years, proof.digests, proof.failures, proof.warnings) == (KEYS, True, (), ())
    assert set(proof.seconds) == {"find", "open"}


def test_it_leaves_a_signed_record_that_verify_takes(lab: Lab, opened: Opened) -> None:
    lab.run()
    before = lab.names()
    proof = escrow_drill.prove(lab.repository, opened, keyring=lab.keyring, context={"actor": {"user": "alice"}})
    (name,) = set(lab.names()) - set(before)
    assert proof.record == name
    assert name.startswith("records/drill/")
    record = read(lab, name)
    assert (record.kind, record.subject) == ("drill", {"recovery_point": proof.recovery_point, "hosts": []})
    assert record.detail["what"] == "escrow"
    assert (record.detail["result"], record.detail["custodians"]) == ("equal", ["alice", "carol"])
    assert (record.detail["packs"], record.detail["actor"]) == (2, {"user": "alice"})
    report = lab.verify()
    assert (report.findings, report.records) == ((), 1)


def test_no_key_and_no_content_is_in_the_record(lab: Lab, opened: Opened) -> None:
    lab.run()
    proof = escrow_drill.prove(lab.repository, opened, keyring=lab.keyring)
    assert proof.record is not None
    payload = record_format.payload(read(lab, proof.record)).decode()
    for hidden in ("AGE-SECRET", "listen", "/etc/app"):
        assert hidden not in payload + repr(proof)


def test_check_mode_opens_and_puts_nothing(lab: Lab, opened: Opened) -> None:
    lab.run()
    before = lab.names()
    proof = escrow_drill.prove(lab.repository, opened, keyring=lab.keyring, check=True)
    assert (proof.holds, proof.record, lab.names()) == (True, None, before)


def test_without_a_keyring_it_is_proved_and_says_that_nothing_was_recorded(lab: Lab, opened: Opened) -> None:
    lab.run()
    before = lab.names()
    proof = escrow_drill.prove(lab.repository, opened, keyring=None)
    assert (proof.holds, proof.digests, proof.record, lab.names()) == (True, False, None, before)
    assert "no record was put" in proof.warnings[0]


@pytest.mark.parametrize(("name", "recorded", "digests"), [("open", True, False), ("seal", False, True)])
def test_each_half_gives_what_it_can(
    lab: Lab, opened: Opened, tmp_path: Path, name: str, recorded: bool, digests: bool
) -> None:
    lab.run()
    proof = escrow_drill.prove(lab.repository, opened, keyring=half(lab, tmp_path, name))
    assert (proof.holds, proof.record is not None, proof.digests) == (True, recorded, digests)
    assert bool(proof.warnings) is not recorded


class GoneKeyring:
    """A keyring whose server is gone."""

    def __getattr__(self, name: str) -> t.Any:
        def gone(*_args: object, **_named: object) -> t.NoReturn:
            raise UnavailableError("Vault does not answer")

        return gone


def test_a_keyring_that_is_gone_is_what_escrow_is_for(lab: Lab, opened: Opened) -> None:
    lab.run()
    proof = escrow_drill.prove(lab.repository, opened, keyring=GoneKeyring())  # type: ignore[arg-type]
    assert (proof.holds, proof.digests, proof.record) == (True, False, None)
    assert [warning.partition(":")[0] for warning in proof.warnings] == [
        "keyed digests were not compared",
        "no record was put",
    ]


@pytest.mark.parametrize("kept", [True, False])
def test_an_escrow_key_that_people_had_destroyed(
    lab: Lab, opened: Opened, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Not here it is no failure, and here it is worth a warning."""
    lab.run()
    gone = destroyed.Gone(escrow={KEYS[0]: EscrowStatement(KEYS[0], START, "0" * 64, ("alice", "bob"))})
    monkeypatch.setattr(destroyed, "read", lambda *_args, **_named: gone)
    left = opened.identities if kept else tuple(one for one in opened.identities if one.name != KEYS[0])
    proof = escrow_drill.prove(lab.repository, dataclasses.replace(opened, identities=left), keyring=None)
    assert (proof.holds, proof.packs, proof.failures) == (True, 2 if kept else 1, ())
    assert list(proof.destroyed) == ([] if kept else lab.names("packs/d0030/"))
    assert any(f"escrow key {KEYS[0]} was destroyed, and it is in here" in each for each in proof.warnings) is kept


def test_nothing_is_written_to_a_disk(
    lab: Lab, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.chdir(scratch)
    monkeypatch.setenv("TMPDIR", str(scratch))
    before = sorted(tmp_path.rglob("*"))
    escrow_drill.prove(lab.repository, opened, keyring=lab.keyring)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_older_point_is_named_by_its_first_digits(lab: Lab, opened: Opened, clock: Clock) -> None:
    first = lab.run().id
    assert first is not None
    clock.advance(days=1)
    lab.run(MemorySource({**FILES, "/etc/base": b"other\n", "/etc/app/new": b"new\n"}))
    proof = escrow_drill.prove(lab.repository, opened, keyring=None, point=first[:12])
    assert (proof.recovery_point, proof.files) == (first, len(FILES))
    assert escrow_drill.prove(lab.repository, opened, keyring=None).files == len(FILES) + 1


def test_hosts_narrow_it(lab: Lab, opened: Opened) -> None:
    lab.run({"h": MemorySource(FILES), "i": MemorySource(FILES)})
    assert escrow_drill.prove(lab.repository, opened, keyring=None, hosts=["i"]).packs == 2
    for hosts in (["j"], ["i", "j"]):
        with pytest.raises(NotFoundError, match="no snapshot of j"):
            escrow_drill.prove(lab.repository, opened, keyring=None, hosts=hosts)


@pytest.mark.parametrize("point", [None, "0" * 12])
def test_where_there_is_no_point(lab: Lab, opened: Opened, point: str | None) -> None:
    with pytest.raises(NotFoundError):
        escrow_drill.prove(lab.repository, opened, keyring=None, point=point)


def test_escrow_of_another_keyring_opens_nothing_and_the_record_says_so(lab: Lab, tmp_path: Path) -> None:
    lab.run()
    ceremony = Ceremony.make(tmp_path)
    ceremony.split("set", make_folder(tmp_path / "escrow"))
    proof = escrow_drill.prove(lab.repository, ceremony.open("set", "alice", "bob"), keyring=lab.keyring)
    assert (proof.holds, proof.packs, len(proof.failures)) == (False, 0, 2)
    assert "escrow has no key of d0090-2026" in proof.failures[0].problem
    assert proof.record is not None
    assert read(lab, proof.record).detail["result"] == "different"


def test_escrow_that_lacks_one_year_names_what_it_does_not_open(lab: Lab, opened: Opened) -> None:
    lab.run()
    part = dataclasses.replace(opened, identities=tuple(one for one in opened.identities if one.name != KEYS[0]))
    proof = escrow_drill.prove(lab.repository, part, keyring=None)
    assert (proof.holds, proof.packs, proof.class_years) == (False, 1, KEYS[1:])
    assert [(one.host, one.stream) for one in proof.failures] == [("h", "tier2")]


OTHER = {"/etc/app/main.conf": b"listen = 80\n", "/etc/base": b"other\n"}


def without(opened: Opened, *names: str) -> Opened:
    return dataclasses.replace(
        opened, identities=tuple(identity for identity in opened.identities if identity.name not in names)
    )


@pytest.fixture
def two_years(lab: Lab, clock: Clock) -> Lab:
    """Two hosts backed up in December, and anew in February, when of December's only tier1 is locked still."""
    clock.advance(days=280)
    lab.run({"h": MemorySource(FILES), "i": MemorySource(FILES)})
    clock.advance(days=65)
    lab.run({"h": MemorySource(OTHER), "i": MemorySource(OTHER)})
    return lab


def test_escrow_that_lacks_a_key_of_older_snapshots_fails(two_years: Lab, opened: Opened) -> None:
    """The newest ones open, and what they do not take is found in what points name and is locked."""
    proof = escrow_drill.prove(two_years.repository, without(opened, *KEYS), keyring=two_years.keyring)
    assert (proof.holds, proof.packs, proof.lacking) == (False, 4, KEYS)
    ((host, stream, item, problem),) = [dataclasses.astuple(failure) for failure in proof.failures]
    assert (host, stream) == ("h", "tier1")
    assert item.startswith("packs/d0090/h/tier1/202612")
    assert "escrow has no key of d0090-2026" in problem
    assert "escrow lacks 2 keys that the root names, the first d0030-2026" in proof.warnings[0]
    assert proof.record is not None
    detail = read(two_years, proof.record).detail
    assert (detail["result"], detail["lacking"]) == ("different", list(KEYS))


def test_a_key_that_no_locked_snapshot_takes_is_named(two_years: Lab, opened: Opened) -> None:
    """One whose snapshots have expired, and one of a year to come."""
    lacking = ("d0030-2026", "d0090-2031")
    proof = escrow_drill.prove(two_years.repository, without(opened, *lacking), keyring=two_years.keyring)
    assert (proof.holds, proof.packs, proof.lacking, proof.failures) == (True, 4, lacking, ())
    assert len(proof.warnings) == 1
    assert proof.record is not None
    assert read(two_years, proof.record).detail["lacking"] == list(lacking)


def test_a_point_alone_is_proved_by_what_it_takes(two_years: Lab, opened: Opened) -> None:
    """As when the escrow of a year is lost, and new packs have new keys."""
    (tip,) = two_years.live().tips
    proof = escrow_drill.prove(two_years.repository, without(opened, *KEYS), keyring=None, point=tip)
    assert (proof.holds, proof.packs, proof.lacking) == (True, 4, KEYS)


def test_snapshots_of_other_hosts_than_are_asked_for_take_no_key(two_years: Lab, opened: Opened) -> None:
    two_years.run({"j": MemorySource(FILES)})
    for host, failed in (("i", ["i"]), ("j", [])):
        proof = escrow_drill.prove(two_years.repository, without(opened, *KEYS), keyring=None, hosts=[host])
        assert [failure.host for failure in proof.failures] == failed
        assert proof.lacking == KEYS


def test_what_people_have_let_go_of_is_not_lacking(
    two_years: Lab, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the key to wrap under is destroyed escrow is proved without its own; once that is signed nothing lacks."""
    key = KEYS[1]
    wrapped = {key: Destroyed(key, START, "0" * 64, "0" * 64, ("alice", "bob"), frozenset())}
    signed = {key: EscrowStatement(key, START, "0" * 64, ("alice", "bob"))}
    for gone, lacking in ((destroyed.Gone(keys=wrapped), (key,)), (destroyed.Gone(wrapped, signed), ())):
        monkeypatch.setattr(destroyed, "read", lambda *_args, _gone=gone, **_named: _gone)
        proof = escrow_drill.prove(two_years.repository, without(opened, key), keyring=None)
        assert (proof.holds, proof.lacking) == (True, lacking)


def test_who_has_all_keys_reads_no_more_points(two_years: Lab, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escrow_drill.points, "history", lambda _repository: pytest.fail("read"))
    assert escrow_drill.prove(two_years.repository, opened, keyring=None).lacking == ()
    assert escrow_drill.prove(two_years.repository, without(opened, "d0090-2036"), keyring=None).holds


class Failing:
    """A store that answers until packs of a class are read."""

    def __init__(self, store: Store, error: StoreError, retention_class: str = "") -> None:
        self._store, self._error, self._prefix = store, error, f"packs/{retention_class}"

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._store, name)

    def get(self, name: str, *, version: str | None = None) -> bytes:
        if name.startswith(self._prefix):
            raise self._error
        return self._store.get(name, version=version)


def failing(lab: Lab, error: StoreError, retention_class: str = "") -> Repository:
    return lab.on(Failing(lab.store, error, retention_class)).repository  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [ObjectMissingError, CorruptError])
def test_a_pack_that_is_gone_is_a_failure(lab: Lab, opened: Opened, error: type[StoreError]) -> None:
    lab.run()
    proof = escrow_drill.prove(failing(lab, error("is gone"), "d0090"), opened, keyring=None)
    assert [(one.host, one.stream) for one in proof.failures] == [("h", "tier1")]
    assert (proof.holds, proof.packs) == (False, 1)


def test_a_manifest_that_names_no_escrow_key_is_a_failure(
    lab: Lab, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run()
    read_manifest = open_snapshot.read_manifest

    def nameless(*given: t.Any) -> Manifest:
        return dataclasses.replace(read_manifest(*given), escrow=())

    monkeypatch.setattr(open_snapshot, "read_manifest", nameless)
    proof = escrow_drill.prove(lab.repository, opened, keyring=None)
    assert (proof.holds, proof.destroyed, len(proof.failures)) == (False, (), 2)
    assert "no escrow key" in proof.failures[0].problem


def test_a_pack_in_an_archive_class_is_named(lab: Lab, opened: Opened) -> None:
    lab.run()
    some = escrow_drill.prove(failing(lab, ArchivedError("rests"), "d0090"), opened, keyring=None)
    assert (some.holds, some.packs, list(some.resting)) == (True, 1, lab.names("packs/d0090/"))
    assert not escrow_drill.prove(failing(lab, ArchivedError("rests")), opened, keyring=None).holds


def test_a_store_that_is_silent_is_no_fault_of_escrow(lab: Lab, opened: Opened) -> None:
    lab.run()
    with pytest.raises(UnavailableError):
        escrow_drill.prove(failing(lab, UnavailableError("the store does not answer")), opened, keyring=None)


def test_a_lie_of_a_manifest_is_a_failure(lab: Lab, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run()
    lie = Finding(Severity.ERROR, "packs/x", "component app is not what its manifest says", "")
    monkeypatch.setattr(escrow_drill.Reader, "lies", lambda *_args: iter([lie]))
    proof = escrow_drill.prove(lab.repository, opened, keyring=None)
    assert (proof.holds, proof.packs, len(proof.failures)) == (False, 0, 2)
