# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Vault on paper: what was written under a path is there, as the real one was seen to keep it.

That the real one does so is held by tests/integration/test_keyring_setup.py.
"""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_client import VaultClient
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_settings import VaultSettings
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.vault_setup import VaultSetup

from .fake_vault import Answer, fake_vault

REPOSITORY, MOUNT = "prod", "transit"
_MOUNTS = ("sys/mounts", "sys/auth", "sys/audit")


class PaperVault:
    """Two audit devices, and nothing mounted.

    :ivar kept: what is under each path, as it is read.
    :ivar written: the paths that were written, in order.
    :ivar deaf: paths that are written without an effect.
    :ivar refuses: paths that answer 400 when they are written.
    :ivar forbids: paths that nobody may look at.
    """

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, t.Any]] = {
            "sys/mounts": {},
            "sys/auth": {"token/": {"type": "token"}},
            "sys/audit": {"one/": {"type": "file", "options": {}}, "two/": {"type": "file", "options": {}}},
        }
        self.written: list[str] = []
        self.deaf: set[str] = set()
        self.refuses: set[str] = set()
        self.forbids: set[str] = set()

    def key(self, what: str, kind: str, **more: t.Any) -> None:
        """Make a key."""
        keys = {"1": {"public_key": f"{what} 1"}}
        settled = {"deletion_allowed": False, "auto_rotate_period": 0, "latest_version": 1}
        versions = {"min_decryption_version": 1, "min_encryption_version": 0}
        name = f"{MOUNT}/keys/holdfast-{REPOSITORY}--{what}"
        self.kept[name] = {"type": kind, "keys": keys, **settled, **versions, **more}

    def answer(self, method: str, path: str, body: t.Any) -> Answer:
        """Answer one call."""
        if path in self.forbids:
            return 403, {"errors": ["permission denied"]}
        if method == "LIST":
            names = [name.removeprefix(f"{path}/") for name in self.kept if name.startswith(f"{path}/")]
            return (200, {"data": {"keys": names}}) if names else (404, {"errors": []})
        if method == "GET":
            if path.endswith("/role-id"):
                return 200, {"data": {"role_id": "an id"}}
            return (200, {"data": self.kept[path]}) if path in self.kept else (404, {"errors": []})
        self.written.append(path)
        if path in self.refuses:
            return 400, {"errors": ["no"]}
        if path not in self.deaf:
            self._write(path, dict(body))
        return 204, b""

    def _write(self, path: str, body: dict[str, t.Any]) -> None:
        place, _slash, name = path.rpartition("/")
        if place in _MOUNTS:
            self.kept[place][f"{name}/"] = body
        elif path.endswith("/config"):
            numbers = {field: int(value) if isinstance(value, str) else value for field, value in body.items()}
            self.kept[place] |= numbers
        else:
            # of none it says null, and it leaves the mask of one address out
            self.kept[path] = {
                field: [str(one).removesuffix("/32") for one in value] or None if isinstance(value, list) else value
                for field, value in body.items()
            }


@contextlib.contextmanager
def paper_setup(vault: PaperVault) -> Iterator[VaultSetup]:
    """The repository's place in it, as its administrator sees it."""
    with fake_vault(vault.answer) as server:
        settings = VaultSettings.read({"url": server.url, "retries": 0}, {})
        client = VaultClient(settings, environ={"VAULT_TOKEN": "hvs.root"}, sleep=lambda _seconds: None)
        yield VaultSetup(client, repository=REPOSITORY, mount=MOUNT)
