# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import asking, record_results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import ASKING, CHANGE, REPOSITORY, Options
from ..plugin_utils.model.record import PEOPLE_KINDS
from ..plugin_utils.usecases import approvals, objects, points, records
from ..plugin_utils.usecases.repository import Repository


class ActionModule(HoldfastAction):
    """Ask people to sign for an operation, add their signatures, and put the record once enough have signed."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **ASKING,
        **CHANGE,
        **asking.ABOUT,
        "state": {
            "type": "str",
            "choices": ["requested", "signed", "present", "checked", "listed"],
            "required": True,
        },
        "operation": {"type": "str", "choices": sorted(PEOPLE_KINDS)},
        "host": {"type": "str"},
        "stream": {"type": "str"},
        "key": {"type": "str", "no_log": False},
        "allow_in_use": {"type": "bool", "default": False},
        "request": {"type": "str"},
        "signature": {"type": "path"},
        "to_sign": {"type": "path"},
    }
    CONSTRAINTS: t.ClassVar[Mapping[str, t.Any]] = {
        "required_if": [
            ("state", "requested", ("operation",)),
            ("operation", "access", ("from", "until")),
            ("operation", "retired", ("host",)),
            ("operation", "destruction", ("key",)),
            ("operation", "escrow-destroyed", ("key",)),
            ("operation", "exception", ("exception",)),
            ("state", "signed", ("request", "signature")),
            ("state", "present", ("request",)),
            ("state", "checked", ("request",)),
        ],
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Take a request one step on, or say how it stands."""
        state, to_sign = options["state"], options["to_sign"]
        location = options.reading() if state in ("checked", "listed") else options.location()
        repository = location.repository(check=options.check)
        if state == "listed":
            return record_results.listing(records.listing(repository))
        if state == "requested":
            return self._requested(options, repository)
        pending = approvals.find_request(repository, options["request"])
        before = record_results.request(repository, pending)
        if state == "signed":
            changed = records.add_signature(repository, pending, record_results.read_signature(options["signature"]))
        elif state == "present":
            _name, changed = records.complete(repository, pending)
        else:
            changed = record_results.write_to_sign(pending, to_sign, check=options.check)
        live = None if state == "signed" else points.live(repository).streams
        after = record_results.request(repository, pending, to_sign=to_sign, live=live)
        return record_results.change(before, after, changed=changed, diff=self._task.diff)

    def _requested(self, options: Options, repository: Repository) -> dict[str, t.Any]:
        pending, made = asking.ask(options, repository, objects.now(repository.store))
        wrote = record_results.write_to_sign(pending, options["to_sign"], check=options.check)
        found = record_results.request(repository, pending, to_sign=options["to_sign"])
        after = record_results.unmade(found) if made and options.check else found
        return record_results.change(None if made else found, after, changed=made or wrote, diff=self._task.diff)
