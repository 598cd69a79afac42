# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: Look for what is wrong with controller, repository, keyring and inventory
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Looks at the controller (Python, libraries, commands, state directory, room, what killed runs left), the repository
    (reached, clocks, lock, pin, keys and escrow of the root, recovery points, locks that fade, runs that never ended,
    replicas), the rights of the identity at hand, and the inventory (policies, coverage, credentials in plain text,
    tickets). Each finding names its remedy.
  - Each check stands alone. One that cannot be made says why, and the others go on.
  - Rights are tried, not guessed. An object is begun to be put and given up before it is one; what is removed is a name
    that nothing has; what is signed is of no type that anybody reads; what is opened was wrapped a moment before. The
    audit log of the server of the keyring shows a signature, an HMAC and a decryption.
  - Of a bucket the settings are compared with O(storage), where that is given. Nothing is set.
  - Reads all hosts of the inventory, whichever the play names, so run it once. No host is connected to, and no content
    is read.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.display
  - holdfast.config.storage
  - holdfast.config.tickets
attributes:
  check_mode:
    support: full
    details: The store is only read, but that a folder is asked for its time by a file that is gone at once. Rights to
      put and to remove are not tried then, and no probe is put.
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
options:
  identity:
    description:
      - Which identity of the matrix of duties this should be. What it may not do of that one's duties, and what it may
        beside them, is an error then. Without it the rights are compared with the identity that they are like most,
        and a difference is a warning.
    type: str
    choices: [operator, restorer, auditor, approver, custodian, owner, broker]
  strict:
    description: Fail the task where a finding is an error. Warnings fail no task.
    type: bool
    default: false
  classes:
    description:
      - Retention classes over the built-in ones, name to C({days, mode}). Without it the variable C(holdfast_classes)
        holds.
    type: dict
seealso:
  - module: holdfast.config.verify
  - module: holdfast.config.policy_info
  - module: holdfast.config.coverage_info
notes:
  - RV(ignore:changed) is never true.
  - A store on S3 whose owner runs this is asked to prove that it holds locks, on a probe that is locked for two minutes
    and that no reader sees.
  - Whether a lock in mode governance can be bypassed is not tried, as that takes an object to lose.
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Look for what is wrong, and print it
  holdfast.config.doctor:
    display: true
  run_once: true

- name: In CI, on the controller that backs up
  holdfast.config.doctor:
    identity: operator
    strict: true
  run_once: true
"""

RETURN = r"""
sound:
  description: Whether no finding is an error.
  returned: success
  type: bool
  sample: false
summary:
  description: How many findings there are of each kind, and the checks that are errors.
  returned: success
  type: str
  sample: "1 error, 2 warnings, 24 ok; errors: clock"
errors:
  description: How many findings are errors, with which backups, restores or their proof fail or are not what they seem.
  returned: success
  type: int
  sample: 1
warned:
  description: How many findings want somebody's eyes.
  returned: success
  type: int
  sample: 2
checks:
  description: Each finding, in the order in which they were made. There may be several of one check.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: What was looked at; C(docs/guide_doctor.md) has all of them. It stays the same in later versions.
      type: str
      sample: clock
    severity:
      description: One of V(ok), V(warning) and V(error).
      type: str
      sample: error
    what:
      description: What is so.
      type: str
      sample: "the controller's clock is 1260 s behind the store's: backups are refused"
    remedy:
      description: What to do; empty where it is V(ok).
      type: str
      sample: Set the controller's clock by NTP (chrony, timesyncd).
rights:
  description:
    - Operations of the matrix of duties that were tried, and whether this identity may do them. Of a repository in a
      folder, and in check mode, those of the keyring alone.
  returned: success
  type: dict
  sample: {put_packs: true, put_root: false, sign_point: true, unwrap: false}
report:
  description: All of it as a table of 80 columns, errors first.
  returned: success
  type: list
  elements: str
  sample: ["1 error, 2 warnings, 24 ok"]
"""
