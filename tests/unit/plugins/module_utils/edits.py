# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random trees and random edits of them, as data that hypothesis can shrink, and what makes them of a real folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab import describe
from hypothesis import strategies as st

# what is done, which of the paths that can be chosen it is done to, and two more choices
Step = tuple[str, int, int, int]

_NAMES = ("a", "b", "c", "d", "caf\udce9")
_CONTENTS = (b"", b"one", b"two", b"zeros" + bytes(9000), bytes(9005), b"x" * 70_000)
_TARGETS = ("a", "b", "../a", "/etc/passwd", "nowhere")
_FILE_MODES = (0o400, 0o600, 0o644, 0o755, 0o4755)
_FOLDER_MODES = (0o700, 0o755, 0o1777, 0o2755)
_XATTRS = ("user.a", "user.b", "trusted.a")
_VALUES = (b"", b"1", b"2", bytes(range(256)))
_OWNERS = (0, 1, 12345, 12346, 1 << 31, (1 << 32) - 2)
_SECOND = 10**9
_MTIMES = (0, -1, 1_700_000_000 * _SECOND, 1_700_000_000 * _SECOND + 1, 5_000_000_000 * _SECOND)

_Folder = Callable[[Path, int, int, int], None]


def trees() -> st.SearchStrategy[list[Step]]:
    """Steps that make a tree."""
    return _steps(("add file", "add folder", "add symlink", "add hard link", "attribute", "mode"), 3, 12)


def edits() -> st.SearchStrategy[list[Step]]:
    """Steps that change a tree, or do not."""
    return _steps(tuple(_STEPS), 1, 3)


def take(root: Path, steps: Sequence[Step]) -> None:
    """Do to a folder what the steps say; a step that finds nothing to be done to does nothing."""
    for name, *choices in steps:
        # a name that is taken, or a right that is not there
        with contextlib.suppress(OSError):
            _STEPS[name](root, *choices)


def disown(root: Path) -> None:
    """Give all to a number without account, where that may be: so the name does not tell of another such number."""
    if os.geteuid() == 0:
        for path in [root, *root.rglob("*")]:
            os.chown(path, _OWNERS[-1], _OWNERS[-1], follow_symlinks=False)


def besides_times(root: Path) -> dict[str, dict[str, t.Any]]:
    """An independent description of a folder without its times, and without holes, which are no content."""
    return {
        path: {key: value for key, value in told.items() if key not in ("mtime_ns", "data")}
        for path, told in describe.describe(str(root)).items()
    }


def _steps(names: Sequence[str], least: int, most: int) -> st.SearchStrategy[list[Step]]:
    number = st.integers(0, 99)
    return st.lists(st.tuples(st.sampled_from(names), number, number, number), min_size=least, max_size=most)


def _chosen(root: Path, number: int, *kinds: int) -> Path | None:
    """One of the paths of these kinds, the root among the folders."""
    found = [p for p in sorted([root, *root.rglob("*")]) if not kinds or stat.S_IFMT(p.lstat().st_mode) in kinds]
    return found[number % len(found)] if found else None


def _free(root: Path, folder: int, name: int) -> Path:
    chosen = _chosen(root, folder, stat.S_IFDIR)
    assert chosen is not None
    return chosen / _NAMES[name % len(_NAMES)]


def _add_file(root: Path, folder: int, name: int, content: int) -> None:
    with _free(root, folder, name).open("xb") as stream:
        stream.write(_of(_CONTENTS, content))


def _add_folder(root: Path, folder: int, name: int, mode: int) -> None:
    path = _free(root, folder, name)
    path.mkdir()
    path.chmod(_of(_FOLDER_MODES, mode))


def _add_symlink(root: Path, folder: int, name: int, target: int) -> None:
    _free(root, folder, name).symlink_to(_of(_TARGETS, target))


def _add_hard_link(root: Path, folder: int, name: int, source: int) -> None:
    chosen = _chosen(root, source, stat.S_IFREG)
    if chosen is not None:
        os.link(chosen, _free(root, folder, name))


def _other_content(root: Path, file: int, content: int, _unused: int) -> None:
    chosen = _chosen(root, file, stat.S_IFREG)
    if chosen is not None:
        chosen.write_bytes(_of(_CONTENTS, content))


def _flipped(root: Path, file: int, place: int, _unused: int) -> None:
    """Other content of the same size at the same time."""
    chosen = _chosen(root, file, stat.S_IFREG)
    if chosen is None or not chosen.stat().st_size:
        return
    st_before = chosen.stat()
    with chosen.open("r+b") as stream:
        at = place * 997 % st_before.st_size
        stream.seek(at)
        byte = stream.read(1)[0] ^ 1
        stream.seek(at)
        stream.write(bytes([byte]))
    os.utime(chosen, ns=(st_before.st_atime_ns, st_before.st_mtime_ns))


