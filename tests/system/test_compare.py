# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare sealed configuration with hosts as they are, and snapshots with one another."""

from __future__ import annotations

import dataclasses
import shutil
import stat
import typing as t
from collections.abc import Callable

import pytest

from .lab import CANARY, Lab, Run, Task, tree


def compare(name: str = "compare", **options: t.Any) -> dict[str, t.Any]:
    return {"name": name, "holdfast.config.compare": options}


def told(task: Task) -> list[tuple[str, str, list[str]]]:
    """What differs: the last part of each path, and in what."""
    return [(one["path"].rsplit("/", 1)[1], one["status"], one["what"]) for one in task.result["differences"]]


@dataclasses.dataclass
class Setting:
    """Two hosts that were backed up twice, with a change of web1 between; ``points`` are the ids of the two points."""

    lab: Lab
    points: list[str]


@pytest.fixture(scope="module")
def backed_up(new_lab: Callable[[int], Lab]) -> Setting:
    lab = new_lab(2)
    # what the lab looks for in all output is a secret of the component
    component = {**lab.variables["holdfast_components"][0], "secrets": [f"(?P<secret>{CANARY})"]}
    lab.variables["holdfast_components"] = [component]
    lab.play("holdfast.config.backup").ok()
    lab.change("web1")
    lab.play("holdfast.config.backup").ok()
    first, second = lab.points()
    return Setting(lab, [first.id, second.id])


@pytest.fixture
def setting(backed_up: Setting) -> t.Iterator[Setting]:
    """As it was backed up last."""
    app, kept = backed_up.lab.app("web1"), backed_up.lab.path / "kept"
    shutil.copytree(app, kept, symlinks=True)
    yield backed_up
    shutil.rmtree(app)
    kept.rename(app)


def spoil(lab: Lab) -> None:
    """Let web1 drift: a changed file with a secret, one more, one less, another mode."""
    app = lab.app("web1")
    (app / "app.conf").write_text(f"# {CANARY} web1\nlisten = 9443\npassword = another-{CANARY}\n")
    (app / "keys" / "tls.key").write_text(f"-----BEGIN {CANARY}-----\nanother\n")
    (app / "more.conf").write_text("more = 1\n")
    (app / "current").unlink()
    (app / "empty").chmod(0o700)


SPOILT = [
    ("app.conf", "changed", ["content"]),
    ("current", "removed", []),
    ("empty", "changed", ["mode"]),
    ("tls.key", "changed", ["content"]),
    ("more.conf", "added", []),
]


def test_a_host_is_compared_and_nothing_changes_anywhere(setting: Setting) -> None:
    lab = setting.lab
    spoil(lab)
    before = lab.stored(), tree(lab.app("web1"))
    for check in (False, True):
        run = lab.play([compare(newest=True)], check=check).ok()
        web1, web2 = run.on("compare", "web1"), run.on("compare", "web2")
        assert (web1.status, web1.result["drift"], web1.result["changed"]) == ("ok", True, False)
        assert told(web1) == SPOILT
        assert web1.result["proof"] == "digests"
        assert (web1.result["different"], web1.result["unchanged"]) == (5, 2)
        assert (web2.result["drift"], web2.result["differences"]) == (False, [])
        assert "diff" not in web1.result
    assert (lab.stored(), tree(lab.app("web1"))) == before


def test_in_diff_mode_it_prints_what_differs_with_secrets_masked(setting: Setting) -> None:
    spoil(setting.lab)
    run = setting.lab.play([compare(newest=True)], "--diff").ok()
    for words in (
        "-listen = 9090\n+listen = 9443\n+password = <secret>\n",
        " # <secret> web1\n",
        "+more = 1\n",
        "content differs, not shown (private)",
    ):
        assert words in run.output
    (diff,) = run.on("compare", "web1").result["diff"]
    assert "+listen = 9443\n" in diff["prepared"]
    assert run.on("compare", "web1").result["proof"] == "content"
    assert run.on("compare", "web2").result["diff"] == []


def test_no_log_keeps_the_diff_to_itself(setting: Setting) -> None:
    spoil(setting.lab)
    run = setting.lab.play([{**compare(newest=True), "no_log": True}], "--diff").ok()
    assert "listen" not in run.output


def test_a_play_branches_on_drift_and_a_task_fails_on_it(setting: Setting) -> None:
    spoil(setting.lab)
    run = setting.lab.play(
        [
            {**compare(newest=True), "register": "compared"},
            {"name": "branch", "ansible.builtin.debug": {"msg": "drift"}, "when": "compared.drift"},
            compare("gate", newest=True, fail_on_drift=True),
        ]
    )
    assert run.states("branch") == {"web1": "ok", "web2": "skipped"}
    assert run.states("gate") == {"web1": "failed", "web2": "ok"}
    gate = run.on("gate", "web1")
    assert gate.message.startswith("5 paths differ between web1, sealed at ")
    assert told(gate) == SPOILT


