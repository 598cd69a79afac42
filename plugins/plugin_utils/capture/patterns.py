# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Path patterns as excludes, preserve and volatile spell them, judged on the controller as hosts judge them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...module_utils import _tree


def covering(patterns: Iterable[str]) -> Callable[[str], bool]:
    """A test whether a path, or a folder above it, is matched by one of *patterns*."""
    return _tree.Excludes({"pattern": pattern, "reason": ""} for pattern in patterns).cover
