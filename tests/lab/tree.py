# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hostile tree: whatever a Linux file system lets somebody make, to be captured and to come back.

A program too, for a managed host's Python as root: ``python3 - FOLDER`` makes the tree in ``FOLDER/hostile`` and
``FOLDER/other``, which are two components, and prints as JSON what the file system refused.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
import struct
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

HOSTILE = "hostile"
OTHER = "other"

# in most files, and in no output (tests.system.lab.CANARY)
SECRET = b"CANARY-5b7f0c2e9d41 "
# A path of the tree that no snapshot holds, and why its manifest says so.
LEFT_OUT = {
    "special/socket": "special file (socket)",
    "special/fifo": "special file (fifo)",
    "special/char": "special file (char device)",
    "special/block": "special file (block device)",
    "names/.holdfast-0123456789abcdef": "working file of holdfast",
    "names/.holdfast-folder": "working file of holdfast",
    "cache/real": "cache directory (CACHEDIR.TAG)",
}
# names of one inode in both components
SHARED = "hard/in both"
# a file in which zeros were written, which take no room when it comes back
WRITTEN_ZEROS = "sparse/zeros that were written"
# names of one symlink
LINK_NAMES = ("hard/symlink", "hard/symlink too")

MODES = (0o0000, 0o0001, 0o0200, 0o0400, 0o0666, 0o0777, 0o1644, 0o2755, 0o4755, 0o6711, 0o7777)
OWNERS = ((0, 0), (65534, 65534), (12345, 54321), (0, 4), (1 << 31, (1 << 31) + 7), ((1 << 32) - 2, 4_000_000_000))
_SECOND = 1_000_000_000
MTIMES = (
    0,
    1,
    1_700_000_000_123_456_789,
    1_700_000_000_999_999_999,
    -1,
    -1_500_000_001,
    -2_000_000_000 * _SECOND + 3,
    (1 << 31) * _SECOND + 7,
    4_102_444_800 * _SECOND + 999_999_999,
    15_032_385_535 * _SECOND,
)
TARGETS = {
    "dangling": b"no such path",
    "itself": b"itself",
    "loop one": b"loop two",
    "loop two": b"loop one",
    "absolute": b"/etc/passwd",
    "up": b"../../../../../../../../etc/shadow",
    "to a folder": b"../empty",
    "to a folder, slash": b"../empty/",
    "here": b".",
    "outside by proc": b"/proc/self/root/etc",
    "not UTF-8": b"caf\xe9/\xff",
    "newline": b"two\nlines",
    "long": b"x/" * 2047,
}
NAMES = (
    b"caf\xe9",
    b"\xff\xfe",
    b"new\nline",
    b"tab\there",
    b"return\rhere",
    b"\x01\x1b[31mred",
    b"-rf",
    b"--help",
    b" leading space",
    b"trailing space ",
    b"trailing dot.",
    b"...",
    b"~",
    b"*",
    b"?[a-z]!",
    b"{{ braces }}",
    b"%41%2F",
    b"=",
    b"quote'quote\"",
    b"back\\slash",
    b"$(touch never)`touch never`",
    b"a;b|c&d",
    b"#comment",
    b"n" * 255,
    "\N{LATIN SMALL LETTER E WITH ACUTE}".encode(),
    "e\N{COMBINING ACUTE ACCENT}".encode(),
    "\N{PILE OF POO}\N{ZERO WIDTH JOINER}\N{RIGHT-TO-LEFT OVERRIDE}abc".encode(),
    "\N{NO-BREAK SPACE}".encode(),
    b"Case",
    b"case",
    b"CON",
    b".holdfast",
    b".holdfast-",
    b".holdfast-0123456789abcdeg",
    b".holdfast-0123456789ABCDEF",
    b".holdfast-0123456789abcdef0",
    b"RESTORE.md",
    b"SHA256SUMS",
    b"files.json",
)
_CAPABILITY = "cap_net_raw,cap_net_bind_service=ep"
_LABEL = b"system_u:object_r:etc_t:s0\0"
XATTRS = {
    "plain": {b"user.plain": b"a value"},
    "binary": {b"user.binary": bytes(range(256))},
    "empty": {b"user.empty": b"", b"user.also empty": b""},
    "odd names": {b"user.caf\xe9": b"1", b"user.a=b%3Dc": b"2", b"user.new\nline": b"3", b"user." + b"x" * 250: b"4"},
    "large": {b"user.large": b"\xa5" * 3000},
    "trusted": {b"trusted.plain": b"root's own", b"trusted.empty": b""},
}
_SIZES = (0, 1, 4095, 4096, 4097, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 1 << 20, (1 << 20) + 1)
# how a sparse file is made: ranges that are written, and the size
_SPARSE: dict[str, tuple[tuple[tuple[int, int], ...], int]] = {
    "leading hole": (((1 << 16, 4096),), (1 << 16) + 4096),
    "hole in the middle": (((0, 4096), (1 << 20, 100)), (1 << 20) + 100),
    "trailing hole": (((0, 10),), 1 << 19),
    "trailing hole, odd size": (((0, 4096),), (1 << 16) + 77),
    "nothing but a hole": ((), 1 << 20),
    "nothing but a hole, odd size": ((), 12_345),
    "hole over many blocks": (((3 << 20, 1),), (8 << 20) + 1),
    "many holes": (tuple((at, 4096) for at in range(0, 1 << 20, 1 << 16)), 1 << 20),
}
# FS_IMMUTABLE_FL and others of linux/fs.h
FLAGS = {"immutable": 0x10, "append only": 0x20, "no dump": 0x40, "no atime": 0x80}
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
DEPTH = 120


