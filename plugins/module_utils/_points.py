# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The points of a restore in place at which a test may stop it. Private to this collection."""

from __future__ import annotations


def at(point: str) -> None:
    """A point at which a test may kill this process; it does nothing."""
