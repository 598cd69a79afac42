# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restore in place that meets what it must not touch, what others do meanwhile, or a system that fails."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _accounts, _inodes, _points

from . import inplace, ways
from .inplace import MTIME, OTHERS, OURS, Bench, bench, told
from .ways import file_entry, plain_entry

CANARY = b"c4n4ry"
HOLDER = (
    "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True);"
    "time.sleep(60)"
)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench; what is written need not outlive the machine."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    return bench(tmp_path)


@pytest.fixture
def plain(tmp_path: Path) -> Bench:
    """A bench of two files that are to change and one that is to go."""

    def old(root: Path) -> None:
        (root / "etc/app").mkdir(parents=True)
        for name in ("a", "b", "extra"):
            (root / "etc/app" / name).write_bytes(b"old " + CANARY)
        inplace.same_times(root)

    def new(root: Path) -> None:
        for name in ("a", "b"):
            (root / "etc/app" / name).write_bytes(b"new " + CANARY)
        (root / "etc/app/extra").unlink()
        inplace.same_times(root)

    return bench(tmp_path, old, new)


def at(monkeypatch: pytest.MonkeyPatch, point: str, work: Callable[[], object]) -> None:
    """Do something once when that point is reached."""
    left = [work]

    def hook(reached: str) -> None:
        if reached == point and left:
            left.pop()()

    monkeypatch.setattr(_points, "at", hook)


def fails(code: int) -> Callable[..., t.NoReturn]:
    """A call of the system that fails."""

    def call(*_args: t.Any, **_more: t.Any) -> t.NoReturn:
        raise OSError(code, os.strerror(code))

    return call


# Requests that are none


@pytest.mark.parametrize(
    "more",
    [
        {"op": "destroy"},
        {"op": 7},
        {"restore": "short"},
        {"restore": "../../../etc/pass"},
        {"restore": None},
        {"journal": "relative"},
        {"journal": "/line\nfeed"},
        {"lease": 0},
        {"lease": "1"},
        {"entries": 7},
        {"parts": [{}]},
        {"parts": [{"name": "x", "validate": "true"}, 7]},
        {"parts": [{"name": "x", "reload": ["--now"]}]},
        {"parts": [{"name": "x", "validate": ["a\0b"]}]},
    ],
)
def test_requests_that_are_none(plain: Bench, more: dict[str, t.Any]) -> None:
    plain.refused("request", **more)
    assert plain.state() == "old"
    assert not plain.journal.exists()


@pytest.mark.parametrize(
    "remove",
    [
        ["relative"],
        ["/etc/../b"],
        ["/"],
        ["/etc/app/.holdfast-0123456789abcdef"],
        [{"path": 7}],
        [{"path": "/etc/app/extra", "part": 9}],
        [7],
        ["/etc/app/a"],
        ["/etc/app"],
        ["/etc"],
    ],
)
def test_hostile_removals(plain: Bench, remove: list[t.Any]) -> None:
    plain.refused("hostile", remove=remove)
    assert plain.state() == "old"
    assert not (plain.journal / OURS).exists()


def test_an_entry_of_a_part_that_is_not_there(plain: Bench) -> None:
    plain.refused("hostile", entries=[{**entry, "part": 1} for entry in plain.entries])


@pytest.mark.parametrize("root", ["/nowhere/at/all", "relative", "/etc/passwd"])
def test_roots_that_are_refused(plain: Bench, root: str) -> None:
    plain.refused("root", root=root)


# What stands in the way


def test_what_is_of_another_kind_is_refused_by_name_unless_it_may_be_replaced(made: Bench) -> None:
    error = made.refused("in_the_way", replace_kinds=False)
    assert error["items"] == ["/etc/app/to be a file", "/etc/app/to be a folder"]
    assert error["undone"] is False
    assert made.state() == "old"


