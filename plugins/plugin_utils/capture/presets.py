# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preset files: found by name, read, judged.

A preset is ``<name>.yml`` in a folder: one of the user's own, or ``components/`` beside this file. Its form is
docs/design/schema/component.json. Only what a host names is opened, and that once in each process.
"""

from __future__ import annotations

import difflib
import functools
import os
import stat
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import safe_yaml
from ..errors import FormatError
from ..model.policy import (
    COMPONENT_NAME,
    Finding,
    Presets,
    read_excludes,
    read_handling,
    read_paths,
    read_unreadable,
    read_words,
)
from ..model.preset import DATA, REAL, Evidence, Preset

BUILT_IN = Path(__file__).parent / "components"
# Why the collection's own presets leave something out; users give reasons in their own words.
REASONS: Mapping[str, str] = {
    "artifact": "built from sources that are kept elsewhere",
    "backup": "a copy that a tool made of an earlier state",
    "cache": "can be fetched or computed again",
    "credential": "a secret that is short-lived, or kept elsewhere",
    "editor": "left by an editor",
    "generated": "written anew from configuration that is captured",
    "lock": "tells that a process is at work",
    "log": "what a program told",
    "package": "left by the package manager, or shipped by a package and never edited",
    "pid": "the number of a process",
    "socket": "where a process listens",
    "state": "data that a program keeps, and no configuration",
    "temporary": "written on the way to something else",
    "vcs": "what a version control system keeps beside the files",
}
_KEYS = (
    "description",
    "paths",
    "excludes",
    "volatile",
    "secrets",
    "preserve",
    "validate",
    "reload",
    "unreadable",
    "evidence",
)
_LIMIT_BYTES = 256 * 1024
_SUFFIX = ".yml"


def finder(folders: Sequence[Path] = ()) -> Presets:
    """Presets by name: from *folders*, the first that has it, or else the collection's own.

    What it returns raises DependencyMissingError where a preset is asked for and PyYAML is not installed.
    """
    shelves = (*folders, BUILT_IN)

    def find(name: str, key: str, findings: list[Finding]) -> Preset | None:
        for folder in shelves:
            path = folder / f"{name}{_SUFFIX}"
            try:
                found = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as e:
                findings.append(Finding(key, f"{path} cannot be read ({e.strerror})", "Let this user read it."))
                return None
            preset, wrong = read(path, found)
            findings.extend(wrong)
            return preset
        known = sorted({name for folder in shelves for name in names(folder)})
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        remedy = f"Near it: {', '.join(near)}." if near else f"There are: {', '.join(known)}."
        findings.append(Finding(key, f"no preset {name!r}", remedy))
        return None

    return find


def read_folders(value: t.Any, findings: list[Finding], *, key: str = "holdfast_component_paths") -> tuple[Path, ...]:
    """Read a list of folders, absolute ones that exist; what is wrong is added to *findings* under *key*."""
    folders = []
    for text in read_words(key, value, findings):
        folder = Path(os.path.expanduser(text))
        if not folder.is_absolute():
            remedy = "Start it with a slash, or with {{ inventory_dir }}/ or {{ playbook_dir }}/."
            findings.append(Finding(key, f"{text!r} is not absolute", remedy))
        elif not os.path.isdir(folder):
            findings.append(Finding(key, f"{text!r} is no folder", "Make it, or take it out of the list."))
        else:
            folders.append(folder)
    return tuple(folders)


def names(folder: Path) -> tuple[str, ...]:
    """The presets that *folder* holds, sorted; none where it cannot be read."""
    try:
        files = os.listdir(folder)
    except OSError:
        return ()
    stems = (name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))
    return tuple(sorted(stem for stem in stems if COMPONENT_NAME.fullmatch(stem)))


def read(path: Path, found: os.stat_result | None = None) -> tuple[Preset | None, tuple[Finding, ...]]:
    """Read and judge one preset file; None with findings, each naming the file and the key, where it is not one.

    :param found: what ``os.stat`` said of it, where that is known: a file that is as it was is not read again.
    :raises DependencyMissingError: PyYAML is not installed.
    """
    safe_yaml.require()
    found = os.stat(path) if found is None else found
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LIMIT_BYTES:
        return None, (Finding(str(path), f"is no file of {_LIMIT_BYTES} bytes at most", "Give a file of YAML."),)
    return _read(path, found.st_mtime_ns, found.st_size)


@functools.cache
def _read(path: Path, _mtime_ns: int, _size: int) -> tuple[Preset | None, tuple[Finding, ...]]:
    findings: list[Finding] = []
    value = load(path, findings)
    preset = None
    if not findings:
        preset = judge(value, name=path.name.removesuffix(_SUFFIX), where=str(path), findings=findings)
    return None if findings else preset, tuple(findings)


def load(path: Path, findings: list[Finding]) -> t.Any:
    """The value of a file of YAML; what keeps it from being read is added to *findings*."""
    try:
        return safe_yaml.load(path.read_bytes())
    except OSError as e:
        findings.append(Finding(str(path), f"cannot be read ({e.strerror})", "Let this user read it."))
    except FormatError as e:
        findings.append(Finding(str(path), e.message, "Correct it there."))
    return None


def judge(value: t.Any, *, name: str, where: str, findings: list[Finding]) -> Preset:
    """Read a preset from plain values; it is one only if nothing was added to *findings*.

    :param where: its file, for findings.
    """
    fields: Mapping[str, t.Any] = value if isinstance(value, Mapping) else {}
    if not fields:
        findings.append(Finding(where, "is not a mapping", f"Give {', '.join(_KEYS[:2])} and what else is known."))
    findings.extend(
        Finding(f"{where}: {key}", "is not a key of a preset", f"Known here: {', '.join(_KEYS)}.")
        for key in fields
        if key not in _KEYS
    )
    description = fields.get("description")
    if not isinstance(description, str) or not description or not description.isprintable():
        findings.append(Finding(f"{where}: description", "is not one line of text", "Say what it captures."))
    return Preset(
        name=name,
        description=str(description),
        paths=read_paths(f"{where}: paths", fields.get("paths"), findings),
        excludes=read_excludes(f"{where}: excludes", fields.get("excludes", ()), findings),
        unreadable=read_unreadable(f"{where}: unreadable", fields.get("unreadable", "error"), findings),
        volatile=read_words(f"{where}: volatile", fields.get("volatile"), findings),
        handling=read_handling(f"{where}: ", fields, findings),
        evidence=_read_evidence(f"{where}: evidence", fields.get("evidence"), findings),
    )


def _read_evidence(key: str, value: t.Any, findings: list[Finding]) -> Evidence | None:
    if value is None:
        return None
    fields = value if isinstance(value, Mapping) else {}
    level, against = fields.get("level"), fields.get("against")
    if level not in (REAL, DATA) or not isinstance(against, str) or not against.isprintable() or len(fields) != 2:
        remedy = "Give {level: real, against: 'nginx 1.22.1, Debian 12'}, or level: data."
        findings.append(Finding(key, "is no evidence", remedy))
        return None
    return Evidence(level, against)