def make(folder: bytes) -> list[list[str]]:
    """Make both components; returns what the file system refused, as pairs of a path and the name of an errno."""
    made = _Made(folder)
    made.modes()
    made.owners()
    made.times()
    made.symlinks()
    made.names()
    made.hard_links()
    made.xattrs()
    made.acls()
    made.folders()
    made.contents()
    made.special()
    made.cache()
    made.flags()
    return made.refused


def unlock(folder: bytes) -> None:
    """Take the flags off, so that the tree can be removed."""
    for name in FLAGS:
        with contextlib.suppress(FileNotFoundError):
            _set_flags(os.path.join(folder, os.fsencode(HOSTILE), b"flags", os.fsencode(name)), 0)


class _Made:
    def __init__(self, folder: bytes) -> None:
        self.refused: list[list[str]] = []
        self._top = os.path.join(folder, os.fsencode(HOSTILE))
        self._other = os.path.join(folder, os.fsencode(OTHER))
        for top in (self._top, self._other):
            os.makedirs(top)

    def _folder(self, name: str | bytes) -> bytes:
        path = self._path(name)
        os.makedirs(path, exist_ok=True)
        return path

    def _path(self, name: str | bytes) -> bytes:
        return os.path.join(self._top, os.fsencode(name))

    def _file(self, name: str | bytes, content: bytes | None = None) -> bytes:
        path = self._path(name)
        with open(path, "xb") as stream:
            # no two files are equal, so that none can stand for another
            stream.write(SECRET + os.path.relpath(path, self._top) if content is None else content)
        return path

    @contextlib.contextmanager
    def _may_refuse(self, path: bytes) -> t.Iterator[None]:
        try:
            yield
        except OSError as e:
            self.refused.append([os.fsdecode(os.path.relpath(path, self._top)), errno.errorcode[e.errno or 0]])

    def modes(self) -> None:
        self._folder("modes")
        for mode in MODES:
            path = self._file(f"modes/file {mode:04o}")
            below = self._folder(f"modes/folder {mode:04o}")
            self._file(f"modes/folder {mode:04o}/below")
            os.chmod(path, mode)
            os.chmod(below, mode)

    def owners(self) -> None:
        self._folder("owners")
        for uid, gid in OWNERS:
            path = self._file(f"owners/file {uid} {gid}")
            link = self._path(f"owners/link {uid} {gid}")
            os.symlink(b"nowhere", link)
            for owned in (path, link, self._folder(f"owners/folder {uid} {gid}")):
                os.chown(owned, uid, gid, follow_symlinks=False)
            # after the owner, whose change takes these bits away
            os.chmod(path, 0o6755)

    def times(self) -> None:
        self._folder("times")
        for mtime in MTIMES:
            path = self._file(f"times/file {mtime}")
            link = self._path(f"times/link {mtime}")
            os.symlink(b"nowhere", link)
            for timed in (path, link, self._folder(f"times/folder {mtime}")):
                os.utime(timed, ns=(mtime, mtime), follow_symlinks=False)

    def symlinks(self) -> None:
        folder = self._folder("symlinks")
        for name, target in TARGETS.items():
            os.symlink(target, os.path.join(folder, os.fsencode(name)))

    def names(self) -> None:
        folder = self._folder("names")
        for name in NAMES:
            self._file(b"names/" + name)
        as_folder = self._folder("names as folders")
        as_link = self._folder("names as links")
        for name in NAMES:
            if not name.startswith(b".holdfast-"):
                os.mkdir(os.path.join(as_folder, name))
                self._file(b"names as folders/" + name + b"/below")
            os.symlink(name, os.path.join(as_link, name))
        self._file("names/.holdfast-0123456789abcdef")
        os.mkdir(os.path.join(folder, b".holdfast-folder"))
        self._file("names/.holdfast-folder/below")

    def hard_links(self) -> None:
        self._folder("hard/a/b")
        self._folder("hard/z")
        for source, *names in (
            ("hard/pair one", "hard/pair two"),
            ("hard/a/b/three", "hard/three", "hard/z/three"),
            ("hard/z/last first", "hard/a/last first"),
        ):
            for name in names if self._file(source) else ():
                os.link(self._path(source), self._path(name))
        dressed = self._file("hard/z/dressed")
        os.chown(dressed, 12345, 54321)
        os.setxattr(dressed, "user.kept", b"once")
        os.chmod(dressed, 0o4000)
        os.utime(dressed, ns=(MTIMES[2], MTIMES[2]))
        os.link(dressed, self._path("hard/a/dressed"))
        os.symlink(b"nowhere", self._path(LINK_NAMES[0]))
        os.link(self._path(LINK_NAMES[0]), self._path(LINK_NAMES[1]), follow_symlinks=False)
        os.link(self._file(SHARED), os.path.join(self._other, b"in both"))

    def xattrs(self) -> None:
        self._folder("xattrs")
        for name, values in XATTRS.items():
            for path in (self._file(f"xattrs/{name}"), self._folder(f"xattrs/{name}, folder")):
                for key, value in values.items():
                    os.setxattr(path, key, value)
        link = self._path("xattrs/link")
        os.symlink(b"nowhere", link)
        os.setxattr(link, b"trusted.of a link", b"value", follow_symlinks=False)
        program = self._file("xattrs/capability")
        os.chown(program, 0, 54321)
        os.chmod(program, 0o750)
        subprocess.run(["setcap", _CAPABILITY, program], check=True)
        label = self._file("xattrs/label")
        folder = self._folder("xattrs/label, folder")
        for path in (label, folder):
            with self._may_refuse(path):
                os.setxattr(path, b"security.selinux", _LABEL)
        os.symlink(b"nowhere", self._path("xattrs/label, link"))
        with self._may_refuse(self._path("xattrs/label, link")):
            os.setxattr(self._path("xattrs/label, link"), b"security.selinux", _LABEL, follow_symlinks=False)

    def acls(self) -> None:
        folder = self._folder("acls")
        self._file("acls/named")
        self._file("acls/masked")
        self._file("acls/large ids")
        _setfacl("-m", "u:65534:rw,g:54321:rx,m::rwx", os.path.join(folder, b"named"))
        _setfacl("-m", "u:12345:rwx,g::rwx,m::r", os.path.join(folder, b"masked"))
        _setfacl("-m", "u:4000000000:r,g:2147483648:w", os.path.join(folder, b"large ids"))
        default = self._folder("acls/default")
        _setfacl("-d", "-m", "u:12345:rwx,g:54321:r,m::rx,o::-", default)
        self._file("acls/default/inherits")
        self._folder("acls/default/inherits too")
        # none of its own in a folder that gives it one
        bare = self._file("acls/default/bare")
        _setfacl("-b", bare)
        both = self._folder("acls/both")
        _setfacl("-m", "u:12345:rx", both)
        _setfacl("-d", "-m", "g:54321:rwx", both)
        os.chmod(both, 0o2770)
        os.link(os.path.join(folder, b"named"), os.path.join(folder, b"named, hard link"))

    def folders(self) -> None:
        self._folder("empty")
        self._folder("empty folders/one/two")
        deep = "deep/" + "/".join(f"d{number:03}" for number in range(DEPTH))
        self._folder(deep)
        self._file(f"{deep}/file")

    def contents(self) -> None:
        self._folder("sizes")
        for size in _SIZES:
            self._file(f"sizes/{size}", (b"%d " % size * (size // 2 + 1))[:size])
        self._file("sizes/no end of line", b"no end of line")
        self._file("sizes/line ends", b"\r\n\n\r\0\x1a")
        self._folder("sparse")
        self._file(WRITTEN_ZEROS, b"x" + bytes(20_000) + b"y")
        for name, (written, size) in _SPARSE.items():
            with open(self._path(f"sparse/{name}"), "xb") as stream:
                for start, length in written:
                    stream.seek(start)
                    stream.write(b"d" * length)
                stream.truncate(size)

    def special(self) -> None:
        self._folder("special")
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as unbound:
            # its name is longer than an address may be
            there = os.open(self._path("special"), os.O_RDONLY)
            try:
                unbound.bind(f"/proc/self/fd/{there}/socket")
            finally:
                os.close(there)
        os.mkfifo(self._path("special/fifo"))
        os.mknod(self._path("special/char"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod(self._path("special/block"), stat.S_IFBLK | 0o600, os.makedev(7, 0))

    def cache(self) -> None:
        signature = b"Signature: 8a477f597d28d172789f06886806bc55"
        self._folder("cache/real")
        self._file("cache/real/CACHEDIR.TAG", signature + b"\n# a cache\n")
        self._file("cache/real/cached")
        self._folder("cache/false")
        self._file("cache/false/CACHEDIR.TAG", b" " + signature)
        self._file("cache/false/kept")
        self._folder("cache/folder/CACHEDIR.TAG")

    def flags(self) -> None:
        self._folder("flags")
        for name, flags in FLAGS.items():
            path = self._file(f"flags/{name}")
            with self._may_refuse(path):
                _set_flags(path, flags)


def _set_flags(path: bytes, flags: int) -> None:
    """Set what chattr(1) sets of these, and take the others of them off (ioctl_iflags(2))."""
    fd = os.open(path, os.O_RDONLY)
    try:
        (held,) = struct.unpack("l", fcntl.ioctl(fd, _GET_FLAGS, bytes(8)))
        kept = held & ~sum(FLAGS.values())
        fcntl.ioctl(fd, _SET_FLAGS, struct.pack("l", kept | flags))
    finally:
        os.close(fd)


def _setfacl(*args: str | bytes) -> None:
    subprocess.run(["setfacl", *args], check=True)


if __name__ == "__main__":
    if sys.argv[1] == "unlock":
        unlock(os.fsencode(sys.argv[2]))
    else:
        sys.stdout.write(json.dumps(make(os.fsencode(sys.argv[1]))))
