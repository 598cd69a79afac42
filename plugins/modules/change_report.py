# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: change_report
short_description: Say which changes have which backups, and which backups have no change
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Lays change tickets beside the recovery points that were sealed under them, both ways. It names changes without a
    backup, backups without a change, points outside the window of their ticket, and changes that no ticket allowed.
  - The tickets are those whose window touches the time, those that points name, and those of O(ids). The points of each
    are looked for from one day before its window to one day after it, up to 31 days beyond the time.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.tickets
  - holdfast.config.display
attributes:
  check_mode:
    support: full
    details: It does not write O(path).
  diff_mode:
    support: none
    details: It changes no host.
  idempotent:
    support: full
options:
  ids:
    description: Tickets to report beside those that it finds.
    type: list
    elements: str
  since:
    description: The time from which on, in UTC to the second. Without it 31 days before O(until).
    type: str
  until:
    description: The time up to which. Without it now.
    type: str
  path:
    description: A file of the controller for all of it as JSON. It is put in place whole, with mode 0600.
    type: path
seealso:
  - module: holdfast.config.change_info
  - module: holdfast.config.change_note
notes:
  - Runs on the controller, once for all hosts.
"""

EXAMPLES = r"""
- name: Say what was backed up around the changes of November
  holdfast.config.change_report:
    since: "2026-11-01T00:00:00Z"
    until: "2026-12-01T00:00:00Z"
    path: /srv/reports/changes-2026-11.json
  run_once: true
"""

RETURN = r"""
tickets:
  description:
    - Each change with its window and its points. A point's C(window) says whether it was opened C(before), C(inside) or
      C(after) that of its ticket. C(lacking) names what there is no backup of, C(before) or C(after) the change.
    - C(verified) is false where the ticket could not be read, and C(why) says why.
  returned: always
  type: list
  elements: dict
  sample:
    - id: CHG0031337
      verified: true
      kind: normal
      state: implement
      approved: true
      begins: "2026-11-28T01:00:00Z"
      ends: "2026-11-28T05:00:00Z"
      recovery_points: []
      lacking: [before, after]
      why: ""
without_ticket:
  description: Points that name no change.
  returned: always
  type: list
  elements: dict
  sample: []
unauthorised_changes:
  description: Changes that no ticket allowed, as they were found.
  returned: always
  type: list
  elements: dict
  sample: []
report:
  description: All of it as lines for people, of 80 columns.
  returned: always
  type: list
  elements: str
  sample: ["1 changes, 1 of them without a backup"]
"""
