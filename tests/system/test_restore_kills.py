# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SIGKILL of a restore in place, wherever it is: every host is old or new, whole, and goes back before the next one.

Each host of one run is met by the kill at a moment of its own.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import typing as t
from collections.abc import Callable, Iterable
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.describe import describe
from ansible_collections.holdfast.config.tests.lab.half import WITH_KILLS
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for

from .lab import OPEN, SEAL, SNAPSHOT, Lab, Run, Running

RESTORE: dict[str, t.Any] = {
    "name": "restore",
    "holdfast.config.restore": {"in_place": True, "newest": True, "exact": True},
    "ignore_errors": True,
}
CHECK = {**RESTORE, "name": "check", "check_mode": True}
WHO = {"LOGNAME": "ada"}
# the trips of a restore in their order
SURVEY, APPLY, DROP = 1, 2, 3


@dataclasses.dataclass(frozen=True)
class Moment:
    """Where a host's half is when the controller dies, and whether it then has the new state, and is open.

    What was not all sent is as if it had never been asked for: what goes before an apply is more than a pipe holds.
    What was sent the host does, whoever is left to hear of it.
    """

    when: str
    trip: int
    new: bool = False
    open: bool = False

    @property
    def name(self) -> str:
        return f"{self.when}-{self.trip}"


MOMENTS = {
    "looked": Moment("after", SURVEY),
    "asked": Moment("before", APPLY),
    "applied": Moment("after", APPLY, new=True, open=True),
    "proven": Moment("after", APPLY, new=True, open=True),
    "dropping": Moment("sent", DROP, new=True),
    "dropped": Moment("after", DROP, new=True),
}
OPEN_ONES = [host for host, moment in MOMENTS.items() if moment.open]

# points of the host's half, and whether what dies there leaves a restore open
FAULTS = {"staged": False, "journalled": True, "before-2": True, "after-2": True, "swapped": True, "validated": True}

# a host's Python whose half of a restore dies at a point of its own
FAULTY = """\
#!{python}
import os, sys
{with_kills}
source = os.fdopen(0, "rb")
kill = b'\\n    import os\\n    if point == "{point}":\\n        os.kill(os.getpid(), 9)\\n'
half = with_kills(source, kill)
memory = os.memfd_create("stdin")
with os.fdopen(os.dup(memory), "wb") as sent:
    sent.write(half + source.read())
os.lseek(memory, 0, 0)
os.dup2(memory, 0)
os.execvp("flock", ["flock", "{python}", "{python}", *sys.argv[1:]])
"""


