# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshot a host: find out what has changed, seal it, store it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable, Collection, Mapping, Sequence

from ..capture import wire
from ..capture.base import Source
from ..capture.composite import Composite
from ..capture.host import Host
from ..errors import (
    CaptureError,
    ExpiredError,
    FullError,
    HoldfastError,
    KeyDestroyedError,
    PolicyError,
    RunError,
    StoreError,
    TransientError,
)
from ..format import manifest as manifest_format
from ..format import names, pack
from ..keyring import base as keys
from ..keyring.base import Keyring
from ..model import keep
from ..model.component import Component
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import LeftOut, below_no_folder
from ..model.point import (
    RESTORE_OPEN,
    ObjectRef,
    StreamEntry,
    StreamState,
)
from ..model.policy import Policy, Stream
from ..model.retention import RetentionClass
from ..model.root import Root
from ..model.snapshot import Fingerprint, PackDescription, WrappedKey
from ..seal import age, zstd
from ..store.base import Store
from . import objects, open_point, run_folder, secret_digests
from .open_point import RUN_MARGIN
from .run_folder import HostSheet, OpenPoint, PointFolder, Receipt, SealedSnapshot, StreamReceipt

# as far as a host's clock may differ before a point says so: nothing else hangs on it
CLOCK_WARNING = dt.timedelta(minutes=5)
# the reason, and the mark, of what differs from a snapshot that was normalised in another way
NORMALISER = "normaliser"


class HeardHost(Host):
    """A host that is captured; what it says of itself on the way is kept.

    That is its machine, how wrong its clock is, and which restores in place were open on it.
    """

    def __init__(self, trip: wire.Trip, *, journal: str | None = None) -> None:
        super().__init__(trip, journal=journal)
        self.machine: str | None = None
        self._restores: set[str] = set()
        self._asked = 0.0
        self._heard: tuple[float, int, float] | None = None

    @property
    def restores(self) -> tuple[str, ...]:
        """The restores in place that were open in any of its trips so far."""
        return tuple(sorted(self._restores))

    def clock_ahead(self, opened: OpenPoint) -> int:
        """By how many seconds its clock was ahead, at least, when it was asked last; less than none where behind."""
        if self._heard is None:
            return 0
        asked, told, answered = self._heard
        earliest, latest = (round(opened.at(moment).timestamp()) for moment in (asked, answered))
        return max(told - latest, 0) + min(told - earliest, 0)

    def _ask(
        self, op: str, components: Sequence[Component], *, absent: str = "error"
    ) -> tuple[dict[str, object], bytes]:
        self._asked = run_folder.monotonic()
        return super()._ask(op, components, absent=absent)

    def _hear(self, header: Mapping[str, object]) -> None:
        told = wire.read_told(header)
        self.machine = told.machine
        self._restores.update(told.restores)
        self._heard = self._asked, told.time, run_folder.monotonic()


