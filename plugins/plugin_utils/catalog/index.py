# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalog's file: an SQLite database of what the bodies of recovery points say, made anew whenever it does not fit.

A snapshot stands there once, however many points name it; each naming is a row of small numbers. Ids begin with the
time, so that the order of rows is that of time (https://www.sqlite.org/withoutrowid.html, rowidtable.html).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import BusyCatalogError, CatalogError, DamagedCatalogError

VERSION = 1
# rows of its namings; the last one is of streams that a full body lists and its run has not found
STORED, UNCHANGED, CARRIED, LIVE = range(4)
# how long to wait for another process; it writes for a moment at a time
BUSY_SECONDS = 30.0
# low bits of an id, taken from the digest, so that ids do not depend on the order in which rows came
_ID_BITS = 20
_CACHE_KIB = 48 * 1024
# SQLITE_ERROR: what is asked is always the same, so the tables are not those of this version
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH})
_REMEDY = "Give room and rights there, set HOLDFAST_STATE_DIR to another folder, or set cache to false."

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE point (
        id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, run TEXT NOT NULL,
        point TEXT NOT NULL, opened_at INTEGER NOT NULL, sealed_at INTEGER NOT NULL, root INTEGER NOT NULL,
        complete INTEGER NOT NULL, full INTEGER NOT NULL, stored INTEGER NOT NULL, unchanged INTEGER NOT NULL,
        carried INTEGER NOT NULL, failed INTEGER NOT NULL, missing INTEGER NOT NULL, alias TEXT NOT NULL,
        change_id TEXT NOT NULL, requester TEXT NOT NULL, deployment_id TEXT NOT NULL,
        application_version TEXT NOT NULL, environment TEXT NOT NULL, deployer TEXT NOT NULL, actor TEXT NOT NULL)""",
    *(
        f"CREATE INDEX point_{column} ON point ({column})"
        for column in ("alias", "change_id", "deployment_id", "application_version", "environment", "deployer")
    ),
    # one stream as it was called, kept and composed: there are few of these beside snapshots; last is the greatest id
    # of the points that name one of its snapshots, or a greater one
    """CREATE TABLE stream (
        id INTEGER PRIMARY KEY, host_id TEXT NOT NULL, host TEXT NOT NULL, stream TEXT NOT NULL, class TEXT NOT NULL,
        segment TEXT NOT NULL, components TEXT NOT NULL, last INTEGER NOT NULL,
        UNIQUE (host_id, host, stream, class, components))""",
    "CREATE INDEX stream_stream ON stream (stream)",
    "CREATE TABLE component (name TEXT, stream INTEGER, PRIMARY KEY (name, stream)) WITHOUT ROWID",
    "CREATE TABLE host (name TEXT, host_id TEXT, PRIMARY KEY (name, host_id)) WITHOUT ROWID",
    "CREATE INDEX host_identity ON host (host_id)",
    # told_by: of the points that name it with the latest lock the newest; -1 once that has gone
    """CREATE TABLE snapshot (
        id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, captured_at INTEGER NOT NULL, manifest BLOB NOT NULL,
        pack BLOB NOT NULL, manifest_version TEXT NOT NULL, pack_version TEXT NOT NULL, manifest_size INTEGER NOT NULL,
        pack_size INTEGER NOT NULL, manifest_lock INTEGER NOT NULL, pack_lock INTEGER NOT NULL,
        told_by INTEGER NOT NULL, name TEXT NOT NULL, marks TEXT NOT NULL, imported TEXT NOT NULL)""",
    "CREATE INDEX snapshot_stream ON snapshot (stream)",
    "CREATE INDEX snapshot_manifest ON snapshot (substr(manifest, 1, 4))",
    "CREATE INDEX snapshot_untold ON snapshot (told_by) WHERE told_by = -1",
    """CREATE TABLE naming (
        point INTEGER, snapshot INTEGER, state INTEGER NOT NULL, ago INTEGER NOT NULL,
        PRIMARY KEY (point, snapshot)) WITHOUT ROWID""",
    # with the state, so that the search need not look at the rows themselves
    "CREATE INDEX naming_snapshot ON naming (snapshot, point, state)",
    """CREATE TABLE failure (
        host TEXT, point INTEGER, missing INTEGER, reason TEXT NOT NULL,
        PRIMARY KEY (host, point, missing)) WITHOUT ROWID""",
    "CREATE INDEX failure_point ON failure (point)",
    # ids that a root link vouches for whose keys it has removed
    "CREATE TABLE vouched (link TEXT, digest TEXT, PRIMARY KEY (link, digest)) WITHOUT ROWID",
)


@dataclasses.dataclass(frozen=True)
class PointRow:
    """A point as its table has it; times are seconds since 1970."""

    digest: str
    name: str
    run: str
    point: str
    opened_at: int
    sealed_at: int
    root: int
    complete: bool
    full: bool
    stored: int
    unchanged: int
    carried: int
    failed: int
    missing: int
    alias: str
    change_id: str
    requester: str
    deployment_id: str
    application_version: str
    environment: str
    deployer: str
    actor: str


@dataclasses.dataclass(frozen=True)
class StreamRow:
    """What many snapshots have in common: one stream as it was called and composed. ``components`` is a JSON list."""

    host_id: str
    host: str
    stream: str
    retention_class: str
    segment: str
    components: str
    parts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class NamingRow:
    """A snapshot as one point names it. ``ago`` is how long before its sealing it was verified, in seconds."""

    stream: StreamRow
    captured_at: int
    manifest: bytes
    pack: bytes
    manifest_version: str
    pack_version: str
    manifest_size: int
    pack_size: int
    manifest_lock: int
    pack_lock: int
    name: str
    marks: str
    imported: str
    state: int
    ago: int


@dataclasses.dataclass(frozen=True)
class Entry:
    """All that a point adds: its own row, what it names, and hosts that failed: name, whether missing, and reason."""

    point: PointRow
    namings: Sequence[NamingRow]
    failures: Sequence[tuple[str, bool, str]]


class Index:
    """The database, open. Several processes may use one file at once: each write is one transaction.

    :param path: of the file, in a folder of this user alone; None for one in memory that is gone at the end.
    :raises CatalogError: it cannot be made or opened, or it is somebody else's.
    :raises DamagedCatalogError: what is there is no database, or a damaged one.
    """

    def __init__(self, path: Path | None, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.rebuilt: str | None = None
        self._busy = busy_seconds
        self._streams: dict[StreamRow, int] = {}
        if path is not None:
            _make_private(path)
        with self.explained():
            self.connection = self._connect()
            try:
                self._require_schema()
            except BaseException:
                self.connection.close()
                raise

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what SQLite says into the tree of errors."""
        try:
            yield
        except sqlite3.DatabaseError as e:
            # the first byte is the kind, the rest says more of it: https://www.sqlite.org/rescode.html
            told = getattr(e, "sqlite_errorcode", None) or 0
            code = told & 0xFF
            where = "memory" if self.path is None else str(self.path)
            if code in _DAMAGED or told == sqlite3.SQLITE_READONLY_DBMOVED:
                raise DamagedCatalogError("the catalog's file is damaged", item=where, remedy=_REMEDY) from e
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                remedy = "Try again when it has ended."
                raise BusyCatalogError("another process holds the catalog's file", item=where, remedy=remedy) from e
            raise CatalogError(f"the catalog cannot be kept: {e}", item=where, remedy=_REMEDY) from e

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all that is done in the block is there afterwards, or nothing of it."""
        with self.explained():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                self._streams.clear()
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """All that is read in the block is of one moment, whatever other processes write."""
        with self.explained():
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")

    def made(self) -> str:
        """Tells one making of the tables from another: who finds another one than before has lost what he added."""
        with self.explained():
            return self.meta("made")

    def meta(self, key: str) -> str:
        """What was noted under a key; empty where nothing was."""
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def note(self, key: str, value: str) -> None:
        """Note something, in a transaction."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def names(self) -> set[str]:
        """Names of all points that are in it."""
        with self.explained():
            return {name for (name,) in self.connection.execute("SELECT name FROM point")}

    def holds(self, name: str) -> bool:
        """Whether it has the point of that name."""
        with self.explained():
            return self.connection.execute("SELECT 1 FROM point WHERE name = ?", (name,)).fetchone() is not None

    def root_of(self, digest: str) -> int | None:
        """The place in the chain of the root of a point; None for one that it has not."""
        with self.explained():
            row = self.connection.execute("SELECT root FROM point WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else int(row[0])

    def vouched(self) -> dict[str, set[str]]:
        """What was noted by :meth:`vouch`: ids of points by link."""
        found: dict[str, set[str]] = {}
        with self.explained():
            for link, digest in self.connection.execute("SELECT link, digest FROM vouched"):
                found.setdefault(link, set()).add(digest)
        return found

    def vouch(self, link: str, digests: Iterable[str]) -> None:
        """Note points that a link vouches for, in a transaction."""
        self.connection.executemany("INSERT OR IGNORE INTO vouched VALUES (?, ?)", ((link, one) for one in digests))

    def empty(self) -> None:
        """Drop everything, in a transaction, and make the tables anew."""
        self._streams.clear()
        tables = self.connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        for (table,) in tables:
            quoted = table.replace('"', '""')
            self.connection.execute(f'DROP TABLE "{quoted}"')
        for statement in _SCHEMA:
            self.connection.execute(statement)
        self.connection.execute(f"PRAGMA user_version = {VERSION}")
        self.note("made", secrets.token_hex(8))

    def add(self, entry: Entry) -> None:
        """Add a point and what it names, in a transaction; of one that is there, only what it says of objects."""
        known = self.connection.execute("SELECT id FROM point WHERE name = ?", (entry.point.name,)).fetchone()
        point = self._add_point(entry) if known is None else int(known[0])
        streams: set[int] = set()
        names: dict[tuple[str, str], None] = {}
        rows = []
        for naming in entry.namings:
            stream = self._stream(naming.stream, names)
            streams.add(stream)
            names[naming.name or naming.stream.host, naming.stream.host_id] = None
            rows.append((point, self._snapshot(stream, naming, point), naming.state, naming.ago))
        self.connection.executemany("INSERT OR IGNORE INTO naming VALUES (?, ?, ?, ?)", rows)
        self.connection.executemany("INSERT OR IGNORE INTO host VALUES (?, ?)", names)
        self.connection.executemany(
            "UPDATE stream SET last = max(last, ?) WHERE id = ?", ((point, stream) for stream in streams)
        )

    def drop(self, names: Iterable[str]) -> None:
        """Drop points, in a transaction, and what no other point names."""
        for name in names:
            found = self.connection.execute("SELECT id FROM point WHERE name = ?", (name,)).fetchone()
            if found is None:
                continue
            (point,) = found
            snapshots = self.connection.execute("SELECT snapshot FROM naming WHERE point = ?", (point,)).fetchall()
            for table in ("naming", "failure"):
                self.connection.execute(f"DELETE FROM {table} WHERE point = ?", (point,))
            self.connection.execute("DELETE FROM point WHERE id = ?", (point,))
            for (snapshot,) in snapshots:
                self._forget(snapshot, point)

    def untold(self) -> list[str]:
        """Names of points to read anew: the newest of each snapshot of which the point is gone that knew it best."""
        with self.explained():
            rows = self.connection.execute(
                "SELECT DISTINCT p.name FROM snapshot s CROSS JOIN point p ON p.id ="
                " (SELECT max(n.point) FROM naming n WHERE n.snapshot = s.id) WHERE s.told_by = -1"
            )
            return sorted(name for (name,) in rows)

    def _add_point(self, entry: Entry) -> int:
        row = entry.point
        point = self._free("point", _id(row.sealed_at, row.digest))
        values = (point, *(getattr(row, field.name) for field in dataclasses.fields(row)))
        self.connection.execute(f"INSERT INTO point VALUES ({', '.join('?' * len(values))})", values)
        self.connection.executemany(
            "INSERT OR IGNORE INTO failure VALUES (?, ?, ?, ?)",
            ((host, point, missing, reason) for host, missing, reason in entry.failures),
        )
        return point

    def _forget(self, snapshot: int, point: int) -> None:
        """Drop a snapshot that no point names any more; note that the point has gone that knew it best."""
        named = self.connection.execute("SELECT 1 FROM naming WHERE snapshot = ?", (snapshot,)).fetchone()
        if named is not None:
            self.connection.execute("UPDATE snapshot SET told_by = -1 WHERE id = ? AND told_by = ?", (snapshot, point))
            return
        (stream,) = self.connection.execute("SELECT stream FROM snapshot WHERE id = ?", (snapshot,)).fetchone()
        self.connection.execute("DELETE FROM snapshot WHERE id = ?", (snapshot,))
        if self.connection.execute("SELECT 1 FROM snapshot WHERE stream = ?", (stream,)).fetchone() is None:
            self.connection.execute("DELETE FROM component WHERE stream = ?", (stream,))
            self.connection.execute("DELETE FROM stream WHERE id = ?", (stream,))
            self._streams.clear()

    def _stream(self, row: StreamRow, names: dict[tuple[str, str], None]) -> int:
        known = self._streams.get(row)
        if known is not None:
            return known
        told = (row.host_id, row.host, row.stream, row.retention_class, row.components)
        found = self.connection.execute(
            "SELECT id FROM stream WHERE (host_id, host, stream, class, components) = (?, ?, ?, ?, ?)", told
        ).fetchone()
        if found is None:
            made = self.connection.execute(
                "INSERT INTO stream (host_id, host, stream, class, components, segment, last)"
                " VALUES (?, ?, ?, ?, ?, ?, 0)",
                (*told, row.segment),
            ).lastrowid
            found = (made,)
            self.connection.executemany(
                "INSERT OR IGNORE INTO component VALUES (?, ?)", ((part, made) for part in row.parts)
            )
        names[row.host, row.host_id] = names[row.host_id, row.host_id] = None
        self._streams[row] = int(found[0])
        return self._streams[row]

    def _snapshot(self, stream: int, naming: NamingRow, point: int) -> int:
        """The id of a snapshot, which is made where it is new; what is said of its objects is what locks them longest.

        Of the same objects every point says the same, but who has carried them says more.
        """
        told = (
            naming.manifest_version,
            naming.pack_version,
            naming.manifest_size,
            naming.pack_size,
            naming.manifest_lock,
            naming.pack_lock,
            point,
            naming.name,
            naming.marks,
            naming.imported,
        )
        found = self.connection.execute(
            "SELECT id, min(manifest_lock, pack_lock), told_by FROM snapshot"
            " WHERE substr(manifest, 1, 4) = substr(?, 1, 4) AND manifest = ?",
            (naming.manifest, naming.manifest),
        ).fetchone()
        if found is None:
            made = self._free("snapshot", _id(naming.captured_at, naming.manifest.hex()))
            self.connection.execute(
                f"INSERT INTO snapshot VALUES ({', '.join('?' * 15)})",
                (made, stream, naming.captured_at, naming.manifest, naming.pack, *told),
            )
            return made
        snapshot, lock, told_by = found
        if told_by == -1 or (min(naming.manifest_lock, naming.pack_lock), point) > (lock, told_by):
            self.connection.execute(
                "UPDATE snapshot SET manifest_version = ?, pack_version = ?, manifest_size = ?, pack_size = ?,"
                " manifest_lock = ?, pack_lock = ?, told_by = ?, name = ?, marks = ?, imported = ? WHERE id = ?",
                (*told, snapshot),
            )
        return int(snapshot)

    def _free(self, table: str, wanted: int) -> int:
        """The first id from there on that no row has."""
        while self.connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (wanted,)).fetchone():
            wanted += 1
        return wanted

    def _connect(self) -> sqlite3.Connection:
        where = ":memory:" if self.path is None else str(self.path)
        connection = sqlite3.connect(where, timeout=self._busy, isolation_level=None)
        # a power cut may damage a cache that is not synchronised; what is damaged is made anew
        for pragma in ("synchronous = NORMAL", "temp_store = MEMORY", f"cache_size = -{_CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _require_schema(self) -> None:
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if version == VERSION:
            return
        with self.writing():
            # another process may have been faster
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                return
            (tables,) = self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            self.empty()
        if tables:
            self.rebuilt = f"it was of version {version}, and this collection keeps version {VERSION}"


def texts(spoken: str) -> tuple[str, ...]:
    """A list of texts that is kept as JSON, empty where nothing is.

    :raises DamagedCatalogError: it is none.
    """
    try:
        found = json.loads(spoken) if spoken else []
    except ValueError as e:
        raise DamagedCatalogError("the catalog's file is damaged", remedy=_REMEDY) from e
    return tuple(found)


def identity(path: Path | None) -> tuple[int, int] | None:
    """Which file is there now; None where there is none."""
    if path is None:
        return None
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove(path: Path, seen: tuple[int, int] | None) -> bool:
    """Remove a damaged file, and what SQLite keeps beside it; not one that another process has put there since.

    :param seen: the :func:`identity` of the damaged one.
    :returns: whether it was still there.
    :raises CatalogError: it cannot be removed.
    """
    if identity(path) != seen:
        return False
    for file in (path, path.with_name(f"{path.name}-journal")):
        try:
            file.unlink(missing_ok=True)
        except OSError as e:
            raise CatalogError(
                f"the catalog's damaged file cannot be removed: {e.strerror}", item=str(file), remedy=_REMEDY
            ) from e
    return True


def _make_private(path: Path) -> None:
    """Make the file and its folders, of this user alone; raises CatalogError where it is somebody else's."""
    try:
        for folder in (path.parent.parent.parent, path.parent.parent, path.parent):
            # not pathlib's parents: it makes them by the umask
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        told = (path.parent.stat(), path.lstat())
    except OSError as e:
        raise CatalogError(f"the catalog's file cannot be made: {e.strerror}", item=str(path), remedy=_REMEDY) from e
    if any(one.st_uid != os.geteuid() or one.st_mode & 0o077 for one in told) or not stat.S_ISREG(told[1].st_mode):
        raise CatalogError(
            "the catalog's file belongs to somebody else, or others can reach it",
            item=str(path),
            remedy="Remove it, give its folder to this user with mode 0700, or set HOLDFAST_STATE_DIR to another one.",
        )


def _id(at: int, digest: str) -> int:
    return (at << _ID_BITS) | (int(digest[:8], 16) >> (32 - _ID_BITS))


def first_id(at: int) -> int:
    """The smallest id of what was made at that second."""
    return at << _ID_BITS
