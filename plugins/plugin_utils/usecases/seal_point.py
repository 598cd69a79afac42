# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Seal a recovery point: sign what the snapshots of a run left, and put that last."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..errors import (
    EmptyPointError,
    ExpiredError,
    FormatError,
    FullError,
    HoldfastError,
    KeyringError,
    ObjectMissingError,
    RunAbandonedError,
    RunError,
    SignatureError,
    TransientError,
    TrustError,
    WrongKeyError,
)
from ..format import body as body_format
from ..format import names
from ..format import statement as statement_format
from ..keyring.base import Keyring
from ..model import instant, keep
from ..model.point import (
    SHORT_CHANGE,
    Body,
    ConsistencyFinding,
    HostFailure,
    Statement,
    StreamEntry,
    StreamState,
)
from ..model.policy import TIER_NAME
from ..model.root import Root
from . import carry, objects, open_point, points, run_folder, stamps
from .repository import Repository, sign_envelope, verify_signature
from .run_folder import OpenPoint, PointFolder, Receipt
from .stamps import TimeStamping

_NAMED = 20
_LATER = "The next run on this controller seals this recovery point"
# a digest to ask a time-stamp authority for, to see whether it answers
_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclasses.dataclass(frozen=True)
class Sealed:
    """What seal did. ``sealed`` is False while later batches are still to come.

    ``carried`` counts silent streams that got a later lock, ``carry_waiting`` those left to the next run, and
    ``carry_failed`` names those whose objects are gone or damaged: there the last copy is at stake. ``not_asked`` names
    hosts that have streams of their own, and for which tasks gave texts alone. ``name`` is that of the point's object.
    """

    sealed: bool
    point: str
    id: str | None
    complete: bool
    stored: int
    unchanged: int
    stored_bytes: int
    failed: Mapping[str, str]
    missing: tuple[str, ...]
    waiting: tuple[str, ...] = ()
    carried: int = 0
    carry_waiting: int = 0
    carry_failed: tuple[str, ...] = ()
    timestamped: bool = False
    warnings: tuple[str, ...] = ()
    alias: str | None = None
    not_asked: tuple[str, ...] = ()
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Means:
    """What it takes to seal: where a point is put, and by whom it is signed and stamped."""

    repository: Repository
    keyring: Keyring
    stamping: TimeStamping | None


def reach_and_seal(
    folder: PointFolder,
    reach: Callable[[], Means],
    *,
    alias: str | None = None,
    later_batches: bool = True,
    most_carried: int = carry.MOST_STREAMS,
    check: bool = False,
) -> Sealed:
    """As :func:`seal`, by what is reached only now: where that fails for what passes, the next run seals the point.

    :param reach: opens the repository and the keyring.
    :raises HoldfastError: as *reach* does, and as :func:`seal` does.
    """
    with _unsent(folder) if is_due(folder, later_batches, check) else contextlib.nullcontext():
        means = reach()
        return seal(
            folder,
            means.repository,
            means.keyring,
            alias=alias,
            later_batches=later_batches,
            most_carried=most_carried,
            stamping=means.stamping,
            check=check,
        )


def is_due(folder: PointFolder, later_batches: bool, check: bool) -> bool:
    """Whether to seal is more than to say what was sealed, or that hosts are still to come; see :func:`seal`."""
    if check or not folder.exists() or folder.read_sealed() is not None:
        return False
    if not later_batches:
        return True
    to_come = set(folder.read_open().expected) - folder.read_batches()
    # of a large fleet the receipts are many, and seal reads them itself
    return not to_come or to_come <= folder.read_receipts().keys()


@contextlib.contextmanager
def _unsent(folder: PointFolder) -> Iterator[None]:
    """Let the next run seal the point where this one is killed in the block, or hindered by what passes."""
    before = folder.unsent
    # where there is no room for that either: what the store said is what must be mended
    with contextlib.suppress(RunError):
        folder.mark_unsent()
    try:
        yield
    except RunAbandonedError:
        raise
    except HoldfastError as e:
        if not before and not _passes(e):
            folder.forget_unsent()
        elif not before and folder.unsent:
            e.remedy = f"{e.remedy.rstrip('.')}. {_LATER}" if e.remedy else _LATER
        raise


