# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores in place that are killed on a whole host, wherever they are: the old or the new state stands afterwards.

Each case has a component and a journal folder of its own, so that many can be open beside each other; the case of the
runbook's commands has the ordinary one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import threading
import time
import typing as t
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import RestoreError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.component import Handling
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.choose import Selection
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.restore import Restored
from ansible_collections.holdfast.config.tests.lab import nspawn
from ansible_collections.holdfast.config.tests.lab.nspawn import Machine
from ansible_collections.holdfast.config.tests.lab.page import Page
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for
from ansible_collections.holdfast.config.tests.system.lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab

from . import restoring
from .restoring import Direct, Fault, differs, keep

TOP = "/srv/kills"
JOURNALS = "/srv/journals"
# where it is unless somebody says otherwise, as in the runbook
JOURNAL_OF = {"operator": "/var/lib/holdfast"}

# what is sealed, then what stands when the restore begins: content, attributes, kinds, what is missing, what is extra
NEW = f"""
mkdir -p {TOP}/$1/sub/deep {TOP}/$1/gone; cd {TOP}/$1
for n in 1 2 3 4; do echo {CANARY} new $n > f$n; done
echo new > sub/deep/g; ln -s f1 link; ln f4 sub/twin; echo new > gone/h
chmod 0640 f3; setfacl -m u:65534:r f3; setfattr -n user.a -v new sub; chown 65534 f2
"""
OLD = f"""
cd {TOP}/$1
echo {CANARY} old > f1; rm f2; chmod 0600 f3; setfattr -n user.a -v old sub; chmod 0700 sub
rm link; mkdir link; echo old > link/inside; rm -r gone
echo old > extra; mkdir -p more/folders; echo old > more/folders/x
"""

# before any path changed, while they change, and after
BEFORE = ("staged", "saved", "journalled")
ARMED = (
    "armed",
    "before:1",
    "after:1",
    "after:4",
    "before:6",
    "swapped",
    "validated",
    "reloaded",
    "seen",
    "trip:drop",
    "dropping",
)
AFTER = ("dropped",)
POINTS = (*BEFORE, *ARMED, *AFTER)
UNDONE = ("undoing:0", "undoing:3", "undone")
BY_UNIT = {f"unit-{point}": point for point in POINTS}
BY_NEXT = {f"next-{point}": point for point in ("journalled", "after:4", "swapped", "dropping")}
BY_BOOT = {f"boot-{point}": point for point in ("journalled", "armed", "swapped", "dropping", "dropped", "after:4")}
# where the controller is killed, whether what it has asked of the host goes on, and what stands in the end
CONTROLLERS = {
    "before-apply": ("trip:apply", False, "old"),
    "in-apply": ("validated", True, "old"),
    "before-compare": ("reloaded", False, "old"),
    "before-drop": ("trip:drop", False, "old"),
    "in-drop": ("trip:drop", True, "new"),
}
OTHERS = (*(f"undo-{point}" for point in UNDONE), "in-failure", "mended", "operator", "backup", "late")
CASES = tuple(name.replace(":", "-") for name in (*BY_UNIT, *BY_NEXT, *BY_BOOT, *CONTROLLERS, *OTHERS))


@dataclasses.dataclass
class Killed:
    """A machine, with everything sealed as NEW has it and standing as OLD has it."""

    host: Machine
    lab: Lab

    def direct(self, case: str, lease: int = 1) -> Direct:
        """Restores of a case."""
        return Direct(self.lab, self.host, journal=journal(case), lease=lease)

    def restore(self, case: str, *, lease: int = 1, number: int = 0, validate: str = "true") -> Restored:
        """Restore a case's component."""
        selection = Selection(newest=True, components=(case,))
        handling = {case: Handling(validate=(validate,))}
        return self.direct(case, lease).restore(identity(case, number), selection, handling, exact=True)

    def kill(self, case: str, point: str, *, lease: int = 1, validate: str = "true") -> None:
        """Kill a restore at that point."""
        fault = Fault(self.host, point, kill=True)
        try:
            with contextlib.suppress(RestoreError):
                self.restore(case, lease=lease, validate=validate)
            assert fault.reached, f"no restore comes to {point}"
        finally:
            fault.remove()

    def kill_by_power(self, case: str) -> None:
        """Restore until the host is gone."""
        with contextlib.suppress(RestoreError):
            self.restore(case, lease=300)

    def is_open(self, case: str) -> bool:
        """Whether anything of a restore is left in its journal folder."""
        return bool(self.host.run("sh", "-c", f"ls -A {journal(case)} 2>/dev/null || true").stdout)

    def state(self, case: str) -> str:
        """Which state stands there, by rsync: old, new, or what is different from both."""
        old, new = (differs(self.host, f"{TOP}/{case}", f"{name}/{case}") for name in ("old", "new"))
        return "old" if not old else "new" if not new else f"neither: {old} {new}"

    def stop_timer(self, case: str) -> None:
        """Let the unit of a case not come by itself."""
        self.host.run("systemctl", "stop", f"holdfast-restore-{identity(case)}.timer", check=False)


