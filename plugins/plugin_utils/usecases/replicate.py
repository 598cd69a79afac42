# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copy a repository's objects to a replica, and say how the two differ.

What is copied never changes and is named by its digest, so any run goes on where another one was interrupted, and two
at once do no harm. Deletes and delete markers never travel.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Mapping

from ..errors import (
    ArchivedError,
    CorruptError,
    FormatError,
    HoldfastError,
    IntegrityError,
    ObjectMissingError,
    PolicyError,
    StoreError,
)
from ..format import body as body_format
from ..format import statement as statement_format
from ..format.names import Kind
from ..model.point import Statement
from ..model.replica import CopiedBy, Depth, Lag, ReplicaState, Replicated
from ..model.verification import Finding, Severity
from . import objects, records
from .records import RECORD_LIMIT
from .replica_objects import BEFORE_POINTS, Judged, Pair, Replica, Verdict, Whole, matches
from .repository import Repository

_NAMED = 20
_LOST_HERE = "The repository may have lost it: restore with holdfast_read_from, and see docs/runbooks/site_lost.md."


def replicate(
    repository: Repository, replica: Replica, *, depth: Depth = Depth.LOCKS, seed: bool = False, check: bool = False
) -> Replicated:
    """Copy all that a replica lacks: root links, packs, manifests, bodies and stamps, then points, then records.

    Each object's bytes are held against the digest in its name before they are put. A copy is locked as long as the
    repository's own one, and as long as the keep rule says. What is there with a lock that is long enough is not sent.
    A point is put once all that it names, and each parent of it that the repository holds, is there.

    :param depth: how closely what the replica has already is looked at.
    :param seed: a replica that holds no root link yet becomes one; else an empty one is refused.
    :param check: find out what would be copied; nothing is put.
    :raises PolicyError: servers copy to it by themselves, or it is empty and *seed* is not given.
    :raises TrustError: the replica holds another repository.
    :raises StoreError: a site does not answer, or the replica does not take what is put. What was copied stays, and the
        next run goes on from there.
    """
    if replica.copied_by is CopiedBy.SERVER:
        raise PolicyError(
            f"replica {replica.name} is copied by the servers themselves",
            item="copied_by",
            remedy="Compare it by verify with replicas; set copied_by to collection where the servers copy nothing.",
        )
    pair = connect(repository, replica)
    if not pair.seeded:
        _require_seed(pair, replica, seed=seed, check=check)
    return _Copying(pair, replica, depth, check=check).run()


def compare(repository: Repository, replica: Replica, *, depth: Depth = Depth.LOCKS) -> ReplicaState:
    """Say how a replica differs from its repository, and how far it is behind; nothing is copied.

    :raises TrustError, StoreError: as :func:`replicate`.
    """
    return _Comparison(connect(repository, replica), replica, depth).run()


def connect(repository: Repository, replica: Replica) -> Pair:
    """Reach both sites; raises TrustError, StoreError."""
    far = replica.connect()
    return Pair(repository, far, now=objects.now(repository.store), far_now=objects.now(far))


def _require_seed(pair: Pair, replica: Replica, *, seed: bool, check: bool) -> None:
    if not seed:
        raise PolicyError(
            f"replica {replica.name} is empty",
            item=pair.far.location,
            remedy="If it is a new one run replicate with seed; if it is not, find out what became of it: a folder may "
            "not be mounted, a bucket be another one.",
        )
    if check:
        return
    pair.far.probe()
    if any(kept.mode == "governance" for kept in pair.repository.root.classes.values()):
        pair.far.prove_governance()


class _Points:
    """The times of points that the repository and the replica hold."""

    def __init__(self) -> None:
        self._near: dict[str, dt.datetime] = {}
        self._far: set[str] = set()

    def add(self, judged: Judged) -> None:
        """Take in a point as it was found."""
        if judged.near and judged.parts.at is not None:
            self._near[judged.name] = judged.parts.at
            if judged.verdict in (Verdict.SAME, Verdict.SHORT):
                self._far.add(judged.name)

    def there(self) -> dict[str, dt.datetime]:
        """When the points were sealed that both have, by name."""
        return {name: at for name, at in self._near.items() if name in self._far}

    def came(self, name: str) -> None:
        """A point was put at the replica."""
        self._far.add(name)

    def lag(self, now: dt.datetime) -> Lag:
        """How far the replica is behind at this moment."""
        waiting = [at for name, at in self._near.items() if name not in self._far]
        oldest = min(waiting, default=None)
        return Lag(
            newest=max(self._near.values(), default=None),
            newest_there=max((at for name, at in self._near.items() if name in self._far), default=None),
            oldest_waiting=oldest,
            points=len(waiting),
            seconds=0 if oldest is None else max(0, round((now - oldest).total_seconds())),
        )


