# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Destroy a class-year's key where people have signed for it, and say before and after what nobody can open then.

Whether the key can be destroyed the keyring's server decides, by a quorum of its own; people's signatures are what this
collection asks for, and what records show. What backs up wraps offline, so that who has destroyed a key has also to see
that nothing more is sealed under it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import typing as t
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..errors import (
    FormatError,
    KeyMissingError,
    KeyringError,
    NotFoundError,
    ObjectMissingError,
    PolicyError,
    SignatureError,
    WrongKeyError,
)
from ..format import names
from ..format import record as record_format
from ..keyring.base import Keyring
from ..model import instant, keep
from ..model.destruction import (
    DESTROYED,
    DESTROYING,
    Demand,
    Destroyed,
    EscrowStatement,
    demand_of,
)
from ..model.keys import ClassYearKey, class_year
from ..model.point import StreamEntry
from ..model.record import DESTRUCTION, Record, Request
from ..store.base import Listed
from . import destroyed, objects, open_snapshot, points, records
from .approvals import Pending
from .repository import Repository

DEMANDED, EXPIRED, PENDING, CLOSED = "demanded", "expired", "pending", "closed"
# what one record lists of what was lost, and how large it may be: Vault signs no more than 768 KiB
MOST_NAMED = 5000
MOST_BYTES = 700 * 1024


@dataclasses.dataclass(frozen=True)
class Doomed:
    """A snapshot that a key opens. ``newest``: its stream has no newer one that opens.

    ``held``: it is under legal hold. ``points`` are the ids of the recovery points that name it.
    """

    entry: StreamEntry
    escrow: tuple[str, ...]
    points: tuple[str, ...]
    lock_until: dt.datetime
    newest: bool
    held: bool


@dataclasses.dataclass(frozen=True)
class Outlook:
    """What nobody but escrow can open once a key is gone, as manifests tell; no key is needed to see it.

    ``in_use``: new snapshots are wrapped under it, since the root has none that follows it. ``bare`` are hosts that
    have nothing else that opens. ``unread`` are manifests that cannot be read, so that nobody knows what they are
    under. ``escrow`` are the ids of the escrow keys that open the same.
    """

    key: ClassYearKey
    at: dt.datetime
    in_use: bool
    snapshots: tuple[Doomed, ...]
    bare: tuple[str, ...]
    unread: tuple[str, ...]
    escrow: tuple[str, ...]

    @property
    def demand(self) -> Demand:
        """What people are told of it."""
        return Demand(
            key=self.key.id,
            snapshots=len(self.snapshots),
            locked=sum(one.lock_until > self.at for one in self.snapshots),
            newest=sum(one.newest for one in self.snapshots),
            hosts_left_without=len(self.bare),
            in_use=self.in_use,
        )


@dataclasses.dataclass(frozen=True)
class Standing:
    """How far the destruction of a key is.

    ``state`` is ``demanded`` (enough people have signed), ``expired`` (they had, and their time is over),
    ``destroying`` (it was begun, and nobody has seen yet that the key is gone), ``pending`` (it is destroyed, and who
    holds escrow has not signed yet), ``destroyed`` (both are) or ``closed`` (and nothing that was under it is left).
    ``escrow`` has what was signed for each escrow key, None where nothing was.
    """

    key: str
    state: str
    demand: records.Signed
    gone: Destroyed | None
    escrow: Mapping[str, EscrowStatement | None]
    left: int


@dataclasses.dataclass(frozen=True)
class Destruction:
    """What became of a key. ``made``: it was done now, or the record of it; ``given_up``: a quorum's token was revoked.

    ``record`` is the digest of the record that says so; empty in check mode where it would be made.
    """

    outlook: Outlook
    demand: str
    record: str
    made: bool
    given_up: bool


