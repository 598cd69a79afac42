# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that escrow opens a repository: packs by escrow keys alone, in memory, held against their manifests."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..errors import (
    ArchivedError,
    CorruptError,
    FormatError,
    HoldfastError,
    KeyringError,
    NotFoundError,
    ObjectMissingError,
)
from ..keyring.base import Keyring
from ..keyring.identities import Identity
from ..model import instant
from ..model.escrow import EscrowSet
from ..model.keys import class_year
from ..model.point import StreamEntry
from ..model.record import Record
from ..model.snapshot import Manifest
from ..model.verification import Level
from . import destroyed, objects, open_snapshot, points, records
from .escrow_open import Opened
from .open_snapshot import timed
from .repository import Repository
from .restore_record import DIFFERENT, EQUAL
from .verify_objects import Reader

DRILL = "drill"


@dataclasses.dataclass(frozen=True)
class Failure:
    """A snapshot that escrow does not give back, and why."""

    host: str
    stream: str
    item: str
    problem: str


@dataclasses.dataclass(frozen=True)
class Proof:
    """What escrow opened.

    ``class_years`` are the escrow keys that it took, ``resting`` packs in an archive class, which nobody can read now,
    and ``destroyed`` those whose escrow key was destroyed, as people have signed.
    ``lacking`` are escrow keys that a root link names and that are not here, but for those that were destroyed so.
    ``digests`` says whether keyed digests were compared too, which takes a digest key; without one the digests in the
    packs were, and names, sizes and attributes with the manifests. ``record`` is the name of the signed record, None
    where there is none, and ``warnings`` say why.
    """

    recovery_point: str
    sealed_at: dt.datetime
    packs: int
    files: int
    bytes: int
    class_years: tuple[str, ...]
    digests: bool
    failures: tuple[Failure, ...]
    resting: tuple[str, ...]
    destroyed: tuple[str, ...]
    lacking: tuple[str, ...]
    seconds: Mapping[str, float]
    record: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether something was opened, and all of it was as it was sealed."""
        return bool(self.packs) and not self.failures


@dataclasses.dataclass
class _Counted:
    packs: int = 0
    files: int = 0
    bytes: int = 0
    class_years: set[str] = dataclasses.field(default_factory=set)
    failures: list[Failure] = dataclasses.field(default_factory=list)
    resting: list[str] = dataclasses.field(default_factory=list)
    destroyed: list[str] = dataclasses.field(default_factory=list)
    missing: set[str] = dataclasses.field(default_factory=set)


def prove(
    repository: Repository,
    opened: Opened,
    *,
    keyring: Keyring | None,
    point: str | None = None,
    hosts: Collection[str] = (),
    context: Mapping[str, t.Any] | None = None,
    check: bool = False,
) -> Proof:
    """Open the packs of a recovery point by escrow keys, one after the other, and hold them against their manifests.

    Escrow that lacks keys fails for each that a snapshot takes which is no longer newest and whose lock has not ended;
    where *point* is given that alone is proved. What is under a key that people had destroyed takes none. Who has all
    keys pays nothing for that; else all points are read, and manifests of these classes and years.

    Nothing is written but the record, which the keyring signs where its open half is at hand.

    :param keyring: for the record, and where it has the digest key for keyed digests; None where there is none.
    :param point: its id, or the first digits; None for the newest snapshot of every stream that is kept.
    :param hosts: names or identities of the hosts to open; all where it is empty.
    :param context: who did it, and under which change, for the record.
    :param check: put no record.
    :raises NotFoundError: there is no such point, or nothing of one of these hosts.
    :raises StoreError: the store does not answer, or does not let this identity read.
    """
    seconds: dict[str, float] = {}
    with timed(seconds, "find"):
        told, sealed_at, entries = _chosen(repository, point)
        wanted = [entry for entry in entries if not hosts or any(entry.belongs_to(host) for host in hosts)]
    lacking = [host for host in hosts if not any(entry.belongs_to(host) for entry in wanted)]
    if lacking or not wanted:
        raise NotFoundError(
            f"there is no snapshot{' of ' if lacking else ''}{', '.join(lacking)} to open",
            item=told,
            remedy="Name hosts that have one, or another recovery point.",
        )
    reader, digests, warnings = _reader(repository, keyring)
    now = objects.now(repository.store)
    gone = destroyed.read(repository, now=now)
    keys, absent = _escrow_keys(repository, opened.identities, gone.escrow)
    kept = sorted(gone.escrow.keys() & keys.keys())
    warnings += tuple(f"people have signed that the escrow key {key} was destroyed, and it is in here" for key in kept)
    warnings += _warned(absent)
    counted = _Counted()
    with timed(seconds, "open"):
        for entry in sorted(wanted, key=lambda one: (one.host, one.stream)):
            _count(repository, reader, keys, entry, counted, gone.escrow)
        due = _due(set(absent) - counted.missing, now) if point is None else set()
        if due:
            counted.failures += _left_out(repository, keys, due, gone.keys, _locked(repository, now, hosts))
    proof = Proof(
        recovery_point=told,
        sealed_at=sealed_at,
        packs=counted.packs,
        files=counted.files,
        bytes=counted.bytes,
        class_years=tuple(sorted(counted.class_years)),
        digests=digests,
        failures=tuple(counted.failures),
        resting=tuple(counted.resting),
        destroyed=tuple(counted.destroyed),
        lacking=absent,
        seconds=seconds,
        warnings=warnings,
    )
    return proof if check else _recorded(repository, keyring, opened, proof, hosts, context or {})


def _reader(repository: Repository, keyring: Keyring | None) -> tuple[Reader, bool, tuple[str, ...]]:
    """Who compares, and whether with digest keys. Escrow is for when the keyring is gone: it may fail as it likes."""
    reader = Reader(repository, Level.KEYS, keyring, {})
    try:
        return reader, bool(reader.digest_keys()), ()
    except HoldfastError as e:
        return Reader(repository, Level.KEYS, None, {}), False, (f"keyed digests were not compared: {e}",)


def _chosen(repository: Repository, point: str | None) -> tuple[str, dt.datetime, Sequence[StreamEntry]]:
    """The id and time of the point that is meant, and what it names."""
    if point is None:
        live = points.live(repository)
        tip = points.find(repository, live.tips[0])[0] if live.tips else []
        if not tip:
            raise NotFoundError("there is no recovery point yet", remedy="Back up, and prove it then.")
        return tip[0].id, tip[0].body.sealed_at, list(live.streams.values())
    found, refused = points.find(repository, point)
    if len(found) != 1:
        raise NotFoundError(
            f"{len(found) or 'no'} recovery points begin so" if not refused else "this recovery point is not believed",
            item=point,
            remedy="Give the 64 digits of one that verify lists.",
        )
    return found[0].id, found[0].body.sealed_at, found[0].body.streams


def _count(
    repository: Repository,
    reader: Reader,
    keys: Mapping[str, str],
    entry: StreamEntry,
    counted: _Counted,
    gone: Collection[str],
) -> None:
    try:
        manifest = open_snapshot.read_manifest(repository, entry)
        key = next((key for key in manifest.escrow if key in keys), None)
        if key is None:
            if manifest.escrow and set(manifest.escrow) <= set(gone):
                counted.destroyed.append(entry.pack.name)
            else:
                counted.failures.append(Failure(entry.host, entry.stream, entry.pack.name, _missing(manifest)))
                counted.missing.update(manifest.escrow)
            return
        sealed = objects.read(repository.store, entry.pack.name, version=entry.pack.version)
        packed = open_snapshot.open_pack(sealed, keys[key], manifest)
        lies = list(reader.lies(manifest, packed))
    except ArchivedError:
        counted.resting.append(entry.pack.name)
        return
    except (FormatError, KeyringError, ObjectMissingError, CorruptError) as e:
        counted.failures.append(Failure(entry.host, entry.stream, entry.pack.name, e.message))
        return
    counted.failures += [Failure(entry.host, entry.stream, lie.item, lie.problem) for lie in lies]
    counted.packs += not lies
    counted.class_years.add(key)
    for part in packed.components:
        counted.files += len(part.contents)
        counted.bytes += sum(map(len, part.contents.values()))


def _escrow_keys(
    repository: Repository, held: Sequence[Identity], gone: Collection[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The secrets of the repository's escrow keys that are here, by id, and the ids of those that should be."""
    secrets = {identity.recipient: identity.secret for identity in held}
    keys = [key for link in repository.chain.links for key in link.root.keys.escrow]
    found = {key.id: secrets[key.public] for key in keys if key.public in secrets}
    return found, tuple(sorted({key.id for key in keys} - found.keys() - set(gone)))


