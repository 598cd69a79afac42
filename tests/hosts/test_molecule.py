# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Molecule scenario whose hosts are reached by SSH."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab import molecule, sshd


def test_the_role_backs_up_hosts_over_ssh() -> None:
    for name in ("rsync", "setfacl", "setfattr"):
        sshd.tool(name)
    with (
        tempfile.TemporaryDirectory(prefix="hf-") as home,
        sshd.sshds(Path(home) / "ssh", {name: sshd.Host() for name in ("web1", "web2")}) as hosts,
    ):
        known = Path(home) / "hosts.json"
        known.write_text(json.dumps({name: host.variables() for name, host in hosts.items()}))
        molecule.run("backup_sshd", home, HOLDFAST_LAB_HOSTS=str(known))
