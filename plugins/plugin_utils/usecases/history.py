# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a file of a host changed, or a component of it, and by which recovery point: from manifests, without a key."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator, Sequence

from ..errors import (
    ArchivedError,
    FormatError,
    IntegrityError,
    NotFoundError,
    ObjectMissingError,
    PolicyError,
)
from ..format import manifest as manifest_format
from ..model.catalog import MOST, CatalogPoint, CatalogSnapshot, Query
from ..model.history import Look, Row, history, of_component, of_path
from ..model.point import RESTORE_OPEN
from ..model.snapshot import Manifest
from ..model.sources import folder
from . import objects
from .catalog import Catalog
from .repository import Repository

# manifests that one question reads at most, unless told otherwise: each is one request to the store
READ = 5000
_NAMED = 20


@dataclasses.dataclass(frozen=True)
class Asked:
    """The history of what is wanted, and from when to when, by capture.

    ``path`` is absolute, or of one component that is no files the name of a text; None means the component as a whole.
    ``component`` lets that one speak alone. ``read`` bounds how many manifests are read, the newest of them.

    :raises PolicyError: something of it cannot be.
    """

    host: str
    path: str | None = None
    component: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    read: int = READ

    def __post_init__(self) -> None:
        if self.path is None and self.component is None:
            raise PolicyError("what to tell the history of is not said", item="path", remedy="Give path or component.")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise PolicyError("since is later than until", item="since", remedy="Exchange them.")
        if self.path is not None and not _is_path(self.path, self.component):
            raise PolicyError(
                f"{self.path!r} is not a path",
                item="path",
                remedy="Give an absolute path without a slash at its end; of a component that is no files the"
                " component, and the name of a text.",
            )

    @property
    def place(self) -> str | None:
        """The path as manifests spell it."""
        if self.path is None or self.path.startswith("/"):
            return self.path
        return f"{folder(self.component or '')}/{self.path}"


def _is_path(path: str, component: str | None) -> bool:
    if path.startswith("/"):
        return "\0" not in path and path.strip("/") != "" and not path.endswith("/")
    return component is not None and bool(path) and not {"/", "\0"} & set(path)


@dataclasses.dataclass(frozen=True)
class Event:
    """A row of a history, the snapshot that tells it, and the oldest point that still names that."""

    row: Row
    snapshot: CatalogSnapshot
    point: CatalogPoint | None
    imported: bool = False


@dataclasses.dataclass(frozen=True)
class History:
    """What is known of the past of a file or component.

    ``begins`` is the capture of the oldest snapshot that was looked at, ``manifests`` how many were read.
    ``proven_at`` is when the streams that declare it now were last proven, None where none does, and
    ``host_proven_at`` when anything of the host was, None where all of it was imported.
    """

    asked: Asked
    host: str
    host_id: str
    events: tuple[Event, ...]
    manifests: int
    begins: dt.datetime
    proven_at: dt.datetime | None
    host_proven_at: dt.datetime | None
    warnings: tuple[str, ...]


def tell(repository: Repository, catalog: Catalog, asked: Asked) -> History:
    """Tell the history of what is asked for; each manifest is read once, and verified before it is believed.

    :raises NotFoundError: no recovery point names a snapshot of the host, or none that declares what is asked for.
    :raises PolicyError: the name means hosts of different identities.
    :raises StoreError: the store does not answer.
    """
    host_id, every = _snapshots(catalog, asked)
    # by capture; what is captured within one second is told apart by stream, so that runs agree
    ordered = sorted(every, key=lambda one: (one.captured_at, one.stream, one.digest))
    wanted, before = _within(ordered, asked)
    reader = _Reader(repository, asked)
    ends: dict[str, dt.datetime] = {}
    for one in every:
        ends[one.stream] = max(one.verified_at, ends.get(one.stream, one.verified_at))
    rows = list(history(reader.looks(wanted), ends))
    if not rows and not reader.declared:
        raise NotFoundError(
            "no snapshot of this host declares it",
            host=asked.host,
            item=repr(asked.path) if asked.path is not None else asked.component,
            remedy=_remedy(ordered),
        )
    events = []
    for row in rows:
        if asked.since is None or row.at >= asked.since:
            snapshot = reader.of[row.look.snapshot]
            point = catalog.point(snapshot.first_point)
            events.append(Event(row, snapshot, point, imported=snapshot.digest in reader.imported))
    newest = max(ordered, key=lambda one: one.verified_at)
    # what another tool had then proves nothing
    proven = [one.verified_at for one in ordered if not one.imported]
    declaring = [one.verified_at for one in reader.declaring.values() if not one.imported]
    return History(
        asked=asked,
        host=newest.name,
        host_id=host_id,
        events=tuple(sorted(events, key=lambda event: event.row.at)),
        manifests=reader.read,
        begins=wanted[0].captured_at if wanted else newest.captured_at,
        proven_at=max(declaring, default=None),
        host_proven_at=max(proven, default=None),
        warnings=(*catalog.warnings, *catalog.stale, *before, *reader.warnings),
    )


