# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a change, in the order in which a device gets them."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import platforms
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.device_change import (
    Change,
    CliChange,
    NetconfChange,
    Order,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Session
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    ConnectionLostError,
    PolicyError,
    RestoreError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import CANDIDATE, REPLACE, Item, Platform

from .routers import REPLACED, TYPED

ORDER = Order("0123456789abcdef", 7, "joe on c1; reload")
TEXT = b"hostname r1\nend\n"


class Notes(Session):
    """A session that notes what it is given, and answers as it is told."""

    def __init__(self, answers: Mapping[str, str] | None = None) -> None:
        self.given: list[str] = []
        self._answers = answers or {}

    def read(self, item: Item) -> bytes:
        return TEXT

    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        self.given.append(command)
        return next((said for begin, said in self._answers.items() if command.startswith(begin)), "")

    def enter(self, command: str, text: str, end: str) -> str:
        self.given.append(f"{command}<<{text}>>{end}")
        return ""

    def put(self, path: str, text: bytes) -> None:
        self.given.append(f"put {path}")

    def close(self) -> None:
        """Nothing to end."""


def taken(change: Change) -> None:
    """All steps of a change that succeeds."""
    assert change.prepare() == ()
    assert change.apply() == ()
    assert change.confirm() == ()
    change.discard()
    assert change.save() == ()


def test_a_whole_text_is_put_there_applied_confirmed_and_removed() -> None:
    session = Notes()
    taken(CliChange(session, REPLACED, ORDER, TEXT, ["not typed"]))
    file = "flash:holdfast-0123456789abcdef.cfg"
    assert session.given == [
        f"put {file}",
        f"configure replace {file} force revert trigger error timer 7",
        "configure confirm",
        f"delete /force {file}",
        "copy running-config startup-config",
    ]


def test_lines_are_typed_between_what_surrounds_them() -> None:
    session = Notes()
    taken(CliChange(session, TYPED, ORDER, TEXT, ["no router bgp 1", "router bgp 2"]))
    assert session.given == ["configure terminal", "no router bgp 1", "router bgp 2", "end", "write memory"]


def test_a_line_that_is_refused_ends_the_typing() -> None:
    session = Notes({"router bgp 1": "   ^\n% Invalid input detected at '^' marker.\n"})
    change = CliChange(session, TYPED, ORDER, TEXT, ["router bgp 1", " neighbor 192.0.2.1 remote-as 2"])
    (refusal,) = change.apply()
    assert (refusal.command, refusal.said) == ("router bgp 1", ("% Invalid input detected at '^' marker.",))
    assert session.given == ["configure terminal", "router bgp 1", "end"]


def test_a_banner_is_typed_as_one() -> None:
    session = Notes()
    ios = platforms.find("ios")
    restore = dataclasses.replace(REPLACED.restore, method=CANDIDATE) if REPLACED.restore else None
    platform = dataclasses.replace(ios, restore=dataclasses.replace(restore, apply=()) if restore else None)
    CliChange(session, platform, ORDER, lines=["banner motd ^C", "keep out", "^C", "hostname r1"]).apply()
    assert session.given == ["banner motd ^C<<keep out\n^C>>", "hostname r1"]


def test_a_text_that_is_typed_whole() -> None:
    session = Notes()
    assert REPLACED.restore is not None
    restore = dataclasses.replace(
        REPLACED.restore,
        upload="terminal",
        upload_begin=("configure session {id}", "copy terminal: session-config"),
        upload_end="EOF",
    )
    change = CliChange(session, dataclasses.replace(REPLACED, restore=restore), ORDER, TEXT)
    assert change.prepare() == ()
    assert session.given == [
        "configure session 0123456789abcdef",
        "copy terminal: session-config<<hostname r1\nend\n>>EOF",
    ]


@pytest.mark.parametrize("name", ["eos", "frr", "ios", "junos", "nxos", "vyos"])
def test_the_steps_of_the_platforms_of_the_collection(name: str) -> None:
    platform = platforms.find(name)
    session = Notes()
    change = CliChange(session, platform, ORDER, TEXT, ["line"])
    taken(change)
    restore = change.restore
    given = "\n".join(session.given)
    assert "{" not in given
    assert (f"put {change.file}" in session.given) == (restore.method == REPLACE)
    assert ("line" in session.given) == (restore.method == CANDIDATE)
    if restore.timer:
        assert "7" in given or "420" in given
        assert change.reverts or change.outlives
    assert change.steps_back == any(command.startswith("rollback 1") for command in restore.revert)
    assert "reload" not in given.replace("joe on c1  reload", "")


def test_a_platform_without_a_restore() -> None:
    with pytest.raises(PolicyError, match="no way to restore"):
        CliChange(Notes(), dataclasses.replace(TYPED, restore=None), ORDER)


class Server:
    """A NETCONF server that does what it is told, but for what it refuses."""

    def __init__(self, *able: str, refuses: str = "") -> None:
        self.capabilities = frozenset(able)
        self.done: list[str] = []
        self.lost = False
        self._refuses = refuses

    def __getattr__(self, operation: str) -> Callable[..., None]:
        def do(*given: t.Any) -> None:
            self.done.append(" ".join((operation, *(str(one) for one in given if not isinstance(one, bytes)))))
            if self.lost:
                raise ConnectionLostError("the connection broke off")
            if operation == self._refuses:
                raise RestoreError(f"the device refuses {operation}", item=operation)

        return do


ABLE = ("candidate", "confirmed-commit", "validate")


@pytest.mark.parametrize(
    ("able", "steps"),
    [
        (ABLE, ["lock", "copy", "commit_confirmed 420", "commit", "discard", "unlock", "save"]),
        ((), ["copy running", "save"]),
    ],
    ids=["candidate", "running"],
)
def test_by_netconf(able: tuple[str, ...], steps: list[str]) -> None:
    server = Server(*able)
    change = NetconfChange(t.cast("t.Any", server), ORDER, TEXT)
    assert (change.timer, change.outlives) == (bool(able), False)
    assert (change.prepare(), change.apply()) == ((), ())
    if change.timer:
        assert change.confirm() == ()
    change.discard()
    assert change.save() == ()
    assert server.done == steps


def test_a_server_that_refuses() -> None:
    server = Server(*ABLE, refuses="lock")
    (refusal,) = NetconfChange(t.cast("t.Any", server), ORDER, TEXT).prepare()
    assert refusal.said == ("the device refuses lock",)


def test_what_somebody_else_edits_is_not_discarded() -> None:
    server = Server(*ABLE, refuses="lock")
    change = NetconfChange(t.cast("t.Any", server), ORDER, TEXT)
    change.prepare()
    change.discard()
    assert server.done == ["lock"]


def test_one_that_is_lost_is_no_refusal() -> None:
    server = Server(*ABLE)
    server.lost = True
    with pytest.raises(ConnectionLostError):
        NetconfChange(t.cast("t.Any", server), ORDER, TEXT).prepare()


def test_a_template_with_anything_else_is_refused() -> None:
    with pytest.raises(PolicyError, match="no template"):
        ORDER.spelled("commit {confirmed}")


def test_a_platform_is_not_changed_by_that() -> None:
    assert isinstance(REPLACED, Platform)
    assert ORDER.spelled("{id} {minutes} {seconds} {comment} {file}", "f") == (
        "0123456789abcdef 7 420 joe on c1  reload f"
    )
