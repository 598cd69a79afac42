# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import duties_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options


class ActionModule(HoldfastAction):
    """Say who may what in a repository, as policies for its servers and as definitions for AWX."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **duties_results.DUTIES}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Render the matrix; no server is asked, and no key is needed."""
        return duties_results.rendered(options, diff=self._task.diff)
