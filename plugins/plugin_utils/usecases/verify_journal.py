# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an interrupted verify has read, so that the next one goes on from there.

::

    <state dir>/verify/<repository id>/<place>.journal    one line for each thing that was read and found right

A line is JSON: when, what by a digest of all that was asked of it, and the lock where a lock was asked for. What was
found wrong has no line: it is read again. Whoever may write the file can make the next verify leave things out; he is
the user who runs it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import os
import typing as t
from collections.abc import Iterator
from pathlib import Path

from ..errors import FormatError, RunError
from ..model import instant

_KEY_DIGITS = 32
_LONGEST_LINE = 1024


@dataclasses.dataclass(frozen=True)
class Noted:
    """Something that was read and right then. ``value`` is what it said, where that is asked for again."""

    at: dt.datetime
    value: t.Any = None


def key(*asked: t.Any) -> str:
    """What stands for all that was asked of a thing: the same only where nothing of it has changed.

    :param asked: plain values.
    """
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_DIGITS]


class Journal:
    """The notes of one repository, at one place, on this controller: what one replica holds says nothing of another.

    Two that verify at once add to one file: a line is written at once, at the end. It is gone when one of them has
    come to its end; the other's notes are lost then, and nothing else.

    :param identity: that of the store: two sites of one URL have notes of their own.
    :param now: the store's time: what is noted from now on was read at this time or later.
    :param believe: for how long a note counts.
    """

    def __init__(
        self, state_dir: Path, repository_id: str, identity: str, *, now: dt.datetime, believe: dt.timedelta
    ) -> None:
        self._folder = state_dir / "verify" / repository_id
        self._path = self._folder / f"{key(identity)}.journal"
        self._now = now
        self._notes = {
            noted: note for noted, note in self._read() if now - believe <= note.at <= now + dt.timedelta(minutes=15)
        }
        self._file: int | None = None

    def find(self, wanted: str) -> Noted | None:
        """What was noted of that, if it still counts."""
        return self._notes.get(wanted)

    def note(self, done: str, value: t.Any = None) -> None:
        """Note that something was read and right.

        :raises RunError: the file cannot be written.
        """
        line = json.dumps([instant.to_text(self._now), done, value], separators=(",", ":"))
        with self._explained():
            if self._file is None:
                self._file = self._open()
            os.write(self._file, f"{line}\n".encode())

    def close(self, *, ended: bool) -> None:
        """Write no more; remove the notes where the verify has come to its end: the next one reads everything anew."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if ended:
            with self._explained():
                self._path.unlink(missing_ok=True)

    def _open(self) -> int:
        for folder in (self._folder.parent.parent, self._folder.parent, self._folder):
            # not pathlib's parents: it makes them by the umask
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private = self._folder.stat()
        if private.st_uid != os.geteuid() or private.st_mode & 0o077:
            raise RunError(
                "the folder of verify's notes belongs to somebody else, or others can enter it",
                item=str(self._folder),
                remedy="Give it to this user with mode 0700, or set HOLDFAST_STATE_DIR to another folder.",
            )
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        # what a crash of the machine cut off must not spoil the next line
        os.write(file, b"\n")
        return file

    def _read(self) -> Iterator[tuple[str, Noted]]:
        """All lines that are notes; others, as a crash may leave, are passed over."""
        try:
            private = self._path.lstat()
            if private.st_uid != os.geteuid() or private.st_mode & 0o077:
                # somebody else's notes are not believed
                return
            lines = self._path.open("rb")
        except OSError:
            return
        with lines:
            for line in lines:
                if len(line) > _LONGEST_LINE:
                    continue
                with contextlib.suppress(ValueError, TypeError, FormatError, RecursionError):
                    at, done, value = json.loads(line)
                    if isinstance(at, str) and isinstance(done, str):
                        yield done, Noted(instant.from_text(at), value)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise RunError(
                f"what was read cannot be noted: {e.strerror}",
                item=str(self._path),
                remedy="Give room and rights there, set HOLDFAST_STATE_DIR to another folder, or do without resume.",
            ) from e
