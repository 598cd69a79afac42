# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Verify a repository's promises from its bytes
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Reads the repository and checks what it promises. Every broken promise is named, and fails the task at the end.
  - All levels but V(keys) need no key at all, so that auditors can run them.
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
    details: It changes nothing.
  idempotent:
    support: full
options:
  level:
    description:
      - How deep to look; each level holds those before it. All of it is looked at, unless O(sample) says how much.
      - V(names) checks every object's name, its locks, and delete markers.
      - V(signatures) checks every signature, body, manifest and parent, and that all that a point names is there.
      - V(content) reads every pack and checks its digest.
      - V(keys) opens every pack, and compares what is in it with its manifest. It needs the open half of the keyring.
    type: str
    choices: [names, signatures, content, keys]
    default: content
  known_recovery_points:
    description:
      - Ids of recovery points that are known elsewhere, from tickets, job results or a SIEM. One that is not there, or
        not believed, breaks a promise. So a hidden newest point shows, a frozen replica, and an old copy of the store.
    type: list
    elements: str
    default: []
  streams:
    description:
      - List every live stream with the age of its newest snapshot and when it was last proven, as C(streams). Of a
        large fleet that is a long list, so it is left out unless asked for. V(names) cannot tell.
    type: bool
    default: false
  forks:
    description:
      - In how many processes objects are read. V(0) takes as many as the controller has cores for this process, and 4
        at least, since a store far away makes them wait.
      - Each process holds one object at a time in memory, and beside it, at V(keys), what is in it.
      - What is found, and its order, are the same with any number.
    type: int
    default: 0
  sample:
    description:
      - How many percent of the snapshots are read, V(1) to V(100); or a dictionary of percentages by retention class.
        Classes that it does not name are read whole. Its key C(newest) draws among the newest snapshots of live
        streams once more.
      - Nobody chooses which. A digest of the name and O(seed) draws them, so that of a class of 5 % any 20 days that
        follow one another from a day that is a multiple of 20 read all of it, and any 39 days whatever they begin with.
      - Names and locks are always looked at, and recovery points, records and the root always read.
      - A sample of which nothing is wrong does not fail, and is not RV(sound) either. RV(unread) says what it has not
        read.
    type: raw
  seed:
    description:
      - What draws the sample instead of the number of the day since 1970. Give a number that grows by one with each run
        to read everything by a schedule that is not daily.
    type: int
  resume:
    description:
      - Note what was read in the state directory, and do not read again what an interrupted run has noted. Once a run
        has come to its end the notes are gone, and the next one reads everything.
      - What is noted counts for the same version of the same size alone, and for what was asked. What was found wrong
        is not noted.
      - Who may write there can make the next run leave out what he likes. He is the user who runs it.
    type: bool
    default: false
  resume_days:
    description:
      - For how many days what was noted counts.
    type: int
    default: 7
  progress_interval:
    description:
      - Seconds between two lines on standard error that say how far it is; V(0) prints none. The first comes after as
        many seconds, so that a short run prints none either.
      - Unset, it is C(HOLDFAST_PROGRESS_INTERVAL), or 30.
    type: float
  replicas:
    description:
      - Compare each replica of O(repository) with it too, object by object, and say how far it is behind, as
        C(replicas). V(names) and V(signatures) compare names, sizes and locks, the deeper levels hold every byte of a
        replica against the digest in its name.
      - What a replica has damaged, or locks for a shorter time, or holds while the repository does not, breaks a
        promise. What it lacks still, and one that does not answer, is a warning.
    type: bool
    default: false
seealso:
  - module: holdfast.config.restore
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Verify the repository without any key
  holdfast.config.verify:
    level: content
  register: verified

- name: Prove that every pack opens
  holdfast.config.verify:
    level: keys

- name: Read a twentieth of the young snapshots each day, and all others; go on where a run was interrupted
  holdfast.config.verify:
    sample: {d0030: 5}
    resume: true

- name: Name what was never proven to restore
  holdfast.config.verify:
    level: signatures
    streams: true
  register: verified

- name: Show it
  ansible.builtin.debug:
    msg: "{{ verified.streams | selectattr('proven_at', 'none') | map(attribute='host') | unique }}"
"""

RETURN = r"""
sound:
  description:
    - Whether no promise is broken, and everything was read that the level reads. False where RV(unread) is not empty.
  returned: always
  type: bool
  sample: true
summary:
  description: The same in one line, for people.
  returned: always
  type: str
  sample: "level content: no promise broken; 47 objects read, 1.0 MB"
verified_at:
  description: When it began, by the clock of the store, or of the controller where that says none to who only reads.
  returned: always
  type: str
  sample: "2026-11-26T01:16:23Z"
broken:
  description: How many promises are broken; the task has failed where there is one.
  returned: always
  type: int
  sample: 0
read:
  description:
    - What was read and compared with the digest in its name. At V(signatures) manifests are counted alone, at
      V(content) and V(keys) all objects.
  returned: always
  type: dict
  contains:
    objects:
      description: How many objects.
      type: int
      sample: 47
    bytes:
      description: How many bytes all their versions have.
      type: int
      sample: 1048576
unread:
  description: What the level reads and this run did not, since it was not drawn, or rests in an archive class.
  returned: always
  type: dict
  contains:
    objects:
      description: How many objects.
      type: int
      sample: 0
    bytes:
      description: How many bytes all their versions have.
      type: int
      sample: 0
