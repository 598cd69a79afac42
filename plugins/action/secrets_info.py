# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import secret_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.usecases.catalog import open_catalog
from ..plugin_utils.usecases.secrets import look


class ActionModule(HoldfastAction):
    """Say which hosts share a declared secret, and which were not rotated since a date."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **secret_results.OPTIONS}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Tell it from manifests: no host is connected to, and no key is needed."""
        asked = secret_results.asked(options)
        repository = options.reading().repository(check=True)
        with open_catalog(repository, state_dir=options.state_dir if options["cache"] else None) as catalog:
            return secret_results.told(look(repository, catalog, asked))
