# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: record
short_description: Ask people to sign for an operation, and put the record they signed
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Some operations count only once enough of the people that the root names have signed for them, each with an OpenSSH
    key of their own. This module makes the request, adds signatures, puts the record, and says how things stand.
  - It needs no keyring. Whoever may put objects into the store may ask; only signatures decide.
  - Requests for another root link are made and completed by M(holdfast.config.repository); people sign them here.
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
  idempotent:
    support: full
options:
  state:
    description:
      - V(requested) makes a request, unless an open one asks the same for the same reason.
      - V(signed) adds one person's signature to a request, after it has been verified.
      - V(present) puts the record once enough people have signed, and fails with what is lacking before.
      - V(checked) says how a request stands, and writes what is to be signed where O(to_sign) names a file.
      - V(listed) names open requests, the records that count, and what is not believed; the newest 200 of requests and
        of records.
    type: str
    choices: [requested, signed, present, checked, listed]
    required: true
  operation:
    description:
      - What people are asked to sign for. V(retired) says that nobody keeps a host, or a stream of it, any longer; what
        was last proven before the request was made is no longer carried on, and expires.
      - V(hold-release) says that a legal hold ends, which M(holdfast.config.legal_hold) carries out until the request
        expires.
      - V(access) says that the restorer's rights are given for a window, which M(holdfast.config.access) does. It takes
        a ticket.
      - V(destruction) says that the key of a class and year is destroyed, which M(holdfast.config.destruction) carries
        out until the request expires. People sign how many snapshots nobody can open then.
      - V(escrow-destroyed) says that who holds an escrow key has destroyed each copy of it.
      - V(exception) says that people accept an exception of C(holdfast_exceptions) until it expires, word for word.
        Without it what it names is a gap in M(holdfast.config.coverage_info).
      - Needed for O(state=requested).
    type: str
    choices: [access, destruction, escrow-destroyed, exception, hold-release, retired]
  host:
    description:
      - The host, as the inventory spells it, or its C(holdfast_host_id). What people sign names the identity. Needed
        for O(operation=retired).
    type: str
  stream:
    description: One stream of O(host), such as V(tier1). Without it all of them.
    type: str
  key:
    description:
      - The key of a class and year, such as V(d0090-2026), with the letter of its series where it has one. Needed for
        O(operation=destruction), and for O(operation=escrow-destroyed), which names a key of escrow.
    type: str
  allow_in_use:
    description:
      - Whether people may be asked to destroy a key under which new snapshots are sealed, since the root has none that
        follows it. Backups of its class fail once it is gone.
    type: bool
    default: false
  recovery_point:
    description:
      - The recovery point whose hold ends, by its id or at least its first 12 digits. For O(operation=hold-release),
        which must name host, stream and recovery point just as the hold did.
    type: str
  exception:
    description:
      - The id of an exception in C(holdfast_exceptions) of the host that the task runs for, such as V(EX-7). Needed for
        O(operation=exception).
    type: str
  requester:
    description:
      - Who asks, like V(carol@example.com). Their own signature does not count. Without it O(change.requester) holds.
    type: str
  reason:
    description: Why, in words for those who sign. Needed for O(state=requested).
    type: str
  ticket:
    description: The ticket that holds the whole story. Without it O(change.id) holds.
    type: str
  valid_days:
    description: For how many days people may sign, 1 to 90.
    type: int
    default: 7
  from:
    description:
      - From when somebody has the rights, in UTC, such as V(2026-11-28T20:00:00Z). Needed for O(operation=access).
    type: str
  until:
    description:
      - Until when, in UTC, 24 hours after O(from) at most. Needed for O(operation=access).
    type: str
  request:
    description: The id of a request, or its first 12 digits or more. Needed for all states but requested and listed.
    type: str
  signature:
    description: The file on the controller that C(ssh-keygen -Y sign) wrote. Needed for O(state=signed).
    type: path
  to_sign:
    description:
      - Where O(state=requested) and O(state=checked) write, on the controller, what people sign.
    type: path
seealso:
  - module: holdfast.config.destruction
  - module: holdfast.config.repository
  - plugin: holdfast.config.read_record
    plugin_type: filter
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Ask people to retire a host that was scrapped
  holdfast.config.record:
    state: requested
    operation: retired
    host: web1
    requester: carol@example.com
    reason: web1 was scrapped
    ticket: CHG0031337
    to_sign: retire-web1
  register: asked

