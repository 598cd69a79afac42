# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: access
short_description: Give the restorer's rights for an approved window, and end them
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Makes a token of HashiCorp Vault or OpenBao with the restorer's policy, and keys of the restorer's role in the
    store, which end by themselves with the window that people have signed for with the operation V(access) of
    M(holdfast.config.record). So no restorer has a standing login.
  - They are written to files of the controller that its user alone may read, and stand in no result. A restore in the
    window uses them; the server's logs name the ticket at each call.
  - This is the broker's task. Its login to Vault can make such tokens by one role, and has none of their rights. Vault
    knows no records. Who holds that login can make such tokens without this module, as long as the role allows. See the
    guide C(docs/guide_access.md).
  - It puts a record of what was given or ended, which nobody signs.
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
  state:
    description:
      - V(present) verifies that the record of O(request) counts and that its window is now, and gives the rights for
        what is left of it. It changes nothing where the files are there and the token has not ended.
      - V(absent) ends the token before its time, and removes the files. Keys for the store cannot be ended. Within the
        window V(present) gives it again. Where C(access.json) is lost or damaged it removes the others all the same,
        and warns that it could end nothing.
      - V(listed) names who had access and has it now, as far as records tell; the newest 200. It needs no keyring.
    type: str
    choices: [present, absent, listed]
    default: present
  request:
    description:
      - The id of the request that people have signed, or its first 12 digits or more. Needed for O(state=present).
    type: str
  path:
    description:
      - A folder of the controller for the files, which others may not write to. It is made where it is not there. Best
        in memory, such as C(/dev/shm/restore). Needed for O(state=present) and O(state=absent).
    type: path
  sts:
    description:
      - How keys for the store are asked for, with the S3 settings of O(repository). Without it none are given, and the
        restore needs a login to the store of its own.
    type: dict
    suboptions:
      assume_role_arn:
        description: The restorer's role.
        type: str
        required: true
      external_id:
        description: As O(repository.external_id).
        type: str
      sts_endpoint_url:
        description: As O(repository.sts_endpoint_url).
        type: str
      profile:
        description:
          - The profile with whose keys the role is assumed. Without it that of O(repository).
          - MinIO gives a session the rights of these keys, whatever the role; there they are the restorer's own.
        type: str
      max_seconds:
        description:
          - For how many seconds the role may be assumed at most, 900 to 43200. Where the window is longer, run this
            again, and other keys are given.
          - No server gives keys for less than 900 seconds. Where less is left of the window none are given, with a
            warning.
        type: int
        default: 3600
seealso:
  - module: holdfast.config.record
  - module: holdfast.config.restore
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Ask people for a window
  holdfast.config.record:
    state: requested
    operation: access
    from: "2026-11-28T20:00:00Z"
    until: "2026-11-28T23:00:00Z"
    host: web1
    requester: carol@example.com
    reason: Restore web1 after the failed upgrade
    ticket: CHG0031337
    to_sign: access-web1
  register: asked

- name: Give the rights, once enough have signed and the record is there
  holdfast.config.access:
    request: "{{ asked.request }}"
    path: /dev/shm/restore
    sts:
      assume_role_arn: arn:aws:iam::123456789012:role/holdfast-prod-restorer
  register: given

- name: End them
  holdfast.config.access:
    state: absent
    path: /dev/shm/restore

- name: See who has them
  holdfast.config.access:
    state: listed
  register: known
"""

RETURN = r"""
access:
  description: The digest of the record that people have signed.
  returned: with O(state=present)
  type: str
  sample: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
subject:
  description: Whose rights, from when and until when, and for which host, where the request names one.
  returned: with O(state=present)
  type: dict
  sample: {identity: restorer, from: "2026-11-28T20:00:00Z", until: "2026-11-28T23:00:00Z", host: web1}
ticket:
  description: What the servers' logs name.
  returned: with O(state=present)
  type: str
  sample: CHG0031337
parts:
  description: What was given or ended, or would be in check mode, of V(token) and V(store).
  returned: success, and not O(state=listed)
  type: list
  elements: str
  sample: [token, store]
token_until:
  description: When the token ends by itself, or empty.
  returned: success, and not O(state=listed)
  type: str
  sample: "2026-11-28T22:59:58Z"
store_until:
  description: When the keys for the store end by themselves, or empty.
  returned: success, and not O(state=listed)
  type: str
  sample: "2026-11-28T21:04:05Z"
record:
  description: The digest of the record that says what was given or ended; empty where none was needed.
  returned: success, and not O(state=listed)
  type: str
  sample: 0b1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
environment:
  description: The variables with which a restore uses the files; none of them is a secret.
  returned: success, and not O(state=listed)
  type: dict
  sample: {HASHI_VAULT_TOKEN_PATH: /dev/shm/restore, HASHI_VAULT_TOKEN_FILE: token}
next_steps:
  description: What to do now, with the commands.
  returned: success, and not O(state=listed)
  type: list
  elements: str
  sample: []
accesses:
  description: Windows that enough people have signed for, the newest first.
  returned: with O(state=listed)
  type: list
  elements: dict
  sample:
    - access: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
      subject: {identity: restorer, from: "2026-11-28T20:00:00Z", until: "2026-11-28T23:00:00Z", host: web1}
      ticket: CHG0031337
      requester: carol@example.com
      signed_by: [alice@example.com, bob@example.com]
      open: true
      given:
        - ticket: CHG0031337
          accessor_sha256: 5d41f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abc
          until: "2026-11-28T22:59:58Z"
          store_until: ""
          ended: false
          now: true
without_record:
  description: What was given for no record that counts. Find out who did that.
  returned: with O(state=listed)
  type: list
  elements: dict
  sample: []
not_believed:
  description: Objects that count as not there, each with the reason.
  returned: with O(state=listed)
  type: list
  elements: dict
  contains:
    name:
      description: The object.
      type: str
      sample: records/access/2026-11/20261128T190000Z-0a1b.json
    reason:
      description: Why it is not believed.
      type: str
      sample: lacks 1 more person
not_read:
  description: How many older records were left out.
  returned: with O(state=listed)
  type: int
  sample: 0
"""
