# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stages what is new beside its place, and puts it there. Private to this collection."""

from __future__ import annotations

import errno
import os
import stat

from . import _points
from ._asked import Asked
from ._entries import Entry, Payload
from ._inodes import overwrite, pour, what_is
from ._judge import Judgement
from ._paths import (
    FILE_FLAGS,
    FOLDER_FLAGS,
    NEW_FLAGS,
    changed_meanwhile,
    closing,
    code_of,
    inode_at,
    lstat,
    open_folder,
    paths_below,
    remove_tree,
    set_mtime,
    sync,
    to_bytes,
    working_on,
)
from ._steps import Folders, Kept, Step
from ._writer import attributes_of

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class Change(Judgement):
    """A restore in place at work: after :meth:`judge` comes :meth:`stage`, and :meth:`swap`."""

    def __init__(self, asked: Asked, folders: Folders) -> None:
        super().__init__(asked, folders)
        self._renames = 0

    def stage(self, payload: Payload, starts: t.Mapping[str, tuple[int, int]]) -> None:
        """Make all that is new, complete and on disk, beside where it goes; give what is old a second name there."""
        for kept in self.kept:
            if kept.staged:
                with working_on(kept.path):
                    self._make_stage(kept)
        for step in self.steps:
            with working_on(step.path):
                self._new_one(step, payload, starts)
        for step in reversed(self.steps):
            if step.is_folder:
                with working_on(step.path):
                    self._dress_new(step)
        for step in self.steps:
            with working_on(step.path):
                self._settle_staged(step)
        _points.at("staged")
        for step in self.steps:
            with working_on(step.path):
                self._save(step)
        self._sync_stages()
        _points.at("saved")

    def _make_stage(self, kept: Kept) -> None:
        folder, name = self._folders.pinned(kept), self._folders.stage_name
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            # of an attempt whose journal somebody removed
            remove_tree(folder, name)
            os.mkdir(name, 0o700, dir_fd=folder)

    def _new_one(self, step: Step, payload: Payload, starts: t.Mapping[str, tuple[int, int]]) -> None:
        if not step.staged:
            return
        folder, name, entry = self._in_stage(step), step.staged[-1], step.entry
        if entry is None or entry.kind == "dir":
            os.mkdir(name, 0o700, dir_fd=folder)
        elif entry.kind == "file":
            payload.at(starts[entry.path][0])
            self._make_file(folder, name, entry, payload, sync=False)
        elif entry.kind == "symlink":
            self._make_symlink(folder, name, entry)
        else:
            self._make_link(folder, name, entry)

    def _make_link(self, folder: int, name: bytes, entry: Entry) -> None:
        first = self._of_entry.get(entry.target)
        if first is None:
            target = self._asked.names[entry.target]
            source, _whole = open_folder(self._folders.root, target[:-1])
            with closing(source):
                os.link(target[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            return
        source = self._in_stage(first)
        os.link(first.staged[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)

    def _dress_new(self, step: Step) -> None:
        with closing(os.open(step.staged[-1], FOLDER_FLAGS, dir_fd=self._in_stage(step))) as fd:
            self._dress_folder(fd, step)
            if os.geteuid() != 0 and step.how != "inner":
                # to be renamed to another folder it must be writable by its owner
                os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | 0o300)

    def _dress_folder(self, fd: int, step: Step) -> None:
        if step.entry is None:
            os.fchmod(fd, 0o755)
        else:
            self._dress(fd, step.entry)

    def _settle_staged(self, step: Step) -> None:
        """See that what is staged is on disk, and note what it is."""
        if not step.staged:
            return
        folder, name = self._in_stage(step), step.staged[-1]
        if step.how == "attrs" and step.entry is not None:
            with closing(os.open(name, FOLDER_FLAGS, dir_fd=folder)) as fd:
                self._dress(fd, step.entry)
                step.now = attributes_of(fd, step.entry)
            return
        st = os.stat(name, dir_fd=folder, follow_symlinks=False)
        step.now = what_is(st)
        if stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode):
            sync(folder, name)

    def _save(self, step: Step) -> None:
        if step.how == "attrs" and step.entry is not None:
            step.was = attributes_of(self._folders.pinned(step.home), step.entry)
            return
        if step.st is None:
            return
        step.was = what_is(step.st)
        if step.saved is None or step.how in ("move", "gone"):
            return
        folder, stage = self._folders.pinned(step.home), self._folders.stage(step.home)
        if step.how == "write":
            self._copy(folder, stage, step)
            return
        try:
            os.link(step.at[-1], step.saved, src_dir_fd=folder, dst_dir_fd=stage, follow_symlinks=False)
        except OSError as e:
            if e.errno not in _NO_LINKS:
                raise
            step.how = "move"
            why = f"its old one takes no second name ({code_of(e)}): for a moment nothing is there"
            self.not_atomic.append([step.path, why])
            return
        saved = what_is(os.stat(step.saved, dir_fd=stage, follow_symlinks=False))
        live = lstat(folder, step.at[-1])
        if live is None or (live.st_dev, live.st_ino) != (saved["dev"], saved["ino"]):
            raise changed_meanwhile(step.path)
        # an overlay may give a file another number when it gets its second name
        if {**saved, "ino": 0, "dev": 0} != {**step.was, "ino": 0, "dev": 0}:
            raise changed_meanwhile(step.path)
        step.was = saved

    def _copy(self, folder: int, stage: int, step: Step) -> None:
        """Keep a copy of what is in a file that is written in place, and what it is itself."""
        if step.saved is None or step.entry is None:
            return
        with closing(os.open(step.at[-1], FILE_FLAGS, dir_fd=folder)) as source:
            with closing(os.open(step.saved, NEW_FLAGS, 0o600, dir_fd=stage)) as copy:
                digest = pour(source, copy)
                os.fsync(copy)
            step.was = {**what_is(os.fstat(source)), **attributes_of(source, step.entry), "sha256": digest}
        with closing(os.open(step.staged[-1], FILE_FLAGS, dir_fd=stage)) as fd:
            step.now = {**(step.now or {}), **attributes_of(fd, step.entry), "sha256": step.entry.sha256}

    def _sync_stages(self) -> None:
        for kept in self.kept:
            if kept.staged:
                os.fsync(self._folders.stage(kept))
                os.fsync(self._folders.pinned(kept))

    def swap(self) -> None:
        """Put everything in its place; raises RefusedError or OSError where that breaks off."""
        for step in self.steps:
            if step.how in ("new", "over", "move", "write"):
                self._put(step)
        for step in self.steps:
            if step.how == "gone":
                self._put(step)
        for step in sorted(self.steps, key=lambda step: len(step.home.names) + len(step.at), reverse=True):
            if step.is_folder and step.how != "inner":
                self._dress_top(step)
        for kept in sorted(self.kept, key=lambda kept: len(kept.names), reverse=True):
            self._finish(kept)
        _points.at("swapped")
        for step in self.steps:
            if step.how in ("new", "over", "move"):
                self._verify(step)

    def _put(self, step: Step) -> None:
        with working_on(step.path):
            self._put_it(step)

    def _put_it(self, step: Step) -> None:
        folder, stage = self._folders.pinned(step.home), self._folders.stage(step.home)
        known = None if step.was is None else (step.was["dev"], step.was["ino"])
        if inode_at(folder, step.at[-1]) != known:
            raise changed_meanwhile(step.path)
        if step.how == "write":
            self._write_in_place(folder, stage, step)
            return
        if step.how in ("move", "gone") and step.saved is not None:
            self._rename(step.at[-1], step.saved, folder, stage)
            if step.tree is not None and step.tree != sorted(paths_below(stage, step.saved, step.path)):
                raise changed_meanwhile(step.path)
        if step.how != "gone":
            self._rename(step.staged[-1], step.at[-1], stage, folder)

    def _rename(self, name: bytes, to: bytes, source: int, target: int) -> None:
        self._renames += 1
        _points.at(f"before:{self._renames}")
        os.rename(name, to, src_dir_fd=source, dst_dir_fd=target)
        _points.at(f"after:{self._renames}")

    def _write_in_place(self, folder: int, stage: int, step: Step) -> None:
        self._renames += 1
        _points.at(f"before:{self._renames}")
        with closing(os.open(step.staged[-1], FILE_FLAGS, dir_fd=stage)) as source:
            overwrite(folder, step.at[-1], source, stage, step.saved or b"", step.was or {}, step.now or {})
        _points.at(f"after:{self._renames}")

    def _dress_top(self, step: Step) -> None:
        """Once more: a rename may change a folder's time, and it may have had to be writable."""
        folder = self._folders.pinned(step.home)
        with closing(os.open(step.at[-1], FOLDER_FLAGS, dir_fd=folder)) as fd:
            if step.now is not None and os.fstat(fd).st_ino != step.now["ino"]:
                raise changed_meanwhile(step.path)
            self._dress_folder(fd, step)
            os.fsync(fd)

    def _finish(self, kept: Kept) -> None:
        fd = self._folders.pinned(kept)
        if kept.attributes is not None and kept.attributes.entry is not None:
            self._dress(fd, kept.attributes.entry)
        else:
            set_mtime(fd, kept.mtime_after)
        os.fsync(fd)

    def _verify(self, step: Step) -> None:
        live = lstat(self._folders.pinned(step.home), step.at[-1])
        if live is None or step.now is None or live.st_ino != step.now["ino"]:
            raise changed_meanwhile(step.path)

    def staged_files(self, part: int) -> t.Iterator[tuple[str, str]]:
        """The path of each changed file of a part, and where it is staged."""
        for step in self.steps:
            if step.part == part and step.entry is not None and step.entry.kind in ("file", "hardlink"):
                real = step.home.real if step.home.real is not None else to_bytes(self._asked.root + step.home.path)
                yield step.path, os.fsdecode(b"/".join([real.rstrip(b"/"), self._folders.stage_name, *step.staged]))

    def _in_stage(self, step: Step) -> int:
        """The open folder in which a step's new one is staged."""
        return self._folders.stage(step.home, step.staged[:-1])
