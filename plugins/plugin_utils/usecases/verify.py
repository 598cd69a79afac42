# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify a repository: what it promises, proven from its bytes; all but the last level with no key at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..errors import (
    CorruptError,
    FormatError,
    HoldfastError,
    KeyMissingError,
    ObjectMissingError,
)
from ..format import names
from ..format.names import Kind, ObjectName
from ..keyring.base import Keyring
from ..model import instant, keep
from ..model.access import ACCESS_GIVEN
from ..model.hold import HOLD
from ..model.point import ObjectRef, StreamEntry, StreamState
from ..model.record import AUDIT, PEOPLE_KINDS, Record, Request
from ..model.verification import Finding, Level, PointSummary, Report, Severity, StreamSummary
from ..store.base import Listed
from . import approvals, destroyed, events, objects, open_point, points, proofs, records, stamps
from .repository import Repository
from .restore_record import RESTORE
from .stamps import TimeStamping
from .verify_damage import Remedies
from .verify_objects import Outcome
from .verify_reading import How, Reading

_SNAPSHOT_FIELDS = (
    "host",
    "host_id",
    "stream",
    "retention_class",
    "captured_at",
    "fingerprints",
    "is_rollback_target",
    "imported",
)
# states in which a run proves that the lock is long enough
_LOCKED_ANEW = (StreamState.STORED, StreamState.UNCHANGED, StreamState.CARRIED)
_NAMED = 10


def verify(
    repository: Repository,
    *,
    level: Level,
    keyring: Keyring | None = None,
    stamping: TimeStamping | None = None,
    known: Collection[str] = (),
    how: How | None = None,
) -> Report:
    """Verify the repository down to *level*; the whole of it, unless *how* draws a sample.

    Never raises for what it finds: every broken promise is a finding, and the search goes on.

    :param keyring: with its open half, for ``Level.KEYS`` only; with the digest key too, digests are compared as well.
    :param stamping: whose time stamps to believe; None leaves them unread.
    :param known: ids of recovery points that are known elsewhere, from tickets or a SIEM: they must be there.
    :param how: how to read; None reads everything here and now.
    :raises KeyMissingError: ``Level.KEYS`` without the open half.
    :raises KeyringError: the keyring cannot be used as it is.
    :raises PolicyError: a class is to be sampled that the root does not know.
    :raises StoreError: the store itself does not answer, or the server of the keyring.
    :raises RunError: a process that reads was ended, or what was read cannot be noted.
    """
    return _Verification(repository, level, keyring, stamping, known, how or How()).run()


