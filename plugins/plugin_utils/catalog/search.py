# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Search in the catalog's file.

What is asked of points and what is asked of snapshots are each answered by an index. Where both are asked, the search
begins with whichever has less to look through: it walks points from the newest, or the snapshots of the streams that
fit. SQLite's own planner knows no figures here, so the order of joins is spelled (CROSS JOIN keeps it:
https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Iterable, Iterator, Sequence

from ..model import instant
from ..model.catalog import OF_RUN, CatalogFailure, CatalogPoint, CatalogSnapshot, Counts, Query, State
from ..model.point import ObjectRef, StreamState
from .index import CARRIED, LIVE, STORED, UNCHANGED, Index, first_id, texts

_STATES = {
    STORED: StreamState.STORED,
    UNCHANGED: StreamState.UNCHANGED,
    CARRIED: StreamState.CARRIED,
    LIVE: StreamState.LIVE,
}
# so many snapshots of the streams that fit are looked through rather than all that points name
_FEW = 30_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_POINT = (
    "p.digest, p.name, p.run, p.point, p.opened_at, p.sealed_at, p.complete, p.full, p.stored, p.unchanged, p.carried,"
    " p.failed, p.missing, p.alias, p.change_id, p.requester, p.deployment_id, p.application_version, p.environment,"
    " p.deployer, p.actor"
)
# a snapshot that no run's own naming is left of counts by a full body that lists it
_ALONE = f"(n.state < {LIVE} OR NOT EXISTS (SELECT 1 FROM naming o WHERE o.snapshot = n.snapshot AND o.state < {LIVE}))"


@dataclasses.dataclass(frozen=True)
class _Where:
    """Conditions and their values."""

    parts: tuple[str, ...]
    values: tuple[t.Any, ...]

    @property
    def sql(self) -> str:
        return " AND ".join(self.parts) if self.parts else "1"


