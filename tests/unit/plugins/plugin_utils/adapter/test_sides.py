# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.sides import WITH, declared, other_selection
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

DIGEST = "ab" * 32


def options(**given: t.Any) -> Options:
    return Options({"with_newest": False, "newest": True, **given}, lambda _name: None, check=False)


def test_without_another_selection_the_other_side_is_the_host() -> None:
    assert other_selection(options()) is None


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"with_newest": True}, "newest", True),
        ({"with_recovery_point": DIGEST}, "point", DIGEST),
        ({"with_snapshot": DIGEST}, "snapshot", DIGEST),
        ({"with_alias": "v1"}, "alias", "v1"),
        ({"with_change_id": "CHG1"}, "change_id", "CHG1"),
        (
            {"with_time": "2026-11-21T01:16:23Z"},
            "time",
            dt.datetime(2026, 11, 21, 1, 16, 23, tzinfo=dt.timezone.utc),
        ),
    ],
)
def test_the_other_side_is_selected_like_the_first(given: dict[str, t.Any], field: str, value: object) -> None:
    chosen = other_selection(options(**given))
    assert getattr(chosen, field) == value


def test_components_hold_for_both_sides() -> None:
    chosen = other_selection(options(with_newest=True, components=["ssh"]))
    assert chosen is not None
    assert chosen.components == ("ssh",)


def test_newest_is_not_assumed_of_another_host() -> None:
    with pytest.raises(PolicyError, match="which snapshot of the other host"):
        other_selection(options(with_host="web2"))


def test_the_other_side_is_said_once() -> None:
    with pytest.raises(PolicyError):
        other_selection(options(with_newest=True, with_snapshot=DIGEST))


def test_every_way_to_select_has_its_other_side() -> None:
    assert set(WITH) == {
        "with_host",
        "with_recovery_point",
        "with_snapshot",
        "with_alias",
        "with_change_id",
        "with_point_name",
        "with_time",
        "with_newest",
    }


def test_what_is_declared_is_read_from_the_inventory_alone() -> None:
    inventory = {"holdfast_components": [{"name": "ssh", "paths": ["/etc/ssh"], "secrets": ["x"]}]}
    (ssh,) = declared("web1", inventory.get)
    assert (ssh.name, ssh.handling.secrets) == ("ssh", ("x",))


@pytest.mark.parametrize("components", [None, [{"name": "ssh", "paths": ["/etc/ssh"]}]])
def test_what_was_adopted_is_masked_by_the_platform_of_its_host(components: t.Any) -> None:
    inventory = {"ansible_network_os": "arista.eos.eos", "holdfast_components": components}
    found = {one.name: one for one in declared("sw1", inventory.get)}
    adopted = {name for name in found if name.startswith("adopted-")}
    assert adopted == {"adopted-running", "adopted-netconf", "adopted-netconf-startup"}
    assert found.keys() - adopted == ({"ssh"} if components else set())
    for name in adopted:
        secrets = set(found[name].handling.secrets)
        for platform in ("eos", "netconf"):
            assert secrets >= {rule.pattern for rule in platforms.find(platform).secrets}


@pytest.mark.parametrize("network_os", [None, "", "nobody.knows.it"])
def test_of_a_platform_that_is_not_known_nothing_adopted_counts_as_declared(network_os: str | None) -> None:
    assert declared("sw1", {"ansible_network_os": network_os}.get) == ()


def test_what_the_inventory_itself_declares_under_such_a_name_counts() -> None:
    own = {"name": "adopted-running", "paths": ["/etc/x"], "secrets": ["x"]}
    inventory = {"ansible_network_os": "eos", "holdfast_components": [own]}
    listed = [one for one in declared("sw1", inventory.get) if one.name == "adopted-running"]
    assert [one.handling.secrets for one in listed] == [("x",)]


def test_who_compares_need_not_declare_anything() -> None:
    assert declared("web1", {}.get) == ()
