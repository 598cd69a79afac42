# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A class-year's key goes only as people have signed, what goes with it is known before, and every reader says so."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    FullError,
    KeyDestroyedError,
    KeyMissingError,
    KeyringError,
    NotFoundError,
    PolicyError,
    SignatureError,
    WrongKeyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault import MOST_SIGNED
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level, Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import (
    approvals,
    destroyed,
    destruction,
    legal_hold,
    objects,
    open_snapshot,
    points,
    records,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.approvals import Pending
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.destruction import Destruction
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import sign_envelope
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .council import (
    DAY,
    LOCK,
    QUORUM,
    all_sign,
    followed,
    governed,
    person,
    persons,
    presented,
    put_record,
    reopened,
    request_of,
)
from .faults import Fault, FaultyStore
from .lab import FILES, NAME, START, Clock, Lab, declared, problems

DESTRUCTION = Quorum("destruction", 2, ("security", "operations"))
ESCROW = Quorum("escrow-destroyed", 1, ("audit",))
# the classes of the two streams that a host of the lab has
TIER1, TIER2 = (declared().classes[stream.retention_class].name for stream in declared().streams())
KEY = f"{TIER1}-2026"
CHANGED = {**FILES, "/etc/app/main.conf": b"listen = 9090\n"}
ACTOR = {"user": "carol", "controller": "c1", "run": "0" * 16}


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock) -> Lab:
    """Hosts h and other were backed up in 2026, and h has changed since. The root has no key that follows theirs."""
    lab = governed(tmp_path, keys, clock, quorum=(*QUORUM, DESTRUCTION, ESCROW))
    lab.run({"h": MemorySource(FILES), "other": MemorySource(FILES)})
    clock.advance(hours=1)
    lab.run({"h": MemorySource(CHANGED), "other": MemorySource(FILES)})
    clock.advance(hours=1)
    return lab


@pytest.fixture
def succeeded(lab: Lab) -> Lab:
    """The same, and the root has keys that follow."""
    return followed(lab, rotate=("wrap", "escrow"))


def demanded(lab: Lab, *who: str, key: str = KEY, **more: t.Any) -> str:
    """Ask for a destruction, let these people sign it and complete it; return the digest of the record."""
    pending, made = destruction.ask(lab.repository, key, request_of(lab), **more)
    assert made
    all_sign(lab, pending, *(who or ("alice", "bob")))
    return names.parse(records.complete(lab.repository, pending)[0]).sha256


def destroy(lab: Lab, key: str = KEY, **more: t.Any) -> Destruction:
    return destruction.destroy(lab.repository, lab.keyring, key, actor=ACTOR, **more)


def gone(lab: Lab) -> Lab:
    """The lab once its key was destroyed as people have signed."""
    demanded(lab)
    assert destroy(lab).made
    return lab


def escrow_signed(lab: Lab, key: str = KEY, *who: str) -> None:
    pending, _made = destruction.ask_escrow(lab.repository, key, request_of(lab))
    all_sign(lab, pending, *(who or ("dave",)))
    records.complete(lab.repository, pending)


def machine_says(lab: Lab, kind: str, subject: t.Any, **detail: t.Any) -> None:
    """Put a record as whoever holds the record key can."""
    root, at = lab.repository.root, lab.store.clock().replace(microsecond=0)
    by = lab.keyring.signer(use="record", among=root.signing("record", at))
    payload = record_format.payload(Record(NAME, root.id, kind, at, by, subject, detail))
    data = sign_envelope(lab.keyring, record_format.PAYLOAD_TYPE, payload, use="record", by=by)
    objects.put(lab.store, names.for_record(kind, at, data), data, lock_until=LOCK)


def there(lab: Lab, key: str = KEY) -> bool:
    return lab.keyring.holds(destruction.outlook(lab.repository, key).key)


def full_at(prefix: str, *, after: int = 0) -> Fault:
    """A store that has no room for records of a kind, after so many of them."""
    seen: list[str] = []

    def full(_number: int, operation: str, name: str) -> None:
        if operation == "put" and name.startswith(prefix):
            seen.append(name)
            if len(seen) > after:
                raise FullError("no room")

    return full


def opened(lab: Lab) -> set[str]:
    """The manifests of all snapshots that the keyring opens."""
    found = set()
    for entry in (entry for point in points.history(lab.repository) for entry in point.body.streams):
        with contextlib.suppress(KeyMissingError):
            manifest = open_snapshot.read_manifest(lab.repository, entry)
            open_snapshot.unwrap(lab.repository.chain, lab.keyring, manifest)
            found.add(entry.manifest.name)
    return found


