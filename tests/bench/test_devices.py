# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run over network devices takes beside a program that asks them for the same at once, RANCID and cli_backup.

Prints and never judges speed. That a run did what its row says is judged.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab.frr import Routers

from .devices import DEVICES, PLAYS, Devices
from .fleet import ROUNDS, Spent
from .report import NETWORK, NETWORK_OTHERS, Beside, Report

HEAD = (
    "run",
    "way",
    "aim",
    "times the bare program",
    "seconds",
    "bare, seconds",
    "CPU a device, ms",
    "devices an hour",
)
OTHERS_HEAD = (
    "other",
    "run",
    "aim",
    "times faster",
    "seconds",
    "the other, seconds",
    "CPU a device, ms",
    "the other's",
)
AIMS = {"a task on each": "≤ 3.5", "all in one task": "≤ 2"}
RUNS = {"first": DEVICES, "no drift": 0}


@pytest.fixture(scope="module")
def devices() -> Iterator[Devices]:
    path = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        (path / "routers").mkdir()
        with Routers(DEVICES, path / "routers") as running:
            running.converge()
            yield Devices(path, running)
    finally:
        shutil.rmtree(path)


def test_devices(devices: Devices, report: Report) -> None:
    devices.prepare_rancid()
    bare: list[Spent] = []
    runs: dict[tuple[str, str], list[Spent]] = {}
    others: dict[str, list[Spent]] = {}
    for _round in range(ROUNDS):
        bare.append(devices.bare())
        for way in PLAYS:
            repository = devices.new_repository()
            for what, changed in RUNS.items():
                runs.setdefault((what, way), []).append(devices.ours(way, repository, changed=changed))
        others.setdefault("RANCID", []).append(devices.rancid())
        assert devices.rancid_stored() == DEVICES
        others.setdefault("ansible.netcommon.cli_backup", []).append(devices.cli_backup())
    for (what, way), found in runs.items():
        beside = Beside(found, bare)
        hourly = DEVICES / statistics.median(one.seconds for one in found) * 3600
        aim = AIMS.get(way, "") if what == "no drift" else ""
        report.add(NETWORK, HEAD, what, way, aim, beside.ratio, *beside.seconds, _cpu(found), f"{hourly:,.0f}")
        for name, other in others.items():
            beside = Beside(found, other)
            aim = "> 1" if name == "RANCID" else ""
            row = (name, f"{what}, {way}", aim, beside.speed, *beside.seconds, _cpu(found), _cpu(other))
            report.add(NETWORK_OTHERS, OTHERS_HEAD, *row)


def _cpu(runs: Sequence[Spent]) -> str:
    return f"{statistics.median(one.cpu for one in runs) / DEVICES * 1000:.0f}"
