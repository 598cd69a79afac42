# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``policy_info`` tells: what lint finds in the policies of all hosts, and the policy of those asked for."""

from __future__ import annotations

import json
import typing as t
from collections import Counter
from collections.abc import Mapping, Sequence

from ..errors import PolicyError
from ..model.fleet import HostPolicy
from ..model.lint import ERROR, WARNING, Remark, Shared, shared
from ..model.lint_keeping import Recorded
from ..render import policy as text
from ..usecases import objects
from ..usecases.coverage import accepted
from . import result_files
from .options import DISPLAY, Options

OPTIONS: Mapping[str, t.Any] = {
    "hosts": {"type": "list", "elements": "str", "default": []},
    "records": {"type": "bool", "default": False},
    "path": {"type": "path"},
    "fail": {"type": "bool", "default": False},
    **DISPLAY,
}


def recorded(options: Options) -> tuple[Recorded | None, tuple[str, ...]]:
    """What the repository holds that policies are judged by, where the task asks for it; and what is not believed.

    :raises HoldfastError: the repository cannot be read.
    """
    if not options["records"]:
        return None, ()
    repository = options.reading().repository(check=True)
    signed, refused = accepted(repository, now=objects.now(repository.store))
    return Recorded(repository.root, signed), refused


def told(
    options: Options, fleet: Sequence[HostPolicy], remarks: Sequence[Remark], warnings: Sequence[str] = ()
) -> dict[str, t.Any]:
    """The result; writes the file that the task names. Never a change.

    :raises PolicyError: a host asked for is not in the inventory, or the file cannot be written.
    """
    policies = {one.host: one for one in fleet}
    unknown = [host for host in options["hosts"] if host not in policies]
    if unknown:
        raise PolicyError(f"no host {unknown[0]} in the inventory", remedy="Name hosts as the inventory does.")
    found = shared(remarks)
    counts = Counter(one.severity for one in found)
    result: dict[str, t.Any] = {
        "changed": False,
        "hosts": len(fleet),
        "errors": counts[ERROR],
        "warned": counts[WARNING],
        "findings": [_finding(one) for one in found],
        "owners": _owners(fleet),
        "policies": {host: _policy(policies[host]) for host in options["hosts"]},
        "report": text.report(found, len(fleet)),
    }
    if options["path"]:
        result_files.write(options["path"], json.dumps(result, indent=1, sort_keys=True) + "\n", "report")
    if warnings:
        result["warnings"] = list(warnings)
    if options["fail"] and counts[ERROR]:
        said = f"{text.summary(found, len(fleet))}; the first: {found[0].host}: {found[0].finding}"
        result |= {"failed": True, "msg": said}
    return result


def _finding(one: Shared) -> dict[str, t.Any]:
    return {
        "host": one.host,
        "hosts": one.hosts,
        "key": one.finding.key,
        "problem": one.finding.problem,
        "remedy": one.finding.remedy,
        "severity": one.severity,
    }


def _owners(fleet: Sequence[HostPolicy]) -> dict[str, dict[str, int]]:
    """How many components of how many hosts each owner answers for."""
    components: Counter[str] = Counter()
    hosts: Counter[str] = Counter()
    for one in fleet:
        owners = [found.owner for found in one.policy.components] if one.policy else []
        components.update(owners)
        hosts.update(set(owners))
    return {owner: {"components": components[owner], "hosts": hosts[owner]} for owner in sorted(components)}


def _policy(one: HostPolicy) -> dict[str, t.Any]:
    components = one.policy.components if one.policy else ()
    return {
        "identity": one.identity,
        "components": [
            {
                "name": found.name,
                "tier": found.tier,
                "owner": found.owner,
                "contact": found.contact,
                "paths": list(found.paths),
            }
            for found in components
        ],
        "said": dict(one.said),
    }
