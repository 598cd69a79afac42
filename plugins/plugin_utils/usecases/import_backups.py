# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring backups that other tools made into the repository, as snapshots with the times that they were captured at.

They stand in streams of their own, ``imported-…``, several versions of one in a recovery point, and prove nothing: why
it is so is docs/adr/0028-import.md.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
import itertools
import sys
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..capture import imported as captures
from ..errors import CaptureError, FormatError, PolicyError
from ..format import manifest as manifest_format
from ..format import names
from ..imports.base import Reader, Skipped, Text, Version
from ..keyring import base as keys
from ..keyring.base import Keyring
from ..model import imported, keep
from ..model.content import ComponentContent
from ..model.imported import Imported
from ..model.platform import RUNNING, Platform
from ..model.policy import DEFAULT_DATA_CLASS, UNOWNED
from ..model.retention import RetentionClass
from ..model.root import Root
from ..model.snapshot import Fingerprint
from . import adopt, points, seal_point, snapshot
from .repository import Repository
from .run_folder import OpenPoint, PointFolder, Receipt, SealedSnapshot, StreamReceipt
from .seal_point import Means, Sealed

# how the points are called that hold what was imported
POINT = "imported"
REASON = "imported"
# what one recovery point holds at most, and what waits in memory for it
POINT_SNAPSHOTS = 500
POINT_BYTES = 128 * 1024 * 1024

Key = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Target:
    """A host of what is imported: its identity, and the platform that a device of it has, where that is known."""

    host: str
    host_id: str
    platform: Platform | None = None


@dataclasses.dataclass(frozen=True)
class Settings:
    """How much is imported, and how it is kept.

    ``keep`` is one of imported.THINNINGS. ``most_versions`` and ``most_bytes`` are what one run takes in; the next one
    goes on.
    """

    kept: RetentionClass
    tier: str
    writer: str
    keep: str = imported.ALL
    most_versions: int = 10_000
    most_bytes: int = 4 * 1024**3
    version_bytes: int = 64 * 1024 * 1024


