# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: repository
short_description: Make a repository for configuration backups, or change its root
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Makes the repository's keys and its root, the signed object that names it, its keys and its retention classes; or
    finds that they are there. Keys that exist are kept, so that an interrupted run can be run again.
  - Escrow keys are made here too, in C(escrow/) of the keyring's path, unless C(recipients.txt) is there, of keys that
    were made offline (M(holdfast.config.escrow)). Then it takes these, and fails where one is missing.
  - In a repository that the inventory pins it brings the root to what is declared. A root is never edited. The next
    link of its chain is asked for, signed by people with their SSH keys (M(holdfast.config.record)), and put when this
    is run again and enough of them have signed.
  - With O(storage) it makes the bucket of an C(s3://) repository ready before anything is put there, and brings it back
    to what is declared whenever it has drifted. Check mode shows drift and changes nothing.
  - The server of an C(s3://) repository must prove, whenever this runs, that it holds locks. The proof leaves an object
    below C(.probe/) that is locked for two minutes.
  - With O(state=pruned) it removes from a C(file://) store what has expired, which other stores do by themselves.
  - This is the owner's task. Run it by hand, and never in a job.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.storage
  - holdfast.config.change
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: With O(rotate) each link that was put lets the next run ask for another one.
options:
  classes:
    description:
      - Retention classes over the built-in ones, name to C({days, mode}). Without it the variable C(holdfast_classes)
        holds.
    type: dict
  people:
    description:
      - Those who sign later root links and records with OpenSSH keys. Without it the variable C(holdfast_people) holds,
        and without that the people of the newest root stay.
      - A repository that is made without people can never be changed.
    type: list
    elements: dict
    suboptions:
      name:
        description: Who it is, like V(alice@example.com).
        type: str
        required: true
      roles:
        description: What they may be asked for.
        type: list
        elements: str
        default: []
      key:
        description: The line of their C(.pub) file.
        type: str
        required: true
      valid_from:
        description: From when their signatures count, as a day or a moment in UTC.
        type: str
      valid_until:
        description: Until when.
        type: str
        required: true
  quorum:
    description:
      - How many people, and of which roles, an operation takes. Operation to C({required, roles, presence}), where
        C(presence) is V(any), V(touch) (a FIDO2 key that was touched) or V(pin) (and its user verified). Without it the
        variable C(holdfast_quorum) holds, and without that the quorum of the newest root stays.
      - The operations are V(root) (a later root link), V(retired) (a host's streams are kept no longer) and
        V(hold-release) (a legal hold ends).
      - Who asks for something never counts among those who sign it.
    type: dict
  rotate:
    description:
      - Uses of which the next root link gets a new key. V(wrap) and V(escrow) mean those of this year and all later
        ones.
      - A new digest key is no drift. Keys that were there stay named until they are removed.
    type: list
    elements: str
    choices: [point, record, digest, wrap, escrow]
    default: []
  remove:
    description:
      - Ids of signing and digest keys that the next root link no longer names. What a removed key signed counts only
        for the recovery points that the link lists, and for those before them.
    type: list
    elements: str
    default: []
  requester:
    description: Who asks people to sign. Without it the requester of the change.
    type: str
  reason:
    description: Why, in words that stand in what is signed.
    type: str
  ticket:
    description: Under which ticket. Without it the id of the change.
    type: str
  valid_days:
    description: For how many days the request can be signed and completed, 1 to 90.
    type: int
    default: 7
  to_sign:
    description: A file on the controller to write the bytes to that people sign.
    type: path
  state:
    description:
      - V(present) makes the repository unless it is there, and brings its root to what is declared.
      - V(pruned) removes versions whose lock and grace are over and that no legal hold keeps, from a C(file://) store.
        The newest copy of a stream stays, whatever its lock; so do root links.
    type: str
    choices: [present, pruned]
    default: present
seealso:
  - module: holdfast.config.record
  - module: holdfast.config.verify
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Make the repository and show the line to paste into the inventory
  holdfast.config.repository:
    repository:
      name: prod
      url: file:///srv/holdfast/prod
      keyring:
        path: /etc/holdfast/keyring
  register: made

- name: Make a bucket and a repository in it, or bring a bucket that has drifted back
  holdfast.config.repository:
    repository:
      name: prod
      url: s3://backups/prod
      region: eu-central-1
      keyring:
        path: /etc/holdfast/keyring
    storage:
      encryption: sse-s3
      public_access_block: {}
      tls_only: true
      archive:
        d0400: {storage_class: GLACIER, days: 120}

- name: Let another key sign recovery points, and no longer the one that was stolen
  holdfast.config.repository:
    rotate: [point]
    remove: [190a2c729415210d]
    requester: owner@example.com
    reason: The controller of site B was stolen
    ticket: INC0017
    to_sign: /tmp/root-2.request

- name: Let go of what has expired
  holdfast.config.repository:
    state: pruned

- name: Show what to do next
  ansible.builtin.debug:
    var: made.next_steps
"""

RETURN = r"""
repository:
  description: The repository's name.
  returned: success
  type: str
  sample: prod
location:
  description: The URL of its store.
  returned: success
  type: str
  sample: file:///srv/holdfast/prod
root_state:
  description: >-
    V(made) (the first link), V(unchanged), V(asked) (people are asked to sign the next link), V(waiting) (not enough of
    them have) or V(followed) (the next link was put).
  returned: O(state=present)
  type: str
  sample: made
link:
  description: The number of the newest root link.
  returned: O(state=present)
  type: int
  sample: 1
says:
  description: What the newest root says, in lines. The ids of keys that can be removed stand there.
  returned: O(state=present)
  type: list
  elements: str
  sample:
    - repository prod
    - "class d0030: 30 days, compliance"
    - point key 190a2c729415210d, 2026-11-25 to 2036-11-25
bucket_made:
  description: Whether the bucket was made, or would be in check mode.
  returned: with O(storage)
  type: bool
  sample: false
storage:
  description: The settings of the bucket, and how each stands.
  returned: with O(storage), also where the task fails since some are not held
  type: list
  elements: dict
  contains:
    setting:
      description: Its name, as in O(storage).
      type: str
      sample: lifecycle
    state:
      description: >-
        V(held), V(changed), V(differs) (check mode: would be changed), V(not kept) (the server says that it has set it,
        and has not) or V(refused).
      type: str
      sample: held
    why:
      description: Why it is not held.
      type: str
      sample: ""
    remedy:
      description: What to do about it.
      type: str
      sample: ""
request:
  description: The digest of the request that people sign.
  returned: RV(root_state) is V(asked), V(waiting) or V(followed)
  type: str
  sample: 5f414af913026f187fad9cf4cb1e45866424a91c89ce70b22a1c512a2368fe98
signed_by:
  description: Whose signatures count so far.
  returned: with RV(request)
  type: list
  elements: str
  sample: [alice@example.com]
lacking:
  description: What is missing.
  returned: with RV(request)
  type: list
  elements: str
  sample: [1 more person]
removed:
  description: How many versions were removed, or would be in check mode.
  returned: O(state=pruned)
  type: int
  sample: 12
freed_bytes:
  description: How many bytes they had.
  returned: O(state=pruned)
  type: int
  sample: 711000
kept_last_copies:
  description: Objects whose lock and grace are over, and which stay because they are the last copy.
  returned: O(state=pruned)
  type: list
  elements: str
  sample: []
repository_id:
  description: The pin, or empty in check mode where the repository would be made.
  returned: O(state=present)
  type: str
  sample: 3f0c6e0f7d1c4a8f9f0f6f6a1b0d5c7e9a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d
inventory_line:
  description: The line to paste into the inventory.
  returned: O(state=present)
  type: str
  sample: "holdfast_repository_id: '3f0c6e0f7d1c4a8f9f0f6f6a1b0d5c7e9a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d'"
next_steps:
  description: What the owner does now, where something was made or people have to sign.
  returned: O(state=present)
  type: list
  elements: str
  sample:
    - Move /etc/holdfast/keyring/escrow to media that stay offline
"""
