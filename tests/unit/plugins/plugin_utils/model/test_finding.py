# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong is told as what it is: an inventory's policy, or what somebody asked a task for."""

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.finding import Finding, refuse


@pytest.mark.parametrize(
    ("keys", "begin", "correct"),
    [
        (["path"], "this cannot be done: path: is wrong. Mend it", "the task"),
        (["sts.max_seconds", "ids[0]"], "this cannot be done: sts.max_seconds: ", "the task"),
        (
            ["holdfast_components[1].preset"],
            "the policy cannot be used: holdfast_components[1].preset: ",
            "the inventory",
        ),
        (["/srv/components/shop.yml"], "the policy cannot be used: /srv/components/shop.yml: ", "the inventory"),
        (["path", "holdfast_tiers.tier0"], "the policy cannot be used: path: ", "the inventory"),
    ],
)
def test_options_of_a_task_are_no_fault_of_the_policy(keys: list[str], begin: str, correct: str) -> None:
    with pytest.raises(PolicyError) as refused:
        refuse([Finding(key, "is wrong", "Mend it.") for key in keys], host="web1")
    assert refused.value.message.startswith(begin)
    assert refused.value.remedy == f"Nothing was touched. Correct {correct} and run again."


def test_nothing_wrong_is_no_error() -> None:
    refuse([])
