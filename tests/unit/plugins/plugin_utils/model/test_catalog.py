# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be asked of the catalog."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import OF_RUN, Query

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"recovery_point": "abc"}, "is not a digest or its first 12 digits"),
        ({"snapshot": "A" * 64}, "is not a digest or its first 12 digits"),
        ({"alias": "-x"}, "is no alias"),
        ({"limit": 0}, "limit 0 cannot be"),
        ({"limit": 1_000_001}, "limit 1000001 cannot be"),
        ({"since": NOW, "until": NOW - dt.timedelta(seconds=1)}, "since is later than until"),
        *(({name: ""}, f"{name} is empty") for name in ("host", "component", "tier", *OF_RUN)),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_give(asked: dict[str, t.Any], problem: str) -> None:
    with pytest.raises(PolicyError, match=problem) as caught:
        Query(**asked)
    assert caught.value.remedy


def test_what_is_asked_of_snapshots_is_told_from_what_is_asked_of_points() -> None:
    assert Query(since=NOW, until=NOW, change_id="CHG1", limit=1).of_streams is False
    for name in ("host", "component", "tier"):
        assert Query(**{name: "x"}).of_streams is True  # type: ignore[arg-type]
    assert Query(snapshot="a" * 12).of_streams is True