def state(lab: Lab) -> str:
    (found,) = destruction.standings(lab.repository)
    return found.state


def forget(lab: Lab, name: str) -> None:
    """As a store does when it is over."""
    lab.memory._versions.pop(name, None)


# what is seen before


def test_outlook_names_what_the_key_opens_and_nothing_else(lab: Lab) -> None:
    found = destruction.outlook(lab.repository, KEY)
    told = [(one.entry.name, one.entry.stream, one.newest, len(one.points)) for one in found.snapshots]
    assert sorted(told) == [
        ("h", "tier1", False, 1),
        ("h", "tier1", True, 1),
        ("other", "tier1", True, 2),
    ]
    assert found.demand.subject == {
        "key": KEY,
        "snapshots": 3,
        "locked": 3,
        "newest": 2,
        "hosts_left_without": 0,
        "in_use": True,
    }
    # their other stream is under another key
    assert (found.bare, found.escrow, found.unread) == ((), (KEY,), ())
    later = destruction.outlook(lab.repository, f"{TIER1}-2027")
    assert (later.snapshots, later.in_use) == ((), True)


def test_outlook_needs_no_key_and_names_hosts_that_nothing_is_left_of(succeeded: Lab) -> None:
    lab = gone(succeeded)
    found = destruction.outlook(lab.repository, f"{TIER2}-2026")
    assert found.bare == ("h", "other")
    assert not found.in_use


def test_what_has_expired_is_not_lost(lab: Lab, clock: Clock) -> None:
    clock.advance(days=1000)
    # the store has dropped what was under it
    for listed in list(lab.store.list(f"manifests/{TIER1}/")):
        forget(lab, listed.name)
    found = destruction.outlook(lab.repository, KEY)
    assert (found.snapshots, found.unread) == ((), ())


def test_a_manifest_that_is_damaged_is_named(lab: Lab) -> None:
    name = next(listed.name for listed in lab.store.list(f"manifests/{TIER1}/h/"))
    forget(lab, name)
    assert destruction.outlook(lab.repository, KEY).unread == (name,)


@pytest.mark.parametrize("key", ["d0000-2026", f"{TIER1}-2026b", "", "d0090", "../d0090-2026", "d0090-\uff12026"])
def test_a_key_that_no_root_names_is_refused(lab: Lab, key: str) -> None:
    for call in (destruction.outlook, lambda repository, key: destruction.ask(repository, key, request_of(lab))):
        with pytest.raises(NotFoundError, match="no root"):
            call(lab.repository, key)
    with pytest.raises(NotFoundError, match="no root"):
        destruction.ask_escrow(lab.repository, key, request_of(lab))


# asking


def test_a_key_in_use_is_asked_for_only_where_that_is_meant(lab: Lab, succeeded: Lab) -> None:
    with pytest.raises(PolicyError, match="are sealed under this key, and backups of that class fail"):
        destruction.ask(lab.repository, KEY, request_of(lab))
    pending, made = destruction.ask(lab.repository, KEY, request_of(lab), allow_in_use=True)
    assert made
    assert isinstance(pending.document, Record)
    assert pending.document.subject["in_use"] is True
    asked, _made = destruction.ask(succeeded.repository, KEY, request_of(succeeded))
    assert isinstance(asked.document, Record)
    assert asked.document.subject["in_use"] is False


def test_what_is_under_legal_hold_is_not_asked_for_and_not_destroyed(succeeded: Lab) -> None:
    demanded(succeeded)
    legal_hold.present(succeeded.repository, legal_hold.scope(succeeded.repository, host="other"))
    with pytest.raises(PolicyError, match="under legal hold, the first other/tier1"):
        destruction.ask(succeeded.repository, KEY, request_of(succeeded))
    with pytest.raises(PolicyError, match="under legal hold"):
        destroy(succeeded)
    assert succeeded.keyring.holds(destruction.outlook(succeeded.repository, KEY).key)


# destroying


def test_two_people_destroy_a_key(succeeded: Lab) -> None:
    lab = succeeded
    before = destruction.outlook(lab.repository, KEY)
    demand = demanded(lab)
    assert state(lab) == "demanded"
    checked = destroy(lab, check=True)
    assert (checked.made, checked.record, checked.demand) == (True, "", demand)
    assert lab.keyring.holds(before.key)
    assert lab.contents()["/etc/app/main.conf"] == CHANGED["/etc/app/main.conf"]

    done = destroy(lab)
    assert (done.made, done.given_up, done.outlook.snapshots) == (True, False, before.snapshots)
    assert not lab.keyring.holds(before.key)
    assert state(lab) == "pending"
    again = destroy(lab)
    assert (again.made, again.record) == (False, done.record)
    # the same is listed after it
    assert destruction.outlook(lab.repository, KEY).snapshots == before.snapshots
    (known,) = destroyed.read(lab.repository, now=objects.now(lab.store)).keys.values()
    assert (known.record, known.demand, known.signers) == (done.record, demand, ("alice", "bob"))


