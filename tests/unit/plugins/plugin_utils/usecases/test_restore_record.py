# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore says that it begins before its host is asked, and its end is known, or found to be missing."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import DeniedError, RestoreError
from ansible_collections.holdfast.config.plugins.plugin_utils.format import names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import events, records
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import verify_signature
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore_record import Context, announced
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import Clock, Lab

RUN = "1" * 16
ACTOR = {"user": "ops", "controller": "c1", "run": RUN}


class Killed(BaseException):
    """The process ends here: nothing of it runs any more."""


@pytest.fixture
def sealed(lab: Lab) -> Lab:
    lab.run()
    return lab


def told(lab: Lab) -> list[events.Event]:
    """Events of restores, those that begin first; all of them may be of one second."""
    found, refused = events.events(lab.repository)
    assert refused == ()
    return sorted((event for event in found if event.host), key=lambda event: event.event != events.INTENT)


def silent(lab: Lab) -> list[str]:
    return [one.problem for one in lab.verify(Level.SIGNATURES).findings if "has not said how it ended" in one.problem]


def test_it_is_said_before_the_host_is_asked(sealed: Lab, tmp_path: Path) -> None:
    seen: list[int] = []

    def trip(_half: str, _request: Mapping[str, t.Any], _payload: bytes = b"") -> str:
        seen.append(len(told(sealed)))
        raise RestoreError("the host is away")

    with pytest.raises(RestoreError):
        sealed.restore(tmp_path / "there", trip=trip, change={"id": "CHG-2"}, actor=ACTOR)
    assert seen == [1]
    begun, ended = told(sealed)
    assert (begun.event, begun.point[0], begun.host) == (events.INTENT, RUN, "h")
    snapshots = {entry.manifest.sha256 for entry in sealed.live().streams.values()}
    assert {**begun.detail, "snapshots": set(begun.detail["snapshots"])} == {
        "target_host": "h",
        "under": str(tmp_path / "there"),
        "snapshots": snapshots,
        "actor": ACTOR,
        "change": {"id": "CHG-2"},
    }
    assert (ended.event, ended.subject["intent"]) == (events.ENDED, names.parse(begun.name).sha256)
    assert (ended.detail["result"], ended.detail["why"]) == (events.UNFINISHED, "RestoreError")


def test_the_restorers_key_signs_both(sealed: Lab, tmp_path: Path) -> None:
    sealed.restore(tmp_path / "there", actor=ACTOR)
    (begun,) = told(sealed)
    record, envelope = record_format.read(sealed.store.get(begun.name), what=begun.name)
    verify_signature(sealed.repository.chain, record.root, envelope, use="record", at=record.at, what=begun.name)


def test_its_record_ends_it(sealed: Lab, tmp_path: Path, clock: Clock) -> None:
    done = sealed.restore(tmp_path / "there", actor=ACTOR)
    (begun,) = told(sealed)
    record, _removed = records.read_witnessed(sealed.repository, str(done.record))
    assert record.subject["intent"] == names.parse(begun.name).sha256
    clock.advance(days=2)
    assert silent(sealed) == []


def test_check_mode_says_nothing(sealed: Lab, tmp_path: Path) -> None:
    sealed.restore(tmp_path / "there", actor=ACTOR, check=True)
    assert sealed.names("records/") == []


def test_verify_finds_one_that_began_and_never_ended(sealed: Lab, clock: Clock) -> None:
    with (
        pytest.raises(Killed),
        announced(sealed.repository, sealed.keyring, "h", (), Context("h", "/", ACTOR, {})),
    ):
        raise Killed
    assert [event.event for event in told(sealed)] == [events.INTENT]
    assert silent(sealed) == []
    clock.advance(days=2)
    (problem,) = silent(sealed)
    assert "of ops on c1" in problem
    assert "the restore of h" in problem


def test_one_host_ends_nothing_of_another(sealed: Lab, tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(Killed), announced(sealed.repository, sealed.keyring, "x", (), Context("x", "/", ACTOR, {})):
        raise Killed
    sealed.restore(tmp_path / "there", actor=ACTOR)
    with (
        pytest.raises(ValueError, match="bug"),
        announced(sealed.repository, sealed.keyring, "y", (), Context("y", "/", ACTOR, {})),
    ):
        raise ValueError("bug")
    clock.advance(days=2)
    (problem,) = silent(sealed)
    assert "the restore of x" in problem


def test_a_restore_is_no_run_that_an_open_misses(sealed: Lab, clock: Clock) -> None:
    with pytest.raises(Killed), announced(sealed.repository, sealed.keyring, "h", (), Context("h", "/", ACTOR, {})):
        raise Killed
    clock.advance(days=2)
    folder = sealed.folder()
    opened = events.announce(folder, sealed.repository, sealed.keyring, sealed.open(folder))
    assert opened.notes == ()


def test_who_only_backs_up_cannot_say_that_a_restore_ended(sealed: Lab, clock: Clock) -> None:
    with pytest.raises(Killed), announced(sealed.repository, sealed.keyring, "h", (), Context("h", "/", ACTOR, {})):
        raise Killed
    (begun,) = told(sealed)
    claim = {"run": RUN, "host": "h", "intent": names.parse(begun.name).sha256}
    events.put_event(sealed.repository, sealed.keyring, events.ENDED, claim, {}, use="point")
    _found, refused = events.events(sealed.repository)
    assert len(refused) == 1
    clock.advance(days=2)
    assert len(silent(sealed)) == 1


class Deaf(MemoryStore):
    """Takes no record of a restore, and all others."""

    def _put(self, name: str, *more: t.Any) -> t.Any:
        if name.startswith("records/restore/"):
            raise DeniedError("cannot put", item=name, remedy="Ask for the right.")
        return super()._put(name, *more)


def test_a_record_that_was_not_kept_is_said(sealed: Lab, tmp_path: Path) -> None:
    store = Deaf(now=sealed.memory._now)
    store._versions = sealed.memory._versions
    done = sealed.on(store).restore(tmp_path / "there", actor=ACTOR)
    assert (done.proven, done.record) == (True, None)
    _begun, ended = told(sealed)
    assert ended.detail["result"] == events.UNRECORDED
