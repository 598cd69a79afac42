# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts in whole runs: what commands print, environments of processes, answers of an API, and what tasks push."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.web import (
    Authority,
    Page,
    Web,
    serving,
)

from .lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab

RUN = [OPEN, SNAPSHOT, SEAL]
DIRECT = {"no_proxy": "127.0.0.1"}


def push(*content: t.Any, **more: t.Any) -> dict[str, t.Any]:
    """A task that pushes texts."""
    return {"name": "push", "holdfast.config.snapshot": {"content": list(content)}, **more}


def text(name: str = "ilo", *, of: str = "told", **more: t.Any) -> dict[str, t.Any]:
    """The text that another task has told."""
    return {"name": name, "text": f"{{{{ {of}.stdout }}}}", **more}


TELL = {"name": "tell", "ansible.builtin.command": "cat {{ told_by }}", "register": "told", "no_log": True}


@pytest.fixture
def told(lab: Lab) -> Path:
    """A file whose content a task tells."""
    file = lab.path / "told"
    file.write_text(f"fan 1 of {CANARY}\n")
    lab.variables["told_by"] = str(file)
    return file


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def web(authority: Authority) -> Iterator[Web]:
    with serving(authority) as web:
        yield web


@pytest.fixture
def process(lab: Lab) -> Iterator[int]:
    """A process with an environment, whose number stands in a file."""
    argv = [sys.executable, "-I", "-S", "-c", "print(flush=True); import time; time.sleep(600)"]
    environment = {"KEY": CANARY, "INVOCATION_ID": "1"}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            running.stdout.readline()
            (lab.path / "daemon.pid").write_text(str(running.pid))
            yield running.pid
        finally:
            running.kill()


def declare(lab: Lab, web: Web, authority: Authority) -> None:
    """One component of each kind beside the files that every host has."""
    lab.variables["holdfast_components"] += [
        {
            "name": "said",
            "commands": [
                {"name": "conf", "argv": ["cat", f"{lab.path}/hosts/{{{{ inventory_hostname }}}}/app/app.conf"]},
                {"name": "clock", "argv": ["date", "+# %s%N"]},
            ],
            "volatile": ["^# [0-9]+$"],
        },
        {"name": "daemon", "pidfile": f"{lab.path}/daemon.pid"},
        {
            "name": "flags",
            "tier": "tier2",
            "url": f"{web.url}/flags?env=prod",
            "headers": {"Authorization": f"Bearer {CANARY}"},
            "ca_path": str(authority.ca),
            "volatile": ['"at":'],
        },
    ]


def flags(web: Web, **given: t.Any) -> None:
    web.pages["/flags"] = Page(json.dumps({"at": os.urandom(4).hex(), "secret": CANARY, **given}).encode())


def reasons(run: t.Any, task: str = "snapshot", host: str = "web1") -> dict[str, str]:
    return {part["stream"]: part["reason"] for part in run.on(task, host).result["streams"]}


UNCHANGED = {"tier1": "unchanged", "tier2": "unchanged"}


@pytest.mark.parametrize("way", ["local", "over_ssh", "without_stdin"])
def test_all_kinds_of_a_host(lab: Lab, web: Web, authority: Authority, process: int, way: str) -> None:
    declare(lab, web, authority)
    if way != "local":
        getattr(lab, way)()
    flags(web, dark=True)
    first = lab.play(RUN, "-vvvv", env=DIRECT).ok()
    assert reasons(first) == {"tier1": "first", "tier2": "first"}
    assert {headers["Authorization"] for _path, headers in web.asked} == {f"Bearer {CANARY}"}
    # volatile lines, another order of the same answer, and nothing else
    flags(web, dark=True)
    before = lab.stored()
    again = lab.play(RUN, "--diff", env=DIRECT).ok()
    assert reasons(again) == UNCHANGED
    assert not again.on("snapshot", "web1").result["changed"]
    assert not [name for name in lab.stored() if name.startswith("packs/") and name not in before]
    # drift of each, in check mode first
    lab.change("web1")
    flags(web, dark=False)
    before = lab.stored()
    checked = lab.play(RUN, "--diff", check=True, env=DIRECT).ok()
    assert reasons(checked) == {"tier1": "drift", "tier2": "drift"}
    assert checked.on("snapshot", "web1").result["streams"][0]["changed_components"] == ["app", "said"]
    assert lab.stored() == before
    assert reasons(lab.play(RUN, "--diff", "-vvv", env=DIRECT).ok()) == {"tier1": "drift", "tier2": "drift"}
    lab.sound()
    if way == "local":
        _restores(lab)


