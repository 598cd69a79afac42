# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""People and their quorum, as inventories spell them: what is read, and what is told of what is wrong."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.people import canonical_key
from ansible_collections.holdfast.config.plugins.plugin_utils.model.people import OPERATIONS, read_people, read_quorum
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person, Quorum
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.skemu import Authenticator
from hypothesis import given
from hypothesis import strategies as st

ALICE, BOB = Authenticator(seed=1).line, Authenticator(seed=2).line
EVER = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


def day(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, tzinfo=dt.timezone.utc)


def declared(**changes: t.Any) -> dict[str, t.Any]:
    """One person as an inventory has them; None takes a field away."""
    fields = {"name": "alice", "roles": ["security"], "key": ALICE, "valid_until": "2028-12-31", **changes}
    return {name: value for name, value in fields.items() if value is not None}


def people(*given: t.Any) -> tuple[tuple[Person, ...] | None, list[Finding]]:
    findings: list[Finding] = []
    return read_people(list(given), findings, canonical=canonical_key), findings


def quorum(value: t.Any) -> tuple[tuple[Quorum, ...] | None, list[Finding]]:
    findings: list[Finding] = []
    return read_quorum(value, findings), findings


# People


def test_people_are_read_in_their_order() -> None:
    found, findings = people(
        declared(),
        declared(name="bob@example.com", roles=["operations", "on-call_2"], key=BOB, valid_from="2026-01-01"),
    )
    assert findings == []
    assert found == (
        Person("alice", ("security",), ALICE, EVER, day(2028, 12, 31)),
        Person("bob@example.com", ("operations", "on-call_2"), BOB, day(2026, 1, 1), day(2028, 12, 31)),
    )


def test_nothing_declared_is_not_nobody() -> None:
    findings: list[Finding] = []
    assert read_people(None, findings, canonical=canonical_key) is None
    assert read_people([], findings, canonical=canonical_key) == ()
    assert read_quorum(None, findings) is None
    assert read_quorum({}, findings) == ()
    assert findings == []


def test_a_key_is_read_in_its_one_spelling() -> None:
    for line in (f"{ALICE} alice@laptop", f"  {ALICE}\n", f"no-touch-required {ALICE} x"):
        found, findings = people(declared(key=line))
        assert findings == []
        assert found is not None
        assert found[0].public == ALICE


@pytest.mark.parametrize(
    ("until", "moment"),
    [
        ("2028-12-31", day(2028, 12, 31)),
        ("2028-12-31T23:59:59Z", dt.datetime(2028, 12, 31, 23, 59, 59, tzinfo=dt.timezone.utc)),
        (dt.date(2028, 12, 31), day(2028, 12, 31)),
        (day(2028, 12, 31), day(2028, 12, 31)),
    ],
    ids=["day", "moment", "date of YAML", "moment of YAML"],
)
def test_days_and_moments_are_read(until: t.Any, moment: dt.datetime) -> None:
    found, findings = people(declared(valid_until=until))
    assert findings == []
    assert found is not None
    assert found[0].not_after == moment
    assert found[0].not_after.tzinfo is not None


WRONG_PERSON: dict[str, tuple[t.Any, str, str]] = {
    "no mapping": ("alice", ".name", "is not a name"),
    "no name": (declared(name=None), ".name", "is not a name"),
    "empty name": (declared(name=""), ".name", "is not a name"),
    "a number": (declared(name=7), ".name", "is not a name"),
    "control characters": (declared(name="alice\x1b[31m"), ".name", "is not a name"),
    "no key": (declared(key=None), ".key", "cannot be used"),
    "no such key": (declared(key="ssh-dss AAAA"), ".key", "cannot be used"),
    "no end": (declared(valid_until=None), ".valid_until", "is not a day"),
    "no such day": (declared(valid_until="2028-02-30"), ".valid_until", "is not a day"),
    "another time zone": (declared(valid_until="2028-12-31T00:00:00+01:00"), ".valid_until", "is not a day"),
    "a moment without time zone": (
        declared(valid_until=day(2028, 12, 31).replace(tzinfo=None)),
        ".valid_until",
        "is not a day",
    ),
    "a year": (declared(valid_until=2028), ".valid_until", "is not a day"),
    "no such beginning": (declared(valid_from="soon"), ".valid_from", "is not a day"),
    "one role": (declared(roles="security"), ".roles", "is not a list of roles"),
    "no role": (declared(roles=7), ".roles", "is not a list of roles"),
    "role of another spelling": (declared(roles=["Security"]), ".roles", "is not a list of roles"),
    "role that is no text": (declared(roles=[None]), ".roles", "is not a list of roles"),
    "another field": (declared(valid_unitl="2028-12-31"), ".valid_unitl", "is not a key of this version"),
}


@pytest.mark.parametrize("why", WRONG_PERSON)
def test_what_is_wrong_with_a_person_is_told(why: str) -> None:
    given, field, problem = WRONG_PERSON[why]
    found, findings = people(given, declared(name="bob", key=BOB))
    assert found is not None
    assert [person.principal for person in found] == ["bob"]
    told = [finding for finding in findings if finding.key == f"holdfast_people[0]{field}"]
    assert len(told) == 1
    assert problem in told[0].problem
    assert told[0].remedy


