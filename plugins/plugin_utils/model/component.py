# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A component: a named, owned part of a host's configuration."""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t
from collections.abc import Mapping

FILES = "files"
# what each kind of source gives: docs/guide_components.md
KINDS = (FILES, "command", "environment", "api", "content", "device")
# what a component may hold unless its declaration says otherwise, and what that may say at most
DEFAULT_BYTES = 64 * 1024 * 1024
MOST_BYTES = 1024 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Exclude:
    """A pattern that a component leaves out, with the reason that manifests and reports repeat."""

    pattern: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Handling:
    """What comparing and restoring do with a component. It is no part of what a snapshot holds.

    ``secrets`` are regular expressions for redaction: of a matching line the group ``secret`` is masked, or all of it.
    ``preserve`` are path patterns, as in excludes, whose live content a restore leaves alone. ``validate`` is the
    command that judges the configuration, ``reload`` the systemd units that take it up; a host may lack some of them.
    ``alternatives`` are paths that not every system has: it is no gap where they do not exist, or a device refuses
    them.
    """

    secrets: tuple[str, ...] = ()
    preserve: tuple[str, ...] = ()
    validate: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Component:
    """What to capture under one name, and whose it is.

    ``unreadable`` is ``error`` (a path that cannot be read fails the host) or ``leave_out`` (it is recorded as left
    out). ``kind`` is one of KINDS; where it is not ``files``, ``source`` says in plain values what to ask, without
    secrets, and ``paths`` is the folder ``/holdfast/<name>`` that its texts stand in. What matches ``volatile`` is
    captured and is no drift: path patterns for files, else regular expressions for lines, beside those that a
    device's platform knows. ``max_bytes`` bounds the content that a capture takes; it is no part of what a snapshot
    holds. ``means`` is what else it takes to ask, be it secret, or the pushed text itself: it is written nowhere.
    ``steward`` and ``contact`` (whom to call), ``regulations``, ``application``, its ``version``, and ``depends_on``
    (components of the host, or ``host:component``) are what people say about it, and no part of what a snapshot holds.
    """

    name: str
    paths: tuple[str, ...]
    tier: str
    owner: str
    data_class: str
    excludes: tuple[Exclude, ...] = ()
    unreadable: str = "error"
    kind: str = FILES
    volatile: tuple[str, ...] = ()
    source: Mapping[str, t.Any] = dataclasses.field(default_factory=dict, hash=False)
    means: Mapping[str, t.Any] = dataclasses.field(default_factory=dict, compare=False, repr=False)
    handling: Handling = dataclasses.field(default=Handling(), compare=False)
    max_bytes: int = dataclasses.field(default=DEFAULT_BYTES, compare=False)
    steward: str = dataclasses.field(default="", compare=False)
    contact: str = dataclasses.field(default="", compare=False)
    regulations: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    application: str = dataclasses.field(default="", compare=False)
    version: str = dataclasses.field(default="", compare=False)
    depends_on: tuple[str, ...] = dataclasses.field(default=(), compare=False)

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
