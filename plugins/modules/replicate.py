# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: replicate
short_description: Bring the replicas of a repository up to date
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Copies what each replica of O(repository) lacks. Every object's bytes are held against the digest in its name before
    they are put, and a copy is locked at least as long as the repository's own. Deletes never travel.
  - Root links, packs, manifests, bodies and time stamps come first, then recovery points, then records, so that a point
    is never at a replica before what it names. A run that was interrupted is gone on with by the next one.
  - Replicas with C(copied_by=server) are compared alone.
  - What cannot be copied, or is wrong at a replica, is named, and fails the task at the end.
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
    details: Names the objects that are copied, the first 200.
  idempotent:
    support: full
options:
  only:
    description: Names of the replicas to bring up to date. Without it all.
    type: list
    elements: str
  depth:
    description:
      - How closely what a replica has already is looked at.
      - V(names) compares listings, and the locks of what was put again since. On S3 that is a request for 1000 objects.
      - V(locks) compares every lock, on S3 two requests an object.
      - V(content) reads every object of the replica as well, and puts a damaged one again.
    type: str
    choices: [names, locks, content]
    default: locks
  seed:
    description:
      - Fill a replica that is empty. Without it an empty one is refused, since it may be a folder that is not mounted,
        or a bucket whose objects somebody has taken away.
    type: bool
    default: false
seealso:
  - module: holdfast.config.verify
  - module: holdfast.config.recovery_point
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Fill a new replica
  holdfast.config.replicate:
    only: [far]
    seed: true

- name: Bring all replicas up to date
  holdfast.config.replicate:
  register: replicated

- name: Fail where a replica is more than an hour behind
  ansible.builtin.assert:
    that: replicated.replicas | map(attribute='lag_seconds') | max <= 3600
"""

RETURN = r"""
replicas:
  description: Each replica, as it is after the task.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: far
    location:
      description: Its URL.
      type: str
      sample: s3://backups-far/prod
    copied_by:
      description: V(collection) or V(server).
      type: str
      sample: collection
    copied:
      description: How many objects were copied, or would be in check mode; where the collection copies.
      type: int
      sample: 12
    copied_bytes:
      description: Their bytes; where the collection copies.
      type: int
      sample: 48213
    renewed:
      description: Those of them that it had with a shorter lock; where the collection copies.
      type: int
      sample: 0
    mended:
      description: Those of them that it had damaged; where the collection copies.
      type: int
      sample: 0
    returned:
      description:
        - Records of restores that read there while the repository did not answer, brought home; where the collection
          copies.
      type: int
      sample: 0
    held_back:
      description: Recovery points that wait for what could not be copied; where the collection copies.
      type: list
      elements: str
      sample: []
    objects:
      description: How many objects were compared; where servers copy, as all of the next four.
      type: int
      sample: 120
    lacking:
      description: How many objects it lacks.
      type: int
      sample: 0
    short:
      description: How many objects it locks for a shorter time.
      type: int
      sample: 0
    damaged:
      description: How many objects it has not got with the right digest.
      type: int
      sample: 0
    extra:
      description: How many objects it holds, locked, that the repository does not hold.
      type: int
      sample: 0
    lag_before_seconds:
      description: What C(lag_seconds) was before the task; where the collection copies.
      type: int
      sample: 3600
    lag_seconds:
      description:
        - How long the oldest recovery point that it lacks has been sealed. What was sealed since then would be lost
          with the repository. 0 where it lacks none.
      type: int
      sample: 0
    lag_points:
      description: How many recovery points it lacks.
      type: int
      sample: 0
    newest_point:
      description: When the newest recovery point of the repository was sealed. Null where there is none.
      type: str
      sample: "2026-11-26T01:16:23Z"
    newest_point_there:
      description: When the newest recovery point that it has was sealed. Null where it has none.
      type: str
      sample: "2026-11-26T01:16:23Z"
    oldest_point_waiting:
      description: When the oldest recovery point that it lacks was sealed. Null where it lacks none.
      type: str
findings:
  description: What was not copied, and what is wrong at a replica, as M(holdfast.config.verify) returns it.
  returned: always
  type: list
  elements: dict
  sample: []
replicas_behind:
  description: Replicas that are not up to date, each with what was copied before it failed.
  returned: failure
  type: dict
  sample:
    far: {copied: 12, copied_bytes: 48213}
"""
