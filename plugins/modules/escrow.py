# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow
short_description: Make escrow keys offline, split them among custodians, and prove that they open a repository
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Escrow keys open every backup without the keyring. This module puts all of them into one encrypted file whose key is
    split, so that any O(threshold) of O(custodians) can open it, and fewer can not.
  - V(made), V(split) and V(joined) need no repository, no keyring and no network. Run them on a machine that has none,
    from a folder in memory such as C(/dev/shm).
  - Neither keys nor shares are shown, not in results and not in errors.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.change
attributes:
  check_mode:
    support: full
    details: Opens shares and packs in memory to tell. Writes no file and puts no record.
  diff_mode:
    support: full
    details: Names custodians and public keys.
  idempotent:
    support: partial
    details: O(state=proved) puts a record each time, where the keyring can sign one.
options:
  state:
    description:
      - V(made) makes escrow keys in the folder O(path), C(identities.txt), which stays offline, and beside it
        C(recipients.txt), which opens nothing and says for whom to encrypt. Keys that either file has stay as they are,
        and those that are missing are added. The owner brings C(recipients.txt) alone into C(escrow/) of the keyring's
        path before M(holdfast.config.repository) runs, which then makes no escrow key of its own.
      - V(split) writes the folder O(path) anew. It holds C(escrow.age), all of the escrow keys; C(escrow.json), public,
        which says which keys these are, who has a share and how many are needed; and a file for each custodian,
        C(share-NAME.age), which only their own key opens. Where O(path) holds just that already, nothing is changed;
        another split is never written over.
      - V(joined) brings the escrow keys back into the folder O(destination).
      - V(proved) opens packs of the repository by the escrow keys, in memory, holds all that is in them against their
        manifests, and puts a signed record of kind C(drill) where the keyring holds the record key. It fails where one
        pack does not open or is not what was sealed; and, unless O(recovery_point) names what is proved, where an older
        snapshot whose lock has not ended takes an escrow key that is not here.
      - An option that a state does not read is refused.
    type: str
    choices: [made, split, joined, proved]
    required: true
  path:
    description: The folder of the split, mode 0700. With V(made) that of the keys.
    type: path
    required: true
  classes:
    description:
      - Retention classes that V(made) makes keys for, as M(holdfast.config.repository) has them. Without it the
        variable C(holdfast_classes) holds, over the built-in ones.
    type: dict
  first_year:
    description: The first year that V(made) makes keys for. Without it this year, by the machine's clock in UTC.
    type: int
  years:
    description: For how many years, 1 to 100. The default is what a repository that is made needs.
    type: int
    default: 11
  series:
    description:
      - The small letter that names of another series of keys end with, such as V(b) of C(d0090-2026b). A rotation of
        C(escrow) needs it, and M(holdfast.config.repository) then says which names are missing.
    type: str
    default: ""
  repository_name:
    description: The name of the repository, for V(split). Without it that of O(repository).
    type: str
  folders:
    description:
      - The folders to split, as V(made) or M(holdfast.config.repository) made them; all of their keys go into one file.
    type: list
    elements: path
    default: []
  custodians:
    description: Who gets a share, 16 at most, each with a key of their own.
    type: list
    elements: dict
    suboptions:
      name:
        description: A name of letters, digits and C(. _ @ + -). It becomes part of a file's name.
        type: str
        required: true
      key:
        description:
          - Their public key, one of age (C(age1...)) or of OpenSSH (C(ssh-ed25519), C(ssh-rsa)).
          - FIDO2 and ECDSA keys sign and can decrypt nothing, so that they are refused.
        type: str
        required: true
  threshold:
    description: How many shares open it, 2 or more.
    type: int
  shares:
    description:
      - Files of shares, each decrypted by its custodian with C(age -d), mode 0600.
      - With O(state=split) those of O(previous).
    type: list
    elements: path
    default: []
  previous:
    description:
      - The folder of an earlier split, which O(shares) open, to split its keys anew, as when a custodian leaves. Keys
        of O(folders) come beside them.
      - The old shares go on opening the old file. Destroy every copy of that.
    type: path
  without:
    description:
      - Keys that are left out of the new split, such as V(d0090-2024). Together with the destruction of every copy of
        the old file this is how escrow lets go of a class and year.
    type: list
    elements: str
    default: []
  destination:
    description: Where V(joined) writes C(identities.txt). The folder is made, mode 0700.
    type: path
  on_disk:
    description: Take a O(destination) that is not a file system in memory.
    type: bool
    default: false
  recovery_point:
    description:
      - What V(proved) opens, by its id or the first digits of it. Without it the newest snapshot of every stream that
        is kept.
    type: str
  hosts:
    description: Names or identities of the hosts whose packs V(proved) opens. Without it all.
    type: list
    elements: str
    default: []
seealso:
  - module: holdfast.config.repository
  - module: holdfast.config.verify
notes:
  - Runs on the controller, whatever the connection of the host.
  - Needs the Python library C(shamir-mnemonic) there, but for V(made).
"""

EXAMPLES = r"""
- name: Make escrow keys, on the machine without a network
  holdfast.config.escrow:
    state: made
    path: /dev/shm/escrow

- name: Split escrow, on the machine without a network
  holdfast.config.escrow:
    state: split
    repository_name: prod
    folders: [/dev/shm/escrow]
    path: /dev/shm/escrow-2026
    threshold: 2
    custodians:
      - {name: alice, key: age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj}
      - {name: bob, key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl bob}
      - {name: carol, key: age1yt3tfqlfrwdwx0z0ynwplcr6qxcxfaqycuprpmy89nr83ltx74tqdpszlw}

