# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points: read one, and find which snapshot of every stream is the newest."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import (
    FormatError,
    HoldfastError,
    NameRefusedError,
    ObjectMissingError,
    RemovedKeyError,
    SignatureError,
)
from ..format import body as body_format
from ..format import names
from ..format import statement as statement_format
from ..model import keep
from ..model.destruction import DESTROYED
from ..model.point import Body, Retirement, Statement, StreamEntry
from ..model.root import Root
from ..store.base import Listed
from . import destroyed, objects, records
from .destroyed import Gone
from .repository import Repository, verify_signature

# as far as honest clocks may differ: with more a run is refused
CLOCK_SKEW = dt.timedelta(minutes=15)
# a statement of 64 KiB in base64, its signature and some air
ENVELOPE_LIMIT = 128 * 1024


@dataclasses.dataclass(frozen=True)
class Point:
    """A recovery point whose signature and digests were checked. ``size`` is that of its body, in bytes.

    ``removed`` is the first later root link that no longer lets its key sign: it counts only where that link vouches
    for it (:class:`Vouching`).
    """

    id: str
    name: str
    statement: Statement
    body: Body
    size: int
    removed: Root | None = None


@dataclasses.dataclass(frozen=True)
class Live:
    """What is known at one moment: the newest snapshot of every stream by its key, and the points that say so.

    ``ended`` are newest snapshots that nobody needs to keep any longer, each with the reason (:func:`keep.ended`); of
    those whose key was ``destroyed`` nobody can open any, and those that were not ended otherwise are ``unreadable``.
    ``tips`` are the points no other names as parent, the newest first; ``seen`` all listed ones, read or covered.
    ``full_size`` and ``since_full`` are the bytes of the newest full body and of those after it, ``full_sealed_at`` its
    time and ``points_since`` their number; ``warnings`` name what was not believed.
    """

    streams: Mapping[tuple[str, str], StreamEntry]
    ended: Mapping[tuple[str, str], str]
    retired: tuple[Retirement, ...]
    tips: tuple[str, ...]
    seen: tuple[str, ...]
    full_size: int
    full_sealed_at: dt.datetime | None
    since_full: int
    points_since: int
    warnings: tuple[str, ...]
    destroyed: Gone = dataclasses.field(default_factory=Gone)
    unreadable: tuple[StreamEntry, ...] = ()


class Vouching:
    """Which points a root link vouches for whose keys it has removed: its tips, their ancestors, what these cover.

    An id is the digest of its point, and a point names its parents: nobody can be made an ancestor afterwards.
    """

    def __init__(self, known: Mapping[str, Iterable[str]] | None = None) -> None:
        """Begin with what is known already: ids of points by the id of the link that vouches for them."""
        self._vouched = {link: set(ids) for link, ids in (known or {}).items()}

    @property
    def known(self) -> Mapping[str, set[str]]:
        """Ids of points by the id of the link that vouches for them."""
        return self._vouched

    def holds(self, point: Point) -> bool:
        """Whether a point counts, as far as is known yet; with each that does, more may."""
        if point.removed is None:
            return True
        vouched = self._vouched.setdefault(point.removed.id, set(point.removed.tips))
        # a point that was named before it was put, to be sealed later than its key was removed, was not known then
        return point.id in vouched and point.statement.sealed_at <= point.removed.created + CLOCK_SKEW

    def add(self, point: Point, links: Iterable[Root]) -> None:
        """Take in a point that was read: where a link vouches for it, so it does for its ancestors."""
        for link in links:
            vouched = self._vouched.setdefault(link.id, set(link.tips))
            if point.id in vouched:
                vouched.update(point.statement.parents, point.body.covers)


def point_names(repository: Repository) -> list[str]:
    """Names of all points, newest name first. A name is no proof of anything; what is too large is no point."""
    return list(listed_points(repository))


def listed_points(repository: Repository) -> dict[str, list[Listed]]:
    """Names of all points, newest name first, each with its versions, as one listing gives them."""
    found: dict[str, list[Listed]] = {}
    for listed in repository.store.list("points/"):
        if not listed.marker and listed.size <= ENVELOPE_LIMIT:
            try:
                names.parse(listed.name)
            except FormatError:
                continue
            found.setdefault(listed.name, []).append(listed)
    return {name: found[name] for name in sorted(found, reverse=True)}


