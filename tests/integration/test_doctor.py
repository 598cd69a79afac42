# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor on real servers: what identities may is as the matrix of duties says, and trying it leaves nothing."""

from __future__ import annotations

import dataclasses
import io
import secrets
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, s3_policies
from ansible_collections.holdfast.config.tests.lab.s3.identities import admit
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault
from ansible_collections.holdfast.config.tests.system.lab import NAME

from .stores import profiles, store_at
from .test_stolen_operator import DAYS, OperatorHost
from .vault_lab import RUN, VaultLab

PREFIX = "of/doctor"
TRIED = ("operator", "restorer", "auditor")
PLACE = "packs/d0030/doctor/doctor/doctor"


def puts(identity: str) -> dict[str, bool]:
    """What the matrix says of each name that somebody puts."""
    rows = [one for one in matrix.load().operations if one.right == "put"]
    return {name.replace("*", "doctor"): identity in one.allowed for one in rows for name in one.names}


def test_each_identity_finds_its_own_rights_and_leaves_nothing(s3: S3Server, tmp_path: Path) -> None:
    bucket = s3.make_bucket(name=f"lab-{secrets.token_hex(6)}")
    for identity in TRIED:
        s3.grant(identity, *s3_policies.statements(identity, bucket=bucket, prefix=PREFIX, server=s3.name))
    with profiles(s3, tmp_path):
        for identity in TRIED:
            store = store_at(s3, f"{bucket}/{PREFIX}", identity)
            assert {name: store.may_put(name) for name in puts(identity)} == puts(identity), identity
            assert store.may_delete(PLACE) is False, identity
        owner = store_at(s3, f"{bucket}/{PREFIX}", OWNER)
        assert (owner.may_put(PLACE), owner.may_delete(PLACE)) == (True, True)
    left = s3.client(OWNER).list_object_versions(Bucket=bucket)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")
    assert not s3.client(OWNER).list_multipart_uploads(Bucket=bucket).get("Uploads")
    for identity in TRIED:
        s3.grant(identity)


@dataclasses.dataclass(frozen=True)
class Site:
    """A controller of the operator's, whose repository is on MinIO and whose keys are in Vault."""

    lab: OperatorHost
    minio: Minio
    bucket: str

    def examined(self, *args: str) -> tuple[dict[str, t.Any], str]:
        """What the playbook finds, and what it prints."""
        run = self.lab.play("holdfast.config.doctor", *args, env={"AWS_EC2_METADATA_DISABLED": "true"})
        return dict(run.on("Examine").result), run.output

    def left(self) -> int:
        """How many versions and markers the bucket holds."""
        found = self.minio.client(OWNER).list_object_versions(Bucket=self.bucket)
        return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))


@pytest.fixture(scope="module")
def site(
    made_in_vault: VaultLab, _vault: Vault, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    _vault.write_policies(NAME)
    path = tmp_path_factory.mktemp("doctor")
    pin = made_in_vault.variables["holdfast_repository_id"]
    lab = OperatorHost(path / "lab", _vault, made_in_vault.owner, hosts=1, pin=pin)
    lab.by_approle("operator")
    bucket = minio.make_bucket()
    with profiles(minio, path):
        source, target = made_in_vault.store(), store_at(minio, f"{bucket}/lab")
        for one in source.list("root/"):
            data = source.get(one.name, version=one.version)
            target.put_new(one.name, io.BytesIO(data), lock_until=target.clock() + DAYS)
        admit(minio, bucket, "lab")
        lab.put_into(minio, f"{bucket}/lab")
        lab.play(RUN, env={"AWS_EC2_METADATA_DISABLED": "true"}).ok()
        yield Site(lab, minio, bucket)


def of(result: dict[str, t.Any], name: str) -> list[str]:
    return [one["severity"] for one in result["checks"] if one["id"] == name]


def test_the_operator_has_the_rights_of_one_and_no_more(site: Site) -> None:
    before = site.left()
    result, _output = site.examined("-e", "doctor_identity=operator")
    assert result["sound"], result["report"]
    allowed = {one.name for one in matrix.load().of("operator", "store") if one.right == "put"}
    assert {name for name, may in result["rights"].items() if may} == {*allowed, "digest", "sign_point"}
    for name in ("duty", "rights", "rights.delete", "keyring", "lock", "clock", "points"):
        assert of(result, name) == ["ok"], (name, result["report"])
    assert site.left() == before


def test_a_controller_with_the_owners_keys_can_delete_and_sees_how_the_bucket_differs(site: Site) -> None:
    keys, operators = site.minio.keys[OWNER], dict(site.lab.login)
    site.lab.login |= {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}
    try:
        result, output = site.examined("-e", '{"doctor_storage": {"encryption": "sse-s3"}}')
    finally:
        site.lab.login.clear()
        site.lab.login.update(operators)
    assert of(result, "rights.delete") == ["error"]
    assert "this identity can delete versions" in output
    assert result["summary"].endswith("errors: rights.delete")
    for name in ("bucket.encryption", "bucket.lifecycle"):
        assert of(result, name) == ["warning"], result["report"]


def test_a_vault_that_is_sealed_is_one_error_and_the_rest_is_looked_at(site: Site, vault: Vault) -> None:
    vault.seal()
    result, _output = site.examined()
    wrong = [one["id"] for one in result["checks"] if one["severity"] == "error"]
    assert wrong == ["keyring"]
    assert "sealed" in next(one["what"] for one in result["checks"] if one["id"] == "keyring")
    assert of(result, "rights.delete") == ["ok"]
