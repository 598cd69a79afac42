# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts share a secret, and which secrets were not rotated: from manifests, without a key and without a pack."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Iterator

from ..errors import (
    ArchivedError,
    FormatError,
    IntegrityError,
    NotFoundError,
    ObjectMissingError,
    PolicyError,
)
from ..format import manifest as manifest_format
from ..model.catalog import MOST, CatalogSnapshot, Query
from ..model.point import StreamEntry
from ..model.secret_use import Look, Use, aged, shared
from ..model.snapshot import CapturedComponent
from . import objects, points
from .catalog import Catalog
from .repository import Repository

# manifests that one question reads at most, unless told otherwise: each is one request to the store
READ = 5000
_WITHOUT, _UNREAD = "stored without digests of secrets", "its manifest was not read, or is not believed"
_NAMED = 20


@dataclasses.dataclass(frozen=True)
class Asked:
    """Whose secrets are looked at: of all hosts and components, or of those named.

    ``not_rotated_since`` asks for the age of each. ``read`` bounds how many manifests are read.
    """

    hosts: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    not_rotated_since: dt.datetime | None = None
    read: int = READ

    def takes(self, component: str) -> bool:
        """Whether a component of that name is looked at."""
        return not self.components or component in self.components


@dataclasses.dataclass(frozen=True)
class NotKnown:
    """A component of whose secrets nothing is known, and why."""

    host: str
    component: str
    why: str


@dataclasses.dataclass(frozen=True)
class Secrets:
    """Every use of a declared secret, those that hosts share, and the components of which nothing is known."""

    asked: Asked
    uses: tuple[Use, ...]
    shared: tuple[tuple[Use, ...], ...]
    not_known: tuple[NotKnown, ...]
    digest_keys: frozenset[str]
    manifests: int
    warnings: tuple[str, ...]


def look(repository: Repository, catalog: Catalog, asked: Asked) -> Secrets:
    """Look at the secrets of every live stream; each manifest is read once, and verified before it is believed.

    :param catalog: brought up to date; it is asked only where the age of secrets is.
    :raises NotFoundError: no live snapshot of a host or component that is named.
    :raises PolicyError: the date is yet to come.
    :raises StoreError: the store does not answer.
    """
    now = objects.now(repository.store)
    if asked.not_rotated_since is not None and asked.not_rotated_since > now:
        raise PolicyError(
            "the date is yet to come",
            item="not_rotated_since",
            remedy="Give one that has passed, as 2026-01-31 or 2026-01-31T00:00:00Z.",
        )
    live = points.live(repository, now=now)
    wanted = list(_wanted(live.streams.values(), asked))
    reader = _Reader(repository, asked)
    uses: list[Use] = []
    not_known: list[NotKnown] = []
    for entry in wanted:
        read = reader.parts(entry.manifest.name, entry.host_id)
        if read is None:
            not_known += (
                NotKnown(entry.name, one.component, _UNREAD) for one in entry.fingerprints if asked.takes(one.component)
            )
            continue
        for part in read.values():
            if not asked.takes(part.name):
                continue
            if part.secrets is None:
                not_known.append(NotKnown(entry.name, part.name, _WITHOUT))
                continue
            uses += (
                Use(entry.name, entry.host_id, part.name, path, line, digest, part.digest_key)
                for path, line, digest in part.secrets
            )
    if asked.not_rotated_since is not None:
        uses = list(_aged(uses, catalog, reader, asked.not_rotated_since))
    return Secrets(
        asked=asked,
        uses=tuple(sorted(uses, key=lambda use: (use.host, use.component, use.path, use.line, use.digest))),
        shared=tuple(shared(sorted(uses, key=lambda use: (use.host, use.component, use.path, use.line)))),
        not_known=tuple(sorted(not_known, key=lambda one: (one.host, one.component))),
        digest_keys=frozenset(use.digest_key for use in uses),
        manifests=reader.read,
        warnings=(*dict.fromkeys((*live.warnings, *catalog.warnings, *catalog.stale)), *reader.warnings),
    )


