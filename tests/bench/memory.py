# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a process and all below it hold of memory while they run."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

_EVERY_SECONDS = 0.05


@dataclasses.dataclass
class Peak:
    """The most that was seen, in KiB: of the largest process, and of all together, each shared page counted once."""

    largest: int = 0
    together: int = 0


@contextlib.contextmanager
def watched(pid: int) -> Iterator[Peak]:
    """Look at a process, and at all that it has started, until the block ends."""
    peak = Peak()
    over = threading.Event()

    def look() -> None:
        while not over.wait(_EVERY_SECONDS):
            tree = _below(pid)
            peak.largest = max([peak.largest, *(_kib(each, "status", "VmHWM") for each in tree)])
            # see proc(5): its share of what several processes map
            peak.together = max(peak.together, sum(_kib(each, "smaps_rollup", "Pss") for each in tree))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _below(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # a name may hold blanks and brackets
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def _kib(pid: int, file: str, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), 0)
