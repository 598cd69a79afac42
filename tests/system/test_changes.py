# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs under change tickets: what a ticket does not permit is not done, and what it says stands in the point."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections.abc import Callable

import pytest
import yaml
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import events
from ansible_collections.holdfast.config.tests.lab import servicenow

from .lab import OPEN, SEAL, SNAPSHOT, Lab, Run

HOUR = dt.timedelta(hours=1)
RESTORE = {"name": "restore", "holdfast.config.restore": {"in_place": True, "newest": True}}


def ticket(number: str, *items: str, begins: dt.timedelta = -HOUR, ends: dt.timedelta = HOUR, **more: t.Any) -> t.Any:
    """A ticket whose window lies so around now."""
    now = dt.datetime.now(dt.timezone.utc)
    given = {"id": number, "state": "implement", "approved": True, "requester": "jane", "items": list(items)}
    return {**given, "begins": instant.to_text(now + begins), "ends": instant.to_text(now + ends), **more}


@pytest.fixture
def changed(new_lab: Callable[[int], Lab]) -> Lab:
    """Two hosts of a repository whose changes are tickets in a file."""
    lab = new_lab(2)
    lab.restored_in_place()
    file = lab.path / "tickets.yml"
    tickets = [
        ticket("CHG1", "web1", "web2"),
        ticket("CHG2", "web1"),
        ticket("CHG3", "web1", "web2", begins=-3 * HOUR, ends=-2 * HOUR),
    ]
    file.write_text(yaml.safe_dump(tickets))
    lab.variables["holdfast_tickets"] = {"provider": "file", "path": str(file)}
    return lab


def back_up(lab: Lab, change: str, *args: str) -> Run:
    return lab.play([OPEN, SNAPSHOT, SEAL], "-e", f"{{holdfast_change: {{id: {change}}}}}", *args)


def test_a_backup_under_a_ticket_holds_what_the_ticket_says(changed: Lab) -> None:
    back_up(changed, "CHG1").ok()
    (point,) = changed.points()
    said = point.body.change["ticket"]
    assert point.body.change["id"] == point.statement.change == "CHG1"
    assert (said["provider"], said["kind"], said["state"], said["approved"]) == ("file", "normal", "implement", True)
    assert (said["requester"], said["items"]) == ("jane", ["web1", "web2"])
    assert instant.from_text(said["begins"]) < instant.from_text(said["verified_at"]) < instant.from_text(said["ends"])
    assert len(said["sha256"]) == 64
    changed.sound()


def test_outside_its_window_or_for_another_host_nothing_is_captured(changed: Lab) -> None:
    late = back_up(changed, "CHG3")
    assert late.rc == 2
    message = late.on("snapshot", "web1").result["msg"]
    assert "a backup is not permitted: the window of change CHG3 closed at" in message
    assert "Nothing was touched" in message
    assert not changed.points()

    other = back_up(changed, "CHG2")
    assert other.states("snapshot") == {"web1": "ok", "web2": "failed"}
    assert "change CHG2 does not name this host" in other.on("snapshot", "web2").result["msg"]
    unknown = back_up(changed, "CHG9")
    assert "has no change CHG9" in unknown.on("snapshot", "web1").result["msg"]


def test_a_restore_is_refused_where_a_backup_is_only_marked(changed: Lab) -> None:
    back_up(changed, "CHG1").ok()
    changed.change("web1")
    live = (changed.app("web1") / "app.conf").read_text()
    changed.variables["holdfast_tickets"]["path"] = f"{changed.path}/none.yml"
    marked = back_up(changed, "CHG1").ok()
    assert marked.rc == 0
    assert "cannot be read" in changed.points()[-1].body.change["unverified"]

    change = ["-e", "{holdfast_change: {id: CHG1}}", "--limit", "web1"]
    refused = changed.play([RESTORE], *change)
    assert "its ticket could not be verified" in refused.on("restore", "web1").result["msg"]
    changed.variables["holdfast_tickets"]["path"] = f"{changed.path}/tickets.yml"
    late = changed.play([RESTORE], "-e", "{holdfast_change: {id: CHG3}}", "--limit", "web1")
    assert "the window of change CHG3 closed" in late.on("restore", "web1").result["msg"]
    assert (changed.app("web1") / "app.conf").read_text() == live
    changed.play([RESTORE], *change).ok()


