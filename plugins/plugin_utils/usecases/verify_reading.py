# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask for locks and read objects: in processes, by sample, and only what an interrupted verify has not read."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import FormatError, ObjectMissingError, PolicyError
from ..format import body as body_format
from ..format.names import Kind, ObjectName
from ..keyring.base import Keyring
from ..model import instant
from ..model.point import StreamEntry
from ..model.verification import Extent, Level, Sample
from ..store.base import Listed
from .repository import Repository
from .verify_forks import default_forks, spread
from .verify_journal import Journal, Noted, key
from .verify_objects import Outcome, Reader, Unit
from .verify_progress import Progress


@dataclasses.dataclass(frozen=True)
class Resume:
    """Where to note what is read, and for how long a note counts."""

    state_dir: Path
    believe: dt.timedelta


@dataclasses.dataclass(frozen=True)
class How:
    """How to read: in how many processes, how much, and whether to go on from an interrupted verify.

    None of it changes what is found of what is read. ``forks`` is 0 for as many as this machine is good for.
    ``progress`` is told how far it is.
    """

    forks: int = 1
    sample: Sample | None = None
    resume: Resume | None = None
    progress: Progress | None = None


@dataclasses.dataclass(frozen=True)
class Read:
    """What was read, and what was found of it.

    ``resting`` are objects that an archive class keeps from being read, ``snapshots`` the manifests of those of which
    all was read, and right. ``resumed`` is what an interrupted verify had read.
    """

    found: tuple[Outcome, ...]
    resting: tuple[str, ...]
    opened: int
    snapshots: frozenset[str]
    read: Extent
    unread: Extent
    resumed: Extent


