# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes missing under a run must never make it seal less, or more, than is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import CaptureError, RunError
from ansible_collections.holdfast.config.plugins.plugin_utils.model.policy import read_policy
from ansible_collections.holdfast.config.plugins.plugin_utils.model.verification import Level, Severity
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import run_folder
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import HostSite, MemorySource

from .lab import FILES, Lab


@pytest.mark.parametrize("lost", ["packs", "manifests"])
def test_what_a_medium_lost_is_stored_anew_and_told(file_lab: Lab, lost: str) -> None:
    source = MemorySource(FILES)
    file_lab.run(source)
    victim = next(path for path in Path(file_lab.store.root).glob(f"{lost}/d0090/**/*") if path.is_file())
    victim.unlink()
    folder = file_lab.folder()
    opened = file_lab.open(folder)
    assert [note for note in opened.notes if note.endswith("of h/tier1 is gone")]
    receipt = file_lab.snapshot(folder, source)
    assert {part.stream: part.reason for part in receipt.streams} == {"tier1": "first", "tier2": "unchanged"}
    file_lab.seal(folder)
    errors = [f for f in file_lab.verify(Level.KEYS).findings if f.severity is Severity.ERROR]
    assert errors
    assert {finding.item.split("/")[0] for finding in errors} <= {"packs", "manifests"}


def test_live_streams_that_are_gone_are_no_empty_repository(lab: Lab) -> None:
    """A full body without them would hide every other host."""
    lab.run({"a": MemorySource(FILES), "b": MemorySource(FILES)})
    folder = lab.folder()
    lab.open(folder, "a")
    assert {entry.host for entry in folder.read_live()[0]} == {"a", "b"}
    (folder.path / "live.json").unlink()
    with pytest.raises(RunError, match="live streams of this run are gone"):
        folder.read_live()


def test_a_sweep_leaves_the_folders_of_runs_that_may_live(tmp_path: Path) -> None:
    run_folder.claim(tmp_path, "0" * 16, os.getpid())
    keys = tmp_path / "runs" / ("0" * 16) / "main" / "hosts"
    for claimed in (None, b"", b'{"pid": 1', b'{"pid": 999999, "where": "another table"}'):
        keys.mkdir(parents=True, exist_ok=True)
        if claimed is not None:
            (keys.parents[1] / "controller.json").write_bytes(claimed)
        run_folder.sweep(tmp_path, keep="f" * 16)
        assert keys.exists()


def test_components_that_are_no_tree_together_are_refused_before_they_are_sealed(file_lab: Lab, tmp_path: Path) -> None:
    site = HostSite(tmp_path / "host")
    app = tmp_path / "host" / "etc" / "release"
    (app / "v1").mkdir(parents=True)
    (app / "v1" / "x.conf").write_text("x\n")
    (app / "current").symlink_to("v1")
    policy = read_policy(
        host="h",
        components=[
            {"name": "base", "paths": ["/etc/release"]},
            {"name": "conf", "paths": ["/etc/release/current/x.conf"]},
        ],
    )
    folder = file_lab.folder()
    file_lab.open(folder)
    with pytest.raises(CaptureError, match="component conf holds a path below '/etc/release/current', which component"):
        file_lab.snapshot(folder, site.source, policy=lambda: policy)
