# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import escrow_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, Options


class ActionModule(HoldfastAction):
    """Make escrow keys offline, split them among custodians, bring them back, or prove that they open a repository."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **CHANGE, **escrow_results.ESCROW}
    CONSTRAINTS: t.ClassVar[Mapping[str, t.Any]] = {
        "required_if": [
            ("state", "split", ("custodians", "threshold")),
            ("state", "joined", ("shares", "destination")),
            ("state", "proved", ("shares",)),
        ],
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Do what the state says; only to prove it takes a repository."""
        diff = bool(self._task.diff)
        escrow_results.require_own(options)
        if options["state"] == "made":
            return escrow_results.made(options, diff=diff)
        if options["state"] == "split":
            return escrow_results.split(options, diff=diff)
        if options["state"] == "joined":
            return escrow_results.joined(options, diff=diff)
        return escrow_results.proved(options, task_vars, diff=diff)