@dataclasses.dataclass
class Line:
    """What is imported of one component of a host: how many versions, of which times, and their bytes."""

    host: str
    component: str
    versions: int = 0
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    bytes: int = 0

    def add(self, at: dt.datetime, size: int) -> None:
        """Count a version in."""
        self.versions += 1
        self.bytes += size
        self.first, self.last = min(self.first or at, at), max(self.last or at, at)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was imported, or would be in check mode.

    ``known`` versions were imported before, ``same`` equal the version before them, ``thinned`` were left out by
    ``keep``, ``remaining`` are left to the next run. ``skipped`` are places that cannot be imported.
    """

    lines: tuple[Line, ...]
    known: int
    same: int
    thinned: int
    remaining: int
    skipped: tuple[Skipped, ...]
    points: tuple[Sealed, ...]
    warnings: tuple[str, ...] = ()

    @property
    def versions(self) -> int:
        """How many snapshots were stored, or would be."""
        return sum(line.versions for line in self.lines)


class _Known(t.NamedTuple):
    """A version that was imported: what tells it from others, and what its component looked like."""

    at: dt.datetime
    source: str
    fingerprint: Fingerprint


@dataclasses.dataclass(frozen=True)
class _Ready:
    """A version that is to be stored, with what it holds and where it comes from."""

    version: Version
    target: Target
    origin: Imported
    content: ComponentContent

    @property
    def size(self) -> int:
        return self.content.fingerprint.size


def import_backups(
    reader: Reader,
    means: Means,
    settings: Settings,
    *,
    whose: Callable[[str], Target],
    begin: Callable[[PointFolder, Sequence[str]], OpenPoint],
    state_dir: Path,
    run: str,
    check: bool = False,
) -> Outcome:
    """Store every version that is not there yet, oldest first for each host, sealed in parts.

    Killed or broken off, it goes on with what no sealed point holds yet; run again when all is there it stores nothing.

    :param whose: the host that a name means; raises PolicyError.
    :param begin: opens a recovery point for some hosts.
    :param check: read and judge all of it, store nothing.
    :raises PolicyError: the source is none of its tool, two of its hosts are one, or a stream holds captures.
    :raises CaptureError: the source cannot be read.
    :raises StoreError, KeyringError: as :func:`seal_point.seal`; what was sealed before counts.
    """
    work = _Work(reader, means, settings, whose)
    with reader:
        parts = work.parts(work.plan())
        sealed = [_seal(part, work, means, settings, begin, state_dir, run) for part in parts if not check]
    return work.outcome(tuple(sealed))


class _Work:
    """What is known of the repository and of the source, and what was done so far."""

    def __init__(self, reader: Reader, means: Means, settings: Settings, whose: Callable[[str], Target]) -> None:
        self._reader = reader
        self._settings = settings
        self._whose = whose
        self.keys = _Keys(means.repository.root, means.keyring)
        self._now = means.repository.store.clock()
        self._repository = means.repository
        self._targets: dict[str, Target] = {}
        self._known: dict[Key, list[_Known]] = {}
        self._lines: dict[Key, Line] = {}
        self._counts = {"known": 0, "same": 0, "thinned": 0, "remaining": 0}
        self._warnings: tuple[str, ...] = ()

    def plan(self) -> list[Version]:
        """The versions that are not there yet, by host, component and time."""
        versions = self._reader.versions()
        self._targets = {host: self._whose(host) for host in dict.fromkeys(one.host for one in versions)}
        self._require_distinct()
        self._read_known()
        wanted = []
        for _key, group in itertools.groupby(versions, key=lambda one: (one.host, one.component)):
            listed = [one for one in group if self._is_possible(one)]
            taken = imported.thinned(listed, self._settings.keep, lambda one: one.at)
            self._counts["thinned"] += len(listed) - len(taken)
            new = [one for one in taken if not self._is_known(one)]
            self._counts["known"] += len(taken) - len(new)
            wanted += new
        return wanted

    def parts(self, versions: Sequence[Version]) -> Iterator[list[_Ready]]:
        """What is to be stored, as much at a time as one recovery point holds."""
        part: list[_Ready] = []
        size = taken = total = 0
        for place, version in enumerate(versions):
            if taken >= self._settings.most_versions or total >= self._settings.most_bytes:
                self._counts["remaining"] = len(versions) - place
                break
            ready = self._ready(version)
            if ready is None:
                continue
            if part and (len(part) >= POINT_SNAPSHOTS or size + ready.size > POINT_BYTES):
                yield part
                part, size = [], 0
            part.append(ready)
            size, total, taken = size + ready.size, total + ready.size, taken + 1
            key = (ready.target.host_id, version.component)
            self._lines.setdefault(key, Line(ready.target.host, version.component)).add(version.at, ready.size)
        if part:
            yield part

    def outcome(self, sealed: tuple[Sealed, ...]) -> Outcome:
        """What became of all."""
        lines = sorted(self._lines.values(), key=lambda line: (line.host, line.component))
        skipped = tuple(self._reader.skipped)
        return Outcome(tuple(lines), **self._counts, skipped=skipped, points=sealed, warnings=self._warnings)

    def _require_distinct(self) -> None:
        names.refuse_colliding([target.host for target in self._targets.values()])
        by_id: dict[str, str] = {}
        for target in self._targets.values():
            other = by_id.setdefault(target.host_id, target.host)
            if other != target.host:
                raise PolicyError(
                    f"{other} and {target.host} have one identity",
                    host=target.host,
                    item="holdfast_host_id",
                    remedy="Say in host_names which files are of which host.",
                )

    def _read_known(self) -> None:
        """What was imported before, of the hosts at hand; raises PolicyError where a stream holds captures."""
        found, refused = points.search(self._repository, lambda statement: statement.point.startswith(POINT))
        self._warnings = tuple(f"recovery point {name} is not believed: {error.message}" for name, error in refused)
        ours = {target.host_id for target in self._targets.values()}
        for entry in {e.manifest.sha256: e for point in found for e in point.body.streams}.values():
            if entry.host_id in ours and entry.imported is not None and len(entry.fingerprints) == 1:
                self._remember(entry.key, _Known(entry.captured_at, entry.imported.source, entry.fingerprints[0]))
        for entry in points.live(self._repository, now=self._now).streams.values():
            if entry.host_id in ours and entry.imported is None and entry.stream.startswith(imported.PREFIX):
                raise PolicyError(
                    f"stream {entry.spoken} holds what a run captured",
                    host=entry.name,
                    item=entry.stream,
                    remedy=f"Call no pushed component {imported.PREFIX}…, and retire that stream.",
                )

    def _remember(self, key: Key, known: _Known) -> None:
        bisect.insort(self._known.setdefault(key, []), known, key=lambda one: one.at)

    def _is_possible(self, version: Version) -> bool:
        """Whether a version may be kept at all; notes why not."""
        if version.at > self._now:
            self._reader.skip(version.place, "its time lies ahead")
            return False
        stream_key = f"{self._targets[version.host].host}/{version.component}"
        if keep.too_old(self._settings.kept, stream_key, version.at, self._now):
            self._reader.skip(version.place, f"class {self._settings.kept.name} keeps nothing that old")
            return False
        return True

    def _is_known(self, version: Version) -> bool:
        """Whether that very version was imported before."""
        host_id = self._targets[version.host].host_id
        known = self._known.get((host_id, version.component), ())
        told = {one.source for one in known}
        used = {one.fingerprint.digest_key for one in known} if version.private else set()
        used = {key_id for key_id in used if self.keys.has(key_id)}
        spelled = {self._spelled(version, host_id, key_id) for key_id in {*used, self.keys.current}}
        return not told.isdisjoint(spelled)

    def _spelled(self, version: Version, host_id: str, key_id: str) -> str:
        if not version.private:
            return version.source
        # two backups of one content are two versions
        told = f"{version.source} {int(version.at.timestamp())}"
        return keys.keyed(self.keys.of(host_id, key_id)[key_id], told.encode("ascii"))

    def _ready(self, version: Version) -> _Ready | None:
        """What a version holds; None where it is what the version before it held, or cannot be had, which is noted."""
        target = self._targets[version.host]
        try:
            content = self._content(version, target)
        except (CaptureError, FormatError) as e:
            about = "" if e.item in (None, version.component) else f" ({e.item})"
            self._reader.skip(version.place, f"{e.message}{about}")
            return None
        if self._is_same(version, target, content):
            self._counts["same"] += 1
            return None
        key_id = self.keys.current
        source = self._spelled(version, target.host_id, key_id)
        fingerprint = snapshot.key_fingerprint(content.fingerprint, key_id, self.keys.of(target.host_id, key_id))
        self._remember((target.host_id, version.component), _Known(version.at, source, fingerprint))
        origin = Imported(self._reader.tool, source, None, version.time_source, version.author)
        return _Ready(version, target, origin, content)

    def _is_same(self, version: Version, target: Target, content: ComponentContent) -> bool:
        known = self._known.get((target.host_id, version.component), [])
        place = bisect.bisect_left(known, version.at, key=lambda one: one.at)
        if place == 0:
            return False
        told = known[place - 1].fingerprint
        if not self.keys.has(told.digest_key):
            return False
        host_keys = self.keys.of(target.host_id, told.digest_key)
        now = snapshot.key_fingerprint(content.fingerprint, told.digest_key, host_keys)
        return (told.raw, told.definition) == (now.raw, now.definition)

    def _content(self, version: Version, target: Target) -> ComponentContent:
        held = self._reader.read(version)
        more: dict[str, t.Any] = {
            "tier": self._settings.tier,
            "owner": UNOWNED,
            "data_class": DEFAULT_DATA_CLASS,
            "max_bytes": self._settings.version_bytes,
        }
        if not isinstance(held, Text):
            return captures.tree(version.component, held.paths, held.entries, held.contents, held.marks, **more)
        platform = target.platform
        marks: tuple[str, ...] = ()
        if platform is not None and platform.item(RUNNING) is None:
            platform = None
        if platform is not None:
            try:
                adopt.judged(adopt.Given(version.component), held.data, platform)
            except CaptureError as e:
                # it is what its tool had, and nothing to give a device
                platform, marks = None, (e.message,)
        return captures.device_text(version.component, held.data, platform, marks, **more)


class _Keys:
    """The digest keys of the repository, asked for once each, and those of hosts that follow from them."""

    def __init__(self, root: Root, keyring: Keyring) -> None:
        self.current = root.digest_key_id
        self._repository = root.repository
        self._keyring = keyring
        self._named = {key.id: key for key in root.keys.digest}
        self._run_keys: dict[str, bytes] = {}

    def has(self, key_id: str) -> bool:
        """Whether the root names a key of that id."""
        return key_id in self._named

    def of(self, host_id: str, key_id: str) -> Mapping[str, bytes]:
        """A digest key of a host, by its id; raises KeyringError where the keyring does not give it."""
        if key_id not in self._run_keys:
            key = self._named[key_id]
            self._run_keys[key_id] = self._keyring.digest_key(key, repository=self._repository)
        return {key_id: keys.host_key(self._run_keys[key_id], host_id)}


def _seal(
    part: Sequence[_Ready],
    work: _Work,
    means: Means,
    settings: Settings,
    begin: Callable[[PointFolder, Sequence[str]], OpenPoint],
    state_dir: Path,
    run: str,
) -> Sealed:
    """Put some versions into a recovery point of their own."""
    folder = _free(state_dir, run)
    hosts = list(dict.fromkeys(ready.target.host for ready in part))
    opened = begin(folder, hosts)
    # never a full body: that lists a stream once, and so would hide all but one of its versions
    folder.write_open(
        dataclasses.replace(opened, full_size=sys.maxsize, full_sealed_at=opened.opened_at, points_since=0)
    )
    receipts: dict[str, list[StreamReceipt]] = {}
    for ready in part:
        receipts.setdefault(ready.target.host, []).append(_put(ready, work.keys, means.repository, settings, opened))
    for host, streams in receipts.items():
        folder.write_receipt(Receipt(host, tuple(streams)), whole=True)
    return seal_point.reach_and_seal(folder, lambda: means, later_batches=False)


def _put(
    ready: _Ready, work_keys: _Keys, repository: Repository, settings: Settings, opened: OpenPoint
) -> StreamReceipt:
    now = opened.now()
    root = repository.root
    version, target = ready.version, ready.target
    origin = manifest_format.Origin(
        repository=root.repository,
        root=root.id,
        host=target.host,
        host_id=target.host_id,
        stream=version.component,
        retention_class=settings.kept.name,
        captured_at=version.at.replace(microsecond=0),
        digest_key=work_keys.current,
        writer=settings.writer,
        imported=dataclasses.replace(ready.origin, at=now),
    )
    entry, pack, manifest = snapshot.seal_content(
        origin,
        (ready.content,),
        root,
        work_keys.of(target.host_id, work_keys.current),
        settings.kept,
        now=now,
        spent=opened.spent,
        marks=tuple(f"{version.component}: {mark}" for mark in ready.content.marks),
    )
    receipt = StreamReceipt(version.component, REASON, (version.component,), len(pack) + len(manifest), entry)
    return snapshot.ship(SealedSnapshot(receipt, entry, pack, manifest), repository.store, settings.kept, now)


def _free(state_dir: Path, run: str) -> PointFolder:
    """The folder of the first point of this run that is not open yet: imported, imported-2 …"""
    folders = (
        PointFolder(state_dir, run, POINT if number == 1 else f"{POINT}-{number}") for number in itertools.count(1)
    )
    return next(folder for folder in folders if not folder.exists())
