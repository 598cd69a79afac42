# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open a snapshot: fetch, check every digest on the way, unwrap its key, decrypt, unpack."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping

from ..errors import (
    IntegrityError,
    KeyMissingError,
    WrongKeyError,
)
from ..format import manifest as manifest_format
from ..format import pack
from ..keyring.base import Keyring
from ..model.entry import Entry
from ..model.keys import ClassYearKey
from ..model.point import StreamEntry
from ..model.snapshot import Manifest
from ..seal import age, zstd
from . import destroyed, objects
from .chain import Chain
from .choose import Chosen
from .repository import Repository


@dataclasses.dataclass(frozen=True)
class Opened:
    """A snapshot whose every digest was checked: its components and their entries and bytes."""

    chosen: Chosen
    manifest: Manifest
    parts: tuple[pack.PackedComponent, ...]
    seconds: Mapping[str, float]


def open_snapshot(repository: Repository, keyring: Keyring, chosen: Chosen) -> Opened:
    """Fetch a snapshot, check every digest on the way, unwrap its key and open it.

    :raises IntegrityError, HostileArchiveError: not what the recovery point promised; nothing of it is used.
    :raises KeyMissingError, WrongKeyError: this keyring cannot open it.
    :raises KeyDestroyedError: nor does any: people had its key destroyed.
    """
    entry = chosen.entry
    seconds: dict[str, float] = {}
    with timed(seconds, "fetch"):
        manifest = read_manifest(repository, entry)
        sealed = objects.read(repository.store, entry.pack.name, version=entry.pack.version)
    with timed(seconds, "unwrap"):
        try:
            secret = unwrap(repository.chain, keyring, manifest)
        except (KeyMissingError, WrongKeyError) as e:
            gone = destroyed.explained(repository, key_id(manifest), manifest.escrow)
            if gone is None:
                raise
            raise gone.at(entry.host) from e
    with timed(seconds, "open"):
        packed = open_pack(sealed, secret, manifest)
    parts = tuple(part for part in packed.components if part.name in chosen.components)
    if len(parts) != len(chosen.components):
        raise IntegrityError("does not hold every component its manifest names", host=entry.host, item=entry.pack.name)
    return Opened(chosen, manifest, parts, seconds)


def read_manifest(repository: Repository, entry: StreamEntry) -> Manifest:
    """Read a snapshot's manifest; raises IntegrityError where it describes another snapshot than the point does."""
    data = objects.read(repository.store, entry.manifest.name, version=entry.manifest.version)
    return believed_manifest(repository, entry, data)


def believed_manifest(repository: Repository, entry: StreamEntry, data: bytes) -> Manifest:
    """Judge a snapshot's manifest, of which the bytes are those that its name says; raises as :func:`read_manifest`."""
    name = entry.manifest.name
    manifest = manifest_format.read(data, what=name)
    if manifest.repository != repository.name or repository.chain.place(manifest.root) is None:
        raise IntegrityError("belongs to another repository or root", host=entry.host, item=name)
    check_manifest(manifest, entry)
    return manifest


def check_manifest(manifest: Manifest, entry: StreamEntry) -> None:
    """Raise IntegrityError where a manifest describes another snapshot than a point's entry does."""
    told = (
        entry.host,
        entry.host_id,
        entry.stream,
        entry.retention_class,
        entry.captured_at,
        entry.pack.name,
        entry.is_rollback_target,
        None if entry.imported is None else entry.imported.in_entry(),
    )
    held = (
        manifest.host,
        manifest.host_id,
        manifest.stream,
        manifest.retention_class,
        manifest.captured_at,
        manifest.pack.name,
        not manifest.restore_open,
        None if manifest.origin is None else manifest.origin.in_entry(),
    )
    fingerprints = tuple(part.fingerprint for part in manifest.components)
    if told != held or fingerprints != entry.fingerprints:
        raise IntegrityError(
            "describes another snapshot than its recovery point", host=entry.host, item=entry.manifest.name
        )


def unwrap(chain: Chain, keyring: Keyring, manifest: Manifest) -> str:
    """Unwrap a pack's identity; raises WrongKeyError where the wrapped secret is not that of the pack's recipient."""
    return packs_own(keyring.unwrap(wrap_key(chain, manifest), manifest.key.wrapped), manifest)


def key_id(manifest: Manifest) -> str:
    """The id of the key that a pack's identity was wrapped under, as the manifest says it."""
    return manifest.key.id


def wrap_key(chain: Chain, manifest: Manifest) -> ClassYearKey:
    """The key that a pack's identity was wrapped under; raises IntegrityError where no root names it."""
    key = manifest.key
    known = chain.wrap_key(key.retention_class, key.year, key.series)
    if known is None or known.scheme != key.scheme:
        raise IntegrityError(
            "was wrapped under a key that the root does not name", host=manifest.host, item=manifest.pack.name
        )
    return known


def packs_own(secret: str, manifest: Manifest) -> str:
    """Return an identity that was unwrapped; raises WrongKeyError where it is not that of the pack's recipient."""
    if age.recipient_of(secret) != manifest.key.recipient:
        raise WrongKeyError(
            "the wrapped key is not that of the pack",
            host=manifest.host,
            item=manifest.pack.name,
            remedy="Open it with the escrow identity, and find out who wrote this manifest.",
        )
    return secret


def open_pack(sealed: bytes, secret: str, manifest: Manifest) -> pack.Pack:
    """Decrypt, decompress and unpack within the manifest's measures, and check that it is the manifest's pack."""
    what = manifest.pack.name
    # what was decrypted is given up before the contents are taken out of the tar
    tar = zstd.decompress(age.decrypt(sealed, [secret]), limit=manifest.pack.tar_size)
    packed = pack.read(tar, max_members=manifest.pack.members, max_bytes=manifest.pack.tar_size, what=what)
    if (packed.host, packed.stream, packed.captured_at) != (manifest.host, manifest.stream, manifest.captured_at):
        raise IntegrityError("is the pack of another snapshot", host=manifest.host, item=what)
    if [part.name for part in packed.components] != [part.component.name for part in manifest.components]:
        raise IntegrityError("holds other components than its manifest", host=manifest.host, item=what)
    for part, told in zip(packed.components, manifest.components, strict=True):
        if [_shape(e) for e in part.entries] != [_shape(k.entry) for k in told.entries]:
            raise IntegrityError(f"holds component {part.name} otherwise than its manifest", item=what)
    return packed


def _shape(entry: Entry) -> tuple[object, ...]:
    return (entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.size)


def open_all(
    repository: Repository, keyring: Keyring, chosen: Iterable[Chosen], seconds: dict[str, float]
) -> list[Opened]:
    """Open snapshots one after the other, as :func:`open_snapshot`; the time that each phase takes is added up."""
    opened = [open_snapshot(repository, keyring, one) for one in chosen]
    for part in opened:
        add_times(seconds, part.seconds)
    return opened


def add_times(seconds: dict[str, float], more: Mapping[str, float]) -> None:
    """Add the seconds of phases to those of the same phases."""
    for phase, spent in more.items():
        seconds[phase] = seconds.get(phase, 0.0) + spent


@contextlib.contextmanager
def timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Add the seconds that the block takes to a phase."""
    start = time.monotonic()
    try:
        yield
    finally:
        add_times(seconds, {phase: time.monotonic() - start})
