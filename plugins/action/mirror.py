# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import mirror_options
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, Options
from ..plugin_utils.usecases.mirror import mirror


class ActionModule(HoldfastAction):
    """Bring a git repository up to date with the redacted texts of recovery points."""

    WORK: t.ClassVar[str] = "a mirror"
    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **CHANGE, **mirror_options.MIRROR}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Push a commit for each recovery point that changed a text, or say in check mode what would be pushed."""
        location = options.reading()
        done = mirror(
            location.repository(check=True),
            location.keyring(),
            mirror_options.branch(options),
            mirror_options.settings(options),
            mirror_options.Inventory(task_vars["hostvars"]).declared,
            history=options["history"],
            check=options.check,
        )
        return mirror_options.told(done, options, diff=bool(self._task.diff))
