# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records that people signed: how they come to be, which of them count, and what they end."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    DeniedError,
    FormatError,
    NotFoundError,
    ObjectMissingError,
    PolicyError,
    SignatureError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Retirement
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.store.wrappers import DryRunStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import approvals, records, succession
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.approvals import Pending
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import sign_with_newest
from hypothesis import given
from hypothesis import strategies as st

from .lab import FILES, START, Clock, Lab, problems
from .test_approvals import (
    EVER,
    NOBODY,
    ROOT,
    SECOND,
    TWO,
    Council,
    asked,
    followed,
    governed,
    held,
    planted,
    request_of,
)

BOTH = {"h": MemorySource(FILES), "gone": MemorySource(FILES)}
Kept = set[tuple[str, str]]


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Council:
    return Council.make(tmp_path_factory.mktemp("people"))


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock, council: Council) -> Lab:
    """Hosts h and gone were backed up a minute ago."""
    lab = governed(tmp_path, keys, clock, council.everybody)
    lab.run(BOTH)
    clock.advance(minutes=1)
    return lab


def ask(
    lab: Lab, host: str = "gone", stream: str | None = None, operation: str = "retired", **words: str
) -> tuple[Pending, bool]:
    return records.ask(
        lab.repository,
        operation,
        host=host,
        stream=stream,
        request=request_of(lab, **words),
        live=lab.live().streams,
    )


def live(lab: Lab) -> Kept:
    return set(lab.live().streams)


def retired(lab: Lab, council: Council, *who: str, **subject: t.Any) -> str:
    """Ask, let these sign, complete; return the record's name."""
    pending, _made = ask(lab, **subject)
    council.all_sign(lab, pending, *(who or ("alice", "bob")))
    return records.complete(lab.repository, pending)[0]


def put(lab: Lab, record: Record, *signatures: Signature, name_at: dt.datetime | None = None) -> str:
    """Put a record past the code."""
    envelope = dsse.Envelope(record_format.PAYLOAD_TYPE, record_format.payload(record), signatures)
    return planted(lab, record.kind, name_at or record.at, dsse.write(envelope))


def signed(lab: Lab, council: Council, pending: Pending, *who: str) -> dsse.Envelope:
    """What these people's signatures make of a request, counted or not."""
    found = sorted((council.signature(name, pending) for name in who), key=lambda signature: signature.key_id)
    return dataclasses.replace(pending.envelope, signatures=tuple(found))


# Asking


def test_a_request_is_made_once(lab: Lab, clock: Clock) -> None:
    pending, made = ask(lab)
    assert made
    document = t.cast(Record, pending.document)
    assert (document.kind, document.subject, document.by) == ("retired", {"host": "gone"}, "mallory")
    assert (document.root, document.at) == (lab.repository.root.id, clock())
    clock.advance(days=1)
    assert ask(lab) == (pending, False)
    assert len(held(lab, "request")) == 1


@pytest.mark.parametrize(
    "other",
    [{"by": "somebody"}, {"reason": "another"}, {"ticket": ""}, {"host": "h"}, {"stream": "tier1"}],
    ids=lambda other: next(iter(other)),
)
def test_other_words_are_another_request(lab: Lab, other: dict[str, str]) -> None:
    pending, _made = ask(lab)
    second, made = ask(lab, **other)
    assert made
    assert second.id != pending.id


def test_a_request_that_is_closed_is_made_anew(lab: Lab, clock: Clock) -> None:
    pending, _made = ask(lab)
    clock.advance(days=7)
    assert ask(lab) == (pending, False)
    clock.advance(seconds=1)
    assert ask(lab)[1]


def test_a_host_that_was_proven_after_the_request_takes_another_one(lab: Lab, clock: Clock, council: Council) -> None:
    first, _made = ask(lab)
    clock.advance(hours=1)
    lab.run(BOTH)
    second, made = ask(lab)
    assert made
    council.all_sign(lab, first, "alice", "bob")
    records.complete(lab.repository, first)
    assert ("gone", "tier1") in live(lab)
    council.all_sign(lab, second, "alice", "bob")
    records.complete(lab.repository, second)
    assert live(lab) == {("h", "tier1"), ("h", "tier2")}
    # it is back; the request that was carried out is none any more
    clock.advance(hours=1)
    lab.run(BOTH)
    assert ask(lab)[1]


