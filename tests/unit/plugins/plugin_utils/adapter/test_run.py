# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run's id is the controlling process's, and a worker knows when that has gone."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.holdfast.config.plugins.plugin_utils.adapter import run
from ansible_collections.holdfast.config.plugins.plugin_utils.errors import RunAbandonedError


def exit_code(work: Callable[[], int]) -> int:
    """What *work* gives in a process forked from this one."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def refused() -> int:
    try:
        run.require_controller()
    except RunAbandonedError as e:
        return 1 if e.remedy else 2
    return 0


def imported_here() -> int:
    """Import the module anew in this process, and tell whether this process controls the run now."""
    minted = importlib.reload(run)
    return int(os.getpid() != minted.CONTROLLER_PID)


def test_the_id_is_minted_on_import_and_inherited_by_fork() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", run.RUN_ID)
    assert exit_code(imported_here) == 0
    before = run.RUN_ID
    assert exit_code(lambda: int(before != run.RUN_ID)) == 0


def test_the_controller_and_its_workers_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    # some runners fork for each test
    monkeypatch.setattr(run, "CONTROLLER_PID", os.getpid())
    run.require_controller()
    assert exit_code(refused) == 0


def test_a_worker_whose_controller_was_killed_may_not() -> None:
    """A grandchild of the controller whose parent, which it took for that, is killed."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        run.CONTROLLER_PID = os.getpid()
        ready, go = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(go)
            # ends only when its parent has ended, and with it the last writer
            os.read(ready, 1)
            while os.getppid() == run.CONTROLLER_PID:
                os.sched_yield()
            os.write(sender, b"%d" % refused())
            os._exit(0)
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        assert pipe.read() == b"1"
    os.waitpid(pid, 0)


def test_where_runs_keep_their_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOLDFAST_STATE_DIR", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run.state_dir(None) == tmp_path / ".local/state/holdfast"
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert run.state_dir(None) == Path("/xdg/holdfast")
    monkeypatch.setenv("HOLDFAST_STATE_DIR", "~/mine")
    assert run.state_dir(None) == run.state_dir("") == tmp_path / "mine"
    assert run.state_dir("/given") == Path("/given")
