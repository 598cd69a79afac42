# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routers in memory: two that are restored in different ways, and what can go wrong with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Session
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, ConnectionLostError
from ansible_collections.holdfast.config.plugins.plugin_utils.model import candidate, config_tree
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import (
    CANDIDATE,
    INDENT,
    REPLACE,
    SCP,
    SIMULATED,
    Dialogue,
    Item,
    Platform,
    Restore,
    Rule,
    Structure,
)

SOURCE = "written for these tests"
HEADER = "Building configuration...\n\nCurrent configuration : 120 bytes\n!\n"
SECRET = "hunter2hunter2"
# in which order a router shows what it has, whenever that was typed
ORDER = ("version", "hostname", "enable", "interface", "router")
SEALED = f"""version 1
!
hostname r1
!
enable secret 9 {SECRET}
!
interface eth0
 description to the core
 ip address 192.0.2.1 255.255.255.0
!
router bgp 65001
 neighbor 192.0.2.2 remote-as 65002
!
end
"""
BROKEN = SEALED.replace(" neighbor 192.0.2.2 remote-as 65002\n", " neighbor 192.0.2.9 remote-as 65009\n")


def rule(pattern: str) -> Rule:
    return Rule(pattern, SIMULATED, SOURCE)


def _platform(name: str, restore: Restore) -> Platform:
    ends = {"begin": "^version ", "end": "^end$"}
    return Platform(
        name=name,
        title=name,
        names=(),
        dialogue=Dialogue(prompt="^[a-z0-9]+#$", refusals=(rule("^% Invalid input"),)),
        items=(
            Item("running", "show running-config", "what runs", **ends),
            Item("startup", "show startup-config", "what it starts with", optional=True, **ends),
        ),
        structure=Structure(
            INDENT,
            comment=r"^\s*!",
            close=("^end$",),
            negate="no",
            replaces=(rule("^(?P<key>hostname) "), rule("^(?P<key>description) "), rule("^(?P<key>ip address) ")),
        ),
        volatile=(rule("^Current configuration"), rule("^Building configuration")),
        secrets=(rule(r"^enable secret \d (?P<secret>\S+)"),),
        restore=restore,
    )


REPLACED = _platform(
    "replaced",
    Restore(
        REPLACE,
        SIMULATED,
        SOURCE,
        upload=SCP,
        file="flash:holdfast-{id}.cfg",
        apply=("configure replace {file} force revert trigger error timer {minutes}",),
        confirm=("configure confirm",),
        revert=("configure revert now",),
        discard=("delete /force {file}",),
        save=("copy running-config startup-config",),
        partial=(rule("^Rollback aborted"), rule("^% Failed")),
        timer=True,
    ),
)
TYPED = _platform(
    "typed",
    Restore(
        CANDIDATE,
        SIMULATED,
        SOURCE,
        enter=("configure terminal",),
        exit=("end",),
        save=("write memory",),
        partial=(rule("^% "),),
    ),
)


@dataclasses.dataclass
class Router:
    """A router, whoever talks to it.

    ``rejects`` are beginnings of lines that it does not take. It drops the connection at the command that begins with
    ``dies_at``: before it is carried out, or after it where ``dies_late``; and lets nobody in again where ``gone``. The
    timer of one that is ``late`` ends just before it is confirmed.
    """

    platform: Platform
    running: str = SEALED
    startup: str | None = SEALED
    rejects: tuple[str, ...] = ()
    dies_at: str = ""
    dies_late: bool = False
    gone: bool = False
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    pending: str | None = None
    late: bool = False
    logins: int = 0
    patience: float = 0
    said: list[str] = dataclasses.field(default_factory=list)

    def login(self) -> Talk:
        if self.gone:
            raise ConnectionLostError("the device was not reached")
        self.logins += 1
        return Talk(self)

    def set(self, text: str) -> str:
        """Make a text what runs, without the lines that are rejected; returns those."""
        refused = [line for line in text.splitlines(keepends=True) if line.strip().startswith(self.rejects or ("\0",))]
        self.running = "".join(line for line in text.splitlines(keepends=True) if line not in refused)
        return "".join(refused)

    def lapse(self) -> None:
        """The timer ends."""
        if self.pending is not None:
            self.running, self.pending = self.pending, None


class Talk(Session):
    """A session with such a router."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._lines: list[str] | None = None
        self._over = False

    def read(self, item: Item) -> bytes:
        self._heard()
        text = self._router.running if item.name == "running" else self._router.startup
        if text is None:
            raise CaptureError("there is none")
        return (HEADER + text).encode()

    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        self._heard()
        router = self._router
        router.said.append(command)
        dies = bool(router.dies_at) and command.startswith(router.dies_at)
        if dies and not router.dies_late:
            self._die()
        answer = self._done(command)
        if dies:
            self._die()
        return answer

    def put(self, path: str, text: bytes) -> None:
        self._heard()
        self._router.files[path] = text

    def be_patient(self, seconds: float) -> None:
        self._router.patience = seconds

    def close(self) -> None:
        self._over = True

    def _heard(self) -> None:
        if self._over:
            raise ConnectionLostError("the connection is over")

    def _die(self) -> None:
        self._over = True
        self._router.dies_at = ""
        raise ConnectionLostError("the connection broke off")

    def _done(self, command: str) -> str:
        router, words = self._router, command.split()
        if self._lines is not None:
            return self._typed(command)
        if command == "configure terminal":
            self._lines = []
        elif command.startswith("configure replace"):
            router.pending = router.running
            refused = router.set(router.files[words[2]].decode())
            if refused:
                return f"Rollback aborted after 5 passes\n{refused}"
        elif command == "configure confirm":
            if router.late:
                router.lapse()
            router.pending = None
        elif command == "configure revert now":
            router.lapse()
        elif command.startswith("delete"):
            del router.files[words[-1]]
        elif command in ("copy running-config startup-config", "write memory"):
            router.startup = router.running
        else:
            return "% Invalid input detected at '^' marker."
        return ""

    def _typed(self, line: str) -> str:
        router = self._router
        assert self._lines is not None
        if line.strip().startswith(router.rejects or ("\0",)):
            return f"    ^\n% Unknown command: {line.strip()}"
        if line != "end":
            self._lines.append(line)
            return ""
        structure = router.platform.structure
        after = candidate.applied(config_tree.parse(router.running, structure), tuple(self._lines), structure)
        self._lines = None
        nodes = [node for node in after.nodes if node.kind == config_tree.LINE]
        nodes.sort(key=lambda node: ORDER.index(node.key.split()[0]))
        blocks = ("\n".join(config_tree.lines_of([node])) for node in nodes)
        router.running = "".join(f"{block}\n!\n" for block in blocks) + "end\n"
        return ""
