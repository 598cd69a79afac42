# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of an inventory: policies, coverage, credentials in plain text, tickets. No host is connected to."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..capture.patterns import covering
from ..errors import HoldfastError
from ..model import checkup, coverage, sources
from ..model.checkup import ERROR, OK, WARNING, Check
from ..model.fleet import HostPolicy
from ..model.lint import lint, shared
from ..schedule.due import largest_gap
from ..usecases.coverage import cover
from ..usecases.doctor import Look
from ..usecases.repository import Repository
from . import tickets
from .options import Options

Fleet = tuple[HostPolicy, ...]

# how deep a variable is looked into
_DEEP = 4
_VAULT = b"$ANSIBLE_VAULT;"
_HOUR = dt.timedelta(hours=1)


def looks(
    options: Options,
    task_vars: Mapping[str, t.Any],
    hosts: Fleet | HoldfastError,
    repository: Callable[[], Repository],
) -> Iterator[tuple[str, Look]]:
    """All checks of the inventory.

    :param hosts: the policies of all hosts, or why there are none.
    :param repository: opened; raises NotReachedError where it is not.
    """
    yield "inventory", lambda: _policies(hosts)
    if not isinstance(hosts, HoldfastError):
        yield "inventory.coverage", lambda: _coverage(cover(repository(), hosts).rows)
    yield "inventory.secrets", lambda: [checkup.secrets(credentials(task_vars))]
    yield "tickets", lambda: _tickets(options)


def libraries(hosts: Sequence[HostPolicy], task_vars: Mapping[str, t.Any]) -> dict[str, str]:
    """Libraries that policies need, and what for."""
    needed = {}
    for one in hosts:
        if one.policy is None:
            continue
        if any(tier.schedule is not None for tier in one.policy.tiers.values()):
            needed["python-dateutil"] = "schedules"
        if any(component.kind == sources.DEVICE for component in one.policy.components):
            raw = task_vars["hostvars"].raw_get(one.host)
            way = str(raw.get("holdfast_device_transport") or raw.get("ansible_connection") or "ssh")
            if way.endswith("netconf"):
                needed["ncclient"] = "devices by NETCONF"
            elif way in ("ssh", "cli"):
                needed["asyncssh"] = "devices by SSH"
    return needed


def _policies(hosts: Fleet | HoldfastError) -> list[Check]:
    if isinstance(hosts, HoldfastError):
        raise hosts
    if not hosts:
        return [Check("inventory", WARNING, "the inventory names no host", "Give it: ansible-playbook -i FILE.")]
    unusable = {one.host for one in hosts if one.policy is None}
    remarks = lint(hosts, largest_gap, covering, now=dt.datetime.now(dt.timezone.utc))
    # what stops no backup is for holdfast.config.policy to fail for
    found = shared([one if one.host in unusable else dataclasses.replace(one, severity=WARNING) for one in remarks])
    checks = []
    for severity in (ERROR, WARNING):
        of = [one for one in found if one.severity == severity]
        for one in of[: checkup.NAMED]:
            others = f" and {one.hosts - 1} more" if one.hosts > 1 else ""
            told = f"{one.host}{others}: {one.finding.key}: {one.finding.problem}"
            checks.append(Check("inventory.policy", severity, told, one.finding.remedy))
        if len(of) > checkup.NAMED:
            told = f"and {len(of) - checkup.NAMED} more {severity}s"
            checks.append(Check("inventory.policy", severity, told, "Run holdfast.config.policy, which names all."))
    return checks or [Check("inventory.policy", OK, f"the policies of all {len(hosts)} hosts can be used")]


def _coverage(rows: Iterable[coverage.Row]) -> list[Check]:
    by_reason: dict[str, dict[str, None]] = {}
    count: Counter[str] = Counter()
    for row in rows:
        count[row.state] += 1
        if row.state == coverage.GAP:
            by_reason.setdefault(row.reasons[0], {})[row.host] = None
    remedy = "Back them up, or have people accept it; holdfast.config.coverage names all."
    checks = [
        Check("inventory.coverage", WARNING, f"{reason}: {checkup.listed(named)}", remedy)
        for reason, named in by_reason.items()
    ]
    told = f"{count[coverage.COVERED]} components are covered, {count[coverage.ACCEPTED]} are accepted exceptions"
    return checks or [Check("inventory.coverage", OK, told)]


def _tickets(options: Options) -> list[Check]:
    keeper = tickets.provider(options)
    if keeper is None:
        return []
    now = dt.datetime.now(dt.timezone.utc)
    found = keeper.listed(now, now + _HOUR)
    told = f"{keeper.name} answers; {len(found)} changes have their window in the next hour"
    return [Check("tickets", OK, told)]


def credentials(task_vars: Mapping[str, t.Any]) -> dict[str, int]:
    """Variables that look like credentials in plain text, each with how many hosts have it. No value is returned.

    What ansible-vault keeps, the value or its whole file, is none; neither is a template.
    """
    found: Counter[str] = Counter()
    known: dict[tuple[str, int], tuple[t.Any, tuple[str, ...]]] = {}
    encrypted: dict[str, bool] = {}
    for host in task_vars["groups"]["all"]:
        raw = task_vars["hostvars"].raw_get(str(host))
        for name, value in raw.items():
            # hosts of one group have the very same objects
            key = (str(name), id(value))
            if key not in known:
                known[key] = (value, tuple(dict.fromkeys(_credentials(str(name), value, encrypted))))
            found.update(known[key][1])
    return dict(found)


def _credentials(name: str, value: t.Any, encrypted: dict[str, bool], deep: int = 0) -> Iterator[str]:
    if isinstance(value, Mapping) and deep < _DEEP:
        for key, inner in value.items():
            yield from _credentials(f"{name}.{key}", inner, encrypted, deep + 1)
    elif isinstance(value, (list, tuple)) and deep < _DEEP:
        for inner in value:
            yield from _credentials(name, inner, encrypted, deep + 1)
    # an EncryptedString is no str
    elif isinstance(value, str) and checkup.is_credential(name.rpartition(".")[2], value):
        path = _file_of(value)
        if path not in encrypted:
            encrypted[path] = _is_vault(path)
        if not encrypted[path]:
            yield name


def _file_of(value: t.Any) -> str:
    """The file that a value comes from, as Ansible notes it with the value; empty where it does not."""
    tags = getattr(value, "_ansible_tags_mapping", None)
    found = [getattr(tag, "path", None) for tag in tags.values()] if isinstance(tags, Mapping) else []
    return next((str(path) for path in found if path), "")


def _is_vault(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_VAULT)) == _VAULT
    except OSError:
        return False