def test_folders_that_hold_more_than_what_is_to_go_stay(made: Bench) -> None:
    (made.root / "etc/app/extra.d/below/mine").write_bytes(b"mine")
    answer = made.done("apply")
    assert [path for path, _why in answer["left"]] == ["/etc/app/extra.d", "/etc/app/extra.d/below"]
    assert "/etc/app/extra.d/below/y" in answer["removed"]
    assert (made.root / "etc/app/extra.d/below/mine").read_bytes() == b"mine"
    made.done("undo")
    assert (made.root / "etc/app/extra.d/below/y").read_bytes() == b"y"


def test_a_component_whose_root_is_missing_comes_back(plain: Bench) -> None:
    shutil.rmtree(plain.root / "etc")
    answer = plain.done("apply", remove=[])
    assert [path for path, _text in answer["warnings"]] == ["/etc"]
    found = told(plain.root)
    assert {path: found[path] for path in found if path.startswith("etc/app/") and ".holdfast" not in path} == {
        path: what for path, what in plain.new.items() if path.startswith("etc/app/")
    }
    assert found["etc"]["mode"] == "0755"
    assert plain.done("undo")["left"] == []
    assert not (plain.root / "etc").exists()


# Links above what is declared


def linked(plain: Bench, tmp_path: Path) -> list[dict[str, t.Any]]:
    """Entries under /lib, which is a link to /usr/lib."""
    (plain.root / "usr/lib/units").mkdir(parents=True)
    (plain.root / "lib").symlink_to("usr/lib")
    (plain.root / "outer").symlink_to(tmp_path)
    return [file_entry("/lib/units/a.service", b"unit", part=0)]


def test_links_that_lead_to_what_is_declared_are_resolved(plain: Bench, tmp_path: Path) -> None:
    entries = linked(plain, tmp_path)
    plain.payload = b"unit"
    for paths in (["/lib/units"], ["/lib/*/a.service"], ["/else", "/lib/units/a.service"]):
        answer = plain.done("apply", entries=entries, remove=[], parts=[{"name": "x", "paths": paths}])
        assert answer["written"] == ["/lib/units/a.service"]
        assert (plain.root / "usr/lib/units/a.service").read_bytes() == b"unit"
        plain.done("undo")
        assert os.listdir(plain.root / "usr/lib/units") == []
    plain.payload = b""
    removed = plain.done(
        "apply",
        entries=[],
        remove=[{"path": "/lib/units", "part": 0}],
        parts=[{"name": "x", "paths": ["/lib/units"]}],
    )
    assert removed["removed"] == ["/lib/units"]


@pytest.mark.parametrize("paths", [[], ["/lib"], ["/"], ["/else"], ["/lib/units", "/lib"]])
def test_no_other_link_is_followed(plain: Bench, tmp_path: Path, paths: list[str]) -> None:
    entries = linked(plain, tmp_path)
    plain.payload = b"unit"
    error = plain.refused("outside", entries=entries, remove=[], parts=[{"name": "x", "paths": paths}])
    assert error["items"] == ["/lib"]


def test_links_are_resolved_within_the_root(plain: Bench, tmp_path: Path) -> None:
    (plain.root / "up").symlink_to("../../../../../..")
    (plain.root / "loop").symlink_to("loop")
    (plain.root / "abs").symlink_to("/etc/app")
    plain.payload = b"1"
    parts = [{"name": "x", "paths": ["/up/a", "/abs/b", "/loop/c"]}]
    for path, real in (("/up/a", "a"), ("/abs/b", "etc/app/b")):
        plain.done("apply", entries=[file_entry(path, b"1", part=0)], remove=[], parts=parts)
        assert (plain.root / real).read_bytes() == b"1"
        plain.done("undo")
    plain.refused("outside", entries=[file_entry("/loop/c", b"1", part=0)], remove=[], parts=parts)


