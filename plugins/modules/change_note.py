# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: change_note
short_description: Write into a change ticket, once, what a run backed up under it
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Finds the recovery points that this run has sealed under a change, and writes their names, ids and times into its
    ticket, whether each is complete, and the hosts that it lacks. Nothing of a configuration is in it.
  - The note has the id of the last of these points, by which it is known again. It is not written twice.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.tickets
attributes:
  check_mode:
    support: partial
    details: It writes nothing, and does not ask whether the note is there.
  diff_mode:
    support: none
    details: It changes no host.
  idempotent:
    support: full
options:
  id:
    description: The change ticket.
    type: str
    required: true
seealso:
  - module: holdfast.config.change_info
  - module: holdfast.config.change_report
notes:
  - Runs on the controller, once for all hosts, in the run that sealed the points.
"""

EXAMPLES = r"""
- name: Say in the ticket what was backed up
  holdfast.config.change_note:
    id: CHG0031337
  run_once: true
"""

RETURN = r"""
text:
  description: The note.
  returned: always
  type: str
  sample: "Configuration backed up under this change:"
recovery_points:
  description: The ids of the points that it is about, the oldest first.
  returned: always
  type: list
  elements: str
  sample: [9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd]
"""
