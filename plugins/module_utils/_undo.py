# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Goes back from a restore in place by its journal, or lets go of the old state. Private to this collection.

With the files that it imports it is also what the armed unit runs: see :func:`program` and :func:`main`.
"""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import re
import stat
import sys

from . import _points
from ._accounts import Accounts, is_account
from ._inodes import (
    bring_attributes_back,
    digest_of_names,
    half_name,
    overwrite,
    same_attributes,
    settle,
    sha256_of,
    what_is,
)
from ._journal import Journal, Journals, boot_id, damaged
from ._paths import (
    FILE_FLAGS,
    FOLDER_FLAGS,
    RefusedError,
    closing,
    code_of,
    lstat,
    mount_points,
    names_of,
    open_folder,
    open_place,
    open_told,
    remove_tree,
    to_bytes,
)
from ._units import Systemd

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_SAVED = re.compile(r"[or][0-9]+")
_UNIT_SECONDS = 840  # it waits for an apply that goes on
# a program for the unit: files of this folder in the order in which they import from each other, the last one's main
_PARTS = ("_points", "_paths", "_units", "_inodes", "_accounts", "_journal", "_undo")
_LOADER = """\
import marshal, sys
package = sys.modules["holdfast_host"] = type(sys)("holdfast_host")
package.__path__ = []
for name, code in marshal.loads(%r):
    part = sys.modules["holdfast_host." + name] = type(sys)("holdfast_host." + name)
    exec(code, part.__dict__)
