# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore: choose snapshots, open them, write them under a root, capture again and compare."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import re
import time
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ..capture.host import Host, Survey
from ..errors import (
    FormatError,
    HoldfastError,
    IntegrityError,
    MismatchError,
    NotFoundError,
    ObjectMissingError,
    PolicyError,
    RestoreError,
    UnreadableError,
    WrongKeyError,
)
from ..format import manifest as manifest_format
from ..format import names, pack
from ..format import record as record_format
from ..keyring.base import Keyring
from ..model import instant, keep
from ..model.component import Component
from ..model.entry import Entry, EntryKind, below_no_folder
from ..model.keys import ClassYearKey
from ..model.point import StreamEntry
from ..model.record import Record
from ..model.root import Root
from ..model.snapshot import Manifest
from ..seal import age, zstd
from . import objects, points
from .repository import Repository, sign_envelope

_PREFIX = re.compile(r"[0-9a-f]{12,64}")
_PRIVILEGED_XATTRS = ("security.", "trusted.")
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which snapshots to restore from: exactly one of the four, and never the newest unless that is asked for.

    ``point`` and ``snapshot`` are digests, or at least 12 of their first digits.
    """

    point: str | None = None
    snapshot: str | None = None
    time: dt.datetime | None = None
    newest: bool = False
    components: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        chosen = [self.point is not None, self.snapshot is not None, self.time is not None, self.newest]
        if sum(chosen) != 1:
            raise PolicyError(
                "which snapshot to restore is not said once",
                remedy="Give one of recovery_point, snapshot, time, newest.",
            )
        for digest in (self.point, self.snapshot):
            if digest is not None and not _PREFIX.fullmatch(digest):
                raise PolicyError(
                    f"{digest!r} is not a digest or its first 12 digits or more",
                    item="recovery_point or snapshot",
                    remedy="Copy it from a run's table or from verify.",
                )

    @property
    def spoken(self) -> str:
        """What was asked for, for errors."""
        moment = None if self.time is None else instant.to_text(self.time)
        return self.point or self.snapshot or moment or "newest"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A stream's snapshot and the components to take from it."""

    entry: StreamEntry
    components: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Opened:
    """A snapshot whose every digest was checked: its components and their entries and bytes."""

    chosen: Chosen
    manifest: Manifest
    parts: tuple[pack.PackedComponent, ...]
    seconds: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Difference:
    """A path and the attributes in which host and snapshot differ there.

    ``missing`` and ``extra`` are such words too.
    """

    path: str
    what: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path!r} ({', '.join(self.what)})"


@dataclasses.dataclass(frozen=True)
class Restored:
    """What a restore did.

    ``proven`` says that what was read back is equal; ``owners`` that owners could be set and compared.
    """

    sources: tuple[Chosen, ...]
    before: tuple[Difference, ...]
    extra: tuple[str, ...]
    entries: int
    proven: bool
    owners: bool
    record: str | None
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]


def choose(repository: Repository, host: str, selection: Selection) -> tuple[Chosen, ...]:
    """Find the snapshots that a selection names: each component from the newest one that declares it.

    :raises NotFoundError: no sealed point that is believed holds what was asked for.
    """
    entries = [entry for entry in _candidates(repository, host, selection) if entry.host == host]
    if not entries:
        raise NotFoundError(
            "no recovery point holds a snapshot of this host as asked",
            host=host,
            item=selection.spoken,
            remedy="Look at the recovery points that verify lists, and at the host's inventory name.",
        )
    newest: dict[str, StreamEntry] = {}
    for entry in entries:
        for fingerprint in entry.fingerprints:
            known = newest.get(fingerprint.component)
            if known is None or entry.age_order > known.age_order:
                newest[fingerprint.component] = entry
    for name in selection.components:
        if name not in newest and selection.point is None and selection.snapshot is None:
            newest.update(_retired(repository, host, name, selection.time))
    unknown = [name for name in selection.components if name not in newest]
    if unknown:
        raise NotFoundError(
            f"no component {', '.join(unknown)} there",
            host=host,
            item=unknown[0],
            remedy=f"The snapshot has {', '.join(sorted(newest))}.",
        )
    wanted = sorted(set(selection.components) or set(newest))
    by_snapshot: dict[str, list[str]] = {}
    for name in wanted:
        by_snapshot.setdefault(newest[name].manifest.name, []).append(name)
    return tuple(
        Chosen(next(e for e in newest.values() if e.manifest.name == manifest), tuple(components))
        for manifest, components in by_snapshot.items()
    )


