# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: coverage_info
short_description: Say which configuration is covered by backups, which is excepted, and which is a gap
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Judges each component of each host of the inventory by what the repository holds. It is V(covered) where its newest
    snapshot was proven within the RPO of its tier and its lock lasts. It is V(accepted) where it is not, and people
    have signed an exception that names it and has not expired. Else it is a V(gap), with the reason.
  - Hosts of the inventory for which nothing is declared are gaps, and so are hosts that a CMDB names and the inventory
    does not.
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
    details: It judges the same, and does not write O(path) and O(html).
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  fail_on_gaps:
    description: Fail the task where there is a gap among those that O(hosts) and O(owner) leave. With an owner, what is
      nobody's does not count.
    type: bool
    default: false
seealso:
  - module: holdfast.config.record
  - module: holdfast.config.verify
notes:
  - RV(ignore:changed) is never true.
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: What is a gap
  holdfast.config.coverage_info:
    html: /var/www/reports/coverage.html
  run_once: true
  register: coverage

- name: In CI, with the hosts that the CMDB knows
  holdfast.config.coverage_info:
    cmdb: {path: cmdb.csv, host_field: hostname}
    path: coverage.json
    fail_on_gaps: true
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
by_tier:
  description: The same of each tier.
  returned: success
  type: dict
  sample: {tier1: {covered: 212, accepted: 3, gap: 1}}
by_owner:
  description: The same of each owner.
  returned: success
  type: dict
  sample: {web-team: {covered: 12, accepted: 0, gap: 1}}
by_group:
  description: The same of each group of the inventory.
  returned: success
  type: dict
  sample: {web: {covered: 12, accepted: 0, gap: 1}}
gaps_listed:
  description: The first 200 gaps.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host, as the inventory or the CMDB spells it.
      type: str
      sample: web1
    groups:
      description: Its groups.
      type: list
      elements: str
      sample: [web]
    component:
      description: The component; empty for a host as a whole.
      type: str
      sample: nginx
    tier:
      description: Its tier.
      type: str
      sample: tier1
    owner:
      description: Its owner.
      type: str
      sample: web-team
    state:
      description: One of covered, accepted and gap.
      type: str
      sample: gap
    reasons:
      description: Why it is not covered, and why an exception of it does not count.
      type: list
      elements: str
      sample: [never captured, its exception EX-7 is not signed]
    verified_at:
      description: When its stream was last proven; null where it never was.
      type: str
      sample: "2026-11-26T01:16:23Z"
    exception:
      description: The exception that accepts it, or empty.
      type: str
      sample: ""
    control:
      description: What makes up for it, by that exception.
      type: str
      sample: ""
    signed_by:
      description: Who accepted that exception.
      type: list
      elements: str
      sample: []
    until:
      description: When that exception expires.
      type: str
      sample: null
accepted_listed:
  description: The first 200 accepted ones, in the words above.
  returned: success
  type: list
  elements: dict
  sample: []
path:
  description: The file that was written.
  returned: with O(path), but in check mode
  type: str
  sample: coverage.json
html:
  description: The page that was written.
  returned: with O(html), but in check mode
  type: str
  sample: /var/www/reports/coverage.html
report:
  description: All of it as lines of text, 80 columns wide, the first 200 of gaps and of accepted ones.
  returned: success
  type: list
  elements: str
  sample: ["Coverage at 2026-11-27T01:16:23Z: 212 covered, 3 accepted, 1 gap"]
"""
