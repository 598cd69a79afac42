# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_apply
short_description: Internal, the half of a restore that runs on the managed host
description:
  - Writes the entries it is given below a folder, each path at once, and never outside that folder.
  - In place, it changes all of them or none, and keeps what it needs to go back until it is told that all is well.
  - The collection's own actions run it where a connection cannot pipe to the host. It is not meant for playbooks,
    and its options and return values may change in any release.
author:
  - The holdfast.config contributors (@holdfast-config)
attributes:
  check_mode:
    support: full
    description:
      - Can run in C(check_mode). Everything is checked, and RV(answer) names the paths that would be written. What is
        open in place is left open.
  diff_mode:
    support: none
    description: Returns details on what has changed, or would change, in C(diff_mode).
  idempotent:
    support: full
    description: When run twice in a row, the second run finds all paths as they should be and writes nothing.
options:
  request:
    description:
      - What to write and where, a JSON text as C(plugins/module_utils/_apply.py) describes it.
    type: json
    required: true
  payload:
    description:
      - A file on the managed host with the contents, one after the other. It is read, and left where it is.
      - May be left out when nothing has content, and in check mode.
    type: path
notes:
  - The request is not written to the host's system log.
"""

EXAMPLES = r"""
- name: Make a folder below a folder
  holdfast.config.host_apply:
    request: >-
      {"root": "/srv/restored", "owners": false, "entries": [{"path": "/etc/app", "kind": "dir", "mode": 493,
       "uid": 0, "gid": 0, "user": "root", "group": "root", "mtime_ns": 1795000000000000000}]}
"""

RETURN = r"""
answer:
  description:
    - Base64 of a zlib stream. In it are eight hex digits, the length of the header, and the header, in JSON.
    - A header with C(error) in it tells why the entries were not written, or not all of them.
  returned: success
  type: str
  sample: eJwzMAABo7RqpfKizJKS1Dwlq2gl/dSSZP3EggKlWB2l8sSivMy89GKgOJCXWpqZomRlUAsA2dwRXw==
"""

import contextlib
import json
import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _apply


def main() -> None:
    # no_log of the module, not of the option: this spares the host's log; as a secret, a short request would be masked
    # in the answer
    module = AnsibleModule(
        argument_spec={"request": {"type": "json", "required": True}, "payload": {"type": "path"}},
        supports_check_mode=True,
        no_log=True,
    )
    try:
        # taken out, so that no result repeats the attribute values in it
        request = json.loads(module.params.pop("request"))
    except ValueError:
        request = {}
    if module.check_mode and isinstance(request, dict):
        request["check"] = True
        if "op" in request:
            request["op"] = "check" if request["op"] in ("apply", "check") else "status"
    with contextlib.ExitStack() as stack:
        payload: object = b""
        if module.params["payload"]:
            try:
                fd = os.open(module.params["payload"], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError as e:
                module.fail_json(msg=f"the payload cannot be opened: {e.strerror}")
            payload = stack.enter_context(os.fdopen(fd, "rb"))
        answer = _apply.answer(request, payload)
    done = answer.get("error", answer)
    module.exit_json(changed=bool(done["written"] or done.get("removed")), answer=_apply.pack(answer))


if __name__ == "__main__":
    main()
