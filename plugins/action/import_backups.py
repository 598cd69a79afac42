# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ..plugin_utils.adapter import acknowledge, context, import_options, run, tickets
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, DISPLAY, REPOSITORY, Options
from ..plugin_utils.usecases.import_backups import import_backups
from ..plugin_utils.usecases.leftovers import ship_leftovers
from ..plugin_utils.usecases.run_folder import OpenPoint, PointFolder, claim, sweep


class ActionModule(HoldfastAction):
    """Bring backups that other tools made into the repository."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        "classes": {"type": "dict"},
        "tiers": {"type": "dict"},
        **import_options.IMPORT,
        **DISPLAY,
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Import what is not there yet, or say in check mode what that would be."""
        reader, settings = import_options.reader(options), import_options.settings(options)
        location = options.location()
        means = location.means(check=options.check)
        means.repository.root.retention(settings.kept)
        if not options.check:
            claim(options.state_dir, run.RUN_ID, run.CONTROLLER_PID)
            ship_leftovers(options.state_dir, means.repository, means.keyring, run=run.RUN_ID, stamping=means.stamping)
            sweep(options.state_dir, keep=run.RUN_ID)

        def begin(folder: PointFolder, hosts: Sequence[str]) -> OpenPoint:
            return context.begin(
                folder,
                means.repository,
                means.keyring,
                options,
                location=location,
                expected=hosts,
                task_vars=task_vars,
                tickets=tickets.provider(options),
            )

        inventory = import_options.Inventory(task_vars, check=options.check)
        outcome = import_backups(
            reader,
            means,
            settings,
            whose=inventory.target,
            begin=begin,
            state_dir=options.state_dir,
            run=run.RUN_ID,
            check=options.check,
        )
        if outcome.points:
            acknowledge.acknowledged(location, outcome.points[-1])
        return import_options.told(outcome, inventory.unknown, check=options.check)