def test_a_tier_may_ask_for_a_change_and_trust_no_silence(changed: Lab) -> None:
    changed.variables["holdfast_tiers"] = {"tier1": {"change": {"backup": "require", "unreachable": "refuse"}}}
    none = changed.play([OPEN, SNAPSHOT, SEAL])
    assert "its tier takes a change, and none is named" in none.on("snapshot", "web1").result["msg"]
    changed.variables["holdfast_tickets"]["path"] = f"{changed.path}/none.yml"
    silent = back_up(changed, "CHG1")
    assert "its ticket could not be verified" in silent.on("snapshot", "web1").result["msg"]
    assert not changed.points()


def test_a_task_asks_for_a_ticket_of_a_server(changed: Lab) -> None:
    instance = servicenow.ServiceNow()
    instance.add("CHG0031337", "web1", start_date="2020-01-01 00:00:00", end_date="2099-01-01 00:00:00")
    served = servicenow.serve(instance)
    changed.variables["holdfast_tickets"] = {"provider": "servicenow", "url": next(served).url}
    ask = {"name": "ask", "holdfast.config.change_info": {"id": "CHG0031337", "operation": "restore"}}
    insist = {"name": "insist", "holdfast.config.change_info": {"id": "CHG0031337", "require": True}}
    env = {"HOLDFAST_TICKETS_TOKEN": servicenow.TOKEN}
    run = changed.play([ask, insist], env=env)
    assert run.on("ask", "web1").result["permitted"]
    assert not run.on("ask", "web1").result["changed"]
    assert run.on("ask", "web2").result["refusals"] == ["change CHG0031337 does not name this host"]
    assert run.states("insist") == {"web1": "ok", "web2": "failed"}
    assert servicenow.TOKEN not in run.output
    served.close()


def test_drift_that_no_ticket_allows_is_an_event(changed: Lab) -> None:
    file = changed.path / "tickets.yml"
    # allowed for web1 while it was changed, and done by now
    file.write_text(yaml.safe_dump([ticket("CHG7", "web1", begins=-HOUR, state="closed")]))
    changed.play([OPEN, SNAPSHOT, SEAL]).ok()
    for host in changed.hosts:
        changed.change(host)
    found = changed.play([OPEN, SNAPSHOT, SEAL], "-e", "{holdfast_trigger: {kind: manual-change, by: mallory}}").ok()
    seal = found.on("seal").result
    assert seal["unauthorised_changes"] == [{"host": "web2", "stream": "tier1", "components": ["app"]}]
    assert "web2: app changed without a ticket" in seal["warnings"]
    (event,) = [one for one in events.events(changed.repository())[0] if one.event == events.UNAUTHORISED_CHANGE]
    assert event.subject["host"] == "web2"
    assert event.subject["recovery_point"] == seal["recovery_point"]
    assert event.detail["components"] == ["app"]
    assert event.detail["by"] == "mallory"
    again = changed.play([OPEN, SNAPSHOT, SEAL]).ok().on("seal").result
    assert again["unauthorised_changes"] == []
    changed.sound()


def test_where_tickets_cannot_be_listed_nobody_is_blamed(changed: Lab) -> None:
    changed.play([OPEN, SNAPSHOT, SEAL]).ok()
    changed.change("web1")
    changed.variables["holdfast_tickets"]["path"] = f"{changed.path}/none.yml"
    seal = changed.play([OPEN, SNAPSHOT, SEAL]).ok().on("seal").result
    assert seal["unauthorised_changes"] == []
    assert any("whether changes were allowed is not known" in line for line in seal["warnings"])


