# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule_info
short_description: Say which hosts are due, and when each tier is due next
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Holds the schedules that C(holdfast_tiers) declares for each host of the inventory against what the repository has
    proven. A host is due where a stream of its was last proven before the last moment at which its tier was due.
  - A moment outside C(windows), or in C(blackouts), is none at which a tier is due; and where now is such a moment, a
    host that was due waits.
  - A host whose policy cannot be read is never due. It stands in RV(unusable), and the task warns.
  - It needs no key. The guide is C(docs/guide_schedules.md).
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
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
  tier:
    description: Ask of this tier alone.
    type: str
  limit:
    description:
      - How many hosts are returned as due at most, those first that were proven longest ago; V(0) for all. The others
        stand in RV(waiting), and are due at the next run.
    type: int
    default: 0
  spread:
    description: Within how many seconds, up to V(3600), RV(tiers) delays a tier, by the name of the controller.
    type: int
    default: 0
  path:
    description:
      - A file of the controller that is to say when each tier is due next, how many hosts are overdue and how late, in
        the text format of Prometheus. It is put in place whole, with mode 0644.
    type: path
  plan_only:
    description: Return RV(tiers) and RV(unusable) alone, for which no repository is read.
    type: bool
    default: false
seealso:
  - module: holdfast.config.recovery_point
notes:
  - Runs on the controller, once for all hosts.
"""

EXAMPLES = r"""
- name: Say what is due
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Ask of the most critical hosts, and export when they are due next
      holdfast.config.schedule_info:
        tier: tier0
        path: /var/lib/prometheus/node-exporter/holdfast.prom
      register: schedule
"""

RETURN = r"""
hosts:
  description: The hosts to back up now, the one first that was proven longest ago.
  returned: unless O(plan_only)
  type: list
  elements: str
  sample: [web2, web1]
waiting:
  description: Hosts that are due too, beyond O(limit).
  returned: unless O(plan_only)
  type: list
  elements: str
  sample: []
due:
  description: The last moment at which one of RV(hosts) was due; empty where none is.
  returned: unless O(plan_only)
  type: str
  sample: "2026-11-28T01:30:00Z"
next_due:
  description: When each tier is due next on any host.
  returned: unless O(plan_only)
  type: dict
  sample: {tier1: "2026-11-29T01:30:00Z"}
standings:
  description:
    - How each host stands to each of its tiers that has a schedule. C(state) is C(current), C(due), or C(closed) where
      it is due and may not be captured now.
  returned: unless O(plan_only)
  type: list
  elements: dict
  sample:
    - host: web1
      tier: tier1
      state: due
      due: "2026-11-28T01:30:00Z"
      verified_at: "2026-11-27T01:31:07Z"
      next_due: "2026-11-29T01:30:00Z"
      late_seconds: 42
tiers:
  description:
    - The schedules of each tier in the words of systemd timers, of cron and of AWX, and C(jitter), the seconds that
      this controller waits, which are less than half of what windows leave a run.
  returned: always
  type: dict
  sample:
    tier1:
      on_calendar: ["*-*-* 02:30:00 Europe/Berlin"]
      cron: [{timezone: Europe/Berlin, lines: ["30 2 * * *"]}]
      cron_minutes: [30]
      rrules: ["DTSTART;TZID=Europe/Berlin:20261128T000000 RRULE:FREQ=DAILY;INTERVAL=1;BYHOUR=2;BYMINUTE=30;BYSECOND=0"]
      jitter: 0
unusable:
  description: Hosts whose policy cannot be read, each with the reason.
  returned: always
  type: dict
  sample: {}
"""
