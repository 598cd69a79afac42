# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of an import, and what became of it: options of a task become typed values, and those a result."""

from __future__ import annotations

import re
import typing as t
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

from ansible.errors import AnsibleError

from ..errors import FormatError, PolicyError
from ..imports.backup_files import BackupFiles
from ..imports.base import Limits, Names, Reader
from ..imports.devices import Oxidized, Rancid
from ..imports.etckeeper import Etckeeper
from ..imports.tars import Tars
from ..model import imported, instant
from ..model.component import DEFAULT_BYTES, MOST_BYTES
from ..model.policy import COMPONENT_NAME, DEFAULT_TIER, Finding, read_classes, read_tiers, refuse
from ..model.redaction import visible
from ..render.imports import Row, page
from ..usecases.import_backups import Outcome, Settings, Target
from ..version import COLLECTION
from .options import Options, plain

READERS: Mapping[str, type[Reader]] = {
    reader.tool: reader for reader in (Oxidized, Rancid, Etckeeper, BackupFiles, Tars)
}
IMPORT: Mapping[str, t.Any] = {
    "tool": {"type": "str", "choices": sorted(READERS), "required": True},
    "path": {"type": "path", "required": True},
    "host": {"type": "str", "default": ""},
    "host_names": {"type": "dict", "default": {}},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "component": {"type": "str"},
    "tier": {"type": "str", "default": DEFAULT_TIER},
    "branch": {"type": "str", "default": "HEAD"},
    "since": {"type": "str"},
    "keep": {"type": "str", "choices": list(imported.THINNINGS), "default": imported.ALL},
    "timezone": {"type": "str"},
    "name_pattern": {"type": "str"},
    "root": {"type": "str", "default": "/"},
    "max_versions": {"type": "int", "default": 10_000},
    "max_bytes": {"type": "int", "default": 4 * 1024**3},
    "max_version_bytes": {"type": "int", "default": DEFAULT_BYTES},
}
_NAMED = 200
_SPOKEN = {
    "known": "imported before",
    "same": "as the version before",
    "thinned": "left out by keep",
    "remaining": "left to the next run",
    "not_imported": "not imported",
}


def reader(options: Options) -> Reader:
    """What reads the source; raises PolicyError with every finding."""
    findings: list[Finding] = []
    path = Path(options["path"])
    if not path.is_absolute() or not path.exists():
        findings.append(Finding("path", f"{path} is nothing of the controller", "Give an absolute path that is there."))
    root = options["root"]
    if not root.startswith("/") or {".", ".."} & set(root.split("/")):
        findings.append(Finding("root", f"{root!r} is no folder of a host", "Give an absolute path, like /etc."))
    names = Names(_renamed(options["host_names"], findings), tuple(options["hosts"]), options["host"])
    found: dict[str, t.Any] = {
        "names": names,
        "since": _moment(options["since"], findings),
        "branch": options["branch"],
        "zone": _zone(options["timezone"], findings),
        "pattern": _pattern(options["name_pattern"], findings),
        "root": root,
        "component": _component(options["component"], findings),
    }
    refuse(findings)
    limits = Limits(version_bytes=options.number("max_version_bytes", 1, MOST_BYTES))
    return READERS[options["tool"]](path, limits=limits, **found)


def settings(options: Options) -> Settings:
    """How much is imported and how it is kept; raises PolicyError with every finding."""
    findings: list[Finding] = []
    classes = read_classes(options.inherited("classes"), findings)
    tiers = read_tiers(options.inherited("tiers"), classes, findings)
    tier = options["tier"]
    if tier not in tiers:
        remedy = f"Use one of {', '.join(sorted(tiers))}, or declare it in holdfast_tiers."
        findings.append(Finding("tier", f"no tier {tier!r}", remedy))
    refuse(findings)
    return Settings(
        kept=classes[tiers[tier].retention_class],
        tier=tier,
        writer=COLLECTION,
        keep=options["keep"],
        most_versions=options.number("max_versions", 1, 1_000_000),
        most_bytes=options.number("max_bytes", 1, 1024**4),
        version_bytes=options["max_version_bytes"],
    )