- name: Add a signature
  holdfast.config.record:
    state: signed
    request: "{{ asked.request }}"
    signature: retire-web1.sig

- name: Put the record once enough have signed
  holdfast.config.record:
    state: present
    request: "{{ asked.request }}"

- name: See what is open
  holdfast.config.record:
    state: listed
  register: known
"""

RETURN = r"""
request:
  description: The id of the request; empty in check mode where it would be made.
  returned: success, and not O(state=listed)
  type: str
  sample: 4f1d2a6b8c0e3f507192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8
operation:
  description: What people are asked to sign for; V(root) for another root link.
  returned: success, and not O(state=listed)
  type: str
  sample: retired
subject:
  description:
    - Host, stream and recovery point, or the number of the root link. Of a destruction the key, and how many snapshots
      are under it, how many of these are locked, and how many are the newest of a stream.
  returned: success, and not O(state=listed)
  type: dict
  sample: {host: web1}
says:
  description: A root link in lines for people; empty for anything else.
  returned: success, and not O(state=listed)
  type: list
  elements: str
  sample: []
requester:
  description: Who asks.
  returned: success, and not O(state=listed)
  type: str
  sample: carol@example.com
reason:
  description: Why.
  returned: success, and not O(state=listed)
  type: str
  sample: web1 was scrapped
ticket:
  description: The ticket, or empty.
  returned: success, and not O(state=listed)
  type: str
  sample: CHG0031337
asked_at:
  description: When it was asked, by the store's time. A retirement speaks of what was last proven before.
  returned: success, and not O(state=listed)
  type: str
  sample: "2026-11-21T01:16:23Z"
expires:
  description: Until when people may sign.
  returned: success, and not O(state=listed)
  type: str
  sample: "2026-11-28T01:16:23Z"
open:
  description: Whether people may sign it now. It is closed by its end and by another root link.
  returned: success, and not O(state=listed)
  type: bool
  sample: true
needed:
  description: How many people it takes, of which roles, and with which presence of theirs at the key.
  returned: success, and not O(state=listed)
  type: dict
  sample: {required: 2, roles: [security, operations], presence: any}
signed_by:
  description: Whose signatures count.
  returned: success, and not O(state=listed)
  type: list
  elements: str
  sample: [alice@example.com]
lacking:
  description: What is missing.
  returned: success, and not O(state=listed)
  type: list
  elements: str
  sample: [1 more person, somebody else of role operations]
reached:
  description: Whether enough people have signed.
  returned: success, and not O(state=listed)
  type: bool
  sample: false
refused:
  description: Why other signatures in the store do not count.
  returned: success, and not O(state=listed)
  type: list
  elements: str
  sample: []
record:
  description: The digest of the record that it has become, or empty.
  returned: success, and not O(state=listed)
  type: str
  sample: ""
still_live:
  description:
    - Streams of the host that a retirement leaves live, since the host was backed up after the request was made.
  returned: with O(state=present) and O(state=checked)
  type: list
  elements: str
  sample: []
next_steps:
  description: What to do now, with the commands.
  returned: success, and not O(state=listed)
  type: list
  elements: str
  sample:
    - "Each of them reads it and signs it: ssh-keygen -Y sign -f KEY -n holdfast.config retire-web1"
requests:
  description: Requests that people may sign now, the newest first, in the words above.
  returned: with O(state=listed)
  type: list
  elements: dict
  sample: []
records:
  description: Records that enough people signed, the newest first, in the words above.
  returned: with O(state=listed)
  type: list
  elements: dict
  sample:
    - record: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
      operation: retired
      asked_at: "2026-11-21T01:16:23Z"
      subject: {host: web1}
      requester: carol@example.com
      reason: web1 was scrapped
      ticket: CHG0031337
      expires: "2026-11-28T01:16:23Z"
      signed_by: [alice@example.com, bob@example.com]
not_believed:
  description: Objects that count as not there, each with the reason.
  returned: with O(state=listed)
  type: list
  elements: dict
  contains:
    name:
      description: The object.
      type: str
      sample: records/retired/2026-11/20261121T011623Z-0a1b.json
    reason:
      description: Why it is not believed.
      type: str
      sample: lacks 1 more person
not_read:
  description: How many older requests and records were left out.
  returned: with O(state=listed)
  type: int
  sample: 0
"""
