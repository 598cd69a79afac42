# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from hypothesis import given
from hypothesis import strategies as st

UTC = dt.timezone.utc
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
moments = st.datetimes(dt.datetime(1000, 1, 2), dt.datetime(9998, 1, 1), timezones=zones)


@given(moment=moments)
def test_a_moment_reads_back_to_the_second_in_utc(moment: dt.datetime) -> None:
    whole = instant.whole(moment)
    assert dt.timedelta(0) <= moment - whole < dt.timedelta(seconds=1)
    assert whole.tzinfo is UTC
    assert instant.from_text(instant.to_text(moment)) == whole
    assert instant.from_name(instant.to_name(moment)) == whole


@given(first=moments, second=moments)
def test_spellings_sort_as_moments_do(first: dt.datetime, second: dt.datetime) -> None:
    before = instant.whole(first) < instant.whole(second)
    assert (instant.to_text(first) < instant.to_text(second)) == before
    assert (instant.to_name(first) < instant.to_name(second)) == before


def test_the_spellings() -> None:
    moment = dt.datetime(2026, 11, 21, 3, 16, 23, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert instant.to_text(moment) == "2026-11-21T01:16:23Z"
    assert instant.to_name(moment) == "20261121T011623Z"


def test_a_moment_without_a_zone_is_a_bug() -> None:
    with pytest.raises(ValueError, match="time zone"):
        instant.whole(dt.datetime(2026, 11, 21))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T01:16:23",
        "2026-11-21T01:16:23+00:00",
        "2026-11-21T01:16:23.0Z",
        "2026-11-21 01:16:23Z",
        "2026-11-21t01:16:23z",
        "2026-11-21T1:16:23Z",
        "2026-1-21T01:16:23Z",
        "26-11-21T01:16:23Z",
        "2026-02-30T01:16:23Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T01:16:60Z",
        " 2026-11-21T01:16:23Z",
        "2026-11-21T01:16:23Z\n",
        "\u0662026-11-21T01:16:23Z",
        "20261121T011623Z",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="is not a moment like 2026-11-21T01:16:23Z"):
        instant.from_text(text)


@pytest.mark.parametrize(
    "text", ["", "20261121", "20261121T011623", "2026112T0116234Z", "20261321T011623Z", "2026-11-21T01:16:23Z"]
)
def test_any_other_name_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="is not a moment like 20261121T011623Z"):
        instant.from_name(text)


@given(text=st.text(st.characters() | st.sampled_from("0123456789TZ:-"), max_size=22))
def test_any_text_is_refused_or_spelled_so(text: str) -> None:
    for read, spell in ((instant.from_text, instant.to_text), (instant.from_name, instant.to_name)):
        try:
            assert spell(read(text)) == text
        except FormatError as e:
            assert repr(text) in e.message  # noqa: PT017
