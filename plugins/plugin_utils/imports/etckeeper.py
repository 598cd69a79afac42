# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's /etc as etckeeper keeps it in git: each commit is all of it.

Git knows neither modes nor owners nor empty folders: the file ``.etckeeper`` does, a script of lines ``maybe chmod``,
``maybe chown``, ``maybe chgrp`` and ``mkdir -p`` (etckeeper, pre-commit.d/30store-metadata). It is read, never run.
Owners are names there; what it does not name is root's, since etckeeper writes owners that are not who ran it. Extended
attributes and times are not kept by etckeeper; hard links become files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shlex
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..errors import FormatError, TooLargeError
from ..model.entry import Entry, EntryKind, folders_above
from .base import COMMIT, NOBODY, Tree, Version, in_bounds, ordered_tree
from .history import LINK, Blob, GitReader

FOLDER = "/etc"
METADATA = ".etckeeper"
MARKS = ("times, extended attributes and hard links are not known to etckeeper",)
_NO_METADATA = "modes and owners are not known: there is no .etckeeper"
_UNREAD = "{count} lines of .etckeeper were not understood"
_MODE = re.compile(r"[0-7]{3,5}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}\$?")
_MOST_METADATA = 32 * 1024 * 1024
# shlex takes the square of it
_LONGEST_LINE = 16 * 1024


@dataclasses.dataclass
class Known:
    """What ``.etckeeper`` says of one path below /etc; None where it says nothing."""

    mode: int | None = None
    user: str | None = None
    group: str | None = None
    folder: bool = False


class Etckeeper(GitReader):
    """One host's /etc."""

    tool = "etckeeper"

    def versions(self) -> list[Version]:
        """Each commit."""
        host = self.names.alone(self.path, self.tool)
        commits = self._history.commits(self.branch, since=self.since, skip=self.skip)
        component = self.component
        return self.ordered(
            [Version(host, component, one.at, COMMIT, one.oid, one.oid[:12], one.author) for one in commits]
        )

    def read(self, version: Version) -> Tree:
        """All of /etc as it was committed."""
        blobs, others = self._history.tree(version.source)
        contents = {f"{FOLDER}/{blob.path}": self._history.blob(blob.oid) for blob in blobs}
        known, marks = _metadata(contents.get(f"{FOLDER}/{METADATA}"))
        mtime_ns = int(version.at.timestamp()) * 10**9
        entries = _entries(blobs, contents, known, mtime_ns, self.limits.version_entries)
        if others:
            marks = (*marks, f"{len(others)} submodules are left out")
        files = {path: contents[path] for path, entry in entries.items() if entry.kind is EntryKind.FILE}
        return Tree((FOLDER,), ordered_tree(entries), files, marks)


def parsed(script: bytes) -> tuple[dict[str, Known], int]:
    """What ``.etckeeper`` says of each path below /etc, empty for /etc itself, and how many lines say nothing."""
    known: dict[str, Known] = {}
    unread = 0
    for line in script.decode("utf-8", "surrogateescape").split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            words = shlex.split(line) if len(line) <= _LONGEST_LINE else []
        except ValueError:
            words = []
        if not _take(known, words):
            unread += 1
    return known, unread


def _take(known: dict[str, Known], words: Sequence[str]) -> bool:
    """Take one line in; False where it is none that etckeeper writes for git."""
    if len(words) == 3 and words[:2] == ["mkdir", "-p"]:
        path = _path(words[2])
        if path is not None:
            known.setdefault(path, Known()).folder = True
        return path is not None
    if len(words) != 4 or words[0] != "maybe":
        return False
    path = _path(words[3])
    if path is None:
        return False
    what, value = words[1:3]
    found = known.get(path, Known())
    if what == "chmod" and _MODE.fullmatch(value):
        found.mode = int(value, 8) & 0o7777
    elif what == "chown" and _ACCOUNT.fullmatch(value):
        found.user = value
    elif what == "chgrp" and _ACCOUNT.fullmatch(value):
        found.group = value
    else:
        return False
    known[path] = found
    return True


def _path(text: str) -> str | None:
    """A path below /etc as etckeeper spells it, without its leading dot; None for one that no walk gives."""
    if text == ".":
        return ""
    path = text.removeprefix("./")
    return None if {"", ".", ".."} & set(path.split("/")) or "\0" in path or not in_bounds(path) else path


def _metadata(script: bytes | None) -> tuple[Mapping[str, Known], tuple[str, ...]]:
    if script is None or len(script) > _MOST_METADATA:
        return {}, (*MARKS, _NO_METADATA)
    known, unread = parsed(script)
    return known, (*MARKS, *([_UNREAD.format(count=unread)] if unread else []))


def _entries(
    blobs: Sequence[Blob], contents: Mapping[str, bytes], known: Mapping[str, Known], mtime_ns: int, most: int
) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for blob in blobs:
        path = f"{FOLDER}/{blob.path}"
        if {"", ".", ".."} & set(blob.path.split("/")) or not in_bounds(blob.path):
            raise FormatError("a commit holds a path that no walk would give", item=repr(path))
        data = contents[path]
        told = _owned(known.get(blob.path, Known()), mtime_ns)
        if blob.mode == LINK:
            target = data.decode("utf-8", "surrogateescape")
            if not target or "\0" in target:
                raise FormatError("a commit holds a link that leads nowhere", item=repr(path))
            found[path] = Entry(path=path, kind=EntryKind.SYMLINK, target=target, **{**told, "mode": 0o777})
        else:
            told["mode"] = (0o755 if blob.mode == "100755" else 0o644) if told["mode"] is None else told["mode"]
            sha256 = hashlib.sha256(data).hexdigest()
            found[path] = Entry(path=path, kind=EntryKind.FILE, size=len(data), sha256=sha256, **told)
    for folder in _folders(found, known):
        told = _owned(known.get(folder.removeprefix(FOLDER).strip("/"), Known()), mtime_ns)
        told["mode"] = 0o755 if told["mode"] is None else told["mode"]
        other = found.setdefault(folder, Entry(path=folder, kind=EntryKind.DIRECTORY, **told))
        if other.kind is not EntryKind.DIRECTORY:
            raise FormatError("a commit holds a path below what is no folder", item=repr(folder))
        if len(found) > most:
            raise TooLargeError(f"a version holds more than {most} files and folders", item=METADATA)
    return found


def _folders(entries: Mapping[str, Entry], known: Mapping[str, Known]) -> Iterator[str]:
    empty = [f"{FOLDER}/{path}" if path else FOLDER for path, told in known.items() if told.folder]
    seen: set[str] = set()
    for path in (f"{FOLDER}/", *entries, *(f"{path}/" for path in empty)):
        new = [folder for folder in folders_above(path) if folder not in seen]
        seen.update(new)
        yield from new


def _owned(known: Known, mtime_ns: int) -> dict[str, t.Any]:
    user, uid = _account(known.user)
    group, gid = _account(known.group)
    return {"mode": known.mode, "uid": uid, "gid": gid, "user": user, "group": group, "mtime_ns": mtime_ns}


def _account(name: str | None) -> tuple[str, int]:
    """Name and number of an account; a name whose number nobody knows has that of nobody."""
    if name is None or name == "root":
        return "root", 0
    if name.isdecimal():
        return "", min(int(name), 2**32 - 2)
    return name, NOBODY
