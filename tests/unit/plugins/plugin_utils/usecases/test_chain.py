# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root's chain: which links are followed, under which ids, and what stops every reader."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    FormatError,
    IntegrityError,
    SignatureError,
    TrustError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.format import canonical, dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import root as root_format
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Quorum, Root
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.chain import Chain, first_links, read_chain
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.signing import sign_with_newest
from hypothesis import given
from hypothesis import strategies as st

from .council import (
    DAY,
    EVERYBODY,
    LOCK,
    NOBODY,
    ROOT,
    SECOND,
    followed,
    governed,
    link_envelope,
    person,
    persons,
    put_envelope,
    put_link,
    reopened,
    request_of,
    signature,
    successor,
)
from .lab import Clock, Lab

Change = Callable[[Lab], dict[str, t.Any]]


@pytest.fixture
def lab(tmp_path: Path, keys: Path, clock: Clock) -> Lab:
    """A repository of people, made a minute ago."""
    lab = governed(tmp_path, keys, clock)
    clock.advance(minutes=1)
    return lab


def pinned(lab: Lab) -> str:
    return lab.repository.chain.links[0].root.id


def read(lab: Lab, pin: str | None = None) -> Chain:
    return read_chain(lab.store, pin or pinned(lab))


def grown(lab: Lab, clock: Clock, links: int) -> list[str]:
    """Let the chain grow to so many links; return their ids."""
    ids = [pinned(lab)]
    while len(ids) < links:
        ids.append(put_link(lab, successor(lab, created=clock()), "alice", "bob"))
        lab.repository = reopened(lab).repository
        clock.advance(hours=1)
    return ids


def copied(lab: Lab, *, without: str = "") -> MemoryStore:
    """Another store with the same objects, but for those whose name has *without* in it."""
    copy = MemoryStore(now=lab.store.clock)
    copy._versions = {
        name: list(held) for name, held in lab.memory._versions.items() if not without or without not in name
    }
    return copy


def spelled(root: Root, *, extra: str) -> bytes:
    """A link's payload with a field that this version does not know."""
    return canonical.dump({**canonical.load(root_format.payload(root), what="root"), extra: "of a newer version"})


# Every pin of a chain opens it whole


@pytest.mark.parametrize("place", range(4))
def test_every_pin_opens_the_same_chain(lab: Lab, clock: Clock, place: int) -> None:
    ids = grown(lab, clock, 4)
    chain = read(lab, ids[place])
    assert [link.root.id for link in chain.links] == ids
    assert [link.root.link for link in chain.links] == [1, 2, 3, 4]
    assert [chain.place(root_id) for root_id in ids] == [0, 1, 2, 3]
    assert (chain.head.id, chain.warnings, chain.place(NOBODY)) == (ids[-1], (), None)
    assert chain == read(lab, ids[0])


def test_a_link_has_an_id_for_every_quorum_that_signed_it(lab: Lab) -> None:
    root = successor(lab)
    ids = {put_link(lab, root, *who) for who in (("alice", "bob"), ("alice", "carol"), ("alice", "bob", "erin"))}
    too_few = put_link(lab, root, "alice")
    assert len(ids) == 3
    for pin in (pinned(lab), *sorted(ids)):
        chain = read(lab, pin)
        assert len(chain.links) == 2
        assert chain.links[1].ids == ids
        assert {chain.place(root_id) for root_id in ids} == {1}
        assert chain.place(too_few) is None
        # the bytes that a run keeps of the newest link are those of the id that it will name
        assert hashlib.sha256(chain.links[1].envelope).hexdigest() == chain.head.id
    for pin in sorted(ids):
        assert read(lab, pin).head.id == pin


def test_a_signature_that_is_nobodys_makes_no_other_link(lab: Lab) -> None:
    envelope = link_envelope(successor(lab), "alice", "bob")
    stranger = signature("mallory", envelope.pae)
    more = dataclasses.replace(
        envelope, signatures=tuple(sorted((*envelope.signatures, stranger), key=lambda given: given.key_id))
    )
    ids = {put_envelope(lab, 2, each) for each in (envelope, more)}
    assert read(lab).links[1].ids == ids


