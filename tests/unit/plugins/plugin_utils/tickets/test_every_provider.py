# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every provider of tickets promises; of servers over HTTP, with answers as their vendors publish them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    TicketError,
    TicketMissingError,
    TicketServerError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.base import Provider
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.file import FileTickets
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.github import GitHub
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.github_deployments import GitHubDeployments
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.gitlab import GitLab
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.http import Http
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.jira import Fields, Jira
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.servicenow import ServiceNow
from ansible_collections.holdfast.config.tests.lab import github, gitlab, jira, rest, servicenow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

UTC = dt.timezone.utc
BEGINS, ENDS = dt.datetime(2026, 11, 28, 1, tzinfo=UTC), dt.datetime(2026, 11, 28, 5, tzinfo=UTC)
HOSTILE = "\x1b[2Jjane\r\n{{ lookup('pipe', 'id') }}\u202e" + "x" * 5000
FIELDS = Fields(begins=jira.BEGINS, ends=jira.ENDS, kind=jira.KIND)

Make = Callable[[Http], Provider]


@dataclasses.dataclass
class Case:
    """A provider with one change of each kind that matters: what it is called, and how to spoil what people wrote."""

    name: str
    make: Make
    server: t.Any
    approved: str
    unapproved: str
    rejected: str
    missing: str
    item: str
    spoil: Callable[[], object]
    path: Path | None = None

    def provider(self, token: str = rest.TOKEN, timeout: float = 20) -> Provider:
        """The provider, with a credential."""
        if self.path is not None:
            return FileTickets(self.path)
        headers = {"Authorization": f"Bearer {token}"}
        return self.make(Http(self.server.url, headers=headers, timeout=timeout, pause=lambda _seconds: None))

    def wrong(self, status: int, body: bytes, times: int = 1) -> None:
        """Let the server answer so next."""
        one: t.Any = (status, {}, body) if isinstance(self.server, servicenow.ServiceNow) else (status, body)
        self.server.next = [one] * times


def in_a_file(folder: Path) -> Iterator[Case]:
    path = folder / "tickets.json"
    tickets: list[dict[str, t.Any]] = [
        {"id": "CHG1", "state": "implement", "approved": True, "requester": "jane", "items": ["web1"]},
        {"id": "CHG2", "state": "new"},
        {"id": "CHG3", "state": "canceled"},
    ]
    tickets[0] |= {"begins": "2026-11-28T01:00:00Z", "ends": "2026-11-28T05:00:00Z"}

    def spoil() -> None:
        # in YAML and JSON alike a control character is written with an escape
        path.write_text(json.dumps([{**tickets[0], "requester": HOSTILE, "items": [HOSTILE]}]))

    path.write_text(json.dumps(tickets))
    yield Case("file", lambda _http: FileTickets(path), None, "CHG1", "CHG2", "CHG3", "CHG9", "web1", spoil, path)


def in_servicenow(_folder: Path) -> Iterator[Case]:
    instance = servicenow.ServiceNow()
    instance.add("CHG1", "web1")
    instance.add("CHG2", state="-3", approval="requested")
    instance.add("CHG3", state="4", approval="rejected")

    def spoil() -> None:
        instance.add("CHG1", HOSTILE, **{"requested_by.user_name": HOSTILE})

    for served in servicenow.serve(instance):
        yield Case("servicenow", ServiceNow, served, "CHG1", "CHG2", "CHG3", "CHG9", "web1", spoil)


def in_jira(_folder: Path) -> Iterator[Case]:
    site = jira.Jira()
    window = {jira.BEGINS: "2026-11-28T02:00:00.000+0100", jira.ENDS: "2026-11-28T05:00:00.000+0000"}
    site.add("CHG-1", "Implementing", "approved", labels=["web1"], **window)
    site.add("CHG-2", "Awaiting CAB approval", "pending")
    site.add("CHG-3", "Declined", "declined")

    def spoil() -> None:
        site.add("CHG-1", "Implementing", "approved", labels=[HOSTILE], reporter={"displayName": HOSTILE})

    def make(http: Http) -> Provider:
        return Jira(http, jira.PROJECT, FIELDS)

    for served in jira.serve(site):
        yield Case("jira", make, served, "CHG-1", "CHG-2", "CHG-3", "CHG-9", "web1", spoil)


def in_gitlab(_folder: Path) -> Iterator[Case]:
    project = gitlab.GitLab()
    project.deploy(1, "running", "approved")
    project.deploy(2, "blocked", pending_approval_count=1)
    project.deploy(3, "failed", "rejected", finished_at="2026-11-28T03:00:00.000Z")

    def spoil() -> None:
        environment = {"id": 9, "name": HOSTILE}
        project.deploy(1, "running", "approved", user=gitlab.user(HOSTILE), environment=environment)

    def make(http: Http) -> Provider:
        return GitLab(http, gitlab.PROJECT)

    for served in gitlab.serve(project):
        yield Case("gitlab", make, served, "1", "2", "3", "9", "production", spoil)