def _passes(error: HoldfastError) -> bool:
    """Whether a later run may well succeed with the same point."""
    if isinstance(error, KeyringError):
        return not isinstance(error, WrongKeyError)
    return isinstance(error, (TransientError, FullError, ExpiredError))


def seal(
    folder: PointFolder,
    repository: Repository,
    keyring: Keyring,
    *,
    alias: str | None = None,
    later_batches: bool = True,
    most_carried: int = carry.MOST_STREAMS,
    stamping: TimeStamping | None = None,
    check: bool = False,
) -> Sealed:
    """Seal an open point with the receipts that are there, or say that hosts of later batches are still to come.

    Idempotent: a point that is sealed already is returned as it was.

    :param alias: what the caller takes it to be called: that is said where it is opened.
    :param later_batches: wait for expected hosts whose batch has not come; False seals with what is there.
    :param most_carried: how many silent streams get a later lock at most.
    :param stamping: who stamps the point's time, where somebody does.
    :raises RunError: nothing is open, or it has another alias.
    :raises EmptyPointError: no host gave a single stream, and none had to be carried.
    """
    with folder.locked():
        opened = folder.read_open_as(check=check)
        opened.require_alias(alias)
        # a link that came meanwhile is followed: what was captured under the one before stays what it is
        if repository.chain.place(folder.read_root().id) is None:
            raise TrustError(
                "the recovery point was opened under a root that is not of the pinned chain",
                item=opened.point,
                remedy="Open and seal with the same holdfast_repository_id.",
            )
        done = _done(folder) or (None if check else _landed(folder, repository))
        if done is not None:
            return done
        receipts = folder.read_receipts()
        silent = [host for host in opened.expected if host not in receipts]
        come = folder.read_batches()
        waiting = tuple(host for host in silent if host not in come)
        if later_batches and waiting:
            return _summary(opened, receipts, (), id=None, sealed=False, waiting=waiting)
        if check:
            summary = _summary(opened, receipts, tuple(silent), id=None, sealed=True)
        else:
            way = _Way(repository, keyring, most_carried, stamping)
            with _unsent(folder):
                opened = _beside_taken(folder, repository, opened)
                beside = _beside_others(repository, opened)
                summary = _seal(folder, way, beside, receipts, tuple(silent))
                lost = beside.notes[len(opened.notes) :]
                summary = dataclasses.replace(summary, warnings=(*summary.warnings, *lost))
        folder.write_sealed(dataclasses.asdict(summary))
        return summary


def note_landed(folder: PointFolder, repository: Repository) -> None:
    """Note that a point is sealed whose statement the store took without anybody being told."""
    with folder.locked():
        if folder.read_sealed() is None:
            _landed(folder, repository)


def _done(folder: PointFolder) -> Sealed | None:
    document = folder.read_sealed()
    return None if document is None else _read_summary(document)


def _read_summary(document: Mapping[str, t.Any]) -> Sealed:
    lists = {name: tuple(document[name]) for name in ("missing", "carry_failed", "warnings", "not_asked")}
    return Sealed(**{**document, **lists, "waiting": ()})


def _landed(folder: PointFolder, repository: Repository) -> Sealed | None:
    """What an earlier attempt has sealed, where its answer or its process was lost; else it would be sealed twice.

    Not where hosts have given something since: no point would name that.
    """
    for attempt in _taken(folder, repository):
        if attempt["given"] != _given(folder.read_receipts()):
            continue
        folder.write_sealed(attempt["summary"])
        lock_until = instant.from_text(attempt["lock_until"])
        _remember(folder, repository, names.parse(attempt["name"]).sha256, lock_until)
        return _read_summary(attempt["summary"])
    return None


