# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a batch, each with its own variables, as one task sees them that runs once for all."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Callable, Iterator, Mapping

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import Templar

from ..capture import bulk
from ..capture.device import Device
from ..errors import PolicyError
from ..model.platform import CLI, Item, Platform
from ..model.policy import Policy
from ..usecases import batch, snapshot
from ..usecases.batch import Member
from ..usecases.run_folder import PointFolder, Receipt
from ..version import COLLECTION
from . import device, results, tickets
from .options import Location, Options

USUAL_CONVERSATIONS, MOST_CONVERSATIONS = 50, 1000


def members(
    action: ActionBase, options: Options, task_vars: Mapping[str, t.Any], folder: PointFolder
) -> Iterator[Member]:
    """The hosts of this batch that are still in the play, each read when it is come to."""
    location = options.location()
    # one for all of them: they are put one after the other
    store = functools.cache(functools.partial(location.store, check=options.check))
    usual = usual_of_all(action, task_vars)
    for host in map(str, task_vars["ansible_play_batch"]):
        yield _Member(action, options, task_vars, folder, location, store, usual, host).member()


def result(outcome: batch.Outcome) -> dict[str, t.Any]:
    """What a batch did, by host; what failed fails each host by its own task."""
    return {
        "changed": any(results.receipt(one, diff=False)["changed"] for one in outcome.receipts.values()),
        "captured": sorted(outcome.receipts),
        "failed_hosts": {host: str(error) for host, error in sorted(outcome.failed.items())},
        "left_to_snapshot": sorted(outcome.left),
        "remaining": sorted([*outcome.failed, *outcome.left]),
    }


def usual_of_all(action: ActionBase, task_vars: Mapping[str, t.Any]) -> device.Usual:
    """What holds for every host where its variables say nothing, and nothing that the first host's own say.

    Ansible lays the variables of the host that the task runs for over the command line, and its passwords with them.
    """

    def unless_laid_over(what: str, value: str) -> str:
        return "" if any(task_vars.get(name) is not None for name in device.variables_of(what)) else value

    told = device.usual(action)
    return dataclasses.replace(
        told,
        user=str(action._task.remote_user or context.CLIARGS.get("remote_user") or constants.DEFAULT_REMOTE_USER or ""),
        password=unless_laid_over("password", told.password),
        enable=unless_laid_over("enable", told.enable),
        key_file=str(context.CLIARGS.get("private_key_file") or constants.DEFAULT_PRIVATE_KEY_FILE or ""),
    )


class _Member:
    """One host: its variables as its own task would see them, and what follows from them."""

    def __init__(
        self,
        action: ActionBase,
        options: Options,
        task_vars: Mapping[str, t.Any],
        folder: PointFolder,
        location: Location,
        store: Callable[[], t.Any],
        usual: device.Usual,
        host: str,
    ) -> None:
        self._action = action
        self._task_vars = task_vars
        self._folder = folder
        self._location = location
        self._store = store
        self._usual = usual
        self._host = host
        self._task_options = options

    def member(self) -> Member:
        """As the use case sees it."""
        return Member(self._host, self._policy, self._query, self._snapshot)

    @functools.cached_property
    def _options(self) -> Options:
        given = self._task_options
        return Options(given.args, self._variable, check=given.check, names=self._variables)

    @functools.cached_property
    def _variables(self) -> Mapping[str, t.Any]:
        hostvars: t.Any = self._task_vars["hostvars"]
        task = self._action._task
        # what every host has: to find it for each costs the square of their number
        around = [self._task_vars[name] for name in ("ansible_play_hosts", "ansible_play_hosts_all")]
        own: Mapping[str, t.Any] = hostvars._variable_manager.get_vars(
            play=task.get_play(),
            host=hostvars._inventory.get_host(self._host),
            task=task,
            include_hostvars=False,
            _hosts=around[0],
            _hosts_all=around[1],
        )
        return {**own, "hostvars": hostvars}

    @functools.cached_property
    def _templar(self) -> Templar:
        return Templar(loader=self._action._loader, variables=dict(self._variables))

    def _variable(self, name: str) -> t.Any:
        if name not in self._variables:
            return None
        try:
            return self._templar.template(self._variables[name])
        except AnsibleError as e:
            raise PolicyError(
                f"a variable cannot be read: {e.message}", host=self._host, item=name, remedy="Correct it."
            ) from None

    @functools.cached_property
    def _devices(self) -> device.Devices:
        return device.Devices(self._action, self._variables, self._host, self._variable, self._usual)

    def _policy(self) -> Policy:
        policy = self._devices.judged(self._options.policy(self._host))
        return tickets.permitted(self._options, self._folder, self._host, policy)

    def _query(self, platform: Platform, items: tuple[Item, ...]) -> bulk.Query | None:
        if self._devices.way.session == device.PLUGIN:
            # such a plugin reads the variables of the host that the task runs for
            return None
        opened = functools.partial(self._devices.open, platform)
        by_command = all(item.transport == CLI for item in items)
        return bulk.Query(
            self._host, items, opened, bulk.by_ssh(self._devices.reach(), platform) if by_command else None
        )

    def _snapshot(self, policy: Policy, heard: bulk.Heard) -> Receipt:
        source = Device(lambda _platform, _transport: heard)
        return snapshot.snapshot(
            self._folder,
            source,
            host=self._host,
            policy=lambda: policy,
            store=self._store,
            writer=COLLECTION,
            host_id=lambda: self._options.host_id(self._host, self._task_vars),
            keyring=self._location.keyring,
            device=source,
            check=self._options.check,
        )
