# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Pythons of this machine, as those of managed hosts."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 8)
NEWEST = (3, 15)
_KEPT = (
    "~/.pyenv/versions/*/bin/python",
    f"{os.environ.get('PYENV_ROOT', '')}/versions/*/bin/python",
    "~/.local/share/uv/python/*/bin/python",
    "/opt/python/*/bin/python",
)


class MissingPythonError(Exception):
    """No Python but that of the tests is on this machine."""


@functools.cache
def pythons() -> dict[tuple[int, int], str]:
    """One interpreter of each version from 3.8 on, other than that of the tests.

    :raises MissingPythonError: there is none.
    """
    ours = sys.version_info[:2]
    found = {version: path for version, path in _found().items() if version >= OLDEST and version != ours}
    if not found:
        raise MissingPythonError(
            f"no Python from {_text(OLDEST)} on but {_text(ours)} is on this machine: install one, for instance by "
            "`uv python install 3.9`, and run the tests again"
        )
    return dict(sorted(found.items()))


def too_old() -> str | None:
    """An interpreter of a Python 3 that cannot run a host's half (3.7 can, though nobody promises it)."""
    return next((path for version, path in sorted(_found().items()) if (3, 0) <= version < (3, 7)), None)


@functools.cache
def _found() -> dict[tuple[int, int], str]:
    named = [f"python3.{minor}" for minor in range(4, NEWEST[1] + 1)]
    places = [path for name in ["/usr/bin/python3", *named] if (path := shutil.which(name))]
    for pattern in _KEPT:
        folder, _star, rest = os.path.expanduser(pattern).partition("*")
        places += [str(path) for path in sorted(Path(folder).glob(f"*{rest}"))] if Path(folder).is_dir() else []
    found: dict[tuple[int, int], str] = {}
    for path in places:
        version = _version(path)
        if version is not None:
            found.setdefault(version, path)
    return found


def _version(path: str) -> tuple[int, int] | None:
    """What an interpreter says it is; None for one that does not run, like a shim of pyenv."""
    told = subprocess.run([path, "-c", "import sys; print(sys.version)"], capture_output=True, check=False, text=True)
    number = re.match(r"(\d+)\.(\d+)\.", told.stdout)
    return (int(number[1]), int(number[2])) if number and not told.returncode else None


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