- name: Prove that it opens the newest recovery point
  holdfast.config.escrow:
    state: proved
    path: /media/escrow-2026
    shares: [/dev/shm/alice, /dev/shm/carol]

- name: Bring the keys back, to restore by hand
  holdfast.config.escrow:
    state: joined
    path: /media/escrow-2026
    shares: [/dev/shm/alice, /dev/shm/carol]
    destination: /dev/shm/escrow

- name: Split them anew, since bob leaves
  holdfast.config.escrow:
    state: split
    repository_name: prod
    previous: /media/escrow-2026
    shares: [/dev/shm/alice, /dev/shm/carol]
    path: /dev/shm/escrow-2027
    threshold: 2
    custodians:
      - {name: alice, key: age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj}
      - {name: carol, key: age1yt3tfqlfrwdwx0z0ynwplcr6qxcxfaqycuprpmy89nr83ltx74tqdpszlw}
"""

RETURN = r"""
repository_name:
  description: The repository whose keys these are.
  returned: state=split, joined or proved
  type: str
  sample: prod
threshold:
  description: How many shares open it.
  returned: state=split, joined or proved
  type: int
  sample: 2
custodians:
  description: Who has a share.
  returned: state=split, joined or proved
  type: list
  elements: str
  sample: [alice, bob, carol]
class_years:
  description: The escrow keys in it, by class, year and series. With V(made) those of C(recipients.txt).
  returned: success
  type: list
  elements: str
  sample: [d0030-2026, d0090-2026]
new:
  description: The escrow keys that were made now.
  returned: state=made
  type: list
  elements: str
  sample: [d0030-2026, d0090-2026]
recipients:
  description: The file that the keyring gets, which C(age -R) reads too.
  returned: state=made
  type: str
  sample: /dev/shm/escrow/recipients.txt
made_at:
  description: When it was split, by the clock of the machine where it was.
  returned: state=split, joined or proved
  type: str
  sample: "2026-11-26T12:00:00Z"
sealed_sha256:
  description: The SHA-256 of C(escrow.age). Check mode names one that is never written.
  returned: state=split, joined or proved
  type: str
  sample: 9f0d3b0f6c6f2b7a0c1c0e8d2a4b6c8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c
manifest:
  description: The text of C(escrow.json), for auditors. It holds no secret.
  returned: state=split, joined or proved
  type: str
  sample: '{"critical":[],"format":1,"keys":[],"kind":"escrow"}'
away:
  description: Custodians whose share is not in O(path) any more.
  returned: state=split
  type: list
  elements: str
  sample: []
opened_by:
  description: Whose shares were given.
  returned: state=joined or proved
  type: list
  elements: str
  sample: [alice, carol]
identities:
  description: The file that opens every pack, for C(age -d -i).
  returned: state=made or joined
  type: str
  sample: /dev/shm/escrow/identities.txt
since:
  description: Since when it has been there; empty in check mode.
  returned: state=joined
  type: str
  sample: "2026-11-26T12:00:00Z"
next_steps:
  description: What to do now.
  returned: state=made, split or joined
  type: list
  elements: str
  sample: ["Give each custodian their file: /dev/shm/escrow-2026/share-alice.age."]
recovery_point:
  description: The recovery point, or the newest one.
  returned: state=proved
  type: str
  sample: 1f3a5b7c9d1e3f5a7b9c1d3e5f7a9b1c3d5e7f9a1b3c5d7e9f1a3b5c7d9e1f3a
sealed_at:
  description: When it was sealed.
  returned: state=proved
  type: str
  sample: "2026-11-26T01:16:23Z"
packs:
  description: How many packs escrow opened, and were what was sealed.
  returned: state=proved
  type: int
  sample: 42
files:
  description: How many files were in them.
  returned: state=proved
  type: int
  sample: 1234
bytes:
  description: Bytes of these files.
  returned: state=proved
  type: int
  sample: 4821300
class_years_opened:
  description: The escrow keys that opened them.
  returned: state=proved
  type: list
  elements: str
  sample: [d0090-2026]
digests_compared:
  description:
    - Whether the keyed digests in manifests were compared too, for which the keyring must have the digest key. Without
      it the digests in the packs were, and paths, kinds, modes, owners and sizes with the manifests.
  returned: state=proved
  type: bool
  sample: false
resting:
  description: Packs in an archive class, which were not opened.
  returned: state=proved
  type: list
  elements: str
  sample: []
destroyed:
  description: Packs whose escrow key was destroyed, as people have signed; they were not opened.
  returned: state=proved
  type: list
  elements: str
  sample: []
lacking:
  description: Escrow keys that a root names and that are not in it, but for those that people have signed as destroyed.
  returned: state=proved
  type: list
  elements: str
  sample: []
failures:
  description: Snapshots that escrow does not give back, and why.
  returned: state=proved
  type: list
  elements: dict
  sample: []
seconds:
  description: What finding and opening took.
  returned: state=proved
  type: dict
  sample: {find: 0.12, open: 3.4}
record:
  description: The name of the signed record; empty where there is none, and C(warnings) says why.
  returned: state=proved
  type: str
  sample: records/drill/2026-11/20261126T120000Z-0a1b.json
warnings:
  description:
    - Shares that are on a disk, memory that is swapped, and why there is no record. With V(made) how many recipients
      have no identity here.
  returned: success
  type: list
  elements: str
  sample: []
"""
