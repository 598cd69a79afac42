# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A branch of a repository: what it holds, and commits that are put on top of it, all or none.

What was fetched stays in a bare repository of this machine, which is a cache: it may be removed at any time. Commits
are made there and pushed. A push is refused by the other side where the branch has moved on meanwhile: who calls reads
it again and plans anew on top of that. The same commits on the same parent have the same ids, whoever makes them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import os
import re
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import MirrorError, NameRefusedError, PolicyError
from ..model.entry import folders_above
from .git import Git, Remote

POINT, REPOSITORY = "Holdfast-Point", "Holdfast-Repository"
COMMITTER = "holdfast.config <holdfast@holdfast.invalid>"
# git-check-ref-format(1), and less
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*")
_OID = re.compile(r"[0-9a-f]{40}")
_POINT = re.compile(r"[0-9a-f]{64}")
_REFUSED = (b"[rejected]", b"[remote rejected]")
# seconds, each twice the one before, some 15 in all: who holds a lock may push a lot over a slow line
_PAUSES = tuple(0.25 * 2**time for time in range(6))


@dataclasses.dataclass(frozen=True)
class Change:
    """One commit to make: files to write by path, paths to remove, who, when (UTC) and the whole message."""

    written: Mapping[str, bytes]
    removed: tuple[str, ...]
    author: str
    at: dt.datetime
    message: str


class Tree:
    """The files of a commit: the id of what each holds, by path.

    Some of them are the mirror's own: those it wrote before, and all that are written here. No other is ever found by
    :meth:`below` and :meth:`folders`.

    :param own: paths that the mirror wrote before, whether or not they are there still.
    """

    def __init__(self, files: Mapping[str, str], own: Collection[str] = frozenset()) -> None:
        self._ids: dict[str, str] = {}
        # own paths, by a folder at the top and one in it
        self._folders: dict[str, dict[str, set[str]]] = {}
        # how many files are below each folder
        self._above: Counter[str] = Counter()
        for path, oid in files.items():
            self._put(path, oid, own=path in own)

    def __contains__(self, path: str) -> bool:
        return path in self._ids

    @property
    def paths(self) -> Collection[str]:
        """All paths."""
        return self._ids.keys()

    def below(self, folder: str) -> set[str]:
        """The mirror's own paths below a folder that is in one at the top."""
        top, _slash, name = folder.partition("/")
        return set(self._folders.get(top, {}).get(name, ()))

    def folders(self, top: str) -> set[str]:
        """The names of the folders in a folder at the top that hold anything of the mirror's own."""
        return set(self._folders.get(top, ()))

    def change(self, wanted: Mapping[str, bytes], gone: Collection[str]) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """Write and remove; returns what of it was not so already: files by path, and paths that are no longer.

        A file that stands where a folder is to be, or the other way round, goes too.

        :raises NameRefusedError: a path that must not be in a repository.
        """
        for path in wanted:
            require_path(path)
        removed = {path for path in gone if path in self._ids and path not in wanted}
        removed |= {folder for path in wanted for folder in folders_above(path)} & self._ids.keys()
        for path in wanted.keys() & self._above.keys():
            removed |= {other for other in self._ids if other.startswith(f"{path}/")}
        written = {path: data for path, data in wanted.items() if self._ids.get(path) != blob_id(data)}
        for path in removed:
            self._drop(path)
        for path, data in written.items():
            self._put(path, blob_id(data), own=True)
        return written, tuple(sorted(removed))

    def _put(self, path: str, oid: str, *, own: bool) -> None:
        if path not in self._ids:
            self._above.update(folders_above(path))
        self._ids[path] = oid
        top, name, *rest = (*path.split("/"), "")
        if own and any(rest):
            self._folders.setdefault(top, {}).setdefault(name, set()).add(path)

    def _drop(self, path: str) -> None:
        del self._ids[path]
        for folder in folders_above(path):
            self._above[folder] -= 1
            if not self._above[folder]:
                del self._above[folder]
        top, name = (*path.split("/"), "")[:2]
        own = self._folders.get(top, {})
        own.get(name, set()).discard(path)
        if name in own and not own[name]:
            del own[name]


