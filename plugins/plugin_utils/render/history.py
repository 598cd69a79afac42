# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of a file or component as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from ..model.redaction import visible

WIDTH = 80
LISTED = 200
_INDENT = " " * 22
_DEEPER = " " * 4
_KEY = "the digest key is another one since"


def report(told: Mapping[str, object], changes: Sequence[Mapping[str, object]]) -> list[str]:
    """A history in lines: what it is of, then each change with who made it and why, the oldest first.

    :param told: ``host``, ``path``, ``component``, ``manifests``, ``begins``, ``proven_at`` and ``host_proven_at``.
    :param changes: as the result has them.
    """
    what = told["path"] or f"component {told['component']}"
    number, read = _counted(len(changes), "change"), _counted(told["manifests"], "manifest")
    lines = _wrapped(f"{told['host']} {what}", "  ")
    lines += _wrapped(f"{number}, from {read} since {told['begins']}; {_proven(told)}", "  ")
    for change in changes[-LISTED:]:
        lines += ["", *_change(change)]
    if len(changes) > LISTED:
        lines.insert(2, f"... {len(changes) - LISTED} older changes")
    return lines


def _counted(number: object, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _proven(told: Mapping[str, object]) -> str:
    if told["host_proven_at"] is None:
        return "never proven: all that is known of the host was imported"
    if told["proven_at"] is None:
        return f"not declared now, the host was last proven at {told['host_proven_at']}"
    if told["proven_at"] == told["host_proven_at"]:
        return f"last proven at {told['proven_at']}"
    return f"last proven at {told['proven_at']}, other streams of the host at {told['host_proven_at']}"


def _change(change: Mapping[str, object]) -> Iterator[str]:
    yield from _wrapped(f"{change['at']}  {_said(change)}", _INDENT)
    # each in a line of its own, to be copied
    for path in _texts(change["paths"]):
        yield from _wrapped(f"{_DEEPER}{path}", _DEEPER)
    if change["more_paths"]:
        yield f"{_DEEPER}and {_counted(change['more_paths'], 'more path')}"
    for line in filter(None, (_names(change), _where(change))):
        yield from _wrapped(_INDENT + line, _INDENT)


def _said(change: Mapping[str, object]) -> str:
    said = str(change["status"])
    if change["what"]:
        said += f": {', '.join(_texts(change['what']))}"
    if change["reason"]:
        said += f" ({change['reason']})"
    if change["not_compared"]:
        said += f"; not compared: {', '.join(_texts(change['not_compared']))} ({_KEY})"
    elif change["kind"]:
        more = f", {change['size']} bytes" if change["kind"] == "file" else f", {change['kind']}"
        said += f" ({change['mode']} {change['owner']}:{change['group']}{more})"
    if change["after"] and change["after"] != change["at"]:
        said += f"; not before {change['after']}"
    return said


def _names(change: Mapping[str, object]) -> str:
    spoken = (
        ("change", "change_id"),
        ("deployment", "deployment_id"),
        ("version", "application_version"),
        ("by", "by"),
    )
    return ", ".join(f"{word} {change[field]}" for word, field in spoken if change[field])


def _where(change: Mapping[str, object]) -> str:
    told = [f"point {change['point']} {str(change['recovery_point'])[:12]}", f"snapshot {str(change['snapshot'])[:12]}"]
    told += [f"alias {change['alias']}"] if change["alias"] else []
    told += ["the one that stored it has expired"] if change["expired"] else []
    told += ["imported"] if change["imported"] else []
    told += ["captured while a restore was open"] if change["restore_open"] else []
    return ", ".join(told)


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else []


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        visible(text), WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
    ) or [""]
