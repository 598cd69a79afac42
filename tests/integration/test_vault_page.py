# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/guide_vault.md tells to type, typed as it stands there, with Vault's own command line.

What it says how to do by hand is done first: of all that the role then has nothing left to do.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import DEFAULT_CLASSES
from ansible_collections.holdfast.config.tests.lab.page import Home, Page, Told
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault
from ansible_collections.holdfast.config.tests.lab.vault.server import vault as vault_in

GUIDE = Path(__file__).parents[2] / "docs" / "guide_vault.md"


@pytest.fixture
def bare_vault(tmp_path: Path) -> Iterator[Vault]:
    """A Vault of this test's own, without audit, engines and policies."""
    with vault_in(tmp_path / "servers", bare=True) as running:
        yield running


def settings(said: str) -> dict[str, str]:
    """What the role shows of each setting, the last time."""
    shown = re.findall(r": (audit held, [\w ,]+)", said)[-1]
    return dict(one.rsplit(" ", 1) for one in shown.split(", "))


def test_what_the_page_says_is_typed(bare_vault: Vault, minio: Minio, tmp_path: Path) -> None:
    vault, bucket = bare_vault, minio.make_bucket()
    admit(minio, bucket, "prod")
    app, owner = tmp_path / "app", tmp_path / "owner"
    page = Page(
        GUIDE,
        {
            "s3://backups/prod": f"s3://{bucket}/prod\n  endpoint_url: {minio.endpoint}",
            '"url": "s3://backups/prod"': f'"url": "s3://{bucket}/prod", "endpoint_url": "{minio.endpoint}"',
            "https://vault.example.com:8200": vault.url,
            "/etc/holdfast/vault-ca.pem": str(vault.ca_path),
            "/var/log/vault/audit.log": str(vault.audit_log),
            "/dev/shm/holdfast-owner": str(owner),
        },
    )
    told = Told(page)
    environment = {name: os.environ[name] for name in ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH")}
    more = {"AWS_CA_BUNDLE": str(minio.ca_path), "AWS_EC2_METADATA_DISABLED": "true", **vault.environment}
    home = Home(tmp_path, [vault.programs, Path(sys.executable).parent], {**environment, **more})
    home.write(page)
    for policy in tmp_path.glob("*.hcl"):
        # what it is called is not in it
        policy.write_text(policy.read_text().partition("\n")[2])
    variables_of_all = tmp_path / "group_vars" / "all.yml"
    inventory = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "holdfast_components": [{"name": "app", "paths": [str(app)]}],
        "holdfast_journal_dir": str(tmp_path / "journal"),
    }
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"web1": {}}, "vars": inventory}}))
    known = variables_of_all.read_text()
    variables_of_all.write_text("".join(line for line in known.splitlines(keepends=True) if "role_id:" not in line))
    app.mkdir()
    (app / "app.conf").write_text("listen = 8080\n")

    def who(identity: str) -> dict[str, str]:
        keys = minio.keys[identity]
        return {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}

    root = vault.generate_root()
    home.give(told.take("vault audit enable"), VAULT_TOKEN=root)
    by_role = told.take("export VAULT_TOKEN=$(vault token create -orphan -policy=holdfast-administrator")
    by_hand = (
        f"{by_role.splitlines()[0]}\n{told.take('vault secrets enable')}{told.take('vault policy write holdfast')}"
    )
    role_id = home.give(by_hand, VAULT_TOKEN=root).splitlines()[-1]
    said = home.give(by_role, VAULT_TOKEN=root)
    assert "policy auditor differs" in said
    made = settings(said)
    assert made.pop("keys to make") == "missing"
    assert {name: state for name, state in made.items() if state != "held"} == {
        "policy auditor": "changed",
        "policy broker": "changed",
        "policy custodian": "changed",
        "access restorer": "changed",
    }
    # all of that with what the page lets the administrator do
    written = [one for one in vault.asked() if one.who == "token" and one.operation in ("create", "update")]
    assert {one.policies for one in written if "sys/" in one.path} == {("default", "holdfast-administrator")}

    make = told.take("export VAULT_TOKEN=$(vault token create -orphan -policy=holdfast-prod-owner")
    said = home.give(make, VAULT_TOKEN=root, **who(OWNER))
    keys = vault.call("LIST", "transit/keys")["data"]["keys"]
    for retention_class in DEFAULT_CLASSES:
        assert len([key for key in keys if key.startswith(f"holdfast-prod--{retention_class}-")]) == 11
    assert (owner / "escrow" / "identities.txt").exists()
    assert (owner / "keyring.json").exists()

    (pin,) = re.findall(r'"repository_id": "(\w{64})"', said)
    variables_of_all.write_text(f"{known.replace('7c0e6c2e-…', role_id)}holdfast_repository_id: {pin}\n")
    secret_id = home.give(told.take("vault write -force"), VAULT_TOKEN=root).strip()
    operator = {"HASHI_VAULT_SECRET_ID": secret_id, **who("operator")}
    home.run("ansible-playbook", "-i", "inventory.yml", "holdfast.config.backup", **operator)
    (app / "app.conf").write_text("listen = 9090\n")
    back = told.take("export VAULT_TOKEN=$(vault token create -orphan -policy=holdfast-prod-restorer")
    home.give(back, VAULT_TOKEN=root, **who("restorer"))
    assert (app / "app.conf").read_text() == "listen = 8080\n"
    assert ("update", "holdfast-prod-restorer") in {
        (one.operation, policy) for one in vault.asked() if "/decrypt/" in one.path for policy in one.policies
    }
    told.end()