def snapshot(
    folder: PointFolder,
    source: Source,
    *,
    host: str,
    policy: Callable[[], Policy],
    store: Callable[[], Store],
    writer: str,
    host_id: Callable[[], str] | None = None,
    keyring: Callable[[], Keyring] | None = None,
    pushed: Sequence[str] = (),
    device: Source | None = None,
    check: bool = False,
) -> Receipt:
    """Capture one host's streams and store those that changed; leaves a receipt whatever happens.

    :param policy: reads and judges the host's own; what it refuses stands in the receipt as well.
    :param store: connects to the store; called only where there is something to put, so that an unchanged host costs
        neither store nor keyring a call.
    :param writer: collection version, for manifests.
    :param host_id: reads and judges which identity the inventory gives the host; without it that is its name.
    :param keyring: connects to the keyring; called only for a host that has been given another name, or an identity,
        since its newest snapshot.
    :param pushed: names of the texts that a task gave, where the policy is of these: their receipts stand beside that
        of the host's own snapshot.
    :param device: gives what the host is asked for as a device, where its policy has that.
    :raises HoldfastError: as the failed receipt says.
    """
    opened = folder.read_open_as(check=check)
    refused: StoreError | None = None
    try:
        identity = host if host_id is None else host_id()
        root = folder.read_root()
        sheet = _sheet(folder, opened, host, identity, root, keyring)
        run_folder.claim_identity(folder.state_dir, folder.run, host, identity)
        declared = policy()
        streams = declared.streams()
        for stream in streams:
            root.retention(declared.classes[stream.retention_class])
        worker = _Worker(
            *(host, identity, sheet, root, opened.now(), writer),
            restores=lambda: _restores(source),
            spent=opened.spent,
            secret_key=folder.read_secret_key(),
        )
        receipts = []
        connected: Store | None = None
        for decided in _decide(streams, Composite(source, device), worker, opened.opened_at, check=opened.check):
            if isinstance(decided, StreamReceipt):
                receipts.append(decided)
                continue
            sealed = _seal_stream(decided, worker)
            if refused is None:
                try:
                    connected = connected or store()
                    receipts.append(ship(sealed, connected, decided.kept, worker.now))
                    continue
                except (TransientError, FullError, ExpiredError) as e:
                    refused = e
            # it is sealed already: the next run ships it, whatever becomes of the host
            _keep(folder, sealed, refused)
        receipt = Receipt(host, tuple(receipts), follows=_follows(host, sheet), **_heard(source, opened))
        if refused is not None:
            receipt = dataclasses.replace(receipt, error=_kept(refused, host), held_back=True)
    except HoldfastError as e:
        _leave_failure(folder, opened, Receipt(host, (), error=str(e.at(host)), **_heard(source, opened)), pushed)
        raise
    with folder.locked():
        if folder.read_sealed() is not None:
            raise RunError(
                f"recovery point {folder.point} was sealed before this host was done",
                host=host,
                remedy="It counts as missing there: back it up again, in a point that waits for it.",
            )
        _leave(folder, receipt, pushed)
    if refused is not None:
        raise refused
    return receipt


def refused(
    folder: PointFolder, error: HoldfastError, *, host: str, pushed: Sequence[str] = (), check: bool = False
) -> HoldfastError:
    """Let a host whose snapshot is refused before it begins have failed, where its point is open; returns the error."""
    if folder.exists():
        receipt = Receipt(host, (), error=str(error.at(host)))
        _leave_failure(folder, folder.read_open_as(check=check), receipt, pushed)
    return error


def _leave_failure(folder: PointFolder, opened: OpenPoint, receipt: Receipt, pushed: Sequence[str]) -> None:
    # a host that the point does not expect cannot make it incomplete
    if receipt.host in opened.expected and folder.read_sealed() is None:
        # no room for a receipt: the host counts as missing, and what went wrong first is what must be mended
        with contextlib.suppress(RunError):
            _leave(folder, receipt, pushed)


def _leave(folder: PointFolder, receipt: Receipt, pushed: Sequence[str]) -> None:
    """Write a receipt: one for the host, or one for each text that was pushed."""
    if not pushed:
        folder.write_receipt(receipt)
    for name in pushed:
        parts = tuple(part for part in receipt.streams if part.stream == name)
        folder.write_receipt(dataclasses.replace(receipt, streams=parts), pushed=name)


def _sheet(
    folder: PointFolder,
    opened: OpenPoint,
    host: str,
    host_id: str,
    root: Root,
    keyring: Callable[[], Keyring] | None,
) -> HostSheet:
    if host not in opened.expected:
        raise folder.not_expected(host)
    if host_id == host:
        sheet = folder.read_host(host)
        last = _follows(host, sheet)
        # else a new host would go on with the streams of the one that had its name before
        if last in opened.expected:
            raise PolicyError(
                f"{host} would go on with the streams of {last}, which is another host of this run",
                host=host,
                item="holdfast_host_id",
                remedy=f"{last} had that name before: give {host} a holdfast_host_id that was never used. If it is the "
                f"host that was called {last} until now, back it up once by --limit {host}.",
            )
        return sheet
    names.refuse_colliding((*opened.expected, host_id))
    found = folder.find_host(host_id)
    if found is None and keyring is not None and folder.read_sealed() is None:
        found = open_point.sheet(root, keyring(), host_id, folder.read_live_of(host_id))
    if found is None:
        raise folder.not_expected(host)
    return found


