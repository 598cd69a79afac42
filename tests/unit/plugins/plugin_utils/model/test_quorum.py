# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import itertools
import unicodedata
from collections.abc import Sequence

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.quorum import (
    Counted,
    Verdict,
    folded,
    judge,
    satisfiable,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person, Quorum
from hypothesis import example, given
from hypothesis import strategies as st

FROM = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
TO = dt.datetime(2036, 1, 1, tzinfo=dt.timezone.utc)
SECOND = dt.timedelta(seconds=1)
ROLES = ("ops", "security", "audit")
NOBODY = "mallory"


def rule(required: int, *roles: str, presence: str = "any") -> Quorum:
    return Quorum("root", required, roles, presence)


def by(principal: str, *roles: str, touched: bool | None = None, verified: bool | None = None) -> Counted:
    return Counted(principal, roles, touched, verified)


def person(principal: str, *roles: str, public: str = "") -> Person:
    return Person(principal, roles, public or f"ssh-ed25519 {principal}", FROM, TO)


ALICE, BOB, CAROL = by("alice", "ops", "security"), by("bob", "ops"), by("carol", "audit")


@pytest.mark.parametrize(
    ("judged", "verdict"),
    [
        (judge(rule(1), [ALICE], requester=NOBODY), Verdict(True, ("alice",), ())),
        (judge(rule(2), [BOB, ALICE], requester=NOBODY), Verdict(True, ("bob", "alice"), ())),
        (judge(rule(2), [ALICE], requester=NOBODY), Verdict(False, ("alice",), ("1 more person",))),
        (judge(rule(3), [ALICE], requester=NOBODY), Verdict(False, ("alice",), ("2 more people",))),
        (judge(rule(1), [], requester=NOBODY), Verdict(False, (), ("1 more person",))),
        (judge(rule(1), [by("alice"), by("alice")], requester=NOBODY), Verdict(True, ("alice",), ())),
    ],
    ids=["one", "two", "one of two", "one of three", "none", "twice"],
)
def test_people_are_counted(judged: Verdict, verdict: Verdict) -> None:
    assert judged == verdict


@pytest.mark.parametrize("spelling", ["alice", "Alice", "ALICE"])
def test_who_asks_does_not_count(spelling: str) -> None:
    assert judge(rule(1), [ALICE, BOB], requester=spelling) == Verdict(True, ("bob",), ())
    assert judge(rule(1), [ALICE], requester=spelling) == Verdict(
        False, (), ("1 more person", "alice asked for it and does not count")
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("alice", "Alice", True),
        ("Str\u00f6bel", "STRO\u0308BEL", True),
        ("stra\u00dfe", "STRASSE", True),
        ("\u1e9e", "ss", True),
        ("alice", "alicia", False),
        # Cyrillic: they look alike, and are not
        ("alice", "\u0430lice", False),
    ],
)
def test_spellings_of_one_principal(one: str, other: str, same: bool) -> None:
    assert (folded(one) == folded(other)) == same
    assert judge(rule(2), [by(one), by(other)], requester=NOBODY).reached != same
    assert judge(rule(1), [by(one)], requester=other).reached != same


def test_every_role_takes_a_person_of_its_own() -> None:
    both = rule(2, "ops", "security")
    assert judge(both, [ALICE, BOB], requester=NOBODY) == Verdict(True, ("alice", "bob"), ())
    assert judge(both, [ALICE], requester=NOBODY) == Verdict(
        False, ("alice",), ("1 more person", "somebody else of role security")
    )
    # alice is one, and two of role ops are no security
    assert judge(both, [BOB, by("dave", "ops")], requester=NOBODY) == Verdict(
        False, ("bob", "dave"), ("somebody of role security",)
    )


def test_who_holds_no_role_of_the_rule_does_not_count() -> None:
    assert judge(rule(2, "ops"), [BOB, CAROL], requester=NOBODY) == Verdict(
        False, ("bob",), ("1 more person", "carol holds none of the roles ops")
    )
    assert judge(rule(2), [BOB, CAROL], requester=NOBODY).reached


