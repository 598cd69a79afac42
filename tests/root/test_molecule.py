# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Molecule scenarios that take root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.system.lab import BIN, COLLECTIONS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home() -> Iterator[str]:
    """A folder for all that is written, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        yield folder


def test_the_role_backs_up_a_whole_host(home: str) -> None:
    nspawn.require()
    done = subprocess.run(
        [str(BIN / "molecule"), "test", "--scenario-name", "backup_root"],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "HOME": home,
            # its ephemeral folder is there
            "TMPDIR": home,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(COLLECTIONS),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout
