# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.schedule import (
    Schedule,
    read_blackouts,
    read_schedule,
    read_windows,
)

WINDOW = {"opens": "01:00", "lasts": "4h"}
FREEZE = {"begins": "2026-12-24T00:00:00Z", "ends": "2026-12-27T00:00:00Z", "reason": "holidays"}


def test_a_schedule_is_read() -> None:
    findings: list[Finding] = []
    given = {"at": ["14:30", "02:30"], "weekdays": ["sat", "mon"], "timezone": "Europe/Berlin"}
    found = read_schedule("s", given, findings)
    assert found == Schedule("Europe/Berlin", (dt.time(2, 30), dt.time(14, 30)), weekdays=(0, 5))
    assert read_schedule("s", {"every": "6h"}, findings).times == tuple(map(dt.time, (0, 6, 12, 18)))
    assert not findings


@pytest.mark.parametrize(
    ("given", "key", "problem"),
    [
        ("02:30", "s", "is not a"),
        ({}, "s", "says no time"),
        ({"at": ["02:30"], "every": "6h"}, "s", "says both at and every"),
        ({"at": [870]}, "s.at", "870 is no time of day"),
        ({"at": ["24:00"]}, "s.at", "'24:00' is no time of day"),
        ({"at": []}, "s.at", "is no list of times"),
        ({"every": "7h"}, "s.every", "7h divides neither an hour nor a day"),
        ({"at": ["02:30"], "weekdays": ["monday"]}, "s.weekdays", "'monday' is no day of the week"),
        ({"at": ["02:30"], "weekdays": "mon"}, "s.weekdays", "is not a list"),
        ({"at": ["02:30"], "monthdays": [0]}, "s.monthdays", "holds what is no day of a month"),
        ({"at": ["02:30"], "weekdays": ["mon"], "monthdays": [1]}, "s", "says both weekdays and monthdays"),
        ({"at": ["02:30"], "timezone": "Europe/Nowhere"}, "s.timezone", "'Europe/Nowhere' is no time zone"),
        ({"at": ["02:30"], "timezone": "../../etc/passwd"}, "s.timezone", "'../../etc/passwd' is no time zone"),
        *(
            ({"at": ["02:30"], "timezone": name}, "s.timezone", f"{name!r} is no time zone")
            for name in ("right/Europe/Berlin", "posix/UTC", "localtime", "Factory", "posixrules")
        ),
        ({"at": ["02:30"], "timzone": "UTC"}, "s.timzone", ""),
    ],
)
def test_a_schedule_that_cannot_be_used_is_a_finding(given: t.Any, key: str, problem: str) -> None:
    findings: list[Finding] = []
    assert read_schedule("s", given, findings) is None
    assert any(one.key == key and problem in one.problem and one.remedy for one in findings), findings


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({**WINDOW, "lasts": "8d"}, "w[0].lasts"),
        ({**WINDOW, "opens": "1:00"}, "w[0].opens"),
        ({**WINDOW, "weekdays": ["so"]}, "w[0].weekdays"),
        ({**WINDOW, "closes": "05:00"}, "w[0].closes"),
    ],
)
def test_a_window_that_cannot_be_used_is_a_finding(given: t.Any, key: str) -> None:
    findings: list[Finding] = []
    assert read_windows("w", [given], findings) == ()
    assert key in [one.key for one in findings]


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({**FREEZE, "ends": FREEZE["begins"]}, "b[0].ends"),
        ({**FREEZE, "ends": "2126-12-27T00:00:00Z"}, "b[0].ends"),
        ({**FREEZE, "begins": "2026-12-24"}, "b[0].begins"),
        ({**FREEZE, "reason": ""}, "b[0].reason"),
    ],
)
def test_a_blackout_that_cannot_be_used_is_a_finding(given: t.Any, key: str) -> None:
    findings: list[Finding] = []
    assert read_blackouts("b", [given], findings) == ()
    assert key in [one.key for one in findings]


def test_windows_and_blackouts_are_read() -> None:
    findings: list[Finding] = []
    (window,) = read_windows("w", [WINDOW], findings)
    later, earlier = FREEZE, {**FREEZE, "begins": "2026-11-24T00:00:00Z", "ends": "2026-11-27T00:00:00Z"}
    assert (window.timezone, window.opens, window.lasts) == ("UTC", dt.time(1), dt.timedelta(hours=4))
    assert [one.begins.month for one in read_blackouts("b", [later, earlier], findings)] == [11, 12]
    assert not findings
