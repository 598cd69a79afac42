# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.waiver import Waiver, read_waivers

GOOD = {"id": "EX-1", "groups": ["lab"], "reason": "rebuilt daily", "control": "image build", "expires": "2027-03-31"}


def read(**changed: t.Any) -> tuple[tuple[Waiver, ...], str]:
    findings: list[Finding] = []
    found = read_waivers([{**GOOD, **changed}], findings)
    return found, " ".join(map(str, findings))


def test_a_day_means_its_end_in_utc() -> None:
    (waiver,), told = read()
    assert not told
    assert waiver.expires == dt.datetime(2027, 4, 1, tzinfo=dt.timezone.utc)
    assert waiver.holds(dt.datetime(2027, 3, 31, 23, 59, tzinfo=dt.timezone.utc))
    assert not waiver.holds(waiver.expires)


def test_the_digest_is_of_what_it_says_and_not_of_its_order() -> None:
    (one,), _findings = read(hosts=["a", "b"])
    (same,), _findings = read(hosts=["b", "a"])
    (other,), _findings = read(hosts=["a", "b"], control="none")
    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"expires": "3027-03-31"}, "is the year right"),
        ({"expires": None}, "neither a day nor a moment"),
        ({"expires": "2027-02-30"}, "neither a day nor a moment"),
        ({"groups": None}, "names neither hosts nor groups"),
        ({"reason": ""}, "is not a text"),
        ({"control": 7}, "is not a text"),
        ({"id": "a b"}, "no name of an exception"),
        ({"until": "2027-01-01"}, "not a key of this version"),
        ({"hosts": "web1"}, "is not a list"),
    ],
)
def test_what_is_wrong_is_told(changed: dict[str, t.Any], message: str) -> None:
    found, told = read(**changed)
    assert found == ()
    assert message in told


def test_an_id_stands_once() -> None:
    findings: list[Finding] = []
    assert len(read_waivers([GOOD, GOOD], findings)) == 1
    assert "EX-1 is there twice" in str(findings[0])
