# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets_info
short_description: Say which hosts share a secret, and which secrets were not rotated
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Tells from manifests which hosts share one of the secrets that their components declare, in which file and line it
    stands, and which secrets are the same as on a given day. No content is read, nothing is decrypted, no host is
    connected to, no key is needed, and no secret is shown.
  - Manifests hold digests of declared secrets only where C(holdfast_secret_evidence) was true when the recovery point
    was opened. They are keyed for the repository, and made of values of eight characters and more that the group
    C(secret) of a pattern of C(secrets) matches. A stream that has not changed keeps its manifest, so that of it
    nothing is known until it is stored anew.
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
  hosts:
    description: Look at these alone, by identity or by the inventory name under which they were last proven.
    type: list
    elements: str
  components:
    description: Look at these alone.
    type: list
    elements: str
  not_rotated_since:
    description:
      - Tell also of each secret whether it is the same as at this moment, as C(2026-01-31) or C(2026-01-31T00:00:00Z).
      - This reads the older manifests of each host, back to that moment.
    type: str
  limit:
    description: Read so many manifests at most. Each takes one request to the store.
    type: int
    default: 5000
  cache:
    description: Keep the catalog in the state directory. Without it, it is made anew in memory.
    type: bool
    default: true
seealso:
  - module: holdfast.config.compare
  - module: holdfast.config.file_history
notes:
  - RV(ignore:changed) is never true.
  - Runs on the controller, whatever the connection of the host, and looks at all of the repository.
"""

EXAMPLES = r"""
- name: Who shares a secret with whom
  holdfast.config.secrets_info:
  run_once: true
  register: secrets

- name: Which secrets of this component are older than the year
  holdfast.config.secrets_info:
    components: [postgresql]
    not_rotated_since: "2026-01-01"
  run_once: true
"""

RETURN = r"""
secrets:
  description: How many different secrets there are.
  returned: success
  type: int
  sample: 12
hosts:
  description: How many hosts have any.
  returned: success
  type: int
  sample: 4
not_rotated_since:
  description: The moment that was asked for, or empty.
  returned: success
  type: str
  sample: "2026-01-01T00:00:00Z"
not_rotated:
  description: How many uses are of the same secret as then.
  returned: where O(not_rotated_since) is given
  type: int
  sample: 2
rotated:
  description: How many uses had another secret then, or none.
  returned: where O(not_rotated_since) is given
  type: int
  sample: 9
unknown:
  description: Of how many nobody can tell.
  returned: where O(not_rotated_since) is given
  type: int
  sample: 1
manifests:
  description: How many manifests were read.
  returned: success
  type: int
  sample: 4
shared:
  description: Secrets that more than one host has, those of most hosts first; 10,000 at most.
  returned: success
  type: list
  elements: dict
  contains:
    secret:
      description: The first 16 digits of its keyed digest, which tell it from others and are no secret.
      type: str
      sample: 4d1f9a0c77aa3e21
    hosts:
      description: How many hosts have it.
      type: int
      sample: 2
    uses:
      description: Where it stands, as in RV(uses).
      type: list
      elements: dict
      sample: []
uses:
  description: Where declared secrets stand, in the order of hosts; 10,000 at most.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The inventory name under which the host was last proven.
      type: str
      sample: web1
    host_id:
      description: Its identity.
      type: str
      sample: web1
    component:
      description: The component that declares it.
      type: str
      sample: app
    path:
      description: The file, or the text of a component that is no files.
      type: str
      sample: /etc/app/app.conf
    line:
      description: The line, counted from 1.
      type: int
      sample: 12
    secret:
      description: As in RV(shared).
      type: str
      sample: 4d1f9a0c77aa3e21
    digest_key:
      description: The id of the digest key. Those of different keys are not compared.
      type: str
      sample: 2f31b0c4d5e6f708
    seen_since:
      description: When the oldest snapshot was captured of those in a row that have it there.
      returned: where O(not_rotated_since) is given
      type: str
      sample: "2025-03-01T12:00:00Z"
    age:
      description: C(not rotated), C(rotated) or C(unknown).
      returned: where O(not_rotated_since) is given
      type: str
      sample: not rotated
    why:
      description: Why nobody can tell, or empty.
      returned: where O(not_rotated_since) is given
      type: str
      sample: ""
not_known:
  description: Components of whose secrets nothing is known. Look at it before an empty list is taken for a good sign.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host.
      type: str
      sample: web2
    component:
      description: The component.
      type: str
      sample: app
    why:
      description: The newest snapshot was stored without digests, or its manifest was not read or is not believed.
      type: str
      sample: stored without digests of secrets
report:
  description: All of it as lines of text, 80 columns wide.
  returned: success
  type: list
  elements: str
  sample: ["12 declared secrets on 4 hosts, 1 shared"]
"""
