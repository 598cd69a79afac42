# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of tar, plain or compressed by gzip, xz or zstd: each is one state of a host. Nothing is ever extracted.

The headers are read by tarfile (POSIX.1-2001 pax, GNU, ustar) in memory, within bounds. An archive is refused as a
whole for a name with ``..``, a name that is there twice, a member below what is no folder, a device, FIFO or sparse
file, a hard link to what is no earlier file, more or larger members than a version may have, and where it is damaged
or cut off. A leading slash or ``./`` means nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
import tarfile
import typing as t
import zlib
from collections.abc import Mapping

from ..errors import HostileArchiveError, IntegrityError, PolicyError
from ..model.entry import Entry, EntryKind, below_no_folder, folders_above
from ..seal import zstd
from .base import (
    MTIME,
    NAME,
    Reader,
    Tree,
    Version,
    content,
    files_below,
    in_bounds,
    is_host,
    moment,
    ordered_tree,
    wall_time,
)

_SUFFIX = re.compile(r".+\.(?:tar|tgz|txz|tzst|tar\.(?:gz|xz|zst))", re.IGNORECASE)
_XATTR = "SCHILY.xattr."
# headers, padding and extended headers of a member
_OVERHEAD = 4096
_LONGEST_NAME = 4096
_HIGHEST_ID = 2**32 - 2
_LATEST = 2**40
_BLOCK = tarfile.BLOCKSIZE
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
# of one member: names, and extended attributes of 64 KiB each (xattr(7))
_LARGEST_EXTENDED = 1 << 20
_DIGITS = re.compile(rb"[0-9]{256}")
_MOST_ROOTS = 100
_PIECE = 1 << 16


class Tars(Reader):
    """An archive, or a folder of them."""

    tool = "tar"

    def versions(self) -> list[Version]:
        """Each archive, at the time that its name says, or else that it was written."""
        if self.path.is_dir():
            files = [(place, path) for place, path in files_below(self.path) if self._is_archive(place)]
        else:
            files = [(self.path.name, self.path)]
        found = []
        for place, path in files:
            told = self._told(place)
            if told is None:
                continue
            host, at = told
            read = self.digest(place, path, self._most)
            if read is None:
                continue
            sha256, status = read
            source, moment_of = (MTIME, moment(int(status.st_mtime))) if at is None else (NAME, at)
            if moment_of is None:
                self.skip(place, "its time is none")
                continue
            component = self.component
            found.append(Version(host, component, moment_of, source, sha256, place, private=True, handle=path))
        return self.ordered(found)

    def read(self, version: Version) -> Tree:
        """What an archive holds."""
        data, _status = content(version.handle, self._most)
        self.require_same(version, data)
        return unpacked(
            data,
            root=self.root,
            most_bytes=self.limits.version_bytes,
            most_entries=self.limits.version_entries,
            what=version.place,
        )

    @property
    def _most(self) -> int:
        # what does not compress is as large as it is
        return self.limits.version_bytes + _OVERHEAD * 1024

    def _is_archive(self, place: str) -> bool:
        if _SUFFIX.fullmatch(place):
            return True
        self.skip(place, "its name is not that of an archive")
        return False

    def _told(self, place: str) -> tuple[str, t.Any] | None:
        """The host of an archive and the time in its name, if there is one; None of one that is not wanted."""
        name = place.rpartition("/")[2]
        groups: Mapping[str, str | None] = {}
        if self.pattern is not None:
            matched = self.pattern.search(name)
            if matched is None:
                self.skip(place, "the pattern does not match its name")
                return None
            groups = matched.groupdict()
        host = groups.get("host") or self.names.host
        if not host:
            raise PolicyError(
                "whose an archive is is not said",
                item=place,
                remedy="Give host, or a name_pattern with a group named host.",
            )
        if not is_host(host):
            self.skip(place, "its name has no name of a host")
            return None
        at = None
        if groups.get("time"):
            at = wall_time(str(groups["time"]), self.zone)
            if at is None:
                self.skip(place, "its name says no time")
                return None
        named = self.names.of(place, host)
        return None if named is None else (named, at)