class _Verification:
    def __init__(
        self,
        repository: Repository,
        level: Level,
        keyring: Keyring | None,
        stamping: TimeStamping | None,
        known: Collection[str],
        how: How,
    ) -> None:
        self._repository = repository
        self._store = repository.store
        self._root = repository.root
        self._level = level
        self._stamping = stamping
        self._known = known
        self._timestamped = 0
        self._findings: list[Finding] = []
        self._keyless: list[KeyMissingError] = []
        self._damaged: set[str] = set()
        self._listed: dict[str, list[Listed]] = {}
        self._now = objects.now(self._store)
        self._reading = Reading(repository, level, keyring, how, listed=self._listed, now=self._now)

    def run(self) -> Report:
        """Verify, and forget the notes where that came to its end."""
        ended = False
        try:
            report = self._run()
            ended = True
        finally:
            self._reading.close(ended=ended)
        return report

    def _run(self) -> Report:
        """Look level by level; each needs what the one before has gathered."""
        parsed = self._names()
        self._links()
        summaries: list[PointSummary] = []
        entries: dict[str, list[StreamEntry]] = {}
        named_by: dict[str, str] = {}
        witnessed: list[tuple[str, Record]] = []
        streams: tuple[StreamSummary, ...] = ()
        newest_names: frozenset[str] = frozenset()
        records = 0
        if self._level >= Level.SIGNATURES:
            newest: dict[str, dict[tuple[str, str], StreamEntry]] = {}
            covers: dict[str, tuple[points.Point, tuple[str, ...]]] = {}
            sealed: set[tuple[str, str]] = set()
            called: dict[str, list[points.Point]] = {}
            for point in self._points():
                if point.body.alias is not None:
                    called.setdefault(point.body.alias, []).append(point)
                sealed.add((point.statement.run, point.statement.point))
                summaries.append(_summary(point))
                self._references(point, entries)
                named_by.update((entry.manifest.name, point.id) for entry in point.body.streams)
                newest[point.id] = points.newest(point.body.streams)
                if point.body.full:
                    covers[point.id] = (point, point.body.covers)
            self._aliases(called)
            self._covers(newest, covers)
            live = points.live(self._repository, now=self._now)
            self._fading(live)
            self._destroyed(live)
            records = sum(self._record(name, witnessed) for name, parts in parsed.items() if parts.kind is Kind.RECORD)
            self._unended(witnessed, sealed)
            streams = self._streams(live, witnessed, (entry for told in entries.values() for entry in told))
            newest_names = frozenset(entry.manifest.name for entry in live.streams.values())
        read = self._reading.read(parsed, entries, newest_names)
        self._take(read.found)
        self._rest(read.resting)
        if self._keyless and not read.opened:
            raise self._keyless[0]
        remedies = Remedies(entries, named_by, self._listed, damaged=self._damaged, read=read.snapshots)
        return Report(
            level=self._level,
            points=tuple(sorted(summaries, key=lambda summary: (summary.sealed_at, summary.id))),
            snapshots=len(entries),
            packs_opened=read.opened,
            records=records,
            objects=len(parsed),
            stored_bytes=sum(v.size for versions in self._listed.values() for v in versions),
            timestamped=self._timestamped,
            unsealed=self._unsealed(parsed, entries) if self._level >= Level.SIGNATURES else 0,
            findings=tuple(remedies.add(finding) for finding in self._findings),
            streams=streams,
            read=read.read,
            unread=read.unread,
            resumed=read.resumed,
            resumed_since=self._reading.resumed_since,
            sample=self._reading.sample,
            at=self._now,
        )

    def _names(self) -> dict[str, ObjectName]:
        if not self._store.enforced:
            self._find(
                Severity.NOTE,
                self._store.location,
                "this medium does not itself refuse deletion: locks here bind this collection alone",
                "Replicate to a store with object lock.",
            )
        found: list[Listed] = []
        try:
            found.extend(self._store.list())
        except CorruptError as e:
            self._error(e.item or self._store.location, e, "what the store lists after it was not looked at")
        parsed = {}
        for name in dict.fromkeys(listed.name for listed in found):
            try:
                parsed[name] = names.parse(name)
            except FormatError:
                self._find(
                    Severity.WARNING,
                    name,
                    "is not an object of this format",
                    "Find out who put it there; nothing reads it.",
                )
        for listed in self._reading.with_locks(found, parsed):
            self._listed.setdefault(listed.name, []).append(listed)
        for denied in sorted(self._reading.denied, key=lambda version: (version.name, version.version)):
            self._find(
                Severity.ERROR,
                denied.name,
                f"its version {denied.version} is listed, and the store says that it holds no such version",
                "Nothing is known of its bytes and lock. Look for what answers between here and the store.",
            )
        for name, parts in parsed.items():
            if any(not version.marker for version in self._listed.get(name, ())):
                self._locks(name, parts, self._listed[name])
        return {name: parts for name, parts in parsed.items() if name in self._listed}

    def _locks(self, name: str, parts: ObjectName, versions: list[Listed]) -> None:
        locks = [v.lock_until for v in versions if not v.marker and v.lock_until is not None]
        locked = max(locks, default=None)
        if locked is not None and locked > self._now and _marked_while_locked(versions):
            self._find(
                Severity.ERROR,
                name,
                f"was marked as deleted while locked until {instant.to_text(locked)}",
                "Nothing is lost: readers ignore the marker. Find out who holds a key that can do this.",
            )
        made = parts.at or self._root.created
        days = self._longest_days(made)
        if parts.kind in (Kind.PACK, Kind.MANIFEST):
            kept = self._root.classes.get(parts.retention_class)
            if kept is None:
                self._find(Severity.WARNING, name, "has a class that the root does not know", "Nothing reads it.")
                return
            days = kept.days
        if locked is None or locked < made + dt.timedelta(days=days):
            until = "not at all" if locked is None else f"only until {instant.to_text(locked)}"
            self._find(
                Severity.ERROR,
                name,
                f"is locked {until}, its class says {days} days",
                "Check the store's lock settings; a backup after that stores it anew.",
            )

    def _links(self) -> None:
        for warning in self._repository.chain.warnings:
            self._find(Severity.WARNING, "root", warning, "It changes nothing. Find out who can put root links.")
        for link in self._repository.chain.links:
            held = [name for root_id in link.ids if (name := f"root/{link.root.link}-{root_id}.json") in self._listed]
            if link.root.request is not None and held:
                first = min(held, key=self._stored)
                self._signed_when(first, link.root.created, link.root.request)

    def _stored(self, name: str) -> dt.datetime:
        """Since when the store holds an object."""
        return min(v.modified for v in self._listed[name] if not v.marker)

    def _longest_days(self, made: dt.datetime) -> int:
        """The longest class that everybody knew then: a link is put before its request expires."""
        links = (link.root for link in self._repository.chain.links)
        return max(root.longest_days for root in links if root.request is None or root.request.expires < made)

    def _points(self) -> Iterator[points.Point]:
        reading = points.Reading(self._repository, now=self._now, whole=True)
        for name, error in reading.refused:
            self._error(name, error, "counts as not there; the snapshots of its run may be found by other points")
        for known in sorted(set(self._known) - reading.believed.keys()):
            self._find(
                Severity.ERROR,
                known,
                "is known elsewhere and is not in this repository, or not believed",
                "Somebody hides it, or this is a frozen replica or an older copy: look in another replica.",
            )
        for point in sorted(reading.believed.values(), key=lambda point: point.name):
            self._parents(point, reading.listed)
            self._stored_when(point)
            self._stamped_when(point)
            if not point.statement.complete:
                hosts = [failure.host for failure in point.body.failed] + list(point.body.missing)
                self._find(
                    Severity.WARNING, point.name, f"is incomplete: {', '.join(hosts)}", "Back these hosts up again."
                )
            yield point

    def _aliases(self, called: Mapping[str, Sequence[points.Point]]) -> None:
        """Names that several points have: two controllers gave them at the same time, or one gave it on purpose."""
        for alias, having in sorted(called.items()):
            first, *others = sorted(having, key=lambda point: (point.body.sealed_at, point.id))
            for point in others:
                self._find(
                    Severity.WARNING,
                    point.name,
                    f"has the alias {alias}, which recovery point {first.id} has too ({open_point.given(first)})",
                    "Nothing is chosen by this alias. Choose by recovery_point, and find out who gave it twice.",
                )

    def _parents(self, point: points.Point, ids: Collection[str]) -> None:
        sealed_at = point.statement.sealed_at
        young = self._now - sealed_at < dt.timedelta(days=self._longest_days(sealed_at))
        for parent in point.statement.parents:
            if parent not in ids:
                self._find(
                    Severity.ERROR if young else Severity.NOTE,
                    point.name,
                    f"its parent {parent} is not listed",
                    "It has expired, or somebody hides it: look for it in a replica, a ticket or the SIEM.",
                )

    def _stored_when(self, point: points.Point) -> None:
        """Hold the signed time against the store's: who backs up could sign another one."""
        stored = self._stored(point.name)
        apart = stored - point.statement.sealed_at
        if abs(apart) > points.CLOCK_SKEW:
            self._find(
                Severity.WARNING,
                point.name,
                f"says it was sealed at {instant.to_text(point.statement.sealed_at)}, and the store holds it since "
                f"{instant.to_text(stored)}",
                "A copied repository looks so. If this one was not copied, somebody signed a wrong time.",
            )

    def _stamped_when(self, point: points.Point) -> None:
        """Hold the signed time against that of the time-stamp authority, where one is trusted."""
        if self._stamping is None:
            return
        said = point.statement.sealed_at
        stamped = stamps.read(self._repository, point.id, said, point.statement.run, self._stamping.certificates)
        for refused in stamped.refused:
            name, _colon, reason = refused.partition(": ")
            self._find(
                Severity.WARNING,
                name,
                f"is no time stamp of this point: {reason}",
                "Nothing counts by it. Compare the certificates; if they are right, find out who can put.",
            )
        self._timestamped += stamped.at is not None
        if stamped.at is None and self._stamping.required:
            self._find(
                Severity.WARNING,
                point.name,
                "has no time stamp that is believed",
                "It was sealed before stamps were required, or somebody hides it.",
            )
        if stamped.at is not None and abs(stamped.at - said) > points.CLOCK_SKEW:
            self._find(
                Severity.ERROR,
                point.name,
                f"says it was sealed at {instant.to_text(said)}, and {stamped.authority} has stamped it at "
                f"{instant.to_text(stamped.at)}",
                "Somebody signed a wrong time: restore by the id of another recovery point, and find out who.",
            )

    def _covers(
        self,
        newest: dict[str, dict[tuple[str, str], StreamEntry]],
        covers: dict[str, tuple[points.Point, tuple[str, ...]]],
    ) -> None:
        """A full point speaks for those it covers: it must hold each of their streams, as new or newer.

        It may leave out what people retired, what other streams of the host hold, what governance ends, and what nobody
        can open since people had its key destroyed.
        """
        # from the records alone: what a full body says of them its signer may have made up
        retired, _refused = records.retirements(self._repository, (), now=self._now)
        gone = destroyed.read(self._repository, now=self._now)
        last: dict[str, StreamEntry] = {}
        for entry in (entry for held in newest.values() for entry in held.values()):
            known = last.get(entry.manifest.name)
            if known is None or entry.verified_at > known.verified_at:
                last[entry.manifest.name] = entry
        proven: dict[str, list[StreamEntry]] = {}
        for entry in last.values():
            proven.setdefault(entry.host_id, []).append(entry)
        for point_id, (point, covered) in covers.items():
            name, held = point.name, newest[point_id]
            made_up = [claim.host for claim in point.body.retired if claim not in retired]
            if made_up:
                self._find(
                    Severity.ERROR,
                    name,
                    f"says that people retired what no record of theirs retires: {', '.join(sorted(made_up)[:_NAMED])}",
                    "Back these hosts up again, which makes them live, and find out who signed this recovery point.",
                )
            lost = {
                entry.spoken
                for other in covered
                for key, entry in newest.get(other, {}).items()
                if (key not in held or held[key].age_order[:2] < entry.age_order[:2])
                and not any(retirement.ends(entry) for retirement in retired)
                and not gone.ends(entry)
                and not keep.superseded(entry, proven[entry.host_id])
                and not keep.outlives(entry, self._root.classes, point.statement.sealed_at)
            }
            if lost:
                hidden = ", ".join(sorted(lost)[:_NAMED])
                self._find(
                    Severity.ERROR,
                    name,
                    f"covers recovery points whose snapshots it does not hold: {len(lost)} streams, {hidden}",
                    "Restore these by the id of an older recovery point, and find out who signed this one.",
                )

    def _streams(
        self, live: points.Live, witnessed: Sequence[tuple[str, Record]], entries: Iterable[StreamEntry]
    ) -> tuple[StreamSummary, ...]:
        proven = proofs.gather(self._repository, witnessed, entries, now=self._now)
        return tuple(
            StreamSummary(
                host=entry.name,
                host_id=entry.host_id,
                stream=entry.stream,
                captured_at=entry.captured_at,
                verified_at=entry.verified_at,
                proven_at=proven[entry.key].at if entry.key in proven else None,
                restore_open=not entry.is_rollback_target,
                storage_class=self._storage_class(entry),
                imported=entry.imported.tool if entry.imported else "",
            )
            for entry in sorted(live.streams.values(), key=lambda entry: (entry.name, *entry.key))
        )

    def _storage_class(self, entry: StreamEntry) -> str:
        """Where the pack rests; the usual class where a version of it does, since a restore takes that one."""
        held = [version for version in self._listed.get(entry.pack.name, ()) if not version.marker]
        readable = [version for version in held if not version.archived]
        return next((version.storage_class for version in readable or held), "")

    def _fading(self, live: points.Live) -> None:
        """The gate's warning: a newest copy that has less than half of its class's days left."""
        for entry in keep.fading(live.streams.values(), self._root.classes, self._now):
            self._find(
                Severity.WARNING,
                entry.spoken,
                f"its newest copy is locked only until {instant.to_text(entry.lock_until)}, less than half of class "
                f"{entry.retention_class}",
                "Back up again, any host: a run carries what is due. If the host is gone for good, retire it.",
            )

    def _destroyed(self, live: points.Live) -> None:
        """Name the keys that people had destroyed; whether escrow still opens what is under them, records tell."""
        for key, gone in sorted(live.destroyed.keys.items()):
            pending = live.destroyed.pending(key)
            self._find(
                Severity.WARNING if pending else Severity.NOTE,
                key,
                f"{gone.spoken}; " + ("escrow still opens it" if pending else "escrow was destroyed too"),
                "Let who holds escrow destroy that key and sign it: holdfast.config.destruction state=escrow."
                if pending
                else "Nothing is to be done: what is under it expires by itself.",
            )

    def _references(self, point: points.Point, entries: dict[str, list[StreamEntry]]) -> None:
        for entry in point.body.streams:
            told = entries.setdefault(entry.manifest.name, [])
            if not any(_same_snapshot(entry, other) for other in told):
                told.append(entry)
            if entry.state in _LOCKED_ANEW and entry.lock_until < point.statement.sealed_at + self._kept(entry):
                self._find(
                    Severity.ERROR,
                    entry.manifest.name,
                    f"was locked for less than its class when recovery point {point.id} named it",
                    "Back this host up again, and find out who signed this recovery point.",
                )
            for ref in (entry.pack, entry.manifest):
                # after its lock an object may have expired
                if self._now < ref.lock_until:
                    self._reference(point, entry, ref)

    def _kept(self, entry: StreamEntry) -> dt.timedelta:
        kept = self._root.classes.get(entry.retention_class)
        return dt.timedelta(days=kept.days if kept else self._root.longest_days)

    def _reference(self, point: points.Point, entry: StreamEntry, ref: ObjectRef) -> None:
        versions = [v for v in self._listed.get(ref.name, []) if not v.marker]
        if not versions:
            self._damaged.add(ref.name)
            self._find(
                Severity.ERROR,
                ref.name,
                f"is gone, and recovery point {point.id} names it for {entry.host}/{entry.stream}",
                "Restore it from a replica, and find out who can delete in this store.",
            )
            return
        named = [v for v in versions if v.version == ref.version] or versions
        if not any(v.lock_until is not None and v.lock_until >= ref.lock_until for v in named):
            self._find(
                Severity.ERROR,
                ref.name,
                f"its lock is shorter than recovery point {point.id} says",
                "Find out who can shorten locks in this store.",
            )

    def _take(self, found: Sequence[Outcome]) -> None:
        """Take in what was found: of objects first, by name, then of snapshots in the order of the points."""
        content = [finding for outcome in found for finding in outcome.content]
        self._findings += sorted(content, key=lambda finding: finding.item)
        for outcome in found:
            self._findings += outcome.snapshot
            self._damaged.update(outcome.damaged)
            if outcome.keyless is not None:
                self._keyless.append(outcome.keyless)

    def _rest(self, resting: Sequence[str]) -> None:
        if resting:
            self._find(
                Severity.NOTE,
                resting[0],
                f"{len(resting)} objects rest in an archive class, and were not read",
                "Ask the store to bring them back, and verify again, where they must be read.",
            )

    def _record(self, name: str, witnessed: list[tuple[str, Record]]) -> int:
        """Judge a record; one that counts, and that a machine signed with a key that still does, is *witnessed*."""
        parts = names.parse(name)
        if parts.record in (approvals.REQUEST, approvals.APPROVAL, HOLD, ACCESS_GIVEN):
            # nobody need sign them: who completes a request, or ends a hold, judges them
            return 0
        try:
            if parts.record in PEOPLE_KINDS:
                record = records.read_signed(self._repository, name)
                if record.request is not None:
                    self._signed_when(name, record.at, record.request)
                return 1
            record, removed = records.read_witnessed(self._repository, name)
        except (FormatError, ObjectMissingError) as e:
            self._error(name, e, "counts as not there")
            return 0
        if removed is None:
            witnessed.append((name, record))
        elif record.kind == AUDIT:
            # each run leaves one: the points of that time are told of by name
            return 0
        else:
            self._find(
                Severity.WARNING,
                name,
                f"is signed by a key that root link {removed.link} has removed",
                "Believe it only if its digest is known elsewhere: a ticket, a job's result, the SIEM.",
            )
        return int(record.kind != AUDIT)

    def _unended(self, witnessed: Sequence[tuple[str, Record]], sealed: Collection[tuple[str, str]]) -> None:
        """Runs that began and of which nothing more is known."""
        told = []
        for name, record in witnessed:
            if record.kind == AUDIT:
                try:
                    told.append(events.event_of(name, record))
                except FormatError as e:
                    self._error(name, e, "counts as not there")
        restored = {str(record.subject.get("intent")) for _name, record in witnessed if record.kind == RESTORE}
        for event in events.unended(told, sealed, now=self._now, restored=restored):
            problem = f"{event.spoken}, has neither sealed nor said how it ended"
            remedy = "Ask who ran it. Its process was ended, or somebody keeps its recovery point away."
            if event.host:
                problem = f"{event.spoken}, has not said how it ended"
                remedy = (
                    "Ask who ran it, and look at the host: it may hold part of what was restored. Restore it again."
                )
            self._find(Severity.WARNING, event.name, problem, remedy)

    def _signed_when(self, name: str, at: dt.datetime, request: Request) -> None:
        """Hold the time that people had against the store's: who held their signatures back could put them later."""
        stored = self._stored(name)
        if not at - points.CLOCK_SKEW <= stored <= request.expires:
            self._find(
                Severity.WARNING,
                name,
                f"was asked for at {instant.to_text(at)}, had to be signed until "
                f"{instant.to_text(request.expires)}, and is in the store since {instant.to_text(stored)}",
                "A copied repository looks so. If this one was not copied, find out who put it.",
            )

    def _unsealed(self, parsed: dict[str, ObjectName], entries: dict[str, list[StreamEntry]]) -> int:
        named = {entry.pack.name for told in entries.values() for entry in told} | set(entries)
        loose = [n for n, parts in parsed.items() if parts.kind in (Kind.PACK, Kind.MANIFEST) and n not in named]
        if loose:
            self._find(
                Severity.NOTE,
                loose[0],
                f"{len(loose)} packs and manifests belong to no sealed recovery point",
                "A run was interrupted before its seal; they expire by themselves.",
            )
        return len(loose)

    def _error(self, item: str, error: HoldfastError, consequence: str) -> None:
        remedy = error.remedy or "Look for it in a replica."
        self._find(Severity.ERROR, item, f"{error.message}: {consequence}", remedy)

    def _find(self, severity: Severity, item: str, problem: str, remedy: str) -> None:
        self._findings.append(Finding(severity, item, problem, remedy))


def _marked_while_locked(versions: Sequence[Listed]) -> bool:
    """Whether a delete marker was put while a version before it was locked; the store's own comes after that lock."""
    return any(
        v.lock_until is not None and v.modified <= marker.modified < v.lock_until
        for marker in versions
        if marker.marker
        for v in versions
        if not v.marker
    )


def _same_snapshot(one: StreamEntry, other: StreamEntry) -> bool:
    """Whether two points say the same of a snapshot, however often it was verified or carried."""
    return all(getattr(one, name) == getattr(other, name) for name in _SNAPSHOT_FIELDS)


def _summary(point: points.Point) -> PointSummary:
    return PointSummary(
        id=point.id,
        point=point.statement.point,
        sealed_at=point.statement.sealed_at,
        complete=point.statement.complete,
        streams=len(point.body.streams),
        change=str(point.body.change.get("id", "")),
        alias=point.body.alias or "",
    )
