# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What a bucket should be."""

    DOCUMENTATION = r"""
options:
  storage:
    description:
      - What the bucket of an C(s3://) repository should be. It is made where it is missing. Versions and object lock
        are always asked for; V({}) asks for these and for the lifecycle rules alone. What is left out stays as it is.
      - Each setting is read back. What is asked for and not held fails the task by name, before a root is put.
      - C(docs/guide_storage.md) says what each server holds.
    type: dict
    suboptions:
      encryption:
        description: At rest, by the server. V(none) leaves it as it is; packs are encrypted before they get there.
        type: str
        choices: [none, sse-s3, sse-kms]
        default: none
      kms_key_id:
        description: Id or ARN of the key of V(sse-kms). Without it the server's own.
        type: str
      public_access_block:
        description: What keeps objects from the public, whatever their ACLs and the bucket's policy say.
        type: dict
        suboptions:
          block_public_acls:
            description: Refuse puts with a public ACL. Ceph RGW 16.2 refuses every put then; set it to V(false) there.
            type: bool
            default: true
          ignore_public_acls:
            description: Public ACLs allow nothing.
            type: bool
            default: true
          block_public_policy:
            description: Refuse a bucket policy that is public.
            type: bool
            default: true
          restrict_public_buckets:
            description: A public bucket policy allows nothing to the public.
            type: bool
            default: true
      tls_only:
        description:
          - Deny, by the bucket's policy, what comes without TLS. V(false) takes that statement away. Statements of
            others stay as they are.
        type: bool
      vpc_endpoints:
        description:
          - Deny access to objects but by these endpoints (C(aws:SourceVpce)). With O(storage.source_networks), by
            either. An empty list of both takes the statement away.
          - Whoever sets this must come from there too. Else it is put back, and the task fails.
        type: list
        elements: str
      source_networks:
        description: Deny access to objects but from these networks (C(aws:SourceIp)). As O(storage.vpc_endpoints).
        type: list
        elements: str
      allowed_networks:
        description:
          - Networks in which every address of the endpoint must be. Judged by the controller's DNS before anything is
            sent, each time that this task runs; it sets nothing.
        type: list
        elements: str
        default: []
      lifecycle:
        description:
          - Have the server let go of what neither lock nor grace keeps, by rules for each retention class. Rules of
            others stay as they are; one that would let go of objects of this repository is refused.
        type: bool
        default: true
      abort_uploads_days:
        description: After how many days the server gives up an unfinished upload. V(0) sets no rule for it.
        type: int
        default: 7
      archive:
        description:
          - Retention class to C({storage_class, days}), where its packs go so many days after they were put, 90 at
            least and before their lock ends. Manifests, bodies and points never do, so that points can be opened and
            verified.
        type: dict
        default: {}
      logging:
        description: Where the server writes its access log.
        type: dict
        suboptions:
          bucket:
            description: Another bucket.
            type: str
            required: true
          prefix:
            description: What its objects' names begin with.
            type: str
            default: ""
      replication:
        description:
          - Where the server copies what is put here. Delete markers are not copied. The other bucket needs versions and
            object lock of its own. Not with V(sse-kms).
        type: dict
        suboptions:
          role:
            description: ARN of the role that copies. MinIO takes none.
            type: str
          destination:
            description: ARN of the other bucket.
            type: str
            required: true
"""
