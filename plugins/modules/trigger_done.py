# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trigger_done
short_description: Take requests whose captures are sealed out of a listener's spool
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - The listeners of the collection for Event-Driven Ansible keep each accepted request as a file until what it asked
    for is sealed. This says that it is. Until then a listener hands the request out again, after its lease and after
    each restart.
  - With O(failed) it says that the run failed. The listener lets other runs begin then, and hands the requests out
    again when their lease is over.
  - The playbook C(holdfast.config.capture_event) has it as its last task.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: A request is there, or is not.
  idempotent:
    support: full
options:
  spool:
    description: The folder on the controller in which the listener keeps accepted requests, as the event has it.
    type: path
    required: true
  ids:
    description: The ids of the requests, as the event has them. One that is gone already changes nothing.
    type: list
    elements: str
    required: true
  failed:
    description: Whether their run failed. They stay in the spool then.
    type: bool
    default: false
seealso:
  - module: holdfast.config.recovery_point
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Take what is sealed out of the spool
  holdfast.config.trigger_done:
    spool: "{{ capture_event.spool }}"
    ids: "{{ capture_event.ids }}"
  run_once: true
"""

RETURN = r"""
done:
  description: The ids of the requests that were taken out now, or of which a listener is told now that they failed.
  returned: success
  type: list
  elements: str
  sample: [01795736445000-5b7f0c2e9d415b7f]
"""
