# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import doctor_inventory, fleet
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import coverage
from ansible_collections.holdfast.config.plugins.plugin_utils.model.checkup import ERROR, OK, WARNING, Check
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import doctor

WORD = b"opens-nothing"
INVENTORY = """
all:
  vars:
    holdfast_components: [{name: ssh, paths: [/etc/ssh], owner: ops}]
    ansible_password: CANARY
    api: {user: me, token: "{{ lookup('env', 'T') }}", nested: [{client_secret: CANARY}]}
  children:
    web:
      hosts: {web1: {}, web2: {}}
    devices:
      hosts:
        r1:
          holdfast_components: [{name: router, kind: device, owner: net}]
          ansible_connection: ansible.netcommon.netconf
          ansible_network_os: frr
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    (tmp_path / "group_vars" / "web").mkdir(parents=True)
    kept = VaultLib([("default", VaultSecret(WORD))]).encrypt("become_password: CANARY\n")
    (tmp_path / "group_vars" / "web" / "kept.yml").write_bytes(kept)
    (tmp_path / "group_vars" / "web" / "more.yml").write_text("session_token: CANARY\n")
    return tmp_path


def variables(site: Path) -> dict[str, t.Any]:
    loader = DataLoader()
    loader.set_vault_secrets([("default", VaultSecret(WORD))])
    inventory = InventoryManager(loader, sources=[str(site / "hosts.yml")])
    hostvars = HostVars(inventory, VariableManager(loader, inventory), loader)
    return {"hostvars": hostvars, "groups": inventory.get_groups_dict(), "playbook_dir": str(site / "plays")}


def examined(site: Path, **given: t.Any) -> tuple[Check, ...]:
    def closed() -> t.NoReturn:
        raise doctor.NotReachedError

    told = variables(site)
    options = Options({}, given.get, check=False)
    return doctor.examine(doctor_inventory.looks(options, told, fleet.read(told), closed))


def test_credentials_in_plain_text_are_named_and_what_is_encrypted_is_not(site: Path) -> None:
    assert doctor_inventory.credentials(variables(site)) == {
        "ansible_password": 3,
        "api.nested.client_secret": 3,
        "session_token": 2,
    }


def test_no_value_of_a_variable_is_told(site: Path) -> None:
    checks = examined(site)
    (found,) = [one for one in checks if one.id == "inventory.secrets"]
    assert found.severity == WARNING
    assert "CANARY" not in str(checks)


def test_libraries_that_devices_and_schedules_need(site: Path) -> None:
    told = variables(site)
    needed = doctor_inventory.libraries(fleet.read(told), told)
    assert needed == {"ncclient": "devices by NETCONF"}
    told["hostvars"]._inventory.get_host("r1").set_variable("ansible_connection", "ssh")
    assert doctor_inventory.libraries(fleet.read(told), told) == {"asyncssh": "devices by SSH"}


def test_a_policy_that_cannot_be_used_is_an_error_and_coverage_waits_for_the_repository(site: Path) -> None:
    (site / "group_vars" / "web" / "bad.yml").write_text("holdfast_tiers: {tier0: {rpo: 1x}}\n")
    checks = examined(site)
    (wrong,) = [one for one in checks if one.id == "inventory.policy" and one.severity == ERROR]
    assert wrong.what.startswith("web1 and 1 more: holdfast_tiers.tier0.rpo")
    assert checks[-1].what.endswith("inventory.coverage")


def test_an_inventory_that_names_no_host(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {}}\n")
    (found,) = [one for one in examined(tmp_path) if one.id == "inventory"]
    assert found.severity == WARNING


def test_an_inventory_that_cannot_be_read_is_one_error() -> None:
    told = {"groups": {"all": []}, "hostvars": {}}
    broken = PolicyError("a variable cannot be read", remedy="Correct it.")
    checks = doctor.examine(doctor_inventory.looks(Options({}, {}.get, check=False), told, broken, lambda: 1 / 0))  # type: ignore[arg-type,return-value]
    assert [(one.id, one.severity) for one in checks] == [("inventory", ERROR), ("inventory.secrets", OK)]


@pytest.mark.parametrize(("text", "severity"), [("[]", OK), ("{", ERROR), (None, ERROR)])
def test_tickets_are_asked_for(site: Path, text: str | None, severity: str) -> None:
    file = site / "tickets.yml"
    if text is not None:
        file.write_text(text)
    checks = examined(site, holdfast_tickets={"provider": "file", "path": str(file)})
    assert [one.severity for one in checks if one.id == "tickets"] == [severity]


def test_gaps_are_told_by_their_reason() -> None:
    def row(host: str, state: str, *reasons: str) -> coverage.Row:
        return coverage.Row(host, (), "app", "tier1", "ops", state, reasons)

    rows = [row("a", coverage.GAP, coverage.NEVER), row("b", coverage.GAP, coverage.LATE)]
    rows += [row("c", coverage.GAP, coverage.NEVER), row("d", coverage.COVERED)]
    never, late = doctor_inventory._coverage(rows)
    assert never.what == "never captured: a, c"
    assert (late.severity, late.what.endswith(": b")) == (WARNING, True)
    (fine,) = doctor_inventory._coverage(rows[-1:])
    assert fine.severity == OK
