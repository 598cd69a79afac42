# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys that were destroyed: which, when, and by whose signatures; and what of the repository went with them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Collection, Mapping

from ..errors import ArchivedError, FormatError, KeyDestroyedError, ObjectMissingError
from ..format import manifest as manifest_format
from ..format import names
from ..model.destruction import (
    DESTROYED,
    DESTROYING,
    Destroyed,
    EscrowStatement,
    begun_of,
    demand_of,
    destroyed_of,
    escrow_of,
)
from ..model.point import StreamEntry
from ..model.record import DESTRUCTION, ESCROW_DESTROYED
from . import objects, records
from .repository import Repository

# a record signed ahead of its time tells of nothing yet
_SKEW = dt.timedelta(minutes=15)


@dataclasses.dataclass(frozen=True)
class Gone:
    """What was destroyed.

    ``keys`` are those to wrap under and ``escrow`` those of escrow, by id; ``refused`` says what is not believed.
    ``key_of`` tells under which key a snapshot is, None where its manifest cannot be read.
    """

    keys: Mapping[str, Destroyed] = dataclasses.field(default_factory=dict)
    escrow: Mapping[str, EscrowStatement] = dataclasses.field(default_factory=dict)
    refused: tuple[str, ...] = ()
    key_of: Callable[[StreamEntry], str | None] = dataclasses.field(default=lambda _entry: None, compare=False)

    def ends(self, entry: StreamEntry) -> bool:
        """Whether a newest snapshot opens no more, so that nobody need keep it.

        A record's word for it is not enough: its manifest has to name that key, or another one of that year opens it.
        """
        return any(one.ends(entry) and self.key_of(entry) == one.key for one in self.keys.values())

    def pending(self, key: str) -> tuple[str, ...]:
        """Ids of the escrow keys that still open what was under a key that was destroyed."""
        return tuple(sorted(self.keys[key].escrow - self.escrow.keys()))

    @property
    def spent(self) -> tuple[str, ...]:
        """Ids under which nothing may be sealed any more: of keys to wrap under, and as ``escrow:ID``."""
        return (*sorted(self.keys), *(f"escrow:{key}" for key in sorted(self.escrow)))


def read(repository: Repository, *, now: dt.datetime) -> Gone:
    """All keys that were destroyed, by records that count. Where there is none it costs one listing.

    A machine says that it has done so, and it is believed where people had signed for just that key: also by a key that
    a later root link has removed, since without the signatures of people it says nothing.

    :param now: the store's time; what lies ahead tells of nothing yet.
    """
    keys: dict[str, Destroyed] = {}
    refused: list[str] = []
    for name, versions in sorted(records.record_names(repository, DESTROYED).items()):
        try:
            record, _removed = records.read_witnessed(repository, name, versions)
            key, demand, newest, escrow = destroyed_of(record, name)
            signed = _demand(repository, demand, key)
            if record.at > now + _SKEW:
                raise FormatError("says a time that is yet to come", item=name)
        except (FormatError, ObjectMissingError) as e:
            refused.append(f"record {name} is not believed: {e.message}")
            continue
        seen = demand_of(signed.record, signed.id).snapshots
        found = Destroyed(key, record.at, names.parse(name).sha256, signed.id, signed.signers, newest, escrow, seen)
        # one may have no room for all, and two controllers may each have finished what one of them began
        keys[key] = _united(keys.get(key, found), found)
    return Gone(keys, _escrow(repository) if keys else {}, tuple(refused), _Manifests(repository).key_of)


def _united(one: Destroyed, other: Destroyed) -> Destroyed:
    return dataclasses.replace(
        min(one, other, key=lambda found: (found.at, found.record)),
        newest=one.newest | other.newest,
        escrow=one.escrow | other.escrow,
        seen=max(one.seen, other.seen),
    )


class _Manifests:
    """Tells under which keys snapshots are; each manifest is read once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._keys: dict[str, str | None] = {}

    def key_of(self, entry: StreamEntry) -> str | None:
        name = entry.manifest.name
        if name not in self._keys:
            self._keys[name] = None
            with contextlib.suppress(FormatError, ObjectMissingError, ArchivedError):
                data = objects.read(self._repository.store, name, version=entry.manifest.version)
                self._keys[name] = manifest_format.read(data, what=name).key.id
        return self._keys[name]


def begun(repository: Repository, *, now: dt.datetime) -> frozenset[str]:
    """Digests of the records of people whose destruction was begun while it might be, as a machine has said.

    What they demanded may have been carried out since: who finds the key gone can tell that from a loss.

    :param now: the store's time; what lies ahead tells of nothing yet.
    """
    found = set()
    for name, versions in sorted(records.record_names(repository, DESTROYING).items()):
        with contextlib.suppress(FormatError, ObjectMissingError):
            record, _removed = records.read_witnessed(repository, name, versions)
            key, demand = begun_of(record, name)
            signed = _demand(repository, demand, key)
            request = signed.record.request
            if request is not None and signed.record.at <= record.at <= min(request.expires, now + _SKEW):
                found.add(demand)
    return frozenset(found)


def _demand(repository: Repository, digest: str, key: str) -> records.Signed:
    """The record by which people demanded it; raises SignatureError or FormatError where there is none that counts."""
    for name, versions in records.record_names(repository, DESTRUCTION).items():
        if names.parse(name).sha256 == digest:
            signed = records.read_judged(repository, name, versions)
            if demand_of(signed.record, digest).key == key:
                return signed
    raise FormatError("names no record by which people demanded that", item=digest)


def _escrow(repository: Repository) -> dict[str, EscrowStatement]:
    found: dict[str, EscrowStatement] = {}
    for name, versions in sorted(records.record_names(repository, ESCROW_DESTROYED).items()):
        with contextlib.suppress(FormatError, ObjectMissingError):
            signed = records.read_judged(repository, name, versions)
            key = escrow_of(signed.record, signed.id)
            found.setdefault(key, EscrowStatement(key, signed.record.at, signed.id, signed.signers))
    return found


def explained(repository: Repository, key: str, escrow: Collection[str]) -> KeyDestroyedError | None:
    """Why a key opens nothing, where records tell that it was destroyed; None where none does.

    :param escrow: ids of the escrow keys that what does not open is also sealed to.
    """
    return error_of(read(repository, now=objects.now(repository.store)), key, escrow)


def error_of(known: Gone, key: str, escrow: Collection[str]) -> KeyDestroyedError | None:
    """That a key was destroyed; None where no record tells so. As :func:`explained`."""
    found = known.keys.get(key)
    if found is None:
        return None
    over = all(one in known.escrow for one in escrow)
    beside = "The escrow key was destroyed too" if over else "Who still has the escrow key opens it"
    return KeyDestroyedError(
        found.spoken, item=key, remedy=f"Restore a snapshot that another key opens, older or newer. {beside}."
    )
