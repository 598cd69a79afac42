# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore a host's sealed configuration, in place or under another root, and prove it equal
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Finds the snapshots asked for, checks every signature and digest on the way, opens them, writes them, captures the
    host again and compares. It succeeds only where every path is equal.
  - Only what differs is written, so that a second restore changes nothing.
  - In place all of it happens, or nothing. What is new is staged beside its place and journalled, each path is renamed
    at once, the components' commands validate, units whose configuration changed are reloaded, and only where all was
    read back equal does the host let go of the old state. On any failure it goes back. If controller or host die
    meanwhile, a systemd unit of the host takes the restore back once O(lease) is over, or the next restore does.
  - The configuration of a network device comes back the same way, with O(in_place), by what its platform has for that.
    It is replaced whole, or lines that were computed are typed; it is applied under the device's own timer where it has
    one, captured again over a new login, and compared. Where anything differs it is taken back.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.change
  - holdfast.config.selection
attributes:
  check_mode:
    support: full
    details: Judges everything that a restore would judge, and names what would change, come back and be reloaded.
  diff_mode:
    support: full
    details:
      - Under another root it names paths and the attributes that differ. In place it shows lines too, with secrets
        masked. Of a device it shows the blocks that changed lines stand in, and the lines that lead there.
  idempotent:
    support: full
options:
  in_place:
    description: Restore every path to where it was. Takes root for what root owns.
    type: bool
    default: false
  under:
    description:
      - The folder on the host to restore below; a file from C(/etc/hosts) becomes O(under) plus C(/etc/hosts). It is
        made where it does not exist. C(/) is refused.
    type: str
  exact:
    description:
      - With O(in_place), also remove what the snapshot does not hold, inside the components' paths only, and replace
        what is of another kind, such as a folder where a file was. What a component excludes or preserves stays.
    type: bool
    default: false
  owners:
    description: Whether the owner of a path is the host's account of that C(name), or of that number. A host that has
      no such name gets the number.
    type: str
    choices: [name, id]
    default: name
  validate:
    description: In place, run the command of each component that changes; where it refuses, nothing is changed.
    type: bool
    default: true
  reload:
    description: In place, reload the units of each component that changed, once, and only those that are active.
    type: bool
    default: true
  lease:
    description: In place, for how many seconds without a word from the controller a host waits before it goes back.
    type: int
    default: 300
  journal_dir:
    description:
      - In place, the folder on the host for what it needs to go back. Without it the variable C(holdfast_journal_dir)
        holds, else C(/var/lib/holdfast), and C(~/.local/state/holdfast) for who is not root.
    type: str
  archived:
    description:
      - What to do where a pack that is needed rests in an archive class of the store, V(GLACIER) or V(DEEP_ARCHIVE).
        It is found out before anything on the host is touched.
      - V(fail) names each such object and how long it usually takes until it can be read.
      - V(request) asks the store to bring them back, and fails; run the restore again later. V(wait) asks, waits for
        twice as long as it usually takes at most, and goes on. The wait stands as C(archive) in RV(seconds) and in
        the record of the restore.
      - In check mode nothing is asked for.
    type: str
    choices: [fail, request, wait]
    default: fail
  archived_tier:
    description:
      - How fast it comes back, and what that costs. As AWS documents it, V(Expedited) takes 1 to 5 minutes and is not
        for C(DEEP_ARCHIVE), V(Standard) 3 to 5 hours, 12 from C(DEEP_ARCHIVE), and V(Bulk) 5 to 12 hours, 48 from
        C(DEEP_ARCHIVE).
    type: str
    choices: [Expedited, Standard, Bulk]
    default: Standard
  archived_days:
    description: For how many days, up to 365, what was brought back stays readable.
    type: int
    default: 3
  html:
    description:
      - In place, also write what differs as a page to this file of the controller, with secrets masked, before anything
        is changed. Mostly of use in check mode, for whoever has to approve it.
    type: path
  save:
    description:
      - Of a network device, also make what was restored what it starts with, by what its platform has for that. Without
        it a device that is reloaded has what it started with before.
    type: bool
    default: false
  timer:
    description:
      - For how many minutes, up to 60, a network device waits for the confirmation that its configuration is kept
        before it goes back by itself. Only where its platform has such a timer.
    type: int
    default: 5
  any_hostname:
    description:
      - Restore also to a network device that calls itself otherwise than the sealed configuration does, such as a
        spare. Else it is refused, since its address may be another device's by now.
    type: bool
    default: false
seealso:
  - module: holdfast.config.compare
  - module: holdfast.config.verify
notes:
  - Give exactly one of O(in_place) and O(under).
  - Owners are set and compared only where the task runs as root on the host; RV(owners_compared) says which it was.
  - Components that hold texts, such as what a command printed, are restored under another root only.
  - Of a network device its running configuration is restored, whole. Files of a host and the configuration of a device
    are restored by two tasks, each naming its O(components). O(exact), O(owners), O(validate), O(reload), O(lease) and
    O(journal_dir) are for files.
