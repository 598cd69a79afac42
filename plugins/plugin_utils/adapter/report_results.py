# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a fleet stands as a task's result, and as files. Names and times, no content."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections import Counter
from collections.abc import Collection, Mapping

from ..model import instant
from ..model.coverage import ACCEPTED, COVERED, GAP
from ..model.standing import Standing
from ..render import report as render
from ..usecases.report import Report
from . import coverage_results, result_files
from .options import DISPLAY, Options

OPTIONS: Mapping[str, t.Any] = {
    **{name: coverage_results.OPTIONS[name] for name in ("cmdb", "hosts", "owner", "path", "html")},
    "replicas": {"type": "bool", "default": False},
    "cache": {"type": "bool", "default": True},
    **DISPLAY,
}


def reported(options: Options, found: Report, beside: Collection[str]) -> dict[str, t.Any]:
    """The result, of the hosts and the owner that the task names; writes the files that it names, but in check mode.

    Never a change.

    :param beside: warnings of what was read before.
    :raises PolicyError: a file cannot be written, no host is named, or there is no such host or owner.
    """
    kept = set(coverage_results.chosen([one.row for one in found.rows], options))
    rows = [one for one in found.rows if one.row in kept]
    counts = Counter(one.row.state for one in rows)
    warnings = [*found.warnings, *beside]
    told: dict[str, t.Any] = {
        "at": instant.to_text(found.now),
        "covered": counts[COVERED],
        "accepted": counts[ACCEPTED],
        "gaps": counts[GAP],
        "restored": sum(one.restored_at is not None for one in rows),
        "replicas": [
            {
                "name": site.name,
                "answered": not site.lacks,
                "holds": sum(site.name in one.replicas for one in rows),
            }
            for site in found.sites
        ],
        "warnings": warnings,
    }
    result = {"changed": False, **told, "report": render.lines(rows, found.now)}
    if options["path"] and not options.check:
        text = json.dumps({**told, "rows": [_as_dict(one) for one in rows]}, indent=1, sort_keys=True) + "\n"
        result["path"] = result_files.write(options["path"], text, "report")
    if options["html"] and not options.check:
        page = render.page(rows, found.now, found.sites, warnings)
        result["html"] = result_files.write(options["html"], "".join(page), "page")
    return result


def _as_dict(one: Standing) -> dict[str, t.Any]:
    def at(moment: dt.datetime | None) -> str | None:
        return None if moment is None else instant.to_text(moment)

    return {
        **coverage_results.as_dict(one.row),
        "rpo_seconds": None if one.rpo is None else round(one.rpo.total_seconds()),
        "changed_at": at(one.changed_at),
        "change": one.change,
        "locked_until": at(one.locked_until),
        "replicas": list(one.replicas),
        "restored_at": at(one.restored_at),
    }
