# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One recovery point, or one snapshot, in full: found by the catalog, and read again from the store."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

from ..errors import NotFoundError, PolicyError
from ..model import instant
from ..model.catalog import MOST, CatalogPoint, CatalogSnapshot, Query
from ..model.point import Body
from ..model.redaction import visible
from ..model.snapshot import Manifest
from . import points
from .catalog import Catalog
from .open_snapshot import read_manifest
from .repository import Repository

_LISTED = 10


@dataclasses.dataclass(frozen=True)
class ShownPoint:
    """A recovery point and its body. ``locks`` are those of its snapshots by identity and stream, as known by now."""

    point: CatalogPoint
    body: Body
    locks: Mapping[tuple[str, str], dt.datetime]


@dataclasses.dataclass(frozen=True)
class ShownSnapshot:
    """A snapshot and its manifest."""

    snapshot: CatalogSnapshot
    manifest: Manifest


def show(repository: Repository, catalog: Catalog, query: Query, *, newest: bool = False) -> ShownPoint | ShownSnapshot:
    """The one snapshot that a query names by its digest, or else the one recovery point that it finds.

    Needs no key.

    :param newest: of several recovery points take the newest one.
    :raises NotFoundError: there is none.
    :raises PolicyError: there are several.
    :raises FormatError, StoreError: it cannot be read, or is not believed any more.
    """
    if query.snapshot is not None:
        return _snapshot(repository, _one_snapshot(catalog.snapshots(dataclasses.replace(query, limit=2))))
    found = catalog.points(dataclasses.replace(query, limit=1 if newest else _LISTED + 1))
    if not found:
        raise NotFoundError("no recovery point is found", remedy="Look with find, and with less to look for.")
    if len(found) > 1:
        listed = "; ".join(
            f"{one.digest[:12]} ({visible(one.point)}, {instant.to_text(one.sealed_at)})" for one in found
        )
        more = " and more" if len(found) > _LISTED else ""
        raise PolicyError(
            f"several recovery points are found: {listed}{more}",
            remedy="Give the recovery_point of one, or newest.",
            details={"recovery_points": [one.digest for one in found]},
        )
    (point,) = found
    named = catalog.snapshots(Query(recovery_point=point.digest, limit=MOST))
    locks = {(one.host_id, one.stream): one.lock_until for one in named}
    return ShownPoint(point, points.read_point(repository, point.name).body, locks)


def _one_snapshot(found: list[CatalogSnapshot]) -> CatalogSnapshot:
    if not found:
        raise NotFoundError("no snapshot of that digest is found", remedy="Look with find.")
    if len(found) > 1:
        raise PolicyError("several snapshots have that digest", item="snapshot", remedy="Give all 64 digits of one.")
    return found[0]


def _snapshot(repository: Repository, snapshot: CatalogSnapshot) -> ShownSnapshot:
    believed, refused = points.find(repository, snapshot.point)
    entries = (entry for point in believed for entry in point.body.streams if entry.manifest.sha256 == snapshot.digest)
    entry = next(entries, None)
    if entry is None:
        why = str(refused[0]) if refused else "it is gone, or names no such snapshot"
        raise NotFoundError(
            f"recovery point {snapshot.point[:12]} cannot be read again: {why}",
            item=snapshot.digest,
            remedy="Run this task again, and verify.",
        )
    return ShownSnapshot(snapshot, read_manifest(repository, entry))
