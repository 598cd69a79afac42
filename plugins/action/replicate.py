# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import replicas
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, Options
from ..plugin_utils.model.replica import Depth


class ActionModule(HoldfastAction):
    """Bring the replicas of a repository up to date."""

    WORK: t.ClassVar[str] = "a replication"
    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        "only": {"type": "list", "elements": "str"},
        "depth": {"type": "str", "choices": [depth.name.lower() for depth in Depth], "default": "locks"},
        "seed": {"type": "bool", "default": False},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Copy what each replica lacks, or say in check mode what that is."""
        return replicas.brought(options.location(), options, diff=bool(self._task.diff))