@pytest.mark.parametrize(
    ("subject", "says", "remedy"),
    [
        ({"host": "gome"}, "host gome has no live stream", "Spell it as the inventory does"),
        ({"host": "GONE"}, "host GONE has no live stream", "Spell it"),
        ({"stream": "tier3"}, "host gone has no live stream tier3", "It has tier1, tier2"),
    ],
    ids=["host", "case", "stream"],
)
def test_what_is_not_live_is_not_retired(lab: Lab, subject: dict[str, str], says: str, remedy: str) -> None:
    with pytest.raises(NotFoundError, match=says) as caught:
        ask(lab, **subject)
    assert remedy in str(caught.value)
    assert held(lab, "request") == []


def test_nobody_is_asked_who_cannot_sign(tmp_path: Path, keys: Path, clock: Clock, council: Council) -> None:
    three = [council.person(name) for name in ("alice", "bob", "erin")]
    lab = governed(tmp_path, keys, clock, three)
    lab.run(BOTH)
    with pytest.raises(PolicyError, match="lets nobody sign for other") as caught:
        ask(lab, operation="other")
    assert "state=present" in str(caught.value)
    with pytest.raises(PolicyError, match="if alice asks, the people of the root are never enough"):
        ask(lab, by="alice")
    assert ask(lab, by="bob")[1]


def test_a_root_without_people_can_have_none(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock, (), ())
    lab.run(BOTH)
    with pytest.raises(PolicyError, match="make a repository with holdfast_people"):
        ask(lab)


def test_people_are_told_who_asks_and_why() -> None:
    for asking in (succession.Asking("", "why"), succession.Asking("mallory", "")):
        with pytest.raises(PolicyError, match="not told who asks them to sign, or why"):
            asking.request(START)


# Completing


def test_a_host_is_retired_by_enough_people(lab: Lab, clock: Clock, council: Council) -> None:
    pending, _made = ask(lab)
    council.all_sign(lab, pending, "alice")
    with pytest.raises(SignatureError, match="it lacks 1 more person, somebody of role operations"):
        records.complete(lab.repository, pending)
    assert held(lab, "retired") == []
    assert len(live(lab)) == 4
    council.all_sign(lab, pending, "erin")
    name, made = records.complete(lab.repository, pending)
    assert made
    assert records.read_signed(lab.repository, name) == pending.document
    assert records.read_judged(lab.repository, name).signers == ("alice", "erin")
    assert lab.live().ended == {("gone", "tier1"): "retired", ("gone", "tier2"): "retired"}
    assert live(lab) == {("h", "tier1"), ("h", "tier2")}
    assert lab.live().warnings == ()
    (listed,) = lab.store.list(name)
    assert listed.lock_until is not None
    # it is there longer than all that it speaks of
    assert listed.lock_until > clock() + dt.timedelta(days=lab.repository.root.longest_days + 365)
    assert problems(lab.verify()) == []


def test_a_record_is_put_once(lab: Lab, clock: Clock, council: Council) -> None:
    name = retired(lab, council)
    (pending,) = approvals.requests(lab.repository)
    # another person's signature would be other bytes under the same words
    council.all_sign(lab, pending, "carol")
    before = lab.names()
    clock.advance(days=30)
    assert records.complete(lab.repository, pending) == (name, False)
    assert lab.names() == before
    assert held(lab, "retired") == [name]


def test_other_signatures_under_the_same_words_are_the_same_record(lab: Lab, council: Council) -> None:
    pending, _made = ask(lab)
    envelopes = [signed(lab, council, pending, *who) for who in (("alice", "bob"), ("carol", "alice"))]
    spelled = [planted(lab, "retired", pending.at, dsse.write(envelope)) for envelope in envelopes]
    first, second = (records.read_signed(lab.repository, name) for name in spelled)
    assert first == second == pending.document
    name, made = records.complete(lab.repository, pending)
    assert (name in spelled, made) == (True, False)
    assert live(lab) == {("h", "tier1"), ("h", "tier2")}


