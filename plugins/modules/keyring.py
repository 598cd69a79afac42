# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: keyring
short_description: Make a Vault ready to hold a repository's keys, and name what has drifted
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Mounts Transit, writes the policy of each identity, and makes the ways in by which they log in, each with its policy
    and no other. Run again it names what has drifted and sets it back; check mode names it and changes nothing.
  - Vault must have an audit device that writes no secret down; with one alone the task warns.
  - Everything is read before anything is changed, and what is written is read back. Where something cannot become what
    is declared, the task fails by name.
  - Keys are looked at, those of every retention class ten years ahead. M(holdfast.config.repository) makes them, as the
    repository's owner, and rotates them by the root chain. With O(repository_id) they are held against the root. What
    somebody has set on one in Vault is set back, but for what Vault never takes back.
  - It makes no secret ids, passwords or tokens, so that no result has one.
  - This is the task of Vault's administrator. Run it by hand, with a token that ends with the day, and never in a job.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.change
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  administrator:
    description:
      - How the administrator logs in to Vault. Where it is, and where Transit is to be mounted, says
        O(repository.keyring); how it logs in says that for jobs, and is not used here.
      - Without it the token in E(VAULT_TOKEN), or the one that C(vault login) left.
      - Each option is that of the same name in O(repository.keyring).
    type: dict
    suboptions:
      auth_method:
        description: How to log in.
        type: str
        default: token
      mount_point:
        description: Where the auth method is mounted.
        type: str
      role_id:
        description: The role id or the role's name.
        type: str
      username:
        description: Who logs in.
        type: str
      token_path:
        description: The folder of the token's file.
        type: path
      token_file:
        description: The name of the token's file.
        type: str
      secret_id_file:
        description: A file with the secret id.
        type: path
      password_file:
        description: A file with the password.
        type: path
      jwt_file:
        description: A file with the JWT.
        type: path
      cert_auth_public_key:
        description: PEM file of the certificate.
        type: path
      cert_auth_private_key:
        description: PEM file of its private key.
        type: path
  logins:
    description:
      - The ways in, one for each identity, named C(holdfast-<repository>-<identity>). Without it the operator's alone,
        by AppRole. Others do their part by hand, with a token that ends with the day.
      - One that is there and no longer declared is named and stays.
    type: list
    elements: dict
    suboptions:
      identity:
        description:
          - Who logs in. With V(broker) declared nobody needs a standing way in as V(restorer).
        type: str
        required: true
        choices: [operator, restorer, auditor, broker]
      auth_method:
        description:
          - V(jwt) must be mounted and configured already, since whose JWTs Vault believes is for you to say. Others are
            mounted where they are missing.
          - A user of V(userpass) must have been given a password. Until then it is named as missing.
        type: str
        choices: [approle, jwt, cert, userpass]
        default: approle
      mount_point:
        description: Where the auth method is mounted. Without it the method's name.
        type: str
      token_ttl:
        description: How long a login lasts before it is renewed, as V(20m), V(24h), V(90d) or seconds.
        type: str
        default: 20m
      token_max_ttl:
        description: How long it lasts at most. A run that is longer logs in again.
        type: str
        default: 24h
      token_bound_cidrs:
        description: Networks from which a login may be used. Without it any.
        type: list
        elements: str
      secret_id_ttl:
        description: Of V(approle), how long a secret id lasts. Without it for ever.
        type: str
      secret_id_num_uses:
        description: Of V(approle), how often a secret id lets somebody in. Without it, or with V(0), always.
        type: int
      secret_id_bound_cidrs:
        description: Of V(approle), networks from which a secret id may be used. Without it any.
        type: list
        elements: str
      bound_audiences:
        description: Of V(jwt), audiences of which a JWT must have one. One of the three of these is needed.
        type: list
        elements: str
      bound_subject:
        description: Of V(jwt), whose it must be.
        type: str
      bound_claims:
        description: Of V(jwt), claims that it must have, with their values.
        type: dict
      user_claim:
        description: Of V(jwt), the claim that names who it is in the audit log. Without it C(sub).
        type: str
      certificate:
        description: Of V(cert), a PEM file of the controller with the CA's certificate, or the client's own.
        type: path
      allowed_common_names:
        description: Of V(cert), patterns of which the common name must match one. Without it any.
        type: list
        elements: str
  access_max_ttl:
    description:
      - For how long at most the broker may give out the restorer's rights, as V(24h). A token role of the restorer's
        name makes such tokens, orphans that cannot be renewed and have no other policy.
    type: str
    default: 24h
  access_bound_cidrs:
    description: Networks from which such a token may be used; empty for any.
    type: list
    elements: str
    default: []
  classes:
    description:
      - Retention classes over the built-in ones, name to C({days, mode}), of which there should be keys. Without it the
        variable C(holdfast_classes) holds.
    type: dict
seealso:
  - module: holdfast.config.repository
notes:
  - Runs on the controller, whatever the connection of the host.
  - Only a keyring of the type V(vault) has something to set up.
"""

EXAMPLES = r"""
- name: Set up a Vault for the repository, and let the operator in by AppRole
  holdfast.config.keyring:
    logins:
      - identity: operator
        token_bound_cidrs: [10.20.0.0/24]
        secret_id_ttl: 90d
      - identity: broker
        auth_method: jwt
        bound_audiences: [vault]
        bound_subject: awx
  register: vault

- name: Look for drift
  holdfast.config.keyring:
  check_mode: true
  register: drift

- name: Show what to do next
  ansible.builtin.debug:
    msg: "{{ vault.owner_steps + vault.next_steps }}"
"""

RETURN = r"""
repository:
  description: The repository's name.
  returned: success
  type: str
  sample: prod
location:
  description: The Vault, and where Transit is mounted.
  returned: success
  type: str
  sample: https://vault.example.com:8200 transit
settings:
  description: >-
    How each setting stands: V(held), V(changed), V(differs) (check mode; it would be changed), V(missing) and
    V(undeclared) (for somebody else to see to), V(not compared), V(not kept) and V(refused) (the task fails). A failed
    task has them too.
  returned: always
  type: list
  elements: dict
  sample:
    - setting: policy operator
      state: changed
      why: policy is not as declared
      remedy: Find out who changed it
logins:
  description: What each identity logs in with, to put into its inventory. None of it is secret.
  returned: success
  type: list
  elements: dict
  sample:
    - identity: operator
      auth_method: approle
      mount_point: approle
      role_id: 7c0e6c2e-5a1b-4d3f-8a3e-1f2f3a4b5c6d
owner_steps:
  description: What the owner does, with the commands, where keys are not made yet.
  returned: success
  type: list
  elements: str
  sample: []
next_steps:
  description: What is left for others to do, with the commands.
  returned: success
  type: list
  elements: str
  sample: []
"""
