# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of other tasks as the callback hears them, for usecases/adopt.py: whose they are, and where they go."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleError
from ansible.template import Templar

from ..errors import HoldfastError, PolicyError
from ..model.policy import read_pushed
from ..usecases import adopt, open_point, run_folder, seal_point
from ..usecases.adopt import Adoption, Given, Held, Note
from ..usecases.leftovers import ship_leftovers
from ..usecases.run_folder import OpenPoint, PointFolder
from ..version import COLLECTION
from . import acknowledge, run
from . import context as given
from .options import Location, Options

# plugins with which network modules run on the controller; with others a path may be one of another machine
_RUN_HERE = ("network_cli", "netconf", "httpapi", "local")
_CENSORED = "censored"


class Adopter:
    """Takes the configurations that a run's tasks return into its recovery points.

    :param state_dir: the folder of all runs.
    :param tier: that of what is adopted; None for the usual one.
    :param remove: remove files of cleartext once their texts are sealed.
    """

    def __init__(self, state_dir: Path, *, tier: str | None, remove: bool) -> None:
        self._state_dir = state_dir
        self._tier = tier
        self._remove = remove
        self._adoption = Adoption()
        self._sealed: list[str] = []

    @property
    def points(self) -> frozenset[str]:
        """The points that were made for what was adopted alone."""
        return frozenset(self._sealed)

    def heard(self, result: t.Any, action: str) -> None:
        """Keep the configurations in what a task returned for a host, or note why not; never raises for them."""
        fields = result.task_fields
        arguments = fields.get("args") or {}
        if not adopt.adoptable(action, arguments):
            return
        host, task = result.host.get_name(), str(result.task_name)
        for one in _parts(result.result):
            try:
                found = None if _hidden(one, fields) else adopt.given(action, one, _arguments(one, arguments))
                if found is not None and found.path is not None:
                    self._adoption.wrote(host, found.path)
                if _hidden(one, fields):
                    self._refuse_hidden(result, host, task)
                elif found is not None and result.task.delegate_to:
                    self._adoption.refuse(host, task, "it was delegated: whose configuration it is nobody can tell")
                elif found is not None:
                    self._adoption.hold(self._held(result, task, found))
            except HoldfastError as e:
                self._adoption.refuse(host, task, str(e))

    def before_seal(self) -> None:
        """Put what was adopted so far into the open points that expect its hosts."""
        waiting = self._adoption.waiting
        for folder, taken in adopt.joined(self._state_dir, run.RUN_ID, waiting, _of_one_place) if waiting else ():
            opened = folder.read_open()
            self._put(folder, taken, Location(**opened.location), check=opened.check)

    def end(self) -> list[str]:
        """Seal what is in no point yet in points of its own; returns a line for each that could not be."""
        problems = []
        check = bool(context.CLIARGS.get("check"))
        numbers = itertools.count(1)
        for group in _by_place(self._adoption.waiting):
            number = next(numbers)
            folder = PointFolder(self._state_dir, run.RUN_ID, adopt.POINT if number == 1 else f"{adopt.POINT}-{number}")
            try:
                problems += self._seal(folder, group, check=check)
            except HoldfastError as e:
                problems.append(f"what was adopted is not sealed in {folder.point}: {e}")
        return problems

    def report(self) -> tuple[list[str], list[str]]:
        """What became of all, for people, and what must be warned of; kept in the run folder as well."""
        notes = self._adoption.end(remove=self._remove)
        if notes:
            run_folder.claim(self._state_dir, run.RUN_ID, run.CONTROLLER_PID)
            adopt.write(self._state_dir, run.RUN_ID, notes)
        return adopt.lines(notes), _warnings(notes, check=bool(context.CLIARGS.get("check")))

    def _seal(self, folder: PointFolder, group: Sequence[Held], *, check: bool) -> list[str]:
        run_folder.claim(self._state_dir, run.RUN_ID, run.CONTROLLER_PID)
        location = Location(**group[0].location)
        means = location.means(check=check)
        waiting: tuple[str, ...] = ()
        if not check:
            left = ship_leftovers(
                self._state_dir, means.repository, means.keyring, run=run.RUN_ID, stamping=means.stamping
            )
            waiting = left.waiting
        run_folder.sweep(self._state_dir, keep=run.RUN_ID)
        open_point.open_point(
            folder,
            means.repository,
            means.keyring,
            expected=list(dict.fromkeys(one.host for one in group)),
            location=dataclasses.asdict(location),
            change=group[0].change,
            actor=given.actor({}, expected=[one.host for one in group], check=check),
            check=check,
        )
        self._sealed.append(folder.point)
        self._put(folder, group, location, check=check)
        sealed = seal_point.reach_and_seal(folder, lambda: means, later_batches=False, check=check)
        return [*waiting, *acknowledge.acknowledged(location, sealed).warnings]

    def _put(self, folder: PointFolder, held: Sequence[Held], location: Location, *, check: bool) -> None:
        store = functools.cache(functools.partial(location.store, check=check))
        self._adoption.put(folder, held, store, location.keyring, writer=COLLECTION)

    def _refuse_hidden(self, result: t.Any, host: str, task: str) -> None:
        # facts of a server, hidden or not, are no configuration
        if _Asked(result).variable("ansible_network_os"):
            self._adoption.refuse(host, task, "no_log hides what it returned")

    def _held(self, result: t.Any, task: str, found: Given) -> Held:
        host = result.host.get_name()
        asked = _Asked(result)
        if found.path is not None and asked.connection not in _RUN_HERE:
            raise PolicyError(
                f"its file may be one of another machine: the task ran by {asked.connection}",
                host=host,
                remedy="Reach the device by network_cli, netconf or httpapi.",
            )
        network_os = asked.variable("ansible_network_os")
        platform = asked.options.platform(adopt.DATASTORE if found.by_netconf else str(network_os or ""))
        text, file = adopt.text_of(found)
        adopt.judged(found, text, platform)
        options = asked.options
        policy = read_pushed(
            host=host,
            classes=options.inherited("classes"),
            tiers=options.inherited("tiers"),
            content=[adopt.declared(found, text, platform, self._tier)],
            declared=options.inherited("components"),
        )
        return Held(
            host=host,
            host_id=options.host_id(host, asked.variables),
            task=task,
            component=found.component,
            policy=policy,
            location=dataclasses.asdict(options.location()),
            change=options.change(),
            meaning=adopt.meaning(found, text, platform),
            files=(file,) if file else (),
            doubt="" if platform else f"whether it is whole nobody can tell: platform {network_os or '-'} is not known",
        )


