# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a spool to a rulebook: what waits is handed out, host by host, until it is done."""

from __future__ import annotations

import asyncio
import time
import typing as t
from collections.abc import Awaitable, Callable

from .debounce import Debounce, Times
from .spool import Spool, since

_LOOK_SECONDS = 0.5
_DAY = 24 * 3600


class Pump:
    """Hands out batches of a spool as events, also those that an earlier process left."""

    def __init__(
        self, spool: Spool, times: Times, *, give_up: float = _DAY, warn: Callable[[str], object] = lambda _text: None
    ) -> None:
        """
        :param give_up: after so many seconds what could not be captured is set aside; its file is kept.
        :param warn: is told of that.
        """
        self._spool = spool
        self._debounce = Debounce(times)
        self._give_up = give_up
        self._warn = warn

    def step(self, *, now: float, monotonic: float) -> list[dict[str, t.Any]]:
        """Look at the spool once and return the events that are to be handed out now.

        :param now: Unix seconds, which what waits is as old by. :param monotonic: seconds that only grow.
        """
        running = self._debounce.running(monotonic)
        waiting = []
        for name in self._spool.waiting():
            if name in running or now - since(name) <= self._give_up:
                waiting.append(name)
                continue
            self._spool.set_aside(name)
            self._warn(f"{name} could not be captured for {self._give_up:.0f} seconds, and was set aside")
        self._debounce.fail(self._spool.take_failed())
        self._debounce.finish(frozenset(waiting))
        known = self._debounce.known()
        for name in waiting:
            if name not in known:
                self._take(name, monotonic)
        return [{"capture": batch.as_event(str(self._spool.path))} for batch in self._debounce.ready(monotonic)]

    def _take(self, name: str, monotonic: float) -> None:
        accepted = self._spool.get(name)
        if accepted is None:
            self._warn(f"{name} is damaged, and was set aside")
        else:
            self._debounce.add(accepted, monotonic)

    async def run(self, hand_out: Callable[[dict[str, t.Any]], Awaitable[object]]) -> t.NoReturn:
        """Do so until cancelled."""
        while True:
            for event in self.step(now=time.time(), monotonic=time.monotonic()):
                await hand_out(event)
            await asyncio.sleep(_LOOK_SECONDS)
