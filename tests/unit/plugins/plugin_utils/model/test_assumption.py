# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is assumed of a fleet becomes what a forecast stands on, or is refused by name."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import sizing
from ansible_collections.holdfast.config.plugins.plugin_utils.model.assumption import read_assumption
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding, read_classes, read_tiers
from ansible_collections.holdfast.config.plugins.plugin_utils.model.sizing import Basis

STREAM = {"tier": "tier1", "bytes": "3MiB", "files": 1000, "changes_per_day": 0.1}
GIVEN: dict[str, t.Any] = {"hosts": 20, "streams": [STREAM]}


def read(given: t.Any) -> tuple[Basis, list[Finding]]:
    findings: list[Finding] = []
    classes = read_classes(None, findings)
    found = read_assumption(given, findings, classes=classes, tiers=read_tiers(None, classes, findings))
    return found, findings


def test_a_fleet_is_assumed() -> None:
    found, findings = read({**GIVEN, "runs_per_day": "4"})
    assert findings == []
    (group,) = found.groups
    assert (group.retention_class, group.stream, round(group.streams)) == ("d0090", "tier1", 20)
    assert (found.hosts, found.runs.per_day, found.measured_days) == (20, 4.0, 0.0)
    assert group.pack == pytest.approx((1 << 20) + 1600)
    told = sizing.forecast(found, days=30)
    # all of it in the first run, and then what changes
    assert told.days[0].snapshots["d0090"] == pytest.approx(20)
    assert sum(day.snapshots["d0090"] for day in told.days[1:]) == pytest.approx(29 * 2, rel=0.15)


def test_a_stream_that_changes_more_than_once_a_day_is_stored_as_often() -> None:
    found, findings = read({**GIVEN, "streams": [{**STREAM, "changes_per_day": 3}], "runs_per_day": 4})
    assert findings == []
    told = sizing.forecast(found, days=10)
    assert told.days[5].snapshots["d0090"] == pytest.approx(60, rel=0.05)


def test_a_stream_may_be_of_some_hosts() -> None:
    found, findings = read({**GIVEN, "streams": [STREAM, {"tier": "tier0", "bytes": 5000, "hosts": 2}]})
    assert findings == []
    assert [round(group.streams) for group in found.groups] == [20, 2]


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ("many", ["assume.hosts", "assume.streams"]),
        ({**GIVEN, "host": 1}, ["assume.host"]),
        ({**GIVEN, "hosts": 0}, ["assume.hosts"]),
        ({**GIVEN, "hosts": "nan"}, ["assume.hosts"]),
        ({**GIVEN, "runs_per_day": 0}, ["assume.runs_per_day"]),
        ({**GIVEN, "streams": []}, ["assume.streams"]),
        ({**GIVEN, "streams": "tier1"}, ["assume.streams"]),
        ({**GIVEN, "streams": ["tier1"]}, ["assume.streams[0].tier"]),
        ({**GIVEN, "streams": [{**STREAM, "tier": "tier9"}]}, ["assume.streams[0].tier"]),
        ({**GIVEN, "streams": [{**STREAM, "size": 1}]}, ["assume.streams[0].size"]),
        ({**GIVEN, "streams": [{**STREAM, "bytes": "3MB"}]}, ["assume.streams[0].bytes"]),
        ({**GIVEN, "streams": [{**STREAM, "bytes": True}]}, ["assume.streams[0].bytes"]),
        ({**GIVEN, "streams": [{**STREAM, "files": True}]}, ["assume.streams[0].files"]),
        ({**GIVEN, "streams": [{**STREAM, "changes_per_day": -1}]}, ["assume.streams[0].changes_per_day"]),
        ({**GIVEN, "streams": [{**STREAM, "compression": 0.5}]}, ["assume.streams[0].compression"]),
    ],
)
def test_what_is_wrong_is_named(given: t.Any, keys: list[str]) -> None:
    assert [finding.key for finding in read(given)[1]] == keys
