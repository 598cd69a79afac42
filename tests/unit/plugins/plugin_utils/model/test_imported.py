# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a snapshot comes from, what its component is called, and which versions are taken."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import imported
from ansible_collections.holdfast.config.plugins.plugin_utils.model.imported import Imported
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import COMPONENT_NAME, TIER_NAME
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
MOMENTS = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2040, 1, 1), timezones=st.just(dt.timezone.utc))


def test_it_is_read_back() -> None:
    origin = Imported("oxidized", "a" * 40, NOW, "commit", "Ada <ada@example.net>")
    assert imported.read(origin.in_manifest()) == origin
    assert imported.read(origin.in_entry()) == Imported("oxidized", "a" * 40, NOW)
    assert imported.read(None) is None


@pytest.mark.parametrize(
    "value", [False, 0, "", [], {}, "x", {"from": "rancid"}, {"tool": 7, "at": "soon", "source": []}]
)
def test_whatever_else_stands_there_is_never_taken_for_a_capture(value: t.Any) -> None:
    assert imported.read(value) == Imported("unknown", "", None)


@given(st.text())
def test_every_path_has_a_name_of_its_own(path: str) -> None:
    name = imported.component_of(path)
    assert COMPONENT_NAME.fullmatch(name)
    assert not TIER_NAME.fullmatch(name)
    assert name != imported.component_of(path + "x")


@given(st.lists(MOMENTS), st.sampled_from(imported.THINNINGS))
def test_the_last_version_of_each_period(moments: list[dt.datetime], keep: str) -> None:
    versions = sorted(moments)
    taken = imported.thinned(versions, keep, lambda one: one)
    assert taken == sorted(set(taken))
    assert not versions or taken[-1] == versions[-1]
    assert len({one.replace(microsecond=0) for one in taken}) == len(taken)
    # thinned again, as when the source is imported again, it is the same
    assert imported.thinned(taken, keep, lambda one: one) == taken
    for one in taken:
        same_day = [other for other in versions if other.date() == one.date()]
        assert keep == imported.ALL or one == max(same_day)
