# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points that people find by a release or a change: named by one play, restored by another."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import SNAPSHOT, Lab, Run, tree

Named = tuple[Lab, dict[str, Run], dict[str, dict[str, str]]]


def backup(lab: Lab, **variables: t.Any) -> Run:
    """A run of the role, with these options."""
    before = dict(lab.variables)
    lab.variables |= variables
    run = lab.play("holdfast.config.backup")
    lab.variables = before
    return run


def restore(**options: t.Any) -> dict[str, t.Any]:
    return {"name": "restore", "holdfast.config.restore": {"under": "{{ restored }}", **options}}


@pytest.fixture(scope="module")
def named(new_lab: Callable[[int], Lab]) -> Named:
    """A release, then a change with a point before and after it; with their runs and what web1 held each time."""
    lab = new_lab(1)
    runs, held = {}, {}
    for name, variables in {
        "v1.4.2": {"backup_alias": "v1.4.2"},
        "pre": {"backup_point": "pre", "backup_change": {"id": "CHG1"}},
        "post": {"backup_point": "post", "backup_change": {"id": "CHG1"}},
    }.items():
        lab.change("web1", f"of = {name}")
        runs[name] = backup(lab, **variables).ok()
        held[name] = tree(lab.app("web1"))
    return lab, runs, held


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"alias": "v1.4.2"}, "v1.4.2"),
        ({"change_id": "CHG1", "point_name": "pre"}, "pre"),
        ({"change_id": "CHG1", "point_name": "post"}, "post"),
        ({"newest": True, "point_name": "main"}, "v1.4.2"),
        ({"newest": True, "point_name": "pre", "components": ["app"]}, "pre"),
    ],
)
def test_a_host_is_restored_by_what_people_call_its_point(
    named: Named, tmp_path: Path, options: dict[str, t.Any], name: str
) -> None:
    lab, _runs, held = named
    lab.variables["restored"] = str(tmp_path / "restored")
    lab.play([restore(**options)]).ok()
    assert tree(tmp_path / "restored" / str(lab.app("web1")).lstrip("/")) == held[name]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"change_id": "CHG1"}, "Say which: point_name or recovery_point."),
        ({"alias": "v1.4"}, "no recovery point has the alias v1.4"),
        ({"alias": "v1.4.2\n"}, "is no alias of a recovery point"),
        ({"alias": "v1.4.2", "newest": True}, "is not said once"),
    ],
)
def test_where_that_is_not_one_point_nothing_is_restored(
    named: Named, tmp_path: Path, options: dict[str, t.Any], said: str
) -> None:
    lab, runs, _held = named
    lab.variables["restored"] = str(tmp_path / "restored")
    run = lab.play([restore(**options)])
    assert run.rc == 2
    failed = run.on("restore")
    assert said in failed.message
    assert not (tmp_path / "restored").exists()
    listed = {one["id"] for one in failed.result.get("recovery_points", ())}
    assert listed == ({runs[name].report["id"] for name in ("pre", "post")} if "change_id" in options else set())


def test_an_alias_is_signed_shown_and_never_moved(named: Named) -> None:
    lab, runs, _held = named
    first, *others = lab.points()
    assert (first.body.alias, first.statement.alias) == ("v1.4.2", "v1.4.2")
    assert [point.body.alias for point in others] == [None, None]
    release = runs["v1.4.2"]
    assert (
        release.on("Judge repository, pin, clocks and hosts, and open the recovery point").result["alias"] == "v1.4.2"
    )
    assert release.on("Seal the recovery point").result["alias"] == "v1.4.2"
    verify = lab.play([{"name": "verify", "holdfast.config.verify": {"level": "signatures"}, "run_once": True}]).ok()
    assert [point["alias"] for point in verify.on("verify").result["recovery_points"]] == ["v1.4.2", "", ""]
    before = lab.stored()
    refused = backup(lab, backup_alias="v1.4.2")
    assert refused.rc == 2
    assert f"recovery point {first.id} has the alias v1.4.2" in refused.output
    assert lab.stored() == before


def test_each_batch_opens_it_by_the_same_alias(new_lab: Callable[[int], Lab]) -> None:
    lab = new_lab(2)

    def point(state: str, **options: t.Any) -> dict[str, t.Any]:
        return {"name": state, "holdfast.config.recovery_point": {"state": state, **options}, "run_once": True}

    tasks = [point("open", alias="v2"), SNAPSHOT, point("sealed", alias="v2")]
    run = lab.play([{"hosts": "all", "serial": 1, "tasks": tasks}]).ok()
    assert [kept.result["alias"] for kept in run.all("sealed")] == ["v2", "v2"]
    (sealed,) = lab.points()
    assert (sealed.body.alias, sealed.body.complete) == ("v2", True)
    other = lab.play([{"hosts": "all", "tasks": [point("open"), SNAPSHOT, point("sealed", alias="v3")]}])
    assert "recovery point main of this run was opened without an alias" in other.on("sealed").message
