# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalog: an index of what believed recovery points say, brought up to date when it is opened.

::

    <state dir>/catalog/<repository id>/<place>.sqlite    for each site: what a replica holds says nothing of another

It is a cache. Whatever stands in it was judged as a restore judges it, and is judged anew from the store whenever the
file is gone, damaged, of another version, or the root has a new link. Who may write the file can make it say anything:
he is the user who reads it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import hashlib
import json
import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..catalog import index as index_file
from ..catalog.index import CARRIED, LIVE, STORED, UNCHANGED, Entry, Index, NamingRow, PointRow, StreamRow
from ..catalog.search import Search
from ..errors import (
    BusyCatalogError,
    DamagedCatalogError,
    FormatError,
    HoldfastError,
    ObjectMissingError,
    SignatureError,
)
from ..format import names
from ..format import root as root_format
from ..model.catalog import CatalogFailure, CatalogPoint, CatalogSnapshot, Counts, Query
from ..model.point import Body, StreamEntry, StreamState
from ..store.base import Listed
from . import objects, points
from .points import Point
from .repository import Repository
from .verify_forks import default_forks, spread
from .verify_progress import Progress

_STATES = {
    StreamState.STORED: STORED,
    StreamState.UNCHANGED: UNCHANGED,
    StreamState.CARRIED: CARRIED,
    StreamState.LIVE: LIVE,
}
# namings of one transaction, about: others wait for so many at most
_TOGETHER = 20_000
# so that a process takes few points at once: their bodies may be large
_WEIGHT = 1024 * 1024
_NAMED = 20
# how often a search is begun again that finds the file damaged, or emptied by another process
_ATTEMPTS = 3
_T = t.TypeVar("_T")