def _warned(lacking: Sequence[str]) -> tuple[str, ...]:
    if not lacking:
        return ()
    return (f"escrow lacks {len(lacking)} keys that the root names, the first {lacking[0]}: split them in too",)


def _due(lacking: Collection[str], now: dt.datetime) -> set[str]:
    """Those of a year that has begun: no snapshot takes another."""
    years = {key: found[1] for key in lacking if (found := class_year(key))}
    return {key for key, year in years.items() if year <= now.year}


def _left_out(
    repository: Repository,
    keys: Collection[str],
    lacking: Collection[str],
    gone: Collection[str],
    entries: Iterable[StreamEntry],
) -> Iterator[Failure]:
    """A failure for each key of *lacking* that a snapshot of *entries* takes, with the first such snapshot.

    :param gone: keys to wrap under that were destroyed: who had that done lets escrow go of the same.
    """
    left = set(lacking)
    for entry in entries:
        of = (entry.retention_class, entry.key_year)
        if not any(found[:2] == of for key in left if (found := class_year(key))):
            continue
        try:
            manifest = open_snapshot.read_manifest(repository, entry)
        except (FormatError, ObjectMissingError, CorruptError, ArchivedError):
            # verify tells of it; nothing says that it takes one of them
            continue
        if open_snapshot.key_id(manifest) not in gone and not set(keys).intersection(manifest.escrow):
            if taken := left.intersection(manifest.escrow):
                yield Failure(entry.host, entry.stream, entry.pack.name, _missing(manifest))
            left -= taken


