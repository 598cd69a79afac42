# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run as Ansible really runs it: batches, strategies, several plays, several points, several processes."""

from __future__ import annotations

import getpass
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import OPEN, SEAL, SNAPSHOT, Lab, tree

RUN = [OPEN, SNAPSHOT, SEAL]


def open_as(name: str, **options: t.Any) -> dict[str, t.Any]:
    """Open a point of that name."""
    opening = {"state": "open", "name": name, **options}
    return {"name": f"open {name}", "holdfast.config.recovery_point": opening, "run_once": True}


def snapshot_for(name: str) -> dict[str, t.Any]:
    """Snapshot into the point of that name."""
    return {"name": f"snapshot {name}", "holdfast.config.snapshot": {"point": name}}


def seal_as(name: str, **options: t.Any) -> dict[str, t.Any]:
    """Seal the point of that name."""
    sealing = {"state": "sealed", "name": name, **options}
    return {"name": f"seal {name}", "holdfast.config.recovery_point": sealing, "run_once": True}


def end(*hosts: str) -> dict[str, t.Any]:
    """End the play for these hosts."""
    return {"name": "end", "ansible.builtin.meta": "end_host", "when": f"inventory_hostname in {list(hosts)}"}


def test_serial_batches_make_one_point_that_the_last_one_seals(five: Lab) -> None:
    run = five.play([{"hosts": "all", "serial": 2, "tasks": RUN}]).ok()
    seals = [kept.result for kept in run.all("seal")]
    assert [seal["sealed"] for seal in seals] == [False, False, True]
    assert [seal["waiting_hosts"] for seal in seals] == [["web3", "web4", "web5"], ["web5"], []]
    assert [seal["changed"] for seal in seals] == [False, False, True]
    assert [seal["complete"] for seal in seals] == [False, False, True]
    assert {kept.result["expected"] for kept in run.all("open")} == {5}
    (point,) = five.points()
    assert [entry.host for entry in point.body.streams] == five.hosts
    assert run.report["complete"]
    assert point.body.actor["user"] == getpass.getuser()


@pytest.mark.parametrize(("serial", "ended"), [(2, "web3"), (1, "web3"), (5, "web1")])
def test_a_host_ended_by_meta_is_missing_even_where_it_is_all_of_its_batch(five: Lab, serial: int, ended: str) -> None:
    run = five.play([{"hosts": "all", "serial": serial, "tasks": [end(ended), *RUN]}])
    assert run.rc == 2
    (point,) = five.points()
    assert point.body.missing == (ended,)
    assert not point.statement.complete
    assert len(point.body.streams) == 4
    assert run.all("seal")[-1].result["missing_hosts"] == [ended]
    assert run.lines()[ended]["missing"]


@pytest.mark.parametrize("strategy", ["free", "ansible.builtin.host_pinned"])
def test_where_run_once_is_ignored_each_host_speaks_for_itself_and_the_last_one_seals(five: Lab, strategy: str) -> None:
    slow = {"name": "wait", "ansible.builtin.command": "sleep 0.4", "when": "inventory_hostname == 'web2'"}
    run = five.play([{"hosts": "all", "strategy": strategy, "tasks": [OPEN, slow, SNAPSHOT, SEAL]}]).ok()
    seals = [kept.result for kept in run.all("seal")]
    assert len(seals) == 5
    sealed = [seal for seal in seals if seal["sealed"]]
    assert sealed
    assert {seal["recovery_point"] for seal in sealed} == {run.report["id"]}
    assert all("web2" in seal["waiting_hosts"] for seal in seals if not seal["sealed"])
    (point,) = five.points()
    assert point.statement.complete
    assert [entry.host for entry in point.body.streams] == five.hosts


def test_a_host_that_fails_early_under_free_is_missing(five: Lab) -> None:
    fail = {"name": "fail", "ansible.builtin.fail": {}, "when": "inventory_hostname == 'web2'"}
    run = five.play([{"hosts": "all", "strategy": "free", "tasks": [OPEN, fail, SNAPSHOT, SEAL]}])
    assert run.rc == 2
    (point,) = five.points()
    assert point.body.missing == ("web2",)
    assert len(point.body.streams) == 4
    assert run.report["id"] == point.id


def test_without_run_once_all_hosts_open_and_seal_the_same_point_once(five: Lab) -> None:
    plain = [{key: value for key, value in task.items() if key != "run_once"} for task in RUN]
    run = five.play(plain, "--forks", "2").ok()
    assert len(run.all("open")) == len(run.all("seal")) == 5
    assert {kept.result["recovery_point"] for kept in run.all("seal")} == {run.report["id"]}
    assert {tuple(kept.result["waiting_hosts"]) for kept in run.all("seal")} == {()}
    (point,) = five.points()
    assert len(point.body.streams) == 5