def test_requests_of_one_moment_are_told_apart(lab: Lab, council: Council) -> None:
    first, second = ask(lab, stream="tier1")[0], ask(lab, stream="tier2")[0]
    council.all_sign(lab, first, "alice", "bob")
    council.all_sign(lab, second, "alice", "bob")
    name, made = records.complete(lab.repository, first)
    other, other_made = records.complete(lab.repository, second)
    assert (made, other_made, name == other) == (True, True, False)
    assert live(lab) == {("h", "tier1"), ("h", "tier2")}


def test_what_no_reader_would_believe_is_not_put(lab: Lab, council: Council) -> None:
    pending, _made = ask(lab)
    council.all_sign(lab, pending, "alice", "bob")
    with (
        mock.patch.object(record_format, "MOST_SIGNERS", 1),
        pytest.raises(FormatError, match="holds 2 signatures"),
    ):
        records.complete(lab.repository, pending)
    assert held(lab, "retired") == []


def test_one_stream_may_be_retired_alone(lab: Lab, council: Council) -> None:
    retired(lab, council, stream="tier2")
    assert live(lab) == {("h", "tier1"), ("h", "tier2"), ("gone", "tier1")}


def test_a_root_link_is_no_record(lab: Lab, clock: Clock, council: Council) -> None:
    clock.advance(minutes=1)
    lab = followed(lab, council, "alice", "bob", people=council.everybody[:3])
    (pending,) = approvals.requests(lab.repository)
    with pytest.raises(SignatureError, match="asks for a root link") as caught:
        records.complete(lab.repository, pending)
    assert "repository state=present" in str(caught.value)


@pytest.mark.parametrize(
    "subject",
    [{}, {"host": 1}, {"host": "gone", "stream": 1}, {"host": ["gone"]}],
    ids=["nothing", "number", "stream", "list"],
)
def test_nobody_signs_what_says_nothing(lab: Lab, council: Council, subject: dict[str, t.Any]) -> None:
    pending = asked(lab, subject=subject)
    with pytest.raises(FormatError, match="does not say whom it retires"):
        records.add_signature(lab.repository, pending, council.sign("alice", pending))
    council.all_sign(lab, pending, "alice", "bob")
    with pytest.raises(FormatError, match="does not say whom it retires"):
        records.complete(lab.repository, pending)
    assert held(lab, "retired") == []
    # put past the code it ends nothing, and is told of
    name = planted(lab, "retired", pending.at, dsse.write(signed(lab, council, pending, "alice", "bob")))
    assert len(live(lab)) == 4
    assert [warning for warning in lab.live().warnings if name in warning]


def test_a_kind_that_people_do_not_sign_is_not_put(tmp_path: Path, keys: Path, clock: Clock, council: Council) -> None:
    lab = governed(tmp_path, keys, clock, council.everybody, (Quorum("restore", 1, ()),))
    pending = asked(lab, kind="restore")
    council.all_sign(lab, pending, "alice")
    with pytest.raises(FormatError):
        records.complete(lab.repository, pending)
    assert held(lab, "restore") == []
    name = planted(lab, "restore", pending.at, dsse.write(signed(lab, council, pending, "alice")))
    with pytest.raises(SignatureError, match="is of a kind that a machine signs"):
        records.read_signed(lab.repository, name)


def test_check_mode_verifies_all_and_puts_nothing(lab: Lab, council: Council) -> None:
    before = lab.names()
    dry = lab.on(DryRunStore(lab.store))
    pending, made = ask(dry)
    assert made
    assert records.add_signature(dry.repository, pending, council.sign("alice", pending))
    with pytest.raises(SignatureError, match="somebody of role operations"):
        records.complete(dry.repository, pending)
    assert records.add_signature(dry.repository, pending, council.sign("bob", pending))
    assert records.complete(dry.repository, pending)[1]
    assert live(dry) == {("h", "tier1"), ("h", "tier2")}
    assert lab.names() == before