def test_the_newest_link_goes_by_the_id_that_was_put_first(lab: Lab, clock: Clock) -> None:
    """What is sealed under an id needs the object of that id; others may be put under any lock, and go away."""
    root = successor(lab)
    for who in (("alice", "bob"), ("alice", "carol"), ("bob", "carol"), ("bob", "erin")):
        store = copied(lab)
        this = dataclasses.replace(lab, repository=dataclasses.replace(lab.repository, store=store))
        first = put_link(this, root, *who)
        clock.advance(seconds=1)
        for other in (("alice", "dave"), ("carol", "dave"), ("dave", "erin"), ("carol", "erin")):
            put_link(this, root, *other)
        assert read(this).head.id == first


@pytest.mark.parametrize("named", ["first", "second"])
@pytest.mark.parametrize("pin", ["before", "first", "second"])
def test_previous_may_name_either_id(lab: Lab, clock: Clock, named: str, pin: str) -> None:
    root = successor(lab)
    ids = {"first": put_link(lab, root, "alice", "bob")}
    clock.advance(hours=1)
    ids["second"] = put_link(lab, root, "carol", "dave")
    third = successor(lab, link=3, previous=ids[named], created=clock())
    last = put_link(lab, third, "alice", "bob")
    chain = read(lab, ids.get(pin, pinned(lab)))
    assert (len(chain.links), chain.head.id, chain.warnings) == (3, last, ())
    assert chain.links[1].ids == set(ids.values())
    # from above the link that is named must be there, the other need not
    assert [link.root.link for link in read(lab, last).links] == [1, 2, 3]


@pytest.mark.parametrize("pin", ["before", "first", "second"])
def test_a_link_of_a_newer_collection_is_the_same_under_all_its_ids(lab: Lab, clock: Clock, pin: str) -> None:
    payload = spelled(successor(lab), extra="another")
    pae = dsse.pae(root_format.PAYLOAD_TYPE, payload)
    ids = {}
    for name, who in (("first", ("alice", "bob")), ("second", ("carol", "dave"))):
        signed = tuple(sorted((signature(each, pae) for each in who), key=lambda made: made.key_id))
        ids[name] = put_envelope(lab, 2, dsse.Envelope(root_format.PAYLOAD_TYPE, payload, signed))
        clock.advance(hours=1)
    for named in ids.values():
        third = successor(lab, link=3, previous=named, created=clock())
        this = copied(lab)
        put_link(
            dataclasses.replace(lab, repository=dataclasses.replace(lab.repository, store=this)), third, *ALICE_BOB
        )
        chain = read_chain(this, ids.get(pin, pinned(lab)))
        assert (len(chain.links), chain.warnings) == (3, ())


ALICE_BOB = ("alice", "bob")

# What is not followed


def _one_class_less(lab: Lab) -> dict[str, t.Any]:
    (gone, *_rest) = sorted(lab.repository.root.classes)
    return {"classes": {name: kept for name, kept in lab.repository.root.classes.items() if name != gone}}


def _a_class_edited(lab: Lab) -> dict[str, t.Any]:
    classes = dict(lab.repository.root.classes)
    name = min(classes)
    return {"classes": {**classes, name: dataclasses.replace(classes[name], days=1)}}


def _a_mode_edited(lab: Lab) -> dict[str, t.Any]:
    classes = dict(lab.repository.root.classes)
    name = min(classes)
    other = "governance" if classes[name].mode == "compliance" else "compliance"
    return {"classes": {**classes, name: dataclasses.replace(classes[name], mode=other)}}


def _recipient_exchanged(use: str) -> Change:
    """Somebody else's key under the name of one that packs are sealed under."""

    def change(lab: Lab) -> dict[str, t.Any]:
        keys = lab.repository.root.keys
        one, two, *rest = getattr(keys, use)
        return {"keys": dataclasses.replace(keys, **{use: (dataclasses.replace(one, public=two.public), two, *rest)})}

    return change


def _asked_after_its_end(lab: Lab) -> dict[str, t.Any]:
    return {"request": request_of(lab, lasts=-SECOND)}


def _asked_for_too_long(lab: Lab) -> dict[str, t.Any]:
    return {"request": request_of(lab, lasts=90 * DAY + SECOND)}


def _key_of_another_id(lab: Lab) -> dict[str, t.Any]:
    keys = lab.repository.root.keys
    one, *rest = keys.sign
    return {"keys": dataclasses.replace(keys, sign=(dataclasses.replace(one, id="0" * 16), *rest))}


