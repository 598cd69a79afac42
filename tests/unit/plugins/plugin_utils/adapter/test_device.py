# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a device is reached: every variable counts, and what cannot be is told before anything is reached."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.device import (
    Usual,
    Way,
    configured_arguments,
    judge,
    read_way,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Reach
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import NETCONF, Item, Platform
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Policy, read_policy
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.devices import LAB

SECRET = "CANARY-31c9"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").touch()
    (tmp_path / "key").touch()
    return tmp_path


def way(usual: Usual | None = None, **variables: t.Any) -> Way:
    return read_way(variables.get, "r1", usual or Usual(user="me"))


def reach(usual: Usual | None = None, **variables: t.Any) -> Reach:
    return way(usual, **variables).reach


def refusal(**variables: t.Any) -> str:
    with pytest.raises(PolicyError) as caught:
        way(**variables)
    assert caught.value.host == "r1"
    assert SECRET not in f"{caught.value}{caught.value!r}"
    return str(caught.value)


class TestWhere:
    def test_a_host_is_reached_by_its_name_as_who_runs_the_play(self) -> None:
        found = reach()
        assert (found.device, found.address, found.port, found.user) == ("r1", "r1", 22, "me")
        assert (found.password, found.enable, found.key_files, found.jump, found.agent) == ("", "", (), (), True)
        assert reach(Usual()).user

    @pytest.mark.parametrize("spelling", ["ansible_", "ansible_ssh_"])
    def test_variables_say_where_and_as_whom(self, spelling: str) -> None:
        found = reach(**{f"{spelling}host": "10.0.0.1", f"{spelling}port": "2222", f"{spelling}user": "ops"})
        assert (found.device, found.address, found.port, found.user) == ("r1", "10.0.0.1", 2222, "ops")

    def test_the_port_is_that_of_the_transport_unless_one_is_given(self) -> None:
        assert way().by(NETCONF).port == 830
        assert way(ansible_port=8300).by(NETCONF).port == 8300
        assert way(Usual(port=23)).by("cli").port == 23

    @pytest.mark.parametrize("port", [0, 65536, "ssh", True, -1, 22.5])
    def test_what_is_no_port_is_refused(self, port: object) -> None:
        assert "ansible_port" in refusal(ansible_port=port)

    def test_seconds_are_those_that_ansible_names(self) -> None:
        found = reach(ansible_command_timeout=7, ansible_connect_timeout="9")
        assert (found.answer_seconds, found.login_seconds) == (7.0, 9.0)
        assert reach(ansible_ssh_timeout=5).login_seconds == 5.0
        assert reach().answer_seconds == Reach("r1", "r1").answer_seconds
        assert "ansible_command_timeout" in refusal(ansible_command_timeout=0)


class TestSecrets:
    def test_passwords_come_from_variables_before_what_was_asked_for(self) -> None:
        asked = Usual(user="me", password="asked", become=True, enable="asked too")
        assert (reach(asked).password, reach(asked).enable) == ("asked", "asked too")
        found = reach(asked, ansible_ssh_pass=SECRET, ansible_become_password=f"{SECRET}2")
        assert (found.password, found.enable) == (SECRET, f"{SECRET}2")
        assert reach(ansible_password=SECRET).password == SECRET
        assert SECRET not in repr(found)
        assert "asked" not in repr(asked)

    def test_more_rights_are_asked_for_only_where_the_play_becomes(self) -> None:
        assert reach(ansible_become_password=SECRET).enable == ""
        assert reach(ansible_become_password=SECRET, ansible_become="yes").enable == SECRET
        assert reach(Usual(become=True), ansible_become_pass=SECRET, ansible_become=False).enable == ""

    def test_a_number_is_a_password_and_other_values_are_none(self) -> None:
        assert reach(ansible_password=1234).password == "1234"
        assert "ansible_password" in refusal(ansible_password=[SECRET])

    def test_the_agent_is_asked_where_nothing_else_lets_in(self, home: Path) -> None:
        assert reach().agent
        assert not reach(ansible_password="x").agent
        found = reach(ansible_ssh_private_key_file="~/key", ansible_ssh_private_key_passphrase=SECRET)
        assert (found.agent, found.key_files, found.passphrase) == (False, (str(home / "key"),), SECRET)
        assert reach(Usual(key_file=str(home / "key"))).key_files == (str(home / "key"),)

    def test_a_key_that_is_not_there_is_refused(self) -> None:
        assert "ansible_ssh_private_key_file: '~/none' is no file" in refusal(ansible_private_key_file="~/none")