def _taken(folder: PointFolder, repository: Repository) -> Iterator[dict[str, t.Any]]:
    """The attempts whose statement the store has, locked as it was to be, the last one first."""
    for attempt in reversed(folder.read_attempts()):
        name, lock_until = str(attempt["name"]), instant.from_text(attempt["lock_until"])
        versions = list(repository.store.list(name))
        try:
            _statement, removed = points.read_statement(repository, name, versions)
        except (FormatError, ObjectMissingError):
            continue
        locks = [repository.store.with_lock(one).lock_until for one in versions if not one.marker]
        if removed is None and any(lock is not None and lock >= lock_until for lock in locks):
            yield attempt


def _beside_taken(folder: PointFolder, repository: Repository, opened: OpenPoint) -> OpenPoint:
    """The point without its alias where an earlier attempt has that: an alias means one point."""
    if opened.alias is None or not any(_taken(folder, repository)):
        return opened
    note = f"it was opened with the alias {opened.alias}, which an earlier recovery point of this run has"
    return dataclasses.replace(opened, alias=None, notes=(*opened.notes, note))


def _beside_others(repository: Repository, opened: OpenPoint) -> OpenPoint:
    """The point without its alias where another controller's has that since this one was opened.

    What was captured is not lost for a name; two that seal at the very same time are told by verify.
    """
    if opened.alias is None:
        return opened
    other = open_point.alias_holder(repository, opened.alias, since=opened.opened_at - points.CLOCK_SKEW)
    if other is None or (other.body.run, other.body.point) == (opened.run, opened.point):
        return opened
    told = f"which recovery point {other.id} has by now ({open_point.given(other)})"
    note = f"it was opened with the alias {opened.alias}, {told}"
    return dataclasses.replace(opened, alias=None, notes=(*opened.notes, note))


def _given(receipts: Mapping[str, Receipt]) -> str:
    """A digest of what hosts have given, and of what they failed by."""
    told = sorted(
        [host, receipt.error or "", sorted(part.entry.manifest.name for part in receipt.streams if part.entry)]
        for host, receipt in receipts.items()
    )
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _remember(folder: PointFolder, repository: Repository, point_id: str, lock_until: dt.datetime) -> None:
    # the point is there, whether this controller can remember it or not
    with contextlib.suppress(RunError):
        run_folder.remember(folder.state_dir, repository.chain.links[0].root.id, point_id, lock_until)


@dataclasses.dataclass(frozen=True)
class _Way:
    """Where a point is put and by whom it is signed and stamped."""

    repository: Repository
    keyring: Keyring
    most_carried: int
    stamping: TimeStamping | None


def _seal(
    folder: PointFolder, way: _Way, opened: OpenPoint, receipts: Mapping[str, Receipt], missing: tuple[str, ...]
) -> Sealed:
    repository = way.repository
    given = [part.entry for receipt in receipts.values() for part in receipt.streams if part.entry is not None]
    failed = {host: receipt.error for host, receipt in receipts.items() if receipt.error}
    sealed_at = max([opened.now(), *(entry.captured_at for entry in given)])
    gave = {part.entry.key: host for host, receipt in receipts.items() for part in receipt.streams if part.entry}
    proven, short = _proven(repository, given, sealed_at, gave)
    failed.update(short)
    due = _due(folder, proven)
    # before anything is put: a lock that no point names would be paid for by each such run again
    by = way.keyring.signer(use="point", among=repository.root.signing("point", sealed_at))
    if due and way.stamping is not None and way.stamping.required:
        way.stamping.token(_NOTHING)
    carried = carry.carry(repository, due, sealed_at, most=way.most_carried)
    # where no host answers, for however long, a point of what was carried keeps their last copies
    if not proven and not carried.entries:
        reasons = "; ".join(f"{host}: {reason}" for host, reason in failed.items())
        raise EmptyPointError(
            f"recovery point {opened.point} would hold nothing: no host gave its streams",
            item=opened.point,
            remedy=f"Correct what failed ({reasons or 'no host was asked'}) and run again.",
        )
    summary = _summary(opened, receipts, missing, id=None, sealed=True, failed=failed, carried=carried, named=proven)
    draft = _draft(repository.root, opened, [*proven, *carried.entries], failed, missing, sealed_at)
    not_asked = _not_asked(folder, receipts)
    findings = _consistency(opened, receipts, proven, carried)
    findings += tuple(
        ConsistencyFinding("asked", f"only texts were pushed for {host}: its own streams were not asked for")
        for host in not_asked
    )
    draft = dataclasses.replace(draft, consistency=findings)
    summary = dataclasses.replace(summary, not_asked=not_asked)
    return _put_point(folder, way, opened, draft, summary, by=by, given=_given(receipts))


