# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: collect
type: aggregate
short_description: Keep every task's result, for a test to look at
description:
  - Appends a line of JSON for each result to the file that E(COLLECT_TO) names.
author:
  - The holdfast.config contributors (@holdfast)
requirements:
  - enabled in configuration (C(callbacks_enabled))
"""


class CallbackModule(CallbackBase):
    """One line a result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "collect"
    CALLBACK_NEEDS_ENABLED = True

    def _keep(self, status: str, result: t.Any) -> None:
        if "include" in result.task.action:
            return
        line = {
            "status": status,
            "host": result.host.get_name(),
            "task": result.task.name,
            "action": result.task.action,
            "result": result.result,
        }
        with open(os.environ["COLLECT_TO"], "a", encoding="utf-8") as kept:
            kept.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._keep("ok", result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._keep("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._keep("unreachable", result)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._keep("skipped", result)
