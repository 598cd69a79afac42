# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one path of a component is: its kind, attributes and digest, never its content."""

from __future__ import annotations

import dataclasses
import enum
import typing as t
from collections.abc import Mapping


class EntryKind(enum.Enum):
    """What a path is on the host. Other kinds (sockets, FIFOs, devices) are listed as left out."""

    FILE = "file"
    DIRECTORY = "dir"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One captured path.

    ``path`` is absolute on the host, decoded with ``surrogateescape`` so that every byte string has a form.
    ``target`` is the text of a symlink, or the path of the first name of a hard link.
    ``mtime_ns`` is kept and restored, and never part of a comparison.
    ``sha256`` (hex) and ``size`` (bytes) are those of a file's content.
    """

    path: str
    kind: EntryKind
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    mtime_ns: int
    size: int = 0
    sha256: str = ""
    target: str = ""
    xattrs: Mapping[str, bytes] = dataclasses.field(default_factory=dict)

    def differences(self, other: Entry, *, owners: bool = True) -> list[str]:
        """Name the attributes in which two entries of the same path differ, content first.

        :param owners: compare owner and group too; an unprivileged restore cannot set them.
        """
        names = ["kind", "sha256", "target", "mode", "xattrs"]
        if owners:
            names += ["uid", "gid", "user", "group"]
        spoken = {"sha256": "content", "uid": "owner", "user": "owner", "gid": "group", "xattrs": "extended attributes"}
        found = [spoken.get(name, name) for name in names if getattr(self, name) != getattr(other, name)]
        return list(dict.fromkeys(found))


class LeftOut(t.NamedTuple):
    """A path that a component names and a snapshot does not hold, and why."""

    path: str
    reason: str
