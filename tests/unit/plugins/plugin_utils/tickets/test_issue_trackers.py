# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that are issues or deployments: what is read of them, and what is made of what is odd."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    TicketMissingError,
    TicketServerError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets import github_deployments
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.github import GitHub
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.github_deployments import GitHubDeployments
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.gitlab import GitLab
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.http import Http
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.jira import Fields, Jira
from ansible_collections.holdfast.config.tests.lab import github, gitlab, jira, rest

UTC = dt.timezone.utc
SINCE, UNTIL = dt.datetime(2026, 11, 28, 1, tzinfo=UTC), dt.datetime(2026, 11, 28, 5, tzinfo=UTC)


@pytest.fixture
def repository() -> Iterator[github.GitHub]:
    found = github.GitHub()
    found.add(7, "change", "approved", "host::web2", "host::web1")
    found.add(8, "change", "kind::emergency")
    found.add(9, "change", "kind::emergency", "rejected")
    found.add(10, "bug", "approved")
    found.add(11, "change", "approved", pull_request=dict.fromkeys(("url", "html_url", "diff_url", "patch_url"), "x"))
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

    def test_lists_what_it_fetches_on_all_pages(self, tickets: GitHub, repository: github.GitHub) -> None:
        for number in range(100, 125):
            repository.add(number, "change")
        listed = tickets.listed(SINCE, UNTIL)
        assert {ticket.id for ticket in listed} == {"7", "8", "9", "12", "14", *map(str, range(100, 125))}
        assert [ticket.id for ticket in listed] == sorted(ticket.id for ticket in listed)
        assert all(ticket == tickets.fetch(ticket.id) for ticket in listed[:6])

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


def asking(server: rest.Server) -> Http:
    return Http(server.url, headers={"Authorization": f"Bearer {rest.TOKEN}"}, timeout=20, pause=lambda _s: None)


FIELDS = Fields(begins=jira.BEGINS, ends=jira.ENDS, kind=jira.KIND)


@pytest.fixture
def site() -> Iterator[jira.Jira]:
    for served in jira.serve(jira.Jira()):
        yield served
        assert served.faults == []


def in_jira(site: jira.Jira, fields: Fields = FIELDS, **more: t.Any) -> Jira:
    return Jira(asking(site), jira.PROJECT, fields, **more)


