# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts and network devices in one play, over real SSH, the devices playing transcripts."""

from __future__ import annotations

import socket
import typing as t
from collections.abc import Iterator

import asyncssh
import pytest
from ansible_collections.holdfast.config.tests.lab.devices.player import ENABLE, PASSWORD, Device, Player

from .lab import CANARY, OPEN, PLUGINS, SEAL, SNAPSHOT, Lab, Run
from .test_stock_tools import decompress, only, unpack

RUN = [OPEN, SNAPSHOT, SEAL]


class Fleet:
    """A lab whose hosts are web1, and devices behind a player."""

    def __init__(self, lab: Lab, player: Player) -> None:
        self.lab = lab
        self.player = player
        self.known_hosts = player.known_hosts(lab.path / "known_hosts")

    def add(self, name: str, platform: str = "ios", **variables: t.Any) -> Device:
        """Let the inventory have a device; in its configuration stands what no output may show."""
        device = self.player.device(name, platform)
        device.config = device.config.replace("CANARYcommunity", CANARY)
        device.startup = device.config
        self.lab.hosts.append(name)
        self.lab.host_variables[name] = {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.player.port,
            "ansible_user": name,
            "ansible_password": PASSWORD,
            "ansible_become": True,
            "ansible_become_password": ENABLE,
            "ansible_network_os": platform,
            "holdfast_device_known_hosts": self.known_hosts,
            "holdfast_components": ["device"],
            **variables,
        }
        return device

    def play(self, *args: str, tasks: t.Any = None, **more: t.Any) -> Run:
        """Run; no password shows anywhere, as no content does."""
        run = self.lab.play(
            RUN if tasks is None else tasks,
            *args,
            env={"ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS / "connection")},
            **more,
        )
        kept = [run.output, *(path.read_text(errors="replace") for path in self.lab.state.rglob("*") if path.is_file())]
        for secret in (PASSWORD, ENABLE):
            assert not any(secret in text for text in kept)
        return run


@pytest.fixture
def player() -> Iterator[Player]:
    with Player(sftp=True) as player:
        yield player


@pytest.fixture
def fleet(new_lab: t.Callable[[int], Lab], player: Player) -> Fleet:
    return Fleet(new_lab(1), player)


def reasons(run: Run, task: str = "snapshot") -> dict[str, str]:
    return {one.host: one.result["streams"][0]["reason"] for one in run.all(task) if one.status == "ok"}


def changed(device: Device, old: str, new: str) -> None:
    assert old in device.config
    device.config = device.config.replace(old, new)


def packs(lab: Lab) -> set[str]:
    return {name for name, told in lab.stored().items() if name.startswith("packs/") and told != "folder"}


def test_hosts_and_devices_end_in_one_signed_point(fleet: Fleet) -> None:
    lab = fleet.lab
    r1, r2 = fleet.add("r1", ansible_network_os="cisco.ios.ios"), fleet.add("r2", "eos")
    first = fleet.play("-vvvv").ok()
    assert reasons(first) == {"web1": "first", "r1": "first", "r2": "first"}
    (point,) = lab.points()
    assert {entry.host for entry in point.body.streams} == {"web1", "r1", "r2"}
    # each was asked once for all, in one login, whatever was stored
    assert (r1.logins, r2.logins) == (1, 1)
    assert r1.asked.count("show running-config") == 1
    # nothing has changed but what the platform calls volatile
    changed(r1, "ntp clock-period 17179869", "ntp clock-period 17179900")
    before = packs(lab)
    again = fleet.play("--diff").ok()
    assert reasons(again) == {"web1": "unchanged", "r1": "unchanged", "r2": "unchanged"}
    assert packs(lab) == before
    # one line of one device, in check mode first
    changed(r1, "ip address 192.0.2.1", "ip address 192.0.2.9")
    checked = fleet.play("--diff", check=True).ok()
    drifted = {"web1": "unchanged", "r1": "drift", "r2": "unchanged"}
    assert reasons(checked) == drifted
    assert packs(lab) == before
    run = fleet.play("--diff", "-vvv").ok()
    assert reasons(run) == drifted
    assert len(packs(lab) - before) == 1
    assert (r1.logins, r1.asked.count("show running-config")) == (4, 4)
    assert reasons(fleet.play().ok()) == dict.fromkeys(drifted, "unchanged")
    lab.sound()


def test_a_device_that_cannot_be_had_fails_by_name_and_alone(fleet: Fleet) -> None:
    lab, player = fleet.lab, fleet.player
    fleet.add("r1", ansible_connection="network_cli")
    another = player.known_hosts(lab.path / "another", asyncssh.generate_private_key("ssh-ed25519"))
    nobody = lab.path / "nobody"
    nobody.touch()
    files = lab.variables["holdfast_components"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        why = {
            fleet.add("changed", holdfast_device_known_hosts=another): "another host key than the one that is known",
            fleet.add("new", holdfast_device_known_hosts=str(nobody)): "the host key of the device is not known",
            fleet.add("dead", ansible_port=closed.getsockname()[1]): "the device is not reached",
            fleet.add("locked", ansible_password=f"{CANARY}-password"): "does not let the user in",
            fleet.add("few", ansible_become=False): "ansible_become_password",
            fleet.add("cut"): "the connection broke off",
            fleet.add("hung", ansible_command_timeout=3): "in 3 seconds",
            fleet.add("refusing"): "does not know or does not allow",
            fleet.add("odd", ansible_network_os="no.such.os"): "no platform 'no.such.os'",
            fleet.add("behind", ansible_ssh_common_args="-J jump"): "holdfast_device_jump",
            fleet.add("shell", ansible_connection="ssh", holdfast_device_transport="netconf"): "is asked by cli",
            fleet.add("wired", ansible_connection="network_cli", holdfast_components=files): "which has no shell",
        }
        player.devices["cut"].faults.cut_after = 400
        player.devices["hung"].faults.hang_after = 200
        refused = f"                ^\n% Invalid input detected at '^' marker. {CANARY}\n".encode()
        player.devices["refusing"].faults.instead["show running-config"] = refused
        run = fleet.play("-vvvv")
    assert run.rc == 2
    states = run.states("snapshot")
    assert {host for host, state in states.items() if state == "ok"} == {"web1", "r1"}
    for device, told in why.items():
        assert told in run.on("snapshot", device.name).message
        assert told in run.lines()[device.name]["error"]
    # nothing was touched where the inventory is wrong, and no more than a login where that failed
    assert {name: device.logins for name, device in player.devices.items() if not device.logins} == dict.fromkeys(
        ("changed", "new", "dead", "locked", "odd", "behind", "shell", "wired"), 0
    )
    assert not run.report["complete"]
    assert {name.split("/")[2] for name in packs(lab)} == {"web1", "r1"}


def test_what_a_device_refuses_is_left_out_and_its_texts_come_back(fleet: Fleet) -> None:
    lab = fleet.lab
    items = ["running", "vlans"]
    r1 = fleet.add("r1", holdfast_components=[{"name": "config", "kind": "device", "items": items, "tier": "tier0"}])
    run = fleet.play().ok()
    (stream,) = run.on("snapshot", "r1").result["streams"]
    assert stream["stream"] == "tier0"
    assert stream["left_out"] == [{"path": "/holdfast/config/vlans", "reason": "refused"}]
    # with stock tools alone
    unpack(only(lab, "packs/*/r1/*/*"), lab.path / "keyring/escrow/identities.txt", lab.path / "by-hand")
    by_hand = (lab.path / "by-hand/config/rootfs/holdfast/config/running").read_text()
    assert by_hand.endswith("\nend\n")
    assert r1.config in by_hand
    # and under a folder of another host
    under = {"under": f"{lab.path}/back", "newest": True, "source_host": "r1"}
    restore = {"name": "restore", "hosts": "web1", "tasks": [{"name": "restore", "holdfast.config.restore": under}]}
    assert fleet.play(tasks=[restore]).ok().on("restore").result["equal"]
    assert (lab.path / "back/holdfast/config/running").read_text() == by_hand
    # no secret of it stands in any other object
    secrets = [line.split()[-1].encode() for line in r1.config.splitlines() if "secret" in line or "md5" in line]
    assert secrets
    for path in (lab.path / "repository").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        plain = decompress(data) if data.startswith(b"\x28\xb5\x2f\xfd") else data
        assert not any(secret in plain for secret in (CANARY.encode(), *secrets))


def test_a_device_as_it_is_differs_from_its_snapshot_in_what_was_changed(fleet: Fleet) -> None:
    r1 = fleet.add("r1")
    fleet.play().ok()
    changed(r1, "ntp clock-period 17179869", "ntp clock-period 17179900")
    changed(r1, "ip address 192.0.2.1", "ip address 192.0.2.9")
    changed(r1, CANARY, f"{CANARY}2")
    compare = {"name": "compare", "holdfast.config.compare": {"newest": True}}
    task = {"hosts": "r1", "tasks": [compare]}
    run = fleet.play("--diff", tasks=[task]).ok()
    found = run.on("compare", "r1").result
    assert [one["path"] for one in found["differences"]] == ["/holdfast/device/running"]
    assert "ip address 192.0.2.9" in run.output
    assert r1.logins == 2