raise SystemExit(part.main(sys.argv[1:]))
"""


class _Undo:
    """Brings back what a journal says, path by path, where they still hold what the restore wrote.

    It may be killed and begun anew at any point: what to do it decides by what is there.
    """

    def __init__(self, told: t.Mapping[str, t.Any], restore: str, root: int) -> None:
        self.back: list[str] = []
        self.left: list[list[str]] = []
        self.folders: list[dict[str, t.Any]] = list(told["folders"])
        self._steps = list(told["steps"])
        self._dev = told["boot"] == boot_id()
        self._root = root
        self._stage_name = b".holdfast-" + restore.encode("ascii")

    def run(self) -> None:
        """Bring all back, for good when this returns; raises OSError where the system does not let it."""
        # attributes of folders came last, and may not even let their owner in
        attributes = [step for step in self._steps if step["how"] == "attrs"]
        others = [step for step in reversed(self._steps) if step["how"] != "attrs"]
        for number, step in enumerate((*attributes, *others)):
            _points.at(f"undoing:{number}")
            try:
                self._step(step)
            except RefusedError as e:
                self.left.append([step["path"], str(e)])
        deepest = sorted(self.folders, key=lambda told: told["at"].count("/"), reverse=True)
        for told in deepest:
            with contextlib.suppress(RefusedError), closing(self._open(told)) as fd:
                settle(fd, told)
                os.fsync(fd)

    def _open(self, told: t.Mapping[str, t.Any]) -> int:
        return open_told(self._root, told, dev=self._dev)

    def _step(self, step: t.Mapping[str, t.Any]) -> None:
        with closing(self._open(self.folders[step["folder"]])) as home:
            if step["how"] == "attrs":
                if step["now"] and step["was"] and bring_attributes_back(home, step["was"], step["now"]):
                    self.left.append([step["path"], "its attributes were changed since"])
                return
            at = names_of("/" + "/".join(step["at"]))
            if step["saved"] is not None and not _SAVED.fullmatch(step["saved"]):
                raise ValueError("not a name of a stage folder")
            folder, whole = open_folder(home, at[:-1])
            with closing(folder):
                if whole:
                    self._path(home, folder, at[-1], step)

    def _path(self, home: int, folder: int, name: bytes, step: t.Mapping[str, t.Any]) -> None:
        live, was, now = lstat(folder, name), step["was"], step["now"]
        if was is None:
            if live is not None:
                self._remove(folder, name, live, step)
            return
        if step["how"] == "write":
            self._write(home, name, step)
            return
        if live is not None and self._is(live, was, whole=False):
            return
        ours = live is None and step["how"] in ("move", "gone")
        if not ours and (live is None or now is None or not self._is(live, now)):
            self.left.append([step["path"], "it was changed since" if live is not None else "it was removed since"])
            return
        saved = to_bytes(step["saved"])
        try:
            with closing(os.open(self._stage_name, FOLDER_FLAGS, dir_fd=home)) as stage:
                kept = lstat(stage, saved)
                if kept is None or not self._is(kept, was, whole=False):
                    # who owns the folder above may have put a stage folder of his own there
                    raise FileNotFoundError
                kinds = {was["kind"], was["kind"] if live is None else stat.S_IFMT(live.st_mode)}
                if live is not None and len(kinds) > 1 and stat.S_IFDIR in kinds:
                    if not self._remove(folder, name, live, step):
                        return
                    _points.at("undoing:removed")
                os.rename(saved, name, src_dir_fd=stage, dst_dir_fd=folder)
        except FileNotFoundError:
            self.left.append([step["path"], "what was there is no longer in its stage folder"])
            return
        self.back.append(step["path"])

    def _remove(self, folder: int, name: bytes, live: os.stat_result, step: t.Mapping[str, t.Any]) -> bool:
        """Remove what is new, where it is still that; whether it is gone."""
        if step["now"] is None or not self._is(live, step["now"]):
            self.left.append([step["path"], "it was changed since"])
            return False
        if step["how"] == "inner" and os.geteuid() != 0:
            # the folder is new as well
            os.fchmod(folder, stat.S_IMODE(os.fstat(folder).st_mode) | 0o300)
        if not stat.S_ISDIR(live.st_mode):
            os.unlink(name, dir_fd=folder)
        else:
            try:
                os.rmdir(name, dir_fd=folder)
            except OSError as e:
                if e.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                    raise
                self.left.append([step["path"], "there is something in it that the restore did not bring"])
                return False
        self.back.append(step["path"])
        return True

    def _write(self, home: int, name: bytes, step: t.Mapping[str, t.Any]) -> None:
        """Give a file that was written in place its old bytes."""
        saved, was, now = to_bytes(step["saved"]), step["was"], step["now"]
        with contextlib.ExitStack() as stack:
            stage = stack.enter_context(closing(os.open(self._stage_name, FOLDER_FLAGS, dir_fd=home)))
            fd = stack.enter_context(closing(os.open(name, FILE_FLAGS, dir_fd=home)))
            if os.fstat(fd).st_ino != was["ino"]:
                self.left.append([step["path"], "it was changed since"])
                return
            half = lstat(stage, half_name(saved)) is not None
            digest = sha256_of(fd)
            if not half and digest == was["sha256"] and same_attributes(fd, was):
                return
            if not half and digest not in (was["sha256"], now["sha256"]):
                self.left.append([step["path"], "it was changed since"])
                return
            source = stack.enter_context(closing(os.open(saved, FILE_FLAGS, dir_fd=stage)))
            overwrite(home, name, source, stage, saved, now, was)
        self.back.append(step["path"])

    def _is(self, st: os.stat_result, told: t.Mapping[str, t.Any], *, whole: bool = True) -> bool:
        """Whether this is that inode; ``whole``: and nobody has changed it since."""
        if st.st_ino != told["ino"] or stat.S_IFMT(st.st_mode) != told["kind"]:
            return False
        if self._dev and st.st_dev != told["dev"]:
            return False
        return not whole or stat.S_ISDIR(st.st_mode) or {**what_is(st), "dev": 0} == {**told, "dev": 0}


def bring_back(journal: Journal, told: t.Mapping[str, t.Any], root: int) -> tuple[_Undo, list[list[str]]]:
    """Undo what a journal says, reload what had been asked to, and close it."""
    try:
        undo = _Undo(told, journal.restore, root)
        accounts = Accounts(root)
        paths = [str(step["path"]) for step in told["steps"]]
    except (KeyError, TypeError) as e:
        raise damaged(journal) from e
    try:
        if any(map(is_account, paths)):
            accounts.take()
        undo.run()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as e:
        raise damaged(journal) from e
    finally:
        accounts.release()
    _points.at("undone")
    systemd = Systemd(str(told["root"]))
    asked = journal.read("reload.json")
    if asked is not None and systemd.runs:
        systemd.reload_again(asked)
    return undo, close(journal, root, "undo")


def close(journal: Journal, root: int, ended: str = "") -> list[list[str]]:
    """End a restore: from here on nothing takes it back. Remove its stage folders, its unit and its journal.

    What cannot be removed is a warning, and is tried again by the next restore.

    :param ended: by what, for those who find it half removed.
    """
    told = journal.read("folders.json")
    if told is None:
        journal.remove()
        return []
    stage = b".holdfast-" + journal.restore.encode("ascii")
    same_boot = told.get("boot") == boot_id()
    open_ = journal.read("journal.json")
    if open_ is not None:
        folders = [_as_it_is(root, folder, same_boot) for folder in told["folders"]]
        told = {**told, "folders": folders, "ended": ended}
        journal.write("folders.json", told)
        _points.at("dropping")
        journal.forget("journal.json")
    _points.at("dropped")
    warnings = []
    mounts = mount_points()
    for folder in sorted(told["folders"], key=lambda folder: folder["at"].count("/"), reverse=True):
        if not folder["staged"]:
            continue
        try:
            with closing(open_told(root, folder, dev=same_boot)) as fd:
                remove_tree(fd, stage, mounts)
                settle(fd, folder)
        except RefusedError:
            continue  # it was moved or replaced, with all that is in it
        except OSError as e:
            warnings.append([folder["at"], f"its stage folder could not be removed ({code_of(e)})"])
    Systemd(str(told["root"])).disarm(journal.restore, told.get("units", []))
    if not warnings:
        journal.remove()
    return warnings


def _as_it_is(root: int, folder: dict[str, t.Any], same_boot: bool) -> dict[str, t.Any]:
    """The same folder, with its time and names of now."""
    try:
        with closing(open_told(root, folder, dev=same_boot)) as fd:
            return {**folder, "mtime_ns": os.fstat(fd).st_mtime_ns, "names": digest_of_names(fd)}
    except (OSError, RefusedError):
        return folder


def finish(journal: Journal, told: t.Mapping[str, t.Any] | None) -> _Undo | None:
    """Bring back what a journal says; where it holds none any more, remove what a killed restore left."""
    if told is not None:
        with closing(open_root_of(journal, told)) as root:
            return bring_back(journal, told, root)[0]
    folders = journal.read("folders.json")
    if folders is None:
        Systemd("/").disarm(journal.restore, [])
        journal.remove()
        return None
    with closing(open_root_of(journal, folders)) as root:
        close(journal, root)
    return None


def open_root_of(journal: Journal, told: t.Mapping[str, t.Any]) -> int:
    root = told.get("root")
    if not isinstance(root, str):
        raise damaged(journal)
    return open_place(root)


def _go_back(folder: str, restore: str) -> _Undo | None:
    """Bring back one restore now, as its unit does when the lease is over, when the host boots, or when it is started.

    Where it has to wait for another process and the lease was renewed meanwhile, it does nothing.
    """
    journals = Journals(folder)
    try:
        waited = journals.lock(_UNIT_SECONDS)
        journal = Journal(folder, restore)
        told = journal.read("journal.json")
        if told is not None and waited and not journal.is_over():
            return None
        return finish(journal, told)
    finally:
        journals.close()


def program() -> bytes:
    """What a unit can run to go back, as the bytes of a ``.pyc`` file: this file, and those that it stands on.

    What runs here may have come through a pipe: it has no files that could be copied.
    """
    import importlib.util

    package = __name__.rpartition(".")[0]
    modules: list[tuple[str, t.Any]] = [(name, sys.modules[f"{package}.{name}"]) for name in _PARTS]
    parts = [(name, module.__loader__.get_code(module.__name__)) for name, module in modules]
    code = compile(_LOADER % marshal.dumps(parts), "holdfast_host", "exec")
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def main(arguments: t.Sequence[str]) -> int:
    """What the armed unit runs: the arguments are the journal folder and the id of a restore."""
    try:
        undo = _go_back(*arguments)
    except (RefusedError, OSError) as e:
        sys.stdout.write(f"{e if isinstance(e, RefusedError) else code_of(e)}\n")
        return 1
    for path, why in undo.left if undo is not None else ():
        sys.stdout.write(f"left as it is: {path!r}: {why}\n")
    sys.stdout.write("nothing is open\n" if undo is None else f"{len(undo.back)} paths were brought back\n")
    return 0