def _proven(
    repository: Repository,
    given: Sequence[StreamEntry],
    sealed_at: dt.datetime,
    gave: Mapping[tuple[str, str], str],
) -> tuple[list[StreamEntry], dict[str, str]]:
    """What the hosts gave, each object with a lock that a point may name, and the hosts for which that cannot be had.

    In a run of days a lock that was long enough at open has become short: the object is put again.

    :param gave: which host gave a stream, by the name it has in this run.
    """
    proven = []
    short: dict[str, str] = {}
    for entry in given:
        if keep.nameable(entry.lock_until, sealed_at, repository.root.classes[entry.retention_class]):
            proven.append(entry)
            continue
        try:
            proven.append(carry.renew(repository, entry, sealed_at, entry.state))
        except HoldfastError as e:
            short[gave[entry.key]] = (
                f"the lock of {entry.manifest.name} ends before its class does, and it was not renewed: {e}"
            )
    return sorted((entry for entry in proven if gave[entry.key] not in short), key=lambda entry: entry.key), short


def _due(folder: PointFolder, proven: Sequence[StreamEntry]) -> list[StreamEntry]:
    """What must be carried: what is due, was not given by its host, and is not in other streams that were."""
    ours = {entry.key for entry in proven}
    by_host: dict[str, list[StreamEntry]] = {}
    for entry in proven:
        by_host.setdefault(entry.host_id, []).append(entry)
    return [
        entry
        for entry in folder.read_due()
        if entry.key not in ours and not keep.superseded(entry, by_host.get(entry.host_id, ()))
    ]


def _put_point(
    folder: PointFolder, way: _Way, opened: OpenPoint, draft: Body, summary: Sealed, *, by: str, given: str
) -> Sealed:
    repository, keyring = way.repository, way.keyring
    root = repository.root
    data = _body_bytes(folder, draft, opened, root)
    body = body_format.read(data, what="body")
    body_name = names.for_point(names.Kind.BODY, body.sealed_at, opened.run, data)
    statement = _statement(body, body_name, summary)
    points.check_body(statement, body, what=body_name)
    payload = statement_format.payload(statement)
    envelope = sign_envelope(keyring, statement_format.PAYLOAD_TYPE, payload, use="point", by=by)
    name = names.for_point(names.Kind.POINT, body.sealed_at, opened.run, envelope)
    _require_believable(repository, name, envelope, body.sealed_at)
    lock_until = keep.point_lock(body.sealed_at, root.longest_days)
    point_id = names.parse(name).sha256
    token, problem = way.stamping.token(point_id) if way.stamping else (None, None)
    objects.put(repository.store, body_name, data, lock_until=lock_until)
    if token is not None:
        stamps.put(repository, body.sealed_at, opened.run, token, lock_until=lock_until)
    warnings = () if problem is None else (problem,)
    sealed = dataclasses.replace(summary, id=point_id, name=name, timestamped=token is not None, warnings=warnings)
    attempt = {
        "name": name,
        "lock_until": instant.to_text(lock_until),
        "given": given,
        "summary": dataclasses.asdict(sealed),
    }
    # without room for it a lost answer costs a second point, and no more
    with contextlib.suppress(RunError):
        folder.note_attempt(attempt)
    objects.put(repository.store, name, envelope, lock_until=lock_until)
    _remember(folder, repository, point_id, lock_until)
    return sealed


