# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _apply, _tree
from hypothesis import given, settings
from hypothesis import strategies as st

from . import ways
from .ways import Apply, Captured, capture_request, component, file_entry, plain_entry

APP = "/etc/app"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where to write; it exists, and so does a neighbour that must not be touched."""
    (tmp_path / "target").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a").write_bytes(b"of others")
    return tmp_path / "target"


def request(target: Path, *entries: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"root": str(target), "entries": list(entries), **more}


def captured(root: Path, *paths: str) -> Captured:
    return Captured(_tree.answer(capture_request(root, component(*paths or ("/",)))))


def failed(answer: dict[str, t.Any], kind: str) -> dict[str, t.Any]:
    """The error of an answer that touched nothing."""
    assert list(answer) == ["error"], answer
    assert answer["error"]["type"] == kind, answer
    assert answer["error"]["written"] == []
    return answer["error"]


def everything(root: Path) -> list[str]:
    return sorted(os.fsdecode(os.path.relpath(p, root)) for p in root.rglob("*"))


# What is written


def test_apply_then_capture_gives_the_same_fingerprint(apply: Apply, root: Path, tmp_path: Path) -> None:
    ways.build(root)
    wanted = captured(root, APP)
    target = tmp_path / "new/target"
    answer = apply(request(target, *wanted.listing), wanted.blob)
    assert answer == {"written": list(wanted.entries), "warnings": [], "euid": os.geteuid()}
    found = captured(target, APP)
    assert found.fingerprint == wanted.fingerprint
    assert found.listing == wanted.listing  # this compares mtimes too
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert stat.S_IMODE((target / "etc").stat().st_mode) == 0o700


def test_a_second_apply_writes_nothing(apply: Apply, root: Path, target: Path) -> None:
    ways.build(root)
    wanted = captured(root, APP)
    apply(request(target, *wanted.listing), wanted.blob)
    before = {path: os.lstat(path).st_ctime_ns for path in target.rglob("*")}
    assert apply(request(target, *wanted.listing), wanted.blob)["written"] == []
    assert {path: os.lstat(path).st_ctime_ns for path in target.rglob("*")} == before


def _instead(path: Path, make: t.Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


CHANGES: dict[str, t.Callable[[Path], object]] = {
    "/tool": lambda app: (app / "tool").write_bytes(b"#!/bin/no\n"),
    "/secret": lambda app: (app / "secret").chmod(0o644),
    "/empty": lambda app: (app / "empty").unlink(),
    "/big": lambda app: os.utime(app / "big", ns=(1, 1)),
    "/link": lambda app: _instead(app / "link", lambda path: path.symlink_to("elsewhere")),
    "/conf-old": lambda app: (app / "conf-old").chmod(0o700),
    "/conf.d/main.conf": lambda app: _instead(app / "conf.d/main.conf", lambda path: path.write_bytes(b"a = 1\n")),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_only_what_differs_is_written(root: Path, target: Path, changed: str) -> None:
    ways.build(root)
    wanted = captured(root, APP)
    _apply.answer(request(target, *wanted.listing), wanted.blob)
    app = target / "etc/app"
    mtimes = {path: os.lstat(path).st_mtime_ns for path in (app, app / "conf.d")}
    CHANGES[changed](app)
    for path, mtime in mtimes.items():
        os.utime(path, ns=(mtime, mtime))
    written = _apply.answer(request(target, *wanted.listing), wanted.blob)["written"]
    # the group of hard links is whole or written anew
    expected = (
        [path for path in wanted.entries if path.endswith("/main.conf")] if "main" in changed else [APP + changed]
    )
    assert written == expected
    assert captured(target, APP).listing == wanted.listing


def test_an_attribute_too_many_is_removed(target: Path) -> None:
    entry = file_entry("/a", b"1")
    _apply.answer(request(target, entry), b"1")
    if not ways.takes_xattrs(target):
        assert "xattrs" not in captured(target, "/a").entries["/a"]
        return
    os.setxattr(target / "a", "user.more", b"1")
    assert _apply.answer(request(target, entry), b"1")["written"] == ["/a"]
    assert os.listxattr(target / "a") == []


def test_attributes_of_a_folder_that_was_there(target: Path) -> None:
    (target / "d").mkdir(0o700)
    if ways.takes_xattrs(target):
        os.setxattr(target / "d", "user.more", b"1")
    entries = [plain_entry("/d", "dir", mode=0o2751), file_entry("/d/a", b"1")]
    assert _apply.answer(request(target, *entries), b"1")["written"] == ["/d", "/d/a"]
    found = captured(target, "/d").entries["/d"]
    assert (found["mode"], found["mtime_ns"], "xattrs" in found) == (0o2751, ways.MTIME, False)


def test_labels_of_the_host_are_left_to_it(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    monkeypatch.setattr(os, "listxattr", lambda *_args, **_more: ["security.selinux", "security.capability"])
    monkeypatch.setattr(os, "getxattr", lambda *_args, **_more: b"label")
    monkeypatch.setattr(os, "removexattr", lambda _where, name, **_more: removed.append(name))
    _apply.answer(request(target, file_entry("/a", b"")))
    assert removed == ["security.capability"]


def test_attributes_that_cannot_be_set_are_warned_about(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setxattr", refuse)
    value = base64.b64encode(b"secret").decode()
    entries = [
        file_entry("/a", b"1", xattrs={"trusted.x": value}),
        plain_entry("/d", "dir", xattrs={"user.y": value}),
        plain_entry("/l", "symlink", target="a", xattrs={"security.z": value}),
    ]
    answer = _apply.answer(request(target, *entries), b"1")
    assert answer["written"] == ["/a", "/d", "/l"]
    assert sorted(answer["warnings"]) == [
        ["/a", "trusted.x: EPERM"],
        ["/d", "user.y: EPERM"],
        ["/l", "security.z: EPERM"],
    ]


def test_kinds_replace_one_another_unless_folders(apply: Apply, target: Path, tmp_path: Path) -> None:
    (target / "file").symlink_to(tmp_path / "outside/a")
    (target / "link").write_bytes(b"was a file")
    os.mkfifo(target / "fifo")
    (target / "hard").symlink_to("nowhere")
    entries = [
        file_entry("/file", b"1"),
        plain_entry("/link", "symlink", target="../outside/a"),
        file_entry("/fifo", b"2"),
        plain_entry("/hard", "hardlink", target="/file"),
    ]
    assert len(apply(request(target, *entries), b"12")["written"]) == 4
    assert (tmp_path / "outside/a").read_bytes() == b"of others"
    assert captured(target).kinds == {
        "/": "dir",
        "/fifo": "file",
        "/file": "file",
        "/hard": "hardlink",
        "/link": "symlink",
    }


def test_folders_after_what_is_in_them(target: Path) -> None:
    entries = [file_entry("/d/e/a", b"1"), plain_entry("/d/e", "dir", mode=0o500), plain_entry("/d", "dir", mode=0o711)]
    answer = _apply.answer(request(target, *entries), b"1")
    assert "error" not in answer
    found = captured(target, "/d").entries
    assert [(found[p]["mode"], found[p]["mtime_ns"]) for p in ("/d", "/d/e")] == [
        (0o711, ways.MTIME),
        (0o500, ways.MTIME),
    ]


def test_the_mask_of_the_process_does_not_matter(target: Path) -> None:
    before = os.umask(0o077)
    try:
        _apply.answer(request(target, file_entry("/made/a", b"1", mode=0o666)), b"1")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((target / p).stat().st_mode) for p in ("made", "made/a")] == [0o700, 0o666]


class Owners:
    """What os.fchown and os.chown were asked for; the tests need not be root."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[int, int]] = []
        monkeypatch.setattr(os, "fchown", lambda _fd, uid, gid: self.asked.append((uid, gid)))
        monkeypatch.setattr(os, "chown", lambda _path, uid, gid, **_more: self.asked.append((uid, gid)))


