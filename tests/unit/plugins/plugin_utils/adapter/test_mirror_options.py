# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the mirror, and whose components are asked of the inventory."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import mirror_options
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

DEFAULTS = {name: option.get("default") for name, option in mirror_options.MIRROR.items()}


def options(**given: t.Any) -> Options:
    args = {**DEFAULTS, "url": "/srv/mirror.git", **given}
    return Options(args, lambda _name: None, check=False)


def test_the_first_group_that_names_a_host_counts() -> None:
    made = mirror_options.settings(options(groups={"core": ["r1"], "edge": ["r1", "r2"]}, group="rest"))
    assert [made.group_of(host) for host in ("r1", "r2", "r3")] == ["core", "edge", "rest"]


@pytest.mark.parametrize(
    ("given", "item"),
    [
        ({"groups": {"core": "r1"}}, "groups.core"),
        ({"groups": {"a//b": []}}, "groups"),
        ({"group": "/"}, "groups"),
        ({"secrets": ["("]}, "secrets"),
        ({"max_bytes": 0}, "max_bytes"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, t.Any], item: str) -> None:
    with pytest.raises(PolicyError, match=item):
        mirror_options.settings(options(**given))


@pytest.mark.parametrize("given", [{"timeout": 0.0}, {"branch": "-x"}, {"url": "x"}, {"ssh_key": "/nonexistent"}])
def test_a_branch_that_cannot_be_is_refused(given: dict[str, t.Any], tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        mirror_options.branch(options(state_dir=str(tmp_path), **given))


class TestInventory:
    COMPONENTS: t.ClassVar = [{"name": "app", "paths": ["/etc/app"]}]

    def names(self, hosts: dict[str, dict[str, t.Any]], name: str, host_id: str) -> list[str] | None:
        found = mirror_options.Inventory(hosts).declared(name, host_id)
        return None if found is None else [component.name for component in found]

    def test_a_host_is_found_by_its_name_or_its_identity(self) -> None:
        hosts = {"web1": {"holdfast_components": self.COMPONENTS}, "new": {"holdfast_host_id": "old"}}
        hosts["new"]["holdfast_components"] = self.COMPONENTS
        assert self.names(hosts, "web1", "web1") == ["app"]
        assert self.names(hosts, "old", "old") == ["app"]

    def test_another_host_of_that_name_is_not_it(self) -> None:
        hosts = {"web1": {"holdfast_host_id": "another", "holdfast_components": self.COMPONENTS}}
        assert self.names(hosts, "web1", "web1") is None

    def test_one_without_a_value_is_nobody_and_stops_no_other(self) -> None:
        class Broken(dict[str, t.Any]):
            def get(self, name: str, default: t.Any = None) -> t.Any:
                raise AnsibleError(f"{name} is undefined")

        hosts: dict[str, dict[str, t.Any]] = {"web1": Broken(), "new": {"holdfast_host_id": "old"}}
        hosts["new"]["holdfast_components"] = self.COMPONENTS
        assert self.names(hosts, "old", "old") == ["app"]
        with pytest.raises(PolicyError, match="has no value"):
            self.names(hosts, "web1", "web1")

    def test_one_that_declares_nothing_knows_no_secrets(self) -> None:
        assert self.names({"web1": {}}, "web1", "web1") == []
