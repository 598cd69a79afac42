# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests, and the signatures of people under them: what is added, what counts, and what never does."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import re
import shutil
import typing as t
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DeniedError,
    FormatError,
    NotFoundError,
    PolicyError,
    SignatureError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import people
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person, Quorum, Root
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import approvals, objects, succession
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.approvals import Pending
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.skemu import TOUCHED, Authenticator
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.test_people import ssh_keygen
from hypothesis import given
from hypothesis import strategies as st

from .lab import NAME, START, Clock, Lab, declared

SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)
LOCK = START + 1000 * DAY
EVER = START + 3650 * DAY
NOBODY = "0" * 64
ROLES = {
    "alice": ("security",),
    "bob": ("operations",),
    "carol": ("operations", "security"),
    "dave": ("audit",),
    "erin": ("operations",),
}
TWO = Quorum("retired", 2, ("security", "operations"))
ROOT = Quorum("root", 2, ())
WORDS = {"by": "mallory", "reason": "web1 was scrapped", "ticket": "CHG1"}
_nonces = itertools.count(1)


@dataclasses.dataclass(frozen=True)
class Council:
    """People with keys that ssh-keygen made, and signs with."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Council:
        for name in ROLES:
            ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name)
        return cls(folder)

    def person(self, name: str, **changes: t.Any) -> Person:
        public = people.canonical_key((self.folder / f"{name}.pub").read_text())
        return dataclasses.replace(Person(name, ROLES[name], public, START - DAY, EVER), **changes)

    @property
    def everybody(self) -> tuple[Person, ...]:
        return tuple(self.person(name) for name in ROLES)

    def sign(self, name: str, pending: Pending, *, namespace: str = people.NAMESPACE) -> str:
        key = self.folder / name
        return ssh_keygen("-Y", "sign", "-f", key, "-n", namespace, data=pending.to_sign).decode()

    def signature(self, name: str, pending: Pending) -> Signature:
        return Signature(people.fingerprint(self.person(name).public), people.unarmoured(self.sign(name, pending)))

    def all_sign(self, lab: Lab, pending: Pending, *who: str) -> None:
        for name in who:
            assert approvals.add_signature(lab.repository, pending, self.sign(name, pending))


def governed(
    path: Path, keys: Path, clock: Clock, named: Sequence[Person], quorum: Sequence[Quorum] = (TWO, ROOT)
) -> Lab:
    """A repository whose root names people, with a keyring of its own."""
    shutil.copytree(keys, path / "keyring")
    return Lab.make(path, MemoryStore(now=clock), path / "keyring", clock, people=named, quorum=quorum)


def request_of(lab: Lab, *, lasts: dt.timedelta = 7 * DAY, **words: str) -> Request:
    """What people are asked now."""
    return Request(
        **{**WORDS, **words}, expires=instant.whole(lab.store.clock()) + lasts, nonce=f"{next(_nonces):032x}"
    )


def asked(lab: Lab, *, lasts: dt.timedelta = 7 * DAY, **changes: t.Any) -> Pending:
    """A request in the store to retire host h."""
    request = changes.pop("request", None) or request_of(lab, lasts=lasts)
    at = instant.whole(lab.store.clock())
    record = Record(NAME, lab.repository.root.id, "retired", at, request.by, {"host": "h"}, {}, request)
    return approvals.put_request(lab.repository, dataclasses.replace(record, **changes))


def planted(lab: Lab, kind: str, at: dt.datetime, data: bytes) -> str:
    """Put any bytes as an object of that kind, as whoever may put can."""
    return objects.put(lab.store, names.for_record(kind, at, data), data, lock_until=LOCK).name


def approved(lab: Lab, pending: Pending, *signatures: Signature, **changes: t.Any) -> str:
    """Put an approval past the code."""
    envelope = dataclasses.replace(pending.envelope, signatures=signatures, **changes)
    return planted(lab, approvals.APPROVAL, pending.at, dsse.write(envelope))


def followed(lab: Lab, council: Council, *signing: str, **wanted: t.Any) -> Lab:
    """The same repository under another root link, which these people signed."""
    given: dict[str, t.Any] = {
        "name": NAME,
        "wanted": succession.Wanted(declared().classes, **wanted),
        "pin": lab.repository.root.id,
        "asking": succession.Asking("mallory", "people have changed"),
    }
    outcome = succession.present(lab.store, lab.keyring, **given)
    assert outcome.pending is not None
    council.all_sign(lab, outcome.pending, *signing)
    after = succession.present(lab.store, lab.keyring, **given)
    assert after.state == "followed"
    return dataclasses.replace(lab, repository=open_repository(lab.store, pin=lab.repository.root.id))


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Council:
    return Council.make(tmp_path_factory.mktemp("people"))


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock, council: Council) -> Lab:
    return governed(tmp_path, keys, clock, council.everybody)


def held(lab: Lab, kind: str) -> list[str]:
    return lab.names(f"records/{kind}/")


# Requests


def test_a_request_is_found_by_its_id_and_by_its_first_digits(lab: Lab) -> None:
    first, second = asked(lab), asked(lab)
    (name, other) = held(lab, "request")
    assert {first.id, second.id} == {names.parse(name).sha256, names.parse(other).sha256}
    assert list(approvals.requests(lab.repository)) == sorted((first, second), key=lambda pending: pending.id)
    for given_id in (first.id, first.id[:12]):
        assert approvals.find_request(lab.repository, given_id) == first
    assert first.to_sign == dsse.pae(record_format.PAYLOAD_TYPE, record_format.payload(t.cast(Record, first.document)))
    assert first.envelope.signatures == ()


@pytest.mark.parametrize("given_id", ["", "ab" * 5, "AB" * 6, "ab" * 33, "../" + "a" * 20, "ab" * 6 + "\n"])
def test_an_id_has_twelve_digits_at_least(lab: Lab, given_id: str) -> None:
    asked(lab)
    with pytest.raises(PolicyError, match="is not the id of a request") as caught:
        approvals.find_request(lab.repository, given_id)
    assert caught.value.remedy


def test_an_unknown_id_and_one_of_several_find_nothing(lab: Lab) -> None:
    with pytest.raises(NotFoundError, match="no requests have that id") as caught:
        approvals.find_request(lab.repository, "ab" * 6)
    assert "state=listed" in str(caught.value)
    made = [asked(lab) for _number in range(17)]
    first = [pending.id[0] for pending in made]
    shared = next(digit for digit in sorted(first) if first.count(digit) > 1)
    # nobody meets 12 digits by chance
    with (
        mock.patch.object(approvals, "_ID", re.compile("[0-9a-f]+")),
        pytest.raises(NotFoundError, match="requests have that id") as caught,
    ):
        approvals.find_request(lab.repository, shared)
    assert caught.value.remedy == "Give all 64 digits."


def test_what_is_no_request_is_passed_over(lab: Lab, council: Council) -> None:
    good = asked(lab)
    record = t.cast(Record, good.document)
    request = good.request
    signed = dataclasses.replace(good.envelope, signatures=(council.signature("alice", good),))
    unasked = dataclasses.replace(
        good.envelope, payload=record_format.payload(dataclasses.replace(record, request=None))
    )
    two = dataclasses.replace(record, by="somebody else", request=request)
    of_two = dataclasses.replace(good.envelope, payload=record_format.payload(two))
    for data in (*map(dsse.write, (signed, unasked, of_two)), b"", b"{}", b"\xff", dsse.write(good.envelope)[:-1]):
        name = planted(lab, approvals.REQUEST, good.at, data)
        with pytest.raises(FormatError) as caught:
            approvals.read_request(lab.repository, name)
        assert name in str(caught.value)
    planted(lab, approvals.REQUEST, good.at - SECOND, dsse.write(good.envelope))
    objects.put(lab.store, f"records/request/2026-03/{NOBODY}.json", b"x", lock_until=LOCK)
    assert list(approvals.requests(lab.repository)) == [good]


def test_what_is_too_large_is_not_read(lab: Lab) -> None:
    with mock.patch.object(approvals, "_LIMIT", 100):
        asked(lab)
        assert list(approvals.requests(lab.repository)) == []


@given(flipped=st.integers(0, 10**6), cut=st.integers(0, 10**6))
def test_whatever_bytes_stand_there_reading_them_fails_in_one_way(
    flipped: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lab = _bit_lab(tmp_path_factory)
    good = asked(lab)
    data = bytearray(dsse.write(good.envelope))
    data[flipped // 8 % len(data)] ^= 1 << flipped % 8
    for damaged in (bytes(data), bytes(data)[: cut % len(data)]):
        name = planted(lab, approvals.REQUEST, good.at, damaged)
        try:
            pending = approvals.read_request(lab.repository, name)
        except FormatError:
            continue
        # nobody has signed a request: other words make another one
        assert pending.id != good.id
        assert pending.envelope.payload != good.envelope.payload


_LABS: list[Lab] = []


def _bit_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """One for all examples."""
    if not _LABS:
        path = tmp_path_factory.mktemp("bits")
        clock = Clock()
        _LABS.append(Lab.make(path, MemoryStore(now=clock), path / "keys", clock))
    return _LABS[0]


# Signatures that are added


def test_signatures_of_enough_people_complete_a_request(lab: Lab, council: Council) -> None:
    pending = asked(lab)
    with pytest.raises(SignatureError, match="not enough people have signed retired: it lacks 2 more people") as caught:
        approvals.completed(lab.repository, pending)
    assert caught.value.item == pending.id
    council.all_sign(lab, pending, "bob")
    with pytest.raises(SignatureError, match="it lacks 1 more person, somebody of role security"):
        approvals.completed(lab.repository, pending)
    council.all_sign(lab, pending, "alice")
    envelope = approvals.completed(lab.repository, pending)
    ids = [signature.key_id for signature in envelope.signatures]
    assert ids == sorted(people.fingerprint(council.person(name).public) for name in ("alice", "bob"))
    assert envelope.payload == pending.envelope.payload
    judged = approvals.judge(lab.repository, pending, envelope.signatures)
    assert (judged.reached, judged.counted, judged.lacking, judged.refused) == (True, ("alice", "bob"), (), ())
    assert len(held(lab, "approval")) == 2


def test_a_second_signature_of_the_same_person_is_not_put(lab: Lab, council: Council) -> None:
    pending = asked(lab)
    council.all_sign(lab, pending, "alice")
    before = lab.names()
    assert not approvals.add_signature(lab.repository, pending, council.sign("alice", pending))
    assert lab.names() == before


def test_who_asks_does_not_count(lab: Lab, council: Council) -> None:
    pending = asked(lab, request=request_of(lab, by="ALICE"))
    with pytest.raises(SignatureError, match="does not count: alice asked for it and does not count"):
        approvals.add_signature(lab.repository, pending, council.sign("alice", pending))
    approved(lab, pending, council.signature("alice", pending))
    council.all_sign(lab, pending, "bob")
    assert approvals.refusals(lab.repository, pending) == ("alice asked for it and does not count",)
    with pytest.raises(SignatureError, match="somebody of role security"):
        approvals.completed(lab.repository, pending)


def test_who_holds_no_role_does_not_count(lab: Lab, council: Council) -> None:
    pending = asked(lab)
    with pytest.raises(SignatureError, match="count: dave holds none of the roles security, operations"):
        approvals.add_signature(lab.repository, pending, council.sign("dave", pending))
    assert held(lab, "approval") == []


@pytest.mark.parametrize(
    ("not_before", "not_after", "lacks"),
    [
        (START - DAY, START - SECOND, "2026-03-01T12:00:00Z"),
        (START - DAY, START, "2026-03-01T12:00:01Z"),
        (START - DAY, START + SECOND, None),
        (START, EVER, None),
        (START + SECOND, EVER, "2026-03-01T12:00:00Z"),
    ],
    ids=["before the request", "before the signature", "in time", "from the request on", "after the request"],
)
def test_a_key_must_be_valid_at_the_request_and_when_its_signature_is_added(
    tmp_path: Path,
    keys: Path,
    clock: Clock,
    council: Council,
    not_before: dt.datetime,
    not_after: dt.datetime,
    lacks: str | None,
) -> None:
    alice = council.person("alice", not_before=not_before, not_after=not_after)
    lab = governed(tmp_path, keys, clock, (alice, council.person("bob")))
    pending = asked(lab)
    clock.advance(seconds=1)
    if lacks is None:
        assert approvals.add_signature(lab.repository, pending, council.sign("alice", pending))
        return
    with pytest.raises(SignatureError, match=f"the key of alice is not valid at {lacks}"):
        approvals.add_signature(lab.repository, pending, council.sign("alice", pending))
    assert held(lab, "approval") == []


def test_a_stranger_does_not_sign(tmp_path: Path, keys: Path, clock: Clock, council: Council) -> None:
    lab = governed(tmp_path, keys, clock, [council.person(name) for name in ("alice", "bob")])
    pending = asked(lab)
    with pytest.raises(SignatureError, match="no person of the root has this key") as caught:
        approvals.add_signature(lab.repository, pending, council.sign("erin", pending))
    assert caught.value.remedy


def test_a_signature_holds_for_one_request_and_one_namespace(lab: Lab, council: Council) -> None:
    pending, other = asked(lab), asked(lab)
    with pytest.raises(SignatureError, match="not by this key over these bytes"):
        approvals.add_signature(lab.repository, other, council.sign("alice", pending))
    with pytest.raises(SignatureError, match="not in the namespace"):
        approvals.add_signature(lab.repository, pending, council.sign("alice", pending, namespace="git"))
    approved(lab, other, council.signature("alice", pending))
    assert approvals.signatures(lab.repository, other) == ()
    (reason,) = approvals.refusals(lab.repository, other)
    assert "not by this key over these bytes" in reason


@given(st.text() | st.binary().map(lambda data: people.armoured(b"SSHSIG" + data)))
def test_no_text_but_a_signature_is_taken(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    lab = _bit_lab(tmp_path_factory)
    pending = asked(lab)
    with pytest.raises(FormatError):
        approvals.add_signature(lab.repository, pending, text)
    assert held(lab, "approval") == []


def test_a_root_without_a_rule_lets_nobody_sign(tmp_path: Path, keys: Path, clock: Clock, council: Council) -> None:
    lab = governed(tmp_path, keys, clock, council.everybody, (ROOT,))
    pending = asked(lab)
    with pytest.raises(SignatureError, match="the root lets nobody sign for retired"):
        approvals.add_signature(lab.repository, pending, council.sign("alice", pending))


# FIDO2 keys


@pytest.mark.parametrize("presence", ["touch", "pin"])
def test_a_rule_may_take_presence_at_the_key(
    tmp_path: Path, keys: Path, clock: Clock, council: Council, presence: str
) -> None:
    key = Authenticator()
    sk = Person("sam", ("security",), key.line, START, EVER)
    lab = governed(tmp_path, keys, clock, (sk, council.person("bob")), (Quorum("retired", 1, (), presence),))
    pending = asked(lab)
    with pytest.raises(SignatureError, match="does not count: bob's key is no FIDO2 key"):
        approvals.add_signature(lab.repository, pending, council.sign("bob", pending))
    with pytest.raises(SignatureError, match="was not touched"):
        approvals.add_signature(lab.repository, pending, people.armoured(key.sign(pending.to_sign, flags=0)))
    touched = key.sign(pending.to_sign, flags=TOUCHED)
    if presence == "touch":
        assert approvals.add_signature(lab.repository, pending, people.armoured(touched))
    else:
        with pytest.raises(SignatureError, match="did not verify its user by PIN or biometrics"):
            approvals.add_signature(lab.repository, pending, people.armoured(touched))
        # one that is there already is in nobody's way
        approved(lab, pending, Signature(people.fingerprint(key.line), touched))
        assert approvals.add_signature(lab.repository, pending, people.armoured(key.sign(pending.to_sign)))
    assert len(approvals.completed(lab.repository, pending).signatures) == 1
    # a FIDO2 key counts up, so that each of its signatures is another one
    again = people.armoured(key.sign(pending.to_sign, counter=8))
    assert not approvals.add_signature(lab.repository, pending, again)


# Signatures that are there


def test_an_approval_counts_by_its_words_and_its_one_signature(lab: Lab, council: Council) -> None:
    pending = asked(lab)
    alice, bob = (council.signature(name, pending) for name in ("alice", "bob"))
    other = asked(lab)
    approved(lab, pending)
    approved(lab, pending, alice, bob)
    approved(lab, pending, alice, payload=other.envelope.payload)
    approved(lab, pending, dataclasses.replace(bob, key_id=alice.key_id))
    approved(lab, pending, dataclasses.replace(bob, key_id="\x1b[31m"))
    approved(lab, pending, Signature(bob.key_id, b""))
    planted(lab, approvals.APPROVAL, pending.at, b"{}")
    far = dsse.write(dataclasses.replace(pending.envelope, signatures=(bob,)))
    planted(lab, approvals.APPROVAL, pending.at + SECOND, far)
    assert approvals.signatures(lab.repository, pending) == ()
    refused = approvals.refusals(lab.repository, pending)
    assert len(refused) == 3
    assert all(reason.isprintable() for reason in refused)
    approved(lab, pending, alice)
    assert approvals.signatures(lab.repository, pending) == (alice,)
    assert approvals.refusals(lab.repository, pending) == refused


def test_each_key_stands_once_in_what_is_completed(tmp_path: Path, keys: Path, clock: Clock, council: Council) -> None:
    key = Authenticator()
    sk = Person("sam", ("security",), key.line, START, EVER)
    lab = governed(tmp_path, keys, clock, (sk, council.person("bob")))
    pending = asked(lab)
    for counter in (1, 2, 3):
        approved(lab, pending, Signature(people.fingerprint(key.line), key.sign(pending.to_sign, counter=counter)))
    assert len(approvals.signatures(lab.repository, pending)) == 1
    with pytest.raises(SignatureError, match="1 more person"):
        approvals.completed(lab.repository, pending)


# What may be signed


def test_a_request_may_be_signed_until_it_expires(lab: Lab, clock: Clock, council: Council) -> None:
    pending = asked(lab, lasts=DAY)
    council.all_sign(lab, pending, "bob")
    clock.advance(days=1)
    council.all_sign(lab, pending, "alice")
    assert approvals.completed(lab.repository, pending)
    clock.advance(seconds=1)
    assert not approvals.is_open(lab.repository, pending)
    for attempt in (
        lambda: approvals.add_signature(lab.repository, pending, council.sign("carol", pending)),
        lambda: approvals.completed(lab.repository, pending),
    ):
        with pytest.raises(SignatureError, match="the request expired at 2026-03-02T12:00:00Z") as caught:
            attempt()
        assert caught.value.remedy


def test_a_request_is_not_made_ahead_of_its_time(lab: Lab, clock: Clock, council: Council) -> None:
    pending = asked(lab, at=START + SECOND)
    with pytest.raises(SignatureError, match="made at 2026-03-01T12:00:01Z, which is yet to come"):
        approvals.add_signature(lab.repository, pending, council.sign("alice", pending))
    clock.advance(seconds=1)
    council.all_sign(lab, pending, "alice")


def test_a_request_stands_under_the_newest_root(lab: Lab, clock: Clock, council: Council) -> None:
    pending = asked(lab)
    council.all_sign(lab, pending, "alice", "bob")
    clock.advance(minutes=1)
    lab = followed(lab, council, "alice", "bob", people=council.everybody[:3])
    assert lab.repository.root.link == 2
    assert not approvals.is_open(lab.repository, pending)
    for attempt in (
        lambda: approvals.add_signature(lab.repository, pending, council.sign("carol", pending)),
        lambda: approvals.completed(lab.repository, pending),
    ):
        with pytest.raises(SignatureError, match="stands under another root than the newest"):
            attempt()
    for wrong in ({"root": NOBODY}, {"repository": "other"}):
        assert not approvals.is_open(lab.repository, asked(lab, **wrong))
    assert approvals.is_open(lab.repository, asked(lab))


def test_root_links_are_signed_as_records_are(lab: Lab, clock: Clock, council: Council) -> None:
    clock.advance(minutes=1)
    lab = followed(lab, council, "dave", "erin", people=council.everybody[:3])
    (pending,) = approvals.requests(lab.repository)
    assert isinstance(pending.document, Root)
    assert (pending.operation, pending.at) == ("root", START + dt.timedelta(minutes=1))


def test_who_may_only_read_learns_how_a_request_stands(lab: Lab) -> None:
    pending = asked(lab)
    with mock.patch.object(lab.store, "clock", side_effect=DeniedError("read only")):
        # this machine's clock is used then, and it has long passed
        assert not approvals.is_open(lab.repository, pending)
        assert approvals.signatures(lab.repository, pending) == ()
