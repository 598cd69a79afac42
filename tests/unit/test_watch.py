# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that the role ``watch`` puts on hosts, against the door that the listener has."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import re
import subprocess
import threading
import time
import types
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers.door import Door
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers.replay import Memory
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers.request import Request
from ansible_collections.holdfast.config.plugins.plugin_utils.triggers.spool import Spool

PROGRAM = Path(__file__).parents[2] / "roles" / "watch" / "files" / "holdfast-watch.py"
SECRET = "0123456789abcdef" * 4
# a record of the form that ausearch 3.0.9 takes and gives with --raw: who logged in as auid became root by sudo
AUDIT = (
    "type=SYSCALL msg=audit({at}.123:456): arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=55d0 a2=241"
    " a3=1b6 items=2 ppid=8 pid=9 auid={auid} uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3"
    ' comm="vim" exe="/usr/bin/vim.basic" subj=unconfined key="holdfast"'
)


@pytest.fixture(scope="module")
def program() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("holdfast_watch", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Host:
    """A host with a folder that is watched, and the door that it asks; ``up`` is whether anybody answers there."""

    def __init__(self, program: types.ModuleType, path: Path) -> None:
        self.program = program
        self.app = path / "app"
        self.state = path / "state"
        self.journal = path / "journal"
        for folder in (self.app, self.state, self.journal):
            folder.mkdir()
        self.file = self.app / "app.conf"
        self.file.write_text("CANARY = 1\n")
        (path / "secret").write_text(f"{SECRET}\n")
        (path / "keys").mkdir(mode=0o700)
        (path / "keys" / "host:web1").write_text(f"{SECRET}\n")
        (path / "keys" / "host:web1").chmod(0o600)
        self.spool = Spool(path / "spool")
        memory = Memory(path / "spool" / "replay", now=time.time())
        self.door = Door(path / "keys", memory, self.spool, clock=time.time)
        self.up = True
        self.bodies: list[bytes] = []
        host = self

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                host.bodies.append(body)
                assert self.path == "/capture"
                status = host.door.ask(self.headers, body).status if host.up else 503
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: t.Any) -> None:
                """Keep the tests' output clean."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.settings = {
            "host": "web1",
            "url": f"http://127.0.0.1:{self.server.server_address[1]}",
            "secret": str(path / "secret"),
            "ca": "",
            "state": str(self.state),
            "journal": str(self.journal),
            "paths": [str(self.app)],
        }

    def look(self) -> None:
        self.program.look(self.settings)

    def requests(self) -> list[Request]:
        found = [self.spool.get(name) for name in self.spool.waiting()]
        return [one.request for one in found if one is not None]

    def pending(self) -> dict[str, t.Any]:
        path = self.state / "pending.json"
        return json.loads(path.read_text()) if path.exists() else {}


@pytest.fixture
def host(program: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    # this machine's auditd says nothing of these files
    monkeypatch.setenv("PATH", str(tmp_path))
    host = Host(program, tmp_path)
    yield host
    host.server.shutdown()
    host.server.server_close()
    host.spool.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda host: host.file.write_text("CANARY = 2\n"),
        lambda host: host.file.chmod(0o600),
        lambda host: host.file.unlink(),
        lambda host: (host.app / "new").mkdir(),
    ],
    ids=["content", "rights", "removed", "made"],
)
def test_a_change_is_asked_for_once_without_content_or_names(host: Host, change: t.Any) -> None:
    host.look()
    assert host.bodies == []
    change(host)
    host.look()
    host.look()
    assert [(one.kind, one.hosts, one.actor) for one in host.requests()] == [("manual-change", ("web1",), "unknown")]
    assert b"CANARY" not in b"".join(host.bodies)
    assert b"app" not in b"".join(host.bodies)
    assert host.pending() == {}


def test_what_is_not_taken_is_kept_and_asked_for_later_and_later(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.look()
    host.up = False
    host.file.write_text("CANARY = 2\n")
    host.look()
    assert host.pending()["tries"] == 1
    host.look()
    assert len(host.bodies) == 1
    for _time in range(8):
        (host.state / "pending.json").write_text(json.dumps({**host.pending(), "after": 0}))
        host.look()
    waits = re.findall(r"tried again after ([0-9]+) s", capsys.readouterr().out)
    assert waits == ["60", "120", "240", "480", "960", "1920", "3600", "3600", "3600"]
    host.up = True
    (host.state / "pending.json").write_text(json.dumps({**host.pending(), "after": 0}))
    host.look()
    assert len(host.requests()) == 1
    assert host.pending() == {}


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://127.0.0.1:port", "http://[::1", "http://"])
def test_a_url_that_leads_nowhere_loses_nothing(host: Host, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    host.look()
    host.settings["url"] = url
    host.file.write_text("CANARY = 2\n")
    host.look()
    assert host.pending()["tries"] == 1
    assert "no answer of the receiver" in capsys.readouterr().out


def test_who_changed_it_before_the_receiver_answers_is_told_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.look()
    host.up = False
    long = [letter * 56 for letter in "abc"]
    for names in (["first"], ["second", "first"], long[:2], long[1:]):
        monkeypatch.setattr(host.program, "actor", lambda _since, names=names: ", ".join(names))
        with host.file.open("a") as file:
            file.write("CANARY\n")
        host.look()
        kept = host.pending()["actor"].split(", ")
        assert kept[-len(names) :] == names
    assert kept == long
    host.up = True
    (host.state / "pending.json").write_text(json.dumps({**host.pending(), "after": 0, "restore": True}))
    host.look()
    assert [one.actor for one in host.requests()] == [", ".join(long) + " (during a restore)"]


def test_a_clock_that_was_wrong_holds_up_nothing(host: Host) -> None:
    host.look()
    restore = host.journal / "0123456789abcdef"
    restore.mkdir()
    (restore / "journal.json").touch()
    later = time.time() + 100 * 365 * 86400
    os.utime(restore, (later, later))
    (host.state / "pending.json").write_text(json.dumps({"tries": 3, "after": later, "actor": "unknown"}))
    host.look()
    assert len(host.requests()) == 1


def test_a_restore_in_place_is_waited_for(host: Host) -> None:
    host.look()
    restore = host.journal / "0123456789abcdef"
    restore.mkdir()
    (restore / "journal.json").touch()
    host.file.write_text("CANARY = 2\n")
    host.look()
    host.look()
    assert host.bodies == []
    (restore / "journal.json").unlink()
    host.look()
    assert [one.actor for one in host.requests()] == ["unknown (during a restore)"]


def test_a_restore_that_died_holds_up_nothing(host: Host) -> None:
    host.look()
    (host.journal / "0123456789abcdef").mkdir()
    (host.journal / "0123456789abcdef" / "journal.json").touch()
    old = time.time() - host.program.LONGEST_RESTORE_SECONDS - 1
    os.utime(host.journal / "0123456789abcdef", (old, old))
    host.file.write_text("CANARY = 2\n")
    host.look()
    assert [one.actor for one in host.requests()] == ["unknown"]


def test_auditd_names_who_logged_in(program: types.ModuleType) -> None:
    lines = [
        AUDIT.format(at=1795736400, auid=1009),
        AUDIT.format(at=1795736445, auid=1001),
        AUDIT.format(at=1795736446, auid=1000),
        AUDIT.format(at=1795736447, auid=4294967295),
        AUDIT.format(at=1795736448, auid=1001) + '\x1dARCH=x86_64 SYSCALL=openat AUID="bob" UID="root"',
        'type=PATH msg=audit(1795736448.123:456): item=1 name="auid=77 " inode=1',
        "type=SYSCALL msg=audit(x): auid=5 ",
    ]
    assert program.auditors("\n".join(lines), 1795736440.5) == [1000, 1001]
    assert program.auditors("<no matches>\n", 0) == []


def test_the_folders_nearest_to_the_top_are_watched(program: types.ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "d").mkdir()
    (tmp_path / "a" / "file").touch()
    (tmp_path / "e").symlink_to("a")
    found = program.plan([str(tmp_path), f"{tmp_path}/none", f"{tmp_path}/a/fi*"], 4)
    top = str(tmp_path)
    assert found["watched"] == [top, f"{top}/a/file", f"{top}/a", f"{top}/d"]
    assert found["left"] == 2


def test_names_that_somebody_made_up_lead_nowhere(host: Host, program: types.ModuleType) -> None:
    top = str(host.app)
    names = [
        "ends\\",
        " blanks ",
        "two\nPathChanged=x",
        "{{ watch_keys }}",
        "%h",
        "-p wa",
        "$(id)",
        os.fsdecode(b"\xff"),
    ]
    for name in names:
        (host.app / name).mkdir()
    found = program.plan([top, f"{top}/*"], 100)
    # a unit cannot hold these: they are only looked at
    assert found["watched"] == [
        top,
        *(f"{top}/{name}" for name in ["$(id)", "%h", "-p wa", "app.conf", "{{ watch_keys }}"]),
    ]
    assert found["left"] == 4
    host.look()
    for name in names:
        (host.app / name / "file").touch()
    host.look()
    assert [one.actor for one in host.requests()] == ["unknown"]


def test_a_tree_as_deep_as_names_can_be_is_looked_at(host: Host) -> None:
    at = os.open(host.app, os.O_RDONLY)
    for _time in range(1000):
        os.mkdir("a", dir_fd=at)
        inner = os.open("a", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    host.look()
    host.file.chmod(0o600)
    host.look()
    # what removes temporary folders calls itself for each level
    subprocess.run(["/bin/rm", "-r", host.app / "a"], check=True)
    assert len(host.requests()) == 1


def test_a_folder_that_somebody_fills_hides_no_other(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host.program, "MOST_ENTRIES", 20)
    (host.app / "aaa").mkdir()
    for number in range(50):
        (host.app / "aaa" / str(number)).touch()
    host.settings["paths"] = [f"{host.app}/aaa", str(host.file)]
    host.look()
    assert "beyond 20 files" in capsys.readouterr().out
    host.file.chmod(0o600)
    host.look()
    assert len(host.requests()) == 1
