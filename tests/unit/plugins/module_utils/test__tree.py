# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import errno
import fnmatch
import grp
import hashlib
import io
import json
import os
import pwd
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import types
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _tree
from hypothesis import given, settings
from hypothesis import strategies as st

from . import ways
from .ways import Capture, Captured, capture_request, captured, component

APP = "/etc/app"
RESTORE = "0123456789abcdef"
STAGE = f".holdfast-{RESTORE}"


def error(capture: Capture, request: t.Any) -> dict[str, t.Any]:
    header, blob = capture(request)
    assert blob == b""
    assert list(header) == ["error"]
    return header["error"]


def answered(root: Path, *components: dict[str, t.Any], **more: t.Any) -> Captured:
    return Captured(_tree.answer(capture_request(root, *components, **more)))


# What is captured


def test_all_kinds_and_odd_names(capture: Capture, root: Path) -> None:
    ways.build(root)
    ways.bind_socket(root / "etc/app/socket")
    os.mkfifo(root / "etc/app/fifo")
    found = captured(capture, root, APP)
    assert {path.removeprefix(APP): kind for path, kind in found.kinds.items()} == {
        "": "dir",
        "/big": "file",
        "/conf-old": "dir",
        "/conf-old/main.conf": "file",
        "/conf.d": "dir",
        "/conf.d/main.conf": "hardlink",
        "/conf.d/na\u00efve \u20ac": "file",
        "/conf.d/two\nlines": "file",
        "/conf.d/\udcff\udce9": "file",
        "/dangling": "symlink",
        "/empty": "file",
        "/link": "symlink",
        "/main.conf": "hardlink",
        "/odd link": "symlink",
        "/secret": "file",
        "/tool": "file",
    }
    assert found.left_out == {f"{APP}/fifo": "special file (fifo)", f"{APP}/socket": "special file (socket)"}
    assert found.contents[f"{APP}/conf.d/\udcff\udce9"] == b"not UTF-8"
    assert found.contents[f"{APP}/big"] == bytes(range(256)) * 2048
    assert found.contents[f"{APP}/empty"] == b""
    assert found.entries[f"{APP}/odd link"]["target"] == "\udcfe\n"
    assert found.entries[f"{APP}/dangling"]["target"] == "/nowhere/at all"


def test_attributes(capture: Capture, root: Path) -> None:
    ways.build(root)
    entries = captured(capture, root, APP).entries
    tool, folder = entries[f"{APP}/tool"], entries[f"{APP}/conf-old"]
    assert (tool["mode"], folder["mode"], entries[f"{APP}/secret"]["mode"]) == (0o4755, 0o1770, 0o400)
    assert (tool["uid"], tool["gid"]) == (os.geteuid(), os.getegid())
    assert tool["user"] == pwd.getpwuid(os.geteuid()).pw_name
    assert tool["group"] == grp.getgrgid(os.getegid()).gr_name
    assert tool["mtime_ns"] == ways.MTIME + len("tool")
    assert "size" not in folder


def test_a_hard_link_names_the_first_of_its_names_in_the_listing(capture: Capture, root: Path) -> None:
    ways.build(root)
    found = captured(capture, root, APP)
    # by bytes "-" comes before "." and "/": a walk meets main.conf of conf.d only after conf-old
    first = found.entries[f"{APP}/conf-old/main.conf"]
    assert found.contents[first["path"]] == b"a = 1\n"
    for path in (f"{APP}/conf.d/main.conf", f"{APP}/main.conf"):
        assert found.entries[path]["target"] == first["path"]
        assert found.entries[path]["mode"] == first["mode"]
        assert not {"size", "sha256", "xattrs"} & set(found.entries[path])


def test_a_file_with_its_other_names_elsewhere_is_a_file(root: Path) -> None:
    (root / "in").mkdir()
    (root / "in/a").write_bytes(b"1")
    os.link(root / "in/a", root / "out")
    found = Captured(_tree.answer(capture_request(root, component("/in"))))
    assert found.kinds == {"/in": "dir", "/in/a": "file"}


def test_hard_links_are_told_within_a_component_only(root: Path) -> None:
    (root / "a").write_bytes(b"1")
    os.link(root / "a", root / "b")
    header, contents = _tree.answer(capture_request(root, component("/a"), component("/b", name="other")))
    kinds = [entry["kind"] for fields in header["components"].values() for entry in fields["listing"]]
    assert kinds == ["file", "file"]
    assert zlib.decompress(contents) == b"11"


def test_extended_attributes(capture: Capture, root: Path) -> None:
    ways.build(root)
    entries = captured(capture, root, APP).entries
    found = {path: entry["xattrs"] for path, entry in entries.items() if "xattrs" in entry}
    users = {path: {n: v for n, v in xattrs.items() if n.startswith("user.")} for path, xattrs in found.items()}
    expected = {
        f"{APP}/conf-old/main.conf": {"user.origin": base64.b64encode(b"\x00\xff").decode()},
        f"{APP}/conf.d": {"user.folder": base64.b64encode(b"yes").decode()},
        f"{APP}/secret": {"user.empty": ""},
    }
    assert {path: xattrs for path, xattrs in users.items() if xattrs} == (expected if ways.takes_xattrs(root) else {})


def test_a_file_system_without_attributes_is_no_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(95, "Operation not supported")

    (root / "a").touch()
    monkeypatch.setattr(os, "listxattr", refuse)
    assert "xattrs" not in answered(root, component("/a")).entries["/a"]


def test_one_unreadable_attribute_is_ignored(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_where: t.Any, name: str, **_more: t.Any) -> bytes:
        if name == "trusted.secret":
            raise PermissionError(1, "Operation not permitted")
        return b"value"

    (root / "a").touch()
    monkeypatch.setattr(os, "listxattr", lambda *_args, **_more: ["user.a", "trusted.secret"])
    monkeypatch.setattr(os, "getxattr", get)
    assert answered(root, component("/a")).entries["/a"]["xattrs"] == {"user.a": "dmFsdWU="}


def test_operations(capture: Capture, root: Path) -> None:
    ways.build(root)
    content = capture(capture_request(root, component(APP)))
    entries = capture(capture_request(root, component(APP), op="entries"))
    plain = capture(capture_request(root, component(APP), op="fingerprint"))
    assert entries[1] == plain[1] == b""
    listed, short = entries[0]["components"]["app"], plain[0]["components"]["app"]
    assert {**listed, "contents": content[0]["components"]["app"]["contents"]} == content[0]["components"]["app"]
    assert short == {key: value for key, value in listed.items() if key != "listing"}
    assert set(plain[0]["host"]) == {"python", "euid", "time", "machine", "restores", "restored"}
    assert plain[0]["host"]["euid"] == os.geteuid()


