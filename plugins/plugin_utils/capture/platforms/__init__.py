# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Platform files: found by name, read, judged.

A platform is ``<name>.yml`` in a folder: one of the user's own, or this one. Its form is
docs/design/schema/platform.json, its fields are those of the classes in model/platform.py. Where a rule comes from
(``source``) and what it was held against (``evidence``) may be said once, above: what says nothing of its own takes
it from there. A list of rules holds rules, and groups of them: ``{patterns: [...], evidence: ..., source: ...}``.

Only the file of a platform that is asked for is parsed, and that once in each process.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
import re
import stat
import types
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ... import safe_yaml
from ...errors import PolicyError
from ...model import platform as model
from ...model.platform import Platform, Restore, Rule
from ...model.policy import COMPONENT_NAME, Finding
from .. import presets

Platforms = Callable[[str, str, list[Finding]], "Platform | None"]

BUILT_IN = Path(__file__).parent
PATHS_KEY = "holdfast_platform_paths"
_LIMIT_BYTES = 256 * 1024
_SUFFIX = ".yml"
# what a whole block may say for all that stands in it
_INHERITED = ("evidence", "source")
_GROUP = ("patterns", *_INHERITED)
_CHOICES: Mapping[str, Sequence[str]] = {
    "evidence": model.EVIDENCE,
    "form": model.FORMS,
    "style": model.STYLES,
    "transport": model.TRANSPORTS,
    "method": model.METHODS,
    "upload": model.UPLOADS,
}
_EXPRESSIONS = frozenset({"prompt", "elevated", "pattern", "begin", "end", "comment", "close"})
# keys that are sent as they are, and may be what no terminal prints
_KEYS = frozenset({"key", "upload_end"})


def finder(folders: Sequence[Path] = ()) -> Platforms:
    """Platforms by their name or by one of the values of ``ansible_network_os`` that mean them.

    Asked are *folders* in their order, then the collection's own. What it returns takes a name, the key that asks for
    it, and the list that what is wrong is added to; it raises DependencyMissingError where PyYAML is not installed.
    """
    shelves = (*folders, BUILT_IN)

    def search(name: str, key: str, findings: list[Finding]) -> Platform | None:
        for folder in shelves:
            path = _file_of(name, folder, findings)
            if path is not None:
                platform, wrong = read(path)
                findings.extend(wrong)
                return platform
            if findings:
                return None
        known = sorted({name for folder in shelves for name in names(folder)})
        near = difflib.get_close_matches(name.rpartition(".")[2], known, n=3, cutoff=0.5)
        remedy = f"Near it: {', '.join(near)}." if near else f"There are: {', '.join(known)}."
        findings.append(Finding(key, f"no platform {name!r}", remedy))
        return None

    return search


def find(name: str, folders: Sequence[Path] = ()) -> Platform:
    """The platform of that name, or that the value *name* of ``ansible_network_os`` means.

    :raises PolicyError: there is none, or its file is wrong.
    :raises DependencyMissingError: PyYAML is not installed.
    """
    findings: list[Finding] = []
    platform = finder(folders)(name, "platform", findings)
    if platform is None:
        first = findings[0]
        raise PolicyError(f"{first.key}: {first.problem}", item="platform", remedy=first.remedy)
    return platform


def names(folder: Path = BUILT_IN) -> tuple[str, ...]:
    """The platforms that *folder* holds, sorted; none where it cannot be read."""
    return presets.names(folder)


def read_folders(value: t.Any, findings: list[Finding]) -> tuple[Path, ...]:
    """Read ``holdfast_platform_paths``: absolute folders that exist; what is wrong is added to *findings*."""
    return presets.read_folders(value, findings, key=PATHS_KEY)


def read(path: Path) -> tuple[Platform | None, tuple[Finding, ...]]:
    """Read and judge one platform file; None with findings, each naming the file and the key, where it is not one.

    :raises DependencyMissingError: PyYAML is not installed.
    """
    safe_yaml.require()
    try:
        found = os.stat(path)
    except OSError as e:
        return None, (Finding(str(path), f"cannot be read ({e.strerror})", "Let this user read it."),)
    if not stat.S_ISREG(found.st_mode) or found.st_size > _LIMIT_BYTES:
        return None, (Finding(str(path), f"is no file of {_LIMIT_BYTES} bytes at most", "Give a file of YAML."),)
    return _read(path, found.st_mtime_ns, found.st_size)


@functools.cache
def _read(path: Path, _mtime_ns: int, _size: int) -> tuple[Platform | None, tuple[Finding, ...]]:
    findings: list[Finding] = []
    value = presets.load(path, findings)
    platform = None
    if not findings:
        platform = judge(value, name=path.name.removesuffix(_SUFFIX), where=str(path), findings=findings)
    return platform, tuple(findings)


