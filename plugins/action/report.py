# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import coverage_results, fleet, report_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.usecases.catalog import Catalog, open_catalog
from ..plugin_utils.usecases.report import report
from ..plugin_utils.usecases.verify_progress import Progress


class ActionModule(HoldfastAction):
    """Say how the configuration backups of the whole inventory stand."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **report_results.OPTIONS}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Look at the inventory, the repository, and its replicas where that is asked for."""
        known, warnings = coverage_results.cmdb_hosts(options)
        location = options.reading()
        repository = location.repository(check=True)
        replicas = location.replica_sites(check=True) if options["replicas"] else []
        progress = Progress(options.progress_interval(), lambda line: self._display.display(line, stderr=True))

        def catalog() -> Catalog:
            state_dir = options.state_dir if options["cache"] else None
            return open_catalog(repository, state_dir=state_dir, progress=progress)

        found = report(repository, fleet.read(task_vars), known=known, replicas=replicas, catalog=catalog)
        return report_results.reported(options, found, warnings)
