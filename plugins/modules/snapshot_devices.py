# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_devices
short_description: Capture all network devices of a batch in one task
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Asks all devices of the play's batch side by side in one process, and seals and stores what each has told as soon
    as it has, into the open recovery point. Of thousands of devices this takes a small part of the time that a task on
    each of them takes.
  - It runs once for a batch and never fails by a device. A M(holdfast.config.snapshot) must follow, on all hosts, or on
    the RV(remaining) ones alone. On a host that was captured it returns what was done, on one that failed it fails by
    the same error, and asks neither of them again. All other hosts it captures itself.
  - Hosts are asked here whose components are all of kind C(device) and of one platform, over SSH or NETCONF by this
    collection's own sessions. Linux hosts, and devices that are reached by a plugin of another collection, are left to
    M(holdfast.config.snapshot).
  - What is captured of a host, and how it is reached, are its own variables alone, as for M(holdfast.config.snapshot).
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
attributes:
  check_mode:
    support: full
    details: Asks the devices, and stores nothing.
  diff_mode:
    support: none
    details: The M(holdfast.config.snapshot) that follows has a diff for each host.
  idempotent:
    support: full
options:
  point:
    description: The name of the open recovery point.
    type: str
    default: main
  concurrency:
    description:
      - How many devices are asked at a time, up to 1000. Of as many devices the texts are held in memory at a time.
    type: int
    default: 50
seealso:
  - module: holdfast.config.snapshot
  - module: holdfast.config.recovery_point
notes:
  - With C(serial) it runs for each batch. The strategies C(free) and C(host_pinned) have no batches, and Ansible
    refuses it there.
  - The controller needs the Python library asyncssh, and ncclient for NETCONF.
  - A condition on it holds for the whole batch.
"""

EXAMPLES = r"""
- name: Back up a fleet of devices and the hosts beside them
  hosts: all
  gather_facts: false
  tasks:
    - name: Open the recovery point
      holdfast.config.recovery_point:
        state: open
      run_once: true

    - name: Ask all devices at once
      holdfast.config.snapshot_devices:
        concurrency: 200

    - name: Take what was captured, and capture all others
      holdfast.config.snapshot:

    - name: Seal the recovery point
      holdfast.config.recovery_point:
        state: sealed
      run_once: true

# of a large fleet each task on each host takes its time, so that none is left where all went well
- name: Ask all devices at once
  hosts: all
  gather_facts: false
  tasks:
    - name: Open the recovery point
      holdfast.config.recovery_point:
        state: open
      run_once: true

    - name: Ask them
      holdfast.config.snapshot_devices:
      register: batch

    - name: Name the hosts that remain
      ansible.builtin.add_host:
        name: "{{ item }}"
        groups: remaining
      loop: "{{ batch.remaining }}"

# what fails here fails the seal: without ignore_errors Ansible would end before it where all of them fail
- name: Capture the hosts that remain, and tell why others failed
  hosts: remaining
  gather_facts: false
  ignore_errors: true
  ignore_unreachable: true
  tasks:
    - name: Snapshot
      holdfast.config.snapshot:

- name: Seal
  hosts: all
  gather_facts: false
  tasks:
    - name: Seal the recovery point
      holdfast.config.recovery_point:
        state: sealed
      run_once: true
"""

RETURN = r"""
captured:
  description: The hosts that were captured.
  returned: success
  type: list
  elements: str
  sample: [core1, core2]
failed_hosts:
  description: Why the others could not be captured, by host. Each fails by this in the snapshot that follows.
  returned: success
  type: dict
  sample: {}
left_to_snapshot:
  description: The hosts that the snapshot that follows captures itself.
  returned: success
  type: list
  elements: str
  sample: [web1]
remaining:
  description: Both, the hosts on which a snapshot has yet to run.
  returned: success
  type: list
  elements: str
  sample: [web1]
"""