class Inventory:
    """Tells whose a name is: its identity and its platform, where the inventory knows it, else that name itself."""

    def __init__(self, task_vars: Mapping[str, t.Any], *, check: bool) -> None:
        self._task_vars = task_vars
        self._check = check
        self.unknown: list[str] = []

    def target(self, name: str) -> Target:
        """The host of a name; raises PolicyError where its variables cannot be read."""
        hostvars = self._task_vars["hostvars"]
        if name not in hostvars:
            self.unknown.append(name)
            return Target(name, name)
        own = Options({}, hostvars[name].get, check=self._check)
        try:
            host_id = own.host_id(name, self._task_vars)
            return Target(name, host_id, own.platform(str(plain(own.variable("ansible_network_os")) or "")))
        except AnsibleError as e:
            # what Ansible says of a template may hold values
            raise PolicyError(
                "a variable of it has no value", host=name, remedy="Correct the template, or what it names."
            ) from e


def told(outcome: Outcome, unknown: list[str], *, check: bool) -> dict[str, t.Any]:
    """What was imported, as the result of a task: names, times and figures, never content."""
    size = sum(line.bytes for line in outcome.lines)
    listed = [
        {
            "host": line.host,
            "component": line.component,
            "versions": line.versions,
            "bytes": line.bytes,
            "first": instant.to_text(line.first) if line.first else "",
            "last": instant.to_text(line.last) if line.last else "",
        }
        for line in outcome.lines
    ]
    figures = {
        "known": outcome.known,
        "same": outcome.same,
        "thinned": outcome.thinned,
        "remaining": outcome.remaining,
        "not_imported": len(outcome.skipped),
    }
    rows = [Row(*(t.cast("t.Any", one[name]) for name in Row.__dataclass_fields__)) for one in listed]
    spoken = [(_SPOKEN[name], number) for name, number in figures.items()]
    warnings = [*outcome.warnings, *(warning for sealed in outcome.points for warning in sealed.warnings)]
    if outcome.remaining:
        warnings.append(f"{outcome.remaining:,} versions are left: run it again, and it goes on with them")
    if unknown and outcome.versions:
        warnings.append(f"{len(unknown):,} of the hosts are not in the inventory, first {unknown[0]}: see host_names")
    return {
        "changed": outcome.versions > 0,
        "versions": outcome.versions,
        "bytes": size,
        **figures,
        "imported": listed,
        "not_in_inventory": unknown[:_NAMED],
        "skipped": [{"place": visible(one.place), "reason": visible(one.reason)} for one in outcome.skipped[:_NAMED]],
        "recovery_points": [sealed.id for sealed in outcome.points if sealed.id],
        "report": list(page(rows, spoken, size, outcome.skipped, check=check)),
        "warnings": warnings,
    }


def _renamed(given: Mapping[str, t.Any], findings: list[Finding]) -> dict[str, str]:
    found = {}
    for place, name in given.items():
        if isinstance(name, str) and name:
            found[str(place)] = name
        else:
            findings.append(Finding(f"host_names.{place}", "is no name of a host", "Give a text, in quotes."))
    return found


def _moment(text: str | None, findings: list[Finding]) -> t.Any:
    try:
        return None if text is None else instant.from_text(text)
    except FormatError as e:
        findings.append(Finding("since", e.message, "Give UTC to the second."))
        return None


def _zone(name: str | None, findings: list[Finding]) -> zoneinfo.ZoneInfo | None:
    try:
        return None if name is None else zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        findings.append(Finding("timezone", f"{name!r} is no time zone", "Give one like Europe/Vienna, or UTC."))
        return None


def _pattern(text: str | None, findings: list[Finding]) -> re.Pattern[str] | None:
    try:
        found = None if text is None else re.compile(text)
    except (re.error, OverflowError, RecursionError) as e:
        findings.append(Finding("name_pattern", f"is no regular expression ({e})", "Give one that Python's re takes."))
        return None
    if found is not None and not {"host", "time"} & set(found.groupindex):
        findings.append(Finding("name_pattern", "has no group", "Name one host, or time, like (?P<host>[^_]+)."))
    return found


def _component(name: str | None, findings: list[Finding]) -> str | None:
    if name is not None and not (name.startswith(imported.PREFIX) and COMPONENT_NAME.fullmatch(name)):
        remedy = f"Let it begin with {imported.PREFIX}, then small letters, digits, _ or -, 64 in all."
        findings.append(Finding("component", f"{name!r} is no name of what is imported", remedy))
    return name