def _follows(host: str, sheet: HostSheet) -> str:
    """The name under which a host's streams were last proven, where that is another one."""
    last = max(sheet.streams.values(), key=lambda entry: entry.verified_at, default=None)
    return "" if last is None or last.name == host else last.name


def _heard(source: Source, opened: OpenPoint) -> dict[str, t.Any]:
    """What its receipt says of a host that answered, whatever became of it."""
    if not isinstance(source, HeardHost):
        return {}
    ahead = source.clock_ahead(opened)
    within = abs(ahead) <= CLOCK_WARNING.total_seconds()
    return {"machine": source.machine, "clock_ahead": 0 if within else ahead, "restores": source.restores}


def _restores(source: Source) -> tuple[str, ...]:
    return source.restores if isinstance(source, HeardHost) else ()


def _keep(folder: PointFolder, sealed: SealedSnapshot, refused: StoreError) -> None:
    try:
        folder.keep_leftover(sealed)
    except RunError:
        # neither here nor there: what the store said is what must be mended
        raise refused from None


def _kept(error: StoreError, host: str) -> str:
    """Say of a refused put that nothing is lost."""
    error.at(host)
    kept = "What was captured is kept, sealed: the next run on this controller stores it"
    error.remedy = f"{error.remedy.rstrip('.')}. {kept}" if error.remedy else kept
    return str(error)


@dataclasses.dataclass(frozen=True)
class _Worker:
    """What everything that is sealed for one host has in common.

    ``restores`` gives the restores in place that were open on it in the trips so far, ``spent`` are ids of keys that
    were destroyed. ``secret_key`` is that of digests of declared secrets, None where none are wanted.
    """

    host: str
    host_id: str
    sheet: HostSheet
    root: Root
    now: dt.datetime
    writer: str
    restores: Callable[[], tuple[str, ...]]
    spent: tuple[str, ...] = ()
    secret_key: bytes | None = None


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
    streams: Sequence[Stream], source: Source, worker: _Worker, opened_at: dt.datetime, *, check: bool
) -> list[StreamReceipt | _ToStore]:
    """Find out what must be stored, with its content.

    One trip where nothing has changed, and one where content is wanted from the start, because nothing is known or the
    newest snapshot's lock runs short; a second one for the content of what has changed. In check mode content stays
    where it is.
    """
    sheet, root = worker.sheet, worker.root
    at_once = [stream for stream in streams if _wanted_at_once(stream, sheet, root, opened_at)]
    later = [stream for stream in streams if check or stream not in at_once]
    contents = {} if check else _content(source, at_once)
    prints = {name: content.fingerprint for name, content in contents.items()}
    if later:
        prints.update(source.fingerprints([c for stream in later for c in stream.components]))
    restoring = bool(worker.restores())
    found = {stream.name: _compare(stream, sheet, prints, restoring=restoring) for stream in streams}
    due = [stream for stream in later if found[stream.name][0] != "unchanged"]
    if not check:
        contents.update(_content(source, due))
    decided: list[StreamReceipt | _ToStore] = []
    _require_tree(contents)
    for stream in streams:
        reason, changed = found[stream.name]
        gaps = tuple(gap for component in stream.components for gap in prints[component.name].gaps)
        left_out_bytes = sum(prints[component.name].left_out_bytes for component in stream.components)
        if stream in at_once or stream in due:
            spoken = "renewal" if reason == "unchanged" else reason
            if check:
                decided.append(StreamReceipt(stream.name, spoken, changed, 0, None, gaps, left_out_bytes))
                continue
            parts = tuple(_told(contents[c.name], worker) for c in stream.components)
            decided.append(_ToStore(stream, root.classes[stream.retention_class], spoken, changed, gaps, parts))
        else:
            known = sheet.streams[stream.name].named(worker.host)
            proven = dataclasses.replace(known, state=StreamState.UNCHANGED, verified_at=worker.now)
            decided.append(StreamReceipt(stream.name, reason, (), 0, proven, gaps, left_out_bytes))
    return decided


