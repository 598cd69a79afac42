# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Molecule scenario whose hosts are reached by SSH."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import sshd
from ansible_collections.holdfast.config.tests.system.lab import BIN, COLLECTIONS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home() -> Iterator[str]:
    """A folder for all that is written, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        yield folder


def test_the_role_backs_up_hosts_over_ssh(home: str) -> None:
    for name in ("rsync", "setfacl", "setfattr"):
        sshd.tool(name)
    with sshd.sshds(Path(home) / "ssh", {name: sshd.Host() for name in ("web1", "web2")}) as hosts:
        known = Path(home) / "hosts.json"
        known.write_text(json.dumps({name: host.variables() for name, host in hosts.items()}))
        done = subprocess.run(
            [str(BIN / "molecule"), "test", "--scenario-name", "backup_sshd"],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "HOLDFAST_LAB_HOSTS": str(known),
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
