# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror
short_description: Bring a git repository up to date with the redacted texts of recovery points
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Puts a commit on a branch for each recovery point since the last one there that changed a text. Secrets are masked,
    volatile lines are left out, and what is binary, too large, private or of class C(secret) is not mirrored.
  - The mirror is for people who read, search and blame. Nothing is ever restored from it, and nothing believes it.
  - How far it is stands in trailers of its own commits. Any controller goes on with it, several may at once, and one
    that is lost is made anew with the same commits.
  - It opens packs, so it runs where the open half of the keyring is, with the rights of who restores.
  - What cannot be read is named, and fails the task at the end; all else is mirrored.
extends_documentation_fragment:
  - holdfast.config.attributes
  - holdfast.config.attributes.actiongroup
  - holdfast.config.repository
  - holdfast.config.change
attributes:
  check_mode:
    support: full
    details: Fetches the branch and says which commits would be made.
  diff_mode:
    support: full
    details: Names the paths that are written and removed, the first 200.
  idempotent:
    support: full
requirements:
  - git 2.32 or newer on the controller
options:
  url:
    description:
      - The git repository, as an absolute path, C(file://), C(ssh://), C(user@host:path) or C(https://). One with a
        name or a password for https is refused.
      - It must be there. One of this machine is made with C(git init --bare); one that belongs to another user of it is
        reached over ssh as that user.
    type: str
    required: true
  branch:
    description:
      - The branch. RANCID and Oxidized have V(master).
      - What others commit to it stays. One that is the mirror of another backup repository is refused.
    type: str
    default: main
  layout:
    description:
      - V(holdfast) has each text at C(<host>/<component>/<path or item>).
      - V(rancid) has one text for each host at C([<group>/]configs/<host>), its name in small letters.
      - V(oxidized) has one text for each host at C([<group>/]<host>).
      - With these two the text C(running) of a device stands for its host, or, where O(components) is given, the only
        text that these have. The branch must be there, and its history goes on.
    type: str
    choices: [holdfast, rancid, oxidized]
    default: holdfast
  groups:
    description: Lists of hosts by group, for layouts that have groups. The first one that names a host counts.
    type: dict
    default: {}
  group:
    description: The group of all other hosts; empty for none.
    type: str
    default: ''
  components:
    description:
      - Names of the components that are mirrored. Without it all.
      - A recovery point is mirrored once. What is added here later comes with the points that are sealed then.
    type: list
    elements: str
    default: []
  secrets:
    description:
      - Regular expressions for secrets in lines of any text, beside those that components and platforms have. Of a line
        that matches, the group C(secret) is masked, or all of it.
      - A text that a task pushed has no others, since no inventory declares it. One that C(recorder) adopted has those
        of the platform that C(ansible_network_os) of its host names; where it names no known one, the text is left out
        unless patterns are given here, or O(undeclared=true).
    type: list
    elements: str
    default: []
  undeclared:
    description:
      - Mirror also what the inventory does not declare for its host any more. What its secrets look like is not known
        then, so that only secrets as software in general has them are masked.
    type: bool
    default: false
  history:
    description:
      - Where the branch has no commit of this repository yet, begin with its first recovery point. Without it the first
        commit is the newest point, with all that is live.
    type: bool
    default: true
  max_bytes:
    description: A text that is larger is left out.
    type: int
    default: 4194304
  ssh_key:
    description: A private key for ssh. Without it what ssh finds by itself.
    type: path
  known_hosts:
    description: Host keys that ssh believes. Without it those of the user. A server that is not in them is refused.
    type: path
  credential_helper:
    description: A program that gives git the credentials for https, as gitcredentials(7) says.
    type: path
  timeout:
    description: Seconds that one command of git may take.
    type: float
    default: 300
seealso:
  - module: holdfast.config.compare
  - module: holdfast.config.restore
notes:
  - Runs on the controller, whatever the connection of the host.
"""

EXAMPLES = r"""
- name: Mirror to a server
  holdfast.config.mirror:
    url: git@git.example.com:network/configs.git
    ssh_key: /etc/holdfast/mirror_key
  run_once: true

- name: Go on with a repository of RANCID
  holdfast.config.mirror:
    url: ssh://rancid@localhost/var/lib/rancid/CVS/routers
    branch: master
    layout: rancid
  run_once: true
"""

RETURN = r"""
head:
  description: The newest commit of the branch; null where it has none.
  returned: always
  type: str
  sample: 5d41402abc4b2a76b9719d911017c592aaaaaaaa
branch:
  description: The branch.
  returned: always
  type: str
  sample: main
recovery_points:
  description: How many recovery points were looked at, which the branch has no commit for.
  returned: always
  type: int
  sample: 1
commits:
  description: The commits that were pushed, or would be in check mode, oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    recovery_point:
      description: The id of the point.
      type: str
      sample: 8cb40960eccb494e270b17e6d2a1dc1cbde98fab4ba868253bd4480632e908b4
    sealed_at:
      description: When it was sealed.
      type: str
      sample: "2026-03-01T12:00:00Z"
    author:
      description: Who asked for its change, as the commit names them.
      type: str
      sample: Ada <ada@example.com>
    change_id:
      description: Its ticket; empty where it has none.
      type: str
      sample: CHG0012345
    written:
      description: How many files it wrote.
      type: int
      sample: 3
    removed:
      description: How many files it removed.
      type: int
      sample: 0
not_mirrored:
  description:
    - What was left out of the points that were looked at, and why, the first 1000.
    - A path is empty where that is a whole component.
  returned: always
  type: list
  elements: dict
  sample:
    - {host: web1, component: tls, path: /etc/ssl/private/web.key, reason: private}
damaged:
  description: Snapshots that could not be read.
  returned: always
  type: list
  elements: str
  sample: []
"""