def test_a_role_that_is_named_twice_takes_two() -> None:
    twice = rule(1, "ops", "ops")
    assert not judge(twice, [BOB], requester=NOBODY).reached
    assert judge(twice, [ALICE, BOB], requester=NOBODY).reached


def test_roles_are_taken_even_where_fewer_people_are_required() -> None:
    assert judge(rule(1, *ROLES), [ALICE, BOB], requester=NOBODY).lacking == ("somebody of role audit",)
    assert judge(rule(1, *ROLES), [ALICE, BOB, CAROL], requester=NOBODY).reached


def test_a_person_gives_way_to_one_who_can_fill_no_other_role() -> None:
    # each but the last takes the place of the next, whatever the order
    chain = [by(f"p{n}", f"r{n}", f"r{n + 1}") for n in range(6)] + [by("p6", "r0")]
    wanted = rule(7, *(f"r{n}" for n in range(7)))
    for order in (1, -1):
        assert judge(wanted, chain[::order], requester=NOBODY).reached
        assert judge(wanted, chain[:-1][::order], requester=NOBODY).lacking[0] == "1 more person"


def test_a_long_chain_of_roles_is_judged() -> None:
    chain = [by(f"p{n}", f"r{n}", f"r{n + 1}") for n in range(1200)]
    roles = [f"r{n}" for n in range(1201)]
    assert judge(rule(1, *roles[:-1]), chain, requester=NOBODY).reached
    assert judge(rule(1, *roles[1:]), chain, requester=NOBODY).reached
    assert not judge(rule(1, *roles), chain, requester=NOBODY).reached


PLAIN, IDLE = by("alice"), by("alice", touched=False, verified=False)
TOUCHED, VERIFIED = by("alice", touched=True, verified=False), by("alice", touched=True, verified=True)
ODD = by("alice", touched=False, verified=True)


@pytest.mark.parametrize(
    ("presence", "signed", "said"),
    [
        ("any", PLAIN, ""),
        ("any", IDLE, ""),
        ("any", TOUCHED, ""),
        ("touch", PLAIN, "alice's key is no FIDO2 key"),
        ("touch", IDLE, "alice's key was not touched"),
        ("touch", ODD, "alice's key was not touched"),
        ("touch", TOUCHED, ""),
        ("touch", VERIFIED, ""),
        ("pin", PLAIN, "alice's key is no FIDO2 key"),
        ("pin", IDLE, "alice's key was not touched"),
        ("pin", ODD, "alice's key was not touched"),
        ("pin", TOUCHED, "alice's key did not verify its user by PIN or biometrics"),
        ("pin", VERIFIED, ""),
    ],
)
def test_presence(presence: str, signed: Counted, said: str) -> None:
    verdict = judge(rule(1, presence=presence), [signed], requester=NOBODY)
    if said:
        assert verdict == Verdict(False, (), ("1 more person", said))
    else:
        assert verdict == Verdict(True, ("alice",), ())


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_signatures_those_with_the_presence_count(order: int) -> None:
    signed = [by("alice", "ops"), by("Alice", "security", touched=True), by("ALICE", "audit", touched=True)][::order]
    for roles, reached in ((("security",), True), (("audit",), True), (("ops",), False)):
        verdict = judge(rule(1, *roles, presence="touch"), signed, requester=NOBODY)
        assert verdict.reached == reached
        assert len(verdict.counted) == reached
    # nothing is said of a person who counts
    assert judge(rule(2, presence="touch"), signed, requester=NOBODY).lacking == ("1 more person",)


@pytest.mark.parametrize("required", [0, -1])
def test_a_rule_that_takes_nobody_is_never_reached(required: int) -> None:
    for signed in ([], [ALICE, BOB]):
        verdict = judge(rule(required), signed, requester=NOBODY)
        assert not verdict.reached
        assert verdict.lacking == (f"a rule that takes at least 1 person, not {required}",)
    assert not satisfiable(rule(required), [person("alice")], FROM)


