# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run takes beside other backups of the same trees, each a first one and then one of what has not changed.

Prints and never judges speed. What the others leave out of what this collection does, docs/benchmarks.md says.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fleet import HOSTS, ROUNDS, Fleet, Spent
from .others import Bucket, Other, Restic, Usual, bucket
from .report import OTHERS, Beside, Report

HEAD = ("other", "run", "aim", "times faster", "seconds", "the other, seconds", "CPU a host beside the other, ms")


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    with bucket() as running:
        yield running


def test_first_and_unchanged(fleet: Fleet, s3: Bucket, report: Report) -> None:
    others: dict[str, Other] = {"playbook to S3": Usual(fleet, s3), "restic": Restic(fleet)}
    runs: dict[str, list[Spent]] = {}
    for _round in range(ROUNDS):
        repository = fleet.new_repository()
        for other in others.values():
            other.forget()
        for what, changed in (("first", HOSTS), ("no drift", 0)):
            runs.setdefault(what, []).append(fleet.backup({}, repository, changed=changed))
            for name, other in others.items():
                runs.setdefault(f"{name}, {what}", []).append(other.backup())
    for name, other in others.items():
        for what in ("first", "no drift"):
            found = Beside(runs[what], runs[f"{name}, {what}"])
            aim = "≥ 4" if isinstance(other, Usual) else ""
            report.add(OTHERS, HEAD, name, what, aim, found.speed, *found.seconds, found.cpu)
