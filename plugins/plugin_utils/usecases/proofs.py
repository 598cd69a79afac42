# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proofs: when each stream was last opened and compared equal, by the signed records of who did it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ..errors import FormatError, ObjectMissingError
from ..model.point import StreamEntry
from ..model.record import Record
from . import objects, open_snapshot, points, records
from .repository import Repository
from .restore_record import EQUAL, RESTORE

# kinds of records that say how opening and comparing a snapshot ended
_KINDS = frozenset({RESTORE})


@dataclasses.dataclass(frozen=True)
class Proof:
    """A stream of which a snapshot was opened, and compared equal as a whole.

    ``record`` is the name of the record that says so, ``source`` its kind; ``snapshot`` the digest of the manifest,
    ``components`` all that it holds.
    """

    at: dt.datetime
    record: str
    source: str
    snapshot: str
    components: tuple[str, ...]


def proven(repository: Repository) -> dict[tuple[str, str], Proof]:
    """The last proof of every stream that has one, by identity of the host and stream.

    Reads every point and every record of these kinds that is left. What is not believed proves nothing.
    """
    entries = [entry for point in points.history(repository) for entry in point.body.streams]
    return gather(repository, witnessed(repository).records, entries, now=objects.now(repository.store))


@dataclasses.dataclass(frozen=True)
class Witnessed:
    """Believed records with their names, the newest first; why others are not believed; how many were not read."""

    records: tuple[tuple[str, Record], ...]
    refused: tuple[str, ...]
    unread: int


def witnessed(repository: Repository, *, most: int | None = None) -> Witnessed:
    """The records that say how opening and comparing ended, less those whose key a later root link has removed.

    :param most: how many are read at most, the newest first; None for all.
    """
    listed = {name: versions for kind in _KINDS for name, versions in records.record_names(repository, kind).items()}
    found, refused = [], []
    for name in sorted(listed, key=_when, reverse=True)[:most]:
        try:
            record, removed = records.read_witnessed(repository, name, listed[name])
        except (FormatError, ObjectMissingError) as e:
            refused.append(f"record {name} is not believed: {e}")
            continue
        if removed is None:
            found.append((name, record))
    return Witnessed(tuple(found), tuple(refused), 0 if most is None else max(len(listed) - most, 0))


def gather(
    repository: Repository,
    witnessed: Iterable[tuple[str, Record]],
    entries: Iterable[StreamEntry],
    *,
    now: dt.datetime,
) -> dict[tuple[str, str], Proof]:
    """The last proof of every stream, from records that are believed.

    :param witnessed: records with their names; none whose key a later root link has removed, since who took it could
        say any time.
    :param entries: what believed points hold: a record names snapshots, and they say whose these are.
    :param now: the store's time; what lies ahead proves nothing.
    """
    by_digest = {entry.manifest.sha256: entry for entry in entries}
    found: dict[tuple[str, str], Proof] = {}
    for name, record in witnessed:
        if record.kind not in _KINDS or record.detail.get("result") != EQUAL or record.at > now + points.CLOCK_SKEW:
            continue
        for entry in _compared_whole(repository, record, by_digest):
            # nobody has opened it before it was there
            if record.at < entry.captured_at - points.CLOCK_SKEW:
                continue
            proof = Proof(record.at, name, record.kind, entry.manifest.sha256, _components(entry))
            known = found.get(entry.key)
            if known is None or (known.at, known.record) < (proof.at, proof.record):
                found[entry.key] = proof
    return found


def _compared_whole(
    repository: Repository, record: Record, by_digest: Mapping[str, StreamEntry]
) -> Iterator[StreamEntry]:
    """The snapshots that a record is about in all of their components and paths."""
    if record.subject.get("streams") is None:
        yield from _compared_before(repository, record, by_digest)
        return
    for key, snapshot, components in told_whole(record):
        entry = by_digest.get(snapshot)
        if entry is not None and key == entry.key and components == sorted(_components(entry)):
            yield entry


def told_whole(record: Record) -> Iterator[tuple[tuple[str, str], str, list[str]]]:
    """What a record says came back equal as a whole: each stream's key, its snapshot's digest, and its components.

    A record of the older form says nothing of streams.
    """
    told = record.subject.get("streams")
    if record.detail.get("result") != EQUAL or not isinstance(told, list):
        return
    for part in told:
        # a restore of some paths proves these alone
        if isinstance(part, Mapping) and part.get("whole") is True:
            key = (str(part.get("host_id")), str(part.get("stream")))
            yield key, str(part.get("snapshot")), _texts(part.get("components"))


def _compared_before(
    repository: Repository, record: Record, by_digest: Mapping[str, StreamEntry]
) -> Iterator[StreamEntry]:
    """The same of a record of the older form, which names snapshots alone, and counts the paths that were compared.

    It is about all of them where there are as many: a restore of some components has compared fewer.
    """
    named = [by_digest.get(digest) for digest in _texts(record.subject.get("snapshots"))]
    entries = [entry for entry in named if entry is not None]
    paths: set[str] = set()
    try:
        for entry in entries:
            manifest = open_snapshot.read_manifest(repository, entry)
            paths.update(keyed.entry.path for component in manifest.components for keyed in component.entries)
    except (FormatError, ObjectMissingError):
        return
    if len(entries) == len(named) and record.detail.get("entries") == len(paths):
        yield from entries


def _when(name: str) -> str:
    """The time and digest that a record's name ends in."""
    return name.rpartition("/")[2]


def _texts(value: t.Any) -> list[str]:
    """A list of texts, in order; empty where it is anything else."""
    listed = value if isinstance(value, list) else []
    return sorted(listed) if all(isinstance(text, str) for text in listed) else []


def _components(entry: StreamEntry) -> tuple[str, ...]:
    return tuple(fingerprint.component for fingerprint in entry.fingerprints)
