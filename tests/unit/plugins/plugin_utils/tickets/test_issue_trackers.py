# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that are issues: what is read of them, and what is made of what is odd."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    TicketError,
    TicketMissingError,
    TicketServerError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.github import GitHub
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.http import Http
from ansible_collections.holdfast.config.tests.lab import github

UTC = dt.timezone.utc
SINCE, UNTIL = dt.datetime(2026, 11, 28, 1, tzinfo=UTC), dt.datetime(2026, 11, 28, 5, tzinfo=UTC)


@pytest.fixture
def repository() -> Iterator[github.GitHub]:
    found = github.GitHub()
    found.add(7, "change", "approved", "host::web2", "host::web1")
    found.add(8, "change", "kind::emergency")
    found.add(9, "change", "kind::emergency", "rejected")
    found.add(10, "bug", "approved")
    found.add(11, "change", "approved", pull_request={"url": "x"})
    found.add(12, "change", "approved", closed_at="2026-11-28T02:00:00Z")
    found.add(13, "change", closed_at="2026-11-28T00:30:00Z", state_reason="not_planned")
    found.add(14, "change", "kind::emergency", "kind::standard")
    yield from github.serve(found)


@pytest.fixture
def tickets(repository: github.GitHub) -> GitHub:
    return over_http(repository)


def over_http(repository: github.GitHub, token: str = github.TOKEN) -> GitHub:
    headers = {"Authorization": f"Bearer {token}"}
    return GitHub(Http(repository.url, headers=headers, timeout=20, pause=lambda _s: None), github.PROJECT)


class TestGitHub:
    def test_tells_an_approved_change(self, tickets: GitHub) -> None:
        ticket = tickets.fetch("7")
        assert (ticket.id, ticket.provider, ticket.kind, ticket.state) == ("7", "github", "normal", "open")
        assert (ticket.open, ticket.approved, ticket.rejected) == (True, True, False)
        assert (ticket.begins, ticket.ends, ticket.requester) == (None, None, "jane")
        assert ticket.items == ("web1", "web2")

    def test_tells_what_is_not_approved_rejected_or_closed(self, tickets: GitHub) -> None:
        told = {n: tickets.fetch(str(n)) for n in (8, 9, 12, 13)}
        assert [told[n].approved for n in told] == [False, False, True, False]
        assert [told[n].rejected for n in told] == [False, True, False, True]
        assert [told[n].open for n in told] == [True, True, False, False]
        assert told[12].ends == dt.datetime(2026, 11, 28, 2, tzinfo=UTC)

    def test_one_of_several_kinds_is_normal(self, tickets: GitHub) -> None:
        assert tickets.fetch("14").kind == "normal"

    @pytest.mark.parametrize("number", ["10", "11", "99", "07", "CHG7"])
    def test_what_is_no_change_is_missing(self, tickets: GitHub, number: str) -> None:
        with pytest.raises(TicketMissingError, match=f"no change {number}"):
            tickets.fetch(number)

    @pytest.mark.parametrize("ticket_id", ["", "../x", "7/comments", "7?x", "7\n"])
    def test_asks_nobody_for_what_is_no_id(self, tickets: GitHub, repository: github.GitHub, ticket_id: str) -> None:
        with pytest.raises(TicketError, match="no id of a change ticket"):
            tickets.fetch(ticket_id)
        assert repository.asked == []

    def test_a_note_is_written_once(self, tickets: GitHub, repository: github.GitHub) -> None:
        repository.comments[7] = [{"body": f"comment {n}"} for n in range(25)]
        assert tickets.note("7", "backed up", "point-10")
        assert tickets.note("7", "see [point-2] above", "point-1")
        assert tickets.note("7", "backed up", "point-2")
        assert not tickets.note("7", "backed up", "point-10")
        assert len(repository.comments[7]) == 28

    def test_lists_what_it_fetches_on_all_pages(self, tickets: GitHub, repository: github.GitHub) -> None:
        for number in range(100, 125):
            repository.add(number, "change")
        listed = tickets.listed(SINCE, UNTIL)
        assert {ticket.id for ticket in listed} == {"7", "8", "9", "12", "14", *map(str, range(100, 125))}
        assert [ticket.id for ticket in listed] == sorted(ticket.id for ticket in listed)
        assert all(ticket == tickets.fetch(ticket.id) for ticket in listed[:6])

    def test_its_digest_is_of_what_the_change_says(self, tickets: GitHub, repository: github.GitHub) -> None:
        before = tickets.fetch("7").digest
        assert tickets.fetch("7").digest == before
        repository.add(7, "change", "host::web2", "host::web1")
        assert tickets.fetch("7").digest != before

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, b"a secret"),
            (302, b""),
            (200, b"<html>secret</html>"),
            (200, b"[]"),
            (200, b"{}"),
            (200, b'{"labels": [{"name": 4}]}'),
            (200, b'{"labels": [{"name": "change"}], "number": true, "state": "open"}'),
            (200, b'{"labels": [{"name": "change"}], "number": 8, "state": "open"}'),
            (200, b'{"labels": [{"name": "change"}], "number": 7, "state": "closed", "closed_at": "secret"}'),
        ],
    )
    def test_an_odd_answer_is_no_change(
        self, tickets: GitHub, repository: github.GitHub, status: int, body: bytes
    ) -> None:
        repository.next = [(status, body)]
        with pytest.raises(TicketServerError) as caught:
            tickets.fetch("7")
        assert "secret" not in str(caught.value)

    def test_a_wrong_credential_is_said(self, repository: github.GitHub) -> None:
        with pytest.raises(TicketServerError, match="refused the credential"):
            over_http(repository, token="guessed").fetch("7")
