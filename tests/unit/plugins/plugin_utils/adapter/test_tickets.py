# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gates of a host: what its tiers take of a change, read from its variables."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import tickets
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
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
