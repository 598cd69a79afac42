# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``file_history`` as a question, and what it found as a task's result: names and times, no content."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from ..model import instant
from ..model.catalog import CatalogPoint, CatalogSnapshot
from ..model.entry import Entry
from ..model.point import RESTORE_OPEN
from ..model.redaction import visible
from ..render import history as render
from ..usecases.history import READ, Asked, Event, History
from .options import DISPLAY, Options

OPTIONS: Mapping[str, t.Any] = {
    "host": {"type": "str"},
    "path": {"type": "str"},
    "component": {"type": "str"},
    "since": {"type": "str"},
    "until": {"type": "str"},
    "limit": {"type": "int", "default": READ},
    "cache": {"type": "bool", "default": True},
    **DISPLAY,
}
LISTED = 1000
_MOST = 1_000_000
_OF_POINT = (("point", "point"), ("alias", "alias"))
# of its run: nothing of another run that found or carried the snapshot later
_OF_RUN = (
    ("change_id", "change_id"),
    ("requester", "requester"),
    ("deployment_id", "deployment_id"),
    ("application_version", "application_version"),
    ("environment", "environment"),
    ("deployer", "deployer"),
    ("by", "by"),
)


def asked(options: Options, host: str) -> Asked:
    """What a task asks for; of *host* unless it names another.

    :raises PolicyError: something of it cannot be.
    """
    return Asked(
        host=options["host"] or host,
        path=options["path"],
        component=options["component"],
        since=options.day_or_time("since"),
        until=options.day_or_time("until", to_its_end=True),
        read=options.number("limit", 1, _MOST),
    )


def told(found: History) -> dict[str, t.Any]:
    """The result: the newest changes where there are very many; looking changes nothing."""
    changes = [_change(event) for event in found.events]
    result: dict[str, t.Any] = {
        "changed": False,
        "host": found.host,
        "host_id": found.host_id,
        "path": "" if found.asked.place is None else visible(found.asked.place),
        "component": found.asked.component or "",
        "manifests": found.manifests,
        "begins": instant.to_text(found.begins),
        "proven_at": None if found.proven_at is None else instant.to_text(found.proven_at),
        "host_proven_at": None if found.host_proven_at is None else instant.to_text(found.host_proven_at),
    }
    return {
        **result,
        "count": len(changes),
        "changes": changes[-LISTED:],
        "report": render.report(result, changes),
        "warnings": list(found.warnings),
    }


def _change(event: Event) -> dict[str, t.Any]:
    row, snapshot = event.row, event.snapshot
    return {
        "at": instant.to_text(row.at),
        "after": None if row.after is None else instant.to_text(row.after),
        "status": row.status,
        "what": list(row.what),
        "not_compared": list(row.not_compared),
        "key_changed": row.key_changed,
        "reason": visible(row.reason),
        "paths": [visible(path) for path in row.paths],
        "more_paths": row.more,
        "component": row.look.component,
        "stream": snapshot.stream,
        "snapshot": snapshot.digest,
        **_of_point(event.point, snapshot),
        "imported": event.imported,
        "restore_open": any(mark.startswith(RESTORE_OPEN) for mark in snapshot.marks),
        **_of_entry(row.look.entry.entry if row.look.entry is not None else None),
    }


def _of_point(point: CatalogPoint | None, snapshot: CatalogSnapshot) -> dict[str, t.Any]:
    """The oldest point that names a snapshot; who ran it and why, where that is the one that stored it."""
    stored = point is not None and snapshot.first_stored
    return {
        **{name: "" if point is None else getattr(point, field) for name, field in _OF_POINT},
        **{name: getattr(point, field) if stored else "" for name, field in _OF_RUN},
        "recovery_point": snapshot.first_point,
        "sealed_at": None if point is None else instant.to_text(point.sealed_at),
        "expired": not stored,
    }


def _of_entry(entry: Entry | None) -> dict[str, t.Any]:
    """What the path was, empty where it was not there; its own time of change is what the host says."""
    if entry is None:
        return {"kind": "", "mode": "", "owner": "", "group": "", "size": None, "modified": None}
    seconds = dt.timedelta(seconds=entry.mtime_ns // 10**9)
    try:
        modified = instant.to_text(dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc) + seconds)
    except OverflowError:
        modified = None
    return {
        "kind": entry.kind.value,
        "mode": f"{entry.mode:04o}",
        "owner": visible(entry.user or str(entry.uid)),
        "group": visible(entry.group or str(entry.gid)),
        "size": entry.size,
        "modified": modified,
    }
