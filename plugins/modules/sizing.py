# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sizing
short_description: Forecast what a repository will hold, ask of its store, and cost
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Measures how often streams change, how large their snapshots are and how well they are compressed, from what the
    store lists, and forecasts a year of it by class, with the renewals, the locks and the graces of the keep rule.
  - With O(assume) it needs no repository, so that it can be asked on the first day.
  - With O(compare_days) it holds what the repository has come to against the forecast that could have been made then.
  - It needs no key, and only rights to list and read.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.display
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: It changes nothing.
  idempotent:
    support: full
options:
  window_days:
    description:
      - Over how many days, counted back from now, churn is measured; fewer where the repository is younger. Whole weeks
        are best, since people change things by the day of the week.
    type: int
    default: 28
  compare_days:
    description:
      - Make the forecast again that could have been made so many days ago, V(1) to V(120), and hold today against it.
    type: int
  expected_hosts:
    description:
      - How many hosts there are to be from now on, where that is more than there are. New ones are taken to be like the
        others.
    type: int
  monthly_growth:
    description:
      - How many hosts come each month. A forecast never assumes growth by itself.
    type: float
    default: 0.0
  runs_per_day:
    description:
      - How many recovery points a day are sealed. Without it as many as were measured.
    type: float
  assume:
    description:
      - Forecast from this instead of a repository.
    type: dict
    suboptions:
      hosts:
        description: How many hosts there are.
        type: int
        required: true
      runs_per_day:
        description: How many recovery points a day are sealed.
        type: float
        default: 1
      streams:
        description: What each host has, by tier.
        type: list
        elements: dict
        required: true
        suboptions:
          tier:
            description: The tier, which says the class.
            type: str
            required: true
          bytes:
            description: How much configuration a host has in this tier, a number of bytes or a text like V(2MiB).
            type: raw
            required: true
          files:
            description: How many paths that is. A manifest grows with them.
            type: int
            default: 500
          changes_per_day:
            description: How often it changes on a day, V(0.05) being once in 20 days.
            type: float
            default: 0.05
          compression:
            description: How many bytes of configuration one byte of a pack holds.
            type: float
            default: 3
          hosts:
            description: How many hosts have this tier. Without it all.
            type: int
  prices:
    description:
      - A price list. There is none built in, since prices grow old. Without it nothing is said of prices.
    type: dict
    suboptions:
      currency:
        description: What to call it.
        type: str
      storage_gb_month:
        description:
          - The price of a GB (2^30 bytes) for a month by storage class. C(standard) is where objects are put, and must
            be there.
        type: dict
        required: true
      requests_1000:
        description:
          - The price of 1,000 requests by kind, C(put), C(head), C(get), C(list), C(transition) to an archive storage
            class, and C(other), which asks for the lock configuration of the bucket. What is left out costs nothing.
        type: dict
      egress_gb:
        description: The price of a GB that leaves the store. Runs read bodies; restores and verifications come on top.
        type: float
      minimum_bytes:
        description: For how many bytes an object is charged at least, by storage class.
        type: dict
      archive:
        description:
          - "Which retention classes go to an archive storage class: name to C({storage_class, after_days})."
        type: dict
  classes:
    description:
      - "Retention classes for O(assume), over the built-in ones: name to C({days, mode}). Without it the variable
        C(holdfast_classes) holds. A repository has its own."
    type: dict
  tiers:
    description:
      - "Tiers for O(assume), over the built-in ones: name to C({class, rpo, rto}). Without it the variable
        C(holdfast_tiers) holds."
    type: dict
seealso:
  - module: holdfast.config.verify
notes:
  - Runs on the controller, whatever the connection of the host.
  - Requests of verifications, restores and audits are in no figure.
"""

EXAMPLES = r"""
- name: Ask on the first day
  holdfast.config.sizing:
    assume:
      hosts: 200
      runs_per_day: 4
      streams:
        - {tier: tier0, bytes: 300KiB, files: 100, changes_per_day: 0.2}
        - {tier: tier1, bytes: 2MiB, files: 1200}
    prices:
      currency: EUR
      storage_gb_month: {standard: 0.025}
      requests_1000: {put: 0.005, list: 0.005, get: 0.0004, head: 0.0004, other: 0.0004}
  register: sized

- name: Show it
  ansible.builtin.debug:
    msg: "{{ sized.report }}"

- name: Forecast a year from what is there, and hold today against the forecast of 46 days ago
  holdfast.config.sizing:
    compare_days: 46
"""

RETURN = r"""
measured_days:
  description: Over how many days churn was measured; 0 where it is assumed.
  returned: always
  type: float
  sample: 28.0
hosts:
  description: How many hosts the forecast is for.
  returned: always
  type: int
  sample: 200
new_hosts:
  description: How many of them came during the measured days.
  returned: always
  type: int
  sample: 3
runs_per_day:
  description: How many recovery points a day are sealed.
  returned: always
  type: float
  sample: 4.0
silent_streams:
  description: Streams whose hosts do not answer. They are carried, until people retire them.
  returned: always
  type: int
  sample: 0
