# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a network device calls itself in its configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import config_tree
from .platform import XML

# as devices spell the line by which they name themselves: at the top, in one of these blocks, as a path, as an element
_HOSTNAME = re.compile(r"(?:set\s+(?:system\s+)?)?(?:hostname|host-name|switchname|sysname)\s+[\"']?([^\s\"';{}]+)")
_SYSTEM = ("system", "config system global")
_ELEMENT = re.compile(r"<(?:[\w.-]+:)?(?:hostname|host-name|sysname)(?:\s[^<>]*)?>\s*([^<\s]+)\s*<")


def name_in(tree: config_tree.Tree) -> str | None:
    """How a device names itself in its configuration, None where it does not; what a banner says is no name."""
    if tree.style == XML:
        level: Sequence[config_tree.Node] = tree.nodes
        while level:
            # the name of the device stands higher than those of others
            found = {match[1] for node in level if (match := _ELEMENT.match(node.key))}
            if found:
                return found.pop() if len(found) == 1 else None
            level = [child for node in level for child in node.children]
        return None
    said = [node.key for node in tree.nodes]
    said += [child.key for node in tree.nodes if node.key in _SYSTEM for child in node.children]
    return next((match[1] for key in said if (match := _HOSTNAME.match(key))), None)
