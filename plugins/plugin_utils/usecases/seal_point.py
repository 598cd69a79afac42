# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Seal a recovery point: sign what the snapshots of a run left, and put that last."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

from ..errors import RunError, SignatureError, TrustError, WrongKeyError
from ..format import body as body_format
from ..format import names
from ..format import statement as statement_format
from ..keyring.base import Keyring
from ..model import keep
from ..model.point import (
    Body,
    ConsistencyFinding,
    HostFailure,
    Statement,
    StreamEntry,
    StreamState,
)
from ..model.root import Root
from . import objects, points
from .repository import Repository, sign_envelope, verify_signature
from .run_folder import OpenPoint, PointFolder, Receipt


@dataclasses.dataclass(frozen=True)
class Sealed:
    """What seal did. ``sealed`` is False while later batches are still to come."""

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


def seal(
    folder: PointFolder,
    repository: Repository,
    keyring: Keyring,
    *,
    later_batches: bool = True,
    check: bool = False,
) -> Sealed:
    """Seal an open point with the receipts that are there, or say that hosts of later batches are still to come.

    Idempotent: a point that is sealed already is returned as it was.

    :param later_batches: wait for expected hosts whose batch has not come; False seals with what is there.
    :raises RunError: nothing is open, or no host gave a single stream.
    """
    with folder.locked():
        opened = folder.read_open_as(check=check)
        if folder.read_root().id != repository.root.id:
            raise TrustError(
                "another root is pinned now than when the recovery point was opened",
                item=opened.point,
                remedy="Open and seal with the same holdfast_repository_id.",
            )
        done = folder.read_sealed()
        if done is not None:
            return Sealed(**{**done, "missing": tuple(done["missing"]), "waiting": ()})
        receipts = folder.read_receipts()
        silent = [host for host in opened.expected if host not in receipts]
        come = folder.read_batches()
        waiting = tuple(host for host in silent if host not in come)
        if later_batches and waiting:
            return _summary(opened, receipts, (), id=None, sealed=False, waiting=waiting)
        if check:
            summary = _summary(opened, receipts, tuple(silent), id=None, sealed=True)
        else:
            summary = _put_point(folder, repository, keyring, opened, receipts, tuple(silent))
        document = dataclasses.asdict(summary)
        folder.write_sealed(document)
        return summary


def _put_point(
    folder: PointFolder,
    repository: Repository,
    keyring: Keyring,
    opened: OpenPoint,
    receipts: Mapping[str, Receipt],
    missing: tuple[str, ...],
) -> Sealed:
    given = [part.entry for receipt in receipts.values() for part in receipt.streams if part.entry is not None]
    sealed_at = max([opened.now(), *(entry.captured_at for entry in given)])
    root = repository.root
    short = _short_locks(given, root, sealed_at)
    failed = {host: receipt.error for host, receipt in receipts.items() if receipt.error}
    failed.update(short)
    entries = sorted((entry for entry in given if entry.host not in short), key=lambda entry: entry.key)
    if not entries:
        reasons = "; ".join(f"{host}: {reason}" for host, reason in failed.items())
        raise RunError(
            f"recovery point {opened.point} would hold nothing: no host gave its streams",
            item=opened.point,
            remedy=f"Correct what failed ({reasons or 'no host was asked'}) and run again.",
        )
    draft = _draft(root, opened, entries, failed, missing, sealed_at)
    data = _body_bytes(folder, draft, opened)
    body = body_format.read(data, what="body")
    body_name = names.for_point(names.Kind.BODY, sealed_at, opened.run, data)
    summary = _summary(opened, receipts, missing, id=None, sealed=True, failed=failed)
    statement = _statement(body, body_name, summary)
    points.check_body(statement, body, what=body_name)
    envelope = sign_envelope(keyring, statement_format.PAYLOAD_TYPE, statement_format.payload(statement), use="point")
    name = names.for_point(names.Kind.POINT, sealed_at, opened.run, envelope)
    _require_believable(root, name, envelope, sealed_at)
    lock_until = keep.point_lock(sealed_at, root.longest_days)
    objects.put(repository.store, body_name, data, lock_until=lock_until)
    objects.put(repository.store, name, envelope, lock_until=lock_until)
    return dataclasses.replace(summary, id=names.parse(name).sha256)


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
        streams=tuple(entries),
        expected=tuple(sorted(opened.expected)),
        failed=tuple(HostFailure(host, reason) for host, reason in sorted(failed.items())),
        missing=tuple(sorted(missing)),
        consistency=_consistency(opened, entries),
        change=opened.change,
        complete=not failed and not missing,
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
            "carried": 0,
            "failed": len(body.failed),
            "missing": len(body.missing),
        },
        body_name=body_name,
        body_sha256=names.parse(body_name).sha256,
    )


def _require_believable(root: Root, name: str, envelope: bytes, sealed_at: dt.datetime) -> None:
    try:
        verify_signature(root, statement_format.read(envelope, what=name)[1], use="point", at=sealed_at, what=name)
    except SignatureError as e:
        raise WrongKeyError(
            "the keyring's signing key is none that the root lets sign now",
            item=name,
            remedy="Use the seal half that was made for this repository, and compare the clocks; nothing was sealed.",
        ) from e


def _body_bytes(folder: PointFolder, draft: Body, opened: OpenPoint) -> bytes:
    """A body of this run's streams, or a full one once those since the last full one outweigh it."""
    data = body_format.write(draft)
    if opened.full_size and opened.since_full + len(data) <= opened.full_size:
        return data
    ours = {entry.key for entry in draft.streams}
    others = [
        dataclasses.replace(entry, state=StreamState.LIVE) for entry in folder.read_live() if entry.key not in ours
    ]
    streams = tuple(sorted([*draft.streams, *others], key=lambda entry: entry.key))
    return body_format.write(dataclasses.replace(draft, full=True, covers=opened.seen, streams=streams))


def _short_locks(given: Sequence[StreamEntry], root: Root, sealed_at: dt.datetime) -> dict[str, str]:
    """Hosts with an object that would not outlive its class from now on; a point never names such an object."""
    return {
        entry.host: f"the lock of {entry.manifest.name} ends before its class does; run again to store it anew"
        for entry in given
        if not keep.nameable(entry.lock_until, sealed_at, root.classes[entry.retention_class])
    }


def _consistency(opened: OpenPoint, entries: Sequence[StreamEntry]) -> tuple[ConsistencyFinding, ...]:
    findings = [ConsistencyFinding("open", note) for note in opened.notes]
    findings += [
        ConsistencyFinding("marks", f"{entry.host}/{entry.stream}: {mark}")
        for entry in entries
        if entry.state is StreamState.STORED
        for mark in entry.marks
    ]
    return tuple(findings)


def _summary(
    opened: OpenPoint,
    receipts: Mapping[str, Receipt],
    missing: tuple[str, ...],
    *,
    id: str | None,  # noqa: A002
    sealed: bool,
    waiting: tuple[str, ...] = (),
    failed: Mapping[str, str] | None = None,
) -> Sealed:
    if failed is None:
        failed = {host: receipt.error for host, receipt in receipts.items() if receipt.error}
    parts = [part for host, receipt in receipts.items() if host not in failed for part in receipt.streams]
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
    )
