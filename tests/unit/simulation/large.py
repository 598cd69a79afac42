# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulation at large: many worlds with all rules, and many with each rule removed; prints a table in Markdown.

::

    python -m ansible_collections.holdfast.config.tests.unit.simulation.large --histories 2000 --rules 200 --jobs 2

It ends with 1 where a world fails with all rules in force, or where none fails without one of them.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from .judge import Violation
from .rules import RULES, Rule
from .world import History, history

_BY_NAME = {rule.name: rule for rule in RULES}
_CHUNK = 10
_TOLD = 20


@dataclasses.dataclass(frozen=True)
class Task:
    """One world to live through, without the rule of that name."""

    seed: int
    without: str | None


def live(task: Task) -> History:
    """Live through one world in a folder that is gone afterwards; what the library raises counts as a violation."""
    removed = contextlib.nullcontext() if task.without is None else _BY_NAME[task.without].removed()
    with removed, tempfile.TemporaryDirectory() as folder:
        try:
            return history(task.seed, Path(folder))
        except Exception as e:
            return History(task.seed, 0, 0, 0, "", Violation("BROKEN", 0, f"{type(e).__name__}: {e}"))


def main(arguments: Sequence[str]) -> int:
    """Run, print the table, and return 0 where it is as it must be."""
    parser = argparse.ArgumentParser(description="Live through many simulated worlds.")
    parser.add_argument("--histories", type=int, default=2000, help="with all rules in force")
    parser.add_argument("--rules", type=int, default=200, help="without each rule")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", action="append", choices=sorted(_BY_NAME), help="these rules alone")
    given = parser.parse_args(arguments)
    sound = True
    _say("| rule removed | histories | failed | kinds of the first violation | seeds, soonest first |\n")
    _say("|---|--:|--:|---|---|\n")
    with multiprocessing.Pool(given.jobs) as pool:
        whole = list(pool.imap_unordered(live, _tasks(given.first, given.histories, None), _CHUNK))
        if whole:
            sound = not any(found.violation for found in whole)
            _say(_row("(none)", whole))
        for rule in RULES:
            if not given.rules or (given.only and rule.name not in given.only):
                continue
            found = list(pool.imap_unordered(live, _tasks(given.first, given.rules, rule.name), _CHUNK))
            sound = sound and _fails(rule, found)
            _say(_row(f"{rule.name}: {rule.says}", found))
    points, carried, excused = (sum(getattr(each, name) for each in whole) for name in ("points", "carried", "excused"))
    _say(f"\n{points} points with {carried} carried streams. ")
    _say(f"{excused} streams were lost in silences longer than anything promises.\n")
    for each in sorted((each for each in whole if each.violation), key=lambda each: each.seed)[:_TOLD]:
        _say(f"\nseed {each.seed}: {each.violation}\n")
    return 0 if sound else 1


def _tasks(first: int, count: int, without: str | None) -> Iterator[Task]:
    return (Task(seed, without) for seed in range(first, first + count))


def _fails(rule: Rule, found: Sequence[History]) -> bool:
    return any(each.violation and each.violation.kind in rule.kinds for each in found)


def _row(what: str, found: Sequence[History]) -> str:
    violations = [(each.points, each.seed, each.violation) for each in found if each.violation]
    kinds = collections.Counter(violation.kind for _points, _seed, violation in violations)
    spoken = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    seeds = ", ".join(str(seed) for _points, seed, _violation in sorted(violations, key=lambda each: each[:2])[:5])
    return f"| {what} | {len(found)} | {len(violations)} | {spoken} | {seeds} |\n"


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
