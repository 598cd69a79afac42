# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong in the policies of a fleet, as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from ..model.lint import ERROR, WARNING, Shared
from ..model.redaction import visible

WIDTH = 80
# in the text; the result and its file hold all
LISTED = 200
_HEAD = 9


def report(found: Sequence[Shared], hosts: int) -> list[str]:
    """A line of counts, then each finding, the first of them, errors before warnings."""
    lines = [summary(found, hosts)]
    for one in found[:LISTED]:
        others = f" and {one.hosts - 1} more" if one.hosts > 1 else ""
        said = visible(f"{one.host}{others}: {one.finding}")
        lines += textwrap.wrap(said, WIDTH, initial_indent=one.severity.ljust(_HEAD), subsequent_indent=" " * _HEAD)
    if len(found) > LISTED:
        lines.append(f"... and {len(found) - LISTED} more")
    return lines


def summary(found: Sequence[Shared], hosts: int) -> str:
    """How many errors and warnings there are, of how many hosts."""
    counts = Counter(one.severity for one in found)
    return f"{counts[ERROR]} errors and {counts[WARNING]} warnings on {hosts} hosts"