expired_bytes:
  description: Bytes that neither lock nor grace keeps any longer, and the store still has.
  returned: always
  type: int
  sample: 0
groups:
  description: What was measured, or assumed, by class and stream. Bytes are means of one snapshot.
  returned: always
  type: list
  elements: dict
  contains:
    class:
      description: The retention class.
      type: str
      sample: d0090
    stream:
      description: The stream's name, a tier or that of a pushed text.
      type: str
      sample: tier1
    streams:
      description: How many there are.
      type: int
      sample: 200
    changes_per_day:
      description: How many snapshots of them a day were stored because they had changed.
      type: float
      sample: 10.2
    renewed_per_day:
      description: How many were stored anew because their lock ran short.
      type: float
      sample: 5.9
    carried_per_day:
      description: How many were put again because their host did not answer.
      type: float
      sample: 0.0
    pack_bytes:
      description: Bytes of a pack.
      type: int
      sample: 756285
    manifest_bytes:
      description: Bytes of a manifest.
      type: int
      sample: 60011
    unpacked_bytes:
      description: Bytes of configuration in a pack; null where no manifest could be read.
      type: int
      sample: 2234392
    compression:
      description: How many bytes of configuration one byte of a pack holds.
      type: float
      sample: 2.95
classes:
  description: >-
    By class what is held, now and in a year. C((points)) are recovery points, their bodies and time stamps, records and
    root links.
  returned: always
  type: list
  elements: dict
  contains:
    class:
      description: The class.
      type: str
      sample: d0090
    days:
      description: Its days; of C((points)) those of the longest class.
      type: int
      sample: 90
    held_bytes:
      description: Bytes of all versions that it holds now.
      type: int
      sample: 734003200
    held_bytes_in_a_year:
      description: Bytes that it is expected to hold then.
      type: int
      sample: 3221225472
    objects_in_a_year:
      description: How many objects these are.
      type: int
      sample: 8400
    steady_in_days:
      description: When as much expires as is put, if the pace stays; lock and grace from today.
      type: int
      sample: 240
    steady_bytes:
      description: Bytes that it holds from then on.
      type: int
      sample: 3221225472
    cost:
      description: What its storage costs in the year; null without prices.
      type: float
      sample: 12.34
months:
  description: The next twelve months, each a twelfth of a year.
  returned: always
  type: list
  elements: dict
  contains:
    month:
      description: Its number, from 1.
      type: int
      sample: 1
    held_bytes:
      description: Bytes held at its end, by class.
      type: dict
      sample: {d0090: 1048576000}
    archived_bytes:
      description: Bytes of these in an archive storage class.
      type: dict
      sample: {d0090: 0}
    added_bytes:
      description: Bytes put in it, by class.
      type: dict
      sample: {d0090: 314572800}
    requests:
      description: Requests by kind.
      type: dict
      sample: {put: 2210, head: 2210, get: 1464, list: 610, other: 1020, transition: 0}
    read_bytes:
      description: Bytes of bodies that runs read.
      type: int
      sample: 52428800
    cost:
      description: What it costs; null without prices.
      type: float
      sample: 1.02
requests:
  description: Requests of the year by kind.
  returned: always
  type: dict
  sample: {put: 26500, head: 26500, get: 17520, list: 7300, other: 12240, transition: 0}
requests_a_run:
  description: The same for each run.
  returned: always
  type: dict
  sample: {put: 18.15, head: 18.15, get: 12.0, list: 5.0, other: 8.38, transition: 0.0}
read_bytes:
  description: Bytes of bodies that runs read in the year.
  returned: always
  type: int
  sample: 629145600
cost:
  description: What the year costs, C(total), by C(storage), C(requests) and C(egress); null without prices.
  returned: always
  type: dict
  sample: {currency: EUR, total: 14.2, storage: {d0090: 12.34}, requests: {put: 0.13}, egress: 0.0}
actual:
  description: What was put in each month and is there still, versions and bytes by class.
  returned: always
  type: list
  elements: dict
  sample:
    - month: 2026-11
      versions: {d0090: 812}
      bytes: {d0090: 330301440}
past:
  description: The forecast of O(compare_days) ago beside what became of it; else null.
  returned: always
  type: dict
  contains:
    days:
      description: How many days ago.
      type: int
      sample: 46
    measured_days:
      description: Over how many days churn had been measured by then.
      type: float
      sample: 14.0
    held_bytes:
      description: Bytes held today, C(forecast) and C(actual), and the C(deviation) in percent.
      type: dict
      sample: {forecast: 10523412, actual: 10432221, deviation: 0.9}
    puts:
      description: Objects put since, likewise.
      type: dict
      sample: {forecast: 4230, actual: 4188, deviation: 1.0}
    classes:
      description: Both by class.
      type: list
      elements: dict
      sample: []
    other_requests:
      description: Always null. Requests that leave nothing behind are in the store's own log alone.
      type: int
      sample: null
report:
  description: All of it as lines of text.
  returned: always
  type: list
  elements: str
  sample: [Measured over 28.0 days]
"""
