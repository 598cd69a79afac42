# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A window is what people sign for and no more; records of what was given are read back, or refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import FormatError, PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.access import (
    ACCESS_GIVEN,
    Given,
    Window,
    access_of,
    given_of,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request

NOW = dt.datetime(2026, 11, 28, 20, tzinfo=dt.timezone.utc)
HOUR = dt.timedelta(hours=1)
WINDOW = Window("restorer", NOW, NOW + 3 * HOUR, "web1")
REQUEST = Request("carol", "it is time", "CHG1", NOW + HOUR, "0" * 32)
GIVEN = Given("a" * 64, "CHG1", "b" * 64, NOW + HOUR, NOW + HOUR)


def record(kind: str, subject: t.Any, detail: t.Any = None, request: Request | None = REQUEST) -> Record:
    return Record("lab", "0" * 64, kind, NOW, "carol", subject, detail or {}, request)


def test_a_window_is_read_back() -> None:
    for window in (WINDOW, dataclasses.replace(WINDOW, host=None)):
        assert access_of(record("access", window.subject), "x") == window


def test_a_window_is_open_from_its_first_second_to_before_its_last() -> None:
    second = dt.timedelta(seconds=1)
    moments = (NOW - second, NOW, NOW + 3 * HOUR - second, NOW + 3 * HOUR)
    assert [WINDOW.open_at(moment) for moment in moments] == [False, True, True, False]
    assert WINDOW.left(NOW + HOUR + dt.timedelta(milliseconds=1)) == 7199


@pytest.mark.parametrize("until", [NOW, NOW - HOUR, NOW + 24 * HOUR + dt.timedelta(seconds=1)])
def test_what_is_no_window_is_refused(until: dt.datetime) -> None:
    with pytest.raises(PolicyError, match="is no window"):
        Window("restorer", NOW, until)


def test_no_other_identity_is_given_out() -> None:
    with pytest.raises(PolicyError, match="not given out"):
        Window("owner", NOW, NOW + HOUR)


@pytest.mark.parametrize(
    "subject",
    [
        {},
        {**WINDOW.subject, "identity": "owner"},
        {**WINDOW.subject, "identity": 1},
        {**WINDOW.subject, "from": "now"},
        {**WINDOW.subject, "until": None},
        {**WINDOW.subject, "until": "2027-11-28T20:00:00Z"},
        {**WINDOW.subject, "host": 1},
        {**WINDOW.subject, "host": None},
        {**WINDOW.subject, "from_network": "10.0.0.0/8"},
    ],
)
def test_what_people_did_not_mean_is_refused(subject: t.Any) -> None:
    with pytest.raises(FormatError):
        access_of(record("access", subject), "x")


def test_a_window_of_another_kind_or_without_a_ticket_is_refused() -> None:
    with pytest.raises(FormatError):
        access_of(record("retired", WINDOW.subject), "x")
    with pytest.raises(FormatError):
        access_of(record("access", WINDOW.subject, request=dataclasses.replace(REQUEST, ticket="")), "x")
    with pytest.raises(FormatError):
        access_of(record("access", WINDOW.subject, request=None), "x")


@pytest.mark.parametrize("given", [GIVEN, dataclasses.replace(GIVEN, store_until=None, ended=True)])
def test_what_was_given_is_read_back(given: Given) -> None:
    assert given_of(record(ACCESS_GIVEN, {"record": given.record}, given.detail), "x") == given


@pytest.mark.parametrize(
    ("subject", "detail"),
    [
        ({}, {}),
        ({"record": "a" * 63}, {}),
        ({}, {"accessor": "hvs.x"}),
        ({}, {"until": "soon"}),
        ({}, {"until": None}),
        ({}, {"ended": "no"}),
        ({}, {"store_until": 1}),
        ({}, {"ticket": None}),
    ],
)
def test_what_does_not_say_what_was_given_is_refused(subject: t.Any, detail: t.Any) -> None:
    told = {"record": GIVEN.record, **subject} if subject or detail else {}
    with pytest.raises(FormatError):
        given_of(record(ACCESS_GIVEN, told, {**GIVEN.detail, **detail}), "x")
