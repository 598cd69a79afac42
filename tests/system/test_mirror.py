# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs that mirror what they sealed, and git's own view of what they pushed."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.mirror.repositories import (
    bare,
    everything,
    files,
    log,
)

from .lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab

RUN = [OPEN, SNAPSHOT, SEAL]


def mirror(target: Path, **options: t.Any) -> dict[str, t.Any]:
    return {"name": "mirror", "holdfast.config.mirror": {"url": str(target), **options}, "run_once": True}


@pytest.fixture
def target(lab: Lab) -> Path:
    """An empty git repository; what no output may show is a secret of the hosts' component."""
    lab.variables["holdfast_components"][0]["secrets"] = [f"(?P<secret>{CANARY})"]
    return bare(lab.path / "mirror.git")


def test_a_run_mirrors_what_it_sealed_by_whom_and_for_which_ticket(lab: Lab, target: Path) -> None:
    lab.variables["holdfast_change"] = {"id": "CHG0042", "requester": "ada@example.net"}
    play = [*RUN, mirror(target)]
    first = lab.play(play).ok()
    point = first.on("seal").result["recovery_point"]
    assert first.on("mirror").result["changed"]
    assert log(target, "%an %ae %s") == [f"ada ada@example.net CHG0042: recovery point {point[:12]}"]
    held = f"app{lab.app('web1')}/app.conf".replace("/web1/", "/{}/")
    assert files(target) == {
        f"{host}/{held.format(host)}": f"# <secret> {host}\nlisten = 8080\n" for host in ("web1", "web2")
    }
    assert CANARY.encode() not in everything(target)
    left_out = {(one["host"], one["reason"]) for one in first.on("mirror").result["not_mirrored"]}
    assert left_out == {("web1", "private"), ("web2", "private")}
    # nothing new is no commit
    again = lab.play(play).ok().on("mirror").result
    assert (again["changed"], again["commits"]) == (False, [])
    lab.change("web2")
    lab.play(RUN).ok()
    would = lab.play([mirror(target)], "--diff", check=True).ok().on("mirror").result
    assert would["changed"]
    assert would["diff"]["after"] == f"{would['commits'][0]['recovery_point'][:12]} + web2/{held.format('web2')}\n"
    assert len(log(target, "%H")) == 1
    assert lab.play([mirror(target)]).ok().on("mirror").result["commits"] == would["commits"]
    assert files(target)[f"web2/{held.format('web2')}"] == "# <secret> web2\nlisten = 9090\n"


def test_the_playbook_and_what_it_refuses(lab: Lab, target: Path) -> None:
    lab.play(RUN).ok()
    lab.play("holdfast.config.mirror", f"-emirror_url={target}", "-emirror_timeout=60", "-emirror_history=false").ok()
    assert len(log(target, "%H")) == 1
    refused = lab.play(
        [
            {**mirror(target, url="https://user:letmein@git.example.net/x"), "ignore_errors": True, "name": "password"},
            {**mirror(lab.path / "nothing.git"), "ignore_errors": True, "name": "nothing"},
            {**mirror(target, layout="rancid", branch="master"), "ignore_errors": True, "name": "history"},
        ]
    )
    assert "holds a name, a password or a token" in refused.on("password").message
    assert "git ls-remote failed" in refused.on("nothing").message
    assert "no branch master" in refused.on("history").message