def outlook(repository: Repository, key_id: str) -> Outlook:
    """What a key opens, and what becomes of hosts once it is gone.

    The manifests of its class are read, all of them: a backup wraps under the class of a snapshot.

    :raises NotFoundError: no root names such a key.
    """
    return _Sight(repository).outlook(_key(repository, key_id))


def ask(repository: Repository, key_id: str, request: Request, *, allow_in_use: bool = False) -> tuple[Pending, bool]:
    """Ask people to sign that a key is destroyed; they see how much that is.

    :param allow_in_use: also where the root has no other key for what is backed up from now on.
    :returns: the request, and whether it was made.
    :raises PolicyError: it is destroyed already, is in use, a manifest cannot be read, or something under it is under
        legal hold.
    :raises NotFoundError: no root names such a key.
    """
    sight = _Sight(repository)
    key = _key(repository, key_id)
    found = sight.outlook(key)
    known = sight.gone.keys.get(key.id)
    # who has it still may have sealed more under it
    if known is not None and len(found.snapshots) <= known.seen:
        raise PolicyError(known.spoken, item=key.id)
    if found.in_use and not allow_in_use:
        raise _in_use(found)
    _require_read(found.key.retention_class, found.unread)
    _require_free(found)
    return records.ask_destruction(repository, found.demand, request)


def ask_escrow(repository: Repository, key_id: str, request: Request) -> tuple[Pending, bool]:
    """Ask who holds an escrow key to sign that each copy of it is destroyed.

    :raises PolicyError: what it opens another key opens still, as far as manifests can be read, or backups go on under
        it.
    :raises NotFoundError: no root names such a key.
    """
    known = class_year(key_id)
    named = {key.id for link in repository.chain.links for key in link.root.keys.escrow}
    if known is None or key_id not in named:
        raise NotFoundError("no root names an escrow key of that id", item=key_id, remedy="Give one like d0090-2026.")
    sight = _Sight(repository)
    now, gone = sight.now, sight.gone
    retention_class, year, _series = known
    if not any((class_year(key) or ("", 0, ""))[:2] == (retention_class, year) for key in gone.keys):
        raise PolicyError(
            "no key to wrap under of that class and year was destroyed yet",
            item=key_id,
            remedy="First destroy that: holdfast.config.destruction state=present. Until then escrow is the way back.",
        )
    root = repository.root
    sealed = root.wrap_key(retention_class, year).id not in gone.keys
    if year >= now.year and sealed and root.escrow_key(retention_class, year).id == key_id:
        raise PolicyError(
            "backups go on under this escrow key: without it only the keyring opens them",
            item=key_id,
            remedy="First let people sign a root link with another: holdfast.config.repository rotate=[escrow].",
        )
    living, unread = sight.sealed_to(key_id, retention_class)
    _require_read(retention_class, unread)
    if living:
        raise PolicyError(
            f"what is sealed to it opens still by {', '.join(living)}: escrow is the way back where that one is lost",
            item=key_id,
            remedy="First let people have that destroyed too, or wait until what is under it has expired.",
        )
    return records.ask_escrow(repository, key_id, request)


