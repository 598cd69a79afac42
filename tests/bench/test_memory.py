# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of many hosts takes of the controller's memory: open, a receipt of each host, seal, and the last table.

The hosts are names in an inventory, and one process leaves all their receipts, by the library, as their workers would.
Beside it a play of as many tasks that do nothing. Prints and never judges. ``RECEIPTS`` sets the sizes: hosts, each
with two streams that were found unchanged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import typing as t
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.lab import Lab

from .fleet import BIN, CHECKOUT
from .memory import Peak, watched
from .report import MEMORY, Report
from .test_open import answered, host_names, in_folder, stocked

RECEIPTS = tuple(map(int, os.environ.get("RECEIPTS", "1000 3000 10000").split()))
HEAD = (
    "hosts",
    "aim",
    "all processes, MiB",
    "of them the largest",
    "all processes of an empty play",
    "of them the largest",
)
_KIB = 1024
# beside that of the process which has stocked the repository
_STATE = "controller"
_LEAVE = f"from {__package__}.test_memory import leave_receipts; leave_receipts()"


def test_memory_by_hosts(tmp_path: Path, report: Report) -> None:
    for hosts in RECEIPTS:
        memory, entries = stocked(tmp_path / str(hosts), hosts)
        lab = in_folder(memory, entries)
        write_inventory(lab, hosts)
        leave = {"argv": [sys.executable, "-c", _LEAVE, str(lab.path / _STATE)]}
        run = peak_of(
            lab,
            {"holdfast.config.recovery_point": {"state": "open"}},
            {"ansible.builtin.command": leave},
            {"holdfast.config.recovery_point": {"state": "sealed"}},
        )
        (told,) = json.loads(next((lab.path / _STATE / "runs").glob("*/report.json")).read_bytes())
        assert told["complete"]
        assert sum(line["unchanged"] for line in told["hosts"]) == 2 * hosts
        empty = peak_of(lab, *[{"ansible.builtin.command": {"argv": ["true"]}}] * 3)
        aim = "≤ 500" if hosts == max(RECEIPTS) else ""
        mib = [f"{kib / _KIB:.0f}" for kib in (run.together, run.largest, empty.together, empty.largest)]
        report.add(MEMORY, HEAD, f"{hosts:,}", aim, *mib)


def leave_receipts() -> None:
    """Leave, in the run whose state folder the arguments name, what workers leave that found nothing changed."""
    from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.run_folder import PointFolder

    state = Path(sys.argv[1])
    (path,) = (state / "runs").glob("*/main")
    folder = PointFolder(state, path.parent.name, path.name)
    for host in folder.read_open().expected:
        answered(folder, list(folder.read_host(host).streams.values()))


def write_inventory(lab: Lab, hosts: int) -> None:
    """Name the hosts, and the repository."""
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "holdfast_repository": {
            "name": lab.repository.root.repository,
            "url": f"file://{lab.path}/store",
            "keyring": {"path": f"{lab.path}/keyring"},
        },
        "holdfast_repository_id": lab.repository.root.id,
    }
    # of all forms that Ansible reads this one is the fastest
    lines = ["[all]", *host_names(hosts), "[all:vars]", *(f"{name}={json.dumps(v)}" for name, v in variables.items())]
    (lab.path / "ansible.cfg").touch()
    (lab.path / "inventory.ini").write_text("\n".join(lines))


def peak_of(lab: Lab, *tasks: dict[str, t.Any]) -> Peak:
    """What a play of tasks, each run once, takes at most."""
    playbook = lab.path / "play.json"
    once: Sequence[dict[str, t.Any]] = [{**task, "run_once": True} for task in tasks]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": once}]))
    environment = {
        "ANSIBLE_CALLBACKS_ENABLED": "holdfast.config.recorder",
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".dev" / "tree"),
        "ANSIBLE_CONFIG": str(lab.path / "ansible.cfg"),
        "HOLDFAST_STATE_DIR": str(lab.path / _STATE),
        "HOME": str(lab.path),
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [str(BIN / "ansible-playbook"), "-i", str(lab.path / "inventory.ini"), str(playbook)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=lab.path, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            with watched(process.pid) as peak:
                process.wait()
        finally:
            process.kill()
            process.wait()
        output.seek(0)
        assert process.returncode == 0, output.read()
    return peak
