# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy variable that is split over several: ``holdfast_components`` and every ``holdfast_components__<anything>``.

Lists add up, and mappings join; each part is told with the variable that said it.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from .finding import Finding

# of each: what tells one entry of a list from another, and what it is called; mappings are told apart by their keys
LISTS: Mapping[str, tuple[str, str]] = {
    "components": ("name", "component"),
    "exclusions": ("", "exclusion"),
    "exceptions": ("id", "exception"),
}
MAPPINGS: Mapping[str, str] = {"classes": "class", "tiers": "tier"}
SPLIT = (*LISTS, *MAPPINGS)


def parts(name: str, variables: Iterable[str]) -> tuple[str, ...]:
    """The names among *variables* that say ``holdfast_<name>``: itself first, then its parts in sorted order."""
    whole = f"holdfast_{name}"
    prefix = f"{whole}__"
    split = sorted(one for one in variables if isinstance(one, str) and one.startswith(prefix) and one != prefix)
    return (whole, *split)


def joined(
    name: str, variables: Mapping[str, t.Any], findings: list[Finding] | None = None
) -> tuple[t.Any, dict[str, str]]:
    """Join what *variables* say of ``holdfast_<name>``.

    What is no list, or no mapping, stands alone as it is: its reader says so. What two variables say of the same
    component, exception, class or key of a tier is added to *findings*, naming both; without *findings* the later wins.

    :param name: one of SPLIT.
    :param variables: variables of one host with plain values; others than those of *name* are not looked at.
    :returns: the value, None where none is set; and for each part, as ``component:nginx``, by which variables it is
        said, several joined by ``, ``.
    """
    said: list[tuple[str, t.Any]] = [
        (variable, variables[variable]) for variable in parts(name, variables) if variables.get(variable) is not None
    ]
    if not said:
        return None, {}
    told: list[Finding] = findings if findings is not None else []
    if name in LISTS:
        return _lists(name, said, told)
    return _mappings(name, said, told)


def _lists(name: str, said: Sequence[tuple[str, t.Any]], findings: list[Finding]) -> tuple[t.Any, dict[str, str]]:
    field, spoken = LISTS[name]
    together: list[t.Any] = []
    sources: dict[str, str] = {}
    for variable, value in said:
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            if len(said) == 1:
                return value, {}
            findings.append(Finding(variable, "is not a list", f"Give a list, as of holdfast_{name}."))
            continue
        for entry in value:
            together.append(entry)
            named = _named(entry, field)
            if not named:
                continue
            key = f"{spoken}:{named}"
            if sources.setdefault(key, variable) != variable:
                problem = f"declares the {spoken} {named}, which {sources[key]} declares too"
                findings.append(Finding(variable, problem, "Declare it in one of them."))
    return together, sources


def _named(entry: t.Any, field: str) -> str:
    """What an entry is called, as the readers of its list call it; empty where nothing tells."""
    if not field:
        return ""
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, Mapping):
        return ""
    name = entry.get(field, entry.get("preset") if field == "name" else None)
    return name if isinstance(name, str) else ""


def _mappings(name: str, said: Sequence[tuple[str, t.Any]], findings: list[Finding]) -> tuple[t.Any, dict[str, str]]:
    spoken = MAPPINGS[name]
    together: dict[str, t.Any] = {}
    sources: dict[str, str] = {}
    keys: dict[tuple[str, str], str] = {}
    for variable, value in said:
        if not isinstance(value, Mapping):
            if len(said) == 1:
                return value, {}
            findings.append(Finding(variable, "is not a mapping", f"Give a mapping, as of holdfast_{name}."))
            continue
        for entry, fields in value.items():
            key = f"{spoken}:{entry}"
            before = together.get(entry)
            if entry not in together:
                together[entry] = dict(fields) if isinstance(fields, Mapping) else fields
                sources[key] = variable
            elif isinstance(before, dict) and isinstance(fields, Mapping):
                sources[key] = f"{sources[key]}, {variable}"
                for field, inner in fields.items():
                    if field in before and not _same(before[field], inner):
                        first = keys[str(entry), str(field)]
                        problem = f"says {field} of {entry}, of which {first} says something else"
                        findings.append(Finding(f"{variable}.{entry}.{field}", problem, "Say it in one of them."))
                    before[field] = inner
            elif not _same(before, fields):
                problem = f"says something else of {entry} than {sources[key]}"
                findings.append(Finding(f"{variable}.{entry}", problem, "Say it in one of them."))
                together[entry] = fields
            if isinstance(fields, Mapping):
                for field in fields:
                    keys.setdefault((str(entry), str(field)), variable)
    return together, sources


def _same(one: t.Any, other: t.Any) -> bool:
    """Whether both are the same value of the same kind: true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
