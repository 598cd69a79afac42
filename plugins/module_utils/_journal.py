# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore in place keeps on the host while it is open. Private to this collection."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import re
import time

from ._paths import FILE_FLAGS, FOLDER_FLAGS, NEW_FLAGS, PAUSE, RefusedError, closing, code_of, sync_folder, to_text

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

ID = re.compile(r"[0-9a-f]{16}")
_FORMAT = 1  # of a journal
_SYSTEM_JOURNAL = "/var/lib/holdfast"
_OWN_JOURNAL = "~/.local/state/holdfast"


@functools.lru_cache(maxsize=None)
def boot_id() -> str:
    """What names this boot of the host."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return to_text(file.read().strip())
    except OSError:
        return ""


def default_journal() -> str:
    return _SYSTEM_JOURNAL if os.geteuid() == 0 else _OWN_JOURNAL


def _require_own(st: os.stat_result) -> None:
    """Raise ValueError for what others could have written."""
    if st.st_uid not in (0, os.geteuid()) or st.st_mode & 0o022:
        raise ValueError("others may write it")


class Journal:
    """What a restore keeps on the host while it is open: a folder of files, each changed at once."""

    def __init__(self, folder: str, restore: str) -> None:
        self.restore = restore
        self.path = os.path.join(folder, restore)
        self._folder = folder

    def make(self) -> None:
        """Make the folder."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, 0o700)
        sync_folder(self._folder)

    def read(self, name: str) -> dict[str, t.Any] | None:
        """One of its files, None where it is not there; raises RefusedError where it cannot be believed."""
        try:
            with closing(os.open(self.path, FOLDER_FLAGS)) as folder:
                _require_own(os.fstat(folder))
                fd = os.open(name, FILE_FLAGS, dir_fd=folder)
            with os.fdopen(fd, "rb") as file:
                _require_own(os.fstat(fd))
                told = json.loads(file.read())
            if not isinstance(told, dict) or told.get("format") != _FORMAT:
                raise ValueError("not of this format")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as e:
            text = f"the journal of restore {self.restore} cannot be read: {self.path}, nothing was touched"
            raise RefusedError("journal", text, [os.path.join(self.path, name)]) from e
        return told

    def write(self, name: str, told: t.Mapping[str, t.Any]) -> None:
        """Write one of its files, on disk when this returns."""
        self.write_bytes(name, json.dumps({"format": _FORMAT, **told}).encode("ascii"))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file of its folder that is no JSON, on disk when this returns."""
        new = os.path.join(self.path, f".{name}.new")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        with os.fdopen(os.open(new, NEW_FLAGS, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, os.path.join(self.path, name))
        sync_folder(self.path)

    def forget(self, name: str) -> None:
        """Remove one of its files, for good when this returns."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.path, name))
        sync_folder(self.path)

    def remove(self) -> None:
        """Remove it as a whole."""
        try:
            for name in sorted(os.listdir(self.path), key=lambda name: name == "folders.json"):
                os.unlink(os.path.join(self.path, name))
            os.rmdir(self.path)
        except FileNotFoundError:
            return
        sync_folder(self._folder)

    def renew(self, seconds: int) -> None:
        """Let nobody else act for so many seconds."""
        until = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
        spoken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        self.write("lease.json", {"boot": boot_id(), "until": until, "seconds": seconds, "time": spoken})

    def is_over(self) -> bool:
        """Whether others may act: its time is over, or it is from before the last boot."""
        try:
            lease = self.read("lease.json")
            return (
                lease is None
                or lease["boot"] != boot_id()
                or float(lease["until"]) <= time.clock_gettime(time.CLOCK_BOOTTIME)
            )
        except (KeyError, TypeError, ValueError) as e:
            text = f"the lease of restore {self.restore} cannot be read: {self.path}, nothing was touched"
            raise RefusedError("journal", text, [self.path]) from e


class Journals:
    """All restores that a journal folder knows."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock: int | None = None

    def all(self) -> list[Journal]:
        """Each that is there, in no order that means anything."""
        try:
            return [Journal(self.folder, name) for name in sorted(os.listdir(self.folder)) if ID.fullmatch(name)]
        except FileNotFoundError:
            return []
        except OSError as e:
            raise self._failed(e) from e

    def lock(self, seconds: float) -> bool:
        """Make the folder, and keep others that restore here out until this process ends; whether that took waiting.

        :raises RefusedError: the folder cannot be had, or another one is still at work after so many seconds.
        """
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
            fd = os.open(self.folder, FOLDER_FLAGS)
            _require_own(os.fstat(fd))
        except (OSError, ValueError) as e:
            raise self._failed(e) from e
        self._lock = fd
        deadline = time.monotonic() + seconds
        waited = False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return waited
            except BlockingIOError as e:
                if time.monotonic() >= deadline:
                    raise RefusedError("busy", "another restore is at work on this host", [self.folder]) from e
                waited = True
                time.sleep(PAUSE)
            except OSError:
                return waited  # a file system without locks

    def close(self) -> None:
        """Let others in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _failed(self, e: Exception) -> RefusedError:
        why = code_of(e) if isinstance(e, OSError) else "others may write there"
        return RefusedError("journal", f"the folder for journals cannot be used ({why}): {self.folder}", [self.folder])


def damaged(journal: Journal) -> RefusedError:
    text = f"the journal of restore {journal.restore} is damaged: {journal.path}"
    return RefusedError("journal", text, [journal.path])


def busy(journal: Journal, told: t.Mapping[str, t.Any]) -> RefusedError:
    run = str(told.get("run", "")) or "an unnamed run"
    text = f"restore {journal.restore} of {run} is open on this host and its lease is not over, nothing was touched"
    return RefusedError("busy", text, [journal.restore])