class TestJira:
    @pytest.mark.parametrize(
        ("decisions", "approved", "rejected"),
        [
            ([], False, False),
            (["approved", "approved"], True, False),
            (["approved", "pending"], False, False),
            (["approved", "declined"], False, True),
        ],
    )
    def test_all_approvals_of_a_service_desk_count(
        self, site: jira.Jira, decisions: list[str], approved: bool, rejected: bool
    ) -> None:
        site.add("CHG-1", "Implementing", *decisions)
        ticket = in_jira(site).fetch("CHG-1")
        assert (ticket.approved, ticket.rejected) == (approved, rejected)

    @pytest.mark.parametrize(
        ("value", "approved", "rejected"),
        [
            ({"value": "Approved"}, True, False),
            ("approved", True, False),
            ([{"value": "Approved"}, {"value": "Declined"}], False, True),
            ({"value": "Waiting"}, False, False),
            (None, False, False),
            ({"self": "x"}, False, False),
        ],
    )
    def test_a_field_may_say_that_it_is_approved(
        self, site: jira.Jira, value: t.Any, approved: bool, rejected: bool
    ) -> None:
        site.add("CHG-1", "Implementing", "declined", **{jira.APPROVAL: value})
        ticket = in_jira(site, Fields(approval=jira.APPROVAL)).fetch("CHG-1")
        assert (ticket.approved, ticket.rejected) == (approved, rejected)
        assert not any("approval" in line for line in site.asked if "servicedesk" in line)

    @pytest.mark.parametrize(
        ("status", "states", "is_open"),
        [
            ("Implementing", None, True),
            ("To Do", None, False),
            ("To Do", ["TO DO"], True),
            # a state that Jira counts as done lets nobody work
            ("Completed", ["Completed"], False),
        ],
    )
    def test_work_is_done_in_states_that_say_so(
        self, site: jira.Jira, status: str, states: list[str] | None, is_open: bool
    ) -> None:
        site.add("CHG-1", status)
        told = in_jira(site) if states is None else in_jira(site, states=states)
        assert told.fetch("CHG-1").open is is_open

    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            ({"value": "Standard"}, "standard"),
            ({"value": "EMERGENCY"}, "emergency"),
            ([{"value": "Standard"}, {"value": "Emergency"}], "normal"),
            ({"value": "Pre-approved"}, "normal"),
        ],
    )
    def test_a_field_says_its_kind(self, site: jira.Jira, value: t.Any, kind: str) -> None:
        site.add("CHG-1", "Implementing", **{jira.KIND: value})
        assert in_jira(site).fetch("CHG-1").kind == kind

    @pytest.mark.parametrize("moment", ["2026-11-28", "2026-11-28T01:00:00", "tomorrow", "9999-12-31T23:59:59-14", 7])
    def test_a_window_has_hours_and_a_time_zone(self, site: jira.Jira, moment: t.Any) -> None:
        site.add("CHG-1", "Implementing", **{jira.BEGINS: moment})
        with pytest.raises(TicketServerError, match=r"a customfield_10060 (that is no moment|without an hour)"):
            in_jira(site).fetch("CHG-1")

    def test_without_a_planned_end_it_ends_where_it_was_resolved(self, site: jira.Jira) -> None:
        site.add("CHG-1", "Completed")
        assert in_jira(site).fetch("CHG-1").ends == dt.datetime(2026, 11, 28, 3, tzinfo=UTC)

    @pytest.mark.parametrize("ticket_id", ["chg-1", "Chg-1"])
    def test_a_key_in_other_letters_is_told_by_its_own(self, site: jira.Jira, ticket_id: str) -> None:
        site.add("CHG-1", "Implementing")
        with pytest.raises(TicketMissingError, match=f"no change {ticket_id}, but CHG-1"):
            in_jira(site).fetch(ticket_id)

    @pytest.mark.parametrize("ticket_id", ["OPS-1", "CHG1", "CHG-0", "CHG-1.2"])
    def test_only_issues_of_the_project_are_changes(self, site: jira.Jira, ticket_id: str) -> None:
        with pytest.raises(TicketMissingError, match=f"no change {ticket_id}"):
            in_jira(site).fetch(ticket_id)
        assert site.asked == []

    def test_a_note_is_hidden_from_customers(self, site: jira.Jira) -> None:
        site.add("CHG-1", "Implementing")
        assert in_jira(site).note("CHG-1", "backed up", "point-1")
        (comment,) = site.comments["CHG-1"]
        assert comment["body"] == "backed up\n(point-1)"
        assert comment["properties"] == [{"key": "sd.public.comment", "value": {"internal": True}}]

    def test_approvals_end_where_jira_says_so_or_has_no_more(self, site: jira.Jira) -> None:
        issue = {"key": "CHG-1", "fields": {"status": {"name": "Implementing"}}}
        pages: list[t.Any] = [{"values": [{"finalDecision": said}]} for said in ("approved", "declined")]
        site.next = [(200, json.dumps(document).encode()) for document in (issue, *pages, {"values": []})]
        ticket = in_jira(site).fetch("CHG-1")
        assert (ticket.approved, ticket.rejected) == (False, True)

    @pytest.mark.parametrize("cloud", [True, False])
    def test_all_pages_are_listed_on_either_product(self, site: jira.Jira, cloud: bool) -> None:
        site.cloud = cloud
        for number in range(1, 46):
            site.add(f"CHG-{number}", "Implementing", "approved")
        listed = in_jira(site).listed(SINCE, UNTIL)
        assert {ticket.id for ticket in listed} == {f"CHG-{number}" for number in range(1, 46)}

    def test_a_page_without_issues_is_no_end(self, site: jira.Jira) -> None:
        site.add("CHG-1", "Implementing", "approved")
        # half of a letter is no token of Jira's
        site.next = [(200, json.dumps({"issues": [], "nextPageToken": token}).encode()) for token in ("0", "\ud800")]
        site.next.append((200, json.dumps({"issues": [], "nextPageToken": "0"}).encode()))
        assert [ticket.id for ticket in in_jira(site).listed(SINCE, UNTIL)] == ["CHG-1"]
        site.next = [(200, b'{"issues": [], "nextPageToken": "0"}')] * 101
        with pytest.raises(TicketServerError, match="Ask for a shorter time"):
            in_jira(site).listed(SINCE, UNTIL)
        site.next = []

    def test_it_asks_for_a_day_more_than_it_tells(self, site: jira.Jira) -> None:
        site.add("CHG-1", "Implementing", **{jira.ENDS: "2026-11-28T00:59:59.000+0000"})
        assert in_jira(site).listed(SINCE, UNTIL) == ()
        (query,) = site.queries
        assert query == (
            'project = "CHG" AND (cf[10060] is EMPTY OR cf[10060] <= "2026/11/29 05:00") AND'
            ' (cf[10061] >= "2026/11/27 01:00" OR cf[10061] is EMPTY AND'
            ' (resolutiondate is EMPTY OR resolutiondate >= "2026/11/27 01:00")) ORDER BY key ASC'
        )


