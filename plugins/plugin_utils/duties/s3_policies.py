# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as policies of S3, of users or roles, for one repository in a bucket.

What nobody may is denied beside what is allowed, whatever another policy grants: on Ceph RGW whoever has put an object
owns it, and whoever has made a bucket owns that. What each server needs beyond was found by trying:
docs/design/attacks_s3.md.
"""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..errors import PolicyError
from . import matrix

LISTS = ("ListBucketVersions", "GetBucketObjectLockConfiguration")
READS = ("GetObject", "GetObjectVersion", "GetObjectRetention", "GetObjectLegalHold")
PUTS = ("PutObject", "PutObjectRetention", "AbortMultipartUpload")
HOLDS = ("PutObjectLegalHold",)
#: Of an object made for it, to see that a lock refuses what a policy would allow.
PROVES = ("DeleteObject", "DeleteObjectVersion", "BypassGovernanceRetention")

#: What nobody may do with what is stored.
DENIED = (
    "DeleteObject",
    "DeleteObjectVersion",
    "BypassGovernanceRetention",
    "PutObjectTagging",
    "PutObjectVersionTagging",
    "DeleteObjectTagging",
    "DeleteObjectVersionTagging",
)
#: MinIO knows no ACLs, and takes no policy that speaks of them.
DENIED_ACLS = ("PutObjectAcl", "PutObjectVersionAcl")
#: MinIO lets every user make keys of his own, which outlive a change of his secret.
DENIED_ON_MINIO = ("admin:CreateServiceAccount", "admin:UpdateServiceAccount")

# short, since versitygw and AWS take no longer policy of a user than 2048 bytes; a star is for Get, Put and Delete
_MAKES = (
    "CreateBucket",
    "GetBucketLocation",
    "*BucketVersioning",
    "*BucketPolicy",
    "*BucketObjectLockConfiguration",
    "*LifecycleConfiguration",
    "*ReplicationConfiguration",
)
# servers take no policy that names what they have not
_MAKES_WHERE_KNOWN = (
    ("*EncryptionConfiguration", frozenset({"aws", "minio", "versitygw"})),
    ("*BucketLogging", frozenset({"aws", "rgw", "versitygw"})),
    ("*BucketPublicAccessBlock", frozenset({"aws", "rgw", "versitygw"})),
)
_NEVER_OF_BUCKET = ("DeleteBucket",)
# all folders of a repository: what is denied there leaves the owner his probe
_FOLDERS = ("packs/*", "manifests/*", "bodies/*", "points/*", "stamps/*", "records/*", "root/*")

#: How many bytes of a policy without spaces a server takes: versitygw of a user, AWS of a managed policy (IAM quotas).
MOST_BYTES: Mapping[str, int] = {"versitygw": 2048, "aws": 6144}

# headers of a put that give rights to others, which Ceph RGW takes from whoever may put; one "*" would deny all puts
_PUBLIC = ["public-*", "authenticated-*"]
_GRANTS = ("read", "read-acp", "write-acp", "full-control")

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# as that of a store may be: nothing that a policy takes for a pattern or a variable
_PREFIX = re.compile(r"[A-Za-z0-9_=~-][A-Za-z0-9._=~-]*(/[A-Za-z0-9_=~-][A-Za-z0-9._=~-]*)*")

Statement = dict[str, t.Any]


def document(identity: str, *, bucket: str, prefix: str, server: str) -> dict[str, t.Any]:
    """The policy of an identity for the repository at ``s3://<bucket>/<prefix>``.

    :param prefix: without slashes around it.
    :param server: one of :data:`.matrix.S3_SERVERS`.
    :raises PolicyError: there is no such identity or kind of server, or no such bucket or prefix can be.
    """
    return {
        "Version": "2012-10-17",
        "Statement": statements(identity, bucket=bucket, prefix=prefix, server=server),
    }


def too_long(policy: Mapping[str, t.Any], server: str) -> bool:
    """Whether a policy is longer than this kind of server takes."""
    return len(json.dumps(policy, separators=(",", ":"))) > MOST_BYTES.get(server, 1 << 20)


def statements(identity: str, *, bucket: str, prefix: str, server: str) -> list[Statement]:
    """The statements of :func:`document`."""
    matrix.require(identity)
    _require(bucket, prefix, server)
    place = _Place(bucket, prefix, server)
    rights = matrix.load()
    puts, holds = rights.names(identity, "put"), rights.names(identity, "hold")
    proves = rights.names(identity, "prove")
    done = {one.right for one in rights.of(identity, "store")}
    said = []
    if "list" in done:
        said.append(_statement("Allow", LISTS, place.bucket))
    if "read" in done:
        said.append(_statement("Allow", READS, place.objects))
    denied_below = place.below(_FOLDERS) if proves else place.objects
    said.append(_statement("Deny", DENIED + (() if server == "minio" else DENIED_ACLS), denied_below))
    # of what he has put himself
    said.append(_statement("Deny", HOLDS, place.below(("records/*",)) if holds else place.objects))
    if puts or proves:
        said.append(_statement("Allow", PUTS, place.below(puts + proves)))
    if holds:
        said.append(_statement("Allow", HOLDS, place.below(holds)))
    if proves:
        said.append(_statement("Allow", PROVES, place.below(proves)))
    if "bucket" in done:
        said += _of_bucket(rights, puts, place)
    elif server == "rgw":
        # there every user may make buckets
        said.append(_statement("Deny", ("CreateBucket",), ("arn:aws:s3:::*",)))
    return said + _of_server(place)


def _of_bucket(rights: matrix.Matrix, puts: Sequence[str], place: _Place) -> Iterator[Statement]:
    """What whoever makes the bucket may, and what he may not, though on Ceph RGW it is his."""
    known = tuple(action for action, servers in _MAKES_WHERE_KNOWN if place.server in servers)
    yield _statement("Allow", _MAKES + known, place.bucket)
    yield _statement("Deny", _NEVER_OF_BUCKET, place.bucket)
    if place.server == "rgw":
        others = (name for one in rights.operations if one.right == "put" for name in one.names)
        yield _statement("Deny", ("PutObject",), place.below([name for name in others if name not in puts]))


def _of_server(place: _Place) -> list[Statement]:
    """What closes a hole of one kind of server, and is not needed or not known on the others."""
    if place.server == "minio":
        tagged = {"StringLike": {"s3:RequestObjectTagKeys": "*"}}
        own_keys = {"Effect": "Deny", "Action": list(DENIED_ON_MINIO)}
        return [{**_statement("Deny", ("PutObject",), place.objects), "Condition": tagged}, own_keys]
    # without TLS some servers have no such key, so Bool alone says nothing
    plain = {"BoolIfExists": {"aws:SecureTransport": "false"}}
    secure = {**_statement("Deny", ("*",), place.bucket + place.objects), "Condition": plain}
    if place.server == "rgw":
        public = [{"s3:x-amz-acl": _PUBLIC}, *({f"s3:x-amz-grant-{grant}": "*"} for grant in _GRANTS)]
        return [
            *(
                {**_statement("Deny", ("PutObject",), place.objects), "Condition": {"StringLike": key}}
                for key in public
            ),
            secure,
        ]
    return [secure] if place.server == "aws" else []


class _Place:
    """A repository in a bucket, in the words of a policy."""

    def __init__(self, bucket: str, prefix: str, server: str) -> None:
        self.server = server
        self._arn = f"arn:aws:s3:::{bucket}"
        self._at = f"{self._arn}/{prefix}/"

    @property
    def bucket(self) -> list[str]:
        return [self._arn]

    @property
    def objects(self) -> list[str]:
        return self.below(("*",))

    def below(self, names: Sequence[str]) -> list[str]:
        return [f"{self._at}{name}" for name in names]


def _require(bucket: str, prefix: str, server: str) -> None:
    if server not in matrix.S3_SERVERS:
        raise PolicyError(
            "there is no such kind of server",
            item=repr(server)[:64],
            remedy=f"Name one of {', '.join(matrix.S3_SERVERS)}",
        )
    if not isinstance(bucket, str) or not _BUCKET.fullmatch(bucket):
        raise PolicyError(
            "this is no name of a bucket", item=repr(bucket)[:80], remedy="Give it as in s3://bucket/prefix"
        )
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise PolicyError(
            "this prefix cannot stand in a policy",
            item=repr(prefix)[:80],
            remedy="Give it as in s3://bucket/prefix: letters, digits and . _ = ~ - with single slashes between",
        )


def _statement(effect: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
    return {"Effect": effect, "Action": [f"s3:{action}" for action in actions], "Resource": list(resources)}
