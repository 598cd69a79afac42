# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import connect

PACKAGE = "ansible_collections.holdfast.config.plugins.plugin_utils"


def test_connect_to_a_local_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert repr(connect("local", path="~/keys")) == f"LocalKeyring('{tmp_path}/keys')"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kind", "path"), [("gcpkms", "keys"), ("", "keys"), ("local", None), ("local", "")])
def test_what_cannot_be_connected_to(kind: str, path: str | None) -> None:
    with pytest.raises(PolicyError) as caught:
        connect(kind, path=path)
    assert "local" in str(caught.value)
    assert caught.value.remedy


def test_connect_to_a_keyring_in_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.com")
    more: dict[str, t.Any] = {"repository": "prod", "vault": {"engine_mount_point": "team/transit/"}}
    assert repr(connect("vault", path=None, **more)) == "VaultKeyring('prod', 'team/transit')"
    monkeypatch.delenv("VAULT_ADDR")
    with pytest.raises(PolicyError, match=r"keyring\.url"):
        connect("vault", path=None, **more)


def test_connect_to_a_keyring_in_kms() -> None:
    more: dict[str, t.Any] = {"repository": "prod", "awskms": {"region": "eu-central-1"}}
    assert repr(connect("awskms", path=None, **more)) == "AwsKmsKeyring('prod')"
    with pytest.raises(PolicyError, match="is not encrypted") as caught:
        connect("awskms", path=None, repository="prod", awskms={"endpoint_url": "http://kms.example.com"})
    assert caught.value.item == "holdfast_repository.keyring.endpoint_url"


def test_everything_imports_where_the_libraries_are_missing() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pyrage', 'zstandard', 'cryptography'])); "
        f"import {PACKAGE}.keyring, {PACKAGE}.seal.zstd, {PACKAGE}.seal.tar; "
        f"from {PACKAGE}.errors import DependencyMissingError\n"
        f"try: {PACKAGE}.keyring.sign.generate()\n"
        "except DependencyMissingError as e: print(e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Install cryptography" in done.stdout