def test_a_retired_host_is_not_carried_and_is_live_when_it_comes_back(lab: Lab, clock: Clock, council: Council) -> None:
    retired(lab, council)
    clock.advance(days=20)
    lab.run({"h": MemorySource({**FILES, "/etc/base": b"new"})})
    clock.advance(days=20)
    assert lab.run({"h": MemorySource(FILES)}).carried == 0
    assert live(lab) == {("h", "tier1"), ("h", "tier2")}
    lab.run(BOTH)
    assert len(live(lab)) == 4
    assert problems(lab.verify()) == []


# Who counts


@pytest.mark.parametrize(
    ("who", "lacks"),
    [
        (("alice",), "1 more person, somebody of role operations"),
        (("bob", "erin"), "somebody of role security"),
        (("alice", "dave"), "1 more person"),
        ((), "holds 0 signatures"),
    ],
    ids=["one", "roles", "no role", "nobody"],
)
def test_too_few_do_not_count(lab: Lab, council: Council, who: tuple[str, ...], lacks: str) -> None:
    pending, _made = ask(lab)
    name = planted(lab, "retired", pending.at, dsse.write(signed(lab, council, pending, *who)))
    with pytest.raises(FormatError, match=lacks) as caught:
        records.read_signed(lab.repository, name)
    assert name in str(caught.value)
    assert len(live(lab)) == 4
    assert [warning for warning in lab.live().warnings if name in warning]
    assert [finding.item for finding in problems(lab.verify())] == [name]


def test_a_machine_does_not_retire(lab: Lab) -> None:
    pending, _made = ask(lab)
    by_machine = sign_with_newest(lab.keyring, pending.to_sign, use="record")
    name = planted(
        lab, "retired", pending.at, dsse.write(dataclasses.replace(pending.envelope, signatures=(by_machine,)))
    )
    with pytest.raises(SignatureError, match="2 more people"):
        records.read_signed(lab.repository, name)


def test_who_asked_does_not_count_in_a_record(lab: Lab, council: Council) -> None:
    pending = asked(lab, request=request_of(lab, by="Bob"))
    name = planted(lab, "retired", pending.at, dsse.write(signed(lab, council, pending, "alice", "bob")))
    with pytest.raises(SignatureError, match="bob asked for it and does not count"):
        records.read_signed(lab.repository, name)


Wrong = Callable[[Lab, Council, Pending], str]


def _resigned(**changes: t.Any) -> Wrong:
    """A record with these fields changed, and signed by enough people all the same."""

    def wrong(lab: Lab, council: Council, pending: Pending) -> str:
        record = dataclasses.replace(t.cast(Record, pending.document), **changes)
        of_it = dataclasses.replace(
            pending, envelope=dataclasses.replace(pending.envelope, payload=record_format.payload(record))
        )
        return put(lab, record, *signed(lab, council, of_it, "alice", "bob").signatures)

    return wrong


def _spelled(change: Callable[[tuple[Signature, ...]], tuple[Signature, ...]]) -> Wrong:
    def wrong(lab: Lab, council: Council, pending: Pending) -> str:
        given = signed(lab, council, pending, "alice", "bob").signatures
        return put(lab, t.cast(Record, pending.document), *change(given))

    return wrong


def _at_another_time(lab: Lab, council: Council, pending: Pending) -> str:
    given = signed(lab, council, pending, "alice", "bob").signatures
    return put(lab, t.cast(Record, pending.document), *given, name_at=pending.at + SECOND)


def _of_another_kind(lab: Lab, council: Council, pending: Pending) -> str:
    return planted(lab, "restore", pending.at, dsse.write(signed(lab, council, pending, "alice", "bob")))


WRONG: dict[str, tuple[Wrong, str]] = {
    "repository": (_resigned(repository="other"), "belongs to another repository or root"),
    "root": (_resigned(root=NOBODY), "belongs to another repository or root"),
    "requester": (_resigned(by="nobody"), "names two people who ask for it"),
    "without request": (_resigned(request=None), "does not say what people signed it for"),
    "order": (_spelled(lambda given: given[::-1]), "in another order, or one twice"),
    "twice": (_spelled(lambda given: (given[0], *given)), "in another order, or one twice"),
    "time": (_at_another_time, "is named after another kind or time"),
    "kind": (_of_another_kind, "is named after another kind or time"),
}