def open_snapshot(repository: Repository, keyring: Keyring, chosen: Chosen) -> Opened:
    """Fetch a snapshot, check every digest on the way, unwrap its key and open it.

    :raises IntegrityError, HostileArchiveError: not what the recovery point promised; nothing of it is used.
    :raises KeyMissingError, WrongKeyError: this keyring cannot open it.
    """
    entry = chosen.entry
    seconds: dict[str, float] = {}
    with _timed(seconds, "fetch"):
        manifest = read_manifest(repository, entry)
        sealed = objects.read(repository.store, entry.pack.name, version=entry.pack.version)
    with _timed(seconds, "unwrap"):
        secret = unwrap(repository.root, keyring, manifest)
    with _timed(seconds, "open"):
        packed = open_pack(sealed, secret, manifest)
    parts = tuple(part for part in packed.components if part.name in chosen.components)
    if len(parts) != len(chosen.components):
        raise IntegrityError("does not hold every component its manifest names", host=entry.host, item=entry.pack.name)
    return Opened(chosen, manifest, parts, seconds)


def read_manifest(repository: Repository, entry: StreamEntry) -> Manifest:
    """Read a snapshot's manifest; raises IntegrityError where it describes another snapshot than the point does."""
    name = entry.manifest.name
    manifest = manifest_format.read(objects.read(repository.store, name, version=entry.manifest.version), what=name)
    if (manifest.repository, manifest.root) != (repository.name, repository.root.id):
        raise IntegrityError("belongs to another repository or root", host=entry.host, item=name)
    check_manifest(manifest, entry)
    return manifest


def check_manifest(manifest: Manifest, entry: StreamEntry) -> None:
    """Raise IntegrityError where a manifest describes another snapshot than a point's entry does."""
    told = (entry.host, entry.host_id, entry.stream, entry.retention_class, entry.captured_at, entry.pack.name)
    held = (
        manifest.host,
        manifest.host_id,
        manifest.stream,
        manifest.retention_class,
        manifest.captured_at,
        manifest.pack.name,
    )
    fingerprints = tuple(part.fingerprint for part in manifest.components)
    if told != held or fingerprints != entry.fingerprints:
        raise IntegrityError(
            "describes another snapshot than its recovery point", host=entry.host, item=entry.manifest.name
        )


def unwrap(root: Root, keyring: Keyring, manifest: Manifest) -> str:
    """Unwrap a pack's identity; raises WrongKeyError where the wrapped secret is not that of the pack's recipient."""
    key = manifest.key
    known = next(
        (
            k
            for k in root.keys.wrap
            if (k.retention_class, k.year, k.series) == (key.retention_class, key.year, key.series)
        ),
        None,
    )
    if known is None or known.scheme != key.scheme:
        raise IntegrityError(
            "was wrapped under a key that the root does not name", host=manifest.host, item=manifest.pack.name
        )
    secret = keyring.unwrap(
        ClassYearKey(key.retention_class, key.year, key.scheme, known.public, key.series), key.wrapped
    )
    if age.recipient_of(secret) != key.recipient:
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
    compressed = age.decrypt(sealed, [secret])
    tar = zstd.decompress(compressed, limit=manifest.pack.tar_size)
    packed = pack.read(tar, max_members=manifest.pack.members, max_bytes=manifest.pack.tar_size, what=what)
    if (packed.host, packed.stream, packed.captured_at) != (manifest.host, manifest.stream, manifest.captured_at):
        raise IntegrityError("is the pack of another snapshot", host=manifest.host, item=what)
    if [part.name for part in packed.components] != [part.component.name for part in manifest.components]:
        raise IntegrityError("holds other components than its manifest", host=manifest.host, item=what)
    for part, told in zip(packed.components, manifest.components, strict=True):
        if [_shape(e) for e in part.entries] != [_shape(k.entry) for k in told.entries]:
            raise IntegrityError(f"holds component {part.name} otherwise than its manifest", item=what)
    return packed