def _told(content: ComponentContent, worker: _Worker) -> ComponentContent:
    return content if worker.secret_key is None else secret_digests.with_secrets(content, worker.secret_key)


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
    return entry is None or not keep.nameable(entry.lock_until, opened_at + RUN_MARGIN, kept)


def _content(source: Source, streams: Sequence[Stream]) -> dict[str, ComponentContent]:
    components = [component for stream in streams for component in stream.components]
    return source.content(components) if components else {}


def _compare(
    stream: Stream, sheet: HostSheet, prints: Mapping[str, PlainFingerprint], *, restoring: bool
) -> tuple[str, tuple[str, ...]]:
    """Why a stream must be stored, and the components that say so; ``unchanged`` where neither host nor policy has.

    :param restoring: a restore in place is open on the host.
    """
    entry = sheet.streams.get(stream.name)
    if entry is None:
        return "first", tuple(component.name for component in stream.components)
    known = {fingerprint.component: fingerprint for fingerprint in entry.fingerprints}
    declared = {c.name: manifest_format.definition(c) for c in stream.components}
    drifted: list[str] = []
    undecided: list[str] = []
    for name, definition in declared.items():
        stored = known.get(name)
        if stored is not None and stored.definition == definition and stored.digest_key in sheet.digest_keys:
            now = key_fingerprint(prints[name], stored.digest_key, sheet.digest_keys)
            if not now.agrees(stored):
                (undecided if now.undecided(stored) else drifted).append(name)
    if drifted:
        return "drift", tuple(drifted)
    comparable = all(fingerprint.digest_key in sheet.digest_keys for fingerprint in known.values())
    stored_as = {name: fingerprint.definition for name, fingerprint in known.items()}
    if declared != stored_as or entry.retention_class != stream.retention_class or not comparable:
        return "policy", ()
    # what was captured under an open restore is no rollback target: once none is open, what is there is stored as one
    if not restoring and not entry.is_rollback_target:
        return "restore", ()
    if undecided:
        return NORMALISER, tuple(undecided)
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


def _seal_stream(part: _ToStore, worker: _Worker) -> SealedSnapshot:
    host, sheet, root, now = worker.host, worker.sheet, worker.root, worker.now
    key_id = root.digest_key_id
    restores = worker.restores()
    known = sheet.streams.get(part.stream.name)
    if known is not None:
        # newest is told by this moment: two snapshots of a stream never share a second
        now = max(now, known.captured_at + dt.timedelta(seconds=1))
    origin = manifest_format.Origin(
        repository=root.repository,
        root=root.id,
        host=host,
        host_id=worker.host_id,
        stream=part.stream.name,
        retention_class=part.kept.name,
        captured_at=now,
        digest_key=key_id,
        writer=worker.writer,
        restore_open=bool(restores),
    )
    marks = (
        *(f"{RESTORE_OPEN}: {restore}" for restore in restores),
        *(f"{c.component.name}: {mark}" for c in part.contents for mark in c.marks),
        *(f"{name}: {NORMALISER}" for name in part.changed if part.reason == NORMALISER),
    )
    entry, sealed, manifest = seal_content(
        origin, part.contents, root, sheet.digest_keys, part.kept, now=now, spent=worker.spent, marks=marks
    )
    size = len(sealed) + len(manifest)
    left_out_bytes = sum(content.fingerprint.left_out_bytes for content in part.contents)
    receipt = StreamReceipt(part.stream.name, part.reason, part.changed, size, entry, part.gaps, left_out_bytes)
    return SealedSnapshot(receipt, entry, sealed, manifest)


