# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import doctor_results, storage_options, tickets
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import POLICY, REPOSITORY, Options


class ActionModule(HoldfastAction):
    """Look for what is wrong with controller, repository, keyring and inventory, and say what to do."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **storage_options.STORAGE,
        **tickets.TICKETS,
        **doctor_results.OPTIONS,
        "classes": POLICY["classes"],
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Make every check, whatever becomes of the others."""
        return doctor_results.examined(options, task_vars)
