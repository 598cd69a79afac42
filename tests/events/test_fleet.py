# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One policy, that of the guide, runs a fleet of three tiers: by schedule, on events, under tickets, with a report.

Its hosts: web9 is a whole host with systemd, lab1 is never on, and web8 comes last and was not backed up yet.
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import events
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.points import Point
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.lab.page import Page
from ansible_collections.holdfast.config.tests.system.lab import BIN, CANARY, Lab, Run
from ansible_collections.holdfast.config.tests.system.test_changes import HOUR, ticket
from ansible_collections.holdfast.config.tests.system.test_record import Board, people_at

from .rulebook import Rulebook, wait

GUIDE = Path(__file__).parents[2] / "docs" / "guide_policy.md"
SCREEN = 40
TIMERS = {
    "tier0": "OnCalendar=*-*-* 00,04,08,12,16,20:00:00 Europe/Berlin",
    "tier1": "OnCalendar=*-*-* 03:30:00 Europe/Berlin",
    "tier2": "OnCalendar=Sat *-*-* 01:30:00 Europe/Berlin",
}
SHOP = "/etc/shop/shop.conf"
JOURNALS = "var/lib/holdfast/*/journal.json"
STATE = "/var/lib/holdfast-watch"
NOW, PAST = "CHG0031337", "CHG0031336"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Machine]:
    """A host with what the policy says is there."""
    with nspawn.machine(tmp_path / "m", "web9") as running:
        for path in ("/etc/nginx/nginx.conf", SHOP):
            running.path(path).parent.mkdir(parents=True)
            running.path(path).write_text(f"# {CANARY}\n")
        yield running


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory, host: Machine) -> Lab:
    """A controller with the policy as the guide has it: only what is the controller's own stands elsewhere."""
    # ssh's socket is below it, and its path is short
    lab = Lab(tmp_path_factory.mktemp("lab"), hosts=0)
    own = lab.path / "own"
    # no day of it may come while there are tests
    page = Page(GUIDE, {"/etc/holdfast": str(own), "2027-": "2099-"})
    files = page.files()
    assert sum(text.count("\n") for text in files.values()) <= SCREEN
    lab.inventory_path = lab.path / "inventory"
    for name, text in files.items():
        (lab.inventory_path / name).parent.mkdir(parents=True, exist_ok=True)
        (lab.inventory_path / name).write_text(text)
    own.mkdir()
    (table,) = (block.text for block in page.blocks if (block.language, block.section) == ("text", "Governance"))
    (own / "retention.csv").write_text(table)
    changes = [ticket(NOW, "web9"), ticket(PAST, "web9", begins=-3 * HOUR, ends=-2 * HOUR)]
    (own / "changes.yml").write_text(yaml.safe_dump(changes))
    del lab.variables["holdfast_components"]
    lab.variables["holdfast_repository"]["replicas"] = [{"name": "far", "url": f"file://{lab.path}/far"}]
    lab.variables["holdfast_people"] = people_at(lab.path / "people")
    lab.variables["holdfast_quorum"] = {"exception": {"required": 2, "roles": ["security", "operations"]}}
    declare(lab, web9=host.variables())
    made = lab.play([{"name": "make", "holdfast.config.repository": {}, "run_once": True}], "--limit", "web9").ok()
    lab.variables["holdfast_repository_id"] = made.on("make").result["repository_id"]
    declare(lab, web9=host.variables())
    return lab


def declare(lab: Lab, **web: dict[str, t.Any]) -> None:
    """Say which hosts there are: these of group web, and lab1."""
    groups = {"web": {"hosts": web}, "lab": {"hosts": {"lab1": {}}}}
    lab.inventory = yaml.safe_dump({"all": {"children": groups, "vars": lab.variables}})


def role(name: str, **variables: t.Any) -> dict[str, t.Any]:
    return {"name": name, "import_role": {"name": f"holdfast.config.{name}"}, "vars": variables}


def backed_up(lab: Lab, *plays: dict[str, t.Any]) -> Run:
    """Back up all hosts that are on, within these plays."""
    return lab.play([*plays, {"hosts": "all:!lab", "tasks": [role("backup")]}]).ok()


def states(point: Point) -> dict[str, str]:
    assert {entry.host for entry in point.body.streams} == {"web9"}
    return {entry.stream: entry.state.value for entry in point.body.streams}


def accept(lab: Lab, file: Path, request: str) -> list[dict[str, t.Any]]:
    """Let two people sign what was asked; the tasks that add what they signed."""
    board = Board(lab, lab.path / "people")
    signed = [
        {"state": "signed", "request": request, "signature": str(board.sign(who, file))} for who in ("alice", "bob")
    ]
    return [{"holdfast.config.record": given} for given in (*signed, {"state": "present", "request": request})]


