# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is loaded before workers are forked, by what an inventory says."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.vars.manager import VariableManager
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import forehand


def task(path: Path, inventory: t.Any, **files: str) -> Task:
    (path / "hosts.json").write_text(json.dumps(inventory))
    for name, text in files.items():
        (path / "group_vars").mkdir(exist_ok=True)
        (path / "group_vars" / f"{name}.yml").write_text(text)
    loader = DataLoader()
    hosts = InventoryManager(loader, sources=[str(path / "hosts.json")])
    manager = VariableManager(loader, hosts)
    given = {"hosts": "all", "gather_facts": False, "tasks": [{"debug": {"msg": "x"}}]}
    play = Play.load(given, variable_manager=manager, loader=loader)
    (block,) = play.compile()[1:2] if len(play.compile()) > 1 else play.compile()
    return t.cast("Task", block.block[0])


IOS = {"ansible_network_os": "cisco.ios.ios"}


@pytest.mark.parametrize(
    ("inventory", "files", "found"),
    [
        ({"web": {"hosts": {"w1": {}, "w2": {}}}}, {}, ()),
        ({"web": {"hosts": {"w1": {}}}, "net": {"hosts": {"r1": {}}, "vars": IOS}}, {}, ("ios",)),
        ({"net": {"hosts": {"r1": {}, "r2": {}}}}, {"net": "ansible_network_os: frr"}, ("frr",)),
        ({"net": {"hosts": {"r1": {}, "r2": IOS}}}, {}, ("ios",)),
        ({"net": {"hosts": {"r1": IOS, "r2": {}}}}, {"net": "ansible_network_os: frr"}, ("ios", "frr")),
        ({"net": {"hosts": {"r1": {}}, "vars": {"ansible_network_os": "no.such.os"}}}, {}, ()),
        ({"net": {"hosts": {"r1": {}}, "vars": {"ansible_network_os": ["ios"]}}}, {}, ()),
    ],
)
def test_devices_are_found_where_the_inventory_says_so(
    tmp_path: Path, inventory: t.Any, files: dict[str, str], found: tuple[str, ...]
) -> None:
    assert forehand.for_devices(task(tmp_path, inventory, **files)) == found


def test_hosts_that_say_so_themselves_are_not_looked_at_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = task(tmp_path, {"net": {"hosts": {f"r{number}": IOS for number in range(200)}}})
    looks = []
    get_vars = VariableManager.get_vars

    def counted(*told: t.Any, **more: t.Any) -> t.Any:
        looks.append(more.get("host"))
        return get_vars(*told, **more)

    monkeypatch.setattr(VariableManager, "get_vars", counted)
    assert forehand.for_devices(given) == ("ios",)
    assert [host for host in looks if host] == []
