# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong: the rest is sealed, the point says what it lacks, and the run is never green for it."""

from __future__ import annotations

import shutil
import socket
import sys
import typing as t

import pytest

from .lab import OPEN, SEAL, SNAPSHOT, Lab, Run

RUN = [OPEN, SNAPSHOT, SEAL]
GONE = "no path of app exists"


def lacks_web1(lab: Lab, run: Run, reason: str = GONE) -> None:
    """The point holds web2 alone, and point, table and report name web1 with the reason."""
    (point,) = lab.points()
    assert not point.statement.complete
    assert [entry.host for entry in point.body.streams] == ["web2"]
    (failure,) = point.body.failed
    assert failure.host == "web1"
    assert reason in failure.reason
    assert (run.report["sealed"], run.report["complete"], run.report["id"]) == (True, False, point.id)
    assert reason in run.lines()["web1"]["error"]
    assert run.lines()["web2"]["error"] is None
    assert f"  web1: {failure.reason}" in run.output
    assert "NOT COMPLETE" in run.output
    assert lab.sound().unsealed == 0


def lose(lab: Lab) -> None:
    """Take web1's configuration away."""
    shutil.rmtree(lab.app("web1"))


def test_a_host_without_its_component_fails_and_the_others_are_sealed(lab: Lab) -> None:
    lose(lab)
    run = lab.play(RUN)
    assert run.rc == 2
    assert run.states("snapshot") == {"web1": "failed", "web2": "ok"}
    assert run.states("seal") == {"web2": "failed"}
    assert GONE in run.on("snapshot", "web1").message
    sealed = run.on("seal").result
    assert (sealed["sealed"], sealed["complete"], list(sealed["failed_hosts"])) == (True, False, ["web1"])
    assert "What was captured is safe" in sealed["remedy"]
    lacks_web1(lab, run)


# a Python on the host that may not read what its owner may not, even where the tests run as root (capabilities(7):
# CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH; prctl(2): PR_CAPBSET_DROP)
HUMBLE = """\
#!{python}
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


def test_a_component_that_cannot_be_read_fails_its_host_unless_it_may_be_left_out(lab: Lab) -> None:
    python = lab.path / "python"
    python.write_text(HUMBLE.format(python=sys.executable))
    python.chmod(0o755)
    lab.variables["ansible_python_interpreter"] = str(python)
    for host in lab.hosts:
        (lab.app(host) / "keys" / "tls.key").chmod(0)
    component = lab.variables["holdfast_components"][0]
    lab.host_variables["web2"] = {"holdfast_components": [{**component, "unreadable": "leave_out"}]}
    run = lab.play(RUN)
    assert run.rc == 2
    failed = run.on("snapshot", "web1")
    assert f"{lab.app('web1')}/keys/tls.key" in failed.message
    assert "exclude the path" in failed.result["remedy"]
    lacks_web1(lab, run, "1 paths cannot be read")


@pytest.mark.parametrize(
    "around",
    [
        lambda task: [{**task, "ignore_errors": True}],
        lambda task: [{"block": [task], "rescue": [{"name": "go on", "ansible.builtin.debug": {}}]}],
    ],
    ids=["ignore_errors", "rescue"],
)
def test_an_ignored_failure_leaves_the_point_incomplete_and_the_seal_red(lab: Lab, around: t.Any) -> None:
    lose(lab)
    run = lab.play([OPEN, *around(SNAPSHOT), SEAL])
    assert run.rc == 2
    assert set(run.states("seal").values()) == {"failed"}
    lacks_web1(lab, run)


def test_an_incomplete_point_may_be_allowed(lab: Lab) -> None:
    lose(lab)
    sealing = {"state": "sealed", "allow_incomplete": True}
    seal = {"name": "seal", "holdfast.config.recovery_point": sealing, "run_once": True}
    run = lab.play([OPEN, {**SNAPSHOT, "ignore_errors": True}, seal]).ok()
    assert run.on("seal").result["complete"] is False
    lacks_web1(lab, run)


@pytest.fixture
def closed_port() -> t.Iterator[int]:
    """A port of this machine that refuses connections for as long as the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_host_that_is_not_reached_is_unreachable_and_failed(lab: Lab, closed_port: int) -> None:
    lab.host_variables["web1"] = {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": closed_port,
    }
    run = lab.play(RUN)
    assert run.rc == 4
    assert run.states("snapshot") == {"web1": "unreachable", "web2": "ok"}
    told = run.on("snapshot", "web1").message
    assert "the host was not reached" in told
    assert "ansible.builtin.ping" in told
    lacks_web1(lab, run, "the host was not reached")


