# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import storage_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, Options
from ..plugin_utils.usecases import legal_hold


class ActionModule(HoldfastAction):
    """Put chosen snapshots under legal hold, or end that where people have signed for it."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        "recovery_point": {"type": "str"},
        "host": {"type": "str"},
        "stream": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    CONSTRAINTS: t.ClassVar[Mapping[str, t.Any]] = {
        "required_one_of": [("recovery_point", "host")],
        "required_by": {"stream": ("host",)},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Find the objects, and hold them or let them go."""
        repository = options.location().repository(check=options.check)
        scope = legal_hold.scope(
            repository, point=options["recovery_point"], host=options["host"], stream=options["stream"]
        )
        on = options["state"] == "present"
        held = (legal_hold.present if on else legal_hold.absent)(repository, scope)
        return storage_results.holding(held, on=on, diff=self._task.diff)
