# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore a host's sealed configuration under another root, and prove it equal
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Finds the snapshots asked for, checks every signature and digest on the way, opens them, writes them below a folder
    of the host, captures that again and compares. It succeeds only where every path is equal.
  - Only what differs is written, so that a second restore changes nothing.
  - This version restores under another root only, never in place.
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
    details: Names paths and the attributes that differ, never content.
  idempotent:
    support: full
options:
  under:
    description:
      - The folder on the host to restore below; a file from C(/etc/hosts) becomes O(under) plus C(/etc/hosts). It is
        made where it does not exist. C(/) is refused.
    type: str
    required: true
  source_host:
    description: The host whose configuration is restored, where it is not the host of the task.
    type: str
  recovery_point:
    description: Restore from the recovery point with this id, or at least its first 12 digits.
    type: str
  snapshot:
    description: Restore from the snapshot with this digest, or at least its first 12 digits.
    type: str
  time:
    description: Restore what was newest at this moment, as C(2026-11-21T01:16:23Z).
    type: str
  newest:
    description: Restore the newest snapshot of each component. Never assumed.
    type: bool
    default: false
  components:
    description: Restore these components only.
    type: list
    elements: str
seealso:
  - module: holdfast.config.verify
notes:
  - Give exactly one of O(recovery_point), O(snapshot), O(time) and O(newest).
  - Owners are set and compared only where the task runs as root on the host; RV(owners_compared) says which it was.
"""

EXAMPLES = r"""
- name: Restore the ssh component below a scratch folder
  holdfast.config.restore:
    newest: true
    components: [ssh]
    under: /var/tmp/restored
  become: true

- name: Restore what another host looked like before a change
  holdfast.config.restore:
    recovery_point: 9a1f5b7c3d2e
    source_host: web1
    under: /var/tmp/web1
"""

RETURN = r"""
equal:
  description:
    - Whether everything restored was read back equal. False only in check mode, where something would be written.
  returned: success
  type: bool
  sample: true
written:
  description: The paths that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config]
extra:
  description: Paths inside the components that the snapshot does not hold. They are left alone.
  returned: success
  type: list
  elements: str
  sample: []
entries:
  description: How many paths were compared.
  returned: success
  type: int
  sample: 14
owners_compared:
  description: Whether owners were set and compared, which takes root on the host.
  returned: success
  type: bool
  sample: true
snapshots:
  description: The digests of the snapshots restored from.
  returned: success
  type: list
  elements: str
  sample: [5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592]
record:
  description: The name of the signed record of this restore, empty in check mode and where it could not be kept.
  returned: success
  type: str
  sample: records/restore/2026-11/20261121T011623Z-0a1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef.json
seconds:
  description: Seconds spent in each phase.
  returned: success
  type: dict
  sample:
    find: 0.01
    fetch: 0.02
"""
