# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The half of a capture that runs on the managed host: walk, digest, hand over. Private to this collection.

Runs piped into a bare interpreter (:data:`BOOTSTRAP`, :func:`serve`) and inside the module ``host_capture``; both
call :func:`answer`. Standard library only, Python 3.8+, no other file of the collection.

**Request**: ``op`` (``fingerprint``, ``entries``, ``content``; ``read`` and ``drop`` are below), ``root`` (the prefix
under which the logical paths are looked up, default ``/``), ``components`` (list of ``name``, ``paths``, ``excludes``
as ``{pattern, reason}``, ``unreadable`` and ``absent``, each ``error``, the default, or ``leave_out``; absent is a
component of which no path exists; ``volatile``, a list of patterns like those of ``excludes``; ``bytes``, where its
limit is another one; ``kind``, where it is ``command`` or ``environment``: texts of the running system, whatever
``root`` is, that _texts.py gathers as ``source`` says; its ``volatile`` are regular expressions), ``program`` (how many
bytes of _texts.py follow the request, where it has such components), ``limits`` (``bytes`` and ``entries`` of each
component), ``deliver`` (``stdout``, how many bytes of compressed contents the answer may hold, default all;
``folders``, where larger ones may be left), ``journal`` (the folder in which restores in place keep their
journals, where it is another one than ``/var/lib/holdfast`` and, of a user who is not root, one below the home).

**Answer**: ``{"host": {python, euid, time, machine, restores, restored}, "components": {name: {fingerprint, normalised,
entries, bytes, left_out, left_out_bytes, changed_while_read, listing, contents}}}``; ``normalised`` is the fingerprint
of what is not volatile, where the component has such patterns; ``listing`` for ``entries`` and ``content`` only. For
``content`` the contents of the ``file`` entries follow, compressed (zlib) as one stream, components in request order;
``contents`` has the places in ``listing`` of those entries, in the order in which their contents follow. Or
``{"error": {type, message, items, count}}`` with at most 200 items of ``count``; types: ``request``, ``root``,
``absent``, ``unreadable``, ``too_large`` (items are the biggest paths, with sizes), ``command``, ``process``,
``ambiguous``, ``slow``, ``no_folder``, ``no_space``, ``gone``, ``os``, ``internal``. No message holds content.

**Restores**: ``restores`` are the ids of restores in place that were open on this host when the walk began or when it
ended, ten at most, ``restored`` is true where one came or went meanwhile. Who may not look into ``journal`` sees none.

**Large contents**: what ``deliver`` lets no answer hold stands in a file, and the answer has ``{"file": {folder, size,
sha256}}`` instead. The folder (0700) is a new one in the first of ``folders`` that this user can write, the file in it
``contents`` (0600). ``{"op": "read", "folder", "offset", "length", "drop"}`` gives a range of it; ``{"op": "drop",
"folder"}`` and a true ``drop`` remove both. Those of killed runs, from which nobody has read for an hour, are removed
by the next request that names ``folders``.

**Entry**: ``path``, ``kind`` (``file``, ``dir``, ``symlink``, ``hardlink``), ``mode``, ``uid``, ``gid``, ``user``,
``group``, ``mtime_ns``, and where they apply ``size`` and ``sha256``, ``target``, ``xattrs`` (name to base64). A
hard link has the mode and owner of its first name, and no content and no ``xattrs`` of its own; names of a file in
another component, and names of a symlink, are entries of their own. Not kept: flags of chattr(1), times but mtime.
Names that are not UTF-8 are decoded with ``surrogateescape``, whatever the host's locale.

**Fingerprint**: see :func:`fingerprint`.

**Excludes**: a pattern without a slash matches the name of any path segment, of the path's parents too; a pattern
with one is anchored at the absolute path, and leaves out what is below a match. A slash at the end means nothing.
``*`` and ``?`` do not match a slash, ``**`` does, and ``/**/`` matches one slash too; ``[...]`` is a set, ``[!...]``
its opposite.

