# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore below another root, and verify."""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import Lab, Run, tree

LAST_SECOND = "%Y-%m-%dT%H:%M:%SZ"


def restore(name: str = "restore", **options: t.Any) -> dict[str, t.Any]:
    """A restore below the folder ``restored`` of the lab, one folder a host."""
    return {"name": name, "holdfast.config.restore": {"under": "{{ restored }}/{{ inventory_hostname }}", **options}}


def back(lab: Lab, target: str, source: str | None = None) -> dict[str, str]:
    """What came back on *target* of *source*'s component."""
    return tree(Path(lab.variables["restored"]) / target / str(lab.app(source or target)).lstrip("/"))


@pytest.fixture(scope="module")
def sealed(new_lab: Callable[[int], Lab]) -> tuple[Lab, Run, dict[str, dict[str, str]]]:
    """Two hosts, backed up; web1 changed and backed up again; and what web1 held each time."""
    lab = new_lab(2)
    lab.variables["restored"] = str(lab.path / "restored")
    first = lab.play("holdfast.config.backup").ok()
    held = {"first": tree(lab.app("web1"))}
    lab.change("web1")
    lab.play("holdfast.config.backup").ok()
    held["second"] = tree(lab.app("web1"))
    assert held["first"] != held["second"]
    return lab, first, held


@pytest.fixture
def restored(sealed: tuple[Lab, Run, dict[str, dict[str, str]]]) -> tuple[Lab, Run, dict[str, dict[str, str]]]:
    """As ``sealed``, with nothing restored yet."""
    shutil.rmtree(sealed[0].variables["restored"], ignore_errors=True)
    return sealed


def test_a_restore_is_checked_then_changes_then_does_not(
    restored: tuple[Lab, Run, dict[str, dict[str, str]]],
) -> None:
    lab, _first, held = restored
    before = lab.stored()
    checked = lab.play([restore(newest=True)], "--diff", check=True).ok()
    result = checked.on("restore", "web1").result
    app = str(lab.app("web1"))
    assert (result["changed"], result["equal"], result["record"]) == (True, False, "")
    assert {app, f"{app}/app.conf", f"{app}/keys/tls.key", f"{app}/current", f"{app}/empty"} <= set(result["written"])
    assert f"+'{app}/app.conf' (as sealed)" in checked.output
    assert not Path(lab.variables["restored"]).exists()
    assert lab.stored() == before

    done = lab.play([restore(newest=True)], "--diff").ok()
    assert done.on("restore", "web1").result["written"] == result["written"]
    assert done.on("restore", "web1").result["equal"]
    assert f"-'{app}/app.conf' (missing)" in done.output
    assert back(lab, "web1") == held["second"]
    assert back(lab, "web2") == tree(lab.app("web2"))
    put = {path.partition("/")[0] for path in lab.stored().keys() - before.keys() if "@" in path}
    assert put == {"records"}

    damaged = Path(lab.variables["restored"]) / "web1" / app.lstrip("/")
    (damaged / "app.conf").write_text("damaged\n")
    (damaged / "keys" / "tls.key").chmod(0o644)
    (damaged / "extra").touch()
    (damaged / "empty").rmdir()
    mended = lab.play([restore(newest=True), restore("again", newest=True)], "--limit", "web1").ok()
    result = mended.on("restore").result
    assert {f"{app}/app.conf", f"{app}/keys/tls.key", f"{app}/empty"} <= set(result["written"])
    assert f"{app}/current" not in result["written"]
    assert result["extra"] == [f"{app}/extra"]
    again = mended.on("again").result
    assert (again["changed"], again["written"], again["equal"]) == (False, [], True)
    assert again["record"] != result["record"]


