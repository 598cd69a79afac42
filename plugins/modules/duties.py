# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: duties
short_description: Render who may what as policies for the store, for Vault and for AWX
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Says for each identity of a repository what it may do, from the one matrix that this collection is tested with, as
    policies that S3 servers and Vault take, and as definitions that the modules of C(awx.awx) take.
  - It asks no server, needs no key and applies nothing. The store's administrator and Vault's give the policies to the
    users and roles there.
  - For Vault M(holdfast.config.keyring) does that too.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Of files in O(dest). Policies hold no secret.
  idempotent:
    support: full
options:
  identities:
    description:
      - Render these identities. Without it all.
    type: list
    elements: str
    choices: [operator, restorer, auditor, approver, custodian, owner, broker]
  servers:
    description:
      - Render for these kinds of S3 servers, which differ in what they know and in what has to be denied. Without it
        all. V(aws) was not tried on AWS.
    type: list
    elements: str
    choices: [aws, minio, rgw, versitygw]
  dest:
    description:
      - Write the policies into this folder on the controller, each to a file that its owner alone reads, as
        C(<server>/<name>.json), C(vault/<name>.hcl) and C(awx.json). What else is there stays. Without it nothing is
        written.
    type: path
  awx:
    description:
      - What AWX calls the place where the definitions go.
    type: dict
    suboptions:
      organization:
        description: The organization.
        type: str
        default: Default
      project:
        description: The project whose playbooks are called after the jobs, each an import of the collection's.
        type: str
        default: holdfast
      inventory:
        description: The inventory.
        type: str
        default: holdfast
seealso:
  - module: holdfast.config.repository
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Write policies for a bucket of MinIO and for Vault
  holdfast.config.duties:
    servers: [minio]
    dest: /srv/policies

- name: Look at what the operator may
  holdfast.config.duties:
    identities: [operator]
  register: rendered

- name: Show it
  ansible.builtin.debug:
    msg: "{{ rendered.policies | map(attribute='text') }}"

- name: Have teams in AWX
  awx.awx.team: "{{ item }}"
  loop: "{{ rendered.awx.teams }}"
"""

RETURN = r"""
policies:
  description: A policy for each identity and each kind of server. Those of S3 are there where the store is one.
  returned: success
  type: list
  elements: dict
  contains:
    identity:
      description: Whose it is.
      type: str
      sample: operator
    server:
      description: What it is for, a kind of S3 server or C(vault).
      type: str
      sample: minio
    name:
      description: What to call it there.
      type: str
      sample: holdfast-prod-operator
    file:
      description: Its file below O(dest).
      type: str
      sample: minio/holdfast-prod-operator.json
    text:
      description: The policy, JSON for S3 and HCL for Vault.
      type: str
      sample: 'path "transit/sign/holdfast-prod--point" { capabilities = ["update"] }'
    document:
      description: That of S3 as a structure. Not there for Vault.
      type: dict
      sample: {Version: "2012-10-17", Statement: []}
awx:
  description: >-
    Lists of what modules of C(awx.awx) take, C(credential_types), C(credentials) without what is in them, C(teams),
    C(job_templates), C(workflow_job_templates) and C(roles); and C(apart), pairs of teams that must share no member.
  returned: success
  type: dict
  sample: {teams: [{name: holdfast-prod-operator, organization: Default}]}
files:
  description: The files below O(dest), written now or before.
  returned: success
  type: list
  elements: str
  sample: [awx.json, minio/holdfast-prod-operator.json]
report:
  description: The matrix as lines of text.
  returned: success
  type: list
  elements: str
  sample: [in the store  operator  restorer]
"""