class Catalog:
    """Answers what a repository holds. Close it, or use it in ``with``.

    ``warnings`` name what is not believed, and say why the file was made anew; ``stale`` are reasons why it may not
    show all that the store holds.
    """

    def __init__(
        self,
        repository: Repository,
        path: Path | None,
        *,
        rebuild: bool = False,
        forks: int = 0,
        progress: Progress | None = None,
        busy_seconds: float = index_file.BUSY_SECONDS,
    ) -> None:
        self._repository = repository
        self._path = path
        self._busy_seconds = busy_seconds
        self._forks = forks or default_forks()
        self._progress = progress
        self._made_anew: list[str] = []
        self._made = ""
        self._refused: tuple[tuple[str, HoldfastError], ...] = ()
        self.stale: tuple[str, ...] = ()
        self._index = self._open()
        try:
            try:
                self._update(rebuild=rebuild)
            except DamagedCatalogError:
                self._open_anew()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._index.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know of it."""
        told = [f"recovery point {name} is not believed: {e}" for name, e in self._refused[:_NAMED]]
        if len(self._refused) > _NAMED:
            told.append(f"and {len(self._refused) - _NAMED} more that are not believed: verify names them")
        anew = [f"the catalog was made anew: {reason}" for reason in self._made_anew]
        return (*anew, *self._repository.chain.warnings, *told)

    @property
    def counts(self) -> Counts:
        """How much it holds."""
        return self._sound(lambda: Search(self._index).counts())

    def points(self, query: Query) -> list[CatalogPoint]:
        """The recovery points that a query finds, by the time of their sealing."""
        return self._sound(lambda: Search(self._index).points(query))

    def snapshots(self, query: Query) -> list[CatalogSnapshot]:
        """The snapshots that a query finds, each once, as the newest point that it finds names it.

        Newest first are those that the newest points name, and of one point those captured last; oldest first are those
        that the oldest points name.
        """
        return self._sound(lambda: Search(self._index).snapshots(query))

    def failures(self, query: Query) -> list[CatalogFailure]:
        """The hosts that failed or are missing in recovery points that a query finds."""
        return self._sound(lambda: Search(self._index).failures(query))

    def changes(self, digests: Iterable[str]) -> dict[str, str]:
        """The tickets under which snapshots were stored, by their digests; of those alone that are known."""
        asked = list(digests)
        return self._sound(lambda: Search(self._index).changes(asked))

    def point(self, digest: str) -> CatalogPoint | None:
        """The recovery point of that digest."""
        return self._sound(lambda: Search(self._index).point(digest))

    def _sound(self, ask: Callable[[], _T]) -> _T:
        """What *ask* gives; where it finds the file damaged, from one that is made anew.

        Where another process has emptied the file since it was brought up to date here, it is once more.
        """
        for _attempt in range(_ATTEMPTS):
            try:
                with self._index.reading():
                    if self._index.made() == self._made:
                        return ask()
            except DamagedCatalogError:
                self._open_anew()
            else:
                self._update()
        raise BusyCatalogError("other processes make the catalog anew again and again", remedy="Try again later.")

    def _open_anew(self) -> None:
        self._index.close()
        self._index = self._open(damaged=True)
        self._update()

    def _open(self, *, damaged: bool = False) -> Index:
        if not damaged:
            self._seen = index_file.identity(self._path)
            with contextlib.suppress(DamagedCatalogError):
                return self._opened()
        if self._path is not None and index_file.remove(self._path, self._seen):
            self._made_anew.append("its file was damaged")
        return self._opened()

    def _opened(self) -> Index:
        found = Index(self._path, busy_seconds=self._busy_seconds)
        self._seen = index_file.identity(self._path)
        self._made_anew += [found.rebuilt] if found.rebuilt else []
        return found

    def _update(self, *, rebuild: bool = False) -> None:
        update = _Update(self._repository, self._index, self._forks, self._progress)
        try:
            update.run(rebuild=rebuild)
        except BusyCatalogError as e:
            self._made = self._index.made()
            if not self._index.names():
                raise
            self.stale = (f"{e.message}: it was not brought up to date",)
            return
        self._made = update.made
        self._made_anew += update.made_anew
        self._refused = tuple(update.refused)
        self.stale = tuple(update.stale)
        if self._refused:
            self.stale += (f"{len(self._refused)} recovery points are not believed, and not in it",)


def open_catalog(
    repository: Repository,
    *,
    state_dir: Path | None,
    rebuild: bool = False,
    forks: int = 0,
    progress: Progress | None = None,
    busy_seconds: float = index_file.BUSY_SECONDS,
) -> Catalog:
    """Open the catalog of a repository, with every recovery point that the store lists and that is believed.

    Needs rights to list and get alone, and no key.

    :param state_dir: the folder of all runs; None keeps it in memory and makes it anew each time.
    :param rebuild: forget what is in the file and judge everything again.
    :param forks: processes that read points, 0 for as many as there are cores.
    :param progress: told of each point that is taken in.
    :param busy_seconds: how long to wait for another process that writes to the file.
    :raises CatalogError: the file cannot be kept there.
    :raises StoreError: the store does not answer.
    """
    path = None if state_dir is None else place(state_dir, repository)
    return Catalog(repository, path, rebuild=rebuild, forks=forks, progress=progress, busy_seconds=busy_seconds)


def place(state_dir: Path, repository: Repository) -> Path:
    """Where the catalog of a repository is kept: by its first root link, and by the site that it is read at."""
    site = hashlib.sha256(repository.store.identity.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return state_dir / "catalog" / repository.chain.links[0].root.id / f"{site}.sqlite"


@dataclasses.dataclass
class _Read:
    """What became of one point that was read: the point without its streams and what it adds, or why it is refused."""

    name: str
    point: Point | None = None
    entry: Entry | None = None
    error: HoldfastError | None = None


class _Update:
    """Brings an index up to what the store lists."""

    def __init__(self, repository: Repository, index: Index, forks: int, progress: Progress | None) -> None:
        self._repository = repository
        self._index = index
        self._forks = forks
        self._progress = progress
        self._chain = [hashlib.sha256(root_format.payload(link.root)).hexdigest() for link in repository.chain.links]
        self._links = [link.root for link in repository.chain.links[1:]]
        self._latest = objects.now(repository.store) + points.CLOCK_SKEW
        self._listed: dict[str, list[Listed]] = {}
        self._by_id: dict[str, list[str]] = {}
        self._vouching = points.Vouching()
        self._noted: dict[str, set[str]] = {}
        self._waiting: dict[str, Point] = {}
        self._ready: list[Entry] = []
        self._size = 0
        # of this process, and of each that is forked from it
        self._place = functools.lru_cache(maxsize=4096)(self._place_of)
        self._bodies = functools.lru_cache(maxsize=2)(self._bodies_of)
        self.made = ""
        self.made_anew: list[str] = []
        self.refused: list[tuple[str, HoldfastError]] = []
        self.stale: list[str] = []

    def run(self, *, rebuild: bool) -> None:
        """Take in what is new and believed, and drop what is gone."""
        if not self._fits(rebuild):
            self.stale.append("the file was brought up to date under a newer link of the root than this task has seen")
            return
        # before the store is listed: what another process adds meanwhile is not gone
        known = self._index.names()
        self._listed = points.listed_points(self._repository)
        for name in self._listed:
            self._by_id.setdefault(names.parse(name).sha256, []).append(name)
        gone = known - self._listed.keys()
        if gone:
            with self._writing():
                self._index.drop(gone)
        untold = self._index.untold()
        new = [name for name in self._listed if name not in known]
        if not new and not untold:
            return
        if self._links:
            self._noted = self._index.vouched()
            self._vouching = points.Vouching(self._noted)
        self._read([*new, *(name for name in untold if name in self._listed)])

    def _fits(self, rebuild: bool) -> bool:
        """Whether the index is judged by the chain that is seen here; one that is not is emptied.

        False where it was judged by a longer one.
        """
        self.made = self._index.made()
        with self._index.explained():
            stored = self._index.meta("chain")
        if stored == self._spoken_chain and not rebuild:
            return True
        with self._index.writing():
            stored, self.made = self._index.meta("chain"), self._index.meta("made")
            seen = list(index_file.texts(stored))
            if len(seen) > len(self._chain) and seen[: len(self._chain)] == self._chain:
                return False
            if stored != self._spoken_chain or rebuild:
                self._index.empty()
                self._index.note("chain", self._spoken_chain)
                self.made = self._index.meta("made")
        if rebuild:
            self.made_anew.append("that was asked for")
        elif stored:
            self.made_anew.append("the root has another newest link than the one its points were judged by")
        return True

    @functools.cached_property
    def _spoken_chain(self) -> str:
        return json.dumps(self._chain)

    def _read(self, wanted: Sequence[str]) -> None:
        if self._progress:
            self._progress.begin("recovery points", len(wanted), 0)
        spread(wanted, self._read_one, forks=self._forks, weight=lambda _name: _WEIGHT, done=self._take)
        # a link may vouch for a point by one that was read after it
        before = None
        while self._waiting and before != len(self._waiting):
            before = len(self._waiting)
            for name, point in list(self._waiting.items()):
                self._vouching.add(point, self._links)
                if self._vouching.holds(point):
                    del self._waiting[name]
                    self._take(0, self._read_one(name))
        self.refused += [(name, points.not_vouched(name)) for name in self._waiting]
        self._flush()

    def _take(self, _place: int, read: _Read) -> None:
        """Keep what was read for the next transaction, if it counts."""
        entry, read.entry = read.entry, None
        if self._progress:
            self._progress.add(1, 0)
        if read.error is not None:
            self.refused.append((read.name, read.error))
            return
        if read.point is None or entry is None:
            return
        self._vouching.add(read.point, self._links)
        if not self._vouching.holds(read.point):
            self._waiting[read.name] = read.point
            return
        self._ready.append(entry)
        self._size += len(entry.namings)
        if self._size >= _TOGETHER:
            self._flush()

    def _flush(self) -> None:
        with self._writing():
            for entry in self._ready:
                self._index.add(entry)
            for link, ids in self._vouching.known.items():
                noted = self._noted.setdefault(link, set())
                self._index.vouch(link, ids - noted)
                noted |= ids
        self._ready, self._size = [], 0

    def _writing(self) -> _Writing:
        return _Writing(self._index, self._spoken_chain)

    def _read_one(self, name: str) -> _Read:
        """Read a point and judge it by itself; called in other processes."""
        try:
            statement, removed = points.read_statement(self._repository, name, self._listed[name])
            self._require_no_lower_root(name, statement.root, statement.parents)
            day = statement.body_name[: statement.body_name.rfind("/") + 1]
            versions = self._bodies(day).get(statement.body_name, [])
            point = points.with_body(self._repository, name, statement, removed, versions)
            points.refuse_future(point, self._latest)
        except (FormatError, ObjectMissingError) as e:
            e.__cause__ = e.__context__ = None
            return _Read(name, error=e)
        entry = _entry(point, self._repository.chain.place(statement.root) or 0)
        # no other body names these again as often as this one, and they are many
        names.parse.cache_clear()
        covers = point.body.covers if self._links else ()
        slim = dataclasses.replace(point.body, streams=(), covers=covers, expected=(), failed=(), missing=())
        return _Read(name, dataclasses.replace(point, body=slim), entry)

    def _require_no_lower_root(self, name: str, root: str, parents: Iterable[str]) -> None:
        """As a restore does: who signed a point under an older root than a parent's knew the later one."""
        chain = self._repository.chain
        place = chain.place(root) or 0
        if place < len(chain.links) - 1 and any(self._place(parent) > place for parent in parents):
            raise SignatureError("stands under an older root than a parent of it", item=name)

    def _place_of(self, point_id: str) -> int:
        for name in self._by_id.get(point_id, ()):
            try:
                statement, _removed = points.read_statement(self._repository, name, self._listed[name])
            except (FormatError, ObjectMissingError):
                continue
            return self._repository.chain.place(statement.root) or 0
        return 0

    def _bodies_of(self, day: str) -> Mapping[str, list[Listed]]:
        found: dict[str, list[Listed]] = {}
        for listed in self._repository.store.list(day):
            found.setdefault(listed.name, []).append(listed)
        return found


