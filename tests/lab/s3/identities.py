# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each identity may do with a repository in a bucket, as docs/guide_storage.md tells it, and as policies."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from .server import OWNER, S3Server

READS = ("GetObject", "GetObjectVersion", "GetObjectRetention", "GetObjectLegalHold")
LISTS = ("ListBucketVersions", "GetBucketObjectLockConfiguration")
PUTS = ("PutObject", "PutObjectRetention", "AbortMultipartUpload")
HOLDS = ("PutObjectLegalHold",)

# What nobody who runs jobs may do, whatever else a server grants him: on Ceph RGW whoever puts an object owns it.
DENIED = (
    "DeleteObject",
    "DeleteObjectVersion",
    "BypassGovernanceRetention",
    "PutObjectTagging",
    "PutObjectVersionTagging",
    "DeleteObjectTagging",
    "DeleteObjectVersionTagging",
)
# MinIO knows no ACLs, and takes no policy that speaks of them
DENIED_ACLS = ("PutObjectAcl", "PutObjectVersionAcl")
# MinIO lets every user make keys of his own, which outlive a change of his secret
DENIED_ON_MINIO = ("admin:CreateServiceAccount", "admin:UpdateServiceAccount")

# headers of a put that give rights to others, which Ceph RGW takes from whoever may put; one "*" would deny all puts
_PUBLIC = ["public-*", "authenticated-*"]
_GRANTS = ("read", "read-acp", "write-acp", "full-control")


@dataclass(frozen=True)
class Rights:
    """What an identity may do beyond what all of them may: list and read.

    :param puts: below which names, by depth: a star takes slashes too, so names may be deeper, and not shallower.
    :param holds: on which names it sets and removes legal holds.
    """

    puts: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()


#: Everybody who has keys for jobs, or signs. An outsider has keys of the server and no right here.
RIGHTS: Mapping[str, Rights] = {
    "operator": Rights(("packs/*/*/*/*", "manifests/*/*/*/*", "bodies/*/*", "points/*/*", "stamps/*/*")),
    "restorer": Rights(("records/restore/*/*",)),
    "auditor": Rights(),
    "custodian": Rights(
        (
            "records/request/*/*",
            "records/approval/*/*",
            "records/retired/*/*",
            "records/hold-release/*/*",
            "records/hold/*/*",
        ),
        holds=("packs/*", "manifests/*", "bodies/*", "points/*", "stamps/*"),
    ),
}


def statements(identity: str, bucket: str, prefix: str, *, kind: str) -> list[dict[str, t.Any]]:
    """The statements of this identity's policy for the repository at ``s3://<bucket>/<prefix>``.

    :param kind: of the server, by its name.
    """
    rights = RIGHTS[identity]
    of_bucket, of_objects = [f"arn:aws:s3:::{bucket}"], [f"arn:aws:s3:::{bucket}/{prefix}/*"]
    denied = DENIED + (() if kind == "minio" else DENIED_ACLS)
    said = [
        _statement("Allow", LISTS, of_bucket),
        _statement("Allow", READS, of_objects),
        _statement("Deny", denied, of_objects),
        # of what he has put himself
        _statement("Deny", HOLDS, _below(bucket, prefix, ("records/*",)) if rights.holds else of_objects),
    ]
    if rights.puts:
        said.append(_statement("Allow", PUTS, _below(bucket, prefix, rights.puts)))
    if rights.holds:
        said.append(_statement("Allow", HOLDS, _below(bucket, prefix, rights.holds)))
    said += _of_server(kind, of_bucket, of_objects)
    return said


def _of_server(kind: str, of_bucket: list[str], of_objects: list[str]) -> list[dict[str, t.Any]]:
    """What closes a hole of one kind of server, and is not needed or not known on the others."""
    if kind == "minio":
        tagged = {"StringLike": {"s3:RequestObjectTagKeys": "*"}}
        own_keys = {"Effect": "Deny", "Action": list(DENIED_ON_MINIO)}
        return [{**_statement("Deny", ("PutObject",), of_objects), "Condition": tagged}, own_keys]
    if kind == "rgw":
        public = [{"s3:x-amz-acl": _PUBLIC}, *({f"s3:x-amz-grant-{grant}": "*"} for grant in _GRANTS)]
        # without TLS it has no such key, so Bool alone says nothing
        plain = {"BoolIfExists": {"aws:SecureTransport": "false"}}
        return [
            *({**_statement("Deny", ("PutObject",), of_objects), "Condition": {"StringLike": key}} for key in public),
            {**_statement("Deny", ("*",), of_bucket + of_objects), "Condition": plain},
        ]
    return []


def admit(server: S3Server, bucket: str, prefix: str) -> None:
    """Give every identity its rights there, and no more.

    What an operator puts is his own on Ceph RGW, so its owner needs a policy too, as everybody who reads it.
    """
    for identity in RIGHTS:
        server.grant(identity, *statements(identity, bucket, prefix, kind=server.name))
    if server.name == "rgw":
        everything = _statement("Allow", ("*",), [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"])
        server.grant(OWNER, everything)


def _below(bucket: str, prefix: str, names: tuple[str, ...]) -> list[str]:
    return [f"arn:aws:s3:::{bucket}/{prefix}/{each}" for each in names]


def _statement(effect: str, actions: tuple[str, ...], resources: list[str]) -> dict[str, t.Any]:
    return {"Effect": effect, "Action": [f"s3:{action}" for action in actions], "Resource": resources}
