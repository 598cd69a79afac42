# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: import_backups
short_description: Bring backups that other tools made into the repository
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Makes snapshots of the backups that Oxidized, RANCID, etckeeper, C(backup=true) of Ansible's modules or archives of
    tar have left on the controller, each with the time that it was captured at. They are marked as imported, since
    nobody signed them at their source.
  - Each stands in a stream of its own, named C(imported-…). A restore or a comparison takes it only where its component
    or its digest is named. It proves no recovery point objective, and counts as no capture of its host.
  - What is there already is not stored again. An import that was broken off goes on when it is run again, and so does
    one that came to O(max_versions) or O(max_bytes).
  - Nothing of a source is ever run, followed or extracted, whatever stands in it.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.change
  - holdfast.config.display
attributes:
  check_mode:
    support: full
    details: Reads and judges all that would be imported.
  diff_mode:
    support: none
    details: It only adds; the result names what was added.
  idempotent:
    support: full
requirements:
  - git 2.32 or newer on the controller, for repositories of git
options:
  tool:
    description:
      - V(oxidized) is the git repository, or the folder, of Oxidized, a file for each device, perhaps below its group.
      - V(rancid) is that of RANCID, or what was exported from its CVS, one file for each device below C(configs).
      - V(etckeeper) is the git repository C(/etc) of one host, whose name is O(host).
      - V(backup_files) is a folder of files whose names say when they were made, C(<host>_config.<date>@<time>) of
        network modules, and C(<host>/<path>.<pid>.<date>@<time>~) of modules for files once they were fetched. Each
        file of a host is a component of its own.
      - V(tar) is an archive, or a folder of archives, of one host each, plain or compressed by gzip, xz or zstd.
    type: str
    choices: [backup_files, etckeeper, oxidized, rancid, tar]
    required: true
  path:
    description: The folder, repository or file on the controller. A git repository may have a work tree or be bare.
    type: path
    required: true
  host:
    description:
      - Whose all of it is, for V(etckeeper) and V(tar). With V(backup_files) it says that the folder holds the paths of
        one host, and no folder for each.
    type: str
    default: ''
  host_names:
    description:
      - "The inventory names of hosts that the source calls otherwise: its own name, or the path in it, to the host's."
      - A host that the inventory does not know keeps the source's name, and is named in RV(not_in_inventory).
    type: dict
    default: {}
  hosts:
    description: Names of the hosts that are imported, or patterns like V(core-*). Without it all.
    type: list
    elements: str
    default: []
  component:
    description:
      - The name of the component, V(imported-) and the tool unless given. It must begin with V(imported-).
      - Each file of V(backup_files) has a name of its own, made of its path.
    type: str
  tier:
    description: The tier whose retention class keeps what is imported, from the import on.
    type: str
    default: tier1
  classes:
    description: Retention classes over the built-in ones. Without it the variable C(holdfast_classes) holds.
    type: dict
  tiers:
    description: Tiers over the built-in ones. Without it the variable C(holdfast_tiers) holds.
    type: dict
  branch:
    description: The branch of a git repository; V(HEAD) is the one that it has checked out.
    type: str
    default: HEAD
  since:
    description: Leave out what was captured before that moment, in UTC such as V(2024-01-01T00:00:00Z).
    type: str
  keep:
    description:
      - "Which versions of a component are taken: V(all), the last one of each day, week or month, or the newest alone."
    type: str
    choices: [all, daily, weekly, monthly, newest]
    default: all
  timezone:
    description:
      - The time zone of times in names, which say none, like V(Europe/Vienna). Without it that of the controller.
    type: str
  name_pattern:
    description:
      - "A regular expression for names of archives. Its group C(host) is the host, and its group C(time) the day, or
        the time to the minute or second, by its digits. Without such a group O(host) holds, and the time when the
        archive was written."
    type: str
  root:
    description: The folder of the host that archives were made in.
    type: str
    default: /
  max_versions:
    description: How many versions one run takes in at most.
    type: int
    default: 10000
  max_bytes:
    description: How many bytes one run takes in, about.
    type: int
    default: 4294967296
  max_version_bytes:
    description: A version that is larger is not imported, 1 GiB at most.
    type: int
    default: 67108864
seealso:
  - module: holdfast.config.restore
  - module: holdfast.config.compare
  - module: holdfast.config.mirror
notes:
  - Runs on the controller, whatever the connection of the host.
  - What was imported comes with the rights of a backup. It reads no content back.
"""

EXAMPLES = r"""
- name: Import what Oxidized has kept
  holdfast.config.import_backups:
    tool: oxidized
    path: /var/lib/oxidized/devices.git
    host_names:
      core/sw1: sw1.example.net
  run_once: true

- name: Import a host's /etc, a version a day
  holdfast.config.import_backups:
    tool: etckeeper
    path: /srv/old/web1/etc
    host: web1
    keep: daily
  run_once: true

- name: Import nightly archives, like web1_2024-05-01.tar.gz
  holdfast.config.import_backups:
    tool: tar
    path: /srv/old/archives
    name_pattern: (?P<host>[^_]+)_(?P<time>[0-9-]{10})
  run_once: true
"""

RETURN = r"""
versions:
  description: How many snapshots were stored, or would be in check mode.
  returned: always
  type: int
  sample: 412
bytes:
  description: How much configuration they hold.
  returned: always
  type: int
  sample: 8214016
known:
  description: How many versions were imported before.
  returned: always
  type: int
  sample: 0
same:
  description: How many versions hold what the version before them holds, so that they were not stored.
  returned: always
  type: int
  sample: 3
thinned:
  description: How many versions O(keep) left out.
  returned: always
  type: int
  sample: 0
remaining:
  description: How many versions were left to the next run.
  returned: always
  type: int
  sample: 0
imported:
  description: What was imported of each component of each host, the first and the last of its times.
  returned: always
  type: list
  elements: dict
  sample:
    - host: sw1
      component: imported-oxidized
      versions: 3
      bytes: 61312
      first: "2024-05-01T08:00:00Z"
      last: "2024-05-01T10:00:00Z"
not_in_inventory:
  description: Hosts of the source that the inventory does not know, the first 200.
  returned: always
  type: list
  elements: str
  sample: [old-sw7]
not_imported:
  description: How many places were not imported.
  returned: always
  type: int
  sample: 1
skipped:
  description: These places and why, the first 200.
  returned: always
  type: list
  elements: dict
  sample:
    - {place: notes.txt, reason: its name is not that of a backup}
report:
  description: The same in lines for people, of 80 columns.
  returned: always
  type: list
  elements: str
  sample: ["imported 412 versions, 7.8 MiB"]
recovery_points:
  description: The ids of the recovery points that hold what was imported.
  returned: always
  type: list
  elements: str
  sample: [8cb40960eccb494e270b17e6d2a1dc1cbde98fab4ba868253bd4480632e908b4]
"""