def _snapshots(catalog: Catalog, asked: Asked) -> tuple[str, list[CatalogSnapshot]]:
    """The identity of the host that is meant, and all of its snapshots."""
    found = catalog.snapshots(Query(host=asked.host, limit=MOST))
    newest: dict[str, CatalogSnapshot] = {}
    for one in sorted(found, key=lambda one: one.verified_at):
        newest[one.host_id] = one
    # an identity, or the name that a host was last proven under, counts more than one that another had before
    now = [one for one in newest.values() if asked.host in (one.host_id, one.name)]
    known = {one.host_id: one.name for one in now or newest.values()}
    if not known:
        raise NotFoundError(
            "no recovery point names a snapshot of this host",
            host=asked.host,
            remedy="Look at the hosts that find lists, at its inventory name and at its identity.",
        )
    if len(known) > 1:
        told = " and ".join(f"{name} (identity {host_id})" for host_id, name in sorted(known.items()))
        raise PolicyError(
            f"{asked.host} means {told}",
            item=asked.host,
            remedy="Give a name or an identity that only the one you mean has.",
        )
    (host_id,) = known
    if host_id != asked.host:
        found = catalog.snapshots(Query(host=host_id, limit=MOST))
    return host_id, [one for one in found if one.host_id == host_id]


def _within(ordered: Sequence[CatalogSnapshot], asked: Asked) -> tuple[list[CatalogSnapshot], tuple[str, ...]]:
    """What is to be read: of each stream also the last snapshot before, to tell what changed since."""
    until = [one for one in ordered if asked.until is None or one.captured_at <= asked.until]
    if asked.since is not None:
        before = {one.stream: one for one in until if one.captured_at < asked.since}
        kept = {one.digest for one in before.values()}
        until = [one for one in until if one.captured_at >= asked.since or one.digest in kept]
    left = len(until) - asked.read
    if left <= 0:
        return until, ()
    note = f"{left} older snapshots were not read: what is told begins with {until[left].digest[:12]}"
    return until[left:], (note,)


def _remedy(ordered: Sequence[CatalogSnapshot]) -> str:
    held = sorted({component for one in ordered for component in one.components})
    more = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
    return f"The host's snapshots hold the components {', '.join(held[:_NAMED])}{more}."


def _captured_with(one: CatalogSnapshot) -> str:
    """What snapshots have in common that one run captured."""
    return one.first_point if one.first_stored and not one.imported else one.digest


class _Reader:
    """Reads the manifests of snapshots one by one, and keeps of each no more than what it says of one path."""

    def __init__(self, repository: Repository, asked: Asked) -> None:
        self._repository = repository
        self._asked = asked
        self.of: dict[str, CatalogSnapshot] = {}
        self.declared = False
        self.declaring: dict[str, CatalogSnapshot] = {}
        self.imported: set[str] = set()
        self.read = 0
        self._damaged: list[str] = []

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not believed: nothing is told of it."""
        more = len(self._damaged) - _NAMED
        return (*self._damaged[:_NAMED], *([f"and {more} more: verify names them"] if more > 0 else []))

    def looks(self, snapshots: Sequence[CatalogSnapshot]) -> Iterator[Look]:
        """What each snapshot says, by capture.

        Of one run what declares it comes first: a component may have moved to another tier. What a run has only
        imported or carried was captured at many times, and is not held in memory together.
        """
        for _run, together in itertools.groupby(snapshots, key=_captured_with):
            found = [look for one in together for look in self._look(one)]
            yield from sorted(found, key=lambda look: not look.component)

    def _look(self, one: CatalogSnapshot) -> Iterator[Look]:
        """What a snapshot says; nothing where its manifest is not believed."""
        look = Look(one.captured_at, one.verified_at, one.stream, one.digest)
        self.of[one.digest] = one
        asked = self._asked
        if asked.component is None or asked.component in one.components:
            try:
                manifest = self._manifest(one)
            except (FormatError, ObjectMissingError, ArchivedError) as e:
                self._damaged.append(f"snapshot {one.digest[:12]} of {one.stream} is not told of: {e}")
                return
            self.read += 1
            if asked.place is None:
                look = of_component(manifest.components, str(asked.component), look)
            else:
                look = of_path(manifest.components, asked.place, look, component=asked.component)
            if manifest.imported is not None:
                self.imported.add(one.digest)
        self.declaring.pop(one.stream, None)
        if look.component:
            self.declared = True
            self.declaring[one.stream] = one
        yield look

    def _manifest(self, one: CatalogSnapshot) -> Manifest:
        """A manifest whose bytes are those that its name says, and which describes the snapshot that points name.

        :raises IntegrityError: it does not.
        """
        name = one.manifest.name
        data = objects.read(self._repository.store, name, version=one.manifest.version)
        manifest = manifest_format.read(data, what=name)
        if manifest.repository != self._repository.name or self._repository.chain.place(manifest.root) is None:
            raise IntegrityError("belongs to another repository or root", host=one.host, item=name)
        restore_open = any(mark.startswith(RESTORE_OPEN) for mark in one.marks)
        held = (manifest.host, manifest.host_id, manifest.stream, manifest.retention_class, manifest.captured_at)
        told = (one.host, one.host_id, one.stream, one.retention_class, one.captured_at)
        parts = {part.component.name for part in manifest.components}
        if (held, manifest.pack.name, manifest.restore_open, parts) != (
            told,
            one.pack.name,
            restore_open,
            set(one.components),
        ):
            raise IntegrityError("describes another snapshot than its recovery point", host=one.host, item=name)
        return manifest