@pytest.mark.parametrize("wrong", sorted(WRONG))
def test_enough_people_do_not_make_it_a_record(lab: Lab, council: Council, wrong: str) -> None:
    make, says = WRONG[wrong]
    name = make(lab, council, ask(lab)[0])
    with pytest.raises(FormatError, match=says) as caught:
        records.read_signed(lab.repository, name)
    assert name in str(caught.value)
    assert len(live(lab)) == 4


def test_what_was_asked_after_its_end_does_not_count(lab: Lab, council: Council) -> None:
    pending = asked(lab, lasts=dt.timedelta(seconds=-1))
    name = planted(lab, "retired", pending.at, dsse.write(signed(lab, council, pending, "alice", "bob")))
    with pytest.raises(SignatureError, match="asked for after it had expired"):
        records.read_signed(lab.repository, name)


def test_a_key_counts_while_it_is_valid(tmp_path: Path, keys: Path, clock: Clock, council: Council) -> None:
    until = START + dt.timedelta(minutes=1)
    named = (council.person("alice", not_after=until), council.person("bob"))
    lab = governed(tmp_path, keys, clock, named)
    lab.run(BOTH)
    clock.advance(minutes=1)
    pending, _made = ask(lab)
    clock.advance(days=300)
    name = planted(lab, "retired", pending.at, dsse.write(signed(lab, council, pending, "alice", "bob")))
    assert records.read_signed(lab.repository, name) == pending.document
    late = asked(lab)
    name = planted(lab, "retired", late.at, dsse.write(signed(lab, council, late, "alice", "bob")))
    with pytest.raises(SignatureError, match="the key of alice is not valid"):
        records.read_signed(lab.repository, name)


_BITS: list[tuple[Lab, bytes, dt.datetime]] = []


