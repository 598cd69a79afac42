# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of the account files. Private to this collection."""

from __future__ import annotations

import errno
import fcntl
import os
import time

from ._paths import PAUSE, RefusedError, closing, open_folder

_ACCOUNT_SECONDS = 15  # as lckpwdf(3) waits
_ACCOUNTS = frozenset(f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"))


class Accounts:
    """The lock of the account files, as lckpwdf(3) takes it."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._fd: int | None = None

    def take(self) -> None:
        """Raises RefusedError where another process keeps it."""
        folder, whole = open_folder(self._root, (b"etc",))
        with closing(folder):
            if not whole:
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(".pwd.lock", flags, 0o600, dir_fd=folder)
        deadline = time.monotonic() + _ACCOUNT_SECONDS
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as e:
                if e.errno not in (errno.EACCES, errno.EAGAIN):
                    raise
                if time.monotonic() >= deadline:
                    self.release()
                    text = "another process keeps the lock of the account files (/etc/.pwd.lock), nothing was touched"
                    raise RefusedError("busy", text, ["/etc/.pwd.lock"]) from e
                time.sleep(PAUSE)

    def release(self) -> None:
        """Let others have it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_account(path: str) -> bool:
    return path in _ACCOUNTS
