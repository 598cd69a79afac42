# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import compare_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.device import Devices
from ..plugin_utils.adapter.options import DISPLAY, REPOSITORY, SELECTION, Options
from ..plugin_utils.adapter.sides import WITH, declared, other_selection
from ..plugin_utils.adapter.trip import HostTrip
from ..plugin_utils.render import text
from ..plugin_utils.usecases.compare import compare
from ..plugin_utils.usecases.states import Live, LookedAt, Sealed


class ActionModule(HoldfastAction):
    """Compare sealed configuration with a host as it is, or with other snapshots."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **SELECTION,
        **WITH,
        "html": {"type": "path"},
        "fail_on_drift": {"type": "bool", "default": False},
        **DISPLAY,
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Compare what the options select; the diff is shown here, since nothing that is unchanged shows one."""
        target = str(task_vars["inventory_hostname"])
        own = options.host_id(target, task_vars)
        other = other_selection(options)

        def identity(named: str | None) -> str | None:
            return None if named or own == target else own

        source, beside = options["source_host"], options["with_host"]
        location = options.reading()
        diff = bool(self._task.diff)
        with Devices(self, task_vars, target, options.variable).source as device:
            found = compare(
                location.repository(check=True),
                location.keyring() if location.has_keyring else None,
                Sealed(source or target, options.selection(), identity(source)),
                Live(target, LookedAt(HostTrip(self, task_vars), device=device))
                if other is None
                else Sealed(beside or source or target, other, identity(beside or source)),
                declared=declared(target, options.variable, options.names),
                paths=options["paths"] or (),
                content=diff or bool(options["html"]),
            )
        result = compare_results.compared(found, fail_on_drift=options["fail_on_drift"])
        if diff:
            result["diff"] = compare_results.prepared(found)
            if not self._task.no_log and found.differences:
                self._display.display(text.page(found))
                self._displayed = True
        if options["html"]:
            result["html"] = compare_results.write_page(options["html"], found)
        return result