def _restores(lab: Lab) -> None:
    under = f"{lab.path}/restored/{{{{ inventory_hostname }}}}"
    restore = {"name": "restore", "holdfast.config.restore": {"under": under, "newest": True}}
    # rooms where nothing of the sources is needed any more
    (lab.path / "daemon.pid").unlink()
    run = lab.play([restore]).ok()
    assert run.on("restore", "web1").result["equal"]
    texts = lab.path / "restored/web1/holdfast"
    assert (texts / "said/conf").read_text() == (lab.app("web1") / "app.conf").read_text()
    assert (texts / "daemon/environment").read_text() == f"INVOCATION_ID=1\nKEY={CANARY}\n"
    assert json.loads((texts / "flags/answer.json").read_text())["dark"] is False
    assert {path.stat().st_mode & 0o7777 for path in texts.rglob("*") if path.is_file()} == {0o600}
    assert not lab.play([restore]).ok().on("restore", "web1").result["changed"]


@pytest.mark.parametrize(
    ("component", "why"),
    [
        (
            {"commands": [{"name": "c", "argv": ["sh", "-c", f"echo {CANARY}; exit 4"]}]},
            "command c of component odd ended with status 4",
        ),
        ({"commands": [{"name": "c", "argv": ["sleep", "600"], "timeout": 1}]}, "did not end within 1 seconds"),
        ({"process": "no-such-process"}, "no process no-such-process runs"),
        ({"process": "python3", "user": "no-such-user"}, "this host has no user no-such-user"),
        ({"kind": "content"}, "A task pushes it"),
    ],
)
def test_what_cannot_be_had_fails_its_host_by_name(lab: Lab, component: dict[str, t.Any], why: str) -> None:
    lab.host_variables["web2"] = {
        "holdfast_components": [*lab.variables["holdfast_components"], {"name": "odd", **component}]
    }
    run = lab.play([OPEN, {**SNAPSHOT, "ignore_errors": True}, {**SEAL, "ignore_errors": True}])
    assert why in run.on("snapshot", "web2").message
    assert run.states("snapshot") == {"web1": "ok", "web2": "ignored"}
    assert why in run.lines()["web2"]["error"]
    assert not run.report["complete"]


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (Page(f"no: {CANARY}".encode(), 403), "answered with status 403"),
        (Page(f"<p>{CANARY}</p>".encode()), "is not JSON in UTF-8"),
        (Page(b'{"a": 1, "a": 2}'), "a name stands twice"),
        (Page(b"", 302, {"Location": f"http://localhost/{CANARY}"}), "leads to another host or scheme"),
    ],
)
def test_an_api_that_refuses_fails_the_host_without_what_it_says(
    lab: Lab, web: Web, authority: Authority, page: Page, why: str
) -> None:
    declare(lab, web, authority)
    del lab.variables["holdfast_components"][1:3]
    web.pages["/flags"] = page
    run = lab.play(RUN, "-vvvv", env=DIRECT)
    assert run.rc == 2
    assert why in run.on("snapshot", "web1").message
    assert web.host in run.on("snapshot", "web1").message


def test_a_certificate_that_nobody_named_is_not_believed(lab: Lab, web: Web, authority: Authority) -> None:
    declare(lab, web, authority)
    del lab.variables["holdfast_components"][1:3]
    del lab.variables["holdfast_components"][1]["ca_path"]
    assert "its certificate is not believed" in lab.play(RUN, env=DIRECT).on("snapshot", "web1").message
    assert web.asked == []