@pytest.mark.parametrize("presence", ["", "ANY", "none", "biometrics"])
def test_a_presence_that_is_not_known_is_never_reached(presence: str) -> None:
    verdict = judge(rule(1, presence=presence), [VERIFIED], requester=NOBODY)
    assert not verdict.reached
    assert verdict.lacking == (f"a rule whose presence is one of any, touch, pin, not {presence!r}",)
    assert not satisfiable(rule(1, presence=presence), [person("alice")], FROM)


# Against a brute force

names = st.sampled_from(["alice", "Alice", "bob", "carol", "dave", "Str\u00f6bel", "STRO\u0308BEL"])
role_sets = st.lists(st.sampled_from(ROLES), max_size=3, unique=True).map(tuple)
flags = st.sampled_from([(None, None), (False, False), (True, False), (True, True)])
signatures = st.builds(lambda name, roles, flag: Counted(name, roles, *flag), names, role_sets, flags)
rules = st.builds(
    Quorum,
    st.just("root"),
    st.integers(-1, 4),
    st.lists(st.sampled_from(ROLES), max_size=4).map(tuple),
    st.sampled_from(["any", "touch", "pin", "other"]),
)


def plainly(principal: str) -> str:
    return unicodedata.normalize("NFC", principal).casefold()


def has_presence(presence: str, one: Counted) -> bool:
    return {"any": True, "touch": bool(one.touched), "pin": bool(one.touched and one.verified)}.get(presence, False)


def those_who_count(wanted: Quorum, signed: Sequence[Counted], requester: str) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    for one in signed:
        if plainly(one.principal) != plainly(requester) and has_presence(wanted.presence, one):
            held.setdefault(plainly(one.principal), set()).update(one.roles)
    return {name: roles for name, roles in held.items() if not wanted.roles or roles & set(wanted.roles)}


def brute_force(wanted: Quorum, signed: Sequence[Counted], requester: str) -> bool:
    held = those_who_count(wanted, signed, requester)
    filled = any(
        all(role in held[name] for role, name in zip(wanted.roles, chosen, strict=True))
        for chosen in itertools.permutations(held, len(wanted.roles))
    )
    return filled and len(held) >= wanted.required >= 1


@given(wanted=rules, signed=st.lists(signatures, max_size=7), requester=names | st.just(NOBODY))
@example(rule(2, "ops", "security"), [by("a", "ops", "security"), by("b", "ops")], NOBODY)
@example(rule(1, "security", "ops"), [by("a", "ops", "security"), by("b", "security")], NOBODY)
def test_judging_is_what_trying_everything_finds(wanted: Quorum, signed: list[Counted], requester: str) -> None:
    verdict = judge(wanted, signed, requester=requester)
    assert verdict.reached == brute_force(wanted, signed, requester)
    assert verdict.reached == (not verdict.lacking)
    if wanted.presence != "other":
        assert {plainly(name) for name in verdict.counted} == those_who_count(wanted, signed, requester).keys()
    assert len({plainly(name) for name in verdict.counted}) == len(verdict.counted)
    assert set(verdict.counted) <= {one.principal for one in signed}


@given(wanted=rules, signed=st.lists(signatures, max_size=7), requester=names | st.just(NOBODY))
def test_the_roles_said_to_be_left_are_as_few_as_can_be(wanted: Quorum, signed: list[Counted], requester: str) -> None:
    left = sum(" of role " in said for said in judge(wanted, signed, requester=requester).lacking)
    held = list(those_who_count(wanted, signed, requester).values())
    if wanted.presence == "other" or judge(wanted, signed, requester=requester).reached:
        return
    most = max(
        sum(role in roles for role, roles in zip(wanted.roles, chosen, strict=True))
        for chosen in itertools.permutations([*held, *([set()] * len(wanted.roles))], len(wanted.roles))
    )
    assert left == len(wanted.roles) - most


@given(wanted=rules, signed=st.lists(signatures, max_size=6), more=signatures, requester=names)
def test_one_more_signature_never_takes_a_quorum_away(
    wanted: Quorum, signed: list[Counted], more: Counted, requester: str
) -> None:
    if judge(wanted, signed, requester=requester).reached:
        assert judge(wanted, [*signed, more], requester=requester).reached