def data(path: Path) -> list[tuple[int, int]]:
    """The ranges of a file that are no holes (lseek(2))."""
    found, at = [], 0
    with path.open("rb") as file:
        while at < path.stat().st_size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append((start, at))
    return found


PAGE, BLOCK = 4096, 1 << 20
SPARSE = {
    "leading": (bytes(BLOCK) + b"x", [(BLOCK, BLOCK + 1)]),
    "in the middle": (b"x" + bytes(3 * BLOCK) + b"y", [(0, PAGE), (3 * BLOCK, 3 * BLOCK + 2)]),
    "trailing": (b"x" + bytes(BLOCK), [(0, PAGE)]),
    "nothing else": (bytes(2 * BLOCK + 5), []),
    "two in one block": (b"x" + bytes(2 * PAGE) + b"y" * PAGE + bytes(2 * PAGE), [(0, PAGE), (2 * PAGE, 4 * PAGE)]),
    "less than a page": (b"x" + bytes(PAGE) + b"y", [(0, PAGE + 2)]),
    "none": (b"x" * (BLOCK + 5), [(0, BLOCK + 5)]),
    "empty": (b"", []),
}


@pytest.mark.parametrize("case", SPARSE)
def test_pages_of_zeros_become_holes(apply: Apply, target: Path, case: str) -> None:
    content, ranges = SPARSE[case]
    assert apply(request(target, file_entry("/a", content)), content)["written"] == ["/a"]
    assert (target / "a").read_bytes() == content
    assert data(target / "a") == ranges