def in_github(_folder: Path) -> Iterator[Case]:
    repository = github.GitHub()
    repository.add(1, "change", "approved", "host::web1")
    repository.add(2, "change")
    repository.add(3, "change", "rejected")

    def spoil() -> None:
        repository.add(1, "change", "approved", f"host::{HOSTILE}", user=github.user(HOSTILE))

    def make(http: Http) -> Provider:
        return GitHub(http, github.PROJECT)

    for served in github.serve(repository):
        yield Case("github", make, served, "1", "2", "3", "9", "web1", spoil)


def in_github_deployments(_folder: Path) -> Iterator[Case]:
    repository = github.GitHub()
    repository.deploy(1, "queued", "in_progress", review="approved")
    repository.deploy(2, "in_progress")
    repository.deploy(3, "failure", review="rejected")

    def spoil() -> None:
        payload = {"holdfast": {"hosts": [HOSTILE]}}
        repository.deploy(1, "queued", review="approved", creator=github.user(HOSTILE), payload=payload)

    def make(http: Http) -> Provider:
        return GitHubDeployments(http, github.PROJECT)

    for served in github.serve(repository):
        yield Case("github_deployments", make, served, "1", "2", "3", "9", "production", spoil)


MADE = [in_a_file, in_servicenow, in_jira, in_gitlab, in_github, in_github_deployments]


@pytest.fixture(params=MADE, ids=lambda made: made.__name__)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    for made in request.param(tmp_path):
        yield made
        if made.server is not None:
            assert made.server.faults == []


@pytest.fixture(params=MADE[1:], ids=lambda made: made.__name__)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    for made in request.param(tmp_path):
        yield made
        assert made.server.faults == []


class TestEveryProvider:
    def test_tells_an_approved_change(self, case: Case) -> None:
        ticket = case.provider().fetch(case.approved)
        assert (ticket.id, ticket.provider, ticket.kind) == (case.approved, case.name, "normal")
        assert (ticket.open, ticket.approved, ticket.rejected) == (True, True, False)
        assert (ticket.requester, ticket.items) == ("jane", (case.item,))
        assert len(ticket.digest) == 64

    def test_tells_its_window_in_utc(self, case: Case) -> None:
        ticket = case.provider().fetch(case.approved)
        planned = {
            "file": (BEGINS, ENDS),
            "servicenow": (BEGINS, ENDS),
            "jira": (BEGINS, ENDS),
            "gitlab": (BEGINS, None),
            "github": (None, None),
            "github_deployments": (BEGINS, None),
        }
        assert (ticket.begins, ticket.ends) == planned[case.name]

    def test_tells_what_is_not_approved(self, case: Case) -> None:
        ticket = case.provider().fetch(case.unapproved)
        assert (ticket.approved, ticket.rejected) == (False, False)

    def test_tells_what_was_rejected(self, case: Case) -> None:
        ticket = case.provider().fetch(case.rejected)
        assert (ticket.approved, ticket.rejected) == (False, True)

    def test_its_digest_is_of_what_the_ticket_says(self, case: Case) -> None:
        provider = case.provider()
        before = provider.fetch(case.approved).digest
        assert provider.fetch(case.approved).digest == before
        assert provider.fetch(case.unapproved).digest != before
        case.spoil()
        assert provider.fetch(case.approved).digest != before

    def test_knows_no_other_change(self, case: Case) -> None:
        with pytest.raises(TicketMissingError, match=case.missing):
            case.provider().fetch(case.missing)

    def test_asks_nobody_for_what_is_no_id(self, case: Case) -> None:
        provider = case.provider()
        for ticket_id in ["", "CHG1^NQnumberISNOTEMPTY", "../x", "a b", "x" * 65, "1\n", "%41", "1?x=y"]:
            with pytest.raises(TicketError, match="no id of a change ticket"):
                provider.fetch(ticket_id)
        assert case.server is None or case.server.asked == []

    def test_a_note_is_written_once(self, case: Case) -> None:
        provider = case.provider()
        assert provider.note(case.approved, "backed up\n  without web2", "point-10")
        assert not provider.note(case.approved, "backed up\n  without web2", "point-10")
        # a longer key holds a shorter one, and people quote notes
        assert provider.note(case.approved, "see [point-2] (point-2) above", "point-1")
        assert provider.note(case.approved, "backed up", "point-2")
        assert not provider.note(case.approved, "backed up", "point-2")

    def test_a_note_is_found_among_many(self, case: Case) -> None:
        provider = case.provider()
        for number in range(25):
            assert provider.note(case.approved, "backed up", f"point-{number}")
        assert not provider.note(case.approved, "backed up", "point-0")
        assert not provider.note(case.approved, "backed up", "point-24")

    def test_lists_what_it_fetches_of_a_time(self, case: Case) -> None:
        provider = case.provider()
        listed = provider.listed(BEGINS + dt.timedelta(hours=1), BEGINS + dt.timedelta(hours=2))
        assert case.approved in [ticket.id for ticket in listed]
        assert [ticket.id for ticket in listed] == sorted(ticket.id for ticket in listed)
        assert all(ticket == provider.fetch(ticket.id) for ticket in listed)

    def test_lists_nothing_that_ended_before(self, case: Case) -> None:
        begun = ENDS + dt.timedelta(days=60)
        listed = case.provider().listed(begun, begun + dt.timedelta(hours=1))
        assert all(ticket.ends is None for ticket in listed)

    def test_what_people_wrote_is_a_line(self, case: Case) -> None:
        case.spoil()
        ticket = case.provider().fetch(case.approved)
        assert "jane" in "".join((ticket.requester, *ticket.items))
        for text in (ticket.requester, *ticket.items):
            assert text.isprintable()
            assert len(text) <= 200


