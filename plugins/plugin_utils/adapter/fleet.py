# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policies of all hosts of the inventory, and which group or host says each part of them.

Hosts that have the same values share one policy, which is read once.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible.errors import AnsibleError
from ansible.inventory.helpers import sort_groups
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

from ..capture import platforms, presets
from ..errors import HoldfastError
from ..model.alias import KEY as ALIASES
from ..model.alias import read_aliases
from ..model.finding import Finding
from ..model.fleet import HostPolicy, Surroundings
from ..model.joining import SPLIT, joined, parts
from ..model.policy import Policy, judge_policy
from ..model.waiver import read_waivers
from . import governance_file
from .given import meant
from .options import Options, plain, plain_variable

_NONE: tuple[t.Any, ...] = ()
OTHERS = ("holdfast_host_id", "holdfast_component_paths", "holdfast_platform_paths", "ansible_network_os")
AROUND = ("holdfast_governance", "holdfast_repository", "holdfast_tickets", "holdfast_people", ALIASES)


def read(task_vars: Mapping[str, t.Any]) -> tuple[HostPolicy, ...]:
    """Each host of the inventory with its policy, in the inventory's order; of one that has none to use why."""
    reader = _Reader(task_vars)
    return tuple(reader.host(str(host)) for host in task_vars["groups"]["all"])


class _Reader:
    """Reads one host after the other, and remembers what others have as well.

    Ansible gives hosts of one group the very same objects, so their identity tells equal values without a look
    inside; ``_kept`` holds them, so that no identity is given out twice.
    """

    def __init__(self, task_vars: Mapping[str, t.Any]) -> None:
        self._task_vars = task_vars
        self._hostvars = task_vars["hostvars"]
        self._sayers = _Sayers(self._hostvars, task_vars.get("playbook_dir"))
        self._kept: dict[int, tuple[t.Any, bool]] = {}
        self._policies: dict[t.Any, tuple[Policy | None, tuple[Finding, ...], dict[str, str]]] = {}
        self._surroundings: dict[t.Any, tuple[Surroundings, tuple[Finding, ...]]] = {}

    def host(self, host: str) -> HostPolicy:
        raw = self._hostvars.raw_get(host)
        groups = tuple(plain(list(raw.get("group_names", ()))))
        misspelt = tuple((name, like) for name in map(str, raw) if (like := meant(name)))
        wanted = {name: raw[name] for name in _wanted(raw)}
        try:
            policy, findings, said = self._policy(host, wanted)
            around, faults = self._around(host, raw)
            identity = Options({}, self._values(host, wanted, OTHERS[:1]).get, check=True).host_id(
                host, self._task_vars
            )
        except (HoldfastError, AnsibleError) as e:
            known = e if isinstance(e, HoldfastError) else HoldfastError(str(e))
            finding = Finding(known.item or "holdfast_components", known.message, known.remedy or "")
            return HostPolicy(host, host, groups, None, {}, (finding,), misspelt=misspelt)
        variables = {name for together in said.values() for name in together.split(", ")}
        spoken = {name: f"{name} of {self._sayers.who(host, name, wanted[name])}" for name in variables}
        told = {key: ", ".join(spoken[name] for name in together.split(", ")) for key, together in said.items()}
        return HostPolicy(host, identity, groups, policy, told, (*findings, *faults), around, misspelt)

    def _policy(
        self, host: str, wanted: Mapping[str, t.Any]
    ) -> tuple[Policy | None, tuple[Finding, ...], dict[str, str]]:
        names = [name for name in wanted if name != "holdfast_host_id"]
        if any(self._templated(wanted[name]) for name in names):
            values = self._values(host, wanted, names)
            key: t.Any = repr(sorted(values.items()))
        else:
            values = {}
            key = tuple((name, id(wanted[name])) for name in names)
        if key not in self._policies:
            self._policies[key] = _judged(values or self._values(host, wanted, names))
        return self._policies[key]

    def _around(self, host: str, raw: Mapping[str, t.Any]) -> tuple[Surroundings, tuple[Finding, ...]]:
        given = {name: raw[name] for name in AROUND if name in raw}
        repository = given.get("holdfast_repository")
        if isinstance(repository, Mapping):
            # where it is and how it is reached may differ from host to host, and is no matter here
            given["holdfast_repository"] = repository.get("replicas", _NONE)
        if "holdfast_tickets" in given:
            given["holdfast_tickets"] = bool(given["holdfast_tickets"])
        templated = any(self._templated(value) for value in given.values())
        key: t.Any = tuple((name, id(value)) for name, value in given.items())
        if templated:
            variables = self._hostvars[host]
            given = {name: plain_variable(name, variables[name]) for name in given}
            key = repr(sorted((name, given[name]) for name in given if name != "holdfast_tickets"))
        if key not in self._surroundings:
            self._surroundings[key] = _surroundings({name: plain_variable(name, given[name]) for name in given})
        return self._surroundings[key]

    def _values(self, host: str, wanted: Mapping[str, t.Any], names: Iterable[str]) -> dict[str, t.Any]:
        present = [name for name in names if name in wanted]
        if any(self._templated(wanted[name]) for name in present):
            variables = self._hostvars[host]
            return {name: plain_variable(name, variables[name]) for name in present}
        return {name: plain_variable(name, wanted[name]) for name in present}

    def _templated(self, value: t.Any) -> bool:
        if id(value) not in self._kept:
            self._kept[id(value)] = (value, _holds_template(value))
        return self._kept[id(value)][1]


