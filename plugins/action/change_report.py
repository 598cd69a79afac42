# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import change_results, tickets
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import DISPLAY, REPOSITORY, Options
from ..plugin_utils.usecases import change_report


class ActionModule(HoldfastAction):
    """Say which changes have which backups, and which backups have no change."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **tickets.TICKETS,
        "ids": {"type": "list", "elements": "str"},
        "since": {"type": "str"},
        "until": {"type": "str"},
        "path": {"type": "path"},
        **DISPLAY,
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Read tickets, points and events of that time."""
        keeper = tickets.keeper(options)
        repository = options.reading().repository(check=True)
        since, until = change_results.time(options, repository.store.clock())
        found = change_report.report(repository, keeper, since=since, until=until, ids=options["ids"] or ())
        return change_results.reported(found, options["path"], check=options.check)