def unpacked(data: bytes, *, root: str, most_bytes: int, most_entries: int, what: str) -> Tree:
    """What an archive holds, as paths of a host below *root*.

    :param most_bytes: that all files may have together.
    :param most_entries: members that it may have.
    :param what: its name, for errors.
    :raises HostileArchiveError: it holds what must not be, or more than it may.
    :raises IntegrityError: it is damaged, cut off, or no archive.
    """
    try:
        plain = _plain(data, most_bytes + _OVERHEAD * (min(most_entries, 1 << 20) + 16))
        return _Members(root.rstrip("/"), most_bytes, most_entries).tree(plain)
    except (HostileArchiveError, IntegrityError) as e:
        e.item = f"{what}: {e.item}" if e.item else what
        raise


def _plain(data: bytes, limit: int) -> bytes:
    """An archive without its compression; of one that unfolds to more than *limit* no more is held."""
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return zstd.decompress_any(data, limit=limit)
    if data.startswith(b"\x1f\x8b"):
        return _read(gzip.GzipFile(fileobj=io.BytesIO(data)), limit)
    if data.startswith(b"\xfd7zXZ\x00"):
        try:
            # of the decoder itself: xz -9 takes 65 MiB
            decoder = lzma.LZMADecompressor(memlimit=128 << 20)
            found = decoder.decompress(data, max_length=limit + 1)
        except (lzma.LZMAError, EOFError, MemoryError) as e:
            raise _damaged() from e
        if len(found) > limit:
            raise HostileArchiveError(f"it unfolds to more than {limit} bytes")
        if not decoder.eof or decoder.unused_data.strip(b"\0"):
            raise _damaged()
        return found
    return data


def _read(stream: t.Any, limit: int) -> bytes:
    found = []
    left = limit
    try:
        while piece := stream.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise HostileArchiveError(f"it unfolds to more than {limit} bytes")
            found.append(piece)
    except (OSError, EOFError, zlib.error) as e:
        raise _damaged() from e
    return b"".join(found)


class _Member(tarfile.TarInfo):
    """A member whose extended headers are no larger than one can need."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> t.Self:
        """Read the next member; tarfile's own search in an extended header takes the square of its size."""
        stream = t.cast("io.BytesIO", tarfile.fileobj)
        at = stream.tell()
        block = stream.read(_BLOCK)
        if len(block) == _BLOCK and block[156:157] in _EXTENDED:
            size = cls.frombuf(block, "utf-8", "surrogateescape").size
            if size > _LARGEST_EXTENDED or _DIGITS.search(stream.read(max(size, 0))):
                raise HostileArchiveError("the archive holds an extended header that nobody needs")
        stream.seek(at)
        return super().fromtarfile(tarfile)