def read_statement(
    repository: Repository, name: str, versions: Sequence[Listed] | None = None
) -> tuple[Statement, Root | None]:
    """Read a point's statement and check its digest, root and signature.

    :param versions: of *name*, where the caller has listed them.
    :returns: it, and the first later link that no longer lets its key sign.
    :raises SignatureError: signed by nobody the root knows, or under a root that is not of the pinned chain.
    :raises FormatError, StoreError: not readable.
    """
    data = objects.read(repository.store, name, listed=versions, limit=ENVELOPE_LIMIT)
    statement, envelope = statement_format.read(data, what=name)
    _same_time(name, statement.sealed_at, statement.run)
    _same_time(statement.body_name, statement.sealed_at, statement.run)
    if repository.chain.place(statement.root) is None or statement.repository != repository.name:
        raise SignatureError("stands under a root that is not of the pinned chain", item=name)
    signed = verify_signature(
        repository.chain, statement.root, envelope, use="point", at=statement.sealed_at, what=name
    )
    return statement, signed.removed


def read_point(repository: Repository, name: str, versions: Sequence[Listed] | None = None) -> Point:
    """Read a point and its body; raises as :func:`read_statement`, and where both do not say the same."""
    return with_body(repository, name, *read_statement(repository, name, versions))


def with_body(
    repository: Repository,
    name: str,
    statement: Statement,
    removed: Root | None,
    versions: Sequence[Listed] | None = None,
) -> Point:
    """The point of a statement that was read, with its body; raises as :func:`read_point`.

    :param versions: of the body, where the caller has listed them.
    """
    if names.parse(statement.body_name).sha256 != statement.body_sha256:
        raise FormatError("names its body by two digests", item=name)
    data = objects.read(repository.store, statement.body_name, listed=versions)
    body = body_format.read(data, what=statement.body_name)
    check_body(statement, body, what=name)
    return Point(names.parse(name).sha256, name, statement, body, len(data), removed)


def check_body(statement: Statement, body: Body, *, what: str) -> None:
    """Raise FormatError where a body is not what its statement says, or not what its own entries say.

    Who reads a point asks this, and who seals one asks it first: what no reader would believe is never signed.
    """
    told = (statement.repository, statement.root, statement.run, statement.point, statement.sealed_at)
    held = (body.repository, body.root, body.run, body.point, body.sealed_at)
    if told != held or (statement.parents, statement.full, statement.complete) != (
        body.parents,
        body.full,
        body.complete,
    ):
        raise FormatError("says something else than its body", item=what)
    if statement.alias != body.alias or statement.change not in (None, body.change_id):
        raise FormatError("has another alias or change than its body", item=what)
    if body.complete is not (not body.failed and not body.missing):
        raise FormatError("says that it is complete, or is not, against its own list of hosts", item=what)
    counted = {"streams": len(body.streams), "failed": len(body.failed), "missing": len(body.missing)}
    if any(statement.counts.get(name) != count for name, count in counted.items()):
        raise FormatError("counts something else than its body holds", item=what)
    for entry in body.streams:
        _same_snapshot_name(entry, what)
        _require_names(entry, what)
    # a full body also names what controllers saw whose store told another time
    if any(max(entry.captured_at, entry.verified_at) > body.sealed_at + CLOCK_SKEW for entry in body.streams):
        raise FormatError("names what was captured after it was sealed", item=what)


def _same_time(name: str, sealed_at: dt.datetime, run: str) -> None:
    parts = names.parse(name)
    if (parts.at, parts.run) != (sealed_at, run):
        raise FormatError("is named after another time or run than it says", item=name)


def _require_names(entry: StreamEntry, what: str) -> None:
    """Refuse an entry whose host is called what no host may be: these become names of files, and people read them."""
    for name in {entry.host_id, entry.name} - {entry.host}:
        try:
            names.escape_host(name)
        except NameRefusedError as e:
            raise FormatError(f"names a host that may not be called so: {e.message}", item=what) from e


def _same_snapshot_name(entry: StreamEntry, what: str) -> None:
    told = (names.escape_host(entry.host), entry.stream, entry.retention_class, entry.captured_at)
    for ref in (entry.pack, entry.manifest):
        parts = names.parse(ref.name)
        if (parts.host, parts.stream, parts.retention_class, parts.at) != told:
            raise FormatError(f"names {ref.name} for another snapshot than its name says", item=what)


