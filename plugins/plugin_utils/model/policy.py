# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy of one host.

Classes, tiers and components, read from plain values and judged before anything is touched.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import PolicyError
from .component import Component, Exclude
from .retention import RetentionClass

CLASS_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
TIER_NAME = re.compile(r"tier[0-9]{1,2}")
COMPONENT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
LOCK_MODES = ("compliance", "governance")
_LONGEST_DAYS = 36500

_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

DEFAULT_CLASSES: Mapping[str, Mapping[str, t.Any]] = {
    "d0030": {"days": 30, "mode": "compliance"},
    "d0090": {"days": 90, "mode": "compliance"},
    "d0400": {"days": 400, "mode": "compliance"},
}
DEFAULT_TIERS: Mapping[str, Mapping[str, t.Any]] = {
    "tier0": {"class": "d0400", "rpo": "6h", "rto": "1h"},
    "tier1": {"class": "d0090", "rpo": "24h", "rto": "4h"},
    "tier2": {"class": "d0030", "rpo": "7d", "rto": "24h"},
}
DEFAULT_TIER = "tier1"
DEFAULT_DATA_CLASS = "internal"
UNOWNED = "unassigned"


@dataclasses.dataclass(frozen=True)
class Tier:
    """How much a loss would hurt.

    The promised recovery point (rpo) and recovery time (rto), and the class that keeps it.
    """

    name: str
    retention_class: str
    rpo: dt.timedelta
    rto: dt.timedelta


@dataclasses.dataclass(frozen=True)
class Stream:
    """What of one host is stored together: the components of one tier."""

    name: str
    retention_class: str
    components: tuple[Component, ...]


@dataclasses.dataclass(frozen=True)
class Policy:
    """Everything that is declared for one host."""

    classes: Mapping[str, RetentionClass]
    tiers: Mapping[str, Tier]
    components: tuple[Component, ...]

    def streams(self) -> tuple[Stream, ...]:
        """Group the components by tier, in the order of tier names."""
        return tuple(
            Stream(tier, self.tiers[tier].retention_class, tuple(c for c in self.components if c.tier == tier))
            for tier in sorted({component.tier for component in self.components})
        )


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing wrong in the inventory: where it stands, what it is, and the remedy."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}. {self.remedy}"


def read_classes(value: t.Any, findings: list[Finding]) -> dict[str, RetentionClass]:
    """Read ``holdfast_classes`` over the built-in classes; what is wrong is added to *findings*."""
    classes = {}
    for name, given in {**DEFAULT_CLASSES, **_mapping("holdfast_classes", value, findings)}.items():
        key = f"holdfast_classes.{name}"
        if not _named(key, name, CLASS_NAME, "a small letter, then letters, digits or dashes", findings):
            continue
        fields = _mapping(key, given, findings)
        _known(key, fields, ("days", "mode", "maximum"), findings)
        days, mode, maximum = fields.get("days"), fields.get("mode", "compliance"), fields.get("maximum")
        if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= _LONGEST_DAYS:
            findings.append(Finding(f"{key}.days", f"{days!r} is not a number of days", f"Give 1 to {_LONGEST_DAYS}."))
            continue
        if mode not in LOCK_MODES:
            findings.append(Finding(f"{key}.mode", f"{mode!r} is no lock mode", f"Give {' or '.join(LOCK_MODES)}."))
            continue
        kept = RetentionClass(name, days, mode, maximum)
        least = kept.shortest_maximum
        if maximum is not None and (not isinstance(maximum, int) or not least <= maximum <= 2 * _LONGEST_DAYS):
            remedy = f"Give {least} to {2 * _LONGEST_DAYS}: its days, their renewal and the store's grace must fit."
            findings.append(Finding(f"{key}.maximum", f"{maximum!r} is no maximum for {days} days", remedy))
            continue
        classes[name] = kept
    return classes


def read_policy(*, host: str, classes: t.Any = None, tiers: t.Any = None, components: t.Any = None) -> Policy:
    """Read one host's policy from plain inventory values.

    :param classes: ``holdfast_classes``: name to ``{days, mode}``, over the built-in ones.
    :param tiers: ``holdfast_tiers``: name to ``{class, rpo, rto}``, over the built-in ones.
    :param components: ``holdfast_components``: a list.
    :raises PolicyError: with every finding, each naming its key and its remedy.
    """
    findings: list[Finding] = []
    known_classes = read_classes(classes, findings)
    known_tiers = _read_tiers(tiers, known_classes, findings)
    declared = _read_components(components, known_tiers, findings)
    refuse(findings, host=host)
    return Policy(known_classes, known_tiers, declared)


def refuse(findings: Sequence[Finding], *, host: str | None = None) -> None:
    """Raise PolicyError with all *findings*, if there are any."""
    if findings:
        raise PolicyError(
            "the policy cannot be used: " + " · ".join(str(finding) for finding in findings).removesuffix("."),
            host=host,
            remedy="Nothing was touched. Correct the inventory and run again.",
        )


def _read_tiers(value: t.Any, classes: Mapping[str, RetentionClass], findings: list[Finding]) -> dict[str, Tier]:
    tiers = {}
    for name, given in {**DEFAULT_TIERS, **_mapping("holdfast_tiers", value, findings)}.items():
        key = f"holdfast_tiers.{name}"
        if not _named(key, name, TIER_NAME, "tier and a number, like tier0", findings):
            continue
        fields = {**DEFAULT_TIERS.get(name, DEFAULT_TIERS[DEFAULT_TIER]), **_mapping(key, given, findings)}
        _known(key, fields, ("class", "rpo", "rto"), findings)
        if not isinstance(fields["class"], str) or fields["class"] not in classes:
            remedy = f"Use one of {', '.join(sorted(classes))}, or declare it in holdfast_classes."
            findings.append(Finding(f"{key}.class", f"no class {fields['class']!r}", remedy))
            continue
        rpo, rto = (_duration(f"{key}.{field}", fields[field], findings) for field in ("rpo", "rto"))
        if rpo and rto:
            tiers[name] = Tier(name, fields["class"], rpo, rto)
    return tiers


