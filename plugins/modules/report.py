# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Say how the configuration backups of the fleet stand
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Says of each component of each host of the inventory whether it is covered, an accepted exception or a gap, as
    M(holdfast.config.coverage_info) judges it, and beside that how old its last proof is against the RPO of its tier,
    when it last changed and under which ticket, until when its newest snapshot is locked, which replicas hold that one,
    and when a restore last proved it.
  - As a table for a terminal, as JSON, and as one page to read and print.
  - Reads all hosts of the inventory, whichever the play names, so run it once. No host is connected to, no content is
    read, and no key is needed.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.coverage
  - holdfast.config.display
attributes:
  check_mode:
    support: full
    details: It looks at the same, and does not write O(path) and O(html). The catalog of the controller is brought up
      to date, which is a cache.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  replicas:
    description: Look at each replica of the repository, too. Its snapshots are listed, which takes a request for each
      thousand of them on S3.
    type: bool
    default: false
  cache:
    description: Keep the catalog, which tells the tickets, in the state folder as M(holdfast.config.catalog_info) does.
      Without it every recovery point is read each time, into memory. Where it cannot be kept the tickets are left out,
      and a warning says so.
    type: bool
    default: true
seealso:
  - module: holdfast.config.coverage_info
  - module: holdfast.config.verify
notes:
  - RV(ignore:changed) is never true.
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: The page of the morning
  holdfast.config.report:
    html: /var/www/reports/backups.html
    replicas: true
  run_once: true
"""

RETURN = r"""
at:
  description: For which moment, by the store's time.
  returned: success
  type: str
  sample: "2026-11-27T01:16:23Z"
covered:
  description: How many components are covered.
  returned: success
  type: int
  sample: 212
accepted:
  description: How many are excepted, and people have accepted that.
  returned: success
  type: int
  sample: 3
gaps:
  description: How many are gaps. A host for which nothing is declared counts as one.
  returned: success
  type: int
  sample: 1
restored:
  description: Of how many a snapshot was restored as a whole and came back equal.
  returned: success
  type: int
  sample: 20
replicas:
  description: The replicas that were looked at.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The replica.
      type: str
      sample: far
    answered:
      description: Whether it could be read.
      type: bool
      sample: true
    holds:
      description: Of how many components it holds the newest snapshot.
      type: int
      sample: 212
path:
  description: The file that was written. Each of its C(rows) holds what a row of M(holdfast.config.coverage_info) does,
    and C(rpo_seconds), C(changed_at), C(change), C(locked_until), C(replicas) and C(restored_at).
  returned: with O(path), but in check mode
  type: str
  sample: backups.json
html:
  description: The page that was written.
  returned: with O(html), but in check mode
  type: str
  sample: /var/www/reports/backups.html
report:
  description: All of it as lines of text, 80 columns wide, what is not covered first; 200 components at most. A ticket
    stands below the figures of its component.
  returned: success
  type: list
  elements: str
  sample: ["At 2026-11-27T01:16:23Z: 212 covered, 3 accepted, 1 gap"]
"""