def test_a_change_makes_two_points_in_one_process_and_the_later_one_is_the_newest(lab: Lab) -> None:
    change = {"id": "CHG0031337", "window": "night"}
    edit = {
        "name": "edit",
        "ansible.builtin.lineinfile": {"path": f"{lab.app('web1')}/app.conf", "line": "workers = 4"},
        "run_once": True,
    }
    again = restoring(lab, "pre", recovery_point="{{ hostvars.web1.made.recovery_point }}")
    tasks = [
        open_as("pre", change=change),
        snapshot_for("pre"),
        {**seal_as("pre"), "register": "made"},
        edit,
        open_as("post", change=change),
        snapshot_for("post"),
        seal_as("post"),
        restoring(lab, "newest", newest=True),
        again,
    ]
    before = tree(lab.app("web1"))
    run = lab.play(tasks).ok()
    pre, post = sorted(lab.points(), key=lambda point: len(point.body.parents))
    assert (pre.body.point, post.body.point) == ("pre", "post")
    assert post.body.parents == (pre.id,)
    captured = [{entry.host: entry.captured_at for entry in point.body.streams}["web1"] for point in (pre, post)]
    assert captured[0] < captured[1]
    assert pre.body.change == post.body.change == change
    assert {name: report["id"] for name, report in run.reports.items()} == {"pre": pre.id, "post": post.id}
    assert {kept.host: kept.result["changed"] for kept in run.all("snapshot post")} == {"web1": True, "web2": False}
    app = str(lab.app("web1")).lstrip("/")
    assert tree(lab.path / "newest" / "web1" / app) == tree(lab.app("web1")) != before
    assert tree(lab.path / "pre" / "web1" / app) == before
    assert not list(run.folder.glob("*/hosts"))


def restoring(lab: Lab, name: str, **options: t.Any) -> dict[str, t.Any]:
    """Restore below a folder of that name."""
    under = f"{lab.path}/{name}/{{{{ inventory_hostname }}}}"
    return {"name": f"restore {name}", "holdfast.config.restore": {"under": under, **options}}


def test_a_point_spans_plays_and_open_and_seal_are_idempotent(lab: Lab) -> None:
    opening = open_as("main", expect=["web1", "web2"])
    plays = [
        {"hosts": "web1", "tasks": [opening, SNAPSHOT, opening, SEAL]},
        {"hosts": "web2", "tasks": [SNAPSHOT, SEAL, SEAL]},
    ]
    run = lab.play(plays).ok()
    first, second, third = [kept.result for kept in run.all("seal")]
    assert (first["sealed"], first["waiting_hosts"]) == (False, ["web2"])
    assert second["sealed"]
    assert second["recovery_point"] == third["recovery_point"]
    assert (second["stored"], third["stored"]) == (2, 2)
    (point,) = lab.points()
    assert point.statement.complete


def test_a_bare_snapshot_makes_a_point_for_its_host(lab: Lab) -> None:
    run = lab.play([SNAPSHOT]).ok()
    points = {point.id: point for point in lab.points()}
    assert len(points) == 2
    for host in lab.hosts:
        point = points[run.on("snapshot", host).result["recovery_point"]]
        assert [entry.host for entry in point.body.streams] == [host]
        assert point.statement.complete
    assert {report["sealed"] for report in run.reports.values()} == {True}
    again = lab.play([SNAPSHOT], check=True).ok()
    assert {kept.result["changed"] for kept in again.all("snapshot")} == {False}
    assert {kept.result["recovery_point"] for kept in again.all("snapshot")} == {""}
    assert len(lab.points()) == 2


@pytest.mark.parametrize("point", ["main", "pre"])
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"delegate_to": "web1"}, "a delegated snapshot would seal the delegate's files under this host's name"),
        ({"async": 60, "poll": 0}, "a snapshot cannot be taken by async"),
        ({"async": 60}, "a snapshot cannot be taken by async"),
    ],
)
def test_a_snapshot_that_is_refused_before_it_begins_has_failed_and_says_why(
    lab: Lab, point: str, more: dict[str, t.Any], why: str
) -> None:
    refused = {**snapshot_for(point), **more, "when": "inventory_hostname == 'web2'", "ignore_errors": True}
    captured = {**snapshot_for(point), "name": "captured", "when": "inventory_hostname == 'web1'"}
    run = lab.play([open_as(point), captured, refused, seal_as(point)])
    assert run.rc == 2
    (sealed,) = lab.points()
    assert [(failed.host, why in failed.reason) for failed in sealed.body.failed] == [("web2", True)]
    assert sealed.body.missing == ()
    assert why in run.output.split("HOLDFAST [run")[1]
    assert why in run.lines(point)["web2"]["error"]


