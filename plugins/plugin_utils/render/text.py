# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A comparison as text for a terminal: unified diffs with secrets masked, and nothing that a terminal would obey."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.difference import ADDED, REMOVED, STATUSES, VOLATILE, Comparison
from ..model.redaction import visible
from .lines import Shown, limited, shown

LIMIT_LINES = 2000
# of one path, so that others are seen too
LIMIT_OF_PATH = 200


def page(comparison: Comparison, *, limit_lines: int | None = LIMIT_LINES) -> str:
    """All of a comparison: what was compared, then each component's differences, then what was not compared.

    :param limit_lines: how many lines there are at most; what is more is counted. None for no limit.
    """
    lines = [f"{comparison.left}  ->  {comparison.right}", summary(comparison)]
    for component in comparison.components:
        lines += ["", *_component(comparison, component)]
    if comparison.not_compared:
        lines += ["", *(f"not compared: {one.component} ({one.reason})" for one in comparison.not_compared)]
    return _limited(lines, limit_lines)


def component(comparison: Comparison, name: str, *, limit_lines: int | None = LIMIT_LINES) -> str:
    """One component's differences.

    :param limit_lines: as of :func:`page`.
    """
    return _limited(list(_component(comparison, name)), limit_lines)


def summary(comparison: Comparison, name: str | None = None) -> str:
    """How much differs, of one component or of all, in a line."""
    counts = comparison.counts(name)
    told = [f"{counts[status]} {status}" for status in (*STATUSES, VOLATILE) if counts[status]]
    if name is None:
        told.append(f"{comparison.unchanged} equal")
    return ", ".join(told) or "nothing differs"


def _component(comparison: Comparison, name: str) -> Iterator[str]:
    yield f"{visible(name)}: {summary(comparison, name)}"
    for difference in comparison.differences:
        if difference.component == name:
            yield from _difference(shown(comparison, difference, most=LIMIT_OF_PATH))


def _difference(one: Shown) -> Iterator[str]:
    told = [*one.words, *([VOLATILE] if one.volatile else [])]
    yield f"{one.status} {one.path}{': ' if told else ''}{', '.join(told)}"
    if one.lines:
        yield f"--- {'/dev/null' if one.status == ADDED else one.path}"
        yield f"+++ {'/dev/null' if one.status == REMOVED else one.path}"
        yield from map(str, one.lines)
        if one.more:
            yield f"... {one.more} more lines of {one.path}"


def _limited(lines: list[str], most: int | None) -> str:
    kept, more = limited(lines, most)
    return "".join(f"{line}\n" for line in (*kept, *([f"... {more} more lines"] if more else [])))
