# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores in place of one folder to what another one is, and how they are killed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import stat
import subprocess
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _apply, _points, _tree
from ansible_collections.holdfast.config.tests.lab import describe

from . import ways
from .ways import MTIME

OURS, OTHERS = "1" * 16, "2" * 16
APP = "/etc/app"
Described = dict[str, dict[str, t.Any]]


def told(root: Path) -> Described:
    """What a folder is, by a witness that shares no code with the collection."""
    # holes are no content
    return {
        path: {key: value for key, value in what.items() if key != "data"}
        for path, what in describe.describe(str(root)).items()
    }


def copy(root: Path, to: Path) -> None:
    """Copy a folder with all that it is."""
    subprocess.run(["cp", "-a", "--", str(root), str(to)], check=True)


def same_times(root: Path) -> None:
    """Give all paths times of their own, which no restore would give them by chance."""
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, ns=(MTIME, MTIME + len(path.name)), follow_symlinks=False)
    os.utime(root, ns=(MTIME, MTIME))


def build_old(root: Path) -> None:
    """What is there: all kinds, and things in the way."""
    ways.build(root)
    app = root / "etc/app"
    (app / "to be a folder").write_bytes(b"a file")
    (app / "to be a file/inside").mkdir(parents=True)
    (app / "to be a file/inside/x").write_bytes(b"x")
    (app / "to be a link").write_bytes(b"a file")
    (app / "extra").write_bytes(b"extra")
    (app / "extra.d/below").mkdir(parents=True)
    (app / "extra.d/below/y").write_bytes(b"y")
    (app / "closed").mkdir()
    (app / "closed/same").write_bytes(b"same")
    (root / "etc/else").write_bytes(b"of others")
    same_times(root)


def build_new(root: Path) -> None:
    """What it is to be, made of what it was."""
    app = root / "etc/app"
    (app / "main.conf").unlink()
    (app / "main.conf").write_bytes(b"a = 2\n")
    (app / "big").write_bytes(b"x" * 9000 + bytes(20_000) + b"y")
    (app / "link").unlink()
    (app / "link").symlink_to("big")
    (app / "secret").chmod(0o440)
    (app / "to be a folder").unlink()
    (app / "to be a folder/deep/er").mkdir(parents=True)
    (app / "to be a folder/deep/er/file").write_bytes(b"new")
    (app / "to be a folder/deep/link").symlink_to("er")
    (app / "to be a folder/deep/er").chmod(0o500)
    shutil.rmtree(app / "to be a file")
    (app / "to be a file").write_bytes(b"a file now")
    (app / "to be a link").unlink()
    (app / "to be a link").symlink_to("/nowhere")
    (app / "extra").unlink()
    shutil.rmtree(app / "extra.d")
    (app / "new").write_bytes(b"new")
    os.link(app / "new", app / "conf.d/new too")
    (app / "closed").chmod(0o700)
    os.utime(app / "closed", ns=(MTIME, MTIME + 5))
    for name in ("to be a folder/deep/er", "to be a folder/deep", "to be a folder", "conf.d", "."):
        os.utime(app / name, ns=(MTIME, MTIME + 99))


def captured(root: Path, *paths: str) -> ways.Captured:
    """What there is to be sent of a folder."""
    return ways.Captured(_tree.answer(ways.capture_request(root, ways.component(*paths or (APP,)))))


