# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import HostileArchiveError, IntegrityError
from ansible_collections.holdfast.config.plugins.plugin_utils.seal import tar
from hypothesis import given
from hypothesis import strategies as st

MTIME = 1_700_000_000_123_456_789


@dataclasses.dataclass(frozen=True)
class Item:
    path: str
    kind: str = "file"
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    user: str = "root"
    group: str = "root"
    mtime_ns: int = MTIME
    size: int = 0
    target: str = ""
    xattrs: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def file(path: str, content: bytes = b"x\n", **changes: object) -> tuple[Item, bytes]:
    return Item(path, size=len(content), **changes), content  # type: ignore[arg-type]


def other(path: str, kind: str, target: str = "", **changes: object) -> tuple[Item, bytes]:
    return Item(path, kind, target=target, **changes), b""  # type: ignore[arg-type]


def read(data: bytes, *, max_members: int = 1000, max_bytes: int = 1 << 20) -> list[tar.ReadMember]:
    return tar.read(data, max_members=max_members, max_bytes=max_bytes)


def by_tarfile(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive of members that our writer refuses to write."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for each in members:
            info, content = each if isinstance(each, tuple) else (each, b"")
            info.size = info.size or len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def info(name: str, type_: bytes = tarfile.REGTYPE, link: str = "", **pax: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.pax_headers = type_, link, {key.replace("__", "."): v for key, v in pax.items()}
    return found


def gnu_tar(*arguments: str, data: bytes, cwd: Path) -> bytes:
    done = subprocess.run(
        ["tar", *arguments],
        input=data,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        check=True,
        capture_output=True,
    )
    assert done.stderr == b""
    return done.stdout


# -- what is written is read

raw_names = st.binary(min_size=1, max_size=150).filter(
    lambda raw: not {0, ord("/")} & set(raw) and raw not in (b".", b"..")
)
names = raw_names.map(os.fsdecode)
numbers = st.integers(0, 2**32 - 1)
owners = st.binary(max_size=40).filter(lambda raw: 0 not in raw).map(os.fsdecode)
items = st.builds(
    Item,
    path=names,
    kind=st.sampled_from(["file", "dir", "symlink"]),
    mode=st.integers(0, 0o7777),
    uid=numbers,
    gid=numbers,
    user=owners,
    group=owners,
    mtime_ns=st.integers(-(2**62), 2**62),
    target=names,
    xattrs=st.dictionaries(names, st.binary(max_size=100), max_size=3),
)
contents = st.binary(max_size=1100)


@given(st.lists(st.tuples(items, contents), max_size=6, unique_by=lambda pair: pair[0].path))
def test_whatever_is_written_is_read(drawn: list[tuple[Item, bytes]]) -> None:
    members = [
        (dataclasses.replace(item, size=len(content)), content) if item.kind == "file" else (item, b"")
        for item, content in drawn
    ]
    data = tar.write(members)
    assert data == tar.write(iter(members))
    assert read(data) == [
        tar.ReadMember(m.path, m.kind, len(c), m.target if m.kind == "symlink" else "", c) for m, c in members
    ]


@given(item=items, content=contents)
def test_tarfile_reads_the_same_attributes(item: Item, content: bytes) -> None:
    """The independent reader at hand. It keeps the attributes that have their own records as text."""
    content = content if item.kind == "file" else b""
    item = dataclasses.replace(item, size=len(content))
    with tarfile.open(fileobj=io.BytesIO(tar.write([(item, content)])), encoding="utf-8") as archive:
        (found,) = archive.getmembers()
    seconds, nanoseconds = divmod(abs(item.mtime_ns), 10**9)
    assert found.pax_headers["mtime"] == f"{'-' if item.mtime_ns < 0 else ''}{seconds}.{nanoseconds:09d}"
    assert (found.mode, found.uid, found.gid, found.size) == (item.mode, item.uid, item.gid, len(content))
    assert (found.name, found.uname, found.gname) == (item.path, item.user, item.group)
    assert found.linkname == (item.target if item.kind == "symlink" else "")
    spelled = {
        f"SCHILY.xattr.{n.replace('%', '%25').replace('=', '%3D')}": os.fsdecode(v) for n, v in item.xattrs.items()
    }
    assert {keyword: found.pax_headers[keyword] for keyword in spelled} == spelled


def test_an_archive_in_pieces_holds_contents_without_a_copy() -> None:
    content = b"large" * 1000
    pieces = tar.pieces([file("a", content), file("b", b"")])
    assert any(piece is content for piece in pieces)
    assert b"".join(pieces) == tar.write([file("a", content), file("b", b"")])


def test_hard_links_lead_to_an_earlier_file() -> None:
    members = read(tar.write([file("a"), other("b", "hardlink", "a"), file("d/c"), other("e", "hardlink", "d/c")]))
    assert [(m.path, m.kind, m.target) for m in members] == [
        ("a", "file", ""),
        ("b", "hardlink", "a"),
        ("d/c", "file", ""),
        ("e", "hardlink", "d/c"),
    ]


def test_an_archive_of_nothing() -> None:
    assert read(tar.write([])) == []


def test_a_size_that_is_not_the_contents() -> None:
    for item, content in ((Item("a", size=3), b"xy"), (Item("a", "dir"), b"x"), (Item("a"), b"x")):
        with pytest.raises(IntegrityError, match="'a'"):
            tar.write([(item, content)])


# -- stock tools read it

ODD = "d/\udcff\xe9\n x"
LONG = "d/" + "n" * 200 + "/" + "m" * 200
LISTED = [
    other("d", "dir", mode=0o755),
    file("d/a", b"hello\n", mode=0o4755),
    file(ODD, uid=3_000_000, gid=4_000_000, user="", group=""),
    file(LONG),
    other("d/h", "hardlink", "d/a"),
    other("d/s", "symlink", "/etc/\udcfe" + "x" * 150),
]


def test_gnu_tar_lists_it(tmp_path: Path) -> None:
    listed = gnu_tar("-t", "--quoting-style=escape", data=tar.write(LISTED), cwd=tmp_path)
    assert listed.decode().splitlines() == ["d/", "d/a", r"d/\377é\n x", LONG, "d/h", "d/s"]


def test_gnu_tar_extracts_it(tmp_path: Path) -> None:
    gnu_tar("-x", "-p", "--no-same-owner", data=tar.write(LISTED), cwd=tmp_path)
    assert (tmp_path / "d/a").read_bytes() == b"hello\n"
    assert (tmp_path / "d/a").stat().st_mode & 0o7777 == 0o4755
    assert (tmp_path / "d/a").stat().st_mtime_ns == MTIME
    assert (tmp_path / ODD).read_bytes() == b"x\n"
    assert (tmp_path / LONG).read_bytes() == b"x\n"
    assert (tmp_path / "d/h").samefile(tmp_path / "d/a")
    assert os.readlink(tmp_path / "d/s") == "/etc/\udcfe" + "x" * 150


def test_gnu_tar_knows_owners_and_extended_attributes(tmp_path: Path) -> None:
    acl = bytes.fromhex("0200000001000600ffffffff04000400ffffffff20000400ffffffff")
    xattrs = {
        "user.bytes": bytes(range(256)),
        "user.empty": b"",
        "user.odd=%name": b"a\nb=c\0",
        "user.\udcff": b"n",
        "system.posix_acl_access": acl,
    }
    data = tar.write([file("a", b"", xattrs=xattrs, uid=3_000_000, gid=4_000_000, user="", group="wheel")])
    listed = gnu_tar("-tvv", "--xattrs", "--xattrs-include=*", data=data, cwd=tmp_path)
    assert listed.splitlines() == [
        b"-rw-r--r--* 3000000/wheel     0 2023-11-14 22:13 a",
        b"  x: 28 system.posix_acl_access",
        b"  x: 256 user.bytes",
        b"  x: 0 user.empty",
        b"  x: 6 user.odd=%name",
        b"  x: 1 user.\xff",
    ]


def test_what_gnu_tar_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_bytes(b"hello\n")
    (tmp_path / ("d/" + "n" * 120)).write_bytes(b"")
    os.link(tmp_path / "d/a", tmp_path / "d/b")
    os.symlink("/etc/passwd", tmp_path / "d/s")
    data = gnu_tar("-c", "--format=posix", "--sort=name", "-f", "-", "d", data=b"", cwd=tmp_path)
    assert [(m.path, m.kind, m.target, m.content) for m in read(data)] == [
        ("d", "dir", "", b""),
        ("d/a", "file", "", b"hello\n"),
        ("d/b", "hardlink", "d/a", b""),
        ("d/" + "n" * 120, "file", "", b""),
        ("d/s", "symlink", "/etc/passwd", b""),
    ]


# -- hostile archives

NAMES = ["/etc/passwd", "../a", "a/../b", "a/..", "..", ".", "./a", "a/./b", "a//b", "//", "a" * 8193]
HOSTILE_PAIRS = {
    "twice the same": [file("a"), file("a")],
    "file, then directory": [file("a"), other("a", "dir")],
    "the same bytes in two spellings": [file("é"), file("\udcc3\udca9")],
    "below a symlink": [other("a", "symlink", "/etc"), file("a/b")],
    "far below a symlink": [other("a", "symlink", "/etc"), file("a/b/c/d")],
    "below a file": [file("a"), file("a/b")],
    "below a hard link": [file("f"), other("a", "hardlink", "f"), file("a/b")],
    "a symlink where others are below": [file("a/b/c"), other("a/b", "symlink", "/etc")],
    "a file where others are below": [file("a/b"), file("a")],
    "hard link to nothing": [other("a", "hardlink", "b")],
    "hard link to a later one": [other("a", "hardlink", "b"), file("b")],
    "hard link to itself": [other("a", "hardlink", "a")],
    "hard link to the outside": [other("a", "hardlink", "/etc/shadow")],
    "hard link to a directory": [other("d", "dir"), other("a", "hardlink", "d")],
    "hard link to a symlink": [other("s", "symlink", "/etc/shadow"), other("a", "hardlink", "s")],
    "symlink without target": [other("a", "symlink")],
    "symlink target with NUL": [other("a", "symlink", "b\0c")],
    "name with NUL": [file("a\0b")],
    "a device": [other("a", "char")],
}
TYPES = {
    kind: getattr(tarfile, name)
    for kind, name in {
        "file": "REGTYPE",
        "dir": "DIRTYPE",
        "symlink": "SYMTYPE",
        "hardlink": "LNKTYPE",
        "char": "CHRTYPE",
    }.items()
}


@pytest.mark.parametrize("members", HOSTILE_PAIRS.values(), ids=HOSTILE_PAIRS.keys())
def test_hostile_members_are_neither_read_nor_written(members: list[tuple[Item, bytes]]) -> None:
    crafted = by_tarfile(
        *((info(m.path, TYPES[m.kind], path=m.path, linkpath=m.target), content) for m, content in members)
    )
    for call in (lambda: read(crafted), lambda: tar.write(members)):
        with pytest.raises(HostileArchiveError) as caught:
            call()
        assert caught.value.item


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["file", "symlink"])
def test_hostile_names(name: str, kind: str) -> None:
    for call in (
        lambda: read(by_tarfile(info(name, TYPES[kind], "t"))),
        lambda: read(by_tarfile(info("harmless", TYPES[kind], "t", path=name))),
        lambda: tar.write([(Item(name, kind, target="t"), b"")]),
    ):
        with pytest.raises(HostileArchiveError) as caught:
            call()
        assert caught.value.item == repr(name[:8192])


def test_an_empty_name() -> None:
    for name in ("", "/"):
        with pytest.raises(HostileArchiveError):
            read(by_tarfile(info("d", tarfile.DIRTYPE, path=name)))
        with pytest.raises(HostileArchiveError):
            tar.write([other(name, "dir")])


@pytest.mark.parametrize(
    "type_",
    [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, tarfile.AREGTYPE,
     tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, b"V", b"\xff"],
)  # fmt: skip
def test_other_types_are_refused_by_name(type_: bytes) -> None:
    with pytest.raises(HostileArchiveError, match="member of the type") as caught:
        read(by_tarfile(info("dev", type_)))
    assert caught.value.item == "'dev'"


def test_sparse_members_are_refused() -> None:
    sparse = info("a", GNU__sparse__major="1", GNU__sparse__realsize="1000000000")
    with pytest.raises(HostileArchiveError, match="sparse"):
        read(by_tarfile(sparse))


def test_the_name_in_an_error_is_printable() -> None:
    with pytest.raises(HostileArchiveError) as caught:
        read(by_tarfile(info("a/../\n\udcff")))
    assert str(caught.value).isprintable()
    assert str(caught.value).encode()


def test_a_string_that_is_no_decoded_name() -> None:
    with pytest.raises(HostileArchiveError):
        tar.write([file("\ud800")])


@pytest.mark.parametrize("type_", [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_content_where_there_can_be_none(type_: bytes) -> None:
    hidden = info("b", type_, "a")
    hidden.size = 2
    with pytest.raises(HostileArchiveError, match="gives content"):
        read(by_tarfile(info("a"), (hidden, b"x\n")))


def test_limits_of_members_and_bytes() -> None:
    data = tar.write([file("a", b"12345"), file("b", b"12345"), other("c", "dir")])
    assert len(read(data, max_members=3, max_bytes=10)) == 3
    with pytest.raises(HostileArchiveError, match="more than 2 members") as caught:
        read(data, max_members=2)
    assert caught.value.item == "'c'"
    with pytest.raises(HostileArchiveError, match="more than 9 bytes") as caught:
        read(data, max_bytes=9)
    assert caught.value.item == "'b'"


def test_a_stated_size_is_not_believed() -> None:
    huge = info("a", size="99999999999")
    with pytest.raises(HostileArchiveError):
        read(by_tarfile(huge))
    with pytest.raises(IntegrityError):
        read(by_tarfile(huge), max_bytes=10**12)


# -- damage

SOUND = tar.write([file("d/a", b"hello\n"), other("s", "symlink", "d/a"), file("b", bytes(600))])


def test_no_cut_goes_unseen() -> None:
    for length in range(len(SOUND)):
        with pytest.raises(IntegrityError):
            read(SOUND[:length])


def test_padding_at_the_end_is_no_damage_and_more_is() -> None:
    assert read(SOUND + bytes(5000)) == read(SOUND)
    with pytest.raises(IntegrityError):
        read(SOUND + bytes(512) + b"x")


@given(st.integers(0, len(SOUND) - 1), st.integers(1, 255))
def test_a_damaged_byte_raises_our_errors_or_lies_in_content(position: int, mask: int) -> None:
    damaged = bytearray(SOUND)
    damaged[position] ^= mask
    try:
        found = read(bytes(damaged))
    except (IntegrityError, HostileArchiveError):
        return
    # records and contents have no checksum in tar; the header blocks have
    assert len(found) == 3
    assert position // 512 not in (0, 2, 4, 6, 7, 9)


@given(st.binary(max_size=2000))
def test_noise_raises_our_errors(noise: bytes) -> None:
    with pytest.raises((IntegrityError, HostileArchiveError)):
        read(noise.ljust(512, b"x"))


@pytest.mark.parametrize(
    "records",
    [b"x", b"10 path=abc", b"9 path=abc\n", b"11 pathxabc\n", b"0 a=b\n", b"99999999999999999 a=b\n", b"-5 a=b\n",
     b"3 a\n", b"18 path=abc\nsize=5\n5 x\n"],
)  # fmt: skip
def test_damaged_records(records: bytes) -> None:
    extended = tarfile.TarInfo("x")
    extended.type, extended.size = tarfile.XHDTYPE, len(records)
    data = extended.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0") + tar.write([file("a")])[1024:]
    with pytest.raises(IntegrityError):
        read(data)


@pytest.mark.parametrize("size", ["-1", "+1", "1.5", "x", "", "1" * 19])
def test_a_size_that_is_no_number(size: str) -> None:
    with pytest.raises(IntegrityError):
        read(by_tarfile(info("a", size=size)))


def test_a_negative_size_in_the_header() -> None:
    negative = tarfile.TarInfo("a")
    negative.size = -512
    with pytest.raises(IntegrityError):
        read(negative.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def test_records_without_a_member() -> None:
    first = SOUND[:1024]
    for data in (first + bytes(1024), first + SOUND):
        with pytest.raises(IntegrityError):
            read(data)
