# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The duties of a repository as a task's result, by what the inventory says of store and keyring."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.duties_results import rendered
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter.options import Options
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, s3_policies
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

S3 = {"name": "prod", "url": "s3://backups/of/prod", "keyring": {"path": "/etc/keys"}}
VAULT = {"name": "prod", "url": "file:///srv/x", "keyring": {"type": "vault", "engine_mount_point": "keys"}}


def of(repository: dict[str, t.Any], *, check: bool = False, **given: t.Any) -> dict[str, t.Any]:
    return rendered(Options({"repository": repository, **given}, {}.get, check=check), diff=True)


def test_a_bucket_has_policies_for_each_kind_of_server() -> None:
    found = of(S3)
    assert (found["changed"], found["files"], "diff" in found) == (False, [], False)
    assert [(one["server"], one["identity"]) for one in found["policies"]] == [
        (server, identity) for server in matrix.S3_SERVERS for identity in matrix.IDENTITIES
    ]
    one = found["policies"][0]
    place = {"bucket": "backups", "prefix": "of/prod", "server": "aws"}
    assert one["document"] == json.loads(one["text"]) == s3_policies.document("operator", **place)
    assert (one["name"], one["file"]) == ("holdfast-prod-operator", "aws/holdfast-prod-operator.json")
    assert found["awx"]["teams"][0]["organization"] == "Default"


def test_a_vault_has_one_for_each_identity_at_its_mount() -> None:
    found = of(VAULT)["policies"]
    assert [one["server"] for one in found] == ["vault"] * len(matrix.IDENTITIES)
    assert 'path "keys/sign/holdfast-prod--point"' in found[0]["text"]
    assert found[0]["file"] == "vault/holdfast-prod-operator.hcl"
    assert "document" not in found[0]


def test_what_is_asked_for_alone() -> None:
    both = {**VAULT, "url": S3["url"]}
    awx = {"organization": "Ops", "project": "p", "inventory": "i"}
    found = of(both, identities=["owner", "operator", "owner"], servers=["rgw"], awx=awx)
    assert [(one["server"], one["identity"]) for one in found["policies"]] == [
        ("rgw", "operator"),
        ("rgw", "owner"),
        ("vault", "operator"),
        ("vault", "owner"),
    ]
    assert {team["organization"] for team in found["awx"]["teams"]} == {"Ops"}


def test_a_policy_that_is_too_long_is_said() -> None:
    found = of({**S3, "url": f"s3://backups/{'a' * 60}/{'b' * 60}"}, identities=["custodian", "auditor"])
    (warning,) = found["warnings"]
    assert warning.startswith("versitygw/holdfast-prod-custodian.json: versitygw takes no policy of this length.")
    assert of(S3)["warnings"] == []


def test_what_takes_no_policies_is_said() -> None:
    with pytest.raises(PolicyError, match="nothing that takes policies"):
        of({**S3, "url": "file:///srv/x"})


@pytest.mark.parametrize(
    ("repository", "given", "says"),
    [
        ({**VAULT, "name": "prod--eu"}, {}, "cannot be called so"),
        (S3, {"dest": "policies"}, "is not absolute"),
        ({**S3, "name": None}, {}, "is not set"),
    ],
)
def test_what_cannot_be_is_refused(repository: dict[str, t.Any], given: dict[str, t.Any], says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        of(repository, **given)


def test_a_folder_is_filled_once(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    checked = of(S3, check=True, dest=str(folder), servers=["minio"])
    assert checked["changed"]
    assert not folder.exists()
    made = of(S3, dest=str(folder), servers=["minio"])
    assert (made["diff"], made["files"]) == (checked["diff"], checked["files"])
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json")) == made["files"]
    assert json.loads((folder / "awx.json").read_text()) == made["awx"]
    again = of(S3, dest=str(folder), servers=["minio"])
    assert (again["changed"], "diff" in again) == (False, False)
