# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore in place has judge its files, who takes them up, and the unit that goes back by itself.

systemd is a script here; tests/root has the real one.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.module_utils import _journal, _undo, _units

from . import inplace
from .inplace import OURS, Bench, bench, told

CANARY = "c4n4ry"
SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> {log}
for last; do :; done
case "$1" in
show)
  state=inactive
  grep -qx "$last" {active} && state=active
  grep -qx "$last" {failed} && state=failed
  echo "Id=$(sed -n "s/^$last=//p" {alias} | grep . || echo "$last")"
  echo "ActiveState=$state"
  exit
  ;;
esac
echo "secret output {canary}"
case "$1" in
is-active) grep -qx "$last" {active} ;;
restart) grep -qx "$last" {refuses} && exit 1; echo "$last" >> {active} ;;
reload-or-restart)
  grep -qx "$last" {active} || echo "$last" >> {active}
  if grep -qx "$last" {breaks}; then sed -i "/^$last\\$/d" {active} {breaks}; fi
  if grep -qx "$last" {refuses}; then sed -i "/^$last\\$/d" {refuses}; exit 1; fi
  ;;
is-system-running) echo running ;;
esac
"""


class Services:
    """What a script that stands for systemctl was asked, and how it answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        names = ("log", "active", "failed", "breaks", "refuses", "alias")
        for name in names:
            (folder / name).touch()
        text = SYSTEMCTL.format(canary=CANARY, **{name: shlex.quote(str(folder / name)) for name in names})
        self.command("systemctl", text)

    def command(self, name: str, text: str) -> None:
        """Put a command there."""
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def units(self, name: str, *units: str) -> None:
        """Which units are active, have failed, stop when reloaded, or refuse it once; ``alias=unit`` is a name."""
        (self.folder / name).write_text("".join(f"{unit}\n" for unit in units))

    @property
    def asked(self) -> list[str]:
        """What it was asked since this was looked at last."""
        lines = (self.folder / "log").read_text().splitlines()
        (self.folder / "log").write_text("")
        return lines


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench of two components, app and other, each with one file that is to change."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)

    def old(root: Path) -> None:
        for name in ("app", "other", "systemd/system"):
            (root / "etc" / name).mkdir(parents=True)
            (root / "etc" / name / "conf").write_bytes(b"old")
        inplace.same_times(root)

    def new(root: Path) -> None:
        for name in ("app", "other"):
            (root / "etc" / name / "conf").write_text(f"new {CANARY}")
        inplace.same_times(root)

    made = bench(tmp_path, old, new)
    sent = inplace.captured(tmp_path / "wanted", "/etc")
    made.entries = [{**sent.entries[f"/etc/{name}/conf"], "part": part} for part, name in enumerate(("app", "other"))]
    made.payload = f"new {CANARY}".encode() * 2
    made.remove = []
    return made


@pytest.fixture
def services(tmp_path: Path, made: Bench, monkeypatch: pytest.MonkeyPatch) -> Services:
    """A systemd for the root of the bench."""
    services = Services(tmp_path / "services")
    monkeypatch.setattr(_units, "_PATH", f"{services.bin}:/usr/bin:/bin")
    monkeypatch.setattr(_units, "_HOST_ROOT", str(made.root))
    (made.root / "run/systemd/system").mkdir(parents=True)
    for name in ("timers.target.wants", "sysinit.target.wants"):
        (made.root / "etc/systemd/system.control" / name).mkdir(parents=True)
    inplace.same_times(made.root)
    made.old = told(made.root)
    made.pristine = tmp_path / "pristine services"
    inplace.copy(made.root, made.pristine)
    return services


def parts(app: list[str] | None = None, other: list[str] | None = None, **more: t.Any) -> list[dict[str, t.Any]]:
    return [{"name": "app", "validate": app or [], **more}, {"name": "other", "validate": other or []}]


# Validation


