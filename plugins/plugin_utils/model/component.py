# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A component: a named, owned part of a host's configuration."""

from __future__ import annotations

import dataclasses
import fnmatch


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

    def declares(self, path: str) -> bool:
        """Whether *path* is one of the component's paths, one that a glob of it matches, or below such a one."""
        segments = path.split("/")
        for declared in self.paths:
            patterns = declared.split("/")
            if len(segments) >= len(patterns) and all(map(fnmatch.fnmatchcase, segments, patterns)):
                return True
            if path == declared or path.startswith(f"{declared}/"):
                return True
        return False