@pytest.mark.parametrize("who", [(), ("alice",), ("alice", "dave")])
def test_too_few_people_destroy_nothing(succeeded: Lab, who: tuple[str, ...]) -> None:
    pending, _made = destruction.ask(succeeded.repository, KEY, request_of(succeeded))
    all_sign(succeeded, pending, *(one for one in who if one != "dave"))
    with pytest.raises(SignatureError, match="not enough people have signed destruction"):
        records.complete(succeeded.repository, pending)
    # past the code, as whoever may put can
    assert isinstance(pending.document, Record)
    if who:
        put_record(succeeded, pending.document, *who)
    with pytest.raises(SignatureError, match=f"nobody has signed that key {KEY} is destroyed"):
        destroy(succeeded)
    assert destruction.standings(succeeded.repository) == ()
    assert succeeded.keyring.holds(destruction.outlook(succeeded.repository, KEY).key)


def test_what_people_signed_for_one_key_destroys_no_other(succeeded: Lab) -> None:
    demanded(succeeded)
    for other in (f"{TIER1}-2026b", f"{TIER2}-2026", f"{TIER1}-2027"):
        with pytest.raises(SignatureError, match="nobody has signed"):
            destroy(succeeded, other)


def test_more_than_people_saw_is_not_destroyed(lab: Lab) -> None:
    demanded(lab, allow_in_use=True)
    lab.run({"h": MemorySource(FILES)})
    with pytest.raises(SignatureError, match="1 snapshots more are under it than people saw"):
        destroy(lab)
    assert lab.keyring.holds(destruction.outlook(lab.repository, KEY).key)


def test_their_time_ends(succeeded: Lab, clock: Clock) -> None:
    demanded(succeeded)
    clock.advance(days=8)
    with pytest.raises(SignatureError, match="what people signed for the destruction of key"):
        destroy(succeeded)
    assert state(succeeded) == "expired"


def test_a_key_that_somebody_took_away_is_no_destruction(succeeded: Lab) -> None:
    succeeded.keyring.destroy(destruction.outlook(succeeded.repository, KEY).key)
    with pytest.raises(SignatureError, match="and the keyring has it no longer"):
        destroy(succeeded)
    with pytest.raises(KeyMissingError, match="no identity for this key"):
        succeeded.contents()


def test_another_keyring_destroys_nothing(succeeded: Lab, tmp_path: Path, clock: Clock) -> None:
    demanded(succeeded)
    other = LocalKeyring(tmp_path / "other")
    other.create(repository=NAME, classes=[TIER1], first_year=2026, now=clock())
    with pytest.raises(WrongKeyError, match="no record key that the root lets sign"):
        destruction.destroy(succeeded.repository, other, KEY, actor=ACTOR)
    assert destroyed.read(succeeded.repository, now=clock()).keys == {}


def test_a_run_that_was_killed_is_finished_by_the_next(succeeded: Lab, clock: Clock) -> None:
    demand = demanded(succeeded)

    with pytest.raises(FullError):
        destroy(succeeded.on(FaultyStore(succeeded.store, before=full_at("records/destroyed/"))))
    assert not there(succeeded)
    assert state(succeeded) == "destroying"
    # what people signed has ended by then: what it was for was done in time
    clock.advance(days=8)
    done = destroy(succeeded)
    assert (done.made, done.demand) == (True, demand)
    assert state(succeeded) == "pending"


