# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import shlex

from ansible.plugins.become import BecomeBase

DOCUMENTATION = r"""
name: doas
short_description: Become another user by doas
description:
  - What C(community.general.doas) does, from doas(1), since that collection is in no Python package.
  - doas reads a password from the terminal alone, so nothing can be piped.
author:
  - The holdfast.config contributors (@holdfast)
options:
  become_user:
    description: Who to become.
    type: string
    default: root
    vars: [{name: ansible_become_user}]
  become_exe:
    description: The program.
    type: string
    default: doas
    vars: [{name: ansible_become_exe}]
  become_flags:
    description: Options of it.
    type: string
    default: ""
    vars: [{name: ansible_become_flags}]
  become_pass:
    description: Its password.
    type: string
    vars: [{name: ansible_become_password}]
"""


class BecomeModule(BecomeBase):
    """As doas(1) says: ``-n`` never asks, and ends where it would have to."""

    name = "doas"
    fail = ("Authentication failed", "Permission denied")
    missing = ("Authentication required",)
    pipelining = False

    def check_password_prompt(self, b_output: bytes) -> bool:
        return re.search(rb"^doas \([^)]*\) password:", b_output, re.MULTILINE) is not None

    def build_become_command(self, cmd: str, shell: object) -> str:
        super().build_become_command(cmd, shell)
        if not cmd:
            return cmd
        self.prompt = "doas"
        asked = [] if self.get_option("become_pass") else ["-n"]
        words = [self.get_option("become_exe"), *asked, *shlex.split(self.get_option("become_flags") or "")]
        words += ["-u", self.get_option("become_user"), "/bin/sh", "-c"]
        return f"{shlex.join(words)} {self._build_success_command(cmd, shell, noexe=True)}"
