# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backup: open a recovery point, snapshot each host, seal."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ..capture.base import Source
from ..errors import CaptureError, HoldfastError, NotLockedError, RunError, SignatureError, TrustError, WrongKeyError
from ..format import body as body_format
from ..format import manifest as manifest_format
from ..format import names, pack
from ..format import statement as statement_format
from ..keyring import base as keys
from ..keyring.base import Keyring
from ..model import instant, keep
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import LeftOut, below_no_folder
from ..model.point import (
    Body,
    ConsistencyFinding,
    HostFailure,
    ObjectRef,
    Statement,
    StreamEntry,
    StreamState,
)
from ..model.policy import Policy, RetentionClass, Stream
from ..model.root import Root
from ..model.snapshot import Fingerprint, PackDescription, WrappedKey
from ..seal import age, zstd
from ..store.base import Store
from . import objects, points
from .repository import Repository, sign_envelope, verify_signature
from .run_folder import HostSheet, OpenPoint, PointFolder, Receipt, StreamReceipt

CLOCK_WARNING = dt.timedelta(minutes=5)
_SECOND = dt.timedelta(seconds=1)
CLOCK_REFUSAL = points.CLOCK_SKEW
# a newest snapshot must still be nameable when a long run is sealed
_RUN_MARGIN = dt.timedelta(days=1)
# whoever can put could make any number of them, and each stands in a signed body
_NOTES = 20


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


def open_point(
    folder: PointFolder,
    repository: Repository,
    keyring: Keyring,
    *,
    expected: Sequence[str],
    location: Mapping[str, t.Any],
    change: Mapping[str, t.Any] | None = None,
    check: bool = False,
    wall_clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.timezone.utc),
) -> OpenPoint:
    """Open a recovery point, or return the one of that name that this run has open already.

    :param expected: inventory names of the hosts whose streams it must hold to be complete.
    :param location: where repository and keyring are, for who seals later; without secrets.
    :param change: the run's ticket and context, as it will stand in the body.
    :raises RunError: nothing is expected, or the controller's clock is off by more than 15 minutes.
    :raises NameRefusedError: two hosts that a store could take for one.
    """
    with folder.locked():
        if folder.exists():
            return folder.read_open()
        if not expected:
            raise RunError(
                f"recovery point {folder.point} would expect no host",
                item=folder.point,
                remedy="Give expect, or run it in a play that has hosts.",
            )
        names.refuse_colliding(expected)
        now = repository.store.clock()
        monotonic = time.monotonic()
        offset = abs(now - wall_clock())
        if offset > CLOCK_REFUSAL:
            raise RunError(
                f"the clocks of controller and store differ by {int(offset.total_seconds())} seconds",
                item=repository.store.location,
                remedy="Set the controller's clock (chrony, ntpd) and run again.",
            )
        found = points.live(repository, now=now)
        notes = list(found.warnings[:_NOTES])
        if len(found.warnings) > _NOTES:
            notes.append(f"and {len(found.warnings) - _NOTES} more that are not believed: verify names them")
        # what was sealed cannot be renamed, and a host must not lose its backups for an old spelling
        for old, new in names.colliding_hosts(dict.fromkeys([*(host for host, _stream in found.streams), *expected])):
            notes.append(f"host {new} has snapshots under the name {old}")
        lost = _lost(repository, found)
        notes += [f"snapshot {entry.manifest.sha256} of {entry.host}/{entry.stream} is gone" for entry in lost[:_NOTES]]
        if offset > CLOCK_WARNING:
            notes.append(f"clocks of controller and store differ by {int(offset.total_seconds())} seconds")
        opened = OpenPoint(
            run=folder.run,
            point=folder.point,
            location=dict(location),
            opened_at=_after(found, instant.whole(now)),
            monotonic=monotonic,
            expected=tuple(dict.fromkeys(expected)),
            parents=found.tips,
            seen=found.seen,
            full_size=found.full_size,
            since_full=found.since_full,
            change=dict(change or {}),
            check=check,
            notes=tuple(notes),
        )
        folder.write_root(repository.link)
        folder.write_live(found.streams.values())
        _write_sheets(folder, repository.root, keyring, opened, [e for e in found.streams.values() if e not in lost])
        folder.write_open(opened)
        return opened


