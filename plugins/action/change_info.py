# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import tickets
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import Options
from ..plugin_utils.errors import TicketError
from ..plugin_utils.model.ticket import OPERATIONS


class ActionModule(HoldfastAction):
    """Say what a change ticket says, and whether it permits something on this host now."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **tickets.TICKETS,
        "id": {"type": "str", "required": True},
        "operation": {"type": "str", "choices": list(OPERATIONS), "default": "backup"},
        "subject": {"type": "str", "choices": ["host", "repository"], "default": "host"},
        "require": {"type": "bool", "default": False},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Ask who keeps the tickets, and judge."""
        host, now = str(task_vars["inventory_hostname"]), dt.datetime.now(dt.timezone.utc)
        told = tickets.told(options, host, now)
        if options["require"] and not told["permitted"]:
            raise TicketError(
                f"change {options['id']} does not permit a {options['operation']}: {'; '.join(told['refusals'])}",
                host=host,
                item=options["id"],
                remedy="Nothing was touched. See docs/runbooks/change_refused.md.",
                details=told,
            )
        return told