"""

EXAMPLES = r"""
- name: Bring a host back to what it was before a change
  holdfast.config.restore:
    change_id: CHG0042
    point_name: pre
    in_place: true
  become: true

- name: Bring back one file as it was newest, and remove nothing else
  holdfast.config.restore:
    newest: true
    paths: [/etc/ssh/sshd_config]
    in_place: true
  become: true

- name: Bring a router back to what it was before a change, and save it
  holdfast.config.restore:
    change_id: CHG0042
    point_name: pre
    in_place: true
    save: true

- name: Restore the ssh component below a scratch folder
  holdfast.config.restore:
    newest: true
    components: [ssh]
    under: /var/tmp/restored
  become: true

- name: Restore what another host looked like before a change
  holdfast.config.restore:
    recovery_point: 9a1f5b7c3d2e
    source_host: web1
    under: /var/tmp/web1
"""

RETURN = r"""
equal:
  description:
    - Whether everything restored was read back equal. False only in check mode, where something would be written.
  returned: success
  type: bool
  sample: true
written:
  description: The paths that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config]
removed:
  description: The paths that were removed, or would be, since O(exact) was asked for.
  returned: success
  type: list
  elements: str
  sample: []
extra:
  description: Paths inside the components that the snapshot does not hold. They are left alone.
  returned: success
  type: list
  elements: str
  sample: []
preserved:
  description: Paths whose live content stays, since their component says so.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/ssh_host_ed25519_key]
returning:
  description: Paths that come back with old secrets, and what these are. Look at them before you restore.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /etc/shadow
      what: [password hashes]
  contains:
    path:
      description: The path.
      type: str
    what:
      description: Kinds of secrets in it.
      type: list
      elements: str
not_atomic:
  description: Paths that cannot change at one instant, each with the reason.
  returned: success
  type: list
  elements: str
  sample: ['/etc/resolv.conf: it is a mount point and is written in place']
validated:
  description: Components whose command accepted what was restored.
  returned: success
  type: list
  elements: str
  sample: [ssh]
not_validated:
  description: Components whose command could not be run, each with the reason.
  returned: success
  type: list
  elements: str
  sample: []
reloaded:
  description: The units that took up what was restored.
  returned: success
  type: list
  elements: str
  sample: [ssh.service]
not_reloaded:
  description: Units that were left alone, each with the reason, such as not being active.
  returned: success
  type: list
  elements: str
  sample: []
recovered:
  description: Restores that had broken off earlier and were taken back first.
  returned: success, and failure where there were any
  type: list
  elements: str
  sample: []
entries:
  description: How many paths were compared.
  returned: success
  type: int
  sample: 14
owners_compared:
  description: Whether owners were set and compared, which takes root on the host.
  returned: success
  type: bool
  sample: true
snapshots:
  description: The digests of the snapshots restored from.
  returned: success
  type: list
  elements: str
  sample: [5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592]
record:
  description: The name of the signed record of this restore, empty in check mode and where it could not be kept.
  returned: success
  type: str
  sample: records/restore/2026-11/20261121T011623Z-0a1b2c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0123456789abcdef.json
html:
  description: The page that O(html) asked for, on the controller.
  returned: success, where O(html) is given and the restore is in place
  type: str
  sample: /tmp/CHG0042-web1.html
seconds:
  description: Seconds spent in each phase.
  returned: success
  type: dict
  sample:
    find: 0.01
    fetch: 0.02
archived:
  description: Objects that rest in an archive class, where the restore failed for that.
  returned: failure
  type: list
  elements: dict
  sample:
    - object: packs/d0400/web1/tier1/20261121T011623Z-0a1b2c3d.tar.zst.age
      version: v1
      storage_class: GLACIER
      returning: false
      usual_wait: 3 to 5 hours
method:
  description:
    - Of a network device, how its configuration comes back. V(replace) is whole, V(candidate) by lines that are typed,
      V(netconf) by NETCONF, V(reload) whole by a program of its Linux host.
  returned: success, for a network device
  type: str
  sample: candidate
lines:
  description: Of a network device, how many lines lead from what ran to what was sealed. Diff mode shows them.
  returned: success, for a network device
  type: int
  sample: 4
timer_minutes:
  description: Minutes of the timer that was armed on the device, 0 where none was.
  returned: success, for a network device
  type: int
  sample: 5
saved:
  description: Whether it was made what the device starts with, or would be in check mode.
  returned: success, for a network device
  type: bool
  sample: false
not_restored:
  description: Texts of the device that are sealed beside its configuration, and stay where they are.
  returned: success, for a network device
  type: list
  elements: str
  sample: [/holdfast/device/version]
undone:
  description: Of a restore in place that failed, whether the host or device is as it was before.
  returned: failure
  type: bool
  sample: true
left:
  description: Paths that were not taken back, since somebody has changed them meanwhile.
  returned: failure
  type: list
  elements: str
  sample: []
"""
