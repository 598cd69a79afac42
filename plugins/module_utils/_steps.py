# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a restore in place, and the folders that they change. Private to this collection."""

from __future__ import annotations

import os

from ._entries import Entry
from ._inodes import digest_of_names
from ._paths import RefusedError, inode_at, is_immutable, open_folder, open_pinned, path_of, real_path, to_text

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_MOST_OPEN = 128  # folders; a process usually may have 1024


class Kept:
    """A folder in which something is to change and that is there already: which one it is, and how it was."""

    def __init__(self, names: tuple[bytes, ...], fd: int, index: int) -> None:
        st = os.fstat(fd)
        self.names = names
        self.path = path_of(names)
        self.relative = b"/".join(names) or b"."
        self.index = index
        self.inode = st.st_dev, st.st_ino
        self.mtime_ns = st.st_mtime_ns
        self.mtime_after = st.st_mtime_ns
        self.names_digest = digest_of_names(fd)
        self.staged = False
        self.attributes: Step | None = None
        self.read_only = bool(os.fstatvfs(fd).f_flag & os.ST_RDONLY)
        self.immutable = is_immutable(fd)
        self.real = real_path(fd)

    def refuse(self, path: str) -> None:
        """Raise RefusedError where nothing can change in this folder."""
        if self.read_only:
            raise RefusedError("read_only", f"{path} is on a file system that is read-only", [path])
        if self.immutable:
            raise RefusedError("immutable", f"{self.path} is immutable or append-only (chattr)", [path])

    def told(self) -> dict[str, t.Any]:
        """This folder as a journal has it."""
        return {
            "at": self.path,
            "dev": self.inode[0],
            "ino": self.inode[1],
            "mtime_ns": self.mtime_ns,
            "names": self.names_digest,
            "staged": self.staged,
        }


class Step:
    """One path that is to change.

    ``how``: ``new`` (renamed to where nothing is), ``over`` (renamed over what is there), ``move`` (what is there is
    renamed away first), ``inner`` (it comes with a new folder above it), ``write`` (in place, a mount point), ``gone``
    (renamed away), ``attrs`` (a folder that stays).
    """

    def __init__(
        self, path: str, how: str, home: Kept, at: tuple[bytes, ...], st: os.stat_result | None, entry: Entry | None
    ) -> None:
        self.path = path
        self.how = how
        self.home = home
        self.at = at
        self.st = st
        self.entry = entry
        self.part: int | None = entry.part if entry is not None else None
        self.staged: tuple[bytes, ...] = ()
        self.saved: bytes | None = None
        self.tree: list[bytes] | None = None
        self.was: dict[str, t.Any] | None = None
        self.now: dict[str, t.Any] | None = None

    @property
    def is_folder(self) -> bool:
        """Whether a new folder comes to this path."""
        return self.how in ("new", "move", "inner") and (self.entry is None or self.entry.kind == "dir")

    def told(self) -> dict[str, t.Any]:
        """This step as a journal has it."""
        return {
            "path": self.path,
            "how": self.how,
            "folder": self.home.index,
            "at": [to_text(name) for name in self.at],
            "saved": None if self.saved is None else to_text(self.saved),
            "was": self.was,
            "now": self.now,
        }


class Folders:
    """Folders below a root that stay open for the next path in them.

    To walk down to a folder for each of its files is most of what a restore costs. What the methods give stays open
    while a few others are asked for, and nobody else closes it.
    """

    def __init__(self, root: int, restore: str) -> None:
        self.root = root
        self.stage_name = b".holdfast-" + restore.encode("ascii")
        self._open: dict[tuple[bytes, ...], tuple[int, tuple[int, int]]] = {}

    def __enter__(self) -> Folders:  # noqa: PYI034  # Self is of Python 3.11
        return self

    def __exit__(self, *_error: object) -> None:
        for fd, _which in self._open.values():
            os.close(fd)
        self._open.clear()

    def at(self, names: tuple[bytes, ...]) -> int | None:
        """The folder of these names as it was when it was opened, None where there is none; as :func:`open_folder`."""
        held = self._held(names)
        if held is not None:
            return held[0]
        fd, whole = open_folder(self.root, names)
        if whole:
            return self._keep(names, fd)
        os.close(fd)
        return None

    def pinned(self, kept: Kept) -> int:
        """The folder that was judged; raises RefusedError where it is no longer the one that stands there."""
        held = self._held(kept.names)
        # where the path leads now: no more than one call, and nothing is opened through what it may have become
        if held is not None and held[1] == kept.inode == inode_at(self.root, kept.relative):
            return held[0]
        fd = open_pinned(self.root, kept.names, kept.inode)
        return self._keep(kept.names, fd)

    def stage(self, kept: Kept, below: tuple[bytes, ...] = ()) -> int:
        """The stage folder of one that was judged, or one below it."""
        names = (*kept.names, self.stage_name, *below)
        held = self._held(names)
        if held is not None:
            return held[0]
        fd, _whole = open_folder(self.pinned(kept), (self.stage_name, *below))
        return self._keep(names, fd)

    def _held(self, names: tuple[bytes, ...]) -> tuple[int, tuple[int, int]] | None:
        held = self._open.pop(names, None)
        if held is not None:
            self._open[names] = held
        return held

    def _keep(self, names: tuple[bytes, ...], fd: int) -> int:
        before = self._open.pop(names, None)
        if before is None and len(self._open) >= _MOST_OPEN:
            before = self._open.pop(next(iter(self._open)))
        if before is not None:
            os.close(before[0])
        st = os.fstat(fd)
        self._open[names] = fd, (st.st_dev, st.st_ino)
        return fd