class Search:
    """Answers questions from an open index."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def counts(self) -> Counts:
        """How much there is."""
        with self._index.explained():
            (points, namings) = self._row("SELECT count(*), ifnull(sum(stored + unchanged + carried), 0) FROM point")
            (snapshots,) = self._row("SELECT count(*) FROM snapshot")
            (hosts,) = self._row("SELECT count(DISTINCT host_id) FROM stream")
        return Counts(points, snapshots, namings, hosts)

    def point(self, digest: str) -> CatalogPoint | None:
        """The point of that digest."""
        with self._index.explained():
            found = self._rows(f"SELECT {_POINT} FROM point p WHERE p.digest = ?", (digest,))
            return next(map(_point, found), None)

    def points(self, query: Query) -> list[CatalogPoint]:
        """Points that a query finds, by the time of their sealing."""
        with self._index.explained():
            return [_point(row) for row in self._points(query)]

    def _points(self, query: Query) -> Iterator[Sequence[t.Any]]:
        where, order = _of_points(query), _order(query)
        if not query.of_streams:
            return self._rows(
                f"SELECT {_POINT} FROM point p WHERE {where.sql} ORDER BY p.id {order} LIMIT ?",
                (*where.values, query.limit),
            )
        failed = _Where((), ())
        if _asks_for_failures(query):
            self._want_hosts(query)
            failed = _Where(("f.host IN (SELECT name FROM temp.wanted_host)",), ())
        if query.state is State.FAILED:
            return self._rows(
                f"SELECT {_POINT} FROM point p WHERE {where.sql} AND EXISTS (SELECT 1 FROM failure f WHERE"
                f" f.point = p.id AND {failed.sql}) ORDER BY p.id {order} LIMIT ?"
                if failed.parts
                else f"SELECT {_POINT} FROM point p WHERE 0 AND {where.sql} LIMIT ?",
                (*where.values, query.limit),
            )
        wanted, values = self._wanted(query)
        of_naming = f"{_of_namings(query)} AND {wanted}"
        own_failures = "SELECT f.point FROM failure f WHERE " + failed.sql if failed.parts else "SELECT -1 WHERE 0"
        if query.state is not None:
            # only of those in which the host did not fail is it said that they are complete or carried
            own_failures = "SELECT -1 WHERE 0"
        if self._walks_snapshots(query, where):
            return self._rows(
                f"SELECT {_POINT} FROM point p WHERE p.id IN (SELECT n.point FROM snapshot s CROSS JOIN naming n ON"
                f" n.snapshot = s.id WHERE {of_naming} UNION {own_failures}) AND {where.sql}"
                f" ORDER BY p.id {order} LIMIT ?",
                (*values, *where.values, query.limit),
            )
        # later ones name none of these streams
        latest = "p.id <= (SELECT max(last) FROM temp.wanted)"
        return self._rows(
            f"SELECT {_POINT} FROM point p WHERE {where.sql} AND ({latest} AND EXISTS (SELECT 1 FROM naming n"
            f" CROSS JOIN snapshot s ON s.id = n.snapshot WHERE n.point = p.id AND {of_naming})"
            f" OR p.id IN ({own_failures}))"
            f" ORDER BY p.id {order} LIMIT ?",
            (*where.values, *values, query.limit),
        )

    def snapshots(self, query: Query) -> list[CatalogSnapshot]:
        """Snapshots that points name which a query finds: those of the newest point first, of one the newest first."""
        if query.state is State.FAILED:
            return []
        with self._index.explained():
            where = _of_points(query)
            return [self._snapshot(one, query, where) for one in self._snapshot_ids(query, where)]

    def _snapshot_ids(self, query: Query, where: _Where) -> list[int]:
        wanted, values = self._wanted(query)
        order = _order(query)
        if query.of_streams and self._walks_snapshots(query, where):
            of_points = "CROSS JOIN point p ON p.id = n.point" if where.parts else ""
            # a digest has an index of its own
            begin = "temp.wanted w CROSS JOIN snapshot s ON s.stream = w.id" if query.snapshot is None else "snapshot s"
            rows = self._rows(
                f"SELECT s.id, (SELECT n.point FROM naming n {of_points} WHERE n.snapshot = s.id AND"
                f" {_of_namings(query)} AND {where.sql} ORDER BY n.point {order} LIMIT 1) AS best"
                f" FROM {begin} WHERE {wanted} AND best IS NOT NULL"
                f" ORDER BY best {order}, s.id {order} LIMIT ?",
                (*where.values, *values, query.limit),
            )
            return [row[0] for row in rows]
        joined = "CROSS JOIN snapshot s ON s.id = n.snapshot" if query.of_streams else ""
        if query.of_streams:
            # later ones name none of these streams
            wanted += " AND p.id <= (SELECT max(last) FROM temp.wanted)"
        found: dict[int, None] = {}
        rows = self._rows(
            f"SELECT n.snapshot FROM point p CROSS JOIN naming n ON n.point = p.id {joined}"
            f" WHERE {where.sql} AND {_of_namings(query)} AND {wanted} ORDER BY p.id {order}, n.snapshot {order}",
            (*where.values, *values),
        )
        for (snapshot,) in rows:
            found[snapshot] = None
            if len(found) == query.limit:
                break
        return list(found)

    def _snapshot(self, snapshot: int, query: Query, where: _Where) -> CatalogSnapshot:
        row = self._row(
            "SELECT t.host, t.host_id, s.name, t.stream, t.class, s.captured_at, t.segment, s.manifest, s.pack,"
            " s.manifest_version, s.pack_version, s.manifest_size, s.pack_size, s.manifest_lock, s.pack_lock,"
            " t.components, s.marks, s.imported FROM snapshot s JOIN stream t ON t.id = s.stream WHERE s.id = ?",
            (snapshot,),
        )
        host, host_id, name, stream, kept, captured_at, segment, manifest, pack, *rest = row
        (
            manifest_version,
            pack_version,
            manifest_size,
            pack_size,
            manifest_lock,
            pack_lock,
            components,
            marks,
            imported,
        ) = rest
        state, ago, point, sealed_at = self._row(
            "SELECT n.state, n.ago, p.digest, p.sealed_at FROM naming n CROSS JOIN point p ON p.id = n.point"
            f" WHERE n.snapshot = ? AND {_of_namings(query)} AND {where.sql} ORDER BY n.point DESC LIMIT 1",
            (snapshot, *where.values),
        )
        first = next(
            self._rows(
                "SELECT p.digest, n.state FROM naming n CROSS JOIN point p ON p.id = n.point"
                f" WHERE n.snapshot = ? AND n.state < {LIVE} ORDER BY n.point LIMIT 1",
                (snapshot,),
            ),
            (point, LIVE),
        )
        at = _moment(captured_at)
        middle = f"{kept}/{segment}/{stream}/{instant.to_name(at)}"
        return CatalogSnapshot(
            host=host,
            host_id=host_id,
            name=name or host,
            stream=stream,
            retention_class=kept,
            captured_at=at,
            verified_at=_moment(sealed_at - ago),
            state=_STATES[state],
            manifest=ObjectRef(
                f"manifests/{middle}-{manifest.hex()}.json.zst", manifest_version, manifest_size, _moment(manifest_lock)
            ),
            pack=ObjectRef(f"packs/{middle}-{pack.hex()}.tar.zst.age", pack_version, pack_size, _moment(pack_lock)),
            components=texts(components),
            marks=texts(marks),
            point=point,
            sealed_at=_moment(sealed_at),
            first_point=first[0],
            first_stored=first[1] == STORED,
            imported=imported,
        )

    def changes(self, digests: Iterable[str]) -> dict[str, str]:
        """Of each snapshot the change of the run that stored it, where that is still there and had one."""
        found = {}
        with self._index.explained():
            for digest in digests:
                manifest = bytes.fromhex(digest)
                rows = self._rows(
                    "SELECT p.change_id FROM snapshot s CROSS JOIN naming n ON n.snapshot = s.id CROSS JOIN point p"
                    " ON p.id = n.point WHERE substr(s.manifest, 1, 4) = substr(?, 1, 4) AND s.manifest = ?"
                    f" AND n.state = {STORED} ORDER BY n.point LIMIT 1",
                    (manifest, manifest),
                )
                for (change,) in rows:
                    if change:
                        found[digest] = change
        return found

    def failures(self, query: Query) -> list[CatalogFailure]:
        """Hosts that failed or are missing in points that a query finds, by the time of these."""
        if not _asks_for_failures(query) or query.state in (State.COMPLETE, State.CARRIED):
            return []
        with self._index.explained():
            where = _of_points(query)
            named = "1"
            if query.host is not None:
                self._want_hosts(query)
                named = "f.host IN (SELECT name FROM temp.wanted_host)"
            # a host's failures are looked for by its name, all others by their points
            tables = "failure f CROSS JOIN point p" if query.host is not None else "point p CROSS JOIN failure f"
            order = _order(query)
            rows = self._rows(
                f"SELECT f.host, f.reason, f.missing, p.digest, p.sealed_at FROM {tables} ON p.id = f.point"
                f" WHERE {named} AND {where.sql} ORDER BY p.id {order}, f.host LIMIT ?",
                (*where.values, query.limit),
            )
            return [
                CatalogFailure(host, reason, bool(missing), point, _moment(sealed_at))
                for host, reason, missing, point, sealed_at in rows
            ]

    def _wanted(self, query: Query) -> tuple[str, tuple[t.Any, ...]]:
        """The condition on snapshots ``s``, with its values; the streams that fit stand in a table of this connection.

        It looks these up only where streams are asked for.
        """
        if not query.of_streams:
            return "1", ()
        parts: list[str] = ["s.stream IN (SELECT id FROM temp.wanted)"]
        values: list[t.Any] = []
        self._want_streams(query)
        if query.snapshot is not None:
            parts.append("substr(s.manifest, 1, 4) = ? AND hex(s.manifest) LIKE ?")
            values += [bytes.fromhex(query.snapshot[:8]), f"{query.snapshot.upper()}%"]
        return " AND ".join(parts), tuple(values)

    def _want_streams(self, query: Query) -> None:
        parts: list[str] = []
        values: list[t.Any] = []
        if query.host is not None:
            parts.append("host_id IN (SELECT host_id FROM host WHERE name = ?)")
            values.append(query.host)
        if query.tier is not None:
            parts.append("stream = ?")
            values.append(query.tier)
        if query.component is not None:
            parts.append("id IN (SELECT stream FROM component WHERE name = ?)")
            values.append(query.component)
        self._index.connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (id INTEGER PRIMARY KEY, last INTEGER)")
        self._index.connection.execute("DELETE FROM temp.wanted")
        self._index.connection.execute(
            f"INSERT INTO temp.wanted SELECT id, last FROM stream WHERE {' AND '.join(parts) or '1'}", values
        )

    def _want_hosts(self, query: Query) -> None:
        """All names of the hosts that are meant, in a table of this connection."""
        self._index.connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted_host (name TEXT PRIMARY KEY)")
        self._index.connection.execute("DELETE FROM temp.wanted_host")
        self._index.connection.execute(
            "INSERT OR IGNORE INTO temp.wanted_host SELECT ? UNION SELECT name FROM host WHERE host_id IN"
            " (SELECT host_id FROM host WHERE name = ?)",
            (query.host, query.host),
        )

    def _walks_snapshots(self, query: Query, where: _Where) -> bool:
        """Whether to begin with the snapshots of the streams that fit, and not with the points that fit."""
        if query.snapshot is not None:
            return True
        (few,) = self._row(
            "SELECT count(*) FROM (SELECT 1 FROM temp.wanted w CROSS JOIN snapshot s ON s.stream = w.id LIMIT ?)",
            (_FEW + 1,),
        )
        if few > _FEW:
            return False
        (points,) = self._row(f"SELECT count(*) FROM point p WHERE {where.sql}", where.values)
        (all_points, namings) = self._row("SELECT count(*), ifnull(sum(stored + unchanged + carried), 0) FROM point")
        return bool(few * all_points <= points * namings)

    def _row(self, sql: str, values: Sequence[t.Any] = ()) -> tuple[t.Any, ...]:
        return t.cast("tuple[t.Any, ...]", self._index.connection.execute(sql, values).fetchone())

    def _rows(self, sql: str, values: Sequence[t.Any] = ()) -> Iterator[tuple[t.Any, ...]]:
        return iter(self._index.connection.execute(sql, values))


def _of_points(query: Query) -> _Where:
    """What is asked of points ``p``."""
    parts: list[str] = []
    values: list[t.Any] = []
    if query.recovery_point is not None:
        parts.append("p.digest >= ? AND p.digest < ?")
        # g comes after every hex digit
        values += [query.recovery_point, f"{query.recovery_point}g"]
    if query.alias is not None:
        parts.append("p.alias = ?")
        values.append(query.alias)
    for column in OF_RUN:
        value = getattr(query, column)
        if value is not None:
            parts.append(f"p.{column} = ?")
            values.append(value)
    if query.since is not None:
        # the whole second in which it lies may have begun before it
        since = -((_EPOCH - query.since) // dt.timedelta(seconds=1))
        parts.append("p.id >= ?")
        values.append(first_id(since))
    if query.until is not None:
        parts.append("p.id < ?")
        values.append(first_id((query.until - _EPOCH) // dt.timedelta(seconds=1) + 1))
    if query.state is State.CARRIED:
        parts.append("p.carried > 0")
    elif query.state is not None:
        parts.append("p.complete = ?")
        values.append(query.state is State.COMPLETE)
    return _Where(tuple(parts), tuple(values))


def _of_namings(query: Query) -> str:
    """What is asked of namings ``n``: a full body's list of what is live is no find of its run."""
    if query.state is State.CARRIED:
        return f"n.state = {CARRIED}"
    of_run = (query.recovery_point, query.alias, query.state, *(getattr(query, column) for column in OF_RUN))
    return _ALONE if all(value is None for value in of_run) else f"n.state < {LIVE}"


def _asks_for_failures(query: Query) -> bool:
    """Whether hosts that failed may be an answer: they have neither a component nor a tier nor a snapshot."""
    return query.component is None and query.tier is None and query.snapshot is None


def _order(query: Query) -> str:
    return "DESC" if query.newest_first else "ASC"


def _point(row: Sequence[t.Any]) -> CatalogPoint:
    digest, name, run, point, opened_at, sealed_at, complete, full, *rest = row
    counts, texts = rest[:5], rest[5:]
    return CatalogPoint(
        digest, name, run, point, _moment(opened_at), _moment(sealed_at), bool(complete), bool(full), *counts, *texts
    )


def _moment(seconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(seconds=seconds)
