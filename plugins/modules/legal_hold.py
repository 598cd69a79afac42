# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: legal_hold
short_description: Put snapshots under legal hold, or end that
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Puts the objects of chosen snapshots under legal hold, the packs, their manifests, and the recovery points that say
    whose they are. The store then keeps them for as long as the hold is on, whatever their locks say.
  - A hold is ended only where enough people have signed for just that, with the operation V(hold-release) of
    M(holdfast.config.record), and until their request expires. They must have been asked since the hold was put, which
    a record in the store tells.
  - A store does not count holds. What two matters hold is free once one of them is ended.
  - This is the custodian's task. It needs the right to set legal holds in the store, and no keyring. The server asks
    for that right alone; who has it can end a hold without this module.
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
  recovery_point:
    description:
      - The recovery point, by its id or at least its first 12 digits. All that it names is meant, or what it names of
        O(host).
      - Without it every snapshot of O(host) that is in the store.
    type: str
  host:
    description: The host, by a name that it has or had in the inventory, or its C(holdfast_host_id).
    type: str
  stream:
    description: One stream of O(host), such as V(tier1).
    type: str
  state:
    description: V(present) puts the hold, V(absent) ends it.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: holdfast.config.record
  - module: holdfast.config.repository
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Hold all that there is of a host
  holdfast.config.legal_hold:
    host: web1

- name: Ask people whether the hold may end
  holdfast.config.record:
    state: requested
    operation: hold-release
    host: web1
    requester: carol@example.com
    reason: The case is closed
    ticket: LEG0042
    to_sign: release-web1

- name: End it once enough have signed and the record is there
  holdfast.config.legal_hold:
    host: web1
    state: absent
"""

RETURN = r"""
subject:
  description: What is meant, with the identity of the host and the whole id of the recovery point.
  returned: success
  type: dict
  sample: {host: web1}
objects:
  description: How many versions of objects that is.
  returned: success
  type: int
  sample: 14
changed_objects:
  description: Those whose hold was put or ended, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [points/2026-11-21/20261121T011623Z-0a1b@3]
missing:
  description: Objects that recovery points name and that the store does not have any longer.
  returned: success
  type: list
  elements: str
  sample: []
record:
  description:
    - The digest of the record that allowed the release; empty where none was needed.
    - With O(state=present), of the record that says when the hold was put; empty where nothing changed.
  returned: success
  type: str
  sample: ""
"""