@given(wanted=rules, signed=st.permutations([ALICE, BOB, CAROL, by("BOB", "audit"), TOUCHED, VERIFIED]))
def test_the_order_of_signatures_decides_nothing(wanted: Quorum, signed: list[Counted]) -> None:
    assert (
        judge(wanted, signed, requester=NOBODY).reached
        == judge(wanted, sorted(signed, key=repr), requester=NOBODY).reached
    )


# Before a root is made

SK = "sk-ssh-ed25519@openssh.com AAAA"


def test_a_root_that_its_people_can_succeed() -> None:
    two = [person("alice", "ops"), person("bob", "security")]
    assert satisfiable(rule(2, "ops", "security"), two, FROM)
    assert not satisfiable(rule(3), two, FROM)
    assert not satisfiable(rule(1, "audit"), two, FROM)
    assert not satisfiable(rule(1), [], FROM)
    assert not satisfiable(rule(2), [person("alice"), person("Alice", public="ssh-ed25519 other")], FROM)


def test_one_of_the_people_may_be_the_one_who_asks() -> None:
    two = [person("alice"), person("bob")]
    assert satisfiable(rule(2), two, FROM)
    assert satisfiable(rule(2), two, FROM, requester=NOBODY)
    assert not satisfiable(rule(2), two, FROM, requester="Alice")
    assert satisfiable(rule(1), two, FROM, requester="Alice")
    # somebody outside, even where a principal is empty
    assert satisfiable(rule(1), [person("")], FROM)
    assert not satisfiable(rule(1), [person("")], FROM, requester="")


@pytest.mark.parametrize(("at", "valid"), [(FROM - SECOND, 0), (FROM, 1), (TO, 1), (TO + SECOND, 0)], ids=range(4))
def test_people_count_while_their_keys_are_valid(at: dt.datetime, valid: int) -> None:
    assert satisfiable(rule(1), [person("alice")], at) == bool(valid)


def test_only_fido2_keys_can_be_touched() -> None:
    for public, present in (
        ("ssh-ed25519 AAAA", False),
        (SK, True),
        ("sk-ecdsa-sha2-nistp256@openssh.com AAAA", True),
        ("sk-ssh-ed25519-cert-v01@openssh.com AAAA", False),
        ("ssh-rsa AAAA sk-ssh-ed25519@openssh.com", False),
    ):
        people = [person("alice", public=public)]
        assert satisfiable(rule(1), people, FROM)
        assert satisfiable(rule(1, presence="touch"), people, FROM) == present
        assert satisfiable(rule(1, presence="pin"), people, FROM) == present


def test_a_key_that_two_share_counts_for_neither() -> None:
    shared = [person("alice", public=SK), person("bob", public=SK), person("carol")]
    assert satisfiable(rule(1), shared, FROM)
    assert not satisfiable(rule(2), shared, FROM)
    # one person who has it for two times shares it with nobody
    assert satisfiable(rule(1), [person("alice", public=SK), person("Alice", public=SK)], FROM)


people_of_a_root = st.builds(
    lambda name, roles, kind: person(name, *roles, public=f"{kind} {plainly(name)}"),
    names,
    role_sets,
    st.sampled_from(["ssh-ed25519", "sk-ssh-ed25519@openssh.com"]),
)


@given(wanted=rules, people=st.lists(people_of_a_root, max_size=6))
def test_satisfiable_is_that_some_requester_leaves_a_quorum(wanted: Quorum, people: list[Person]) -> None:
    signed = [Counted(one.principal, one.roles, *[one.public.startswith("sk-") or None] * 2) for one in people]
    asking = [NOBODY, *(one.principal for one in people)]
    assert satisfiable(wanted, people, FROM) == any(brute_force(wanted, signed, requester) for requester in asking)
    for requester in asking:
        assert satisfiable(wanted, people, FROM, requester=requester) == brute_force(wanted, signed, requester)