class TestPushed:
    """What tasks push beside what hosts give."""

    def test_in_an_open_point(self, lab: Lab, told: Path) -> None:
        tasks = [TELL, OPEN, push(text(), text("bmc", tier="tier0", owner="dc")), SNAPSHOT, SEAL]
        run = lab.play(tasks, "-vvvv", "--diff").ok()
        assert reasons(run, "push") == {"ilo": "first", "bmc": "first"}
        assert reasons(run) == {"tier1": "first"}
        assert run.on("push", "web1").result["changed"]
        (point,) = lab.points()
        assert point.statement.complete
        assert [(e.stream, e.retention_class) for e in point.body.streams if e.host == "web2"] == [
            ("bmc", "d0400"),
            ("ilo", "d0090"),
            ("tier1", "d0090"),
        ]
        assert run.lines()["web1"]["changed"] == 3
        again = lab.play(tasks, "-vvvv", "--diff").ok()
        assert reasons(again, "push") == {"ilo": "unchanged", "bmc": "unchanged"}
        assert not again.on("push", "web1").result["changed"]
        told.write_text(f"fan 2 of {CANARY}\n")
        before = lab.stored()
        # the task that tells does not run in check mode, and nothing is no text to store
        checked = lab.play(tasks, "-vvvv", "--diff", check=True)
        assert "check mode may have skipped it" in checked.on("push", "web1").message
        assert lab.stored() == before
        assert reasons(lab.play(tasks).ok(), "push") == {"ilo": "drift", "bmc": "drift"}
        lab.sound()

    def test_check_mode_says_what_would_be_stored(self, lab: Lab, told: Path) -> None:
        tell = {**TELL, "check_mode": False, "changed_when": False}
        before = lab.stored()
        run = lab.play([tell, OPEN, push(text()), SEAL], check=True).ok()
        assert [part["state"] for part in run.on("push", "web1").result["streams"]] == ["would_store"]
        assert lab.stored() == before

    def test_without_a_point_it_makes_its_own(self, lab: Lab, told: Path) -> None:
        run = lab.play([TELL, push(text())]).ok()
        assert {kept.result["recovery_point"] for kept in run.all("push")} == {point.id for point in lab.points()}
        streams = sorted([entry.key for entry in point.body.streams] for point in lab.points())
        assert streams == [[("web1", "ilo")], [("web2", "ilo")]]

    def test_no_host_is_reached_for_it(self, lab: Lab, told: Path) -> None:
        lab.variables |= {"ansible_connection": "ssh", "ansible_ssh_executable": "/bin/false"}
        here = {**TELL, "vars": {"ansible_connection": "local"}}
        run = lab.play([here, OPEN, push(text()), SEAL]).ok()
        assert reasons(run, "push") == {"ilo": "first"}
        delegated = push(text(), delegate_to="localhost")
        assert reasons(lab.play([here, OPEN, delegated, SEAL]).ok(), "push") == {"ilo": "unchanged"}

    def test_restored_it_is_a_file(self, lab: Lab, told: Path) -> None:
        lab.play([TELL, OPEN, push(text()), SNAPSHOT, SEAL]).ok()
        under = f"{lab.path}/restored/{{{{ inventory_hostname }}}}"
        restore = {"under": under, "newest": True, "components": ["ilo"]}
        run = lab.play([{"name": "restore", "holdfast.config.restore": restore}]).ok()
        assert run.on("restore", "web1").result["written"] == ["/holdfast/ilo/text"]
        assert (lab.path / "restored/web1/holdfast/ilo/text").read_text() == f"fan 1 of {CANARY}"

    @pytest.mark.parametrize("no_log", [False, True])
    def test_it_shows_nowhere_also_where_it_is_refused(self, lab: Lab, told: Path, no_log: bool) -> None:
        wrong = [
            push(text("tier1"), no_log=no_log),
            push({"name": "ilo", "text": {"a": "{{ told.stdout }}"}}, no_log=no_log),
            push({**text(), "tier": "none"}, no_log=no_log),
            {**push(), "holdfast.config.snapshot": {"content": "{{ told.stdout }}"}, "no_log": no_log},
            {**push(), "holdfast.config.snapshot": {"content": [text()], "wrong": "x"}, "no_log": no_log},
        ]
        for task in wrong:
            task["ignore_errors"] = True
        run = lab.play([TELL, OPEN, *wrong, {**SEAL, "ignore_errors": True}], "-vvvv", "--diff")
        messages = [kept.message for kept in run.all("push", "web1")]
        assert len(messages) == 5
        if not no_log:
            for message, why in zip(
                messages, ("a tier", "no text but a dict", "no tier", "no list", "wrong"), strict=True
            ):
                assert why in message

    def test_a_binary_text_and_an_empty_one(self, lab: Lab, told: Path) -> None:
        binary = {"name": "blob", "text": "{{ blob }}"}
        lab.variables["blob"] = f"\x01{CANARY}".encode()
        empty = {"name": "none", "text": ""}
        run = lab.play([OPEN, push(binary, {**empty, "allow_empty": True}), SEAL]).ok()
        assert reasons(run, "push") == {"blob": "first", "none": "first"}
        refused = lab.play([OPEN, push(empty), SEAL])
        assert "content[0] (none).text: is empty" in refused.on("push", "web1").message