def test_one_policy_of_one_screen_runs_a_fleet_of_three_tiers(
    rulebook: Rulebook, lab: Lab, host: Machine, tmp_path: Path
) -> None:
    # its schedules are in place, and all that is on is backed up
    schedule = role(
        "schedule", schedule_inventory="/srv/inventory", schedule_command=nspawn.seen(BIN / "ansible-playbook")
    )
    first = backed_up(lab, {"hosts": "web9", "tasks": [schedule]})
    assert first.lines()["web9"]["result"] == "stored"
    timers = [f"holdfast-schedule-{tier}.timer" for tier in TIMERS]
    assert host.run("systemctl", "is-active", *timers).stdout.split() == [b"active"] * len(timers)
    for tier, when in TIMERS.items():
        unit = f"/etc/systemd/system/holdfast-schedule-{tier}"
        written = host.path(f"{unit}.timer").read_text().splitlines()
        assert [line for line in written if line.startswith("OnCalendar")] == [when]
        assert host.run("systemd-analyze", "verify", f"{unit}.service", f"{unit}.timer").stderr == b""

    # what has not changed is skipped; and people are asked to accept what is never on
    file = tmp_path / "ex-1"
    ask = {
        "state": "requested",
        "operation": "exception",
        "exception": "EX-1",
        "requester": "carol",
        "to_sign": str(file),
    }
    asks = {"name": "ask", "holdfast.config.record": {**ask, "reason": "no use for it"}}
    second = backed_up(lab, {"hosts": "lab1", "tasks": [asks]})
    assert second.lines()["web9"]["result"] == "unchanged"
    before, again = lab.points()
    assert states(before) == dict.fromkeys(TIMERS, "stored")
    assert states(again) == dict.fromkeys(TIMERS, "unchanged")

    # they have signed; and the host watches itself, set up under a ticket since its tier0 wants one for what touches it
    rulebook.start()
    watched = {"watch_url": f"http://127.0.0.1:{rulebook.port}", "watch_keys": str(rulebook.keys), "watch_settle": 1}
    lab.play(
        [
            {"hosts": "lab1", "tasks": accept(lab, file, second.on("ask").result["request"])},
            {"hosts": "web9", "tasks": [role("watch", **watched, watch_change_id=NOW)]},
        ]
    ).ok()
    wait("the first look", host.path(f"{STATE}/seen.json").exists, rulebook.output)

    # a signed webhook, then an edit by hand, and each is a sealed point
    rulebook.accepted({"kind": "pre-deployment", "hosts": ["web9"], "change": NOW, "deployer": "zoe"})
    asked = rulebook.sealed(3, "a signed webhook under the guide's policy to a sealed point")[-1]
    assert asked.body.actor["trigger"]["by"] == "zoe (by ci)"
    assert asked.body.change["ticket"]["approved"] is True
    host.run("sh", "-c", f"echo '# {CANARY} by hand' >> {SHOP}")
    edited = rulebook.sealed(4, "an edit by hand under the guide's policy to a sealed point")[-1]
    trigger = edited.body.actor["trigger"]
    assert (trigger["kind"], trigger["by"]) == ("manual-change", "unknown (by host:web9)")
    assert states(edited) == {"tier0": "unchanged", "tier1": "unchanged", "tier2": "stored"}
    rulebook.stop()

    # outside the window of its ticket nothing is restored, nor without one; inside it a dry run says what would be
    lives, journals = host.path(SHOP).read_bytes(), list(host.path("/").glob(JOURNALS))
    restore = {"holdfast.config.restore": {"in_place": True, "recovery_point": before.id, "components": ["shop"]}}
    (lab.path / "cmdb.csv").write_text("name\nweb8\nweb9\nold7\n")
    told = {"path": str(lab.path / "all.json"), "html": str(lab.path / "all.html")}
    cmdb = {"cmdb": {"path": str(lab.path / "cmdb.csv")}}
    declare(lab, web9=host.variables(), web8={})
    last = lab.play(
        [
            {
                "hosts": "web9",
                "tasks": [
                    {"name": "late", **restore, "vars": {"holdfast_change": {"id": PAST}}, "ignore_errors": True},
                    {"name": "none", **restore, "ignore_errors": True},
                    {"name": "would", **restore, "vars": {"holdfast_change": {"id": NOW}}, "check_mode": True},
                    {"name": "lint", "holdfast.config.policy_info": {"records": True}},
                    {"name": "coverage", "holdfast.config.coverage_info": cmdb},
                    {"name": "report", "holdfast.config.report": {**cmdb, **told}},
                ],
            }
        ]
    ).ok()
    assert f"the window of change {PAST} closed at" in last.on("late").message
    assert "Nothing was touched" in last.on("late").message
    assert "its tier takes a change, and none is named" in last.on("none").message
    assert last.on("would").result["changed"]
    assert (host.path(SHOP).read_bytes(), list(host.path("/").glob(JOURNALS))) == (lives, journals)
    assert [event for event in events.events(lab.repository())[0] if event.host] == []

    # the policy is as people signed it, and the report says who owns what and how it stands
    assert last.on("lint").result["findings"] == []
    rows = json.loads((lab.path / "all.json").read_text())["rows"]
    found = {(row["host"], row["component"]): (row["tier"], row["owner"], row["state"]) for row in rows}
    assert found == {
        ("web9", "ssh"): ("tier0", "platform", "covered"),
        ("web9", "nginx"): ("tier1", "web", "covered"),
        ("web9", "shop"): ("tier2", "web", "covered"),
        ("lab1", "ssh"): ("tier0", "platform", "accepted"),
        ("web8", "ssh"): ("tier0", "platform", "gap"),
        ("web8", "nginx"): ("tier1", "web", "gap"),
        ("old7", ""): ("", "", "gap"),
    }
    assert last.on("coverage").result["by_owner"] == {
        "platform": {"covered": 1, "accepted": 1, "gap": 1},
        "web": {"covered": 2, "accepted": 0, "gap": 1},
    }
    page = (lab.path / "all.html").read_text()
    assert "EX-1 accepted by alice, bob until 2099-04-01T00:00:00Z: the image is built from git" in page
    assert all(said in page for said in ("platform", "never captured", "the host is unknown to the inventory"))
    lab.sound()
