# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A checkup of controller, repository, keyring and inventory. Each check stands alone: one that fails says why.

Nothing is changed. What a store defines as a probe is the only thing that may be put, and not in check mode.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import DeniedError, FormatError, HoldfastError, ObjectMissingError, RunAbandonedError
from ..format import names
from ..keyring.base import Keyring
from ..model import checkup, instant, keep, setting
from ..model.checkup import ERROR, OK, WARNING, Check, many
from ..model.redaction import visible
from ..model.retention import RetentionClass
from ..store.base import Store
from . import destroyed, doctor_rights, events, objects, points
from .open_point import CLOCK_REFUSAL, CLOCK_WARNING
from .points import Live
from .replica_objects import Replica
from .repository import Repository, open_repository

Look = Callable[[], Iterable[Check]]

# runs that began in this time and said nothing more are told of; verify tells of all
_LOOKED_BACK = dt.timedelta(days=3)
_MOST_EVENTS = 400
_COMPLIANCE = "Run this as the owner, or give the retention classes mode compliance: docs/guide_storage.md."


class NotReachedError(Exception):
    """What a check needs could not be had, which another check has told: no error of its own."""


def examine(looks: Iterable[tuple[str, Look]]) -> tuple[Check, ...]:
    """Make all checks in their order, whatever becomes of the others.

    :param looks: each with the id that its failure bears.
    :raises RunAbandonedError: nobody is left to tell.
    """
    found: list[Check] = []
    skipped: list[str] = []
    for check, look in looks:
        try:
            found += look()
        except RunAbandonedError:
            raise
        except NotReachedError:
            skipped.append(check)
        except HoldfastError as e:
            found.append(failed(check, e))
        except OSError as e:
            where = f" ({e.filename})" if e.filename else ""
            found.append(
                Check(check, ERROR, f"{e.strerror or type(e).__name__}{where}", "Correct that, and run again.")
            )
    if skipped:
        told = f"not looked at, since what they need failed: {checkup.listed(skipped, len(skipped))}"
        found.append(Check("skipped", WARNING, told, "Correct what is an error, and run again."))
    return tuple(found)


