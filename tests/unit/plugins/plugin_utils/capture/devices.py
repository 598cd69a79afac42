# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device that says what a test lets it say, and a platform for it."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Session
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import HoldfastError, RefusedItemError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Component
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import (
    CLI,
    INDENT,
    SIMULATED,
    Dialogue,
    Item,
    Platform,
    Rule,
    Structure,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import Finding, read_policy


def rule(pattern: str) -> Rule:
    return Rule(pattern, SIMULATED, "this test")


LAB = Platform(
    name="lab",
    title="Lab OS",
    names=("lab.net.labos",),
    dialogue=Dialogue(prompt=r"^\S+#$"),
    items=(
        Item("running", "show running-config", "what runs"),
        Item("startup", "show startup-config", "what a start loads"),
        Item("vlans", "show vlan", "the VLAN database", default=False, optional=True),
    ),
    structure=Structure(INDENT, comment="^!", negate="no"),
    volatile=(rule("^! Last change"),),
    secrets=(rule(r"^enable secret (?P<secret>\S+)"),),
)


def platforms(name: str, key: str, findings: list[Finding]) -> Platform | None:
    """The one platform of these tests, by its name or as ``ansible_network_os`` may call it."""
    if name in (LAB.name, *LAB.names):
        return LAB
    findings.append(Finding(key, f"no platform {name!r}", "There are: lab."))
    return None


def declared(given: t.Any = "device", *, network_os: str = "lab.net.labos", **more: t.Any) -> Component:
    """The component of a declaration."""
    whole = {"kind": "device", **given, **more} if isinstance(given, Mapping) else given
    (found,) = read_policy(host="r1", components=[whole], platforms=platforms, network_os=network_os).components
    return found


@dataclasses.dataclass
class Device:
    """What it has, by item; items that it has not it refuses, and an error in place of a text is raised."""

    texts: dict[str, bytes | HoldfastError] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)
    logins: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    closed: int = 0

    def open(self, platform: Platform, transport: str = CLI) -> Session:
        """Log in."""
        self.logins.append((platform.name, transport))
        return _Conversation(self)


class _Conversation(Session):
    def __init__(self, device: Device) -> None:
        self._device = device

    def read(self, item: Item) -> bytes:
        self._device.asked.append(item.name)
        text = self._device.texts.get(item.name)
        if text is None:
            raise RefusedItemError("the device refuses it", host="r1", item=item.name, remedy="Grant it.")
        if isinstance(text, HoldfastError):
            raise text
        return text

    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        raise AssertionError(f"a capture said {command}")

    def put(self, path: str, text: bytes) -> None:
        raise AssertionError(f"a capture wrote {path}")

    def close(self) -> None:
        self._device.closed += 1