class Fleet:
    """Hosts that were backed up and have drifted since, and all that they were, before and after."""

    def __init__(self, lab: Lab, hosts: Iterable[str]) -> None:
        self.lab = lab
        lab.hosts = list(hosts)
        lab.host_variables = {host: {} for host in lab.hosts}
        for host in lab.hosts:
            lab.fill(host)
        lab.restored_in_place()
        self.accept(*lab.hosts)
        accepted = f"{lab.path}/hosts/{{{{ inventory_hostname }}}}/accepted"
        lab.variables["holdfast_components"][0]["validate"] = ["test", "-e", accepted]
        self.sealed = self.play(OPEN, SNAPSHOT, SEAL).ok()
        self.new = self.described()
        for host in lab.hosts:
            app = lab.app(host)
            lab.change(host)
            (app / "current").unlink()
            (app / "keys" / "tls.key").rename(app / "more.key")
            (app / "empty").chmod(0o700)
        self.old = self.described()
        for host in lab.hosts:
            (self.trips(host) / "count").unlink()

    def play(self, *tasks: dict[str, t.Any], hosts: Iterable[str] | None = None) -> Run:
        return self.lab.play(list(tasks), "--forks", "8", "--limit", ",".join(hosts or self.lab.hosts), env=WHO)

    def trips(self, host: str) -> Path:
        return self.lab.path / "hosts" / host / "trips"

    def described(self) -> dict[str, t.Any]:
        return {host: describe(str(self.lab.app(host))) for host in self.lab.hosts}

    def accept(self, *hosts: str, verdict: bool = True) -> None:
        """What a host's validator will say."""
        for host in hosts:
            accepted = self.lab.path / "hosts" / host / "accepted"
            accepted.touch() if verdict else accepted.unlink()

    def stopped(self, moments: dict[str, Moment], die: Callable[[Running, Callable[[], None]], None]) -> None:
        """Restore until every host is at its moment, let the controller die, and let the hosts end what they do."""

        def go_on() -> None:
            for host, moment in moments.items():
                (self.trips(host) / f"wait-{moment.name}").unlink()

        for host, moment in moments.items():
            (self.trips(host) / f"wait-{moment.name}").touch()
        running = self.lab.start([RESTORE], "--forks", "8", "--limit", ",".join(moments), env=WHO)
        for host, moment in moments.items():
            wait_for((self.trips(host) / f"reached-{moment.name}").exists, f"{host} at {moment}")
        die(running, go_on)
        for host, moment in moments.items():
            wait_for((self.trips(host) / f"ended-{moment.trip}").exists, f"the end of what {host} was asked")

    def end_leases(self) -> None:
        """Let the time of every restore that is open be over."""
        for host in self.lab.hosts:
            for journal in self.lab.journals(host):
                lease = journal.with_name("lease.json")
                lease.write_text(json.dumps({**json.loads(lease.read_text()), "until": 0.0}))

    def is_clean(self) -> bool:
        """Whether no restore left anything on any host."""
        left = [path for path in (self.lab.path / "hosts").rglob("*") if path.name.startswith(".holdfast-")]
        return not left and not [path for host in self.lab.hosts for path in (self.journal(host)).glob("*")]

    def journal(self, host: str) -> Path:
        return self.lab.path / "hosts" / host / "journal"

    def check_that_open_ones_are_left_alone(self, hosts: t.Sequence[str]) -> None:
        """Until its lease is over a restore is refused by name, and a backup changes nothing and marks what it sees."""
        before = self.described()
        restores = {host: self.lab.journals(host)[0].parent.name for host in hosts}
        run = self.play(RESTORE, CHECK, OPEN, SNAPSHOT, SEAL, hosts=hosts)
        found = str(self.lab.points()[-1].body.consistency)
        for host in hosts:
            for refused in (run.on("restore", host), run.on("check", host)):
                assert refused.status == "ignored", host
                for words in (
                    restores[host],
                    "of ada on ",
                    "its lease is not over, nothing was touched",
                ):
                    assert words in refused.message, host
                assert not refused.result.get("undone"), host
            assert [journal.parent.name for journal in self.lab.journals(host)] == [restores[host]]
            assert f"restore was open on {host}: {restores[host]}" in found, host
        assert self.described() == before


def test_a_controller_that_dies_leaves_each_host_old_or_new(new_lab: Callable[[int], Lab]) -> None:
    fleet = Fleet(new_lab(0), MOMENTS)

    def lose(running: Running, go_on: Callable[[], None]) -> None:
        running.lose()
        go_on()

    fleet.stopped(MOMENTS, lose)
    stands = fleet.described()
    for host, moment in MOMENTS.items():
        wanted = (fleet.new if moment.new else fleet.old)[host]
        if moment.open:
            assert without_stages(stands[host]) == without_stages(wanted), host
        else:
            assert stands[host] == wanted, host
        assert len(fleet.lab.journals(host)) == moment.open, host
    assert not fleet.lab.sound().records
    fleet.check_that_open_ones_are_left_alone(OPEN_ONES)

    # it goes back, and then the restore fails: what stands is what was there before either of them
    fleet.end_leases()
    back, onwards = OPEN_ONES[::2], OPEN_ONES[1::2]
    fleet.accept(*back, verdict=False)
    mended = fleet.lab.app(onwards[0]) / "app.conf"
    mended.write_text("mended = true\n")
    checked = fleet.play(CHECK, hosts=OPEN_ONES).ok()
    run = fleet.play(RESTORE)
    stands = fleet.described()
    for host in back:
        assert run.on("restore", host).result["undone"], host
        assert run.on("restore", host).result["recovered"] == checked.on("check", host).result["recovered"], host
        assert stands[host] == fleet.old[host], host
    for host in set(MOMENTS) - set(back):
        result = run.on("restore", host).result
        assert result["equal"], host
        assert stands[host] == fleet.new[host], host
        assert len(result["recovered"]) == (host in onwards), host
        assert all("of ada on " in one for one in result["recovered"])
        assert result["changed"] == (host not in ("dropping", "dropped")), host
    (warning,) = run.on("restore", onwards[0]).result["warnings"]
    assert warning.startswith(f"going back from an earlier restore left {mended}: it was changed since")
    assert fleet.is_clean()


