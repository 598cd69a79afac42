# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import due_hosts, result_files
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.usecases import schedule


class ActionModule(HoldfastAction):
    """Say which hosts of the inventory are due, and when each tier is due next."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        "tier": {"type": "str"},
        "limit": {"type": "int", "default": 0},
        "spread": {"type": "int", "default": 0},
        "path": {"type": "path"},
        "plan_only": {"type": "bool", "default": False},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Read every host's schedules, and the repository, where more than those is asked."""
        limit, spread = options.number("limit", 0, 1_000_000), options.number("spread", 0, 3600)
        now = dt.datetime.now(dt.timezone.utc)
        wanted, unusable = due_hosts.wanted(task_vars, options["tier"])
        result: dict[str, t.Any] = {
            "changed": False,
            "tiers": due_hosts.plan(wanted, spread, now),
            "unusable": unusable,
            "warnings": [f"{host} is never due: {why}" for host, why in unusable.items()],
        }
        if options["plan_only"]:
            return result
        proven = schedule.verified(options.reading().repository(check=True))
        found = schedule.standings(wanted, proven, now)
        if options["path"] and not options.check:
            result_files.write(options["path"], schedule.metrics(found), "file of metrics", mode=0o644)
        return {**result, **due_hosts.told(found, limit)}
