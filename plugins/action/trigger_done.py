# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import Options
from ..plugin_utils.triggers import spool


class ActionModule(HoldfastAction):
    """Take requests whose captures are sealed out of the spool of a listener, or tell it that their run failed."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        "spool": {"type": "path", "required": True},
        "ids": {"type": "list", "elements": "str", "required": True},
        "failed": {"type": "bool", "default": False},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Do so; those that are gone already change nothing."""
        tell = spool.failed if options["failed"] else spool.done
        done = tell(Path(options["spool"]), options["ids"], check=options.check)
        return {"changed": bool(done), "done": done}
