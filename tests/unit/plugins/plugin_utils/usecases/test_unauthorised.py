# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that no ticket allowed: which tickets allow what."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.ticket import Ticket
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.file import FileTickets
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import change
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.unauthorised import (
    Drifted,
    Unauthorised,
    unauthorised,
)

UTC = dt.timezone.utc
SINCE = dt.datetime(2026, 11, 28, 1, tzinfo=UTC)
UNTIL = SINCE + dt.timedelta(hours=4)
WEB1 = Drifted("web1", "tier1", ("app",), SINCE, UNTIL)
WEB2 = dataclasses.replace(WEB1, host="web2")
ALLOWS = "id: CHG1, state: closed, approved: true, items: [web1]"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tickets.yml"


def found(path: Path, text: str, own: dict[str, object] | None = None) -> Unauthorised:
    path.write_text(text)
    return unauthorised([WEB1, WEB2], own or {}, FileTickets(path), lambda host: [host])


@pytest.mark.parametrize(
    "text",
    [
        f"- {{{ALLOWS}}}",
        f"- {{{ALLOWS}, begins: 2026-11-28T04:59:59Z}}",
        f"- {{{ALLOWS}, ends: 2026-11-28T01:00:01Z}}",
        "- {id: CHG1, kind: emergency, state: implement, items: [web1]}",
    ],
)
def test_a_ticket_of_that_time_allows_what_its_hosts_changed(path: Path, text: str) -> None:
    assert found(path, text) == Unauthorised((WEB2,), ())


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        f"- {{{ALLOWS}, begins: 2026-11-28T05:00:00Z}}",
        f"- {{{ALLOWS}, ends: 2026-11-28T01:00:00Z}}",
        "- {id: CHG1, state: implement, items: [web1]}",
        "- {id: CHG1, kind: emergency, state: implement, rejected: true, items: [web1]}",
        "- {id: CHG1, kind: emergency, state: canceled, items: [web1]}",
    ],
)
def test_no_other_ticket_does(path: Path, text: str) -> None:
    assert found(path, text) == Unauthorised((WEB1, WEB2), ())


def test_the_runs_own_ticket_counts(path: Path) -> None:
    ticket = Ticket("CHG7", "file", "normal", "implement", True, True, "", SINCE, UNTIL, ("web2",), "0" * 64)
    own = {"id": "CHG7", change.TICKET: change.facts(ticket, UNTIL)}
    assert found(path, "[]", own).drifted == (WEB1,)
    rejected = {"id": "CHG7", change.TICKET: change.facts(dataclasses.replace(ticket, rejected=True), UNTIL)}
    assert found(path, "[]", rejected).drifted == (WEB1, WEB2)


@pytest.mark.parametrize("text", ["{", f"- {{{ALLOWS}}}\n- {{id: CHG2, kind: odd}}"])
def test_where_a_ticket_cannot_be_read_nobody_is_blamed(path: Path, text: str) -> None:
    told = found(path, text)
    assert told.drifted == ()
    (warning,) = told.warnings
    assert "whether changes were allowed is not known" in warning


def test_where_nothing_changed_nobody_is_asked(path: Path) -> None:
    assert unauthorised([], {}, FileTickets(path), lambda host: [host]) == Unauthorised((), ())