def test_what_comes_out_of_order_is_refused(lab: Lab) -> None:
    before = lab.stored_of_hosts()
    delegated = {"name": "delegated", "holdfast.config.snapshot": {}, "delegate_to": "web2"}
    tasks = [
        delegated,
        {**snapshot_for("pre"), "ignore_errors": True},
        {**SEAL, "name": "nothing open", "ignore_errors": True},
        open_as("pre"),
        {**SNAPSHOT, "name": "which one", "ignore_errors": True},
        snapshot_for("main"),
    ]
    tasks = [{**task, "ignore_errors": True} for task in tasks]
    refused = lab.play(tasks, "--limit", "web1").ok()
    for task, text, remedy in (
        ("delegated", "under this host's name", "Remove delegate_to"),
        ("snapshot pre", "recovery point pre is not open in this run", "state=open first"),
        ("nothing open", "recovery point main is not open in this run", "state=open first"),
        ("snapshot main", "recovery point main is not open in this run", "state=open first"),
    ):
        assert text in refused.on(task).message
        assert remedy in refused.on(task).result["remedy"]
    assert "pre" in refused.on("which one").message
    assert lab.stored_of_hosts() == before

    late = lab.play(
        [
            open_as("main"),
            SNAPSHOT,
            SEAL,
            {**SNAPSHOT, "name": "late", "ignore_errors": True},
            open_as("other", expect=["web1"]),
            {**snapshot_for("other"), "ignore_errors": True},
            seal_as("other"),
        ]
    ).ok()
    assert "recovery point main is sealed" in late.on("late", "web1").message
    assert "another name" in late.on("late", "web1").result["remedy"]
    assert late.states("snapshot other") == {"web1": "ok", "web2": "ignored"}
    assert "recovery point other does not expect it" in late.on("snapshot other", "web2").message
    assert {report["complete"] for report in late.reports.values()} == {True}


def test_a_limit_limits_what_is_expected_and_forks_do_not(five: Lab) -> None:
    run = five.play(RUN, "--limit", "web1,web4,web5", "--forks", "1").ok()
    (point,) = five.points()
    assert point.body.expected == ("web1", "web4", "web5")
    assert run.report["complete"]
    assert [line["host"] for line in run.report["hosts"]] == ["web1", "web4", "web5"]


def test_two_processes_at_once_seal_two_points_and_the_next_run_knows_both(lab: Lab) -> None:
    lab.play(RUN).ok()
    (base,) = lab.points()

    def wait_for_the_other(mine: str, others: str) -> dict[str, t.Any]:
        # both are open before either seals
        script = f"touch {lab.path}/{mine}; while [ ! -e {lab.path}/{others} ]; do sleep 0.02; done"
        return {"name": "meet", "ansible.builtin.shell": script, "run_once": True}

    for host in lab.hosts:
        lab.change(host)
    running = [
        lab.start([OPEN, wait_for_the_other(mine, other), SNAPSHOT, SEAL], "--limit", host)
        for mine, other, host in (("a", "b", "web1"), ("b", "a", "web2"))
    ]
    ended = [process.end().ok() for process in running]
    assert {run.report["complete"] for run in ended} == {True}
    tips = {run.report["id"] for run in ended}
    assert {point.body.parents for point in lab.points() if point.id in tips} == {(base.id,)}

    later = lab.play([*RUN, restoring(lab, "restored", newest=True)]).ok()
    (newest,) = [point for point in lab.points() if point.id == later.report["id"]]
    assert set(newest.body.parents) == tips
    assert {kept.result["changed"] for kept in later.all("snapshot")} == {False}
    for host in lab.hosts:
        assert tree(lab.path / "restored" / host / str(lab.app(host)).lstrip("/")) == tree(lab.app(host))
    assert lab.sound().unsealed == 0


@pytest.mark.parametrize("variable", ["HOLDFAST_STATE_DIR", "XDG_STATE_HOME", "HOME"])
def test_the_run_folder_is_where_the_environment_says(
    new_lab: Callable[[int], Lab], tmp_path: Path, variable: str
) -> None:
    lab = new_lab(1)
    lab.state = {
        "HOLDFAST_STATE_DIR": tmp_path,
        "XDG_STATE_HOME": tmp_path / "holdfast",
        "HOME": tmp_path / ".local" / "state" / "holdfast",
    }[variable]
    run = lab.play(RUN, env={"HOLDFAST_STATE_DIR": "", variable: str(tmp_path)}).ok()
    assert run.folder.parent == lab.state / "runs"
    assert run.report["complete"]
