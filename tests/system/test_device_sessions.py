# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conversations over real SSH with devices of the lab, honest ones and hostile ones."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import re
import socket
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.netconf_session import open_netconf
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Reach
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.ssh_session import AsyncSshSession, open_ssh
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    ConnectionLostError,
    HoldfastError,
    PolicyError,
    RefusedItemError,
    TooLargeError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import Item, Platform
from ansible_collections.holdfast.config.tests.lab.devices.player import ENABLE, PASSWORD, Device, Player

# in what is configured on every device, and in no error
CANARY = "CANARY"
WAIT_SECONDS = 30.0
# for answers that never come to their end
SHORT_SECONDS = 1.0
SECRETS = (PASSWORD, ENABLE, CANARY)
ITEMS = {
    "ios": ("running", "startup"),
    "nxos": ("running", "startup"),
    "eos": ("running", "startup"),
    "junos": ("running",),
    "vyos": ("running",),
    "fortios": ("running",),
    "routeros": ("running",),
    "generic": ("running",),
}


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    with Player() as found:
        yield found


@pytest.fixture
def ios(player: Player, request: pytest.FixtureRequest) -> Device:
    """A device of its own for each test."""
    return player.device(re.sub(r"\W+", "-", request.node.name)[:40].strip("-"), "ios")


def way(player: Player, device: Device, **changes: object) -> Reach:
    known = Reach(
        device.name,
        "127.0.0.1",
        player.port,
        device.name,
        device.password,
        ENABLE,
        known_hosts=None,
        login_seconds=WAIT_SECONDS,
        answer_seconds=WAIT_SECONDS,
    )
    return dataclasses.replace(known, **changes)


def item_of(platform: Platform, name: str) -> Item:
    found = platform.item(name)
    assert found is not None
    return found


def read(reach: Reach, platform_name: str = "ios", item: str = "running") -> bytes:
    platform = platforms.find(platform_name)
    assert platform.dialogue is not None
    with open_ssh(reach, platform.dialogue, platform.structure) as session:
        return session.read(item_of(platform, item))


def failure(reach: Reach, platform_name: str = "ios", item: str = "running") -> HoldfastError:
    """The error of a conversation; it names the device, and holds nothing that is secret."""
    with pytest.raises(HoldfastError) as caught:
        read(reach, platform_name, item)
    told = f"{caught.value} {caught.value!r} {caught.value.details} {caught.value.__cause__!r}"
    assert not [secret for secret in SECRETS if secret in told]
    assert caught.value.host == reach.device
    return caught.value


def test_one_that_is_waited_for_longer_gives_its_answer(player: Player, ios: Device) -> None:
    platform = platforms.find("ios")
    assert platform.dialogue is not None
    with open_ssh(way(player, ios, answer_seconds=SHORT_SECONDS), platform.dialogue) as session:
        ios.faults.slow = SHORT_SECONDS * 1.5
        session.be_patient(WAIT_SECONDS)
        session.be_patient(0.1)
        assert CANARY.encode() in session.read(item_of(platform, "running"))


def unreadable(folder: Path) -> Path:
    """A file of known hosts that is none."""
    path = folder / "unreadable"
    path.write_bytes(b"host ssh-ed25519 \xff\xfe\n")
    return path


