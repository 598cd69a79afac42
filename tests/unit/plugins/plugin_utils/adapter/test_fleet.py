# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import fleet
from ansible_collections.holdfast.config.plugins.plugin_utils.model.fleet import HostPolicy

INVENTORY = """
all:
  vars:
    holdfast_components: [{name: ssh, paths: [/etc/ssh], owner: ops}]
    holdfast_tiers: {tier0: {rpo: 1h}}
  children:
    web:
      vars:
        holdfast_components__web: [{name: nginx, paths: [/etc/nginx], owner: web}]
      hosts:
        web1: {}
        web2: {}
        web3: {holdfast_components__own: [{name: own, paths: ["/srv/{{ inventory_hostname }}"]}]}
        web4: {holdfast_components__web: [{name: apache, paths: [/etc/apache2]}], holdfast_host_id: old4}
        web5: {holdfast_components__own: [{name: nginx, paths: [/etc/nginx2]}]}
        web6: {holdfast_components__own: [{name: own, paths: ["/srv/{{ nothing_of_that_name }}"]}]}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/web.yml").write_text("holdfast_components__files: [{name: motd, paths: [/etc/motd]}]\n")
    return tmp_path


def _read(site: Path, **extra: t.Any) -> dict[str, HostPolicy]:
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(site / "hosts.yml")])
    manager = VariableManager(loader, inventory)
    manager._extra_vars = extra
    hostvars = HostVars(inventory, manager, loader)
    task_vars = {"hostvars": hostvars, "groups": inventory.get_groups_dict(), "playbook_dir": str(site / "plays")}
    return {one.host: one for one in fleet.read(task_vars)}


def _names(one: HostPolicy) -> set[str]:
    assert one.policy is not None, one.findings
    return {component.name for component in one.policy.components}


def test_a_misspelt_variable_of_a_host_or_its_group_is_found(site: Path) -> None:
    (site / "group_vars/web.yml").write_text("holdfast_exclusion: []\nholdfast_repository_url: file:///srv\n")
    hosts = _read(site)
    assert {one.misspelt for one in hosts.values()} == {(("holdfast_exclusion", "holdfast_exclusions"),)}


def test_parts_of_groups_and_of_files_beside_the_inventory_make_one_policy(site: Path) -> None:
    web1 = _read(site)["web1"]
    assert _names(web1) == {"ssh", "nginx", "motd"}
    assert web1.said == {
        "component:ssh": "holdfast_components of group all",
        "component:nginx": "holdfast_components__web of group web",
        "component:motd": "holdfast_components__files of group web",
        "tier:tier0": "holdfast_tiers of group all",
    }


def test_hosts_of_the_same_values_share_one_policy(site: Path) -> None:
    hosts = _read(site)
    assert hosts["web1"].policy is hosts["web2"].policy


def test_a_template_is_filled_in_for_each_host(site: Path) -> None:
    web3 = _read(site)["web3"]
    assert web3.policy is not None
    assert [one.paths for one in web3.policy.components if one.name == "own"] == [("/srv/web3",)]
    assert web3.said["component:own"] == "holdfast_components__own of host web3"


def test_a_host_says_otherwise_than_its_group(site: Path) -> None:
    web4 = _read(site)["web4"]
    assert (_names(web4), web4.identity) == ({"ssh", "apache", "motd"}, "old4")
    assert web4.said["component:apache"] == "holdfast_components__web of host web4"


def test_extra_vars_are_named_as_what_they_are(site: Path) -> None:
    web1 = _read(site, holdfast_components__web=[{"name": "caddy", "paths": ["/etc/caddy"]}])["web1"]
    assert web1.said["component:caddy"] == "holdfast_components__web of the play or its extra vars"


def test_one_component_said_twice_leaves_no_policy_and_says_why(site: Path) -> None:
    web5 = _read(site)["web5"]
    assert web5.policy is None
    assert any("nginx" in finding.problem for finding in web5.findings)


def test_a_template_that_cannot_be_filled_in_concerns_that_host_alone(site: Path) -> None:
    hosts = _read(site)
    assert (hosts["web6"].policy, len(hosts["web6"].findings)) == (None, 1)
    assert hosts["web1"].policy is not None


def test_what_a_policy_must_agree_with_is_read_beside_it(site: Path) -> None:
    web = _read(
        site,
        holdfast_repository={"url": "{{ nothing_of_that_name }}", "replicas": [{"name": "far", "url": "s3://x"}]},
        holdfast_governance={"classes": {"internal": {"minimum_days": 30}}, "audit_days": 400},
        holdfast_people=[{"name": "alice"}, {"name": "bob"}],
    )["web1"].around
    assert (web.replicas, web.people, web.tickets) == (frozenset({"far"}), 2, False)
    assert web.governance is not None
    assert web.governance.audit_days == 400


def test_hosts_that_have_the_same_around_them_share_it(site: Path) -> None:
    hosts = _read(site, holdfast_repository={"url": "/srv/backup"}, holdfast_tickets={"provider": "file"})
    assert hosts["web1"].around is hosts["web2"].around
    assert (hosts["web1"].around.replicas, hosts["web1"].around.tickets) == (frozenset(), True)


def test_governance_that_cannot_be_read_is_told_and_leaves_the_policy(site: Path) -> None:
    web1 = _read(site, holdfast_governance="rules.txt")["web1"]
    assert web1.policy is not None
    assert [finding.key for finding in web1.findings] == ["holdfast_governance"]
