# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import change_results, run, tickets
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.usecases import change_note


class ActionModule(HoldfastAction):
    """Write into a change ticket, once, what this run backed up under it."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **tickets.TICKETS,
        "id": {"type": "str", "required": True},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Read this run's points, and write the note where it is not there."""
        keeper = tickets.keeper(options)
        repository = options.reading().repository(check=True)
        done = change_note.note(repository, keeper, options["id"], run.RUN_ID, options.state_dir, check=options.check)
        return change_results.noted(done, check=options.check)
