# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores in place over real SSH: by many ways, and with the connection cut while the host changes."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import typing as t
from collections.abc import Callable
from pathlib import Path

from ansible_collections.holdfast.config.tests.lab.describe import describe
from ansible_collections.holdfast.config.tests.lab.proxy import Plan, proxy
from ansible_collections.holdfast.config.tests.lab.sshd import Host, sshds, wait_for
from ansible_collections.holdfast.config.tests.system.lab import OPEN, SEAL, SNAPSHOT, Lab

from .test_ways import NO_SFTP, NO_STDIN, NOISE, PLAIN, SHELL, Way

RUN = [OPEN, SNAPSHOT, SEAL]
COLD = {"ansible_ssh_args": "-o ControlMaster=no"}
# a restore looks, writes and looks again in one, and lets go; where nothing differs it looks
TRIPS, LOOKS = 3, 1

WAYS: dict[str, Way] = {
    "ssh": Way(),
    "cold": Way(COLD),
    "noise": Way(NO_SFTP, NOISE + SHELL.format(shell="bash")),
    "module": Way(NO_STDIN, piped=False),
    "noise-module": Way({**NO_SFTP, **NO_STDIN}, NOISE + SHELL.format(shell="bash"), piped=False),
    "auto": Way({"ansible_python_interpreter": "auto_silent"}, piped=False),
    "no-tmp": Way({"ansible_remote_tmp": "/proc/no/such/folder"}),
    # every Python that hosts may have, and a login shell that is no sh
    **{name: way for name, way in PLAIN.items() if name.startswith("python") or name in ("csh", "fish")},
}
PIPED = [name for name, way in WAYS.items() if way.piped]


def restore(name: str = "restore", **options: t.Any) -> dict[str, t.Any]:
    return {
        "name": name,
        "holdfast.config.restore": {"in_place": True, "newest": True, "exact": True, **options},
        "ignore_errors": True,
    }


def described(lab: Lab) -> dict[str, t.Any]:
    return {host: describe(str(lab.app(host))) for host in lab.hosts}


def spoil(lab: Lab) -> None:
    """Let every host drift."""
    for host in lab.hosts:
        app = lab.app(host)
        lab.change(host)
        (app / "current").unlink()
        shutil.rmtree(app / "empty")
        (app / "keys" / "more").mkdir()


def is_clean(lab: Lab) -> bool:
    """Whether no restore left anything on any host."""
    left = [path for path in (lab.path / "hosts").rglob("*") if path.name.startswith(".holdfast-")]
    return not left and not list((lab.path / "hosts").glob("*/journal/*"))


def test_every_way_restores_in_place(new_lab: Callable[[int], Lab], tmp_path: Path) -> None:
    lab = new_lab(0)
    lab.hosts = list(WAYS)
    lab.host_variables = {name: {} for name in WAYS}
    for name in WAYS:
        lab.fill(name)
    lab.restored_in_place()
    options = {}
    for name, way in WAYS.items():
        script = lab.path / f"shell-{name}"
        script.write_text(f"#!/bin/sh\n{way.shell}\n")
        script.chmod(0o755)
        options[name] = Host(options=[f"ForceCommand {script}"] if way.shell else [])
    with sshds(tmp_path / "sshd", options) as running:
        lab.host_variables = {name: {**running[name].variables(), **way.variables} for name, way in WAYS.items()}
        lab.play(RUN).ok()
        sealed = described(lab)
        spoil(lab)
        started = {name: running[name].sessions() for name in WAYS}
        # they are one machine, whose root one restore has at a time
        run = lab.play([restore()], "--forks", "1", "-vvvv", "--diff").ok()
        taken = {name: running[name].sessions() - started[name] for name in WAYS}
        again = lab.play([restore()], "--forks", "4").ok()
        looked = {name: running[name].sessions() - started[name] - taken[name] for name in WAYS}
    for name in WAYS:
        assert run.on("restore", name).status == "ok", run.on("restore", name).message
        assert (run.on("restore", name).result["equal"], again.on("restore", name).result["changed"]) == (True, False)
        assert described(lab)[name] == sealed[name], name
    # diff mode brings contents to compare with
    assert {name: taken[name] for name in PIPED} == dict.fromkeys(PIPED, TRIPS + 1)
    assert {name: looked[name] for name in PIPED} == dict.fromkeys(PIPED, LOOKS)
    assert is_clean(lab)
    assert not [path for path in (lab.path / "remote").rglob("*") if path.is_file()]


# the trip after which the connection dies, with its answer lost, and whether that leaves the restore open
DROPPED = {"applied": (2, True), "closed": (3, False)}
# what goes to a host before it has the whole request
WITHIN_THE_REQUEST = 100_000


def test_a_connection_that_dies_leaves_each_host_old_or_new(new_lab: Callable[[int], Lab], tmp_path: Path) -> None:
    lab = new_lab(0)
    lab.hosts = [*DROPPED, "asked"]
    lab.host_variables = {name: {} for name in lab.hosts}
    for name in lab.hosts:
        lab.fill(name)
    lab.restored_in_place()
    pythons = dict(lab.host_variables)
    with sshds(tmp_path / "sshd", dict.fromkeys(lab.hosts, Host())) as running, contextlib.ExitStack() as stack:
        lab.play(RUN).ok()
        new = described(lab)
        spoil(lab)
        old = described(lab)
        reach = {name: {**running[name].variables(), **COLD, **pythons[name]} for name in lab.hosts}
        cut = stack.enter_context(proxy(running["asked"].port, Plan("up", WITHIN_THE_REQUEST)))
        lab.host_variables = {**reach, "asked": {**running["asked"].variables(port=cut.port), **COLD}}
        trips = {name: lab.path / "hosts" / name / "trips" for name in lab.hosts}

        def drop(name: str, trip: int) -> None:
            wait_for((trips[name] / f"reached-after-{trip}").exists, f"trip {trip} of {name}")
            running[name].drop()
            (trips[name] / f"wait-after-{trip}").unlink()

        threads = []
        for name, (trip, _open) in DROPPED.items():
            (trips[name] / "count").unlink()
            (trips[name] / f"wait-after-{trip}").touch()
            threads.append(threading.Thread(target=drop, args=(name, trip)))
            threads[-1].start()
        run = lab.play([restore()], "--forks", "4")
        for thread in threads:
            thread.join()
        for name in lab.hosts:
            done = run.on("restore", name)
            if name == "closed":
                # only the answer was lost: it is asked again, and all is equal
                assert done.result["equal"]
            else:
                assert "the host was lost" in done.message, name
                assert "the old state back" in done.message, name
            is_open = DROPPED.get(name, (0, False))[1]
            assert len(lab.journals(name)) == is_open, name
        assert described(lab)["asked"] == old["asked"]
        assert described(lab)["closed"] == new["closed"]

        lab.host_variables = reach
        for name in lab.hosts:
            for journal in lab.journals(name):
                lease = journal.with_name("lease.json")
                lease.write_text(json.dumps({**json.loads(lease.read_text()), "until": 0.0}))
        run = lab.play([restore()], "--forks", "4").ok()
        for name in lab.hosts:
            result = run.on("restore", name).result
            assert len(result["recovered"]) == DROPPED.get(name, (0, False))[1], name
    assert described(lab) == new
    assert is_clean(lab)
