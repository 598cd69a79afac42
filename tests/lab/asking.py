# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests for a capture as they should be, and as an attacker who has a key would send them."""

from __future__ import annotations

import json

GOOD = {"kind": "pre-deployment", "hosts": ["web1"], "change": "CHG1", "deployment": "d-7", "deployer": "Zoë, ops"}

# what must run nothing, by its name; each is signed by a key that may ask for all hosts
HOSTILE: dict[str, bytes] = {
    name: body if isinstance(body, bytes) else json.dumps(body).encode()
    for name, body in {
        "nothing": b"",
        "not JSON": b"kind=pre-deployment",
        "not UTF-8": b'{"kind": "\xff"}',
        "a list": [GOOD],
        "a number": b"1e999",
        "NaN": b'{"kind": NaN}',
        "nested without end": b"[" * 60_000,
        "a key twice": b'{"kind":"manual-change","hosts":["web1"],"hosts":["db1"]}',
        "an unknown key": {**GOOD, "extra_vars": {"ansible_connection": "local"}},
        "no kind": {"hosts": ["web1"]},
        "an unknown kind": {**GOOD, "kind": "restore"},
        "a kind that only devices tell": {**GOOD, "kind": "device-change"},
        "a kind that is a list": {**GOOD, "kind": ["pre-deployment"]},
        "no hosts": {**GOOD, "hosts": []},
        "hosts that are a text": {**GOOD, "hosts": "web1"},
        "hosts that are a number": {**GOOD, "hosts": [1]},
        "too many hosts": {**GOOD, "hosts": [f"h{number}" for number in range(501)]},
        "all": {**GOOD, "hosts": ["all"]},
        "a star": {**GOOD, "hosts": ["*"]},
        "two in one": {**GOOD, "hosts": ["web1,db1"]},
        "a pattern": {**GOOD, "hosts": ["web1:&db"]},
        "all but": {**GOOD, "hosts": ["!web1"]},
        "an expression": {**GOOD, "hosts": ["~.*"]},
        "a range": {**GOOD, "hosts": ["web[0:9]"]},
        "a file": {**GOOD, "hosts": ["@/etc/passwd"]},
        "an option": {**GOOD, "hosts": ["-evil=1"]},
        "a path": {**GOOD, "hosts": ["../web1"]},
        "a host with a line feed": {**GOOD, "hosts": ["web1\n"]},
        "a host of other letters": {**GOOD, "hosts": ["w\u0435b1"]},
        "a template in a host": {**GOOD, "hosts": ["{{ lookup('pipe', 'id') }}"]},
        "a template": {**GOOD, "change": "{{ lookup('pipe', 'id') }}"},
        "a block": {**GOOD, "version": "{% set x = 1 %}"},
        "half a template": {**GOOD, "deployer": "{{"},
        "a shell": {**GOOD, "deployer": "$(id)"},
        "a vault": {**GOOD, "deployer": "$ANSIBLE_VAULT;1.1;AES256"},
        "a tag of YAML": {**GOOD, "deployer": "!unsafe x"},
        "a quote": {**GOOD, "deployer": 'x"; rm -rf'},
        "a terminal": {**GOOD, "deployer": "\x1b[2J"},
        "a zero byte": {**GOOD, "deployer": "a\0b"},
        "a line feed": {**GOOD, "change": "CHG1\nCHG2"},
        "written backwards": {**GOOD, "deployer": "\u202eecila"},
        "a space around it": {**GOOD, "deployer": " alice"},
        "an empty text": {**GOOD, "change": ""},
        "no text": {**GOOD, "change": None},
        "what is no id of a ticket": {**GOOD, "change": "CHG 1/2"},
        "a mapping": {**GOOD, "change": {"id": "CHG1"}},
        "too long a text": {**GOOD, "change": "C" * 201},
        "too long": b" " * (64 * 1024 + 1),
    }.items()
}
