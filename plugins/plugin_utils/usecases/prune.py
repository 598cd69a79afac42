# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expiry, for a store that has none of its own: remove what neither lock, grace, hold nor a last copy keeps."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
from collections.abc import Sequence

from ..errors import FormatError, ObjectMissingError
from ..format import names
from ..format.names import Kind
from ..model import keep
from ..store.base import Listed
from ..store.file import FileStore
from . import points
from .repository import Repository


@dataclasses.dataclass(frozen=True)
class Pruned:
    """What was removed, or would be: names of versions, and their bytes.

    ``kept`` are objects that only their being the last copy has kept.
    """

    removed: tuple[str, ...]
    freed_bytes: int
    kept: tuple[str, ...]


def prune(repository: Repository, store: FileStore, *, check: bool = False) -> Pruned:
    """Remove every version whose lock and grace are over, as the lifecycle of a store with one would.

    Unlike such a lifecycle it knows what is live: the newest copy of a stream stays, whatever its lock, and so do the
    points that say so. Root links stay: what was sealed under them is read by them.

    :param check: find out only.
    """
    now = store.clock()
    reading = points.Reading(repository, now=now)
    live = points.live(repository, now=now)
    needed = {ref.name for entry in live.streams.values() for ref in (entry.pack, entry.manifest)}
    needed |= {point.name for point in reading.believed.values()}
    needed |= {point.statement.body_name for point in reading.believed.values()}
    needed |= _parents_of_young(repository, now)
    stamped = {(point.statement.sealed_at, point.statement.run) for point in reading.believed.values()}
    removed = []
    kept = set()
    freed = 0
    everything = list(store.list())
    lasting: dict[str, list[Listed]] = {}
    for listed in everything:
        if not _expired(listed, repository, now):
            lasting.setdefault(listed.name, []).append(listed)
    # a point goes before its body: broken off in between, this leaves nothing that looks like a loss
    for listed in sorted(everything, key=lambda listed: not listed.name.startswith("points/")):
        if listed in lasting.get(listed.name, ()):
            continue
        parts = names.parse(listed.name)
        last = listed.name in needed or (parts.kind is Kind.STAMP and (parts.at, parts.run) in stamped)
        # of a stream that is carried the versions before the last one may go
        if last and not _stands_in(store, lasting.get(listed.name, ())):
            kept.add(listed.name)
            continue
        if not check:
            store.expire(listed.name, listed.version)
        removed.append(f"{listed.name}@{listed.version}")
        freed += listed.size
    return Pruned(tuple(removed), freed, tuple(sorted(kept)))


def _stands_in(store: FileStore, lasting: Sequence[Listed]) -> bool:
    """Whether one of these versions, which stay, has the digest that its name promises."""
    for listed in lasting:
        data = store.get(listed.name, version=listed.version)
        if hashlib.sha256(data).hexdigest() == names.parse(listed.name).sha256:
            return True
    return False


def _parents_of_young(repository: Repository, now: dt.datetime) -> set[str]:
    """Points, and their bodies, that a young one names as parents: after a long pause these are old.

    That a young point's parent is not there is what verify tells a hidden point by.
    """
    listed = points.listed_points(repository)
    by_id = {names.parse(name).sha256: name for name in listed}
    found = set()
    for name, versions in listed.items():
        sealed_at = names.parse(name).at
        if sealed_at is None or now - sealed_at >= dt.timedelta(days=repository.root.longest_days):
            continue
        with contextlib.suppress(FormatError, ObjectMissingError):
            statement, _removed = points.read_statement(repository, name, versions)
            for parent in by_id.keys() & set(statement.parents):
                found.add(by_id[parent])
                found.add(points.read_statement(repository, by_id[parent])[0].body_name)
    return found


def _expired(listed: Listed, repository: Repository, now: dt.datetime) -> bool:
    if listed.held or listed.lock_until is None:
        return False
    try:
        parts = names.parse(listed.name)
    except FormatError:
        # not ours: whoever put it there takes it away
        return False
    if parts.kind is Kind.ROOT:
        return False
    days = repository.root.longest_days
    if parts.kind in (Kind.PACK, Kind.MANIFEST):
        kept = repository.root.classes.get(parts.retention_class)
        days = days if kept is None else kept.days
    return keep.expiry(listed.lock_until, days) < now
