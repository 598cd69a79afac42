# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import coverage_results, fleet
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import DISPLAY, REPOSITORY, Options
from ..plugin_utils.usecases.coverage import cover


class ActionModule(HoldfastAction):
    """Say of each component of each host whether it is covered, an accepted exception, or a gap."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **coverage_results.OPTIONS, **DISPLAY}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Judge the whole inventory, whichever hosts the play names."""
        known, warnings = coverage_results.cmdb_hosts(options)
        repository = options.reading().repository(check=True)
        found = cover(repository, fleet.read(task_vars), known=known)
        return coverage_results.covered(options, found, warnings)
