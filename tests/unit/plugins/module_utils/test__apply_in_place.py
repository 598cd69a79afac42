# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All of it or nothing: the tree is what it was or what it is to be, whatever happens."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _journal, _points, _steps, _tree, _undo
from ansible_collections.holdfast.config.plugins.modules import host_apply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import edits, inplace, ways
from .inplace import OTHERS, OURS, Bench, bench

FOLLOWUPS: dict[str, tuple[Callable[[Bench], object], set[str]]] = {
    "recover": (lambda made: made.done("recover"), {"old"}),
    "its unit": (lambda made: _undo.main([str(made.journal), OURS]), {"old"}),
    "undo": (lambda made: made.ask("undo"), {"old"}),
    "the next restore": (lambda made: made.done("apply", OTHERS), {"new"}),
    "the same restore": (lambda made: made.done("apply"), {"new"}),
}


def small_old(root: Path) -> None:
    """One of everything that a step can be."""
    app = root / "etc/app"
    for folder in ("d", "gone", "to file"):
        (app / folder).mkdir(parents=True)
        (app / folder / "x").write_bytes(b"x")
    (app / "a").write_bytes(b"old")
    os.link(app / "a", app / "d/same")
    (app / "link").symlink_to("a")
    (app / "extra").write_bytes(b"extra")
    (app / "to folder").write_bytes(b"a file")
    inplace.same_times(root)


def small_new(root: Path) -> None:
    """What that is to be."""
    app = root / "etc/app"
    for path in (app / "gone", app / "to file"):
        shutil.rmtree(path)
    for name in ("extra", "to folder", "link"):
        (app / name).unlink()
    (app / "link").symlink_to("d")
    (app / "a").write_bytes(b"new and the same")
    (app / "to file").write_bytes(b"a file")
    (app / "to folder/below").mkdir(parents=True)
    (app / "to folder/below/y").write_bytes(b"y")
    (app / "d").chmod(0o700)
    inplace.same_times(app)


@pytest.fixture
def made(tmp_path: Path) -> Bench:
    """A bench with all kinds of changes to be made."""
    return bench(tmp_path)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench with few of them; what is written need not outlive the machine."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    return bench(tmp_path, small_old, small_new)


# What it does


def test_apply_and_drop(made: Bench) -> None:
    answer = made.done("apply")
    assert (answer["state"], answer["armed"], answer["left"]) == ("open", False, [])
    assert set(answer["removed"]) == set(made.remove)
    assert set(answer["milliseconds"]) == {"stage", "apply", "validate", "reload"}
    assert set(answer["written"]) >= {"/etc/app/main.conf", "/etc/app/to be a folder/deep/er/file"}
    assert all(inplace.is_private(Path(path)) for path in made.leftovers() if path.endswith("1" * 16))
    assert all(inplace.is_private(path) for path in made.journal.rglob("*"))
    assert inplace.is_private(made.journal)
    assert made.done("drop")["state"] == "closed"
    assert made.state() == "new"
    assert made.leftovers() == []