class _Members:
    """Takes the members of an archive in, one after the other."""

    def __init__(self, root: str, most_bytes: int, most_entries: int) -> None:
        self._root = root
        self._most_bytes = most_bytes
        self._most_entries = most_entries
        self._left = most_bytes
        self._entries: dict[str, Entry] = {}
        self._contents: dict[str, bytes] = {}

    def tree(self, plain: bytes) -> Tree:
        try:
            with tarfile.open(
                fileobj=io.BytesIO(plain), mode="r:", encoding="utf-8", errors="surrogateescape", tarinfo=_Member
            ) as tar:
                at = 0
                while member := tar.next():
                    # a size below nothing leads tarfile back to what it has read, for ever (CVE-2025-8194)
                    if member.size < 0 or tar.offset <= at:
                        raise _damaged()
                    at = tar.offset
                    self._take(tar, member)
                    # tarfile keeps every member it has seen
                    tar.members = []  # type: ignore[attr-defined]
                end = tar.offset
        except (tarfile.TarError, ValueError, OverflowError, EOFError, LookupError, RecursionError) as e:
            # so tarfile ends at a header that is cut off, or at a thousand extended ones in a row
            raise _damaged() from e
        # tarfile takes a damaged header for the end (TarFile.next)
        tail = plain[end:]
        if len(tail) < tarfile.BLOCKSIZE or tail.strip(b"\0"):
            raise _damaged()
        if not self._entries:
            raise HostileArchiveError("the archive holds nothing")
        misplaced = below_no_folder(self._entries)
        if misplaced is not None:
            raise HostileArchiveError("the archive holds a member below what is no folder", item=repr(misplaced[0]))
        return Tree(self._roots(), ordered_tree(self._entries), self._contents)

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = self._path(member.name)
        if path is None:
            # the folder that the archive was made in
            if not member.isdir():
                raise HostileArchiveError("the archive holds what is no folder for the one that it was made in")
            return
        if path in self._entries:
            raise HostileArchiveError("the archive holds two members of the same name", item=repr(path))
        if len(self._entries) >= self._most_entries:
            raise HostileArchiveError(f"the archive holds more than {self._most_entries} members")
        kind, target = self._kind(member, path)
        told: dict[str, t.Any] = {
            "mode": 0o777 if kind is EntryKind.SYMLINK else member.mode & 0o7777,
            "uid": _id(member.uid),
            "gid": _id(member.gid),
            "user": member.uname,
            "group": member.gname,
            "mtime_ns": _mtime(member),
        }
        if kind is EntryKind.FILE:
            self._left -= member.size
            if self._left < 0:
                raise HostileArchiveError(f"the archive holds more than {self._most_bytes} bytes", item=repr(path))
            stream = tar.extractfile(member)
            data = b"" if stream is None else stream.read()
            if len(data) != member.size:
                raise _damaged()
            self._contents[path] = data
            told |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "xattrs": _xattrs(member)}
        elif kind is EntryKind.DIRECTORY:
            told["xattrs"] = _xattrs(member)
        elif kind is EntryKind.HARDLINK:
            first = self._entries[target]
            told |= {name: getattr(first, name) for name in ("mode", "uid", "gid", "user", "group", "mtime_ns")}
        self._entries[path] = Entry(path=path, kind=kind, target=target, **told)

    def _kind(self, member: tarfile.TarInfo, path: str) -> tuple[EntryKind, str]:
        if member.issparse() or not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            raise HostileArchiveError(f"the archive holds a member of the type {member.type!r}", item=repr(path))
        if member.issym():
            if not member.linkname or "\0" in member.linkname or len(member.linkname) > _LONGEST_NAME:
                raise HostileArchiveError("the archive holds a link that leads nowhere", item=repr(path))
            return EntryKind.SYMLINK, member.linkname
        if member.islnk():
            target = self._path(member.linkname)
            if target is None or target not in self._contents:
                raise HostileArchiveError(
                    "the archive holds a hard link to what is no earlier file in it", item=repr(path)
                )
            return EntryKind.HARDLINK, target
        return (EntryKind.DIRECTORY if member.isdir() else EntryKind.FILE), ""

    def _path(self, name: str) -> str | None:
        """The path of a member on its host; None of the folder itself that the archive was made in."""
        segments = [one for one in name.split("/") if one not in ("", ".")]
        if ".." in segments or "\0" in name or not in_bounds(name):
            raise HostileArchiveError("the archive holds a name with '..', a NUL byte, or one too long or too deep")
        return "/".join((self._root, *segments)) if segments else None

    def _roots(self) -> tuple[str, ...]:
        """The paths that the archive speaks for: those whose folder it does not hold, or else its highest folders."""
        roots = sorted(path for path in self._entries if path.rpartition("/")[0] not in self._entries)
        if len(roots) > _MOST_ROOTS:
            depth = len(folders_above(f"{self._root}/x"))
            roots = sorted({"/".join(path.split("/")[: depth + 2]) for path in roots})
        return tuple(roots)


def _xattrs(member: tarfile.TarInfo) -> dict[str, bytes]:
    """Extended attributes, as GNU tar spells them with --xattrs."""
    return {
        name.removeprefix(_XATTR).replace("%3D", "=").replace("%25", "%"): value.encode("utf-8", "surrogateescape")
        for name, value in member.pax_headers.items()
        if name.startswith(_XATTR)
    }


def _id(number: int) -> int:
    if not 0 <= number <= _HIGHEST_ID:
        raise HostileArchiveError("the archive holds a member of an owner who cannot be")
    return number


def _mtime(member: tarfile.TarInfo) -> int:
    """In nanoseconds. Of a pax record tarfile makes a float, which has lost some: its own text is read."""
    text = member.pax_headers.get("mtime", "")
    matched = re.fullmatch(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9})[0-9]*)?", text)
    if matched:
        whole = int(matched[2]) * 10**9 + int((matched[3] or "").ljust(9, "0"))
        found = -whole if matched[1] else whole
    else:
        found = int(member.mtime) * 10**9
    if abs(found) >= _LATEST * 10**9:
        raise HostileArchiveError("the archive holds a member of a time that cannot be")
    return found


def _damaged() -> IntegrityError:
    return IntegrityError("the archive is damaged, cut off, or none", remedy="Take another copy of it")