# what is changed, who signs it, and what is said of it
NOT_FOLLOWED: dict[str, tuple[Change, tuple[str, ...], str]] = {
    "nobody": (lambda lab: {}, (), "lacks 2 more people"),
    "one person": (lambda lab: {}, ("alice",), "lacks 1 more person"),
    "a stranger": (lambda lab: {}, ("alice", "mallory"), "no person of the root has this key"),
    "who asks": (lambda lab: {"request": request_of(lab, by="bob")}, ALICE_BOB, "bob asked for it"),
    "who asks in capitals": (lambda lab: {"request": request_of(lab, by="BOB")}, ALICE_BOB, "bob asked for it"),
    "class edited": (_a_class_edited, ALICE_BOB, "edits or drops class"),
    "mode edited": (_a_mode_edited, ALICE_BOB, "edits or drops class"),
    "class dropped": (_one_class_less, ALICE_BOB, "edits or drops class"),
    "wrapping key exchanged": (_recipient_exchanged("wrap"), ALICE_BOB, "has another key by the name of"),
    "escrow key exchanged": (_recipient_exchanged("escrow"), ALICE_BOB, "has another key by the name of"),
    "other repository": (lambda lab: {"repository": "other"}, ALICE_BOB, "names another repository"),
    "older than its parent": (
        lambda lab: {"created": lab.repository.root.created - SECOND},
        ALICE_BOB,
        "is older than the link it follows",
    ),
    "another chain": (lambda lab: {"previous": NOBODY}, ALICE_BOB, "follows another link"),
    "no previous": (lambda lab: {"previous": None}, ALICE_BOB, "named after another link"),
    "wrong number": (lambda lab: {"link": 3}, ALICE_BOB, "named after another link"),
    "without request": (lambda lab: {"request": None}, ALICE_BOB, "does not say what people signed it for"),
    "asked after its end": (_asked_after_its_end, ALICE_BOB, "after it had expired"),
    "asked for too long": (_asked_for_too_long, ALICE_BOB, "gave people more than 90 days"),
    "key of another id": (_key_of_another_id, ALICE_BOB, "by another id than its own"),
}


def not_followed(lab: Lab, root_id: str, says: str) -> None:
    """A link that does not count changes nothing, and every run tells of it."""
    chain = read(lab)
    assert (len(chain.links), chain.head.id) == (1, pinned(lab))
    (warning,) = chain.warnings
    assert root_id in warning
    assert says in warning
    lab.repository = reopened(lab).repository
    assert warning in lab.live().warnings
    assert warning in lab.open(lab.folder()).notes
    assert lab.run().complete


@pytest.mark.parametrize("why", NOT_FOLLOWED)
def test_a_link_that_does_not_count_is_not_followed_and_is_told_of(lab: Lab, why: str) -> None:
    change, who, says = NOT_FOLLOWED[why]
    not_followed(lab, put_link(lab, successor(lab, **change(lab)), *who, number=2), says)


@pytest.mark.parametrize("why", ["doubled", "unordered"])
def test_signatures_have_one_order_and_stand_once(lab: Lab, why: str) -> None:
    envelope = link_envelope(successor(lab), *ALICE_BOB)
    one, two = envelope.signatures
    signatures = (one, one, two) if why == "doubled" else (two, one)
    wrong = put_envelope(lab, 2, dataclasses.replace(envelope, signatures=signatures))
    not_followed(lab, wrong, "in another order, or one twice")


def test_a_machine_does_not_sign_a_link(lab: Lab) -> None:
    envelope = link_envelope(successor(lab))
    by_machine = tuple(sign_with_newest(lab.keyring, envelope.pae, use=use) for use in ("point", "record"))
    signatures = tuple(sorted(by_machine, key=lambda made: made.key_id))
    not_followed(lab, put_envelope(lab, 2, dataclasses.replace(envelope, signatures=signatures)), "lacks 2 more people")