def judge(value: t.Any, *, name: str, where: str, findings: list[Finding]) -> Platform | None:
    """Read a platform from plain values; None where something is wrong, which is added to *findings*.

    :param where: its file, for findings.
    """
    if isinstance(value, Mapping) and "name" in value:
        findings.append(Finding(f"{where}: name", "is given", "Take it out: a platform is named after its file."))
        return None
    given = {**value, "name": name} if isinstance(value, Mapping) else value
    before = len(findings)
    platform = _Reader(findings).record(Platform, f"{where}: ", given, {})
    if platform is None or len(findings) > before:
        return None
    _judge_items(platform, where, findings)
    if platform.restore is not None:
        _judge_restore(platform, platform.restore, f"{where}: restore", findings)
    return None if len(findings) > before else platform


def _file_of(name: str, folder: Path, findings: list[Finding]) -> Path | None:
    """The file in *folder* of a platform's own name, or of a value of ``ansible_network_os`` that means one."""
    known = names(folder)
    if name in known:
        return folder / f"{name}{_SUFFIX}"
    sought = name.encode("utf-8", "surrogateescape")
    for one in known:
        path = folder / f"{one}{_SUFFIX}"
        try:
            # a file that does not hold the word needs no parsing
            mentions = sought in path.read_bytes()
        except OSError as e:
            findings.append(Finding(str(path), f"cannot be read ({e.strerror})", "Let this user read it."))
            return None
        if mentions:
            platform, _wrong = read(path)
            if platform is not None and name in platform.names:
                return path
    return None


