# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real ansible-rulebook: what is signed and known becomes a sealed point, and nothing else becomes anything."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamState
from ansible_collections.holdfast.config.tests.lab.asking import HOSTILE
from ansible_collections.holdfast.config.tests.lab.devices.player import ENABLE, PASSWORD, Player
from ansible_collections.holdfast.config.tests.lab.page import Home, Page
from ansible_collections.holdfast.config.tests.system.lab import Lab

from .rulebook import ASK, EDA, GUIDE, KEYS, LISTEN, ROOT, SECRET, Rulebook, wait

BEFORE = {
    "kind": "pre-deployment",
    "hosts": ["web1"],
    "change": "CHG0031337",
    "deployment": "d-77",
    "version": "1.4.2",
    "environment": "production",
    "deployer": "zoe",
}
MANUAL = {"kind": "manual-change", "hosts": ["web1"], "actor": "bob"}


def test_a_signed_request_becomes_a_sealed_point_and_nothing_else_does(rulebook: Rulebook, lab: Lab) -> None:
    rulebook.start()
    body = json.dumps(BEFORE).encode()
    refused = [
        (rulebook.post(BEFORE, secret=b"another" * 8), 401),
        (rulebook.post(BEFORE, key="nobody", secret=SECRET), 401),
        (rulebook.post(BEFORE, at=-301), 401),
        (rulebook.post(BEFORE, at=301), 401),
        (rulebook.post(body.replace(b"web1", b"web2"), rulebook.sign(body)), 401),
        (rulebook.post(BEFORE, {}), 400),
        (rulebook.post({**MANUAL, "hosts": ["web2"]}, key="host:web1"), 403),
        (rulebook.post(BEFORE, key="host:web1"), 403),
        *((rulebook.post(value), 413 if name == "too long" else 400) for name, value in HOSTILE.items()),
    ]
    for (status, told), expected in refused:
        assert (status, list(told)) == (expected, ["error"]), told
    assert rulebook.waiting() == []

    headers = rulebook.sign(body)
    status, told = rulebook.post(body, headers)
    assert status == 202
    (point,) = rulebook.sealed(1, "a signed request to its sealed point")
    assert point.body.actor["trigger"] == {"kind": "pre-deployment", "id": told["id"], "by": "zoe (by ci)"}
    assert point.body.change == {
        "id": "CHG0031337",
        "deployment": "d-77",
        "version": "1.4.2",
        "environment": "production",
        "deployer": "zoe",
    }
    assert [(entry.host, entry.state) for entry in point.body.streams] == [("web1", StreamState.STORED)]

    # it was here before; and all that was refused ran nothing: what a shell asks for, and is accepted, makes the second
    assert rulebook.post(body, headers)[0] == 401
    lab.change("web1")
    asked = rulebook.give(ASK, KEY_FILE=str(rulebook.keys / "ci"), HOLDFAST_URL=f"http://127.0.0.1:{rulebook.port}")
    trigger = rulebook.sealed(2, "a shell's request to its sealed point")[1].body.actor["trigger"]
    assert trigger == {"kind": "manual-change", "id": json.loads(asked)["id"], "by": "alice (by ci)"}


def test_ten_requests_for_a_busy_host_are_one_more_run(rulebook: Rulebook, lab: Lab) -> None:
    lab.restored_in_place()
    trips = lab.app("web1").parent / "trips"
    (trips / "wait-before-1").touch()
    rulebook.start()
    first = rulebook.accepted(MANUAL, key="host:web1")
    wait("that the host is busy", (trips / "reached-before-1").exists)
    later = [rulebook.accepted({**MANUAL, "actor": f"user{number}"}, key="host:web1") for number in range(10)]
    assert rulebook.waiting() == sorted([first, *later])
    lab.change("web1")
    (trips / "wait-before-1").unlink()
    points = rulebook.sealed(2, "eleven requests for one host to two points")
    assert len(points) == 2
    assert (
        points[1].body.actor["trigger"]["by"] == f"{', '.join(f'user{number}' for number in range(10))} (by host:web1)"
    )


def test_what_was_accepted_outlives_the_listener(rulebook: Rulebook, lab: Lab) -> None:
    lab.restored_in_place()
    trips = lab.app("web1").parent / "trips"
    (trips / "wait-before-1").touch()
    rulebook.start()
    running = rulebook.accepted(MANUAL)
    wait("that the host is busy", (trips / "reached-before-1").exists)
    waiting = rulebook.accepted({**MANUAL, "hosts": ["web2"], "actor": "alice"})
    rulebook.stop()
    assert rulebook.waiting() == sorted([running, waiting])
    assert lab.points() == []
    (trips / "wait-before-1").unlink()
    rulebook.start()
    points = rulebook.sealed(2, "what a killed listener left to two points")
    told = {point.body.actor["trigger"]["id"]: point.body.actor["trigger"]["by"] for point in points}
    assert told == {running: "bob (by ci)", waiting: "alice (by ci)"}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_device_that_logs_a_change_is_captured_with_its_actor(rulebook: Rulebook, lab: Lab, transport: str) -> None:
    line = b"<189>45: Jan  5 10:00:00.123: %SYS-5-CONFIG_I: Configured from console by bob on vty0 (192.0.2.7)\n"
    with Player() as player:
        player.device("sw1", "ios")
        lab.hosts.append("sw1")
        lab.host_variables["sw1"] = {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": player.port,
            "ansible_user": "sw1",
            "ansible_password": PASSWORD,
            "ansible_become": True,
            "ansible_become_password": ENABLE,
            "ansible_network_os": "ios",
            "holdfast_device_known_hosts": player.known_hosts(lab.path / "known_hosts"),
            "holdfast_components": ["device"],
        }
        rulebook.start("device_changes", "holdfast_syslog_port")
        # its port is open for both
        if transport == "tcp":
            with socket.create_connection(("127.0.0.1", rulebook.port)) as connection:
                connection.sendall(b"<189>1: %LINK-3-UPDOWN: up\n" + line)
        else:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind(("127.0.0.2", 0))
                sender.sendto(line, ("127.0.0.1", rulebook.port))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(line, ("127.0.0.1", rulebook.port))
        (point,) = rulebook.sealed(1, f"a line of syslog over {transport} to a sealed point")
    trigger = point.body.actor["trigger"]
    assert (trigger["kind"], trigger["by"]) == ("device-change", "bob")
    assert [(entry.host, entry.state) for entry in point.body.streams] == [("sw1", StreamState.STORED)]


def test_what_it_takes_is_installed_by_the_commands_of_the_guide(tmp_path: Path) -> None:
    of_debian, of_python = Page(GUIDE).command("apt-get").splitlines()
    # a test installs nothing on a machine, but CI does
    assert of_debian.split()[-1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    home = Home(tmp_path, [EDA / "bin"], {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    assert "ansible-rulebook" in home.give(of_python)
    (version,) = re.findall(r"^ansible-rulebook \[(\d+)\.(\d+)", home.run("ansible-rulebook", "--version"))
    assert tuple(map(int, version)) >= (1, 3)


def test_all_other_commands_of_the_guide_are_given_here() -> None:
    left = [text for text in Page(GUIDE).commands() if not text.startswith(("apt-get", KEYS, LISTEN, ASK))]
    assert left == []
