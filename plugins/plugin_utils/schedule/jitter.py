# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delays that spread what would begin at one moment."""

from __future__ import annotations

import hashlib


def jitter(name: str, spread: int) -> int:
    """A delay from 0 to under *spread* seconds, always the same for a name; 0 where nothing is to be spread."""
    if spread < 1:
        return 0
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8], "big") % spread
