# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkup as a table for a terminal of 80 columns: errors first, each with its remedy."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from ..model.checkup import ERROR, OK, SEVERITIES, WARNING, Check
from ..model.redaction import visible

WIDTH = 80
_SEVERITY, _CHECK = 9, 20
_INDENT = " " * (_SEVERITY + _CHECK)
_ARROW = "-> "


def report(checks: Sequence[Check]) -> list[str]:
    """A line of counts, then each check: how it stands, its id, what is so, and below that what to do."""
    lines = [summary(checks), f"{'':{_SEVERITY}}{'check':{_CHECK}}what, and what to do"]
    for severity in reversed(SEVERITIES):
        for check in checks:
            if check.severity == severity:
                lines += _told(check)
    return lines


def summary(checks: Sequence[Check]) -> str:
    """How many there are of each kind, in a few words."""
    counts = Counter(check.severity for check in checks)
    errors, warnings = counts[ERROR], counts[WARNING]
    return (
        f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}, {counts[OK]} ok"
    )


def verdict(checks: Sequence[Check]) -> str:
    """The same, and which checks are errors."""
    wrong = dict.fromkeys(check.id for check in checks if check.severity == ERROR)
    return f"{summary(checks)}; errors: {', '.join(wrong)}" if wrong else summary(checks)


def _told(check: Check) -> list[str]:
    name = visible(check.id)
    head = f"{check.severity:{_SEVERITY}}{name:{_CHECK}}"
    before = []
    if len(name) >= _CHECK:
        # a replica may be called by a long name
        before, head = textwrap.wrap(f"{check.severity:{_SEVERITY}}{name}", WIDTH), _INDENT
    lines = textwrap.wrap(visible(check.what), WIDTH, initial_indent=head, subsequent_indent=_INDENT)
    if check.remedy:
        lines += textwrap.wrap(
            visible(check.remedy),
            WIDTH,
            initial_indent=_INDENT + _ARROW,
            subsequent_indent=_INDENT + " " * len(_ARROW),
        )
    return [*before, *(lines or [head.rstrip()])]