def journal(case: str) -> str:
    """The journal folder of a case."""
    return JOURNAL_OF.get(case, f"{JOURNALS}/{case}")


def identity(case: str, number: int = 0) -> str:
    """The id of a case's restore."""
    return hashlib.sha256(f"{case} {number}".encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, lab_of: Callable[..., Lab]) -> Iterator[Killed]:
    """The machine of all cases."""
    with nspawn.machine(tmp_path_factory.mktemp("kills") / "m", "kills") as host:
        restoring.prepare(host)
        host.run("sh", "-euc", f'for case in "$@"; do (set -- "$case"; {NEW}); done', "make", *CASES)
        lab = lab_of(host, **{case: [f"{TOP}/{case}"] for case in CASES})
        lab.play([OPEN, SNAPSHOT, SEAL]).ok()
        keep(host, TOP, "new")
        host.run("sh", "-euc", f'for case in "$@"; do (set -- "$case"; {OLD}); done', "make", *CASES)
        keep(host, TOP, "old")
        lab.host_variables[host.name]["ansible_python_interpreter"] = restoring.FAULTY
        yield Killed(host, lab)


def cases(found: dict[str, str]) -> list[t.Any]:
    return [pytest.param(name.replace(":", "-"), point, id=point) for name, point in found.items()]


@pytest.fixture(scope="module")
def alone(killed: Killed) -> Killed:
    """Hosts whose controller was killed, with a lease of half a minute."""
    for case, (point, goes_on, _state) in CONTROLLERS.items():
        fault = Fault(killed.host, point, kill=False)
        options = {"components": [case], "journal_dir": f"{JOURNALS}/{case}", "lease": 30}
        running = killed.lab.start([{"name": "restore", **in_place(**options)}])
        fault.await_it()
        restoring.kill_all(killed.lab, running)
        (fault.let_go if goes_on else fault.kill)()
    return killed


def in_place(**options: t.Any) -> dict[str, t.Any]:
    return {"holdfast.config.restore": {"newest": True, "in_place": True, "exact": True, **options}}


def test_what_a_killed_controller_left_open_is_refused_to_others_by_name(alone: Killed) -> None:
    states = {case: alone.state(case) for case in CONTROLLERS}
    assert [case for case, state in states.items() if state == "old"] == ["before-apply"]
    with pytest.raises(RestoreError) as raised:
        alone.restore("before-drop", number=1)
    assert "is open on this host and its lease is not over, nothing was touched" in raised.value.message
    assert "of root" in raised.value.message


@pytest.fixture(scope="module")
def gone_back(killed: Killed) -> Killed:
    """Restores killed everywhere, whose units have come; where none was armed yet, the next restore has."""
    for name, point in BY_UNIT.items():
        killed.kill(name.replace(":", "-"), point)
    armed = [f"unit-{point}".replace(":", "-") for point in (*ARMED, *AFTER)]
    wait_for(lambda: not any(map(killed.is_open, armed)), "the units of the killed restores")
    for point in BEFORE:
        assert killed.is_open(f"unit-{point}")
        killed.direct(f"unit-{point}").transaction(identity("next")).recover()
    return killed


@pytest.mark.parametrize(("case", "point"), cases(BY_UNIT))
def test_a_killed_restore_goes_back_by_its_unit(case: str, point: str, gone_back: Killed) -> None:
    assert gone_back.state(case) == ("new" if point in AFTER else "old")


@pytest.mark.parametrize(("case", "point"), cases(BY_NEXT))
def test_a_killed_restore_goes_back_before_the_next_one(case: str, point: str, killed: Killed) -> None:
    killed.kill(case, point)
    killed.stop_timer(case)
    time.sleep(1)
    done = killed.restore(case, number=1)
    assert done.proven
    assert [found.split()[0] for found in done.answer.recovered] == [identity(case)]
    assert killed.state(case) == "new"
    assert not killed.is_open(case)


def test_a_killed_unit_goes_back_with_the_next_restore(killed: Killed) -> None:
    for point in UNDONE:
        case = f"undo-{point}".replace(":", "-")
        killed.kill(case, "swapped")
        killed.stop_timer(case)
        fault = Fault(killed.host, point, unit=True)
        started = killed.host.run("systemctl", "start", f"holdfast-restore-{identity(case)}.service", check=False)
        assert (started.returncode != 0, fault.reached) == (True, True)
        fault.remove()
        time.sleep(1)
        killed.direct(case).transaction(identity("next")).recover()
        assert killed.state(case) == "old"
        assert not killed.is_open(case)


