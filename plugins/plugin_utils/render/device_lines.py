# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The difference of a device's configurations: each changed line below the lines that it stands in, secrets masked."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.config_diff import OLD, Change, difference
from ..model.config_node import Tree, lines_of
from ..model.redaction import Blocks, Redactor, visible

Shown = tuple[str, str]


def diff(before: Tree, after: Tree, *, redactor: Redactor, most: int | None = None) -> tuple[list[Shown], int]:
    """The lines of a hierarchical diff, each with its sign, masked and visible; and how many were left out.

    Which lines differ is told by what they hold, not by what is shown of them.

    :param before: of normalised texts, as *after*: what changes by itself is in neither.
    :param most: how many lines there are at most, None for all.
    """
    found = difference(before, after)
    kept: Sequence[Change] = found if most is None else found[:most]
    sides = {True: Blocks.of(list(lines_of(before.nodes))), False: Blocks.of(list(lines_of(after.nodes)))}
    shown = [(one.kind, visible(sides[one.kind == OLD].masked(one.place, redactor))) for one in kept]
    return shown, len(found) - len(kept)