@pytest.mark.parametrize("who", ["not yet", "no more"])
def test_a_key_must_be_valid_when_the_link_says_it_was_made(tmp_path: Path, keys: Path, clock: Clock, who: str) -> None:
    start = clock()
    limits: dict[str, t.Any] = {"not_before": start + DAY} if who == "not yet" else {"not_after": start}
    lab = governed(tmp_path, keys, clock, named=(person("alice"), person("bob", **limits)))
    clock.advance(minutes=1)
    not_followed(lab, put_link(lab, successor(lab), *ALICE_BOB), "the key of bob is not valid")


def test_a_root_of_no_people_has_no_successor(tmp_path: Path, keys: Path, clock: Clock) -> None:
    lab = governed(tmp_path, keys, clock, named=(), quorum=())
    root = successor(lab, people=persons(), quorum=(ROOT,))
    not_followed(lab, put_link(lab, root, *EVERYBODY), "the root lets nobody sign for root")


def test_the_people_of_the_new_link_do_not_make_it(lab: Lab) -> None:
    root = successor(lab, people=persons("mallory", "dave"), quorum=(Quorum("root", 1, ()),))
    not_followed(lab, put_link(lab, root, "mallory"), "no person of the root has this key")


def test_later_links_are_judged_by_the_people_of_the_link_before(lab: Lab, clock: Clock) -> None:
    put_link(lab, successor(lab, people=persons("mallory", "dave")), *ALICE_BOB)
    lab.repository = reopened(lab).repository
    clock.advance(hours=1)
    wrong = put_link(lab, successor(lab), *ALICE_BOB)
    chain = read(lab)
    assert len(chain.links) == 2
    assert wrong in chain.warnings[0]
    right = put_link(lab, successor(lab), "mallory", "dave")
    assert read(lab).head.id == right


def test_a_link_further_on_is_not_followed_over_a_gap(lab: Lab, clock: Clock) -> None:
    put_link(lab, successor(lab, link=3, previous=pinned(lab)), *ALICE_BOB)
    assert len(read(lab).links) == 1


def test_garbage_is_told_of(lab: Lab) -> None:
    for data in (b"", b"{}", b"\xff", dsse.write(link_envelope(successor(lab), *ALICE_BOB))[:-1]):
        lab.store.put_new(names.for_root(2, data), io.BytesIO(data), lock_until=LOCK)
    lab.store.put_new("root/not-one-of-ours", io.BytesIO(b"x"), lock_until=LOCK)
    right = put_link(lab, successor(lab), *ALICE_BOB)
    lab.memory.put_marker(names.parse(f"root/2-{right}.json").__str__())
    chain = read(lab)
    assert (len(chain.links), chain.head.id) == (2, right)
    assert len(chain.warnings) == 4


