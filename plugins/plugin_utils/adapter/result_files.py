# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of the controller that a task writes its result to."""

from __future__ import annotations

from pathlib import Path

from ..errors import PolicyError
from ..usecases.run_folder import PRIVATE, write_whole


def write(path: str, text: str, what: str, *, mode: int = PRIVATE) -> str:
    """Put a file in place whole; returns its name.

    :param what: it is, for who reads the error: ``report`` or ``page``.
    :param mode: without it its user alone may read it.
    :raises PolicyError: it cannot be written.
    """
    target = Path(path).expanduser()
    try:
        write_whole(target, text.encode("utf-8", "backslashreplace"), mode=mode)
    except OSError as e:
        raise PolicyError(
            f"the {what} cannot be written: {e.strerror}",
            item=str(target),
            remedy="Name a file in a folder of the controller that you can write.",
        ) from e
    return str(target)
