# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each module and the role: a change, no change, check mode, diff mode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from .lab import Lab, Run, tree


def added(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The kinds of the objects that were put; nothing may be gone or changed."""
    assert before.items() <= after.items()
    return {path.partition("/")[0] for path in after.keys() - before.keys() if "@" in path}


def test_the_repository_is_made_once_and_check_mode_makes_nothing(bare: Lab) -> None:
    make = [{"name": "make", "holdfast.config.repository": {}}]
    checked = bare.play(make, "--diff", check=True).ok().on("make").result
    assert checked["changed"]
    assert checked["repository_id"] == checked["inventory_line"] == ""
    assert "+repository lab" in bare.play(make, "--diff", check=True).output
    assert not (bare.path / "repository").exists()
    assert not (bare.path / "keyring").exists()

    made = bare.play(make, "--diff").ok()
    assert made.on("make").result["changed"]
    assert "+class d0090: 90 days" in made.output
    pin = made.on("make").result["repository_id"]
    before = tree(bare.path)

    bare.variables["holdfast_repository_id"] = pin
    for check in (False, True):
        again = bare.play(make, "--diff", check=check).ok().on("make").result
        assert (again["changed"], again["repository_id"], again["next_steps"]) == (False, pin, [])
        assert "diff" not in again
    after = tree(bare.path)
    for part in ("repository/", "keyring/"):
        assert {k: v for k, v in after.items() if k.startswith(part)} == {
            k: v for k, v in before.items() if k.startswith(part)
        }


@dataclasses.dataclass
class Story:
    """Runs of the role one after the other, and what the store held after each."""

    lab: Lab
    runs: dict[str, Run] = dataclasses.field(default_factory=dict)
    stored: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)

    def tell(self, name: str, *args: str, check: bool = False) -> None:
        """Run the role once more."""
        self.runs[name] = self.lab.play("holdfast.config.backup", *args, check=check).ok()
        self.stored[name] = self.lab.stored()


@pytest.fixture(scope="module")
def story(new_lab: Callable[[int], Lab]) -> Story:
    """A checked and a first backup, one without a change, and one with drift on one host, checked before."""
    story = Story(new_lab(2))
    story.stored["made"] = story.lab.stored()
    story.tell("check first", check=True)
    story.tell("first")
    story.tell("again", "--diff")
    story.lab.change("web2")
    story.tell("check drift", "--diff", check=True)
    story.tell("drift", "--diff")
    return story


CAPTURE = "Capture and store what changed"
SEALED = "Seal the recovery point"


def test_a_first_backup_changes(story: Story) -> None:
    run = story.runs["first"]
    assert {kept.result["changed"] for kept in run.all(CAPTURE)} == {True}
    for kept in run.all(CAPTURE):
        (stream,) = kept.result["streams"]
        assert (stream["stream"], stream["state"], stream["reason"]) == ("tier1", "stored", "first")
        assert stream["changed_components"] == ["app"]
    assert added(story.stored["check first"], story.stored["first"]) == {
        "packs",
        "manifests",
        "bodies",
        "points",
        "records",
    }
    assert run.report["complete"]
    assert run.on(SEALED, "web1").result["stored"] == 2


def test_a_backup_without_a_change_reports_none_and_puts_its_point_and_intent_alone(story: Story) -> None:
    run = story.runs["again"]
    assert not any(kept.result.get("changed") for kept in run.tasks)
    for kept in run.all(CAPTURE):
        assert kept.result["streams"][0]["state"] == "unchanged"
        assert kept.result["diff"] == []
    assert added(story.stored["first"], story.stored["again"]) == {"bodies", "points", "records"}
    assert story.runs["again"].report["id"] != story.runs["first"].report["id"]


def test_drift_is_stored_for_the_host_that_drifted_alone(story: Story) -> None:
    run = story.runs["drift"]
    assert {kept.host: kept.result["changed"] for kept in run.all(CAPTURE)} == {"web1": False, "web2": True}
    assert run.on(CAPTURE, "web2").result["streams"][0]["reason"] == "drift"
    new = story.stored["drift"].keys() - story.stored["again"].keys()
    assert not [path for path in new if "/web1/" in path]
    result = run.on(SEALED).result
    assert (result["stored"], result["unchanged"], result["changed"]) == (1, 1, True)


@pytest.mark.parametrize(("name", "before"), [("check first", "made"), ("check drift", "again")])
def test_check_mode_puts_nothing_and_says_what_would_be_stored(story: Story, name: str, before: str) -> None:
    assert story.stored[name] == story.stored[before]
    run = story.runs[name]
    drifted = run.on(CAPTURE, "web2").result
    assert drifted["changed"]
    assert drifted["streams"][0]["state"] == "would_store"
    assert (run.report["check"], run.report["id"]) == (True, None)
    assert "nothing was stored (check mode)" in run.output


@pytest.mark.parametrize("name", ["check drift", "drift"])
def test_diff_mode_names_what_differs(story: Story, name: str) -> None:
    (diff,) = story.runs[name].on(CAPTURE, "web2").result["diff"]
    assert diff["after_header"] == "web2/tier1 (drift)"
    assert (diff["before"], diff["after"]) == ("app: as last sealed\n", "app: drift\n")
    assert "+app: drift" in story.runs[name].output


def test_the_points_of_a_story_hang_together(story: Story) -> None:
    first, again, drift = story.lab.points()
    assert [p.id for p in (first, again, drift)] == [story.runs[n].report["id"] for n in ("first", "again", "drift")]
    assert (first.body.parents, again.body.parents, drift.body.parents) == ((), (first.id,), (again.id,))
    assert story.lab.sound().unsealed == 0


def test_the_role_takes_its_options(lab: Lab) -> None:
    variables = {
        "backup_point": "pre",
        "backup_change": {"id": "CHG0031337", "requester": "ops"},
        "backup_allow_incomplete": True,
    }
    lab.hosts.append("gone")
    lab.host_variables["gone"] = {}
    lab.variables |= variables | {"backup_expect": ["web1", "gone"]}
    run = lab.play("holdfast.config.backup", "--limit", "web1,gone")
    assert run.rc == 2
    assert set(run.reports) == {"pre"}
    (point,) = lab.points()
    assert point.body.point == "pre"
    assert point.body.change == variables["backup_change"]
    assert [failure.host for failure in point.body.failed] == ["gone"]
    assert {kept.status for kept in run.all(SEALED)} == {"ok"}


def test_the_role_works_under_tags(lab: Lab) -> None:
    play = {
        "hosts": "all",
        "roles": [{"role": "holdfast.config.backup", "tags": ["backup"]}],
        "tasks": [{"name": "other", "ansible.builtin.debug": {}}],
    }
    skipped = lab.play([play], "--skip-tags", "backup").ok()
    assert skipped.states("other") == {"web1": "ok", "web2": "ok"}
    assert not skipped.reports
    run = lab.play([play], "--tags", "backup").ok()
    assert run.report["complete"]
    assert not run.all("other")
