# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: change_info
short_description: Say what a change ticket says, and whether it permits something now
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Reads a change ticket where O(tickets) says, and judges it for the host by what its tiers take of a change, which is
    C(change) of C(holdfast_tiers). It is the judgement that backups and restores make by themselves, so that a tier
    which only records is permitted all, and a backup that is only marked where its ticket cannot be read is permitted.
  - The window is held against this controller's clock.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.tickets
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
options:
  id:
    description: The change ticket.
    type: str
    required: true
  operation:
    description: What is to be permitted on the host.
    type: str
    choices: [backup, restore]
    default: backup
  subject:
    description:
      - What is to be changed. V(repository) holds the change against what O(tickets.repository) says, and its items
        against the name of the repository, as tasks do that change its root, bucket or keyring.
    type: str
    choices: [host, repository]
    default: host
  require:
    description: Fail the task where the gate of the operation would refuse it.
    type: bool
    default: false
seealso:
  - module: holdfast.config.recovery_point
  - module: holdfast.config.restore
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Change web servers
  hosts: web
  gather_facts: false
  vars:
    holdfast_tickets:
      provider: servicenow
      url: https://example.service-now.com
  tasks:
    - name: Go on only inside the window of an approved change that names this host
      holdfast.config.change_info:
        id: CHG0031337
        operation: restore
        require: true
"""

RETURN = r"""
id:
  description: The change ticket.
  returned: always
  type: str
  sample: CHG0031337
verified:
  description: Whether the ticket was read.
  returned: always
  type: bool
  sample: true
permitted:
  description: Whether the operation goes on under it on this host now.
  returned: always
  type: bool
  sample: true
refusals:
  description: Why not, a line each.
  returned: always
  type: list
  elements: str
  sample: []
ticket:
  description: What the ticket says, and the digest of its fields. Empty where it could not be read.
  returned: always
  type: dict
  sample:
    provider: servicenow
    kind: normal
    state: implement
    open: true
    approved: true
    requester: jane
    begins: "2026-11-28T01:00:00Z"
    ends: "2026-11-28T05:00:00Z"
    items: [web1]
    sha256: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
    verified_at: "2026-11-28T02:10:00Z"
"""
