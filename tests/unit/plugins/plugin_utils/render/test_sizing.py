# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of a sizing fit a terminal, however large the figures."""

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.prices import Cost
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.model.sizing import (
    POINTS,
    REQUESTS,
    Basis,
    Compared,
    Forecast,
    Group,
    Held,
    Runs,
    forecast,
    newcomers,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.render import sizing as text

LONG = "a-class-with-a-name-of-32-letter"
HUGE = 888_888_888_888.0


def large() -> Basis:
    """As large as anything that anybody would ask about."""
    group = Group(LONG, "tier10", newcomers(999_999, 900 << 20, 0.9, 3.0), 900.0 * (1 << 20), 99.9 * (1 << 20), 1e10)
    held = (Held(LONG, 0, 300, 999_999, 1 << 49),)
    return Basis({LONG: RetentionClass(LONG, 3650, "compliance")}, (group,), held, Runs(1440, 1e7, 100, 900), 999_999)


@pytest.fixture(scope="module")
def told() -> Forecast:
    return forecast(large())


def test_no_line_is_wider_than_a_terminal_or_cut(told: Forecast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "WIDTH", 10_000)
    cost = Cost({LONG: HUGE / 1e6, POINTS: 0.01}, dict.fromkeys(REQUESTS, HUGE / 1e6), 1.0)
    compared = {LONG: Compared(HUGE * 900, HUGE * 80), POINTS: Compared(1.0, 0.0)}
    lines = [
        *text.basis(large()),
        *text.year(told, [cost] * 12, "EUR"),
        *text.classes(told, cost, "EUR"),
        *text.requests(told, cost, "EUR", 1440),
        *text.past(compared, {LONG: Compared(9e8, 8e7)}),
    ]
    assert len(lines) > 20
    assert [line for line in lines if len(line) > 80] == []
    # cut where people still tell it from others
    assert any(line.startswith(LONG[:13]) for line in lines)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (2**61, "2048.0 PiB")],
)
def test_bytes_are_said_in_their_unit(size: int, said: str) -> None:
    assert text.quantity(size) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (0.25, "0.25"), (3.0, "3"), (12.4, "12"), (40000, "40,000"), (2_100_000, "2.1 M")]
)
def test_counts_are_said_shortly(number: float, said: str) -> None:
    assert text.count(number) == said


def test_without_prices_there_is_no_column_for_them(told: Forecast) -> None:
    head = next(iter(text.year(told, [], "EUR")))
    assert head.split() == ["month", "held", "added", "snapshots", "put", "get", "list"]
    assert "EUR" not in "\n".join(text.classes(told, None, "EUR"))
