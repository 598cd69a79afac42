# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept: silent hosts, what the store would not take, what has expired, and when it was sealed."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import StreamState
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.authority import (
    Answer,
    CertificateAuthority,
    TimeAuthority,
)
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases import lab as library
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.test_prune import ClockedStore

from .lab import OPEN, SEAL, SNAPSHOT, Lab, Run

DAY = dt.timedelta(days=1)
RUN = [OPEN, SNAPSHOT, SEAL]
VERIFY = {"name": "verify", "holdfast.config.verify": {"level": "signatures"}, "run_once": True}
CAPTURE = "Capture and store what changed"
SEALED = "Seal the recovery point"
CHANGE = {"id": "CHG-7", "requester": "ops"}


# A silent host


@pytest.fixture(scope="module")
def forty_days_ago(new_lab: Callable[[int], Lab]) -> Lab:
    """A repository that was made 40 days ago; host gone was backed up then, and never since."""
    lab = new_lab(2)
    for part in ("repository", "keyring"):
        shutil.rmtree(lab.path / part)
    clock = library.Clock(dt.datetime.now(dt.timezone.utc).replace(microsecond=0) - 40 * DAY)
    (lab.path / "repository").mkdir()
    keys = library.make_keyring(lab.path / "keyring", clock.moment - DAY)
    with clock.ruling():
        past = library.Lab.make(lab.path / "past", ClockedStore(lab.path / "repository", clock), keys, clock)
        past.run({"gone": MemorySource(library.FILES)})
    for path in (lab.path / "repository").rglob("*@*"):
        os.utime(path, (clock.moment.timestamp(),) * 2)
    lab.variables["holdfast_repository"]["name"] = library.NAME
    lab.variables["holdfast_repository_id"] = past.repository.root.id
    return lab


def carried(lab: Lab, sealed: str) -> set[tuple[str, str]]:
    (point,) = [point for point in lab.points() if point.id == sealed]
    return {entry.key for entry in point.body.streams if entry.state is StreamState.CARRIED}


def test_a_silent_host_is_carried_by_the_runs_of_others(forty_days_ago: Lab) -> None:
    lab = forty_days_ago
    before = lab.stored()
    checked = lab.play("holdfast.config.backup", check=True).ok()
    assert (checked.on(SEALED).result["carried"], lab.stored()) == (0, before)

    limited = {
        "name": "seal",
        "holdfast.config.recovery_point": {"state": "sealed", "carry_limit": 1},
        "run_once": True,
    }
    first = lab.play([OPEN, SNAPSHOT, limited]).ok()
    result = first.on("seal").result
    assert (result["carried"], result["carry_waiting"], result["carry_failed"], result["complete"]) == (1, 1, [], True)
    assert "1 carried, 1 wait for the next run" in first.output

    second = lab.play("holdfast.config.backup").ok()
    result = second.on(SEALED).result
    # nothing was stored anew: to hold on is no change
    assert (result["carried"], result["carry_waiting"], result["changed"]) == (1, 0, False)
    assert "silent streams  1 carried" in second.output
    one, other = (carried(lab, run.report["id"]) for run in (first, second))
    assert one | other == {("gone", "tier1"), ("gone", "tier2")}
    assert not one & other
    # the same names, each a second time
    again = [name for name in lab.stored().keys() - before.keys() if "/gone/" in name]
    assert len(again) == 4
    assert {name.partition("@")[0] for name in again} < {name.partition("@")[0] for name in before}
    lab.sound()


# What the store would not take


def move(what: str, to: str, name: str) -> dict[str, t.Any]:
    """A task that takes the repository away, or brings it back."""
    return {
        "name": name,
        "ansible.builtin.command": {"argv": ["mv", what, to]},
        "run_once": True,
        "delegate_to": "localhost",
    }


def away(lab: Lab) -> dict[str, t.Any]:
    return move(f"{lab.path}/repository", f"{lab.path}/elsewhere", "away")


