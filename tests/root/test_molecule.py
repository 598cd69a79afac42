# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Molecule scenarios that take root."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.lab import molecule, nspawn
from ansible_collections.holdfast.config.tests.lab.frr import Routers


@pytest.mark.parametrize("scenario", ["backup_root", "restore_root"])
def test_the_roles_back_up_and_restore_a_whole_host(scenario: str) -> None:
    nspawn.require()
    with tempfile.TemporaryDirectory(prefix="hf-") as home:
        molecule.run(scenario, home)


def test_the_roles_back_up_and_restore_routers(tmp_path: Path) -> None:
    with Routers(4, tmp_path) as routers, tempfile.TemporaryDirectory(prefix="hf-") as home:
        routers.converge()
        known = Path(home) / "routers.json"
        key = {"ansible_ssh_private_key_file": str(routers.place.user_key)}
        known.write_text(json.dumps({name: {**router.variables(), **key} for name, router in routers.items()}))
        molecule.run("restore_devices", home, HOLDFAST_LAB_ROUTERS=str(known))