class TestWholeTexts:
    """What a device gives arrives as it has it, however it is shown."""

    def test_items_of_each_platform(self, player: Player) -> None:
        for platform, items in ITEMS.items():
            device = player.device(f"{platform}1", platform)
            for name in items:
                text = read(way(player, device), platform, name).decode()
                assert text.endswith(device.config + "\n"), (platform, name)
                prompt = device.script["prompt"].replace("{name}", device.name).strip()
                assert prompt not in text.replace(device.config, ""), (platform, name)

    def test_pages_leave_nothing(self, player: Player) -> None:
        for platform in ("eos", "ios", "nxos", "vyos"):
            device = player.device(f"{platform}-paged", platform)
            told = read(way(player, device), platform)
            known = platforms.find(platform)
            assert known.dialogue is not None
            with open_ssh(way(player, device), dataclasses.replace(known.dialogue, prepare=())) as session:
                assert session.read(item_of(known, "running")) == told, platform

    def test_a_pause_behind_what_looks_like_a_prompt(self, player: Player, ios: Device) -> None:
        told = read(way(player, ios))
        assert f"\n{ios.name}#\n".encode() in told
        ios.faults.pause_after = f"\n{ios.name}#"
        assert read(way(player, ios)) == told
        ios.faults.pause_after = "to core-sw1#"
        assert read(way(player, ios)) == told

    def test_banners_that_imitate_prompts(self, player: Player, ios: Device) -> None:
        told = read(way(player, ios))
        for banner in (
            "Welcome\ncore-sw1#\n",
            f"{ios.name}>\n",
            "core-sw1#\ncore-sw1#\n\n",
            "Password:\n",
            "--More--\n",
        ):
            ios.faults.banner = banner
            assert read(way(player, ios)) == told

    def test_a_device_that_says_nothing_at_first(self, player: Player, ios: Device) -> None:
        ios.faults.silent = True
        assert read(way(player, ios)).endswith(b"\nend\n")

    def test_fifty_megabytes(self, player: Player, ios: Device) -> None:
        line = b" description " + b"x" * 87 + b"\n"
        text = b"version 15.2\n" + line * 500_000 + b"end\n"
        ios.faults.instead["show running-config"] = text
        assert read(way(player, ios)) == text

    def test_many_devices_at_a_time(self, player: Player) -> None:
        devices = [player.device(f"many{number}", "ios") for number in range(8)]
        platform = platforms.find("ios")
        assert platform.dialogue is not None

        async def one(device: Device) -> bytes:
            session = await AsyncSshSession.open(way(player, device), platform.dialogue, platform.structure)
            try:
                return await session.read(item_of(platform, "running"))
            finally:
                await session.close()

        async def all_of_them() -> list[bytes]:
            return await asyncio.gather(*map(one, devices))

        for device, text in zip(devices, asyncio.run(all_of_them()), strict=True):
            assert f"\nhostname {device.name}\n".encode() in text


class TestBrokenTexts:
    """What is not whole is an error, and never a text."""

    def test_the_connection_breaks_off(self, player: Player) -> None:
        for platform in ("ios", "routeros"):
            device = player.device(f"{platform}-cut", platform)
            device.faults.cut_after = 100
            assert isinstance(failure(way(player, device), platform), ConnectionLostError), platform

    def test_a_command_that_ends_without_its_status(self, player: Player) -> None:
        device = player.device("no-status", "routeros")
        device.faults.no_status = True
        assert "did not say that the command is over" in str(failure(way(player, device), "routeros"))

    def test_it_hangs(self, player: Player, ios: Device) -> None:
        ios.faults.hang_after = 300
        error = failure(way(player, ios, answer_seconds=SHORT_SECONDS))
        assert isinstance(error, ConnectionLostError)
        assert error.item == "running"
        # before it has repeated the command, where this machine is slow, or within the answer
        assert "in 1 seconds" in str(error)

    def test_it_has_no_end(self, player: Player, ios: Device) -> None:
        def endless(piece: bytes) -> Iterator[bytes]:
            while True:
                yield piece

        for piece in (
            b"x" * 50_000 + b"\r\n",
            b"x" * 50_000,
            b"endless#" * 5_000,
            f"\r\n{ios.name}x#".encode() * 2_000,
        ):
            ios.faults.instead["show running-config"] = functools.partial(endless, piece)
            assert isinstance(failure(way(player, ios, limit_bytes=300_000)), TooLargeError), piece[:20]

    def test_what_is_no_whole_text(self, player: Player, ios: Device) -> None:
        for text in (
            b"None\n",
            b"\n",
            bytes(range(128, 256)) * 40 + b"\n",
            b"version 15.2\nhostname CANARY\n",
            b"Building configuration...\nend\n",
            b"version 15.2\n\0\x1b[2Jend" + b"\x1b]0;" * 50 + b"\n",
            f"version 15.2\n{ios.name}#\n{ios.name}#\n".encode(),
        ):
            ios.faults.instead["show running-config"] = text
            assert isinstance(failure(way(player, ios, answer_seconds=5.0)), CaptureError), text[:20]

    def test_what_it_does_not_know(self, player: Player, ios: Device) -> None:
        ios.faults.instead["show startup-config"] = b"            ^\n% Invalid input detected at '^' marker.\n"
        assert isinstance(failure(way(player, ios), item="startup"), RefusedItemError)