def test_two_paths_that_are_one_place(plain: Bench, tmp_path: Path) -> None:
    linked(plain, tmp_path)
    parts = [{"name": "x", "paths": ["/lib/units", "/usr/lib/units"]}]
    one = [file_entry(path, b"1", part=0) for path in ("/lib/units/a", "/usr/lib/units/a")]
    plain.payload = b"11"
    assert plain.done("apply", entries=one, remove=[], parts=parts)["written"] == ["/lib/units/a"]
    plain.done("undo")
    plain.payload = b"12"
    other = [one[0], file_entry("/usr/lib/units/a", b"2", part=0)]
    assert len(plain.refused("in_the_way", entries=other, remove=[], parts=parts)["items"]) == 2


# What others do meanwhile


def _swapped(root: Path, outside: Path) -> None:
    (root / "etc/app").rename(root / "etc/moved")
    (root / "etc/app").symlink_to(outside)


@pytest.mark.parametrize("point", ["staged", "saved", "journalled", "before:2", "after:2"])
def test_a_folder_that_becomes_a_symlink(
    plain: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"of others")
    before = told(outside)
    at(monkeypatch, point, lambda: _swapped(plain.root, outside))
    error = plain.refused("outside")
    assert error["items"] == ["/etc/app"]
    assert told(outside) == before


def _mended(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"mended")


