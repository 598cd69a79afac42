# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TCP proxy before a managed host, that cuts or holds the connection at the byte it is told."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import socket
import struct
import threading
from collections.abc import Iterator

_CHUNK = 1 << 14


class Fault(enum.Enum):
    """What becomes of the connections once the byte is reached."""

    CUT = "cut"
    """All are reset, and new ones too."""
    HOLD = "hold"
    """Nothing goes through any more, in either direction, as where a cable is pulled."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """When it happens.

    :param direction: ``up`` counts what goes to the host, ``down`` what comes from it, over all connections.
    :param at: so many bytes go through; none more.
    """

    direction: str
    at: int
    fault: Fault = Fault.CUT


class Proxy:
    """Forwards from a port of its own, and counts."""

    def __init__(self, target: int, plan: Plan | None = None) -> None:
        self.passed = {"up": 0, "down": 0}
        self.struck = threading.Event()
        self._target = target
        self._plan = plan
        self._counting = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Reset all connections, and take no more."""
        self._listener.close()
        self._reset()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._open += [near, far]
            if self.struck.is_set():
                self._strike()
                continue
            for direction, source, sink in (("up", near, far), ("down", far, near)):
                threading.Thread(target=self._pump, args=(direction, source, sink), daemon=True).start()

    def _pump(self, direction: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                passes = self._passes(direction, len(chunk))
                sink.sendall(chunk[:passes])
                if passes < len(chunk):
                    self.struck.set()
                    self._strike()
                    return
            sink.shutdown(socket.SHUT_WR)

    def _passes(self, direction: str, size: int) -> int:
        """How much of a chunk goes through."""
        with self._counting:
            room = size
            if self.struck.is_set():
                room = 0
            elif self._plan is not None and self._plan.direction == direction:
                room = min(size, self._plan.at - self.passed[direction])
            self.passed[direction] += room
            return room

    def _strike(self) -> None:
        if self._plan is not None and self._plan.fault is Fault.CUT:
            self._reset()

    def _reset(self) -> None:
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@contextlib.contextmanager
def proxy(target: int, plan: Plan | None = None) -> Iterator[Proxy]:
    """Stand before that port of loopback."""
    running = Proxy(target, plan)
    try:
        yield running
    finally:
        running.close()