def test_a_run_that_was_killed_before_the_key_was_gone_is_finished_by_the_next(
    succeeded: Lab, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand = demanded(succeeded)

    def killed(_self: LocalKeyring, _key: t.Any) -> bool:
        raise KeyringError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(LocalKeyring, "destroy", killed)
        with pytest.raises(KeyringError):
            destroy(succeeded)
    assert (state(succeeded), there(succeeded)) == ("destroying", True)
    clock.advance(days=8)
    # what people ask for in between is not what was begun
    pending, _made = destruction.ask(succeeded.repository, KEY, request_of(succeeded, lasts=DAY))
    all_sign(succeeded, pending, "alice", "bob")
    records.complete(succeeded.repository, pending)
    assert state(succeeded) == "destroying"
    clock.advance(days=2)
    assert destroy(succeeded).demand == demand
    assert (state(succeeded), there(succeeded)) == ("pending", False)
    assert len(succeeded.names("records/destroying/")) == 1


def test_nothing_is_destroyed_that_was_not_noted_before(succeeded: Lab) -> None:
    demanded(succeeded)
    with pytest.raises(FullError):
        destroy(succeeded.on(FaultyStore(succeeded.store, before=full_at("records/destroying/"))))
    assert (state(succeeded), there(succeeded)) == ("demanded", True)


@pytest.mark.parametrize("after", [dt.timedelta(0), 40 * DAY])
def test_a_key_that_was_lost_is_not_destroyed_as_people_signed(
    succeeded: Lab, clock: Clock, after: dt.timedelta
) -> None:
    demand = demanded(succeeded)
    clock.advance(days=after.days)
    succeeded.keyring.destroy(destruction.outlook(succeeded.repository, KEY).key)
    # who holds the record key says so too late, or of another key
    if after:
        machine_says(succeeded, "destroying", {"key": KEY, "record": demand})
    machine_says(succeeded, "destroying", {"key": f"{TIER2}-2026", "record": demand})
    with pytest.raises(SignatureError, match=r"nobody had begun to destroy key .*, and the keyring has it no longer"):
        destroy(succeeded)
    assert succeeded.names("records/destroyed/") == []
    assert state(succeeded) == ("expired" if after else "demanded")


def test_an_older_demand_holds_as_long_as_people_said(succeeded: Lab, clock: Clock) -> None:
    older = demanded(succeeded)
    clock.advance(hours=1)
    request = request_of(succeeded, lasts=dt.timedelta(hours=1), reason="again")
    pending, _made = destruction.ask(succeeded.repository, KEY, request)
    all_sign(succeeded, pending, "alice", "bob")
    records.complete(succeeded.repository, pending)
    clock.advance(hours=2)
    assert destroy(succeeded).demand == older


def test_a_key_that_is_there_again_is_destroyed_again(succeeded: Lab, clock: Clock) -> None:
    lab = succeeded
    file = lab.path / "keyring" / "open" / "identities.txt"
    saved = file.read_bytes()
    gone(lab)
    lost = {one.entry.manifest.name for one in destruction.outlook(lab.repository, KEY).snapshots}
    # somebody brings a backup of the keyring back, long after
    clock.advance(days=30)
    file.write_bytes(saved)
    assert lost <= opened(lab)
    assert destroy(lab, check=True).made
    assert destroy(lab).made
    assert not lost & opened(lab)
    assert not destroy(lab).made


def test_a_record_alone_destroys_nothing(succeeded: Lab) -> None:
    demand = demanded(succeeded)
    newest = [
        one.entry.manifest.sha256 for one in destruction.outlook(succeeded.repository, KEY).snapshots if one.newest
    ]
    machine_says(succeeded, "destroyed", {"key": KEY, "record": demand}, newest=newest, escrow=[])
    assert destroy(succeeded).made
    assert not there(succeeded)


def test_more_that_was_sealed_under_it_is_signed_for_again(lab: Lab, clock: Clock) -> None:
    saved = (lab.path / "keyring" / "open" / "identities.txt").read_bytes()
    folder = lab.folder()
    lab.open(folder, "h")
    demanded(lab, allow_in_use=True)
    destroy(lab)
    with pytest.raises(PolicyError, match="was destroyed on"):
        destruction.ask(lab.repository, KEY, request_of(lab), allow_in_use=True)
    lab.snapshot(folder, MemorySource({**CHANGED, "/etc/app/other": b"y"}))
    lab.seal(folder)
    clock.advance(hours=1)
    (lab.path / "keyring" / "open" / "identities.txt").write_bytes(saved)
    with pytest.raises(SignatureError, match="1 snapshots more"):
        destroy(lab)
    demanded(lab, allow_in_use=True)
    assert destroy(lab).made
    assert not there(lab)


def test_what_no_record_has_room_for_is_not_destroyed(succeeded: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    demanded(succeeded)
    monkeypatch.setattr(destruction, "MOST_BYTES", 900)
    with pytest.raises(PolicyError, match="more than the 900 bytes"):
        destruction.destroy(succeeded.repository, succeeded.keyring, KEY, actor={"user": "c" * 900})
    assert (state(succeeded), there(succeeded)) == ("demanded", True)


def test_what_a_record_lists_is_no_more_than_every_keyring_signs() -> None:
    detail = {"snapshots": 10**6, "newest": ["c" * 64] * destruction.MOST_NAMED, "escrow": [KEY] * 26, "actor": ACTOR}
    record = Record(NAME, "a" * 64, "destroyed", START, "b" * 64, {"key": KEY, "record": "c" * 64}, detail)
    assert len(record_format.payload(record)) < destruction.MOST_BYTES < MOST_SIGNED


def test_several_records_tell_of_one_key(succeeded: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = succeeded
    monkeypatch.setattr(destruction, "MOST_NAMED", 1)
    demanded(lab)
    with pytest.raises(FullError):
        destroy(lab.on(FaultyStore(lab.store, before=full_at("records/destroyed/", after=1))))
    assert not there(lab)
    assert len(lab.live().destroyed.keys[KEY].newest) == 1
    done = destroy(lab)
    assert done.made
    known = lab.live().destroyed.keys[KEY]
    assert known.newest == {one.entry.manifest.sha256 for one in done.outlook.snapshots if one.newest}
    assert len(lab.names("records/destroyed/")) == len(known.newest) == 2
    again = destroy(lab)
    assert (again.made, again.record) == (False, known.record)


def test_the_last_copy_that_opens_goes_only_as_people_saw_it(succeeded: Lab, clock: Clock) -> None:
    lab = succeeded
    lab.run({"h": MemorySource({**CHANGED, "/etc/app/x": b"1"}), "other": MemorySource({**FILES, "/etc/app/x": b"z"})})
    clock.advance(hours=1)
    lab = followed(lab, rotate=("wrap", "escrow"))
    newer = f"{TIER1}-2026b"
    # each of these alone leaves a copy
    assert destruction.outlook(lab.repository, KEY).demand.newest == 0
    demanded(lab)
    demanded(lab, key=newer)
    destroy(lab, newer)
    assert destruction.outlook(lab.repository, KEY).demand.newest == 2
    with pytest.raises(SignatureError, match="2 streams more would lose their newest copy that opens"):
        destroy(lab)
    assert there(lab)
    clock.advance(hours=1)
    demanded(lab)
    assert destroy(lab).made
    assert lab.live().ended[("h", "tier1")] == "destroyed"


def test_hosts_are_left_with_nothing_only_as_people_saw_it(succeeded: Lab) -> None:
    other = f"{TIER2}-2026"
    demanded(succeeded)
    demanded(succeeded, key=other)
    destroy(succeeded, other)
    with pytest.raises(SignatureError, match="2 hosts more would have nothing left that opens"):
        destroy(succeeded)
    assert there(succeeded)
    pending, _made = destruction.ask(succeeded.repository, KEY, request_of(succeeded, reason="all the same"))
    assert isinstance(pending.document, Record)
    assert pending.document.subject["hosts_left_without"] == 2


def test_what_cannot_be_read_is_neither_asked_for_nor_destroyed(succeeded: Lab, clock: Clock) -> None:
    demanded(succeeded)
    legal_hold.present(succeeded.repository, legal_hold.scope(succeeded.repository, host="other"))
    for listed in list(succeeded.store.list(f"manifests/{TIER1}/other/")):
        forget(succeeded, listed.name)
    with pytest.raises(PolicyError, match=r"1 manifests of class .* cannot be read"):
        destruction.ask(succeeded.repository, KEY, request_of(succeeded, reason="again"))
    with pytest.raises(PolicyError, match=r"1 manifests of class .* cannot be read"):
        destroy(succeeded)
    assert there(succeeded)


@pytest.mark.parametrize("year", [2026, 2030])
def test_records_of_a_destruction_last_as_long_as_its_key_is_of_use(succeeded: Lab, year: int) -> None:
    lab, key = succeeded, f"{TIER2}-{year}"
    demanded(lab, key=key, allow_in_use=True)
    destroy(lab, key)
    escrow_signed(lab, key)
    over = dt.datetime(year + 1, 1, 1, tzinfo=dt.timezone.utc)
    longest = dt.timedelta(days=lab.repository.root.longest_days)
    for kind in ("destruction", "destroying", "destroyed", "escrow-destroyed"):
        (listed,) = lab.store.list(f"records/{kind}/")
        lock = lab.store.with_lock(listed).lock_until
        assert lock is not None, kind
        assert lock >= over + longest + dt.timedelta(days=365), kind


# what readers say


def test_readers_say_that_it_was_destroyed(succeeded: Lab) -> None:
    lab = gone(succeeded)
    with pytest.raises(KeyDestroyedError, match=rf"key {KEY} was destroyed on .*, by record .*, signed by alice, bob"):
        lab.contents()
    # what is under another key opens
    assert lab.contents(selection=Selection(newest=True, components=("base",))) == {"/etc/base": FILES["/etc/base"]}
    report = lab.verify()
    assert report.sound
    notes = [finding for finding in problems(report, Severity.NOTE) if "which is not damaged" in finding.problem]
    assert len(notes) == 3
    assert not problems(report, Severity.WARNING)[1:]
    assert "escrow still opens it" in problems(lab.verify(Level.SIGNATURES), Severity.WARNING)[0].problem


def test_hosts_are_stored_anew_and_nothing_unreadable_is_carried(succeeded: Lab, clock: Clock) -> None:
    lab = gone(succeeded)
    assert lab.live().ended[("other", "tier1")] == "destroyed"
    # what has not changed is stored all the same: nobody could open what there is of it
    sealed = lab.run({"h": MemorySource(CHANGED)})
    assert (sealed.stored, sealed.unchanged) == (1, 1)
    assert lab.contents()["/etc/app/main.conf"] == CHANGED["/etc/app/main.conf"]
    assert lab.verify().sound
    assert lab.live().streams[("h", "tier1")].manifest.name not in {
        one.entry.manifest.name for one in destruction.outlook(lab.repository, KEY).snapshots
    }
    clock.advance(days=120)
    lab.run({"h": MemorySource(CHANGED)})
    carried = {entry.key for entry in lab.live().streams.values()}
    assert ("other", "tier1") not in carried
    assert ("other", "tier2") in carried
    assert lab.verify(Level.SIGNATURES).sound


def test_nothing_is_sealed_under_a_destroyed_key(lab: Lab) -> None:
    demanded(lab, allow_in_use=True)
    destroy(lab)
    folder = lab.folder()
    lab.open(folder, "h")
    with pytest.raises(KeyDestroyedError, match="was destroyed, and none follows it"):
        lab.snapshot(folder, MemorySource(CHANGED))
    again = followed(lab, rotate=("wrap",))
    assert again.run({"h": MemorySource(CHANGED)}).stored == 1


def test_what_a_run_seals_that_was_opened_before_is_taken_in_by_the_next_destruction(lab: Lab, clock: Clock) -> None:
    folder = lab.folder()
    lab.open(folder, "h")
    demanded(lab, allow_in_use=True)
    first = destroy(lab)
    lab.snapshot(folder, MemorySource({**CHANGED, "/etc/app/other": b"y"}))
    lab.seal(folder)
    assert ("h", "tier1") in lab.live().streams
    clock.advance(hours=1)
    again = destroy(lab)
    assert (again.made, again.demand) == (True, first.demand)
    assert lab.live().ended[("h", "tier1")] == "destroyed"
    assert lab.live().destroyed.keys[KEY].record == first.record
    assert not destroy(lab).made


def test_who_signs_records_ends_nothing_that_people_did_not_speak_of(succeeded: Lab) -> None:
    lab = succeeded
    demand = demanded(lab)
    tier2 = lab.live().streams[("h", "tier2")].manifest.sha256
    for key in (KEY, f"{TIER2}-2026"):
        machine_says(lab, "destroyed", {"key": key, "record": demand}, newest=[tier2], escrow=[])
    live = lab.live()
    assert ("h", "tier2") in live.streams
    assert list(live.destroyed.keys) == [KEY]
    assert [warning for warning in live.warnings if "names no record by which people demanded that" in warning]


def test_a_record_ends_nothing_that_another_key_of_that_year_opens(succeeded: Lab, clock: Clock) -> None:
    lab = succeeded
    lab.run({"h": MemorySource({**CHANGED, "/etc/app/x": b"1"})})
    clock.advance(hours=1)
    newest = lab.live().streams[("h", "tier1")].manifest.sha256
    demand = demanded(lab)
    destroy(lab)
    machine_says(lab, "destroyed", {"key": KEY, "record": demand}, newest=[newest], escrow=[])
    assert ("h", "tier1") in lab.live().streams
    assert lab.live().ended == {("other", "tier1"): "destroyed"}


def test_a_record_that_nobody_signed_tells_of_nothing(succeeded: Lab, clock: Clock) -> None:
    at = clock().replace(microsecond=0)
    subject = {"key": KEY, "record": demanded(succeeded)}
    record = Record(
        NAME, succeeded.repository.root.id, "destroyed", at, "nobody", subject, {"newest": [], "escrow": []}
    )
    data = dsse.write(dsse.Envelope(record_format.PAYLOAD_TYPE, record_format.payload(record), ()))
    objects.put(succeeded.store, names.for_record("destroyed", at, data), data, lock_until=LOCK)
    assert destroyed.read(succeeded.repository, now=clock()).keys == {}
    assert succeeded.contents()


def test_it_is_known_after_the_record_key_was_removed(succeeded: Lab) -> None:
    lab = gone(succeeded)
    known = lab.keyring.made(repository=NAME)
    record_key = next(key.id for key in known.sign if key.use == "record")
    later = followed(lab, rotate=("record",), remove=(record_key,))
    with pytest.raises(KeyDestroyedError):
        later.contents()


# escrow


FEWER = {"people": persons("bob", "carol", "dave", "erin")}


def asked_before(lab: Lab) -> Pending:
    """A link without alice that bob and carol have signed, and that is not put yet."""
    pending = presented(lab, **FEWER).pending
    assert pending is not None
    all_sign(lab, pending, "bob", "carol")
    return pending


def test_a_link_that_was_asked_for_before_a_destruction_does_not_forget_it(lab: Lab, clock: Clock) -> None:
    before = asked_before(lab)
    demanded(lab, allow_in_use=True)
    assert destroy(lab).made
    # alice, who signed that, is not in it: people sign another one, which vouches for what she signed
    again = presented(lab, **FEWER)
    assert again.state == "asked"
    assert again.pending is not None
    assert again.pending.id != before.id
    all_sign(lab, again.pending, "bob", "carol")
    assert presented(lab, **FEWER).state == "followed"
    after = reopened(lab)
    assert after.live().destroyed.spent == (KEY,)
    clock.advance(hours=1)
    with pytest.raises(KeyDestroyedError):
        after.run({"h": MemorySource({**CHANGED, "/etc/app/x": b"1"})})


def test_a_link_that_was_asked_for_before_escrow_was_destroyed_does_not_forget_it(succeeded: Lab) -> None:
    lab = gone(succeeded)
    without_dave = {"people": (*persons("alice", "bob", "carol"), person("erin", roles=("audit",)))}
    before = presented(lab, **without_dave).pending
    escrow_signed(lab)
    again = presented(lab, **without_dave)
    assert again.state == "asked"
    assert again.pending != before
    assert again.pending is not None
    all_sign(lab, again.pending, "alice", "bob")
    assert presented(lab, **without_dave).state == "followed"
    assert state(reopened(lab)) == "destroyed"


def test_a_destruction_while_a_link_is_put_is_not_forgotten(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = asked_before(lab)
    judge = approvals.judge

    def meanwhile(*given: t.Any) -> t.Any:
        # once what is signed was chosen
        if given[1].id == before.id and lab.names("records/destruction/") == []:
            demanded(lab, allow_in_use=True)
        return judge(*given)

    monkeypatch.setattr(approvals, "judge", meanwhile)
    with pytest.raises(PolicyError, match="would be forgotten"):
        presented(lab, **FEWER)
    assert len(reopened(lab).repository.chain.links) == 1


def test_it_is_pending_until_who_holds_escrow_has_signed(succeeded: Lab) -> None:
    lab = gone(succeeded)
    with pytest.raises(SignatureError, match="not enough people"):
        pending, _made = destruction.ask_escrow(lab.repository, KEY, request_of(lab))
        records.complete(lab.repository, pending)
    escrow_signed(lab)
    assert state(lab) == "destroyed"
    assert "escrow was destroyed too" in problems(lab.verify(Level.SIGNATURES), Severity.NOTE)[0].problem
    with pytest.raises(KeyDestroyedError) as caught:
        lab.contents()
    assert "The escrow key was destroyed too" in str(caught.value)


def test_it_closes_when_nothing_is_left_under_it(succeeded: Lab) -> None:
    lab = gone(succeeded)
    escrow_signed(lab)
    for listed in list(lab.store.list(f"manifests/{TIER1}/")):
        forget(lab, listed.name)
    assert state(reopened(lab)) == "closed"


def test_escrow_is_not_asked_for_while_what_it_opens_opens_otherwise(lab: Lab, clock: Clock) -> None:
    newer = f"{TIER1}-2026b"
    lab = followed(lab, rotate=("wrap",))
    lab.run({"h": MemorySource({**CHANGED, "/etc/app/x": b"1"})})
    clock.advance(hours=1)
    lab = gone(followed(lab, rotate=("escrow",)))
    with pytest.raises(PolicyError, match=f"opens still by {newer}"):
        destruction.ask_escrow(lab.repository, KEY, request_of(lab))
    lab = followed(lab, rotate=("wrap",))
    demanded(lab, key=newer)
    destroy(lab, newer)
    name = lab.live().unreadable[0].manifest.name
    kept = lab.memory._versions.pop(name)
    with pytest.raises(PolicyError, match="cannot be read"):
        destruction.ask_escrow(lab.repository, KEY, request_of(lab))
    lab.memory._versions[name] = kept
    escrow_signed(lab)


def test_each_escrow_key_of_what_was_lost_has_to_go(lab: Lab, clock: Clock) -> None:
    newer = f"{TIER1}-2026b"
    lab = followed(lab, rotate=("escrow",))
    lab.run({"h": MemorySource({**CHANGED, "/etc/app/x": b"1"})})
    clock.advance(hours=1)
    lab = gone(followed(lab, rotate=("wrap", "escrow")))

    def told() -> tuple[str, str, bool]:
        with pytest.raises(KeyDestroyedError) as caught:
            lab.contents()
        (known,) = (one for one in lab.verify(Level.SIGNATURES).findings if one.item == KEY)
        return state(lab), known.severity.value, "The escrow key was destroyed too" in str(caught.value)

    escrow_signed(lab)
    assert told() == ("pending", "warning", False)
    assert lab.live().destroyed.pending(KEY) == (newer,)
    escrow_signed(lab, newer)
    assert told() == ("destroyed", "note", True)
    for listed in list(lab.store.list(f"manifests/{TIER1}/")):
        forget(lab, listed.name)
    assert state(reopened(lab)) == "closed"


def test_escrow_has_to_go_also_once_what_it_opened_has_expired(succeeded: Lab) -> None:
    lab = gone(succeeded)
    for listed in list(lab.store.list(f"manifests/{TIER1}/")):
        forget(lab, listed.name)
    lab = reopened(lab)
    assert state(lab) == "pending"


def test_escrow_is_not_asked_for_before_the_key_or_while_it_is_used(lab: Lab) -> None:
    with pytest.raises(PolicyError, match="no key to wrap under of that class and year was destroyed yet"):
        destruction.ask_escrow(lab.repository, KEY, request_of(lab))
    wrap_alone = followed(lab, rotate=("wrap",))
    gone(wrap_alone)
    with pytest.raises(PolicyError, match="backups go on under this escrow key"):
        destruction.ask_escrow(wrap_alone.repository, KEY, request_of(wrap_alone))
    both = followed(wrap_alone, rotate=("escrow",))
    assert destruction.ask_escrow(both.repository, KEY, request_of(both))[1]


@pytest.mark.parametrize(
    "subject",
    [
        {},
        {"key": KEY},
        {"key": "x", "snapshots": 0, "locked": 0, "newest": 0, "hosts_left_without": 0, "in_use": False},
        {"key": KEY, "snapshots": -1, "locked": 0, "newest": 0, "hosts_left_without": 0, "in_use": False},
        {"key": KEY, "snapshots": True, "locked": 0, "newest": 0, "hosts_left_without": 0, "in_use": False},
        {"key": KEY, "snapshots": 9, "locked": 0, "newest": 0, "hosts_left_without": 0, "in_use": 0},
        {
            "key": KEY,
            "snapshots": 9,
            "locked": 0,
            "newest": 0,
            "hosts_left_without": 0,
            "in_use": False,
            "only": "web1",
        },
        {"key": [KEY], "snapshots": 9, "locked": 0, "newest": 0, "hosts_left_without": 0, "in_use": False},
    ],
)
def test_what_says_something_else_demands_nothing(succeeded: Lab, subject: t.Any) -> None:
    pending, _made = destruction.ask(succeeded.repository, KEY, request_of(succeeded))
    assert isinstance(pending.document, Record)
    put_record(succeeded, dataclasses.replace(pending.document, subject=subject), "alice", "bob")
    with pytest.raises(SignatureError, match="nobody has signed"):
        destroy(succeeded)


def test_a_signature_under_words_that_say_nothing_is_refused(succeeded: Lab) -> None:
    pending, _made = destruction.ask(succeeded.repository, KEY, request_of(succeeded, lasts=DAY))
    assert isinstance(pending.document, Record)
    odd = dataclasses.replace(pending, document=dataclasses.replace(pending.document, subject={"key": "all"}))
    with pytest.raises(FormatError, match="does not say which key"):
        records.add_signature(succeeded.repository, odd, "")
