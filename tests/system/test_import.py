# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of Oxidized and of etckeeper are imported, looked at, compared and restored, beside runs of backups."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ..unit.plugins.plugin_utils.imports import sources
from .lab import CANARY, OPEN, SEAL, SNAPSHOT, Lab

T0, HOUR = sources.T0, sources.HOUR
COMPONENT = "imported-oxidized"


def restore(name: str, under: Path, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "holdfast.config.restore": {"under": str(under), **more}}


def test_oxidized_beside_backups(lab: Lab, tmp_path: Path) -> None:
    lab.play([OPEN, SNAPSHOT, SEAL]).ok()
    folder = sources.repository(tmp_path / "oxidized")
    for number, what in enumerate(["one", "two"]):
        text = f"hostname web1\ninterface Vlan1\n password {CANARY}\n description {what}\nend\n"
        sources.commit(folder, {"core/WEB1": text, "core/old-sw": text}, T0 + number * HOUR)
    given = (
        "-e",
        "import_tool=oxidized",
        "-e",
        f"import_path={folder}",
        "-e",
        '{"import_host_names": {"WEB1": "web1"}}',
    )

    looked = lab.play("holdfast.config.import", *given, check=True).ok()
    assert looked.on("Import").result["versions"] == 4
    assert [point.body.point for point in lab.points()] == ["main"]

    done = lab.play("holdfast.config.import", *given).ok()
    result = done.on("Import").result
    assert result["changed"]
    assert [(one["host"], one["versions"], one["last"]) for one in result["imported"]] == [
        ("old-sw", 2, "2024-05-01T09:00:00Z"),
        ("web1", 2, "2024-05-01T09:00:00Z"),
    ]
    assert result["not_in_inventory"] == ["old-sw"]
    assert all(len(line) <= 80 for line in result["report"])
    assert "imported 4 versions" in done.output
    sides = {"components": [COMPONENT], "time": "2024-05-01T08:00:00Z", "with_newest": True}
    options = {"tool": "oxidized", "path": str(folder), "host_names": {"WEB1": "web1"}}
    tasks = [
        {"name": "import again", "holdfast.config.import_backups": options},
        restore("restore all", tmp_path / "all", newest=True),
        restore("restore old", tmp_path / "old", components=[COMPONENT], time="2024-05-01T08:30:00Z"),
        {"name": "compare", "holdfast.config.compare": sides},
        {"name": "verify", "holdfast.config.verify": {"level": "signatures", "streams": True}},
    ]
    found = lab.play(tasks, "--limit", "web1").ok()
    again = found.on("import again").result
    assert (again["changed"], again["known"]) == (False, 4)
    # what a restore means by newest is what was captured
    assert "warnings" not in found.on("restore all").result
    assert not (tmp_path / "all" / "holdfast").exists()
    assert any("imported from oxidized: nobody signed it" in one for one in found.on("restore old").result["warnings"])
    assert "description one" in (tmp_path / "old" / "holdfast" / COMPONENT / "text").read_text()
    assert found.on("compare").result["different"] == 1
    assert any("imported from oxidized" in warning for warning in found.on("compare").result["warnings"])
    told = {one["stream"]: one["imported"] for one in found.on("verify").result["streams"]}
    assert told == {"tier1": "", COMPONENT: "oxidized"}
    lab.sound()


def test_etc_comes_back(lab: Lab, tmp_path: Path) -> None:
    folder = sources.repository(tmp_path / "etc")
    files = {"app/app.conf": f"# {CANARY}\n", ".etckeeper": "maybe chmod 0640 './app/app.conf'\n"}
    sources.commit(folder, files, T0)
    options = {"tool": "etckeeper", "path": str(folder), "host": "web1", "change": {"id": "CHG7"}}
    tasks = [
        {"name": "import", "holdfast.config.import_backups": options},
        restore("restore", tmp_path / "back", newest=True, components=["imported-etckeeper"]),
    ]
    done = lab.play(tasks, "--limit", "web1").ok()
    assert done.on("import").result["versions"] == 1
    assert done.on("restore").result["equal"]
    (point,) = lab.points()
    assert point.body.change_id == "CHG7"
    conf = tmp_path / "back" / "etc" / "app" / "app.conf"
    assert conf.stat().st_mode & 0o777 == 0o640
    lab.sound()


def test_what_is_no_source(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"no archive")
    before = lab.stored()
    wrong = [
        ({"tool": "etckeeper", "path": str(tmp_path), "host": "web1"}, "is no git repository"),
        ({"tool": "tar", "path": str(tmp_path / "none.tar"), "host": "web1"}, "is nothing of the controller"),
        ({"tool": "tar", "path": str(tmp_path / "x.tar")}, "whose an archive is"),
        ({"tool": "oxidized", "path": str(tmp_path), "component": "device"}, "is no name of what is imported"),
    ]
    tasks = [
        {"name": f"import {number}", "holdfast.config.import_backups": options, "ignore_errors": True, "run_once": True}
        for number, (options, _message) in enumerate(wrong)
    ]
    done = lab.play(tasks)
    for number, (_options, message) in enumerate(wrong):
        assert message in done.on(f"import {number}").message
    assert lab.stored() == before
