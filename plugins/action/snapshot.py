# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import acknowledge, context, hosts, results, run, tickets
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.device import Devices
from ..plugin_utils.adapter.options import CHANGE, CONTENT, POLICY, REPOSITORY, Options
from ..plugin_utils.adapter.trip import HostTrip
from ..plugin_utils.usecases import batch, seal_point, snapshot
from ..plugin_utils.usecases.run_folder import claim, point_of_host, sweep
from ..plugin_utils.version import COLLECTION


class ActionModule(HoldfastAction):
    """Capture a host's configuration and store what changed."""

    _supports_async = True  # so that it is refused here, and the host's receipt says why
    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **POLICY,
        **CHANGE,
        **CONTENT,
        "point": {"type": "str"},
        "journal_dir": {"type": "str"},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Snapshot into the open point, or, where nothing is open, into a point of this host alone."""
        host = str(task_vars["inventory_hostname"])
        folder = point_of_host(options.state_dir, run.RUN_ID, host=host, named=options["point"])
        misplaced = hosts.misplaced(self._task, host, pushed=bool(options.pushed))
        if misplaced is not None:
            raise snapshot.refused(folder, misplaced, host=host, pushed=options.pushed, check=options.check)
        left = None if options.pushed else batch.taken(folder, host, own=options.own_policy, check=options.check)
        if left is not None:
            return {"recovery_point": "", **results.receipt(left, diff=self._task.diff)}
        location = options.location()
        repository = location.repository(check=options.check) if folder.single else None
        if repository is not None:
            claim(options.state_dir, run.RUN_ID, run.CONTROLLER_PID)
            sweep(options.state_dir, keep=run.RUN_ID)
            context.begin(
                folder,
                repository,
                location.keyring(),
                options,
                location=location,
                expected=[host],
                task_vars=task_vars,
                tickets=tickets.provider(options),
            )
        devices = Devices(self, task_vars, host, options.variable)
        with devices.source:
            receipt = snapshot.snapshot(
                folder,
                snapshot.HeardHost(HostTrip(self, task_vars), journal=options.journal_dir),
                host=host,
                policy=lambda: tickets.permitted(options, folder, host, devices.judged(options.policy(host))),
                store=lambda: location.store(check=options.check),
                writer=COLLECTION,
                host_id=lambda: options.host_id(host, task_vars),
                keyring=location.keyring,
                pushed=options.pushed,
                device=devices.source,
                check=options.check,
            )
        point: dict[str, t.Any] = {"recovery_point": ""}
        if repository is not None:
            means = seal_point.Means(repository, location.keyring(), location.stamping())
            sealed = seal_point.reach_and_seal(folder, lambda: means, later_batches=False, check=options.check)
            sealed = acknowledge.acknowledged(location, sealed)
            point = {"recovery_point": sealed.id or "", "warnings": list(sealed.warnings)}
        return {**point, **results.receipt(receipt, diff=self._task.diff)}