class _Reader:
    """Plain values to the classes of model/platform.py; what is wrong is added to *findings*."""

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings

    def record(self, kind: t.Any, at: str, value: t.Any, above: Mapping[str, t.Any]) -> t.Any:
        """One object of *kind*; None where it cannot be made.

        :param at: what keys are to be preceded by in findings.
        :param above: evidence and source, as they were last said.
        """
        if not isinstance(value, Mapping) or not value:
            self._find(at.rstrip(". :"), "is not a mapping", f"Give {', '.join(_required(kind))}.")
            return None
        above = {**above, **{key: value[key] for key in _INHERITED if key in value}}
        fields = _fields(kind)
        for key in value:
            if key not in fields and key not in _INHERITED:
                self._find(f"{at}{key}", "is not a key of a platform", f"Known here: {', '.join(fields)}.")
        before = len(self._findings)
        made = {}
        for name, expected in fields.items():
            if name in value:
                made[name] = self._value(name, expected, f"{at}{name}", value[name], above)
            elif name in _INHERITED:
                made[name] = self._value(name, expected, f"{at}{name}", above.get(name, ""), above)
            elif name in _required(kind):
                self._find(f"{at}{name}", "is missing", "Give it.")
        return kind(**made) if len(self._findings) == before else None

    def _value(self, name: str, expected: t.Any, at: str, value: t.Any, above: Mapping[str, t.Any]) -> t.Any:
        origin, inner = t.get_origin(expected), t.get_args(expected)
        if isinstance(expected, types.UnionType):
            return None if value is None else self.record(inner[0], f"{at}.", value, above)
        if origin is tuple and inner[0] is Rule:
            return self._rules(at, value, above)
        if origin is tuple:
            return self._several(name, inner[0], at, value, above)
        if origin is Mapping:
            return self._answers(at, value)
        if expected is bool:
            if not isinstance(value, bool):
                self._find(at, f"{value!r} is not true or false", "Give true or false.")
            return value
        if expected is str:
            return self._text(name, at, value)
        return self.record(expected, f"{at}.", value, above)

    def _several(self, name: str, kind: t.Any, at: str, value: t.Any, above: Mapping[str, t.Any]) -> tuple[t.Any, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            self._find(at, "is not a list", "Give a list.")
            return ()
        return tuple(self._value(name, kind, f"{at}[{place}]", one, above) for place, one in enumerate(value))

    def _rules(self, at: str, value: t.Any, above: Mapping[str, t.Any]) -> tuple[Rule, ...]:
        """Rules, and groups of rules that share their evidence and source."""
        rules: list[Rule] = []
        entries = [value] if isinstance(value, Mapping) else value
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            self._find(at, "is not a list", "Give a list of rules, or {patterns, evidence, source}.")
            return ()
        for place, entry in enumerate(entries):
            here = f"{at}[{place}]"
            if isinstance(entry, Mapping) and "patterns" in entry:
                told = {**above, **{key: entry[key] for key in _INHERITED if key in entry}}
                for key in entry:
                    if key not in _GROUP:
                        self._find(f"{here}.{key}", "is not a key of rules", f"Known here: {', '.join(_GROUP)}.")
                patterns = self._several("pattern", str, f"{here}.patterns", entry["patterns"], told)
                found = [self.record(Rule, f"{here}.", {**told, "pattern": pattern}, {}) for pattern in patterns]
            else:
                text = isinstance(entry, str)
                found = [self.record(Rule, f"{here}.", {"pattern": entry} if text else entry, above)]
            rules += [rule for rule in found if rule is not None]
        return tuple(rules)

    def _answers(self, at: str, value: t.Any) -> Mapping[str, str]:
        """Questions of a device as patterns, with what to answer."""
        if not isinstance(value, Mapping) or not all(isinstance(one, str) for pair in value.items() for one in pair):
            self._find(at, "is not a mapping of texts", "Give answers by patterns of questions, each in quotes.")
            return {}
        for pattern in value:
            self._expression(f"{at}.{pattern}", pattern)
        return dict(value)

    def _text(self, name: str, at: str, value: t.Any) -> str:
        if not isinstance(value, str) or not (name in _KEYS or value.isprintable()):
            self._find(at, "is not one line of text", "Give one line of text, in quotes.")
            return ""
        choices = _CHOICES.get(name)
        if choices is not None and value not in choices and not (name == "upload" and not value):
            self._find(at, f"{value!r} is unknown here", f"Give one of {', '.join(choices)}.")
        elif name == "source" and not value:
            self._find(at, "is missing", "Say where it is from: a manual, a tool and its version, a measurement.")
        elif name in _EXPRESSIONS:
            self._expression(at, value)
        return value

    def _expression(self, at: str, pattern: str) -> None:
        if not pattern.isascii():
            self._find(at, "is not ASCII", "Spell other characters as \\x or \\u: lines are matched as bytes too.")
            return
        try:
            # what closes a literal text holds the mark of what began it
            re.compile(pattern.replace("{0}", "x"))
        except (re.error, OverflowError, RecursionError) as e:
            self._find(at, f"{pattern!r} is no regular expression ({e})", "Give one that Python's re takes.")

    def _find(self, key: str, problem: str, remedy: str) -> None:
        self._findings.append(Finding(key, problem, remedy))


@functools.cache
def _fields(kind: t.Any) -> Mapping[str, t.Any]:
    """The fields of a class, with their types."""
    hints = t.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


@functools.cache
def _required(kind: t.Any) -> tuple[str, ...]:
    """The fields that have to be given; evidence and source may stand above."""
    missing = dataclasses.MISSING
    return tuple(
        field.name
        for field in dataclasses.fields(kind)
        if field.default is missing
        and field.default_factory is missing
        and field.name not in _INHERITED
        and not isinstance(_fields(kind)[field.name], types.UnionType)
    )


def _judge_items(platform: Platform, where: str, findings: list[Finding]) -> None:
    seen: set[str] = set()
    for place, item in enumerate(platform.items):
        at = f"{where}: items[{place}]"
        if not COMPONENT_NAME.fullmatch(item.name):
            remedy = "Start it with a small letter, then letters, digits, _ or -."
            findings.append(Finding(f"{at}.name", f"{item.name!r} is not a name", remedy))
        if item.name in seen:
            findings.append(Finding(f"{at}.name", f"{item.name!r} stands twice", "Give each item its own name."))
        seen.add(item.name)
        if item.transport == model.CLI and platform.dialogue is None:
            findings.append(Finding(at, "is asked by a command line", "Say in dialogue how that goes."))
        if not item.ask and item.transport == model.CLI:
            findings.append(Finding(f"{at}.ask", "is empty", "Give the command."))
    if not platform.defaults:
        findings.append(Finding(f"{where}: items", "none is captured by default", "Let one have default: true."))


def _judge_restore(platform: Platform, restore: Restore, at: str, findings: list[Finding]) -> None:
    """A restore that lacks a step would be found out on the device."""

    def need(name: str, why: str) -> None:
        if not getattr(restore, name):
            findings.append(Finding(f"{at}.{name}", "is missing", f"Give it: {why}."))

    if platform.item(restore.item) is None:
        remedy = "Name the item whose text is loaded."
        findings.append(Finding(f"{at}.item", f"there is no item {restore.item!r}", remedy))
    if restore.method == model.CANDIDATE:
        need("enter", "computed lines are typed after it")
        need("exit", "it ends what was entered")
        if not platform.structure.negate and platform.structure.style == model.INDENT:
            remedy = "Give the word that takes a line back."
            findings.append(Finding(f"{at}.method", "nothing can be taken back", remedy))
    elif restore.method != model.NETCONF:
        need("apply", "it makes the change")
    if restore.upload:
        need("file", "the text is put there")
    if restore.upload == model.TERMINAL:
        need("upload_begin", "the text is typed after it")
        need("upload_end", "it ends the text")
    if restore.timer and restore.method != model.NETCONF:
        need("confirm", "a timer that nothing stops takes the change back")
        if not any(re.search(r"\{(?:minutes|seconds)\b", command) for command in (*restore.enter, *restore.apply)):
            findings.append(Finding(f"{at}.timer", "no command arms it", "Let one hold {minutes} or {seconds}."))