@pytest.mark.parametrize("point", ["staged", "journalled", "after:1"])
def test_a_path_that_somebody_replaces_before_its_turn(
    plain: Bench, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    at(monkeypatch, point, lambda: _mended(plain.root / "etc/app/b"))
    error = plain.refused("os")
    assert (error["items"], error["undone"], error["written"]) == (["/etc/app/b"], True, [])
    assert (plain.root / "etc/app/b").read_bytes() == b"mended"
    found = told(plain.root)
    assert {p: w for p, w in found.items() if p.endswith("/a")} == {
        p: w for p, w in plain.old.items() if p.endswith("/a")
    }
    assert plain.leftovers() == []


def test_a_file_that_appears_in_a_folder_that_goes(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, "journalled", lambda: (made.root / "etc/app/extra.d/below/z").write_bytes(b"z"))
    error = made.refused("os")
    assert error["items"] == ["/etc/app/extra.d"]
    assert error["undone"] is True
    assert (made.root / "etc/app/extra.d/below/z").read_bytes() == b"z"


MENDED: dict[str, Callable[[Path], object]] = {
    "replaced": _mended,
    "edited": lambda path: path.write_bytes(b"mended by hand"),
    "another mode": lambda path: path.chmod(0o600),
    "removed": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("way", ["undo", "recover"])
@pytest.mark.parametrize("how", MENDED)
def test_what_somebody_mended_is_left_and_named(plain: Bench, how: str, way: str) -> None:
    plain.done("apply")
    MENDED[how](plain.root / "etc/app/a")
    mended = told(plain.root)["etc/app/a"] if how != "removed" else None
    plain.end_lease()
    answer = plain.done(way)
    assert [path for path, _why in answer["left"]] == ["/etc/app/a"]
    found = told(plain.root)
    assert found.get("etc/app/a") == mended
    assert {p: found[p] for p in ("etc/app/b", "etc/app/extra")} == {
        p: plain.old[p] for p in ("etc/app/b", "etc/app/extra")
    }
    assert plain.leftovers() == []


def test_what_somebody_put_into_a_new_folder_is_left(made: Bench) -> None:
    made.done("apply")
    (made.root / "etc/app/to be a folder/deep/mine").write_bytes(b"mine")
    answer = made.done("undo")
    assert [path for path, _why in answer["left"]] == ["/etc/app/to be a folder/deep", "/etc/app/to be a folder"]
    assert os.listdir(made.root / "etc/app/to be a folder/deep") == ["mine"]


def test_attributes_of_a_folder_that_somebody_changed_are_left(made: Bench) -> None:
    made.done("apply")
    (made.root / "etc/app/closed").chmod(0o711)
    answer = made.done("undo")
    assert [path for path, _why in answer["left"]] == ["/etc/app/closed"]
    assert told(made.root)["etc/app/closed"]["mode"] == "0711"


def test_a_folder_in_which_somebody_makes_a_file_keeps_the_time_of_that(plain: Bench) -> None:
    for op in ("undo", "drop"):
        plain.done("apply")
        mine = plain.root / "etc/app/mine"
        mine.write_bytes(b"mine")
        plain.done(op)
        assert (plain.root / "etc/app").stat().st_mtime_ns > MTIME + 99
        mine.unlink()
    assert sorted(os.listdir(plain.root / "etc/app")) == ["a", "b"]


def test_what_was_there_and_is_no_longer_in_its_stage_folder(plain: Bench) -> None:
    plain.done("apply")
    shutil.rmtree(plain.root / f"etc/app/.holdfast-{OURS}")
    answer = plain.done("undo")
    assert sorted(path for path, _why in answer["left"]) == ["/etc/app/a", "/etc/app/b", "/etc/app/extra"]


# A system that fails


@pytest.mark.parametrize("call", ["link", "fchmod", "utime", "rename", "fsync", "symlink", "mkdir"])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_call_that_fails_is_taken_back(made: Bench, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Only what the tree itself is asked: a journal that cannot be written is another matter."""
    left = [number]
    real = getattr(os, call)

    def fail(*args: t.Any, **more: t.Any) -> t.Any:
        inside = call in ("fsync", "fchmod") or any("dir_fd" in key for key in more) or isinstance(args[0], int)
        if inside:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.EIO, "Input/output error")
        return real(*args, **more)

    monkeypatch.setattr(os, call, fail)
    answer = made.ask("apply")
    monkeypatch.undo()
    if "error" not in answer:
        assert left[0] > 0 or call == "link"
        return
    assert answer["error"]["undone"] is True, answer
    assert (made.state(), made.leftovers()) == ("old", [])


def test_an_undo_that_fails_says_so_and_is_done_by_the_next(plain: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def fail(name: t.Any, to: t.Any, **more: t.Any) -> None:
        if name == b"o2" or to == b"b":
            raise OSError(errno.EIO, "Input/output error")
        real(name, to, **more)

    monkeypatch.setattr(os, "rename", fail)
    at(monkeypatch, "after:1", lambda: monkeypatch.setattr(os, "rename", fails(errno.EIO)))
    error = plain.refused("os")
    assert (error["undone"], bool(error["left"])) == (False, True)
    assert "could not be taken back yet (EIO)" in error["message"]
    monkeypatch.undo()
    plain.refused("busy", "apply", OTHERS)
    plain.done("undo")
    assert (plain.state(), plain.leftovers()) == ("old", [])


def test_no_room_in_bytes_and_in_names(plain: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fstatvfs
    for place in (4, 7):  # f_bavail, f_favail

        def nearly_full(fd: int, place: int = place) -> t.Any:
            fields = list(real(fd))
            fields[5] = 1000
            fields[place] = 1
            return os.statvfs_result(fields)

        monkeypatch.setattr(os, "fstatvfs", nearly_full)
        for op in ("check", "apply"):
            assert plain.refused("no_space", op)["undone"] is False
    assert (plain.state(), plain.leftovers()) == ("old", [])


def test_a_file_that_gets_too_large_while_it_is_staged(plain: Bench) -> None:
    content = b"x" * 100_000
    entries = [*plain.entries, file_entry("/etc/app/large", content)]
    request = plain.request("apply", entries=entries)
    prelude = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    answer, _blob = ways.unpack(ways.piped("apply", request, plain.payload + content, prelude=prelude))
    error = answer["error"]
    assert (error["type"], error["message"]) == ("no_space", "EFBIG on /etc/app/large")
    assert error["undone"] is True
    assert (plain.state(), plain.leftovers()) == ("old", [])


def test_where_links_cannot_be_made(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def refuse(name: t.Any, to: bytes, **more: t.Any) -> None:
        if to.startswith(b"o"):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(name, to, **more)

    monkeypatch.setattr(os, "link", refuse)
    answer = made.done("apply")
    assert "/etc/app/main.conf" in [path for path, _why in answer["not_atomic"]]
    made.done("undo")
    assert (made.state(), made.leftovers()) == ("old", [])
    assert made.killed("before:4")
    made.done("undo")
    made.done("apply")
    made.done("drop")
    assert made.state() == "new"


def test_other_names_keep_the_old_content_and_that_is_said(plain: Bench) -> None:
    os.link(plain.root / "etc/app/a", plain.root / "etc/other")
    for op in ("check", "apply"):
        assert plain.done(op)["not_atomic"] == [["/etc/app/a", "other names of it keep the old content"]]
    assert (plain.root / "etc/other").read_bytes() == b"old " + CANARY


def test_without_privilege(open_root: Path) -> None:
    app = open_root / "etc/app"
    (app / "d").mkdir(parents=True)
    (app / "a").write_bytes(b"old")
    (app / "d/x").write_bytes(b"old")
    if os.geteuid() == 0:
        for path in (open_root, *open_root.rglob("*")):
            os.chown(path, ways.NOBODY, ways.NOBODY)
    before = told(open_root)
    entries = [
        plain_entry("/etc/app/d", "dir", mode=0o500),
        file_entry("/etc/app/d/x", b"0"),
        file_entry("/etc/app/a", b"1", mode=0o400),
        plain_entry("/etc/app/new", "dir", mode=0o500),
        file_entry("/etc/app/new/b", b"2"),
    ]
    request = {
        "op": "apply",
        "root": str(open_root),
        "journal": str(open_root / "journal"),
        "restore": OURS,
        "owners": False,
        "entries": entries,
        "arm": True,
    }
    answer, _blob = ways.unpack(ways.piped("apply", request, b"012", prelude=ways.drop("apply")))
    assert "error" not in answer, answer
    assert (answer["state"], answer["warnings"], answer["armed"]) == ("open", [], False)
    assert told(open_root)["etc/app/new"]["mode"] == "0500"
    answer, _blob = ways.unpack(ways.piped("apply", {**request, "op": "undo"}, prelude=ways.drop("apply")))
    assert "error" not in answer, answer
    assert answer["left"] == []
    after = told(open_root)
    del after["journal"]
    assert {path: what for path, what in after.items() if path != "."} == {
        path: what for path, what in before.items() if path != "."
    }


# Journals


@pytest.mark.parametrize("name", ["journal.json", "lease.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"format": 2}', b"\xff", b"[" * 100_000])
def test_a_damaged_journal_stops_everybody_by_name(plain: Bench, name: str, content: bytes) -> None:
    plain.done("apply")
    before = told(plain.root)
    (plain.journal / OURS / name).write_bytes(content)
    assert OURS in plain.refused("journal", "apply", OTHERS)["message"]
    plain.refused("journal", "recover")
    assert told(plain.root) == before


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 7},
        {"steps": [{}]},
        {"folders": []},
        {"folders": 7},
        {"root": 7},
        {"steps": [{"path": "/etc/app/a", "how": "over", "folder": 99, "at": ["a"], "was": None, "now": None}]},
        {"steps": [{"path": "/etc/app/a", "how": "over", "folder": 0, "at": [7], "was": None, "now": None}]},
    ],
)
def test_a_journal_that_makes_no_sense_is_named(plain: Bench, change: dict[str, t.Any]) -> None:
    plain.done("apply")
    path = plain.journal / OURS / "journal.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    plain.refused("journal", "undo")
    assert path.exists()


def test_a_journal_leads_nowhere_else(plain: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"of others")
    plain.done("apply")
    path = plain.journal / OURS / "journal.json"
    journal = json.loads(path.read_bytes())
    st_a = (outside / "a").stat()
    for step in journal["steps"]:
        step.update(at=["..", "..", "..", "outside", "a"], was=None, now=_inodes.what_is(st_a))
    path.write_text(json.dumps(journal))
    plain.ask("undo")
    assert (outside / "a").read_bytes() == b"of others"


def test_a_journal_that_others_could_write_is_not_believed(plain: Bench) -> None:
    plain.done("apply")
    (plain.journal / OURS / "journal.json").chmod(0o666)
    plain.refused("journal", "undo")
    (plain.journal / OURS / "journal.json").chmod(0o600)
    plain.journal.chmod(0o777)
    plain.refused("journal", "undo")
    plain.journal.chmod(0o700)
    plain.done("undo")


def test_a_journal_folder_that_cannot_be_made(plain: Bench) -> None:
    plain.journal.write_bytes(b"")
    plain.refused("journal")
    assert plain.state() == "old"


def test_nothing_but_the_stage_folders_holds_content(plain: Bench) -> None:
    plain.done("apply")
    for path in plain.journal.rglob("*.json"):
        assert CANARY not in path.read_bytes()
    assert CANARY.decode() not in json.dumps(plain.done("status"))


def test_all_is_on_disk_in_order(plain: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power loss could reorder: content and journal before the first rename, names before it is dropped."""
    events: list[str] = []
    fsync, rename, unlink = os.fsync, os.rename, os.unlink

    def named(fd: int) -> str:
        return os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), plain.root.parent)

    def synced(fd: int) -> None:
        events.append(f"sync {named(fd)}")
        fsync(fd)

    def renamed(name: t.Any, to: t.Any, **more: t.Any) -> None:
        events.append(f"rename {os.path.basename(os.fsdecode(to))}")
        rename(name, to, **more)

    def unlinked(name: t.Any, **more: t.Any) -> None:
        events.append(f"unlink {os.path.basename(os.fsdecode(name))}")
        unlink(name, **more)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "unlink", unlinked)
    plain.done("apply")
    plain.done("drop")
    stage = f"root/etc/app/.holdfast-{OURS}"
    first = min(events.index(f"rename {name}") for name in ("a", "b"))
    own = f"journal/{OURS}"
    before = events[:first]
    assert {f"sync {stage}", f"sync {stage}/n0", f"sync {stage}/n1", "sync root/etc/app", "sync journal"} <= set(before)
    journal = before.index("rename journal.json")
    assert f"sync {own}/.journal.json.new" in before[:journal]
    assert f"sync {own}" in before[journal:]
    assert max(i for i, event in enumerate(before) if event.startswith(f"sync {stage}")) < journal
    gone = events.index("unlink journal.json")
    assert "sync root/etc/app" in events[first:gone]
    assert f"sync {own}" in events[gone:]
    assert not [event for event in events[:gone] if event.startswith("unlink o")]


