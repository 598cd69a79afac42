# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every keyring promises, on a real Vault: three identities with the policies of docs/guide_vault.md."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import Keyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import ClassYearKey
from ansible_collections.holdfast.config.tests.lab.vault.server import PARTS, Vault
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.conformance import (
    REPOSITORY,
    DestructionConformance,
    Halves,
    KeyringConformance,
)

from .keyrings import keyring_at


class TestVaultKeyring(KeyringConformance, DestructionConformance):
    _mounts: Iterator[int]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _counted(cls) -> None:
        cls._mounts = itertools.count()

    @pytest.fixture
    def halves(self, vault: Vault, tmp_path: Path) -> Halves:
        mount = f"conformance/{next(self._mounts)}"
        vault.mount(mount)
        vault.write_policies(REPOSITORY, mount)

        def of(*parts: str) -> str:
            return vault.token(*(f"{REPOSITORY}-{part}" for part in parts))

        # whoever made the keys may try them, as one who has both halves of a local keyring may
        owner = keyring_at(vault, of(*PARTS), repository=REPOSITORY, mount=mount, path=tmp_path / "owner")
        return Halves(
            owner,
            lambda: keyring_at(vault, of("operator"), repository=REPOSITORY, mount=mount, path=tmp_path / "operator"),
            lambda: keyring_at(vault, of("restorer"), repository=REPOSITORY, mount=mount, path=tmp_path / "restorer"),
            tmp_path / "owner" / "escrow",
        )

    @pytest.fixture
    def destroyer(self, vault: Vault, halves: Halves, tmp_path: Path) -> Callable[[], Keyring]:
        """By the token of a quorum, which it gives back."""
        mount = repr(halves.owner).rsplit("'", 2)[1]
        token = vault.generate_root()
        return lambda: keyring_at(vault, token, repository=REPOSITORY, mount=mount, path=tmp_path / "custodian")

    @staticmethod
    def absent(key: ClassYearKey) -> ClassYearKey:
        return dataclasses.replace(key, year=1999)
