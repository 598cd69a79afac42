# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import access_options, access_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, Options
from ..plugin_utils.usecases import access, approvals


class ActionModule(HoldfastAction):
    """Give the restorer's rights for a window that people have signed for, or end that, or say who has them."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        **access_options.ACCESS,
        "state": {"type": "str", "choices": ["present", "absent", "listed"], "default": "present"},
    }
    CONSTRAINTS: t.ClassVar[Mapping[str, t.Any]] = {
        "required_if": [("state", "present", ("request", "path")), ("state", "absent", ("path",))],
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Verify what people have signed, and ask the servers for no more than that."""
        state, check = options["state"], options.check
        location = options.reading() if state == "listed" else options.location()
        if state == "listed":
            return access_results.listing(access.listing(location.repository()))
        broker, folder = access_options.broker(location), access_options.folder(options)
        repository = location.repository(check=check)
        if state == "absent":
            ended = access.absent(repository, broker, folder, check=check)
            return access_results.access(ended, folder, diff=self._task.diff, check=check)
        wanted = access.approved(repository, approvals.find_request(repository, options["request"]))
        assume, longest = access_options.assume(options, location, wanted.ticket)
        given = access.present(repository, broker, folder, wanted, assume=assume, longest_keys=longest, check=check)
        return access_results.access(given, folder, diff=self._task.diff, check=check)
