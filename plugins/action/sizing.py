# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import sizing_options, sizing_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import DISPLAY, REPOSITORY, Options
from ..plugin_utils.usecases import sizing


class ActionModule(HoldfastAction):
    """Say what a repository will hold and cost, from what it has come to or from what is assumed."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **sizing_options.SIZING, **DISPLAY}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Forecast a year; what is assumed needs no repository, what is measured no key."""
        basis = sizing_options.assumption(options)
        if basis is not None:
            prices = sizing_options.prices(options, basis.classes)
            return sizing_results.sized(sizing.assumed(basis, sizing_options.wanted(options, prices)), prices)
        repository = options.location().repository(check=True)
        prices = sizing_options.prices(options, repository.root.classes)
        return sizing_results.sized(sizing.size(repository, sizing_options.wanted(options, prices)), prices)