@pytest.mark.parametrize("op", ["fingerprint", "entries", "content"])
def test_a_machine_is_told_by_a_digest_of_its_id(capture: Capture, root: Path, op: str) -> None:
    (root / "a").touch()
    asked = capture_request(root, component("/a"), op=op)
    assert capture(asked)[0]["host"]["machine"] is None
    (root / "etc").mkdir()
    (root / "etc/machine-id").write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    header = capture(asked)[0]
    # SHA-256 of b"holdfast machine v1\0" and the file, by sha256sum
    assert header["host"]["machine"] == "c0178ba3d087ed2ed8eb707a68899fb2851920bee58010b5a77b884cff85a9ad"
    assert "3d1219c7" not in json.dumps(header)


@pytest.mark.parametrize("content", [b"", b"\n", b"uninitialized\n"])
def test_a_machine_that_has_no_id_yet_tells_none(root: Path, content: bytes) -> None:
    (root / "etc").mkdir()
    (root / "etc/machine-id").write_bytes(content)
    assert _tree._host(0, str(root))["machine"] is None


def test_a_machine_id_is_a_file_below_the_root_or_none(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    (root / "etc").mkdir()
    place = root / "etc/machine-id"
    place.symlink_to(outside)
    assert _tree._host(0, str(root))["machine"] is None
    place.unlink()
    os.mkfifo(place)
    assert _tree._host(0, str(root))["machine"] is None
    place.unlink()
    place.mkdir()
    assert _tree._host(0, str(root))["machine"] is None


def test_components_in_the_order_of_the_request(capture: Capture, root: Path) -> None:
    for name in "ab":
        (root / name).write_text(name)
    header, contents = capture(capture_request(root, component("/b", name="z"), component("/a", name="c")))
    assert list(header["components"]) == ["z", "c"]
    assert zlib.decompress(contents) == b"ba"


def test_a_repeated_capture_has_the_same_fingerprint_and_a_changed_one_another(capture: Capture, root: Path) -> None:
    ways.build(root)
    before = captured(capture, root, APP).fingerprint
    os.utime(root / "etc/app/tool", ns=(1, 1))
    assert captured(capture, root, APP).fingerprint == before
    (root / "etc/app/tool").chmod(0o755)
    assert captured(capture, root, APP).fingerprint != before


def test_the_fingerprint_is_what_is_documented() -> None:
    file = {
        "path": "/b",
        "kind": "file",
        "mode": 0o644,
        "uid": 0,
        "gid": 4,
        "user": "root",
        "group": "adm",
        "mtime_ns": 5,
        "size": 1,
        "sha256": "ab" * 32,
        "xattrs": {"user.z": "eA==", "user.a": ""},
    }
    link = {**file, "path": "/a\udcff", "kind": "symlink", "target": "\u20ac"}
    for key in ("size", "sha256", "xattrs"):
        del link[key]
    text = (
        r'["/a\udcff","symlink",420,0,4,"root","adm",0,"","\u20ac",[]]'
        f'\n["/b","file",420,0,4,"root","adm",1,"{"ab" * 32}","",[["user.a",""],["user.z","eA=="]]]\n'
        '["left_out","/x"]\n["left_out","/y"]\n'
    )
    assert _tree.fingerprint([file, link], ["/y", "/x"]) == hashlib.sha256(text.encode("ascii")).hexdigest()


def test_the_locale_of_the_host_does_not_matter(root: Path) -> None:
    ways.build(root)
    # what a Latin-1 locale makes Python think of names
    prelude = (
        "import sys, os, codecs\n"
        "os.fsencode = lambda n: n if isinstance(n, bytes) else n.encode('latin-1')\n"
        "real = os.listdir\n"
        "os.listdir = lambda fd: [n.encode('utf-8', 'surrogateescape').decode('latin-1') for n in real(fd)]\n"
    )
    request = capture_request(root, component(APP))
    assert (
        Captured(ways.unpack(ways.piped("tree", request, prelude=prelude))).kinds
        == answered(root, component(APP)).kinds
    )


# Paths


def test_a_component_path_that_is_a_symlink(capture: Capture, root: Path) -> None:
    (root / "real").mkdir()
    (root / "real/a").touch()
    (root / "link").symlink_to("real")
    assert captured(capture, root, "/link").kinds == {"/link": "symlink"}


def test_parents_of_a_component_path_are_resolved_within_the_root(capture: Capture, root: Path) -> None:
    (root / "usr/lib/app").mkdir(parents=True)
    (root / "usr/lib/app/a").touch()
    (root / "lib").symlink_to("/usr/lib")
    (root / "deep/er").mkdir(parents=True)
    (root / "deep/er/up").symlink_to("../../../../lib")
    assert captured(capture, root, "/lib/app").kinds == {"/lib/app": "dir", "/lib/app/a": "file"}
    assert list(captured(capture, root, "/deep/er/up/app/a").kinds) == ["/deep/er/up/app/a"]
    assert list(captured(capture, root, "/lib/*/a").kinds) == ["/lib/app/a"]


def test_a_loop_of_symlinks_is_absent(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert error(_tree.answer, capture_request(root, component("/a/x")))["type"] == "absent"


def test_below_a_captured_symlink_is_left_out(root: Path) -> None:
    (root / "real").mkdir()
    (root / "real/a").touch()
    (root / "link").symlink_to("real")
    found = answered(root, component("/link", "/link/a"))
    assert found.kinds == {"/link": "symlink"}
    assert found.left_out == {"/link/a": "below /link, which is captured as a symlink"}


def test_globs(capture: Capture, root: Path) -> None:
    for name in ("a.conf", "b.conf", ".hidden.conf", "c.txt"):
        (root / name).touch()
    for home in ("alice", "bob"):
        (root / "home" / home / ".ssh").mkdir(parents=True)
    (root / "home/bob/.ssh/keys").touch()
    found = captured(capture, root, "/*.conf", "/home/*/.ssh/keys", "/nothing/*")
    assert list(found.entries) == ["/a.conf", "/b.conf", "/home/bob/.ssh/keys"]
    assert list(captured(capture, root, "/.*.conf").entries) == ["/.hidden.conf"]
    assert list(captured(capture, root, "/**.txt", "/[ab].con?").entries) == ["/a.conf", "/b.conf", "/c.txt"]


def test_overlapping_paths_are_captured_once(capture: Capture, root: Path) -> None:
    ways.build(root)
    twice = captured(capture, root, f"{APP}/conf.d", APP, f"{APP}/*.conf")
    assert twice.fingerprint == captured(capture, root, APP).fingerprint


def test_an_absent_path_is_left_out_and_part_of_the_fingerprint(capture: Capture, root: Path) -> None:
    (root / "a").touch()
    found = captured(capture, root, "/a", "/gone", "/gone/too", "/a/below")
    assert found.left_out == {"/a/below": "absent", "/gone": "absent", "/gone/too": "absent"}
    assert found.fingerprint != captured(capture, root, "/a").fingerprint


def test_nothing_there_is_an_error(capture: Capture, root: Path) -> None:
    (root / "a").touch()
    found = error(capture, capture_request(root, component("/a"), component("/x", "/y/*", name="other")))
    assert (found["type"], found["items"], found["count"]) == ("absent", ["/x", "/y/*"], 2)
    assert "other" in found["message"]


def test_nothing_there_is_no_error_where_asked_for(capture: Capture, root: Path) -> None:
    nothing = component("/x", "/y/*", absent="leave_out")
    for op in ("fingerprint", "entries", "content"):
        answers = [capture(capture_request(place, nothing, op=op)) for place in (root, root / "gone")]
        assert [answer[0]["components"] for answer in answers] == [answers[0][0]["components"]] * 2
    for answer in answers:
        assert (Captured(answer).entries, Captured(answer).left_out) == ({}, {"/x": "absent"})
    (root / "a").touch()
    request = capture_request(root, nothing, component("/b", name="other"))
    assert error(capture, request)["items"] == ["/b"]
    assert error(capture, {**request, "root": str(root / "gone")})["type"] == "root"


def test_the_whole_of_a_root(root: Path) -> None:
    (root / "a").mkdir()
    (root / "a/b").touch()
    assert list(answered(root, component("/")).entries) == ["/", "/a", "/a/b"]


def test_the_default_root_is_the_host(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    request = capture_request(tmp_path, component(str(tmp_path / "a")))
    del request["root"]
    assert Captured(_tree.answer(request)).blob == b"1"


def test_a_file_of_a_pseudo_file_system_only_where_declared() -> None:
    found = answered(Path("/"), component("/proc/version", "/proc/sys", "/etc/passwd"))
    assert list(found.entries) == ["/etc/passwd", "/proc/version"]
    assert found.contents["/proc/version"].startswith(b"Linux")
    assert found.left_out == {"/proc/sys": "pseudo file system"}


def test_devices_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tree, "_pseudo_devices", frozenset)
    found = answered(Path("/"), component("/dev/null", "/etc/passwd"))
    assert found.left_out == {"/dev/null": "special file (char device)"}


# What is left out


def test_excludes(capture: Capture, root: Path) -> None:
    for name in ("keep/a.conf", "keep/a.bak", "cache/x/1", "cache/2", "deep/cache/3", "deep/er/log"):
        path = root / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    excludes = [
        {"pattern": "*.bak", "reason": "backup copies"},
        {"pattern": "/app/cache/", "reason": "cache"},
        {"pattern": "/app/**/log", "reason": "log"},
    ]
    found = captured(capture, root, "/app", "/app/cache/2", excludes=excludes)
    assert list(found.contents) == ["/app/deep/cache/3", "/app/keep/a.conf"]
    assert found.left_out == {
        "/app/cache": "cache",
        "/app/cache/2": "cache",
        "/app/deep/er/log": "log",
        "/app/keep/a.bak": "backup copies",
    }
    assert found.left_out_bytes == 20


def test_sets_in_patterns() -> None:
    def reason(pattern: str, path: str) -> bool:
        return _tree.Excludes([{"pattern": pattern, "reason": "r"}]).reason(path) == "r"

    assert reason("[ab]?", "/x/a1")
    assert not reason("[!ab]?", "/x/a1")
    assert not reason("/x[+-9]y", "/x/y")
    assert not reason("/x[!a]y", "/x/y")
    assert reason("[]^&]", "/]")
    assert reason("a[", "/a[")
    assert reason("file.[0-9]", "/file.7")
    assert not reason("file.[0-9]", "/fileX7")


_TREE = ("/a", "/a/b", "/a/b/a", "/ab", "/ab/a", "/ab/a/b", "/ab/b.a", "/b", "/b/.a", "/b/ab", "/b/b", "/b/b/b")


def _naive(pattern: str, text: str) -> bool:
    """Whether a pattern matches, tried out letter by letter."""
    if not pattern:
        return not text
    if pattern.startswith("/**/"):
        return any(_naive(pattern[3:], text[end:]) for end in range(len(text) + 1) if end == 0 or text[0] == "/")
    if pattern.startswith("**"):
        return any(_naive(pattern[2:], text[end:]) for end in range(len(text) + 1))
    if pattern[0] == "*":
        return any(_naive(pattern[1:], text[end:]) for end in range(len(text) + 1) if "/" not in text[:end])
    return (
        bool(text)
        and (text[0] == pattern[0] or (pattern[0] == "?" and text[0] != "/"))
        and _naive(pattern[1:], text[1:])
    )


def _naively_excluded(pattern: str, path: str) -> bool:
    pattern = pattern.rstrip("/")
    parents = [path[:end] for end in range(1, len(path) + 1) if end == len(path) or path[end] == "/"]
    if "/" not in pattern:
        return any(_naive(pattern, parent.rpartition("/")[2]) for parent in parents)
    return any(_naive("/" + pattern.lstrip("/"), parent) for parent in parents)


@given(patterns=st.lists(st.text("ab*?/.", min_size=1, max_size=7).filter(lambda p: p.strip("/")), max_size=3))
@settings(max_examples=150, deadline=None)
def test_excludes_match_like_a_naive_reference(patterns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in _TREE:
            is_folder = any(other.startswith(path + "/") for other in _TREE)
            (root / path[1:]).mkdir() if is_folder else (root / path[1:]).touch()
        excludes = [{"pattern": pattern, "reason": pattern} for pattern in patterns]
        found = answered(root, component("/a", "/ab", "/b", excludes=excludes))
    expected = [path for path in _TREE if not any(_naively_excluded(pattern, path) for pattern in patterns)]
    assert list(found.entries) == expected
    assert all(_naively_excluded(reason, path) for path, reason in found.left_out.items())


@given(pattern=st.text("ab?*[]!-", min_size=1, max_size=6), name=st.text("ab-!]", min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_patterns_of_a_name_match_like_a_shell(pattern: str, name: str) -> None:
    reason = _tree.Excludes([{"pattern": pattern, "reason": "r"}]).reason("/" + name)
    assert (reason == "r") == fnmatch.fnmatchcase(name, pattern)


def test_cache_directories(capture: Capture, root: Path) -> None:
    for name in ("real", "fake"):
        (root / "app" / name).mkdir(parents=True)
        (root / "app" / name / "data").write_bytes(b"123")
    (root / "app/real/CACHEDIR.TAG").write_bytes(b"Signature: 8a477f597d28d172789f06886806bc55\n# a cache\n")
    (root / "app/fake/CACHEDIR.TAG").write_bytes(b"Signature: nothing of the kind\n")
    found = captured(capture, root, "/app")
    assert list(found.entries) == ["/app", "/app/fake", "/app/fake/CACHEDIR.TAG", "/app/fake/data"]
    assert found.left_out == {"/app/real": "cache directory (CACHEDIR.TAG)"}
    assert found.left_out_bytes == 3 + 54


def test_working_files_of_a_restore_are_never_captured(capture: Capture, root: Path) -> None:
    (root / ".holdfast-4711").mkdir()
    (root / ".holdfast-4711/shadow").touch()
    (root / ".holdfast-0123456789abcdef").touch()
    (root / ".holdfast-notes").touch()
    (root / "holdfast-restore-0123456789abcdef.timer").touch()
    (root / "holdfast-restore-0123456789abcdef.conf").touch()
    found = captured(capture, root, "/")
    assert list(found.entries) == ["/", "/.holdfast-notes", "/holdfast-restore-0123456789abcdef.conf"]
    armed = "/holdfast-restore-0123456789abcdef.timer"
    assert set(found.left_out) == {"/.holdfast-0123456789abcdef", "/.holdfast-4711", armed}


@pytest.mark.parametrize("declared", ["/app", "/app/.*", "/app/.*/*", "/app/.*/new/*", f"/app/{STAGE}/new"])
def test_what_a_restore_stages_is_never_captured(capture: Capture, root: Path, declared: str) -> None:
    (root / "app" / STAGE / "new").mkdir(parents=True)
    (root / "app" / STAGE / "new/shadow").touch()
    (root / "app" / STAGE / "1").touch()
    (root / "app/.hidden").mkdir()
    (root / "app/.hidden/kept").touch()
    found = captured(capture, root, declared, "/app/.hidden/kept")
    assert not [path for path in found.entries if STAGE in path]
    assert found.left_out
    assert set(found.left_out.values()) == {"working file of holdfast"}


def test_a_staged_folder_is_no_drift(capture: Capture, root: Path) -> None:
    ways.build(root)
    before = captured(capture, root, APP).fingerprint
    (root / "etc/app" / STAGE).mkdir()
    assert captured(capture, root, APP).fingerprint == before


# Restores in place that are open


@pytest.fixture
def journal(root: Path) -> Path:
    """The folder of journals of a host on which no restore was made yet."""
    return root / "var/lib/holdfast"


def opened(journal: Path, restore: str = RESTORE) -> Path:
    """Put a journal there, as a restore in place does; returns its folder."""
    folder = journal / restore
    folder.mkdir(parents=True)
    (folder / "journal.json").write_text("{}")
    return folder


def told(capture: Capture, root: Path, journal: Path, **more: t.Any) -> tuple[list[str], bool]:
    (root / "a").touch()
    host = capture({**capture_request(root, component("/a"), **more), "journal": str(journal)})[0]["host"]
    return host["restores"], host["restored"]


@pytest.mark.parametrize("op", ["fingerprint", "entries", "content"])
def test_an_open_restore_is_told(capture: Capture, root: Path, journal: Path, op: str) -> None:
    assert told(capture, root, journal, op=op) == ([], False)
    opened(journal)
    opened(journal, "f" * 16)
    assert told(capture, root, journal, op=op) == ([RESTORE, "f" * 16], False)


def test_what_is_no_journal_is_no_open_restore(root: Path, journal: Path) -> None:
    # killed while it staged: nothing was changed
    (journal / RESTORE).mkdir(parents=True)
    (journal / RESTORE / ".new-journal.json").touch()
    (journal / ("e" * 16)).touch()
    for odd in ("journal.json", RESTORE.upper(), RESTORE[1:], f"{RESTORE}0", "x" * 16):
        opened(journal, odd)
    (root / STAGE).mkdir()
    assert told(_tree.answer, root, journal) == ([], False)


@pytest.mark.parametrize(
    "folder", ["relative", "/nonexistent/journals", "/dev/null", "/dev/null/x", "a\0b", "/" + "x" * 5000]
)
def test_a_folder_that_cannot_be_looked_at_is_no_error(root: Path, folder: str) -> None:
    assert told(_tree.answer, root, Path(folder)) == ([], False)


def test_a_folder_that_is_somebody_elses_is_no_error(
    root: Path, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(journal)
    listed = os.listdir

    def listdir(path: t.Any = ".") -> t.Any:
        if path == os.fsencode(journal):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert told(_tree.answer, root, journal) == ([], False)


def test_ten_open_restores_are_told(root: Path, journal: Path) -> None:
    for number in range(12):
        opened(journal, f"{number:016x}")
    assert told(_tree.answer, root, journal)[0] == [f"{number:016x}" for number in range(10)]


@pytest.mark.parametrize(
    ("before", "while_walked", "says"),
    [
        (False, ["open"], ([RESTORE], True)),
        (True, ["close"], ([RESTORE], True)),
        (True, [], ([RESTORE], False)),
        (False, ["open", "close"], ([], True)),
    ],
)
def test_a_restore_that_comes_or_goes_while_a_host_is_walked_is_told(
    root: Path,
    journal: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,
    while_walked: list[str],
    says: tuple[list[str], bool],
) -> None:
    journal.mkdir(parents=True)
    if before:
        opened(journal)
    os.utime(journal, ns=(0, 0))
    walked = _tree._walked

    def walk(*args: t.Any) -> dict[str, t.Any]:
        for step in while_walked:
            if step == "open":
                opened(journal)
            else:
                shutil.rmtree(journal / RESTORE)
        return walked(*args)

    monkeypatch.setattr(_tree, "_walked", walk)
    assert told(_tree.answer, root, journal) == says


@pytest.mark.parametrize(
    ("euid", "given", "looked_in"),
    [
        (0, None, ["/var/lib/holdfast"]),
        (1000, None, ["/var/lib/holdfast", "/home/ada/.local/state/holdfast"]),
        (0, "/srv/journals/", ["/srv/journals"]),
        (1000, "~/journals", ["/home/ada/journals"]),
    ],
)
def test_the_journals_are_looked_for_where_restores_keep_them(
    root: Path, monkeypatch: pytest.MonkeyPatch, euid: int, given: str | None, looked_in: list[str]
) -> None:
    asked: list[list[str]] = []

    def look(journals: list[str]) -> tuple[set[str], None]:
        asked.append(journals)
        return {RESTORE}, None

    (root / "a").touch()
    monkeypatch.setattr(_tree, "_open_restores", look)
    monkeypatch.setattr(os, "geteuid", lambda: euid)
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: types.SimpleNamespace(pw_dir="/home/ada", pw_name="ada"))
    monkeypatch.setattr(_tree, "_user", lambda _uid: "ada")
    asking = capture_request(root, component("/a"))
    host = _tree.answer(asking if given is None else {**asking, "journal": given})[0]["host"]
    assert host["restores"] == [RESTORE]
    assert asked == [looked_in] * 2


def test_restores_of_root_and_of_this_user_are_told(root: Path, journal: Path) -> None:
    own = root / "home/.local/state/holdfast"
    opened(journal)
    opened(own, "f" * 16)
    places = [str(journal), str(own), str(root / "nonexistent")]
    assert _tree._open_restores(places) == ({RESTORE, "f" * 16}, journal.stat().st_mtime_ns)
    # a controller that runs as this user keeps its own things there
    assert _tree._open_restores(places[::-1]) == ({RESTORE, "f" * 16}, None)


# What cannot be read


def _locked(root: Path) -> None:
    for name in ("app/open", "app/closed", "app/listed"):
        (root / name).mkdir(parents=True)
        (root / name / "a").write_bytes(b"1")
        (root / name / "b").write_bytes(b"22")
    (root / "app/open/b").chmod(0o000)
    (root / "app/closed").chmod(0o000)
    (root / "app/listed").chmod(0o444)


LOCKED = ["/app/closed", "/app/listed/a", "/app/listed/b", "/app/open/b"]


def _as_nobody(capture_name: str, request: t.Any) -> tuple[dict[str, t.Any], bytes]:
    if capture_name == "piped":
        return ways.unpack(ways.piped("tree", request, prelude=ways.drop("tree")))
    # a module imports more at its first run, and that may lie where nobody cannot read
    ways.CAPTURES[capture_name](request)
    with ways.unprivileged():
        return ways.CAPTURES[capture_name](request)


@pytest.mark.parametrize("way", ways.CAPTURES)
def test_all_unreadable_paths_are_an_error(way: str, open_root: Path) -> None:
    _locked(open_root)
    request = capture_request(open_root, component("/app"), component("/app/open/*", name="glob"))
    header, blob = _as_nobody(way, request)
    assert (header["error"]["type"], header["error"]["items"], header["error"]["count"]) == ("unreadable", LOCKED, 4)
    assert blob == b""


@pytest.mark.parametrize("way", ways.CAPTURES)
def test_unreadable_paths_are_left_out_where_policy_says_so(way: str, open_root: Path) -> None:
    _locked(open_root)
    request = capture_request(open_root, component("/app", unreadable="leave_out"))
    found = Captured(_as_nobody(way, request))
    assert found.left_out == dict.fromkeys(LOCKED, "unreadable")
    assert list(found.contents) == ["/app/open/a"]


def test_a_glob_in_an_unreadable_folder_is_unreadable(open_root: Path) -> None:
    _locked(open_root)
    found = _as_nobody("answer", capture_request(open_root, component("/app/closed/*")))[0]
    assert found["error"]["items"] == ["/app/closed"]


def test_at_most_200_unreadable_paths_are_named(open_root: Path) -> None:
    for number in range(230):
        (open_root / f"{number:03}").touch(0o000)
    found = _as_nobody("answer", capture_request(open_root, component("/")))[0]["error"]
    assert (len(found["items"]), found["count"], found["items"][-1]) == (200, 230, "/199")


# What moves meanwhile


def test_a_file_that_changes_once_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(b"old")
    read = os.read
    changes = iter([b"new content"])

    def hooked(fd: int, count: int) -> bytes:
        for content in changes:
            (root / "a").write_bytes(content)
            os.utime(root / "a", ns=(5, 5))
            return b"old"
        return read(fd, count)

    monkeypatch.setattr(os, "read", hooked)
    found = answered(root, component("/a"))
    assert found.contents == {"/a": b"new content"}
    assert found.changed == []


def test_a_file_that_keeps_changing_is_named_and_described_as_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(b"")
    read = os.read
    reads = []

    def hooked(fd: int, count: int) -> bytes:
        content = read(fd, count)
        if not content:
            reads.append(fd)
            with open(root / "a", "ab") as file:
                file.write(b"x")
        return content

    monkeypatch.setattr(os, "read", hooked)
    found = answered(root, component("/a"))
    assert len(reads) == 4
    assert found.changed == ["/a"]
    assert found.contents == {"/a": b"xxx"}
    assert (root / "a").stat().st_size == 4


def _on_open(monkeypatch: pytest.MonkeyPatch, name: bytes, action: t.Callable[[], object]) -> None:
    """Do something right before *name* is opened."""
    real = os.open

    def hooked(path: t.Any, flags: int, *args: t.Any, **more: t.Any) -> int:
        if path == name:
            action()
        return real(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", hooked)


def test_a_file_that_vanishes_is_not_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (root / name).touch()
    _on_open(monkeypatch, b"b", lambda: (root / "b").unlink(missing_ok=True))
    found = answered(root, component("/"))
    assert list(found.entries) == ["/", "/a", "/c"]
    assert found.left_out == {}


def test_a_folder_that_vanishes_is_not_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").mkdir()

    def vanish() -> None:
        if (root / "a").exists():
            (root / "a").rmdir()

    _on_open(monkeypatch, b"a", vanish)
    assert list(answered(root, component("/")).entries) == ["/"]


@pytest.mark.parametrize("kind", ["file", "dir"])
def test_a_path_swapped_for_a_symlink_does_not_lead_outside(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    outside = tmp_path / "outside"
    victim = root / "app/victim"
    if kind == "dir":
        outside.mkdir()
        (outside / "secret").write_bytes(b"of others")
        victim.mkdir(parents=True)
    else:
        outside.write_bytes(b"of others")
        victim.parent.mkdir()
        victim.touch()

    def swap() -> None:
        if not victim.is_symlink():
            victim.rename(tmp_path / "moved")
            victim.symlink_to(outside)

    _on_open(monkeypatch, b"victim", swap)
    found = answered(root, component("/app"))
    assert found.kinds == {"/app": "dir", "/app/victim": "symlink"}
    assert found.blob == b""


@pytest.mark.parametrize("call", ["readlink", "listxattr"])
def test_a_symlink_swapped_for_a_folder_is_looked_at_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    (root / "victim").symlink_to("nowhere")
    real = getattr(os, call)

    def swapped(*args: t.Any, **more: t.Any) -> t.Any:
        if (root / "victim").is_symlink():
            (root / "victim").unlink()
            (root / "victim").mkdir()
        return real(*args, **more)

    monkeypatch.setattr(os, call, swapped)
    assert answered(root, component("/victim")).kinds == {"/victim": "dir"}


def test_a_path_swapped_for_ever_is_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = root / "victim"
    victim.mkdir()
    real_stat = os.stat

    def swap() -> None:
        victim.rmdir()
        victim.symlink_to("/etc")

    def stat_as_folder(path: t.Any, **more: t.Any) -> os.stat_result:
        if path == b"victim" and victim.is_symlink():
            victim.unlink()
            victim.mkdir()
        return real_stat(path, **more)

    _on_open(monkeypatch, b"victim", swap)
    monkeypatch.setattr(os, "stat", stat_as_folder)
    found = answered(root, component("/"))
    assert found.left_out == {"/victim": "replaced again and again while it was read"}


# Limits and requests


def test_too_many_bytes(capture: Capture, root: Path) -> None:
    for name, size in (("a", 10), ("b", 500), ("c", 300), ("d", 400), ("e", 20)):
        (root / name).write_bytes(b"x" * size)
    found = error(capture, capture_request(root, component("/"), bytes=1229))
    assert (found["type"], found["items"]) == (
        "too_large",
        ["/b (500 bytes)", "/d (400 bytes)", "/c (300 bytes)"],
    )
    assert "component app holds more than 1229 bytes" in found["message"]
    assert len(captured_limits(capture, root, bytes=1230).contents) == 5


def captured_limits(capture: Capture, root: Path, **limits: int) -> Captured:
    return Captured(capture(capture_request(root, component("/"), op="content", **limits)))


def test_too_many_entries(capture: Capture, root: Path) -> None:
    for name in "abc":
        (root / name).write_bytes(name.encode())
    found = error(capture, capture_request(root, component("/"), entries=3))
    assert found["type"] == "too_large"
    assert "component app holds more than 3 entries" in found["message"]
    assert len(captured_limits(capture, root, entries=4).entries) == 4


def test_a_file_that_grows_past_the_limit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").touch()
    monkeypatch.setattr(os, "read", lambda _fd, count: b"x" * count)
    found = error(_tree.answer, capture_request(root, component("/a")))
    assert found["type"] == "too_large"
    assert found["items"][0].startswith("/a (")


def test_a_very_deep_tree_is_refused(root: Path) -> None:
    fd = os.open(root, os.O_RDONLY)
    for _level in range(250):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    assert error(_tree.answer, capture_request(root, component("/")))["type"] == "too_large"
    excluded = component("/", excludes=[{"pattern": "/d/d", "reason": "deep"}])
    assert list(answered(root, excluded).entries) == ["/", "/d"]
    subprocess.run(["rm", "-rf", root / "d"], check=True)


@pytest.mark.parametrize(
    "broken",
    [
        {"op": "guess"},
        {"root": "relative"},
        {"components": [{"name": "x"}]},
        {"components": [{"name": "x", "paths": ["relative"]}]},
        {"components": [{"name": "x", "paths": ["/a/../b"]}]},
        {"components": [{"name": "x", "paths": ["/a\0"]}]},
        {"components": [{"name": "x", "paths": ["/a\ud800"]}]},
        {"components": [{"name": "x", "paths": ["/a"]}, {"name": "x", "paths": ["/b"]}]},
        {"components": [{"name": "x", "paths": ["/a"], "excludes": [{"pattern": "a"}]}]},
        {"limits": {}},
    ],
)
def test_requests_that_are_none(capture: Capture, root: Path, broken: dict[str, t.Any]) -> None:
    assert error(capture, {**capture_request(root, component("/")), **broken})["type"] == "request"


@pytest.mark.parametrize("request_line", [[], None, "x", 7])
def test_requests_of_another_type(capture: Capture, request_line: t.Any) -> None:
    assert error(capture, request_line)["type"] == "request"


def test_a_root_that_is_not_there(capture: Capture, root: Path) -> None:
    found = error(capture, capture_request(root / "gone", component("/")))
    assert (found["type"], found["items"]) == ("root", [str(root / "gone")])


def test_a_failing_disk_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_fd: int, _count: int) -> t.NoReturn:
        raise OSError(5, "Input/output error")

    (root / "a").touch()
    monkeypatch.setattr(os, "read", fail)
    found = error(_tree.answer, capture_request(root, component("/a")))
    assert (found["type"], found["message"], found["items"]) == ("os", "EIO on /a", ["/a"])


def test_a_bug_shows_no_content(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_fd: int, _count: int) -> t.NoReturn:
        raise RuntimeError("password")

    (root / "a").touch()
    monkeypatch.setattr(os, "read", fail)
    found = error(_tree.answer, capture_request(root, component("/a")))
    assert found["type"] == "internal"
    assert "password" not in json.dumps(found)


# Contents that are too large for one answer


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that cannot be compressed."""
    return random.Random(seed).randbytes(size)


def large_request(root: Path, folders: list[Path | str], *, stdout: int = 0, **limits: int) -> dict[str, t.Any]:
    """Ask for the content of all of *root*, of which one answer may hold *stdout* bytes compressed."""
    deliver = {"stdout": stdout, "folders": [str(folder) for folder in folders]}
    return {**capture_request(root, component("/"), **limits), "deliver": deliver}


def handed_over(capture: Capture, header: dict[str, t.Any], step: int = 1 << 19) -> Captured:
    """Take contents that stand in a file, range by range."""
    file = header["file"]
    pieces = []
    for offset in range(0, file["size"], step):
        request = {"op": "read", "folder": file["folder"], "offset": offset, "length": step}
        told, piece = capture({**request, "drop": offset + step >= file["size"]})
        assert told == {}
        pieces.append(piece)
    contents = b"".join(pieces)
    assert (len(contents), hashlib.sha256(contents).hexdigest()) == (file["size"], file["sha256"])
    return Captured(({**header}, contents))


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Where Ansible's temporary folder on the host would be; the half makes it."""
    return tmp_path / "home/.ansible/tmp"


def test_large_contents_stand_in_a_private_file_until_they_are_taken(
    capture: Capture, root: Path, remote: Path
) -> None:
    ways.build(root)
    (root / "large").write_bytes(noise(3 << 20))
    old = os.umask(0o022)
    try:
        header, contents = capture(large_request(root, [remote], stdout=1 << 20))
    finally:
        os.umask(old)
    assert contents == b""
    (folder,) = remote.iterdir()
    assert header["file"]["folder"] == str(folder)
    assert [path.name for path in folder.iterdir()] == ["contents"]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (remote, folder, folder / "contents")]
    assert modes == [0o700, 0o700, 0o600]
    found = handed_over(capture, header)
    assert found.contents == captured(capture, root, "/").contents
    assert list(remote.iterdir()) == []


@pytest.mark.parametrize("fits", [True, False])
def test_how_much_an_answer_holds_is_exact(root: Path, remote: Path, fits: bool) -> None:
    (root / "a").write_bytes(noise(1 << 18))
    whole = _tree.answer(large_request(root, [remote], stdout=1 << 20))[1]
    header, contents = _tree.answer(large_request(root, [remote], stdout=len(whole) - (not fits)))
    assert (contents == whole, "file" in header) == (fits, not fits)


def test_the_order_of_contents_is_told_where_it_is_not_that_of_the_listing(capture: Capture, root: Path) -> None:
    (root / "a").mkdir()
    for name in ("a/c", "a-b", "z"):
        (root / name).write_text(name)
    os.link(root / "z", root / "a/0")
    header, contents = capture(capture_request(root, component("/")))
    listing, places = (header["components"]["app"][field] for field in ("listing", "contents"))
    assert [entry["path"] for entry in listing if entry["kind"] == "file"] == ["/a-b", "/a/0", "/a/c"]
    assert [listing[place]["path"] for place in places] == ["/a/0", "/a/c", "/a-b"]
    assert zlib.decompress(contents) == b"za/ca-b"


@pytest.mark.parametrize("stdout", [0, 1 << 30])
def test_a_large_file_that_changes_while_it_is_read_is_taken_once(
    root: Path, remote: Path, monkeypatch: pytest.MonkeyPatch, stdout: int
) -> None:
    (root / "a").write_bytes(noise(3 << 20, seed=1))
    (root / "b").write_bytes(noise(5 << 20, seed=2))
    (root / "c").write_bytes(b"after it")
    new = noise(4 << 20, seed=3)
    read = os.read
    changes = iter([new])

    def hooked(fd: int, count: int) -> bytes:
        data = read(fd, count)
        if not data and os.readlink(f"/proc/self/fd/{fd}").endswith("/b"):
            for content in changes:
                (root / "b").write_bytes(content)
        return data

    monkeypatch.setattr(os, "read", hooked)
    header, contents = _tree.answer(large_request(root, [remote], stdout=stdout))
    found = handed_over(_tree.answer, header) if stdout == 0 else Captured((header, contents))
    assert found.contents == {"/a": noise(3 << 20, seed=1), "/b": new, "/c": b"after it"}
    assert found.changed == []


@settings(max_examples=60)
@given(st.data())
def test_contents_are_what_was_kept_whatever_was_not(data: st.DataObject) -> None:
    kept = b""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_tree, "_BLOCK", data.draw(st.integers(10, 3000)))
        spool = _tree._Spool(data.draw(st.integers(0, 6000)), [folder])
        for turn in range(data.draw(st.integers(0, 6))):
            spool.begin()
            chunks = [noise(size, seed=turn) for size in data.draw(st.lists(st.integers(1, 2000), max_size=4))]
            for chunk in chunks:
                spool.write(chunk)
            if data.draw(st.booleans()):
                spool.keep()
                kept += b"".join(chunks)
        told, contents = spool.finish()
        if told:
            contents = Path(told["file"]["folder"], "contents").read_bytes()
            assert told["file"]["sha256"] == hashlib.sha256(contents).hexdigest()
            assert told["file"]["size"] == len(contents)
        assert zlib.decompress(contents) == kept


def test_memory_does_not_grow_with_large_contents(root: Path, remote: Path) -> None:
    block = noise(1 << 20)
    with open(root / "big", "wb") as file:
        file.writelines(block for _turn in range(48))
    prelude = "import resource; resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))"
    request = large_request(root, [remote], stdout=1 << 20, bytes=1 << 30)
    header, _contents = ways.unpack(ways.piped("tree", request, prelude=prelude))
    assert header["file"]["size"] > 48 << 20


def test_a_refusal_leaves_no_file(root: Path, remote: Path) -> None:
    (root / "a").write_bytes(noise(3 << 20))
    (root / "b").write_bytes(b"one byte too many is enough")
    found = error(_tree.answer, large_request(root, [remote], bytes=(3 << 20) + 5))
    assert (found["type"], found["items"][0]) == ("too_large", f"/a ({3 << 20} bytes)")
    assert list(remote.iterdir()) == []


def test_a_file_system_is_never_filled(root: Path, remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(noise(3 << 20))
    free = types.SimpleNamespace(f_bavail=(_tree._SPARE >> 10) + 2000, f_frsize=1024)
    monkeypatch.setattr(os, "fstatvfs", lambda _fd: free)
    request = large_request(root, [remote])
    # each turn of a megabyte finds as much free as the one before
    assert "file" in _tree.answer(request)[0]
    monkeypatch.setattr(_tree, "_SPARE", _tree._SPARE + (1 << 20))
    found = error(_tree.answer, request)
    assert (found["type"], found["items"]) == ("no_space", [str(remote)])
    assert f"{remote} has no room" in found["message"]
    assert len(list(remote.iterdir())) == 1


@pytest.mark.parametrize("way", ["answer", "piped"])
def test_a_full_disk_is_named(root: Path, remote: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    (root / "a").write_bytes(noise(3 << 20))
    if way == "answer":
        monkeypatch.setattr(os, "write", full)
        header, _contents = _tree.answer(large_request(root, [remote]))
    else:
        # the kernel's own refusal (setrlimit(2))
        prelude = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
        header, _contents = ways.unpack(ways.piped("tree", large_request(root, [remote]), prelude=prelude))
    assert (header["error"]["type"], header["error"]["items"]) == ("no_space", [str(remote)])
    assert list(remote.iterdir()) == []


def test_the_first_folder_that_can_be_made_is_taken(root: Path, remote: Path, tmp_path: Path) -> None:
    (root / "a").write_bytes(b"1")
    (tmp_path / "file").touch()
    none = str(tmp_path / "file/tmp")
    header, _contents = _tree.answer(large_request(root, [none, remote, tmp_path / "other"]))
    assert Path(header["file"]["folder"]).parent == remote
    assert not (tmp_path / "other").exists()
    found = error(_tree.answer, large_request(root, [none]))
    assert (found["type"], found["items"]) == ("no_folder", [none])


def test_the_home_is_that_of_the_user_who_reads(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(b"1")
    monkeypatch.setenv("HOME", str(tmp_path / "login"))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    user = types.SimpleNamespace(pw_dir=str(tmp_path / "become"), pw_name="become")
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: user)
    for given_folder, base in (("~/tmp", tmp_path / "become/tmp"), ("$SCRATCH/x", tmp_path / "scratch/x")):
        header, _contents = _tree.answer(large_request(root, [given_folder]))
        assert Path(header["file"]["folder"]).parent == base
    assert not (tmp_path / "login").exists()


@pytest.mark.parametrize("op", ["fingerprint", "content"])
def test_what_a_killed_run_left_is_removed(capture: Capture, root: Path, remote: Path, op: str) -> None:
    (root / "a").write_bytes(b"1")
    old = time.time() - 3700
    left, fresh, full, link = (remote / f".holdfast-{number:016x}" for number in range(4))
    other = remote / ".holdfast-other"
    for folder in (left, fresh, full, other):
        folder.mkdir(parents=True, mode=0o700)
        (folder / "contents").write_bytes(b"secret")
    (full / "more").touch()
    link.symlink_to(other)
    for folder in (left, full, other):
        os.utime(folder, (old, old))
    os.utime(link, (old, old), follow_symlinks=False)
    request = {**large_request(root, [remote], stdout=100), "op": op}
    assert "error" not in capture(request)[0]
    assert not left.exists()
    assert sorted(remote.iterdir()) == sorted((fresh, full, other, link))
    assert (other / "contents").exists()


def test_reading_keeps_a_file_from_being_taken_for_left(root: Path, remote: Path) -> None:
    (root / "a").write_bytes(b"1")
    header, _contents = _tree.answer(large_request(root, [remote]))
    folder = header["file"]["folder"]
    os.utime(folder, (1, 1))
    _tree.answer({"op": "read", "folder": folder, "offset": 0, "length": 1})
    assert time.time() - os.stat(folder).st_mtime < 1000
    _tree.answer({**large_request(root, [remote], stdout=100), "op": "fingerprint"})
    assert os.path.exists(folder)


def test_only_a_private_folder_of_contents_is_read(root: Path, remote: Path, tmp_path: Path) -> None:
    (root / "a").write_bytes(b"1")
    folder = Path(_tree.answer(large_request(root, [remote]))[0]["file"]["folder"])
    read = {"op": "read", "offset": 0, "length": 100}
    link = remote / ".holdfast-0123456789abcdef"
    link.symlink_to(folder)
    shown = remote / ".holdfast-0123456789abcdee"
    shown.mkdir(mode=0o750)
    (shown / "contents").write_bytes(b"secret")
    empty = remote / ".holdfast-0123456789abcded"
    empty.mkdir(mode=0o700)
    linked = remote / ".holdfast-0123456789abcdec"
    linked.mkdir(mode=0o700)
    (linked / "contents").symlink_to("/etc/passwd")
    for refused in (link, shown, empty, linked, remote / ".holdfast-0000000000000000"):
        assert error(_tree.answer, {**read, "folder": str(refused)})["type"] == "gone"
    for kept in (link, shown, linked):
        _tree.answer({"op": "drop", "folder": str(kept)})
    assert (shown / "contents").exists()
    assert (folder / "contents").exists()
    assert link.is_symlink()
    assert not linked.exists()
    for none in ("/etc", "relative/.holdfast-0123456789abcdef", f"{folder}/contents", 5, None, f"{folder}\0"):
        for op in ("read", "drop"):
            assert error(_tree.answer, {**read, "op": op, "folder": none})["type"] == "request"
    for odd in ({"offset": -1}, {"length": -1}, {"offset": "x"}, {"length": None}):
        assert error(_tree.answer, {**read, "folder": str(folder), **odd})["type"] == "request"
    assert folder.exists()


def test_what_is_gone_already_is_dropped(capture: Capture, root: Path, remote: Path) -> None:
    (root / "a").write_bytes(b"1")
    header, _contents = capture(large_request(root, [remote]))
    drop = {"op": "drop", "folder": header["file"]["folder"]}
    for _turn in range(2):
        assert capture(drop) == ({}, b"")
        assert list(remote.iterdir()) == []
    assert error(capture, {**drop, "op": "read", "offset": 0, "length": 1})["type"] == "gone"


# The pipe


def test_the_bootstrap_fits_a_shell() -> None:
    assert "\n" not in _tree.BOOTSTRAP
    assert "'" not in _tree.BOOTSTRAP


def test_through_a_shell_with_a_noisy_profile(root: Path) -> None:
    (root / "a").write_bytes(b"1")
    source = Path(_tree.__file__).read_bytes()
    request = json.dumps(capture_request(root, component("/a"))).encode()
    done = subprocess.run(
        f"echo Welcome; {sys.executable} -I -S -c '{_tree.BOOTSTRAP}'; echo bye",
        shell=True,
        input=b"%d\n%s%s\n" % (len(source), source, request),
        capture_output=True,
        check=True,
    )
    lines = [line for line in done.stdout.decode("ascii").splitlines() if line.startswith("HOLDFAST1 ")]
    assert Captured(ways.unpack(lines[0].split()[1])).blob == b"1"


def test_a_line_that_is_not_json() -> None:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "setpriority", lambda *_args: None)
        _tree.serve(io.BytesIO(b"{secret\n"), out)
    header, _blob = ways.unpack(out.getvalue().split()[1])
    assert header["error"]["type"] == "request"
    assert "secret" not in header["error"]["message"]


def test_the_priority_is_lowered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    level = [0]
    monkeypatch.setattr(os, "getpriority", lambda *_args: level[0])
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, value: level.__setitem__(0, value))
    for before, after in ((0, 10), (10, 10), (15, 15)):
        level[0] = before
        _tree.polite()
        assert level == [after]


def test_a_refused_priority_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: int) -> t.NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "setpriority", refuse)
    _tree.polite()


def test_memory_does_not_grow_with_content(root: Path) -> None:
    with open(root / "big", "wb") as file:
        file.truncate(256 << 20)
    prelude = "import resource; resource.setrlimit(resource.RLIMIT_AS, (128 << 20, 128 << 20))"
    request = capture_request(root, component("/big"), op="fingerprint", bytes=1 << 30)
    header, _blob = ways.unpack(ways.piped("tree", request, prelude=prelude))
    assert header["components"]["app"]["bytes"] == 256 << 20
