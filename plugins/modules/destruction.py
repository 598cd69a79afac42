# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: destruction
short_description: Destroy the key of a class and year, as people have signed
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - What is under a lock nobody deletes. Its key can be destroyed, of a class and year as a whole, and then nothing that
    was sealed under it opens again. This module says what that would be, destroys the key where enough people have
    signed for just that, with the operation V(destruction) of M(holdfast.config.record), and keeps what who holds the
    escrow key has signed.
  - The server of the keyring asks for a quorum of its own. With Vault a token that C(vault operator generate-root) made
    of several people's shares is needed. It is used once, and this module revokes it. A keyring of files asks for
    nobody.
  - Snapshots under a destroyed key are carried on no more, and their hosts are stored anew by the next backup.
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
  key:
    description:
      - The key of a class and year, such as V(d0090-2026), with the letter of its series where it has one. With
        O(state=escrow) the key of escrow.
      - With O(state=listed) also what it opens is said.
    type: str
  state:
    description:
      - V(listed) says how far each destruction is, and needs no key.
      - V(present) notes that it begins, destroys O(key) in the keyring at hand, sees that it is gone, and puts the
        record of it. A run that was killed is finished by the next one, and a key that is there again is destroyed
        again.
      - V(escrow) asks who holds the escrow key to sign that each copy of it is destroyed; with O(request) and
        O(signature) it adds what they have signed, and puts the record once it is enough.
    type: str
    choices: [listed, present, escrow]
    default: listed
  requester:
    description: Who asks for the statement of O(state=escrow). Without it O(change.requester) holds.
    type: str
  reason:
    description: Why, in words for who signs. Needed for O(state=escrow) without O(request).
    type: str
  ticket:
    description: The ticket that holds the whole story. Without it O(change.id) holds.
    type: str
  valid_days:
    description: For how many days it may be signed, 1 to 90.
    type: int
    default: 7
  request:
    description: With O(state=escrow) the id of the request, or its first 12 digits or more, that O(signature) is for.
    type: str
  signature:
    description: The file on the controller that C(ssh-keygen -Y sign) wrote.
    type: path
  to_sign:
    description: Where O(state=escrow) writes, on the controller, what is to be signed.
    type: path
seealso:
  - module: holdfast.config.record
  - module: holdfast.config.repository
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: See what nobody could open any more
  holdfast.config.destruction:
    key: d0090-2024

- name: Ask people to sign that it is destroyed
  holdfast.config.record:
    state: requested
    operation: destruction
    key: d0090-2024
    requester: carol@example.com
    reason: the contract with ACME has ended
    ticket: CHG0031337
    to_sign: destroy-d0090-2024

- name: Destroy it, with the token of a quorum in VAULT_TOKEN
  holdfast.config.destruction:
    key: d0090-2024
    state: present

- name: Ask who holds escrow to sign that its key is destroyed too
  holdfast.config.destruction:
    key: d0090-2024
    state: escrow
    requester: carol@example.com
    reason: d0090-2024 was destroyed
    to_sign: escrow-d0090-2024
  register: asked
"""

RETURN = r"""
keys:
  description: Keys for whose destruction enough people have signed, and how far it is.
  returned: with O(state=listed)
  type: list
  elements: dict
  contains:
    key:
      description: The key.
      type: str
      sample: d0090-2024
    state:
      description:
        - V(demanded) where it may be destroyed now, V(expired) where that time is over, V(destroying) where it was
          begun and nobody has seen yet that the key is gone. V(pending) where it is destroyed and who holds an escrow
          key has not signed yet, V(destroyed) where both are, V(closed) where nothing is left either.
      type: str
      sample: pending
    demand:
      description: The digest of the record that people signed.
      type: str
      sample: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
    signed_by:
      description: Who signed it.
      type: list
      elements: str
      sample: [alice@example.com, bob@example.com]
    asked_at:
      description: When it was asked for, by the store's time.
      type: str
      sample: "2026-11-21T01:16:23Z"
    expires:
      description: Until when it may be carried out.
      type: str
      sample: "2026-11-28T01:16:23Z"
    reason:
      description: Why.
      type: str
      sample: the contract with ACME has ended
    ticket:
      description: The ticket, or empty.
      type: str
      sample: CHG0031337
    destroyed_at:
      description: When it was destroyed, or empty.
      type: str
      sample: "2026-11-22T09:30:00Z"
    record:
      description: The digest of the record that says so, or empty.
      type: str
      sample: 4f1d2a6b8c0e3f507192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8
    escrow:
      description:
        - The escrow keys that open the same, also once it has expired, each with the record by which its holder has
          signed, and who that is.
      type: list
      elements: dict
      sample: [{key: d0090-2024, record: "", signed_by: []}]
    snapshots:
      description: How many snapshots are under it that the store still has.
      type: int
      sample: 14
