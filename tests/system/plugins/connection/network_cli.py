# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = r"""
name: network_cli
short_description: Stand where ansible.netcommon.network_cli stands, and never be used
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Ansible gives a task that needs no connection process a shell of the controller in its place.
"""


class Connection(ConnectionBase):
    """A connection that lives in a process of its own, as Ansible sees it."""

    supports_persistence = True
    transport = "network_cli"
    has_pipelining = True

    def _connect(self) -> Connection:
        raise AssertionError("the connection was used")

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Fail."""
        raise AssertionError("the connection was used")

    def put_file(self, in_path: str, out_path: str) -> None:
        """Fail."""
        raise AssertionError("the connection was used")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Fail."""
        raise AssertionError("the connection was used")

    def close(self) -> None:
        """Do nothing."""