class TestHostKeys:
    def test_they_are_held_against_the_users_own(self, home: Path) -> None:
        known = str(home / ".ssh/known_hosts")
        assert known in (reach().known_hosts or ())
        assert reach(holdfast_device_known_hosts=["~/.ssh/known_hosts"]).known_hosts == (known,)
        assert reach(holdfast_device_known_hosts=known).known_hosts == (known,)

    def test_where_nothing_is_known_nothing_is_believed(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / ".ssh/known_hosts").unlink()
        assert str(home) not in str(reach().known_hosts)
        assert reach().known_hosts is not None

    @pytest.mark.parametrize("name", ["ansible_host_key_checking", "ansible_ssh_host_key_checking"])
    @pytest.mark.parametrize("value", [False, "no", "false", 0])
    def test_any_key_is_believed_where_the_inventory_says_so(self, name: str, value: object) -> None:
        assert reach(**{name: value}).known_hosts is None
        assert reach(Usual(checked=False)).known_hosts is None
        assert reach(Usual(checked=False), **{name: True}).known_hosts is not None

    def test_what_is_neither_yes_nor_no_is_refused(self) -> None:
        assert "ansible_host_key_checking" in refusal(ansible_host_key_checking="perhaps")

    @pytest.mark.parametrize("value", [["/none"], [], {"a": 1}, [1]])
    def test_a_file_that_is_none_is_refused(self, value: object) -> None:
        assert "holdfast_device_known_hosts" in refusal(holdfast_device_known_hosts=value)


class TestJump:
    def test_hosts_on_the_way_are_given_in_one_line_or_in_fields(self, home: Path) -> None:
        given = [
            "ops@jump.example:2222",
            "[::1]",
            {"host": "10.0.0.9", "user": "ops", "port": 23, "private_key_file": "~/key", "password": SECRET},
        ]
        first, second, third = reach(holdfast_device_jump=given).jump
        assert (first.address, first.port, first.user) == ("jump.example", 2222, "ops")
        assert (second.address, second.port) == ("::1", 22)
        assert (third.address, third.port, third.password) == ("10.0.0.9", 23, SECRET)
        assert third.key_files == (str(home / "key"),)
        assert {one.known_hosts for one in (first, second, third)} == {reach().known_hosts}
        assert reach(holdfast_device_jump="jump").jump[0].address == "jump"
        assert SECRET not in repr(third)

    @pytest.mark.parametrize(
        "value",
        [7, ["a b"], [{}], [{"host": "h", "key": "x"}], [{"host": "h", "port": "x"}], [f"o:{SECRET}@h:x"], [None]],
    )
    def test_what_is_no_host_is_refused(self, value: object) -> None:
        assert "holdfast_device_jump" in refusal(holdfast_device_jump=value)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ansible_ssh_common_args", "-J jump"),
            ("ansible_ssh_common_args", "-o StrictHostKeyChecking=no -o ProxyJump=jump"),
            ("ansible_ssh_extra_args", "-W h:22"),
            ("ansible_ssh_args", '-o proxycommand="ssh jump"'),
            ("ansible_paramiko_proxy_command", "ssh jump"),
        ],
    )
    def test_what_leads_elsewhere_and_is_not_read_is_refused(self, name: str, value: str) -> None:
        said = refusal(**{name: value})
        assert name in said
        assert "holdfast_device_jump" in said
        assert way(**{name: value, "holdfast_device_jump": []}).reach.jump == ()

    def test_what_is_configured_for_all_counts_where_no_variable_says_otherwise(self) -> None:
        configured = Usual(user="me", arguments={"ansible_ssh_args": "-C -J jump"})
        with pytest.raises(PolicyError, match="ansible_ssh_args"):
            way(configured)
        assert way(configured, ansible_ssh_args="-C")
        assert way(configured, holdfast_device_jump=[])

    def test_what_the_environment_gives_to_ssh_is_seen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANSIBLE_SSH_ARGS", "-J jump")
        assert configured_arguments()["ansible_ssh_args"] == "-J jump"

    def test_other_arguments_of_ssh_are_no_matter(self) -> None:
        assert way(ansible_ssh_common_args="-o ServerAliveInterval=5 -C")