**Links**: what a component's path leads through is resolved as the host does, within ``root``. From there on nothing is
followed: every folder is opened relative to its parent with ``O_NOFOLLOW``.
"""

from __future__ import annotations

import base64
import errno
import fnmatch
import functools
import grp
import hashlib
import heapq
import json
import os
import pwd
import re
import stat
import sys
import time
import zlib

TYPE_CHECKING = False  # importing typing would cost each host 5 ms
if TYPE_CHECKING:
    import typing as t

# For ``python3 -I -S -c``. Standard input: the length in bytes of the program, in decimal, a line feed, the program
# (this file or _apply.py), then what its serve() reads. It holds no single quote, so that a shell takes it in those.
BOOTSTRAP = (
    "import sys;"
    "i=sys.stdin.buffer;"
    'm=type(sys)("holdfast_host");'
    "sys.modules[m.__name__]=m;"
    'exec(compile(i.read(int(i.readline())),m.__name__,"exec"),m.__dict__);'
    "m.serve(i,sys.stdout)"
)
MARK = "HOLDFAST1 "

_OPS = ("fingerprint", "entries", "content")
_FILES = "files"
_CONTENTS = b"contents"
_JOURNAL = "/var/lib/holdfast"
_OWN_JOURNAL = "~/.local/state/holdfast"
_MAX_RESTORES = 10
_ABANDONED = 3600  # seconds
_SPARE = 64 << 20  # bytes that are left free of a file system
_BLOCK = 1 << 20
_MAX_ITEMS = 200
_MAX_DEPTH = 200  # each level holds a file descriptor and three calls; a process usually has 1024 and 1000
_MAX_LINKS = 40  # as Linux has it
_READ = 1 << 16
_READ_AGAIN = 3
_TRIES = 3

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_FLAGS = _FILE_FLAGS | os.O_DIRECTORY
# O_PATH, where there is one, also passes folders that may be searched but not read.
_THROUGH_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_DIRECTORY
_NO_ATIME = getattr(os, "O_NOATIME", 0)

# open() says these when the path is no longer of the kind that lstat() saw.
_SWAPPED = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ENODEV)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_XATTR = (errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENODATA, errno.ENOENT)

_SPECIAL = {
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "char device",
    stat.S_IFBLK: "block device",
}
# fmt: off
_PSEUDO = frozenset((
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
    "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs",
    "tracefs",
))
# fmt: on
_GLOB = re.compile(r"[*?\[]")
_TEMPORARY = re.compile(rb"\.holdfast-[0-9a-f]{16}")
# units that take back a restore in place which breaks off; they go with it
_ARMED = re.compile(rb"holdfast-restore-[0-9a-f]{16}\.(?:service|timer)")
_TEMPORARY_REASON = "working file of holdfast"
_RESTORE = re.compile(rb"[0-9a-f]{16}")
# https://bford.info/cachedir/
_CACHE_TAG = b"CACHEDIR.TAG"
_CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
_CACHE_REASON = "cache directory (CACHEDIR.TAG)"


class _RefusedError(Exception):
    """Becomes the ``error`` of the answer."""

    def __init__(self, kind: str, message: str, items: t.Sequence[t.Any] = ()) -> None:
        super().__init__(message)
        self.error = {"type": kind, "message": message, "items": list(items[:_MAX_ITEMS]), "count": len(items)}


def fingerprint(entries: t.Iterable[t.Mapping[str, t.Any]], absent: t.Iterable[str]) -> str:
    """Return the plain fingerprint of a component: SHA-256, lower-case hex.

    Digested are lines, each ended by a line feed, in ASCII: ``json.dumps(value, separators=(",", ":"),
    ensure_ascii=True)``. First one per entry, sorted by the bytes of its path (UTF-8 with ``surrogateescape``), of the
    list ``[path, kind, mode, uid, gid, user, group, size, sha256, target, xattrs]``: ``size`` 0, ``sha256`` and
    ``target`` empty where they do not apply, ``xattrs`` a list of ``[name, base64 of the value]`` sorted by name. Then
    one per literal path of the component that does not exist, sorted alike, of ``["left_out", path]``. ``mtime_ns`` is
    not in it.

    :param entries: entries in the form of the answer.
    :param absent: the paths left out with reason ``absent``.
    """
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda entry: _bytes(entry["path"])):
        line = [entry[key] for key in ("path", "kind", "mode", "uid", "gid", "user", "group")]
        line += [entry.get("size", 0), entry.get("sha256", ""), entry.get("target", "")]
        line.append(sorted([name, value] for name, value in entry.get("xattrs", {}).items()))
        digest.update(_json(line) + b"\n")
    for path in sorted(absent, key=_bytes):
        digest.update(_json(["left_out", path]) + b"\n")
    return digest.hexdigest()


def normalised(entries: t.Iterable[t.Mapping[str, t.Any]], absent: t.Iterable[str], volatile: t.Iterable[str]) -> str:
    """Return the :func:`fingerprint` of a component without what its *volatile* patterns match, or is below a match."""
    patterns = Excludes({"pattern": pattern, "reason": "volatile"} for pattern in volatile)
    return fingerprint(
        [entry for entry in entries if not patterns.cover(entry["path"])],
        [path for path in absent if not patterns.cover(path)],
    )


class Excludes:
    """The exclude patterns of one component; raises ValueError for a pattern that is none."""

    def __init__(self, excludes: t.Iterable[t.Mapping[str, str]]) -> None:
        self._whole: list[tuple[re.Pattern[str], str]] = []
        self._names: list[tuple[re.Pattern[str], str]] = []
        for exclude in excludes:
            pattern = exclude["pattern"].rstrip("/")
            anchored = "/" in exclude["pattern"].rstrip("/")
            kept = self._whole if anchored else self._names
            form = "/" + pattern.lstrip("/") if anchored else pattern
            try:
                kept.append((re.compile(_regex(form), re.DOTALL), exclude["reason"]))
            except re.error as e:
                raise ValueError(f"exclude pattern {exclude['pattern']!r} is not a pattern") from e

    def reason(self, path: str) -> str | None:
        """Why *path* is left out, its parents not asked; None where it is not."""
        name = path.rpartition("/")[2]
        for patterns, text in ((self._names, name), (self._whole, path)):
            for pattern, reason in patterns:
                if pattern.fullmatch(text):
                    return reason
        return None

    def cover(self, path: str) -> bool:
        """Whether *path* or one of its parents is left out."""
        ends = [at for at, char in enumerate(path) if char == "/" and at]
        return any(self.reason(path[:end]) is not None for end in (*ends, len(path)))


def _regex(pattern: str) -> str:
    parts = []
    for token in re.findall(r"/\*\*(?=/)|\*\*|\[(?:![^/]|[^!/])[^\]/]*\]|.", pattern, re.DOTALL):
        if token == "/**":
            parts.append("(?:/.*)?")
        elif token == "**":
            parts.append(".*")
        elif token == "*":
            parts.append("[^/]*")
        elif token == "?":
            parts.append("[^/]")
        elif token[0] == "[" and len(token) > 1:
            # the library's own rules for sets, out of its "(?s:...)" and end
            parts.append("(?!/)" + fnmatch.translate(token)[4:-3])
        else:
            parts.append(re.escape(token))
    return "".join(parts)


class _Walk:
    """One component: what its paths hold, collected by :meth:`take` and put in order by :meth:`finish`."""

    def __init__(
        self, root: int, component: t.Mapping[str, t.Any], limits: t.Mapping[str, int], spool: _Spool | None
    ) -> None:
        self.name = component["name"]
        self.left_out: dict[str, str] = {}
        self.left_out_bytes = 0
        self.unreadable: list[str] = []
        self.absent: list[str] = []
        self.changed: list[str] = []
        self.entries: dict[str, dict[str, t.Any]] = {}
        self.bytes = 0
        self._root = root
        self._declared = component["paths"]
        self._excludes = Excludes(component["excludes"])
        self._limits = {**limits, "bytes": component["bytes"]}
        self._spool = spool
        self._spooled: list[str] = []
        self._names: dict[tuple[int, int], list[str]] = {}
        self._pseudo = _pseudo_devices()
        self._skipped: list[tuple[int, str]] = []

    def take(self) -> None:
        """Walk all paths; raises _RefusedError where a limit is passed or the system fails."""
        for path in sorted({p for declared in self._declared for p in self._expand(declared)}, key=_bytes):
            if path in self.entries or path in self.left_out:
                continue
            above = self._above(path)
            if above:
                self.left_out[path] = above
                continue
            try:
                folder = self._folder(path)
            except PermissionError:
                self.unreadable.append(path)
                continue
            except OSError as e:
                self._missing(path, e)
                continue
            name = _bytes(path.rpartition("/")[2]) or b"."
            try:
                os.stat(name, dir_fd=folder, follow_symlinks=False)
            except PermissionError:
                self.unreadable.append(path)
            except OSError as e:
                self._missing(path, e)
            else:
                self._visit(folder, name, path, 0)
            finally:
                os.close(folder)
        if self._skipped:
            raise self._too_large("bytes")

    def finish(self) -> tuple[list[dict[str, t.Any]], list[int]]:
        """Entries sorted by path, and the places of those whose contents were spooled, in the order of those."""
        spooled = {path: order for order, path in enumerate(self._spooled)}
        for paths in self._names.values():
            first = min(paths, key=_bytes)
            read = paths[0]
            held = self.entries[read]
            link = {key: value for key, value in held.items() if key not in ("size", "sha256", "xattrs")}
            for path in paths:
                self.entries[path] = {**link, "path": path, "kind": "hardlink", "target": first}
            self.entries[first] = {**held, "path": first}
            if read in spooled:
                spooled[first] = spooled.pop(read)
        ordered = sorted(self.entries, key=_bytes)
        places = [place for place, path in enumerate(ordered) if path in spooled]
        return [self.entries[path] for path in ordered], sorted(places, key=lambda place: spooled[ordered[place]])

    def _expand(self, declared: str) -> list[str]:
        """The paths that a declared one stands for: itself, or what exists of a glob."""
        if not _GLOB.search(declared):
            return [declared]
        found = [""]
        for segment in declared.split("/")[1:]:
            if _GLOB.search(segment):
                found = [f"{path}/{name}" for path in found for name in self._matches(path, segment)]
            else:
                found = [f"{path}/{segment}" for path in found]
        return [path for path in found if self._exists(path)]

    def _matches(self, path: str, segment: str) -> list[str]:
        """Names in a folder that a glob's segment matches; hidden ones only where it asks for them, as in a shell."""
        try:
            folder = self._folder(path + "/.")
            try:
                inside = _open(b".", folder, _FOLDER_FLAGS)
            finally:
                os.close(folder)
        except PermissionError:
            self.unreadable.append(path or "/")
            return []
        except OSError as e:
            if e.errno not in (errno.ENOENT, *_SWAPPED):
                raise _failed(e, path) from e
            return []
        try:
            names = [_text(name) for name in _names_in(inside)]
        finally:
            os.close(inside)
        return [
            name
            for name in names
            if fnmatch.fnmatchcase(name, segment) and (segment.startswith(".") or not name.startswith("."))
        ]

    def _exists(self, path: str) -> bool:
        try:
            folder = self._folder(path)
            try:
                os.stat(_bytes(path.rpartition("/")[2]), dir_fd=folder, follow_symlinks=False)
            finally:
                os.close(folder)
        except PermissionError:
            return True  # the walk tells that it cannot be read
        except OSError:
            return False
        return True

    def _folder(self, path: str) -> int:
        """Open the folder that *path* is in, through symlinks as the host resolves them, within the root."""
        todo = _bytes(path).split(b"/")[-2::-1]
        done: list[bytes] = []
        links = 0
        fd = os.dup(self._root)
        try:
            while todo:
                segment = todo.pop()
                if segment in (b"", b"."):
                    continue
                if segment == b"..":
                    todo += reversed(done[:-1])
                    done = []
                    fd = _instead(fd, os.dup(self._root))
                    continue
                try:
                    fd = _instead(fd, os.open(segment, _THROUGH_FLAGS, dir_fd=fd))
                    done.append(segment)
                except OSError as e:
                    if e.errno not in (errno.ELOOP, errno.ENOTDIR):
                        raise
                    try:
                        target = os.readlink(segment, dir_fd=fd)
                    except OSError:
                        raise e from None
                    links += 1
                    if links > _MAX_LINKS:
                        raise
                    todo += target.split(b"/")[::-1]
                    if target.startswith(b"/"):
                        done = []
                        fd = _instead(fd, os.dup(self._root))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _above(self, path: str) -> str | None:
        """Why a declared path is left out for what stands above it."""
        for end in [at for at, char in enumerate(path) if char == "/" and at]:
            parent = path[:end]
            reason = self._excludes.reason(parent)
            if _TEMPORARY.fullmatch(_bytes(parent.rpartition("/")[2])):
                reason = _TEMPORARY_REASON
            if reason is None and self.entries.get(parent, {}).get("kind") == "symlink":
                # an archive must not hold both
                reason = f"below {parent}, which is captured as a symlink"
            if reason is not None:
                return reason
        return None

    def _missing(self, path: str, e: OSError) -> None:
        if e.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise _failed(e, path) from e
        self.left_out[path] = "absent"
        self.absent.append(path)

    def _visit(self, folder: int, name: bytes, path: str, depth: int) -> None:
        for _attempt in range(_TRIES):
            try:
                self._look(folder, name, path, depth)
            except FileNotFoundError:
                return
            except PermissionError:
                self.unreadable.append(path)
                return
            except OSError as e:
                if e.errno not in _SWAPPED:
                    raise _failed(e, path) from e
            else:
                return
        self.left_out[path] = "replaced again and again while it was read"

    def _look(self, folder: int, name: bytes, path: str, depth: int) -> None:
        st = os.stat(name, dir_fd=folder, follow_symlinks=False)
        kind = stat.S_IFMT(st.st_mode)
        staged = kind == stat.S_IFDIR and name.startswith(b".holdfast-")
        if staged or _TEMPORARY.fullmatch(name) or _ARMED.fullmatch(name):
            self.left_out[path] = _TEMPORARY_REASON
            return
        reason = self._excludes.reason(path)
        if reason is not None:
            self.left_out[path] = reason
            self.left_out_bytes += self._weigh(folder, name, depth)
        elif st.st_dev in self._pseudo and (kind == stat.S_IFDIR or path not in self._declared):
            self.left_out[path] = "pseudo file system"
        elif kind == stat.S_IFDIR:
            self._directory(folder, name, path, depth)
        elif kind == stat.S_IFREG:
            self._file(folder, name, path)
        elif kind == stat.S_IFLNK:
            self._enter(path, "symlink", st, **_link(folder, name, st))
        else:
            self.left_out[path] = f"special file ({_SPECIAL.get(kind, 'unknown')})"

    def _directory(self, folder: int, name: bytes, path: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise _RefusedError("too_large", f"component {self.name} is more than {_MAX_DEPTH} folders deep", [path])
        fd = _open(name, folder, _FOLDER_FLAGS)
        try:
            names = _names_in(fd)
            if _CACHE_TAG in names and _is_cache(fd):
                self.left_out[path] = _CACHE_REASON
                self.left_out_bytes += self._weigh(folder, name, depth)
                return
            self._enter(path, "dir", os.fstat(fd), **_xattrs(fd))
            for child in names:
                self._visit(fd, child, f"{path.rstrip('/')}/{_text(child)}", depth + 1)
        finally:
            os.close(fd)

    def _file(self, folder: int, name: bytes, path: str) -> None:
        for _attempt in range(1 + _READ_AGAIN):
            fd = _open(name, folder, _FILE_FLAGS)
            try:
                before = os.fstat(fd)
                if not stat.S_ISREG(before.st_mode):
                    raise OSError(errno.ELOOP, "not the regular file it was")
                names = self._names.get((before.st_dev, before.st_ino))
                if names is not None:
                    self._enter(path, "hardlink", before)
                    names.append(path)
                    return
                room = self._limits["bytes"] - self.bytes
                if self._skipped or before.st_size > room:
                    # read nothing more, but go on, to be able to name the biggest
                    self._skipped.append((before.st_size, path))
                    return
                digest = hashlib.sha256()
                size = 0
                if self._spool is not None:
                    self._spool.begin()
                while size <= room:
                    chunk = os.read(fd, _READ)
                    if not chunk:
                        break
                    size += len(chunk)
                    digest.update(chunk)
                    if self._spool is not None:
                        self._spool.write(chunk)
                xattrs = _xattrs(fd)
                after = os.fstat(fd)
            finally:
                os.close(fd)
            if size > room:
                self._skipped.append((size, path))
                return
            steady = all(
                getattr(before, field) == getattr(after, field)
                for field in ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
            )
            if steady:
                break
        else:
            self.changed.append(path)
        self._enter(path, "file", after, size=size, sha256=digest.hexdigest(), **xattrs)
        self.bytes += size
        if self._spool is not None:
            self._spool.keep()
            self._spooled.append(path)
        if after.st_nlink > 1:
            self._names[after.st_dev, after.st_ino] = [path]

    def _enter(self, path: str, kind: str, st: os.stat_result, **more: t.Any) -> None:
        if len(self.entries) >= self._limits["entries"]:
            raise self._too_large("entries")
        self.entries[path] = {
            "path": path,
            "kind": kind,
            "mode": stat.S_IMODE(st.st_mode),
            "uid": st.st_uid,
            "gid": st.st_gid,
            "user": _user(st.st_uid),
            "group": _group(st.st_gid),
            "mtime_ns": st.st_mtime_ns,
            **more,
        }

    def _too_large(self, what: str) -> _RefusedError:
        sizes = [(entry.get("size", 0), path) for path, entry in self.entries.items()] + self._skipped
        biggest = [f"{path} ({size} bytes)" for size, path in heapq.nlargest(3, sizes)]
        return _RefusedError("too_large", f"component {self.name} holds more than {self._limits[what]} {what}", biggest)

    def _weigh(self, folder: int, name: bytes, depth: int) -> int:
        """Bytes of the regular files at and below a path that is left out; what cannot be looked at counts nothing."""
        try:
            st = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(st.st_mode):
                return st.st_size
            if not stat.S_ISDIR(st.st_mode) or st.st_dev in self._pseudo or depth > _MAX_DEPTH:
                return 0
            fd = _open(name, folder, _FOLDER_FLAGS)
        except OSError:
            return 0
        try:
            return sum(self._weigh(fd, child, depth + 1) for child in _names_in(fd))
        finally:
            os.close(fd)


class _Spool:
    """Contents on their way out, compressed: in memory up to *most* bytes, all of them in a file once they are more.

    What is written after :meth:`begin` counts once :meth:`keep` is called; else the next ``begin`` forgets it. Memory
    does not grow with what is written.
    """

    def __init__(self, most: int, folders: t.Sequence[str]) -> None:
        # level 1: the host's time is dearer than the last tenth of the bytes
        self._squeeze = zlib.compressobj(1)
        self._digest = hashlib.sha256()
        self._most = most
        self._folders = folders
        self._held = bytearray()
        self._waiting = bytearray()
        self._before: tuple[t.Any, t.Any, int] | None = None
        self._folder = ""
        self._fd = -1
        self._size = 0

    def begin(self) -> None:
        """Begin with a file, and forget what was written of one that was not kept."""
        self._waiting.clear()
        if self._before is not None:
            self._squeeze, self._digest, whole = self._before
            if whole < self._size:
                os.ftruncate(self._fd, whole)
                os.lseek(self._fd, whole, os.SEEK_SET)
                self._size = whole
            del self._held[whole - self._size :]
            self._before = None

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of a file; raises _RefusedError where there is no room for them."""
        self._waiting += chunk
        if len(self._waiting) > _BLOCK:
            if self._before is None:
                # small files wait instead: this takes a quarter of a megabyte
                self._before = self._squeeze.copy(), self._digest.copy(), self._size + len(self._held)
            self._compress()

    def keep(self) -> None:
        """End a file that stays."""
        self._compress()
        self._before = None

    def finish(self) -> tuple[dict[str, t.Any], bytes]:
        """What the header says of the contents, and what follows it of them."""
        self.begin()
        self._take(self._squeeze.flush())
        if self._fd < 0:
            return {}, bytes(self._held)
        self._spill()
        os.close(self._fd)
        return {"file": {"folder": self._folder, "size": self._size, "sha256": self._digest.hexdigest()}}, b""

    def discard(self) -> None:
        """Remove what stands in a file."""
        if self._fd >= 0:
            os.close(self._fd)
            _remove(_bytes(self._folder))

    def _compress(self) -> None:
        self._take(self._squeeze.compress(self._waiting))
        self._waiting.clear()

    def _take(self, squeezed: bytes) -> None:
        self._digest.update(squeezed)
        self._held += squeezed
        if len(self._held) > (self._most if self._fd < 0 else _BLOCK):
            self._spill()

    def _spill(self) -> None:
        try:
            if self._fd < 0:
                self._folder = _new_folder(self._folders)
                self._fd = _new_file(_bytes(self._folder))
            fs = os.fstatvfs(self._fd)
            if fs.f_bavail * fs.f_frsize < len(self._held) + _SPARE:
                raise self._no_space(f"{fs.f_bavail * fs.f_frsize} bytes are free, {_SPARE} of which stay so")
            while self._held:
                written = os.write(self._fd, self._held)
                self._size += written
                del self._held[:written]
        except OSError as e:
            if e.errno in _FULL:
                raise self._no_space(errno.errorcode[e.errno]) from e
            raise _failed(e, self._folder) from e

    def _no_space(self, why: str) -> _RefusedError:
        taken = self._size + len(self._held)
        where = os.path.dirname(self._folder)
        return _RefusedError("no_space", f"{where} has no room for the contents, {taken} bytes so far: {why}", [where])


def _new_folder(folders: t.Sequence[str]) -> str:
    """Make a folder for this process's user alone in the first of *folders* that can be written."""
    for given in folders:
        base = _expanded(given)
        folder = f"{base}/.holdfast-{os.urandom(8).hex()}"
        try:
            os.makedirs(_bytes(base), mode=0o700, exist_ok=True)
            os.mkdir(_bytes(folder), 0o700)
        except OSError as e:
            if e.errno in _FULL:
                raise _RefusedError("no_space", f"{base} has no room for a folder", [base]) from e
            continue
        return folder
    raise _RefusedError("no_folder", "no folder can be made for contents as large as these", list(folders))


def _own_folder(folder: bytes) -> int:
    """Open a folder of contents; raises OSError where somebody else owns it or may look into it."""
    fd = os.open(folder, _FOLDER_FLAGS)
    st = os.fstat(fd)
    if st.st_uid != os.geteuid() or st.st_mode & 0o077:
        os.close(fd)
        raise PermissionError(errno.EPERM, "not this user's own")
    return fd


def _new_file(folder: bytes) -> int:
    inside = _own_folder(folder)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(_CONTENTS, flags, 0o600, dir_fd=inside)
    finally:
        os.close(inside)


def _expanded(folder: str) -> str:
    """A folder as the host's shell would spell it, but the home is that of the user who this process runs as."""
    try:
        home = _native(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        home = "~"
    if folder == "~" or folder.startswith("~/"):
        folder = home + folder[1:]
    return os.path.abspath(os.path.expandvars(os.path.expanduser(folder)))


def _sweep(folders: t.Sequence[str]) -> None:
    """Remove this user's contents that nobody has read from for long, where new ones would be left."""
    for base in map(_bytes, map(_expanded, folders)):
        if not os.access(base, os.W_OK):
            continue
        try:
            for name in filter(_TEMPORARY.fullmatch, os.listdir(base)):
                path = os.path.join(base, name)
                st = os.lstat(path)
                if stat.S_ISDIR(st.st_mode) and time.time() - st.st_mtime > _ABANDONED:
                    _remove(path)
        except OSError:
            pass  # a run beside this one may remove them too
        return


def _remove(folder: bytes) -> None:
    """Remove a folder of contents, and one with anything else in it but for those; what is not this user's stays."""
    try:
        inside = _own_folder(folder)
    except OSError:
        return
    try:
        os.unlink(_CONTENTS, dir_fd=inside)
    except OSError:
        pass  # a killed run may have got no further
    finally:
        os.close(inside)
    try:
        os.rmdir(folder)
    except OSError:
        return


def _handed_over(op: str, request: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], bytes]:
    """Answer ``read`` and ``drop``, of folders only that this half has made as this user."""
    try:
        path = _bytes(request["folder"])
        offset, length = (int(request.get(key, 0)) for key in ("offset", "length"))
        if not os.path.isabs(path) or not _TEMPORARY.fullmatch(os.path.basename(path)) or min(offset, length) < 0:
            raise ValueError("no folder of contents, or no range")
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise _RefusedError("request", f"the request is not usable: {e}") from e
    data = b""
    try:
        folder = _own_folder(path)
        try:
            if op == "read":
                fd = os.open(_CONTENTS, _FILE_FLAGS, dir_fd=folder)
                try:
                    data = os.pread(fd, length, offset)
                finally:
                    os.close(fd)
                os.utime(folder)
        finally:
            os.close(folder)
    except OSError as e:
        if op == "read":
            code = errno.errorcode.get(e.errno or 0, "an error")
            raise _RefusedError("gone", f"the contents cannot be read ({code})", [request["folder"]]) from e
    else:
        if op == "drop" or request.get("drop"):
            _remove(path)
    return {}, data


def answer(request: t.Mapping[str, t.Any], texts: t.Any = None) -> tuple[dict[str, t.Any], bytes]:
    """Answer one request: header and what follows it of the contents. Never raises; errors are in the header.

    :param texts: _texts.py as a module, for components of other kinds than files.
    """
    try:
        op = request.get("op") if isinstance(request, dict) else None
        if op in ("read", "drop"):
            return _handed_over(op, request)
        return _answer(*_checked(request, texts))
    except _RefusedError as e:
        return {"error": e.error}, b""
    except Exception as e:  # noqa: BLE001  # a traceback could show content; where it happened is enough
        return {"error": _internal(e)}, b""


def _checked(
    request: t.Mapping[str, t.Any], texts: t.Any
) -> tuple[str, str, list[dict[str, t.Any]], dict[str, int], dict[str, t.Any], list[str]]:
    try:
        op, root = request["op"], request.get("root", "/")
        journals = _journals(str(request["journal"]) if "journal" in request else None)
        limits = {key: int(request["limits"][key]) for key in ("bytes", "entries")}
        components = [
            {
                "name": str(given["name"]),
                "paths": [str(path) for path in given["paths"]],
                "excludes": list(given.get("excludes", ())),
                "unreadable": given.get("unreadable", "error"),
                "absent": given.get("absent", "error"),
                "volatile": [str(pattern) for pattern in given.get("volatile", ())],
                "bytes": int(given.get("bytes", limits["bytes"])),
                "kind": str(given.get("kind", _FILES)),
                "source": given.get("source", {}),
                "texts": texts,
            }
            for given in request["components"]
        ]
        given = request.get("deliver", {})
        deliver = {
            "stdout": int(given.get("stdout", sys.maxsize)),
            "folders": [str(folder) for folder in given.get("folders", ())],
        }
        for component in components:
            Excludes(component["excludes"])
            if component["kind"] == _FILES:
                Excludes({"pattern": pattern, "reason": "volatile"} for pattern in component["volatile"])
            elif texts is None:
                raise ValueError(f"component {component['name']} is no files, and nothing came that could gather it")
            for path in component["paths"]:
                odd = {"", ".", ".."} & set(path[1:].split("/")) if path != "/" else set()
                if not path.startswith("/") or b"\0" in _bytes(path) or odd:
                    raise ValueError(f"{path!r} is not a plain absolute path")
        if op not in _OPS or not os.path.isabs(root) or len({c["name"] for c in components}) < len(components):
            raise ValueError("operation, root or component names are not usable")
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise _RefusedError("request", f"the request is not usable: {e}") from e
    return op, root, components, limits, deliver, journals


def _answer(
    op: str,
    root: str,
    components: list[dict[str, t.Any]],
    limits: dict[str, int],
    deliver: dict[str, t.Any],
    journals: list[str],
) -> tuple[dict[str, t.Any], bytes]:
    _sweep(deliver["folders"])
    spool = _Spool(deliver["stdout"], deliver["folders"]) if op == "content" else None
    before = _open_restores(journals)
    try:
        header = _walked(op, root, components, limits, spool)
        header["host"].update(_restores(before, _open_restores(journals)))
        told, contents = spool.finish() if spool is not None else ({}, b"")
    except BaseException:
        if spool is not None:
            spool.discard()
        raise
    return {**header, **told}, contents


def _walked(
    op: str,
    root: str,
    components: list[dict[str, t.Any]],
    limits: dict[str, int],
    spool: _Spool | None,
) -> dict[str, t.Any]:
    now = int(time.time())
    try:
        root_fd = os.open(_bytes(root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as e:
        if e.errno == errno.ENOENT and components and all(c["absent"] == "leave_out" for c in components):
            # as of an empty folder
            return {"host": _host(now, root), "components": {c["name"]: _nothing(c, op) for c in components}}
        raise _RefusedError("root", f"{root} cannot be opened ({errno.errorcode.get(e.errno or 0)})", [root]) from e
    try:
        walks = [_begun(root_fd, component, limits, spool) for component in components]
        for walk in walks:
            walk.take()
    finally:
        os.close(root_fd)
    _refuse_gaps(components, walks)
    answers = {}
    for component, walk in zip(components, walks):
        entries, places = walk.finish()
        answers[walk.name] = {
            "fingerprint": fingerprint(entries, walk.absent),
            "entries": len(entries),
            "bytes": walk.bytes,
            "left_out": [[path, walk.left_out[path]] for path in sorted(walk.left_out, key=_bytes)],
            "left_out_bytes": walk.left_out_bytes,
            "changed_while_read": sorted(walk.changed, key=_bytes),
        }
        if component["volatile"] and component["kind"] != _FILES:
            answers[walk.name]["normalised"] = fingerprint(walk.steady(), ())
        elif component["volatile"]:
            answers[walk.name]["normalised"] = normalised(entries, walk.absent, component["volatile"])
        if op != "fingerprint":
            answers[walk.name]["listing"] = entries
        if op == "content":
            answers[walk.name]["contents"] = places
    return {"host": _host(now, root), "components": answers}


def _begun(root: int, component: dict[str, t.Any], limits: dict[str, int], spool: _Spool | None) -> t.Any:
    if component["kind"] == _FILES:
        return _Walk(root, component, limits, spool)
    return component["texts"].Texts(component, spool, _RefusedError)


def _host(now: int, root: str) -> dict[str, t.Any]:
    told = {"python": ".".join(map(str, sys.version_info[:3])), "euid": os.geteuid(), "time": now}
    return {**told, "machine": _machine(root)}


def _journals(given: str | None) -> list[str]:
    """The folders in which restores in place may keep their journals, unless one is given: root's, and this user's."""
    if given is not None:
        return [_expanded(given)]
    return [_JOURNAL] if os.geteuid() == 0 else [_JOURNAL, _expanded(_OWN_JOURNAL)]


def _open_restores(journals: t.Sequence[str]) -> tuple[set[str], int | None]:
    """Ids of the restores in place that are open, and when one came or went last in the first of these folders.

    One that was killed before it wrote its journal has changed nothing, and one that has ended has none any more.
    """
    ids: set[str] = set()
    moved = None
    for folder in map(_bytes, journals):
        try:
            # a user's own one holds what controllers keep, too
            if folder == _bytes(journals[0]):
                moved = os.stat(folder).st_mtime_ns
            for name in os.listdir(folder):
                if _RESTORE.fullmatch(name) and os.path.lexists(os.path.join(folder, name, b"journal.json")):
                    ids.add(_text(name))
        except (OSError, ValueError):
            pass  # it is not there, or it is root's alone and this is another user
    return ids, moved


def _restores(before: tuple[set[str], int | None], after: tuple[set[str], int | None]) -> dict[str, t.Any]:
    """What an answer says of restores, from what was there at the two ends of the walk."""
    return {"restores": sorted(before[0] | after[0])[:_MAX_RESTORES], "restored": before[1] != after[1]}


def _machine(root: str) -> str | None:
    """A digest of machine-id(5), which is to leave the host in no other form; None where it is not made yet."""
    try:
        fd = os.open(os.path.join(_bytes(root), b"etc/machine-id"), _FILE_FLAGS)
        try:
            held = os.read(fd, _READ) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
        finally:
            os.close(fd)
    except OSError:
        return None
    if held.strip() in (b"", b"uninitialized"):
        return None
    return hashlib.sha256(b"holdfast machine v1\0" + held).hexdigest()


def _nothing(component: t.Mapping[str, t.Any], op: str) -> dict[str, t.Any]:
    """The answer for a component below a root that is not there."""
    absent = sorted({path for path in component["paths"] if not _GLOB.search(path)}, key=_bytes)
    answer: dict[str, t.Any] = {
        "fingerprint": fingerprint([], absent),
        "entries": 0,
        "bytes": 0,
        "left_out": [[path, "absent"] for path in absent],
        "left_out_bytes": 0,
        "changed_while_read": [],
    }
    if component["volatile"]:
        answer["normalised"] = normalised([], absent, component["volatile"])
    more: dict[str, t.Any] = {"entries": {"listing": []}, "content": {"listing": [], "contents": []}}.get(op, {})
    return {**answer, **more}


def _refuse_gaps(components: list[dict[str, t.Any]], walks: list[t.Any]) -> None:
    """Raise for what could not be read, then for components of which nothing is there."""
    unreadable = []
    for component, walk in zip(components, walks):
        if component["unreadable"] == "leave_out":
            walk.left_out.update(dict.fromkeys(walk.unreadable, "unreadable"))
        else:
            unreadable += walk.unreadable
    if unreadable:
        paths = sorted(set(unreadable), key=_bytes)
        raise _RefusedError("unreadable", f"{len(paths)} paths cannot be read by uid {os.geteuid()}", paths)
    gone = [
        (component["name"], component["paths"])
        for component, walk in zip(components, walks)
        if not walk.entries and len(walk.left_out) == len(walk.absent) and component["absent"] == "error"
    ]
    if gone:
        names = ", ".join(name for name, _paths in gone)
        raise _RefusedError("absent", f"no path of {names} exists", [path for _name, paths in gone for path in paths])


def pack(header: t.Mapping[str, t.Any], contents: bytes = b"") -> str:
    """Spell an answer: base64 of zlib of 8 hex digits (length of the header) and the header as JSON, then contents.

    :param contents: what follows, compressed already.
    """
    head = _json(header)
    return base64.b64encode(zlib.compress(b"%08x" % len(head) + head, 1) + contents).decode("ascii")


def serve(source: t.BinaryIO, sink: t.TextIO) -> None:
    """Read one request (a line of JSON, then perhaps _texts.py) and print one line: the mark, and the packed answer."""
    polite()
    try:
        request = json.loads(source.readline())
    except (ValueError, RecursionError):
        request = {}
    sink.write(MARK + pack(*answer(request, _brought(request, source))) + "\n")
    sink.flush()


def _brought(request: t.Any, source: t.BinaryIO) -> t.Any:
    """The program that follows a request which says how many bytes it has: most hosts need none."""
    size = request.get("program") if isinstance(request, dict) else None
    if not isinstance(size, int):
        return None
    texts: t.Any = type(sys)("holdfast_texts")
    # as BOOTSTRAP does with this one
    exec(compile(source.read(size), texts.__name__, "exec"), texts.__dict__)  # noqa: S102
    return texts


def polite() -> None:
    """Lower this process's priority to that of ``nice -n 10``, once; where that is refused, go on as it is."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, max(10, os.getpriority(os.PRIO_PROCESS, 0)))
    except OSError:
        return


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _native(name: str) -> str:
    """What Python decoded by the host's locale, in the form of this format."""
    return _text(os.fsencode(name))


def _json(value: t.Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _internal(e: Exception) -> dict[str, t.Any]:
    trace = e.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    line = trace.tb_lineno if trace is not None else 0
    return _RefusedError("internal", f"{type(e).__name__} in line {line}").error


def _failed(e: OSError, path: str) -> _RefusedError:
    return _RefusedError("os", f"{errno.errorcode.get(e.errno or 0, 'an error')} on {path}", [path])


def _instead(old: int, new: int) -> int:
    os.close(old)
    return new


def _open(name: bytes, folder: int, flags: int) -> int:
    if _NO_ATIME:
        try:
            return os.open(name, flags | _NO_ATIME, dir_fd=folder)
        except PermissionError:
            pass  # O_NOATIME is for the owner and root only
    return os.open(name, flags, dir_fd=folder)


def _names_in(folder: int) -> list[bytes]:
    return sorted(os.fsencode(name) for name in os.listdir(folder))


def _is_cache(folder: int) -> bool:
    try:
        fd = _open(_CACHE_TAG, folder, _FILE_FLAGS)
    except OSError:
        return False
    try:
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        return regular and os.read(fd, len(_CACHE_SIGNATURE)) == _CACHE_SIGNATURE
    except OSError:
        return False
    finally:
        os.close(fd)


def _xattrs(where: int | bytes, *, follow_symlinks: bool = True) -> dict[str, dict[str, str]]:
    """The extended attributes, as the keyword of an entry; ACLs, SELinux labels and capabilities are among them."""
    found = {}
    try:
        for name in os.listxattr(where, follow_symlinks=follow_symlinks) if hasattr(os, "listxattr") else ():
            try:
                value = os.getxattr(where, name, follow_symlinks=follow_symlinks)
            except OSError as e:
                if e.errno not in _NO_XATTR:
                    raise
            else:
                found[_native(name)] = base64.b64encode(value).decode("ascii")
    except OSError as e:
        if e.errno not in _NO_XATTR:
            raise
    return {"xattrs": found} if found else {}


def _link(folder: int, name: bytes, st: os.stat_result) -> dict[str, t.Any]:
    """Target and attributes of a symlink, as keywords of an entry; it has no descriptor that could hold it steady."""
    try:
        target = os.readlink(name, dir_fd=folder)
    except OSError as e:
        if e.errno != errno.EINVAL:
            raise
        raise OSError(errno.ELOOP, "not the symlink it was") from e
    xattrs = _xattrs(b"/proc/self/fd/%d/%s" % (folder, name), follow_symlinks=False)
    after = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if (st.st_dev, st.st_ino, st.st_ctime_ns) != (after.st_dev, after.st_ino, after.st_ctime_ns):
        raise OSError(errno.ELOOP, "not the symlink it was")
    return {"target": _text(target), **xattrs}


@functools.lru_cache(maxsize=None)
def _user(uid: int) -> str:
    try:
        return _native(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return ""


@functools.lru_cache(maxsize=None)
def _group(gid: int) -> str:
    try:
        return _native(grp.getgrgid(gid).gr_name)
    except KeyError:
        return ""


@functools.lru_cache(maxsize=None)
def _pseudo_devices() -> frozenset[int]:
    """The devices of mounted pseudo file systems, as far as this host tells (proc(5), mountinfo)."""
    found = set()
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            for line in lines:
                head, _dash, tail = line.partition(b" - ")
                if tail.split()[0].decode("ascii", "replace") in _PSEUDO:
                    major, minor = head.split()[2].split(b":")
                    found.add(os.makedev(int(major), int(minor)))
    except OSError:
        return frozenset()
    return frozenset(found)