def restore(
    repository: Repository,
    keyring: Keyring,
    target: Host,
    *,
    host: str,
    target_host: str,
    under: str,
    selection: Selection,
    change: Mapping[str, t.Any] | None = None,
    check: bool = False,
) -> Restored:
    """Write the selected snapshots of *host* to *target* under another root, capture again and compare.

    Only what differs is written, so a second restore changes nothing. Success means that every entry was read back
    equal: kind, content, link target, mode and extended attributes, and owners where the target's half runs as root.

    :param under: the folder that *target* writes below, for the record.
    :param check: say what would be written; write nothing, record nothing.
    :raises RestoreError: the target refused or broke off; MismatchError where what came back is not what was sealed.
    """
    seconds: dict[str, float] = {}
    with _timed(seconds, "find"):
        chosen = choose(repository, host, selection)
    opened = [open_snapshot(repository, keyring, part) for part in chosen]
    for part in opened:
        for phase, spent in part.seconds.items():
            seconds[phase] = seconds.get(phase, 0.0) + spent
    wanted, contents = _merge(opened)
    components = _components(opened)
    with _timed(seconds, "survey"):
        survey = _survey(target, components)
        before = compare(wanted, survey.entries, owners=survey.privileged)
    extra = tuple(sorted(_present(survey.entries).keys() - wanted.keys()))
    warnings: tuple[str, ...] = ()
    record = None
    if before:
        with _timed(seconds, "apply"):
            to_write = _with_links({difference.path for difference in before}, wanted)
            warnings = target.apply(to_write, contents, owners=survey.privileged, check=check).warnings
    if not check:
        with _timed(seconds, "compare"):
            left = compare(wanted, _survey(target, components).entries, owners=survey.privileged)
        detail = {
            "target_host": target_host,
            "under": under,
            "result": "different" if left else "equal",
            "entries": len(wanted),
            "written": len(before),
            "different": len(left),
            "owners_compared": survey.privileged,
            "milliseconds": {phase: round(spent * 1000) for phase, spent in seconds.items()},
            "change": dict(change or {}),
        }
        record, problem = _record(repository, keyring, host, chosen, detail)
        warnings += problem
        if left:
            named = ", ".join(str(difference) for difference in left[:_NAMED])
            raise MismatchError(
                f"{len(left)} of {len(wanted)} paths are not what was sealed: {named}",
                host=target_host,
                item=under,
                remedy="Do not use what was restored. " + (" · ".join(warnings[:_NAMED]) or "Run the restore again."),
            )
    return Restored(
        sources=chosen,
        before=before,
        extra=extra,
        entries=len(wanted),
        proven=not check or not before,
        owners=survey.privileged,
        record=record,
        warnings=warnings,
        seconds=seconds,
    )


def _survey(target: Host, components: Sequence[Component]) -> Survey:
    try:
        return target.survey(components)
    except UnreadableError as e:
        raise RestoreError(
            "what is to be compared cannot be read there", item=e.item, remedy="Run the restore with become."
        ) from e


def compare(
    wanted: Mapping[str, Entry], listed: Mapping[str, Sequence[Entry]], *, owners: bool
) -> tuple[Difference, ...]:
    """Name every wanted path that is missing or differs, with the attributes that do.

    :param owners: compare owners, and the extended attributes that only root can set.
    """
    present = _present(listed)
    found = []
    for path, entry in wanted.items():
        other = present.get(path)
        if other is None:
            found.append(Difference(path, ("missing",)))
            continue
        if not owners:
            entry, other = _unprivileged(entry), _unprivileged(other)
        what = entry.differences(other, owners=owners)
        if what:
            found.append(Difference(path, tuple(what)))
    return tuple(found)


def _candidates(repository: Repository, host: str, selection: Selection) -> Iterator[StreamEntry]:
    if selection.point is not None:
        yield from _point_by_digest(repository, selection.point, host).body.streams
    elif selection.snapshot is not None:
        live = _all_entries(repository)
        yield from (entry for entry in live if entry.manifest.sha256.startswith(selection.snapshot))
    else:
        yield from points.live(repository, until=selection.time).streams.values()


def _retired(repository: Repository, host: str, component: str, until: dt.datetime | None) -> dict[str, StreamEntry]:
    """The newest snapshot of a component that its stream's newest snapshot no longer holds."""
    found = [
        entry
        for entry in _all_entries(repository)
        if entry.host == host
        and (until is None or entry.verified_at <= until)
        and any(fingerprint.component == component for fingerprint in entry.fingerprints)
    ]
    return {component: max(found, key=lambda entry: entry.age_order)} if found else {}


def _all_entries(repository: Repository) -> Iterator[StreamEntry]:
    for name in points.point_names(repository):
        with contextlib.suppress(FormatError, ObjectMissingError):
            yield from points.read_point(repository, name).body.streams


