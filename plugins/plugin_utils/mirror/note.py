# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A note in the cache of a mirror: points that changed nothing, so that the next run does not open them again.

It saves work and decides nothing else: one that is lost, broken, or of a branch that was moved on by others or begun
anew is passed over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import tempfile
from pathlib import Path

from ..errors import FormatError
from ..model import instant


@dataclasses.dataclass(frozen=True)
class Note:
    """Points that were looked at, all up to ``at``, while the newest commit was ``last``."""

    last: str
    at: dt.datetime
    points: frozenset[str]

    @classmethod
    def read(cls, path: Path, last: str) -> Note | None:
        """Read the note of a branch whose newest commit is *last*; None where there is none for that."""
        try:
            told = json.loads(path.read_text("utf-8"))
            note = cls(told["last"], instant.from_text(told["at"]), frozenset(map(str, told["points"])))
        except (OSError, ValueError, KeyError, TypeError, RecursionError, FormatError):
            return None
        return note if note.last == last else None

    def write(self, path: Path) -> None:
        """Put it there whole; where that cannot be, the next run has more to do."""
        told = {"last": self.last, "at": instant.to_text(self.at), "points": sorted(self.points)}
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(told, file)
            os.replace(name, path)
