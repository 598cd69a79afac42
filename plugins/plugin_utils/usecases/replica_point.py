# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring one recovery point to a replica, with all that it names, before it counts as sealed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from ..errors import FormatError, HoldfastError, ReplicaBehindError, RunAbandonedError, TransientError
from ..format import body as body_format
from ..format import names
from ..format.names import Kind
from ..model import instant, keep
from ..model.point import Body, Statement, StreamEntry, StreamState
from ..model.replica import CopiedBy, Depth
from ..model.retention import RetentionClass
from ..store.base import Listed
from . import objects
from .replica_objects import Pair, Replica, Verdict
from .replicate import connect, named, replicate
from .repository import Repository

# what a run puts; all else that its point names stands under one of its parents
_PUT = (StreamState.STORED, StreamState.CARRIED)
_PAUSE_SECONDS = 0.5


def bring(
    repository: Repository,
    replica: Replica,
    point: str,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """See that a recovery point is at a replica with all that it names: copy it, or wait until the servers have.

    Where the replica has the point's parents it lacks only what this run has put, and nothing else is looked at.
    Otherwise it is brought up to date first, as :func:`replicate` does.

    :param point: the name of its object.
    :raises ReplicaBehindError: the servers did not bring it in time, or what it names cannot be copied.
    :raises HoldfastError: as :func:`replicate`.
    """
    if replica.copied_by is CopiedBy.SERVER:
        _await(repository, replica, point, monotonic, sleep)
        return
    pair = connect(repository, replica)
    statement = pair.statement(point)
    if not pair.seeded or not set(statement.parents) <= _ids(pair):
        found = replicate(repository, replica, depth=Depth.NAMES)
        if not _is_there(pair, point) or _lacking(pair, statement):
            why = "".join(f": {finding.item} {finding.problem}" for finding in found.findings[:1])
            raise ReplicaBehindError(
                f"it could not be copied{why}", item=point, remedy="Run replicate, which says more."
            )
        return
    for name in _newly_put(pair, point, statement, repository.root.classes):
        _bring_one(pair, name)


def _ids(pair: Pair) -> set[str]:
    """Ids of the points that the replica holds."""
    found = set()
    for name in _names(pair.far.list(f"{Kind.POINT.value}/")):
        with contextlib.suppress(FormatError):
            found.add(names.parse(name).sha256)
    return found


def _newly_put(pair: Pair, point: str, statement: Statement, classes: Mapping[str, RetentionClass]) -> Iterator[str]:
    """Root links, and what the run of a point has put, in the order in which it may come; the point last."""
    roots = f"{Kind.ROOT.value}/"
    yield from sorted(_names(pair.near.list(roots)) - _names(pair.far.list(roots)))
    body = body_format.read(objects.read(pair.near, statement.body_name), what=statement.body_name)
    for entry in body.streams:
        if entry.state in _PUT or _renewed(entry, body, classes):
            yield entry.pack.name
            yield entry.manifest.name
    yield statement.body_name
    day, start = instant.to_text(statement.sealed_at)[:10], instant.to_name(statement.sealed_at)
    stamps = pair.near.list(f"{Kind.STAMP.value}/{day}/{start}-{statement.run}-")
    yield from sorted(_names(stamps))
    yield point


def _renewed(entry: StreamEntry, body: Body, classes: Mapping[str, RetentionClass]) -> bool:
    """Whether seal has put an unchanged snapshot again: in a run of days a lock may become too short to be named.

    What was put before has a lock that counts from an earlier time.
    """
    kept = classes.get(entry.retention_class)
    key = f"{entry.host}/{entry.stream}"
    return kept is not None and entry.lock_until >= keep.snapshot_lock(body.sealed_at, kept, key)


def _lacking(pair: Pair, statement: Statement) -> list[str]:
    """What a point builds on and the replica does not list: what it names, whoever put that, and its parents."""
    far: set[str] = set()
    for kind in (Kind.PACK, Kind.MANIFEST, Kind.BODY):
        far |= _names(pair.far.list(f"{kind.value}/"))
    return sorted(named(pair, statement) - far) + sorted(set(statement.parents) - _ids(pair))


def _names(listing: Iterable[Listed]) -> set[str]:
    return {listed.name for listed in listing if not listed.marker}


def _bring_one(pair: Pair, name: str) -> None:
    try:
        parts = names.parse(name)
    except FormatError:
        # what is no object is not copied
        return
    near = [listed for listed in pair.near.list(name) if listed.name == name]
    far = [listed for listed in pair.far.list(name) if listed.name == name]
    judged = pair.judge(name, parts, near, far, Depth.NAMES)
    if judged is not None and judged.verdict in (Verdict.LACKING, Verdict.SHORT, Verdict.DAMAGED):
        pair.put(name, parts, pair.read(name, judged.near))


def _await(
    repository: Repository,
    replica: Replica,
    point: str,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Wait until servers that replicate by themselves have brought a point and what its run has put."""
    end = monotonic() + replica.wait_seconds
    put: list[str] = []
    problem = ""
    while True:
        try:
            pair = connect(repository, replica)
            if not put:
                statement = pair.statement(point)
                put = list(_newly_put(pair, point, statement, repository.root.classes))
            # what its own run put comes last: only then the whole is looked at
            lacking = [name for name in put if not _is_there(pair, name)] or _lacking(pair, statement)
            if not lacking:
                return
            problem = f"{len(lacking)} objects are not there, first {lacking[0]}"
        except TransientError as e:
            problem = e.message
        if monotonic() >= end:
            raise ReplicaBehindError(
                f"the servers did not bring it in {replica.wait_seconds:g} s: {problem}",
                item=point,
                remedy="Look at the replication of the servers.",
            )
        sleep(_PAUSE_SECONDS)


def _is_there(pair: Pair, name: str) -> bool:
    return any(listed.name == name and not listed.marker for listed in pair.far.list(name))


def bring_to_all(repository: Repository, replicas: Iterable[Replica], point: str) -> tuple[str, ...]:
    """Bring a sealed point to every replica that is waited for; returns a warning for each that may do without it.

    Each is tried, whatever became of the others.

    :raises ReplicaBehindError: one that must have it has it not; the point stays sealed in the repository.
    """
    warnings: list[tuple[str, str]] = []
    lacking: list[tuple[str, str]] = []
    for replica in replicas:
        if not replica.wait:
            continue
        try:
            bring(repository, replica, point)
        except RunAbandonedError:
            raise
        except HoldfastError as e:
            (lacking if replica.required else warnings).append((replica.name, str(e)))
    told = [f"replica {name} does not have the recovery point yet: {reason}" for name, reason in warnings]
    if lacking:
        raise ReplicaBehindError(
            f"the recovery point is sealed in the repository, and not at {' · '.join(map(_spoken, lacking))}",
            item=point,
            remedy="Nothing is lost, and it is not captured again: once the replica answers, the next run or "
            "holdfast.config.replicate brings it there.",
            details={"replicas_behind": [name for name, _reason in lacking], "warnings": told},
        )
    return tuple(told)


def _spoken(lacking: tuple[str, str]) -> str:
    name, reason = lacking
    return f"replica {name} ({reason})"