def snapshot(
    folder: PointFolder,
    source: Source,
    *,
    host: str,
    policy: Callable[[], Policy],
    store: Callable[[], Store],
    writer: str,
    check: bool = False,
) -> Receipt:
    """Capture one host's streams and store those that changed; leaves a receipt whatever happens.

    :param policy: reads and judges the host's own; what it refuses stands in the receipt as well.
    :param store: connects to the store; called only where there is something to put, so that an unchanged host costs
        neither store nor keyring a call.
    :param writer: collection version, for manifests.
    :raises HoldfastError: as the failed receipt says.
    """
    opened = _opened(folder, check)
    try:
        sheet = folder.read_host(host)
        root = folder.read_root()
        now = _now(opened)
        declared = policy()
        streams = declared.streams()
        for stream in streams:
            root.retention(declared.classes[stream.retention_class])
        parts = _decide(streams, sheet, source, root, now, opened.opened_at, check=opened.check)
        receipts = [
            decided
            if isinstance(decided, StreamReceipt)
            else _store_stream(decided, host, sheet, root, store, now, writer, check=opened.check)
            for decided in parts
        ]
        receipt = Receipt(host, tuple(receipts))
    except HoldfastError as e:
        # a host that the point does not expect cannot make it incomplete
        if host in opened.expected and folder.read_sealed() is None:
            folder.write_receipt(Receipt(host, (), error=str(e.at(host))))
        raise
    with folder.locked():
        if folder.read_sealed() is not None:
            raise RunError(
                f"recovery point {folder.point} was sealed before this host was done",
                host=host,
                remedy="It counts as missing there: back it up again, in a point that waits for it.",
            )
        folder.write_receipt(receipt)
    return receipt


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
        opened = _opened(folder, check)
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


def _opened(folder: PointFolder, check: bool) -> OpenPoint:
    opened = folder.read_open()
    # a dry snapshot in a real point, or the reverse, would sign what was never stored
    if opened.check is not check:
        raise RunError(
            f"recovery point {opened.point} was opened {'in' if opened.check else 'outside'} check mode",
            item=opened.point,
            remedy="Run open, snapshot and seal all in check mode, or none of them.",
        )
    return opened


def _lost(repository: Repository, found: points.Live) -> list[StreamEntry]:
    """Newest snapshots whose objects are gone from a medium that cannot refuse that: they are stored anew.

    A store that enforces locks is not asked: there this listing would cost and could find nothing.
    """
    if repository.store.enforced:
        return []
    sizes = {
        listed.name: listed.size for prefix in ("packs/", "manifests/") for listed in repository.store.list(prefix)
    }
    return [
        entry
        for entry in found.streams.values()
        if any(sizes.get(ref.name) != ref.size for ref in (entry.pack, entry.manifest))
    ]


def _write_sheets(
    folder: PointFolder, root: Root, keyring: Keyring, opened: OpenPoint, known: Sequence[StreamEntry]
) -> None:
    by_host: dict[str, dict[str, StreamEntry]] = {}
    for entry in known:
        by_host.setdefault(entry.host, {})[entry.stream] = entry
    digest_keys = {key.id: key for key in root.keys.digest}
    used = {f.digest_key for host in opened.expected for e in by_host.get(host, {}).values() for f in e.fingerprints}
    wanted = [key for key_id, key in digest_keys.items() if key_id in used | {root.digest_key_id}]
    run_keys = {key.id: keyring.digest_key(key, repository=root.repository) for key in wanted}
    for host in opened.expected:
        host_keys = {key_id: keys.host_key(run_key, host) for key_id, run_key in run_keys.items()}
        folder.write_host(host, HostSheet(host_keys, by_host.get(host, {})))


def _after(found: points.Live, now: dt.datetime) -> dt.datetime:
    """*now*, or the second after the newest capture where that is no earlier: the next capture is the newer one."""
    latest = max((entry.captured_at for entry in found.streams.values()), default=now - _SECOND)
    return latest + _SECOND if now <= latest < now + CLOCK_WARNING else now


def _now(opened: OpenPoint) -> dt.datetime:
    passed = dt.timedelta(seconds=max(0.0, time.monotonic() - opened.monotonic))
    return instant.whole(opened.opened_at + passed)


@dataclasses.dataclass(frozen=True)
class _ToStore:
    """A stream whose content is at hand and must be stored."""

    stream: Stream
    kept: RetentionClass
    reason: str
    changed: tuple[str, ...]
    gaps: tuple[LeftOut, ...]
    contents: tuple[ComponentContent, ...]


