# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.tickets.file import FileTickets
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.change_report import (
    AFTER,
    BEFORE,
    INSIDE,
    lacking,
    report,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import START, Clock, Lab

HOUR = dt.timedelta(hours=1)


def change(one: str, begins: dt.datetime, ends: dt.datetime) -> dict[str, object]:
    return {
        "id": one,
        "kind": "normal",
        "state": "implement",
        "approved": True,
        "begins": instant.to_text(begins),
        "ends": instant.to_text(ends),
        "items": ["h"],
    }


def test_a_backup_of_the_day_before_the_report_counts_for_a_change_that_begins_in_it(
    lab: Lab, clock: Clock, tmp_path: Path
) -> None:
    """The report begins between the backup and the change's window, and ends within it."""
    file = tmp_path / "changes.json"
    changes = [
        change("CHG1", START + HOUR, START + 3 * HOUR),
        change("CHG2", START - 3 * HOUR, START - HOUR),
        change("CHG3", START - 900 * HOUR, START + 10_000 * HOUR),
    ]
    file.write_text(json.dumps(changes))
    lab.run(change={"id": "CHG1"})
    lab.run(change={"id": "CHG4"})
    lab.run()
    clock.advance(hours=2)
    lab.run(change={"id": "CHG2"})
    clock.advance(hours=2)
    lab.run(change={"id": "CHG1"})
    found = report(lab.repository, FileTickets(file), since=START + HOUR, until=START + 3 * HOUR)
    rows = {row.id: row for row in found.rows}
    assert {one: [placed.place for placed in row.points] for one, row in rows.items()} == {
        "CHG1": [BEFORE, AFTER],
        "CHG2": [AFTER],
        "CHG3": [],
    }
    assert {one: row.lacking for one, row in rows.items()} == {
        "CHG1": (),
        "CHG2": (BEFORE,),
        "CHG3": (BEFORE, AFTER),
    }
    assert found.without_ticket == ()


def test_a_window_as_wide_as_the_calendar_is_reported(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "changes.json"
    first = dt.datetime.min.replace(tzinfo=dt.timezone.utc)
    last = dt.datetime.max.replace(microsecond=0, tzinfo=dt.timezone.utc)
    file.write_text(json.dumps([change("CHG1", first, last)]))
    lab.run(change={"id": "CHG1"})
    (row,) = report(lab.repository, FileTickets(file), since=START, until=last).rows
    assert [placed.place for placed in row.points] == [INSIDE]


def test_a_host_that_the_change_does_not_name_lacks_no_backup_around_it(lab: Lab, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "changes.json"
    file.write_text(json.dumps([change("CHG1", START + HOUR, START + 2 * HOUR)]))
    for hours in (0, 3):
        clock.advance(hours=hours)
        lab.run(expected=["h", "other"], change={"id": "CHG1"})
    (row,) = report(lab.repository, FileTickets(file), since=START, until=START + 4 * HOUR).rows
    assert [placed.place for placed in row.points] == [BEFORE, AFTER]
    assert row.lacking == ()


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({}, (BEFORE, AFTER)),
        ({"web1": [INSIDE, INSIDE]}, ()),
        ({"web1": [BEFORE]}, (AFTER,)),
        ({"web1": [INSIDE]}, (AFTER,)),
        ({"web1": [AFTER]}, (BEFORE,)),
        ({"web1": []}, (BEFORE, AFTER)),
        ({"web1": [INSIDE], "web2": [INSIDE]}, (AFTER,)),
        ({"web1": [INSIDE, INSIDE], "web2": [INSIDE]}, (AFTER,)),
        ({"web1": [INSIDE], "web2": [AFTER]}, (BEFORE, AFTER)),
        ({"web1": [BEFORE, BEFORE]}, (AFTER,)),
        ({"web1": [AFTER, AFTER]}, (BEFORE,)),
        ({"web1": [BEFORE, AFTER]}, ()),
        ({"web1": [BEFORE, INSIDE]}, ()),
        ({"web1": [INSIDE, AFTER]}, ()),
    ],
)
def test_what_is_lacking_is_judged_by_host(places: dict[str, list[str]], expected: tuple[str, ...]) -> None:
    assert lacking(places) == expected