def destroy(
    repository: Repository, keyring: Keyring, key_id: str, *, actor: Mapping[str, str], check: bool = False
) -> Destruction:
    """Destroy a key as people have signed, see that it is gone, and put the record that says so.

    A run that was killed is finished by the next one: what is done stays done, and a record is put where it lacks, also
    of snapshots that a backup has sealed under it meanwhile. A key that is there again is destroyed again.

    :param keyring: connected with the rights of a quorum; these are given up at the end.
    :param actor: who runs this.
    :param check: find out only.
    :raises SignatureError: not enough people have signed for this key, their time is over and nobody had begun, or more
        is lost by now than they saw.
    :raises PolicyError: something under it is under legal hold, a manifest cannot be read, or no record has room for
        what is to be told of it.
    :raises KeyringError, StoreError: it cannot be destroyed, or is there still.
    """
    sight = _Sight(repository)
    key = _key(repository, key_id)
    found = sight.outlook(key)
    known = sight.gone.keys.get(key.id)
    # a record tells what was done, and not that the key did not come back
    there = keyring.holds(key)
    if known is not None and not there and not _late(found, known):
        return Destruction(found, known.demand, known.record, False, not check and _give_up(keyring))
    # what cannot sign the record, or is another keyring, destroys nothing
    by = keyring.signer(use="record", among=repository.root.signing("record", sight.now))
    begun = destroyed.begun(repository, now=sight.now)
    signed = _demand(repository, key.id, sight.now, begun, there=there)
    if there:
        _require_seen(signed, found)
    # before anything is destroyed: what cannot be told is not done
    told = _told(repository, by, signed, found, known, actor)
    if check:
        return Destruction(found, signed.id, "", True, False)
    if there:
        if signed.id not in begun:
            _note(repository, keyring, _record(repository, DESTROYING, by, signed, key, {"actor": dict(actor)}))
        keyring.destroy(key)
    _require_gone(repository, keyring, found)
    record = min(_note(repository, keyring, one) for one in told)
    return Destruction(found, signed.id, record, True, _give_up(keyring))


def standings(repository: Repository) -> tuple[Standing, ...]:
    """How far the destruction of each key is for which enough people have signed."""
    sight = _Sight(repository)
    begun = destroyed.begun(repository, now=sight.now)
    signed: dict[str, records.Signed] = {}
    for one in _demands(repository):
        key = demand_of(one.record, one.id).key
        # what was begun counts, whatever people have signed since
        if key not in signed or (one.id in begun and signed[key].id not in begun):
            signed[key] = one
    return tuple(sight.standing(key, signed[key], begun) for key in sorted(signed))


