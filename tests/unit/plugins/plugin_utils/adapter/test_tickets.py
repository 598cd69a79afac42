# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gates of a host: what its tiers take of a change, read from its variables."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import tickets
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError, TicketError
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.change import ChangeRefusedError

NOW = dt.datetime(2026, 11, 28, 2, tzinfo=dt.timezone.utc)
COMPONENTS = [{"name": "app", "paths": ["/etc/app"]}]
REQUIRED = {"tier1": {"change": {"restore": "require"}}}


def options(args: t.Any = None, **variables: t.Any) -> Options:
    said = {f"holdfast_{name}": value for name, value in variables.items()}
    return Options(args or {}, said.get, check=False)


def restored(**variables: t.Any) -> None:
    tickets.permit_restore(options(**variables), "web1", lambda: NOW)


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, str]:
    """Where tickets are kept: CHG1 permits all on web1."""
    path = tmp_path / "tickets.yml"
    path.write_text("- {id: CHG1, kind: standard, state: implement, approved: true, items: [web1]}\n")
    return {"provider": "file", "path": str(path)}


class TestRestore:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"components": [{"name": "app", "paths": ["etc/app"]}]},
            {"components": COMPONENTS, "exceptions": [{}]},
            {"components": COMPONENTS, "exclusions": "all"},
            {"components": None},
        ],
    )
    def test_a_finding_elsewhere_opens_no_gate(self, wrong: dict[str, t.Any]) -> None:
        with pytest.raises(ChangeRefusedError, match="none is named"):
            restored(tiers=REQUIRED, **wrong)

    def test_who_names_no_ticket_needs_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HOLDFAST_TICKETS_TOKEN", raising=False)
        given = options(tickets=JIRA, components=COMPONENTS)
        found, permit = tickets.permit_restore(given, "web1", lambda: NOW)
        permit()
        assert found == {"unverified": "no change is named"}
        with pytest.raises(ChangeRefusedError, match="none is named"):
            restored(tickets=JIRA, tiers=REQUIRED, components=COMPONENTS)
        with pytest.raises(TicketError, match="no credential"):
            restored(tickets=JIRA, components=COMPONENTS, change={"id": "CHG-1"})

    def test_what_the_tiers_take_must_be_read(self) -> None:
        with pytest.raises(PolicyError, match=r"change\.restore") as caught:
            restored(tiers={"tier1": {"change": {"restore": "requires"}}}, components=COMPONENTS)
        assert not isinstance(caught.value, ChangeRefusedError)

    def test_a_host_that_says_nothing_is_judged_as_usual(self, kept: dict[str, str]) -> None:
        restored()
        restored(tickets=kept, change={"id": "CHG1"})
        with pytest.raises(ChangeRefusedError, match="has no change CHG9"):
            restored(tickets=kept, change={"id": "CHG9"})

    def test_only_the_tiers_of_its_components_count_where_they_can_be_read(self) -> None:
        restored(tiers={"tier0": {"change": {"restore": "require"}}}, components=COMPONENTS)


@dataclasses.dataclass(frozen=True)
class Opened:
    change: dict[str, t.Any]

    def now(self) -> dt.datetime:
        return NOW


class Folder:
    """The folder of a point that was opened with such a change."""

    def __init__(self, change: dict[str, t.Any]) -> None:
        self._opened = Opened(change)

    def read_open_as(self, *, check: bool) -> Opened:
        return self._opened


@pytest.mark.parametrize("unreachable", ["mark", "refuse"])
def test_a_host_whose_tickets_the_opening_host_did_not_know_is_not_verified(
    kept: dict[str, str], unreachable: str
) -> None:
    given = options(tickets=kept, tiers={"tier1": {"change": {"unreachable": unreachable}}}, components=COMPONENTS)
    folder: t.Any = Folder({"id": "CHG1"})
    try:
        tickets.permitted(given, folder, "web1", given.policy("web1"))
        said = ""
    except ChangeRefusedError as e:
        said = e.message
    assert ("its ticket could not be verified: it was not read when the point was opened" in said) == (
        unreachable == "refuse"
    )