class TestTransport:
    @pytest.mark.parametrize(
        ("connection", "transport", "session"),
        [
            ("ssh", None, "own"),
            ("local", None, "own"),
            ("ansible.netcommon.network_cli", "cli", "own"),
            ("network_cli", "cli", "own"),
            ("ansible.netcommon.netconf", "netconf", "own"),
            ("ansible.netcommon.httpapi", "api", "plugin"),
        ],
    )
    def test_the_connection_says_how(self, connection: str, transport: str | None, session: str) -> None:
        for found in (way(ansible_connection=connection), way(Usual(connection=connection))):
            assert (found.transport, found.session) == (transport, session)

    def test_variables_say_it_where_the_connection_does_not(self) -> None:
        assert way(holdfast_device_transport="netconf").transport == "netconf"
        found = way(ansible_connection="ansible.netcommon.network_cli", holdfast_device_session="plugin")
        assert (found.transport, found.session) == ("cli", "plugin")

    @pytest.mark.parametrize(
        "variables",
        [
            {"holdfast_device_transport": "telnet"},
            {"holdfast_device_transport": ["cli"]},
            {"holdfast_device_transport": "api"},
            {"holdfast_device_transport": "cli", "ansible_connection": "ansible.netcommon.netconf"},
            {"holdfast_device_session": "mine"},
            {"holdfast_device_session": "plugin"},
            {"holdfast_device_session": "plugin", "ansible_connection": "ansible.netcommon.netconf"},
            {"holdfast_device_session": "own", "ansible_connection": "ansible.netcommon.httpapi"},
            {"holdfast_device_ssh_options": ["Ciphers"]},
            {"holdfast_device_ssh_options": {"Ciphers": 1}},
        ],
    )
    def test_what_is_unknown_or_contradicts_is_refused(self, variables: dict[str, t.Any]) -> None:
        assert "holdfast_device_" in refusal(**variables)

    def test_every_finding_is_told_at_once(self) -> None:
        said = refusal(ansible_port="x", holdfast_device_session="mine", ansible_host_key_checking="perhaps")
        assert all(name in said for name in ("ansible_port", "holdfast_device_session", "ansible_host_key_checking"))

    def test_old_algorithms_are_named_for_a_device(self) -> None:
        assert reach(holdfast_device_ssh_options={"KexAlgorithms": "+x"}).options == {"KexAlgorithms": "+x"}


class TestJudge:
    @staticmethod
    def policy(*items: Item) -> Policy:
        platform: Platform = dataclasses.replace(LAB, items=items or LAB.items)
        return read_policy(host="r1", components=["device"], platforms=lambda *_: platform, network_os="lab")

    def test_what_the_connection_can_ask_is_taken(self) -> None:
        for connection in ("ssh", "ansible.netcommon.network_cli"):
            judge(self.policy(), way(ansible_connection=connection), host="r1")
        state = Item("state", "", "state", transport="netconf")
        judge(self.policy(state), way(ansible_connection="ansible.netcommon.netconf"), host="r1")
        # where nothing says how, each is asked its own way
        judge(self.policy(state, *LAB.items), way(), host="r1")

    @pytest.mark.parametrize(
        ("connection", "item"),
        [
            ("ansible.netcommon.netconf", Item("running", "show run", "what runs")),
            ("ansible.netcommon.network_cli", Item("state", "", "state", transport="netconf")),
            ("ssh", Item("config", "/config", "all of it", transport="api")),
        ],
    )
    def test_what_it_cannot_ask_is_refused(self, connection: str, item: Item) -> None:
        with pytest.raises(PolicyError, match=rf"holdfast_components \(device\)\.items: {item.name} "):
            judge(self.policy(item), way(ansible_connection=connection), host="r1")
