# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task destroys a class-year's key once people have signed, says what goes with it, and asks who holds escrow."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest

from .lab import Lab, Run
from .test_record import Board, board_at

WHY = {"requester": "carol", "reason": "the contract has ended", "ticket": "CHG7"}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Two hosts, backed up once, of a repository whose people may destroy keys."""
    return board_at(tmp_path_factory.mktemp("destroyed"), "destruction", "escrow-destroyed")


def destruction(lab: Lab, tasks: Mapping[str, Mapping[str, t.Any]], *args: str, check: bool = False) -> Run:
    listed = [{"name": name, "holdfast.config.destruction": given} for name, given in tasks.items()]
    return lab.play([{"hosts": "web1", "tasks": listed}], *args, check=check)


def signed(board: Board, request: str, file: Path) -> dict[str, dict[str, str]]:
    """Tasks that hand in the signatures of two people."""
    return {
        who: {"state": "signed", "request": request, "signature": str(board.sign(who, file))}
        for who in ("alice", "bob")
    }


def test_key_is_destroyed_as_people_have_signed(board: Board) -> None:
    lab, file = board.lab, board.lab.path / "destroy"
    listed = sorted(path.name for path in (lab.path / "repository/manifests").iterdir())
    classes = [name for name in listed if not name.startswith(".")]
    key = f"{classes[0]}-{lab.store().clock().year}"
    seen = destruction(lab, {"look": {"key": key}}).ok().on("look").result
    assert (seen["changed"], seen["keys"], seen["in_use"]) == (False, [], True)
    assert {one["host"] for one in seen["unreadable"]} == {"web1", "web2"}
    assert any("the newest copies of" in warning for warning in seen["warnings"])
    refused = destruction(lab, {"early": {"key": key, "state": "present"}})
    assert f"nobody has signed that key {key} is destroyed" in refused.on("early").result["msg"]

    ask = {"state": "requested", "operation": "destruction", "key": key, "to_sign": str(file), **WHY}
    asked = board.play({"refused": ask, "ask": {**ask, "allow_in_use": True}})
    assert "sealed under this key" in asked.on("refused").result["msg"]
    request = asked.on("ask").result
    assert request["subject"]["snapshots"] == seen["snapshots"] == len(seen["unreadable"])
    board.play(
        {**signed(board, request["request"], file), "complete": {"state": "present", "request": request["request"]}}
    )

    present = {"key": key, "state": "present"}
    checked = destruction(lab, {"destroy": present}, "--diff", check=True).ok().on("destroy").result
    assert (checked["changed"], checked["record"]) == (True, "")
    done = destruction(lab, {"destroy": present, "again": present}, "--diff").ok()
    result = done.on("destroy").result
    assert (result["changed"], result["token_revoked"], result["unreadable"]) == (True, False, seen["unreadable"])
    assert result["diff"]["after"].count(": lost\n") == seen["snapshots"]
    assert (done.on("again").result["changed"], done.on("again").result["record"]) == (False, result["record"])

    back = {"under": f"{lab.path}/back/{{{{ inventory_hostname }}}}", "newest": True}
    restore = lab.play([{"hosts": "web1", "tasks": [{"name": "back", "holdfast.config.restore": back}]}])
    told = restore.on("back").result["msg"]
    assert f"key {key} was destroyed on " in told
    assert f"by record {result['record']}, signed by alice, bob" in told
    backup = lab.play("holdfast.config.backup")
    assert backup.rc == 2
    assert "was destroyed, and none follows it" in backup.output

    statement = lab.path / "escrow"
    escrow = {"key": key, "state": "escrow", "to_sign": str(statement), **WHY}
    asked = destruction(lab, {"ask": escrow, "again": escrow, "look": {}}).ok()
    assert (asked.on("ask").result["changed"], asked.on("again").result["changed"]) == (True, False)
    assert [(one["key"], one["state"]) for one in asked.on("look").result["keys"]] == [(key, "pending")]
    given = {
        who: {
            "state": "escrow",
            "request": asked.on("ask").result["request"],
            "signature": str(board.sign(who, statement)),
        }
        for who in ("alice", "bob")
    }
    last = destruction(lab, {**given, "look": {}}).ok()
    assert (last.on("alice").result["record"], bool(last.on("bob").result["record"])) == ("", True)
    (standing,) = last.on("look").result["keys"]
    assert (standing["state"], standing["signed_by"], standing["snapshots"]) == (
        "destroyed",
        ["alice", "bob"],
        seen["snapshots"],
    )
    assert standing["escrow"][0]["signed_by"] == ["alice", "bob"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"state": "present"}, "state is present but all of the following are missing: key"),
        ({"state": "escrow"}, "state is escrow but any of the following are missing: key, request"),
        ({"state": "escrow", "request": "0" * 12}, "parameters are required together: request, signature"),
        ({"key": "d0090"}, "no root of this repository names a key of that id"),
    ],
)
def test_what_is_not_said_is_not_destroyed(board: Board, options: t.Any, told: str) -> None:
    run = destruction(board.lab, {"destroy": options})
    assert run.rc == 2
    assert told in run.on("destroy").result["msg"]
