# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packs (format.md section 4): what is in the tar, and which tars are believed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence

from ..errors import HostileArchiveError, IntegrityError
from ..model.content import ComponentContent
from ..model.entry import Entry, EntryKind
from ..seal import tar
from . import canonical, entries

FILES = ".holdfast/files.json"
SUMS = "SHA256SUMS"
GUIDE = "RESTORE.md"
_OWN = (GUIDE, SUMS, FILES)

_GUIDE_TEXT = """\
# How to restore this by hand

This is one snapshot of {stream} of {host}, captured {captured_at}. It needs `age`, `zstd`, `tar` and `sha256sum`, and
nothing else.

1. Open it with the escrow identity file of its class and year (or with the pack's own identity, unwrapped from its
manifest):

       age -d -i identities.txt PACK.tar.zst.age | zstd -d | tar -x -p --xattrs --xattrs-include='*' -C DIRECTORY

2. Check every file: `cd DIRECTORY && sha256sum -c SHA256SUMS`
3. The files of a component stand below `COMPONENT/rootfs/` at their path on the host; owners, modes and times were set
by tar where it
   ran as root. `.holdfast/files.json` lists every attribute.
"""


@dataclasses.dataclass(frozen=True)
class PackedComponent:
    """A component out of a pack whose every byte agreed with its ``files.json``."""

    name: str
    entries: tuple[Entry, ...]
    contents: Mapping[str, bytes]


@dataclasses.dataclass(frozen=True)
class Pack:
    """An opened pack."""

    host: str
    stream: str
    captured_at: dt.datetime
    components: tuple[PackedComponent, ...]


@dataclasses.dataclass(frozen=True)
class _Member:
    """What the tar writer asks of a member (seal.tar.Member)."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    user: str
    group: str
    mtime_ns: int
    size: int
    target: str
    xattrs: Mapping[str, bytes]


def write(
    *, host: str, stream: str, captured_at: dt.datetime, parts: Sequence[ComponentContent]
) -> tuple[list[bytes], int]:
    """Build the tar of a snapshot; returns its bytes, in pieces, and the number of its members."""
    members = [pair for part in parts for pair in _component_members(part)]
    guide = _GUIDE_TEXT.format(host=host, stream=stream, captured_at=canonical.moment(captured_at)).encode()
    files = canonical.dump(
        {
            **canonical.header("files", None),
            "host": host,
            "stream": stream,
            "captured_at": canonical.moment(captured_at),
            "components": [
                {"name": part.component.name, "entries": [entries.write_plain(entry) for entry in part.entries]}
                for part in parts
            ],
        }
    )
    sums = b"".join(
        _sum_line(name, data)
        for name, data in [(GUIDE, guide), (FILES, files), *((m.path, d) for m, d in members if m.kind == "file")]
    )
    own = [(GUIDE, guide), (SUMS, sums), (FILES, files)]
    mtime_ns = int(captured_at.timestamp()) * 10**9
    everything = [(_own_member(name, len(data), mtime_ns), data) for name, data in own] + members
    return tar.pieces(everything), len(everything)


def read(data: bytes, *, max_members: int, max_bytes: int, what: str) -> Pack:
    """Open a tar: every member is one that ``files.json`` lists, with its size and digest, and nothing else is there.

    :raises HostileArchiveError: members that must not be written, or that are not listed.
    :raises IntegrityError: damaged, or bytes that do not have their listed digest.
    """
    found = {member.path: member for member in tar.read(data, max_members=max_members, max_bytes=max_bytes)}
    for name in _OWN:
        if name not in found or found[name].kind != "file":
            raise IntegrityError(f"holds no file {name}", item=what)
    fields = canonical.expect(canonical.load(found[FILES].content, what=what), "files", what=what)
    components = []
    listed = set(_OWN)
    for part in fields.each("components", lambda f: f):
        name = part.text("name")
        packed = part.each("entries", entries.read_plain)
        contents: dict[str, bytes] = {}
        for entry in packed:
            path = _archive_path(name, entry.path)
            if path in listed:
                raise HostileArchiveError("lists a member twice", item=what)
            listed.add(path)
            contents.update(_matching(found.get(path), name, entry, what))
        components.append(PackedComponent(name, packed, contents))
    if set(found) != listed:
        raise HostileArchiveError(f"holds members that {FILES} does not list", item=what)
    return Pack(fields.text("host"), fields.text("stream"), fields.moment("captured_at"), tuple(components))


def _matching(member: tar.ReadMember | None, component: str, entry: Entry, what: str) -> Iterator[tuple[str, bytes]]:
    target = _archive_path(component, entry.target) if entry.kind is EntryKind.HARDLINK else entry.target
    if member is None or member.kind != entry.kind.value or member.target != target:
        raise IntegrityError(f"does not hold a member as {FILES} lists it", item=what)
    if entry.kind is EntryKind.FILE:
        if len(member.content) != entry.size or hashlib.sha256(member.content).hexdigest() != entry.sha256:
            raise IntegrityError("holds a file whose digest is not the listed one", item=what)
        yield entry.path, member.content


def _component_members(part: ComponentContent) -> Iterator[tuple[_Member, bytes]]:
    name = part.component.name
    for entry in part.entries:
        content = part.contents[entry.path] if entry.kind is EntryKind.FILE else b""
        target = _archive_path(name, entry.target) if entry.kind is EntryKind.HARDLINK else entry.target
        member = _Member(
            path=_archive_path(name, entry.path),
            kind=entry.kind.value,
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            user=entry.user,
            group=entry.group,
            mtime_ns=entry.mtime_ns,
            size=len(content),
            target=target,
            xattrs=entry.xattrs,
        )
        yield member, content


def _archive_path(component: str, path: str) -> str:
    return f"{component}/rootfs{path}"


def _own_member(name: str, size: int, mtime_ns: int) -> _Member:
    return _Member(name, "file", 0o600, 0, 0, "", "", mtime_ns, size, "", {})


def _sum_line(name: str, data: bytes) -> bytes:
    # coreutils marks a line whose name it had to escape by a leading backslash
    raw = os.fsencode(name)
    escaped = raw.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"\\" if escaped != raw else b""
    return mark + hashlib.sha256(data).hexdigest().encode() + b"  " + escaped + b"\n"
