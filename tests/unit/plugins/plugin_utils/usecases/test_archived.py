# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pack that rests in an archive class: the restore says so, asks for it, or waits; before it touches anything."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ArchivedError,
    DeniedError,
    IntegrityError,
    PolicyError,
    RunAbandonedError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import objects
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.archived import (
    REQUEST,
    WAIT,
    Retrieval,
    usual_wait,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify import Level
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .faults import FaultyStore
from .lab import FILES, Clock, Lab


def untouched(_op: str, *_request: t.Any, **_more: t.Any) -> t.NoReturn:
    raise AssertionError("the host was asked although packs are not readable")


@pytest.fixture
def sealed(lab: Lab) -> Lab:
    """A repository whose two packs a lifecycle has moved to an archive class."""
    assert lab.run(MemorySource(FILES)).complete
    away(lab)
    return lab


def away(lab: Lab, storage_class: str = "GLACIER") -> None:
    for listed in list(lab.store.list("packs/")):
        lab.memory.put_away(listed.name, listed.version, storage_class)


def packs(lab: Lab) -> list[str]:
    return lab.names("packs/")


def refused(lab: Lab, root: Path, **retrieval: t.Any) -> ArchivedError:
    """A restore that ends before the host was asked anything."""
    check = retrieval.pop("check", False)
    with pytest.raises(ArchivedError) as caught:
        lab.restore(root, trip=untouched, retrieval=Retrieval(**retrieval), check=check)
    assert not root.exists()
    assert lab.names("records/") == []
    return caught.value


def returning(lab: Lab) -> list[bool]:
    return [listed.returning for listed in lab.store.list("packs/")]


def test_by_default_each_is_named_with_its_class_and_its_usual_wait(sealed: Lab, tmp_path: Path) -> None:
    error = refused(sealed, tmp_path / "target")
    assert error.message.startswith("2 objects rest in an archive class: ")
    assert {one["object"] for one in t.cast("list[dict[str, str]]", error.details["archived"])} == set(packs(sealed))
    for name in packs(sealed):
        assert f"{name} (GLACIER, 3 to 5 hours)" in error.message
    assert "archived=request" in str(error.remedy)
    assert returning(sealed) == [False, False]


def test_asked_for_once_they_are_restored_when_they_are_there(sealed: Lab, tmp_path: Path, clock: Clock) -> None:
    for again in range(2):
        error = refused(sealed, tmp_path / "target", how=REQUEST, days=2)
        assert "2 objects were asked for and are not readable yet" in error.message
        assert "again in 3 to 5 hours" in str(error.remedy)
        assert "for 2 days" in str(error.remedy)
        assert returning(sealed) == [True, True]
        clock.advance(hours=1 + again)
    clock.advance(hours=2)
    assert sealed.restore(tmp_path / "target").proven
    clock.advance(days=2)
    with pytest.raises(ArchivedError):
        sealed.restore(tmp_path / "other", trip=untouched)


@dataclasses.dataclass
class Waiting:
    """Lets time pass, and what it is told."""

    clock: Clock
    paused: list[float] = dataclasses.field(default_factory=list)
    told: list[str] = dataclasses.field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.clock.advance(seconds=int(seconds))

    def retrieval(self, tier: str = "Standard") -> Retrieval:
        return Retrieval(WAIT, tier, pause=self.pause, tell=self.told.append)


def test_waited_for_they_are_restored_and_the_record_tells_the_wait(sealed: Lab, tmp_path: Path, clock: Clock) -> None:
    waiting = Waiting(clock)
    done = sealed.restore(tmp_path / "target", retrieval=waiting.retrieval())
    assert done.proven
    assert sum(waiting.paused) == 4 * 3600
    assert waiting.told == ["waiting for 2 objects in an archive class: usually 3 to 5 hours"]
    assert "archive" in done.seconds
    assert done.record
    record = record_format.read(objects.read(sealed.store, done.record), what=done.record)[0]
    assert "archive" in record.detail["milliseconds"]


def test_what_is_readable_costs_no_look(lab: Lab, tmp_path: Path) -> None:
    lab.run(MemorySource(FILES))
    counted = FaultyStore(lab.store)
    done = lab.on(counted).restore(tmp_path / "target", retrieval=Retrieval(WAIT))
    assert "archive" not in done.seconds
    assert "head" not in [operation for operation, _name in counted.calls]


def test_the_wait_ends_after_twice_the_usual(sealed: Lab, tmp_path: Path, clock: Clock) -> None:
    sealed.memory._returns_after = dt.timedelta(days=9)
    waiting = Waiting(clock)
    with pytest.raises(ArchivedError, match="not readable yet"):
        sealed.restore(tmp_path / "target", trip=untouched, retrieval=waiting.retrieval("Expedited"))
    assert sum(waiting.paused) == 600


def test_a_store_that_is_away_meanwhile_ends_no_wait(sealed: Lab, tmp_path: Path, clock: Clock) -> None:
    waiting = Waiting(clock)

    def fault(_number: int, operation: str, _name: str) -> None:
        if operation == "head" and 3 < len(waiting.paused) < 9:
            raise UnavailableError("away")

    flaky = sealed.on(Asking(sealed.store, before=fault))
    assert flaky.restore(tmp_path / "target", retrieval=waiting.retrieval()).proven


class Asking(FaultyStore):
    """Passes on what is brought back, too."""

    def _bring_back(self, name: str, version: str, days: int, tier: str) -> None:
        self._call("bring_back", name, lambda: self._inner.bring_back(name, version, days=days, tier=tier))


def test_who_waits_for_nobody_stops(sealed: Lab, tmp_path: Path) -> None:
    def gone(_seconds: float) -> None:
        raise RunAbandonedError("the run has ended")

    with pytest.raises(RunAbandonedError):
        sealed.restore(tmp_path / "target", trip=untouched, retrieval=Retrieval(WAIT, pause=gone))


@pytest.mark.parametrize("how", [REQUEST, WAIT])
def test_check_mode_asks_for_nothing(sealed: Lab, tmp_path: Path, how: str) -> None:
    dry = sealed.on(DryRunStore(sealed.store))
    error = refused(dry, tmp_path / "target", how=how, check=True)
    assert "Without check mode they are asked for" in str(error.remedy)
    assert returning(sealed) == [False, False]


@pytest.mark.parametrize("how", [REQUEST, WAIT])
def test_a_store_that_does_not_bring_back_is_told(sealed: Lab, tmp_path: Path, how: str) -> None:
    """Such as one that says 200 and does nothing."""
    sealed.memory._bring_back = lambda *_asked: None  # type: ignore[method-assign]
    error = refused(sealed, tmp_path / "target", how=how)
    assert "the store does not bring them back" in error.message


def test_deep_archive_is_never_expedited(lab: Lab, tmp_path: Path) -> None:
    lab.run(MemorySource(FILES))
    away(lab, "DEEP_ARCHIVE")
    error = refused(lab, tmp_path / "target", how="fail", tier="Bulk")
    assert "(DEEP_ARCHIVE, up to 48 hours)" in error.message
    with pytest.raises(PolicyError, match="DEEP_ARCHIVE by the tier Expedited"):
        lab.restore(tmp_path / "target", trip=untouched, retrieval=Retrieval(REQUEST, "Expedited"))
    assert returning(lab) == [False, False]


def test_who_may_not_ask_is_told(sealed: Lab, tmp_path: Path) -> None:
    def fault(_number: int, operation: str, _name: str) -> None:
        if operation == "bring_back":
            raise DeniedError("not allowed")

    with pytest.raises(DeniedError):
        sealed.on(Asking(sealed.store, before=fault)).restore(
            tmp_path / "target", trip=untouched, retrieval=Retrieval(REQUEST)
        )


def test_another_version_of_the_same_bytes_that_is_readable_will_do(lab: Lab, tmp_path: Path, clock: Clock) -> None:
    """A carried one: it was put again later, and no lifecycle has moved it yet."""
    lab.run(MemorySource(FILES))
    away(lab)
    for name in packs(lab):
        (version,) = [listed.version for listed in lab.store.list(name)]
        data = lab.memory._find(name, version).data
        objects.put(lab.store, name, data, lock_until=clock.moment + dt.timedelta(days=60))
    assert lab.restore(tmp_path / "target").proven


def test_a_wrong_version_beside_one_that_is_archived_hides_nothing(lab: Lab, clock: Clock) -> None:
    lab.run(MemorySource(FILES))
    (name, *_others) = packs(lab)
    before = next(lab.store.list(name))
    objects.put(lab.store, name, b"junk", lock_until=clock.moment + dt.timedelta(days=60))
    lab.memory.put_away(name, before.version)
    for version in (None, before.version):
        with pytest.raises(ArchivedError):
            objects.read(lab.store, name, version=version)
    lab.memory.put_away(name, lab.store.head(name).version)
    with pytest.raises(ArchivedError):
        objects.read(lab.store, name)


def test_only_junk_is_still_an_error_of_integrity(lab: Lab, clock: Clock) -> None:
    name = "packs/d0030/h/tier1/20260301T120000Z-" + 64 * "0" + ".tar.zst.age"
    objects.put(lab.store, name, b"junk", lock_until=clock.moment + dt.timedelta(days=60))
    with pytest.raises(IntegrityError):
        objects.read(lab.store, name)


def test_a_class_that_nobody_documents_has_no_usual_wait() -> None:
    assert usual_wait("GLACIER", "Expedited") == "1 to 5 minutes"
    assert usual_wait("OTHER", "Bulk") == "a time that nobody documents"


def test_verify_names_the_class_of_each_newest_pack(lab: Lab, clock: Clock) -> None:
    lab.run(MemorySource(FILES))
    assert {stream.storage_class for stream in lab.verify(Level.SIGNATURES).streams} == {""}
    away(lab)
    assert {stream.storage_class for stream in lab.verify(Level.SIGNATURES).streams} == {"GLACIER"}
    name = packs(lab)[0]
    (version,) = [listed.version for listed in lab.store.list(name)]
    objects.put(lab.store, name, lab.memory._find(name, version).data, lock_until=clock.moment + dt.timedelta(days=60))
    # a carried one is readable, and a restore takes that
    assert sorted(stream.storage_class for stream in lab.verify(Level.SIGNATURES).streams) == ["", "GLACIER"]


def copied(lab: Lab, clock: Clock) -> list[str]:
    """All packs as at a replica: the same bytes under other versions; returns their names."""
    found = packs(lab)
    for name in found:
        data = lab.memory._versions.pop(name)[0].data
        objects.put(lab.store, name, data, lock_until=clock.moment + dt.timedelta(days=60))
    return found


def test_other_versions_than_the_named_are_brought_back_where_that_is_not_there(
    lab: Lab, tmp_path: Path, clock: Clock
) -> None:
    lab.run(MemorySource(FILES))
    copied(lab, clock)
    away(lab)
    assert "2 objects rest in an archive class" in refused(lab, tmp_path / "target").message
    waiting = Waiting(clock)
    assert lab.restore(tmp_path / "target", retrieval=waiting.retrieval()).proven
    assert sum(waiting.paused) == 4 * 3600


def test_what_is_of_another_size_is_not_brought_back(lab: Lab, tmp_path: Path, clock: Clock) -> None:
    lab.run(MemorySource(FILES))
    for name in copied(lab, clock):
        objects.put(lab.store, name, b"junk", lock_until=clock.moment + dt.timedelta(days=60))
    away(lab)
    error = refused(lab, tmp_path / "target", how=REQUEST)
    assert len(t.cast("list[object]", error.details["archived"])) == 2
    assert [listed.returning for listed in lab.store.list("packs/")].count(True) == 2
    assert all(not listed.returning for listed in lab.store.list("packs/") if listed.size == 4)
