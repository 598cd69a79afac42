# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import archive_options, context, restore_results, restore_ways, tickets
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, SELECTION, Options
from ..plugin_utils.adapter.trip import HostTrip
from ..plugin_utils.capture.host import Host
from ..plugin_utils.usecases.restore import restore
from ..plugin_utils.usecases.restore_record import Context


class ActionModule(HoldfastAction):
    """Restore a host's or a device's sealed configuration, in place or under another root, and prove it equal."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        **SELECTION,
        **archive_options.ARCHIVED,
        "under": {"type": "str"},
        **restore_ways.IN_PLACE,
        **restore_ways.DEVICE,
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Restore what the options select to where they say."""
        place = options.place()
        location = options.reading()
        target = str(task_vars["inventory_hostname"])
        source, own = options["source_host"], options.host_id(target, task_vars)
        trip = HostTrip(self, task_vars)
        given: dict[str, t.Any] = {
            "host": source or target,
            "host_id": None if source or own == target else own,
            "selection": options.selection(),
            "retrieval": archive_options.retrieval(options, self._display.display),
            "check": options.check,
        }
        repository, keyring = location.repository(check=options.check), location.keyring()
        actor = context.actor(task_vars, options.trigger())
        if not options["in_place"]:
            host = Host(trip, root=place, journal=options.journal_dir)
            given["context"] = Context(target, place, actor, options.change())
            done, page = restore(repository, keyring, host, **given), None
        else:
            change, permit = tickets.permit_restore(options, target, repository.store.clock)
            given["context"] = Context(target, place, actor, change)
            task = restore_ways.Task(self, trip, options, task_vars, permit)
            done, page = restore_ways.to_its_place(task, repository, keyring, **given), task.page
        return restore_results.restored(done, diff=self._task.diff, html=page)
