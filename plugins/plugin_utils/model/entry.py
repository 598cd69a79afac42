# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one path of a component is: its kind, attributes and digest, never its content."""

from __future__ import annotations

import dataclasses
import enum
import typing as t
from collections.abc import Mapping

_SPOKEN = {"sha256": "content", "xattrs": "extended attributes"}


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

        :param owners: compare owner and group too, equal by name or by number; an unprivileged restore cannot set them.
        """
        names = ("kind", "sha256", "target", "mode", "xattrs")
        found = [_SPOKEN.get(name, name) for name in names if getattr(self, name) != getattr(other, name)]
        if owners:
            # the same account may have another number elsewhere, and a number no account
            if self.uid != other.uid and (not self.user or self.user != other.user):
                found.append("owner")
            if self.gid != other.gid and (not self.group or self.group != other.group):
                found.append("group")
        return found


def folders_above(path: str) -> list[str]:
    """The folders that a path is in, the highest first; not the root."""
    return [path[:at] for at, character in enumerate(path) if character == "/" and at]


def below_no_folder(entries: Mapping[str, Entry]) -> tuple[str, str] | None:
    """The first path that stands below something that is no folder, and that something; None in a tree that can be."""
    for path in sorted(entries):
        above = path.rpartition("/")[0]
        while above:
            known = entries.get(above)
            if known is not None and known.kind is not EntryKind.DIRECTORY:
                return path, above
            above = above.rpartition("/")[0]
    return None


class LeftOut(t.NamedTuple):
    """A path that a component names and a snapshot does not hold, and why."""

    path: str
    reason: str
