# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Samples: nobody chooses, and all is read in time."""

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import (
    Extent,
    Finding,
    Level,
    Report,
    Sample,
    Severity,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = [f"manifests/d0030/h/tier1/{number}" for number in range(2000)]


def drawn(percent: int, seed: int, names: list[str] = NAMES) -> set[str]:
    sample = Sample(percent=percent, seed=seed)
    return {name for name in names if sample.draws(name, "d0030", newest=False)}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 100), st.integers(0, 100_000))
def test_the_days_of_one_cycle_draw_everything(percent: int, cycle: int) -> None:
    turns = -(-100 // percent)
    names = NAMES[:60]
    seen = set().union(*(drawn(percent, cycle * turns + turn, names) for turn in range(turns)))
    assert seen == set(names)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 100), st.integers(0, 100_000))
def test_so_do_nearly_two_whatever_they_begin_with(percent: int, first: int) -> None:
    turns = -(-100 // percent)
    names = NAMES[:60]
    assert set().union(*(drawn(percent, first + day, names) for day in range(2 * turns - 1))) == set(names)


@pytest.mark.parametrize("percent", [1, 5, 30, 50, 70, 99, 100])
def test_it_is_as_many_as_asked(percent: int) -> None:
    for seed in (0, 20783, 20784):
        assert abs(len(drawn(percent, seed)) / len(NAMES) - percent / 100) < 0.03


def test_a_schedule_that_skips_days_does_not_meet_the_same_for_ever() -> None:
    """Each tenth day of ten: were the parts fixed, nine tenths would never be read."""
    assert len(set().union(*(drawn(10, 10 * run) for run in range(40)))) > 0.95 * len(NAMES)


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(5, 20783) == drawn(5, 20783) != drawn(5, 20784)


def test_a_class_has_its_own_and_others_are_whole() -> None:
    sample = Sample(classes={"d0030": 1}, seed=1)
    assert sum(sample.draws(name, "d0030", newest=False) for name in NAMES) < 100
    assert all(sample.draws(name, "d0365", newest=False) for name in NAMES)


def test_the_newest_may_be_read_more_often_and_never_less() -> None:
    sample = Sample(percent=5, classes={"d0365": 100}, newest=50, seed=1)
    assert 0.4 < sum(sample.draws(name, "d0030", newest=True) for name in NAMES) / len(NAMES) < 0.6
    assert all(sample.draws(name, "d0365", newest=True) for name in NAMES)
    assert all(sample.draws(name, "d0030", newest=True) for name in NAMES if sample.draws(name, "d0030", newest=False))


@pytest.mark.parametrize(
    ("severity", "unread", "sound"),
    [
        (None, 0, True),
        (Severity.WARNING, 0, True),
        (Severity.ERROR, 0, False),
        # of what was not read nothing is said
        (None, 1, False),
        (Severity.ERROR, 1, False),
    ],
)
def test_only_what_was_read_whole_is_sound(severity: Severity | None, unread: int, sound: bool) -> None:
    findings = () if severity is None else (Finding(severity, "x", "is odd", "Look."),)
    report = Report(Level.CONTENT, (), 0, 0, 0, 0, 0, 0, 0, findings, unread=Extent(unread, 10 * unread))
    assert report.sound is sound
    assert len(report.broken) == (severity is Severity.ERROR)
