# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: catalog_info
short_description: Find recovery points and snapshots by host, change, time and more
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Finds recovery points, the snapshots that they name, and hosts that failed in them, by what people know of them. All
    that is given must hold; where nothing is given, everything is found, the newest first.
  - Searches in a catalog, a file in the state folder that it brings up to date first. Whatever stands in that file was
    read from recovery points whose signature and digests were checked; what is not believed is named in the warnings
    and never shown. The file is a cache. It is made anew, and that is said, where it is gone, damaged or of another
    version, and where the root has a new link.
  - Rights to list and get suffice. No host is connected to, no content is read, and no key is needed.
  - One answer covers the whole repository, so run it once, not on each host.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.display
attributes:
  check_mode:
    support: full
    details: It does the same. It changes nothing in the repository, and the catalog is a cache of this controller.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  host:
    description: An identity, or an inventory name that a host has or had. Snapshots of all its names are found.
    type: str
  component:
    description: A component that the snapshot holds.
    type: str
  tier:
    description: The tier of the snapshot. For a text that was pushed or adopted, its component.
    type: str
  change_id:
    description: The change that the run was for, as C(holdfast_change.id) said it.
    type: str
  deployment_id:
    description: The deployment, as C(holdfast_change.deployment) said it.
    type: str
  application_version:
    description: The version of the application, as C(holdfast_change.version) said it.
    type: str
  environment:
    description: The environment, as C(holdfast_change.environment) said it.
    type: str
  deployer:
    description: Who deployed, as C(holdfast_change.deployer) said it.
    type: str
  since:
    description:
      - Recovery points sealed then or later, as C(2026-11-21T01:16:23Z), or from the beginning of a day, as
        C(2026-11-21), in UTC. A snapshot is found where a recovery point of that time names it.
    type: str
  until:
    description: Recovery points sealed then or earlier, or until the end of a day.
    type: str
  alias:
    description: What people call the recovery point.
    type: str
  state:
    description:
      - With V(complete) no host failed or is missing. With V(carried) the lock of a silent stream was renewed; of
        snapshots, those for which it was. With V(failed) a host failed or is missing, O(host) where that is given;
        snapshots are not found then.
    type: str
    choices: [complete, carried, failed]
  recovery_point:
    description: The digest of the recovery point, or at least 12 of its first digits.
    type: str
  snapshot:
    description: The digest of the snapshot's manifest, or at least 12 of its first digits.
    type: str
  limit:
    description: How many of each are returned, from 1 to 1000000. RV(more) says where there are more.
    type: int
    default: 100
  newest_first:
    description:
      - Begin with the newest recovery point, and with the snapshots that it names; of these with the one captured
        last. Otherwise begin with the oldest.
    type: bool
    default: true
  rebuild:
    description: Forget what is in the catalog's file, and read and judge everything again.
    type: bool
    default: false
  cache:
    description:
      - Keep the catalog in a file, C(catalog/<repository>/<place>.sqlite) in the state folder, which only its user can
        read. Without it everything is read again each time, into memory.
    type: bool
    default: true
  details:
    description:
      - Return the one snapshot that O(snapshot) names, with each path that its manifest lists, or else the one recovery
        point that is found, with its context and each of its streams. The task fails where there are none, or
        several recovery points.
    type: bool
    default: false
  newest:
    description: With O(details), take the newest of several recovery points.
    type: bool
    default: false
seealso:
  - module: holdfast.config.verify
  - module: holdfast.config.compare
notes:
  - RV(ignore:changed) is never true.
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: What a change has left
  holdfast.config.catalog_info:
    change_id: CHG0042
  run_once: true
  register: change

- name: The last time that nginx of web1 was stored anew or proven
  holdfast.config.catalog_info:
    host: web1
    component: nginx
    limit: 1
  run_once: true
  register: nginx

- name: Hosts that failed since a day
  holdfast.config.catalog_info:
    state: failed
    since: "2026-11-21"
    display: true
  run_once: true