class _Sayers:
    """Who says a variable of a host, by Ansible's own order: groups by depth, priority and name, then the host."""

    def __init__(self, hostvars: t.Any, playbook_dir: str | None) -> None:
        self._inventory = hostvars._inventory
        self._loader = hostvars._loader
        self._playbook_dir = playbook_dir
        self._layers: dict[str, tuple[Mapping[str, t.Any], ...]] = {}

    def who(self, host: str, variable: str, value: t.Any) -> str:
        """``group web`` or ``host web1``; what neither says comes with the play or the command line."""
        entity = self._inventory.get_host(host)
        # Ansible takes all files of groups after all groups of the inventory itself
        groups = sort_groups(entity.get_groups())
        layered = [[(f"group {group.name}", self._said_by(group)[layer]) for group in groups] for layer in range(3)]
        ranked = [one for layer in layered for one in layer]
        if any(variable in said for said in self._said_by(entity)):
            ranked += [(f"host {host}", said) for said in self._said_by(entity)]
        for spoken, said in reversed(ranked):
            if variable in said:
                return spoken if said[variable] is value or said[variable] == value else "the play or its extra vars"
        return "the play or its extra vars"

    def _said_by(self, entity: t.Any) -> tuple[Mapping[str, t.Any], ...]:
        """What the inventory, files beside it and files beside the playbook say of a group or host."""
        key = f"{type(entity).__name__} {entity.name}"
        if key not in self._layers:
            beside = get_vars_from_inventory_sources(self._loader, self._inventory._sources, [entity], "task")
            here = get_vars_from_path(self._loader, self._playbook_dir, [entity], "task") if self._playbook_dir else {}
            layers = (entity.vars, beside, here)
            self._layers[key] = tuple({name: said[name] for name in _wanted(said)} for said in layers)
        return self._layers[key]


def _wanted(variables: Mapping[str, t.Any]) -> list[str]:
    """The names among *variables* that a policy is read from."""
    held = [name for name in variables if isinstance(name, str) and name.startswith("holdfast_")]
    split = [one for name in SPLIT for one in parts(name, held)]
    return [name for name in (*split, *OTHERS) if name in variables]


def _surroundings(given: Mapping[str, t.Any]) -> tuple[Surroundings, tuple[Finding, ...]]:
    findings: list[Finding] = []
    governed = governance_file.governance(given.get("holdfast_governance"), findings)
    read_aliases(given.get(ALIASES), findings)
    people = given.get("holdfast_people")
    replicas = None
    if "holdfast_repository" in given:
        listed = given["holdfast_repository"]
        if isinstance(listed, Mapping):
            listed = listed.get("replicas")
        names = listed if isinstance(listed, (list, tuple)) else ()
        replicas = frozenset(str(one.get("name")) for one in names if isinstance(one, Mapping))
    told = Surroundings(
        governance=governed,
        replicas=replicas,
        tickets=bool(given.get("holdfast_tickets")),
        people=len(people) if isinstance(people, (list, tuple)) and people else None,
    )
    return told, tuple(findings)


def _holds_template(value: t.Any) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, Mapping):
        return any(_holds_template(one) for pair in value.items() for one in pair)
    return isinstance(value, (list, tuple)) and any(_holds_template(one) for one in value)


def _judged(values: Mapping[str, t.Any]) -> tuple[Policy | None, tuple[Finding, ...], dict[str, str]]:
    findings: list[Finding] = []
    said: dict[str, str] = {}
    given: dict[str, t.Any] = {}
    for name in SPLIT:
        given[name], sources = joined(name, values, findings)
        said.update(sources)
    if given["components"] in (None, []):
        # it declares nothing to capture; its exceptions may be of all of it
        policy = Policy({}, {}, (), waivers=read_waivers(given["exceptions"], findings))
    else:
        preset_folders = presets.read_folders(values.get("holdfast_component_paths"), findings)
        platform_folders = platforms.read_folders(values.get("holdfast_platform_paths"), findings)
        policy = judge_policy(
            findings,
            **given,
            presets=presets.finder(preset_folders),
            platforms=platforms.finder(platform_folders),
            network_os=values.get("ansible_network_os") or "",
        )
    return (None if findings else policy), tuple(findings), said
