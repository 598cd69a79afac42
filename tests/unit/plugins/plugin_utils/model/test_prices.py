# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A price list is read whole or refused by name; what days cost comes out by hand."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding
from ansible_collections.holdfast.config.plugins.plugin_utils.model.prices import GIGABYTE, Prices, cost, read_prices
from ansible_collections.holdfast.config.plugins.plugin_utils.model.sizing import REQUESTS, Day

GIVEN: dict[str, t.Any] = {
    "currency": "EUR",
    "storage_gb_month": {"standard": 0.12, "cold": "0.012"},
    "requests_1000": {"put": 5, "get": 0.4},
    "egress_gb": 0.1,
    "minimum_bytes": {"cold": GIGABYTE},
    "archive": {"d0400": {"storage_class": "cold", "after_days": 90}},
}


def read(given: t.Any) -> tuple[Prices | None, list[Finding]]:
    findings: list[Finding] = []
    return read_prices(given, findings, classes=["d0400"]), findings


def day(**more: t.Any) -> Day:
    given = {
        "held": {"d0400": 3.0 * GIGABYTE, "(points)": 1.0 * GIGABYTE},
        "archived": {"d0400": 2.0 * GIGABYTE},
        "objects": {"d0400": 30.0, "(points)": 1.0},
        "added": {},
        "snapshots": {},
        "requests": {**dict.fromkeys(REQUESTS, 0.0), "put": 2000.0, "get": 500.0, "list": 1000.0},
        "read": 5.0 * GIGABYTE,
        **more,
    }
    return Day(**given)


def test_what_days_cost_comes_out_by_hand() -> None:
    prices, findings = read(GIVEN)
    assert findings == []
    assert prices is not None
    assert prices.archive_after == {"d0400": 90}
    found = cost([day()] * 365, prices)
    # 20 archived objects are charged for as a GB each
    assert found.storage["d0400"] == pytest.approx(12 * (1 * 0.12 + 20 * 0.012))
    assert found.storage["(points)"] == pytest.approx(12 * 0.12)
    assert found.requests["put"] == pytest.approx(365 * 10)
    assert found.requests["get"] == pytest.approx(365 * 0.2)
    assert found.requests["list"] == 0
    assert found.egress == pytest.approx(365 * 0.5)
    assert found.total == pytest.approx(sum(found.storage.values()) + 365 * 10.7)


def test_nothing_held_costs_nothing() -> None:
    prices, _findings = read({"storage_gb_month": {"standard": 1}})
    assert prices is not None
    nothing = day(held={"d0400": 0.0}, archived={}, objects={}, requests=dict.fromkeys(REQUESTS, 0.0), read=0.0)
    assert cost([nothing], prices).total == 0


def test_no_prices_are_none() -> None:
    assert read(None) == (None, [])


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ([], "prices.storage_gb_month.standard"),
        ({**GIVEN, "storage": 1}, "prices.storage"),
        ({**GIVEN, "storage_gb_month": {"cold": 1}}, "prices.storage_gb_month.standard"),
        ({**GIVEN, "storage_gb_month": {**GIVEN["storage_gb_month"], "x": -1}}, "prices.storage_gb_month.x"),
        ({**GIVEN, "storage_gb_month": {**GIVEN["storage_gb_month"], "x": "free"}}, "prices.storage_gb_month.x"),
        ({**GIVEN, "requests_1000": {"puts": 1}}, "prices.requests_1000.puts"),
        ({**GIVEN, "requests_1000": 5}, "prices.requests_1000"),
        ({**GIVEN, "egress_gb": float("nan")}, "prices.egress_gb"),
        ({**GIVEN, "egress_gb": True}, "prices.egress_gb"),
        ({**GIVEN, "currency": "a long name of money"}, "prices.currency"),
        ({**GIVEN, "currency": 5}, "prices.currency"),
        ({**GIVEN, "archive": {"d9": {"storage_class": "cold", "after_days": 9}}}, "prices.archive.d9"),
        ({**GIVEN, "archive": {"d0400": {"after_days": 9}}}, "prices.archive.d0400.storage_class"),
        (
            {**GIVEN, "archive": {"d0400": {"storage_class": "standard", "after_days": 9}}},
            "prices.archive.d0400.storage_class",
        ),
        (
            {**GIVEN, "archive": {"d0400": {"storage_class": "cold", "after_days": 0}}},
            "prices.archive.d0400.after_days",
        ),
    ],
)
def test_what_is_wrong_is_named(given: t.Any, key: str) -> None:
    assert [finding.key for finding in read(given)[1]] == [key]
