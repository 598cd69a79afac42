# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done about packs in an archive class: options of a task become typed values."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ..usecases.archived import FAIL, HOWS, TIERS, Retrieval
from . import run
from .options import Options

ARCHIVED: Mapping[str, t.Any] = {
    "archived": {"type": "str", "default": FAIL, "choices": list(HOWS)},
    "archived_tier": {"type": "str", "default": "Standard", "choices": list(TIERS)},
    "archived_days": {"type": "int", "default": 3},
}


def retrieval(options: Options, tell: Callable[[str], object]) -> Retrieval:
    """What is done about packs that rest in an archive class; raises PolicyError where the days are out of range.

    :param tell: told what is waited for.
    """
    days = options.number("archived_days", 1, 365)
    return Retrieval(options["archived"], options["archived_tier"], days, pause=run.pause, tell=tell)