@dataclasses.dataclass
class Bench:
    """A folder that stands for a host's root, and what its /etc/app is to become."""

    root: Path
    pristine: Path
    journal: Path
    old: Described
    new: Described
    entries: list[dict[str, t.Any]]
    payload: bytes
    remove: list[str]

    def again(self, folder: Path) -> Bench:
        """The same bench in another folder, as if nothing had happened to it."""
        folder.mkdir()
        copy(self.pristine, folder / "root")
        return dataclasses.replace(self, root=folder / "root", journal=folder / "journal")

    def points(self, folder: Path, *ops: str) -> list[str]:
        """The points that these come to, one after the other, on a bench like this."""
        made = self.again(folder)
        return points(lambda: [made.done(op) for op in ops])

    def request(self, op: str, restore: str = OURS, **more: t.Any) -> dict[str, t.Any]:
        """A request for this folder."""
        common = {"op": op, "journal": str(self.journal), "restore": restore, "run": "run 7 of joe", "lease": 60}
        if op in ("check", "apply"):
            common.update(root=str(self.root), entries=self.entries, remove=self.remove, replace_kinds=True)
        return {**common, **more}

    def ask(self, op: str, restore: str = OURS, **more: t.Any) -> dict[str, t.Any]:
        """Ask the half in this process."""
        return _apply.answer(self.request(op, restore, **more), self.payload if op == "apply" else b"")

    def done(self, op: str, restore: str = OURS, **more: t.Any) -> dict[str, t.Any]:
        """The answer where it is no error."""
        answer = self.ask(op, restore, **more)
        assert "error" not in answer, answer
        return answer

    def refused(self, kind: str, op: str = "apply", restore: str = OURS, **more: t.Any) -> dict[str, t.Any]:
        """The error where it is of that kind."""
        answer = self.ask(op, restore, **more)
        assert list(answer) == ["error"], answer
        assert answer["error"]["type"] == kind, answer
        return answer["error"]

    def killed(self, point: str, op: str = "apply", restore: str = OURS, **more: t.Any) -> bool:
        """Ask in a process of its own, which is killed at a point; whether it came to that point."""
        return killed(point, lambda: self.ask(op, restore, **more))

    def state(self) -> str:
        """``old`` or ``new``, or what differs from the old."""
        found = told(self.root)
        if found == self.old:
            return "old"
        if found == self.new:
            return "new"
        return f"not old: {difference(self.old, found)}; not new: {difference(self.new, found)}"

    def leftovers(self) -> list[str]:
        """Stage folders and journals."""
        stages = [str(path) for path in self.root.rglob(".holdfast-*")]
        return stages + sorted(map(str, self.journal.rglob("*")))

    def end_lease(self, restore: str = OURS) -> None:
        """Let its lease be over."""
        path = self.journal / restore / "lease.json"
        lease = json.loads(path.read_bytes())
        path.write_text(json.dumps({**lease, "until": 0}))


def difference(one: Mapping[str, t.Any], other: Mapping[str, t.Any]) -> dict[str, list[str]]:
    """Which paths differ, and in what."""
    found = {}
    for path in sorted({*one, *other}):
        here, there = one.get(path, {}), other.get(path, {})
        if here != there:
            found[path] = [key for key in sorted({*here, *there}) if here.get(key) != there.get(key)]
    return found


def killed(point: str, work: Callable[[], object], hook: Callable[[str], None] | None = None) -> bool:
    """Do something in a process of its own, which is killed at a point; whether it came to that point."""
    child = os.fork()
    if child == 0:
        status = 3
        try:

            def at(reached: str) -> None:
                if reached == point:
                    os.kill(os.getpid(), signal.SIGKILL)
                if hook is not None:
                    hook(reached)

            _points.at = at
            work()
            status = 0
        finally:
            os._exit(status)
    _pid, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def points(work: Callable[[], object]) -> list[str]:
    """The points that something comes to."""
    reached: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_points, "at", reached.append)
        work()
    return reached


def bench(folder: Path, old: Callable[[Path], None] = build_old, new: Callable[[Path], None] = build_new) -> Bench:
    """A new one, by what makes the old tree and what makes the new one of it."""
    root, wanted, pristine = folder / "root", folder / "wanted", folder / "pristine"
    root.mkdir()
    old(root)
    copy(root, wanted)
    copy(root, pristine)
    new(wanted)
    sent = captured(wanted)
    return Bench(
        root,
        pristine,
        folder / "journal",
        old=told(root),
        new=told(wanted),
        entries=sent.listing,
        payload=b"".join(sent.contents[entry["path"]] for entry in sent.listing if entry["kind"] == "file"),
        remove=sorted(captured(root).entries.keys() - sent.entries.keys()),
    )


def is_private(path: Path) -> bool:
    """Whether only its owner can do anything with it."""
    return stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0
