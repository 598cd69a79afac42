# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.model.checkup import ERROR, OK, WARNING, libraries
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import doctor_here, run_folder
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.capture.sites import MemorySource

from .lab import FILES, Lab
from .test_events import begin, end_process

NOW = "f" * 16


def test_what_runs_this_is_new_enough_and_what_is_older_is_not() -> None:
    assert [one.severity for one in doctor_here.python()] == [OK]
    assert [one.severity for one in doctor_here.ansible("2.19.0rc1")] == [OK]
    (old,) = doctor_here.ansible("2.18.9")
    assert (old.severity, old.what) == (ERROR, "ansible-core is 2.18.9, and 2.19.0 is needed")


def test_libraries_that_are_there_missing_old_and_of_another_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, version, code in (("hvac", "0.1", ""), ("pyrage", "9.0", "raise ImportError('of another Python')")):
        # what is loaded here must not stay
        monkeypatch.setitem(sys.modules, name, sys)
        monkeypatch.delitem(sys.modules, name)
        (tmp_path / f"{name}.py").write_text(code)
        (tmp_path / f"{name}-{version}.dist-info").mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (tmp_path / f"{name}-{version}.dist-info" / "METADATA").write_text(text)
    needed = dict.fromkeys(("cryptography", "no-such-library", "hvac", "pyrage"), "this")
    missing, old, broken = libraries(doctor_here.libraries(needed))
    assert missing.what == "no-such-library is missing; this needs it"
    assert (old.what, old.remedy) == ("hvac is 0.1, and this needs 2.0.0", old.remedy)
    assert "hvac>=2.0.0" in old.remedy
    assert broken.what == "pyrage 9.0 does not load (ImportError); this needs it"
    (fine,) = libraries(doctor_here.libraries({"cryptography": "this"}))
    assert fine.severity == OK


def test_a_library_that_does_not_say_its_version_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "copied_by_hand", sys)
    monkeypatch.delitem(sys.modules, "copied_by_hand")
    (tmp_path / "copied_by_hand.py").touch()
    (found,) = libraries(doctor_here.libraries({"copied_by_hand": "this"}))
    assert (found.severity, found.what) == (OK, "copied_by_hand of unknown version")


def test_every_library_of_the_collection_has_a_lowest_version() -> None:
    listed = (doctor_here.META / "ee-requirements.txt").read_text()
    assert all(f"\n{name}>=" in listed for name in (*doctor_here.ALWAYS, "botocore", "python-dateutil", "hvac"))


def test_commands_that_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (without,) = doctor_here.tools(people=False)
    (signing,) = doctor_here.tools(people=True)
    assert (without.severity, without.what) == (WARNING, "age, zstd not found in PATH")
    assert "ssh-keygen" in signing.what


def test_a_state_directory_that_is_not_there_yet_can_be_made(tmp_path: Path) -> None:
    (found,) = doctor_here.state_dir(tmp_path / "a" / "b")
    assert (found.severity, "can be made" in found.what) == (OK, True)
    assert list(tmp_path.iterdir()) == []


def test_a_state_directory_that_others_can_enter_or_change(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o700)
    assert doctor_here.state_dir(tmp_path)[0].severity == OK
    (tmp_path / "runs").chmod(0o750)
    (found,) = doctor_here.state_dir(tmp_path)
    assert (found.severity, found.remedy) == (ERROR, f"chmod 0700 {tmp_path / 'runs'}")
    (tmp_path / "runs").chmod(0o700)
    tmp_path.chmod(0o777)
    assert doctor_here.state_dir(tmp_path)[0].severity == ERROR


def test_a_state_directory_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    (found,) = doctor_here.state_dir(tmp_path)
    assert (found.severity, f"uid {uid}" in found.what) == (ERROR, True)


def test_a_state_directory_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (found,) = doctor_here.state_dir(tmp_path / "file" / "state")
    assert (found.severity, "is no folder" in found.what) == (ERROR, True)


def test_room_is_held_against_what_the_last_run_stored(file_lab: Lab) -> None:
    file_lab.run()
    last = doctor_here.last_stored(file_lab.state_dir)
    assert last > 0
    (found,) = doctor_here.space("state_dir.space", file_lab.state_dir / "not" / "there", last=last)
    assert (found.id, "the last run stored" in found.what) == ("state_dir.space", True)
    free = os.statvfs(file_lab.path)
    (full,) = doctor_here.space("store.space", file_lab.path, last=2 * free.f_bavail * free.f_frsize)
    (little,) = doctor_here.space("store.space", file_lab.path, last=free.f_bavail * free.f_frsize // 2)
    assert (full.severity, little.severity) == (ERROR, WARNING)


def test_what_the_last_run_stored_is_not_known_where_there_was_none(tmp_path: Path) -> None:
    assert doctor_here.last_stored(tmp_path) == 0


def test_runs_that_were_killed_and_such_that_wait(lab: Lab) -> None:
    folder = lab.folder()
    begin(lab, folder)
    assert doctor_here.runs(lab.state_dir, run=folder.run)[0].severity == OK
    end_process(lab, folder)
    (killed,) = doctor_here.runs(lab.state_dir, run=NOW)
    assert (killed.severity, killed.what) == (WARNING, f"1 run ended before sealing: {folder.run}")
    lab.snapshot(folder, MemorySource(FILES))
    folder.mark_unsent()
    (waits,) = doctor_here.runs(lab.state_dir, run=NOW)
    assert (waits.severity, "did not take" in waits.what) == (WARNING, True)


def test_runs_that_sealed_or_said_their_end_are_no_finding(lab: Lab) -> None:
    lab.run()
    for folder in (lab.state_dir / "runs").iterdir():
        for point in run_folder.open_points(lab.state_dir, folder.name):
            end_process(lab, point)
    silent = lab.folder()
    begin(lab, silent)
    end_process(lab, silent)
    silent.write_intent("records/x", "records/y")
    assert doctor_here.runs(lab.state_dir, run=NOW)[0].severity == OK
