# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: file_history
short_description: Say when a file changed, and by which recovery point, ticket and person
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Tells the history of one file, folder or link of a host, or of a component as a whole. One row for each change says
    when it was first seen, changed (content, mode, owner, group, target of a link), was removed or came back, between
    which two moments, in which recovery point, under which ticket and deployment, and by whom.
  - Says as well where nothing is known. Where the digest key was another one before, contents cannot be compared;
    that is told and no change is made up. Where a component no longer declares the path, or leaves it out, that is
    told too, and not taken for a removal.
  - Reads recovery points and manifests alone. No content is read, nothing is decrypted, no host is connected to, and no
    key is needed. Each manifest is read once, and believed only if it is the one that a signed recovery point names.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.display
attributes:
  check_mode:
    support: full
    details: It tells the same. The catalog of the controller is brought up to date, which is a cache.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  host:
    description: The host, by its identity or an inventory name that it has or had. Without it the host of the task.
    type: str
  path:
    description:
      - The absolute path on the host. With O(component) also the name of a text of a component that is no files, such
        as C(running) of a device.
      - Without it the history is that of O(component) as a whole, by its fingerprints.
    type: str
  component:
    description: Let this component alone speak. Without O(path) it is what the history is told of.
    type: str
  since:
    description: Tell of what was captured at this moment or later, as C(2026-11-21T01:16:23Z), or on this day or later,
      as C(2026-11-21), in UTC.
    type: str
  until:
    description: Tell of what was captured at this moment, or on this day, or earlier.
    type: str
  limit:
    description:
      - Read so many manifests at most, the newest. What is older is not told, and a warning says so. Each takes one
        request to the store.
    type: int
    default: 5000
  cache:
    description: Keep the catalog in a file of the state folder, as M(holdfast.config.catalog_info) does. Without it
      every recovery point is read again each time.
    type: bool
    default: true
seealso:
  - module: holdfast.config.catalog_info
  - module: holdfast.config.compare
  - plugin: holdfast.config.snapshot_file
    plugin_type: lookup
notes:
  - RV(ignore:changed) is never true.
  - Runs on the controller, whatever the connection of the host.
  - Snapshots that have expired tell nothing any more. What is first seen may be older.
"""

EXAMPLES = r"""
- name: When did it change, and why
  holdfast.config.file_history:
    path: /etc/nginx/nginx.conf
  register: history

- name: Of a host that the inventory no longer has
  holdfast.config.file_history:
    host: web9
    path: /etc/ssh/sshd_config
    since: "2026-01-01T00:00:00Z"
  run_once: true

- name: What a device runs, without what is volatile in it
  holdfast.config.file_history:
    component: device
"""

RETURN = r"""
host:
  description: The inventory name under which the host was last proven.
  returned: success
  type: str
  sample: web1
host_id:
  description: Its identity.
  returned: success
  type: str
  sample: web1
path:
  description: The path, with what a terminal would obey spelled out; empty for a component as a whole.
  returned: success
  type: str
  sample: /etc/nginx/nginx.conf
component:
  description: The component that was asked for, or empty.
  returned: success
  type: str
  sample: ""
manifests:
  description: How many manifests were read.
  returned: success
  type: int
  sample: 12
begins:
  description: When the oldest snapshot was captured that was looked at.
  returned: success
  type: str
  sample: "2026-03-01T12:00:00Z"
proven_at:
  description: When the streams that declare it now were last proven; null where none does.
  returned: success
  type: str
  sample: "2026-11-27T01:16:23Z"
host_proven_at:
  description: When anything of the host was last proven. Later than RV(proven_at) where the last runs captured the host
    and not this; null where all that is known of it was imported.
  returned: success
  type: str
  sample: "2026-11-27T01:16:23Z"
count:
  description: How many changes there are.
  returned: success
  type: int
  sample: 2
