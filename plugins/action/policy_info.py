# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import fleet, policy_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.capture.patterns import covering
from ..plugin_utils.model.lint import lint
from ..plugin_utils.schedule.due import largest_gap


class ActionModule(HoldfastAction):
    """Say what is wrong in the policies of all hosts of the inventory."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **policy_results.OPTIONS}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Judge the whole inventory, whichever hosts the play names."""
        hosts = fleet.read(task_vars)
        recorded, warnings = policy_results.recorded(options)
        now = dt.datetime.now(dt.timezone.utc)
        remarks = lint(hosts, largest_gap, covering, now=now, recorded=recorded)
        return policy_results.told(options, hosts, remarks, warnings)
