# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A component: a named, owned part of a host's configuration."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Exclude:
    """A pattern that a component leaves out, with the reason that manifests and reports repeat."""

    pattern: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Component:
    """What to capture under one name, and whose it is.

    ``unreadable`` is ``error`` (a path that cannot be read fails the host) or ``leave_out`` (it is recorded as left
    out).
    """

    name: str
    paths: tuple[str, ...]
    tier: str
    owner: str
    data_class: str
    excludes: tuple[Exclude, ...] = ()
    unreadable: str = "error"
    kind: str = "files"
