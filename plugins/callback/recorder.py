# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: recorder
type: aggregate
short_description: End a run with a table of its recovery points
version_added: 0.1.0
author:
  - The holdfast.config contributors (@holdfast)
description:
  - Prints, at the end of a run, each recovery point with its hosts (unchanged, changed, failed, missing, bytes stored),
    whether it is sealed, where it is, and what to do next. The same stands as JSON in the run folder.
  - Seals what a failed run has left unsealed. It never seals for a run that did not fail, and never turns a run green.
  - A run that uses nothing of C(holdfast.config) prints nothing.
requirements:
  - enabled in configuration (C(callbacks_enabled))
options:
  state_dir:
    description:
      - The folder of all runs, where the run's tasks were given another than the default.
    type: str
    env:
      - name: HOLDFAST_STATE_DIR
    ini:
      - section: holdfast
        key: state_dir
"""

import typing as t

from ansible.plugins.callback import CallbackBase

from ..plugin_utils.adapter import run
from ..plugin_utils.adapter.options import Location
from ..plugin_utils.errors import HoldfastError
from ..plugin_utils.usecases import run_report, seal_point
from ..plugin_utils.usecases.run_folder import OpenPoint, PointFolder


class CallbackModule(CallbackBase):
    """Reads the run folder once, at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "holdfast.config.recorder"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Rescue what a failed run left, then report."""
        state_dir = run.state_dir(self.get_option("state_dir"))
        failed = bool(stats.failures or stats.dark)
        try:
            problems = run_report.rescue(state_dir, run.RUN_ID, _reseal) if failed else []
            reports = run_report.gather(state_dir, run.RUN_ID)
            if reports:
                path = run_report.write(state_dir, run.RUN_ID, reports)
                self._print([run_report.render(report) for report in reports], problems, str(path))
        except (HoldfastError, OSError) as e:
            self._display.warning(f"holdfast.config.recorder: {e}")

    def _print(self, tables: list[str], problems: list[str], path: str) -> None:
        self._display.banner(f"HOLDFAST [run {run.RUN_ID}]")
        for table in tables:
            self._display.display(table + "\n")
        for problem in problems:
            self._display.warning(problem)
        self._display.display(f"report          {path}")


def _reseal(folder: PointFolder, opened: OpenPoint) -> None:
    location = Location(**opened.location)
    repository = location.repository(check=opened.check)
    keyring, stamping = location.keyring(), location.stamping()
    seal_point.seal(folder, repository, keyring, later_batches=False, stamping=stamping, check=opened.check)
