# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_info
short_description: Say what is wrong in the backup policies of all hosts
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Reads the policies of all hosts of the inventory, whichever the play names, so run it once. No host is connected to,
    and the repository is asked only with O(records).
  - Tells what cannot be read, and what can and yet cannot be meant, such as an RPO that the schedule cannot keep, locks
    that governance forbids, dependencies that go round in a circle, components that nobody owns, and exceptions that
    have expired.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.display
attributes:
  check_mode:
    support: full
    details: It does the same. The file of O(path) is written too.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  hosts:
    description: Hosts whose policy is told, with the group or host that says each part of it.
    type: list
    elements: str
    default: []
  records:
    description:
      - Ask the repository too. Tells of exceptions that nobody has signed, and of classes that its root does not have.
    type: bool
    default: false
  path:
    description: A file on the controller to which the result is written as JSON. An existing file is replaced.
    type: path
  fail:
    description: Fail the task where there is an error. Warnings fail nothing.
    type: bool
    default: false
seealso:
  - module: holdfast.config.coverage_info
notes:
  - RV(ignore:changed) is never true.
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: In CI
  holdfast.config.policy_info:
    path: policy.json
    fail: true
  run_once: true
"""

RETURN = r"""
hosts:
  description: How many hosts the inventory has.
  returned: success
  type: int
  sample: 212
errors:
  description: How many of the RV(findings) are errors.
  returned: success
  type: int
  sample: 1
warned:
  description: How many of the RV(findings) are warnings.
  returned: success
  type: int
  sample: 0
findings:
  description:
    - What is wrong, under which key, and the remedy. Each is an error or a warning; errors come first. What is found of
      several hosts in the same words is told once, C(hosts) says of how many and C(host) is the first.
  returned: success
  type: list
  elements: dict
  sample:
    - host: web1
      hosts: 12
      key: holdfast_components (nginx).owner
      problem: nobody owns it
      remedy: Name the team that answers for it.
      severity: error
owners:
  description: How many components of how many hosts each owner answers for.
  returned: success
  type: dict
  sample: {web-team: {components: 24, hosts: 12}}
report:
  description: The findings as lines for a terminal of 80 columns.
  returned: success
  type: list
  elements: str
policies:
  description: The policy of each of O(hosts). Under C(said) stands which group or host says each part.
  returned: success
  type: dict
  sample:
    web1:
      identity: web1
      components: [{name: nginx, tier: tier1, owner: web-team, contact: "4711", paths: [/etc/nginx]}]
      said: {"component:nginx": holdfast_components__web of group web}
"""