def test_a_restore_takes_what_is_selected(restored: tuple[Lab, Run, dict[str, dict[str, str]]]) -> None:
    lab, first, held = restored
    early, late = lab.points()
    entries = {entry.host: entry for entry in early.body.streams}
    moments = [point.statement.sealed_at.strftime(LAST_SECOND) for point in (early, late)]
    assert early.id == first.report["id"]
    under = {
        "point": {"recovery_point": early.id[:12]},
        "snapshot": {"snapshot": entries["web1"].manifest.sha256},
        "early": {"time": moments[0]},
        "late": {"time": moments[1], "components": ["app"]},
    }
    tasks = [
        restore(name, under=f"{lab.variables['restored']}/{name}/web1", **options) for name, options in under.items()
    ]
    run = lab.play(tasks, "--limit", "web1").ok()
    root = Path(lab.variables["restored"])
    for name in under:
        wanted = held["second"] if name == "late" else held["first"]
        assert tree(root / name / "web1" / str(lab.app("web1")).lstrip("/")) == wanted
        assert run.on(name).result["equal"]


def test_a_host_is_restored_to_another(restored: tuple[Lab, Run, dict[str, dict[str, str]]]) -> None:
    lab, _first, held = restored
    run = lab.play([restore(newest=True, source_host="web1", change={"id": "CHG7"})], "--limit", "web2").ok()
    assert back(lab, "web2", "web1") == held["second"]
    record = lab.record(run.on("restore").result["record"])
    assert (record.kind, record.subject["host"]) == ("restore", "web1")
    assert (record.detail["target_host"], record.detail["result"]) == ("web2", "equal")
    assert record.detail["change"] == {"id": "CHG7"}


def test_a_restore_does_not_write_through_links(restored: tuple[Lab, Run, dict[str, dict[str, str]]]) -> None:
    lab, _first, _held = restored
    outside = lab.path / "outside"
    outside.mkdir()
    component = Path(lab.variables["restored"]) / "web1" / str(lab.app("web1")).lstrip("/")
    component.mkdir(parents=True)
    (component / "keys").symlink_to(outside)
    run = lab.play([restore(newest=True)], "--limit", "web1")
    assert run.rc == 2
    assert f"{lab.app('web1')}/keys" in run.on("restore").message
    assert "nothing was written" in run.on("restore").message
    assert not list(outside.iterdir())
    assert list(component.iterdir()) == [component / "keys"]


def verify(level: str) -> dict[str, t.Any]:
    """A verification, once."""
    return {"name": level, "holdfast.config.verify": {"level": level}, "run_once": True, "ignore_errors": True}


LEVELS = ("names", "signatures", "content", "keys")


def test_verify_finds_a_sound_repository_sound_and_changes_nothing(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    before = lab.stored()
    run = lab.play([verify(level) for level in LEVELS], "--diff", check=True).ok()
    for level in LEVELS:
        result = run.on(level).result
        assert (result["changed"], result["sound"], result["level"]) == (False, True, level)
        assert "diff" not in result
    assert run.on("names").result["objects"] == len([path for path in before if "@" in path])
    assert [run.on(level).result["packs_opened"] for level in LEVELS] == [0, 0, 0, 2]
    (point,) = run.on("keys").result["recovery_points"]
    assert (point["complete"], point["streams"]) == (True, 2)
    assert lab.stored() == before
    assert not run.reports


def test_verify_of_a_tampered_repository_fails_with_item_and_remedy(lab: Lab) -> None:
    lab.play("holdfast.config.backup").ok()
    (pack,) = (lab.path / "repository").glob("packs/d0090/web1/*/*@*")
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)
    name = str(pack.relative_to(lab.path / "repository")).partition("@")[0]

    run = lab.play("holdfast.config.verify")
    assert run.rc == 2
    failed = run.on("Verify")
    assert "repository lab" in failed.message
    assert name in failed.message
    assert failed.result["remedy"] in failed.message
    assert failed.result["remedy"]
    (finding,) = [found for found in failed.result["findings"] if found["severity"] == "error"]
    assert finding["item"] == name
    assert not failed.result["sound"]

    refused = lab.play([restore(newest=True, under=f"{lab.path}/restored/{{{{ inventory_hostname }}}}")])
    assert refused.rc == 2
    assert refused.states("restore") == {"web1": "failed", "web2": "ok"}
    assert name in refused.on("restore", "web1").message
    assert not (lab.path / "restored" / "web1").exists()
