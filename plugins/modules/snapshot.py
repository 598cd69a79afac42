# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Capture a host's configuration and store what changed
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Walks the host's components, and where nothing has changed since the newest snapshot notes just that. What has
    changed is packed, encrypted to a key that this task cannot keep, and stored.
  - With a recovery point open in this run the snapshot becomes part of it. With none it makes a point for its host
    alone.
  - A failure is noted for the recovery point before it fails the task, so that ignoring it does not hide it.
  - Nothing is written to the host.
  - Where the host is a network device, components of kind C(device) are what it says of itself, asked in one login that
    the controller has with it. The guide C(docs/guide_devices.md) names the variables that say how it is reached.
  - With O(content) it stores what other tasks have told instead, and the host is not reached.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.policy
  - holdfast.config.change
attributes:
  check_mode:
    support: full
    details: Captures fingerprints alone where a snapshot is known, and stores nothing.
  diff_mode:
    support: full
    details: Names the components that differ, never their content.
  idempotent:
    support: full
options:
  content:
    description:
      - Texts that other tasks have told of this host. Given them, the task stores these and nothing else, and asks the
        host for nothing. Each is a stream of its own, beside those of the host's own snapshot and of other such tasks.
      - No text shows in a result, a log or a diff.
    type: list
    elements: dict
    version_added: 0.1.0
    suboptions:
      name:
        description:
          - The name of the text and of its stream, a small letter, then letters, digits, C(_) and C(-). It is none of
            a component of the host.
        type: str
        required: true
      text:
        description: The text. An empty one is refused unless O(content[].allow_empty).
        type: str
        required: true
      allow_empty:
        description: Take an empty text for what it is.
        type: bool
        default: false
      tier:
        description: Its tier, which says how long it is kept.
        type: str
        default: tier1
      owner:
        description: Who answers for it.
        type: str
        default: unassigned
      data_class:
        description: Your word for how secret it is.
        type: str
        default: internal
      volatile:
        description: Regular expressions. Lines in which one is found are stored, and their change is no drift.
        type: list
        elements: str
        default: []
      secrets:
        description: Regular expressions of lines that hold a secret, in the group named C(secret).
        type: list
        elements: str
        default: []
      max_bytes:
        description: How large it may be, a number of bytes or a text like V(512MiB), up to V(1GiB).
        type: str
        default: 64MiB
  point:
    description:
      - The name of the open recovery point. Without it C(main) where that is open, else a point for this host alone.
    type: str
  journal_dir:
    description:
      - The folder on the host in which restores in place keep their journals, so that one that is open is seen. Without
        it the variable C(holdfast_journal_dir) holds, else C(/var/lib/holdfast), and C(~/.local/state/holdfast) for who
        is not root. What M(holdfast.config.restore) is given, this must be given too.
    type: str
seealso:
  - module: holdfast.config.recovery_point
notes:
  - The host needs Python 3.8 or newer and nothing else. A network device needs SSH or NETCONF, and the controller then
    C(asyncssh) or C(ncclient).
  - Content is refused a way through while E(ANSIBLE_DEBUG) is set, which would print it.
"""

EXAMPLES = r"""
- name: Capture what the inventory declares
  holdfast.config.snapshot:

- name: Capture a router
  holdfast.config.snapshot:
    components:
      - name: config
        kind: device
        platform: ios
        items: [running, startup, vlans]
        tier: tier0

- name: Store what a management controller has told another task
  holdfast.config.snapshot:
    content:
      - name: bmc
        text: "{{ bmc_told.stdout }}"
        owner: datacentre
        volatile: ["^# read at"]

- name: Capture one component that the play declares
  holdfast.config.snapshot:
    components:
      - name: ssh
        paths: [/etc/ssh]
        excludes:
          - pattern: "*.bak"
            reason: transient
"""

RETURN = r"""
recovery_point:
  description: The id of the point that was made for this host alone, else empty.
  returned: success
  type: str
  sample: ""
open_restores:
  description:
    - Restores in place that were open on the host while it was captured, by their ids. What differs is stored then,
      and is chosen for a restore only where its digest or its recovery point is given.
  returned: success
  type: list
  elements: str
  sample: []
streams:
  description: What was done for each of the host's streams.
  returned: success
  type: list
  elements: dict
  contains:
    stream:
      description: The stream's name, a tier or that of a pushed text.
      type: str
      sample: tier1
    state:
      description: V(unchanged), V(stored), or V(would_store) in check mode.
      type: str
      sample: stored
    reason:
      description:
        - V(first), V(drift), V(policy) (the declaration changed), V(renewal) (the lock runs short), V(restore) (the
          newest snapshot was taken under a restore that is open no more), V(normaliser) (a device's text differs, and
          the rules that tell what is volatile are other ones since) or V(unchanged).
      type: str
      sample: drift
    changed_components:
      description: The components that differ from the newest snapshot.
      type: list
      elements: str
      sample: [ssh]
    stored_bytes:
      description: Bytes of pack and manifest.
      type: int
      sample: 10342
    left_out:
      description:
        - The first twenty paths that are left out although no exclude says so, each with C(path) and C(reason) (absent,
          unreadable, refused by a device, a special file, a cache).
      type: list
      elements: dict
      sample: []
    left_out_count:
      description: How many these are in all.
      type: int
      sample: 0
    left_out_bytes:
      description: How large the files are that are left out, whatever the reason, excludes included.
      type: int
      sample: 0
    snapshot:
      description: The snapshot's digest, that of its manifest. Empty in check mode where it would be stored.
      type: str
      sample: 5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592
"""
