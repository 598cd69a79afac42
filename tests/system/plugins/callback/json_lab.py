# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: json_lab
type: stdout
short_description: One JSON document for a whole run
description:
  - Prints, as the callbacks for programs do, nothing but a JSON document at the end.
author:
  - The holdfast.config contributors (@holdfast)
"""


class CallbackModule(CallbackBase):
    """The hosts that failed and those that did not."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "json_lab"

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        failed = sorted({*stats.failures, *stats.dark})
        self._display.display(json.dumps({"failures": failed, "ok": sorted({*stats.processed} - {*failed})}))