# Account files


def accounts(tmp_path: Path) -> Bench:
    """A bench whose /etc/passwd is to change."""
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/passwd").write_bytes(b"old")
    made = bench(tmp_path / "b", inplace.build_old, lambda root: None)
    made.root = tmp_path / "root"
    made.entries, made.payload, made.remove = [file_entry("/etc/passwd", b"new")], b"new", []
    return made


def test_account_files_wait_for_their_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").mkdir()
    made = accounts(tmp_path)
    lock = made.root / "etc/.pwd.lock"
    monkeypatch.setattr(_accounts, "_ACCOUNT_SECONDS", 0.2)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert made.refused("busy")["items"] == ["/etc/.pwd.lock"]
        assert (made.root / "etc/passwd").read_bytes() == b"old"
        made.entries, kept = [file_entry("/etc/hostname", b"new")], made.entries
        made.done("apply")
        made.done("undo")
        made.entries = kept
    finally:
        holder.kill()
        holder.communicate()
    held: list[bool] = []

    def is_held() -> None:
        code = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        held.append(
            subprocess.run([sys.executable, "-c", code, str(lock)], capture_output=True, check=False).returncode != 0
        )

    at(monkeypatch, "before:1", is_held)
    made.done("apply")
    at(monkeypatch, "validated", is_held)
    assert (made.root / "etc/passwd").read_bytes() == b"new"
    at(monkeypatch, "undoing:0", is_held)
    made.done("undo")
    assert held == [True, True]
    assert (made.root / "etc/passwd").read_bytes() == b"old"
