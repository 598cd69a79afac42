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
  - Prints, at the end of a run, each recovery point with its hosts (unchanged, stored, failed, missing, bytes stored
    and left out), whether and by whom it is sealed, where it is, and what to do next. Of more than 20 hosts it prints
    counts, and names those alone that somebody must look at. The same stands whole as JSON in the run folder.
  - While hosts are captured it says from time to time how many are done. That goes to standard error. So does the
    table where the output is a JSON document, that is, where the name of the stdout callback begins with C(json).
  - Of a run that leaves a recovery point unsealed it puts a signed record of how it ended.
  - Seals what a failed run has left unsealed. It never seals for a run that did not fail, but for what it adopted, and
    never turns a run green; where a run did not fail and left a recovery point unsealed it warns.
  - With O(adopt) it seals the configurations that other tasks return on their way, modules C(*_config) with
    C(backup=true), C(*_facts), C(cli_backup) and C(netconf_get), with no change to the playbook. They go into the
    open recovery point that expects their host when that is sealed, else at the end into one of their own, C(adopted).
    Where the repository is, and classes and tiers, are read from the host's variables, as tasks read them.
  - What a task hides by C(no_log) cannot be adopted, nor what is not whole. The table names both.
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
  progress_interval:
    description:
      - Seconds between two lines that say how many hosts are captured; V(0) prints none. There is no timer behind it. A
        line comes when a host is done, so nothing is said while nothing is done.
    type: float
    default: 30
    env:
      - name: HOLDFAST_PROGRESS_INTERVAL
    ini:
      - section: holdfast
        key: progress_interval
  adopt:
    description:
      - Whether to seal the configurations that tasks of other modules return.
    type: bool
    default: false
    env:
      - name: HOLDFAST_ADOPT
    ini:
      - section: holdfast
        key: adopt
  adopt_remove:
    description:
      - Whether to remove the file of cleartext that a module wrote its backup to, once that is sealed. It is removed if
        it is still the file that was read, and nobody else may write to its folder.
    type: bool
    default: false
    env:
      - name: HOLDFAST_ADOPT_REMOVE
    ini:
      - section: holdfast
        key: adopt_remove
  adopt_tier:
    description:
      - The tier of what is adopted, which says how long it is kept. Without it that is V(tier1).
    type: str
    env:
      - name: HOLDFAST_ADOPT_TIER
    ini:
      - section: holdfast
        key: adopt_tier
"""

import shutil
import typing as t

from ansible import constants as C
from ansible.plugins.callback import CallbackBase

from ..plugin_utils.adapter import forehand, given, run
from ..plugin_utils.adapter.adopting import Adopter
from ..plugin_utils.adapter.options import Location
from ..plugin_utils.errors import HoldfastError
from ..plugin_utils.usecases import events, run_report, seal_point
from ..plugin_utils.usecases.run_folder import OpenPoint, PointFolder

_OPEN = "holdfast.config.recovery_point"
_SNAPSHOT = "holdfast.config.snapshot"


class CallbackModule(CallbackBase):
    """Counts snapshots as they end; reads the run folder once, at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "holdfast.config.recorder"
    CALLBACK_NEEDS_ENABLED = True

    def set_options(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Read the options, and begin to count."""
        super().set_options(*args, **kwargs)
        self._progress = run_report.Progress(self.get_option("progress_interval"))
        self._adopter = Adopter(
            run.state_dir(self.get_option("state_dir")),
            tier=self.get_option("adopt_tier"),
            remove=self.get_option("adopt_remove"),
        )

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Note when hosts are first asked and load what devices take; before a seal, put what was adopted."""
        action = _action(task)
        if action == _SNAPSHOT:
            self._progress.begun()
            forehand.for_devices(task)
        elif action == _OPEN and task.args.get("state") != "open":
            self._adopter.before_seal()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Count a host that was captured, or learn how many are to come."""
        action = _action(result.task)
        if action == _OPEN and "expected" in result.result:
            self._progress.opened(result.result.get("name", ""), result.result["expected"])
        elif action == _SNAPSHOT:
            self._count(result, failed=False)
        elif self.get_option("adopt"):
            self._adopter.heard(result, action)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Count a host that failed, also where the play goes on."""
        if _action(result.task) == _SNAPSHOT:
            self._count(result, failed=True)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """Count a host that was not reached."""
        self.v2_runner_on_failed(result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """Rescue what a failed run left, then report."""
        state_dir = run.state_dir(self.get_option("state_dir"))
        failed = bool(stats.failures or stats.dark)
        try:
            left = run_report.unsealed(state_dir, run.RUN_ID)
            problems = self._adopter.end()
            problems += run_report.rescue(state_dir, run.RUN_ID, _reseal) if failed else []
            problems += run_report.conclude(state_dir, run.RUN_ID, _conclude)
            reports = run_report.gather(
                state_dir, run.RUN_ID, rescued=left | self._adopter.points, inventory=given.inventories()
            )
            if not failed:
                problems += [report.warning for report in reports if report.warning]
            adopted, warnings = self._adopter.report()
            if reports or adopted:
                path = run_report.write(state_dir, run.RUN_ID, reports)
                self._print(reports, adopted, [*problems, *warnings], str(path))
        except (HoldfastError, OSError) as e:
            self._display.warning(f"holdfast.config.recorder: {e}")

    def _count(self, result: t.Any, *, failed: bool) -> None:
        line = self._progress.ended(result.host.get_name(), failed=failed)
        if line:
            self._display.display(line, stderr=True)

    def _print(self, reports: list[run_report.PointReport], adopted: list[str], problems: list[str], path: str) -> None:
        tables = run_report.render_all(reports, width=shutil.get_terminal_size(fallback=(80, 24)).columns)
        heading = f"HOLDFAST [run {run.RUN_ID}] {run_report.verdict(reports)} "
        for text in (f"\n{heading:*<79}", *(f"{table}\n" for table in tables), *adopted):
            self._display.display(text, stderr=_output_is_json())
        for problem in problems:
            self._display.warning(problem)
        self._display.display(f"report          {path}", stderr=_output_is_json())


def _action(task: t.Any) -> str:
    """The full name of a task's action, also where the play names it short."""
    return str(task.resolved_action or task.action)


def _output_is_json() -> bool:
    """Whether standard output is a document that a program reads."""
    name = C.config.get_config_value("DEFAULT_STDOUT_CALLBACK")
    return str(name).rsplit(".", 1)[-1].startswith("json")


def _reseal(folder: PointFolder, opened: OpenPoint) -> None:
    location = Location(**opened.location)
    seal_point.reach_and_seal(
        folder, lambda: location.means(check=opened.check), later_batches=False, check=opened.check
    )


def _conclude(folder: PointFolder, opened: OpenPoint) -> None:
    by = Location(**opened.location).means(check=opened.check)
    events.conclude(folder, by.repository, by.keyring)