def test_workers_that_outlive_the_controller_end_what_they_began(new_lab: Callable[[int], Lab]) -> None:
    moments = {host: MOMENTS[host] for host in ("looked", "applied", "dropping")}
    fleet = Fleet(new_lab(0), moments)
    fleet.stopped(moments, lambda running, go_on: running.kill(meanwhile=go_on))
    # what was not begun is not begun any more: nobody would hear of it, and no record would tell
    assert fleet.described() == {**fleet.new, "looked": fleet.old["looked"]}
    assert fleet.is_clean()


def test_a_restore_that_was_taken_back_meanwhile_does_not_tell_that_it_is_done(new_lab: Callable[[int], Lab]) -> None:
    """Its controller slept for longer than the lease, and another restore came: that one's ending is what stands."""
    moments = {"taken-back": MOMENTS["dropping"], "restored": MOMENTS["dropping"], "not-compared": MOMENTS["applied"]}
    fleet = Fleet(new_lab(0), moments)
    others: list[Run] = []

    def meanwhile(running: Running, go_on: Callable[[], None]) -> None:
        fleet.end_leases()
        fleet.accept("taken-back", "not-compared", verdict=False)
        others.append(fleet.play(RESTORE))
        go_on()
        others.append(running.end())

    fleet.stopped(moments, meanwhile)
    other, late = others
    assert {host: len(other.on("restore", host).result["recovered"]) for host in moments} == dict.fromkeys(moments, 1)
    assert other.states("restore") == {"taken-back": "ignored", "restored": "ok", "not-compared": "ignored"}
    assert set(late.states("restore").values()) == {"ignored"}
    for host in moments:
        assert "is open on this host" in late.on("restore", host).message, host
    assert fleet.described() == {**fleet.old, "restored": fleet.new["restored"]}
    assert fleet.is_clean()


def test_a_host_whose_half_is_killed_is_old_again_before_the_next_restore(new_lab: Callable[[int], Lab]) -> None:
    fleet = Fleet(new_lab(0), FAULTS)
    for point in FAULTS:
        faulty = fleet.trips(point) / "faulty"
        faulty.write_text(FAULTY.format(python=sys.executable, with_kills=WITH_KILLS, point=point.replace("-", ":")))
        faulty.chmod(0o755)
        fleet.lab.host_variables[point]["ansible_python_interpreter"] = str(faulty)
    run = fleet.play(RESTORE)
    left_open = [point for point in FAULTS if FAULTS[point]]
    for point, is_open in FAULTS.items():
        failed = run.on("restore", point)
        assert failed.status == "ignored", point
        assert "the host was lost in the middle of a restore" in failed.message, point
        assert len(fleet.lab.journals(point)) == is_open, point
    results = [fleet.lab.record(name).detail["result"] for name in records(fleet.lab)]
    assert results == ["unknown"] * len(FAULTS)
    fleet.lab.restored_in_place()
    fleet.check_that_open_ones_are_left_alone(left_open)
    fleet.end_leases()
    fleet.accept(*FAULTS, verdict=False)
    run = fleet.play(RESTORE)
    assert {task.result.get("undone") for task in run.all("restore")} == {True}
    assert fleet.described() == fleet.old
    assert fleet.is_clean()
    fleet.accept(*FAULTS)
    run = fleet.play(RESTORE)
    assert {task.status for task in run.all("restore")} == {"ok"}
    assert fleet.described() == fleet.new


def without_stages(described: dict[str, t.Any]) -> dict[str, t.Any]:
    """A tree without what an open restore holds in it, and without the times of folders, which that changes."""
    return {
        path: {**one, "mtime_ns": 0 if one["kind"] == "dir" else one["mtime_ns"]}
        for path, one in described.items()
        if ".holdfast-" not in path
    }


def records(lab: Lab) -> list[str]:
    """The names of all records of restores."""
    names = {path.partition("@")[0] for path in lab.stored() if path.startswith("records/restore/") and "@" in path}
    return sorted(names)