def back(lab: Lab) -> dict[str, t.Any]:
    return move(f"{lab.path}/elsewhere", f"{lab.path}/repository", "back")


@pytest.fixture(scope="module")
def missed(new_lab: Callable[[int], Lab]) -> tuple[Lab, Run, Run]:
    """The repository is away for web1 alone in one run, and for both hosts in a second one, until that has ended."""
    lab = new_lab(2)
    lab.variables["holdfast_change"] = CHANGE
    host_by_host = [
        OPEN,
        {**SNAPSHOT, "name": "there", "when": "inventory_hostname == 'web2'"},
        away(lab),
        {**SNAPSHOT, "when": "inventory_hostname == 'web1'", "ignore_errors": True},
        back(lab),
        {
            "name": "seal",
            "holdfast.config.recovery_point": {"state": "sealed", "allow_incomplete": True},
            "run_once": True,
        },
    ]
    one = lab.play(host_by_host).ok()
    lab.change("web1", "listen = 1")
    lab.change("web2", "listen = 1")
    # this run ships what the first one has left, and leaves something itself
    both = lab.play([OPEN, away(lab), SNAPSHOT])
    (lab.path / "elsewhere").rename(lab.path / "repository")
    return lab, one, both


def test_a_run_that_could_not_store_is_red_and_says_that_nothing_is_lost(missed: tuple[Lab, Run, Run]) -> None:
    _lab, one, both = missed
    assert both.rc == 2
    assert both.states("snapshot") == {"web1": "failed", "web2": "failed"}
    for run, host in ((one, "web1"), (both, "web1"), (both, "web2")):
        message = run.on("snapshot", host).message
        assert "there is no directory" in message
        assert "the next run on this controller stores it" in message
    assert (one.on("seal").result["complete"], list(one.on("seal").result["failed_hosts"])) == (False, ["web1"])


def test_the_next_run_stores_it_under_its_own_run(missed: tuple[Lab, Run, Run]) -> None:
    lab, one, both = missed
    (shipped,) = both.on("open").result["shipped"]
    assert both.on("open").result["changed"]
    assert shipped.startswith(f"recovery point main of run {one.on('seal').result['run']} was stored late, as ")

    lab.change("web2", "listen = 2")
    checked = lab.play([OPEN], check=True).ok().on("open").result
    assert (checked["shipped"], checked["changed"]) == ([], False)
    # the last run of the story: it ships what the second one has left
    run = lab.play(RUN).ok()
    (shipped,) = run.on("open").result["shipped"]
    assert f"recovery point main of run {both.on('open').result['run']} was stored late, as " in shipped
    assert (run.on("seal").result["stored"], run.on("seal").result["unchanged"]) == (1, 1)

    found = [(point.body.run, point.body.point) for point in lab.points()]
    runs = [each.on("open").result["run"] for each in (one, both, run)]
    assert sorted(found) == sorted([(runs[0], "main"), (runs[0], "main-late"), (runs[1], "main"), (runs[2], "main")])
    for point in lab.points():
        assert point.body.change == CHANGE
        captured = {entry.host: entry.captured_at for entry in point.body.streams}
        late = any("the store took it only now" in finding.detail for finding in point.body.consistency)
        assert late is ((point.body.run, point.body.point) in {(runs[0], "main-late"), (runs[1], "main")})
        assert set(captured) == {
            (runs[0], "main"): {"web2"},
            (runs[0], "main-late"): {"web1"},
        }.get((point.body.run, point.body.point), {"web1", "web2"})
        # captured when they were, not when they were stored
        assert all(at < point.body.opened_at for at in captured.values()) or not late
    lab.sound()
    assert lab.play([OPEN]).ok().on("open").result["shipped"] == []


# What has expired


LOCK = re.compile(r"@(\d{8}T\d{6}Z)\.")


def made_old(path: Path) -> None:
    """Let a file's lock and grace have ended long ago."""
    ended = dt.datetime.now(dt.timezone.utc).replace(microsecond=0) - 1000 * DAY
    older = path.with_name(LOCK.sub(f"@{instant.to_name(ended)}.", path.name))
    path.rename(older)
    os.utime(older, (ended.timestamp(),) * 2)


