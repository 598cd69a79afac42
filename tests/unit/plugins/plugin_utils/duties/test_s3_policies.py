# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as policies of S3: what is in them, what is never, and what cannot stand in one."""

from __future__ import annotations

import fnmatch
import json
import typing as t

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, s3_policies
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError

PLACE: dict[str, t.Any] = {"bucket": "backups", "prefix": "of/prod"}
EVERY = [(identity, server) for identity in matrix.IDENTITIES for server in matrix.S3_SERVERS]
ARN = "arn:aws:s3:::backups"


def effects(identity: str, server: str, action: str, name: str | None) -> set[str]:
    """What a policy says of an action, on an object or on the bucket. A star takes slashes too.

    Conditions of denials are for puts with headers of certain kinds, and never met by a plain one.
    """
    resource = ARN if name is None else f"{ARN}/of/prod/{name}"
    return {
        statement["Effect"]
        for statement in s3_policies.statements(identity, server=server, **PLACE)
        if "Condition" not in statement
        and any(fnmatch.fnmatchcase(f"s3:{action}", pattern) for pattern in statement["Action"])
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in statement.get("Resource", ["*"]))
    }


def grants(identity: str, server: str, action: str, name: str | None) -> bool:
    """Whether a server that follows the documented rule does it."""
    return effects(identity, server, action, name) == {"Allow"}


@pytest.mark.parametrize(("identity", "server"), EVERY)
def test_puts_and_holds_are_those_of_the_matrix(identity: str, server: str) -> None:
    for one in matrix.load().operations:
        action = {"put": "PutObject", "prove": "PutObject", "hold": "PutObjectLegalHold"}.get(one.right, "")
        for name in one.names if one.place == "store" and action else ():
            granted = grants(identity, server, action, name.replace("*", "x"))
            assert granted == (identity in one.allowed), (one.name, name)


@pytest.mark.parametrize(("identity", "server"), EVERY)
def test_nothing_of_a_repository_is_deleted_bypassed_tagged_or_published(identity: str, server: str) -> None:
    for folder in ("packs/d0030/web1/tier1", "manifests/d0030/web1/tier1", "bodies/x", "points/x", "records/x", "root"):
        for action in s3_policies.DENIED + (() if server == "minio" else s3_policies.DENIED_ACLS):
            # in words, whatever else grants it: an owner of an object or a bucket needs no policy on some servers
            assert "Deny" in effects(identity, server, action, f"{folder}/x"), (action, folder)
    assert not grants(identity, server, "DeleteBucket", None)
    assert identity != "owner" or "Deny" in effects(identity, server, "DeleteBucket", None)


@pytest.mark.parametrize(("identity", "server"), EVERY)
def test_the_bucket_is_the_owners(identity: str, server: str) -> None:
    for action in ("CreateBucket", "PutLifecycleConfiguration", "PutBucketPolicy", "PutBucketObjectLockConfiguration"):
        assert grants(identity, server, action, None) == (identity == "owner"), action


def test_what_is_read_is_below_the_prefix_alone() -> None:
    for identity, server in EVERY:
        assert grants(identity, server, "GetObjectVersion", "packs/x")
        for statement in s3_policies.statements(identity, server=server, **PLACE):
            if statement["Effect"] == "Allow":
                assert all(one == ARN or one.startswith(f"{ARN}/of/prod/") for one in statement["Resource"])


def test_a_document_is_short_enough_for_a_user() -> None:
    """A user's own policy takes 2048 bytes on versitygw and on AWS."""
    for identity, server in EVERY:
        document = s3_policies.document(identity, server=server, **PLACE)
        text = json.dumps(document, separators=(",", ":"))
        assert len(text) <= (2048 if server in ("versitygw", "aws") else 4096), (identity, server)
        assert not s3_policies.too_long(document, server)


def test_what_each_server_is_told_beyond() -> None:
    text = {kind: json.dumps(s3_policies.document("operator", server=kind, **PLACE)) for kind in matrix.S3_SERVERS}
    assert "admin:CreateServiceAccount" in text["minio"]
    assert "Acl" not in text["minio"]
    assert "s3:x-amz-grant-write-acp" in text["rgw"]
    assert '"s3:CreateBucket"' in text["rgw"]
    assert "aws:SecureTransport" in text["aws"]
    assert "Condition" not in text["versitygw"]


@pytest.mark.parametrize(
    ("identity", "changed", "says"),
    [
        ("thief", {}, "no such identity"),
        ("operator", {"server": "ftp"}, "no such kind of server"),
        ("operator", {"bucket": "a"}, "no name of a bucket"),
        ("operator", {"bucket": "backups/*"}, "no name of a bucket"),
        ("operator", {"bucket": None}, "no name of a bucket"),
        ("operator", {"prefix": ""}, "cannot stand in a policy"),
        ("operator", {"prefix": "of/*"}, "cannot stand in a policy"),
        ("operator", {"prefix": "of/${aws:username}"}, "cannot stand in a policy"),
        ("operator", {"prefix": "/of"}, "cannot stand in a policy"),
        ("operator", {"prefix": "of/"}, "cannot stand in a policy"),
        ("operator", {"prefix": "of/../prod"}, "cannot stand in a policy"),
        ("operator", {"prefix": 'of"'}, "cannot stand in a policy"),
        ("operator", {"prefix": ["of"]}, "cannot stand in a policy"),
    ],
)
def test_what_cannot_be_is_refused(identity: str, changed: dict[str, t.Any], says: str) -> None:
    with pytest.raises(PolicyError, match=says) as caught:
        s3_policies.document(identity, **{**PLACE, "server": "minio", **changed})
    assert caught.value.remedy