key:
  description: The key.
  returned: with O(key), and not O(state=escrow)
  type: str
  sample: d0090-2024
in_use:
  description: Whether new snapshots are sealed under it, since the root has none that follows it.
  returned: with O(key), and not O(state=escrow)
  type: bool
  sample: false
snapshots:
  description: How many snapshots are under it.
  returned: with O(key), and not O(state=escrow)
  type: int
  sample: 14
locked:
  description: How many of these have a lock that has not ended.
  returned: with O(key), and not O(state=escrow)
  type: int
  sample: 14
newest:
  description: How many of these are the newest of their streams that open.
  returned: with O(key), and not O(state=escrow)
  type: int
  sample: 1
held:
  description: How many of these are under legal hold. Where there is one the key is not destroyed.
  returned: with O(key), and not O(state=escrow)
  type: int
  sample: 0
escrow:
  description: The escrow keys that open the same.
  returned: with O(key), and not O(state=escrow)
  type: list
  elements: str
  sample: [d0090-2024]
hosts_left_without:
  description: Hosts of which nothing else is left that opens.
  returned: with O(key), and not O(state=escrow)
  type: list
  elements: str
  sample: [web9]
unreadable:
  description: Those snapshots, the newest of their streams first, 1000 at most.
  returned: with O(key), and not O(state=escrow)
  type: list
  elements: dict
  contains:
    host:
      description: The host, as the inventory called it when it was last proven.
      type: str
      sample: web9
    host_id:
      description: Its identity.
      type: str
      sample: web9
    stream:
      description: The stream.
      type: str
      sample: tier1
    captured_at:
      description: When it was captured.
      type: str
      sample: "2024-11-21T01:16:23Z"
    snapshot:
      description: The digest of its manifest.
      type: str
      sample: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
    recovery_points:
      description: The recovery points that name it.
      type: list
      elements: str
      sample: [4f1d2a6b8c0e3f507192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8]
    locked_until:
      description: Until when it is locked.
      type: str
      sample: "2027-02-19T01:16:23Z"
    newest:
      description: Whether it is the newest of its stream that opens.
      type: bool
      sample: true
    held:
      description: Whether it is under legal hold.
      type: bool
      sample: false
not_listed:
  description: How many more there are.
  returned: with O(key), and not O(state=escrow)
  type: int
  sample: 0
not_read:
  description:
    - Manifests that cannot be read, so that nobody knows under which key their snapshots are. Where there is one the
      key is not destroyed.
  returned: with O(key), and not O(state=escrow)
  type: list
  elements: str
  sample: []
demand:
  description: The digest of the record that people signed.
  returned: with O(state=present)
  type: str
  sample: 9a1f5b7c3d2e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd
record:
  description:
    - The digest of the record that says that the key was destroyed; empty in check mode where it would be.
    - With O(state=escrow) of that of the statement, or empty.
  returned: with O(state=present) and O(state=escrow)
  type: str
  sample: 4f1d2a6b8c0e3f507192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8
token_revoked:
  description: Whether the token of a quorum was revoked.
  returned: with O(state=present)
  type: bool
  sample: true
request:
  description: The id of the request. With it all that M(holdfast.config.record) says of a request.
  returned: with O(state=escrow)
  type: str
  sample: 4f1d2a6b8c0e3f507192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8
"""
