# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two sites object by object: what one has and the other lacks, and until when a copy must be locked.

Both sites list names in one order, so they are compared as they are listed, whatever they hold: nothing is gathered.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import heapq
import io
import itertools
from collections.abc import Callable, Iterator, Sequence

from ..errors import ArchivedError, CorruptError, FormatError, IntegrityError, ObjectMissingError, TrustError
from ..format import names
from ..format import statement as statement_format
from ..format.names import Kind, ObjectName
from ..model import keep
from ..model.point import Statement
from ..model.record import AUDIT
from ..model.replica import CopiedBy, Depth
from ..store.base import Listed, Store
from . import objects, records
from .points import CLOCK_SKEW
from .repository import Repository, link_lock

# in this order; a point comes after all that it names, and a record after the points that it speaks of
BEFORE_POINTS = (Kind.ROOT, Kind.PACK, Kind.MANIFEST, Kind.BODY, Kind.STAMP)
# what is let go of by the replica as soon as it may, since the repository could let go of it already
_SHORTEST = dt.timedelta(days=1)
_RESTORE = "restore"


@dataclasses.dataclass(frozen=True)
class Replica:
    """Another site of a repository.

    :param connect: connects to its store; raises StoreError where there is none.
    :param wait: a recovery point counts as sealed only once it is there too.
    :param required: a run fails where that is not reached; otherwise it warns.
    :param wait_seconds: how long servers that replicate by themselves are waited for.
    """

    name: str
    connect: Callable[[], Store]
    copied_by: CopiedBy = CopiedBy.COLLECTION
    wait: bool = False
    required: bool = True
    wait_seconds: float = 600.0


class Verdict(enum.Enum):
    """What is with one name."""

    SAME = "same"
    LACKING = "lacking"
    SHORT = "short"
    DAMAGED = "damaged"
    EXTRA = "extra"


@dataclasses.dataclass(frozen=True)
class Judged:
    """One name at both sites: ``near`` and ``far`` are its versions there, markers left out.

    ``marked`` names the sites that hold a delete marker on it.
    """

    name: str
    parts: ObjectName
    verdict: Verdict
    near: tuple[Listed, ...]
    far: tuple[Listed, ...]
    marked: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Whole:
    """The bytes of an object with the digest that its name promises, and the lock of the version that held them."""

    data: bytes
    lock_until: dt.datetime | None


