# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that tasks read from files of the controller."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import PolicyError

_LONGEST = 8192


def read(path: str | None, key: str) -> str:
    """The one line of text of a file that nobody else can read; empty where no file is named.

    :param key: what names the file, for who reads the error.
    :raises PolicyError: it cannot be read, others can read it too, or it holds no such line; no message holds any of
        it.
    """
    if path is None:
        return ""
    remedy = "Name a file of this user with mode 0600 that holds the secret alone, in one line."
    try:
        with Path(path).expanduser().open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise PolicyError(f"{key} can be read by others", item=path, remedy=remedy)
            data = file.read(_LONGEST + 1)
        text = data.decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise PolicyError(f"{key} cannot be read", item=path, remedy=remedy) from None
    if not text or len(data) > _LONGEST or not text.isprintable():
        raise PolicyError(f"{key} holds no secret of one line", item=path, remedy=remedy)
    return text
