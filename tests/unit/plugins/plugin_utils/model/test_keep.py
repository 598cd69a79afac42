# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import keep
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from hypothesis import given
from hypothesis import strategies as st

DAY = dt.timedelta(days=1)
moments = st.datetimes(
    dt.datetime(2000, 1, 1),
    dt.datetime(2100, 1, 1),
    timezones=st.just(dt.timezone.utc),
)
classes = st.builds(RetentionClass, st.just("d"), st.integers(1, 36500), st.just("compliance"))
stream_keys = st.text(max_size=40)


@given(key=stream_keys)
def test_the_renewal_is_30_days_less_0_to_14(key: str) -> None:
    assert 16 * DAY <= keep.renewal(key) <= 30 * DAY
    assert keep.renewal(key) == keep.renewal(key)


def test_the_streams_of_a_fleet_are_spread_over_15_days() -> None:
    found = [keep.renewal(f"web{number}.example.com/tier1").days for number in range(1500)]
    assert set(found) == set(range(16, 31))
    # 100 each, if it were even
    assert all(60 < found.count(days) < 140 for days in set(found))


def test_the_renewal_stays_what_it_was() -> None:
    # another value would store a whole fleet anew on the day of the upgrade
    assert keep.renewal("web1/tier1").days == 20


@given(now=moments, kept=classes, key=stream_keys, passed=st.timedeltas(dt.timedelta(0), 60 * DAY))
def test_a_snapshot_can_be_named_until_its_renewal(
    now: dt.datetime, kept: RetentionClass, key: str, passed: dt.timedelta
) -> None:
    lock = keep.snapshot_lock(now, kept, key)
    assert lock >= now + kept.days * DAY
    assert keep.nameable(lock, now, kept)
    assert keep.nameable(lock, now + passed, kept) == (passed <= keep.renewal(key))


@given(now=moments, kept=classes, lock=moments)
def test_what_a_point_names_outlives_its_class(now: dt.datetime, kept: RetentionClass, lock: dt.datetime) -> None:
    assert keep.nameable(lock, now, kept) == (lock - now >= kept.days * DAY)
    assert keep.nameable(now + kept.days * DAY, now, kept)
    assert not keep.nameable(now + kept.days * DAY - dt.timedelta(microseconds=1), now, kept)


@given(now=moments, kept=classes, key=stream_keys, more=st.integers(0, 1000))
def test_a_point_outlives_what_it_names_and_a_record_both(
    now: dt.datetime, kept: RetentionClass, key: str, more: int
) -> None:
    longest = kept.days + more
    assert keep.point_lock(now, longest) >= keep.snapshot_lock(now, kept, key)
    assert keep.record_lock(now, longest) == keep.point_lock(now, longest) + 365 * DAY


@pytest.mark.parametrize(("year", "since"), [(0, 0), (2025, 0), (2026, 2027), (2030, 2031), (2036, 2037), (9999, 2037)])
def test_records_of_a_key_outlive_its_year(year: int, since: int) -> None:
    now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
    begin = dt.datetime(since, 1, 1, tzinfo=dt.timezone.utc) if since else now
    assert keep.key_record_lock(now, year, 90) == keep.record_lock(begin, 90)
