# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A preset: what is known of a component that many hosts have."""

from __future__ import annotations

import dataclasses

from .component import Exclude, Handling

REAL = "real"
DATA = "data"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """How a preset is known to be right.

    ``level`` is ``real`` (a test backs up, breaks and restores the software itself) or ``data`` (test data alone);
    ``against`` names software and version.
    """

    level: str
    against: str


@dataclasses.dataclass(frozen=True)
class Preset:
    """What a component has before its host's inventory adds to it, in the words of Component and Handling."""

    name: str = ""
    description: str = ""
    paths: tuple[str, ...] = ()
    excludes: tuple[Exclude, ...] = ()
    unreadable: str = "error"
    volatile: tuple[str, ...] = ()
    handling: Handling = dataclasses.field(default=Handling())
    evidence: Evidence | None = None


NONE = Preset()
