# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries that a restore is to write, checked, and their contents. Private to this collection."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re

from ._paths import READ, RefusedError, checked, checked_number, names_of, to_bytes

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

_KINDS = ("file", "dir", "symlink", "hardlink")
_PAGE = 4096
_ZEROS = bytes(_PAGE)
# nanoseconds: twice that is no time_t, and file systems know times that 64 bits of them do not hold
_LATEST = 10**9 << 62
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Entry:
    """One entry of the request, checked."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.path = checked(given["path"], str)
        self.kind = checked(given["kind"], str)
        self.names = names_of(self.path)
        self.part = checked_number(given["part"]) if given.get("part") is not None else None
        self.mode = checked_number(given["mode"]) & 0o7777
        self.uid = checked_number(given["uid"])
        self.gid = checked_number(given["gid"])
        self.user = checked(given.get("user", ""), str)
        self.group = checked(given.get("group", ""), str)
        self.mtime_ns = checked(given["mtime_ns"], int)
        self.size = checked_number(given.get("size", 0)) if self.kind == "file" else 0
        self.sha256 = checked(given.get("sha256", ""), str)
        self.target = checked(given.get("target", ""), str)
        self.xattrs = {
            checked(name, str): base64.b64decode(value, validate=True)
            for name, value in given.get("xattrs", {}).items()
        }
        self.links = 1
        if self.kind not in _KINDS:
            raise ValueError("is of an unknown kind")
        if self.kind == "file" and not _DIGEST.fullmatch(self.sha256):
            raise ValueError("has no digest")
        if self.kind in ("symlink", "hardlink") and not self.target:
            raise ValueError("has no target")
        texts = to_bytes("".join([self.target, self.user, self.group, *self.xattrs]))
        if b"\0" in texts or max(self.uid, self.gid) >= 1 << 32 or abs(self.mtime_ns) >= _LATEST:
            raise ValueError("has impossible attributes")

    def is_like(self, other: Entry) -> bool:
        """Whether the two would be the same on disk."""
        fields = ("kind", "mode", "uid", "gid", "user", "group", "size", "sha256", "target", "xattrs")
        return all(getattr(self, field) == getattr(other, field) for field in fields)


class Payload:
    """The contents, one after the other."""

    def __init__(self, source: t.Any, total: int) -> None:
        if isinstance(source, (bytes, bytearray, memoryview)):
            source = io.BytesIO(source)
        elif not source.seekable():
            # a pipe: it ends when the sender is done, and one byte too many is enough to know
            source = io.BytesIO(source.read(total + 1))
        self._source = source
        self._total = total
        start = source.tell()
        self.size = source.seek(0, os.SEEK_END) - start
        source.seek(start)

    def verify(self, entries: t.Iterable[Entry]) -> dict[str, tuple[int, int]]:
        """Compare the size and every digest; return where each file's content starts, and its bytes beside holes."""
        if self.size != self._total:
            more = "more" if self.size > self._total else "less"
            raise RefusedError(
                "payload", f"the payload holds {more} than the {self._total} bytes that the entries promise"
            )
        starts = {}
        for entry in entries:
            start = self._source.tell()
            dense = sum(len(run) for block in self.blocks(entry) for _at, run in runs_of(block))
            starts[entry.path] = start, dense
        return starts

    def at(self, start: int) -> None:
        """Go to where a content starts."""
        self._source.seek(start)

    def blocks(self, entry: Entry) -> t.Iterator[bytes]:
        """The content of one file in pieces; raises after the last one unless its digest is the entry's."""
        digest = hashlib.sha256()
        left = entry.size
        while left:
            block = self._source.read(min(READ, left))
            if not block:
                break
            left -= len(block)
            digest.update(block)
            yield block
        if left or digest.hexdigest() != entry.sha256:
            raise RefusedError("payload", f"the content of {entry.path} does not have its entry's digest", [entry.path])


class Room:
    """What is free of a file system, and what is to be written to it, in bytes."""

    def __init__(self, fs: os.statvfs_result) -> None:
        self._block = fs.f_frsize or _PAGE
        self.free = fs.f_bavail * self._block
        self.need = 0
        self.biggest = 0, ""
        # a file system that makes inodes as it goes says that it has none
        self.free_names = fs.f_favail if fs.f_files else None
        self.names = 0

    def take(self, path: str, size: int) -> None:
        """Count a file of that size."""
        self.need += -(-size // self._block) * self._block
        self.biggest = max(self.biggest, (size, path))


def runs_of(block: bytes) -> t.Iterator[tuple[int, memoryview]]:
    """What of a block is not pages of zeros, as runs of pages, each with its place in the block."""
    start = None
    for at in range(0, len(block), _PAGE):
        page = block[at : at + _PAGE]
        if page == _ZEROS[: len(page)]:
            if start is not None:
                yield start, memoryview(block)[start:at]
            start = None
        elif start is None:
            start = at
    if start is not None:
        yield start, memoryview(block)[start:]


def read_entries(given: t.Sequence[t.Any]) -> list[Entry]:
    """Check all entries; raises RefusedError of type hostile for the first that must not be written."""
    entries: dict[str, Entry] = {}
    for position, fields in enumerate(given):
        try:
            entry = Entry(fields)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            path = fields.get("path") if isinstance(fields, dict) else None
            named = path if isinstance(path, str) else f"number {position}"
            why = str(e) if e.__class__ is ValueError else "is malformed"
            raise RefusedError("hostile", f"entry {named} {why}", [named]) from e
        problem = _against(entry, entries)
        if problem:
            raise RefusedError("hostile", f"entry {entry.path} {problem}", [entry.path])
        if entry.kind == "hardlink":
            entries[entry.target].links += 1
        entries[entry.path] = entry
    for entry in entries.values():
        # once more, for folders that come after what is in them
        problem = _below(entry, entries)
        if problem:
            raise RefusedError("hostile", f"entry {entry.path} {problem}", [entry.path])
    return list(entries.values())


def _against(entry: Entry, earlier: t.Mapping[str, Entry]) -> str:
    if entry.path in earlier:
        return "is there twice"
    if entry.kind == "hardlink" and (entry.target not in earlier or earlier[entry.target].kind != "file"):
        return "is a hard link to no earlier file"
    return ""


def _below(entry: Entry, entries: t.Mapping[str, Entry]) -> str:
    parent = entry.path.rpartition("/")[0]
    while parent:
        if parent in entries and entries[parent].kind != "dir":
            return f"is below {parent}, which is no folder"
        parent = parent.rpartition("/")[0]
    return ""
