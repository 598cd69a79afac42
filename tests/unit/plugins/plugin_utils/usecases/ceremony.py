# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ceremony to experiment with: custodians with keys of their own, a folder of escrow keys, and a split of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import identities
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.folder import PrivateFolder
from ansible_collections.holdfast.config.plugins.plugin_utils.model.escrow import Custodian
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import age
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import escrow, escrow_open

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
NAMES = ("alice", "bob", "carol")


def make_folder(path: Path, *class_years: tuple[str, int, str]) -> Path:
    """An escrow folder, as a keyring makes it."""
    folder = PrivateFolder(path)
    identities.make_escrow(folder, "prod", beside="the others", elsewhere="elsewhere")
    identities.class_year_keys(folder, class_years or [("d0030", 2026, ""), ("d0090", 2026, "")])
    return path


@dataclasses.dataclass
class Ceremony:
    """Custodians, their secrets, and the folders of what they split."""

    path: Path
    secrets: dict[str, str]
    custodians: tuple[Custodian, ...]

    @classmethod
    def make(cls, path: Path, names: Sequence[str] = NAMES) -> Ceremony:
        pairs = {name: age.generate() for name in names}
        return cls(
            path,
            {name: secret for name, (secret, _public) in pairs.items()},
            tuple(Custodian(name, public) for name, (_secret, public) in pairs.items()),
        )

    def wanted(self, threshold: int = 2, names: Sequence[str] = NAMES) -> escrow.Wanted:
        return escrow.Wanted("prod", tuple(one for one in self.custodians if one.name in names), threshold)

    def split(self, name: str, folder: Path, **more: bool) -> escrow.Split:
        return escrow.split(self.path / name, self.wanted(), escrow.read_folders([folder]), now=NOW, **more)

    def share(self, split: str, custodian: str) -> Path:
        """The share of a custodian, decrypted by them, in a file."""
        data = (self.path / split / f"share-{custodian}.age").read_bytes()
        return self.write(f"{split}-{custodian}", age.decrypt(data, [self.secrets[custodian]]))

    def write(self, name: str, data: bytes) -> Path:
        file = self.path / name
        file.write_bytes(data)
        file.chmod(0o600)
        return file

    def open(self, split: str, *custodians: str) -> escrow_open.Opened:
        return escrow_open.open_set(self.path / split, [self.share(split, name) for name in custodians])