def test_two_recovery_points_are_compared_without_any_key(setting: Setting) -> None:
    lab, (first, second) = setting.lab, setting.points
    keyring = lab.path / "keyring"
    keyring.rename(lab.path / "away")
    try:
        run = lab.play([compare(recovery_point=first, with_recovery_point=second)]).ok()
    finally:
        (lab.path / "away").rename(keyring)
    assert told(run.on("compare", "web1")) == [("app.conf", "changed", ["content"])]
    assert run.on("compare", "web2").result["drift"] is False


def test_two_hosts_are_compared(new_lab: Callable[[int], Lab]) -> None:
    lab = new_lab(2)
    shared = lab.path / "shared"
    shared.mkdir()
    lab.variables["holdfast_components"] = [{"name": "app", "paths": [str(shared)]}]
    for host in ("web1", "web2"):
        (shared / "app.conf").write_text(f"name = {host}\n")
        lab.play("holdfast.config.backup", "--limit", host).ok()
    task = {**compare(source_host="web1", newest=True, with_host="web2", with_newest=True), "run_once": True}
    run = lab.play([task], "--diff").ok()
    result = run.on("compare").result
    assert (result["left"]["host"], result["right"]["host"], result["proof"]) == ("web1", "web2", "content")
    assert told(run.on("compare")) == [("app.conf", "changed", ["content"])]
    assert "-name = web1\n+name = web2\n" in run.output
    # a host as it is, and another one's snapshots
    run = lab.play([compare(source_host="web1", newest=True)]).ok()
    assert [task.result["drift"] for task in run.all("compare")] == [True, True]


def test_a_page_is_written_for_each_host(setting: Setting) -> None:
    lab = setting.lab
    spoil(lab)
    run = lab.play([compare(newest=True, html=f"{lab.path}/{{{{ inventory_hostname }}}}.html")]).ok()
    page = lab.path / "web1.html"
    assert run.on("compare", "web1").result["html"] == str(page)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert "+listen = 9443" in page.read_text()
    assert CANARY not in page.read_text()
    assert "No drift" in (lab.path / "web2.html").read_text()


@pytest.mark.parametrize("way", ["over_ssh", "without_stdin"])
def test_every_way_to_a_host_compares_alike(setting: Setting, way: str) -> None:
    lab = setting.lab
    spoil(lab)
    before = dict(lab.variables)
    try:
        getattr(lab, way)()
        run = lab.play([compare(newest=True)], "--diff").ok()
    finally:
        lab.variables = before
    assert told(run.on("compare", "web1")) == SPOILT
    assert "+listen = 9443" in run.output


def playbook(lab: Lab, *variables: str) -> Run:
    return lab.play("holdfast.config.compare", *(word for one in variables for word in ("-e", one)))


def test_the_playbook_shows_what_differs(setting: Setting) -> None:
    spoil(setting.lab)
    run = playbook(setting.lab, "compare_newest=true", "compare_hosts=web1").ok()
    # as lines, not as JSON
    line = f"\nchanged {setting.lab.app('web1')}/app.conf: content\n"
    assert run.output.count(line) == 1
    with_diff = setting.lab.play(
        "holdfast.config.compare", "-e", "compare_newest=true", "--limit", "web1", "--diff"
    ).ok()
    assert with_diff.output.count(line.rstrip()) == 1
    assert "\n+listen = 9443" in with_diff.output
    run = playbook(setting.lab, "compare_newest=true", "compare_fail_on_drift=true")
    assert run.states("Compare") == {"web1": "failed", "web2": "ok"}
    # who fails by drift sees all of it, too
    assert run.output.count(line) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "which snapshot"),
        ({"newest": True, "with_host": "web2"}, "which snapshot of the other host is meant is not said"),
        ({"newest": True, "components": ["nothing"]}, "no component nothing"),
        ({"newest": True, "paths": ["/nowhere"]}, "no path on either side matches '/nowhere'"),
        ({"newest": True, "html": "/nowhere/at/all.html"}, "the page cannot be written"),
    ],
)
def test_what_cannot_be_compared_fails_with_one_sentence(
    setting: Setting, options: dict[str, t.Any], words: str
) -> None:
    run = setting.lab.play([compare(**options)])
    assert run.states("compare") == {"web1": "failed", "web2": "failed"}
    assert words in run.on("compare", "web1").message