def _point_by_digest(repository: Repository, digest: str, host: str) -> points.Point:
    found: dict[str, points.Point] = {}
    refused: FormatError | ObjectMissingError | None = None
    for name in points.point_names(repository):
        if names.parse(name).sha256.startswith(digest):
            try:
                point = points.read_point(repository, name)
                found[point.id] = point
            except (FormatError, ObjectMissingError) as e:
                refused = e
    if not found and refused is not None:
        raise refused
    if len(found) != 1:
        raise NotFoundError(
            f"{len(found)} recovery points have that digest" if found else "no recovery point has that digest",
            host=host,
            item=digest,
            remedy="Give all 64 digits of one." if found else "Look at the recovery points that verify lists.",
        )
    return next(iter(found.values()))


def _merge(opened: Sequence[Opened]) -> tuple[dict[str, Entry], dict[str, bytes]]:
    """One entry a path, parents first; where components overlap the later capture says what is there."""
    wanted: dict[str, Entry] = {}
    contents: dict[str, bytes] = {}
    owner: dict[str, str] = {}
    for part in sorted(opened, key=lambda part: part.chosen.entry.age_order):
        told = {captured.component.name: captured for captured in part.manifest.components}
        for packed in part.parts:
            captured = told[packed.name]
            for path in [path for path in wanted if captured.speaks_for(path)]:
                del wanted[path]
            wanted.update({entry.path: entry for entry in packed.entries})
            owner.update({entry.path: packed.name for entry in packed.entries})
            contents.update(packed.contents)
    misplaced = below_no_folder(wanted)
    if misplaced is not None:
        path, above = misplaced
        raise RestoreError(
            f"component {owner[path]} holds a path below {above!r}, which component {owner[above]} holds as no folder",
            item=repr(path),
            remedy="Restore them one after the other, by components.",
        )
    return dict(sorted(wanted.items(), key=lambda item: item[0].split("/"))), contents


def _components(opened: Sequence[Opened]) -> list[Component]:
    return [
        part.component
        for snapshot in opened
        for part in snapshot.manifest.components
        if part.component.name in snapshot.chosen.components
    ]


def _present(listed: Mapping[str, Sequence[Entry]]) -> dict[str, Entry]:
    return {entry.path: entry for entries in listed.values() for entry in entries}


def _with_links(paths: set[str], wanted: Mapping[str, Entry]) -> list[Entry]:
    """The entries to write: with a file all of its hard links, since writing makes it a new file."""
    firsts = {
        entry.target if entry.kind is EntryKind.HARDLINK else entry.path
        for entry in (wanted[path] for path in paths)
        if entry.kind in (EntryKind.FILE, EntryKind.HARDLINK)
    }
    links = {e.path for e in wanted.values() if e.kind is EntryKind.HARDLINK and e.target in firsts}
    return [entry for path, entry in wanted.items() if path in paths | firsts | links]


def _unprivileged(entry: Entry) -> Entry:
    xattrs = {name: value for name, value in entry.xattrs.items() if not name.startswith(_PRIVILEGED_XATTRS)}
    return dataclasses.replace(entry, xattrs=xattrs)


def _shape(entry: Entry) -> tuple[object, ...]:
    return (entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.size)


def _record(
    repository: Repository, keyring: Keyring, host: str, chosen: Sequence[Chosen], detail: Mapping[str, t.Any]
) -> tuple[str | None, tuple[str, ...]]:
    """Sign and put the restore's record; a restore that is proven stays proven when its record cannot be kept."""
    root = repository.root
    try:
        now = instant.whole(repository.store.clock())
        record = Record(
            repository=root.repository,
            root=root.id,
            kind="restore",
            at=now,
            by=max((key for key in root.keys.sign if key.use == "record"), key=lambda key: key.not_before).id,
            subject={"host": host, "snapshots": [part.entry.manifest.sha256 for part in chosen]},
            detail=detail,
        )
        data = sign_envelope(keyring, record_format.PAYLOAD_TYPE, record_format.payload(record), use="record")
        name = names.for_record("restore", now, data)
        objects.put(repository.store, name, data, lock_until=keep.record_lock(now, root.longest_days))
    except HoldfastError as e:
        return None, (f"the record of this restore was not kept: {e}",)
    return name, ()


@contextlib.contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        seconds[phase] = seconds.get(phase, 0.0) + time.monotonic() - start
