# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look at the controller: what runs all this, libraries, commands, the state directory, room. Nothing is written."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from .. import safe_yaml
from ..model.checkup import ERROR, OK, UNKNOWN, WARNING, Check, Library, interpreter
from ..model.checkup import runs as judge_runs
from ..model.checkup import tools as judge_tools
from . import run_folder
from .run_report import human

META = Path(__file__).parents[3] / "meta"
PYTHON = "3.11"
#: Libraries that every controller needs, and what for.
ALWAYS: Mapping[str, str] = {
    "cryptography": "every signature and key",
    "pyrage": "the encryption of every snapshot",
    "zstandard": "the compression of every snapshot",
}
# as Python imports them, where that is not their own name
_IMPORTED = {"python-dateutil": "dateutil", "rfc3161-client": "rfc3161_client", "shamir-mnemonic": "shamir_mnemonic"}
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+)")
_TOOLS = ("age", "zstd", "ssh-keygen")
# bytes that a run needs beside what it stores, and those below which the next one may fail
_LEAST_FREE = 16_000_000
_LITTLE_FREE = 256_000_000
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def python() -> list[Check]:
    """Whether Python is new enough."""
    return [interpreter("python", "Python", platform.python_version(), PYTHON)]


def ansible(found: str) -> list[Check]:
    """Whether ansible-core is new enough.

    :param found: its version.
    """
    wanted = safe_yaml.load((META / "runtime.yml").read_bytes())["requires_ansible"]
    return [interpreter("ansible", "ansible-core", found, str(wanted).removeprefix(">="))]


def libraries(needed: Mapping[str, str]) -> list[Library]:
    """What is there of the libraries that are needed, each loaded.

    :param needed: what each is needed for, by its name on a package index.
    """
    least = dict(_REQUIREMENT.findall((META / "ee-requirements.txt").read_text(encoding="utf-8")))
    return [_library(name, why, least.get(name, "0")) for name, why in needed.items()]


def _library(name: str, why: str, least: str) -> Library:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found = ""
    try:
        importlib.import_module(_IMPORTED.get(name, name))
    except (ImportError, OSError, AttributeError, SyntaxError, SystemError, TypeError, ValueError, RuntimeError) as e:
        # one that was built for another Python says so in its own words
        return Library(name, why, least, found, type(e).__name__)
    # installed by hand it may say nothing of itself
    return Library(name, why, least, found or UNKNOWN)


def tools(*, people: bool) -> list[Check]:
    """Whether the commands are there that people use by hand.

    :param people: the inventory names people who sign.
    """
    return [judge_tools([name for name in _TOOLS if shutil.which(name) is None], people=people)]


def state_dir(path: Path) -> list[Check]:
    """Whether runs can keep their folders there, and nobody else can look into them."""
    where = f"the state directory {path}"
    remedy = "Give it to the user who runs backups, or set HOLDFAST_STATE_DIR to another folder."
    for folder in (path / "runs", path):
        if not folder.is_dir():
            continue
        told = folder.stat()
        private = _OTHERS if folder.name == "runs" else _OTHERS_WRITE
        if told.st_uid != os.geteuid():
            return [Check("state_dir", ERROR, f"{folder} belongs to another user (uid {told.st_uid})", remedy)]
        if told.st_mode & private:
            mode = stat.S_IMODE(told.st_mode)
            return [Check("state_dir", ERROR, f"others can enter {folder} (mode {mode:04o})", f"chmod 0700 {folder}")]
    existing = _existing(path)
    if not existing.is_dir():
        return [Check("state_dir", ERROR, f"{where} cannot be made: {existing} is no folder", remedy)]
    if not _writable(path / "runs" if (path / "runs").is_dir() else existing):
        return [Check("state_dir", ERROR, f"{where} is not writable for uid {os.geteuid()}", remedy)]
    told_of = where if path.is_dir() else f"{where} is not there yet, and can be made"
    return [Check("state_dir", OK, told_of)]


def space(check: str, path: Path, *, last: int) -> list[Check]:
    """Whether a file system has room for another run.

    :param last: bytes that the last run stored, 0 where none is known.
    """
    found = os.statvfs(_existing(path))
    return [
        _room(check, path, free=found.f_bavail * found.f_frsize, last=last, full=found.f_files > 0 >= found.f_favail)
    ]


def _room(check: str, path: Path, *, free: int, last: int, full: bool) -> Check:
    remedy = "Make room, or enlarge the file system. Remove nothing of a repository by hand."
    told = f"{human(free)} free at {path}" + (f"; the last run stored {human(last)}" if last else "")
    if full:
        return Check(check, ERROR, f"no inodes are left at {path}: it takes no more files", remedy)
    if free < max(last, _LEAST_FREE):
        return Check(check, ERROR, told, remedy)
    if free < max(4 * last, _LITTLE_FREE):
        return Check(check, WARNING, told, remedy)
    return Check(check, OK, told)


def last_stored(path: Path) -> int:
    """How many bytes the newest run here stored; 0 where that is not known any more."""
    folders = sorted((path / "runs").glob("*"), key=lambda folder: folder.stat().st_mtime)
    for folder in reversed(folders):
        if run_folder.RUN_ID.fullmatch(folder.name):
            receipts = [
                one for point in run_folder.open_points(path, folder.name) for one in point.read_receipts().values()
            ]
            if receipts:
                return sum(stream.stored_bytes for receipt in receipts for stream in receipt.streams)
    return 0


def runs(path: Path, *, run: str) -> list[Check]:
    """What runs that have ended left unfinished.

    :param run: the id of this run, which goes on.
    """
    ended = run_folder.ended_points(path, keep=run)
    waiting = [point.run for point in ended if point.waits_for_store]
    killed = [
        point.run
        for point in ended
        if not point.waits_for_store and point.read_sealed() is None and not _said_its_end(point)
    ]
    return judge_runs(list(dict.fromkeys(killed)), list(dict.fromkeys(waiting)))


def _said_its_end(point: run_folder.PointFolder) -> bool:
    intent = point.read_intent()
    return intent is not None and bool(intent[1])


def _existing(path: Path) -> Path:
    """The path, or the nearest of its parents that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
