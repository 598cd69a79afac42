# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery points: read one, and find which snapshot of every stream is the newest."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping

from ..errors import FormatError, ObjectMissingError, SignatureError
from ..format import body as body_format
from ..format import names
from ..format import statement as statement_format
from ..model.point import Body, Statement, StreamEntry
from . import objects
from .repository import Repository, verify_signature

# as far as honest clocks may differ: with more a run is refused
CLOCK_SKEW = dt.timedelta(minutes=15)
# a statement of 64 KiB in base64, its signature and some air
ENVELOPE_LIMIT = 128 * 1024


@dataclasses.dataclass(frozen=True)
class Point:
    """A recovery point whose signature and digests were checked. ``size`` is that of its body, in bytes."""

    id: str
    name: str
    statement: Statement
    body: Body
    size: int


@dataclasses.dataclass(frozen=True)
class Live:
    """What is known at one moment: the newest snapshot of every stream, and the points that say so.

    ``tips`` are the points no other names as parent; ``seen`` all listed ones that were read or covered; ``full_size``
    and ``since_full`` the bytes of the newest full body and of those after it; ``warnings`` name what was not believed.
    """

    streams: Mapping[tuple[str, str], StreamEntry]
    tips: tuple[str, ...]
    seen: tuple[str, ...]
    full_size: int
    since_full: int
    warnings: tuple[str, ...]


def point_names(repository: Repository) -> list[str]:
    """Names of all points, newest name first. A name is no proof of anything; what is too large is no point."""
    found = set()
    for listed in repository.store.list("points/"):
        if not listed.marker and listed.size <= ENVELOPE_LIMIT:
            try:
                names.parse(listed.name)
            except FormatError:
                continue
            found.add(listed.name)
    return sorted(found, reverse=True)


def read_statement(repository: Repository, name: str) -> Statement:
    """Read a point's statement and check its digest, root and signature.

    :raises SignatureError: signed by nobody the root knows, or under another root.
    :raises FormatError, StoreError: not readable.
    """
    statement, envelope = statement_format.read(objects.read(repository.store, name, limit=ENVELOPE_LIMIT), what=name)
    _same_time(name, statement.sealed_at, statement.run)
    _same_time(statement.body_name, statement.sealed_at, statement.run)
    if statement.root != repository.root.id or statement.repository != repository.name:
        raise SignatureError("stands under a root that is not the pinned one", item=name)
    verify_signature(repository.root, envelope, use="point", at=statement.sealed_at, what=name)
    return statement


def read_point(repository: Repository, name: str) -> Point:
    """Read a point and its body; raises as :func:`read_statement`, and where both do not say the same."""
    statement = read_statement(repository, name)
    if names.parse(statement.body_name).sha256 != statement.body_sha256:
        raise FormatError("names its body by two digests", item=name)
    data = objects.read(repository.store, statement.body_name)
    body = body_format.read(data, what=statement.body_name)
    check_body(statement, body, what=name)
    return Point(names.parse(name).sha256, name, statement, body, len(data))


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
    if body.complete is not (not body.failed and not body.missing):
        raise FormatError("says that it is complete, or is not, against its own list of hosts", item=what)
    counted = {"streams": len(body.streams), "failed": len(body.failed), "missing": len(body.missing)}
    if any(statement.counts.get(name) != count for name, count in counted.items()):
        raise FormatError("counts something else than its body holds", item=what)
    for entry in body.streams:
        _same_snapshot_name(entry, what)
    # a full body also names what controllers saw whose store told another time
    if any(max(entry.captured_at, entry.verified_at) > body.sealed_at + CLOCK_SKEW for entry in body.streams):
        raise FormatError("names what was captured after it was sealed", item=what)


def _same_time(name: str, sealed_at: dt.datetime, run: str) -> None:
    parts = names.parse(name)
    if (parts.at, parts.run) != (sealed_at, run):
        raise FormatError("is named after another time or run than it says", item=name)


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
    read: dict[str, Point] = {}
    covered: set[str] = set()
    warnings: list[str] = []
    full: Point | None = None
    since_full = 0
    all_names = point_names(repository)
    latest = (now or objects.now(repository.store)) + CLOCK_SKEW
    listed = {names.parse(name).sha256 for name in all_names}
    for name in all_names:
        if names.parse(name).sha256 in covered:
            continue
        try:
            point = read_point(repository, name)
        except (FormatError, ObjectMissingError) as e:
            warnings.append(f"recovery point {name} is not believed: {e}")
            continue
        if point.statement.sealed_at > latest:
            warnings.append(f"recovery point not believed: it was sealed in the future (item {name})")
            continue
        if until is not None and point.statement.sealed_at > until:
            continue
        read[point.id] = point
        if point.body.full:
            covered.update(point.body.covers)
            full = full or point
        elif full is None:
            since_full += point.size
    named = {parent for point in read.values() for parent in point.statement.parents}
    return Live(
        streams=newest(entry for point in read.values() for entry in point.body.streams),
        tips=tuple(sorted(set(read) - named - covered)),
        seen=tuple(sorted((set(read) | covered) & listed)),
        full_size=full.size if full else 0,
        since_full=since_full,
        warnings=tuple(warnings),
    )


def newest(entries: Iterable[StreamEntry]) -> dict[tuple[str, str], StreamEntry]:
    """The newest entry of each stream."""
    found: dict[tuple[str, str], StreamEntry] = {}
    for entry in entries:
        known = found.get(entry.key)
        if known is None or entry.age_order > known.age_order:
            found[entry.key] = entry
    return found