def test_a_change_is_backed_up_before_and_after_and_noted_and_reported(changed: Lab) -> None:
    tasks = changed.path / "change.yml"
    edit = {"name": "edit", "ansible.builtin.lineinfile": {"path": f"{changed.app('web1')}/app.conf", "line": "new"}}
    again = {"name": "again", "holdfast.config.change_note": {"id": "CHG1"}, "run_once": True}
    role = {"name": "holdfast.config.change"}
    tasks.write_text(yaml.safe_dump([{**edit, "when": "inventory_hostname == 'web1'"}]))
    done = changed.play(
        [
            {"name": "before", "ansible.builtin.include_role": role},
            {"name": "change", "ansible.builtin.include_tasks": str(tasks)},
            {"name": "after", "ansible.builtin.include_role": {**role, "tasks_from": "post"}},
            again,
        ],
        "-e",
        "{change_id: CHG1, change_note: true}",
    ).ok()
    before, after = changed.points()
    said = [(point.body.point, point.statement.change) for point in (before, after)]
    assert said == [("pre", "CHG1"), ("post", "CHG1")]
    assert not done.on("again").result["changed"]
    (written,) = (changed.path / "tickets.yml.notes").read_text().splitlines()
    assert before.id in written
    assert after.id in written
    assert "NOT complete" not in written

    changed.play([OPEN, SNAPSHOT, SEAL]).ok()
    path = changed.path / "report.json"
    found = changed.play("holdfast.config.change_report", "-e", f"change_report_path={path}").ok()
    told = json.loads(path.read_text())
    lacking = {row["id"]: row["lacking"] for row in told["tickets"]}
    assert lacking == {"CHG1": [], "CHG2": ["before", "after"], "CHG3": ["before", "after"]}
    assert [point["window"] for point in told["tickets"][0]["recovery_points"]] == ["inside", "inside"]
    assert [point["change"] for point in told["without_ticket"]] == [""]
    assert not told["unauthorised_changes"]
    assert all(len(line) <= 80 for line in found.on("Report").result["report"])


def test_the_gate_stops_a_change_outside_its_window(changed: Lab) -> None:
    tasks = changed.path / "change.yml"
    tasks.write_text(yaml.safe_dump([{"name": "edit", "ansible.builtin.command": "true"}]))
    given = ["--limit", "web1", "-e"]
    stopped = changed.play("holdfast.config.change", *given, f"{{change_id: CHG3, change_tasks: {tasks}}}")
    assert stopped.rc == 2
    assert not stopped.all("edit")
    assert not changed.points()
    tasks.write_text(yaml.safe_dump([{"name": "edit", "ansible.builtin.command": "false"}]))
    broken = changed.play("holdfast.config.change", *given, f"{{change_id: CHG1, change_tasks: {tasks}}}")
    assert broken.rc == 2
    assert [point.body.point for point in changed.points()] == ["pre", "post"]


def test_a_host_that_the_change_does_not_name_stops_it_for_all(changed: Lab) -> None:
    tasks = changed.path / "change.yml"
    tasks.write_text(yaml.safe_dump([{"name": "edit", "ansible.builtin.command": "true"}]))
    stopped = changed.play("holdfast.config.change", "-e", f"{{change_id: CHG2, change_tasks: {tasks}}}")
    assert stopped.rc == 2
    refused = "Go on only where the change permits it on this host now"
    assert stopped.states(refused) == {"web1": "ok", "web2": "failed"}
    assert not stopped.all("edit")
    assert not changed.points()


def test_roles_are_held_against_their_ticket_and_a_restore_says_that_it_begins(changed: Lab) -> None:
    back_up(changed, "CHG1").ok()
    changed.hosts = ["web1"]
    changed.change("web1")
    file = changed.path / "tickets.yml"
    file.write_text(file.read_text() + yaml.safe_dump([ticket("CHG4", "lab")]))

    def role(name: str, **given: t.Any) -> dict[str, t.Any]:
        return {"name": name, "ansible.builtin.include_role": {"name": f"holdfast.config.{name}"}, "vars": given}

    def refused(task: dict[str, t.Any]) -> dict[str, t.Any]:
        return {"block": [task], "rescue": [{"name": "refused", "ansible.builtin.debug": {}}]}

    verify = {"verify_level": "signatures"}
    restore = {"restore_in_place": True, "restore_change_id": "CHG1"}
    tasks = [
        refused(role("verify", **verify, verify_change_id="CHG1")),
        role("verify", **verify, verify_change_id="CHG4"),
        refused(role("restore", **restore, restore_under_change="CHG4")),
        role("restore", **restore, restore_under_change="CHG2"),
    ]
    run = changed.play(tasks).ok()
    assert len(run.all("refused")) == 2
    assert "a verify is not permitted: change CHG1 does not name this repository" in run.output
    assert "change CHG4 does not name this host" in run.output
    told, refusals = events.events(changed.repository())
    (begun,) = (event for event in told if event.host)
    assert refusals == ()
    assert (begun.event, begun.host, begun.detail["change"]["id"]) == (events.INTENT, "web1", "CHG2")
    assert begun.detail["actor"]["user"]