class Pair:
    """A repository and one replica of it.

    :param now: the repository's time.
    :raises TrustError: the replica holds root links, and none of them is of the repository's chain.
    """

    def __init__(self, repository: Repository, far: Store, *, now: dt.datetime, far_now: dt.datetime) -> None:
        self.repository = repository
        self.near = repository.store
        self.far = far
        self.now = now
        self.far_now = far_now
        #: Names that were listed and are of a class that the root does not know.
        self.unknown: set[str] = set()
        self._links = {id: link.root for link in repository.chain.links for id in link.ids}  # noqa: A001
        self.seeded = self._is_seeded()

    def _is_seeded(self) -> bool:
        """Whether the replica holds a link of this repository."""
        ids = set()
        for listed in self.far.list(f"{Kind.ROOT.value}/"):
            try:
                ids.add(names.parse(listed.name).sha256)
            except FormatError:
                continue
        if ids and not ids & self._links.keys():
            raise TrustError(
                f"{self.far.location} holds another repository",
                item=", ".join(sorted(ids)),
                remedy="Correct the replica's url; nothing was copied.",
            )
        return bool(ids)

    def judged(self, kind: Kind, depth: Depth) -> Iterator[Judged]:
        """Compare both sites, for one kind of object, in the order of names; what is no object is passed over."""
        prefix = f"{kind.value}/"
        for name, near, far in _side_by_side(self.near.list(prefix), self.far.list(prefix)):
            try:
                parts = names.parse(name)
            except FormatError:
                continue
            if not self._known(parts):
                self.unknown.add(name)
                continue
            found = self.judge(name, parts, near, far, depth)
            if found is not None:
                yield found

    def _known(self, parts: ObjectName) -> bool:
        """Whether the root knows how long to keep it; nothing reads what it does not know."""
        return not parts.retention_class or parts.retention_class in self.repository.root.classes

    def judge(
        self, name: str, parts: ObjectName, near: Sequence[Listed], far: Sequence[Listed], depth: Depth
    ) -> Judged | None:
        marked = tuple(
            site for site, versions in (("near", near), ("far", far)) if any(version.marker for version in versions)
        )
        here, there = (tuple(v for v in versions if not v.marker) for versions in (near, far))
        if not here and not there:
            return None
        if not here:
            verdict = Verdict.EXTRA if self._lost(name, parts, there) else Verdict.SAME
        elif not there:
            verdict = Verdict.LACKING
        else:
            verdict = self._compare(parts, here, there, depth)
        return Judged(name, parts, verdict, here, there, marked)

    def _lost(self, name: str, parts: ObjectName, far: Sequence[Listed]) -> bool:
        """Whether the repository should have what the replica alone has: locked still, and not put a moment ago."""
        if self.floor(parts) <= self.now:
            locks = [self.far.with_lock(version).lock_until for version in far]
            if max((lock for lock in locks if lock is not None), default=self.now) <= self.now:
                return False
        try:
            self.near.head(name)
        except ObjectMissingError:
            return True
        return False

    def _compare(self, parts: ObjectName, near: Sequence[Listed], far: Sequence[Listed], depth: Depth) -> Verdict:
        sizes = {version.size for version in near}
        alike = [version for version in far if version.size in sizes]
        if depth is Depth.CONTENT:
            alike = [version for version in alike if matches(self.far, version, parts.sha256)]
        if not alike:
            return Verdict.DAMAGED
        known = all(version.lock_known for version in (*near, *alike))
        if depth is Depth.NAMES and not known and self._settled(near, alike):
            return Verdict.SAME
        wanted = self.wanted(parts, [self.near.with_lock(version) for version in near if version.size in sizes])
        held = [self.far.with_lock(version).lock_until for version in alike]
        longest = max((lock for lock in held if lock is not None), default=None)
        if wanted > self.now and (longest is None or longest < wanted):
            return Verdict.SHORT
        return Verdict.SAME

    def _settled(self, near: Sequence[Listed], far: Sequence[Listed]) -> bool:
        """Whether the copy is of the last version that the repository has, by the clocks of both sites.

        A lock is never made longer but by another version, and the copy was locked as long as the last one before it.
        """
        if len(near) == 1:
            return True
        apart = self.far_now - self.now
        return max(v.modified for v in far) - apart > max(v.modified for v in near) + CLOCK_SKEW

    def floor(self, parts: ObjectName) -> dt.datetime:
        """Until when the keep rule wants an object locked at least, whatever the repository did."""
        root = self.repository.root
        if parts.kind is Kind.ROOT:
            return link_lock(self._links.get(parts.sha256, root))
        days = root.longest_days
        if parts.kind in (Kind.PACK, Kind.MANIFEST):
            days = root.classes[parts.retention_class].days
        return (parts.at or root.created) + dt.timedelta(days=days)

    def wanted(self, parts: ObjectName, versions: Sequence[Listed]) -> dt.datetime:
        """Until when a copy must be locked: as long as the longest of *versions*, and as long as the keep rule says."""
        locks = [version.lock_until for version in versions if version.lock_until is not None]
        return max([self.floor(parts), *locks])

    def expired(self, parts: ObjectName, lock_until: dt.datetime | None) -> bool:
        """Whether the repository lets go of it by now: lock and grace are over."""
        root = self.repository.root
        kept = root.classes.get(parts.retention_class)
        days = root.longest_days if kept is None else kept.days
        return parts.kind is not Kind.ROOT and keep.expiry(lock_until or self.floor(parts), days) < self.now

    def read(self, name: str, versions: Sequence[Listed], store: Store | None = None) -> Whole:
        """The bytes of an object, of the version with the latest lock that has the right digest.

        :raises ObjectMissingError: none of these versions is there any more.
        :raises IntegrityError, CorruptError: none has the digest that the name promises.
        """
        store = store or self.near
        sha256 = names.parse(name).sha256
        wrong: IntegrityError | CorruptError | ArchivedError | None = None
        resting: list[dt.datetime] = []
        known = [store.with_lock(version) for version in versions]
        for version in sorted(known, key=lambda v: v.lock_until or v.modified, reverse=True):
            try:
                data = store.get(name, version=version.version)
            except ObjectMissingError:
                continue
            except CorruptError as e:
                wrong = e
                continue
            except ArchivedError as e:
                wrong = e
                resting += [version.lock_until] if version.lock_until else []
                continue
            if hashlib.sha256(data).hexdigest() == sha256:
                # the newest copy may rest where an older one does not
                return Whole(data, max(resting, default=version.lock_until))
            wrong = IntegrityError("has no version with the digest that its name promises", item=name)
        raise wrong or ObjectMissingError(f"{store.location} does not hold it any more", item=name)

    def statement(self, point: str) -> Statement:
        """What a point of the repository says; raises FormatError, StoreError."""
        return statement_format.read(objects.read(self.near, point), what=point)[0]

    def put(self, name: str, parts: ObjectName, whole: Whole, *, home: bool = False) -> None:
        """Put a copy at the replica, or *home*, locked as long as it must be; raises StoreError."""
        locks = [self.floor(parts), (self.now if home else self.far_now) + _SHORTEST]
        if whole.lock_until is not None:
            locks.append(whole.lock_until)
        kept = self.repository.root.classes.get(parts.retention_class)
        (self.near if home else self.far).put_new(
            name,
            io.BytesIO(whole.data),
            lock_until=max(locks),
            governance=kept is not None and kept.mode == "governance",
        )

    def comes_home(self, judged: Judged) -> bool:
        """Whether the repository takes it back: what a restore left, while it did not answer.

        That is a restore's record, and what it said of itself; what runs say of themselves was here before.
        """
        if judged.verdict is not Verdict.EXTRA or judged.parts.record != AUDIT:
            return judged.verdict is Verdict.EXTRA and judged.parts.record == _RESTORE
        there = dataclasses.replace(self.repository, store=self.far)
        small = tuple(version for version in judged.far if version.size <= records.RECORD_LIMIT)
        try:
            return records.of_restore(records.read_witnessed(there, judged.name, small)[0])
        except (FormatError, IntegrityError, CorruptError, ObjectMissingError):
            # nobody would believe it
            return False


def matches(store: Store, version: Listed, sha256: str) -> bool:
    """Whether a version has these bytes; one that is gone or unreadable has not."""
    try:
        return hashlib.sha256(store.get(version.name, version=version.version)).hexdigest() == sha256
    except (ObjectMissingError, CorruptError):
        return False


def _side_by_side(
    near: Iterator[Listed], far: Iterator[Listed]
) -> Iterator[tuple[str, Sequence[Listed], Sequence[Listed]]]:
    """Each name that one of two sites lists, with its versions at both."""
    tagged = heapq.merge(
        ((listed.name, 0, listed) for listed in near),
        ((listed.name, 1, listed) for listed in far),
        key=lambda item: item[:2],
    )
    for name, items in itertools.groupby(tagged, key=lambda item: item[0]):
        versions = list(items)
        near_versions, far_versions = (
            [listed for _name, site, listed in versions if site == wanted] for wanted in (0, 1)
        )
        yield name, near_versions, far_versions