def test_a_host_lost_before_its_snapshot_is_missing(lab: Lab, closed_port: int) -> None:
    lab.host_variables["web1"] = {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": closed_port,
    }
    run = lab.play([{"name": "ping", "ansible.builtin.ping": {}}, *RUN])
    assert run.rc == 4
    (point,) = lab.points()
    assert (point.body.missing, point.body.expected) == (("web1",), ("web1", "web2"))
    assert run.on("seal").result["missing_hosts"] == ["web1"]
    assert run.lines()["web1"]["missing"]


@pytest.mark.parametrize(
    "how", [{"any_errors_fatal": True}, {"max_fail_percentage": 0}], ids=lambda how: next(iter(how))
)
def test_where_the_play_ends_before_its_seal_the_callback_seals_what_is_left(lab: Lab, how: dict[str, t.Any]) -> None:
    lose(lab)
    run = lab.play([{"hosts": "all", **how, "tasks": RUN}])
    assert run.rc == 2
    assert not run.all("seal")
    lacks_web1(lab, run)


def test_a_batch_that_fails_whole_ends_the_play_and_the_callback_seals_what_is_left(five: Lab) -> None:
    lose(five)
    for host in ("web3", "web4"):
        shutil.rmtree(five.app(host))
    run = five.play([{"hosts": "all", "serial": 2, "tasks": RUN}])
    assert run.rc == 2
    (point,) = five.points()
    assert [entry.host for entry in point.body.streams] == ["web2"]
    assert [failure.host for failure in point.body.failed] == ["web1", "web3", "web4"]
    assert point.body.missing == ("web5",)
    assert run.report["id"] == point.id


def test_where_no_host_gave_anything_nothing_is_sealed_and_that_is_said(lab: Lab) -> None:
    lose(lab)
    shutil.rmtree(lab.app("web2"))
    before = lab.stored_of_hosts()
    run = lab.play(RUN)
    assert run.rc == 2
    assert (run.report["sealed"], run.report["id"]) == (False, None)
    text = " ".join(run.output.split())
    assert (
        "recovery point main stays unsealed: recovery point main would hold nothing: no host gave its streams" in text
    )
    # that a host's error stands in its task and in the table is enough
    assert "Correct what failed (" not in text
    assert "recovery point - (main, unsealed)" in text
    assert GONE in run.lines()["web2"]["error"]
    assert lab.stored_of_hosts() == before


def test_a_run_that_failed_elsewhere_is_sealed_by_the_callback_too(lab: Lab) -> None:
    run = lab.play([OPEN, SNAPSHOT, {"name": "deploy", "ansible.builtin.fail": {}}, SEAL])
    assert run.rc == 2
    (point,) = lab.points()
    assert point.statement.complete
    assert (run.report["complete"], run.report["id"]) == (True, point.id)


def test_a_green_run_that_forgot_to_seal_stays_unsealed_and_the_table_says_so(lab: Lab) -> None:
    run = lab.play([OPEN, SNAPSHOT]).ok()
    assert not lab.points()
    assert (run.report["sealed"], run.report["complete"], run.report["id"]) == (False, False, None)
    text = " ".join(run.output.split())
    assert "recovery point - (main, unsealed)" in text
    assert "next seal it: holdfast.config.recovery_point state=sealed" in text
    assert lab.sound().unsealed == 4


BREAK = {
    "damaged": "echo broken > {run}/main/point.json",
    "of another version": "echo '{{}}' > {run}/main/point.json",
    "no room": "mkdir -p {run}/report.json/x",
}


@pytest.mark.parametrize("how", BREAK)
@pytest.mark.parametrize("fails", [False, True], ids=["green", "red"])
def test_a_callback_that_breaks_changes_no_exit_status(lab: Lab, how: str, fails: bool) -> None:
    command = "set -e; for run in {state}/runs/*; do {command}; done".format(
        state=lab.state, command=BREAK[how].format(run="$run")
    )
    tasks = [*RUN, {"name": "break", "ansible.builtin.shell": command, "run_once": True}]
    if fails:
        tasks.append({"name": "fail", "ansible.builtin.fail": {}})
    run = lab.play(tasks)
    assert run.rc == (2 if fails else 0)
    assert not run.reports
    assert "[WARNING]" in run.output
    assert "recorder" in run.output
    (point,) = lab.points()
    assert point.statement.complete


def test_a_seal_by_the_callback_that_cannot_be_is_said_and_changes_no_exit_status(lab: Lab) -> None:
    lose(lab)
    away = {"name": "away", "ansible.builtin.command": f"mv {lab.path}/keyring {lab.path}/away", "run_once": True}
    run = lab.play([{"hosts": "all", "tasks": [OPEN, SNAPSHOT, away, {"name": "fail", "ansible.builtin.fail": {}}]}])
    assert run.rc == 2
    assert not lab.points()
    assert run.report["sealed"] is False
    assert "stays unsealed: the seal half of the keyring is not here" in " ".join(run.output.split())