"""

RETURN = r"""
points:
  description: Recovery points, by the time of their sealing.
  returned: without O(details)
  type: list
  elements: dict
  contains:
    recovery_point:
      description: Its digest, which is its id.
      type: str
      sample: 3f0c5f1c8a4b4d4c9f1f6f6f3f0c5f1c8a4b4d4c9f1f6f6f3f0c5f1c8a4b4d4c
    name:
      description: Its name in its run.
      type: str
      sample: main
    object:
      description: The name of its object in the store.
      type: str
    run:
      description: The run that sealed it.
      type: str
      sample: 3f0c5f1c8a4b4d4c
    opened_at:
      description: When it was opened.
      type: str
      sample: "2026-11-21T01:16:23Z"
    sealed_at:
      description: When it was sealed.
      type: str
      sample: "2026-11-21T01:18:02Z"
    complete:
      description: Whether no host failed or is missing.
      type: bool
    state:
      description: V(complete), V(carried) where a lock was renewed, or V(failed).
      type: str
      sample: complete
    stored:
      description: How many streams were stored anew.
      type: int
    unchanged:
      description: How many were proven unchanged.
      type: int
    carried:
      description: Of how many silent ones the lock was renewed.
      type: int
    failed:
      description: How many hosts failed.
      type: int
    missing:
      description: How many hosts gave no answer.
      type: int
    alias:
      description: What people call it, or empty.
      type: str
    change_id:
      description: The change of its run, or empty.
      type: str
      sample: CHG0042
    requester:
      description: Who asked for that change, or empty.
      type: str
    deployment_id:
      description: The deployment, or empty.
      type: str
    application_version:
      description: The version of the application, or empty.
      type: str
    environment:
      description: The environment, or empty.
      type: str
    deployer:
      description: Who deployed, or empty.
      type: str
    by:
      description: Who ran it.
      type: str
      sample: alice by AWX
snapshots:
  description: Snapshots, each once, as the newest of the recovery points that are found names it.
  returned: without O(details)
  type: list
  elements: dict
  contains:
    snapshot:
      description: The digest of its manifest, which is its id.
      type: str
    host:
      description: The inventory name under which it was proven last.
      type: str
      sample: web1
    host_id:
      description: The identity of its host.
      type: str
      sample: web1
    captured_as:
      description: The inventory name when it was captured.
      type: str
      sample: web1
    tier:
      description: Its tier, or the component of what was pushed.
      type: str
      sample: tier1
    class:
      description: Its retention class.
      type: str
      sample: d0090
    captured_at:
      description: When it was captured.
      type: str
      sample: "2026-11-21T01:16:40Z"
    verified_at:
      description: When it was proven last, as that recovery point says.
      type: str
      sample: "2026-11-21T01:16:40Z"
    locked_until:
      description: Until when it is locked.
      type: str
      sample: "2027-03-10T01:16:40Z"
    state:
      description:
        - What the run of that recovery point did. V(stored), V(unchanged) or V(carried); V(live) where all recovery
          points are gone whose runs found it, and a later one still lists it.
      type: str
      sample: stored
    components:
      description: The components that it holds.
      type: list
      elements: str
      sample: [nginx]
    marks:
      description: What is to be known of it.
      type: list
      elements: str
    imported:
      description: The tool whose backup it was, or empty.
      type: str
    recovery_point:
      description: That recovery point.
      type: str
    sealed_at:
      description: When that was sealed.
      type: str
      sample: "2026-11-21T01:18:02Z"
    first_recovery_point:
      description: The oldest one that is left whose run found or carried it.
      type: str
    manifest:
      description: Name, version and size in bytes of its manifest.
      type: dict
    pack:
      description: Name, version and size in bytes of its pack.
      type: dict
failures:
  description: Hosts that failed or are missing in recovery points that are found, unless O(component), O(tier) or
    O(snapshot) is given.
  returned: without O(details)
  type: list
  elements: dict
  contains:
    host:
      description: The host.
      type: str
      sample: web2
    reason:
      description: Why.
      type: str
      sample: it gave no answer
    missing:
      description: Whether it gave no answer at all.
      type: bool
    recovery_point:
      description: The recovery point.
      type: str
    sealed_at:
      description: When that was sealed.
      type: str
      sample: "2026-11-21T01:18:02Z"
more:
  description: Of which of C(points), C(snapshots) and C(failures) there are more than O(limit).
  returned: without O(details)
  type: list
  elements: str
  sample: [snapshots]
point:
  description:
    - The recovery point in the words above, with C(change) and C(actor) as its run said them, C(failed_hosts),
      C(missing_hosts), C(consistency), and C(streams), each with its snapshot, state, times, lock and components.
  returned: with O(details) of a recovery point
  type: dict
snapshot:
  description:
    - The snapshot in the words above, with C(writer), and with C(contents), the components with their entries. Each
      entry has C(path), C(kind), C(mode), C(owner), C(group) and C(size). The manifest
      names no targets of links.
  returned: with O(details) of a snapshot
  type: dict
counts:
  description: How many points, snapshots, namings of snapshots by runs, and hosts the catalog holds.
  returned: success
  type: dict
  sample: {points: 1095, snapshots: 48211, namings: 1095000, hosts: 500}
stale:
  description: Reasons why the store may hold more than is shown. Usually none.
  returned: success
  type: list
  elements: str
  sample: []
report:
  description: All of it as lines of text, 80 columns wide.
  returned: success
  type: list
  elements: str
"""