def test_a_validator_that_agrees(made: Bench) -> None:
    answer = made.done("apply", parts=parts(["grep", "-q", "new", str(made.root / "etc/app/conf")], ["true"]))
    assert (answer["validated"], answer["not_validated"]) == (["app", "other"], [])


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["sh", "-c", f"echo {CANARY}; echo {CANARY} >&2; exit 3"], "sh ended with status 3 and printed 14 bytes"),
        (["sh", "-c", "kill -9 $$"], "sh was killed by signal 9 and printed 0 bytes"),
        (["/etc"], "/etc cannot be run (EACCES) and printed 0 bytes"),
    ],
)
def test_a_validator_that_refuses_is_taken_back_and_shows_nothing(made: Bench, argv: list[str], why: str) -> None:
    error = made.refused("invalid", parts=parts(["true"], argv))
    assert error["message"] == f"component other: {why}"
    assert (error["undone"], error["items"]) == (True, ["other"])
    assert CANARY not in json.dumps(error)
    assert (made.state(), made.leftovers()) == ("old", [])


def test_a_validator_that_does_not_end(made: Bench) -> None:
    argv = ["sh", "-c", "sleep 1000 & sleep 1000"]
    error = made.refused("invalid", parts=parts(argv, validate_timeout=0.2))
    assert "did not end within 0.2 seconds" in error["message"]
    assert made.state() == "old"


def test_what_a_validator_leaves_behind_holds_nobody_up(made: Bench) -> None:
    assert made.done("apply", parts=parts(["sh", "-c", "sleep 5 & exit 0"]))["validated"] == ["app"]


def test_a_validator_that_prints_much(made: Bench) -> None:
    error = made.refused("invalid", parts=parts(["sh", "-c", "head -c 3000000 /dev/zero; exit 1"]))
    assert "printed 3000000 bytes" in error["message"]


