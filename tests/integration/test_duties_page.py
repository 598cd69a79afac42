# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What docs/guide_duties.md tells to type, typed as it stands there: by the programs of MinIO, Amazon and Vault."""

from __future__ import annotations

import functools
import os
import secrets
import sys
from pathlib import Path

import botocore.exceptions
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.duties.matrix import IDENTITIES
from ansible_collections.holdfast.config.tests.lab import aws
from ansible_collections.holdfast.config.tests.lab.go_build import MC, build
from ansible_collections.holdfast.config.tests.lab.page import Home, Page, Told
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.rgw import Rgw
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, Keys, S3Server, client
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault

GUIDE = Path(__file__).parents[2] / "docs" / "guide_duties.md"
# what `aws` says; of a server that gives no words with it no more than that
REFUSED = {
    "minio": "(AccessDenied) when calling the DeleteObject",
    "rgw": "argument of type 'NoneType' is not iterable",
}
KEY = "transit/keys/holdfast-prod--d0090-2026"


def refusal(server: S3Server, keys: Keys, bucket: str) -> str:
    """Why a server does not let somebody list what a repository has; empty where it does."""
    try:
        client("s3", server.endpoint, keys, server.ca_path).list_object_versions(Bucket=bucket, Prefix="prod/")
    except botocore.exceptions.ClientError as e:
        return str(e.response["Error"]["Code"])
    return ""


def refused(server: S3Server, keys: Keys, bucket: str) -> bool:
    """Whether a server has logged that it did not let somebody delete that."""
    asked = [one for one in server.accesses() if one.who == keys.access and f"/{bucket}/prod/points/x" in one.target]
    return [one.status for one in asked] == [403]


def test_rights_are_given_and_what_is_not_is_refused(minio: Minio, rgw: Rgw, vault: Vault, tmp_path: Path) -> None:
    bucket = f"duties-{secrets.token_hex(6)}"
    operator = Keys("prod-operator", secrets.token_hex(20))
    minio.admin.add_user(operator)
    rgw.add_user("prod-operator", operator)
    for server in (minio, rgw):
        server.make_bucket(name=bucket)
        server.client(OWNER).put_object(Bucket=bucket, Key="prod/points/x", Body=b"a point")
        assert refusal(server, operator, bucket) == "AccessDenied"
    vault.call("POST", KEY, {"type": "rsa-3072"})

    told = Told(Page(GUIDE, {"--bucket backups": f"--bucket {bucket}", "VAULT_TOKEN=…": 'VAULT_TOKEN="$OPERATOR"'}))
    owner = minio.keys[OWNER]
    programs = [vault.programs, build(MC).parent, Path(sys.executable).parent, aws.programs()]
    home = Home(
        tmp_path,
        programs,
        {
            **{name: os.environ[name] for name in ("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH")},
            **vault.environment,
            "AWS_ACCESS_KEY_ID": rgw.administrator.access,
            "AWS_CA_BUNDLE": str(rgw.ca_path),
            "AWS_DEFAULT_REGION": rgw.region,
            "AWS_ENDPOINT_URL": rgw.endpoint,
            "AWS_SECRET_ACCESS_KEY": rgw.administrator.secret,
            "MC_HOST_prod": minio.endpoint.replace("://", f"://{owner.access}:{owner.secret}@"),
            "SSL_CERT_FILE": str(minio.ca_path),
        },
    )
    home.write(Page(GUIDE, {"servers: [minio]": "servers: [minio, rgw]"}))
    keyring = {"type": "vault", "url": vault.url, "ca_cert": str(vault.ca_path)}
    repository = {"name": "prod", "url": f"s3://{bucket}/prod", "endpoint_url": minio.endpoint, "keyring": keyring}
    inventory = {"all": {"hosts": {"web1": {}}, "vars": {"holdfast_repository": repository}}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    home.run("ansible-playbook", "-i", "inventory.yml", "duties.yml")

    home.give(told.take("# MinIO"))
    for server in (minio, rgw):
        assert refusal(server, operator, bucket) == "", server.name
    home.give(told.take("for file in policies/vault"), VAULT_TOKEN=vault.generate_root())
    for identity in IDENTITIES:
        name = f"holdfast-prod-{identity}"
        written = vault.call("GET", f"sys/policies/acl/{name}")["data"]["policy"]
        assert written == (tmp_path / "policies" / "vault" / f"{name}.hcl").read_text()

    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[prod-operator]\naws_access_key_id = {operator.access}\naws_secret_access_key = {operator.secret}\n"
    )
    tries = told.take("aws --profile prod-operator")
    token = vault.token("holdfast-prod-operator")
    for server in (minio, rgw):
        block = tries.replace("https://s3.example.com", server.endpoint)
        _code, said = home.attempt("bash", "-c", block, OPERATOR=token)
        assert REFUSED[server.name] in said
        assert "permission denied" in said
        wait_for(functools.partial(refused, server, operator, bucket), f"the refusal in the log of {server.name}")
        versions = server.client(OWNER).list_object_versions(Bucket=bucket)
        assert [one["Key"] for one in versions["Versions"]] == ["prod/points/x"]
        assert not versions.get("DeleteMarkers")
    assert not vault.call("GET", KEY)["data"]["deletion_allowed"]
    # what tells how policies are rendered is given in tests/system/test_page_commands.py
    assert [text.split()[:4] for text in told.left] == [["ansible-playbook", "-i", "inventory.yml", "duties.yml"]]
