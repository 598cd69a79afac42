# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run costs beside a `ping` play of the same hosts by the same way: alternating, whole processes.

Prints and never judges speed: these machines' speed is not ours. That a run did what its row says is judged.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

import pytest

from .fleet import COLD, HOSTS, ROUNDS, WARM, WAYS, Fleet, Repository, Spent
from .report import PING, Beside, Report

HEAD = ("run", "way", "SSH", "aim", "times ping", "seconds", "ping, seconds", "controller CPU a host beside ping, ms")
AIMS = {
    "no drift": ("≤ 0.8, ≤ 15 ms", "≤ 1.15, ≤ 15 ms"),
    "first": ("≤ 1.1", "≤ 1.5"),
    "a change on every host": ("", ""),
}
LINES = {"warm": WARM, "cold": COLD}
# the two ends: nothing is sent as a file, everything is
ENDS = ("piped", "module, become without stdin")


@pytest.fixture(scope="module")
def known(fleet: Fleet) -> Repository:
    """A repository that has seen all hosts."""
    repository = fleet.new_repository()
    fleet.backup({}, repository, changed=HOSTS)
    return repository


@pytest.mark.parametrize(("way", "line"), [*((way, "warm") for way in WAYS), *((way, "cold") for way in ENDS)])
def test_no_drift(fleet: Fleet, known: Repository, report: Report, way: str, line: str) -> None:
    reach = {**WAYS[way], **LINES[line]}
    sessions = []

    def run() -> Spent:
        before = fleet.sessions()
        found = fleet.backup(reach, known, changed=0)
        sessions.append(fleet.sessions() - before)
        return found

    measure(fleet, report, ("no drift", way, line), reach, run)
    piped = [count == HOSTS for count in sessions]
    assert all(piped) if way == "piped" else not any(piped)


@pytest.mark.parametrize("way", WAYS)
def test_first(fleet: Fleet, report: Report, way: str) -> None:
    def run() -> Spent:
        return fleet.backup(WAYS[way], fleet.new_repository(), changed=HOSTS)

    measure(fleet, report, ("first", way, "warm"), WAYS[way], run)


@pytest.mark.parametrize("way", ENDS)
def test_change_on_every_host(fleet: Fleet, known: Repository, report: Report, way: str) -> None:
    def run() -> Spent:
        fleet.change()
        return fleet.backup(WAYS[way], known, changed=HOSTS)

    measure(fleet, report, ("a change on every host", way, "warm"), WAYS[way], run)


def measure(
    fleet: Fleet, report: Report, row: tuple[str, str, str], reach: Mapping[str, t.Any], run: Callable[[], Spent]
) -> None:
    """Ping and run in turns, and report them."""
    pairs = [(fleet.ping(reach), run()) for _round in range(ROUNDS)]
    found = Beside([ran for _ping, ran in pairs], [ping for ping, _ran in pairs])
    what, way, _line = row
    aim = AIMS[what][way != "piped"]
    report.add(PING, HEAD, *row, aim, found.ratio, *found.seconds, found.cpu)