def test_a_restore_that_is_killed_while_it_takes_itself_back_goes_back_by_its_unit(killed: Killed) -> None:
    killed.kill("in-failure", "undoing:3", validate="false")
    wait_for(lambda: not killed.is_open("in-failure"), "the unit of a restore that failed")
    assert killed.state("in-failure") == "old"


def test_a_controller_that_comes_too_late_is_told_that_the_host_went_back(killed: Killed) -> None:
    fault = Fault(killed.host, "trip:drop", kill=False)
    raised: list[RestoreError] = []

    def restore() -> None:
        try:
            killed.restore("late")
        except RestoreError as e:
            raised.append(e)

    late = threading.Thread(target=restore)
    late.start()
    fault.await_it()
    wait_for(lambda: not killed.is_open("late"), "the unit")
    fault.let_go()
    late.join()
    assert killed.state("late") == "old"
    assert f"no restore {identity('late')} is open on this host" in raised[0].message


def test_what_somebody_mended_meanwhile_is_left_and_named(killed: Killed) -> None:
    killed.kill("mended", "swapped")
    killed.stop_timer("mended")
    mend = f"cd {TOP}/mended; echo mended > f1; echo mine > gone/mine; rm f3"
    killed.host.run("sh", "-euc", mend)
    unit = f"holdfast-restore-{identity('mended')}.service"
    killed.host.run("systemctl", "start", unit)
    said = killed.host.run("journalctl", "--unit", unit, "--output", "cat").stdout.decode()
    for path in ("f1", "f3", "gone"):
        assert f"left as it is: '{TOP}/mended/{path}': " in said
    different = differs(killed.host, f"{TOP}/mended", "old/mended")
    assert sorted(line.split()[-1] for line in different) == ["./", "f1", "f3", "gone/", "gone/mine"]
    assert not killed.is_open("mended")


def test_an_operator_sees_it_and_goes_back_at_once_by_the_commands_of_the_runbook(killed: Killed) -> None:
    (commands,) = Page(restoring.RUNBOOK).commands("4. It broke off")
    killed.kill("operator", "swapped", lease=300)
    # units that were killed themselves are known to systemd for a while, and cannot be started any more
    killed.host.run("systemctl", "reset-failed", "holdfast-restore-*")
    shown = killed.host.run("bash", "-euo", "pipefail", "-c", commands).stdout.decode()
    assert shown.split() == [identity("operator")]
    assert not killed.is_open("operator")
    assert killed.state("operator") == "old"


def test_a_backup_in_between_changes_nothing_and_is_never_restored(killed: Killed) -> None:
    killed.kill("backup", "swapped", lease=300)
    places = {TOP: "between", "/etc": "etc", JOURNALS: "journals"}
    for folder, name in places.items():
        keep(killed.host, folder, name)
    killed.lab.variables["holdfast_journal_dir"] = f"{JOURNALS}/backup"
    try:
        run = killed.lab.play([OPEN, SNAPSHOT, SEAL]).ok()
    finally:
        del killed.lab.variables["holdfast_journal_dir"]
    assert run.on("snapshot").result["open_restores"] == [identity("backup")]
    assert [line for folder, name in places.items() for line in differs(killed.host, folder, name)] == []
    killed.direct("backup").transaction(identity("backup")).undo()
    assert killed.state("backup") == "old"
    # with what was newest before
    assert killed.restore("backup", number=1).proven
    assert killed.state("backup") == "new"


def test_a_host_whose_controller_was_killed_goes_back_by_itself(alone: Killed) -> None:
    wait_for(lambda: not any(map(alone.is_open, CONTROLLERS)), "the units of hosts that hear nothing")
    assert {case: alone.state(case) for case in CONTROLLERS} == {
        case: state for case, (_point, _goes_on, state) in CONTROLLERS.items()
    }


def test_after_a_power_loss_a_host_goes_back_as_it_boots(killed: Killed) -> None:
    for name, point in BY_BOOT.items():
        if point != "after:4":
            killed.kill(name.replace(":", "-"), point, lease=300)
    fault = Fault(killed.host, "after:4", kill=False)
    lost = threading.Thread(target=killed.kill_by_power, args=("boot-after-4",))
    lost.start()
    fault.await_it()
    killed.host.boot_again()
    lost.join()
    fault.remove()
    by_unit = [name.replace(":", "-") for name, point in BY_BOOT.items() if point != "journalled"]
    wait_for(lambda: not any(map(killed.is_open, by_unit)), "the units of the host that booted")
    assert {case: killed.state(case) for case in by_unit} == {
        case: "new" if case == "boot-dropped" else "old" for case in by_unit
    }
    # no unit was armed yet
    killed.direct("boot-journalled").transaction(identity("next")).recover()
    assert killed.state("boot-journalled") == "old"
    left = restoring.left_over(killed.host).splitlines()
    assert [line for line in left if "/boot-" in line or "holdfast-restore-" in line] == []
