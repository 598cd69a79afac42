# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import context, destruction_results, record_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import ASKING, CHANGE, REPOSITORY, Options
from ..plugin_utils.usecases import approvals, destruction, objects, records
from ..plugin_utils.usecases.repository import Repository


class ActionModule(HoldfastAction):
    """Destroy the key of a class and year as people have signed, and say what nobody can open then."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **ASKING,
        **CHANGE,
        "key": {"type": "str", "no_log": False},
        "state": {"type": "str", "choices": ["listed", "present", "escrow"], "default": "listed"},
        "request": {"type": "str"},
        "signature": {"type": "path"},
        "to_sign": {"type": "path"},
    }
    CONSTRAINTS: t.ClassVar[Mapping[str, t.Any]] = {
        "required_if": [("state", "present", ("key",)), ("state", "escrow", ("key", "request"), True)],
        "required_together": [("request", "signature")],
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Look, destroy, or take in what who holds escrow has signed."""
        state, key = options["state"], options["key"]
        location = options.reading() if state == "listed" else options.location()
        repository = location.repository(check=options.check)
        if state == "listed":
            found = destruction.outlook(repository, key) if key else None
            return destruction_results.listing(destruction.standings(repository), found)
        if state == "escrow":
            return self._escrow(options, repository)
        done = destruction.destroy(
            repository, location.keyring(), key, actor=context.who(task_vars), check=options.check
        )
        return destruction_results.destruction(done, diff=self._task.diff)

    def _escrow(self, options: Options, repository: Repository) -> dict[str, t.Any]:
        """Ask for the statement; or add a signature, and put the record once enough have signed."""
        to_sign = options["to_sign"]
        if options["request"]:
            pending = approvals.find_request(repository, options["request"])
            signature = record_results.read_signature(options["signature"])
            changed = records.add_signature(repository, pending, signature)
            if approvals.judge(repository, pending, approvals.signatures(repository, pending)).reached:
                changed = records.complete(repository, pending)[1] or changed
        else:
            asked = options.asking().request(objects.now(repository.store))
            pending, changed = destruction.ask_escrow(repository, options["key"], asked)
        changed = record_results.write_to_sign(pending, to_sign, check=options.check) or changed
        found = record_results.request(repository, pending, to_sign=to_sign)
        return record_results.change(None, found, changed=changed, diff=self._task.diff)