@pytest.mark.parametrize(
    ("rule", "operation", "ticket_id", "refusals"),
    [
        ({}, "backup", "CHG1", []),
        ({"kinds": ["normal"]}, "backup", "CHG1", ["change CHG1 is of kind standard"]),
        ({"backup": "record", "kinds": ["normal"]}, "backup", "CHG1", []),
        ({"restore": "record"}, "restore", "CHG9", []),
        ({"unreachable": "mark"}, "backup", "", []),
        ({"unreachable": "refuse"}, "backup", "", ["could not be verified"]),
        ({}, "restore", "", ["could not be verified"]),
    ],
)
def test_a_task_is_told_what_the_gates_do(
    kept: dict[str, str], rule: dict[str, t.Any], operation: str, ticket_id: str, refusals: list[str]
) -> None:
    if not ticket_id:
        kept = {**kept, "path": "/nowhere/tickets.yml"}
    asked = {"id": ticket_id or "CHG1", "operation": operation}
    given = options(asked, tickets=kept, tiers={"tier1": {"change": rule}}, components=COMPONENTS)
    told = tickets.told(given, "web1", NOW)
    assert told["verified"] is (ticket_id == "CHG1")
    assert told["permitted"] is not bool(refusals)
    assert len(told["refusals"]) == len(refusals)
    assert all(said in line for said, line in zip(refusals, told["refusals"], strict=True))


