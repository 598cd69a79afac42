# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Where the repository and its keyring are."""

    DOCUMENTATION = r"""
options:
  repository:
    description:
      - Where backups are kept. Without it the variable C(holdfast_repository) holds.
    type: dict
    suboptions:
      name:
        description: The repository's name, as its root has it. It is never renamed.
        type: str
        required: true
      url:
        description:
          - C(file:///absolute/path), or C(s3://bucket/prefix) for a bucket with object lock.
          - A repository on S3 needs the Python library C(botocore) on the controller, which comes with C(boto3).
            Credentials are taken from where botocore looks for them, E(AWS_ACCESS_KEY_ID) and so on,
            O(repository.profile), or a role of the machine; never from the inventory.
        type: str
        required: true
      endpoint_url:
        description:
          - The S3 server, C(https://host) or C(https://host:port). Without it AWS; endpoints that the AWS configuration
            names are not used.
          - Plain C(http://) is taken for loopback alone.
        type: str
      region:
        description: The region of the bucket. Without it that of the profile or E(AWS_REGION).
        type: str
      profile:
        description: A profile of the controller's AWS configuration. Without it E(AWS_PROFILE).
        type: str
      aws_ca_bundle:
        description:
          - PEM file of the CAs that are trusted for the server. Without it E(AWS_CA_BUNDLE), or the usual ones.
        type: path
      aws_config:
        description:
          - Settings of botocore, C(connect_timeout) (10) and C(read_timeout) (60) in seconds, C(proxies),
            C(use_dualstack_endpoint), C(use_fips_endpoint); and C(addressing_style), V(path), V(virtual) or V(auto).
          - Without C(proxies) the environment holds, E(HTTPS_PROXY) and E(NO_PROXY).
        type: dict
      assume_role_arn:
        description:
          - A role to assume with the credentials found. The name of its session holds run and change.
        type: str
      external_id:
        description: What the role's owner demands of whoever assumes it.
        type: str
      sts_endpoint_url:
        description: Where roles are assumed. Without it O(repository.endpoint_url), and AWS where that is not set.
        type: str
      replicas:
        description:
          - Other sites of this repository, each a place of its own with credentials of its own. Name, pin, root and
            keyring are those of the repository. See the guide C(docs/guide_replicas.md).
        type: list
        elements: dict
        suboptions:
          name:
            description: What people call it, and what O(read_from) names.
            type: str
            required: true
          url:
            description: Where it is, as O(repository.url).
            type: str
            required: true
          copied_by:
            description:
              - V(collection) where M(holdfast.config.replicate), and a run that waits, copy objects there; V(server)
                where the servers do that by themselves.
            type: str
            choices: [collection, server]
            default: collection
          wait:
            description:
              - Whether a recovery point counts as sealed only once it is there too, with all that it names.
              - Where it is not, the task that seals fails. The point stays sealed in the repository, and the next run
                or M(holdfast.config.replicate) brings it there.
            type: bool
            default: false
          required:
            description: Whether a task fails where O(repository.replicas[].wait) is not met; otherwise it warns.
            type: bool
            default: true
          wait_timeout:
            description: How long servers that copy by themselves are waited for, in seconds.
            type: float
            default: 600.0
          endpoint_url:
            description: As O(repository.endpoint_url).
            type: str
          region:
            description: As O(repository.region).
            type: str
          profile:
            description:
              - As O(repository.profile). Name one, or a role, so that no key of one site can do anything at the other.
            type: str
          aws_ca_bundle:
            description: As O(repository.aws_ca_bundle).
            type: path
          aws_config:
            description: As O(repository.aws_config).
            type: dict
          assume_role_arn:
            description: As O(repository.assume_role_arn).
            type: str
          external_id:
            description: As O(repository.external_id).
            type: str
          sts_endpoint_url:
            description: As O(repository.sts_endpoint_url).
            type: str
      keyring:
        description: Who seals, signs and opens. Verification without keys needs none.
        type: dict
        suboptions:
          type:
            description: V(local) keeps keys in files, in halves that live in different places.
            type: str
            choices: [local]
            default: local
          path:
            description: The folder that holds C(seal/) where backups run and C(open/) where restores run.
            type: path
      timestamp:
        description:
          - A time-stamp authority (RFC 3161) whose word on the time of each recovery point is kept beside it, and is
            verified offline. It needs the Python library C(rfc3161-client) on the controller.
        type: dict
        suboptions:
          url:
            description: Where it answers, C(http://) or C(https://), without a password.
            type: str
            required: true
          certificates:
            description: PEM file of the root certificates that are trusted for it, and of intermediates.
            type: path
            required: true
          required:
            description: Whether nothing is sealed without its word. Else a point without one is sealed, with a warning.
            type: bool
            default: false
          timeout:
            description: How long to wait for it, in seconds.
            type: float
            default: 10.0
          ca_path:
            description: PEM file of the CAs of an C(https://) URL, instead of the system's.
            type: path
  repository_id:
    description:
      - "The pin: the SHA-256 of a root link of the repository, as M(holdfast.config.repository) prints it. Without it
        the variable C(holdfast_repository_id) holds. Nothing but that module runs without a pin."
    type: str
  read_from:
    description:
      - The replica to read at instead of the repository, by its name in O(repository.replicas). Without it the variable
        C(holdfast_read_from) holds.
      - For M(holdfast.config.restore), M(holdfast.config.compare), M(holdfast.config.verify), and lists and checks of
        M(holdfast.config.record). Other tasks write, and refuse it.
      - The record of a restore is put to the repository where that answers, else to the replica, with a warning.
    type: str
  state_dir:
    description:
      - The folder of run folders on the controller. Without it the variable C(holdfast_state_dir), then the
        environment variable E(HOLDFAST_STATE_DIR), then C($XDG_STATE_HOME/holdfast).
    type: path
"""
