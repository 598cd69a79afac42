# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshot a host: find out what has changed, seal it, store it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from ..capture.base import Source
from ..errors import CaptureError, HoldfastError, NotLockedError, RunError
from ..format import manifest as manifest_format
from ..format import names, pack
from ..keyring import base as keys
from ..model import instant, keep
from ..model.content import ComponentContent, PlainFingerprint
from ..model.entry import LeftOut, below_no_folder
from ..model.point import (
    ObjectRef,
    StreamEntry,
    StreamState,
)
from ..model.policy import Policy, RetentionClass, Stream
from ..model.root import Root
from ..model.snapshot import Fingerprint, PackDescription, WrappedKey
from ..seal import age, zstd
from ..store.base import Store
from . import objects
from .run_folder import HostSheet, PointFolder, Receipt, StreamReceipt

# a newest snapshot must still be nameable when a long run is sealed
_RUN_MARGIN = dt.timedelta(days=1)


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
    opened = folder.read_open_as(check=check)
    try:
        sheet = folder.read_host(host)
        root = folder.read_root()
        now = opened.now()
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