def _locked(repository: Repository, now: dt.datetime, hosts: Collection[str]) -> list[StreamEntry]:
    """The snapshots that points name and whose lock has not ended, each once, the oldest first."""
    named = [entry for point in points.history(repository) for entry in point.body.streams]
    wanted = [entry for entry in named if not hosts or any(entry.belongs_to(host) for host in hosts)]
    locked = {entry.manifest.name: entry for entry in wanted if entry.lock_until > now}
    return sorted(locked.values(), key=lambda entry: (entry.captured_at, entry.host, entry.stream))


def _missing(manifest: Manifest) -> str:
    """What is said of a pack that escrow has no key of."""
    if not manifest.escrow:
        return "is sealed to no escrow key, by what its manifest says"
    ids = ", ".join(manifest.escrow)
    return f"escrow has no key of {ids}: it is of another repository, or keys were made since"


def _recorded(
    repository: Repository,
    keyring: Keyring | None,
    opened: Opened,
    proof: Proof,
    hosts: Collection[str],
    context: Mapping[str, t.Any],
) -> Proof:
    """The same with the name of its record, or with a warning why there is none: what is proved stays proved."""
    if keyring is None:
        return dataclasses.replace(
            proof, warnings=(*proof.warnings, "no record was put: no keyring is at hand to sign it")
        )
    root = repository.root
    try:
        now = instant.whole(repository.store.clock())
        record = Record(
            repository=root.repository,
            root=root.id,
            kind=DRILL,
            at=now,
            by=keyring.signer(use="record", among=root.signing(use="record", at=now)),
            subject={"recovery_point": proof.recovery_point, "hosts": sorted(hosts)},
            detail={**_detail(opened.escrow, opened.by, proof), **context},
        )
        name = records.put_made(repository, record, now=now, keyring=keyring)
    except HoldfastError as e:
        return dataclasses.replace(proof, warnings=(*proof.warnings, f"no record was put: {e}"))
    return dataclasses.replace(proof, record=name)


def _detail(escrow: EscrowSet, by: Sequence[str], proof: Proof) -> dict[str, t.Any]:
    return {
        "what": "escrow",
        "result": EQUAL if proof.holds else DIFFERENT,
        "sealed_sha256": escrow.sealed_sha256,
        "custodians": list(by),
        "threshold": escrow.threshold,
        "class_years": list(proof.class_years),
        "packs": proof.packs,
        "files": proof.files,
        "bytes": proof.bytes,
        "failures": len(proof.failures),
        "resting": len(proof.resting),
        "destroyed": len(proof.destroyed),
        "lacking": list(proof.lacking),
        "digests_compared": proof.digests,
        "milliseconds": {phase: round(spent * 1000) for phase, spent in proof.seconds.items()},
    }
