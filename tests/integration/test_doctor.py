# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor on real servers: what identities may is as the matrix of duties says, and trying it leaves nothing."""

from __future__ import annotations

import collections
import dataclasses
import secrets
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, s3_policies
from ansible_collections.holdfast.config.tests.lab.s3.minio import Minio
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, S3Server
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault

from .stores import profiles, store_at
from .test_stolen_operator import OperatorHost, operator_at
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
    """A controller of the operator's, whose repository is on MinIO and whose keys are in Vault.

    Whole runs are few: that a sealed Vault is one error of its own is proven where each half of it is, by
    test_keyring_vault.py, and by the checkup's own tests.
    """

    lab: OperatorHost
    minio: Minio
    bucket: str

    def examined(self, *before: t.Any, **options: t.Any) -> tuple[dict[str, t.Any], str]:
        """What the doctor finds after some tasks, and what it prints."""
        examine = {"name": "Examine", "holdfast.config.doctor": {"display": True, **options}, "run_once": True}
        run = self.lab.play([*before, examine], env={"AWS_EC2_METADATA_DISABLED": "true"})
        return dict(run.on("Examine").result), run.output

    def left(self) -> list[str]:
        """What the bucket holds beside what one run puts: markers, unfinished puts, and names of no kind of object."""
        client = self.minio.client(OWNER)
        found = client.list_object_versions(Bucket=self.bucket)
        kinds = collections.Counter(one["Key"].split("/")[1] for one in found.get("Versions", []))
        begun = client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        more = kinds - collections.Counter(root=1, records=1, packs=1, manifests=1, bodies=1, points=1)
        return [*more, *(one["Key"] for one in [*begun, *found.get("DeleteMarkers", [])])]


@pytest.fixture(scope="module")
def site(
    made_in_vault: VaultLab, _vault: Vault, minio: Minio, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with operator_at(minio, tmp_path_factory.mktemp("doctor"), made_in_vault, _vault, hosts=1) as lab:
        yield Site(lab, minio, lab.place.partition("/")[0])


def of(result: dict[str, t.Any], name: str) -> list[str]:
    return [one["severity"] for one in result["checks"] if one["id"] == name]


def test_the_operator_has_the_rights_of_one_and_no_more(site: Site) -> None:
    result, _output = site.examined(*RUN, identity="operator")
    assert result["sound"], result["report"]
    allowed = {one.name for one in matrix.load().of("operator", "store") if one.right == "put"}
    assert {name for name, may in result["rights"].items() if may} == {*allowed, "digest", "sign_point"}
    for name in ("duty", "rights", "rights.delete", "keyring", "lock", "clock", "points"):
        assert of(result, name) == ["ok"], (name, result["report"])
    assert site.left() == []


def test_a_controller_with_the_owners_keys_can_delete_and_sees_how_the_bucket_differs(site: Site) -> None:
    keys, operators = site.minio.keys[OWNER], dict(site.lab.login)
    site.lab.login |= {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}
    try:
        result, output = site.examined(storage={"encryption": "sse-s3"})
    finally:
        site.lab.login.clear()
        site.lab.login.update(operators)
    assert of(result, "rights.delete") == ["error"]
    assert "this identity can delete versions" in output
    assert result["summary"].endswith("errors: rights.delete")
    for name in ("bucket.encryption", "bucket.lifecycle"):
        assert of(result, name) == ["warning"], result["report"]
