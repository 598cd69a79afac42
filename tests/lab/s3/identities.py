# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each identity may do with a repository in a bucket, by the matrix of duties, given to it on a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.holdfast.config.plugins.plugin_utils.duties import matrix, s3_policies
from ansible_collections.holdfast.config.plugins.plugin_utils.duties.s3_policies import (
    DENIED,
    DENIED_ACLS,
    DENIED_ON_MINIO,
    HOLDS,
    LISTS,
    PUTS,
    READS,
)

from .server import OWNER, S3Server

__all__ = ["DENIED", "DENIED_ACLS", "DENIED_ON_MINIO", "HOLDS", "LISTS", "PUTS", "READS", "RIGHTS", "Rights", "admit"]


@dataclass(frozen=True)
class Rights:
    """What an identity may do beyond what all of them may: list and read.

    :param puts: below which names, by depth: a star takes slashes too, so names may be deeper, and not shallower.
    :param holds: on which names it sets and removes legal holds.
    """

    puts: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()


def _rights(identity: str) -> Rights:
    rights = matrix.load()
    return Rights(rights.names(identity, "put"), rights.names(identity, "hold"))


#: Everybody who has keys for jobs, or signs. An outsider has keys of the server and no right here; who owns the bucket
#: has no policy that binds him, as a server's root has none.
RIGHTS: Mapping[str, Rights] = {each: _rights(each) for each in matrix.IDENTITIES if each != OWNER}


def admit(server: S3Server, bucket: str, prefix: str) -> None:
    """Give every identity its rights there, and no more.

    What an operator puts is his own on Ceph RGW, so its owner needs a policy too, as everybody who reads it.
    """
    for identity in RIGHTS:
        server.grant(identity, *s3_policies.statements(identity, bucket=bucket, prefix=prefix, server=server.name))
    if server.name == "rgw":
        everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        server.grant(OWNER, {"Effect": "Allow", "Action": ["s3:*"], "Resource": everything})
