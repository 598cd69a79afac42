# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Outcomes of use cases as task results: flat, few, and never configuration content."""

from __future__ import annotations

import typing as t

from ..model import instant
from ..model.verification import Report
from ..usecases.restore import Restored
from ..usecases.run_folder import Receipt
from ..usecases.seal_point import Sealed

_NAMED = 20


def sealed_point(sealed: Sealed) -> dict[str, t.Any]:
    """What seal did; ``changed`` only where the point names something newly stored."""
    return {
        "changed": sealed.sealed and sealed.stored > 0,
        "name": sealed.point,
        "sealed": sealed.sealed,
        "recovery_point": sealed.id or "",
        "complete": sealed.complete,
        "stored": sealed.stored,
        "unchanged": sealed.unchanged,
        "stored_bytes": sealed.stored_bytes,
        "failed_hosts": dict(sealed.failed),
        "missing_hosts": list(sealed.missing),
        "waiting_hosts": list(sealed.waiting),
    }


def receipt(given: Receipt, *, diff: bool) -> dict[str, t.Any]:
    """What a host's snapshot did, by stream."""
    result: dict[str, t.Any] = {
        "changed": any(part.reason != "unchanged" for part in given.streams),
        "streams": [
            {
                "stream": part.stream,
                "state": "unchanged" if part.reason == "unchanged" else "stored" if part.entry else "would_store",
                "reason": part.reason,
                "changed_components": list(part.changed),
                "stored_bytes": part.stored_bytes,
                "left_out": [{"path": gap.path, "reason": gap.reason} for gap in part.gaps[:_NAMED]],
                "left_out_count": len(part.gaps),
                "snapshot": part.entry.manifest.sha256 if part.entry else "",
            }
            for part in given.streams
        ],
    }
    if diff:
        result["diff"] = _receipt_diff(given)
    return result


def restored(outcome: Restored, *, diff: bool) -> dict[str, t.Any]:
    """What a restore wrote and proved."""
    result: dict[str, t.Any] = {
        "changed": bool(outcome.before),
        "equal": outcome.proven,
        "written": [difference.path for difference in outcome.before],
        "extra": list(outcome.extra),
        "entries": outcome.entries,
        "owners_compared": outcome.owners,
        "snapshots": [part.entry.manifest.sha256 for part in outcome.sources],
        "record": outcome.record or "",
        "warnings": list(outcome.warnings),
        "seconds": {phase: round(spent, 3) for phase, spent in outcome.seconds.items()},
    }
    if diff and outcome.before:
        result["diff"] = {
            "before": "".join(f"{difference}\n" for difference in outcome.before),
            "after": "".join(f"{difference.path!r} (as sealed)\n" for difference in outcome.before),
        }
    return result


def report(given: Report) -> dict[str, t.Any]:
    """What verify found."""
    return {
        "changed": False,
        "sound": given.sound,
        "level": given.level.name.lower(),
        "recovery_points": [
            {
                "id": point.id,
                "name": point.point,
                "sealed_at": instant.to_text(point.sealed_at),
                "complete": point.complete,
                "streams": point.streams,
                "change": point.change,
            }
            for point in given.points
        ],
        "snapshots": given.snapshots,
        "packs_opened": given.packs_opened,
        "records": given.records,
        "objects": given.objects,
        "stored_bytes": given.stored_bytes,
        "unsealed": given.unsealed,
        "findings": [
            {"severity": f.severity.value, "item": f.item, "problem": f.problem, "remedy": f.remedy}
            for f in given.findings
        ],
    }


def _receipt_diff(given: Receipt) -> list[dict[str, str]]:
    # components and reasons only: which lines differ is for a redacted comparison, never for a task's diff
    return [
        {
            "before_header": f"{given.host}/{part.stream}",
            "after_header": f"{given.host}/{part.stream} ({part.reason})",
            "before": "" if part.reason == "first" else "".join(f"{name}: as last sealed\n" for name in part.changed),
            "after": "".join(f"{name}: {part.reason}\n" for name in part.changed),
        }
        for part in given.streams
        if part.reason != "unchanged"
    ]
