# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Escrow of a repository whose keyring is in Vault: proved by the restorer, and once more when Vault is gone."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import escrow
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault
from ansible_collections.holdfast.config.tests.system.lab import NAME
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.ceremony import NOW, Ceremony

from .vault_lab import RUN, VaultLab, as_restorer


def test_escrow_is_proved_with_vault_and_without(made_in_vault: VaultLab, vault: Vault, tmp_path: Path) -> None:
    vault.write_policies(NAME)
    lab = made_in_vault.copy(tmp_path / "lab", hosts=1)
    ceremony = Ceremony.make(tmp_path)
    wanted = escrow.Wanted(NAME, ceremony.custodians, 2)
    escrow.split(tmp_path / "set", wanted, escrow.read_folders([lab.owner / "escrow"]), now=NOW)
    shares = [str(ceremony.share("set", name)) for name in ("alice", "bob")]
    prove = {"state": "proved", "path": str(tmp_path / "set"), "shares": shares}
    task = [{"name": "prove", "holdfast.config.escrow": prove}]
    lab.play(RUN).ok()

    as_restorer(lab)
    with vault.watched() as asked:
        proved = lab.play(task).ok().on("prove").result
    assert (proved["packs"], proved["failures"], proved["digests_compared"]) == (1, [], False)
    assert lab.record(proved["record"]).detail["result"] == "equal"
    # of Vault it takes the signature of the record, and the digest key that a restorer has no right to
    assert not [one.path for one in asked if "/decrypt/" in one.path]
    lab.sound()

    vault.kill()
    lab.ring |= {"retries": 0, "timeout": 2.0}
    alone = lab.play(task).ok().on("prove").result
    assert (alone["packs"], alone["failures"], alone["record"], alone["changed"]) == (1, [], "", False)
    assert any(warning.startswith("no record was put") for warning in alone["warnings"])