def _decide(
    streams: Sequence[Stream],
    sheet: HostSheet,
    source: Source,
    root: Root,
    now: dt.datetime,
    opened_at: dt.datetime,
    *,
    check: bool,
) -> list[StreamReceipt | _ToStore]:
    """Find out what must be stored, with its content.

    One trip where nothing has changed, and one where content is wanted from the start, because nothing is known or the
    newest snapshot's lock runs short; a second one for the content of what has changed. In check mode content stays
    where it is.
    """
    at_once = [stream for stream in streams if _wanted_at_once(stream, sheet, root, opened_at)]
    later = [stream for stream in streams if check or stream not in at_once]
    contents = {} if check else _content(source, at_once)
    prints = {name: content.fingerprint for name, content in contents.items()}
    if later:
        prints.update(source.fingerprints([c for stream in later for c in stream.components]))
    found = {stream.name: _compare(stream, sheet, prints) for stream in streams}
    due = [stream for stream in later if found[stream.name][0] != "unchanged"]
    if not check:
        contents.update(_content(source, due))
    decided: list[StreamReceipt | _ToStore] = []
    _require_tree(contents)
    for stream in streams:
        reason, changed = found[stream.name]
        gaps = tuple(gap for component in stream.components for gap in prints[component.name].gaps)
        if stream in at_once or stream in due:
            spoken = "renewal" if reason == "unchanged" else reason
            parts = () if check else tuple(contents[c.name] for c in stream.components)
            decided.append(_ToStore(stream, root.classes[stream.retention_class], spoken, changed, gaps, parts))
        else:
            proven = dataclasses.replace(sheet.streams[stream.name], state=StreamState.UNCHANGED, verified_at=now)
            decided.append(StreamReceipt(stream.name, reason, (), 0, proven, gaps))
    return decided


def _require_tree(contents: Mapping[str, ComponentContent]) -> None:
    """Refuse components that together are no tree: no restore could write both."""
    entries = {entry.path: entry for content in contents.values() for entry in content.entries}
    owner = {entry.path: name for name, content in contents.items() for entry in content.entries}
    misplaced = below_no_folder(entries)
    if misplaced is not None:
        path, above = misplaced
        raise CaptureError(
            f"component {owner[path]} holds a path below {above!r}, which component {owner[above]} holds as no folder",
            item=repr(path),
            remedy="Declare the path that the link leads to, or exclude the link.",
        )


def _wanted_at_once(stream: Stream, sheet: HostSheet, root: Root, opened_at: dt.datetime) -> bool:
    entry = sheet.streams.get(stream.name)
    kept = root.classes[stream.retention_class]
    return entry is None or not keep.nameable(entry.lock_until, opened_at + _RUN_MARGIN, kept)


def _content(source: Source, streams: Sequence[Stream]) -> dict[str, ComponentContent]:
    components = [component for stream in streams for component in stream.components]
    return source.content(components) if components else {}


def _compare(stream: Stream, sheet: HostSheet, prints: Mapping[str, PlainFingerprint]) -> tuple[str, tuple[str, ...]]:
    """Why a stream must be stored, and the components that say so; ``unchanged`` where neither host nor policy has."""
    entry = sheet.streams.get(stream.name)
    if entry is None:
        return "first", tuple(component.name for component in stream.components)
    known = {fingerprint.component: fingerprint for fingerprint in entry.fingerprints}
    declared = {c.name: manifest_format.definition(c) for c in stream.components}
    drifted = []
    for name, definition in declared.items():
        stored = known.get(name)
        if stored is not None and stored.definition == definition and stored.digest_key in sheet.digest_keys:
            now = key_fingerprint(prints[name], stored.digest_key, sheet.digest_keys)
            if (now.raw, now.normalised) != (stored.raw, stored.normalised):
                drifted.append(name)
    if drifted:
        return "drift", tuple(drifted)
    comparable = all(fingerprint.digest_key in sheet.digest_keys for fingerprint in known.values())
    stored_as = {name: fingerprint.definition for name, fingerprint in known.items()}
    if declared != stored_as or entry.retention_class != stream.retention_class or not comparable:
        return "policy", ()
    return "unchanged", ()


def key_fingerprint(plain: PlainFingerprint, key_id: str, host_keys: Mapping[str, bytes]) -> Fingerprint:
    """Key a plain fingerprint under the host's digest key *key_id*."""
    key = host_keys[key_id]
    normalised = None if plain.normalised is None else keys.keyed(key, plain.normalised.encode("ascii"))
    return Fingerprint(
        component=plain.component.name,
        definition=manifest_format.definition(plain.component),
        digest_key=key_id,
        raw=keys.keyed(key, plain.raw.encode("ascii")),
        normalised=normalised,
        normaliser=plain.normaliser,
    )


