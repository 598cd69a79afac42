# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines that turn one configuration into another: docs/design/configuration_text.md.

They are what is typed, or shown, where a device cannot replace its configuration as a whole. :func:`applied` is the
model of what a device does with them, and :func:`same` of when it has become what was wanted.
"""

from __future__ import annotations

from collections.abc import Hashable

from ..errors import PolicyError
from . import candidate_blocks, candidate_paths
from .config_node import Tree
from .platform import BRACES, FLAT, INDENT, SET, Structure

_BLOCKS = (INDENT, FLAT)
_PATHS = (SET, BRACES)


def candidate(live: Tree, wanted: Tree, structure: Structure) -> tuple[str, ...]:
    """The lines to type on a device that has *live* so that it has *wanted*; none where nothing is to be done.

    Removals come first, those of what uses a name before those of what it means; then additions the other way. A line
    of a block is typed below the lines that it stands in. Of ``braces`` the lines are ``set`` and ``delete``. Where
    order counts and is another, what is out of order is taken away and typed anew.

    :raises PolicyError: the platform has no word to take a line back, or is written in a style that nobody types; or
        blocks are named by so many words that no configuration has them.
    """
    _refuse_others(structure)
    if structure.style in _PATHS:
        return candidate_paths.candidate(live, wanted, structure)
    return candidate_blocks.candidate(live, wanted, structure)


def applied(live: Tree, typed: tuple[str, ...], structure: Structure) -> Tree:
    """What a device has that had *live*, once *typed* was typed on it; of ``braces`` as a tree of ``set`` lines.

    A line takes away the one that it negates, or that negates it; where there is none it is added at the end of its
    block, in the place of what it replaces. A line that is there already changes nothing.

    :raises PolicyError: as of :func:`candidate`.
    """
    _refuse_others(structure)
    if structure.style in _PATHS:
        return candidate_paths.applied(live, typed, structure)
    return candidate_blocks.applied(live, typed, structure)


def same(one: Tree, other: Tree, structure: Structure) -> bool:
    """Whether two trees are one configuration to a device: comments do not count, order only where a rule says so."""
    if structure.style in _PATHS:
        return candidate_paths.same(one, other, structure)
    return _canonical(one, structure) == _canonical(other, structure)


def _canonical(tree: Tree, structure: Structure) -> Hashable:
    return candidate_blocks.canonical(tree, structure)


def _refuse_others(structure: Structure) -> None:
    if not structure.negate or structure.style not in (*_BLOCKS, *_PATHS):
        raise PolicyError(
            f"no lines can be computed that change a configuration of the style {structure.style}",
            item="structure",
            remedy="Restore by a way of the platform that replaces the configuration as a whole.",
        )
