# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PAX archives (POSIX.1-2001 pax, IEEE Std 1003.1 "pax Interchange Format") in memory, strict both ways.

The header blocks are tarfile's. Its reader and writer are not used: the reader takes a damaged header for the end of
the archive and follows extensions that are never written here; the writer keeps mtime as a float, which loses
nanoseconds, and marks binary values with ``hdrcharset``, of which GNU tar complains. So names and values stand as raw
bytes, as GNU tar writes them, and all attributes but the mode in PAX records, where nothing is too long or too large.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tarfile
import typing as t
from collections.abc import Iterable, Mapping

from ..errors import HostileArchiveError, IntegrityError

_TYPES = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
}
_KINDS = {type_: kind for kind, type_ in _TYPES.items()}
_LINKS = ("symlink", "hardlink")
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
_LENGTH = re.compile(rb"([0-9]{1,18}) ")
# Twice Linux's PATH_MAX: longer names restore nowhere, and checking all parents of a name is quadratic in its length.
_LONGEST_NAME = 8192


class Member(t.Protocol):
    """What goes into an archive beside the content.

    ``path`` (the name in the archive), ``target``, ``user``, ``group`` and the names in ``xattrs`` are bytes decoded as
    UTF-8 with ``surrogateescape``. ``kind`` is ``file``, ``dir``, ``symlink`` or ``hardlink``; ``target`` is the text
    of a symlink, or the archive name of an earlier file. ``size`` (bytes) is that of a file's content.
    """

    @property
    def path(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def mode(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def user(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def target(self) -> str: ...
    @property
    def xattrs(self) -> Mapping[str, bytes]: ...


@dataclasses.dataclass(frozen=True)
class ReadMember:
    """One member of an archive that was read. Attributes are not read back: a pack's files.json holds them."""

    path: str
    kind: str
    size: int
    target: str
    content: bytes = dataclasses.field(repr=False)


def write(members: Iterable[tuple[Member, bytes]]) -> bytes:
    """Return an archive as :func:`pieces` gives it, as a whole."""
    return b"".join(pieces(members))


def pieces(members: Iterable[tuple[Member, bytes]]) -> list[bytes]:
    """Return an archive of members and their contents, in the order given; equal input gives equal bytes.

    It comes in pieces, to be taken one after the other: a content stands in it as it was given, without a copy.

    :raises HostileArchiveError: a member that :func:`read` would refuse.
    :raises IntegrityError: the content is not of the size that the member states.
    """
    names = _Names()
    parts: list[bytes] = []
    for member, content in members:
        path, target = _bytes(member.path), _bytes(member.target)
        names.admit(_text(path), member.kind, _text(target))
        if len(content) != (member.size if member.kind == "file" else 0):
            raise IntegrityError("the content does not have the size stated for it", item=repr(member.path))
        records = b"".join(_record(keyword, value) for keyword, value in _attributes(member, path, target))
        parts += [_extended(len(records)), records, _padding(records)]
        parts += [_header(member, len(content)), content, _padding(content)]
    return [*parts, _END]


@functools.lru_cache(maxsize=4096)
def _extended(size: int) -> bytes:
    """The header before a member's own, which differs by the size of its records alone."""
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, size
    return header.tobuf(tarfile.USTAR_FORMAT)


def read(data: bytes, *, max_members: int, max_bytes: int) -> list[ReadMember]:
    """Return every member of an archive, or raise: nothing of a refused archive is given out.

    Names are relative, without ``..``, empty or ``.`` segments, unique, and below directories only; hard links lead to
    an earlier file of the archive. Symlink targets may be anything: who writes them never follows them.

    :param max_members: the most members the archive may have.
    :param max_bytes: the most bytes all contents may have together.
    :raises HostileArchiveError: a member that must not be written, named as ``item``, or more than the limits.
    :raises IntegrityError: damaged or cut off.
    """
    names = _Names()
    found: list[ReadMember] = []
    left = max_bytes
    offset = 0
    records: dict[bytes, bytes] = {}
    while data[offset : offset + _BLOCK] != _END[:_BLOCK]:
        try:
            info = tarfile.TarInfo.frombuf(data[offset : offset + _BLOCK], "utf-8", "surrogateescape")
        except tarfile.HeaderError as e:
            raise _damaged(offset) from e
        offset += _BLOCK
        if info.type == tarfile.XHDTYPE:
            if records or not 0 < info.size <= len(data) - offset:
                raise _damaged(offset)
            records = _records(data[offset : offset + info.size], offset)
            offset += _blocks(info.size)
            continue
        kind, path, target, size = _described(info, records, offset)
        records = {}
        names.admit(path, kind, target)
        if kind != "file" and size:
            raise HostileArchiveError("the archive gives content to a member that is not a file", item=repr(path))
        left -= size
        if left < 0:
            raise HostileArchiveError(f"the archive holds more than {max_bytes} bytes", item=repr(path))
        if len(found) == max_members:
            raise HostileArchiveError(f"the archive holds more than {max_members} members", item=repr(path))
        if size > len(data) - offset:
            raise _damaged(offset)
        found.append(ReadMember(path, kind, size, target, data[offset : offset + size]))
        offset += _blocks(size)
    tail = len(data) - offset
    if records or tail < len(_END) or data.count(0, offset) != tail:
        raise _damaged(offset)
    return found


class _Names:
    """The names seen so far: tells whether the next one may be written below the same folder as they."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._parents: set[str] = set()

    def admit(self, path: str, kind: str, target: str) -> None:
        reason = self._reason(path, kind, target)
        if reason:
            raise HostileArchiveError(f"the archive holds {reason}", item=repr(path[:_LONGEST_NAME]))
        self._kinds[path] = kind
        self._parents.update(_parents(path))

    def _reason(self, path: str, kind: str, target: str) -> str | None:
        if kind not in _TYPES:
            return f"a member of the kind {kind!r}"
        if len(path) > _LONGEST_NAME:
            return "an overlong name"
        if path.startswith("/"):
            return "an absolute name"
        if any(segment in ("", ".", "..") for segment in path.split("/")):
            return "a name with an empty segment, '.' or '..'"
        if "\0" in path or "\0" in target:
            return "a name with a NUL byte"
        if path in self._kinds:
            return "two members of the same name"
        if kind != "dir" and path in self._parents:
            return "members below something that is not a directory"
        if any(self._kinds.get(parent, "dir") != "dir" for parent in _parents(path)):
            return "a member below something that is not a directory"
        if kind == "symlink" and not target:
            return "a symlink without a target"
        if kind == "hardlink" and self._kinds.get(target) != "file":
            return "a hard link to something that is not an earlier file in it"
        return None


def _parents(path: str) -> list[str]:
    segments = path.split("/")
    return ["/".join(segments[:depth]) for depth in range(1, len(segments))]


def _attributes(member: Member, path: bytes, target: bytes) -> list[tuple[bytes, bytes]]:
    sign, nanoseconds = "-" if member.mtime_ns < 0 else "", abs(member.mtime_ns)
    mtime = f"{sign}{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
    found = [
        (b"path", path + b"/" if member.kind == "dir" else path),
        (b"linkpath", target if member.kind in _LINKS else b""),
        (b"mtime", mtime.encode()),
        (b"uid", str(member.uid).encode()),
        (b"gid", str(member.gid).encode()),
        (b"uname", _bytes(member.user)),
        (b"gname", _bytes(member.group)),
        (b"size", str(member.size).encode() if member.kind == "file" else b""),
    ]
    # an empty value would delete the record; an extended attribute may well be empty
    found = [(keyword, value) for keyword, value in found if value]
    for name in sorted(member.xattrs):
        # as GNU tar's xheader.c spells them: a keyword ends at its first "="
        escaped = _bytes(name).replace(b"%", b"%25").replace(b"=", b"%3D")
        found.append((b"SCHILY.xattr." + escaped, member.xattrs[name]))
    return found


def _header(member: Member, size: int) -> bytes:
    """The ustar block: type and mode count, the rest is what fits of what the records before it say in full."""
    info = tarfile.TarInfo(member.path.encode("ascii", "replace").decode()[:99])
    info.type = _TYPES[member.kind]
    if member.kind in _LINKS:
        info.linkname = member.target.encode("ascii", "replace").decode()[:100]
    info.mode = member.mode & 0o7777
    info.uid, info.gid = min(member.uid, 0o7777777), min(member.gid, 0o7777777)
    info.mtime = min(max(member.mtime_ns // 10**9, 0), 0o77777777777)
    info.size = min(size, 0o77777777777)
    return info.tobuf(tarfile.USTAR_FORMAT)


def _record(keyword: bytes, value: bytes) -> bytes:
    rest = b" %b=%b\n" % (keyword, value)
    # the number counts its own digits
    total = len(rest) + 1
    while total != len(rest) + len(str(total)):
        total = len(rest) + len(str(total))
    return b"%d%b" % (total, rest)


def _records(body: bytes, offset: int) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    position = 0
    while position < len(body):
        length = _LENGTH.match(body, position)
        if not length:
            raise _damaged(offset + position)
        end = position + int(length[1])
        keyword, equals, value = body[length.end() : end - 1].partition(b"=")
        if not equals or body[end - 1 : end] != b"\n":
            raise _damaged(offset + position)
        found[keyword] = value
        position = end
    return found


def _described(info: tarfile.TarInfo, records: Mapping[bytes, bytes], offset: int) -> tuple[str, str, str, int]:
    path = _text(records[b"path"]) if b"path" in records else info.name
    kind = _KINDS.get(info.type)
    if kind is None:
        raise HostileArchiveError(f"the archive holds a member of the type {info.type!r}", item=repr(path))
    if any(keyword.startswith(b"GNU.sparse.") for keyword in records):
        raise HostileArchiveError("the archive holds a sparse member", item=repr(path))
    target = ""
    if kind in _LINKS:
        target = _text(records[b"linkpath"]) if b"linkpath" in records else info.linkname
    size = records.get(b"size", b"%d" % info.size)
    if not size.isdigit() or len(size) > 18:
        raise _damaged(offset)
    return kind, path.removesuffix("/") if kind == "dir" else path, target, int(size)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as e:
        raise HostileArchiveError("a name is no decoded byte string", item=repr(text)) from e


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _padding(content: bytes) -> bytes:
    return bytes(_blocks(len(content)) - len(content))


def _damaged(offset: int) -> IntegrityError:
    return IntegrityError(
        f"the archive is damaged or cut off near byte {offset}", remedy="Fetch it again or take another copy"
    )