def test_a_validator_has_a_clean_place_to_run(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", CANARY)
    script = (
        'test "$(env | grep -cv "^PWD=\\|^_=\\|^SHLVL=")" = 2 && test "$LC_ALL" = C && test "$PWD" = / && ! read line'
    )
    assert made.done("apply", parts=parts(["sh", "-c", script]))["validated"] == ["app"]


def test_a_validator_that_is_not_there(made: Bench) -> None:
    answer = made.done("apply", parts=parts(["no-such-command", "-t"], ["no-such-command", "{path}"]))
    assert sorted(answer["not_validated"]) == [[name, "no such command: no-such-command"] for name in ("app", "other")]
    made.done("undo")
    answer = made.done("apply", parts=parts(["sh", "-c", "exec no-such-command -t"]))
    assert answer["not_validated"] == [["app", "no such command: sh"]]


def test_only_what_changed_is_judged(made: Bench) -> None:
    made.entries, made.payload = made.entries[1:], made.payload[: len(made.payload) // 2]
    answer = made.done("apply", parts=parts(["false"], ["true"]))
    assert answer["validated"] == ["other"]


def test_a_path_is_judged_where_it_is_staged(made: Bench, tmp_path: Path) -> None:
    script = f'echo "$2" >> {tmp_path}/judged; grep -q new "$2" && grep -q old {made.root}/etc/app/conf'
    argv = ["sh", "-c", script, "name", "-cf", "{path}"]
    assert made.done("apply", parts=parts(argv))["validated"] == ["app"]
    assert (tmp_path / "judged").read_text() == f"{made.root}/etc/app/.holdfast-{OURS}/n0\n"
    made.done("undo")
    error = made.refused("invalid", parts=parts(["grep", "-q", "not in it", "{path}"]))
    assert error["message"].startswith("component app of /etc/app/conf: grep ended with status 1")
    assert (error["undone"], made.state(), made.leftovers()) == (True, "old", [])


# Units


def test_active_units_are_reloaded_once_and_others_left_alone(made: Bench, services: Services) -> None:
    services.units("active", "app.service", "shared.service")
    two = [
        {"name": "app", "reload": ["app.service", "shared.service", "idle.service"]},
        {"name": "other", "reload": ["shared.service"]},
    ]
    answer = made.done("apply", parts=two)
    assert answer["reloaded"] == ["app.service", "shared.service"]
    assert answer["not_reloaded"] == [["idle.service", "it is not active"]]
    asked = services.asked
    assert [line for line in asked if line.startswith("reload")] == [
        "reload-or-restart -- app.service",
        "reload-or-restart -- shared.service",
    ]
    assert "daemon-reload" not in asked
    made.done("drop")
    assert services.asked == []


def test_a_unit_of_two_names_is_reloaded_once(made: Bench, services: Services) -> None:
    services.units("active", "ssh.service", "sshd.service")
    services.units("alias", "sshd.service=ssh.service")
    answer = made.done("apply", parts=[{"name": "app", "reload": ["ssh.service", "sshd.service"]}, {"name": "other"}])
    assert (answer["reloaded"], answer["not_reloaded"]) == (["ssh.service"], [])
    assert [line for line in services.asked if line.startswith("reload")] == ["reload-or-restart -- ssh.service"]


@pytest.mark.parametrize("starts", [True, False])
def test_a_unit_that_had_failed_is_started_again(made: Bench, services: Services, starts: bool) -> None:
    services.units("failed", "app.service")
    services.units("refuses", *([] if starts else ["app.service"]))
    answer = made.done("apply", parts=[{"name": "app", "reload": ["app.service"]}, {"name": "other"}])
    assert [line.split()[0] for line in services.asked][:3] == ["show", "reset-failed", "restart"]
    assert answer["reloaded"] == (["app.service"] if starts else [])
    assert answer["not_reloaded"] == ([] if starts else [["app.service", "it had failed before, and does not start"]])
    assert made.state() != "old"


@pytest.mark.parametrize("how", ["breaks", "refuses"])
def test_a_unit_that_does_not_take_it_up_is_taken_back_and_reloaded_again(
    made: Bench, services: Services, how: str
) -> None:
    services.units("active", "app.service")
    services.units(how, "app.service")
    error = made.refused("reload", parts=[{"name": "app", "reload": ["app.service"]}, {"name": "other"}])
    assert (error["items"], error["undone"]) == (["app.service"], True)
    assert CANARY not in json.dumps(error)
    assert services.asked.count("reload-or-restart -- app.service") == 2
    assert (made.state(), made.leftovers()) == ("old", [])


def test_undo_reloads_again_what_had_been_reloaded(made: Bench, services: Services) -> None:
    services.units("active", "app.service")
    more = [{"name": "app", "reload": ["app.service"]}, {"name": "other", "reload": ["idle.service"]}]
    made.done("apply", parts=more)
    assert services.asked
    made.done("undo")
    assert services.asked == ["is-system-running", "reload-or-restart -- app.service"]
    made.refused("invalid", parts=[{**more[0], "validate": ["false"]}, more[1]])
    assert services.asked == []


def test_unit_files_are_read_again_before_units_are_reloaded(made: Bench, services: Services) -> None:
    services.units("active", "app.service")
    made.entries = [{**entry, "path": "/etc/systemd/system/app.service"} for entry in made.entries[:1]]
    made.payload = made.payload[: len(made.payload) // 2]
    made.done("apply", parts=[{"name": "app", "reload": ["app.service"]}])
    assert [line.split()[0] for line in services.asked] == [
        "show",
        "daemon-reload",
        "reload-or-restart",
        "is-active",
    ]
    made.done("undo")
    assert services.asked[0] == "daemon-reload"
    made.done("apply", parts=[{"name": "app"}])
    assert services.asked == ["daemon-reload"]


def test_where_no_systemd_runs_that_is_said(made: Bench) -> None:
    answer = made.done("apply", parts=[{"name": "app", "reload": ["app.service"]}, {"name": "other"}])
    assert answer["reloaded"] == []
    assert answer["warnings"] == [["app.service", "no unit was reloaded: systemd does not run this root"]]


# The unit that goes back


UNITS = ("etc/systemd/system.control", f"holdfast-restore-{OURS}")


def test_an_armed_restore_has_a_unit_until_it_is_closed(made: Bench, services: Services) -> None:
    for op in ("undo", "drop"):
        answer = made.done("apply", parts=parts(), arm=True, lease=77)
        assert answer["armed"] is (os.geteuid() == 0)
        folder = made.root / UNITS[0]
        assert "OnActiveSec=79" in (folder / f"{UNITS[1]}.timer").read_text()
        for wants, kind in (("timers", "timer"), ("sysinit", "service")):
            link = folder / f"{wants}.target.wants/{UNITS[1]}.{kind}"
            assert link.resolve() == folder / f"{UNITS[1]}.{kind}"
        assert services.asked == ["daemon-reload", f"start {UNITS[1]}.timer"]
        made.done(op)
        assert services.asked[:3] == [
            f"stop {UNITS[1]}.timer",
            f"reset-failed {UNITS[1]}.service {UNITS[1]}.timer",
            "daemon-reload",
        ]
        assert not list(made.root.rglob("holdfast-restore*"))
        assert (made.state() == "old", made.leftovers()) == (op == "undo", [])


def test_the_unit_goes_back_by_a_program_of_its_own(made: Bench, services: Services, tmp_path: Path) -> None:
    """Run as the unit file says, in another process, with nothing of the collection at hand."""
    made.done("apply", parts=parts(), arm=True)
    text = (made.root / UNITS[0] / f"{UNITS[1]}.service").read_text()
    command = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStart="))
    words = shlex.split(command)
    assert words[0] == os.path.realpath(sys.executable)
    assert words[1:3] == ["-I", "-S"]
    done = subprocess.run(words, capture_output=True, check=True, cwd="/")
    assert (done.stdout, done.stderr) == (b"2 paths were brought back\n", b"")
    assert (made.state(), made.leftovers()) == ("old", [])


def test_a_timer_that_cannot_be_started_is_no_restore(made: Bench, services: Services) -> None:
    text = (services.bin / "systemctl").read_text()
    services.command("systemctl", text.replace("is-system-running)", "start) exit 5 ;;\nis-system-running)"))
    error = made.refused("os", parts=parts(), arm=True)
    assert "ended with status 5" in error["message"]
    assert error["undone"] is True
    assert (made.state(), made.leftovers()) == ("old", [])


def test_a_path_with_odd_characters_in_a_unit(made: Bench, services: Services) -> None:
    made.journal = made.journal.parent / 'odd "name" 100% $HOME \\ x'
    made.done("apply", parts=parts(), arm=True)
    text = (made.root / UNITS[0] / f"{UNITS[1]}.service").read_text()
    assert 'odd \\"name\\" 100%% $$HOME \\\\ x' in text
    made.done("drop")


def test_the_unit_does_nothing_where_the_lease_was_renewed_while_it_waited(
    made: Bench, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.done("apply", parts=parts())
    monkeypatch.setattr(_journal.Journals, "lock", lambda self, seconds: True)
    assert _undo.main([str(made.journal), OURS]) == 0
    assert made.state() != "old"
    made.end_lease()
    assert _undo.main([str(made.journal), OURS]) == 0
    assert made.state() == "old"


@pytest.mark.parametrize(
    ("op", "point"),
    [
        *(("apply", point) for point in ("armed", "before:1", "swapped", "validated", "reloaded")),
        *(("undo", point) for point in ("undoing:1", "undone", "dropping", "dropped")),
    ],
)
def test_killed_with_a_unit_that_is_armed(made: Bench, services: Services, op: str, point: str) -> None:
    services.units("active", "app.service")
    more = {"arm": True, "parts": [{"name": "app", "reload": ["app.service"]}, {"name": "other"}]}
    if op == "undo":
        made.done("apply", **more)
    assert made.killed(point, op, **(more if op == "apply" else {}))
    made.end_lease()
    assert made.done("recover")["left"] == []
    assert (made.state(), made.leftovers()) == ("old", [])
    assert not list(made.root.rglob("holdfast-restore*"))
