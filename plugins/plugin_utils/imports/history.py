# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The history of a git repository that another tool keeps: read by plumbing alone, whatever it is set up to do.

No hook, filter, external diff, alias or server of the repository is ever run or asked (git-config(1)); objects that it
lacks are lacking.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import os
import re
import signal
import subprocess
import tempfile
import threading
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import CaptureError, DependencyMissingError, PolicyError, TooLargeError
from ..mirror.git import Git, Remote
from ..model.redaction import visible
from .base import Limits, Reader, moment

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}")
_RAW = re.compile(rb":[0-7]{6} ([0-7]{6}) [0-9a-f]+ ([0-9a-f]+) ([A-Z])[0-9]*")
_LISTED = re.compile(rb"([0-7]{6}) ([a-z]+) ([0-9a-f]+) +([0-9]+|-)\t(.+)", re.DOTALL)
_AUTHOR = 200
# what one command may print: trees that hold themselves many times over have no end (git-ls-tree(1), -r)
_MOST_PRINTED = 64 * 1024 * 1024
_MOST_SAID = 4096
_FSCK = "Look at the repository with git fsck."
FILES = ("100644", "100755")
LINK = "120000"


@dataclasses.dataclass(frozen=True)
class Commit:
    """A commit, when it was made and by whom."""

    oid: str
    at: dt.datetime
    author: str


@dataclasses.dataclass(frozen=True)
class Blob:
    """A file or link of a commit. ``path`` is decoded with ``surrogateescape``, ``size`` is in bytes."""

    path: str
    mode: str
    oid: str
    size: int = 0


