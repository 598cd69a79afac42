# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a bucket and of holds on its objects, as results of tasks."""

from __future__ import annotations

import typing as t

from ..model.setting import results as settings
from ..usecases.legal_hold import Holding
from ..usecases.storage import Ready
from ..usecases.succession import Outcome
from . import results
from .options import Location


def repository(
    location: Location, outcome: Outcome, ready: Ready | None, *, to_sign: str | None, diff: bool
) -> dict[str, t.Any]:
    """What became of a repository's root, and of its bucket where that was asked for."""
    result = results.root(location, outcome, to_sign=to_sign, diff=diff)
    if ready is None:
        return result
    result["changed"] = result["changed"] or ready.changed
    result["bucket_made"] = ready.made
    result["storage"] = settings(ready.outcomes)
    if diff and ready.changed:
        moved = [one for one in ready.outcomes if one.before != one.after]
        sides = {
            "before_header": f"{location.url} (bucket)",
            "after_header": f"{location.url} (bucket)",
            "before": {one.name: one.before for one in moved},
            "after": {one.name: one.after for one in moved} if moved else {"bucket": "made"},
        }
        result["diff"] = [sides, *([result["diff"]] if "diff" in result else [])]
    return result


def holding(given: Holding, *, on: bool, diff: bool) -> dict[str, t.Any]:
    """What became of a legal hold.

    :param on: it was put, and not ended.
    """
    changed = [f"{one.name}@{one.version}" for one in given.changed]
    result: dict[str, t.Any] = {
        # a record alone: all was held, and what people had signed ends it no more
        "changed": bool(changed) or (on and bool(given.record)),
        "subject": given.scope.subject,
        "objects": len(given.objects),
        "changed_objects": changed,
        "missing": list(given.missing),
        "record": given.record,
    }
    if diff and changed:
        before, after = ("not held", "held") if on else ("held", "not held")
        result["diff"] = {
            "before": results.diff_lines([f"{name}: {before}" for name in changed]),
            "after": results.diff_lines([f"{name}: {after}" for name in changed]),
        }
    return result