class _Asked:
    """The variables of the host that a task ran for, as that task saw them."""

    def __init__(self, result: t.Any) -> None:
        task, self._host = result.task, result.host.get_name()
        manager = task.get_variable_manager()
        try:
            variables = manager.get_vars(play=task.get_play(), host=result.host, task=task)
        except AnsibleError as e:
            raise _unread(self._host, e) from None
        self.variables: Mapping[str, t.Any] = variables
        self._templar = Templar(loader=task.get_loader(), variables=dict(self.variables))
        self._usual = str(result.task_fields.get("connection") or "")
        self.options = Options({}, self.variable, check=bool(context.CLIARGS.get("check")), names=self.variables)

    def variable(self, name: str) -> t.Any:
        """A variable, None where it is not set."""
        if name not in self.variables:
            return None
        try:
            return self._templar.template(self.variables[name])
        except AnsibleError as e:
            raise _unread(self._host, e, name) from None

    @property
    def connection(self) -> str:
        """The name of the connection plugin, without that of its collection."""
        return str(self.variable("ansible_connection") or self._usual).rpartition(".")[2]


def _unread(host: str, error: AnsibleError, name: str | None = None) -> PolicyError:
    return PolicyError(f"a variable cannot be read: {error.message}", host=host, item=name, remedy="Correct it.")


def _parts(result: Mapping[str, t.Any]) -> list[Mapping[str, t.Any]]:
    """A result, or those of its loop."""
    looped = result.get("results")
    return [one for one in looped if isinstance(one, Mapping)] if isinstance(looped, list) else [result]


def _hidden(result: Mapping[str, t.Any], fields: Mapping[str, t.Any]) -> bool:
    return _CENSORED in result or bool(fields.get("no_log"))


def _arguments(result: Mapping[str, t.Any], given: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    """What the module was asked for, which in a loop the task does not say of each."""
    invocation = result.get("invocation")
    asked = invocation.get("module_args") if isinstance(invocation, Mapping) else None
    return asked if isinstance(asked, Mapping) else given


def _place(location: Mapping[str, t.Any]) -> str:
    """What two locations have in common that are one repository, reached in one way."""
    return json.dumps({name: value for name, value in location.items() if name != "change"}, sort_keys=True)


def _of_one_place(opened: OpenPoint, held: Held) -> bool:
    # what is opened in one repository is not that of another tenant
    return _place(opened.location) == _place(held.location)


def _by_place(held: Sequence[Held]) -> Iterator[list[Held]]:
    groups: dict[str, list[Held]] = {}
    for one in held:
        groups.setdefault(_place(one.location), []).append(one)
    yield from groups.values()


def _warnings(notes: Sequence[Note], *, check: bool) -> list[str]:
    lost = [note for note in notes if not note.sealed]
    if check or not lost:
        return []
    hosts = sorted({note.host for note in lost})
    return [f"{len(lost):,} configurations were returned and NOT sealed, first of {hosts[0]}: the table names them"]
