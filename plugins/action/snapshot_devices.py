# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import batch, run
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.usecases.batch import capture
from ..plugin_utils.usecases.run_folder import PointFolder


class ActionModule(HoldfastAction):
    """Capture all devices of a batch in one task."""

    # Ansible runs it once for a batch, and refuses it under strategies that have none
    BYPASS_HOST_LOOP = True
    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        "point": {"type": "str", "default": "main"},
        "concurrency": {"type": "int", "default": batch.USUAL_CONVERSATIONS},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Ask all of them side by side, and leave what each has told to its own snapshot."""
        concurrency = options.number("concurrency", 1, batch.MOST_CONVERSATIONS)
        folder = PointFolder(options.state_dir, run.RUN_ID, options["point"])
        members = batch.members(self, options, task_vars, folder)
        return batch.result(capture(folder, members, concurrency=concurrency, check=options.check))
