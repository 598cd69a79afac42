# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings beside what is declared: which of them stop a task, and what is said of these."""

from __future__ import annotations

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import setting
from ansible_collections.holdfast.config.plugins.plugin_utils.model.setting import Outcome

STATES = ("held", "differs", "changed", "not kept", "refused", "missing", "undeclared", "not compared")


@pytest.mark.parametrize("state", STATES)
def test_states(state: str) -> None:
    outcome = Outcome("lock", state, why="so", remedy="do")
    assert outcome.moved == (state in ("differs", "changed"))
    assert bool(setting.lacking([outcome])) == (state in ("not kept", "refused"))


def test_what_is_told_names_all_and_each_remedy_once() -> None:
    given = [Outcome(name, "refused", why=f"no {name}", remedy=remedy) for name, remedy in (("a", "x"), ("b", "x"))]
    given.append(Outcome("c", "not kept", why="no c", remedy="y"))
    assert setting.told(given) == ("a is refused (no a); b is refused (no b); c is not kept (no c)", "x. y")
    assert setting.results(given)[2] == {"setting": "c", "state": "not kept", "why": "no c", "remedy": "y"}