class _Comparison:
    def __init__(self, pair: Pair, replica: Replica, depth: Depth) -> None:
        self._pair = pair
        self._replica = replica
        self._depth = depth
        self._points = _Points()
        self._counts = dict.fromkeys(Verdict, 0)
        self._named: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
        self._lacking: dict[str, dt.datetime | None] = {}
        self._findings: list[Finding] = []

    def run(self) -> ReplicaState:
        """Compare kind by kind."""
        for kind in (*BEFORE_POINTS, Kind.POINT, Kind.RECORD):
            for judged in self._pair.judged(kind, self._depth):
                self._take(judged)
        lag = self._points.lag(self._pair.now)
        lost = self._lost()
        self._findings += self._gone(lag, lost)
        for verdict, severity, problem, remedy in self._told(lag):
            names_ = [name for name in self._named[verdict] if name not in lost]
            count = self._counts[verdict] - (len(lost) if verdict is Verdict.LACKING else 0)
            self._findings += _summarised(names_, count, severity, problem, remedy)
        return ReplicaState(
            name=self._replica.name,
            location=self._pair.far.location,
            depth=self._depth,
            lag=lag,
            objects=sum(self._counts.values()),
            lacking=self._counts[Verdict.LACKING],
            short=self._counts[Verdict.SHORT],
            damaged=self._counts[Verdict.DAMAGED],
            extra=self._counts[Verdict.EXTRA],
            findings=tuple(self._findings),
        )

    def _take(self, judged: Judged) -> None:
        if judged.parts.kind is Kind.POINT:
            self._points.add(judged)
        self._findings += hidden(self._pair, self._replica, judged)
        if self._pair.comes_home(judged):
            self._findings.append(
                Finding(
                    Severity.WARNING,
                    judged.name,
                    f"is at replica {self._replica.name} alone: a restore that read there left it",
                    "replicate brings it home.",
                )
            )
            return
        self._counts[judged.verdict] += 1
        if judged.verdict is Verdict.LACKING and judged.parts.kind in BEFORE_POINTS:
            self._lacking[judged.name] = judged.parts.at
        if judged.verdict is not Verdict.SAME and len(self._named[judged.verdict]) < _NAMED:
            self._named[judged.verdict].append(judged.name)

    def _gone(self, lag: Lag, lost: Collection[str]) -> Iterable[Finding]:
        """What the replica had, or must have had: an object that one of its points names never comes after it."""
        if lag.newest is not None and not self._pair.seeded:
            problem = f"replica {self._replica.name} is empty, and the repository is not"
            remedy = "If it is a new one run replicate with seed; else find out what became of it."
            yield Finding(Severity.ERROR, self._pair.far.location, problem, remedy)
            return
        problem = f"is not at replica {self._replica.name}, which holds a recovery point that names it"
        remedy = "Find out who took it away; replicate brings it back."
        yield from _summarised(sorted(lost)[:_NAMED], len(lost), Severity.ERROR, problem, remedy)

    def _lost(self) -> set[str]:
        there = self._points.there()
        newest = max(there.values(), default=None)
        if newest is None:
            return set()
        # what is younger than every point there can be named by none of them
        suspects = {name: at for name, at in self._lacking.items() if at is None or at <= newest}
        found: set[str] = set()
        for point in sorted(there, reverse=True) if suspects else ():
            found |= suspects.keys() & self._named_by(point)
            if len(found) == len(suspects):
                break
        return found

    def _named_by(self, point: str) -> set[str]:
        try:
            return named(self._pair, self._pair.statement(point))
        except (FormatError, CorruptError, ObjectMissingError, IntegrityError):
            return set()

    def _told(self, lag: Lag) -> tuple[tuple[Verdict, Severity, str, str], ...]:
        name = self._replica.name
        if self._replica.copied_by is CopiedBy.SERVER:
            again = "Look at the replication of the servers."
        else:
            again = "Run replicate."
        behind = f"; the oldest recovery point that waits is {lag.seconds} s old" if lag.points else ""
        return (
            (Verdict.LACKING, Severity.WARNING, f"is not at replica {name} yet{behind}", again),
            (Verdict.SHORT, Severity.ERROR, f"is locked at replica {name} for a shorter time than here", again),
            (Verdict.DAMAGED, Severity.ERROR, f"is not at replica {name} with the digest of its name", again),
            (
                Verdict.EXTRA,
                Severity.ERROR,
                f"is locked at replica {name} and is not in the repository",
                _LOST_HERE,
            ),
        )


