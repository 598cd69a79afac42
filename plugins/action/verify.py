# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from ..plugin_utils.adapter import replicas, results
from ..plugin_utils.adapter.action import HoldfastAction
from ..plugin_utils.adapter.options import CHANGE, REPOSITORY, Options
from ..plugin_utils.errors import PolicyError, UnsoundError
from ..plugin_utils.model.verification import Level
from ..plugin_utils.usecases import verify
from ..plugin_utils.usecases.verify_progress import Progress
from ..plugin_utils.usecases.verify_reading import How, Resume


class ActionModule(HoldfastAction):
    """Verify a repository's promises from its bytes."""

    WORK: t.ClassVar[str] = "a verify"
    ARGUMENTS: t.ClassVar[Mapping[str, t.Any]] = {
        **REPOSITORY,
        **CHANGE,
        "level": {"type": "str", "choices": [level.name.lower() for level in Level], "default": "content"},
        "known_recovery_points": {"type": "list", "elements": "str", "default": []},
        "streams": {"type": "bool", "default": False},
        "forks": {"type": "int", "default": 0},
        "sample": {"type": "raw"},
        "seed": {"type": "int"},
        "resume": {"type": "bool", "default": False},
        "resume_days": {"type": "int", "default": 7},
        "progress_interval": {"type": "float"},
        "replicas": {"type": "bool", "default": False},
    }

    def act(self, options: Options, task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Verify down to the level asked for; a broken promise fails the task, with the whole report in its result."""
        location = options.reading()
        level = Level[options["level"].upper()]
        if options["streams"] and level < Level.SIGNATURES:
            problem = "level names reads no recovery point, and only they tell of streams"
            raise PolicyError(problem, item="streams", remedy="Give level signatures, or a deeper one.")
        report = verify.verify(
            location.repository(),
            level=level,
            keyring=location.keyring() if level is Level.KEYS else None,
            stamping=location.stamping(),
            known=options.recovery_points("known_recovery_points"),
            how=self._how(options, level),
        )
        report, beside = replicas.compared(location, report, asked=options["replicas"])
        result = {**results.report(report, streams=options["streams"]), **beside}
        if report.broken:
            first = report.broken[0]
            raise UnsoundError(
                f"repository {location.name} breaks {len(report.broken)} of its promises, the first"
                f"{f', of stream {first.stream}' if first.stream else ''}: {first.problem}",
                host=first.host or None,
                item=first.item,
                remedy=first.remedy,
                details=result,
            )
        return result

    def _how(self, options: Options, level: Level) -> How:
        sample = options.sample()
        if sample is not None and level < Level.SIGNATURES:
            raise PolicyError("level names reads no object, and a sample is of objects", item="sample")
        days = dt.timedelta(days=options.number("resume_days", 1, 90))
        return How(
            forks=options.number("forks", 0, 64),
            sample=sample,
            resume=Resume(options.state_dir, days) if options["resume"] else None,
            progress=Progress(options.progress_interval(), lambda line: self._display.display(line, stderr=True)),
        )
