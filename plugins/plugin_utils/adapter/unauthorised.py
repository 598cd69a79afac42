# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Around a seal: which of the changes that a run found no ticket allows."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..usecases import unauthorised
from ..usecases.run_folder import PointFolder
from ..usecases.seal_point import Sealed, is_due
from . import tickets
from .options import Location, Options, plain

_NAMED = 20


class Watch:
    """What the hosts of a point have changed, noted before it is sealed: the seal drops what tells when it was not.

    Of no use, and no cost, where nobody keeps tickets, in check mode, and where nothing is sealed now.
    """

    def __init__(self, options: Options, folder: PointFolder) -> None:
        self._keeper = None if options.check else tickets.provider(options)
        self._folder = folder
        due = self._keeper is not None and is_due(folder, later_batches=True, check=options.check)
        self._drifted = unauthorised.drifted(folder) if due else ()

    def told(self, location: Location, sealed: Sealed, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """What the result of the seal says of changes that no ticket allows; each is put as a signed event."""
        if self._keeper is None or not self._drifted or sealed.id is None:
            return {}
        opened = self._folder.read_open()
        found = unauthorised.unauthorised(
            self._drifted, opened.change, self._keeper, lambda host: _names(host, task_vars)
        )
        warnings = list(found.warnings)
        if found.drifted:
            means = location.repository(), location.keyring()
            warnings += unauthorised.put(*means, found.drifted, sealed.id, opened.actor)
            lines = [f"{one.host}: {', '.join(one.components)} changed without a ticket" for one in found.drifted]
            more = len(lines) - _NAMED
            warnings += [*lines[:_NAMED], *([f"and {more} more changes without a ticket"] if more > 0 else [])]
        return {
            "unauthorised_changes": [
                {"host": one.host, "stream": one.stream, "components": list(one.components)} for one in found.drifted
            ],
            "warnings": warnings,
        }


def _names(host: str, task_vars: Mapping[str, t.Any]) -> tuple[str, ...]:
    """What configuration items may call a host of the inventory; only hosts that have changed are asked for."""
    variables = task_vars["hostvars"][host]
    given = plain(variables.get(tickets.KEY)) or {}
    return tickets.names_of(given, host, plain(variables.get("holdfast_host_id")))