resumed:
  description: What of RV(read) an interrupted run had read before.
  returned: always
  type: dict
  contains:
    objects:
      description: How many objects.
      type: int
      sample: 0
    bytes:
      description: How many bytes all their versions have.
      type: int
      sample: 0
    since:
      description: When the first of it was read, locks too; null where nothing was.
      type: str
      sample: "2026-11-25T01:16:23Z"
sample:
  description: What was drawn, and the seed that drew it.
  returned: with O(sample)
  type: dict
  sample: {percent: 100, classes: {d0030: 5}, newest: 0, seed: 20783}
level:
  description: How deep it looked.
  returned: always
  type: str
  sample: content
recovery_points:
  description: The recovery points that are believed, oldest first.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
      name: main
      sealed_at: "2026-11-21T01:16:23Z"
      complete: true
      streams: 20
      change: CHG0031337
      alias: v1.4.2
snapshots:
  description: How many different snapshots these points name.
  returned: always
  type: int
  sample: 21
packs_opened:
  description: How many packs were opened and compared, at level V(keys).
  returned: always
  type: int
  sample: 0
records:
  description: How many signed records are believed.
  returned: always
  type: int
  sample: 1
objects:
  description: How many objects of the format the store lists.
  returned: always
  type: int
  sample: 47
stored_bytes:
  description: Bytes of all versions in the store.
  returned: always
  type: int
  sample: 1048576
timestamped:
  description: How many of these points have a time stamp that is believed, where an authority is configured.
  returned: always
  type: int
  sample: 0
unsealed:
  description: Packs and manifests that belong to no recovery point, left by interrupted runs.
  returned: always
  type: int
  sample: 0
live_streams:
  description: How many streams are live, that is, have a newest snapshot that is kept. 0 at level V(names).
  returned: always
  type: int
  sample: 21
proven_streams:
  description: Of how many of these a snapshot was ever proven. 0 at level V(names).
  returned: always
  type: int
  sample: 20
streams:
  description: Every live stream, by host.
  returned: with O(streams)
  type: list
  elements: dict
  contains:
    host:
      description: The inventory name under which it was last proven to be as it is.
      type: str
      sample: web1
    host_id:
      description: The host's identity.
      type: str
      sample: web1
    stream:
      description: The stream's name, a tier or that of a pushed text.
      type: str
      sample: tier1
    captured_at:
      description: When its newest snapshot was made.
      type: str
      sample: "2026-11-21T01:16:23Z"
    verified_at:
      description: When the host was last seen to equal that snapshot; the age of this is what an RPO is about.
      type: str
      sample: "2026-11-26T01:16:20Z"
    proven_at:
      description:
        - When a snapshot of it was last opened, written somewhere, read back, and found equal as a whole; not always
          the newest one. Null where none was. A restore of some of its components or paths, and a record whose key the
          root has removed since, prove nothing here.
      type: str
      sample: "2026-11-24T09:30:00Z"
    restore_open:
      description: Whether the newest snapshot was taken while a restore in place was open on the host.
      type: bool
      sample: false
    storage_class:
      description:
        - Where the store keeps the pack of the newest snapshot, empty for its usual class. A restore from V(GLACIER) or
          V(DEEP_ARCHIVE) waits for hours, which its RTO has to count.
      type: str
      sample: ""
    imported:
      description:
        - The tool that captured the newest snapshot, where that was another one. Nobody signed it at its source, and it
          proves no recovery point objective.
      type: str
      sample: ""
replicas:
  description:
    - Each replica beside the repository, with C(name), C(location), C(copied_by), the counts C(objects), C(lacking),
      C(short), C(damaged) and C(extra), and its lag as M(holdfast.config.replicate) returns it. One that did not answer
      is among the findings instead.
  returned: with O(replicas)
  type: list
  elements: dict
  sample:
    - name: far
      location: s3://backups-far/prod
      copied_by: collection
      objects: 47
      lacking: 0
      short: 0
      damaged: 0
      extra: 0
      lag_seconds: 0
      lag_points: 0
      newest_point: "2026-11-21T01:16:23Z"
      newest_point_there: "2026-11-21T01:16:23Z"
      oldest_point_waiting: null
findings:
  description: What was found; an C(error) breaks a promise.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: V(error), V(warning) or V(note).
      type: str
      sample: error
    item:
      description: The object.
      type: str
      sample: points/2026-11-21/20261121T011623Z-4f8c2d1e9b7a6053-0a1b.json
    problem:
      description: What is wrong.
      type: str
      sample: does not have the digest it is named by
    remedy:
      description: What to do about it.
      type: str
      sample: Look for another version or replica
    host:
      description: Whose snapshot it is about; empty where it is about none.
      type: str
      sample: web1
    stream:
      description: Which stream of the host.
      type: str
      sample: tier1
    versions:
      description: The versions of the object that are wrong.
      type: list
      elements: str
      sample: ["3f2a9c41d0b85e67"]
    restore_from:
      description: What to restore from where the object is damaged or gone, the nearest there is in this repository.
      type: list
      elements: dict
      contains:
        which:
          description:
            - V(right), another version of the object that has the right bytes; V(older) or V(newer), another snapshot
              of the stream with which nothing was found wrong.
          type: str
          sample: older
        version:
          description: That version, with V(right).
          type: str
          sample: ""
        recovery_point:
          description: The newest recovery point that names that snapshot.
          type: str
          sample: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
        captured_at:
          description: When that snapshot was made.
          type: str
          sample: "2026-11-21T01:16:23Z"
        read:
          description: Whether this run has read it too.
          type: bool
          sample: true
"""