def _store_stream(
    part: _ToStore,
    host: str,
    sheet: HostSheet,
    root: Root,
    store: Callable[[], Store],
    now: dt.datetime,
    writer: str,
    *,
    check: bool,
) -> StreamReceipt:
    key_id = root.digest_key_id
    fingerprints = tuple(key_fingerprint(c.fingerprint, key_id, sheet.digest_keys) for c in part.contents)
    if check:
        return StreamReceipt(part.stream.name, part.reason, part.changed, 0, None, part.gaps)
    known = sheet.streams.get(part.stream.name)
    if known is not None:
        # newest is told by this moment: two snapshots of a stream never share a second
        now = max(now, known.captured_at + dt.timedelta(seconds=1))
    origin = manifest_format.Origin(
        repository=root.repository,
        root=root.id,
        host=host,
        host_id=host,
        stream=part.stream.name,
        retention_class=part.kept.name,
        captured_at=now,
        digest_key=key_id,
        writer=writer,
    )
    sealed, description, wrapped, escrow = seal_pack(origin, part.contents, root)
    host_key = sheet.digest_keys[key_id]
    manifest = manifest_format.write(
        origin,
        pack=description,
        key=wrapped,
        escrow=(escrow,),
        parts=tuple(zip(part.contents, fingerprints, strict=True)),
        keyed=lambda data: keys.keyed(host_key, data),
    )
    connected = store()
    lock_until = keep.snapshot_lock(now, part.kept, f"{host}/{part.stream.name}")
    pack_ref = _put(connected, description.name, sealed, lock_until, part.kept, now)
    name = names.for_snapshot(names.Kind.MANIFEST, part.kept.name, host, part.stream.name, now, manifest)
    manifest_ref = _put(connected, name, manifest, lock_until, part.kept, now)
    entry = StreamEntry(
        host=host,
        host_id=host,
        stream=part.stream.name,
        retention_class=part.kept.name,
        state=StreamState.STORED,
        captured_at=now,
        verified_at=now,
        pack=pack_ref,
        manifest=manifest_ref,
        fingerprints=fingerprints,
        marks=tuple(f"{c.component.name}: {mark}" for c in part.contents for mark in c.marks),
    )
    size = len(sealed) + len(manifest)
    return StreamReceipt(part.stream.name, part.reason, part.changed, size, entry, part.gaps)


def seal_pack(
    origin: manifest_format.Origin, contents: Sequence[ComponentContent], root: Root
) -> tuple[bytes, PackDescription, WrappedKey, str]:
    """Pack, compress and encrypt a snapshot to a fresh identity, whose secret survives only wrapped and in escrow."""
    tar, members = pack.write(host=origin.host, stream=origin.stream, captured_at=origin.captured_at, parts=contents)
    wrap_key = root.wrap_key(origin.retention_class, origin.captured_at.year)
    escrow_key = root.escrow_key(origin.retention_class, origin.captured_at.year)
    secret, recipient = age.generate()
    sealed = age.encrypt(zstd.compress(tar), [recipient, escrow_key.public])
    wrapped = WrappedKey(
        retention_class=wrap_key.retention_class,
        year=wrap_key.year,
        series=wrap_key.series,
        scheme=wrap_key.scheme,
        recipient=recipient,
        wrapped=keys.wrap(wrap_key, secret),
    )
    name = names.for_snapshot(
        names.Kind.PACK, origin.retention_class, origin.host, origin.stream, origin.captured_at, sealed
    )
    return sealed, PackDescription(name, len(sealed), len(tar), members), wrapped, escrow_key.id


def _put(
    store: Store, name: str, data: bytes, lock_until: dt.datetime, kept: RetentionClass, now: dt.datetime
) -> ObjectRef:
    ref = objects.put(store, name, data, lock_until=lock_until)
    if not keep.nameable(ref.lock_until, now, kept):
        raise NotLockedError(
            f"{store.location} locked it only until {instant.to_text(ref.lock_until)}",
            item=name,
            remedy="Check the store's lock settings; no recovery point will name this object.",
        )
    return ref


def _put_point(
    folder: PointFolder,
    repository: Repository,
    keyring: Keyring,
    opened: OpenPoint,
    receipts: Mapping[str, Receipt],
    missing: tuple[str, ...],
) -> Sealed:
    given = [part.entry for receipt in receipts.values() for part in receipt.streams if part.entry is not None]
    sealed_at = max([_now(opened), *(entry.captured_at for entry in given)])
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
    draft = Body(
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
    data = _body_bytes(folder, draft, opened)
    body = body_format.read(data, what="body")
    lock_until = keep.point_lock(sealed_at, root.longest_days)
    body_name = names.for_point(names.Kind.BODY, sealed_at, opened.run, data)
    objects.put(repository.store, body_name, data, lock_until=lock_until)
    summary = _summary(opened, receipts, missing, id=None, sealed=True, failed=failed)
    statement = Statement(
        repository=root.repository,
        root=root.id,
        run=opened.run,
        point=opened.point,
        sealed_at=sealed_at,
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
    envelope = sign_envelope(keyring, statement_format.PAYLOAD_TYPE, statement_format.payload(statement), use="point")
    name = names.for_point(names.Kind.POINT, sealed_at, opened.run, envelope)
    _require_believable(root, name, envelope, sealed_at)
    objects.put(repository.store, name, envelope, lock_until=lock_until)
    return dataclasses.replace(summary, id=names.parse(name).sha256)


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
