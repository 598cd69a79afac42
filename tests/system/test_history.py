# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened to a file is told without a key; one file is taken out with it, and shows nowhere."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import os
import shutil
import typing as t
from collections.abc import Callable

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring.local import LocalKeyring

from .lab import CANARY, NAME, Lab, Run, tree

ODD = "line\nbreak.conf"
BYTES = b"\xff" + CANARY.encode()


@dataclasses.dataclass
class Setting:
    """A host that was backed up three times under tickets; the ids of its points, and what its file held each time."""

    lab: Lab
    points: list[str]
    held: list[str]


@pytest.fixture(scope="module")
def setting(new_lab: Callable[[int], Lab]) -> Setting:
    lab, held, tasks = new_lab(1), [], []
    app = lab.app("web1")
    (app / ODD).write_text(CANARY)
    (app / "bytes").write_bytes(BYTES)
    os.link(app / "bytes", app / "same")
    lab.variables |= {"holdfast_aliases": {"pattern": "semver"}, "app": str(app)}
    for number, alias in enumerate(("", "v1.4.2", "")):
        held.append(f"# {CANARY}\nversion = {number}\n")
        edited = lab.path / f"edited{number}"
        edited.write_text(held[number])
        mode = "0600" if number == 2 else "0644"
        point = {
            "name": f"p{number}",
            "change": {"id": f"CHG{number}", "deployment": f"D{number}"},
            **({"alias": alias} if alias else {}),
        }
        tasks += [
            {
                "name": "edit",
                "ansible.builtin.command": {"argv": ["install", "-m", mode, str(edited), f"{app}/app.conf"]},
            },
            {"name": "open", "holdfast.config.recovery_point": {"state": "open", **point}},
            {"name": "snapshot", "holdfast.config.snapshot": {"point": f"p{number}"}},
            {"name": "seal", "holdfast.config.recovery_point": {"state": "sealed", "name": f"p{number}"}},
        ]
    lab.play(tasks).ok()
    return Setting(lab, [point.id for point in sorted(lab.points(), key=lambda point: point.body.point)], held)


def test_an_auditor_without_a_key_sees_when_a_file_changed_and_by_which_ticket(setting: Setting) -> None:
    lab = setting.lab
    path = str(lab.app("web1") / "app.conf")
    before, kept = lab.stored(), lab.variables["holdfast_repository"]
    lab.variables["holdfast_repository"] = {name: kept[name] for name in ("name", "url")}
    run = lab.play("holdfast.config.history", "-e", f"path={path}").ok()
    lab.variables["holdfast_repository"] = kept
    result = run.on("Look at what snapshots say of it").result
    assert [(one["status"], one["what"], one["change_id"]) for one in result["changes"]] == [
        ("first seen", [], "CHG0"),
        ("changed", ["content"], "CHG1"),
        ("changed", ["content", "mode"], "CHG2"),
    ]
    assert [one["recovery_point"] for one in result["changes"]] == setting.points
    assert [one["alias"] for one in result["changes"]] == ["", "v1.4.2", ""]
    assert not result["changed"]
    assert all(len(line) <= 80 for line in result["report"])
    assert "\n                      change CHG1, deployment D1, by " in run.output
    assert "\n".join(result["report"]) in run.output
    assert lab.stored() == before


def look(path: str, **options: t.Any) -> str:
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    return "{{ lookup('holdfast.config.snapshot_file', " + path + given + ") }}"


def same(name: str, path: str, expected: str, **options: t.Any) -> dict[str, t.Any]:
    """A task that fails unless a file of a snapshot is what was expected, and shows neither."""
    return {
        "name": name,
        "ansible.builtin.assert": {"that": ["found == expected"], "quiet": True},
        "vars": {"found": look(path, **options), "expected": expected},
        "no_log": True,
    }


def test_a_file_is_what_the_snapshot_that_is_meant_holds_and_nothing_stays_on_disk(setting: Setting) -> None:
    lab, (first, second, third) = setting.lab, setting.held
    conf, binary = "app ~ '/app.conf'", base64.b64encode(BYTES).decode()
    before = {name: tree(lab.path / name) for name in ("state", "home", "repository")}
    tasks = [
        same("newest", conf, third, newest=True),
        same("change", conf, first, change_id="CHG0"),
        same("alias", conf, second, alias="v1.4.2", component="app"),
        same("point", conf, second, recovery_point=setting.points[1], host="web1"),
        same("odd", f"app ~ '/{ODD}'", CANARY, newest=True),
        same("bytes", "app ~ '/bytes'", binary, newest=True, encoding="base64"),
        same("same", "app ~ '/same'", binary, newest=True, encoding="base64"),
        {
            "name": "take it back",
            "ansible.builtin.copy": {
                "content": look(conf, change_id="CHG1", point_name="p1"),
                "dest": f"{lab.path}/back",
                "mode": "0644",
            },
            "no_log": True,
        },
    ]
    lab.play(tasks, "-vvv").ok()
    assert (lab.path / "back").read_text() == second
    assert {name: tree(lab.path / name) for name in before} == before