def test_what_has_expired_is_pruned_by_hand(lab: Lab) -> None:
    first = lab.play("holdfast.config.backup").ok()
    for host in lab.hosts:
        lab.change(host)
    lab.play("holdfast.config.backup").ok()
    old = {part["snapshot"] for kept in first.all(CAPTURE) for part in kept.result["streams"]}
    stored = lab.path / "repository"
    # all that is there is old, but web1's first pack, which is held
    held, _newer = sorted((stored / "packs").glob("*/web1/*/*@*"))
    held.with_name(f"{held.name}.hold").touch()
    for path in [path for path in stored.rglob("*@*") if path != held and path.suffix != ".hold"]:
        made_old(path)
    before = lab.stored()
    prune = {"holdfast.config.repository": {"state": "pruned"}, "run_once": True}
    run = lab.play(
        [
            {"name": "checked", "check_mode": True, "diff": True, **prune},
            {"name": "pruned", "diff": True, **prune},
            {"name": "again", "diff": True, **prune},
            OPEN,
            SNAPSHOT,
            SEAL,
        ]
    ).ok()
    checked, pruned, again = (run.on(name).result for name in ("checked", "pruned", "again"))
    for result in (checked, pruned):
        assert (result["changed"], result["diff"]["after"]) == (True, "")
        assert set(result["diff"]["before"].splitlines()) == before.keys() - lab.stored().keys()
    assert (checked["removed"], checked["freed_bytes"]) == (pruned["removed"], pruned["freed_bytes"])
    assert (again["changed"], again["removed"]) == (False, 0)
    assert "diff" not in again
    removed = pruned["diff"]["before"]
    # a pack and two manifests, which newer ones have followed, and that two runs began
    assert pruned["removed"] == 5
    assert {name.split("/")[0] for name in removed.splitlines()} == {"packs", "manifests", "records"}
    assert {digest for digest in old if digest in removed} == old
    assert held.exists()
    # the last copies are there, whatever their lock, and the points that say so: no host has to give them again
    assert sorted(name.split("/")[0] for name in pruned["kept_last_copies"]) == [
        *["bodies"] * 2,
        *["manifests"] * 2,
        *["packs"] * 2,
        *["points"] * 2,
    ]
    assert {kept.result["streams"][0]["reason"] for kept in run.all("snapshot")} == {"unchanged"}


# Time stamps


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimeAuthority]:
    ca = CertificateAuthority(tmp_path_factory.mktemp("tsa") / "ca")
    with TimeAuthority(ca, ca.issue("Stamper")) as running:
        yield running


def test_points_are_stamped_by_an_authority(lab: Lab, authority: TimeAuthority) -> None:
    stamps = {"url": authority.url, "certificates": str(authority.ca.root.certificate), "required": True}
    lab.variables["holdfast_repository"]["timestamp"] = stamps
    run = lab.play([*RUN, VERIFY]).ok()
    assert run.on("seal").result["timestamped"]
    assert run.on("verify").result["timestamped"] == 1
    assert [finding["severity"] for finding in run.on("verify").result["findings"]] == ["note"]

    asked = len(authority.seen)
    authority.answers = lambda _query: Answer(status=503)
    try:
        before = lab.stored_of_hosts()
        refused = lab.play(RUN)
        assert refused.rc == 2
        assert "time-stamp authority" in refused.on("seal").message
        assert lab.stored_of_hosts() == before
        lab.variables["holdfast_repository"]["timestamp"] = {**stamps, "required": False}
        plain = lab.play([*RUN, VERIFY]).ok()
    finally:
        authority.answers = authority.granted
    assert len(authority.seen) > asked
    assert not plain.on("seal").result["timestamped"]
    assert "has no time stamp" in plain.on("seal").result["warnings"][0]
    assert "has no time stamp" in plain.output
    assert (plain.on("verify").result["timestamped"], plain.on("verify").result["sound"]) == (1, True)