class _Writing:
    """A transaction in an index that is still judged by the same chain; else it is empty of what would be added to."""

    def __init__(self, index: Index, chain: str) -> None:
        self._index = index
        self._chain = chain
        self._inner = index.writing()

    def __enter__(self) -> None:
        self._inner.__enter__()
        if self._index.meta("chain") != self._chain:
            error = BusyCatalogError(
                "another process has seen another newest link of the root", remedy="Run this task again."
            )
            self._inner.__exit__(BusyCatalogError, error, None)
            raise error

    def __exit__(self, *error: t.Any) -> bool | None:
        return self._inner.__exit__(*error)


def _entry(point: Point, root: int) -> Entry:
    """What a point adds to the index."""
    body = point.body
    counts = {state: sum(entry.state is state for entry in body.streams) for state in StreamState}
    change = {key: value for key, value in body.change.items() if isinstance(value, str)}
    sealed_at = _seconds(body.sealed_at)
    return Entry(
        PointRow(
            digest=point.id,
            name=point.name,
            run=body.run,
            point=body.point,
            opened_at=_seconds(body.opened_at),
            sealed_at=sealed_at,
            root=root,
            complete=body.complete,
            full=body.full,
            stored=counts[StreamState.STORED],
            unchanged=counts[StreamState.UNCHANGED],
            carried=counts[StreamState.CARRIED],
            failed=len(body.failed),
            missing=len(body.missing),
            alias=body.alias or "",
            change_id=body.change_id,
            requester=change.get("requester", ""),
            deployment_id=change.get("deployment", ""),
            application_version=change.get("version", ""),
            environment=change.get("environment", ""),
            deployer=change.get("deployer", ""),
            actor=_actor(body),
        ),
        _namings(body.streams, sealed_at),
        (
            *((failure.host, False, failure.reason) for failure in body.failed),
            *((host, True, "it gave no answer") for host in body.missing),
        ),
    )