changes:
  description: The changes, the oldest first; the newest 1000 of them.
  returned: success
  type: list
  elements: dict
  contains:
    at:
      description: When the first snapshot was captured that has it.
      type: str
      sample: "2026-03-02T12:00:00Z"
    after:
      description: When what was before was last proven; the change came between the two. Null where nothing was.
      type: str
      sample: "2026-03-02T11:00:00Z"
    status:
      description: One of C(first seen), C(changed), C(volatile), C(removed), C(back), C(not comparable),
        C(not captured), C(not declared), C(seen again). The last stands where the same as before is known again after
        one of the two before it.
      type: str
      sample: changed
    what:
      description: What changed, of C(content), C(target), C(kind), C(mode), C(owner), C(group), C(extended attributes);
        of a component C(content), C(definition). For C(back), against what it was before it was removed.
      type: list
      elements: str
      sample: [content, mode]
    not_compared:
      description: What could not be compared, since the digest keys differ.
      type: list
      elements: str
      sample: []
    key_changed:
      description: Whether the digest key is another one than before.
      type: bool
      sample: false
    reason:
      description: Why it is not captured, or empty.
      type: str
      sample: ""
    paths:
      description: Of a component as a whole, the first 10 paths that changed.
      type: list
      elements: str
      sample: []
    more_paths:
      description: How many more did.
      type: int
      sample: 0
    component:
      description: The component that declares it, or empty.
      type: str
      sample: nginx
    stream:
      description: The stream of the snapshot.
      type: str
      sample: tier1
    snapshot:
      description: The digest of the snapshot, as O(holdfast.config.restore#module:snapshot) takes it.
      type: str
      sample: 5c1f0c9a7d2043e8b6f0a1d95c7e2b843f6019adce57b28410f3d6e9a7c5b182
    recovery_point:
      description: The oldest recovery point that still names this snapshot; the one that stored it, until it expires.
      type: str
      sample: 9b3e52f0d4aa17c6e805f2b93d6a4c71e0859bd2f37a6c140e8d95b2c7f3a610
    expired:
      description: Whether the recovery point that stored it has expired. Who changed it, and under which ticket, is not
        known any more then.
      type: bool
      sample: false
    point:
      description: Its name in its run.
      type: str
      sample: main
    sealed_at:
      description: When it was sealed.
      type: str
      sample: "2026-03-02T12:01:10Z"
    change_id:
      description: The ticket of the run that stored the snapshot, or empty.
      type: str
      sample: CHG0042
    requester:
      description: Who asked for the change, or empty.
      type: str
      sample: ""
    deployment_id:
      description: The deployment, or empty.
      type: str
      sample: "4711"
    application_version:
      description: The version deployed, or empty.
      type: str
      sample: 1.4.2
    environment:
      description: The environment, or empty.
      type: str
      sample: production
    deployer:
      description: Who deployed, or empty.
      type: str
      sample: ""
    by:
      description: Who ran the backup.
      type: str
      sample: alice on ctl1
    alias:
      description: The alias of the recovery point, or empty.
      type: str
      sample: v1.4.2
    imported:
      description: Whether the snapshot was imported from another tool, which vouches for its time.
      type: bool
      sample: false
    restore_open:
      description: Whether it was captured while a restore was open on the host.
      type: bool
      sample: false
    kind:
      description: What it was, C(file), C(dir), C(symlink) or C(hardlink); empty where it was not there.
      type: str
      sample: file
    mode:
      description: Its mode.
      type: str
      sample: "0644"
    owner:
      description: Its owner.
      type: str
      sample: root
    group:
      description: Its group.
      type: str
      sample: root
    size:
      description: Its size in bytes; null where it was not there.
      type: int
      sample: 2412
    modified:
      description: When it was modified, as the host said; null where it was not there.
      type: str
      sample: "2026-03-02T11:48:02Z"
report:
  description: All of it as lines of text, 80 columns wide, the newest 200 changes.
  returned: success
  type: list
  elements: str
  sample: ["web1 /etc/nginx/nginx.conf"]
"""
