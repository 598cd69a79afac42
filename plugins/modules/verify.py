# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Verify a repository's promises from its bytes
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Reads the repository and checks what it promises. Every broken promise is named, and fails the task at the end.
  - All levels but V(keys) need no key at all, so that auditors can run them.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
options:
  level:
    description:
      - How deep to look; each level holds those before it.
      - V(names) checks every object's name, its locks, and delete markers.
      - V(signatures) checks every signature, body, manifest and parent, and that all that a point names is there.
      - V(content) reads every pack and checks its digest.
      - V(keys) opens every pack, and compares what is in it with its manifest. It needs the open half of the keyring.
    type: str
    choices: [names, signatures, content, keys]
    default: content
  known_recovery_points:
    description:
      - Ids of recovery points that are known elsewhere, from tickets, job results or a SIEM. One that is not there, or
        not believed, breaks a promise. So a hidden newest point shows, a frozen replica, and an old copy of the store.
    type: list
    elements: str
    default: []
  streams:
    description:
      - List every live stream with the age of its newest snapshot and when it was last proven, as C(streams). Of a
        large fleet that is a long list, so it is left out unless asked for. V(names) cannot tell.
    type: bool
    default: false
seealso:
  - module: holdfast.config.restore
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Verify the repository without any key
  holdfast.config.verify:
    level: content
  register: verified

- name: Prove that every pack opens
  holdfast.config.verify:
    level: keys

- name: Name what was never proven to restore
  holdfast.config.verify:
    level: signatures
    streams: true
  register: verified

- name: Show it
  ansible.builtin.debug:
    msg: "{{ verified.streams | selectattr('proven_at', 'none') | map(attribute='host') | unique }}"
"""

RETURN = r"""
sound:
  description: Whether no promise is broken.
  returned: always
  type: bool
  sample: true
level:
  description: How deep it looked.
  returned: always
  type: str
  sample: content
recovery_points:
  description: The recovery points that are believed, oldest first.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
      name: main
      sealed_at: "2026-11-21T01:16:23Z"
      complete: true
      streams: 20
      change: CHG0031337
      alias: v1.4.2
snapshots:
  description: How many different snapshots these points name.
  returned: always
  type: int
  sample: 21
packs_opened:
  description: How many packs were opened and compared, at level V(keys).
  returned: always
  type: int
  sample: 0
records:
  description: How many signed records are believed.
  returned: always
  type: int
  sample: 1
objects:
  description: How many objects of the format the store lists.
  returned: always
  type: int
  sample: 47
stored_bytes:
  description: Bytes of all versions in the store.
  returned: always
  type: int
  sample: 1048576
timestamped:
  description: How many of these points have a time stamp that is believed, where an authority is configured.
  returned: always
  type: int
  sample: 0
unsealed:
  description: Packs and manifests that belong to no recovery point, left by interrupted runs.
  returned: always
  type: int
  sample: 0
live_streams:
  description: How many streams are live, that is, have a newest snapshot that is kept. 0 at level V(names).
  returned: always
  type: int
  sample: 21
proven_streams:
  description: Of how many of these a snapshot was ever proven. 0 at level V(names).
  returned: always
  type: int
  sample: 20
streams:
  description: Every live stream, by host.
  returned: with O(streams)
  type: list
  elements: dict
  contains:
    host:
      description: The inventory name under which it was last proven to be as it is.
      type: str
      sample: web1
    host_id:
      description: The host's identity.
      type: str
      sample: web1
    stream:
      description: The stream's name, a tier or that of a pushed text.
      type: str
      sample: tier1
    captured_at:
      description: When its newest snapshot was made.
      type: str
      sample: "2026-11-21T01:16:23Z"
    verified_at:
      description: When the host was last seen to equal that snapshot; the age of this is what an RPO is about.
      type: str
      sample: "2026-11-26T01:16:20Z"
    proven_at:
      description:
        - When a snapshot of it was last opened, written somewhere, read back, and found equal as a whole; not always
          the newest one. Null where none was. A restore of some of its components or paths, and a record whose key the
          root has removed since, prove nothing here.
      type: str
      sample: "2026-11-24T09:30:00Z"
    restore_open:
      description: Whether the newest snapshot was taken while a restore in place was open on the host.
      type: bool
      sample: false
findings:
  description: What was found; an C(error) breaks a promise.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: V(error), V(warning) or V(note).
      type: str
      sample: error
    item:
      description: The object.
      type: str
      sample: points/2026-11-21/20261121T011623Z-4f8c2d1e9b7a6053-0a1b.json
    problem:
      description: What is wrong.
      type: str
      sample: does not have the digest it is named by
    remedy:
      description: What to do about it.
      type: str
      sample: Look for another version or replica
"""