@pytest.fixture
def project() -> Iterator[gitlab.GitLab]:
    for served in gitlab.serve(gitlab.GitLab()):
        yield served
        assert served.faults == []


def rule(needed: int, *said: str) -> dict[str, t.Any]:
    return {"required_approvals": needed, "deployment_approvals": [gitlab.approval(one) for one in said]}


class TestGitLab:
    @pytest.mark.parametrize(
        ("fields", "approved", "rejected"),
        [
            ({}, False, False),
            ({"pending_approval_count": 0, "approvals": []}, False, False),
            ({"pending_approval_count": 1, "approvals": [gitlab.approval("approved")]}, False, False),
            ({"pending_approval_count": 0, "approvals": [gitlab.approval("approved")]}, True, False),
            ({"approval_summary": {"rules": [rule(1, "approved"), rule(2, "approved")]}}, False, False),
            ({"approval_summary": {"rules": [rule(1, "approved"), rule(0)]}}, True, False),
            ({"approval_summary": {"rules": [rule(1, "approved", "rejected")]}}, False, True),
        ],
    )
    def test_every_rule_of_a_protected_environment_counts(
        self, project: gitlab.GitLab, fields: dict[str, t.Any], approved: bool, rejected: bool
    ) -> None:
        project.deploy(7, "running", **fields)
        ticket = GitLab(asking(project), gitlab.PROJECT).fetch("7")
        assert (ticket.approved, ticket.rejected) == (approved, rejected)

    @pytest.mark.parametrize(
        ("status", "is_open", "ended"),
        [
            ("created", True, False),
            ("running", True, False),
            ("blocked", False, False),
            ("success", False, True),
            ("failed", False, True),
            ("odd", False, True),
        ],
    )
    def test_a_deployment_is_open_until_it_ends(
        self, project: gitlab.GitLab, status: str, is_open: bool, ended: bool
    ) -> None:
        project.deploy(7, status, finished_at="2026-11-28T03:00:00.000Z")
        ticket = GitLab(asking(project), gitlab.PROJECT).fetch("7")
        assert (ticket.open, ticket.begins) == (is_open, SINCE)
        assert ticket.ends == (dt.datetime(2026, 11, 28, 3, tzinfo=UTC) if ended else None)

    def test_all_pages_are_listed_and_none_that_ended_before(self, project: gitlab.GitLab) -> None:
        for number in range(1, 26):
            project.deploy(number, "running", "approved")
        project.deploy(30, "success", "approved", finished_at="2026-11-28T00:30:00.000Z")
        project.deploy(31, "success", "approved", finished_at="2026-11-28T02:30:00.000Z")
        listed = GitLab(asking(project), gitlab.PROJECT).listed(SINCE, UNTIL)
        assert {ticket.id for ticket in listed} == {*map(str, range(1, 26)), "31"}
        assert all(ticket.approved for ticket in listed)

    def test_a_note_is_a_comment_of_the_commit(self, project: gitlab.GitLab) -> None:
        project.deploy(7, "running")
        assert GitLab(asking(project), gitlab.PROJECT).note("7", "backed up", "point-1")
        assert [comment["note"] for comment in project.comments[gitlab.SHA]] == ["backed up\n[point-1]"]

    def test_a_commit_that_is_none_asks_nothing_more(self, project: gitlab.GitLab) -> None:
        project.deploy(7, "running", sha="../../../user")
        with pytest.raises(TicketServerError, match="a deployment without a commit"):
            GitLab(asking(project), gitlab.PROJECT).note("7", "backed up", "point-1")
        assert len(project.asked) == 1


@pytest.fixture
def deploying() -> Iterator[github.GitHub]:
    for served in github.serve(github.GitHub()):
        yield served
        assert served.faults == []


