# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far a verify is, said from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable

_UNITS = ("B", "kB", "MB", "GB", "TB")


class Progress:
    """Counts what is done, and says so. It has no thread of its own: where nothing is done, nothing is said.

    :param every: seconds between two lines at least, and before the first; 0 or less says nothing.
    :param say: shows a line.
    :param clock: seconds of a clock that nobody sets.
    """

    def __init__(self, every: float, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._say = say
        self._clock = clock
        self._said = clock()
        self.begin("objects", 0, 0)

    def begin(self, what: str, objects: int, size: int) -> None:
        """From now on so many of *what* are to be done, of so many bytes together; 0 bytes are not spoken of."""
        self._what, self._objects, self._bytes = what, objects, size
        self._done = self._done_bytes = 0
        self._since = self._clock()

    def add(self, objects: int, size: int) -> None:
        """So many more are done."""
        self._done += objects
        self._done_bytes += size
        now = self._clock()
        if self._every <= 0 or now - self._said < self._every:
            return
        self._said = now
        self._say(self._line(max(now - self._since, 0.001)))

    def _line(self, seconds: float) -> str:
        line = (
            f"holdfast: {self._done:,} of {self._objects:,} {self._what} verified, {self._done / seconds:,.0f} a second"
        )
        if not self._bytes:
            return line
        rate = spoken_bytes(self._done_bytes / seconds)
        return f"{line}; {spoken_bytes(self._done_bytes)} of {spoken_bytes(self._bytes)}, {rate} a second"


def spoken_bytes(size: float) -> str:
    """A number of bytes for people, as ``1.2 GB``."""
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {_UNITS[-1]}"
