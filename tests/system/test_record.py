# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""People are asked, sign with ssh-keygen, and a host is retired; nothing of it takes a key of the keyring."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import typing as t
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import points

from .lab import Lab, Run

PEOPLE = {"alice": "security", "bob": "operations", "carol": "operations", "dave": "security"}
ASK = {"operation": "retired", "host": "web2", "requester": "carol", "reason": "scrapped", "ticket": "CHG1"}


@dataclasses.dataclass
class Board:
    """A repository whose root names people, and their keys."""

    lab: Lab
    keys: Path

    def sign(self, who: str, file: Path) -> Path:
        """Sign as the guide says, and keep the signature beside the others."""
        made, kept = Path(f"{file}.sig"), file.with_name(f"{file.name}.{who}.sig")
        made.unlink(missing_ok=True)
        ssh_keygen("-Y", "sign", "-f", self.keys / who, "-n", "holdfast.config", file)
        made.rename(kept)
        return kept

    def play(self, tasks: Mapping[str, Mapping[str, t.Any]], *args: str) -> Run:
        """Run ``record`` once for each name, on one host; keywords of a task begin with a dash."""
        listed = []
        for name, options in tasks.items():
            keywords = {key[1:]: value for key, value in options.items() if key.startswith("-")}
            given = {key: value for key, value in options.items() if not key.startswith("-")}
            listed.append({"name": name, "holdfast.config.record": given, "ignore_errors": True, **keywords})
        return self.lab.play([{"hosts": "web1", "tasks": listed}], *args).ok()

    def live(self) -> set[str]:
        return {host for host, _stream in points.live(self.lab.repository()).streams}


def ssh_keygen(*args: str | Path) -> None:
    tool = shutil.which("ssh-keygen")
    if tool is None:
        pytest.fail("ssh-keygen is not installed: these tests need OpenSSH's client tools")
    subprocess.run([tool, *args], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Two hosts, backed up once."""
    return board_at(tmp_path_factory.mktemp("board"), "retired")


def board_at(path: Path, *operations: str) -> Board:
    """Two hosts, backed up once, of a repository whose people may sign for these operations, two of them."""
    lab = Lab(path, hosts=2)
    lab.variables["holdfast_people"] = people_at(path / "people")
    rule = {"required": 2, "roles": ["security", "operations"]}
    lab.variables["holdfast_quorum"] = dict.fromkeys(operations, rule)
    run = lab.play([{"name": "make", "holdfast.config.repository": {}, "run_once": True}]).ok()
    lab.variables["holdfast_repository_id"] = run.on("make").result["repository_id"]
    lab.play("holdfast.config.backup").ok()
    return Board(lab, path / "people")


def people_at(folder: Path) -> list[dict[str, t.Any]]:
    """Make people's keys there, and return what the inventory declares of them."""
    folder.mkdir()
    declared = []
    for name, role in PEOPLE.items():
        key = folder / name
        ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key)
        public = Path(f"{key}.pub").read_text()
        declared.append({"name": name, "roles": [role], "key": public, "valid_until": "2099-12-31"})
    return declared


@dataclasses.dataclass
class Story:
    """What the tasks of the whole story returned, and what the store held between its runs."""

    board: Board
    file: Path
    runs: dict[str, Run]
    stored: dict[str, dict[str, str]]

    def result(self, task: str) -> Mapping[str, t.Any]:
        """The result of the one task of that name."""
        (found,) = [run.on(task) for run in self.runs.values() if run.all(task)]
        return found.result

    def status(self, task: str) -> str:
        (found,) = [run.on(task) for run in self.runs.values() if run.all(task)]
        return found.status


