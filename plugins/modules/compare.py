# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compare
short_description: Compare sealed configuration with a host as it is, or with other snapshots
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Names every path that differs between two states of configuration, and in what. The first is a selection of
    snapshots, as for M(holdfast.config.restore). The other one is the host of the task as it is now, or, with the
    C(with_) options, another selection, of the same host or of another.
  - Nothing is changed on any host. Where digests can tell, no pack is opened.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.selection
  - holdfast.config.display
attributes:
  check_mode:
    support: full
    details: It does the same. The page of O(html) is written too.
  diff_mode:
    support: full
    details: Prints unified diffs and adds them to the result, with secrets masked.
  idempotent:
    support: full
options:
  with_host:
    description: The host whose snapshots are the other side, by its inventory name or identity; that of the first side
      unless given. Takes another C(with_) option.
    type: str
  with_recovery_point:
    description: The other side is this recovery point, as O(recovery_point).
    type: str
  with_snapshot:
    description: The other side is this snapshot, as O(snapshot).
    type: str
  with_alias:
    description: The other side is the recovery point of this name, as O(alias).
    type: str
  with_change_id:
    description: The other side is the recovery point of this change, as O(change_id).
    type: str
  with_point_name:
    description: As O(point_name), for the other side.
    type: str
  with_time:
    description: The other side is what was newest at this moment, as O(time).
    type: str
  with_newest:
    description: The other side is the newest snapshot of each component.
    type: bool
    default: false
  html:
    description:
      - Also write a page with all differences to this file of the controller, readable by its user alone, with secrets
        masked. An existing file is replaced. Several hosts take several files, as with C({{ inventory_hostname }}).
    type: path
  fail_on_drift:
    description: Fail the task where anything differs that is not volatile.
    type: bool
    default: false
seealso:
  - module: holdfast.config.restore
  - module: holdfast.config.snapshot
notes:
  - RV(ignore:changed) is never true. Branch on RV(drift).
  - Comparing with a live host takes one half of the keyring. With the seal half digests are compared, which opens
    nothing; the open half is needed to show content, and to compare different hosts. Snapshots of one host under one
    digest key take none.
  - What is masked is what the component declares as C(secrets), and what is known to be a secret in any software.
    Private keys, other private files, binary files, and those of the data class V(secret) are not shown.
"""

EXAMPLES = r"""
- name: Has the host drifted since its last backup?
  holdfast.config.compare:
    newest: true
  register: compared
  become: true

- name: Open a ticket where it has
  ansible.builtin.debug:
    msg: "{{ compared.differences | selectattr('volatile', 'false') | map(attribute='path') }}"
  when: compared.drift

- name: What did a change do?
  holdfast.config.compare:
    change_id: CHG0042
    point_name: pre
    with_change_id: CHG0042
    with_point_name: post

- name: Do two hosts of a cluster agree?
  holdfast.config.compare:
    source_host: web1
    newest: true
    with_host: web2
    with_newest: true
    components: [nginx]
    html: /tmp/web1-web2.html
"""

RETURN = r"""
drift:
  description: Whether anything differs that is not volatile.
  returned: success
  type: bool
  sample: true
differences:
  description: The paths that differ, at most 1,000 of them, in their order. Bytes of names that are no UTF-8, and what
    a terminal would obey, are spelled out.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /etc/ssh/sshd_config
      component: ssh
      status: changed
      what: [content, mode]
      volatile: false
      before: {mode: '0600', size: 3264}
      after: {mode: '0644', size: 3287}
  contains:
    path:
      description: The path.
      type: str
    component:
      description: Its component.
      type: str
    status:
      description: V(added) and V(removed) are said of the second side against the first.
      type: str
    what:
      description: The attributes that differ, of a path that both sides have.
      type: list
      elements: str
    volatile:
      description: Whether this changes by itself, as its component says, and is no drift.
      type: bool
    before:
      description: Those attributes on the first side, where it has the path.
      type: dict
    after:
      description: Those attributes on the second side, where it has the path.
      type: dict
different:
  description: How many paths differ.
  returned: success
  type: int
  sample: 1
unchanged:
  description: How many paths are equal.
  returned: success
  type: int
  sample: 13
summary:
  description: How many paths were added, removed and changed, and how many differ that are volatile; in all, and by
    component under C(components).
  returned: success
  type: dict
  sample:
    added: 0
    removed: 0
    changed: 1
    volatile: 0
    components:
      ssh: {added: 0, removed: 0, changed: 1, volatile: 0}
report:
  description: The same in lines for people, without content.
  returned: success
  type: list
  elements: str
  sample:
    - web1, sealed at 2026-11-21T01:16:23Z  ->  web1, live at 2026-11-21T09:00:00Z
    - 1 changed, 13 equal
    - ''
    - 'ssh: 1 changed'
    - 'changed /etc/ssh/sshd_config: content, mode 0600 -> 0644'
not_compared:
  description: Components that could not be compared, each with the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - component: packages
      reason: it is declared otherwise now
proof:
  description: V(content) where packs were opened, V(digests) where nothing was.
  returned: success
  type: str
  sample: digests
left:
  description: The first side, with when it was captured and the digests of its snapshots.
  returned: success
  type: dict
  sample:
    host: web1
    live: false
    captured_at: '2026-11-21T01:16:23Z'
    captured_until: '2026-11-21T01:16:23Z'
    snapshots: [5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592]
    asked: newest
right:
  description: The second side, likewise.
  returned: success
  type: dict
  sample:
    host: web1
    live: true
    captured_at: '2026-11-21T09:00:00Z'
    captured_until: '2026-11-21T09:00:00Z'
    snapshots: []
    asked: ''
html:
  description: The page that was written.
  returned: when O(html) is given
  type: str
  sample: /tmp/web1-web2.html
seconds:
  description: Seconds spent in each phase.
  returned: success
  type: dict
  sample: {find: 0.01, fetch: 0.01, survey: 0.2, compare: 0.01}
"""
