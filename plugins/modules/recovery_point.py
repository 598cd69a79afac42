# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_point
short_description: Open or seal a recovery point
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - A recovery point is the signed set of snapshots of one run, and the only thing that makes a backup count.
  - V(open) notes which hosts are expected and what is known of them. V(sealed) signs what their snapshots left and
    puts it into the repository, last. Both are idempotent in a run, so they need no C(run_once); where C(serial) is
    used, seal waits for the later batches and says so.
  - A point that lacks expected hosts is sealed as incomplete, and then the task fails, unless O(allow_incomplete).
  - Where a replica of O(repository) is to be waited for, the point is brought there too before the task says that it is
    sealed. Where that fails the task fails, and the point stays sealed in the repository.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.change
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: What differs is shown host by host by M(holdfast.config.snapshot).
  idempotent:
    support: full
    details: Sealing reports a change only where the point names something newly stored.
options:
  state:
    description: What to do.
    type: str
    choices: [open, sealed]
    required: true
  name:
    description: The point's name in this run. A change makes C(pre) and C(post).
    type: str
    default: main
  alias:
    description:
      - What people call the point, such as C(v1.4.2) or a commit, so that a restore can find it by that. It is signed
        with the point and never moved. It is given where the point is opened, and refused where another point has it.
      - A letter or digit, then letters, digits and C(._+-), 64 characters at most. The variable C(holdfast_aliases) may
        want more of it. Its C(pattern) is V(semver), V(commit), or a regular expression.
      - Where another controller has sealed a point with the same alias meanwhile, this one is sealed without it, with a
        warning.
    type: str
  expect:
    description:
      - The hosts that must be in the point for it to be complete, by inventory name. Without it all hosts of the play.
    type: list
    elements: str
  allow_incomplete:
    description: Do not fail the task where the sealed point is incomplete.
    type: bool
    default: false
  trigger:
    description:
      - On what occasion the run takes place; it stands in the recovery point, and in the record that says that the run
        begins. Without it the variable C(holdfast_trigger) holds.
    type: dict
    suboptions:
      kind:
        description:
          - A word such as V(manual), V(schedule), V(pre-deployment) or V(webhook). Without it what AWX says of the
            launch, else V(manual).
        type: str
      id:
        description: The id by which the cause knows the run. Without it the run's own.
        type: str
      by:
        description: Who or what caused it.
        type: str
      due:
        description: The moment it was due, in UTC such as V(2026-11-21T01:16:23Z).
        type: str
  carry_limit:
    description:
      - How many silent streams get a later lock at most when the point is sealed. What the store would drop first comes
        first, and the next run goes on.
    type: int
    default: 500
seealso:
  - module: holdfast.config.snapshot
notes:
  - Runs on the controller, whatever the connection of the host.
  - Where the variable C(holdfast_secret_evidence) is true when a point is opened, manifests of what is stored for it
    hold keyed digests of the secrets that components declare, for M(holdfast.config.secrets_info).
"""

EXAMPLES = r"""
- name: Back up
  hosts: all
  gather_facts: false
  tasks:
    - name: Open the recovery point
      holdfast.config.recovery_point:
        state: open
        change:
          id: CHG0031337
      run_once: true

    - name: Capture and store what changed
      holdfast.config.snapshot:

    - name: Seal the recovery point
      holdfast.config.recovery_point:
        state: sealed
      run_once: true

- name: Back up, so that a restore finds it by the release
  hosts: all
  gather_facts: false
  tasks:
    - name: Open the recovery point
      holdfast.config.recovery_point:
        state: open
        alias: v1.4.2
      run_once: true
"""

RETURN = r"""
run:
  description: The id of this run.
  returned: success
  type: str
  sample: 4f8c2d1e9b7a6053
name:
  description: The point's name in this run.
  returned: success
  type: str
  sample: main
alias:
  description: What people call the point. Empty where it has no alias.
  returned: success
  type: str
  sample: v1.4.2
expected:
  description: How many hosts the point expects.
  returned: when O(state=open)
  type: int
  sample: 20
parents:
  description: The newest recovery points known when this one was opened.
  returned: when O(state=open)
  type: list
  elements: str
  sample: []
sealed:
  description: Whether the point is sealed; false while hosts of later batches are still to come.
  returned: when O(state=sealed)
  type: bool
  sample: true
recovery_point:
  description: The point's id, the SHA-256 of its signed statement. Empty in check mode.
  returned: when O(state=sealed)
  type: str
  sample: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
complete:
  description: Whether every expected host has all its streams in the point.
  returned: when O(state=sealed)
  type: bool
  sample: true
stored:
  description: How many streams were stored anew.
  returned: when O(state=sealed)
  type: int
  sample: 1
unchanged:
  description: How many streams were verified as unchanged.
  returned: when O(state=sealed)
  type: int
  sample: 19
stored_bytes:
  description: Bytes of packs and manifests stored by this run.
  returned: when O(state=sealed)
  type: int
  sample: 18231
failed_hosts:
  description: Hosts that failed, each with the reason.
  returned: when O(state=sealed)
  type: dict
  sample: {}
missing_hosts:
  description: Expected hosts that were never asked.
  returned: when O(state=sealed)
  type: list
  elements: str
  sample: []
waiting_hosts:
  description: Expected hosts of later batches.
  returned: when O(state=sealed)
  type: list
  elements: str
  sample: []
carried:
  description: How many streams of hosts that did not answer, or were not asked, got a later lock.
  returned: when O(state=sealed)
  type: int
  sample: 0
carry_waiting:
  description: How many of them wait for the next run.
  returned: when O(state=sealed)
  type: int
  sample: 0
carry_failed:
  description: Those whose objects are gone or damaged, with the reason. There the last copy is at stake.
  returned: when O(state=sealed)
  type: list
  elements: str
  sample: []
replicas_behind:
  description: Replicas that are waited for and do not have the point, although it is sealed.
  returned: failure
  type: list
  elements: str
  sample: [far]
unauthorised_changes:
  description:
    - What this run found changed, since its last proof, without an approved change ticket that names the host in that
      time. Each is a signed event in the repository, too. Empty where no tickets are kept, C(holdfast_tickets).
  returned: when O(state=sealed)
  type: list
  elements: dict
  sample: []
timestamped:
  description: Whether a time-stamp authority has stamped the point.
  returned: when O(state=sealed)
  type: bool
  sample: false
shipped:
  description: What earlier runs of this controller had sealed and the store took only now, a line for each point.
  returned: when O(state=open)
  type: list
  elements: str
  sample: []
"""