def hidden(pair: Pair, replica: Replica, judged: Judged) -> list[Finding]:
    """What to say of a delete marker on a point that must be kept still.

    One in the repository is for verify to tell; what is told here is that it did not travel, or that one stands there.
    """
    if judged.parts.kind is not Kind.POINT or "far" not in judged.marked or pair.floor(judged.parts) <= pair.now:
        return []
    return [
        Finding(
            Severity.ERROR,
            judged.name,
            f"was marked as deleted at replica {replica.name} while it must be kept",
            "Nothing is lost: readers ignore the marker. Find out who holds a key of that site that can do this.",
        )
    ]


def _summarised(named: Iterable[str], count: int, severity: Severity, problem: str, remedy: str) -> Iterable[Finding]:
    names_ = list(named)
    for name in names_:
        yield Finding(severity, name, problem, remedy)
    if count > len(names_):
        yield Finding(severity, f"{count - len(names_)} more objects", problem, remedy)


class _Copying:
    def __init__(self, pair: Pair, replica: Replica, depth: Depth, *, check: bool) -> None:
        self._pair = pair
        self._replica = replica
        self._depth = depth
        self._check = check
        self._points = _Points()
        self._copied: list[str] = []
        self._bytes = 0
        self._renewed = 0
        self._mended = 0
        self._returned: list[str] = []
        self._findings: list[Finding] = []
        # what the repository may have whole, and could not be copied: who names it waits
        self._left: set[str] = set()

    def run(self) -> Replicated:
        """Copy kind by kind; points come when all else is there."""
        # what is sealed from now on may name what is put behind us: it is the next run's
        meant = {listed.name for listed in self._pair.near.list(f"{Kind.POINT.value}/")}
        try:
            for kind in BEFORE_POINTS:
                self._copy_kind(kind)
            waiting = self._copy_kind(Kind.POINT, meant)
            before = self._points.lag(self._pair.now)
            held = self._copy_points(waiting)
            self._copy_kind(Kind.RECORD)
        except StoreError as e:
            e.details |= {"copied": len(self._copied), "copied_bytes": self._bytes}
            raise
        return Replicated(
            name=self._replica.name,
            location=self._pair.far.location,
            copied=tuple(self._copied),
            copied_bytes=self._bytes,
            renewed=self._renewed,
            mended=self._mended,
            returned=tuple(self._returned),
            held_back=held,
            before=before,
            lag=self._points.lag(self._pair.now),
            findings=tuple(self._findings),
        )

    def _copy_kind(self, kind: Kind, meant: Collection[str] = ()) -> dict[str, Judged]:
        """Copy all of a kind, and of points those that are meant; returns points that are lacking."""
        waiting = {}
        for judged in self._pair.judged(kind, self._depth):
            later = kind is Kind.POINT and judged.near and judged.name not in meant
            if not later and self._take(judged):
                waiting[judged.name] = judged
        return waiting

    def _take(self, judged: Judged) -> bool:
        """Copy one object where that is to be done; a point that is lacking is left, and True returned."""
        self._findings += hidden(self._pair, self._replica, judged)
        if judged.parts.kind is Kind.POINT:
            self._points.add(judged)
        if self._pair.comes_home(judged):
            self._bring_home(judged)
        elif judged.parts.kind is Kind.POINT and judged.verdict is Verdict.LACKING:
            return True
        elif judged.verdict is Verdict.EXTRA:
            self._find(
                judged.name, f"is locked at replica {self._replica.name} and is not in the repository", _LOST_HERE
            )
        elif judged.verdict is not Verdict.SAME:
            self._copy(judged)
        return False

    def _copy(self, judged: Judged) -> bool:
        """Copy one object; whether that was done, or would be."""
        if self._check:
            return self._would_copy(judged)
        whole = self._read(judged)
        if whole is None or self._is_enough(judged, whole):
            return False
        self._pair.put(judged.name, judged.parts, whole)
        self._count(judged, len(whole.data))
        return True

    def _would_copy(self, judged: Judged) -> bool:
        known = [self._pair.near.with_lock(version) for version in judged.near]
        locks = [version.lock_until for version in known if version.lock_until is not None]
        if judged.verdict is Verdict.LACKING and self._pair.expired(judged.parts, max(locks, default=None)):
            return False
        self._count(judged, max(version.size for version in known))
        return True

    def _count(self, judged: Judged, size: int) -> None:
        self._copied.append(judged.name)
        self._bytes += size
        self._renewed += judged.verdict is Verdict.SHORT
        self._mended += judged.verdict is Verdict.DAMAGED

    def _read(self, judged: Judged) -> Whole | None:
        """The bytes to copy; None where there are none, and why is noted."""
        name = judged.name
        try:
            whole = self._pair.read(name, judged.near)
        except ObjectMissingError:
            # it has expired since it was listed
            return None
        except (IntegrityError, CorruptError) as e:
            self._find(name, f"is damaged in the repository, and was not copied: {e.message}", self._other_copy(judged))
            return None
        except ArchivedError as e:
            self._left.add(name)
            remedy = e.remedy or "Run again once it can be read."
            self._find(name, f"was not copied to replica {self._replica.name}: {e.message}", remedy)
            return None
        if judged.verdict is Verdict.LACKING and self._pair.expired(judged.parts, whole.lock_until):
            return None
        return whole

    def _other_copy(self, judged: Judged) -> str:
        try:
            self._pair.read(judged.name, judged.far, self._pair.far)
        except HoldfastError:
            return "Look for it in another replica; back its host up again."
        return (
            f"The replica holds it: restore with holdfast_read_from={self._replica.name}, and back its host up again."
        )

    def _is_enough(self, judged: Judged, whole: Whole) -> bool:
        """Whether the lock that was too short was held against a version that has the wrong bytes."""
        if judged.verdict is not Verdict.SHORT:
            return False
        wanted = max(self._pair.floor(judged.parts), whole.lock_until or self._pair.now)
        far = self._pair.far
        alike = [far.with_lock(version) for version in judged.far if version.size == len(whole.data)]
        long = [version for version in alike if version.lock_until is not None and version.lock_until >= wanted]
        # a rotten version of the right size keeps nothing
        return any(matches(far, version, judged.parts.sha256) for version in long)

    def _find(self, item: str, problem: str, remedy: str) -> None:
        self._findings.append(Finding(Severity.ERROR, item, problem, remedy))

    def _bring_home(self, judged: Judged) -> None:
        """Put the record of a restore into the repository, which did not answer when it was made."""
        if not self._check:
            try:
                there = dataclasses.replace(self._pair.repository, store=self._pair.far)
                small = tuple(version for version in judged.far if version.size <= RECORD_LIMIT)
                records.read_witnessed(there, judged.name, small)
                whole = self._pair.read(judged.name, small, self._pair.far)
            except (FormatError, IntegrityError, CorruptError, ObjectMissingError):
                # nobody would believe it
                return
            # who may put there has no say in how long this site keeps it
            self._pair.put(judged.name, judged.parts, Whole(whole.data, None), home=True)
        self._returned.append(judged.name)

    def _copy_points(self, waiting: Mapping[str, Judged]) -> tuple[str, ...]:
        """Copy points in the order of ancestors, each once all is there that it names; returns those held back."""
        left = dict(waiting)
        # of a class that came after the root was read: the next run knows it
        self._left |= self._pair.unknown
        by_id = {judged.parts.sha256: name for name, judged in waiting.items()}
        parents: dict[str, set[str]] = {}
        before = None
        while left and before != len(left):
            before = len(left)
            for name, judged in list(left.items()):
                if name not in parents:
                    parents[name] = self._needed_points(judged, by_id)
                if name in parents[name] or parents[name] & left.keys():
                    continue
                if self._copy(judged):
                    self._points.came(name)
                del left[name]
        for name in left:
            self._find(
                name,
                f"waits for replica {self._replica.name}: what it names, or an earlier recovery point, was not copied",
                "It is copied by the run that can copy what is named beside this.",
            )
        return tuple(left)

    def _needed_points(self, judged: Judged, by_id: Mapping[str, str]) -> set[str]:
        """The points that must come before this one; itself where it names what could not be copied."""
        if self._check:
            return set()
        try:
            whole = self._pair.read(judged.name, judged.near)
            statement, _envelope = statement_format.read(whole.data, what=judged.name)
        except (FormatError, CorruptError, ObjectMissingError):
            # no reader believes it, here or there
            return set()
        needed = {by_id[parent] for parent in statement.parents if parent in by_id}
        if self._left and not self._left.isdisjoint(named(self._pair, statement)):
            needed.add(judged.name)
        return needed


def named(pair: Pair, statement: Statement) -> set[str]:
    """The objects that a point names, as far as its body can be read."""
    found = {statement.body_name}
    try:
        data = objects.read(pair.near, statement.body_name)
        body = body_format.read(data, what=statement.body_name)
    except (FormatError, CorruptError, ObjectMissingError, ArchivedError):
        return found
    for entry in body.streams:
        found |= {entry.pack.name, entry.manifest.name}
    return found
