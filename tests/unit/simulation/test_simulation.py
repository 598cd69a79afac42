# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulation in small: some worlds with all rules in force, and for each rule worlds that fail without it.

The same at large: ``python -m ansible_collections.holdfast.config.tests.unit.simulation.large``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from .judge import KINDS
from .rules import RULES, Rule
from .world import history

# of all sorts: tight ones, rare runs and frequent ones, rotations, vandals
WHOLE = range(12)


@pytest.mark.parametrize("seed", WHOLE)
def test_nothing_is_lost_short_endless_or_missed(seed: int, tmp_path: Path) -> None:
    lived = history(seed, tmp_path)
    assert lived.violation is None, f"seed {seed}: {lived.violation}"
    assert lived.points


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_without_the_rule_it_fails(rule: Rule, tmp_path: Path) -> None:
    found = []
    for seed in rule.seeds:
        (tmp_path / str(seed)).mkdir()
        with rule.removed():
            found.append(history(seed, tmp_path / str(seed)).violation)
        if found[-1] is not None:
            break
    assert found[-1] is not None, f"seeds {rule.seeds} hold without this: {rule.says}"
    assert found[-1].kind in rule.kinds


def test_every_rule_is_tried_and_says_what_breaks() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.seeds and rule.kinds <= KINDS.keys() for rule in RULES)


def test_the_same_seed_is_the_same_history(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one, other = (history(1, tmp_path / name, days=200) for name in ("one", "other"))
    assert dataclasses.asdict(one) == dataclasses.asdict(other)