@given(pieces=st.lists(st.tuples(st.sampled_from([b"\0", b"x"]), st.integers(1, 3 * PAGE)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_content_with_holes_is_the_content(tmp_path_factory: pytest.TempPathFactory, pieces: list[t.Any]) -> None:
    content = b"".join(byte * count for byte, count in pieces)
    root = tmp_path_factory.mktemp("target")
    assert _apply.answer(request(root, file_entry("/a", content)), content)["written"] == ["/a"]
    assert (root / "a").read_bytes() == content
    assert sum(end - start for start, end in data(root / "a")) <= len(content.strip(b"\0")) + 2 * PAGE


@pytest.mark.parametrize("seconds", [-(1 << 31), 0, (1 << 31) + 1, 1 << 34])
def test_times_before_1970_and_after_2262(target: Path, seconds: int) -> None:
    """Signed 64 bits of nanoseconds end in 2262; file systems go on. What theirs does not hold the kernel cuts off."""
    mtime = seconds * 10**9 + 999_999_999
    assert _apply.answer(request(target, file_entry("/a", b"", mtime_ns=mtime)))["written"] == ["/a"]
    (target / "by utime").touch()
    os.utime(target / "by utime", ns=(mtime, mtime))
    assert (target / "a").stat().st_mtime_ns == (target / "by utime").stat().st_mtime_ns


def test_owners_by_id_by_name_and_not_at_all(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = Owners(monkeypatch)
    known = file_entry("/a", b"", uid=4711, gid=4712, user="root", group="root")
    unknown = plain_entry("/l", "symlink", target="a", uid=4711, gid=4712, user="no such user", group="no such group")
    for more in ({"owner_by": "id"}, {"owner_by": "name"}, {"owners": False}):
        _apply.answer(request(target / str(more), known, unknown, **more))
    assert owners.asked == [(4711, 4712), (4711, 4712), (0, 0), (4711, 4712)]


def test_owner_comes_before_mode(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def noted(name: str, real: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*args: t.Any, **more: t.Any) -> t.Any:
            order.append(name)
            return real(*args, **more)

        return call

    for name in ("fchown", "fchmod", "rename", "fsync"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    _apply.answer(request(target, file_entry("/a", b"1", mode=0o6755)), b"1")
    assert order == ["fchown", "fchmod", "fsync", "rename", "fsync"]
    assert stat.S_IMODE((target / "a").stat().st_mode) == 0o6755


def test_check_tells_and_touches_nothing(apply: Apply, root: Path, target: Path, tmp_path: Path) -> None:
    ways.build(root)
    wanted = captured(root, APP)
    for folder in (target, tmp_path / "not there"):
        for payload in (wanted.blob, b""):
            answer = apply(request(folder, *wanted.listing, check=True), payload)
            assert answer["written"] == list(wanted.entries)
    assert everything(target) == []
    assert not (tmp_path / "not there").exists()
    failed(apply(request(target, *wanted.listing, check=True), b"wrong"), "payload")


def test_a_payload_as_a_file_that_was_read_before(target: Path, tmp_path: Path) -> None:
    (tmp_path / "payload").write_bytes(b"line\n12")
    with open(tmp_path / "payload", "rb") as file:
        file.readline()
        answer = _apply.answer(request(target, file_entry("/a", b"1"), file_entry("/b", b"2")), file)
    assert answer["written"] == ["/a", "/b"]


# What is refused


HOSTILE: dict[str, list[dict[str, t.Any]]] = {
    "relative": [file_entry("a", b"")],
    "empty": [file_entry("", b"")],
    "root": [plain_entry("/", "dir")],
    "parent": [file_entry("/a/../../b", b"")],
    "dot": [file_entry("/./b", b"")],
    "double slash": [file_entry("//b", b"")],
    "slash at the end": [plain_entry("/b/", "dir")],
    "NUL": [file_entry("/b\0", b"")],
    "lone surrogate": [file_entry("/\ud800", b"")],
    "twice": [file_entry("/b", b""), file_entry("/b", b"")],
    "unknown kind": [plain_entry("/b", "fifo")],
    "no kind": [{"path": "/b"}],
    "no entry": [t.cast("dict[str, t.Any]", 7)],
    "hard link to nothing": [plain_entry("/b", "hardlink", target="/c")],
    "hard link to what comes later": [plain_entry("/b", "hardlink", target="/c"), file_entry("/c", b"")],
    "hard link to a symlink": [
        plain_entry("/l", "symlink", target="/etc/passwd"),
        plain_entry("/b", "hardlink", target="/l"),
    ],
    "hard link outside": [plain_entry("/b", "hardlink", target="/../outside/a")],
    "below a symlink": [plain_entry("/l", "symlink", target="/etc"), file_entry("/l/b", b"")],
    "below a file": [file_entry("/a", b""), plain_entry("/a/d", "dir")],
    "below a later symlink": [file_entry("/l/x/b", b""), plain_entry("/l", "symlink", target="/etc")],
    "working file": [file_entry("/.holdfast-0123456789abcdef", b"")],
    "symlink without target": [plain_entry("/l", "symlink")],
    "symlink with NUL": [plain_entry("/l", "symlink", target="a\0b")],
    "file without digest": [plain_entry("/b", "file", size=0)],
    "negative size": [file_entry("/b", b"", size=-1)],
    "negative owner": [plain_entry("/b", "dir", uid=-1)],
    "huge owner": [plain_entry("/b", "dir", gid=1 << 32)],
    "huge time": [plain_entry("/b", "dir", mtime_ns=10**9 << 62)],
    "mode as text": [plain_entry("/b", "dir", mode="0755")],
    "truth as mode": [plain_entry("/b", "dir", mode=True)],
    "attribute not base64": [plain_entry("/b", "dir", xattrs={"user.a": "?"})],
    "attribute with NUL": [plain_entry("/b", "dir", xattrs={"user.\0": ""})],
    "user with NUL": [plain_entry("/b", "dir", user="ro\0ot")],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_entries(apply: Apply, target: Path, case: str) -> None:
    first = file_entry("/first", b"1")
    found = failed(apply(request(target, first, *HOSTILE[case]), b"1"), "hostile")
    assert found["count"] == 1
    assert everything(target) == []


@given(
    path=st.lists(st.sampled_from(["a", "..", ".", "", "link", "\0", ".holdfast-0123456789abcdef"]), max_size=4).map(
        "/".join
    ),
    kind=st.sampled_from(["file", "dir", "symlink", "hardlink"]),
    aim=st.sampled_from(["/a", "..", "/../outside/a", "/link/a", "link"]),
)
@settings(max_examples=100, deadline=None)
def test_nothing_outside_is_ever_written(
    tmp_path_factory: pytest.TempPathFactory, path: str, kind: str, aim: str
) -> None:
    base = tmp_path_factory.mktemp("apply")
    (base / "target").mkdir()
    (base / "outside").mkdir()
    (base / "outside/a").write_bytes(b"of others")
    (base / "target/link").symlink_to("../outside")
    before = [(p, os.lstat(p).st_ctime_ns) for p in (base / "outside", base / "outside/a")]
    entry = file_entry("/" + path, b"") if kind == "file" else plain_entry("/" + path, kind, target=aim)
    _apply.answer(request(base / "target", entry))
    assert [(p, os.lstat(p).st_ctime_ns) for p in (base / "outside", base / "outside/a")] == before
    assert sorted(os.listdir(base)) == ["outside", "target"]


@pytest.mark.parametrize("place", ["/", "//", "/tmp/..", "relative", "", "/a\0b"])
def test_roots_that_are_refused(apply: Apply, place: str) -> None:
    failed(apply({"root": place, "entries": []}, b""), "root")


def test_a_root_that_is_a_symlink_or_a_file(apply: Apply, target: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "file").touch()
    for name in ("link", "file", "file/below"):
        failed(apply(request(tmp_path / name, file_entry("/a", b"1")), b"1"), "root")
    assert everything(target) == []


@pytest.mark.parametrize(
    "broken", [None, [], 7, {}, {"root": "/srv"}, {"root": 1, "entries": []}, {"root": "/srv", "entries": 1}]
)
def test_requests_that_are_none(apply: Apply, broken: t.Any) -> None:
    failed(apply(broken, b""), "request")


@pytest.mark.parametrize("payload", [b"", b"1", b"1x", b"123"])
def test_a_payload_that_is_not_the_promised_one(apply: Apply, target: Path, payload: bytes) -> None:
    (target / "a").write_bytes(b"old")
    entries = [file_entry("/a", b"1"), file_entry("/b", b"2")]
    failed(apply(request(target, *entries), payload), "payload")
    assert everything(target) == ["a"]
    assert (target / "a").read_bytes() == b"old"


def test_a_payload_that_changes_after_it_was_checked(target: Path) -> None:
    class Changing(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            if offset == 1:
                self.getbuffer()[1] = ord("x")
            return super().seek(offset, whence)

    entries = [file_entry("/a", b"1"), file_entry("/b", b"2")]
    found = _apply.answer(request(target, *entries), Changing(b"12"))["error"]
    assert (found["type"], found["written"]) == ("payload", ["/a"])
    assert everything(target) == ["a"]


@pytest.mark.parametrize("made", ["a", "a/b"])
def test_a_parent_that_is_a_symlink(apply: Apply, target: Path, tmp_path: Path, made: str) -> None:
    link = target / made
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "outside")
    entries = [file_entry("/first", b"1"), file_entry("/a/b/c/d", b"2"), file_entry("/last", b"3")]
    found = failed(apply(request(target, *entries), b"123"), "outside")
    assert found["items"] == [f"/{made}"]
    assert everything(tmp_path / "outside") == ["a"]
    assert not (target / "first").exists()


def test_a_symlink_where_a_folder_must_be(apply: Apply, target: Path, tmp_path: Path) -> None:
    (target / "d").symlink_to(tmp_path / "outside")
    entries = [plain_entry("/d", "dir"), file_entry("/d/a", b"1")]
    assert failed(apply(request(target, *entries), b"1"), "outside")["items"] == ["/d"]


def test_all_that_is_in_the_way_is_named_before_anything_is_written(apply: Apply, target: Path) -> None:
    (target / "file/below").mkdir(parents=True)
    (target / "folder").touch()
    (target / "link").mkdir()
    entries = [
        file_entry("/first", b"1"),
        file_entry("/file", b"2"),
        plain_entry("/folder", "dir"),
        file_entry("/folder/a", b"3"),
        plain_entry("/link", "symlink", target="x"),
    ]
    found = failed(apply(request(target, *entries), b"123"), "in_the_way")
    assert found["items"] == ["/file", "/folder", "/link"]
    assert everything(target) == ["file", "file/below", "folder", "link"]


def test_no_space(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fstatvfs

    def nearly_full(fd: int) -> t.Any:
        fields = list(real(fd))
        fields[4] = 2  # f_bavail
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "fstatvfs", nearly_full)
    content = b"x" * os.statvfs(target).f_frsize
    fits = [file_entry("/a", content), file_entry("/d/b", content)]
    for root in (target, tmp_path / "new"):
        found = failed(_apply.answer(request(root, *fits, file_entry("/c", b"1")), content * 2 + b"1"), "no_space")
        # the largest that goes there
        assert found["items"] == ["/d/b"]
    assert everything(target) == []
    holes = content + bytes(1 << 20) + content
    assert "error" not in _apply.answer(request(target / "sparse", file_entry("/a", holes)), holes)
    assert "error" not in _apply.answer(request(target, *fits), content * 2)
    # what is there already needs no room
    assert "error" not in _apply.answer(request(target, *fits, file_entry("/c", b"1")), content * 2 + b"1")


def test_a_second_apply_at_the_same_time(apply: Apply, target: Path) -> None:
    fd = os.open(target, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    failed(apply(request(target, file_entry("/a", b"1")), b"1"), "busy")
    os.close(fd)
    assert apply(request(target, file_entry("/a", b"1")), b"1")["written"] == ["/a"]


def test_a_name_that_the_file_system_does_not_take(apply: Apply, target: Path) -> None:
    found = failed(apply(request(target, file_entry("/first", b""), file_entry("/" + "n" * 300, b"")), b""), "os")
    assert found["message"].startswith("ENAMETOOLONG on /nnn")
    assert everything(target) == []


# What breaks half-way


def test_disk_full(target: Path) -> None:
    (target / "b").write_bytes(b"old")
    entries = [file_entry("/a", b"1"), file_entry("/b", b"x" * 100_000), file_entry("/c", b"3")]
    prelude = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    packed = ways.piped("apply", request(target, *entries), b"1" + b"x" * 100_000 + b"3", prelude=prelude)
    found = ways.unpack(packed)[0]["error"]
    assert (found["type"], found["message"]) == ("partial", "stopped by EFBIG on /b")
    assert (found["written"], found["items"]) == (["/a"], ["/b"])
    assert everything(target) == ["a", "b"]
    assert (target / "b").read_bytes() == b"old"


@pytest.mark.parametrize("call", ["fsync", "fchmod", "utime", "rename"])
def test_a_failure_leaves_no_temporary_file(target: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    found = _apply.answer(request(target, file_entry("/a", b"1")), b"1")["error"]
    assert (found["type"], found["written"], found["items"]) == ("partial", [], ["/a"])
    assert everything(target) == []


def test_a_folder_swapped_for_a_symlink_half_way(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (target / "d").mkdir()
    real = os.rename

    def swap(*args: t.Any, **more: t.Any) -> None:
        real(*args, **more)
        if not (target / "d").is_symlink():
            (target / "d").rmdir()
            (target / "d").symlink_to(tmp_path / "outside")

    monkeypatch.setattr(os, "rename", swap)
    entries = [file_entry("/a", b"1"), file_entry("/d/a", b"2"), file_entry("/z", b"3")]
    found = _apply.answer(request(target, *entries), b"123")["error"]
    assert (found["type"], found["written"], found["items"]) == ("outside", ["/a"], ["/d"])
    assert (tmp_path / "outside/a").read_bytes() == b"of others"
    assert not (target / "z").exists()


def test_a_bug_shows_no_content(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise RuntimeError("password")

    monkeypatch.setattr(os, "fsync", fail)
    found = _apply.answer(request(target, file_entry("/a", b"1")), b"1")["error"]
    assert found["type"] == "internal"
    assert "password" not in json.dumps(found)
    assert everything(target) == []


@pytest.mark.parametrize("moment", ["before", "after", "writing"])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_killed_at_any_instant_each_path_is_old_or_new(target: Path, number: int, moment: str) -> None:
    old, new = b"old" * 1000, b"new" * 90_000
    for name in "abcdef":
        (target / name).write_bytes(old)
    call = "os.pwrite" if moment == "writing" else "os.rename"
    prelude = (
        "import os, signal\n"
        f"real, left = {call}, [{number}]\n"
        "def hooked(*args, **more):\n"
        "    left[0] -= 1\n"
        f"    if left[0] == 0 and {moment == 'after'}: real(*args, **more)\n"
        f"    if left[0] == 0 and {moment == 'writing'}: real(args[0], args[1][:1000], args[2])\n"
        "    if left[0] == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*args, **more)\n"
        f"{call} = hooked"
    )
    entries = [file_entry(f"/{name}", new) for name in "abcdef"]
    assert ways.piped("apply", request(target, *entries), new * 6, prelude=prelude) == "died of -9"
    contents = [(target / name).read_bytes() for name in "abcdef"]
    done = number if moment == "after" else number - 1
    assert contents == [new] * done + [old] * (6 - done)
    # whatever is left over is captured by nobody, and gone after the next apply
    assert set(captured(target).contents) == {f"/{name}" for name in "abcdef"}
    written = _apply.answer(request(target, *entries), new * 6)["written"]
    assert written == [f"/{name}" for name in "abcdef"[done:]]
    assert everything(target) == list("abcdef")


def test_without_privilege(open_root: Path) -> None:
    target = open_root / "target"
    target.mkdir()
    if os.geteuid() == 0:
        os.chown(target, ways.NOBODY, ways.NOBODY)
    value = base64.b64encode(b"v").decode() if ways.takes_xattrs(open_root) else None
    xattrs = {"xattrs": {"user.a": value}} if value else {}
    entries = [plain_entry("/d", "dir", mode=0o500), file_entry("/d/a", b"1", uid=0, gid=0, mode=0o400, **xattrs)]
    for written in (["/d", "/d/a"], []):
        packed = ways.piped("apply", request(target, *entries, owners=False), b"1", prelude=ways.drop("apply"))
        answer, _blob = ways.unpack(packed)
        assert (answer["written"], answer["warnings"]) == (written, [])
        assert answer["euid"] != 0
    assert (target / "d/a").read_bytes() == b"1"


def test_an_owner_that_cannot_be_set_is_a_failure(open_root: Path) -> None:
    target = open_root / "target"
    target.mkdir()
    if os.geteuid() == 0:
        os.chown(target, ways.NOBODY, ways.NOBODY)
    entry = file_entry("/a", b"1", uid=1, gid=1)
    packed = ways.piped("apply", request(target, entry), b"1", prelude=ways.drop("apply"))
    found = ways.unpack(packed)[0]["error"]
    assert (found["type"], found["message"]) == ("partial", "stopped by EPERM on /a")
    assert everything(target) == []