def live(repository: Repository, *, until: dt.datetime | None = None, now: dt.datetime | None = None) -> Live:
    """Find the newest snapshot of every stream.

    Reads points from the newest name back to a full one, then every listed point that no full one read so far covers,
    whatever its name. A point that is not believed is left out and named in ``warnings``.

    :param until: leave out points sealed later.
    :param now: the store's time, where the caller has it; a point sealed after it is not believed.
    """
    now = now or objects.now(repository.store)
    found = Reading(repository, now=now, until=until)
    points = found.believed
    fulls = sorted((point for point in points.values() if point.body.full), key=lambda point: point.name)
    full = fulls[-1] if fulls else None
    after = [point for point in points.values() if not point.body.full and point.id not in found.covered]
    known = {retirement.record: retirement for point in fulls for retirement in point.body.retired}
    retired, refused = records.retirements(repository, known.values(), now=until or now)
    streams = newest(entry for point in points.values() for entry in point.body.streams)
    gone = destroyed.read(repository, now=until or now)
    ended = keep.ended(streams, retired, repository.root.classes, until or now)
    unreadable = {key: entry for key, entry in streams.items() if key not in ended and gone.ends(entry)}
    ended.update(dict.fromkeys(unreadable, DESTROYED))
    named = {parent for point in points.values() for parent in point.statement.parents}
    tips = points.keys() - named - found.covered
    return Live(
        streams={key: entry for key, entry in streams.items() if key not in ended},
        ended=ended,
        retired=retired,
        tips=tuple(sorted(tips, key=lambda tip: (points[tip].statement.sealed_at, tip), reverse=True)),
        seen=tuple(sorted((points.keys() | found.covered) & found.listed)),
        full_size=full.size if full else 0,
        full_sealed_at=full.statement.sealed_at if full else None,
        since_full=sum(point.size for point in after),
        points_since=len(after),
        warnings=(
            *repository.chain.warnings,
            *(f"recovery point {name} is not believed: {e}" for name, e in found.refused),
            *refused,
            *gone.refused,
        ),
        destroyed=gone,
        unreadable=tuple(unreadable.values()),
    )


class Reading:
    """Reads points, newest name first, and judges them.

    ``believed`` are those that count, by id; ``refused`` names the others and why; ``covered`` are the ids that
    believed full points have taken in.

    :param now: the store's time; what is signed for more than a little later is refused.
    :param until: leave out points sealed later.
    :param whole: read also what a full point covers.
    :param prefix: read those alone whose id starts so.
    :param meant: read the bodies of those alone whose statement it takes.
    :param since: leave out points sealed earlier, by their names: they are not read.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        now: dt.datetime,
        until: dt.datetime | None = None,
        whole: bool = False,
        prefix: str = "",
        meant: Callable[[Statement], bool] = lambda _statement: True,
        since: dt.datetime | None = None,
    ) -> None:
        self._repository = repository
        self._meant = meant
        self._latest = now + CLOCK_SKEW
        self._until = until
        self._roots = [link.root for link in repository.chain.links[1:]]
        self._names = listed_points(repository)
        self._by_id: dict[str, list[str]] = {}
        for name in self._names:
            self._by_id.setdefault(names.parse(name).sha256, []).append(name)
        self._statements: dict[str, tuple[Statement, Root | None]] = {}
        self._bodies: dict[str, dict[str, list[Listed]]] = {}
        self._vouching = Vouching()
        self._waiting: dict[str, Point] = {}
        self.listed = self._by_id.keys()
        self.believed: dict[str, Point] = {}
        self.refused: list[tuple[str, HoldfastError]] = []
        self.covered: set[str] = set()
        for name in self._names:
            parts = names.parse(name)
            if since is not None and parts.at is not None and parts.at < since:
                continue
            if parts.sha256.startswith(prefix) and (whole or parts.sha256 not in self.covered):
                self._read(name)
        self._settle()

    def _read(self, name: str) -> None:
        try:
            statement, removed = self._statement(name)
            if not self._meant(statement):
                return
            self._require_no_lower_root(name, statement)
            versions = self._body_versions(statement.body_name)
            point = with_body(self._repository, name, statement, removed, versions)
            refuse_future(point, self._latest)
        except (FormatError, ObjectMissingError) as e:
            self.refused.append((name, e))
            return
        self._take(point)

    def _body_versions(self, name: str) -> list[Listed]:
        """The versions of a body, from one listing of its day: a store asked for each of them lists as often."""
        day = name[: name.rfind("/") + 1]
        if day not in self._bodies:
            found: dict[str, list[Listed]] = {}
            for listed in self._repository.store.list(day):
                found.setdefault(listed.name, []).append(listed)
            self._bodies[day] = found
        return self._bodies[day].get(name, [])

    def _statement(self, name: str) -> tuple[Statement, Root | None]:
        if name not in self._statements:
            self._statements[name] = read_statement(self._repository, name, self._names[name])
        return self._statements[name]

    def _require_no_lower_root(self, name: str, statement: Statement) -> None:
        """Raise SignatureError for a point under an older root than a parent's: who signed it knew the later one.

        Asked before the point is used: what a full one covers is not read.
        """
        chain = self._repository.chain
        place = chain.place(statement.root) or 0
        if place < len(chain.links) - 1 and any(self._place(parent) > place for parent in statement.parents):
            raise SignatureError("stands under an older root than a parent of it", item=name)

    def _place(self, point_id: str) -> int:
        """The place in the chain of a point's root; 0 for a point that is not there or not believed."""
        for name in self._by_id.get(point_id, ()):
            with contextlib.suppress(FormatError, ObjectMissingError):
                return self._repository.chain.place(self._statement(name)[0].root) or 0
        return 0

    def _take(self, point: Point) -> None:
        self._vouching.add(point, self._roots)
        if not self._vouching.holds(point):
            self._waiting[point.id] = point
            return
        self._waiting.pop(point.id, None)
        # what was sealed later still tells of what a link vouches for
        if self._until is not None and point.statement.sealed_at > self._until:
            return
        self.believed[point.id] = point
        if point.body.full:
            self.covered.update(point.body.covers)

    def _settle(self) -> None:
        """A child may have a name that sorts after its parent's: look again until nothing more is vouched for."""
        before = None
        while self._waiting and before != len(self._waiting):
            before = len(self._waiting)
            for point in list(self._waiting.values()):
                self._take(point)
        self.refused += [(point.name, not_vouched(point.name)) for point in self._waiting.values()]


