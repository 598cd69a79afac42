# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Writes a backup as network modules do: by the umask, into a folder beside the playbook, with its path told."""

    _requires_connection = False

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        """Copy the file ``running`` to ``to``."""
        running, to = Path(self._task.args["running"]), Path(self._task.args["to"])
        to.parent.mkdir(exist_ok=True, parents=True)
        to.write_bytes(running.read_bytes())
        return {**super().run(tmp, task_vars), "changed": True, "backup_path": os.fspath(to)}
