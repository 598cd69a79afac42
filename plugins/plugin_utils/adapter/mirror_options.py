# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a mirror, and what became of it: options of a task become typed values, and those a result."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleError

from ..errors import PolicyError
from ..mirror.branch import Branch
from ..mirror.git import Remote
from ..mirror.paths import Layout
from ..model import instant
from ..model.component import Component
from ..model.policy import Finding, refuse
from ..usecases import mirror
from ..usecases.mirror import Mirrored
from ..usecases.mirror_text import Settings
from .options import Options, plain
from .sides import declared

MIRROR: Mapping[str, t.Any] = {
    "url": {"type": "str", "required": True},
    "branch": {"type": "str", "default": "main"},
    "layout": {"type": "str", "choices": [layout.value for layout in Layout], "default": "holdfast"},
    "groups": {"type": "dict", "default": {}},
    "group": {"type": "str", "default": ""},
    "components": {"type": "list", "elements": "str", "default": []},
    "secrets": {"type": "list", "elements": "str", "default": []},
    "undeclared": {"type": "bool", "default": False},
    "history": {"type": "bool", "default": True},
    "max_bytes": {"type": "int", "default": 4 * 1024 * 1024},
    "ssh_key": {"type": "path"},
    "known_hosts": {"type": "path"},
    "credential_helper": {"type": "path"},
    "timeout": {"type": "float", "default": 300.0},
}
_LISTED = 200
_NAMED = 1000


def branch(options: Options) -> Branch:
    """The branch of the mirror; its cache is in the state folder. Raises PolicyError where it cannot be one."""
    timeout = options["timeout"]
    if not 1 <= timeout <= 86400:
        refuse([Finding("timeout", f"{timeout:g} is out of range", "Give 1 to 86400 seconds.")])
    files = {name: options[name] or "" for name in ("ssh_key", "known_hosts", "credential_helper")}
    return Branch(Remote(options["url"], **files, timeout=timeout), options["branch"], options.state_dir / "mirror")


def settings(options: Options) -> Settings:
    """How the mirror is made; raises PolicyError with every finding."""
    findings = []
    groups: dict[str, tuple[str, ...]] = {}
    for group, hosts in options["groups"].items():
        if isinstance(hosts, Sequence) and not isinstance(hosts, str) and all(isinstance(host, str) for host in hosts):
            groups[group] = tuple(hosts)
        else:
            remedy = "Give names of hosts, like groups.routers."
            findings.append(Finding(f"groups.{group}", "is no list of hosts", remedy))
    refuse(findings)
    return Settings(
        layout=Layout(options["layout"]),
        groups=groups,
        group=options["group"],
        components=tuple(options["components"]),
        secrets=tuple(options["secrets"]),
        undeclared=options["undeclared"],
        max_bytes=options.number("max_bytes", 1, 1024**3),
    )


class Inventory:
    """What the inventory declares for hosts, asked for each only once it is needed.

    :param hostvars: the variables of each host of the inventory.
    """

    def __init__(self, hostvars: Mapping[str, Mapping[str, t.Any]]) -> None:
        self._hostvars = hostvars
        self._names: dict[str, str] | None = None

    def declared(self, name: str, host_id: str) -> Sequence[Component] | None:
        """The components of a host by its name, or else by its identity; None where the inventory does not know it.

        :raises PolicyError: what it declares cannot be read.
        """
        identity = self._identity(name) if name in self._hostvars else ""
        if identity is None:
            raise _unread(name)
        known = name if identity == host_id else self._by_identity(host_id)
        try:
            return None if known is None else declared(known, self._variable(known), self._hostvars[known])
        except AnsibleError as e:
            raise _unread(known) from e

    def _identity(self, name: str) -> str | None:
        """The identity of a host; None where its variable has no value, so that it is nobody."""
        try:
            return str(self._hostvars[name].get("holdfast_host_id") or name)
        except AnsibleError:
            return None

    def _by_identity(self, host_id: str) -> str | None:
        if self._names is None:
            named = {self._identity(name): name for name in self._hostvars}
            self._names = {identity: name for identity, name in named.items() if identity is not None}
        return self._names.get(host_id)

    def _variable(self, name: str) -> Callable[[str], t.Any]:
        return self._hostvars[name].get


def _unread(host: str | None) -> PolicyError:
    # what Ansible says of a template may hold values
    return PolicyError("a variable of it has no value", host=host, remedy="Correct the template, or what it names.")


def told(done: Mirrored, options: Options, *, diff: bool) -> dict[str, t.Any]:
    """What became of a mirror, as the result of a task: names and figures, never content.

    :param diff: name the paths that changed, the first 200.
    :raises UnsoundError: snapshots could not be read.
    """
    result: dict[str, t.Any] = {
        "changed": bool(done.commits),
        "head": done.head,
        "branch": plain(options["branch"]),
        "recovery_points": done.waiting,
        "commits": [
            {
                "recovery_point": one.point,
                "sealed_at": instant.to_text(one.sealed_at),
                "author": one.author,
                "change_id": one.change,
                "written": len(one.written),
                "removed": len(one.removed),
            }
            for one in done.commits
        ],
        "not_mirrored": [one._asdict() for one in done.not_mirrored[:_NAMED]],
        "damaged": list(done.damaged),
        "warnings": list(done.warnings),
    }
    if diff and done.commits:
        result["diff"] = {"before": "", "after": _paths(done)}
    mirror.require_sound(done, result)
    return result


def _paths(done: Mirrored) -> str:
    lines = [
        f"{one.point[:12]} {sign} {path}"
        for one in done.commits
        for sign, listed in (("+", one.written), ("-", one.removed))
        for path in listed
    ]
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "".join(f"{line}\n" for line in (*lines[:_LISTED], *more))