@pytest.fixture(scope="module")
def story(board: Board) -> Story:
    """Ask, sign twice, complete, back up again. The keyring is elsewhere until then."""
    lab, file, other = board.lab, board.lab.path / "retire web2", board.lab.path / "again"
    runs, stored = {}, {"before": lab.stored()}
    (lab.path / "keyring").rename(lab.path / "elsewhere")
    ask = {"state": "requested", "to_sign": str(file), **ASK}
    runs["check"] = board.play({"ask checked": ask}, "--check", "--diff")
    stored["checked"] = lab.stored()
    assert not file.exists()
    runs["ask"] = board.play({"ask": ask, "ask again": ask}, "--diff")
    stored["asked"] = lab.stored()
    asked = runs["ask"].on("ask").result["request"]
    alice, bob = (board.sign(who, file) for who in ("alice", "bob"))
    sign = {"state": "signed", "request": asked[:12]}
    complete = {"state": "present", "request": asked}
    check = {"state": "checked", "request": asked}
    runs["sign"] = board.play(
        {
            "sign checked": {**sign, "signature": str(alice), "-check_mode": True},
            "look": check,
            "sign": {**sign, "signature": str(alice)},
            "sign again": {**sign, "signature": str(alice)},
            "too early": complete,
            "same file": {**check, "to_sign": str(file)},
            "new file checked": {**check, "to_sign": str(other), "-check_mode": True},
            "new file": {**check, "to_sign": str(other)},
            "sign too": {**sign, "signature": str(bob), "-diff": True},
        }
    )
    stored["signed"] = lab.stored()
    runs["complete checked"] = board.play({"complete checked": complete}, "--check")
    stored["complete checked"] = lab.stored()
    runs["complete"] = board.play(
        {
            "complete": {**complete, "-diff": True},
            "complete again": complete,
            "look again": check,
            "list": {"state": "listed"},
        }
    )
    stored["completed"] = lab.stored()
    (lab.path / "elsewhere").rename(lab.path / "keyring")
    runs["backup"] = lab.play("holdfast.config.backup", "--limit", "web1").ok()
    return Story(board, file, runs, stored)


def new(story: Story, before: str, after: str) -> list[str]:
    """The folders that objects came to; nothing may be gone or changed."""
    old, now = story.stored[before], story.stored[after]
    assert old.items() <= now.items()
    return sorted("/".join(path.split("/")[:2]) for path in now.keys() - old.keys() if "@" in path)


def test_check_mode_asks_nobody(story: Story) -> None:
    result = story.result("ask checked")
    assert (result["changed"], result["request"], result["next_steps"]) == (True, "", [])
    assert result["needed"] == {"required": 2, "roles": ["security", "operations"], "presence": "any"}
    assert "+reason: scrapped" in story.runs["check"].output
    assert new(story, "before", "checked") == []


def test_a_request_is_made_once_and_says_what_to_do(story: Story) -> None:
    result = story.result("ask")
    assert result["changed"]
    assert (result["subject"], result["reached"], result["open"]) == ({"host": "web2"}, False, True)
    assert result["lacking"] == ["2 more people", "somebody of role security", "somebody of role operations"]
    request, file = result["request"], f"'{story.file}'"
    command = "ansible localhost -i INVENTORY -m holdfast.config.record"
    assert result["next_steps"] == [
        f"Each of them reads it and signs it: ssh-keygen -Y sign -f KEY -n holdfast.config {file}",
        f"Add each signature: {command} -a \"state=signed request={request} signature='{story.file}.sig'\"",
        f'Complete it: {command} -a "state=present request={request}"',
    ]
    again = story.result("ask again")
    assert (again["changed"], again["request"]) == (False, request)
    assert "diff" not in again
    assert new(story, "checked", "asked") == ["records/request"]
    assert story.file.stat().st_mode & 0o777 == 0o600
    assert b'"host":"web2"' in story.file.read_bytes()


def test_signatures_are_added_once(story: Story) -> None:
    checked, first, again, second = (story.result(n) for n in ("sign checked", "sign", "sign again", "sign too"))
    assert [result["changed"] for result in (checked, first, again, second)] == [True, True, False, True]
    assert story.result("look")["signed_by"] == []
    assert checked["signed_by"] == first["signed_by"] == again["signed_by"] == ["alice"]
    assert first["lacking"] == ["1 more person", "somebody of role operations"]
    assert (second["signed_by"], second["lacking"], second["reached"]) == (["alice", "bob"], [], True)
    assert "+signed by: bob" in story.runs["sign"].output
    assert new(story, "asked", "signed") == ["records/approval", "records/approval"]


def test_too_few_do_not_complete_it(story: Story) -> None:
    assert story.status("too early") == "ignored"
    message = story.result("too early")["msg"]
    assert "it lacks 1 more person, somebody of role operations" in message
    assert "state=signed" in message


def test_looking_changes_nothing_but_the_file_it_is_told_to_write(story: Story) -> None:
    changed = {name: story.result(name)["changed"] for name in ("look", "same file", "new file checked", "new file")}
    assert changed == {"look": False, "same file": False, "new file checked": True, "new file": True}
    assert (story.board.lab.path / "again").read_bytes() == story.file.read_bytes()


