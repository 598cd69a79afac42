# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runbook of a destruction has people paste does what it says, and shows no secret to others."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "runbooks" / "destroy_under_lock.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
TOKEN, OTP = "hvs.Ab9cD8eF7gH6iJ5kL4mN3oP2", "qw3rty0uiop4asdf5ghjkl6zxcvb"
ENCODED = base64.b64encode(bytes(one ^ other for one, other in zip(TOKEN.encode(), OTP.encode(), strict=True)))


def decoded(encoded: str, otp: str) -> tuple[str, str]:
    """What stands in VAULT_TOKEN after the block that decodes, and what was complained of."""
    (block,) = (one for one in BLOCKS if "base64" in one)
    script = f'ENCODED={encoded!r} OTP={otp!r}\n{block}\nprintf \'%s/%s\' "$VAULT_TOKEN" "$ENCODED$OTP"'
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return run.stdout, run.stderr


def test_the_token_is_decoded_as_vault_does() -> None:
    # Vault leaves the padding out
    assert decoded(ENCODED.decode().rstrip("="), OTP) == (f"{TOKEN}/", "")
    assert decoded(ENCODED.decode(), OTP) == (f"{TOKEN}/", "")


def test_half_of_what_was_pasted_is_no_token() -> None:
    told, why = decoded(ENCODED.decode(), OTP[1:])
    assert told == "/"
    assert "not whole" in why


def test_nothing_follows_a_read_and_no_secret_is_an_argument() -> None:
    reads = [one for one in BLOCKS if "read -r" in one]
    assert len(reads) == 2
    assert all(one.rstrip().count("\n") == 0 and re.search(r"read -rsp '[^']+' [A-Z]+$", one.rstrip()) for one in reads)
    assert not [one for one in BLOCKS if "-decode" in one or "-otp" in one]


def test_what_destroys_names_the_repository_without_the_login_of_the_inventory() -> None:
    guide = (DOCS / "guide_destruction.md").read_text(encoding="utf-8")
    blocks = [*BLOCKS, *re.findall(r"```bash\n(.*?)```", guide, re.DOTALL)]
    destroying = [one for one in blocks if "state=present" in one]
    assert len(destroying) == 3
    assert all("-e @quorum.yml" in one for one in destroying)
    (quorum,) = re.findall(r"```yaml\n# quorum.yml\n(.*?)```", guide, re.DOTALL)
    assert "type: vault" in quorum
    assert "auth_method" not in quorum