@given(flipped=st.integers(0, 10**6))
def test_a_record_holds_in_all_its_bits(flipped: int, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    if not _BITS:
        path, clock = tmp_path_factory.mktemp("bits"), Clock()
        (path / "people").mkdir()
        council = Council.make(path / "people")
        made = governed(path, keys, clock, council.everybody)
        pending = asked(made)
        _BITS.append((made, dsse.write(signed(made, council, pending, "alice", "bob")), pending.at))
    lab, whole, at = _BITS[0]
    assert records.read_signed(lab.repository, planted(lab, "retired", at, whole))
    data = bytearray(whole)
    data[flipped // 8 % len(data)] ^= 1 << flipped % 8
    for damaged in (bytes(data), whole[: flipped % len(whole)]):
        with pytest.raises(FormatError):
            records.read_signed(lab.repository, planted(lab, "retired", at, damaged))


# Later roots


def test_a_record_outlives_its_signers_where_a_later_link_names_it(lab: Lab, clock: Clock, council: Council) -> None:
    name = retired(lab, council)
    pending, _made = ask(lab, host="h", stream="tier1")
    late = dsse.write(signed(lab, council, pending, "alice", "bob"))
    clock.advance(minutes=1)
    lab = followed(lab, council, "carol", "bob", people=council.everybody[1:])
    assert lab.repository.root.records == (names.parse(name).sha256,)
    assert records.read_judged(lab.repository, name).signers == ("alice", "bob")
    assert live(lab) == {("h", "tier1"), ("h", "tier2")}
    # alice's key was lost: with it somebody signs what was asked before that was known
    forged = planted(lab, "retired", pending.at, late)
    with pytest.raises(SignatureError, match="lacks since root link 2 1 more person, somebody of role security"):
        records.read_signed(lab.repository, forged)
    assert live(lab) == {("h", "tier1"), ("h", "tier2")}
    clock.advance(minutes=1)
    lab = followed(lab, council, "carol", "bob", people=(*council.everybody[1:4],))
    assert lab.repository.root.records == (names.parse(name).sha256,)
    assert records.read_signed(lab.repository, name)
    with pytest.raises(SignatureError):
        records.read_signed(lab.repository, forged)


def test_a_record_of_people_who_stay_needs_no_link_to_name_it(lab: Lab, clock: Clock, council: Council) -> None:
    pending, _made = ask(lab)
    late = dsse.write(signed(lab, council, pending, "alice", "bob"))
    clock.advance(minutes=1)
    lab = followed(lab, council, "carol", "bob", people=council.everybody[:2], quorum=(TWO, ROOT))
    assert lab.repository.root.records == ()
    name = planted(lab, "retired", pending.at, late)
    assert records.read_signed(lab.repository, name) == pending.document


def test_a_person_with_another_key_is_another_person(lab: Lab, clock: Clock, council: Council) -> None:
    pending, _made = ask(lab)
    late = dsse.write(signed(lab, council, pending, "alice", "bob"))
    clock.advance(minutes=1)
    rekeyed = (council.person("alice", public=council.person("dave").public), *council.everybody[1:3])
    lab = followed(lab, council, "carol", "bob", people=rekeyed)
    with pytest.raises(SignatureError, match="lacks since root link 2"):
        records.read_signed(lab.repository, planted(lab, "retired", pending.at, late))


# Retirements


def test_retirements_are_of_records_that_count_and_are_there(lab: Lab, clock: Clock, council: Council) -> None:
    digest = names.parse(retired(lab, council)).sha256
    ours = Retirement("gone", None, clock(), digest)
    junk = planted(lab, "retired", clock(), b"{}")
    found, warnings = records.retirements(lab.repository, (), now=clock())
    assert found == (ours,)
    assert len(warnings) == 1
    assert junk in warnings[0]
    lost = Retirement("h", None, clock(), NOBODY)
    assert records.retirements(lab.repository, (lost, ours), now=clock())[0] == (ours,)
    assert records.believed_ids(lab.repository) == (digest,)


def test_a_retirement_does_not_count_before_its_time(lab: Lab, clock: Clock, council: Council) -> None:
    pending = asked(lab, at=clock() + SECOND, subject={"host": "gone"}, lasts=dt.timedelta(days=1))
    planted(lab, "retired", pending.at, dsse.write(signed(lab, council, pending, "alice", "bob")))
    assert len(live(lab)) == 4
    clock.advance(seconds=1)
    assert live(lab) == {("h", "tier1"), ("h", "tier2")}


# Listing


def test_a_listing_says_what_is_open_what_counts_and_what_does_not(lab: Lab, clock: Clock, council: Council) -> None:
    name = retired(lab, council)
    clock.advance(seconds=1)
    older, _made = ask(lab, host="h", stream="tier1")
    clock.advance(seconds=1)
    newer, _made = ask(lab, host="h", stream="tier2")
    asked(lab, lasts=dt.timedelta(seconds=-1))
    asked(lab, at=EVER)
    junk = [planted(lab, kind, START, b"{}") for kind in ("retired", "request")]
    few = planted(lab, "retired", older.at, dsse.write(signed(lab, council, older, "alice")))
    found = records.listing(lab.repository)
    assert found.requests == (newer, older)
    assert [(one.id, one.signers) for one in found.records] == [(names.parse(name).sha256, ("alice", "bob"))]
    refused = dict(found.refused)
    assert set(refused) == {few, *junk}
    assert refused[few] == "lacks 1 more person, somebody of role operations"
    assert found.unread == 0


def test_a_listing_reads_the_newest_and_counts_the_others(lab: Lab, clock: Clock, council: Council) -> None:
    made = []
    for _number in range(3):
        clock.advance(seconds=1)
        made.append(asked(lab, subject={"host": "gone"}))
        planted(lab, "retired", clock(), b"{}")
    found = records.listing(lab.repository, most=2)
    assert found.requests == (made[2], made[1])
    assert len(found.refused) == 2
    assert found.unread == 2


def test_a_listing_takes_no_right_to_put(lab: Lab, clock: Clock) -> None:
    with mock.patch.object(lab.store, "clock", side_effect=DeniedError("read only")):
        assert records.listing(lab.repository).requests == ()


def test_who_deletes_a_record_lets_the_host_live_again(lab: Lab, clock: Clock, council: Council) -> None:
    name = retired(lab, council)
    lab.memory._versions.pop(name)
    with pytest.raises(ObjectMissingError):
        records.read_signed(lab.repository, name)
    assert len(live(lab)) == 4