def _draft(
    root: Root,
    opened: OpenPoint,
    entries: Sequence[StreamEntry],
    failed: Mapping[str, str],
    missing: Sequence[str],
    sealed_at: dt.datetime,
) -> Body:
    return Body(
        repository=root.repository,
        root=root.id,
        run=opened.run,
        point=opened.point,
        opened_at=opened.opened_at,
        sealed_at=sealed_at,
        parents=opened.parents,
        full=False,
        covers=(),
        streams=tuple(sorted(entries, key=lambda entry: entry.key)),
        expected=tuple(sorted(opened.expected)),
        failed=tuple(HostFailure(host, reason) for host, reason in sorted(failed.items())),
        missing=tuple(sorted(missing)),
        consistency=(),
        change=opened.change,
        complete=not failed and not missing,
        alias=opened.alias,
        actor=opened.actor,
    )


def _statement(body: Body, body_name: str, summary: Sealed) -> Statement:
    return Statement(
        repository=body.repository,
        root=body.root,
        run=body.run,
        point=body.point,
        sealed_at=body.sealed_at,
        complete=body.complete,
        full=body.full,
        parents=body.parents,
        counts={
            "streams": len(body.streams),
            "stored": summary.stored,
            "unchanged": summary.unchanged,
            "carried": summary.carried,
            "failed": len(body.failed),
            "missing": len(body.missing),
        },
        body_name=body_name,
        body_sha256=names.parse(body_name).sha256,
        alias=body.alias,
        # for who looks for it; one that would fill the statement stands in the body alone
        change=body.change_id if len(body.change_id) <= SHORT_CHANGE else None,
    )


def _require_believable(repository: Repository, name: str, envelope: bytes, sealed_at: dt.datetime) -> None:
    try:
        read = statement_format.read(envelope, what=name)[1]
        verify_signature(repository.chain, repository.root.id, read, use="point", at=sealed_at, what=name)
    except SignatureError as e:
        raise WrongKeyError(
            "the keyring's signing key is none that the root lets sign now",
            item=name,
            remedy="Use the seal half that was made for this repository, and compare the clocks; nothing was sealed.",
        ) from e


def _body_bytes(folder: PointFolder, draft: Body, opened: OpenPoint, root: Root) -> bytes:
    """A body of this run's streams, or a full one where that is due: it lists every live stream."""
    data = body_format.write(draft)
    outweighed = opened.since_full + len(data) > opened.full_size
    if not outweighed and not keep.full_due(opened.full_sealed_at, opened.points_since, draft.sealed_at):
        return data
    known, retired = folder.read_live()
    streams = {entry.key: dataclasses.replace(entry, state=StreamState.LIVE) for entry in known}
    streams.update({entry.key: entry for entry in draft.streams})
    ended = keep.ended(streams, retired, root.classes, draft.sealed_at)
    kept = (entry for key, entry in streams.items() if key not in ended or entry.state is not StreamState.LIVE)
    return body_format.write(
        dataclasses.replace(
            draft,
            full=True,
            covers=opened.seen,
            streams=tuple(sorted(kept, key=lambda entry: entry.key)),
            retired=retired,
        )
    )