class TestGitHubDeployments:
    def fetch(self, deploying: github.GitHub, number: str = "7") -> t.Any:
        return GitHubDeployments(asking(deploying), github.PROJECT).fetch(number)

    def test_a_review_of_its_environment_approves_it(self, deploying: github.GitHub) -> None:
        deploying.deploy(7, "in_progress", review="approved")
        assert self.fetch(deploying).approved
        deploying.reviews[7][0]["environments"] = [{"name": "staging"}]
        assert not self.fetch(deploying).approved

    def test_a_run_of_another_commit_approves_nothing(self, deploying: github.GitHub) -> None:
        deploying.deploy(7, "in_progress", review="approved")
        deploying.runs[7]["head_sha"] = "0" * 40
        assert not self.fetch(deploying).approved

    def test_a_run_that_ended_before_approves_nothing(self, deploying: github.GitHub) -> None:
        deploying.deploy(7, "in_progress", review="approved")
        run = deploying.runs[7]
        run |= {"status": "completed", "conclusion": "success", "updated_at": "2026-11-28T02:01:00Z"}
        assert self.fetch(deploying).approved
        run["updated_at"] = "2026-11-28T00:59:59Z"
        assert not self.fetch(deploying).approved

    def test_a_list_without_an_end_is_given_up(self, deploying: github.GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(github_deployments, "_MOST_PAGES", 3)
        deploying.deploy(7, "in_progress")
        page = json.dumps([deploying.deployments[7]]).encode()
        deploying.next = [(200, page)] * 4
        with pytest.raises(TicketServerError, match="too many deployments"):
            GitHubDeployments(asking(deploying), github.PROJECT).listed(SINCE, UNTIL)
        deploying.next = []

    @pytest.mark.parametrize(
        "link",
        [
            "https://github.example/other/changes/actions/runs/7",
            f"https://github.example/{github.PROJECT}/actions/runs/7x",
            f"https://github.example/{github.PROJECT}/actions/runs/../../../runs/7",
            "https://[/",
        ],
    )
    def test_a_link_elsewhere_names_no_run(self, deploying: github.GitHub, link: str) -> None:
        deploying.deploy(7, "in_progress", review="approved")
        for status in deploying.statuses[7]:
            status["log_url"] = link
        assert not self.fetch(deploying).approved
        assert not any("/runs/" in line for line in deploying.asked)

    def test_one_that_was_approved_and_rejected_is_not_approved(self, deploying: github.GitHub) -> None:
        deploying.deploy(7, "in_progress", review="approved")
        deploying.reviews[7].append({**deploying.reviews[7][0], "state": "rejected"})
        ticket = self.fetch(deploying)
        assert (ticket.approved, ticket.rejected) == (False, True)

    @pytest.mark.parametrize(
        ("states", "is_open", "ends"),
        [
            ((), True, None),
            (("queued", "in_progress"), True, None),
            (("in_progress", "success"), False, dt.datetime(2026, 11, 28, 2, 2, tzinfo=UTC)),
            # a later deployment takes its place, and it ended before
            (("failure", "inactive"), False, dt.datetime(2026, 11, 28, 2, 1, tzinfo=UTC)),
        ],
    )
    def test_its_last_status_is_its_state(
        self, deploying: github.GitHub, states: tuple[str, ...], is_open: bool, ends: dt.datetime | None
    ) -> None:
        deploying.deploy(7, *states)
        ticket = self.fetch(deploying)
        assert (ticket.open, ticket.ends) == (is_open, ends)

    def test_a_payload_plans_window_hosts_and_a_standard_change(self, deploying: github.GitHub) -> None:
        said = {"hosts": ["web1"], "begins": "2026-11-28T03:00:00Z", "ends": "2026-11-28T04:00:00Z", "kind": "standard"}
        deploying.deploy(7, "in_progress", review="approved", payload={"holdfast": said})
        ticket = self.fetch(deploying)
        assert (ticket.kind, ticket.items) == ("standard", ("production", "web1"))
        assert (ticket.begins, ticket.ends) == (dt.datetime(2026, 11, 28, 3, tzinfo=UTC), UNTIL - dt.timedelta(hours=1))

    def test_nobody_says_of_his_own_deployment_that_it_needs_no_approval(self, deploying: github.GitHub) -> None:
        deploying.deploy(7, "in_progress", payload={"holdfast": {"kind": "emergency"}})
        assert self.fetch(deploying).kind == "normal"

    @pytest.mark.parametrize("said", [{"hosts": "web1"}, {"hosts": [7]}, {"begins": "tomorrow"}, {"ends": 7}])
    def test_an_odd_payload_is_no_change(self, deploying: github.GitHub, said: dict[str, t.Any]) -> None:
        deploying.deploy(7, "in_progress", payload={"holdfast": said})
        with pytest.raises(TicketServerError, match="of a payload"):
            self.fetch(deploying)

    def test_all_pages_are_listed_until_they_are_old(self, deploying: github.GitHub) -> None:
        for number in range(1, 26):
            deploying.deploy(number, "in_progress")
        for number in range(40, 60):
            deploying.deploy(number, made="2026-09-01T00:00:00Z")
        listed = GitHubDeployments(asking(deploying), github.PROJECT).listed(SINCE, UNTIL)
        assert {ticket.id for ticket in listed} == set(map(str, range(1, 26)))
        assert not any("/deployments/40/" in line for line in deploying.asked)
