# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix of duties on real servers: each identity tries each operation, and each cell is as the matrix says.

The tables are printed, with what each server answered.
"""

from __future__ import annotations

import secrets
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, s3_policies, vault_policies
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring
from ansible_collections.holdfast.config.plugins.plugin_utils.model.retention import RetentionClass
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import repository
from ansible_collections.holdfast.config.tests.lab.s3.server import OWNER, OWNER_BY_POLICY, S3Server
from ansible_collections.holdfast.config.tests.lab.vault.server import Vault, VaultRefusedError

from .duties_tries import (
    ALLOWED,
    MOUNT,
    PREFIX,
    REPOSITORY,
    WINDOW,
    Cells,
    differences,
    key,
    role,
    table,
    tried_s3,
    tried_vault,
)
from .stores import profiles, store_at


@pytest.fixture(scope="module")
def s3_cells(s3: S3Server) -> Iterator[Cells]:
    """Everything, tried once on each server; what was given is taken back, for who uses it next."""
    yield tried_s3(s3)
    for identity in matrix.IDENTITIES:
        s3.grant(OWNER_BY_POLICY if identity == OWNER else identity)


@pytest.fixture(scope="module")
def vault_cells(_vault: Vault) -> Cells:
    """Everything, tried once on Vault, in an engine of its own."""
    return tried_vault(_vault)


def shown(capsys: pytest.CaptureFixture[str], server: str, text: str) -> None:
    with capsys.disabled():
        print(f"\n{server}\n{text}")  # noqa: T201


def test_each_cell_on_each_store_is_as_the_matrix_says(
    s3: S3Server, s3_cells: Cells, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(capsys, s3.name, table(s3_cells, "store"))
    assert differences(s3_cells, s3.name, "store") == []


def test_each_cell_on_vault_is_as_the_matrix_says(vault_cells: Cells, capsys: pytest.CaptureFixture[str]) -> None:
    shown(capsys, "vault", table(vault_cells, "keyring"))
    assert differences(vault_cells, "vault", "keyring") == []


def test_a_cell_that_is_otherwise_would_be_seen(vault_cells: Cells) -> None:
    wrong = {**vault_cells, ("auditor", "unwrap"): ALLOWED, ("operator", "digest"): "refused 403"}
    del wrong["broker", "give_access"]
    assert differences(wrong, "vault", "keyring") == [
        "vault: operator: digest: refused 403, and not allowed",
        "vault: auditor: unwrap: allowed, and not refused",
        "vault: broker: give_access: not tried, and not allowed",
    ]


def test_the_owner_makes_a_repository_by_that_policy_alone(s3: S3Server, s3_cells: Cells, tmp_path: Path) -> None:
    """His bucket, the proof that the server holds locks, and the root; and an auditor opens what he has made."""
    bucket = f"lab-{secrets.token_hex(6)}"
    for identity, user in ((OWNER, OWNER_BY_POLICY), ("auditor", "auditor")):
        told = s3_policies.statements(identity, bucket=bucket, prefix=PREFIX, server=s3.name)
        s3.grant(user, *told)
    s3.client(OWNER_BY_POLICY).create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    with profiles(s3, tmp_path):
        place = f"{bucket}/{PREFIX}"
        made, changed = repository.create(
            store_at(s3, place, OWNER_BY_POLICY),
            LocalKeyring(tmp_path / "keyring"),
            name=REPOSITORY,
            classes={"d0030": RetentionClass("d0030", 30, "compliance")},
        )
        assert made is not None
        assert changed
        opened = repository.open_repository(store_at(s3, place, "auditor"), pin=made.id, name=REPOSITORY)
    assert opened.name == REPOSITORY


# what a policy of Vault holds besides


def test_a_token_that_the_broker_makes_is_the_restorers_and_ends_by_itself(vault: Vault, vault_cells: Cells) -> None:
    broker = vault.token(vault_policies.name("broker", REPOSITORY))
    with pytest.raises(VaultRefusedError) as refused:
        vault.call("POST", role(), {"ttl": "5m", "explicit_max_ttl": "5m"}, token=broker)
    assert refused.value.status == 403
    # more than the role has is cut
    made = vault.call("POST", role(), {**WINDOW, "explicit_max_ttl": "9h", "ttl": "9h"}, token=broker)["auth"]
    assert made["lease_duration"] <= 3600
    assert not made["renewable"]
    said = vault.call("GET", "auth/token/lookup-self", token=made["client_token"])["data"]
    assert set(said["policies"]) == {"default", vault_policies.name("restorer", REPOSITORY)}
    assert (said["meta"], said["orphan"]) == (WINDOW["meta"], True)
    vault.call("POST", "auth/token/revoke-accessor", {"accessor": made["accessor"]}, token=broker)
    assert vault.refuses("GET", "auth/token/lookup-self", token=made["client_token"])


@pytest.mark.parametrize("identity", [each for each in matrix.IDENTITIES if each != "approver"])
def test_no_policy_reaches_the_keys_of_another_repository(vault: Vault, vault_cells: Cells, identity: str) -> None:
    """Also where its name begins as the other's."""
    token = vault.token(vault_policies.name(identity, REPOSITORY))
    calls: tuple[tuple[str, str, dict[str, t.Any]], ...] = (
        ("GET", "keys/{}point", {}),
        ("POST", "sign/{}point", {"input": ""}),
        ("POST", "sign/{}record", {"input": ""}),
        ("POST", "decrypt/{}d0030-2026", {"ciphertext": "vault:v1:eA=="}),
        ("POST", "hmac/{}digest/sha2-256", {"input": ""}),
        ("POST", "keys/{}d0030-2027", {"type": "ed25519"}),
        ("POST", "keys/{}point/rotate", {}),
    )
    for method, path, body in calls:
        assert vault.refuses(method, f"{MOUNT}/{path.format(f'holdfast-{REPOSITORY}-eu--')}", body or None, token=token)
        assert vault.refuses(method, f"transit/{path.format(key(''))}", body or None, token=token)