@given(flipped=st.integers(0, 10**6), cut=st.integers(0, 10**6))
def test_a_link_holds_in_all_its_bits(
    flipped: int, cut: int, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not _BITS:
        clock = Clock()
        made = governed(tmp_path_factory.mktemp("bits"), keys, clock)
        clock.advance(minutes=1)
        _BITS.append((made, dsse.write(link_envelope(successor(made), *ALICE_BOB))))
    lab, whole = _BITS[0]
    data = bytearray(whole)
    data[flipped // 8 % len(data)] ^= 1 << flipped % 8
    for damaged in (bytes(data), whole[: cut % len(whole)]):
        store = copied(lab)
        store.put_new(names.for_root(2, damaged), io.BytesIO(damaged), lock_until=LOCK)
        # under the name of the right one too
        store.put_new(names.for_root(2, whole), io.BytesIO(damaged), lock_until=LOCK)
        chain = read_chain(store, pinned(lab))
        assert (len(chain.links), len(chain.warnings)) == (1, 2)


_BITS: list[tuple[Lab, bytes]] = []

# What stops every reader


def test_two_valid_successors_stop_everything_and_are_named(lab: Lab, clock: Clock) -> None:
    first = put_link(lab, successor(lab), *ALICE_BOB)
    clock.advance(hours=1)
    second = put_link(lab, successor(lab), *ALICE_BOB)
    with pytest.raises(TrustError, match="2 valid root links follow link 1: the chain forks") as caught:
        read(lab)
    assert caught.value.item is not None
    assert {first, second} == set(caught.value.item.split(", "))
    assert "pin the right one" in str(caught.value)


def test_a_pin_past_a_fork_decides(lab: Lab, clock: Clock) -> None:
    ids = [put_link(lab, successor(lab, created=clock()), *ALICE_BOB) for _number in range(2)]
    for pin in ids:
        clock.advance(hours=1)
        third = put_link(lab, successor(lab, link=3, previous=pin, created=clock()), *ALICE_BOB)
        chain = read(lab, pin)
        assert [link.root.id for link in chain.links] == [pinned(lab), pin, third]
    # from its end the other branch is not of the chain
    assert chain.place(ids[0]) is None


def test_people_who_have_left_can_stop_but_not_lead(lab: Lab, clock: Clock) -> None:
    then = {"created": clock(), "request": request_of(lab)}
    right = put_link(lab, successor(lab, people=persons("carol", "dave", "erin")), *ALICE_BOB)
    clock.advance(days=300)
    put_link(lab, successor(lab, **then), *ALICE_BOB)
    with pytest.raises(TrustError, match="forks"):
        read(lab)
    assert read(lab, right).head.id == right


@pytest.mark.parametrize("missing", [1, 2])
def test_a_missing_link_before_the_pin_is_an_error(lab: Lab, clock: Clock, missing: int) -> None:
    ids = grown(lab, clock, 4)
    with pytest.raises(TrustError, match=f"does not hold root link {missing}, which link {missing + 1} follows") as e:
        read_chain(copied(lab, without=f"root/{missing}-"), ids[3])
    assert e.value.item == f"root/{missing}-{ids[missing - 1]}.json"
    assert e.value.remedy


def test_a_missing_link_after_the_pin_ends_the_chain_there(lab: Lab, clock: Clock) -> None:
    """The pin decides how much of a chain nobody can hide."""
    ids = grown(lab, clock, 4)
    chain = read_chain(copied(lab, without="root/3-"), ids[0])
    assert [link.root.id for link in chain.links] == ids[:2]


def test_a_frozen_replica_is_told(lab: Lab, clock: Clock) -> None:
    ids = grown(lab, clock, 4)
    with pytest.raises(
        TrustError, match="holds no root link with the pinned digest; the newest link there is number 3"
    ):
        read_chain(copied(lab, without="root/4-"), ids[3])
    with pytest.raises(TrustError, match="A replica may be behind, or frozen"):
        read_chain(copied(lab, without="root/4-"), ids[3])
    with pytest.raises(TrustError) as caught:
        read_chain(MemoryStore(now=clock), ids[3])
    assert "newest" not in str(caught.value)


@pytest.mark.parametrize("place", range(2))
def test_a_damaged_pinned_link_is_not_believed(lab: Lab, clock: Clock, place: int) -> None:
    ids = grown(lab, clock, 2)
    (name,) = (name for name in lab.names("root/") if ids[place] in name)
    (version,) = lab.memory._versions[name]
    whole, version.data = version.data, version.data[:-3]
    with pytest.raises(IntegrityError):
        read(lab, ids[place])
    # a whole version beside it is enough
    lab.store.put_new(name, io.BytesIO(whole), lock_until=LOCK)
    assert len(read(lab, ids[place]).links) == 2


def test_a_link_that_another_follows_is_not_followed_back_where_it_does_not_fit(lab: Lab, clock: Clock) -> None:
    wrong = put_link(lab, successor(lab, **_a_class_edited(lab)), *ALICE_BOB)
    with pytest.raises(TrustError, match="the pinned link 2 does not follow link 1: it edits or drops class"):
        read(lab, wrong)


def test_a_pinned_first_link_must_be_signed_by_its_own_key(lab: Lab) -> None:
    root = dataclasses.replace(lab.repository.root, created=lab.repository.root.created + SECOND)
    forged = put_link(lab, root, *ALICE_BOB)
    with pytest.raises(SignatureError, match="is signed by no point key of its own"):
        read(lab, forged)


# Junk


def test_a_copy_of_the_pinned_link_under_another_number_stops_nobody(lab: Lab, clock: Clock) -> None:
    ids = grown(lab, clock, 3)
    for root_id in ids:
        (name,) = (name for name in lab.names("root/") if root_id in name)
        for number in (1, 2, 3, 4, 10):
            lab.store.put_new(f"root/{number}-{root_id}.json", io.BytesIO(lab.store.get(name)), lock_until=LOCK)
    for pin in ids:
        assert [link.root.id for link in read(lab, pin).links] == ids


def test_junk_that_is_put_later_displaces_nothing(lab: Lab, clock: Clock) -> None:
    right = put_link(lab, successor(lab), *ALICE_BOB)
    clock.advance(seconds=1)
    for number in range(80):
        data = b"junk %d" % number
        lab.store.put_new(names.for_root(2, data), io.BytesIO(data), lock_until=LOCK)
    chain = read(lab)
    assert chain.head.id == right
    assert len(chain.warnings) == 64
    assert chain.warnings[-1] == "17 more objects that claim to be root link 2 were not read"


def test_the_pin_finds_a_link_among_any_junk(lab: Lab, clock: Clock) -> None:
    """Who may put can lay junk before a link is made: then the chain ends there, which is told, and a pin helps."""
    for number in range(64):
        data = b"junk %d" % number
        lab.store.put_new(names.for_root(2, data), io.BytesIO(data), lock_until=LOCK)
    clock.advance(seconds=1)
    right = put_link(lab, successor(lab), *ALICE_BOB)
    chain = read(lab)
    assert (chain.head.id, chain.warnings[-1]) == (
        pinned(lab),
        "1 more objects that claim to be root link 2 were not read",
    )
    assert read(lab, right).head.id == right


# First links


def test_first_links_are_all_that_are_whole(lab: Lab, clock: Clock) -> None:
    assert [link.root.id for link in first_links(lab.store)] == [pinned(lab)]
    lab.store.put_new(names.for_root(1, b"{}"), io.BytesIO(b"{}"), lock_until=LOCK)
    assert [link.root.id for link in first_links(lab.store)] == [pinned(lab)]
    assert first_links(MemoryStore(now=clock)) == []


def test_a_damaged_first_link_is_not_taken_for_nothing(clock: Clock) -> None:
    store = MemoryStore(now=clock)
    store.put_new(names.for_root(1, b"{}"), io.BytesIO(b"{}"), lock_until=LOCK)
    with pytest.raises(FormatError):
        first_links(store)


# Who may sign


def test_a_key_signs_under_the_links_that_name_it(lab: Lab, clock: Clock) -> None:
    (old,) = lab.repository.root.signing("point", clock())
    lab = followed(lab, rotate=("point",))
    clock.advance(hours=1)
    new = next(key for key in lab.repository.root.signing("point", clock()) if key != old)
    lab = followed(lab, remove=(old,))
    first, second, third = (link.root for link in lab.repository.chain.links)
    chain = lab.repository.chain
    at = clock()
    assert chain.signer(first.id, old, "point", at) == (first.signer(old, "point", at), third)
    assert chain.signer(second.id, old, "point", at) == (second.signer(old, "point", at), third)
    assert chain.signer(third.id, old, "point", at) is None
    assert chain.signer(first.id, new, "point", at) is None
    assert chain.signer(second.id, new, "point", at) == (second.signer(new, "point", at), None)
    assert chain.signer(second.id, new, "record", at) is None
    assert chain.signer(second.id, new, "point", at + 4000 * DAY) is None
    assert chain.signer(NOBODY, new, "point", at) is None


def test_a_wrapping_key_is_found_in_any_link(lab: Lab, clock: Clock) -> None:
    kept, year = min(lab.repository.root.classes), clock().year
    old = lab.repository.root.wrap_key(kept, year)
    lab = followed(lab, rotate=("wrap",))
    chain = lab.repository.chain
    assert chain.wrap_key(kept, year, "") == old
    assert chain.wrap_key(kept, year, "b") == chain.head.wrap_key(kept, year) != old
    assert chain.wrap_key(kept, year, "c") is None
    # a link may let it go: what was wrapped under it is unwrapped all the same
    clock.advance(hours=1)
    keys = chain.head.keys
    bare = dataclasses.replace(keys, wrap=tuple(key for key in keys.wrap if key.series))
    put_link(lab, successor(lab, keys=bare), *ALICE_BOB)
    assert read(lab).wrap_key(kept, year, "") == old


def test_a_link_is_read_back_as_what_was_asked(lab: Lab) -> None:
    root = successor(lab)
    root_id = put_link(lab, root, *ALICE_BOB)
    assert read(lab).head == dataclasses.replace(root, id=root_id)
