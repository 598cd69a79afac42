# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/guide_fleet.md tells each of five people to do, done by each with their own rights alone."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from pathlib import Path

import yaml
from ansible_collections.holdfast.config.tests.lab.page import Home, Page
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault

DOCS = Path(__file__).parents[2] / "docs"


def test_five_people_do_what_the_page_says(minio: Minio, vault: Vault, tmp_path: Path) -> None:
    bucket = f"fleet-{secrets.token_hex(6)}"
    app, owner, restored = tmp_path / "app", tmp_path / "owner", tmp_path / "restored"
    page = Page(
        DOCS / "guide_fleet.md",
        {
            "name: prod": "name: fleet",
            "s3://backups/prod": f"s3://{bucket}/prod",
            "https://s3.example.com": minio.endpoint,
            "/etc/holdfast/s3-ca.pem": str(minio.ca_path),
            "https://vault.example.com:8200": vault.url,
            "/etc/holdfast/vault-ca.pem": str(vault.ca_path),
            "/root/holdfast-owner": str(owner),
            "ansible_become: true": f"ansible_connection: local\nansible_python_interpreter: {sys.executable}",
            "/etc/ssh": str(app),
            "/var/tmp/restored": str(restored),
            '"aws"': '"minio"',
            '"storage_encryption": "sse-s3"': '"storage_encryption": "sse-s3", "storage_abort_uploads_days": 0',
        },
    )
    environment = {name: os.environ[name] for name in ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH")}
    home = Home(tmp_path, [Path(sys.executable).parent], environment)
    home.write(page)
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"web1": {}, "web2": {}}}}))
    app.mkdir()
    (app / "app.conf").write_text("listen = 8080\n")
    variables = tmp_path / "group_vars" / "all.yml"

    def who(identity: str) -> dict[str, str]:
        keys = minio.keys[identity]
        return {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}

    # the policy of the guide: nothing else lets the administrator do it
    (policy,) = re.findall(
        r"```hcl\n# holdfast-administrator\.hcl\n(.*?)```", (DOCS / "guide_vault.md").read_text(), re.DOTALL
    )
    text = policy.replace("holdfast-prod-", "holdfast-fleet-")
    vault.call("PUT", "sys/policies/acl/administrator-fleet", {"policy": text})
    said = home.follow(page, "1. Vault", VAULT_TOKEN=vault.token("administrator-fleet"))
    role = vault.call("GET", "auth/approle/role/holdfast-fleet-operator/role-id")["data"]["role_id"]
    assert role in said
    with variables.open("a") as file:
        file.write(f"operator_role_id: {role}\n")

    home.follow(page, "2. Bucket and repository", VAULT_TOKEN=vault.token("holdfast-fleet-owner"), **who(OWNER))
    assert re.fullmatch("[0-9a-f]{64}", yaml.safe_load(variables.read_text())["holdfast_repository_id"])
    assert list((tmp_path / "policies" / "minio").glob("*.json"))
    admit(minio, bucket, "prod")
    shutil.move(owner, tmp_path / "offline")

    secret = vault.call("POST", "auth/approle/role/holdfast-fleet-operator/secret-id", {})["data"]["secret_id"]
    backed_up = home.follow(page, "3. The operator backs up", HASHI_VAULT_SECRET_ID=secret, **who("operator"))
    assert "2 stored" in backed_up
    home.follow(page, "4. The restorer restores", VAULT_TOKEN=vault.token("holdfast-fleet-restorer"), **who("restorer"))
    (found,) = restored.rglob("app.conf")
    assert found.read_text() == "listen = 8080\n"
    assert "no promise broken" in home.follow(page, "5. The auditor proves", **who("auditor"))
