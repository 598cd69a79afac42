# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.ticket import (
    BACKUP,
    KINDS,
    OPERATIONS,
    RESTORE,
    ChangeRule,
    Ticket,
    judge,
    read_change_rule,
)
from hypothesis import given
from hypothesis import strategies as st

UTC = dt.timezone.utc
BEGINS = dt.datetime(2026, 11, 28, 1, tzinfo=UTC)
ENDS = BEGINS + dt.timedelta(hours=4)
SECOND = dt.timedelta(seconds=1)
USUAL = ChangeRule()
TICKET = Ticket("CHG1", "file", "normal", "implement", True, True, "jane", BEGINS, ENDS, ("web1",), "0" * 64)
moments = st.none() | st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(UTC))
tickets = st.builds(
    Ticket,
    id=st.just("CHG1"),
    provider=st.just("file"),
    kind=st.sampled_from(KINDS),
    state=st.just("any"),
    open=st.booleans(),
    approved=st.booleans(),
    requester=st.just(""),
    begins=moments,
    ends=moments,
    items=st.lists(st.sampled_from(["web1", "WEB1.example.com", "10.0.0.1", "db1"])).map(tuple),
    digest=st.just("0" * 64),
    rejected=st.booleans(),
)


def refused(ticket: Ticket, rule: ChangeRule = USUAL, **given: object) -> list[str]:
    asked = {"now": BEGINS, "host_names": ["web1"], "operation": BACKUP, **given}
    return [refusal.what for refusal in judge(ticket, rule, **asked)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_approved_change_in_its_window_that_names_the_host_permits(operation: str) -> None:
    assert refused(TICKET, operation=operation) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"approved": False}, "not approved"),
        ({"approved": False, "rejected": True}, "was rejected or cancelled"),
        ({"open": False, "state": "closed"}, "in state closed"),
        ({"items": ("web2",)}, "does not name this host"),
        ({"items": ()}, "does not name this host"),
        ({"kind": "emergency"}, "of kind emergency"),
    ],
)
def test_what_a_change_lacks_is_said(changed: dict[str, object], said: str) -> None:
    (only,) = refused(dataclasses.replace(TICKET, **changed), ChangeRule(kinds=("normal", "standard")))
    assert said in only


def test_a_rejected_emergency_permits_nothing() -> None:
    emergency = dataclasses.replace(TICKET, kind="emergency", approved=False)
    assert refused(emergency) == []
    assert refused(dataclasses.replace(emergency, rejected=True)) == ["change CHG1 was rejected or cancelled"]


def test_a_window_is_open_from_its_first_moment_and_closed_at_its_last() -> None:
    assert refused(TICKET, now=BEGINS - SECOND) == ["the window of change CHG1 opens at 2026-11-28T01:00:00Z"]
    assert refused(TICKET, now=BEGINS) == []
    assert refused(TICKET, now=ENDS - SECOND) == []
    assert refused(TICKET, now=ENDS) == ["the window of change CHG1 closed at 2026-11-28T05:00:00Z"]


def test_without_a_window_a_restore_is_for_standard_changes_alone() -> None:
    unbounded = dataclasses.replace(TICKET, ends=None)
    assert refused(unbounded) == []
    assert refused(unbounded, operation=RESTORE) == ["change CHG1 has no window"]
    assert refused(dataclasses.replace(unbounded, kind="standard"), operation=RESTORE) == []


def test_an_emergency_change_may_be_approved_later_where_the_tier_takes_it() -> None:
    urgent = dataclasses.replace(TICKET, kind="emergency", approved=False)
    assert refused(urgent) == []
    assert refused(urgent, ChangeRule(kinds=("normal",))) != []


@pytest.mark.parametrize(
    ("item", "name", "same"),
    [
        ("WEB1", "web1", True),
        ("web1.example.com", "web1", True),
        ("web1", "web1.example.com.", True),
        ("web1.example.com", "web1.example.org", False),
        ("web11", "web1", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "10", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("fe80::1", "fe80", False),
        ("", "web1", False),
        (".", "web1", False),
    ],
)
def test_a_configuration_item_means_a_host_by_its_name_alone(item: str, name: str, same: bool) -> None:
    assert (refused(dataclasses.replace(TICKET, items=(item,)), host_names=[name]) == []) is same


@given(tickets, st.sampled_from(OPERATIONS), moments)
def test_what_permits_is_open_in_its_window_and_names_the_host(
    ticket: Ticket, operation: str, now: dt.datetime | None
) -> None:
    now = now or BEGINS
    if not refused(ticket, operation=operation, now=now):
        assert ticket.open
        assert ticket.approved or ticket.kind == "emergency"
        assert not ticket.rejected
        assert ticket.begins is None or ticket.begins <= now
        assert ticket.ends is None or now < ticket.ends
        assert {"web1", "WEB1.example.com"} & set(ticket.items)
        assert operation == BACKUP or ticket.kind == "standard" or (ticket.begins and ticket.ends)


@given(tickets, st.sampled_from(OPERATIONS))
def test_more_of_a_rule_never_permits_more(ticket: Ticket, operation: str) -> None:
    lax = ChangeRule(items=False)
    assert set(refused(ticket, lax, operation=operation)) <= set(refused(ticket, operation=operation))


class TestReading:
    def test_without_a_word_what_is_named_is_verified(self) -> None:
        assert ChangeRule() == ChangeRule("verify", "verify", KINDS, True, "mark")

    def test_a_rule_is_read(self) -> None:
        findings: list[Finding] = []
        given = {"backup": "record", "restore": "require", "kinds": ["normal"], "items": False, "unreachable": "refuse"}
        assert read_change_rule("k", given, findings) == ChangeRule("record", "require", ("normal",), False, "refuse")
        assert findings == []

    @pytest.mark.parametrize(
        ("given", "key"),
        [
            ("always", "k"),
            ({"backup": "no"}, "k.backup"),
            ({"backup": ["verify"]}, "k.backup"),
            ({"restore": None}, "k.restore"),
            ({"kinds": []}, "k.kinds"),
            ({"kinds": ["odd"]}, "k.kinds"),
            ({"items": "yes"}, "k.items"),
            ({"unreachable": "ignore"}, "k.unreachable"),
            ({"window": True}, "k.window"),
        ],
    )
    def test_what_is_wrong_is_said(self, given: object, key: str) -> None:
        findings: list[Finding] = []
        read_change_rule("k", given, findings)
        assert key in [finding.key for finding in findings]