def _wanted(entries: Iterable[StreamEntry], asked: Asked) -> Iterator[StreamEntry]:
    """The live streams to look at, in the order of hosts."""
    found = [
        entry
        for entry in sorted(entries, key=lambda entry: (entry.name, entry.stream))
        if (not asked.hosts or not {entry.name, entry.host_id}.isdisjoint(asked.hosts))
        and any(asked.takes(fingerprint.component) for fingerprint in entry.fingerprints)
    ]
    _require("host", asked.hosts, {name for entry in found for name in (entry.name, entry.host_id)})
    _require("component", asked.components, {one.component for entry in found for one in entry.fingerprints})
    yield from found


def _require(what: str, named: Collection[str], there: Collection[str]) -> None:
    lacking = [name for name in named if name not in there]
    if lacking:
        raise NotFoundError(
            f"no live snapshot of this {what}",
            item=lacking[0],
            remedy=f"Look at the {what}s that find lists.",
        )


def _aged(uses: Iterable[Use], catalog: Catalog, reader: _Reader, since: dt.datetime) -> Iterator[Use]:
    """Each use with its age: of a component the snapshots are read back to the date, and no further."""
    looks: dict[tuple[str, str], list[Look]] = {}
    past: dict[str, list[CatalogSnapshot]] = {}
    for use in uses:
        key = (use.host_id, use.component)
        if key not in looks:
            if use.host_id not in past:
                found = catalog.snapshots(Query(host=use.host_id, limit=MOST))
                past[use.host_id] = sorted(
                    (one for one in found if one.host_id == use.host_id),
                    key=lambda one: (one.captured_at, one.digest),
                    reverse=True,
                )
            looks[key] = list(_looks(past[use.host_id], use.component, reader, since))
        yield aged(use, looks[key], since)


def _looks(snapshots: Iterable[CatalogSnapshot], component: str, reader: _Reader, since: dt.datetime) -> Iterator[Look]:
    for snapshot in snapshots:
        # what was imported was looked at by nobody, and is no snapshot of this host's own row
        if component not in snapshot.components or snapshot.imported:
            continue
        read = reader.parts(snapshot.manifest.name, snapshot.host_id)
        part = None if read is None else read.get(component)
        told = (
            None if part is None or part.secrets is None else frozenset((p, digest) for p, _l, digest in part.secrets)
        )
        key = "" if part is None else part.digest_key
        yield Look(snapshot.captured_at, snapshot.verified_at, key, told, unread=read is None)
        if told is None or snapshot.captured_at <= since:
            return


@dataclasses.dataclass(frozen=True)
class _Part:
    """What is kept of a component of a manifest."""

    name: str
    digest_key: str
    secrets: tuple[tuple[str, int, str], ...] | None

    @classmethod
    def of(cls, captured: CapturedComponent, digest_key: str) -> _Part:
        told = captured.secrets
        listed = None if told is None else tuple((one.path, one.line, one.digest) for one in told)
        return cls(captured.component.name, digest_key, listed)


class _Reader:
    """Reads each manifest once, and keeps of it what it says about secrets."""

    def __init__(self, repository: Repository, asked: Asked) -> None:
        self._repository = repository
        self._most = asked.read
        self._known: dict[str, dict[str, _Part] | None] = {}
        self._damaged: list[str] = []
        self.read = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not believed or not read: nothing is told of it."""
        more = len(self._damaged) - _NAMED
        return (*self._damaged[:_NAMED], *([f"and {more} more: verify names them"] if more > 0 else []))

    def parts(self, name: str, host_id: str) -> dict[str, _Part] | None:
        """The components of a manifest by name; None where it cannot be read or is not believed."""
        if name not in self._known:
            self._known[name] = self._read(name, host_id)
        return self._known[name]

    def _read(self, name: str, host_id: str) -> dict[str, _Part] | None:
        if self.read >= self._most:
            self._damaged.append(f"manifest {name} was not read: {self._most} were")
            return None
        self.read += 1
        try:
            manifest = manifest_format.read(objects.read(self._repository.store, name), what=name)
            if manifest.repository != self._repository.name or manifest.host_id != host_id:
                raise IntegrityError("belongs to another repository or host", item=name)
        except (ArchivedError, FormatError, IntegrityError, ObjectMissingError) as e:
            self._damaged.append(str(e))
            return None
        return {part.component.name: _Part.of(part, manifest.digest_key) for part in manifest.components}