def refuse_future(point: Point, latest: dt.datetime) -> None:
    """Raise FormatError for a point that was sealed later than that."""
    if point.statement.sealed_at > latest:
        raise FormatError("was sealed in the future", item=point.name)


def not_vouched(name: str) -> RemovedKeyError:
    """What is wrong with a point that no link vouches for whose keys it has removed."""
    return RemovedKeyError(
        "is signed by a key that was removed from the root, and is none of the points known then",
        item=name,
        remedy="It counts as not there. Back up again, and find out who signed it.",
    )


def find(repository: Repository, prefix: str) -> tuple[list[Point], list[HoldfastError]]:
    """The believed points whose id starts with *prefix*, and why others are not."""
    now = objects.now(repository.store)
    found = Reading(repository, now=now, whole=True, prefix=prefix)
    if not found.believed and any(isinstance(error, RemovedKeyError) for _name, error in found.refused):
        # only its descendants tell whether a root link vouches for it
        whole = Reading(repository, now=now, whole=True)
        return [point for point in whole.believed.values() if point.id.startswith(prefix)], [
            e for _n, e in found.refused
        ]
    return list(found.believed.values()), [error for _name, error in found.refused]


def search(
    repository: Repository, meant: Callable[[Statement], bool], *, since: dt.datetime | None = None
) -> tuple[list[Point], list[tuple[str, HoldfastError]]]:
    """The believed points whose statement *meant* takes, and the names of others that are not believed, and why.

    Every statement is read, and the bodies of these alone, unless it takes others to know whether they are believed.

    :param since: leave out points sealed earlier.
    """
    now = objects.now(repository.store)
    found = Reading(repository, now=now, whole=True, meant=meant, since=since)
    if any(isinstance(error, RemovedKeyError) for _name, error in found.refused):
        # only its descendants tell whether a root link vouches for it
        found = Reading(repository, now=now, whole=True)
    believed = [point for point in found.believed.values() if since is None or point.body.sealed_at >= since]
    return [point for point in believed if meant(point.statement)], found.refused


def history(repository: Repository) -> list[Point]:
    """All points that are believed, also those that a full one covers: one body is read for each that is left."""
    return list(Reading(repository, now=objects.now(repository.store), whole=True).believed.values())


def newest(entries: Iterable[StreamEntry]) -> dict[tuple[str, str], StreamEntry]:
    """The newest entry of each stream."""
    found: dict[tuple[str, str], StreamEntry] = {}
    for entry in entries:
        known = found.get(entry.key)
        if known is None or entry.age_order > known.age_order:
            found[entry.key] = entry
    return found
