# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The change of a run: how it is looked up, what it says of its ticket, and what that permits."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.ticket import (
    BACKUP,
    KINDS,
    MARK,
    RECORD,
    REFUSE,
    REQUIRE,
    RESTORE,
    ChangeRule,
    Ticket,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.file import FileTickets
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import change
from hypothesis import given
from hypothesis import strategies as st

UTC = dt.timezone.utc
NOW = dt.datetime(2026, 11, 28, 2, tzinfo=UTC)
HOUR = dt.timedelta(hours=1)
TICKET = Ticket("CHG1", "file", "normal", "implement", True, True, "jane", NOW - HOUR, NOW + HOUR, ("web1",), "0" * 64)
GOOD = {"id": "CHG1", change.TICKET: change.facts(TICKET, NOW)}
SILENT = {"id": "CHG1", change.UNVERIFIED: "the server is away"}
MISSING = {"id": "CHG1", change.REFUSED: "there is no such change"}

moments = st.none() | st.datetimes(dt.datetime(1999, 1, 1), dt.datetime(2099, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
words = st.text(min_size=1, max_size=20)
tickets = st.builds(
    Ticket,
    id=words,
    provider=words,
    kind=st.sampled_from(KINDS),
    state=st.text(max_size=20),
    open=st.booleans(),
    approved=st.booleans(),
    requester=st.text(max_size=20),
    begins=moments,
    ends=moments,
    items=st.lists(words, max_size=5).map(tuple),
    digest=st.just("0" * 64),
    url=st.text(max_size=20),
    rejected=st.booleans(),
)


@given(ticket=tickets)
def test_a_point_says_all_of_a_ticket(ticket: Ticket) -> None:
    said = json.loads(json.dumps({"id": ticket.id, change.TICKET: change.facts(ticket, NOW)}))
    assert change.ticket_of(said) == ticket


@pytest.mark.parametrize("said", [None, "text", {"begins": "tomorrow"}, {"begins": 1}, {"items": 1}])
def test_what_cannot_be_read_is_no_ticket(said: object) -> None:
    assert change.ticket_of({"id": "CHG1", change.TICKET: said}) is None


class TestLookedUp:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "tickets.yml"
        path.write_text("- {id: CHG1, state: implement}\n- {id: CHG2, kind: odd}\n")
        return path

    def test_what_its_ticket_says_is_added(self, file: Path) -> None:
        found = change.looked_up({"id": "CHG1", "reason": "patch"}, FileTickets(file), NOW)
        assert (found["id"], found["reason"]) == ("CHG1", "patch")
        assert found[change.TICKET]["verified_at"] == "2026-11-28T02:00:00Z"

    @pytest.mark.parametrize(
        ("asked", "told"), [("CHG1", change.TICKET), ("CHG2", change.REFUSED), ("CHG3", change.REFUSED)]
    )
    def test_it_says_one_thing_of_its_ticket_whatever_was_given(self, file: Path, asked: str, told: str) -> None:
        lies = dict.fromkeys((change.TICKET, change.UNVERIFIED, change.REFUSED), "forged")
        found = change.looked_up({"id": asked, **lies}, FileTickets(file), NOW)
        assert set(found) == {"id", told}
        assert found[told] != "forged"

    def test_without_a_server_or_an_id_it_is_not_verified(self, file: Path) -> None:
        away = FileTickets(file.with_name("none.yml"))
        assert "cannot be read" in change.looked_up({"id": "CHG1"}, away, NOW)[change.UNVERIFIED]
        assert change.looked_up({}, FileTickets(file), NOW) == {change.UNVERIFIED: "no change is named"}

    def test_where_nobody_keeps_tickets_it_stays_without_what_only_a_server_says(self) -> None:
        assert change.looked_up({"id": "CHG1", change.TICKET: "forged"}, None, NOW) == {"id": "CHG1"}


@pytest.mark.parametrize("told", [GOOD, SILENT, MISSING])
def test_a_change_that_was_looked_up_is_judged_as_it_is(told: dict[str, object]) -> None:
    assert change.as_judged(told) == told


def test_one_that_nobody_looked_up_is_not_verified() -> None:
    assert "not read when the point was opened" in change.as_judged({"id": "CHG1"})[change.UNVERIFIED]


def refused(told: dict[str, object], *rules: ChangeRule, operation: str = BACKUP) -> str:
    """Why a change does not permit an operation on web1 now; empty where it does."""
    try:
        change.permit(told, rules, operation=operation, now=NOW, host="web1", host_names=["web1"])
    except change.ChangeRefusedError as e:
        return e.message
    return ""


@pytest.mark.parametrize(
    ("told", "rule", "operation", "why"),
    [
        (GOOD, ChangeRule(), RESTORE, ""),
        (GOOD, ChangeRule(kinds=("emergency",)), BACKUP, "of kind normal"),
        (GOOD, ChangeRule(backup=RECORD, kinds=("emergency",)), BACKUP, ""),
        (MISSING, ChangeRule(), BACKUP, "no such change"),
        (MISSING, ChangeRule(backup=RECORD), BACKUP, ""),
        (SILENT, ChangeRule(unreachable=MARK), BACKUP, ""),
        (SILENT, ChangeRule(unreachable=REFUSE), BACKUP, "could not be verified: the server is away"),
        (SILENT, ChangeRule(unreachable=MARK), RESTORE, "could not be verified"),
        ({"id": "CHG1"}, ChangeRule(backup=REQUIRE, unreachable=REFUSE), BACKUP, ""),
        ({}, ChangeRule(), RESTORE, ""),
        ({}, ChangeRule(restore=REQUIRE), RESTORE, "none is named"),
    ],
)
def test_what_a_tier_takes(told: dict[str, object], rule: ChangeRule, operation: str, why: str) -> None:
    message = refused(told, rule, operation=operation)
    assert why in message
    assert bool(message) == bool(why)


def test_each_tier_must_permit_and_each_reason_is_told_once() -> None:
    strict = ChangeRule(kinds=("emergency",))
    both = refused(GOOD, ChangeRule(), strict, ChangeRule(kinds=("emergency",), unreachable=REFUSE))
    assert both == "a backup is not permitted: change CHG1 is of kind normal"
