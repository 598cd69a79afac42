# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a host over time: one test for each row of the table in docs/guide_backup.md."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import re
import shutil
import socket
import sys
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.point import Body, StreamState
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import points
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases import council
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases import lab as library
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.usecases.test_prune import ClockedStore

from .lab import OPEN, SEAL, SNAPSHOT, Lab, Run

GUIDE = Path(__file__).parents[2] / "docs" / "guide_backup.md"
RUN = [OPEN, SNAPSHOT, SEAL]
CAPTURE = "Capture and store what changed"
DAY = dt.timedelta(days=1)
ROWS: list[str] = []

# a Python on the host that has another clock and another machine id; the host's half sees no difference
ELSEWHERE = """\
#!{python}
import os, sys, time
real_time, real_open = time.time, os.open
time.time = lambda: real_time() + {ahead}
os.open = lambda path, *more, **named: real_open({machine!r} if path == b"/etc/machine-id" else path, *more, **named)
sys.argv[1:], program = [], sys.argv[sys.argv.index("-c") + 1]
exec(program)
"""

Test = t.TypeVar("Test", bound=Callable[..., None])


def row(name: str) -> Callable[[Test], Test]:
    """Says which row of the table a test proves."""

    def add(test: Test) -> Test:
        ROWS.append(name)
        return test

    return add


def test_each_row_of_the_table_is_proven() -> None:
    section = GUIDE.read_text().split("\n## Hosts over time\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (?!---|what happens)([^|]+?) \|", section, re.MULTILINE)
    assert sorted(cells) == sorted(ROWS)


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """Two hosts; which folder is whose configuration does not hang on their names."""
    component = {"name": "app", "paths": [f"{lab.path}/hosts/{{{{ disk | default(inventory_hostname) }}}}/app"]}
    lab.variables["holdfast_components"] = [component]
    return lab


def rename(lab: Lab, old: str, new: str, **variables: t.Any) -> None:
    """Give a host another name in the inventory, and these variables."""
    lab.hosts[lab.hosts.index(old)] = new
    lab.host_variables[new] = {**lab.host_variables.pop(old), "disk": old, **variables}


def add(lab: Lab, host: str, **variables: t.Any) -> None:
    """Add a host to the inventory."""
    lab.hosts.append(host)
    lab.host_variables[host] = variables


def elsewhere(lab: Lab, host: str, *, machine: str, ahead: int = 0) -> None:
    """Let a host have a clock and a machine id of its own."""
    python = lab.path / f"python-{host}"
    kept = lab.path / f"machine-id-{host}"
    kept.write_text(f"{machine}\n")
    python.write_text(ELSEWHERE.format(python=sys.executable, machine=os.fsencode(kept), ahead=ahead))
    python.chmod(0o755)
    lab.host_variables[host]["ansible_python_interpreter"] = str(python)


def reasons(run: Run) -> dict[str, list[str]]:
    """Why each host's streams were stored, or not."""
    done = [kept for kept in run.all(CAPTURE) if kept.status == "ok"]
    return {kept.host: [part["reason"] for part in kept.result["streams"]] for kept in done}


def sealed(lab: Lab, run: Run) -> Body:
    """What a run sealed."""
    (point,) = [point for point in lab.points() if point.id == run.report["id"]]
    return point.body


def told(body: Body, *checks: str) -> list[str]:
    return [found.detail for found in body.consistency if found.check in checks]


def restored(lab: Lab, host: str, source: str | None = None) -> str:
    """What a restore on a host brings back as its main file, of that host itself unless told otherwise."""
    under = lab.path / f"under-{len(list(lab.path.glob('under-*')))}"
    named = ["-e", f"restore_source_host={source}"] if source else []
    options = ["-e", "restore_newest=true", "-e", f"restore_under={under}", "--limit", host]
    lab.play("holdfast.config.restore", *options, *named).ok()
    (found,) = [path for name in ("app.conf", "main.conf") for path in under.rglob(name)]
    return found.read_text()


