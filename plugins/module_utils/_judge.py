# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds out what a restore in place is to change, and what must not or cannot be. Private to this collection."""

from __future__ import annotations

import contextlib
import os
import stat

from ._asked import Asked
from ._entries import Entry, Room
from ._paths import (
    FILE_FLAGS,
    RefusedError,
    changed_meanwhile,
    code_of,
    is_immutable_at,
    join,
    lstat,
    mount_points,
    path_of,
    paths_below,
)
from ._steps import Folders, Kept, Step
from ._units import unit_folders
from ._writer import Writer

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_NO_STAT = os.stat_result((0,) * 10)


class Judgement(Writer):
    """What a restore in place is to change, found out by :meth:`judge`, which touches nothing."""

    def __init__(self, asked: Asked, folders: Folders) -> None:
        super().__init__(asked.entries, asked.owners, asked.by_name)
        self.removed: list[str] = []
        self.not_atomic: list[list[str]] = []
        self.left: list[list[str]] = []
        self.steps: list[Step] = []
        self.kept: list[Kept] = []
        self._asked = asked
        self._folders = folders
        self._by_names: dict[tuple[bytes, ...], Kept | None] = {}
        self._new: dict[tuple[bytes, ...], Step] = {}
        self._of_entry: dict[str, Step] = {}
        self._room: dict[int, Room] = {}
        self._problems: dict[str, list[RefusedError]] = {}
        self._mounts = mount_points()

    @property
    def parts(self) -> list[int]:
        """The parts of which something changes."""
        return sorted({step.part for step in self.steps if step.part is not None})

    def judge(self, starts: t.Mapping[str, tuple[int, int]]) -> None:
        """Find out all that is to change; raises RefusedError for what must not or cannot be."""
        inodes: dict[str, tuple[int, int] | None] = {}
        for entry in sorted(self._entries, key=lambda entry: (entry.kind == "hardlink", len(entry.names))):
            inodes[entry.path] = None
            with self._judging(entry.path):
                inodes[entry.path] = self._judge(entry, inodes, starts)
        self._judge_removals()
        for kind in ("outside", "in_the_way", "mount", "immutable", "read_only"):
            refused = self._problems.get(kind)
            if refused:
                items = list(dict.fromkeys(item for e in refused for item in e.items))
                raise RefusedError(kind, f"{refused[0]}, nothing was touched", items)
        self._judge_names()
        self._judge_room()
        written = {step.path for step in self.steps if step.how != "gone"}
        self.written = [entry.path for entry in self._entries if entry.path in written]

    @contextlib.contextmanager
    def _judging(self, path: str) -> t.Iterator[None]:
        try:
            yield
        except RefusedError as e:
            self._problems.setdefault(e.kind, []).append(e)
        except OSError as e:
            raise RefusedError("os", f"{code_of(e)} on {path}, nothing was touched", [path]) from e

    def _judge(
        self,
        entry: Entry,
        inodes: t.Mapping[str, tuple[int, int] | None],
        starts: t.Mapping[str, tuple[int, int]],
    ) -> tuple[int, int] | None:
        """The inode of a path that is as its entry says; else None, and there is a step for it."""
        parent, name = entry.names[:-1], entry.names[-1]
        st = None
        if not any(entry.names[:depth] in self._new for depth in range(1, len(entry.names))):
            folder = self._folders.at(parent)
            st = None if folder is None else lstat(folder, name)
            if folder is not None and st is not None and self._same(folder, entry, st, inodes):
                return st.st_dev, st.st_ino
        step = self._step_for(entry, st)
        if entry.kind == "dir" and step.how != "attrs":
            self._new[entry.names] = step
        self.steps.append(step)
        self._of_entry[entry.path] = step
        room = self._room_of(step.home)
        room.names += 1
        if entry.kind == "file":
            room.take(entry.path, starts[entry.path][1] if entry.path in starts else entry.size)
        return None

    def _step_for(self, entry: Entry, st: os.stat_result | None) -> Step:
        number = len(self.steps)
        if entry.kind == "dir" and st is not None and stat.S_ISDIR(st.st_mode):
            kept = self._kept_at(entry.names)
            if kept is None:
                raise changed_meanwhile(entry.path)
            kept.refuse(entry.path)
            kept.mtime_after = entry.mtime_ns
            step = Step(entry.path, "attrs", self._stage_in(kept), (), st, entry)
            # the attributes are tried on a folder in the stage, which tells what becomes of them
            step.staged = (b"d%d" % number,)
            kept.attributes = step
            return step
        # before the folders above it that are missing: they are steps of their own, with smaller numbers
        home, above = self._home(entry.names[:-1], entry.path)
        number = len(self.steps)
        at = entry.names[len(home.names) :]
        step = Step(entry.path, self._how(entry, st, home, above), home, at, st, entry)
        step.staged = (*above, entry.names[-1]) if above else (b"n%d" % number,)
        if step.how in ("over", "move", "write"):
            step.saved = b"o%d" % number
            self._room_of(home).names += step.how != "move"
        if step.how == "move" and st is not None and stat.S_ISDIR(st.st_mode):
            step.tree = self._tree_of(home, entry.names[-1], entry.path)
            self._refuse_what_stays(entry, step.tree)
        return step

    def _refuse_what_stays(self, entry: Entry, tree: t.Sequence[bytes]) -> None:
        """Refuse to let a folder make way with something in it that nobody said may go."""
        inside = [(*entry.names, *name.split(b"/")) for name in tree]
        stays = [path_of(names) for names in inside if names not in self._asked.remove]
        if stays:
            text = f"{entry.path} is a folder, and must make way, but holds what is to stay"
            raise RefusedError("in_the_way", text, stays)

    def _how(self, entry: Entry, st: os.stat_result | None, home: Kept, above: tuple[bytes, ...]) -> str:
        if above:
            return "inner"
        home.refuse(entry.path)
        if st is None:
            return "new"
        folder = self._folders.pinned(home)
        if stat.S_ISREG(st.st_mode) and is_immutable_at(folder, entry.names[-1]):
            raise RefusedError("immutable", f"{entry.path} is immutable or append-only (chattr)", [entry.path])
        if home.real is not None and join(home.real, entry.names[-1]) in self._mounts:
            return self._written_in_place(home, folder, entry, st)
        if (entry.kind == "dir") == stat.S_ISDIR(st.st_mode):
            return "over"
        if not self._asked.replace_kinds:
            self._refuse_kind(entry, st)
        self.not_atomic.append([entry.path, "it becomes something of another kind: for a moment nothing is there"])
        return "move"

    def _written_in_place(self, home: Kept, folder: int, entry: Entry, st: os.stat_result) -> str:
        if entry.kind != "file" or not stat.S_ISREG(st.st_mode):
            raise RefusedError("mount", f"{entry.path} is a mount point and must become something else", [entry.path])
        fd = os.open(entry.names[-1], FILE_FLAGS, dir_fd=folder)
        try:
            if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
                raise RefusedError("read_only", f"{entry.path} is mounted read-only", [entry.path])
        finally:
            os.close(fd)
        self.not_atomic.append([entry.path, "it is a mount point and is written in place"])
        self._room_of(home).take(entry.path, st.st_size)
        return "write"

    def _home(self, names: tuple[bytes, ...], path: str) -> tuple[Kept, tuple[bytes, ...]]:
        """Where what goes into a folder is staged: the folder that is there, and the place below its stage."""
        step = self._new.get(names)
        if step is not None:
            return step.home, step.staged
        kept = self._kept_at(names)
        if kept is not None:
            return self._stage_in(kept), ()
        home, above = self._home(names[:-1], path)
        if not above:
            home.refuse(path)
        step = Step(path_of(names), "inner" if above else "new", home, names[len(home.names) :], None, None)
        step.staged = (*above, names[-1]) if above else (b"n%d" % len(self.steps),)
        self.steps.append(step)
        self._new[names] = step
        self._room_of(home).names += 1
        self.warnings.append([step.path, "it was missing and no entry describes it: made with mode 0755"])
        return home, step.staged

    def _stage_in(self, kept: Kept) -> Kept:
        if not kept.staged:
            kept.staged = True
            self._room_of(kept).names += 1
        return kept

    def _kept_at(self, names: tuple[bytes, ...]) -> Kept | None:
        if names not in self._by_names:
            fd = self._folders.at(names)
            kept = None if fd is None else Kept(names, fd, len(self.kept))
            self._by_names[names] = kept
            if kept is not None:
                self.kept.append(kept)
        return self._by_names[names]

    def _room_of(self, kept: Kept) -> Room:
        room = self._room.get(kept.inode[0])
        if room is None:
            room = self._room[kept.inode[0]] = Room(os.fstatvfs(self._folders.pinned(kept)))
        return room

    def _judge_room(self) -> None:
        for room in self._room.values():
            _size, path = room.biggest
            if room.need > room.free:
                text = f"{room.need} bytes are needed and {room.free} are free where {path} goes, nothing was touched"
                raise RefusedError("no_space", text, [path])
            if room.free_names is not None and room.names > room.free_names:
                text = f"{room.names} inodes are needed and {room.free_names} are free, nothing was touched"
                raise RefusedError("no_space", text, [path] if path else [])

    def _judge_names(self) -> None:
        """Name the files that have names beside those that change."""
        names: dict[tuple[int, int], list[Step]] = {}
        for step in self.steps:
            if step.how == "over" and step.st is not None and stat.S_ISREG(step.st.st_mode):
                names.setdefault((step.st.st_dev, step.st.st_ino), []).append(step)
        for steps in names.values():
            for step in steps:
                if step.st is not None and step.st.st_nlink > len(steps):
                    self.not_atomic.append([step.path, "other names of it keep the old content"])

    def _judge_removals(self) -> None:
        there: dict[tuple[bytes, ...], os.stat_result] = {}
        for names, (path, _part) in self._asked.remove.items():
            if any(names[:depth] in self._new for depth in range(1, len(names))) or self._is_covered(names):
                self.removed.append(path)
                continue
            with self._judging(path):
                try:
                    folder = self._folders.at(names[:-1])
                except RefusedError:
                    continue  # where no folder is there is nothing in it
                st = None if folder is None else lstat(folder, names[-1])
                if st is not None:
                    there[names] = st
        whole_ones = self._whole(there)
        for names, st in sorted(there.items(), key=lambda item: len(item[0])):
            path, part = self._asked.remove[names]
            if stat.S_ISDIR(st.st_mode) and names not in whole_ones:
                self.left.append([path, "it holds what is not to be removed"])
                continue
            self.removed.append(path)
            if names[:-1] not in whole_ones:
                with self._judging(path):
                    self._remove_step(names, st, path, part)

    def _is_covered(self, names: tuple[bytes, ...]) -> bool:
        """Whether a path is in a folder that makes way for something else as a whole."""
        above = {path_of(names[:depth]) for depth in range(1, len(names))}
        return any(step.how == "move" and step.tree is not None and step.path in above for step in self.steps)

    def _whole(self, there: t.Mapping[tuple[bytes, ...], os.stat_result]) -> set[tuple[bytes, ...]]:
        """The folders in which there is nothing that stays."""
        found: set[tuple[bytes, ...]] = set()
        below: dict[tuple[bytes, ...], set[bytes]] = {}
        for names in there:
            below.setdefault(names[:-1], set()).add(names[-1])
        for names in sorted(there, key=len, reverse=True):
            if not stat.S_ISDIR(there[names].st_mode) or (self._asked.arm and names in unit_folders()):
                continue
            with self._judging(path_of(names)):
                fd = self._folders.at(names)
                inside = {b""} if fd is None else {os.fsencode(name) for name in os.listdir(fd)}
                folders = {name for name in inside if stat.S_ISDIR(there.get((*names, name), _NO_STAT).st_mode)}
                if inside <= below.get(names, set()) and all((*names, name) in found for name in folders):
                    found.add(names)
        return found

    def _remove_step(self, names: tuple[bytes, ...], st: os.stat_result, path: str, part: int | None) -> None:
        home = self._kept_at(names[:-1])
        if home is None:
            raise changed_meanwhile(path)
        home.refuse(path)
        self._stage_in(home)
        if home.real is not None and join(home.real, names[-1]) in self._mounts:
            raise RefusedError("mount", f"{path} is a mount point and must be removed", [path])
        step = Step(path, "gone", home, (names[-1],), st, None)
        step.part = part
        step.saved = b"r%d" % len(self.steps)
        if stat.S_ISDIR(st.st_mode):
            step.tree = self._tree_of(home, names[-1], path)
        else:
            if stat.S_ISREG(st.st_mode) and is_immutable_at(self._folders.pinned(home), names[-1]):
                raise RefusedError("immutable", f"{path} is immutable or append-only (chattr)", [path])
        self.steps.append(step)

    def _tree_of(self, home: Kept, name: bytes, path: str) -> list[bytes]:
        """All that is in a folder that makes way; raises RefusedError where it could not be removed later."""
        if home.real is not None:
            real = join(home.real, name)
            for mount in self._mounts:
                if mount == real or mount.startswith(real + b"/"):
                    raise RefusedError("mount", f"something is mounted in {path}, which must make way", [path])
        return sorted(paths_below(self._folders.pinned(home), name, path))