def test_it_looks_once_all_is_in_place_as_a_capture_does(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    look = ways.capture_request(made.root, ways.component(inplace.APP), op="entries")
    changed: list[Path] = []

    def changes(point: str) -> None:
        if point == "reloaded":
            changed.append(made.root / "etc/app/new")
            changed[0].write_bytes(b"by somebody")

    monkeypatch.setattr(_points, "at", changes)
    answer = made.done("apply", look=look)
    assert changed
    assert answer["seen"]["components"] == _tree.answer(look)[0]["components"]
    assert "compare" in answer["milliseconds"]
    # it is told, and judged by nobody here
    assert made.done("drop").get("seen") is None


def test_a_look_that_is_none_is_told_as_a_capture_tells_it(made: Bench) -> None:
    assert made.done("apply", look={"op": "entries"})["seen"]["error"]["type"] == "request"
    assert made.done("undo")["left"] == []
    assert "seen" not in made.done("apply")


def test_few_folders_stay_open(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_steps, "_MOST_OPEN", 4)
    open_before = set(os.listdir("/proc/self/fd"))
    made.done("apply")
    assert made.done("drop")["state"] == "closed"
    assert made.state() == "new"
    assert set(os.listdir("/proc/self/fd")) == open_before


def test_apply_and_undo(made: Bench) -> None:
    inodes = {path: path.lstat().st_ino for path in made.root.rglob("*")}
    made.done("apply")
    answer = made.done("undo")
    assert (answer["state"], answer["left"], answer["warnings"]) == ("closed", [], [])
    assert made.state() == "old"
    assert {path: path.lstat().st_ino for path in made.root.rglob("*")} == inodes
    assert made.leftovers() == []


def test_check_says_what_apply_does_and_touches_nothing(made: Bench) -> None:
    checked = made.done("check")
    assert made.state() == "old"
    assert not made.journal.exists()
    applied = made.done("apply")
    for field in ("written", "removed", "warnings", "not_atomic", "left"):
        assert checked[field] == applied[field]


def test_nothing_to_do(made: Bench) -> None:
    made.done("apply")
    made.done("drop")
    for op in ("check", "apply"):
        answer = made.done(op, remove=[])
        assert (answer["state"], answer["written"], answer["removed"]) == ("nothing", [], [])
    assert made.leftovers() == []


# Killed


@pytest.mark.parametrize("followup", FOLLOWUPS)
def test_killed_at_any_point_it_is_made_whole(small: Bench, followup: str, tmp_path: Path) -> None:
    follow, expected = FOLLOWUPS[followup]
    for number, point in enumerate(small.points(tmp_path / "points", "apply")):
        made = small.again(tmp_path / str(number))
        assert made.killed(point), point
        if (made.journal / OURS / "lease.json").exists():
            made.end_lease()
        follow(made)
        if "new" in expected:
            made.done("drop", OURS if followup == "the same restore" else OTHERS)
        assert made.state() in expected, point
        assert made.leftovers() == [], point


@pytest.mark.parametrize("first", ["before:1", "after:4", "swapped", "reloaded"])
def test_killed_again_while_it_is_taken_back(small: Bench, first: str, tmp_path: Path) -> None:
    """Both kills at any point; the second one is of whoever goes back."""
    for number, point in enumerate(small.points(tmp_path / "points", "apply", "undo")):
        made = small.again(tmp_path / str(number))
        assert made.killed(first)
        made.end_lease()
        made.killed(point, "undo")
        made.killed(point, "recover")
        if (made.journal / OURS / "journal.json").exists():
            made.done("undo")
        made.done("recover")
        assert made.state() == "old", point
        assert made.leftovers() == [], point


@pytest.mark.parametrize(("point", "state", "kind"), [("dropping", "old", None), ("dropped", "new", "stale")])
def test_killed_while_it_is_dropped(small: Bench, point: str, state: str, kind: str | None) -> None:
    """Until the journal is gone it can be taken back; from then on it cannot, and whoever asks is told."""
    small.done("apply")
    assert small.killed(point, "drop")
    if kind is None:
        small.done("undo")
    else:
        small.refused(kind, "undo")
    assert small.state() == state
    assert small.leftovers() == []


def test_a_drop_that_was_killed_may_be_asked_for_again(small: Bench) -> None:
    small.done("apply")
    assert small.killed("dropped", "drop")
    assert small.done("drop")["state"] == "closed"
    assert (small.state(), small.leftovers()) == ("new", [])


def test_what_is_not_open_is_stale(small: Bench) -> None:
    for op in ("drop", "undo"):
        small.refused("stale", op)
    small.done("apply")
    small.done("undo")
    for op in ("drop", "undo"):
        small.refused("stale", op)


@given(
    tree=edits.trees(),
    changes=edits.edits(),
    place=st.integers(0, 60),
    followup=st.sampled_from(sorted(FOLLOWUPS)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_any_change_killed_anywhere(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    tree: list[edits.Step],
    changes: list[edits.Step],
    place: int,
    followup: str,
) -> None:
    def old(root: Path) -> None:
        (root / "etc/app").mkdir(parents=True)
        edits.take(root / "etc/app", tree)

    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    folder = tmp_path_factory.mktemp("bench")
    made = bench(folder, old, lambda root: edits.take(root / "etc/app", changes))
    reached = made.points(folder / "points", "apply")
    if not reached:
        assert made.done("apply")["state"] == "nothing"
        return
    assert made.killed(reached[place % len(reached)])
    if (made.journal / OURS / "lease.json").exists():
        made.end_lease()
    follow, expected = FOLLOWUPS[followup]
    follow(made)
    if "new" in expected:
        made.done("drop", OURS if followup == "the same restore" else OTHERS)
    assert made.state() in expected
    assert made.leftovers() == []


# Who may act


def test_an_open_restore_keeps_others_out_until_its_lease_is_over(small: Bench) -> None:
    small.done("apply")
    for op in ("check", "apply"):
        error = small.refused("busy", op, OTHERS)
        assert "run 7 of joe" in error["message"]
        assert (error["items"], error["undone"]) == ([OURS], False)
    assert small.done("recover")["recovered"] == []
    assert small.done("status")["state"] == "open"
    small.end_lease()
    checked = small.done("check", OTHERS)
    assert checked["recovered"] == [{"restore": OURS, "run": "run 7 of joe"}]
    applied = small.done("apply", OTHERS)
    assert applied["recovered"] == checked["recovered"]
    small.done("undo", OTHERS)
    assert (small.state(), small.leftovers()) == ("old", [])


def test_status_renews_the_lease(small: Bench) -> None:
    small.done("apply")
    small.end_lease()
    answer = small.done("status", lease=500)
    assert (answer["state"], answer["restores"]) == ("open", [{"restore": OURS, "run": "run 7 of joe"}])
    small.refused("busy", "apply", OTHERS)
    small.done("drop")
    assert small.done("status")["state"] == "closed"


def _boots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host have booted since."""
    for part in (_journal, _undo):
        monkeypatch.setattr(part, "boot_id", lambda: "another boot")


def test_after_a_boot_nobody_waits_for_a_lease(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    small.done("apply")
    _boots(monkeypatch)
    assert small.done("recover")["recovered"] == [{"restore": OURS, "run": "run 7 of joe"}]
    assert (small.state(), small.leftovers()) == ("old", [])


def test_devices_may_have_other_numbers_after_a_boot(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    small.done("apply")
    journal = small.journal / OURS
    for name in ("journal.json", "folders.json"):
        text = (journal / name).read_text()
        changed = text.replace(f'"dev": {small.root.stat().st_dev}', '"dev": 7')
        assert changed != text
        (journal / name).write_text(changed)
    _boots(monkeypatch)
    assert small.done("undo")["left"] == []
    assert (small.state(), small.leftovers()) == ("old", [])


def test_only_one_is_at_work(small: Bench) -> None:
    small.journal.mkdir(0o700)
    held = os.open(small.journal, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    small.refused("busy")
    assert small.state() == "old"
    os.close(held)
    small.done("apply")


# As a module


def test_as_a_module(small: Bench, tmp_path: Path) -> None:
    """What changes a host is changed, and check mode leaves open what is open."""
    (tmp_path / "payload").write_bytes(small.payload)

    def run(op: str, *, check: bool = False, payload: bool = False, **more: t.Any) -> tuple[bool, dict[str, t.Any]]:
        args: dict[str, t.Any] = {"request": json.dumps(small.request(op, **more)), "_ansible_check_mode": check}
        if payload:
            args["payload"] = str(tmp_path / "payload")
        result = ways.run_module(host_apply, args)
        answer, _blob = ways.unpack(result["answer"])
        return result["changed"], answer

    removal = {"entries": [], "remove": ["/etc/app/extra"]}
    assert [run("apply", check=True, **removal)[0], run("apply", **removal)[0]] == [True, True]
    for op in ("drop", "undo", "recover"):
        changed, answer = run(op, check=True)
        assert (changed, answer["state"]) == (False, "open")
    assert run("undo")[0] is True
    assert run("apply", check=True)[1]["state"] == "closed"
    assert small.state() == "old"
    changed, answer = run("apply", payload=True)
    assert (changed, answer["state"]) == (True, "open")
    changed, answer = run("drop")
    assert (changed, answer["state"], small.state()) == (False, "closed", "new")
    assert run("drop")[1]["error"]["type"] == "stale"