def _namings(entries: Iterable[StreamEntry], sealed_at: int) -> list[NamingRow]:
    known: dict[StreamRow, StreamRow] = {}
    found = []
    for entry in entries:
        parts = tuple(sorted({fingerprint.component for fingerprint in entry.fingerprints}))
        row = StreamRow(
            host_id=entry.host_id,
            host=entry.host,
            stream=entry.stream,
            retention_class=entry.retention_class,
            segment=names.parse(entry.manifest.name).host,
            components=json.dumps(parts, separators=(",", ":")),
            parts=parts,
        )
        found.append(
            NamingRow(
                stream=known.setdefault(row, row),
                captured_at=_seconds(entry.captured_at),
                manifest=bytes.fromhex(entry.manifest.sha256),
                pack=bytes.fromhex(entry.pack.sha256),
                manifest_version=entry.manifest.version,
                pack_version=entry.pack.version,
                manifest_size=entry.manifest.size,
                pack_size=entry.pack.size,
                manifest_lock=_seconds(entry.manifest.lock_until),
                pack_lock=_seconds(entry.pack.lock_until),
                name="" if entry.name == entry.host else entry.name,
                marks=json.dumps(entry.marks, separators=(",", ":")) if entry.marks else "",
                imported="" if entry.imported is None else entry.imported.tool,
                state=_STATES[entry.state],
                ago=sealed_at - _seconds(entry.verified_at),
            )
        )
    return found


def _actor(body: Body) -> str:
    """Who ran it, in a few words; empty where it does not say."""
    told = {key: value for key, value in body.actor.items() if isinstance(value, str)}
    if told.get("awx_user"):
        return f"{told['awx_user']} by AWX"
    return " on ".join(told[key] for key in ("user", "controller") if told.get(key))


def _seconds(moment: dt.datetime) -> int:
    return int(moment.timestamp())
