# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import history_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.usecases.catalog import open_catalog
from ..plugin_utils.usecases.history import tell
from ..plugin_utils.usecases.verify_progress import Progress


class ActionModule(HoldfastAction):
    """Say when a file of a host changed, or a component of it, and by which recovery point, ticket and person."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **history_results.OPTIONS}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Tell it from manifests: no host is connected to, and no key is needed."""
        target = str(task_vars["inventory_hostname"])
        asked = history_results.asked(options, options.host_id(target, task_vars))
        repository = options.reading().repository(check=True)
        state_dir = options.state_dir if options["cache"] else None
        progress = Progress(options.progress_interval(), lambda line: self._display.display(line, stderr=True))
        with open_catalog(repository, state_dir=state_dir, progress=progress) as catalog:
            return history_results.told(tell(repository, catalog, asked))
