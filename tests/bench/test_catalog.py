# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the catalog of a million snapshots costs, points of three years: made anew, opened, and searched by each key.

Prints and never judges speed: these machines' speed is not ours. That everything is found is judged. ``SNAPSHOTS`` sets
how many there are, about.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from .many_points import DAYS, Size, fill
from .memory import watched

SNAPSHOTS = int(os.environ.get("SNAPSHOTS", "1000000"))
CHANGED = float(os.environ.get("CHANGED", "0.92"))
AIM = "rebuild 300 s and 500 MB, open 1 s, search 0.1 s"

OPEN = """
import datetime as dt
import json
import resource
import sys
import time
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.model.catalog import Query, State
from ansible_collections.holdfast.config.plugins.plugin_utils.store.file import FileStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import catalog
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository

path, pin, forks = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
began = time.monotonic()
repository = open_repository(FileStore(path / "store"), pin=pin)
found = catalog.open_catalog(repository, state_dir=path / "state", forks=forks)
opened = time.monotonic() - began
cpu = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
(newest,) = found.points(Query(limit=1))
(oldest,) = found.points(Query(limit=1, newest_first=False))
middle = found.points(Query(until=newest.sealed_at - (newest.sealed_at - oldest.sealed_at) / 2, limit=1))[0]
(snapshot,) = found.snapshots(Query(recovery_point=middle.digest, limit=1))
queries = {
    "nothing": Query(),
    "host": Query(host=snapshot.host),
    "host, all": Query(host=snapshot.host, limit=100_000, newest_first=False),
    "component": Query(component=snapshot.components[0]),
    "component of all": Query(component="component1"),
    "tier": Query(tier="tier1"),
    "change id": Query(change_id=middle.change_id),
    "deployment id": Query(deployment_id=middle.deployment_id),
    "application version": Query(application_version=middle.application_version),
    "environment": Query(environment=middle.environment),
    "deployer": Query(deployer=middle.deployer),
    "since": Query(since=middle.sealed_at),
    "until": Query(until=middle.sealed_at),
    "alias": Query(alias=middle.alias),
    "complete": Query(state=State.COMPLETE),
    "carried": Query(state=State.CARRIED),
    "failed": Query(state=State.FAILED),
    "recovery point": Query(recovery_point=middle.digest[:12]),
    "snapshot": Query(snapshot=snapshot.digest[:12]),
    "host and environment": Query(host=snapshot.host, environment=middle.environment),
    "component of all and change id": Query(component="component1", change_id=middle.change_id),
    "oldest of a tier": Query(tier="tier2", newest_first=False),
    "host that is not there": Query(host="nobody"),
    "change that is not there": Query(change_id="nothing"),
}
spent = {}
for name, query in queries.items():
    began, used = time.monotonic(), time.process_time()
    answer = (found.points(query), found.snapshots(query), found.failures(query))
    spent[name] = (time.monotonic() - began, time.process_time() - used, *map(len, answer))
counts = found.counts
print(json.dumps({"opened": opened, "cpu": cpu, "spent": spent, "points": counts.points, "snapshots": counts.snapshots,
                  "namings": counts.namings, "warnings": found.warnings}))
"""


def opened(path: Path, pin: str, forks: int = 0) -> tuple[dict[str, t.Any], int, int]:
    """Open the catalog in a process of its own and search; what it tells, and the peaks of memory in MB."""
    with (
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(path), pin, str(forks)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
        watched(process.pid) as peak,
    ):
        out, _err = process.communicate()
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1]), peak.largest // 1024, peak.together // 1024


def test_a_million_snapshots(tmp_path: Path) -> None:
    size = Size(streams=max(2, int(SNAPSHOTS / (DAYS * CHANGED))), changed=CHANGED)
    pin = fill(tmp_path, size)
    made, largest, together = opened(tmp_path, pin)
    again, *_peaks = opened(tmp_path, pin)
    disk = sum(file.stat().st_size for file in (tmp_path / "state").rglob("*.sqlite")) // 1024**2
    bodies = sum(file.stat().st_size for file in (tmp_path / "store" / "bodies").rglob("*.json.zst@*")) // 1024**2
    print(f"\n{made['snapshots']:,} snapshots, named {made['namings']:,} times by {made['points']:,} points")
    print(f"({AIM}); bodies of {bodies} MB; the file has {disk} MB")
    print(f"made anew in {made['opened']:.1f} s ({made['cpu']:.0f} s of CPU)")
    print(f"at most {largest} MB in the largest process, {together} MB in all together")
    print(f"opened again in {again['opened']:.2f} s ({again['cpu']:.1f} s of CPU with Python's own start)")
    for name, (seconds, cpu, points, snapshots, failures) in again["spent"].items():
        found = f"{points} points, {snapshots} snapshots, {failures} failures"
        print(f"  {name}: {seconds * 1000:.0f} ms, {cpu * 1000:.0f} of CPU ({found})")
    assert made["warnings"] == []
    assert made["points"] == DAYS
    assert made["namings"] == DAYS * size.streams
    assert again["spent"].keys() == made["spent"].keys()
    for name, (_seconds, _cpu, points, snapshots, _failures) in again["spent"].items():
        assert bool(points or snapshots) is not name.endswith("not there"), name
