# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of ``catalog_info`` as a query, and what it found as a task's result: names and times, no content."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ..errors import PolicyError
from ..model import instant
from ..model.catalog import LIMIT, MOST, CatalogFailure, CatalogPoint, CatalogSnapshot, Query, State
from ..model.point import ObjectRef, StreamEntry
from ..model.redaction import visible
from ..render import catalog as render
from ..usecases.catalog import Catalog
from ..usecases.repository import Repository
from ..usecases.show import ShownPoint, ShownSnapshot, show
from .options import DISPLAY, Options

_TEXTS = (
    "host",
    "component",
    "tier",
    "change_id",
    "deployment_id",
    "application_version",
    "environment",
    "deployer",
    "alias",
    "recovery_point",
    "snapshot",
)
OPTIONS: Mapping[str, t.Any] = {
    **{name: {"type": "str"} for name in (*_TEXTS, "since", "until")},
    "state": {"type": "str", "choices": [state.value for state in State]},
    "limit": {"type": "int", "default": LIMIT},
    "newest_first": {"type": "bool", "default": True},
    "rebuild": {"type": "bool", "default": False},
    "cache": {"type": "bool", "default": True},
    "details": {"type": "bool", "default": False},
    "newest": {"type": "bool", "default": False},
    **DISPLAY,
}


def query(options: Options) -> Query:
    """What a task asks for; raises PolicyError where something of it cannot be."""
    if options["newest"] and not options["details"]:
        raise PolicyError("newest goes with details", item="newest", remedy="Set limit to 1 to find the newest alone.")
    state = options["state"]
    return Query(
        **{name: options[name] for name in _TEXTS},
        since=options.day_or_time("since"),
        until=options.day_or_time("until", to_its_end=True),
        state=None if state is None else State(state),
        limit=options.number("limit", 1, MOST),
        newest_first=options["newest_first"],
    )


def answer(options: Options, repository: Repository, catalog: Catalog, asked: Query) -> dict[str, t.Any]:
    """The result: what a query finds, or the one thing that it means in full where ``details`` are asked for."""
    if options["details"]:
        shown = _details(show(repository, catalog, asked, newest=options["newest"]))
        return {**shown, **_beside(options, catalog)}
    # one more tells that there are more
    wider = dataclasses.replace(asked, limit=min(asked.limit + 1, MOST))
    points, snapshots, failures = catalog.points(wider), catalog.snapshots(wider), catalog.failures(wider)
    found = {"points": len(points), "snapshots": len(snapshots), "failures": len(failures)}
    more = [kind for kind, number in found.items() if number > asked.limit]
    points, snapshots, failures = points[: asked.limit], snapshots[: asked.limit], failures[: asked.limit]
    beside = _beside(options, catalog)
    return {
        **beside,
        "points": [_point(one) for one in points],
        "snapshots": [_snapshot(one) for one in snapshots],
        "failures": [_failure(one) for one in failures],
        "more": more,
        "report": render.table(points, snapshots, failures, more=more, stale=beside["stale"]),
    }


def _beside(options: Options, catalog: Catalog) -> dict[str, t.Any]:
    """What is told of the catalog itself, once it has answered: only then it is up to date for sure."""
    counts = dataclasses.asdict(catalog.counts)
    site = options.inherited("read_from")
    stale = [*catalog.stale, *([f"it is read at replica {site}, which may lag"] if site else [])]
    return {"changed": False, "counts": counts, "stale": stale, "warnings": list(catalog.warnings)}


def _details(shown: ShownPoint | ShownSnapshot) -> dict[str, t.Any]:
    if isinstance(shown, ShownSnapshot):
        components = [
            {
                "name": part.component.name,
                "bytes": part.size,
                "entries": [
                    {
                        "path": visible(keyed.entry.path),
                        "kind": keyed.entry.kind.value,
                        "mode": f"{keyed.entry.mode & 0o7777:04o}",
                        "owner": visible(keyed.entry.user or str(keyed.entry.uid)),
                        "group": visible(keyed.entry.group or str(keyed.entry.gid)),
                        "size": keyed.entry.size,
                    }
                    for keyed in part.entries
                ],
                "left_out": [{"path": visible(left.path), "reason": visible(left.reason)} for left in part.left_out],
                "marks": list(part.marks),
            }
            for part in shown.manifest.components
        ]
        told = {**_snapshot(shown.snapshot), "writer": shown.manifest.writer, "contents": components}
        return {"snapshot": told, "report": render.snapshot_page(shown.snapshot, shown.manifest)}
    body = shown.body
    told = {
        **_point(shown.point),
        "change": dict(body.change),
        "actor": dict(body.actor),
        "failed_hosts": [{"host": visible(one.host), "reason": visible(one.reason)} for one in body.failed],
        "missing_hosts": [visible(host) for host in body.missing],
        "consistency": [{"check": one.check, "detail": visible(one.detail)} for one in body.consistency],
        "streams": [_stream(entry, shown) for entry in body.streams],
    }
    return {"point": told, "report": render.point_page(shown.point, body, shown.locks)}


def _stream(entry: StreamEntry, shown: ShownPoint) -> dict[str, t.Any]:
    return {
        "host": entry.name,
        "host_id": entry.host_id,
        "tier": entry.stream,
        "state": entry.state.value,
        "captured_at": instant.to_text(entry.captured_at),
        "verified_at": instant.to_text(entry.verified_at),
        "locked_until": instant.to_text(shown.locks.get(entry.key, entry.lock_until)),
        "snapshot": entry.manifest.sha256,
        "components": [fingerprint.component for fingerprint in entry.fingerprints],
        "marks": list(entry.marks),
    }


def _point(one: CatalogPoint) -> dict[str, t.Any]:
    return {
        "recovery_point": one.digest,
        "name": one.point,
        "object": one.name,
        "run": one.run,
        "opened_at": instant.to_text(one.opened_at),
        "sealed_at": instant.to_text(one.sealed_at),
        "complete": one.complete,
        "state": one.state.value,
        "stored": one.stored,
        "unchanged": one.unchanged,
        "carried": one.carried,
        "failed": one.failed,
        "missing": one.missing,
        "alias": one.alias,
        "change_id": one.change_id,
        "requester": one.requester,
        "deployment_id": one.deployment_id,
        "application_version": one.application_version,
        "environment": one.environment,
        "deployer": one.deployer,
        "by": one.by,
    }


def _snapshot(one: CatalogSnapshot) -> dict[str, t.Any]:
    return {
        "snapshot": one.digest,
        "host": one.name,
        "host_id": one.host_id,
        "captured_as": one.host,
        "tier": one.stream,
        "class": one.retention_class,
        "captured_at": instant.to_text(one.captured_at),
        "verified_at": instant.to_text(one.verified_at),
        "locked_until": instant.to_text(one.lock_until),
        "state": one.state.value,
        "components": list(one.components),
        "marks": list(one.marks),
        "imported": one.imported,
        "recovery_point": one.point,
        "sealed_at": instant.to_text(one.sealed_at),
        "first_recovery_point": one.first_point,
        "manifest": _ref(one.manifest),
        "pack": _ref(one.pack),
    }


def _ref(ref: ObjectRef) -> dict[str, t.Any]:
    return {"name": ref.name, "version": ref.version, "size": ref.size}


def _failure(one: CatalogFailure) -> dict[str, t.Any]:
    return {
        "host": visible(one.host),
        "reason": visible(one.reason),
        "missing": one.missing,
        "recovery_point": one.point,
        "sealed_at": instant.to_text(one.sealed_at),
    }
