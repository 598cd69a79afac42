# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring to where it was: the files of a host, or the configuration of a network device, as the snapshot says."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..capture import platforms
from ..capture.device_change import Change, CliChange, NetconfChange, Order
from ..capture.host import Host
from ..capture.host_reload import ReloadChange
from ..capture.session import Session
from ..capture.transaction import Transaction
from ..model.component import Component
from ..model.difference import Comparison
from ..model.platform import CLI, NETCONF, Platform
from ..model.policy import Finding, refuse
from ..usecases.restore import Restored, Source, open_chosen
from ..usecases.restore_device import (
    Device,
    DeviceWay,
    device_component,
    holds_device,
    restore_device,
    restoring,
)
from ..usecases.restore_in_place import Way, restore_in_place
from . import compare_results, context, run
from .action import HoldfastAction
from .device import Devices
from .options import Options
from .sides import declared
from .trip import HostTrip

if t.TYPE_CHECKING:
    # it loads a library that most restores do not need
    from ..capture.netconf_session import NetconfSession

IN_PLACE: Mapping[str, t.Any] = {
    "in_place": {"type": "bool", "default": False},
    "exact": {"type": "bool", "default": False},
    "owners": {"type": "str", "default": "name", "choices": ["name", "id"]},
    "validate": {"type": "bool", "default": True},
    "reload": {"type": "bool", "default": True},
    "lease": {"type": "int", "default": 300},
    "journal_dir": {"type": "str"},
    "html": {"type": "path"},
}
DEVICE: Mapping[str, t.Any] = {
    "save": {"type": "bool", "default": False},
    "timer": {"type": "int", "default": 5},
    "any_hostname": {"type": "bool", "default": False},
}


@dataclasses.dataclass(frozen=True)
class Task:
    """A task that restores to where it was: how it reaches its host, and what it was given.

    ``permit`` raises where the change does not permit the restore, asked again before anything is replaced.
    """

    action: HoldfastAction
    trip: HostTrip
    options: Options
    task_vars: Mapping[str, t.Any]
    permit: Callable[[], None] = lambda: None

    def variable(self, name: str) -> t.Any:
        """A variable of the host, None where it has none."""
        return self.action._variable(self.task_vars, name)

    @property
    def target(self) -> str:
        """The host that is restored."""
        return str(self.task_vars["inventory_hostname"])

    @property
    def shows(self) -> bool:
        """Whether what differs is to be shown."""
        return bool(self.action._task.diff or self.page)

    @property
    def page(self) -> str | None:
        """The file of the controller that what differs is written to."""
        return t.cast("str | None", self.options["html"])

    @property
    def declared(self) -> dict[str, Component]:
        """Components as the inventory has them now, by name."""
        return {one.name: one for one in declared(self.target, self.variable, self.task_vars)}

    @property
    def spoken(self) -> str:
        """Who restores, for people who find it."""
        return run.spoken(context.who(self.task_vars), self.options.change())

    def may_apply(self) -> None:
        """Raise where nobody controls this any more, or the change's window has ended meanwhile."""
        run.require_controller()
        self.permit()

    def show(self, found: Comparison) -> None:
        """Write what differs as a page, where that was asked for."""
        if self.page:
            compare_results.write_page(self.page, found)


def to_its_place(task: Task, repository: t.Any, keyring: t.Any, **given: t.Any) -> Restored:
    """Open what was selected, and restore it to the host or the device that it is of.

    :param given: as :func:`restore_in_place` takes it.
    :raises PolicyError: files and a device's configuration were selected together.
    """
    host, host_id, selection = given["host"], given["host_id"], given["selection"]
    sealed = open_chosen(repository, keyring, host, selection, host_id, given["retrieval"], check=given["check"])
    if not holds_device(sealed, task.target):
        return restore_in_place(
            repository, keyring, _host(task), _transaction(task), way=_way(task), sealed=sealed, **given
        )
    order = Order(run.new_id(), task.options.number("timer", 1, 60), task.spoken)
    known = task.declared
    way = DeviceWay(
        order,
        known,
        save=task.options["save"],
        any_hostname=task.options["any_hostname"],
        show=task.shows,
        shown=task.show,
    )
    device = _device(task, known, sealed, order)
    told = {name: given[name] for name in ("host", "selection", "context", "check")}
    return restore_device(repository, keyring, device, sealed, way=way, **told)


def _device(task: Task, known: Mapping[str, Component], sealed: Source, order: Order) -> Device:
    """The host as a device, and how its platform's configuration comes back; nothing is reached yet.

    :raises PolicyError: its platform, or how it is reached, is not said or not known.
    """
    devices = Devices(task.action, task.task_vars, task.target, task.variable)
    platform = _platform(task, known, sealed)
    way = restoring(platform, task.target)

    def change(session: Session, text: bytes, lines: Sequence[str]) -> Change:
        if way.method == NETCONF:
            return NetconfChange(t.cast("NetconfSession", session), order, text)
        return CliChange(session, platform, order, text, lines)

    def reload(session: Session, text: bytes, _lines: Sequence[str]) -> Change:
        return ReloadChange(session, platform, order, text)

    return Device(
        platform,
        lambda: devices.open(platform, NETCONF if way.method == NETCONF else CLI),
        change,
        reload=reload if way.reload is not None else None,
    )


def _platform(task: Task, known: Mapping[str, Component], sealed: Source) -> Platform:
    """The platform that the inventory says the device has; of one that it says nothing of, that of the snapshot."""
    component = device_component(sealed)
    declared = known.get(component.name)
    platform = declared.means.get("platform") if declared is not None else None
    if isinstance(platform, Platform):
        return platform
    findings: list[Finding] = []
    folders = platforms.read_folders(task.options.inherited("platform_paths"), findings)
    refuse(findings, host=task.target)
    named = task.variable("ansible_network_os") or component.source.get("platform", "")
    return platforms.find(str(named), folders)


def _host(task: Task) -> Host:
    return Host(task.trip, journal=task.options.journal_dir)


def _transaction(task: Task) -> Transaction:
    return Transaction(
        task.trip,
        restore=run.new_id(),
        run=task.spoken,
        lease=task.options.number("lease", 30, 86400),
        journal=task.options.journal_dir,
        may_apply=task.may_apply,
    )


def _way(task: Task) -> Way:
    options = task.options
    return Way(
        task.declared,
        exact=options["exact"],
        owner_by=options["owners"],
        validate=options["validate"],
        reload=options["reload"],
        show=task.shows,
        shown=task.show,
    )
