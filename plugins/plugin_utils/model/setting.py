# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a setting of a server stands beside what is declared: of a bucket, or of a repository's place in Vault."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Sequence

HELD, DIFFERS, CHANGED, NOT_KEPT, REFUSED = "held", "differs", "changed", "not kept", "refused"
# what is not as it should be, and is for somebody else to do
MISSING, UNDECLARED, NOT_COMPARED = "missing", "undeclared", "not compared"
# what is asked for and not so
LACKING = (NOT_KEPT, REFUSED)
ELSEWHERE = (MISSING, UNDECLARED, NOT_COMPARED)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a setting.

    ``state``: held; differs (and would be changed), changed; not kept (the server said that it did it), refused;
    missing, undeclared, not compared (for somebody else to see to). ``before`` and ``after`` are plain values,
    none of them secret; ``why`` and ``remedy`` say what is not as it should be.
    """

    name: str
    state: str
    before: t.Any = None
    after: t.Any = None
    why: str = ""
    remedy: str = ""

    @property
    def moved(self) -> bool:
        """Whether it was changed, or would be in check mode."""
        return self.state in (CHANGED, DIFFERS)

    @property
    def spoken(self) -> str:
        """What is not as it should be, in a clause."""
        return f"{self.name} is {self.state} ({self.why})"


def lacking(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that are asked for and not so."""
    return [outcome for outcome in outcomes if outcome.state in LACKING]


def told(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """What is not as it should be, and what to do about it, each remedy once."""
    remedies = dict.fromkeys(outcome.remedy for outcome in outcomes)
    return "; ".join(outcome.spoken for outcome in outcomes), ". ".join(remedies)


def results(outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """Outcomes as plain values: the setting, how it stands, and why where it is not as asked."""
    return [{"setting": one.name, "state": one.state, "why": one.why, "remedy": one.remedy} for one in outcomes]
