# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives: what they hold is taken as it is, and what must not be there refuses all of it, within bounds."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import re
import subprocess
import tarfile
import tracemalloc
import typing as t
from pathlib import Path

import pytest
import zstandard
from ansible_collections.holdfast.config.plugins.plugin_utils.capture import imported as captures
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import (
    CaptureError,
    FormatError,
    HostileArchiveError,
    IntegrityError,
    PolicyError,
)
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.base import Names, Tree
from ansible_collections.holdfast.config.plugins.plugin_utils.imports.tars import Tars, unpacked
from ansible_collections.holdfast.config.plugins.plugin_utils.model.entry import EntryKind
from hypothesis import given, settings
from hypothesis import strategies as st

from .sources import HOUR, T0, UTC, written

Members = list[tuple[str, bytes, str, bytes]]
TYPES = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "sparse": tarfile.GNUTYPE_SPARSE,
}
FILE: Members = [("etc", b"", "dir", b""), ("etc/a", b"content", "file", b"")]


def packed(members: Members, form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of members: name, content, type and target."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=form) as tar:
        for name, data, kind, target in members:
            told = tarfile.TarInfo(name)
            told.type, told.size, told.linkname, told.mtime = TYPES[kind], len(data), target.decode(), 1714550400
            tar.addfile(told, io.BytesIO(data))
    return held.getvalue()


def read(data: bytes, **more: t.Any) -> Tree:
    return unpacked(data, **{"root": "/", "most_bytes": 1 << 20, "most_entries": 100, "what": "x.tar", **more})


class TestWhatItHolds:
    """As GNU tar wrote it."""

    @pytest.mark.parametrize("option", ["--gzip", "--xz", "--zstd", "--format=pax", "--format=gnu", "--format=ustar"])
    def test_of_gnu_tar(self, tmp_path: Path, option: str) -> None:
        etc = tmp_path / "etc"
        written(etc / "app" / "main.conf", "listen\n", T0, 0o640)
        (etc / "app" / "again").hardlink_to(etc / "app" / "main.conf")
        (etc / "link").symlink_to("/usr/share/zoneinfo/UTC")
        (etc / "empty").mkdir(mode=0o700)
        owner = ("--owner=app:77", "--group=web:78", "--sort=name")
        subprocess.run(["tar", option, *owner, "-cf", "x.tar", "./etc"], cwd=tmp_path, check=True)
        tree = read((tmp_path / "x.tar").read_bytes())
        found = {entry.path: entry for entry in tree.entries}
        assert {path: entry.kind.value for path, entry in found.items()} == {
            "/etc": "dir",
            "/etc/app": "dir",
            "/etc/app/again": "file",
            "/etc/app/main.conf": "hardlink",
            "/etc/empty": "dir",
            "/etc/link": "symlink",
        }
        assert tree.paths == ("/etc",)
        assert tree.contents == {"/etc/app/again": b"listen\n"}
        one = found["/etc/app/again"]
        assert (one.mode, one.user, one.uid, one.group, one.gid) == (0o640, "app", 77, "web", 78)
        assert one.mtime_ns == int(T0.timestamp()) * 10**9
        assert found["/etc/link"].target == "/usr/share/zoneinfo/UTC"
        content = captures.tree("imported-tar", tree.paths, tree.entries, tree.contents, (), **WHOSE)
        assert content.fingerprint.entries == 6

    def test_nanoseconds_and_attributes(self) -> None:
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
            told = tarfile.TarInfo("etc/a")
            told.pax_headers = {"mtime": "1714550400.123456789", "SCHILY.xattr.user.x%3Dy": "value"}
            tar.addfile(told, io.BytesIO(b""))
        (entry,) = read(held.getvalue()).entries
        assert (entry.mtime_ns, dict(entry.xattrs)) == (1714550400123456789, {"user.x=y": b"value"})

    @pytest.mark.parametrize("name", ["etc/a", "./etc/a", "/etc/a", "etc//a", "etc/./a"])
    def test_ways_to_spell_a_name(self, name: str) -> None:
        assert read(packed([(name, b"x", "file", b"")]), root="/srv").paths == ("/srv/etc/a",)

    def test_of_many_folders(self) -> None:
        many: Members = [(f"etc/d{number}/f", b"", "file", b"") for number in range(150)]
        assert read(packed(many), most_entries=200).paths == ("/etc",)


class TestWhatItMustNotHold:
    """One such member refuses the archive."""

    @pytest.mark.parametrize(
        "members",
        [
            [("../etc/passwd", b"x", "file", b"")],
            [("etc/../../x", b"x", "file", b"")],
            [("..", b"", "dir", b"")],
            [("etc/link", b"", "symlink", b"/root"), ("etc/link/authorized_keys", b"x", "file", b"")],
            [("etc/a", b"x", "file", b""), ("etc/a/b", b"x", "file", b"")],
            [("etc/a/b", b"x", "file", b""), ("etc/a", b"x", "file", b"")],
            [("etc/a", b"x", "file", b""), ("./etc/a", b"y", "file", b"")],
            [("etc/a", b"", "hardlink", b"etc/later"), ("etc/later", b"x", "file", b"")],
            [("etc/a", b"", "hardlink", b"../../etc/shadow")],
            [("etc/a", b"", "hardlink", b"/etc/shadow")],
            [("etc/a", b"", "symlink", b"")],
            [("etc/a", b"", "fifo", b"")],
            [("etc/a", b"", "char", b"")],
            [("etc/a", b"", "block", b"")],
            [],
            [(".", b"", "dir", b"")],
        ],
    )
    def test_refused(self, members: Members) -> None:
        with pytest.raises(HostileArchiveError, match=r"archive holds") as refused:
            read(packed(members))
        assert str(refused.value.item).startswith("x.tar")

    def test_more_than_it_may(self) -> None:
        with pytest.raises(HostileArchiveError, match="more than 1 members"):
            read(packed(FILE), most_entries=1)
        with pytest.raises(HostileArchiveError, match="more than 6 bytes"):
            read(packed(FILE), most_bytes=6)

    def test_owners_and_times_that_cannot_be(self) -> None:
        for name, value in (("uid", 2**40), ("gid", -1), ("mtime", 2**41)):
            held = io.BytesIO()
            with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as tar:
                told = tarfile.TarInfo("a")
                setattr(told, name, value)
                tar.addfile(told, io.BytesIO(b""))
            with pytest.raises(HostileArchiveError, match="cannot be"):
                read(held.getvalue())

    @pytest.mark.parametrize("name", ["gzip", "xz", "zstd", "zstd without its size", "two of zstd"])
    def test_a_bomb(self, name: str) -> None:
        bomb = {
            "gzip": gzip.compress,
            "xz": lambda plain: lzma.compress(plain, preset=0),
            "zstd": lambda plain: zstandard.ZstdCompressor().compress(plain),
            "zstd without its size": lambda plain: zstandard.ZstdCompressor(write_content_size=False).compress(plain),
            "two of zstd": lambda plain: zstandard.ZstdCompressor().compress(plain[: len(plain) // 2]) * 2,
        }[name](bytes(64 << 20))
        tracemalloc.start()
        try:
            with pytest.raises(HostileArchiveError, match="more than"):
                read(bomb, most_entries=10)
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()


def block(name: str, kind: bytes, size: int = 0, data: bytes = b"", flag: bool = False) -> bytes:
    """A member as tarfile itself writes none: of any size, perhaps with the flag that a sparse map goes on."""
    told = tarfile.TarInfo(name)
    told.type = kind
    header = bytearray(told.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = tarfile.itn(size or len(data), 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    header[482] = flag
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


END = bytes(2 * tarfile.BLOCKSIZE)
A = block("etc/a", tarfile.REGTYPE)


class TestWhatLeadsAstray:
    """What would keep tarfile busy for ever, or break it, refuses the archive as anything else does."""

    @pytest.mark.parametrize(
        "data",
        [
            # a size below nothing leads back to the header it stands in, by itself and by an extended header
            A + block(".", tarfile.REGTYPE, -512) + END,
            A + block("x", tarfile.XHDTYPE, data=b"14 size=-1536\n") + block(".", tarfile.REGTYPE) + END,
            # as deep as a stack
            block("x", tarfile.XHDTYPE) * 2000 + A + END,
            block("x", tarfile.GNUTYPE_LONGNAME) * 2000 + A + END,
            block("etc/a", tarfile.GNUTYPE_SPARSE, flag=True),
            # a search in digits takes the square of their number
            block("x", tarfile.XHDTYPE, data=b"1" * 500_000) + A + END,
            block("x", tarfile.XGLTYPE, data=bytes(2_000_000)) + A + END,
        ],
        ids=["back", "back-extended", "deep", "deep-names", "sparse", "digits", "large"],
    )
    def test_refused(self, data: bytes) -> None:
        with pytest.raises((HostileArchiveError, IntegrityError)):
            read(data, most_bytes=4 << 20)

    @pytest.mark.parametrize("kind", ["file", "symlink", "char"])
    def test_the_folder_it_was_made_in_is_one(self, kind: str) -> None:
        with pytest.raises(HostileArchiveError, match="is no folder"):
            read(packed([(".", b"", kind, b"x"), *FILE]))

    def test_deeper_than_any_host(self) -> None:
        with pytest.raises(HostileArchiveError, match="too deep"):
            read(packed([("a/" * 200 + "x", b"", "file", b"")]))

    def test_a_name_that_no_host_can_have(self) -> None:
        tree = read(block("x", tarfile.XHDTYPE, data=b"13 uname=a\0b\n") + A + END)
        with pytest.raises(CaptureError, match="no host can have"):
            captures.tree("imported-tar", tree.paths, tree.entries, tree.contents, (), **WHOSE)


class TestDamage:
    """What is not whole is nothing."""

    @pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
    def test_cut_off_anywhere(self, compress: t.Callable[[bytes], bytes]) -> None:
        whole = compress(packed(FILE, tarfile.USTAR_FORMAT)[: 5 * 512])
        assert read(whole).contents == {"/etc/a": b"content"}
        # of a plain one the last block of zeros may be missing, as its second one often is
        for length in range(0, len(whole) - 512 if compress is bytes else len(whole), 7):
            with pytest.raises((IntegrityError, HostileArchiveError)):
                read(whole[:length])

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_a_flipped_byte_in_a_header_is_seen(self, data: st.DataObject) -> None:
        whole = bytearray(packed(FILE, tarfile.USTAR_FORMAT))
        header = data.draw(st.sampled_from([0, 512]))
        # all of it counts but the sum itself, which may be spelled in several ways
        place = header + data.draw(st.sampled_from([*range(148), *range(156, 512)]))
        whole[place] ^= data.draw(st.integers(1, 255))
        with pytest.raises((IntegrityError, HostileArchiveError)):
            read(bytes(whole))

    @pytest.mark.parametrize("data", [b"", b"x" * 2000, b"\x1f\x8b", b"(\xb5/\xfd", b"\xfd7zXZ\x00", bytes(1024)])
    def test_what_is_no_archive(self, data: bytes) -> None:
        with pytest.raises((IntegrityError, HostileArchiveError)):
            read(data)


NAMES = st.lists(st.sampled_from(["etc", "a", "b", "..", ".", "", "\udcff", "x" * 150]), min_size=1, max_size=4).map(
    "/".join
)
MEMBERS = st.lists(
    st.tuples(
        NAMES,
        st.binary(max_size=40),
        st.sampled_from([*TYPES, "file", "dir", "file", "dir"]),
        st.sampled_from([b"", b"etc/a", b"../a", b"/etc/shadow"]),
    ),
    max_size=6,
)
WHOSE = {"tier": "tier1", "owner": "o", "data_class": "internal", "max_bytes": 1 << 30}


@settings(max_examples=250, deadline=None)
@given(MEMBERS, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_any_archive_is_a_tree_below_its_root_or_refused(members: Members, form: int) -> None:
    members = [(name, data if kind == "file" else b"", kind, target) for name, data, kind, target in members]
    with contextlib.suppress(FormatError, CaptureError):
        tree = read(packed(members, form), root="/srv")
        found = {entry.path: entry for entry in tree.entries}
        assert len(found) == len(tree.entries)
        assert all(path.startswith("/srv/") for path in found)
        for entry in tree.entries:
            assert not {"", ".", ".."} & set(entry.path.split("/")[1:])
            above = found.get(entry.path.rpartition("/")[0])
            assert above is None or above.kind is EntryKind.DIRECTORY
            if entry.kind is EntryKind.HARDLINK:
                assert found[entry.target].kind is EntryKind.FILE
        # and it is what a snapshot may hold
        captures.tree("imported-tar", tree.paths, tree.entries, tree.contents, (), **WHOSE)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000), st.booleans())
def test_any_bytes(data: bytes, begun: bool) -> None:
    with contextlib.suppress(FormatError):
        read(packed(FILE)[:512] + data if begun else data)


class TestArchives:
    """Whose an archive is, and of when."""

    def test_one_file_by_its_time(self, tmp_path: Path) -> None:
        path = written(tmp_path / "etc.tar", packed(FILE), T0)
        with Tars(path, names=Names(host="web1")) as reader:
            (version,) = reader.versions()
            assert (version.host, version.at, version.time_source) == ("web1", T0, "mtime")
            assert isinstance(reader.read(version), Tree)

    def test_a_folder_by_names(self, tmp_path: Path) -> None:
        for name in (
            "web1_20240501T0800.tar",
            "web2_20240501T0900.tgz",
            "web3_99999999T9999.tar",
            "notes.txt",
            "x.tar",
        ):
            written(tmp_path / name, packed(FILE), T0)
        pattern = re.compile(r"(?P<host>\w+)_(?P<time>\d{8}T\d{4})")
        with Tars(tmp_path, pattern=pattern, zone=UTC) as reader:
            assert [(one.host, one.at) for one in reader.versions()] == [("web1", T0), ("web2", T0 + HOUR)]
            assert {one.place for one in reader.skipped} == {"web3_99999999T9999.tar", "notes.txt", "x.tar"}

    def test_whose_it_is_must_be_said(self, tmp_path: Path) -> None:
        with (
            Tars(written(tmp_path / "x.tar", packed(FILE), T0)) as reader,
            pytest.raises(PolicyError, match="not said"),
        ):
            reader.versions()