def failed(check: str, e: HoldfastError) -> Check:
    """A check that ended with an error."""
    where = ", ".join(part for part in (e.host, e.item) if part)
    return Check(
        check, ERROR, f"{e.message} ({where})" if where else e.message, e.remedy or "Correct it, and run again."
    )


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a repository is held against, and how it is reached; nothing is reached yet.

    :param connect: to the store.
    :param keyring: connects to the keyring; None where none is named, as for an auditor.
    :param on_server: a server keeps the repository, and not a folder.
    :param identity: which identity of the matrix of duties this should be, where that is said.
    :param bucket: how the bucket's settings stand, where some are declared.
    :param folder: that of a repository in one, for its room.
    """

    connect: Callable[[], Store]
    pin: str | None
    name: str
    keyring: Callable[[], Keyring] | None = None
    on_server: bool = False
    identity: str | None = None
    classes: Callable[[], Mapping[str, RetentionClass]] | None = None
    bucket: Callable[[], Sequence[setting.Outcome]] | None = None
    replicas: Sequence[Replica] = ()
    folder: Path | None = None
    check: bool = False


class RepositoryCheckup:
    """The checks of one repository; what one of them has reached the next ones use.

    :param wall_clock: the controller's.
    """

    def __init__(
        self, asked: Asked, *, wall_clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.timezone.utc)
    ) -> None:
        self._asked = asked
        self._wall_clock = wall_clock
        self._reached: Store | None = None
        self._opened: Repository | None = None
        self._known: Live | None = None
        self._names: list[str] | None = None
        #: Whether each operation of the matrix of duties was done.
        self.tried: dict[str, bool] = {}

    def looks(self) -> list[tuple[str, Look]]:
        """All of them, in their order."""
        return [
            ("store", self._store),
            ("clock", self._clock),
            ("lock", self._lock),
            *([("bucket", self._bucket)] if self._asked.bucket else []),
            ("pin", self._pin),
            ("root", self._root),
            ("root.classes", self._classes),
            ("lock.governance", self._governance),
            ("keys.destroyed", self._destroyed),
            ("points", self._points),
            ("locks", self._locks),
            ("intents", self._intents),
            ("rights", self._rights),
            *([("keyring", self._keyring)] if self._asked.keyring else []),
            ("duty", self._duty),
            *((f"replica.{one.name}", lambda one=one: self._replica(one)) for one in self._asked.replicas),
        ]

    def repository(self) -> Repository:
        """The repository, where it was opened; raises NotReachedError."""
        if self._opened is None:
            raise NotReachedError("the repository was not opened")
        return self._opened

    def _point_names(self) -> list[str]:
        """Names of all points, listed once."""
        if self._names is None:
            self._names = points.point_names(self.repository())
        return self._names

    def _needed(self) -> Store:
        if self._reached is None:
            raise NotReachedError("the store was not reached")
        return self._reached

    def _now(self) -> dt.datetime:
        return objects.now(self._needed())

    def _store(self) -> list[Check]:
        store = self._asked.connect()
        found = next(store.list("root/"), None)
        self._reached = store
        if found is None:
            told = f"{store.location} is reached, and holds no repository"
            remedy = "Check the URL and the mount. If it never held one: repository with state present makes it."
            return [Check("store", ERROR, told, remedy)]
        return [Check("store", OK, f"{store.location} is reached and lists")]

    def _clock(self) -> list[Check]:
        store = self._needed()
        try:
            offset = store.clock() - self._wall_clock()
        except DeniedError:
            return [Check("clock", OK, "not compared: only who may write there can ask a folder for its time")]
        return [checkup.clock(offset, warn=CLOCK_WARNING, refuse=CLOCK_REFUSAL)]

    def _lock(self) -> list[Check]:
        store = self._needed()
        if not self._asked.on_server:
            if not self._asked.check:
                store.probe()
            told = "a folder enforces no lock: the collection honours them, and whoever owns the files need not"
            remedy = "Use a bucket with object lock where that matters: docs/guide_storage_choice.md."
            return [Check("lock", WARNING, told, remedy)]
        if not store.enforced:
            told = "the server does not say that the bucket has object lock, or this identity may not ask"
            return [Check("lock", ERROR, told, "Make a bucket with object lock: docs/guide_storage.md.")]
        if self._asked.check:
            return [Check("lock", OK, "the bucket has object lock, its server says; no probe was put in check mode")]
        store.probe()
        return [Check("lock", OK, "the bucket has versions and object lock, its server says")]

    def _bucket(self) -> list[Check]:
        judge = self._asked.bucket
        outcomes = list(judge()) if judge else []
        wrong = [one for one in outcomes if one.state != setting.HELD]
        remedy = "Run holdfast.config.storage, as the owner."
        checks = [
            Check(
                f"bucket.{one.name}", WARNING, f"{one.state}{f': {one.why}' if one.why else ''}", one.remedy or remedy
            )
            for one in wrong
        ]
        held = [one.name for one in outcomes if one.state == setting.HELD]
        return checks or [Check("bucket", OK, f"as declared: {', '.join(held)}")]

    def _pin(self) -> list[Check]:
        store = self._needed()
        self._opened = open_repository(store, pin=self._asked.pin, name=self._asked.name)
        chain = self._opened.chain
        place = chain.place(self._asked.pin or "")
        told = [Check("pin", WARNING, said, "Find out who put it: docs/guide_keys.md.") for said in chain.warnings]
        return [checkup.pin(place or 0, chain.head, len(chain.links)), *told]

    def _root(self) -> list[Check]:
        root = self.repository().root
        digest = f"{many(len(root.keys.digest), 'digest key')}, {root.digest_key_id} is the current one"
        return [*checkup.keys(root, self._now()), Check("root.digest", OK, digest)]

    def _classes(self) -> list[Check]:
        root, declared = self.repository().root, self._asked.classes
        return checkup.classes(root, declared()) if declared else []

    def _governance(self) -> list[Check]:
        """Have a server prove that who may not bypass a lock in mode governance does not; only its owner can ask."""
        governed = sorted(one.name for one in self.repository().root.classes.values() if one.mode == "governance")
        if not governed or not self._asked.on_server:
            return []
        told = f"locks of {checkup.listed(governed)} are in mode governance, which who has the right to bypass ends"
        if self._asked.check:
            return [Check("lock.governance", WARNING, f"{told}; not proved in check mode", _COMPLIANCE)]
        try:
            self._needed().prove_governance()
        except DeniedError:
            return [Check("lock.governance", WARNING, f"{told}; this identity cannot have that proved", _COMPLIANCE)]
        return [Check("lock.governance", OK, "the server holds locks in mode governance against who has no right")]

    def _destroyed(self) -> list[Check]:
        gone = destroyed.read(self.repository(), now=self._now())
        checks = [
            Check(
                "keys.destroyed",
                WARNING,
                f"key {key} was destroyed, and escrow still opens what it did: {checkup.listed(gone.pending(key))}",
                "Let who holds the escrow key destroy it, and people sign that: docs/guide_destruction.md.",
            )
            for key in sorted(gone.keys)
            if gone.pending(key)
        ]
        return checks or [Check("keys.destroyed", OK, f"{many(len(gone.keys), 'key')} destroyed, none of them pending")]

    def _points(self) -> list[Check]:
        repository = self.repository()
        self._known = live = points.live(repository, now=self._now())
        refuse = "Run holdfast.config.verify, which names all, and find out who put it."
        told = list(dict.fromkeys(one for one in live.warnings if one not in repository.chain.warnings))
        checks = [Check("points", WARNING, one, refuse) for one in told[: checkup.NAMED]]
        if len(told) > checkup.NAMED:
            checks.append(Check("points", WARNING, f"and {len(told) - checkup.NAMED} more are not believed", refuse))
        if not live.seen:
            checks.append(Check("points", WARNING, "there is no recovery point", "Run holdfast.config.backup."))
            return checks
        newest = max(at for at in (names.parse(name).at for name in self._point_names()) if at is not None)
        said = (
            f"{many(len(live.seen), 'recovery point')}, the newest of {instant.to_text(newest)}; "
            f"{many(len(live.streams), 'live stream')}"
        )
        return [Check("points", OK, said), *checks]

    def _locks(self) -> list[Check]:
        if self._known is None:
            raise NotReachedError("no recovery points were read")
        fading = keep.fading(self._known.streams.values(), self.repository().root.classes, self._now())
        if not fading:
            return [Check("locks", OK, "every newest snapshot is locked for half its class's days or longer")]
        named = checkup.listed([f"{one.host_id}/{one.stream}" for one in fading])
        told = f"less than half of their class's days are left of {many(len(fading), 'newest snapshot')}: {named}"
        remedy = "Back these hosts up; a run that does not reach a host carries its last copy."
        return [Check("locks", WARNING, told, remedy)]

    def _intents(self) -> list[Check]:
        repository, now = self.repository(), self._now()
        told, refused = events.events(repository, since=now - _LOOKED_BACK, most=_MOST_EVENTS)
        begun = events.unended(told, (), now=now)
        sealed = self._sealed({one.point[0] for one in begun})
        silent = [one for one in begun if one.point not in sealed]
        remedy = "Ask who ran it. Its process was ended, or somebody keeps its recovery point away."
        checks = [
            Check("intents", WARNING, f"{one.spoken}, neither sealed nor said how it ended", remedy)
            for one in silent[: checkup.NAMED]
        ]
        if len(silent) > checkup.NAMED:
            checks.append(Check("intents", WARNING, f"and {len(silent) - checkup.NAMED} more such runs", remedy))
        verify = "Run holdfast.config.verify, which looks at all."
        if len(told) + len(refused) >= _MOST_EVENTS:
            told_of = f"only the newest {_MOST_EVENTS} events of the last {_LOOKED_BACK.days} days were looked at"
            checks.append(Check("intents", WARNING, told_of, verify))
        if refused:
            told_of = f"{many(len(refused), 'event')} not believed: {visible(refused[0])}"
            checks.append(Check("intents", WARNING, told_of, verify))
        return checks or [
            Check("intents", OK, f"every run of the last {_LOOKED_BACK.days} days sealed or said its end")
        ]

    def _sealed(self, runs: Collection[str]) -> set[tuple[str, str]]:
        """Run and name of each believed point of some runs: a name alone proves nothing, and a run has several."""
        repository, found = self.repository(), set()
        for name in self._point_names():
            if names.parse(name).run in runs:
                with contextlib.suppress(FormatError, ObjectMissingError):
                    statement, _removed = points.read_statement(repository, name)
                    found.add((statement.run, statement.point))
        return found

    def _rights(self) -> list[Check]:
        store = self._needed()
        read = self._read_one(store)
        if self._asked.check:
            return [Check("rights", OK, f"{read}; putting and removing are not tried in check mode")]
        tried = doctor_rights.puts(store)
        if not self._asked.on_server:
            may = all(tried.values())
            told = f"{read}; this user may write there" if may else f"{read}; this user may not write there"
            return [Check("rights", OK, told), *doctor_rights.deletes(store, folder=True)]
        self.tried.update(tried)
        kinds = sum(tried.values())
        told = f"{read}; may put {kinds} of {len(tried)} kinds of objects"
        return [Check("rights", OK, told), *doctor_rights.deletes(store, folder=False)]

    def _read_one(self, store: Store) -> str:
        """Read a manifest, and the lock of its pack, where there is one; raises DeniedError where that is refused."""
        live = self._known.streams if self._known is not None else {}
        newest = max(live.values(), key=lambda one: one.captured_at, default=None)
        if newest is None:
            return "lists"
        store.get(newest.manifest.name, version=newest.manifest.version)
        store.head(newest.pack.name, version=newest.pack.version)
        return "lists, reads, and sees locks"

    def _keyring(self) -> list[Check]:
        connect = self._asked.keyring
        if connect is None:
            return []
        tried, checks = doctor_rights.keyring(self.repository(), connect(), now=self._now())
        self.tried.update(tried)
        return checks

    def _duty(self) -> list[Check]:
        self.repository()
        return checkup.duty(self.tried, doctor_rights.duties(), identity=self._asked.identity)

    def _replica(self, replica: Replica) -> list[Check]:
        check = f"replica.{replica.name}"
        far = replica.connect()
        remedy = "Run holdfast.config.replicate; see docs/guide_replicas.md."
        if next(far.list("root/"), None) is None:
            return [Check(check, ERROR, f"{far.location} is reached, and is empty", remedy)]
        if self._opened is None:
            told = f"{far.location} is reached, and not compared with the repository, which was not opened"
            return [Check(check, OK, f"{told}: holdfast_read_from reads there")]
        there = {one.name for one in far.list("points/") if not one.marker}
        waiting = {name: names.parse(name).at for name in self._point_names() if name not in there}
        oldest = min((at for at in waiting.values() if at is not None), default=None)
        if oldest is None:
            return [Check(check, OK, f"{far.location} is reached, and holds every recovery point")]
        hours = (self._now() - oldest).total_seconds() / 3600
        told = f"it lacks {many(len(waiting), 'recovery point')}, the oldest {hours:.1f} hours old"
        return [Check(check, WARNING, told, remedy)]