def _consistency(
    opened: OpenPoint, receipts: Mapping[str, Receipt], entries: Sequence[StreamEntry], carried: carry.Carried
) -> tuple[ConsistencyFinding, ...]:
    findings = [ConsistencyFinding("open", note) for note in opened.notes]
    findings += _hosts_consistency(receipts)
    findings += [
        ConsistencyFinding("marks", f"{entry.spoken}: {mark}")
        for entry in entries
        if entry.state is StreamState.STORED
        for mark in entry.marks
    ]
    findings += [
        ConsistencyFinding("carry", f"{entry.spoken} was not carried: {reason}")
        for entry, reason in carried.failed[:_NAMED]
    ]
    if carried.waiting:
        first = carried.waiting[0]
        findings.append(
            ConsistencyFinding(
                "carry",
                f"{len(carried.waiting)} streams wait for the next run, first {first.spoken}, locked "
                f"until {instant.to_text(first.lock_until)}",
            )
        )
    return tuple(findings)


def _not_asked(folder: PointFolder, receipts: Mapping[str, Receipt]) -> tuple[str, ...]:
    """Hosts that have streams of their own and were not asked for them, since tasks gave texts alone."""
    pushed = {
        part.entry.host_id: host
        for host, receipt in receipts.items()
        if receipt.pushed_only
        for part in receipt.streams
        if part.entry is not None
    }
    if not pushed:
        return ()
    own = {entry.host_id for entry in folder.read_live()[0] if TIER_NAME.fullmatch(entry.stream)}
    return tuple(sorted(host for host_id, host in pushed.items() if host_id in own))


def _hosts_consistency(receipts: Mapping[str, Receipt]) -> list[ConsistencyFinding]:
    """What hosts say of themselves that does not fit: other names than before, one machine twice, wrong clocks."""
    findings = [
        ConsistencyFinding("identity", f"{host} goes on with the streams of {receipt.follows}")
        for host, receipt in sorted(receipts.items())
        if receipt.follows
    ]
    findings += [
        ConsistencyFinding("restore_open", f"a restore was open on {host}: {', '.join(receipt.restores)}")
        for host, receipt in sorted(receipts.items())
        if receipt.restores
    ]
    findings += [
        ConsistencyFinding("machine", f"{_listed(hosts)} answer with one machine id: is one a clone?")
        for hosts in run_folder.twins(receipts)
    ]
    findings += [
        ConsistencyFinding("clock", f"clock of {host} is {receipt.spoken_clock}")
        for host, receipt in sorted(receipts.items())
        if receipt.spoken_clock
    ]
    return findings


def _listed(hosts: Sequence[str]) -> str:
    if len(hosts) > _NAMED:
        return f"{', '.join(hosts[:_NAMED])} and {len(hosts) - _NAMED} more"
    return f"{', '.join(hosts[:-1])} and {hosts[-1]}"


def _summary(
    opened: OpenPoint,
    receipts: Mapping[str, Receipt],
    missing: tuple[str, ...],
    *,
    id: str | None,  # noqa: A002
    sealed: bool,
    waiting: tuple[str, ...] = (),
    failed: Mapping[str, str] | None = None,
    carried: carry.Carried | None = None,
    named: Sequence[StreamEntry] = (),
) -> Sealed:
    if failed is None:
        failed = {host: receipt.error for host, receipt in receipts.items() if receipt.error}
    # what a host gave before it failed, or was pushed for it, the point names all the same
    keys = {entry.key for entry in named}
    parts = [
        part
        for host, receipt in receipts.items()
        for part in receipt.streams
        if host not in failed or (part.entry is not None and part.entry.key in keys)
    ]
    stored = [part for part in parts if part.reason != "unchanged"]
    return Sealed(
        sealed=sealed,
        point=opened.point,
        id=id,
        complete=sealed and not failed and not missing,
        stored=len(stored),
        unchanged=len(parts) - len(stored),
        stored_bytes=sum(part.stored_bytes for part in stored),
        failed=dict(failed),
        missing=missing,
        waiting=waiting,
        carried=len(carried.entries) if carried else 0,
        carry_waiting=len(carried.waiting) if carried else 0,
        carry_failed=tuple(f"{entry.spoken}: {reason}" for entry, reason in carried.failed) if carried else (),
        alias=opened.alias,
    )