def seal_content(
    origin: manifest_format.Origin,
    contents: Sequence[ComponentContent],
    root: Root,
    host_keys: Mapping[str, bytes],
    kept: RetentionClass,
    *,
    now: dt.datetime,
    spent: Collection[str] = (),
    marks: tuple[str, ...] = (),
) -> tuple[StreamEntry, bytes, bytes]:
    """Seal contents as a snapshot: its entry, without versions yet, and the bytes of its pack and its manifest.

    :param host_keys: the host's digest keys by id.
    :param now: the store's time, from which it is locked.
    :param spent: ids of keys that were destroyed.
    """
    sealed, description, wrapped, escrow = seal_pack(origin, contents, root, spent)
    host_key = host_keys[origin.digest_key]
    fingerprints = tuple(key_fingerprint(c.fingerprint, origin.digest_key, host_keys) for c in contents)
    manifest = manifest_format.write(
        origin,
        pack=description,
        key=wrapped,
        escrow=(escrow,),
        parts=tuple(zip(contents, fingerprints, strict=True)),
        keyed=lambda data: keys.keyed(host_key, data),
    )
    host, stream, captured_at = origin.host, origin.stream, origin.captured_at
    lock_until = keep.snapshot_lock(now, kept, f"{host}/{stream}")
    name = names.for_snapshot(names.Kind.MANIFEST, kept.name, host, stream, captured_at, manifest)
    entry = StreamEntry(
        host=host,
        host_id=origin.host_id,
        stream=stream,
        retention_class=kept.name,
        state=StreamState.STORED,
        captured_at=captured_at,
        verified_at=captured_at,
        pack=ObjectRef(description.name, "", len(sealed), lock_until),
        manifest=ObjectRef(name, "", len(manifest), lock_until),
        fingerprints=fingerprints,
        marks=marks,
    )
    return (entry if origin.imported is None else entry.from_elsewhere(origin.imported)), sealed, manifest


def ship(part: SealedSnapshot, store: Store, kept: RetentionClass, now: dt.datetime) -> StreamReceipt:
    """Put a sealed snapshot, its pack first; returns its receipt with what was read back.

    :raises StoreError: the store did not take it, or not with the lock that its class asks for.
    """
    entry = part.entry
    lock_until = keep.snapshot_lock(now, kept, f"{entry.host}/{entry.stream}")
    pack_ref = objects.put_locked(store, entry.pack.name, part.pack, lock_until, kept, now)
    manifest_ref = objects.put_locked(store, entry.manifest.name, part.manifest, lock_until, kept, now)
    return dataclasses.replace(part.receipt, entry=dataclasses.replace(entry, pack=pack_ref, manifest=manifest_ref))


def seal_pack(
    origin: manifest_format.Origin, contents: Sequence[ComponentContent], root: Root, spent: Collection[str]
) -> tuple[bytes, PackDescription, WrappedKey, str]:
    """Pack, compress and encrypt a snapshot to a fresh identity, whose secret survives only wrapped and in escrow.

    :param spent: ids of keys that were destroyed.
    :raises KeyDestroyedError: the root has no other key for this class and year.
    """
    wrap_key = root.wrap_key(origin.retention_class, origin.key_year)
    escrow_key = root.escrow_key(origin.retention_class, origin.key_year)
    for key_id, use in ((wrap_key.id, "wrap"), (f"escrow:{escrow_key.id}", "escrow")):
        if key_id in spent:
            raise KeyDestroyedError(
                f"the {use} key of class {origin.retention_class} and this year was destroyed, and none follows it: "
                "nobody could open what is sealed under it",
                host=origin.host,
                item=key_id,
                remedy=f"Let people sign a root link with another: holdfast.config.repository rotate=[{use}].",
            )
    tar, members = pack.write(host=origin.host, stream=origin.stream, captured_at=origin.captured_at, parts=contents)
    secret, recipient = age.generate()
    tar_size = sum(map(len, tar))
    sealed = age.encrypt(zstd.compress_pieces(tar, size=tar_size), [recipient, escrow_key.public])
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
    return sealed, PackDescription(name, len(sealed), tar_size, members), wrapped, escrow_key.id