REFUSED: dict[str, tuple[str, dict[str, t.Any], str]] = {
    "wrong path": ("app ~ '/gone'", {"newest": True}, "no such path in the snapshots that are meant"),
    "a folder": ("app ~ '/keys'", {"newest": True}, "is a folder there, and no file"),
    "a link": ("app ~ '/current'", {"newest": True}, "is a symbolic link there, and no file"),
    "no text": ("app ~ '/bytes'", {"newest": True}, "is no text in UTF-8"),
    "not said": ("app ~ '/app.conf'", {}, "which snapshot is meant is not said once"),
    "said twice": ("app ~ '/app.conf'", {"newest": True, "alias": "v1.4.2"}, "is not said once"),
    "misspelt": ("app ~ '/app.conf'", {"newset": True}, "snapshot_file has no option newset"),
    "nobody": ("app ~ '/app.conf'", {"newest": True, "host": "nobody"}, "no recovery point holds a snapshot"),
    "relative": ("'app.conf'", {"newest": True}, "is not a path"),
}


def test_what_cannot_be_given_is_refused_and_shows_nothing(setting: Setting) -> None:
    tasks = [
        {
            "name": name,
            "ansible.builtin.set_fact": {"never": look(path, **options)},
            "ignore_errors": True,
        }
        for name, (path, options, _said) in REFUSED.items()
    ]
    run = setting.lab.play(tasks).ok()
    for name, (_path, _options, said) in REFUSED.items():
        assert run.on(name).status == "ignored", name
        assert said in run.on(name).message


@pytest.fixture(scope="module")
def without_key(setting: Setting) -> Run:
    """Tasks without the open half, and then with that of another keyring."""
    lab = setting.lab
    half, kept = lab.path / "keyring" / "open", lab.path / "kept"
    now = dt.datetime.now(dt.timezone.utc)
    LocalKeyring(lab.path / "another").create(
        repository=NAME, classes=["d0030", "d0090", "d0400"], first_year=now.year, years=2, now=now
    )
    content = {"ansible.builtin.set_fact": {"never": look("app ~ '/app.conf'", newest=True)}, "ignore_errors": True}
    tasks = [
        {"name": "none", **content},
        {"name": "component", "holdfast.config.file_history": {"component": "app"}, "check_mode": True},
        {"name": "odd", "holdfast.config.file_history": {"path": f"{{{{ app }}}}/{ODD}", "host": "web1"}},
        {
            "name": "wrong",
            "holdfast.config.file_history": {"path": "/etc/nowhere"},
            "ignore_errors": True,
        },
        {"name": "copy", "ansible.builtin.command": {"argv": ["cp", "-r", f"{lab.path}/another/open", str(half)]}},
        {"name": "another", **content},
    ]
    half.rename(kept)
    try:
        return lab.play(tasks).ok()
    finally:
        shutil.rmtree(half, ignore_errors=True)
        kept.rename(half)


def test_who_lacks_the_open_half_or_has_another_one_gets_nothing(without_key: Run) -> None:
    for name in ("none", "another"):
        assert without_key.on(name).status == "ignored"
        assert "snapshot_file" in without_key.on(name).message


def test_a_component_and_a_name_that_no_terminal_should_get(without_key: Run) -> None:
    changes = without_key.on("component").result["changes"]
    assert [one["status"] for one in changes] == ["first seen", "changed", "changed"]
    assert [path.rsplit("/", 1)[1] for path in changes[1]["paths"]] == ["app.conf"]
    odd = without_key.on("odd").result
    assert [one["status"] for one in odd["changes"]] == ["first seen"]
    assert odd["path"].endswith("line\\nbreak.conf")
    assert "no snapshot of this host declares it" in without_key.on("wrong").message


def opened(name: str, **options: t.Any) -> dict[str, t.Any]:
    task = {"holdfast.config.recovery_point": {"state": "open", **options}, "ignore_errors": True, "run_once": True}
    return {"name": name, **task}


def test_an_alias_is_what_the_policy_says_and_nobodys_else(setting: Setting) -> None:
    lab = setting.lab
    before = lab.stored()
    tasks = [
        opened("form", alias="latest"),
        opened("taken", alias="1.4.2"),
        {"name": "wrong", "ansible.builtin.set_fact": {"holdfast_aliases": {"pattern": "semantic"}}},
        {"name": "lint", "holdfast.config.policy_info": {}, "run_once": True},
        opened("policy"),
    ]
    run = lab.play(tasks).ok()
    assert "the alias latest is not semver, as holdfast_aliases says" in run.on("form").message
    said = f"recovery point {setting.points[1]} has the alias v1.4.2, for which people would take 1.4.2: "
    assert said in run.on("taken").message
    findings = run.on("lint").result["findings"]
    problem = "semantic is no kind of alias"
    assert [one["problem"] for one in findings if one["key"] == "holdfast_aliases.pattern"] == [problem]
    assert problem in run.on("policy").message
    assert lab.stored() == before
