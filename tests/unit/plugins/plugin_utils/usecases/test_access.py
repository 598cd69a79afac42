# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rights are given in the window that people have signed for, end with it, and no record is missing or too many."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DeniedError,
    KeyringError,
    NotFoundError,
    PolicyError,
    SignatureError,
    StoreError,
    UnavailableError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_access import Token, VaultAccess
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.access import ACCESS_GIVEN
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.store.s3_client import RoleKeys
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import access, objects, records, verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.access import Access, Approved
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.access_folder import AccessFolder
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .council import LOCK, QUORUM, all_sign, governed, request_of, retiring
from .faults import FaultyStore
from .lab import FILES, Clock, Lab

ACCESS = Quorum("access", 2, ("security", "operations"))
HOUR = dt.timedelta(hours=1)


class Vault(VaultAccess):
    """One that keeps tokens in memory, and ends them by the lab's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.tokens: dict[str, dt.datetime] = {}
        self.meta: list[Mapping[str, str]] = []
        self.most = 86400

    def give(self, *, seconds: int, meta: Mapping[str, str]) -> Token:
        number = len(self.meta) + 1
        self.meta.append(meta)
        lasts = min(seconds, self.most)
        self.tokens[f"accessor-{number}"] = self._clock() + dt.timedelta(seconds=lasts)
        return Token(f"hvs.CANARY{number}", f"accessor-{number}", lasts)

    def left(self, accessor: str) -> int:
        end = self.tokens.get(accessor, self._clock())
        return max(0, int((end - self._clock()).total_seconds()))

    def end(self, accessor: str) -> None:
        self.tokens.pop(accessor, None)


@dataclasses.dataclass
class Scene:
    """A repository with people, a broker, and the folder of what lets in."""

    lab: Lab
    clock: Clock
    vault: Vault
    folder: AccessFolder
    sessions: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    late: dt.timedelta = dt.timedelta(0)

    def ask(self, *, begins: dt.timedelta = -HOUR, lasts: dt.timedelta = 3 * HOUR, **more: t.Any) -> t.Any:
        """Ask for a window."""
        since = instant.whole(self.clock()) + begins
        given = {"since": since, "until": since + lasts, "host": "h", "request": request_of(self.lab), **more}
        return access.ask(self.lab.repository, **given)

    def approved(self, *who: str, **more: t.Any) -> Approved:
        """A window that people have signed for; alice and bob unless told otherwise."""
        pending, _made = self.ask(**more)
        all_sign(self.lab, pending, *(who or ("alice", "bob")))
        records.complete(self.lab.repository, pending)
        return access.approved(self.lab.repository, pending)

    def assume(self, name: str, seconds: int) -> RoleKeys:
        """Keys of a session."""
        self.sessions.append((name, seconds))
        return RoleKeys(f"AK{len(self.sessions)}", "s", "t", self.clock() + dt.timedelta(seconds=seconds) + self.late)

    def give(self, wanted: Approved, *, keys: bool = False, **more: t.Any) -> Access:
        """Give what is left of it."""
        given = {"assume": self.assume if keys else None, **more}
        return access.present(self.lab.repository, self.vault, self.folder, wanted, **given)

    def end(self, **more: t.Any) -> Access:
        """End it."""
        return access.absent(self.lab.repository, self.vault, self.folder, **more)

    def notes(self) -> list[str]:
        """Names of the records of what was given."""
        return sorted({one.name for one in self.lab.store.list(f"records/{ACCESS_GIVEN}/")})


@pytest.fixture
def scene(tmp_path: Path, keys: Path, clock: Clock) -> Scene:
    lab = governed(tmp_path, keys, clock, quorum=(*QUORUM, ACCESS))
    lab.run({"h": MemorySource(FILES)})
    clock.advance(hours=1)
    return Scene(lab, clock, Vault(clock), AccessFolder(tmp_path / "access"))


# asking


def test_a_request_names_the_window_and_the_identity_of_the_host(scene: Scene) -> None:
    request = request_of(scene.lab)
    pending, made = scene.ask(request=request)
    assert made
    since = instant.whole(scene.clock()) - HOUR
    assert pending.document.subject == {
        "identity": "restorer",
        "from": instant.to_text(since),
        "until": instant.to_text(since + 3 * HOUR),
        "host": "h",
    }
    assert scene.ask(request=request) == (pending, False)
    assert scene.ask(request=request, lasts=HOUR * 4)[1]


@pytest.mark.parametrize(
    ("more", "error", "told"),
    [
        ({"lasts": 25 * HOUR}, PolicyError, "is no window"),
        ({"lasts": HOUR}, PolicyError, "has ended already"),
        ({"host": "web9"}, NotFoundError, "nothing of web9"),
    ],
)
def test_what_cannot_be_given_is_not_asked_for(scene: Scene, more: t.Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        scene.ask(**more)


def test_no_ticket_no_request(scene: Scene) -> None:
    with pytest.raises(PolicyError, match="none is named"):
        scene.ask(request=request_of(scene.lab, ticket=""))


def test_people_that_the_root_does_not_name_for_it_are_not_asked(scene: Scene, tmp_path: Path, keys: Path) -> None:
    other = governed(tmp_path / "other", keys, scene.clock)
    with pytest.raises(PolicyError, match="lets nobody sign for access"):
        Scene(other, scene.clock, scene.vault, scene.folder).ask(host=None)


# what counts


def test_nothing_is_given_without_enough_signatures(scene: Scene) -> None:
    pending, _made = scene.ask()
    with pytest.raises(SignatureError, match="it lacks 2 more people"):
        access.approved(scene.lab.repository, pending)
    all_sign(scene.lab, pending, "alice")
    with pytest.raises(SignatureError, match="it lacks 1 more person"):
        access.approved(scene.lab.repository, pending)
    all_sign(scene.lab, pending, "bob")
    # signed, and nobody has put the record
    with pytest.raises(SignatureError, match="no record"):
        access.approved(scene.lab.repository, pending)


def test_another_request_gives_nothing(scene: Scene) -> None:
    request = request_of(scene.lab)
    pending, _made = records.ask(
        scene.lab.repository, "retired", host="h", stream=None, request=request, live=scene.lab.live().streams
    )
    with pytest.raises(PolicyError, match="asks for retired"):
        access.approved(scene.lab.repository, pending)


@pytest.mark.parametrize(
    ("passes", "told"),
    [
        (dt.timedelta(0), "has not begun"),
        (dt.timedelta(minutes=59), "has not begun"),
        (4 * HOUR, "has ended"),
        (4 * HOUR - dt.timedelta(seconds=2), "has ended"),
    ],
)
def test_nothing_is_given_outside_of_the_window(scene: Scene, passes: dt.timedelta, told: str) -> None:
    wanted = scene.approved(begins=HOUR)
    scene.clock.advance(seconds=passes.total_seconds())
    with pytest.raises(PolicyError, match=told):
        scene.give(wanted)
    assert (scene.vault.meta, scene.notes(), scene.folder.read()) == ([], [], None)


# giving


def test_a_token_ends_with_the_window_and_says_what_for(scene: Scene) -> None:
    wanted = scene.approved()
    given = scene.give(wanted)
    assert (given.changed, given.store_until) == (("token",), None)
    assert scene.vault.meta == [{"ticket": "CHG7", "record": wanted.id, "requester": "frank"}]
    assert given.until is not None
    assert wanted.window.until - dt.timedelta(seconds=3) <= given.until <= wanted.window.until
    assert max(scene.vault.tokens.values()) <= wanted.window.until
    assert (scene.folder.path / "token").read_text() == "hvs.CANARY1\n"
    assert [names.parse(name).sha256 for name in scene.notes()] == [given.record]
    assert b"CANARY" not in b"".join(scene.lab.store.get(name) for name in scene.notes())


def test_keys_for_the_store_end_before_the_window(scene: Scene) -> None:
    wanted = scene.approved()
    given = scene.give(wanted, keys=True, longest_keys=43200)
    assert given.changed == ("token", "store")
    assert given.store_until is not None
    assert given.store_until <= wanted.window.until
    assert scene.sessions[0][0] == "CHG7"
    scene.folder.clear()
    assert scene.give(wanted, keys=True, longest_keys=1800).store_until == scene.clock() + dt.timedelta(seconds=1800)


def test_a_second_run_changes_nothing(scene: Scene) -> None:
    wanted = scene.approved()
    given = scene.give(wanted, keys=True)
    scene.clock.advance(minutes=30)
    again = scene.give(wanted, keys=True)
    assert (again.changed, again.record, again.until, again.store_until) == ((), "", given.until, given.store_until)
    assert (len(scene.vault.meta), len(scene.sessions), len(scene.notes())) == (1, 1, 1)


def test_keys_that_have_ended_are_given_anew_and_the_token_stays(scene: Scene) -> None:
    wanted = scene.approved()
    first = scene.give(wanted, keys=True)
    scene.clock.advance(minutes=58)
    again = scene.give(wanted, keys=True)
    assert (again.changed, again.until) == (("store",), first.until)
    assert (scene.folder.path / "token").read_text() == "hvs.CANARY1\n"
    assert "AK2" in (scene.folder.path / "credentials").read_text()
    # at the end of the window nobody gives others, and these last
    scene.clock.advance(minutes=58)
    last = scene.give(wanted, keys=True)
    assert (last.changed, last.warnings) == ((), ())


def test_for_a_short_rest_no_keys_are_given_and_that_is_told(scene: Scene) -> None:
    wanted = scene.approved(lasts=HOUR + dt.timedelta(minutes=10))
    given = scene.give(wanted, keys=True)
    assert (given.changed, given.store_until, scene.sessions) == (("token",), None, [])
    assert "no server gives any for less than 900 seconds" in given.warnings[0]


def test_a_role_that_gives_less_is_told(scene: Scene) -> None:
    scene.vault.most = 60
    wanted = scene.approved()
    given = scene.give(wanted)
    assert given.until == instant.whole(scene.clock()) + dt.timedelta(seconds=60)
    assert "alone; run this again then" in given.warnings[0]
    scene.clock.advance(seconds=61)
    assert scene.give(wanted).changed == ("token",)
    assert (scene.folder.path / "token").read_text() == "hvs.CANARY2\n"


def test_keys_that_are_good_outlive_a_token_of_the_same_window(scene: Scene) -> None:
    """Where the role gives tokens of 110 minutes, and no server gives keys for the rest."""
    scene.vault.most = 6600
    wanted = scene.approved()
    first = scene.give(wanted, keys=True, longest_keys=7200)
    scene.clock.advance(minutes=111)
    again = scene.give(wanted, keys=True, longest_keys=7200)
    assert (again.changed, again.store_until, again.warnings) == (("token",), first.store_until, ())
    assert "AK1" in (scene.folder.path / "credentials").read_text()
    assert (scene.folder.path / "token").read_text() == "hvs.CANARY2\n"
    # and it is known that they are there
    assert scene.end().store_until == first.store_until


def test_keys_that_have_ended_go_with_the_token_that_has(scene: Scene) -> None:
    scene.vault.most = 1800
    wanted = scene.approved()
    scene.give(wanted, keys=True, longest_keys=900)
    scene.clock.advance(minutes=31)
    assert scene.give(wanted).store_until is None
    assert not scene.folder.has_keys


def test_what_is_there_for_another_window_is_ended_first(scene: Scene) -> None:
    scene.give(scene.approved(), keys=True)
    scene.give(scene.approved(lasts=4 * HOUR))
    assert list(scene.vault.tokens) == ["accessor-2"]
    assert not scene.folder.has_keys


@pytest.mark.parametrize("lost", ["token", "access.json"])
def test_a_file_that_is_lost_is_given_anew(scene: Scene, lost: str) -> None:
    wanted = scene.approved()
    scene.give(wanted)
    (scene.folder.path / lost).unlink()
    assert scene.give(wanted).changed == ("token",)
    assert (scene.folder.path / "token").read_text() == "hvs.CANARY2\n"


def test_check_mode_gives_and_ends_nothing(scene: Scene) -> None:
    wanted = scene.approved()
    dry = dataclasses.replace(scene, lab=scene.lab.on(DryRunStore(scene.lab.store)))
    assert dry.give(wanted, keys=True, check=True).changed == ("token", "store")
    assert (scene.vault.meta, scene.sessions, scene.notes(), scene.folder.read()) == ([], [], [], None)
    scene.give(wanted)
    assert dry.end(check=True).changed == ("token",)
    assert (len(scene.vault.tokens), len(scene.notes())) == (1, 1)
    assert scene.folder.read() is not None


def test_what_no_record_tells_of_is_ended_again(scene: Scene) -> None:
    wanted = scene.approved()

    def refuse(_number: int, operation: str, _name: str) -> None:
        if operation == "put":
            raise DeniedError("no")

    faulty = FaultyStore(scene.lab.store, before=refuse)
    with pytest.raises(DeniedError):
        dataclasses.replace(scene, lab=scene.lab.on(faulty)).give(wanted)
    assert (scene.vault.tokens, scene.folder.read()) == ({}, None)


def test_what_cannot_be_written_is_ended_again(scene: Scene) -> None:
    wanted = scene.approved()
    scene.folder.path.mkdir()
    (scene.folder.path / "token").mkdir()
    with pytest.raises(PolicyError, match="cannot be used"):
        scene.give(wanted)
    assert scene.vault.tokens == {}


def test_keys_that_would_outlast_the_window_are_not_kept(scene: Scene) -> None:
    wanted = scene.approved()
    scene.late = HOUR
    with pytest.raises(StoreError, match="after the window"):
        scene.give(wanted, keys=True, longest_keys=43200)
    assert (scene.vault.tokens, scene.notes(), scene.folder.read()) == ({}, [], None)


# ending


def test_an_end_before_the_window_is_over_is_recorded(scene: Scene) -> None:
    given = scene.give(scene.approved(), keys=True)
    scene.clock.advance(minutes=5)
    ended = scene.end()
    assert (ended.changed, ended.store_until) == (("token", "store"), given.store_until)
    assert "keys for the store cannot be ended" in ended.warnings[0]
    assert (scene.vault.tokens, list(scene.folder.path.iterdir()), len(scene.notes())) == ({}, [], 2)
    assert (scene.end().changed, len(scene.notes())) == ((), 2)


def test_what_has_ended_by_itself_is_only_cleared(scene: Scene) -> None:
    scene.give(scene.approved(), keys=True)
    scene.clock.advance(hours=3)
    ended = scene.end()
    assert (ended.changed, ended.record, ended.warnings) == (("token", "store"), "", ())
    assert list(scene.folder.path.iterdir()) == []


def test_files_stay_where_the_end_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.give(scene.approved())

    def refuse(_accessor: str) -> None:
        raise UnavailableError("it is sealed")

    monkeypatch.setattr(scene.vault, "end", refuse)
    with pytest.raises(UnavailableError):
        scene.end()
    assert scene.folder.read() is not None


@pytest.mark.parametrize("left", [None, b"", b"{}"], ids=["lost", "empty", "edited"])
def test_files_go_also_where_nothing_says_how_they_are_ended(scene: Scene, left: bytes | None) -> None:
    scene.give(scene.approved(), keys=True)
    known = scene.folder.path / "access.json"
    known.unlink() if left is None else known.write_bytes(left)
    assert scene.end(check=True).changed == ("token", "store")
    assert (scene.folder.path / "token").exists()
    ended = scene.end()
    assert (ended.changed, ended.record) == (("token", "store"), "")
    assert "lives until its own end" in ended.warnings[0]
    assert list(scene.folder.path.iterdir()) == []
    assert (scene.end().changed, scene.end().warnings) == ((), ())


@pytest.mark.parametrize("given", [True, False])
def test_what_a_run_left_that_was_killed_goes_too(scene: Scene, given: bool) -> None:
    if given:
        scene.give(scene.approved())
    scene.folder.path.mkdir(exist_ok=True)
    (scene.folder.path / ".new-abc").write_text("hvs.CANARY")
    ended = scene.end()
    assert (ended.changed, bool(ended.warnings)) == (("token",), not given)
    assert list(scene.folder.path.iterdir()) == []


def test_within_the_window_it_is_given_again(scene: Scene) -> None:
    wanted = scene.approved()
    scene.give(wanted)
    scene.end()
    assert scene.give(wanted).changed == ("token",)


# what is known


def test_records_tell_who_has_access(scene: Scene) -> None:
    wanted = scene.approved()
    later = scene.approved(begins=5 * HOUR)
    scene.give(wanted, keys=True)
    scene.clock.advance(minutes=1)
    found = access.listing(scene.lab.repository)
    assert {row.approved.id for row in found.rows} == {wanted.id, later.id}
    (row,) = [row for row in found.rows if row.approved == wanted]
    assert [one.ended for one in row.given] == [False]
    assert (found.strays, found.refused, found.unread) == ((), (), 0)
    scene.end()
    (row,) = [row for row in access.listing(scene.lab.repository).rows if row.approved == wanted]
    assert [(one.ended, one.until) for one in row.given] == [(True, instant.whole(scene.clock()))]
    assert access.listing(scene.lab.repository, most=1).unread == 2


def note(scene: Scene, detail: t.Any, *, repository: str = "", at: dt.datetime | None = None) -> str:
    """Put what whoever may put there could."""
    moment = instant.whole(at or scene.clock())
    lab = scene.lab
    record = Record(
        repository or lab.repository.name,
        lab.repository.root.id,
        ACCESS_GIVEN,
        moment,
        "x",
        {"record": "0" * 64},
        detail,
    )
    data = dsse.write(dsse.Envelope(record_format.PAYLOAD_TYPE, record_format.payload(record), ()))
    return objects.put(lab.store, names.for_record(ACCESS_GIVEN, moment, data), data, lock_until=LOCK).name


def test_what_was_given_for_no_record_is_named(scene: Scene) -> None:
    detail = {"ticket": "", "accessor": "b" * 64, "until": instant.to_text(scene.clock() + HOUR), "ended": False}
    note(scene, detail)
    bad = [
        note(scene, {}),
        note(scene, detail, repository="other"),
        note(scene, detail, at=scene.clock() + HOUR),
    ]
    found = access.listing(scene.lab.repository)
    assert [one.record for one in found.strays] == ["0" * 64]
    assert {name for name, _reason in found.refused} == set(bad)


def test_what_is_not_signed_enough_is_not_listed(scene: Scene) -> None:
    pending, _made = scene.ask()
    window = retiring(scene.lab, kind="access", subject=pending.document.subject, request=pending.request)
    payload = record_format.payload(window)
    data = dsse.write(dsse.Envelope(record_format.PAYLOAD_TYPE, payload, ()))
    name = objects.put(scene.lab.store, names.for_record("access", window.at, data), data, lock_until=LOCK).name
    found = access.listing(scene.lab.repository)
    assert (found.rows, [one for one, _reason in found.refused]) == ((), [name])


def test_verify_believes_what_people_signed_and_lets_notes_be(scene: Scene) -> None:
    scene.give(scene.approved())
    report = verify.verify(scene.lab.repository, level=verify.Level.SIGNATURES)
    assert report.sound
    assert not [finding for finding in report.findings if "records/" in (finding.item or "")]


def test_a_broker_that_is_refused_gives_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_asked: t.Any) -> Token:
        raise KeyringError("no")

    monkeypatch.setattr(scene.vault, "give", refuse)
    with pytest.raises(KeyringError):
        scene.give(scene.approved(), keys=True)
    assert (scene.sessions, scene.notes(), scene.folder.read()) == ([], [], None)
