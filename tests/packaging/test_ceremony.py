# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine of docs/runbooks/escrow_ceremony.md: what it is brought, and that it is enough where there is no network.

What follows there takes no machine of its own: tests/system has it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.page import Home, Page

from .conftest import BIN, ROOT, pinned

PAGE = Page(ROOT / "docs" / "runbooks" / "escrow_ceremony.md")
ADDRESS = "https://github.com/holdfast-config/holdfast.config.git"
# this machine's swap is not a test's to take away: it tells what it was told
SWAPOFF = "#!/bin/sh\necho swapoff: $*\n"
LOOK = """
stat -c '%a %n' /dev/shm/escrow /dev/shm/escrow/*
command -v shamir ansible-playbook
"""


def test_what_was_bundled_makes_keys_on_a_machine_without_a_network(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "swapoff").write_text(SWAPOFF)
    (programs / "swapoff").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f'[safe]\n\tdirectory = *\n[url "{ROOT}"]\n\tinsteadOf = {ADDRESS}\n',
    )
    # nobody starts all that is installed: what is, is compiled then
    home = Home(tmp_path, [programs, BIN], {**pinned(tmp_path, "dev"), "PIP_NO_COMPILE": "1"})
    home.give(PAGE.command("mkdir bundle"))
    assert len(list((tmp_path / "bundle").glob("holdfast-config-*.tar.gz"))) == 1

    # memory of its own, and a loopback that is down
    apart = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    begin = "mount -t tmpfs -o mode=1777 tmpfs /dev/shm\n"
    made = PAGE.command('ansible-playbook holdfast.config.escrow -e \'{"escrow_state": "made"')
    lines = "".join([begin, PAGE.command("swapoff -a"), made, LOOK])
    said = home.run(*apart, "bash", "-euo", "pipefail", "-c", lines)
    assert said.startswith("swapoff: -a\n")
    assert "holdfast.config:" in said
    # first what would be, then what was
    assert re.findall(r"changed=(\d) .*failed=(\d)", said) == [("1", "0"), ("1", "0")]
    assert re.search(r"^[0-9a-f]{64}  /dev/shm/escrow/recipients.txt$", said, re.MULTILINE)
    assert said.endswith(
        "700 /dev/shm/escrow\n600 /dev/shm/escrow/identities.txt\n600 /dev/shm/escrow/recipients.txt\n"
        "/dev/shm/venv/bin/shamir\n/dev/shm/venv/bin/ansible-playbook\n"
    )
