# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.plugins.become import BecomeBase

DOCUMENTATION = r"""
name: itself
short_description: Become who one is, and take no standard input
description:
  - Runs commands as they are, as a way to become another user does that cannot pipe, like P(ansible.builtin.su#become).
author:
  - The holdfast.config contributors (@holdfast)
options: {}
"""


class BecomeModule(BecomeBase):
    """Changes nothing but what Ansible may do."""

    name = "itself"
    pipelining = False

    def build_become_command(self, cmd: str, shell: object) -> str:
        super().build_become_command(cmd, shell)
        return str(self._build_success_command(cmd, shell)) if cmd else cmd
