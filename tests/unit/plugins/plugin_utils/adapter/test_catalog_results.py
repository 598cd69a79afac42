# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of catalog_info as a query."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import catalog_results
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import CatalogFailure, Query, State


def asked(**given: t.Any) -> Query:
    defaults = {name: option.get("default") for name, option in catalog_results.OPTIONS.items()}
    return catalog_results.query(Options({**defaults, **given}, lambda _name: None, check=False))


def test_nothing_asks_for_everything() -> None:
    assert asked() == Query()


def test_a_day_is_all_of_it() -> None:
    query = asked(since="2026-11-21", until="2026-11-21", state="failed", host="web1")
    day = dt.datetime(2026, 11, 21, tzinfo=dt.timezone.utc)
    assert query == Query(host="web1", state=State.FAILED, since=day, until=day + dt.timedelta(seconds=86_399))
    assert asked(until="2026-11-21T01:16:23Z").until == day + dt.timedelta(hours=1, minutes=16, seconds=23)


def test_what_a_host_said_when_it_failed_commands_no_terminal() -> None:
    at = dt.datetime(2026, 11, 21, tzinfo=dt.timezone.utc)
    told = catalog_results._failure(CatalogFailure("web1", "no \x9b2J answer\x1b", False, "0" * 64, at))
    assert (told["host"], told["reason"]) == ("web1", "no \\x9b2J answer\\x1b")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"since": "yesterday"}, "'yesterday' is no time"),
        ({"until": "2026-13-01"}, "'2026-13-01' is no time"),
        ({"limit": 0}, "0 is out of range"),
        ({"newest": True}, "newest goes with details"),
        ({"snapshot": "xyz"}, "is not a digest"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, t.Any], problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        asked(**given)