class Reading:
    """What one verify reads.

    ``sample`` is that of *how* with its seed.

    :param keyring: for the deepest level.
    :param listed: the versions of every object, which are known before anything is read.
    :param now: the store's time.
    :raises PolicyError: a class is to be sampled that the root does not know.
    """

    def __init__(
        self,
        repository: Repository,
        level: Level,
        keyring: Keyring | None,
        how: How,
        *,
        listed: Mapping[str, Sequence[Listed]],
        now: dt.datetime,
    ) -> None:
        self._store = repository.store
        self._repository = repository
        self._root = repository.root
        self._level = level
        self._listed = listed
        self._now = now
        self._forks = how.forks or default_forks()
        self._progress = how.progress or Progress(0, lambda _line: None)
        self._reader = Reader(repository, level, keyring, listed)
        self._journal = self._open_journal(how.resume)
        self._resumed: list[Noted] = []
        #: Versions that the store lists, and says it does not hold.
        self.denied: list[Listed] = []
        self.sample = self._seeded(how.sample)

    @property
    def resumed_since(self) -> dt.datetime | None:
        """When the first of what was gone on with was read; None where nothing was."""
        return min((noted.at for noted in self._resumed), default=None)

    def close(self, *, ended: bool) -> None:
        """Write no more notes; forget them where the verify has come to its end."""
        if self._journal is not None:
            self._journal.close(ended=ended)

    def _open_journal(self, resume: Resume | None) -> Journal | None:
        if resume is None:
            return None
        repository_id = self._repository.chain.links[0].root.id
        return Journal(resume.state_dir, repository_id, self._store.identity, now=self._now, believe=resume.believe)

    def _seeded(self, sample: Sample | None) -> Sample | None:
        """The sample with its seed: today, or that of the verify that is gone on with."""
        unknown = sorted(sample.classes.keys() - self._root.classes.keys(), key=str) if sample is not None else []
        if unknown:
            raise PolicyError(
                f"the root knows no class {unknown[0]}",
                item="sample",
                remedy=f"Name some of {', '.join(self._root.classes)}, or newest.",
            )
        if sample is None or sample.seed is not None:
            return sample
        asked = key("seed", self._level.name, sample.percent, dict(sample.classes), sample.newest)
        noted = self._journal.find(asked) if self._journal is not None else None
        if noted is not None and isinstance(noted.value, int):
            return dataclasses.replace(sample, seed=noted.value)
        seed = (self._now.date() - dt.date(1970, 1, 1)).days
        if self._journal is not None:
            self._journal.note(asked, seed)
        return dataclasses.replace(sample, seed=seed)

    def with_locks(self, found: Sequence[Listed], parsed: Mapping[str, ObjectName]) -> Iterator[Listed]:
        """All that was listed and is there still, with its lock: where the listing shows none, each is asked for.

        Of what is not of the format nobody asks it. What is listed and cannot be asked for is in ``denied`` then.
        """
        wanted = [listed for listed in found if not listed.lock_known and listed.name in parsed]
        known: dict[tuple[str, str], Listed | None] = {}
        asked: list[Listed] = []
        for listed in wanted:
            locked = self._noted_lock(listed)
            if locked is None:
                asked.append(listed)
            else:
                known[listed.name, listed.version] = locked
        self._progress.begin("locks", len(asked), 0)

        def done(place: int, result: Listed | None) -> None:
            listed = asked[place]
            described = result is not None and result.lock_known
            known[listed.name, listed.version] = result if described else None
            if result is not None and not described:
                self.denied.append(result)
            elif result is not None and self._journal is not None:
                self._journal.note(self._lock_key(listed), _lock_note(result))
            self._progress.add(1, 0)

        spread(asked, self._with_lock, forks=self._forks, weight=lambda _listed: 0, done=done)
        for listed in found:
            there = known.get((listed.name, listed.version), listed)
            if there is not None:
                yield there

    def _with_lock(self, listed: Listed) -> Listed | None:
        """A version with its lock; None where it has gone since it was listed, and without where it is listed still."""
        try:
            return self._store.with_lock(listed)
        except ObjectMissingError:
            still = any((v.name, v.version) == (listed.name, listed.version) for v in self._store.list(listed.name))
            return listed if still else None

    def _noted_lock(self, listed: Listed) -> Listed | None:
        noted = self._noted(self._lock_key(listed))
        if noted is None:
            return None
        try:
            until, held = noted.value
            lock = None if until is None else instant.from_text(until)
        except (FormatError, TypeError, ValueError):
            return None
        return dataclasses.replace(listed, lock_until=lock, held=held is True, lock_known=True)

    def _lock_key(self, listed: Listed) -> str:
        return key("lock", self._root.id, listed.name, listed.version, listed.size)

    def _noted(self, wanted: str) -> Noted | None:
        """What an interrupted verify has noted of that, which is gone on with."""
        noted = self._journal.find(wanted) if self._journal is not None else None
        if noted is not None:
            self._resumed.append(noted)
        return noted

    def read(
        self, parsed: Mapping[str, ObjectName], entries: Mapping[str, list[StreamEntry]], newest: Collection[str]
    ) -> Read:
        """Read the packs, manifests and other objects that the level reads, and note what was right.

        :param newest: manifests of the newest snapshots of live streams.
        """
        drawn: list[Unit] = []
        left: list[Unit] = []
        for unit in self._units(parsed, entries):
            (drawn if self._draws(unit, parsed, newest) else left).append(unit)
        outcomes, waiting = self._gone_on_with(drawn)
        resumed = self._extent(name for unit in drawn if unit.name in outcomes for name in unit.reads)
        extent = self._extent(name for unit, _key in waiting for name in unit.reads)

        def done(place: int, outcome: Outcome) -> None:
            unit, noted_as = waiting[place]
            outcomes[unit.name] = outcome
            if self._journal is not None and outcome.clean:
                self._journal.note(noted_as, outcome.opened)
            self._progress.add(len(unit.reads), self._weight(unit))

        units = [unit for unit, _key in waiting]
        self._unwrap_ahead(units)
        self._progress.begin("objects", extent.objects, extent.bytes)
        spread(units, self._reader.read, forks=self._forks, weight=self._weight, done=done)
        found = [outcomes[unit.name] for unit in drawn]
        resting = {name for outcome in found for name in outcome.resting}
        return Read(
            found=tuple(found),
            resting=tuple(sorted(resting)),
            opened=sum(outcome.opened for outcome in found),
            snapshots=frozenset(unit.name for unit, outcome in zip(drawn, found, strict=True) if outcome.right),
            read=self._extent(name for unit in drawn for name in unit.reads if name not in resting),
            unread=self._unread({*resting, *(name for unit in left for name in unit.reads)}),
            resumed=resumed,
        )

    def _unwrap_ahead(self, units: Sequence[Unit]) -> None:
        """Have a keyring that opens many identities with a call do so, for all packs that are to be opened."""
        if not self._reader.opens_together:
            return
        snapshots = [unit for unit in units if unit.told and unit.told[0].pack.name in self._listed]
        self._progress.begin("manifests", len(snapshots), 0)
        self._reader.unwrap_ahead(
            spread(
                snapshots,
                self._reader.wrapped,
                forks=self._forks,
                weight=lambda unit: self._extent((unit.name,)).bytes,
                done=lambda _place, _found: self._progress.add(1, 0),
            )
        )

    def _gone_on_with(self, drawn: Sequence[Unit]) -> tuple[dict[str, Outcome], list[tuple[Unit, str]]]:
        """What an interrupted verify has read, by name; and what is left to read, with what to note it as."""
        if self._journal is None:
            return {}, [(unit, "") for unit in drawn]
        digest_keys = self._reader.digest_keys() if self._level is Level.KEYS else []
        known: dict[str, Outcome] = {}
        waiting = []
        for unit in drawn:
            noted_as = self._unit_key(unit, digest_keys)
            noted = self._noted(noted_as)
            if noted is None:
                waiting.append((unit, noted_as))
            else:
                known[unit.name] = Outcome(opened=noted.value is True)
        return known, waiting

    def _units(self, parsed: Mapping[str, ObjectName], entries: Mapping[str, list[StreamEntry]]) -> Iterator[Unit]:
        """What is read together, each object once."""
        every = self._level >= Level.CONTENT
        claimed: set[str] = set()
        for name, told in entries.items():
            if name in self._listed:
                mine = [other for other in (name, told[0].pack.name) if other in parsed and other not in claimed]
                claimed.update(mine)
                yield Unit(tuple(mine) if every else (), tuple(told))
        if every:
            yield from (Unit((name,)) for name in parsed if name not in claimed)

    def _draws(self, unit: Unit, parsed: Mapping[str, ObjectName], newest: Collection[str]) -> bool:
        name = unit.name
        if self.sample is None or parsed[name].kind not in (Kind.PACK, Kind.MANIFEST):
            return True
        return self.sample.draws(name, parsed[name].retention_class, newest=name in newest)

    def _weight(self, unit: Unit) -> int:
        return self._extent(unit.reads).bytes

    def _unread(self, left: Collection[str]) -> Extent:
        """What is left of objects, with the versions that nobody can read."""
        extent = self._extent(left)
        names = {version.name for version in self.denied} - set(left)
        return Extent(extent.objects + len(names), extent.bytes + sum(version.size for version in self.denied))

    def _extent(self, listed: Iterable[str]) -> Extent:
        sizes = [sum(version.size for version in self._listed[name]) for name in listed]
        return Extent(len(sizes), sum(sizes))

    def _unit_key(self, unit: Unit, digest_keys: Sequence[str]) -> str:
        """All that the outcome hangs on: what is asked, what points say, and every version there is."""
        return key(
            self._level.name,
            self._root.id,
            digest_keys,
            [[name, [[v.version, v.size, v.marker] for v in self._listed[name]]] for name in unit.reads],
            [body_format.write_stream(entry) for entry in unit.told],
        )


def _lock_note(listed: Listed) -> list[object]:
    return [None if listed.lock_until is None else instant.to_text(listed.lock_until), listed.held]
