# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_capture
short_description: Internal, the half of a capture that runs on the managed host
description:
  - Walks the files of the components it is given and returns their fingerprints, entries or contents.
  - The collection's own actions run it where a connection cannot pipe to the host. It is not meant for playbooks,
    and its options and return values may change in any release.
  - The answer is not protected in any way. With O(request) asking for contents it holds configuration in clear.
  - Contents that are too large for an answer wait in a private file in the host's temporary folder, until a further
    request takes or drops them.
author:
  - The holdfast.config contributors (@holdfast-config)
attributes:
  check_mode:
    support: full
    description:
      - Can run in C(check_mode). Nothing but temporary files is ever changed on the host, so both modes do the same.
  diff_mode:
    support: none
    description: Returns details on what has changed, or would change, in C(diff_mode).
  idempotent:
    support: full
    description: When run twice in a row, the second run changes nothing.
options:
  request:
    description:
      - What to walk and what to return, a JSON text as C(plugins/module_utils/_tree.py) describes it.
    type: json
    required: true
notes:
  - The request is not written to the host's system log.
"""

EXAMPLES = r"""
- name: Ask a host for the fingerprint of one component
  holdfast.config.host_capture:
    request: >-
      {"op": "fingerprint", "limits": {"bytes": 1048576, "entries": 1000},
       "components": [{"name": "ssh", "paths": ["/etc/ssh"], "excludes": [], "unreadable": "error"}]}
  register: captured
"""

RETURN = r"""
answer:
  description:
    - Base64 of a zlib stream, in which are eight hex digits, the length of the header, and the header, in JSON. The
      contents, or a part of them, follow that stream.
    - A header with C(error) in it tells why there is no answer.
  returned: success
  type: str
  sample: eAEdy00KgCAQBtC7fGuRsQxprlOCLnQEp0WId+/n7R/Rx4eBJF3BA+3WJBWM1TpnFxjEK59gMtBcItiFffsXTYNDSpMaq/b3zvkAZssW9w==
"""

import json

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _texts, _tree


def main() -> None:
    # no_log of the module, not of the option: this spares the host's log, and the request is no secret
    module = AnsibleModule(
        argument_spec={"request": {"type": "json", "required": True}},
        supports_check_mode=True,
        no_log=True,
    )
    _tree.polite()
    try:
        request = json.loads(module.params["request"])
    except ValueError:
        request = {}
    module.exit_json(changed=False, answer=_tree.pack(*_tree.answer(request, _texts)))


if __name__ == "__main__":
    main()
