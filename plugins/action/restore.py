# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import archive_options, compare_results, restore_results, run
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, SELECTION, Options
from ..plugin_utils.adapter.sides import declared
from ..plugin_utils.adapter.trip import HostTrip
from ..plugin_utils.capture.host import Host
from ..plugin_utils.capture.transaction import Transaction
from ..plugin_utils.usecases.restore import restore
from ..plugin_utils.usecases.restore_in_place import Way, restore_in_place
from ..plugin_utils.usecases.restore_record import Context


class ActionModule(HoldfastAction):
    """Restore a host's sealed configuration, in place or under another root, and prove it equal."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        **SELECTION,
        **archive_options.ARCHIVED,
        "under": {"type": "str"},
        "in_place": {"type": "bool", "default": False},
        "exact": {"type": "bool", "default": False},
        "owners": {"type": "str", "default": "name", "choices": ["name", "id"]},
        "validate": {"type": "bool", "default": True},
        "reload": {"type": "bool", "default": True},
        "lease": {"type": "int", "default": 300},
        "journal_dir": {"type": "str"},
        "html": {"type": "path"},
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
            "context": Context(target, place, run.actor(task_vars), options.change()),
            "retrieval": archive_options.retrieval(options, self._display.display),
            "check": options.check,
        }
        repository, keyring = location.repository(check=options.check), location.keyring()
        host = Host(trip, root=place, journal=options.journal_dir)
        page = options["html"] if options["in_place"] else None
        if not options["in_place"]:
            done = restore(repository, keyring, host, **given)
        else:
            way = Way(
                {one.name: one for one in declared(target, lambda name: self._variable(task_vars, name))},
                exact=options["exact"],
                owner_by=options["owners"],
                validate=options["validate"],
                reload=options["reload"],
                show=bool(self._task.diff or page),
                shown=lambda found: page and compare_results.write_page(page, found),
            )
            transaction = Transaction(
                trip,
                restore=run.new_id(),
                run=run.spoken(run.actor(task_vars), options.change()),
                lease=options.number("lease", 30, 86400),
                journal=options.journal_dir,
                may_apply=run.require_controller,
            )
            done = restore_in_place(repository, keyring, host, transaction, way=way, **given)
        return restore_results.restored(done, diff=self._task.diff, html=page)