@row("renamed, with `holdfast_host_id`")
def test_renamed_with_its_identity(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    rename(lab, "web1", "web-a", holdfast_host_id="web1")
    run = lab.play("holdfast.config.backup").ok()
    assert reasons(run) == {"web-a": ["unchanged"], "web2": ["unchanged"]}
    assert run.lines().keys() == {"web-a", "web2"}
    assert told(sealed(lab, run), "identity") == ["web-a goes on with the streams of web1"]
    assert restored(lab, "web-a") == (lab.app("web1") / "app.conf").read_text()

    lab.change("web1")
    again = lab.play("holdfast.config.backup").ok()
    assert reasons(again) == {"web-a": ["drift"], "web2": ["unchanged"]}
    assert told(sealed(lab, again), "identity") == []
    history = [entry for point in lab.points() for entry in point.body.streams if entry.host_id == "web1"]
    assert {entry.host for entry in history} == {"web1", "web-a"}
    assert restored(lab, "web-a") == restored(lab, "web2", "web1") == (lab.app("web1") / "app.conf").read_text()
    lab.sound()


@row("renamed, without it")
def test_renamed_without_its_identity(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    rename(lab, "web1", "web-a")
    run = lab.play("holdfast.config.backup").ok()
    assert reasons(run) == {"web-a": ["first"], "web2": ["unchanged"]}
    # both are live: the old one is carried on, as that of any silent host
    assert {host for host, _stream in points.live(lab.repository()).streams} == {"web1", "web-a", "web2"}
    # nothing is lost by saying it later
    lab.host_variables["web-a"]["holdfast_host_id"] = "web1"
    assert reasons(lab.play("holdfast.config.backup").ok()) == {"web-a": ["unchanged"], "web2": ["unchanged"]}
    lab.sound()


@row("reinstalled")
def test_reinstalled(lab: Lab) -> None:
    elsewhere(lab, "web1", machine="a" * 32)
    lab.play("holdfast.config.backup").ok()
    shutil.rmtree(lab.app("web1"))
    lab.app("web1").mkdir()
    (lab.app("web1") / "new.conf").write_text("nothing is as it was\n")
    elsewhere(lab, "web1", machine="b" * 32)
    run = lab.play("holdfast.config.backup").ok()
    assert reasons(run) == {"web1": ["drift"], "web2": ["unchanged"]}
    assert told(sealed(lab, run), "identity", "machine") == []
    assert {host for host, _stream in points.live(lab.repository()).streams} == {"web1", "web2"}


@row("cloned in the inventory")
def test_cloned_in_the_inventory(lab: Lab) -> None:
    for host in lab.hosts:
        lab.host_variables[host]["holdfast_host_id"] = "one"
    run = lab.play("holdfast.config.backup", "-f", "1")
    assert run.rc == 2
    message = run.on(CAPTURE, "web2").message
    assert "web1 and web2 have one identity in this run, one" in message
    assert "holdfast_host_id" in message
    body = sealed(lab, run)
    assert [failed.host for failed in body.failed] == ["web2"]
    assert [entry.key[0] for entry in body.streams] == ["one"]
    assert "have one identity" in run.output


@row("cloned machine")
def test_cloned_machine(lab: Lab) -> None:
    for host in lab.hosts:
        elsewhere(lab, host, machine="c" * 32)
    add(lab, "web3", disk="web2")
    elsewhere(lab, "web3", machine="d" * 32)
    body = sealed(lab, lab.play("holdfast.config.backup").ok())
    assert told(body, "machine") == ["web1 and web2 answer with one machine id: is one a clone?"]
    assert {entry.host for entry in body.streams} == {"web1", "web2", "web3"}


@row("a new host gets the old name of another")
def test_a_new_host_gets_the_old_name(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    rename(lab, "web1", "web-a", holdfast_host_id="web1")
    lab.play("holdfast.config.backup").ok()
    add(lab, "web1", disk="web2")
    refused = lab.play("holdfast.config.backup")
    assert refused.rc == 2
    assert "web-a would have the identity of host web1" in refused.on(CAPTURE, "web-a").message
    assert "web1 would go on with the streams of web-a" in refused.on(CAPTURE, "web1").message
    assert [entry.host for entry in sealed(lab, refused).streams] == ["web2"]

    lab.host_variables["web1"]["holdfast_host_id"] = "{{ serial_number }}"
    unknown = lab.play("holdfast.config.backup").on(CAPTURE, "web-a").message
    assert "that of host web1, which web-a would have, cannot be read: 'serial_number' is undefined" in unknown
    lab.host_variables["web1"]["holdfast_host_id"] = "web1-2026"
    run = lab.play("holdfast.config.backup").ok()
    assert reasons(run) == {"web-a": ["unchanged"], "web1": ["first"], "web2": ["unchanged"]}
    # the name means both by now
    ambiguous = lab.play(
        "holdfast.config.restore",
        *("-e", "restore_newest=true", "-e", f"restore_under={lab.path}/none"),
        *("-e", "restore_source_host=web1", "--limit", "web2"),
    )
    assert "web1 means web-a (identity web1) and web1 (identity web1-2026)" in ambiguous.output
    assert restored(lab, "web-a") == (lab.app("web1") / "app.conf").read_text()
    assert restored(lab, "web2", "web1-2026") == (lab.app("web2") / "app.conf").read_text()
    lab.sound()


@row("its clock is wrong")
def test_its_clock_is_wrong(lab: Lab) -> None:
    elsewhere(lab, "web1", machine="a" * 32, ahead=86_400)
    elsewhere(lab, "web2", machine="b" * 32)
    bodies = [sealed(lab, lab.play("holdfast.config.backup").ok()) for _run in range(2)]
    for body in bodies:
        (line,) = told(body, "clock")
        found = re.fullmatch(r"clock of web1 is ([\d,]+) s ahead", line)
        assert found is not None, line
        # but for what the trip took
        assert abs(86_400 - int(found[1].replace(",", ""))) < 120
        assert body.complete
        for entry in body.streams:
            assert abs(entry.verified_at - body.sealed_at) < dt.timedelta(minutes=2)
    assert {entry.state for entry in bodies[1].streams} == {StreamState.UNCHANGED}
    lab.sound()


@dataclasses.dataclass(frozen=True)
class Weeks:
    """A repository that was made 40 days ago, and the run of today; hosts were backed up then, and never since."""

    lab: Lab
    run: Run

    def state(self, host: str) -> set[StreamState]:
        """What the run of today did for a host's streams, one that was not asked included."""
        return {entry.state for entry in sealed(self.lab, self.run).streams if entry.host == host}

    def is_live(self, host: str) -> bool:
        return host in {host for host, _stream in points.live(self.lab.repository()).streams}


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections for as long as the tests run."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="module")
def weeks(new_lab: Callable[[int], Lab], closed_port: int) -> Weeks:
    lab = new_lab(1)
    for part in ("repository", "keyring"):
        shutil.rmtree(lab.path / part)
    clock = library.Clock(dt.datetime.now(dt.timezone.utc).replace(microsecond=0) - 40 * DAY)
    (lab.path / "repository").mkdir()
    keys = library.make_keyring(lab.path / "keyring", clock.moment - DAY)
    people = [
        council.person(name, not_before=clock.moment - DAY, not_after=clock.moment + 3650 * DAY)
        for name in council.EVERYBODY
    ]
    with clock.ruling():
        store = ClockedStore(lab.path / "repository", clock)
        past = library.Lab.make(lab.path / "past", store, keys, clock, people=people, quorum=council.QUORUM)
        past.run({host: MemorySource(library.FILES) for host in ("gone", "down", "scrapped", "back")})
        clock.advance(minutes=1)
        for host in ("scrapped", "back"):
            council.retired(past, host)
    for path in (lab.path / "repository").rglob("*@*"):
        os.utime(path, (clock.moment.timestamp(),) * 2)
    lab.variables["holdfast_repository"]["name"] = library.NAME
    lab.variables["holdfast_repository_id"] = past.repository.root.id
    add(lab, "back", holdfast_components=[{"name": "app", "paths": [f"{lab.path}/hosts/web1/app"]}])
    add(lab, "down", ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=closed_port)
    return Weeks(lab, lab.play("holdfast.config.backup"))


@row("unreachable for weeks")
def test_unreachable_for_weeks(weeks: Weeks) -> None:
    assert weeks.run.states(CAPTURE)["down"] == "unreachable"
    assert weeks.state("down") == {StreamState.CARRIED}
    body = sealed(weeks.lab, weeks.run)
    assert ([failed.host for failed in body.failed], body.complete) == (["down"], False)
    assert weeks.run.rc == 4
    for entry in body.streams:
        if entry.host == "down":
            assert body.sealed_at - entry.verified_at > 39 * DAY
            assert entry.lock_until > body.sealed_at + 30 * DAY


@row("left out of the inventory")
def test_left_out_of_the_inventory(weeks: Weeks) -> None:
    assert weeks.state("gone") == {StreamState.CARRIED}
    assert "gone" not in sealed(weeks.lab, weeks.run).expected
    assert "gone" not in weeks.run.lines()
    assert weeks.is_live("gone")


@row("gone for good, and retired")
def test_gone_for_good_and_retired(weeks: Weeks) -> None:
    assert weeks.state("scrapped") == set()
    assert not weeks.is_live("scrapped")
    # what is stored stays, and can be restored, until its lock has ended
    assert restored(weeks.lab, "web1", "scrapped") == library.FILES["/etc/app/main.conf"].decode()


@row("back after it was retired")
def test_back_after_it_was_retired(weeks: Weeks) -> None:
    assert reasons(weeks.run)["back"] == ["first"]
    assert weeks.is_live("back")
    assert {entry.state for entry in sealed(weeks.lab, weeks.run).streams if entry.host == "back"} == {
        StreamState.STORED
    }