class History(Git):
    """Reads one repository, with a work tree or without.

    :param path: its folder.
    :raises PolicyError: it is no repository of git, or does not hold all of it.
    """

    def __init__(self, path: Path, limits: Limits, *, timeout: float = 300.0) -> None:
        found = git_dir(path)
        if found is None:
            raise PolicyError(
                "is no git repository", item=str(path), remedy="Give the folder that holds .git, or a bare repository."
            )
        # such files, which whoever writes to it may make, would show what is in another repository of this machine
        for name in ("objects/info/alternates", "commondir"):
            if os.path.lexists(found / name):
                raise PolicyError(
                    f"the repository takes from another one what it does not hold itself: {name}",
                    item=str(path),
                    remedy="Clone it with git clone --no-local, and import the clone.",
                )
        super().__init__(found, Remote(str(found), timeout=timeout))
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def commits(self, branch: str, *, since: dt.datetime | None, skip: Callable[[str, str], None]) -> list[Commit]:
        """The commits of a branch by first parents, oldest first.

        :param since: older ones are left out.
        :param skip: told of each commit whose time is none, and why.
        :raises PolicyError: there is no such branch, or it has too many of them.
        :raises CaptureError: git does not tell.
        """
        if not _BRANCH.fullmatch(branch) or ".." in branch:
            raise PolicyError(f"{branch!r} is no name of a branch", item="branch", remedy="Give one, like master.")
        code, told, _said = self.ended("rev-parse", "--verify", "--quiet", "--end-of-options", f"{branch}^{{commit}}")
        head = told.decode("ascii", "replace").strip()
        if code or not _OID.fullmatch(head):
            raise PolicyError(
                f"the repository has no branch {branch}", item=str(self.folder), remedy="Give its name in branch."
            )
        most = self.limits.versions
        printed = self._asked(
            *("log", "-z", "--first-parent", "--no-show-signature", f"--max-count={most + 1}"),
            *("--format=%H%x00%ct%x00%an <%ae>", head),
        )
        fields = printed.decode("utf-8", "backslashreplace").split("\0")
        found = []
        for oid, seconds, author in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
            at = moment(int(seconds)) if seconds.isdecimal() and len(seconds) < 13 else None
            if at is None:
                skip(oid[:12], "its time is none")
            elif _OID.fullmatch(oid):
                found.append(Commit(oid, at, visible(author)[:_AUTHOR]))
        if len(found) > most:
            raise PolicyError(
                f"the branch has more than {most:,} commits", item=str(self.folder), remedy="Import it in parts."
            )
        found.reverse()
        return [one for one in found if since is None or one.at >= since]

    def changed(self, commits: list[Commit]) -> Iterator[tuple[str, list[Blob]]]:
        """For each of the commits, by id, the files and links that it added or changed against its first parent."""
        asked = "".join(f"{one.oid}\n" for one in commits).encode()
        printed = self._asked(
            *("diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames", "--no-ext-diff", "--no-textconv"),
            *("--diff-merges=first-parent", "--ignore-submodules=all", "--no-abbrev"),
            data=asked,
        )
        fields = iter(printed.split(b"\0"))
        commit = ""
        blobs: list[Blob] = []
        for field in fields:
            # of a merge the id is there once more, for each parent
            if _OID.fullmatch(field.decode("ascii", "replace").strip()):
                oid = field.decode("ascii").strip()
                if oid != commit:
                    if commit:
                        yield commit, blobs
                    commit, blobs = oid, []
                continue
            told = _RAW.fullmatch(field)
            if told is None:
                continue
            path = os.fsdecode(next(fields, b""))
            mode = told[1].decode()
            if told[3] != b"D" and mode in (*FILES, LINK):
                blobs.append(Blob(path, mode, told[2].decode()))
        if commit:
            yield commit, blobs

    def names(self, commit: str) -> list[str]:
        """The paths of all files of a commit."""
        printed = self._asked("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
        return [os.fsdecode(field) for field in printed.split(b"\0") if field]

    def tree(self, commit: str) -> tuple[list[Blob], list[str]]:
        """All files and links of a commit, and the paths of what is neither, such as submodules.

        :raises TooLargeError: they are more, or larger together, than a version may be.
        """
        printed = self._asked("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
        found, others = [], []
        for field in printed.split(b"\0"):
            told = _LISTED.fullmatch(field)
            if told is None:
                # the size of what is not there is BAD (git-ls-tree(1)), and the last field is empty
                if field:
                    raise CaptureError("the repository lacks an object of a commit", item=commit[:12], remedy=_FSCK)
                continue
            path, mode = os.fsdecode(told[5]), told[1].decode()
            if told[2] == b"blob" and mode in (*FILES, LINK):
                found.append(Blob(path, mode, told[3].decode(), int(told[4])))
            else:
                others.append(path)
        self._require(len(found) <= self.limits.version_entries, f"holds more than {self.limits.version_entries} files")
        most = self.limits.version_bytes
        self._require(sum(one.size for one in found) <= most, f"holds more than {most} bytes")
        return found, others

    def blob(self, oid: str) -> bytes:
        """The bytes of a file.

        :raises CaptureError: the repository lacks it; TooLargeError where it is larger than a version may be.
        """
        process = self._reading()
        if process.stdin is None or process.stdout is None:
            raise CaptureError("git does not give an object", item=oid)
        timer = threading.Timer(self.remote.timeout, process.kill)
        timer.start()
        try:
            process.stdin.write(f"{oid}\n".encode())
            process.stdin.flush()
            header = process.stdout.readline(200).split()
            if len(header) != 3 or header[1] != b"blob" or not header[2].isdigit():
                raise CaptureError("the repository lacks an object, or it is no file", item=oid)
            size = int(header[2])
            self._require(size <= self.limits.version_bytes, f"holds more than {self.limits.version_bytes} bytes", oid)
            data = process.stdout.read(size + 1)
        except OSError as e:
            raise CaptureError("git does not give an object", item=oid) from e
        finally:
            timer.cancel()
        if len(data) != size + 1:
            raise CaptureError("git does not give an object whole", item=oid)
        return data[:size]

    def close(self) -> None:
        """End the process that reads objects; never raises."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        self._process.wait()
        self._process = None

    def _require(self, holds: bool, problem: str, item: str | None = None) -> None:
        if not holds:
            # what is left of the answer is not read
            self.close()
            raise TooLargeError(
                f"a version {problem}",
                item=item or str(self.folder),
                remedy="Raise max_version_bytes, or leave it out.",
            )

    def _reading(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = self._started("cat-file", "--batch", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return self._process

    def _asked(self, *args: str, data: bytes = b"") -> bytes:
        """What a command prints on reading *data*; raises CaptureError, TooLargeError where it prints too much."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(data)
            given.seek(0)
            process = self._started(*args, stdin=given, stderr=said)
            timer = threading.Timer(self.remote.timeout, process.kill)
            timer.start()
            with process:
                printed = t.cast("t.IO[bytes]", process.stdout).read(_MOST_PRINTED + 1)
                if len(printed) > _MOST_PRINTED:
                    process.kill()
            timer.cancel()
            said.seek(0)
            told = said.read(_MOST_SAID)
        if len(printed) > _MOST_PRINTED:
            remedy = "Import it in parts, if it is what it should be."
            raise TooLargeError("holds more files, or commits, than can be read", item=str(self.folder), remedy=remedy)
        if process.returncode:
            late = process.returncode == -signal.SIGKILL
            why = f"git {args[0]} did not end in time" if late else self.failed(args[0], told).message
            raise CaptureError(why, item=str(self.folder), remedy=_FSCK)
        return printed

    def _started(self, *args: str, stdin: t.Any, stderr: t.Any) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*self._command(), *args],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self._environment(),
                cwd="/",
                start_new_session=True,
            )
        except FileNotFoundError as e:
            remedy = "Install git."
            raise DependencyMissingError("git is not installed on the controller", item="git", remedy=remedy) from e

    def _settings(self) -> list[str]:
        # a folder is read: there is nobody to be asked for what it lacks
        return [
            *(one for one in super()._settings() if not one.startswith("protocol.")),
            *("protocol.allow=never", "core.pager=cat", "core.attributesFile=/dev/null", "log.showSignature=false"),
            *("core.alternateRefsCommand=", "diff.external=", "core.quotePath=true", "core.commitGraph=false"),
            *("log.mailmap=false", "i18n.logOutputEncoding=UTF-8"),
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **super()._environment(),
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
        }


def git_dir(path: Path) -> Path | None:
    """The folder of a repository that stands at *path*, None where none does; a file that leads elsewhere is none."""
    for folder in (path / ".git", path):
        objects = folder / "objects"
        linked = folder.is_symlink() or objects.is_symlink()
        if not linked and objects.is_dir() and (folder / "HEAD").is_file():
            return folder.absolute()
    return None


class GitReader(Reader):
    """A source that is a repository of git, or may be one."""

    def close(self) -> None:
        """End git."""
        if "_history" in vars(self):
            self._history.close()

    @functools.cached_property
    def _history(self) -> History:
        return History(self.path, self.limits)
