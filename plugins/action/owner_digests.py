# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import fleet, owner_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.usecases import owners, records
from ..plugin_utils.usecases.coverage import cover


class ActionModule(HoldfastAction):
    """Tell each owner how what they own stands, and what waits for them."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {**REPOSITORY, **owner_results.OPTIONS}

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Judge the whole inventory, whichever hosts the play names, then write and send."""
        to = owner_results.server(options)
        hosts = fleet.read(task_vars)
        repository = options.reading().repository(check=True)
        found = cover(repository, hosts)
        asked = records.listing(repository)
        digests = owners.digests(found.rows, hosts, asked.requests, found.now)
        first = repository.chain.links[0].root.id
        result = owner_results.deliver(options, digests, to, now=found.now, repository=first)
        beside = [f"{asked.unread} older requests or records were not read"] if asked.unread else []
        result["warnings"] = [*found.warnings, *result["warnings"], *beside]
        return result