def test_the_record_is_put_once(story: Story) -> None:
    checked, result, again = (story.result(n) for n in ("complete checked", "complete", "complete again"))
    assert (checked["changed"], result["changed"], again["changed"]) == (True, True, False)
    assert new(story, "signed", "complete checked") == []
    assert new(story, "complete checked", "completed") == ["records/retired"]
    assert result["record"] == again["record"] == story.result("look again")["record"] != ""
    assert (result["still_live"], result["next_steps"]) == ([], [])
    assert f"+record: {result['record']}" in story.runs["complete"].output
    listed = story.result("list")
    assert (listed["changed"], listed["requests"], listed["not_believed"], listed["not_read"]) == (False, [], [], 0)
    (record,) = listed["records"]
    assert (record["record"], record["signed_by"]) == (result["record"], ["alice", "bob"])
    assert (record["requester"], record["reason"], record["ticket"]) == ("carol", "scrapped", "CHG1")


def test_the_next_backup_no_longer_holds_the_host(story: Story) -> None:
    lab = story.board.lab
    assert story.board.live() == {"web1"}
    assert lab.sound().records == 1
    newest = lab.points()[-1]
    assert {entry.host for entry in newest.body.streams} == {"web1"}


def test_a_play_reads_the_record(story: Story) -> None:
    lab = story.board.lab
    (path,) = [
        lab.path / "repository" / name for name in lab.stored() if name.startswith("records/retired/") and "@" in name
    ]
    run = lab.play(
        [
            {"name": "fetch", "ansible.builtin.slurp": {"src": str(path)}, "register": "fetched"},
            {
                "name": "read",
                "ansible.builtin.debug": {
                    "msg": "{{ fetched.content | b64decode | holdfast.config.read_record }}",
                },
            },
            {
                "name": "read nonsense",
                "ansible.builtin.debug": {"msg": "{{ 'nonsense' | holdfast.config.read_record }}"},
                "ignore_errors": True,
            },
        ],
        "--limit",
        "web1",
    ).ok()
    found = run.on("read").result["msg"]
    assert (found["kind"], found["subject"]) == ("retired", {"host": "web2"})
    assert found["digest"] == story.result("complete")["record"]
    assert len(found["signatures"]) == 2
    assert "read_record was not given a record" in run.on("read nonsense").message


def test_what_is_wrong_is_said(board: Board, story: Story) -> None:
    lab, file = board.lab, board.lab.path / "wrong"
    before = lab.stored()
    first = board.play({"ask": {"state": "requested", **ASK, "host": "web1", "to_sign": str(file)}})
    request = first.on("ask").result["request"]
    own, stranger = board.sign("carol", file), board.sign("dave", board.lab.path / "again")
    sign = {"state": "signed", "request": request}
    ask = {"state": "requested", **ASK}
    wrong: dict[str, tuple[dict[str, t.Any], str]] = {
        "no host": ({"state": "requested", "operation": "retired"}, "missing: host"),
        "no signature": (sign, "missing: signature"),
        "no request": ({"state": "present"}, "missing: request"),
        "operation": (
            {**ask, "operation": "root"},
            "must be one of: access, destruction, escrow-destroyed, exception, hold-release, retired",
        ),
        "no key": ({"state": "requested", "operation": "destruction"}, "missing: key"),
        "typing error": ({**ask, "host": "web3"}, "host web3 has no live stream"),
        "retired already": (ask, "host web2 has no live stream"),
        "stream": ({**ask, "host": "web1", "stream": "tier9"}, "host web1 has no live stream tier9"),
        "no reason": ({**ask, "host": "web1", "reason": ""}, "not told who asks them to sign, or why"),
        "days": ({**ask, "host": "web1", "valid_days": 91}, "91 is out of range"),
        "folder": ({**ask, "host": "web1", "to_sign": f"{lab.path}/none/file"}, "cannot be written"),
        "short id": ({**sign, "request": "abc", "signature": str(own)}, "'abc' is not the id of a request"),
        "unknown id": ({"state": "checked", "request": "0" * 12}, "no requests have that id"),
        "no file": ({**sign, "signature": f"{lab.path}/none"}, "the signature cannot be read"),
        "no signature file": ({**sign, "signature": str(file)}, "this is not an armoured SSH signature"),
        "requester": ({**sign, "signature": str(own)}, "carol asked for it and does not count"),
        "other request": ({**sign, "signature": str(stranger)}, "not by this key over these bytes"),
        "nobody signed": ({"state": "present", "request": request}, "it lacks 2 more people"),
    }
    run = board.play({name: options for name, (options, _says) in wrong.items()})
    assert {name for name in wrong if run.on(name).status != "ignored"} == set()
    said = {name: run.on(name).message for name in wrong}
    assert {name: said[name] for name, (_options, says) in wrong.items() if says not in said[name]} == {}
    assert "Traceback" not in run.output
    assert [path for path in lab.stored().keys() - before.keys() if "@" in path and "/request/" not in path] == []
    assert board.live() == {"web1"}
