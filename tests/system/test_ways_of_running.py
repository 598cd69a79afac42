# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each way of running ends in, and what a person sees on the way.

What is expected stands in ways_of_running.yml alone: each row is run here, and docs/guide_runs.md shows the same rows.
What else is so in some of these ways is tested beside, in test_run.py, test_failures.py and test_kills.py.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from .lab import BIN, OPEN, SEAL, SNAPSHOT, Lab, Run, as_plays, shown, tree

ROWS: list[dict[str, t.Any]] = yaml.safe_load(Path(__file__).with_name("ways_of_running.yml").read_text())
GUIDE = Path(__file__).parents[2] / "docs" / "guide_runs.md"
HEADING = "## What each way of running ends in"
RUN = [OPEN, SNAPSHOT, SEAL]
TAGGED = [{**task, "tags": [task["name"]]} for task in RUN]
GO_ON = {"name": "go on", "ansible.builtin.debug": {}}
PING = {"name": "ping", "ansible.builtin.ping": {}}
NEW_LAB = Callable[[int], Lab]


def ended(run: Run) -> dict[str, t.Any]:
    """What a run ended in, as a row says it, read from its output and its report.

    Where several points differ ``sealed_by`` and ``complete`` name each word once; ``says`` is what stands after
    ``hosts`` in each table, and whether a warning follows.
    """
    reports = run.reports.values()
    tables = [line.split(None, 1)[1] for line in run.output.splitlines() if re.match(r"hosts {10}", line)]
    warned = ["a warning"] if "although no host failed" in " ".join(run.output.split()) else []
    return {
        "exit": run.rc,
        "sealed_by": words("nobody" if report["check"] else report["sealed_by"] for report in reports),
        "complete": words("yes" if report["complete"] else "no" if report["sealed"] else "-" for report in reports),
        "says": "; ".join([*(tables or ["no table"]), *warned]),
    }


def words(found: t.Iterable[str]) -> str:
    """Each word once; a dash for none."""
    return ", ".join(sorted(set(found))) or "-"


def playing(
    playbook: t.Any,
    *args: str,
    lose: t.Sequence[str] = (),
    dead: t.Sequence[str] = (),
    check: bool = False,
    env: Mapping[str, str] | None = None,
) -> Callable[[Lab], Run]:
    """A run of these plays or tasks; *lose* takes the configuration of hosts away, *dead* hosts do not answer."""

    def act(lab: Lab) -> Run:
        for host in lose:
            lab.app(host).rename(lab.path / f"lost-{host}")
        if dead:
            away = lab.path / "no-ssh"
            away.write_text("#!/bin/sh\nexit 255\n")
            away.chmod(0o755)
            for host in dead:
                lab.host_variables[host] = {"ansible_connection": "ssh", "ansible_ssh_executable": str(away)}
        return lab.play(playbook, *args, check=check, env=env)

    return act


def play(*tasks: Mapping[str, t.Any], **keywords: t.Any) -> list[dict[str, t.Any]]:
    """One play of all hosts."""
    return [{"hosts": "all", **keywords, "tasks": list(tasks or RUN)}]


def meta(what: str, condition: str = "true") -> dict[str, t.Any]:
    """A meta task."""
    return {"name": what, "ansible.builtin.meta": what, "when": condition}


def on(*hosts: str) -> str:
    """The condition of a task for these hosts."""
    return f"inventory_hostname in {list(hosts)}"


def point(state: str, name: str, **options: t.Any) -> dict[str, t.Any]:
    """Open or seal the point of that name."""
    return {
        "name": f"{state} {name}",
        "holdfast.config.recovery_point": {"state": state, "name": name, **options},
        "run_once": True,
    }


def snapshot(**options: t.Any) -> dict[str, t.Any]:
    """Snapshot into a point."""
    return {"name": "snapshot", "holdfast.config.snapshot": options}


def again_unchanged(lab: Lab) -> Run:
    """The second of two runs."""
    lab.play(RUN).ok()
    return lab.play(RUN)


def two_at_once(first: Lab, second: Lab) -> Run:
    """Two controllers, each with a state folder of its own, whose points are both open before either is sealed."""

    def meet(mine: str, others: str) -> dict[str, t.Any]:
        script = f"touch {first.path}/{mine}; while [ ! -e {first.path}/{others} ]; do sleep 0.02; done"
        return {"name": "meet", "ansible.builtin.shell": script, "run_once": True}

    running = [
        lab.start([OPEN, meet(mine, others), SNAPSHOT, SEAL])
        for lab, mine, others in ((first, "a", "b"), (second, "b", "a"))
    ]
    ended = [process.end() for process in running]
    reports = {f"{number}": run.report for number, run in enumerate(ended)}
    output = "\n".join(run.output for run in ended)
    return dataclasses.replace(ended[0], rc=max(run.rc for run in ended), output=output, reports=reports)


