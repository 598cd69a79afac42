# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change over a shell of the device's host, with a real shell, and a program that copies a file."""

from __future__ import annotations

import dataclasses
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.device_change import Order
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.host_reload import ReloadChange
from ansible_collections.holdfast.config.plugins.plugin_utils.capture.session import Session
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import PolicyError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.platform import Item, Platform, Reload, Rule
from ansible_collections.holdfast.config.tests.lab.sshd import wait_for

from .routers import TYPED

BEFORE = b"! a header\nversion 1\nhostname before\nend\n"
WANTED = b"! a header\nversion 1\nhostname wanted\nend\n"


class Shell(Session):
    """A shell of this machine, whose device has its configuration in a file."""

    def __init__(self, running: Path) -> None:
        self.running = running

    @property
    def has_shell(self) -> bool:
        return True

    def run(self, command: str, text: bytes = b"") -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-c", command], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout.decode()

    def read(self, item: Item) -> bytes:
        return b"! a header\n" + self.running.read_bytes() + b"end\n"

    def say(self, command: str, answers: Mapping[str, str] | None = None) -> str:
        raise AssertionError("nothing is typed")

    def put(self, path: str, text: bytes) -> None:
        raise AssertionError("no file is put past the shell")

    def close(self) -> None:
        """Nothing to end."""


class Bench:
    """A device before its change, and its platform."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running = folder / "running"
        self.running.write_bytes(b"version 1\nhostname before\n")
        reload = Reload(
            "device.conf",
            check="grep -q ^version {folder}/device.conf",
            apply=f"if grep ^bad {{folder}}/device.conf; then false; else cp {{folder}}/device.conf {self.running}; fi",
            partial=(Rule("^bad", "simulated", "this test"),),
        )
        restore = TYPED.restore
        assert restore is not None
        item = Item("running", "show", "All of it", begin="^version", end="^end$")
        self.platform: Platform = dataclasses.replace(
            TYPED, items=(item,), restore=dataclasses.replace(restore, reload=reload, item="running")
        )
        self.orders: list[Order] = []

    def change(self, text: bytes) -> ReloadChange:
        self.orders.append(Order(secrets.token_hex(8), 30))
        return ReloadChange(Shell(self.running), self.platform, self.orders[-1], text, f"{self._folder}/change-")

    def folder(self) -> Path:
        return self._folder / f"change-{self.orders[-1].id}"

    def has(self) -> str:
        return self.running.read_text().split()[-1]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.change(b"").settle()


def timer_of(folder: Path) -> Path:
    return Path("/proc") / (folder / "pid").read_text().strip()


def test_what_is_confirmed_stays_and_nothing_else_does(bench: Bench) -> None:
    change = bench.change(WANTED)
    assert change.prepare() == ()
    assert bench.has() == "before"
    assert [path.stat().st_mode & 0o077 for path in (bench.folder(), *bench.folder().rglob("*"))] == [0] * 7
    assert change.apply() == ()
    assert bench.has() == "wanted"
    assert bench.running.read_text() == "version 1\nhostname wanted\n"
    timer = timer_of(bench.folder())
    again = change.over(Shell(bench.running))
    assert again.confirm() == ()
    again.discard()
    assert not bench.folder().exists()
    wait_for(lambda: not timer.exists(), "the timer to end")
    assert bench.has() == "wanted"


def let_time_go_by(folder: Path) -> None:
    """Let the timer end."""
    subprocess.run(["pkill", "-P", (folder / "pid").read_text().strip(), "sleep"], check=True)


def test_a_timer_that_ends_puts_back_what_was_before(bench: Bench) -> None:
    change = bench.change(WANTED)
    assert (change.prepare(), change.apply(), bench.has()) == ((), (), "wanted")
    let_time_go_by(bench.folder())
    wait_for(lambda: not bench.folder().exists(), "the timer to end")
    assert bench.has() == "before"
    assert change.confirm() != ()


def test_texts_of_a_change_that_was_never_made_are_removed_by_the_timer(bench: Bench) -> None:
    change = bench.change(WANTED)
    assert change.prepare() == ()
    let_time_go_by(bench.folder())
    wait_for(lambda: not bench.folder().exists(), "the timer to end")
    assert change.apply() != ()
    assert bench.has() == "before"


def test_what_is_taken_back_needs_no_timer(bench: Bench) -> None:
    change = bench.change(WANTED)
    assert (change.prepare(), change.apply(), change.revert()) == ((), (), ())
    change.discard()
    assert (bench.has(), bench.folder().exists()) == ("before", False)


@pytest.mark.parametrize(("text", "step"), [(b"nothing", "prepare"), (b"version 1\nbad line\nend\n", "apply")])
def test_a_refusal_names_what_was_said(bench: Bench, text: bytes, step: str) -> None:
    change = bench.change(text)
    refused = change.prepare() or change.apply()
    assert (step == "apply") == (refused[0].said == ("bad line",))
    assert (bench.has(), "bad" in repr(refused)) == ("before", False)
    assert step == "prepare" or change.revert() == ()
    change.discard()
    assert not bench.folder().exists()


def test_a_change_that_cannot_go_back_keeps_its_timer(bench: Bench) -> None:
    change = bench.change(WANTED)
    assert (change.prepare(), change.apply()) == ((), ())
    (bench.folder() / "before" / "device.conf").write_text("version 1\nbad line\n")
    assert change.revert() != ()
    change.discard()
    assert (bench.folder() / "armed").exists()
    assert bench.change(b"").settle()


def test_the_next_change_stops_the_timer_of_one_that_nobody_ends(bench: Bench) -> None:
    change = bench.change(WANTED)
    assert (change.prepare(), change.apply()) == ((), ())
    folder = bench.folder()
    timer = timer_of(folder)
    assert bench.change(BEFORE).settle()
    wait_for(lambda: not timer.exists(), "the timer to end")
    assert (bench.has(), folder.exists()) == ("wanted", False)
    assert not bench.change(BEFORE).settle()


def test_a_folder_that_somebody_made_before_is_refused(bench: Bench) -> None:
    change = bench.change(WANTED)
    bench.folder().mkdir()
    assert change.prepare() != ()


def test_a_command_that_is_no_template_is_refused_at_once(bench: Bench) -> None:
    restore = bench.platform.restore
    assert restore is not None
    assert restore.reload is not None
    wrong = dataclasses.replace(restore, reload=dataclasses.replace(restore.reload, check="{file}"))
    with pytest.raises(PolicyError, match="no template"):
        ReloadChange(Shell(bench.running), dataclasses.replace(bench.platform, restore=wrong), Order("0", 1))
