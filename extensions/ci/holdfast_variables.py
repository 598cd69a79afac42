# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print what a deployment is, as variables for ``ansible-playbook --extra-vars @FILE``; the one argument is its kind.

It reads the environment variables ``HOLDFAST_CHANGE``, ``HOLDFAST_DEPLOYMENT``, ``HOLDFAST_VERSION``,
``HOLDFAST_ENVIRONMENT`` and ``HOLDFAST_DEPLOYER``. Names of branches and versions are whatever somebody pushed: each is
marked as no template, which JSON and ``key=value`` cannot say.
"""

from __future__ import annotations

import json
import os
import re
import sys

FIELDS = {
    "id": "HOLDFAST_CHANGE",
    "deployment": "HOLDFAST_DEPLOYMENT",
    "version": "HOLDFAST_VERSION",
    "environment": "HOLDFAST_ENVIRONMENT",
    "deployer": "HOLDFAST_DEPLOYER",
}
_SURROGATE = re.compile("[\ud800-\udfff]")
KINDS = ("pre-deployment", "post-deployment")


def lines(kind: str) -> list[str]:
    """The variables as YAML, whose quoted texts may be spelled as those of JSON (YAML 1.2 section 1.3)."""
    change = {name: os.environ.get(variable, "") for name, variable in FIELDS.items()}
    trigger = {"kind": kind, "id": change["deployment"], "by": change["deployer"]}
    found = []
    for name, texts in (("backup_change", change), ("holdfast_trigger", trigger)):
        given = [f"  {key}: !unsafe {_quoted(text)}" for key, text in texts.items() if text]
        found += [f"{name}:", *given] if given else [f"{name}: {{}}"]
    return found


def _quoted(text: str) -> str:
    """A text in double quotes. JSON in ASCII spells signs beyond U+FFFF as pairs of surrogates, which YAML has not."""
    # bytes that are no UTF-8 come as half a pair (PEP 383), which no spelling can tell
    spelled = json.dumps(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text), ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08X}" for sign in spelled)


if __name__ == "__main__":
    if sys.argv[1:] not in [[kind] for kind in KINDS]:
        raise SystemExit(f"say one of {', '.join(KINDS)}")
    sys.stdout.buffer.write(("\n".join(lines(sys.argv[1])) + "\n").encode("utf-8"))
