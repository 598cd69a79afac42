# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the unit tests of what differs from ``main``, for ``make quick``: those that mirror a changed file by path.

What has no test of its own path is proven elsewhere: ``make quick`` is for while one works, ``make test`` for the end.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
ALWAYS = ("tests/unit/test_collection.py", "tests/unit/test_docs.py")


def changed(root: Path) -> list[str]:
    """The files that differ from where this branch left ``main``, or from the last commit, and those new to git."""
    base = _git(root, "merge-base", "HEAD", "main") or ["HEAD"]
    return [*_git(root, "diff", "--name-only", base[0]), *_git(root, "ls-files", "--others", "--exclude-standard")]


def _git(root: Path, *words: str) -> list[str]:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def mirrored(root: Path, files: Iterable[str]) -> list[str]:
    """The tests of these files, each once, the laws first."""
    found = dict.fromkeys(ALWAYS)
    for file in files:
        found.update(dict.fromkeys(test for test in _tests(PurePosixPath(file)) if (root / test).is_file()))
    return list(found)


def _tests(file: PurePosixPath) -> Iterator[str]:
    if file.parts[:2] == ("tests", "unit") and file.name.startswith("test_"):
        yield str(file)
    if file.parts[0] == "plugins":
        folder = PurePosixPath("tests", "unit", file.parent)
        yield str(folder / f"test_{file.stem}.py")
        yield str(folder / f"test_{file.stem.lstrip('_')}.py")
        # data: components/nginx.yml has its test beside the folder
        yield str(folder.parent / f"test_{file.parent.name}.py")


if __name__ == "__main__":
    sys.stdout.write("".join(f"{test}\n" for test in mirrored(ROOT, changed(ROOT))))
