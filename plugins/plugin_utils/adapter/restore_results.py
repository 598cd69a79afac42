# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore did, as a task's result: flat, and never configuration content."""

from __future__ import annotations

import typing as t

from ..model.platform import CANDIDATE
from ..usecases.restore import Restored
from ..usecases.restore_device import RestoredDevice
from . import compare_results


def restored(outcome: Restored, *, diff: bool, html: str | None = None) -> dict[str, t.Any]:
    """What a restore wrote and proved, or would write in check mode.

    :param html: the file of the controller that what differs was written to as a page.
    """
    answer = outcome.answer
    written = [difference.path for difference in outcome.before]
    result: dict[str, t.Any] = {
        "changed": bool(written or outcome.remove),
        "equal": outcome.proven,
        "written": written,
        "removed": list(outcome.remove),
        "extra": [path for path in outcome.extra if path not in set(outcome.remove)],
        "preserved": list(outcome.preserved),
        "returning": [{"path": one.path, "what": list(one.what)} for one in outcome.returning],
        "not_atomic": list(answer.not_atomic),
        "validated": list(answer.validated),
        "not_validated": list(answer.not_validated),
        "reloaded": list(answer.reloaded),
        "not_reloaded": list(answer.not_reloaded),
        "recovered": list(answer.recovered),
        "entries": outcome.entries,
        "owners_compared": outcome.owners,
        "snapshots": [part.entry.manifest.sha256 for part in outcome.sources],
        "record": outcome.record or "",
        "warnings": list(outcome.warnings),
        "seconds": {phase: round(spent, 3) for phase, spent in outcome.seconds.items()},
    }
    if html:
        result["html"] = html
    if isinstance(outcome, RestoredDevice):
        result |= _of_device(outcome)
    if diff and outcome.comparison is not None:
        result["diff"] = compare_results.prepared(outcome.comparison)
        if isinstance(outcome, RestoredDevice) and outcome.candidate:
            result["diff"].append({"prepared": _candidate(outcome)})
    elif diff and outcome.before:
        result["diff"] = {
            "before": "".join(f"{difference}\n" for difference in outcome.before),
            "after": "".join(f"{difference.path!r} (as sealed)\n" for difference in outcome.before),
        }
    return result


def _of_device(outcome: RestoredDevice) -> dict[str, t.Any]:
    return {
        "changed": bool(outcome.before or outcome.saved),
        "method": outcome.method,
        "timer_minutes": outcome.minutes,
        "lines": len(outcome.candidate),
        "saved": outcome.saved,
        "not_restored": list(outcome.not_restored),
    }


def _candidate(outcome: RestoredDevice) -> str:
    """The lines that lead from what runs to what was sealed, as they are typed or, of a replacement, as a summary."""
    what = "Lines to type" if outcome.method == CANDIDATE else "What replacing it comes to, as lines to type"
    return "\n".join((f"{what}:", *(f"  {line}" for line in outcome.candidate), ""))
