# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What devices log when somebody changed them, as their platforms say it."""

from __future__ import annotations

import itertools
import re

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers import request, syslog
from hypothesis import given
from hypothesis import strategies as st

PLATFORMS = ("ios", "nxos", "eos", "junos")

CHANGES = [
    ("<189>45: Jan  5 10:00:00.123: %SYS-5-CONFIG_I: Configured from console by bob on vty0 (192.0.2.7)", "", "bob"),
    (
        "<189>Jan  5 10:00:00 sw1 45: Jan  5 10:00:00: %SYS-5-CONFIG_I: Configured from console by bob on vty0",
        "sw1",
        "bob",
    ),
    ("<189>46: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: Configured from console by console", "", "console"),
    (
        "<189>: 2026 Jan  5 10:00:00 UTC: %VSHD-5-VSHD_SYSLOG_CONFIG_I: Configured from vty by bob on 192.0.2.7@pts/0",
        "",
        "bob",
    ),
    (
        "2026 Jan  5 10:00:00 n9k-1 %VSHD-5-VSHD_SYSLOG_CONFIG_I: Configured from vty by bob on 192.0.2.7@pts/0",
        "n9k-1",
        "bob",
    ),
    (
        "<189>Jan  5 10:00:00 leaf1 ConfigAgent: %SYS-5-CONFIG_I: Configured from console by bob on vty3 (192.0.2.7)",
        "leaf1",
        "bob",
    ),
    (
        "<189>Jan  5 10:00:00 leaf1 ConfigAgent: %SYS-5-CONFIG_SESSION_COMMIT_SUCCESS: User bob committed session s1",
        "leaf1",
        "bob",
    ),
    (
        "<189>Jan  5 10:00:00 mx1 mgd[1234]: UI_COMMIT: User 'bob' requested 'commit' operation (comment: none)",
        "mx1",
        "bob",
    ),
    ("<189>1 2026-01-05T10:00:00.123Z mx1 mgd 1234 UI_COMMIT_COMPLETED - mgd[1]: UI_COMMIT_COMPLETED: done", "mx1", ""),
]

OTHERS = [
    "",
    "<189>Jan  5 10:00:00 sw1 45: %LINK-3-UPDOWN: Interface Vlan1, changed state to up",
    "<189>Jan  5 10:00:00 mx1 mgd[1]: UI_LOGIN_EVENT: User 'bob' login",
    "<189>Jan  5 10:00:00 n9k-1 %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up",
]


@pytest.fixture(scope="module")
def patterns() -> dict[str, re.Pattern[str]]:
    found = {}
    for name in PLATFORMS:
        rule = platforms.find(name).syslog
        assert rule is not None
        found[name] = re.compile(rule.pattern)
    return found


@pytest.mark.parametrize(("line", "name", "actor"), CHANGES)
def test_a_change(patterns: dict[str, re.Pattern[str]], line: str, name: str, actor: str) -> None:
    assert syslog.read(line.encode(), patterns) == syslog.Change(name, actor)


@pytest.mark.parametrize("line", OTHERS)
def test_what_tells_of_no_change(patterns: dict[str, re.Pattern[str]], line: str) -> None:
    assert syslog.read(line.encode(), patterns) is None


@pytest.mark.parametrize("actor", ["{{x}}", "$(id)", "\x1b[2J", "'", "\u202ex"])
def test_an_actor_who_is_no_plain_text_is_left_out(patterns: dict[str, re.Pattern[str]], actor: str) -> None:
    found = syslog.read(f"%SYS-5-CONFIG_I: Configured from console by {actor} on vty0".encode(), patterns)
    assert found == syslog.Change("", "")


@given(line=st.binary(max_size=300))
def test_any_bytes(patterns: dict[str, re.Pattern[str]], line: bytes) -> None:
    found = syslog.read(b"%SYS-5-CONFIG_I: Configured from " + line, patterns)
    assert found is not None
    assert not found.actor or request.is_text(found.actor)


class TestDevices:
    devices = syslog.Devices({"192.0.2.7": "sw1"}, {"leaf1": "leaf1.example"}, frozenset({"192.0.2.1"}))

    def test_a_device_is_known_by_its_address(self) -> None:
        assert self.devices.host("192.0.2.7", syslog.Change("anything", "")) == "sw1"

    def test_a_name_counts_from_a_relay_alone(self) -> None:
        assert self.devices.host("192.0.2.1", syslog.Change("leaf1", "")) == "leaf1.example"
        assert self.devices.host("192.0.2.7", syslog.Change("leaf1", "")) == "sw1"
        assert self.devices.host("192.0.2.9", syslog.Change("leaf1", "")) is None

    def test_a_relay_that_names_nobody_who_is_known(self) -> None:
        assert self.devices.host("192.0.2.1", syslog.Change("sw1", "")) is None


def test_a_flood_is_dropped_and_counted() -> None:
    rate = syslog.Rate(most=2)
    assert [rate.allows("a", 0), rate.allows("a", 1), rate.allows("a", 2)] == [True, True, False]
    assert [rate.allows("b", 3), rate.allows("c", 3)] == [True, True]
    assert rate.dropped == 1
    assert rate.allows("a", 60)


class TestFrames:
    @given(
        messages=st.lists(
            st.tuples(st.booleans(), st.text("<>abc 123%:", max_size=50).map(lambda text: b"<189>" + text.encode()))
        ),
        cuts=st.lists(st.integers(1, 20), min_size=1),
    )
    def test_messages_are_the_same_however_their_bytes_come(
        self, messages: list[tuple[bool, bytes]], cuts: list[int]
    ) -> None:
        sent = b"".join(b"%d %s" % (len(text), text) if counted else text + b"\n" for counted, text in messages)
        frames = syslog.Frames()
        found: list[bytes] = []
        for cut in itertools.cycle(cuts):
            found += frames.feed(sent[:cut])
            sent = sent[cut:]
            if not sent:
                break
        assert [message.rstrip(b"\n") for message in found] == [text for _counted, text in messages]
        assert frames.end() == []

    def test_a_counted_message_may_hold_lines(self) -> None:
        assert syslog.Frames().feed(b"8 <1>a\nb\nc7 <2>defg") == [b"<1>a\nb\nc", b"<2>defg"]

    def test_a_line_that_begins_with_a_year_is_no_count(self) -> None:
        assert syslog.Frames().feed(b"2026 Jan  5 10:00:00 n9k\n") == [b"2026 Jan  5 10:00:00 n9k\n"]

    @pytest.mark.parametrize("step", [100, 10_000])
    def test_a_message_that_is_too_long_ends_nothing(self, step: int) -> None:
        sent = b"<1>" + b"x" * 9000 + b"\n<2>y\n6000 <3>" + b"z" * 5997 + b"<4>w\n"
        frames = syslog.Frames()
        found = [message for at in range(0, len(sent), step) for message in frames.feed(sent[at : at + step])]
        assert [message[:4] for message in found if message] == [b"<1>x", b"<2>y", b"<3>z", b"<4>w"]
        assert all(len(message) <= syslog.LIMIT_BYTES for message in found)

    def test_a_line_that_ends_with_its_connection(self) -> None:
        frames = syslog.Frames()
        assert frames.feed(b"<1>abc") == []
        assert frames.end() == [b"<1>abc"]
