# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quick tests are those of what was changed, committed or not, and of nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import quick

LIBRARY = "plugins/plugin_utils/capture"


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.read_text() if path.exists() else ''}x\n")


def git(root: Path, *words: str) -> None:
    identity = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), "a")
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, env={**os.environ, **identity})


def test_what_differs_from_main_has_its_tests_run(tmp_path: Path) -> None:
    tests = [f"tests/unit/{LIBRARY}/test_{name}.py" for name in ("one", "two", "components", "three")]
    put(tmp_path, *tests, *(f"{LIBRARY}/{name}.py" for name in ("one", "two", "untested")))
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "a")
    assert quick.mirrored(tmp_path, quick.changed(tmp_path)) == list(quick.ALWAYS)
    git(tmp_path, "checkout", "-qb", "work")
    put(tmp_path, f"{LIBRARY}/one.py", f"{LIBRARY}/untested.py", tests[3])
    git(tmp_path, "commit", "-qam", "b")
    put(tmp_path, f"{LIBRARY}/two.py", f"{LIBRARY}/components/new.yml")
    assert sorted(quick.mirrored(tmp_path, quick.changed(tmp_path))) == sorted([*quick.ALWAYS, *tests])


def test_without_a_main_what_is_not_committed_counts(tmp_path: Path) -> None:
    put(tmp_path, f"{LIBRARY}/one.py", f"tests/unit/{LIBRARY}/test_one.py")
    git(tmp_path, "init", "-q", "-b", "work")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "a")
    put(tmp_path, f"{LIBRARY}/one.py")
    assert quick.mirrored(tmp_path, quick.changed(tmp_path))[-1] == f"tests/unit/{LIBRARY}/test_one.py"
