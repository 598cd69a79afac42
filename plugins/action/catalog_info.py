# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import catalog_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.usecases.catalog import open_catalog
from ..plugin_utils.usecases.verify_progress import Progress


class ActionModule(HoldfastAction):
    """Find recovery points and snapshots by what people know of them."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **catalog_results.OPTIONS}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Bring the catalog up to date and search in it."""
        asked = catalog_results.query(options)
        repository = options.reading().repository(check=True)
        progress = Progress(options.progress_interval(), lambda line: self._display.display(line, stderr=True))
        with open_catalog(
            repository,
            state_dir=options.state_dir if options["cache"] else None,
            rebuild=options["rebuild"],
            progress=progress,
        ) as catalog:
            return catalog_results.answer(options, repository, catalog, asked)
