# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a comparison found, as a task's result: names and attributes; content only under ``diff``, secrets masked."""

from __future__ import annotations

import dataclasses
import typing as t

from ..model.difference import Comparison
from ..render import html, text
from . import result_files

LISTED = 1000
_NAMED = 5


def compared(outcome: Comparison, *, fail_on_drift: bool = False) -> dict[str, t.Any]:
    """What was compared and what differs. Nothing is ever changed by looking.

    :param fail_on_drift: make it a failed task where there is drift.
    """
    told = outcome.as_dict()
    result: dict[str, t.Any] = {
        **told,
        "changed": False,
        "different": len(outcome.differences),
        "differences": told["differences"][:LISTED],
        "report": text.page(_without_content(outcome), limit_lines=LISTED).splitlines(),
        "warnings": list(outcome.warnings),
        "seconds": {phase: round(spent, 3) for phase, spent in outcome.seconds.items()},
    }
    if fail_on_drift and outcome.drift:
        result |= {"failed": True, "msg": _drift(outcome)}
    return result


def prepared(outcome: Comparison) -> list[dict[str, str]]:
    """The differences as Ansible shows them in diff mode, one text for each component."""
    return [{"prepared": text.component(outcome, name)} for name in outcome.components]


def write_page(path: str, outcome: Comparison) -> str:
    """Write a comparison as a page to a file of the controller that its user alone may read; returns the file's name.

    :raises PolicyError: it cannot be written.
    """
    return result_files.write(path, html.page(outcome), "page")


def _without_content(outcome: Comparison) -> Comparison:
    before, after = (dataclasses.replace(side, contents=None) for side in (outcome.before, outcome.after))
    return dataclasses.replace(outcome, before=before, after=after)


def _drift(outcome: Comparison) -> str:
    found = [difference.as_dict()["path"] for difference in outcome.differences if not difference.volatile]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{len(found)} paths differ between {outcome.left} and {outcome.right}: {', '.join(found[:_NAMED])}{more}"
