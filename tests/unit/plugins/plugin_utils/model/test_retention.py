# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retention classes: the grace after a lock, and the smallest maximum; and what of them an inventory may say."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding, read_classes, refuse
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import (
    RENEWAL_DAYS,
    RetentionClass,
    grace,
)
from hypothesis import given
from hypothesis import strategies as st


def declared(**fields: t.Any) -> RetentionClass:
    """What becomes of one class of ``holdfast_classes``; raises PolicyError as a run would."""
    findings: list[Finding] = []
    classes = read_classes({"mine": fields}, findings)
    refuse(findings)
    return classes["mine"]


@pytest.mark.parametrize(
    ("days", "grace_days"), [(1, 120), (30, 120), (119, 120), (120, 120), (121, 121), (400, 400), (36500, 400)]
)
def test_the_grace_is_that_of_the_class_within_bounds(days: int, grace_days: int) -> None:
    kept = RetentionClass("mine", days, "compliance")
    assert kept.grace == grace(days) == dt.timedelta(days=grace_days)
    assert kept.shortest_maximum == days + RENEWAL_DAYS + grace_days


@given(days=st.integers(1, 36500))
def test_a_longer_class_has_no_shorter_grace(days: int) -> None:
    assert grace(days) <= grace(days + 1) <= grace(days) + dt.timedelta(days=1)


def test_no_maximum_is_none() -> None:
    assert declared(days=30) == RetentionClass("mine", 30, "compliance", None)
    assert declared(days=30, maximum=None).maximum is None


@pytest.mark.parametrize(("days", "least"), [(1, 151), (30, 180), (90, 240), (400, 830)])
def test_a_maximum_leaves_room_for_lock_renewal_and_grace(days: int, least: int) -> None:
    assert declared(days=days, maximum=least).maximum == least
    assert declared(days=days, maximum=73000).maximum == 73000
    for wrong in (least - 1, 73001, 0, -1):
        with pytest.raises(PolicyError, match=rf"holdfast_classes\.mine\.maximum: {wrong} is no maximum") as caught:
            declared(days=days, maximum=wrong)
        assert f"Give {least} to 73000" in str(caught.value)


@pytest.mark.parametrize("wrong", ["180", 180.0, True, [], {}, "never"], ids=repr)
def test_a_maximum_is_a_whole_number_of_days(wrong: object) -> None:
    with pytest.raises(PolicyError, match=r"holdfast_classes\.mine\.maximum"):
        declared(days=30, maximum=wrong)


def test_a_maximum_that_is_wrong_makes_no_class() -> None:
    findings: list[Finding] = []
    assert "mine" not in read_classes({"mine": {"days": 30, "maximum": 1}}, findings)
    assert [finding.key for finding in findings] == ["holdfast_classes.mine.maximum"]


def test_a_built_in_class_may_be_given_a_maximum_where_a_repository_is_made() -> None:
    findings: list[Finding] = []
    classes = read_classes({"d0030": {"days": 30, "maximum": 365}}, findings)
    assert not findings
    assert (classes["d0030"].maximum, classes["d0090"].maximum) == (365, None)