class _Sight:
    """One look at a repository: what is read for one key is not read again for another."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.now = objects.now(repository.store)
        self.gone = destroyed.read(repository, now=self.now)

    def outlook(self, key: ClassYearKey) -> Outlook:
        """As :func:`outlook`."""
        under: list[Doomed] = []
        unread: list[str] = []
        listed = self._packs(key.retention_class)
        newest = self._newest(key)
        for name, entry in self._entries.items():
            if entry.retention_class != key.retention_class:
                continue
            told = self._told(name)
            if told is None:
                if entry.lock_until > self.now:
                    unread.append(name)
            elif told[0] == key.id:
                versions = listed.get(entry.pack.name, ())
                under.append(self._doomed(entry, told[1], versions, newest=name in newest))
        under.sort(key=lambda one: (one.entry.name, *one.entry.key, one.entry.captured_at))
        escrow = {one for doomed in under for one in doomed.escrow}
        return Outlook(
            key=key,
            at=self.now,
            in_use=_current(self._repository, key, self.now),
            snapshots=tuple(under),
            bare=tuple(self._bare(key, under)),
            unread=tuple(unread),
            escrow=tuple(sorted(escrow)),
        )

    def sealed_to(self, escrow: str, retention_class: str) -> tuple[list[str], list[str]]:
        """Keys, not destroyed, that open what is sealed to an escrow key of a class; manifests that cannot be read."""
        living, unread = set(), []
        for name, entry in self._entries.items():
            if entry.retention_class == retention_class:
                told = self._told(name)
                if told is None and entry.lock_until > self.now:
                    unread.append(name)
                elif told is not None and escrow in told[1] and told[0] not in self.gone.keys:
                    living.add(told[0])
        return sorted(living), unread

    def standing(self, key_id: str, signed: records.Signed, begun: Collection[str]) -> Standing:
        """How far one destruction is.

        :param begun: digests of the records of people whose destruction was begun.
        """
        found = self.outlook(_key(self._repository, key_id))
        gone = self.gone.keys.get(key_id)
        # manifests expire, and who holds escrow has still to sign
        known = found.escrow if gone is None else sorted(gone.escrow.union(found.escrow))
        escrow = {key: self.gone.escrow.get(key) for key in known}
        left = len(found.snapshots)
        if gone is None and signed.id in begun:
            state = DESTROYING
        elif gone is None:
            expires = signed.record.request.expires if signed.record.request else self.now
            state = DEMANDED if self.now <= expires else EXPIRED
        elif not all(escrow.values()):
            state = PENDING
        else:
            state = DESTROYED if left else CLOSED
        return Standing(key_id, state, signed, gone, escrow, left)

    @functools.cached_property
    def _points(self) -> list[points.Point]:
        return points.history(self._repository)

    @functools.cached_property
    def _entries(self) -> dict[str, StreamEntry]:
        """The snapshots that points name, by manifest, each as the point says that locked it longest."""
        found: dict[str, StreamEntry] = {}
        for entry in (entry for point in self._points for entry in point.body.streams):
            known = found.get(entry.manifest.name)
            if known is None or entry.lock_until > known.lock_until:
                found[entry.manifest.name] = entry
        return found

    @functools.cached_property
    def _named_by(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for point in sorted(self._points, key=lambda point: (point.statement.sealed_at, point.id)):
            for entry in point.body.streams:
                found.setdefault(entry.manifest.name, []).append(point.id)
        return found

    def _newest(self, key: ClassYearKey) -> frozenset[str]:
        """Manifests of the newest snapshots of live streams that open, but for what becomes of *key*."""
        others = self.gone.keys.keys() - {key.id}
        # manifests of its class are read anyway; of others where they may be under another key that was destroyed
        asked = {known[:2] for one in others if (known := class_year(one))}

        def opens(entry: StreamEntry) -> bool:
            of = (entry.retention_class, entry.key_year)
            if entry.retention_class != key.retention_class and of not in asked:
                return True
            told = self._told(entry.manifest.name)
            return told is not None and told[0] not in others

        newest = points.newest(entry for point in self._points for entry in point.body.streams if opens(entry))
        retired, _refused = records.retirements(self._repository, (), now=self.now)
        ended = keep.ended(newest, retired, self._repository.root.classes, self.now)
        return frozenset(entry.manifest.name for key, entry in newest.items() if key not in ended)

    @functools.cached_property
    def _read(self) -> dict[str, tuple[str, tuple[str, ...]] | None]:
        return {}

    def _told(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """Under which key a snapshot is, and which escrow keys; None where its manifest cannot be read."""
        if name not in self._read:
            self._read[name] = None
            with contextlib.suppress(FormatError, ObjectMissingError):
                manifest = open_snapshot.read_manifest(self._repository, self._entries[name])
                self._read[name] = (open_snapshot.key_id(manifest), manifest.escrow)
        return self._read[name]

    def _packs(self, retention_class: str) -> dict[str, list[Listed]]:
        found: dict[str, list[Listed]] = {}
        for listed in self._repository.store.list(f"packs/{retention_class}/"):
            if not listed.marker:
                found.setdefault(listed.name, []).append(listed)
        return found

    def _doomed(
        self, entry: StreamEntry, escrow: tuple[str, ...], versions: Sequence[Listed], *, newest: bool
    ) -> Doomed:
        held = False
        for listed in versions:
            with contextlib.suppress(ObjectMissingError):
                held = held or self._repository.store.with_lock(listed).held
        named_by = tuple(dict.fromkeys(self._named_by[entry.manifest.name]))
        return Doomed(entry, escrow, named_by, entry.lock_until, newest, held)

    def _bare(self, key: ClassYearKey, under: Sequence[Doomed]) -> Iterator[str]:
        """Names of hosts of which nothing is left that opens."""
        doomed = {one.entry.manifest.name for one in under}
        hosts = {one.entry.host_id: one.entry.name for one in under}
        for host_id, name in sorted(hosts.items(), key=lambda pair: pair[1]):
            others = (
                other
                for other, entry in self._entries.items()
                if entry.host_id == host_id and other not in doomed and self._opens(other)
            )
            if next(others, None) is None:
                yield name

    def _opens(self, name: str) -> bool:
        told = self._told(name)
        return told is not None and told[0] not in self.gone.keys


def _key(repository: Repository, key_id: str) -> ClassYearKey:
    known = class_year(key_id)
    key = None if known is None else repository.chain.wrap_key(*known)
    if key is None:
        raise NotFoundError(
            "no root of this repository names a key of that id",
            item=key_id,
            remedy="Give class and year as manifests do: d0090-2026, with the letter of its series where it has one.",
        )
    return key


def _current(repository: Repository, key: ClassYearKey, now: dt.datetime) -> bool:
    """Whether what is backed up from now on is wrapped under it."""
    try:
        return key.year >= now.year and repository.root.wrap_key(key.retention_class, key.year).id == key.id
    except KeyringError:
        # the newest root names none for that class and year
        return False


def _in_use(found: Outlook) -> PolicyError:
    return PolicyError(
        f"new snapshots of class {found.key.retention_class} are sealed under this key, and backups of that class fail "
        "once it is gone",
        item=found.key.id,
        remedy="First let people sign a root link with one that follows it (holdfast.config.repository rotate=[wrap, "
        "escrow]), or say allow_in_use.",
    )


def _late(found: Outlook, known: Destroyed) -> bool:
    """Whether a newest snapshot is under a key that was destroyed before: by a run that was opened before that."""
    return any(one.newest and one.entry.manifest.sha256 not in known.newest for one in found.snapshots)


def _require_read(retention_class: str, unread: Sequence[str]) -> None:
    """Raise PolicyError where manifests cannot be read: nobody counts, or holds, what nobody knows of."""
    if unread:
        raise PolicyError(
            f"{len(unread)} manifests of class {retention_class} cannot be read: nobody knows what they are under",
            item=unread[0],
            remedy="Let holdfast.config.verify tell why. Bring them back from a replica, or wait for their lock's end.",
        )


def _require_free(found: Outlook) -> None:
    held = sorted({one.entry.spoken for one in found.snapshots if one.held})
    if held:
        raise PolicyError(
            f"{len(held)} streams under this key are under legal hold, the first {held[0]}",
            item=found.key.id,
            remedy="End the hold first, as people have signed: holdfast.config.legal_hold state=absent.",
        )


def _require_seen(signed: records.Signed, found: Outlook) -> None:
    """Raise where more would be lost than people saw when they were asked, or than anybody can tell."""
    seen, now = demand_of(signed.record, signed.id), found.demand
    told = [
        f"{count} {what} than people saw when they signed"
        for count, what in (
            (now.snapshots - seen.snapshots, "snapshots more are under it"),
            (now.newest - seen.newest, "streams more would lose their newest copy that opens"),
            (now.hosts_left_without - seen.hosts_left_without, "hosts more would have nothing left that opens"),
        )
        if count > 0
    ]
    if now.in_use and not seen.in_use:
        told.append("new snapshots are sealed under it, which people did not sign for")
    if told:
        raise SignatureError(
            told[0],
            item=found.key.id,
            remedy="Ask again: holdfast.config.record state=requested operation=destruction.",
        )
    _require_read(found.key.retention_class, found.unread)
    _require_free(found)


def _demands(repository: Repository) -> Iterator[records.Signed]:
    """The records by which people demand a destruction, the newest first; what is not believed is left out."""
    found = records.record_names(repository, DESTRUCTION)
    for name in sorted(found, key=lambda name: name.rsplit("/", 1)[1], reverse=True):
        with contextlib.suppress(FormatError, ObjectMissingError):
            signed = records.read_judged(repository, name, found[name])
            demand_of(signed.record, signed.id)
            yield signed


def _demand(
    repository: Repository, key_id: str, now: dt.datetime, begun: Collection[str], *, there: bool
) -> records.Signed:
    """The newest record by which people demand that this key goes, and by which it may go now.

    :param begun: digests of those whose destruction was begun in their time: that may be finished at any time.
    :param there: whether the key is. Where it is not, and nobody had begun, that is a loss and no destruction.
    """
    found = [
        (one, one.record.request)
        for one in _demands(repository)
        if demand_of(one.record, one.id).key == key_id and one.record.at <= now
    ]
    for signed, request in found:
        if signed.id in begun or (there and request is not None and now <= request.expires):
            return signed
    if not there:
        nobody = "nobody had begun to destroy" if found else "nobody has signed that"
        raise SignatureError(
            f"{nobody} key {key_id}{'' if found else ' is destroyed'}, and the keyring has it no longer",
            item=key_id,
            remedy="Find out who took it away; escrow opens what was under it.",
        )
    if found and (request := found[0][1]) is not None:
        raise SignatureError(
            f"what people signed for the destruction of key {key_id} ended at {instant.to_text(request.expires)}",
            item=key_id,
            remedy="Ask again: holdfast.config.record state=requested operation=destruction.",
        )
    raise SignatureError(
        f"nobody has signed that key {key_id} is destroyed",
        item=key_id,
        remedy=f"Ask people: holdfast.config.record state=requested operation=destruction key={key_id}.",
    )


def _require_gone(repository: Repository, keyring: Keyring, found: Outlook) -> None:
    """Raise KeyringError where the key is there still, or opens something still."""
    opened = keyring.holds(found.key)
    for one in found.snapshots[:1]:
        manifest = open_snapshot.read_manifest(repository, one.entry)
        try:
            keyring.unwrap(found.key, manifest.key.wrapped)
            opened = True
        except (KeyMissingError, WrongKeyError):
            continue
    if opened:
        raise KeyringError(
            "the key was to be destroyed, and still opens what is under it",
            item=found.key.id,
            remedy="Nothing was recorded. Look at the keyring's server, and run this again.",
        )


def _told(
    repository: Repository,
    by: str,
    signed: records.Signed,
    found: Outlook,
    known: Destroyed | None,
    actor: Mapping[str, str],
) -> list[Record]:
    """The records of a destruction: as many as it takes to list what was lost and is not listed yet.

    :raises PolicyError: one is larger than a keyring signs.
    """
    listed = frozenset() if known is None else known.newest
    newest = sorted({one.entry.manifest.sha256 for one in found.snapshots if one.newest} - listed)
    told = [
        _record(
            repository,
            DESTROYED,
            by,
            signed,
            found.key,
            {
                "snapshots": len(found.snapshots),
                "newest": newest[first : first + MOST_NAMED],
                "escrow": list(found.escrow),
                "actor": dict(actor),
            },
        )
        for first in range(0, max(len(newest), 1), MOST_NAMED)
    ]
    if any(len(record_format.payload(record)) > MOST_BYTES for record in told):
        raise PolicyError(
            f"a record of this destruction has more than the {MOST_BYTES} bytes that every keyring signs",
            item=found.key.id,
            remedy="Nothing was destroyed. Run this with fewer words on who runs it, in fewer places.",
        )
    return told


def _record(
    repository: Repository,
    kind: str,
    by: str,
    signed: records.Signed,
    key: ClassYearKey,
    detail: Mapping[str, t.Any],
) -> Record:
    return Record(
        repository=repository.name,
        root=repository.root.id,
        kind=kind,
        at=instant.whole(objects.now(repository.store)),
        by=by,
        subject={"key": key.id, "record": signed.id},
        detail=detail,
    )


def _note(repository: Repository, keyring: Keyring, record: Record) -> str:
    """Sign and put a record of a destruction; return its digest."""
    now = objects.now(repository.store)
    return names.parse(records.put_made(repository, record, now=now, keyring=keyring)).sha256


def _give_up(keyring: Keyring) -> bool:
    """Give up the rights of a quorum; what has ended by itself is none."""
    try:
        return keyring.give_up()
    except KeyringError:
        return False
