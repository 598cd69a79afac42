# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: repository
short_description: Make a repository for configuration backups
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Makes the repository's keys and its root, the signed object that names it, its keys and its retention classes; or
    finds that they are there. Keys that exist are kept, so that an interrupted run can be run again.
  - This is the owner's task. Run it by hand, once, and never in a job.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  classes:
    description:
      - Retention classes over the built-in ones, name to C({days, mode}). Without it the variable C(holdfast_classes)
        holds.
    type: dict
  state:
    description: V(present) makes the repository unless it is there.
    type: str
    choices: [present]
    default: present
seealso:
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
repository_id:
  description: The pin, or empty in check mode where the repository would be made.
  returned: success
  type: str
  sample: 3f0c6e0f7d1c4a8f9f0f6f6a1b0d5c7e9a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d
inventory_line:
  description: The line to paste into the inventory.
  returned: success
  type: str
  sample: "holdfast_repository_id: '3f0c6e0f7d1c4a8f9f0f6f6a1b0d5c7e9a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d'"
next_steps:
  description: What the owner does now, where the repository was made.
  returned: success
  type: list
  elements: str
  sample:
    - Move /etc/holdfast/keyring/escrow to media that stay offline
"""