def beside(lab: Lab, hosts: t.Sequence[str]) -> Lab:
    """Another controller with its own inventory of these hosts, for the same repository."""
    other = Lab(lab.path / "other", hosts=0)
    other.hosts = list(hosts)
    other.variables = lab.variables
    other.host_variables = {host: {} for host in hosts}
    return other


def same_hosts(lab: Lab) -> Run:
    """Two controllers, of all hosts each."""
    return two_at_once(lab, beside(lab, lab.hosts))


def slices(lab: Lab) -> Run:
    """Two controllers, of one half of the inventory each; the next run of all knows what both have stored."""
    everyone = lab.hosts
    other = beside(lab, everyone[2:])
    lab.hosts = everyone[:2]
    run = two_at_once(lab, other)
    lab.hosts = everyone
    later = lab.play(RUN).ok()
    assert {kept.result["changed"] for kept in later.all("snapshot")} == {False}
    (newest,) = [found for found in lab.points() if found.id == later.report["id"]]
    assert set(newest.body.parents) == {report["id"] for report in run.reports.values()}
    return run


def runner(lab: Lab, *, env: Mapping[str, str] | None = None, extra_vars: Mapping[str, t.Any] | None = None) -> Run:
    """The same by ansible-runner, which AWX runs too; content must stand in none of its artifacts."""
    private = lab.path / "runner"
    for folder in ("project", "inventory", "env"):
        (private / folder).mkdir(parents=True)
    lab.write_inventory()
    (lab.path / "inventory.yml").rename(private / "inventory" / "hosts.yml")
    (private / "project" / "play.yml").write_text(json.dumps(as_plays(RUN)))
    (private / "env" / "extravars").write_text(json.dumps(extra_vars or {}))
    kept = private / "tasks.jsonl"
    given = {**lab.environment(lab.path / "run"), "COLLECT_TO": str(kept), **(env or {})}
    # the python of the tests: where ansible-runner is missing it says so
    process = subprocess.run(
        [sys.executable, "-m", "ansible_runner", "run", str(private), "-p", "play.yml", "--ident", "job"],
        env={**given, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    output = process.stdout.decode()
    assert (private / "artifacts").is_dir(), f"{output}\ninstall what requirements/dev.txt names"
    artifacts = [path for path in (private / "artifacts").rglob("*") if path.is_file()]
    assert not [path for path in artifacts if shown(path.read_bytes().decode("latin-1"))]
    events = [json.loads(path.read_text()) for path in artifacts if path.parent.name == "job_events"]
    assert "recovery point  " in "".join(
        event["stdout"] for event in sorted(events, key=lambda event: event["counter"])
    )
    (found,) = lab.path.rglob("report.json")
    return Run(process.returncode, output, (), {r["point"]: r for r in json.loads(found.read_text())}, found.parent)


# what a point says of a job of AWX
JOB = {
    "awx_user": "alice",
    "awx_job": "4711",
    "awx_job_template": "Back up",
    "awx_workflow": "Nightly",
    "launch_type": "scheduled",
    "schedule": "02:00",
    "identity_source": "awx",
    "revision": "0" * 40,
}


def of_a_job() -> dict[str, t.Any]:
    """The variables that AWX gives each job, under the names that it has and the ones that it had."""
    said = {
        "job_id": 4711,
        "job_launch_type": "scheduled",
        "job_template_id": 9,
        "job_template_name": "Back up",
        "workflow_job_id": 4710,
        "workflow_job_name": "Nightly",
        "schedule_id": 3,
        "schedule_name": "02:00",
        "user_id": 1,
        "user_name": "alice",
        "user_email": "alice@example.com",
        "inventory_id": 2,
        "project_revision": "0" * 40,
    }
    return {f"{product}_{name}": value for product in ("awx", "tower") for name, value in said.items()}


def awx(lab: Lab) -> Run:
    """As a job of AWX: its variables, colour, no state but what the job makes in its own folder."""
    home = lab.path / "runner"
    before = tree(lab.path)
    run = runner(
        lab,
        env={
            "ANSIBLE_FORCE_COLOR": "true",
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
            "ANSIBLE_NOCOLOR": "",
            "ANSIBLE_REMOTE_TEMP": str(home / "remote"),
            "AWX_HOST": "https://awx.example.com",
            "AWX_PRIVATE_DATA_DIR": str(home),
            "HOLDFAST_STATE_DIR": "",
            "HOME": str(home),
            "INVENTORY_ID": "2",
            "JOB_ID": "4711",
            "MAX_EVENT_RES": "700000",
            "PROJECT_REVISION": "0" * 40,
        },
        extra_vars=of_a_job(),
    )
    (point,) = lab.points()
    told = {name: value for name, value in point.body.actor.items() if name in (*JOB, "trigger")}
    assert told == {**JOB, "trigger": {"kind": "schedule", "id": point.statement.run}}
    made = {Path(path).parts[0] for path in tree(lab.path).keys() - before.keys()}
    assert made == {"runner", "repository"}
    return run


def interrupted(lab: Lab) -> Run:
    """Ctrl-C while a task waits, after the snapshot."""
    here = lab.path / "waits"
    wait = {"name": "wait", "ansible.builtin.shell": f"touch {here}; exec sleep 60", "run_once": True}
    running = lab.start([OPEN, SNAPSHOT, wait, SEAL])
    deadline = time.monotonic() + 60
    while not here.exists() and running.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.process.send_signal(signal.SIGINT)
    return running.end()


def ad_hoc(lab: Lab) -> Run:
    """A bare snapshot by ``ansible -m``."""
    lab.write_inventory()
    process = subprocess.run(
        [str(BIN / "ansible"), "all", "-i", str(lab.path / "inventory.yml"), "-m", "holdfast.config.snapshot"],
        # `ansible` loads callbacks only where it is told to
        env={**lab.environment(lab.path / "run"), "COLLECT_TO": os.devnull, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (found,) = lab.path.rglob("report.json")
    reports = {report["point"]: report for report in json.loads(found.read_text())}
    return Run(process.returncode, process.stdout + process.stderr, (), reports, found.parent)


LAST = {"name": "fail", "ansible.builtin.fail": {}, "when": on("web5")}

WAYS: Mapping[str, tuple[int, Callable[[Lab], Run]]] = {
    "a plain run": (2, playing(RUN)),
    "a second run without changes": (2, again_unchanged),
    "the seal task forgotten": (2, playing([OPEN, SNAPSHOT])),
    "a bare snapshot": (2, playing([SNAPSHOT])),
    "a bare snapshot by `ansible -m`": (1, ad_hoc),
    "`serial: 2`": (5, playing(play(serial=2))),
    "`serial: 40%`": (5, playing(play(serial="40%"))),
    "`serial: 2`, `order: reverse_sorted`": (5, playing(play(serial=2, order="reverse_sorted"))),
    "`serial: 2`, a batch fails whole": (5, playing(play(serial=2), lose=["web3", "web4"])),
    "`serial: 2`, the last batch is dead": (5, playing(play(serial=2), dead=["web5"])),
    "`meta: end_host` before the snapshot": (5, playing([meta("end_host", on("web3")), *RUN])),
    "`meta: end_host` for all of the last batch": (5, playing(play(meta("end_host", on("web5")), *RUN, serial=2))),
    "`meta: end_play` before the seal": (2, playing([OPEN, SNAPSHOT, meta("end_play"), SEAL])),
    "`meta: end_play` in the first batch": (5, playing(play(*RUN, meta("end_play"), serial=2))),
    "`meta: end_batch` in the first batch": (5, playing(play(meta("end_batch", on("web1", "web2")), *RUN, serial=2))),
    "`meta: end_batch` in the last batch": (5, playing(play(meta("end_batch", on("web5")), *RUN, serial=2))),
    "several plays in one point": (
        2,
        playing(
            [
                {"hosts": "web1", "tasks": [point("open", "main", expect=["web1", "web2"]), SNAPSHOT, SEAL]},
                {"hosts": "web2", "tasks": [SNAPSHOT, SEAL]},
            ]
        ),
    ),
    "several plays in one point, without `expect`": (
        2,
        playing([{"hosts": "web1", "tasks": RUN}, {"hosts": "web2", "tasks": RUN}]),
    ),
    "several points in one run": (
        2,
        playing(
            [
                point("open", "pre"),
                snapshot(point="pre"),
                point("sealed", "pre"),
                point("open", "post"),
                snapshot(point="post"),
                point("sealed", "post"),
            ]
        ),
    ),
    "`strategy: free`": (5, playing(play(strategy="free"))),
    "`strategy: free`, a host fails early": (5, playing(play(OPEN, LAST, SNAPSHOT, SEAL, strategy="free"))),
    "`strategy: host_pinned`": (5, playing(play(strategy="ansible.builtin.host_pinned"))),
    "`--limit`": (5, playing(RUN, "--limit", "web1,web4")),
    "`--forks 1`": (2, playing(RUN, "--forks", "1")),
    "`--skip-tags` leaves out open": (2, playing(TAGGED, "--skip-tags", "open")),
    "`--skip-tags` leaves out the snapshot": (2, playing(TAGGED, "--skip-tags", "snapshot")),
    "`--skip-tags` leaves out the seal": (2, playing(TAGGED, "--skip-tags", "seal")),
    "`--tags` takes the snapshot alone": (2, playing(TAGGED, "--tags", "snapshot")),
    "`--start-at-task` the snapshot": (2, playing(RUN, "--start-at-task", "snapshot")),
    "`--start-at-task` the seal": (2, playing(RUN, "--start-at-task", "seal")),
    "`run_once` on the snapshot": (2, playing([OPEN, {**SNAPSHOT, "run_once": True}, SEAL])),
    "`delegate_to` on the snapshot": (2, playing([OPEN, {**SNAPSHOT, "delegate_to": "web1"}, SEAL])),
    "the first host is unreachable": (2, playing(RUN, dead=["web1"])),
    "the first host is lost before open": (2, playing([PING, *RUN], dead=["web1"])),
    "all hosts fail": (2, playing(RUN, lose=["web1", "web2"])),
    "all hosts are unreachable": (2, playing(RUN, dead=["web1", "web2"])),
    "`any_errors_fatal`": (2, playing(play(any_errors_fatal=True), lose=["web1"])),
    "`max_fail_percentage`": (2, playing(play(max_fail_percentage=0), lose=["web1"])),
    "`rescue` around the snapshot": (2, playing([OPEN, {"block": [SNAPSHOT], "rescue": [GO_ON]}, SEAL], lose=["web1"])),
    "the seal in `always`": (2, playing([OPEN, {"block": [SNAPSHOT], "always": [SEAL]}], lose=["web1", "web2"])),
    "`ignore_errors` on the snapshot": (2, playing([OPEN, {**SNAPSHOT, "ignore_errors": True}, SEAL], lose=["web1"])),
    "`ignore_errors` on the seal too": (
        2,
        playing([OPEN, *({**task, "ignore_errors": True} for task in (SNAPSHOT, SEAL))], lose=["web1"]),
    ),
    "`allow_incomplete` on the seal": (
        2,
        playing(
            [OPEN, {**SNAPSHOT, "ignore_errors": True}, point("sealed", "main", allow_incomplete=True)], lose=["web1"]
        ),
    ),
    "`ignore_unreachable` on the snapshot": (
        2,
        playing([OPEN, {**SNAPSHOT, "ignore_unreachable": True}, SEAL], dead=["web1"]),
    ),
    "another task fails before the seal": (
        2,
        playing([OPEN, SNAPSHOT, {"name": "deploy", "ansible.builtin.fail": {}}, SEAL]),
    ),
    "`--check`": (2, playing(RUN, check=True)),
    "`--diff`": (2, playing(RUN, "--diff")),
    "`loop` over the snapshot": (2, playing([OPEN, {**SNAPSHOT, "loop": [1, 2]}, SEAL])),
    "`loop` over points": (
        2,
        playing(
            [
                point("open", "pre"),
                point("open", "post"),
                {**snapshot(point="{{ item }}"), "loop": ["pre", "post"]},
                point("sealed", "pre"),
                point("sealed", "post"),
            ]
        ),
    ),
    "`throttle: 1`": (2, playing([OPEN, {**SNAPSHOT, "throttle": 1}, SEAL])),
    "`async` on the snapshot": (2, playing([OPEN, {**SNAPSHOT, "async": 60}, SEAL])),
    "ansible-runner": (2, runner),
    "a job of AWX": (2, awx),
    "two controllers at once": (2, same_hosts),
    "job slices": (4, slices),
    "Ctrl-C before the seal": (2, interrupted),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["way"])
def test_a_way_of_running_ends_so(new_lab: NEW_LAB, row: Mapping[str, t.Any]) -> None:
    hosts, act = WAYS[row["way"]]
    lab = new_lab(hosts)
    run = act(lab)
    assert {"way": row["way"], **ended(run)} == row, run.output
    # what the table says is sealed is believed, and nothing else is
    assert {report["id"] for report in run.reports.values() if report["id"]} <= {found.id for found in lab.points()}
    assert ("nobody" in row["sealed_by"] and not lab.points()) or row["sealed_by"] != "nobody"
    lab.sound()


def test_each_way_is_run_and_shown_in_the_guide_as_it_is() -> None:
    text = GUIDE.read_text()
    section = text[text.index(HEADING) :].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    head, _rule, *rows = cells
    assert head == ["way", "exit", "sealed by", "complete", "the table says"]
    assert rows == [[str(value) for value in row.values()] for row in ROWS]
    assert [row["way"] for row in ROWS] == list(WAYS)


def test_the_guide_and_the_rows_name_tests_that_are_there() -> None:
    named = re.findall(r"`(tests/\w+/\w+\.py)::(\w+)`", GUIDE.read_text())
    assert named
    for path, name in named:
        assert f"\ndef {name}(" in (GUIDE.parents[1] / path).read_text(), name


def test_a_long_run_says_how_far_it_is(five: Lab) -> None:
    tasks = [OPEN, {**SNAPSHOT, "ignore_errors": True}, SEAL]
    five.app("web3").rename(five.path / "lost")
    run = five.play(tasks, "--forks", "1", env={"HOLDFAST_PROGRESS_INTERVAL": "0.000001"})
    assert [line for line in run.output.splitlines() if line.startswith("holdfast: ")] == [
        "holdfast: 1 of 5 hosts captured",
        "holdfast: 2 of 5 hosts captured",
        "holdfast: 2 of 5 hosts captured, 1 failed",
        "holdfast: 3 of 5 hosts captured, 1 failed",
        "holdfast: 4 of 5 hosts captured, 1 failed",
    ]


def test_progress_counts_over_batches_and_hosts_that_are_not_reached(five: Lab) -> None:
    act = playing(play(serial=2), dead=["web1"], env={"HOLDFAST_PROGRESS_INTERVAL": "0.000001"})
    lines = [line for line in act(five).output.splitlines() if line.startswith("holdfast: ")]
    assert len(lines) == 5
    assert lines[-1] == "holdfast: 4 of 5 hosts captured, 1 failed"


@pytest.mark.parametrize("every", ["0", "3600", None])
def test_a_short_run_says_nothing_of_that(lab: Lab, every: str | None) -> None:
    run = lab.play(RUN, env={} if every is None else {"HOLDFAST_PROGRESS_INTERVAL": every}).ok()
    assert "holdfast: " not in run.output


def test_where_the_output_is_json_all_of_it_goes_to_standard_error(lab: Lab) -> None:
    lab.write_inventory()
    (lab.path / "play.yml").write_text(json.dumps(as_plays([OPEN, SNAPSHOT])))
    environment = {
        **lab.environment(lab.path / "run"),
        "ANSIBLE_STDOUT_CALLBACK": "json_lab",
        "HOLDFAST_PROGRESS_INTERVAL": "0.000001",
    }
    command = [str(BIN / "ansible-playbook"), "-i", f"{lab.path}/inventory.yml", f"{lab.path}/play.yml"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(process.stdout) == {"failures": [], "ok": ["web1", "web2"]}
    for text in ("holdfast: 2 of 2 hosts captured", "hosts           2: 2 stored", "UNSEALED", "report  "):
        assert text in process.stderr


@pytest.mark.parametrize(
    "more", [{"COLUMNS": "40"}, {"COLUMNS": "40", "ANSIBLE_FORCE_COLOR": "1", "ANSIBLE_NOCOLOR": ""}]
)
def test_the_table_fits_a_narrow_terminal_and_has_no_colour(new_lab: NEW_LAB, more: dict[str, str]) -> None:
    lab = new_lab(1)
    name = "ウェブサーバー" * 4 + ".example.org"
    lab.hosts, lab.host_variables = [name], {name: {}}
    lab.fill(name)
    output = lab.play(RUN, env=more).ok().output
    table = output[output.index("HOLDFAST [run") :].splitlines()
    assert table[1:3] == ["host                      result  stored", table[2]]
    assert re.fullmatch(r"ウェブ.*\.\.\..*e\.org +stored +[0-9.]+ kB", table[2])
    assert "\x1b" not in "\n".join(table)
