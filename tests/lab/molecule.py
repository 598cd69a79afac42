# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Molecule scenarios that the tests run, since they need what a test starts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.holdfast.config.tests.system.lab import BIN, COLLECTIONS

_ROOT = Path(__file__).parents[2]


def run(scenario: str, home: str, **environment: str) -> None:
    """Run a scenario from its start to its end.

    :param home: a folder for all that is written, with a path short enough for a socket.
    :raises AssertionError: it failed; with all that it printed.
    """
    done = subprocess.run(
        [str(BIN / "molecule"), "test", "--scenario-name", scenario],
        cwd=_ROOT,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_CONFIG": str(_ROOT / "ansible.cfg"),
            "HOME": home,
            # its ephemeral folder is there
            "TMPDIR": home,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(COLLECTIONS),
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout
