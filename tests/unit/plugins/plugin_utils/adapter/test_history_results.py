# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task asks the history for, and what is too much of it; the rest is in the use case's own tests."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import history_results
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import Entry, EntryKind
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.history import Asked


def asked(**args: t.Any) -> Asked:
    defaults = {name: option.get("default") for name, option in history_results.OPTIONS.items()}
    return history_results.asked(Options({**defaults, **args}, lambda _name: None, check=False), "web1")


def test_a_task_asks_of_its_own_host_unless_it_names_another() -> None:
    assert asked(path="/etc/a") == Asked("web1", "/etc/a")
    assert asked(component="app", host="web2") == Asked("web2", None, "app")


def test_days_are_whole_ones() -> None:
    found = asked(path="/etc/a", since="2026-03-01", until="2026-03-01")
    assert found.since == dt.datetime(2026, 3, 1, tzinfo=dt.timezone.utc)
    assert found.until == dt.datetime(2026, 3, 1, 23, 59, 59, tzinfo=dt.timezone.utc)
    assert asked(path="/etc/a", since="2026-03-01T12:00:00Z").since == dt.datetime(
        2026, 3, 1, 12, tzinfo=dt.timezone.utc
    )


@pytest.mark.parametrize("wrong", [{"since": "yesterday"}, {"until": "2026-13-01"}, {"limit": 0}, {"path": "etc"}, {}])
def test_what_cannot_be_is_refused_with_a_remedy(wrong: dict[str, t.Any]) -> None:
    with pytest.raises(PolicyError) as caught:
        asked(**({"path": "/etc/a", **wrong} if wrong else {}))
    assert caught.value.remedy


def test_a_time_that_no_calendar_has_is_none() -> None:
    entry = Entry("/etc/a", EntryKind.FILE, 0o644, 7, 7, "", "", 10**18 * 9)
    told = history_results._of_entry(entry)
    assert (told["modified"], told["owner"], told["mode"]) == ("2255-03-14T16:00:00Z", "7", "0644")
    far = Entry("/etc/a", EntryKind.FILE, 0o644, 7, 7, "", "", 10**21)
    assert history_results._of_entry(far)["modified"] is None
