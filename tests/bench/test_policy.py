# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What judging the policies of a fleet costs: 10,000 hosts of 50 groups, 20 components each, in a process of its own.

Prints and never judges speed: these machines' speed is not ours. That all hosts were judged is judged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

HOSTS, GROUPS, COMPONENTS = 10_000, 50, 20
# each tenth group has a value to fill in for each host, each hundredth host a component of its own
TEMPLATED, OWN = 10, 100
AIM = "30 s, 500 MB"

JUDGE = """
import datetime as dt
import json
import resource
import sys
import time

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import fleet
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.patterns import covering
from ansible_collections.holdfast.config.plugins.plugin_utils.model import coverage
from ansible_collections.holdfast.config.plugins.plugin_utils.model.lint import lint, shared
from ansible_collections.holdfast.config.plugins.plugin_utils.schedule.due import largest_gap

loader = DataLoader()
inventory = InventoryManager(loader, sources=[sys.argv[1]])
hostvars = HostVars(inventory, VariableManager(loader, inventory), loader)
now = dt.datetime.now(dt.timezone.utc)
spent = {}


def timed(name, work):
    started = time.monotonic()
    found = work()
    spent[name] = time.monotonic() - started
    return found


task_vars = {"hostvars": hostvars, "groups": inventory.get_groups_dict(), "playbook_dir": sys.argv[2]}
hosts = timed("resolve", lambda: fleet.read(task_vars))
found = timed("lint", lambda: shared(lint(hosts, largest_gap, covering, now=now)))
rows = timed("coverage", lambda: sum(1 for _row in coverage.rows(hosts, {}, {}, now=now)))
print(json.dumps({
    "spent": spent,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    "hosts": len(hosts),
    "unusable": sum(host.policy is None for host in hosts),
    "findings": [str(one.finding) for one in found],
    "rows": rows,
}))
"""


def test_a_fleet_of_ten_thousand_hosts(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps(_inventory()), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, str(inventory), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in told["spent"].items())
    whole = sum(told["spent"].values())
    print(f"\n{HOSTS} hosts, {told['rows']} components: {spent}, {whole:.1f} s in all; peak {told['peak']} MB ({AIM})")
    assert (told["hosts"], told["unusable"], told["findings"]) == (HOSTS, 0, [])
    assert told["rows"] == HOSTS * COMPONENTS + HOSTS // OWN


def _inventory() -> dict[str, t.Any]:
    groups = {}
    for number in range(GROUPS):
        components = [_component(f"c{position}") for position in range(COMPONENTS)]
        components[1]["depends_on"] = ["c0"]
        if number % TEMPLATED == 0:
            components[0]["paths"] = ["/srv/{{ inventory_hostname }}"]
        hosts: dict[str, t.Any] = {f"h{host}": {} for host in range(number, HOSTS, GROUPS)}
        for host in range(number, HOSTS, GROUPS):
            if host % OWN == 0:
                hosts[f"h{host}"] = {"holdfast_components__own": [_component("own")]}
        groups[f"g{number}"] = {"vars": {f"holdfast_components__g{number}": components}, "hosts": hosts}
    tiers = {"tier1": {"rpo": "48h", "schedule": {"at": ["02:30"]}}}
    return {"all": {"vars": {"holdfast_tiers": tiers}, "children": groups}}


def _component(name: str) -> dict[str, t.Any]:
    return {"name": name, "paths": [f"/etc/{name}"], "owner": "ops", "contact": "4711", "steward": "alice"}