def test_all_that_is_wrong_is_told_at_once() -> None:
    _found, findings = people(declared(name="", key="", roles="x", valid_until="x"), 7)
    assert {finding.key for finding in findings if finding.key.startswith("holdfast_people[0]")} == {
        f"holdfast_people[0].{field}" for field in ("name", "key", "roles", "valid_until")
    }
    assert any(finding.key.startswith("holdfast_people[1]") for finding in findings)


@pytest.mark.parametrize("twice", ["alice", "ALICE", "Alice"])
def test_a_person_is_named_once(twice: str) -> None:
    _found, (finding,) = people(declared(), declared(name=twice, key=BOB))
    assert (finding.key, finding.problem) == (f"holdfast_people[1] ({twice}).name", "is there twice")


def test_names_are_compared_in_their_normal_form() -> None:
    _found, (finding,) = people(declared(name="Zo\u00eb"), declared(name="zoe\u0308", key=BOB))
    assert finding.problem == "is there twice"


def test_a_key_belongs_to_one_person() -> None:
    _found, (finding,) = people(declared(), declared(name="bob", key=f"{ALICE} bob@laptop"))
    assert (finding.key, finding.problem) == ("holdfast_people[1] (bob).key", "is another person's too")


@pytest.mark.parametrize("value", ["alice", 7, {"name": "alice"}, True], ids=repr)
def test_people_are_a_list(value: t.Any) -> None:
    findings: list[Finding] = []
    assert read_people(value, findings, canonical=canonical_key) is None
    assert [finding.key for finding in findings] == ["holdfast_people"]


# Quorum


def test_rules_are_read_in_the_order_of_operations() -> None:
    found, findings = quorum(
        {
            "root": {"required": 2},
            "retired": {"required": 3, "roles": ["security", "security"], "presence": "pin"},
        }
    )
    assert findings == []
    assert found == (Quorum("retired", 3, ("security", "security"), "pin"), Quorum("root", 2, (), "any"))
    assert OPERATIONS == ("root", "access", "destruction", "escrow-destroyed", "exception", "hold-release", "retired")


WRONG_RULE: dict[str, tuple[t.Any, str, str]] = {
    "no mapping": ({"root": 2}, ".root.required", "is not a number of people"),
    "no number": ({"root": {}}, ".root.required", "is not a number of people"),
    "nobody": ({"root": {"required": 0}}, ".root.required", "is not a number of people"),
    "fewer than nobody": ({"root": {"required": -1}}, ".root.required", "is not a number of people"),
    "too many": ({"root": {"required": 101}}, ".root.required", "is not a number of people"),
    "a truth": ({"root": {"required": True}}, ".root.required", "is not a number of people"),
    "a text": ({"root": {"required": "2"}}, ".root.required", "is not a number of people"),
    "no such presence": ({"root": {"required": 2, "presence": "PIN"}}, ".root.presence", "is unknown"),
    "no such operation": ({"restore": {"required": 2}}, ".restore", "is no operation that people sign"),
    "no such field": ({"root": {"required": 2, "role": ["x"]}}, ".root", "has no key role"),
    "roles that are none": ({"root": {"required": 2, "roles": "security"}}, ".root.roles", "is not a list of roles"),
}


@pytest.mark.parametrize("why", WRONG_RULE)
def test_what_is_wrong_with_a_rule_is_told(why: str) -> None:
    given, field, problem = WRONG_RULE[why]
    _found, findings = quorum(given)
    (told,) = findings
    assert told.key == f"holdfast_quorum{field}"
    assert problem in told.problem
    assert told.remedy


@pytest.mark.parametrize("value", ["root", 7, [{"root": 2}]], ids=repr)
def test_a_quorum_is_a_mapping(value: t.Any) -> None:
    assert quorum(value)[0] is None
    assert [finding.key for finding in quorum(value)[1]] == ["holdfast_quorum"]


# Whatever an inventory holds

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.datetimes(), st.binary(max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["name", "roles", "key", "valid_from", "valid_until"])


@given(VALUES | st.lists(st.dictionaries(FIELDS, VALUES | st.just(ALICE), max_size=5), max_size=3))
def test_any_people_are_read_or_told(value: t.Any) -> None:
    findings: list[Finding] = []
    found = read_people(value, findings, canonical=canonical_key)
    assert found is not None or value is None or findings
    for person in found or ():
        # what is believed can be written into a root and read back
        assert person.principal.isprintable()
        assert canonical_key(person.public) == person.public
        assert person.not_before.tzinfo is not None
        assert person.not_after.tzinfo is not None


OPERATION = st.sampled_from(["root", "retired", "restore"]) | SCALARS
RULE = st.dictionaries(st.sampled_from(["required", "roles", "presence"]), VALUES, max_size=3)


@given(VALUES | st.dictionaries(OPERATION, RULE | VALUES, max_size=3))
def test_any_quorum_is_read_or_told(value: t.Any) -> None:
    findings: list[Finding] = []
    found = read_quorum(value, findings)
    assert found is not None or value is None or findings
    for rule in found or ():
        assert rule.operation in OPERATIONS
        assert 1 <= rule.required <= 100


def test_a_key_that_is_refused_says_why() -> None:
    def refuse(_line: str) -> str:
        raise FormatError("it is a certificate")

    findings: list[Finding] = []
    read_people([declared()], findings, canonical=refuse)
    assert [finding.problem for finding in findings] == ["cannot be used: it is a certificate"]
