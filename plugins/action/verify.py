# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import REPOSITORY, Options
from ..plugin_utils.errors import PolicyError, UnsoundError
from ..plugin_utils.model.verification import Level, Severity
from ..plugin_utils.usecases import verify


class ActionModule(HoldfastAction):
    """Verify a repository's promises from its bytes."""

    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        "level": {"type": "str", "choices": [level.name.lower() for level in Level], "default": "content"},
        "known_recovery_points": {"type": "list", "elements": "str", "default": []},
        "streams": {"type": "bool", "default": False},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Verify down to the level asked for; a broken promise fails the task, with the whole report in its result."""
        location = options.location()
        level = Level[options["level"].upper()]
        if options["streams"] and level < Level.SIGNATURES:
            raise PolicyError(
                "level names reads no recovery point, and only they tell of streams",
                item="streams",
                remedy="Give level signatures, or a deeper one.",
            )
        keyring = location.keyring() if level is Level.KEYS else None
        report = verify.verify(
            location.repository(),
            level=level,
            keyring=keyring,
            stamping=location.stamping(),
            known=options.recovery_points("known_recovery_points"),
        )
        result = results.report(report, streams=options["streams"])
        if not report.sound:
            broken = [f for f in report.findings if f.severity is Severity.ERROR]
            raise UnsoundError(
                f"repository {location.name} breaks {len(broken)} of its promises, the first: {broken[0].problem}",
                item=broken[0].item,
                remedy=broken[0].remedy,
                details=result,
            )
        return result
