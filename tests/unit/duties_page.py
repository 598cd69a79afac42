# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of docs/design/duties.md, and the policies of docs/guide_vault.md. As a program it writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.duties import tables, vault_policies

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, GUIDE = DOCS / "design" / "duties.md", DOCS / "guide_vault.md"
_BLOCK = re.compile(r"^```hcl\n# holdfast-prod-(\w+)\.hcl\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(text: str) -> str:
    """The page with the tables of the matrix between its marks."""
    for name, table in (
        ("store", tables.markdown("store")),
        ("keyring", tables.markdown("keyring")),
        ("otherwise", tables.otherwise()),
        ("jobs", tables.jobs()),
    ):
        begin, end = f"<!-- {name}: from the matrix -->", f"<!-- {name}: end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end)[1]}"
    return text


def guide(text: str) -> str:
    """The guide with the policies of Vault as they are rendered for the repository ``prod``."""

    def block(found: re.Match[str]) -> str:
        policy = vault_policies.policy(found[1], repository="prod")
        return f"```hcl\n# holdfast-prod-{found[1]}.hcl\n{policy}```"

    return _BLOCK.sub(block, text)


def policies(text: str) -> list[str]:
    """Whose policies the guide has."""
    return [identity for identity, _policy in _BLOCK.findall(text)]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    GUIDE.write_text(guide(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