def _read_components(value: t.Any, tiers: Mapping[str, Tier], findings: list[Finding]) -> tuple[Component, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        remedy = "Declare at least one, like: [{name: ssh, paths: [/etc/ssh]}]."
        problem = "is not a list" if value else "no components are declared"
        findings.append(Finding("holdfast_components", problem, remedy))
        return ()
    components: dict[str, Component] = {}
    for position, given in enumerate(value):
        key = f"holdfast_components[{position}]"
        fields = _mapping(key, given, findings)
        allowed = ("name", "paths", "excludes", "tier", "owner", "data_class", "unreadable")
        _known(key, fields, allowed, findings)
        name = str(fields.get("name", ""))
        if not _named(f"{key}.name", name, COMPONENT_NAME, "a small letter, then letters, digits, _ or -", findings):
            continue
        key = f"holdfast_components[{position}] ({name})"
        if TIER_NAME.fullmatch(name):
            findings.append(Finding(f"{key}.name", "looks like a tier", "Give it another name."))
        if name in components:
            findings.append(Finding(f"{key}.name", "is declared twice", "Give each component its own name."))
        tier = fields.get("tier", DEFAULT_TIER)
        if not isinstance(tier, str) or tier not in tiers:
            remedy = f"Use one of {', '.join(sorted(tiers))}, or declare it in holdfast_tiers."
            findings.append(Finding(f"{key}.tier", f"no tier {tier!r}", remedy))
        unreadable = fields.get("unreadable", "error")
        if unreadable not in ("error", "leave_out"):
            findings.append(Finding(f"{key}.unreadable", f"{unreadable!r} is unknown", "Give error or leave_out."))
        components[name] = Component(
            name=name,
            paths=_read_paths(f"{key}.paths", fields.get("paths"), findings),
            tier=str(tier),
            owner=_text(f"{key}.owner", fields.get("owner", UNOWNED), findings),
            data_class=_text(f"{key}.data_class", fields.get("data_class", DEFAULT_DATA_CLASS), findings),
            excludes=_read_excludes(f"{key}.excludes", fields.get("excludes", ()), findings),
            unreadable=str(unreadable),
        )
    return tuple(components.values())


def _read_paths(key: str, value: t.Any, findings: list[Finding]) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        findings.append(Finding(key, "no list of paths", "Give absolute paths or globs, like [/etc/ssh]."))
        return ()
    paths = []
    for path in value:
        if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
            findings.append(Finding(key, f"{path!r} is not absolute", "Start it with a slash."))
        elif {"..", "."} & set(path.split("/")):
            findings.append(Finding(key, f"{path!r} holds a dot segment", "Spell the path out."))
        elif "**" in path:
            findings.append(
                Finding(key, f"{path!r} holds **", "Name the folder itself: all that is below is captured.")
            )
        elif not path.strip("/"):
            findings.append(Finding(key, "names the whole file system", "Name the folders that hold configuration."))
        else:
            paths.append("/" + "/".join(part for part in path.split("/") if part))
    return tuple(dict.fromkeys(paths))


def _read_excludes(key: str, value: t.Any, findings: list[Finding]) -> tuple[Exclude, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        findings.append(Finding(key, "is not a list", "Give a list of {pattern, reason}."))
        return ()
    excludes = []
    for position, given in enumerate(value):
        fields = _mapping(f"{key}[{position}]", given, findings)
        _known(f"{key}[{position}]", fields, ("pattern", "reason"), findings)
        pattern, reason = fields.get("pattern"), fields.get("reason")
        if not isinstance(pattern, str) or not pattern or not isinstance(reason, str) or not reason:
            remedy = "Give both, like {pattern: '*.bak', reason: transient}."
            findings.append(Finding(f"{key}[{position}]", "lacks a pattern or a reason", remedy))
        else:
            excludes.append(Exclude(pattern, reason))
    return tuple(excludes)


def _mapping(key: str, value: t.Any, findings: list[Finding]) -> Mapping[str, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        findings.append(Finding(key, "is not a mapping", "Give keys and values."))
        return {}
    return value


def _known(key: str, fields: Mapping[str, t.Any], allowed: Sequence[str], findings: list[Finding]) -> None:
    findings.extend(
        Finding(f"{key}.{field}", "is not a key of this version", f"Known here: {', '.join(allowed)}.")
        for field in fields
        if field not in allowed
    )


def _named(key: str, name: t.Any, form: re.Pattern[str], spoken: str, findings: list[Finding]) -> bool:
    if isinstance(name, str) and form.fullmatch(name):
        return True
    findings.append(Finding(key, f"{name!r} is not a name", f"It becomes part of object names: use {spoken}."))
    return False


def _text(key: str, value: t.Any, findings: list[Finding]) -> str:
    if isinstance(value, str) and value and value.isprintable():
        return str(value)
    findings.append(Finding(key, f"{value!r} is not a text", "Give one line of text."))
    return ""


def _duration(key: str, value: t.Any, findings: list[Finding]) -> dt.timedelta | None:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found:
        return dt.timedelta(**{_UNITS[found[2]]: int(found[1])})
    findings.append(Finding(key, f"{value!r} is not a duration", "Give minutes, hours or days, like 30m, 24h, 7d."))
    return None
