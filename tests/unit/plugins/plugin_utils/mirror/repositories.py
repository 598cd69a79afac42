# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Git repositories to mirror to, and what is in them, asked of git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


def git(folder: Path, *args: str, data: str | None = None) -> str:
    """Run git as somebody else would, and return what it printed."""
    mine = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.net")
    done = subprocess.run(
        ["git", *mine, *args], cwd=folder, env=ENV, input=data, capture_output=True, text=True, check=True
    )
    return done.stdout


def bare(folder: Path, branch: str = "main") -> Path:
    """Make a repository without a work tree."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", f"--initial-branch={branch}")
    return folder


def files(folder: Path, commit: str = "main") -> dict[str, str]:
    """The files of a commit."""
    listed = git(folder, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")
    return {path: git(folder, "show", f"{commit}:{path}") for path in listed if path}


def log(folder: Path, form: str, branch: str = "main") -> list[str]:
    """Commits of a branch, the oldest first, as a format of git-log(1) shows them."""
    return git(folder, "log", "--reverse", f"--format={form}", branch).splitlines()


def everything(folder: Path) -> bytes:
    """Every object that a repository holds, also those that no branch names."""
    listed = git(folder, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)")
    kinds = (line.split() for line in listed.splitlines())
    return b"\n".join(
        subprocess.run(["git", "cat-file", kind, oid], cwd=folder, env=ENV, capture_output=True, check=True).stdout
        for oid, kind in kinds
    )
