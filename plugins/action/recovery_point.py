# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import acknowledge, context, hosts, results, run, tickets, unauthorised
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, TRIGGER, Options
from ..plugin_utils.errors import IncompleteError
from ..plugin_utils.usecases import carry, seal_point
from ..plugin_utils.usecases.leftovers import Shipping, ship_leftovers
from ..plugin_utils.usecases.run_folder import PointFolder, claim, sweep


class ActionModule(HoldfastAction):
    """Open or seal a recovery point of this run."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        **TRIGGER,
        "state": {"type": "str", "choices": ["open", "sealed"], "required": True},
        "name": {"type": "str", "default": "main"},
        "alias": {"type": "str"},
        "expect": {"type": "list", "elements": "str"},
        "allow_incomplete": {"type": "bool", "default": False},
        "carry_limit": {"type": "int", "default": carry.MOST_STREAMS},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Open, or seal what is open."""
        location = options.location()
        folder = PointFolder(options.state_dir, run.RUN_ID, options["name"])
        if options["state"] == "open":
            claim(options.state_dir, run.RUN_ID, run.CONTROLLER_PID)
            by = location.means(check=options.check)
            left = Shipping((), ())
            if not options.check:
                left = ship_leftovers(
                    options.state_dir, by.repository, by.keyring, run=run.RUN_ID, stamping=by.stamping
                )
            sweep(options.state_dir, keep=run.RUN_ID)
            opened = context.begin(
                folder,
                by.repository,
                by.keyring,
                options,
                location=location,
                expected=hosts.expected(options["expect"], task_vars),
                task_vars=task_vars,
                tickets=tickets.provider(options),
                alias=options["alias"],
            )
            folder.add_batch(hosts.come(self._task.get_play(), task_vars, sealing=False))
            return results.opened_point(opened, left)
        folder.add_batch(hosts.come(self._task.get_play(), task_vars, sealing=True))
        watch = unauthorised.Watch(options, folder)
        sealed = seal_point.reach_and_seal(
            folder,
            lambda: location.means(check=options.check),
            alias=options["alias"],
            most_carried=options.number("carry_limit", 0, 1_000_000),
            check=options.check,
        )
        sealed = acknowledge.acknowledged(location, sealed)
        result = {"run": run.RUN_ID, **results.sealed_point(sealed, watch.told(location, sealed, task_vars))}
        if sealed.sealed and not sealed.complete and not options["allow_incomplete"]:
            lacking = ", ".join([*sealed.failed, *sealed.missing])
            raise IncompleteError(
                f"recovery point {sealed.point} is sealed and not complete: {lacking}",
                item=sealed.id,
                remedy="What was captured is safe. Correct these hosts and back them up again.",
                details=result,
            )
        return result
