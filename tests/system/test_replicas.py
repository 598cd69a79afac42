# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two sites in folders: whole runs that copy, wait, read at the other one, and do without the one that is lost."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils import store
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import verify
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository

from .lab import OPEN, SEAL, SNAPSHOT, Lab, Run, tree

RUN = [OPEN, SNAPSHOT, SEAL]
REPLICATE = "holdfast.config.replicate"


def replicate(**options: t.Any) -> dict[str, t.Any]:
    return {"name": "replicate", REPLICATE: options, "run_once": True}


def verified(**options: t.Any) -> dict[str, t.Any]:
    return {"name": "verify", "holdfast.config.verify": options, "run_once": True}


def restore(lab: Lab, **options: t.Any) -> dict[str, t.Any]:
    under = f"{lab.path}/restored/{{{{ inventory_hostname }}}}"
    return {"name": "restore", "holdfast.config.restore": {"under": under, "newest": True, **options}}


def came_back(lab: Lab, host: str) -> bool:
    return tree(lab.path / "restored" / host / str(lab.app(host)).lstrip("/")) == tree(lab.app(host))


class TwoSites:
    """A lab, and a folder that is its replica."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.near, self.far = lab.path / "repository", lab.path / "far"
        self.far.mkdir(mode=0o700)
        self.replica: dict[str, t.Any] = {"name": "far", "url": f"file://{self.far}"}
        lab.variables["holdfast_repository"]["replicas"] = [self.replica]

    def play(self, *tasks: t.Any, args: tuple[str, ...] = (), **more: t.Any) -> Run:
        return self.lab.play(list(tasks), *args, **more)

    def read_from(self, name: str | None) -> None:
        self.lab.variables.pop("holdfast_read_from", None)
        if name:
            self.lab.variables["holdfast_read_from"] = name

    def sound_there(self) -> verify.Report:
        """What verify finds at the replica at its deepest level."""
        repository = open_repository(
            store.connect(self.replica["url"]), pin=self.lab.variables["holdfast_repository_id"]
        )
        report = verify.verify(repository, level=Level.KEYS, keyring=self.lab.keyring())
        assert report.sound, report.findings
        return report


@pytest.fixture
def two(new_lab: Callable[[int], Lab]) -> TwoSites:
    """Two hosts, their repository, and an empty replica."""
    return TwoSites(new_lab(2))


def test_a_replica_is_filled_kept_up_to_date_and_changes_only_then(two: TwoSites) -> None:
    two.play(*RUN).ok()
    empty = two.play(replicate())
    assert empty.rc == 2
    assert "replica far is empty" in empty.on("replicate").message
    would = two.play(replicate(seed=True), check=True).ok().on("replicate").result
    assert would["changed"]
    assert not list(two.far.rglob("*.json*"))
    done = two.play(replicate(seed=True), args=("--diff",)).ok().on("replicate").result
    assert done["diff"]["after"].count("far: packs/") == 2
    assert done["changed"]
    assert done["replicas"][0]["copied"] == would["replicas"][0]["copied"]
    assert done["replicas"][0]["lag_seconds"] == 0
    again = two.play(replicate(depth="content")).ok().on("replicate").result
    assert not again["changed"]
    assert again["replicas"][0]["copied_bytes"] == 0
    two.lab.change("web1")
    two.play(*RUN).ok()
    # a pack, its manifest, the point with its body, and the record that the run began
    assert two.play(replicate(depth="names")).ok().on("replicate").result["replicas"][0]["copied"] == 5
    assert two.sound_there().snapshots == 3


def test_the_role_takes_what_the_command_line_gives_as_text(two: TwoSites) -> None:
    two.play(*RUN).ok()
    plain = ("replicate_most_lag=3600", "replicate_seed=true", "replicate_depth=content")
    two.lab.play("holdfast.config.replicate", *(f"-e{one}" for one in plain)).ok()
    assert two.sound_there().snapshots == 2
    two.lab.play("holdfast.config.replicate", "-ereplicate_most_lag=0").ok()


class TestWaits:
    def test_a_point_is_sealed_once_it_is_at_both_sites(self, two: TwoSites) -> None:
        two.play(*RUN, replicate(seed=True)).ok()
        two.replica["wait"] = True
        two.lab.change("web1")
        run = two.play(*RUN).ok()
        newest = run.on("seal").result["recovery_point"]
        assert list(two.far.glob(f"points/*/*{newest}.json@*"))
        assert two.sound_there().snapshots == 3
        # what runs say of themselves no point names: it comes with the next copy
        done = two.play(replicate(depth="content"), args=("--diff",)).ok().on("replicate").result
        assert (done["replicas"][0]["copied"], done["diff"]["after"].count("far: records/audit/")) == (1, 1)

    def test_one_that_does_not_answer_fails_the_task_and_the_next_run_catches_up(self, two: TwoSites) -> None:
        two.play(*RUN, replicate(seed=True)).ok()
        two.replica["wait"] = True
        away = two.far.rename(two.lab.path / "away")
        two.lab.change("web1")
        run = two.play(*RUN)
        assert run.rc == 2
        failed = run.on("seal")
        assert "is sealed in the repository, and not at replica far" in failed.message
        assert failed.result["replicas_behind"] == ["far"]
        assert failed.result["recovery_point"] in {point.id for point in two.lab.points()}
        assert run.report["complete"]
        away.rename(two.far)
        again = two.play(*RUN).ok()
        assert set(reasons(again).values()) == {"unchanged"}
        assert len(two.sound_there().points) == 3

    def test_one_that_need_not_have_it_is_a_warning(self, two: TwoSites) -> None:
        two.replica |= {"wait": True, "required": False}
        two.far.rmdir()
        run = two.play(*RUN).ok()
        (warning,) = run.on("seal").result["warnings"]
        assert "replica far does not have the recovery point yet" in warning

    def test_a_bare_snapshot_waits_too(self, two: TwoSites) -> None:
        two.play(*RUN, replicate(seed=True)).ok()
        two.replica["wait"] = True
        two.play(SNAPSHOT).ok()
        assert len(two.sound_there().points) == 3


class TestReadsThere:
    def test_what_a_lost_site_held_restores_from_the_other_one_by_one_variable(self, two: TwoSites) -> None:
        two.play(*RUN, replicate(seed=True)).ok()
        shutil.rmtree(two.near)
        lost = two.play(restore(two.lab))
        assert lost.rc == 2
        two.read_from("far")
        run = two.play(restore(two.lab), verified(level="keys"), *LISTED).ok()
        assert all(came_back(two.lab, host) for host in two.lab.hosts)
        assert run.on("verify").result["sound"]
        for host in two.lab.hosts:
            result = run.on("restore", host).result
            # nobody loses the record: it is at the replica, and that is said
            assert list(two.far.glob(f"{result['record']}@*"))
            assert "alone, and not to the repository" in result["warnings"][0]

    def test_the_record_goes_to_the_repository_where_that_answers(self, two: TwoSites) -> None:
        two.play(*RUN, replicate(seed=True)).ok()
        two.read_from("far")
        result = two.play(restore(two.lab)).ok().on("restore", "web1").result
        assert not result.get("warnings")
        assert list(two.near.glob(f"{result['record']}@*"))
        assert not list(two.far.glob("records/restore/*/*"))

    def test_what_came_while_the_repository_was_away_comes_home(self, two: TwoSites) -> None:
        two.play(*RUN, replicate(seed=True)).ok()
        away = two.near.rename(two.lab.path / "away")
        two.read_from("far")
        record = two.play(restore(two.lab)).ok().on("restore", "web1").result["record"]
        two.read_from(None)
        away.rename(two.near)
        done = two.play(replicate()).ok().on("replicate").result
        assert done["changed"]
        # of each host what it said when it began, and its record
        assert done["replicas"][0]["returned"] == 4
        assert list(two.near.glob(f"{record}@*"))
        two.lab.sound()

    @pytest.mark.parametrize("task", [OPEN, SNAPSHOT, replicate()], ids=["open", "snapshot", "replicate"])
    def test_who_writes_refuses_it(self, two: TwoSites, task: t.Any) -> None:
        two.read_from("far")
        run = two.play(task)
        assert run.rc == 2
        assert "holdfast_read_from" in run.output
        assert not list(two.far.iterdir())

    def test_an_unknown_name_is_told(self, two: TwoSites) -> None:
        two.read_from("fra")
        run = two.play(verified())
        assert "'fra' is no replica of this repository" in run.on("verify").message

    def test_another_repository_there_is_not_read(self, two: TwoSites, tmp_path: Path) -> None:
        other = Lab(tmp_path / "other", hosts=1)
        other.variables["holdfast_repository"]["url"] = f"file://{two.far}"
        other.play([{"name": "make", "holdfast.config.repository": {}}]).ok()
        two.read_from("far")
        run = two.play(restore(two.lab))
        assert run.rc == 2
        assert not (two.lab.path / "restored").exists()


class TestVerifies:
    def test_both_sites_side_by_side(self, two: TwoSites) -> None:
        two.play(*RUN, replicate(seed=True)).ok()
        (state,) = two.play(verified(replicas=True)).ok().on("verify").result["replicas"]
        assert (state["name"], state["lacking"], state["lag_seconds"]) == ("far", 0, 0)
        two.play(*RUN).ok()
        behind = two.play(verified(replicas=True)).ok().on("verify").result
        assert behind["replicas"][0]["lag_points"] == 1
        assert {finding["severity"] for finding in behind["findings"] if "replica far" in finding["problem"]} == {
            "warning"
        }

    def test_what_the_repository_has_lost_fails_it(self, two: TwoSites) -> None:
        two.play(*RUN, replicate(seed=True)).ok()
        (pack, _other) = two.near.glob("packs/*/*/*/*")
        pack.unlink()
        run = two.play(verified(level="names", replicas=True))
        assert run.rc == 2
        assert "is locked at replica far and is not in the repository" in run.on("verify").message

    def test_a_replica_that_does_not_answer_is_a_warning(self, two: TwoSites) -> None:
        two.play(*RUN).ok()
        two.far.rmdir()
        result = two.play(verified(replicas=True)).ok().on("verify").result
        assert result["sound"]
        assert any("replica far could not be compared" in finding["problem"] for finding in result["findings"])


def test_a_replica_becomes_the_repository_and_a_new_one_is_filled(two: TwoSites) -> None:
    two.play(*RUN, replicate(seed=True)).ok()
    shutil.rmtree(two.near)
    # as the runbook says: the same name and pin, another url
    two.lab.variables["holdfast_repository"] |= {
        "url": f"file://{two.far}",
        "replicas": [{"name": "new", "url": f"file://{two.near}"}],
    }
    two.near.mkdir(mode=0o700)
    run = two.play(*RUN, replicate(seed=True), verified(level="keys", replicas=True), restore(two.lab)).ok()
    assert set(reasons(run).values()) == {"unchanged"}
    assert len(run.on("verify").result["recovery_points"]) == 2
    assert run.on("verify").result["replicas"][0]["lacking"] == 0
    assert all(came_back(two.lab, host) for host in two.lab.hosts)


def test_the_playbook_does_it(two: TwoSites) -> None:
    two.play(*RUN).ok()
    run = two.lab.play("holdfast.config.replicate", "-e", "replicate_seed=true").ok()
    assert two.sound_there().snapshots == 2
    assert run.on("Bring the replicas up to date").result["changed"]


LISTED = [{"name": "listed", "holdfast.config.record": {"state": "listed"}, "run_once": True}]


def reasons(run: Run) -> dict[str, str]:
    return {kept.host: kept.result["streams"][0]["reason"] for kept in run.all("snapshot")}
