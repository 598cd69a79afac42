# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet of which one component is covered, one is accepted by two signatures, and the rest are gaps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .lab import Run
from .test_record import Board, board_at

SIGNED = {"id": "EX-1", "hosts": ["web2"], "reason": "made anew", "control": "image is kept", "expires": "2099-12-31"}
UNSIGNED = {**SIGNED, "id": "EX-2", "hosts": ["web3"]}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Two hosts that were backed up; web2 declares one component more since, and web3 was never asked."""
    made = board_at(tmp_path_factory.mktemp("coverage"), "exception")
    lab = made.lab
    lab.variables["holdfast_exceptions"] = [{**SIGNED, "components": ["cache"]}, UNSIGNED]
    lab.host_variables["web2"]["holdfast_components__cache"] = [{"name": "cache", "paths": ["/srv/cache"]}]
    lab.hosts.append("web3")
    lab.host_variables["web3"] = {}
    return made


@pytest.fixture(scope="module")
def judged(board: Board) -> tuple[Run, Run, Run]:
    """What is said before anybody has signed, while two sign, and afterwards with a CMDB."""
    lab, file = board.lab, board.lab.path / "ex-1"
    ask = {"state": "requested", "operation": "exception", "exception": "EX-1", "requester": "carol"}
    first = lab.play(
        [
            {"name": "before", "holdfast.config.coverage_info": {}, "run_once": True},
            {
                "name": "fail",
                "holdfast.config.coverage_info": {"hosts": ["web3"], "fail_on_gaps": True},
                "run_once": True,
                "ignore_errors": True,
            },
            {
                "name": "ask",
                "holdfast.config.record": {**ask, "reason": "no use for it", "to_sign": str(file)},
                "run_once": True,
            },
            {
                "name": "ask in vain",
                "holdfast.config.record": {**ask, "exception": "EX-9", "reason": "no use for it"},
                "run_once": True,
                "ignore_errors": True,
            },
        ],
        "--limit",
        "web1",
    ).ok()
    request = first.on("ask").result["request"]
    signatures = {who: board.sign(who, file) for who in ("alice", "bob")}
    second = board.play(
        {
            **{who: {"state": "signed", "request": request, "signature": str(sig)} for who, sig in signatures.items()},
            "complete": {"state": "present", "request": request},
        },
        "--limit",
        "web1",
    )
    (lab.path / "cmdb.csv").write_text("hostname,site\nWEB1.,a\nold7,b\n,c\n")
    # an auditor has no keyring
    (lab.path / "keyring").rename(lab.path / "elsewhere")
    cmdb = {"path": "cmdb.csv", "host_field": "hostname"}
    given = {"coverage_cmdb": cmdb, "coverage_path": "all.json", "coverage_html": "all.html"}
    given = {name: str(lab.path / value) if isinstance(value, str) else value for name, value in given.items()}
    cmdb["path"] = str(lab.path / "cmdb.csv")
    third = lab.play("holdfast.config.coverage", "-e", json.dumps({**given, "coverage_fail_on_gaps": True}))
    return first, second, third


def states(told: list[dict[str, object]]) -> dict[tuple[object, object], object]:
    return {(row["host"], row["component"]): row["state"] for row in told}


def test_an_exception_that_nobody_signed_covers_nothing(judged: tuple[Run, Run, Run]) -> None:
    first, _second, _third = judged
    before = first.on("before").result
    assert (before["covered"], before["accepted"], before["gaps"]) == (2, 0, 2)
    assert first.on("fail").message.startswith(
        "0 covered, 0 accepted, 1 gap; the first gap is web3/app: never captured"
    )
    reasons = {row["host"]: row["reasons"] for row in before["gaps_listed"]}
    assert reasons["web2"] == ["not in the newest snapshot", "its exception EX-1 is not signed"]
    assert reasons["web3"] == ["never captured", "its exception EX-2 is not signed"]
    assert "has no exception of that id (item EX-9)" in first.on("ask in vain").message


def test_two_signatures_accept_it_and_the_cmdb_names_who_is_missing(board: Board, judged: tuple[Run, Run, Run]) -> None:
    _first, second, third = judged
    assert second.on("complete").result["changed"], second.on("complete").message
    assert third.rc != 0
    whole = json.loads((board.lab.path / "all.json").read_text())
    assert states(whole["rows"]) == {
        ("web1", "app"): "covered",
        ("web2", "app"): "covered",
        ("web2", "cache"): "accepted",
        ("web3", "app"): "gap",
        ("old7", ""): "gap",
    }
    (accepted,) = [row for row in whole["rows"] if row["state"] == "accepted"]
    assert (accepted["exception"], accepted["signed_by"]) == ("EX-1", ["alice", "bob"])
    assert accepted["until"] == "2100-01-01T00:00:00Z"
    assert whole["warnings"] == ["rows of the CMDB export that name no host: 3"]
    page = Path(board.lab.path / "all.html").read_text()
    assert "EX-1 accepted by alice, bob until 2100-01-01T00:00:00Z: image is kept" in page
    assert "<script" not in page
    assert "2 covered, 1 accepted, 2 gaps" in third.output
    # lines, and not JSON around them
    assert "\nGaps\n" in third.output