def _rewritten(root: Path, file: int, way: int, _unused: int) -> None:
    """The same content anew: in place, or as another file of the same attributes."""
    chosen = _chosen(root, file, stat.S_IFREG)
    if chosen is None:
        return
    if way % 2 or chosen.stat().st_nlink > 1:
        chosen.write_bytes(chosen.read_bytes())
    else:
        shutil.copy2(chosen, root / "copy")
        os.chown(root / "copy", chosen.stat().st_uid, chosen.stat().st_gid)
        (root / "copy").chmod(stat.S_IMODE(chosen.stat().st_mode))
        (root / "copy").rename(chosen)


def _mode(root: Path, path: int, mode: int, _unused: int) -> None:
    chosen = _chosen(root, path, stat.S_IFREG, stat.S_IFDIR)
    if chosen is not None:
        chosen.chmod(_of(_FOLDER_MODES if chosen.is_dir() else _FILE_MODES, mode))


def _owner(root: Path, path: int, owner: int, _unused: int) -> None:
    chosen = _chosen(root, path)
    if chosen is not None:
        os.chown(chosen, _of(_OWNERS, owner), -1, follow_symlinks=False)


def _group(root: Path, path: int, group: int, _unused: int) -> None:
    chosen = _chosen(root, path)
    if chosen is not None:
        # who is not root may give it to a group of theirs
        groups = _OWNERS if os.geteuid() == 0 else sorted(os.getgroups()) or [os.getegid()]
        os.chown(chosen, -1, _of(groups, group), follow_symlinks=False)


def _attribute(root: Path, path: int, name: int, value: int) -> None:
    chosen = _chosen(root, path)
    if chosen is not None:
        os.setxattr(chosen, _of(_XATTRS, name), _of(_VALUES, value), follow_symlinks=False)


def _no_attribute(root: Path, path: int, name: int, _unused: int) -> None:
    chosen = _chosen(root, path)
    if chosen is not None:
        os.removexattr(chosen, _of(_XATTRS, name), follow_symlinks=False)


def _renamed(root: Path, path: int, folder: int, name: int) -> None:
    chosen = _chosen(root, path)
    free = _free(root, folder, name)
    if chosen is not None and chosen != root and not os.path.lexists(free):
        chosen.rename(free)


def _retargeted(root: Path, link: int, target: int, _unused: int) -> None:
    """Another target at the same time, by rename as ln(1) does."""
    chosen = _chosen(root, link, stat.S_IFLNK)
    if chosen is None:
        return
    held = chosen.lstat()
    (root / "new").symlink_to(_of(_TARGETS, target))
    os.utime(root / "new", ns=(held.st_atime_ns, held.st_mtime_ns), follow_symlinks=False)
    if os.geteuid() == 0:
        os.chown(root / "new", held.st_uid, held.st_gid, follow_symlinks=False)
    (root / "new").rename(chosen)


def _mtime(root: Path, path: int, mtime: int, _unused: int) -> None:
    chosen = _chosen(root, path)
    if chosen is not None:
        os.utime(chosen, ns=(0, _of(_MTIMES, mtime)), follow_symlinks=False)


def _removed(root: Path, path: int, _unused: int, _unused_too: int) -> None:
    chosen = _chosen(root, path)
    if chosen is None or chosen == root:
        return
    if chosen.is_dir() and not chosen.is_symlink():
        shutil.rmtree(chosen)
    else:
        chosen.unlink()


def _unlinked(root: Path, file: int, _unused: int, _unused_too: int) -> None:
    """A name of several becomes a file of its own, with the same content and attributes."""
    chosen = _chosen(root, file, stat.S_IFREG)
    if chosen is not None and chosen.stat().st_nlink > 1:
        shutil.copy2(chosen, root / "copy")
        (root / "copy").rename(chosen)


_T = t.TypeVar("_T")


def _of(choices: Sequence[_T], number: int) -> _T:
    return choices[number % len(choices)]


_STEPS: dict[str, _Folder] = {
    "add file": _add_file,
    "add folder": _add_folder,
    "add symlink": _add_symlink,
    "add hard link": _add_hard_link,
    "other content": _other_content,
    "other content, same size, same time": _flipped,
    "same content anew": _rewritten,
    "mode": _mode,
    "owner": _owner,
    "group": _group,
    "attribute": _attribute,
    "no attribute": _no_attribute,
    "rename": _renamed,
    "other target": _retargeted,
    "time": _mtime,
    "remove": _removed,
    "unlink": _unlinked,
}
