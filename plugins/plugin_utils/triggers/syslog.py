# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What devices log when their configuration was changed: which of them it was, and who did it."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Mapping

from . import request

LIMIT_BYTES = 2048
# RFC 3164 section 4.1, and RFC 5424 section 6: the priority, perhaps a version, a date, the name
_PRIORITY = re.compile(r"<\d{1,3}>", re.ASCII)
_HEADERS = (
    re.compile(r"1 (?:-|\d{4}-\d\d-\d\dT[0-9:.]{8,15}(?:Z|[+-]\d\d:\d\d)) (?P<name>\S{1,255}) ", re.ASCII),
    re.compile(
        r"[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d (?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,254}) ", re.ASCII
    ),
    re.compile(r"\d{4} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,254}) ", re.ASCII),
)
# RFC 6587 section 3.4.1: the length of a message before it, and what may become one with further bytes
_COUNT = re.compile(rb"([1-9]\d{0,4}) <")
_MAY_COUNT = re.compile(rb"[1-9]\d{0,4} ?")
_ACTOR = re.compile(r"(?:\bUser '(?P<quoted>[^']{1,64})'|\bUser (?P<user>\S{1,64}) |\bby (?:user )?(?P<by>\S{1,64}))")


@dataclasses.dataclass(frozen=True)
class Change:
    """A message that a configuration was changed: the name in its header and the actor, empty where it says none."""

    name: str
    actor: str


@dataclasses.dataclass(frozen=True)
class Devices:
    """Which inventory host a message is of: by the address it comes from, or by the name in it where a relay sent it.

    A name in a message is what the sender says: it counts from ``relays``, which are trusted with it, and from nowhere
    else.
    """

    addresses: Mapping[str, str]
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    relays: frozenset[str] = frozenset()

    def host(self, sender: str, change: Change) -> str | None:
        """The inventory host, None where nobody knows it.

        :param sender: its IP address, as ``ipaddress`` spells it.
        """
        if sender in self.relays:
            return self.names.get(change.name)
        return self.addresses.get(sender)


def read(line: bytes, patterns: Mapping[str, re.Pattern[str]]) -> Change | None:
    """Read one message; None where it tells of no change.

    :param patterns: what each platform logs, by the platform's name.
    """
    text = line[:LIMIT_BYTES].decode("ascii", "replace")
    for pattern in patterns.values():
        found = pattern.search(text)
        if found is not None:
            return Change(_name(text), _actor(text[found.start() :]))
    return None


def _name(text: str) -> str:
    priority = _PRIORITY.match(text)
    start = priority.end() if priority else 0
    for header in _HEADERS:
        found = header.match(text, start)
        if found is not None:
            return found["name"]
    return ""


def _actor(message: str) -> str:
    found = _ACTOR.search(message)
    actor = next((text for text in found.groups() if text), "") if found else ""
    return actor if request.is_text(actor) else ""


class Frames:
    """The messages in the bytes of one connection: each has its length before it, or ends with its line (RFC 6587).

    Of a message that is too long the beginning is given, and the rest skipped; those after it are read.
    """

    def __init__(self) -> None:
        self._held = b""
        self._skips = False

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now."""
        self._held += data
        found = []
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def end(self) -> list[bytes]:
        """What is left where the connection ends."""
        held, self._held = self._held[:LIMIT_BYTES], b""
        return [held] if held and not self._skips else []

    def _next(self) -> bytes | None:
        count = None if self._skips else _COUNT.match(self._held)
        if count is not None:
            begins = count.end() - 1
            ends = begins + int(count[1])
            return self._take(begins, ends) if ends <= len(self._held) else None
        if not self._skips and _MAY_COUNT.fullmatch(self._held):
            return None
        ends = self._held.find(b"\n")
        if ends < 0 and len(self._held) <= LIMIT_BYTES:
            return None
        skipped, self._skips = self._skips, ends < 0
        rest = len(self._held) if ends < 0 else ends + 1
        return self._take(rest if skipped else 0, rest)

    def _take(self, begins: int, ends: int) -> bytes:
        message, self._held = self._held[begins:ends], self._held[ends:]
        return message[:LIMIT_BYTES]


class Rate:
    """How many changes of each device count: so many in each minute; the rest is counted, and dropped."""

    def __init__(self, most: int = 600) -> None:
        self._most = most
        self._minute = -1
        self._seen: collections.Counter[str] = collections.Counter()
        self.dropped = 0

    def allows(self, host: str, now: float) -> bool:
        """Count a change of a device that is known here. :param now: seconds."""
        minute = int(now // 60)
        if minute != self._minute:
            self._minute = minute
            self._seen.clear()
        if self._seen[host] >= self._most:
            self.dropped += 1
            return False
        self._seen[host] += 1
        return True