ODD_ANSWERS = [
    (500, b"stack trace with a secret"),
    (302, b"secret"),
    (200, b"<html>secret</html>"),
    (200, b"[" * 100_000),
    (200, b"[" * 400 + b"]" * 400),
    (200, b'"secret"'),
    (200, b"[]"),
    (200, b"{}"),
    (200, b'{"id": "secret", "key": "secret", "number": "secret", "result": "secret"}'),
    (200, b'{"secret": "' + b"x" * (1 << 20) + b'"}'),
]


class TestEveryServer:
    def test_a_credential_that_is_refused_is_said_and_shown_nowhere(self, served: Case) -> None:
        with pytest.raises(TicketServerError, match="refused the credential") as caught:
            served.provider(token="guessed-token-0815").fetch(served.approved)
        assert "guessed" not in str(caught.value)

    def test_one_that_is_slow_is_given_up(self, served: Case) -> None:
        served.server.slow = 3.0
        with pytest.raises(TicketServerError, match="gave no answer"):
            served.provider(timeout=0.1).fetch(served.approved)

    def test_an_odd_answer_is_no_ticket(self, served: Case) -> None:
        provider = served.provider()
        for status, body in ODD_ANSWERS:
            served.wrong(status, body)
            with pytest.raises(TicketServerError) as caught:
                provider.fetch(served.approved)
            assert "secret" not in str(caught.value)
            assert len(str(caught.value)) < 500

    def test_an_answer_that_is_nested_without_end_is_no_ticket(self, served: Case) -> None:
        # in a field that is read only once all else was believed
        body = json.dumps({"result": [{"deep": 0}], "labels": 0}).encode().replace(b" 0", b"[" * 900 + b"]" * 900)
        served.wrong(200, body)
        with pytest.raises(TicketServerError, match="more than 100 levels"):
            served.provider().fetch(served.approved)

    def test_one_that_is_busy_is_asked_again(self, served: Case) -> None:
        served.wrong(503, b"", times=2)
        assert served.provider().fetch(served.approved).approved

    def test_a_note_that_may_have_been_written_is_not_sent_twice(self, served: Case) -> None:
        if isinstance(served.server, servicenow.ServiceNow):
            served.server.patched = [(504, {}, b"")]
        else:
            served.server.changed = [(504, b"")]
        provider = served.provider()
        with pytest.raises(TicketServerError, match="status 504"):
            provider.note(served.approved, "backed up", "point-1")
        assert len([line for line in served.server.asked if not line.startswith("GET")]) == 1
        # it was written, and is found
        assert not provider.note(served.approved, "backed up", "point-1")


WORDS = [
    "result",
    "id",
    "iid",
    "key",
    "number",
    "fields",
    "status",
    "state",
    "labels",
    "user",
    "login",
    "username",
    "created_at",
    "sha",
    "environment",
    "name",
    "payload",
    "holdfast",
    "hosts",
    "approvals",
    "approval_summary",
    "rules",
    "values",
    "issues",
    "comments",
    "statusCategory",
    "sys_id",
    "approval",
    "deployable",
]
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.floats(allow_nan=False) | st.sampled_from(["", "1", "CHG-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=8),
    max_leaves=20,
)


class TestWhateverIsAnswered:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(answers=st.lists(ODD, min_size=6, max_size=6))
    def test_it_is_a_ticket_or_an_error_of_tickets(self, served: Case, answers: list[t.Any]) -> None:
        said = [json.dumps(answer).encode() for answer in answers]
        served.server.next = [
            (200, {}, body) if isinstance(served.server, servicenow.ServiceNow) else (200, body) for body in said
        ]
        with contextlib.suppress(TicketError):
            assert served.provider().fetch(served.approved).id == served.approved
        served.server.next = []


@pytest.mark.parametrize(
    ("vendor", "schema", "document"),
    [
        ("github", "issue", {"number": 1, "state": "open", "labels": []}),
        ("github", "[deployment-status]", [{"state": "waiting"}]),
        ("gitlab", "deployment", {"id": 1, "status": "running"}),
        ("gitlab", "approval", {"status": "approved"}),
        ("jira", "IssueBean", {"key": 7}),
        ("jira", "PagedApproval", {"values": [{"finalDecision": True}]}),
        ("servicenow", "[change_request]", [{"state": "implement"}]),
    ],
)
def test_an_answer_that_no_vendor_gives_is_seen(vendor: str, schema: str, document: t.Any) -> None:
    assert rest.faults(vendor, schema, document)