def blob_id(data: bytes) -> str:
    """The id that git gives a file of these bytes (gitformat-pack(5), object names)."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def require_path(path: str) -> None:
    """Raise NameRefusedError unless *path* is one that may stand in a repository, whatever checks it out."""
    names = path.split("/")
    if not path.isascii() or not path.isprintable() or path.startswith('"') or "\\" in path:
        raise NameRefusedError("is no path of a mirror", item=repr(path))
    if any(not name or name.startswith(".") or name.casefold().startswith("git~") for name in names):
        raise NameRefusedError("is no path of a mirror", item=repr(path))


@dataclasses.dataclass(frozen=True)
class Seen:
    """A branch as it was read: its newest commit, None where it has none, and the points of a repository in it.

    ``commits`` are those of these points. ``last`` is the newest of them and ``at`` when its point was sealed,
    ``first`` when the oldest one's was; None where there is none. ``others`` are other repositories that have commits.
    """

    head: str | None
    points: frozenset[str] = frozenset()
    last: str | None = None
    at: dt.datetime | None = None
    first: dt.datetime | None = None
    commits: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class Branch:
    """One branch of a mirror.

    :param cache: the folder that caches may be made in.
    :param pause: waits so many seconds until a push is tried again.
    :raises PolicyError: it is no name of a branch.
    """

    def __init__(self, remote: Remote, name: str, cache: Path, *, pause: Callable[[float], None] = time.sleep) -> None:
        if not _BRANCH.fullmatch(name) or name.endswith(".lock") or ".lock/" in name:
            raise PolicyError(f"{name!r} is no name of a branch", item="branch", remedy="Give one like main or master.")
        self.remote = remote
        self.name = name
        self._pause = pause
        place = hashlib.sha256(remote.url.encode()).hexdigest()[:32]
        self._git = Git(cache / f"{place}.git", remote)
        # refs of their own, so that two runs of one machine may share the cache
        self._ours = f"refs/holdfast/{secrets.token_hex(8)}"

    @contextlib.contextmanager
    def connected(self) -> Iterator[Branch]:
        """Make the cache where it is not there, and leave no ref of this run in it.

        :raises MirrorError: it cannot be made.
        :raises DependencyMissingError: there is no git that is new enough.
        """
        self._git.require()
        folder = self._git.folder
        try:
            if not (folder / "HEAD").exists():
                self._make()
        except OSError as e:
            raise MirrorError(
                f"the cache of the mirror cannot be made: {e.strerror}",
                item=str(folder),
                remedy="Remove it where it is there; else see state_dir.",
            ) from e
        try:
            yield self
        finally:
            for ref in (f"{self._ours}/seen", f"{self._ours}/new"):
                self._git.ended("update-ref", "-d", ref)

    def _make(self) -> None:
        """Make the cache beside its place and move it there whole: another run may do the same at this moment."""
        folder = self._git.folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-", ignore_cleanup_errors=True) as room:
            new = Path(room) / folder.name
            new.mkdir(mode=0o700)
            dataclasses.replace(self._git, folder=new).run(
                *("init", "--quiet", "--bare", "--template=", "--initial-branch=unused")
            )
            try:
                new.rename(folder)
            except OSError:
                if not (folder / "HEAD").exists():
                    raise

    def fetch(self) -> str | None:
        """Bring what the branch holds now; returns its newest commit, None where there is no such branch.

        :raises MirrorError: the repository is not there, or does not answer.
        """
        listed = self._git.run("ls-remote", "--heads", "--", self.remote.url, f"refs/heads/{self.name}").decode()
        if not listed.strip():
            return None
        self._git.run(
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
            *("--", self.remote.url, f"+refs/heads/{self.name}:{self._ours}/seen"),
        )
        return self._oid(f"{self._ours}/seen")

    def read(self, head: str | None, repository: str) -> Seen:
        """What its commits say of the points of *repository*.

        Anybody who can push can say so: it decides what is mirrored, and nothing else.
        """
        if head is None:
            return Seen(None)
        points: set[str] = set()
        others: set[str] = set()
        moments: list[tuple[int, str]] = []
        trailers = "%x00".join(f"%(trailers:key={key},valueonly,separator=%x2C)" for key in (REPOSITORY, POINT))
        # commits of others are of other mails
        printed = self._git.run(
            *("rev-list", "--fixed-strings", f"--committer={COMMITTER}", f"--format=%H%x00%at%x00{trailers}"),
            *(head, "--"),
        )
        for line in printed.decode("utf-8", "replace").splitlines():
            oid, _nul, rest = line.partition("\0")
            moment, _nul, told = rest.partition("\0")
            name, _nul, point = told.partition("\0")
            if not _OID.fullmatch(oid) or not _POINT.fullmatch(point) or not moment.isdecimal():
                continue
            if name != repository:
                others.add(name)
                continue
            points.add(point)
            moments.append((int(moment), oid))
        foreign = tuple(sorted(others))
        if not moments:
            return Seen(head, others=foreign)
        try:
            first, at = (dt.datetime.fromtimestamp(one[0], dt.timezone.utc) for one in (min(moments), max(moments)))
        except (ValueError, OverflowError, OSError) as e:
            raise MirrorError(
                "a commit of the mirror has a date that is none",
                item=self.remote.url,
                remedy="Mirror to a new branch, and find out who wrote that commit.",
            ) from e
        commits = tuple(oid for _moment, oid in moments)
        return Seen(head, frozenset(points), max(moments)[1], at, first, commits, foreign)

    def tree(self, head: str | None, commits: Sequence[str] = ()) -> Tree:
        """The files that a commit holds; the mirror's own are those that *commits* wrote."""
        if head is None:
            return Tree({})
        found = {}
        for one in self._git.run("ls-tree", "-r", "-z", "--full-tree", head).split(b"\0"):
            told, _tab, path = one.partition(b"\t")
            if path:
                found[os.fsdecode(path)] = told.split()[2].decode("ascii")
        return Tree(found, self._written(commits))

    def note(self, of: str) -> Path:
        """Where this machine keeps a note of what *of* names."""
        name = hashlib.sha256(f"{self.name}\0{of}".encode("utf-8", "surrogateescape")).hexdigest()
        return self._git.folder / "holdfast" / f"{name}.json"

    def _written(self, commits: Sequence[str]) -> set[str]:
        if not commits:
            return set()
        told = self._git.run(
            *("diff-tree", "--stdin", "--root", "-r", "-z", "--no-renames", "--no-commit-id", "--name-status"),
            data=[b"%s\n" % oid.encode("ascii") for oid in commits],
        ).split(b"\0")
        return {os.fsdecode(path) for what, path in zip(told[::2], told[1::2], strict=False) if what != b"D"}

    def push(self, head: str | None, changes: Sequence[Change]) -> str | None:
        """Put commits on top of *head* and make them the branch; returns the newest, None where it has moved on.

        :raises MirrorError: the other side does not take them.
        """
        new = f"{self._ours}/new"
        self._git.run("fast-import", "--quiet", "--force", "--done", data=_stream(new, head, changes))
        made = self._oid(new)
        for seconds in (*_PAUSES, None):
            # without force: what is no descendant of the branch is refused, and so is who comes second
            code, printed, said = self._git.ended(
                *("push", "--porcelain", "--no-verify", "--no-signed", *self._git.receiving()),
                *("--", self.remote.url, f"{new}:refs/heads/{self.name}"),
            )
            if code == 0:
                return made
            if not any(mark in printed + said for mark in _REFUSED):
                break
            if self.fetch() != head:
                return None
            # another one holds the lock of the branch, and has not moved it yet
            if seconds is not None:
                self._pause(seconds)
        raise self._git.failed("push", said + printed)

    def _oid(self, ref: str) -> str:
        return self._git.run("rev-parse", "--verify", "--quiet", "--end-of-options", ref).decode("ascii").strip()


def _stream(ref: str, head: str | None, changes: Sequence[Change]) -> Iterator[bytes]:
    """Commits as git-fast-import(1) reads them, what is removed before what is written."""
    yield f"reset {ref}\n".encode()
    if head is not None:
        yield f"from {head}\n\n".encode()
    for change in changes:
        moment = f"{int(change.at.timestamp())} +0000"
        yield f"commit {ref}\nauthor {change.author} {moment}\ncommitter {COMMITTER} {moment}\n".encode()
        yield _data(change.message.encode())
        yield b"".join(b"D %s\n" % _quoted(path) for path in change.removed)
        for path, data in sorted(change.written.items()):
            yield b"M 100644 inline %s\n%s" % (path.encode("ascii"), _data(data))
        yield b"\n"
    yield b"done\n"


def _data(data: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(data), data)


def _quoted(path: str) -> bytes:
    """A path as git-fast-import(1) reads one that may hold any byte: what others commit may be named anyhow."""
    plain = (chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03o}" for byte in os.fsencode(path))
    return f'"{"".join(plain)}"'.encode("ascii")
