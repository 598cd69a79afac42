# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Molecule scenarios that take root."""

from __future__ import annotations

import tempfile

import pytest
from ansible_collections.holdfast.config.tests.lab import molecule, nspawn


@pytest.mark.parametrize("scenario", ["backup_root", "restore_root"])
def test_the_roles_back_up_and_restore_a_whole_host(scenario: str) -> None:
    nspawn.require()
    with tempfile.TemporaryDirectory(prefix="hf-") as home:
        molecule.run(scenario, home)
