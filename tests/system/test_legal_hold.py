# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A legal hold is put by a task, and ended by one once people have signed with ssh-keygen; a folder has no bucket."""

from __future__ import annotations

import typing as t

import pytest

from .lab import Lab, Run
from .test_record import Board, board_at

ASK = {"operation": "hold-release", "host": "web1", "requester": "carol", "reason": "case closed", "ticket": "LEG1"}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Two hosts, backed up once, of a repository whose people may end legal holds."""
    return board_at(tmp_path_factory.mktemp("held"), "hold-release")


def holding(lab: Lab, *args: str, check: bool = False, **options: t.Any) -> Run:
    task = {"name": "hold", "holdfast.config.legal_hold": options}
    return lab.play([{"hosts": "web1", "tasks": [task]}], *args, check=check)


def held(lab: Lab) -> set[str]:
    return {listed.name for listed in lab.store().list() if listed.held}


def test_hold_is_put_and_ended_as_people_have_signed(board: Board) -> None:
    lab = board.lab
    asked = holding(lab, "--diff", check=True, host="web1").ok().on("hold").result
    assert (asked["changed"], held(lab)) == (True, set())
    put = holding(lab, "--diff", host="web1").ok().on("hold").result
    assert (put["changed"], put["subject"], len(put["changed_objects"])) == (True, {"host": "web1"}, put["objects"])
    assert put["diff"]["after"].count(": held\n") == put["objects"] == len(held(lab))
    assert not any("/web2/" in name for name in held(lab))
    again = holding(lab, "--diff", host="web1").ok().on("hold").result
    assert (again["changed"], "diff" in again) == (False, False)

    refused = holding(lab, host="web1", state="absent")
    assert refused.rc == 2
    assert "nobody has signed that the legal hold of host web1 ends" in refused.on("hold").result["msg"]
    assert len(held(lab)) == put["objects"]

    file = lab.path / "release"
    request = board.play({"ask": {"state": "requested", **ASK, "to_sign": str(file)}}).on("ask").result
    assert request["subject"] == {"host": "web1"}
    signed = {
        who: {"state": "signed", "request": request["request"], "signature": str(board.sign(who, file))}
        for who in ("alice", "bob")
    }
    done = board.play({**signed, "complete": {"state": "present", "request": request["request"]}})
    assert (done.on("complete").result["reached"], done.on("complete").result["still_live"]) == (True, [])

    asked = holding(lab, "--diff", check=True, host="web1", state="absent").ok().on("hold").result
    assert (asked["changed"], len(held(lab))) == (True, put["objects"])
    ended = holding(lab, "--diff", host="web1", state="absent").ok().on("hold").result
    assert (ended["changed"], ended["record"], held(lab)) == (True, done.on("complete").result["record"], set())
    assert ended["diff"]["after"].count(": not held\n") == put["objects"]
    again = holding(lab, host="web1", state="absent").ok().on("hold").result
    assert (again["changed"], again["record"]) == (False, "")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "one of the following is required: recovery_point, host"),
        ({"recovery_point": "0" * 12, "stream": "tier1"}, "missing parameter(s) required by 'stream': host"),
        ({"host": "web9"}, "nothing of web9 is there"),
    ],
)
def test_what_is_not_said_is_not_held(board: Board, options: t.Any, told: str) -> None:
    run = holding(board.lab, **options)
    assert run.rc == 2
    assert told in run.on("hold").result["msg"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"storage": {}}, "a repository in a folder has no bucket to set up"),
        ({"storage": {}, "state": "pruned"}, "storage goes with state=present alone"),
        ({"storage": {"archive": {"d0030": {}}}}, "storage.archive.d0030"),
        ({"storage": {"source_networks": ["10.1.2.3/8", "x"]}}, "storage.source_networks: 'x' is no network"),
        ({"storage": {"lifecicle": False}}, "lifecicle"),
    ],
)
def test_bucket_that_cannot_be_is_refused_before_anything_is_done(board: Board, options: t.Any, told: str) -> None:
    before = {listed.name for listed in board.lab.store().list()}
    run = board.lab.play([{"hosts": "web1", "tasks": [{"name": "make", "holdfast.config.repository": options}]}])
    assert run.rc == 2
    assert told in run.on("make").result["msg"]
    assert {listed.name for listed in board.lab.store().list()} == before