@pytest.mark.parametrize("project", [None, "changes", "a/b/c", "example/..", "example/changes?x", "-/changes"])
def test_changes_on_github_are_those_of_one_repository(project: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TICKETS_TOKEN", "a-token-that-is-long-enough-for-a-test")
    kept = {"provider": "github", "url": "https://api.github.com", "project": "example/changes"}
    found = tickets.provider(options(tickets=kept))
    assert found is not None
    assert found.name == "github"
    with pytest.raises(PolicyError, match=r"holdfast_tickets\.project"):
        tickets.provider(options(tickets={**kept, "project": project}))


CREDENTIAL = "a-token-that-is-long-enough-for-a-test"
JIRA = {"provider": "jira", "url": "https://site.atlassian.net", "project": "CHG"}


@pytest.mark.parametrize(
    "given",
    [
        JIRA,
        {**JIRA, "fields": {"begins": "customfield_10060", "items": "", "kind": None}, "states": ["Implementing"]},
        {"provider": "gitlab", "url": "https://gitlab.example", "project": "group/sub.group/project"},
        {"provider": "gitlab", "url": "https://gitlab.example", "project": 42},
        {"provider": "github_deployments", "url": "https://api.github.com", "project": "example/changes"},
        {"provider": "servicenow", "url": "https://example.service-now.com"},
    ],
)
def test_every_server_is_known_by_its_name(given: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TICKETS_TOKEN", CREDENTIAL)
    found = tickets.provider(options(tickets=given))
    assert found is not None
    assert found.name == given["provider"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({**JIRA, "project": "chg"}, r"holdfast_tickets\.project"),
        ({**JIRA, "project": None}, r"holdfast_tickets\.project"),
        ({**JIRA, "fields": {"starts": "customfield_10060"}}, r"holdfast_tickets\.fields\.starts"),
        ({**JIRA, "fields": {"begins": "cf[10060]"}}, r"holdfast_tickets\.fields\.begins"),
        ({**JIRA, "states": "Implementing"}, r"holdfast_tickets\.states"),
        ({**JIRA, "provider": "gitlab", "project": "../admin"}, r"holdfast_tickets\.project"),
        ({**JIRA, "provider": "gitlab", "project": "group"}, r"holdfast_tickets\.project"),
        ({**JIRA, "provider": "github", "project": "a/b", "fields": {"begins": "x"}}, r"holdfast_tickets\.fields"),
        ({**JIRA, "repository": "must"}, r"holdfast_tickets\.repository"),
        ({**JIRA, "repository_names": "prod"}, r"holdfast_tickets\.repository_names"),
    ],
)
def test_what_is_wrong_of_a_server_is_said_by_its_key(
    given: dict[str, t.Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_TICKETS_TOKEN", CREDENTIAL)
    with pytest.raises(PolicyError, match=said):
        tickets.provider(options(tickets=given))


@pytest.mark.parametrize(
    "url",
    ["https://[::1", "https://site.example:99999", "https://site.example:0", "https://site.example:x", "https://"],
)
def test_what_is_no_url_of_a_server_is_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TICKETS_TOKEN", CREDENTIAL)
    with pytest.raises(PolicyError, match=r"holdfast_tickets\.url"):
        tickets.provider(options(tickets={**JIRA, "url": url}))


@pytest.mark.parametrize("told", ["hunter2\nX-More: 1", "hunter2\x00", "hunter2\u20ac"])
def test_what_is_no_token_is_said_and_not_shown(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"HOLDFAST_TICKETS_TOKEN": f"{CREDENTIAL}\n"})
    assert tickets.provider(options(tickets=JIRA)) is not None
    monkeypatch.setattr(os, "environ", {"HOLDFAST_TICKETS_TOKEN": told})
    with pytest.raises(TicketError, match=r"one line|cannot be one") as caught:
        tickets.provider(options(tickets=JIRA))
    assert "hunter2" not in str(caught.value)


class TestRepository:
    def work(self, *, changes: bool, **variables: t.Any) -> tuple[str, ...]:
        given = options(repository={"name": "prod", "url": "file:///x"}, **variables)
        return tickets.permit_work(given, "a verify", NOW, changes=changes)

    @pytest.fixture
    def asking(self, tmp_path: Path) -> dict[str, str]:
        """CHG1 is of the repository, CHG2 of a host, and CHG3 has no window."""
        path = tmp_path / "work.yml"
        path.write_text(
            "- {id: CHG1, kind: standard, state: implement, approved: true, items: [prod]}\n"
            "- {id: CHG2, kind: standard, state: implement, approved: true, items: [web1]}\n"
            "- {id: CHG3, state: implement, approved: true, items: [prod]}\n"
        )
        return {"provider": "file", "path": str(path)}

    def test_where_nobody_keeps_tickets_nothing_is_asked(self) -> None:
        assert self.work(changes=True, change={"id": "CHG9"}) == ()

    @pytest.mark.parametrize("changes", [True, False])
    def test_a_change_that_is_named_must_be_of_the_repository(self, asking: dict[str, str], changes: bool) -> None:
        assert self.work(changes=changes, tickets=asking, change={"id": "CHG1"}) == ()
        with pytest.raises(ChangeRefusedError, match="a verify is not permitted: change CHG2 does not name this repo"):
            self.work(changes=changes, tickets=asking, change={"id": "CHG2"})
        named = {**asking, "repository_names": ["web1"]}
        assert self.work(changes=changes, tickets=named, change={"id": "CHG2"}) == ()

    def test_what_changes_it_needs_a_window(self, asking: dict[str, str]) -> None:
        assert self.work(changes=False, tickets=asking, change={"id": "CHG3"}) == ()
        with pytest.raises(ChangeRefusedError, match="has no window"):
            self.work(changes=True, tickets=asking, change={"id": "CHG3"})

    def test_only_what_changes_it_must_name_a_change(self, asking: dict[str, str]) -> None:
        assert self.work(changes=True, tickets=asking) == ()
        required = {**asking, "repository": "require"}
        assert self.work(changes=False, tickets=required) == ()
        with pytest.raises(ChangeRefusedError, match="this repository takes a change, and none is named"):
            self.work(changes=True, tickets=required)

    def test_who_only_records_is_refused_nothing(self, asking: dict[str, str]) -> None:
        assert self.work(changes=True, tickets={**asking, "repository": "record"}, change={"id": "CHG9"}) == ()

    def test_where_the_ticket_cannot_be_read_reading_goes_on(self, asking: dict[str, str]) -> None:
        lost = {**asking, "path": "/nowhere/tickets.yml"}
        (warning,) = self.work(changes=False, tickets=lost, change={"id": "CHG1"})
        assert "goes on under change CHG1, which is not verified" in warning
        with pytest.raises(ChangeRefusedError, match="could not be verified"):
            self.work(changes=True, tickets=lost, change={"id": "CHG1"})

    def test_who_names_no_ticket_needs_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HOLDFAST_TICKETS_TOKEN", raising=False)
        for changes in (True, False):
            assert self.work(changes=changes, tickets=JIRA) == ()
            with pytest.raises(TicketError, match="no credential"):
                self.work(changes=changes, tickets=JIRA, change={"id": "CHG-1"})
            with pytest.raises(PolicyError, match=r"holdfast_tickets\.url"):
                self.work(changes=changes, tickets={**JIRA, "url": "site"})
        asked = {"id": "", "operation": "restore", "subject": "repository"}
        assert tickets.told(options(asked, tickets=JIRA), "web1", NOW)["permitted"]
        required = tickets.told(options(asked, tickets={**JIRA, "repository": "require"}), "web1", NOW)
        assert required["refusals"] == ["this repository takes a change, and none is named"]

    def test_a_task_is_told_the_same(self, asking: dict[str, str]) -> None:
        asked = {"id": "CHG2", "operation": "restore", "subject": "repository"}
        given = options(asked, tickets=asking, repository={"name": "prod", "url": "file:///x"})
        assert tickets.told(given, "web1", NOW)["refusals"] == ["change CHG2 does not name this repository"]
