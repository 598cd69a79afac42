# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines that say how far a verify is: few, and none of a short run."""

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.verify_progress import Progress, spoken_bytes


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(every: float, seconds: list[float]) -> list[str]:
    """What is said of ten objects of a kB each, done at these seconds."""
    clock, said = Time(), list[str]()
    progress = Progress(every, said.append, clock)
    progress.begin("objects", 10, 10_000)
    for second in seconds:
        clock.now = 100 + second
        progress.add(1, 1000)
    return said


def test_a_short_run_says_nothing() -> None:
    assert run(30, [1, 2, 29.9]) == []


def test_a_long_one_says_objects_bytes_and_rate() -> None:
    assert run(30, [10, 20, 30, 40, 59, 60]) == [
        "holdfast: 3 of 10 objects verified, 0 a second; 3.0 kB of 10.0 kB, 100 B a second",
        "holdfast: 6 of 10 objects verified, 0 a second; 6.0 kB of 10.0 kB, 100 B a second",
    ]


def test_no_more_than_one_line_in_its_time() -> None:
    assert len(run(30, [number / 10 for number in range(3000)])) == 9


@pytest.mark.parametrize("every", [0, -1])
def test_none_where_none_is_wanted(every: float) -> None:
    assert run(every, [10, 100, 1000]) == []


def test_what_has_no_bytes_says_none() -> None:
    clock, said = Time(), list[str]()
    progress = Progress(30, said.append, clock)
    progress.begin("locks", 12_000, 0)
    clock.now += 30
    progress.add(9_000, 0)
    assert said == ["holdfast: 9,000 of 12,000 locks verified, 300 a second"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5e9, "5.0 GB"), (7e15, "7000.0 TB")],
)
def test_bytes_for_people(size: float, text: str) -> None:
    assert spoken_bytes(size) == text