class TestWhoAnswers:
    """No word is said to a device that is not the one, and no password shows."""

    def test_keys(self, player: Player, ios: Device, tmp_path: Path) -> None:
        known = player.known_hosts(tmp_path / "known")
        assert read(way(player, ios, known_hosts=(known, str(tmp_path / "none"))))
        logins = ios.logins
        other = player.known_hosts(tmp_path / "other", asyncssh.generate_private_key("ssh-ed25519"))
        kind = player.known_hosts(tmp_path / "kind", asyncssh.generate_private_key("ecdsa-sha2-nistp256"))
        for files, why in (
            ((other,), "another host key"),
            ((kind,), "another host key"),
            ((), "host key of the device is not known"),
        ):
            error = failure(way(player, ios, known_hosts=files))
            assert why in str(error)
            assert error.remedy
        assert ios.logins == logins

    @pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
    def test_passwords(self, player: Player, ios: Device, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        monkeypatch.setattr(player, "method", method)
        assert read(way(player, ios))
        assert "does not let the user in" in str(failure(way(player, ios, password="wrong")))
        assert PASSWORD not in repr(way(player, ios))

    def test_rights(self, player: Player, ios: Device) -> None:
        assert "does not give the rights" in str(failure(way(player, ios, enable="wrong")))
        assert "does not give the rights" in str(failure(way(player, ios, enable="")))

    def test_a_jump_host(self, player: Player, ios: Device, tmp_path: Path) -> None:
        hop = way(player, player.device("hop", "generic"))
        assert read(way(player, ios, jump=(hop,)))
        error = failure(way(player, ios, jump=(dataclasses.replace(hop, known_hosts=()),)), "ios")
        assert "host key" in str(error)

    def test_what_cannot_be_meant(self, player: Player, ios: Device, tmp_path: Path) -> None:
        for wrong in (
            {"options": {"Ciphers": "none-such"}},
            {"options": {"Port": "1"}},
            {"key_files": (str(tmp_path),)},
            {"known_hosts": (str(tmp_path),)},
        ):
            assert isinstance(failure(way(player, ios, **wrong)), PolicyError)
        with pytest.raises(PolicyError, match="known hosts cannot be read"):
            open_netconf(way(player, ios, known_hosts=(str(unreadable(tmp_path)),)))
        assert ios.logins == 0

    def test_nobody_there(self, player: Player, ios: Device) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
            assert isinstance(failure(way(player, ios, port=port)), ConnectionLostError)
            silent.listen()
            before = time.monotonic()
            error = failure(way(player, ios, port=port, login_seconds=SHORT_SECONDS))
            assert isinstance(error, ConnectionLostError)
            assert time.monotonic() - before < WAIT_SECONDS
            with pytest.raises(ConnectionLostError, match="does not begin a conversation in 1 seconds"):
                open_netconf(way(player, ios, port=port, login_seconds=SHORT_SECONDS))

    def test_a_login_that_is_late_before_anything_was_said_says_nothing(
        self, player: Player, ios: Device, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = socket.getaddrinfo

        def slow(*asked: t.Any, **more: t.Any) -> t.Any:
            time.sleep(0.3)
            return found(*asked, **more)

        with socket.create_server(("127.0.0.1", 0)) as silent:
            reach = way(player, ios, port=silent.getsockname()[1], login_seconds=0.1)
            monkeypatch.setattr(socket, "getaddrinfo", slow)
            with pytest.raises(ConnectionLostError, match="does not begin a conversation"):
                open_netconf(reach)
            peer, _address = silent.accept()
            with peer:
                assert peer.recv(100) == b""


class TestChanges:
    """Commands that change something."""

    def test_prompts_questions_and_typed_texts(self, player: Player, ios: Device) -> None:
        platform = platforms.find("ios")
        assert platform.dialogue is not None
        with open_ssh(way(player, ios), platform.dialogue) as session:
            assert session.say("configure terminal") == ""
            assert session.say("ntp server 192.0.2.7") == ""
            assert session.say("no such line") == ""
            assert session.say("end") == ""
            assert "[OK]" in session.say("copy running-config startup-config", {r"Destination filename.*\? $": ""})
            told = session.enter("configure terminal", "hostname new\n\nbanner motd ^C\nhello\n^C", "end")
            assert f"{ios.name}(config)#hostname new\n" in told
            assert session.read(item_of(platform, "running")).endswith(b"\nend\n")
        assert ios.typed == ["ntp server 192.0.2.7", "no such line", "hostname new", "banner motd ^C", "hello", "^C"]

    def test_it_dies_in_a_commit(self, player: Player, ios: Device) -> None:
        ios.faults.dies_at = "configure replace"
        platform = platforms.find("ios")
        assert platform.dialogue is not None
        with open_ssh(way(player, ios), platform.dialogue) as session:
            with pytest.raises(ConnectionLostError):
                session.say("configure replace flash:new force")
            with pytest.raises(ConnectionLostError):
                session.say("end")

    @pytest.mark.parametrize("sftp", [True, False])
    def test_files(self, sftp: bool) -> None:
        platform = platforms.find("ios")
        assert platform.dialogue is not None
        text = bytes(range(256)) * 2000
        with Player(sftp=sftp) as player:
            device = player.device("r1", "ios")
            with open_ssh(way(player, device), platform.dialogue) as session:
                session.put("flash:holdfast.cfg", text)
                assert device.files == {"flash:holdfast.cfg": text}
                with pytest.raises(PolicyError):
                    session.put("flash:a; reload", text)


class TestNetconf:
    """The same promises by NETCONF; with a server that this project did not write they are held in tests/root."""

    def test_whole_and_broken_replies(self, player: Player, ios: Device, tmp_path: Path) -> None:
        data = "<data><top xmlns='urn:x'><key>CANARY</key></top></data>"
        ios.config = data
        item = item_of(platforms.find("netconf"), "running")
        known = (player.known_hosts(tmp_path / "known"),)

        def read_by_netconf(**changes: object) -> bytes:
            with open_netconf(
                way(player, ios, **{"known_hosts": known, "answer_seconds": SHORT_SECONDS, **changes})
            ) as session:
                return session.read(item)

        def broken(kind: type[HoldfastError], **changes: object) -> None:
            with pytest.raises(kind) as caught:
                read_by_netconf(**changes)
            assert not [secret for secret in SECRETS if secret in f"{caught.value} {caught.value!r}"]
            assert caught.value.host == ios.name

        assert b"<key>CANARY</key>" in read_by_netconf(answer_seconds=WAIT_SECONDS)
        for rpc_error in ("access-denied", "operation-failed"):
            ios.config = (
                f"<rpc-error><error-type>protocol</error-type><error-tag>{rpc_error}</error-tag><error-severity>error"
                "</error-severity><error-path>/top/key[name='CANARY']</error-path><error-message>CANARY</error-message>"
                "</rpc-error>"
            )
            kind = RefusedItemError if rpc_error == "access-denied" else CaptureError
            broken(kind, answer_seconds=WAIT_SECONDS)
        ios.config = data
        ios.faults.cut_after = 150
        broken(ConnectionLostError)
        ios.faults.cut_after, ios.faults.hang_after = None, 150
        broken(ConnectionLostError)
        ios.faults.hang_after = None
        ios.config = f"<data>{'<a/>' * 20_000}</data>"
        broken(TooLargeError, limit_bytes=10_000, answer_seconds=WAIT_SECONDS)
        broken(CaptureError, password="wrong")
        broken(CaptureError, known_hosts=())

    def test_a_limit_is_one_of_each_answer(self, player: Player, ios: Device) -> None:
        ios.config = f"<data>{'<a/>' * 1_000}</data>"
        item = item_of(platforms.find("netconf"), "running")
        with open_netconf(way(player, ios, limit_bytes=10_000)) as session:
            for _time in range(4):
                assert session.read(item)
