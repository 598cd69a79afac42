# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Legal holds on the objects of chosen snapshots: put by whoever may, ended only by what people have signed.

A hold is on versions of objects, and a store does not count them: what two matters hold is free when one is ended.
The server asks for a right alone. That people must sign is for this collection to ask, and for records to show.

A store does not say when a hold was put. A record does, so that what people signed before ends no later hold. Nobody
signs it: who puts one too many has people asked again, and no more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from ..errors import FormatError, NotFoundError, ObjectMissingError, SignatureError
from ..format import dsse, names
from ..format import record as record_format
from ..format.names import Kind
from ..model import instant
from ..model.hold import HOLD, Scope, hold_of, release_of
from ..model.point import ObjectRef, StreamEntry, identity
from ..model.record import HOLD_RELEASE, Record, Request
from ..store.base import Listed
from . import objects, points, records
from .approvals import Pending
from .repository import Repository

# what puts a record that nobody signs
_BY = "legal_hold"


@dataclasses.dataclass(frozen=True)
class Object:
    """A version of an object that a hold is on, or is to be."""

    name: str
    version: str
    held: bool


@dataclasses.dataclass(frozen=True)
class Holding:
    """What became of a hold.

    ``changed`` are the versions that were not as asked. ``missing`` are names that the store has no such object of any
    longer. ``record`` is the digest of the record that allowed a release, or of the one that was put with a hold.
    """

    scope: Scope
    objects: tuple[Object, ...]
    changed: tuple[Object, ...]
    missing: tuple[str, ...]
    record: str = ""


def scope(
    repository: Repository, *, point: str | None = None, host: str | None = None, stream: str | None = None
) -> Scope:
    """What is meant, with ids in full.

    :param point: id of a recovery point, or at least its first 12 digits.
    :param host: a name that a host has or had, or its identity.
    :raises PolicyError: nothing, or more than one host or point, is meant.
    :raises NotFoundError: there is no such point, host or stream.
    """
    # judged before anything is read
    Scope(point, host, stream)
    found = _one_point(repository, point) if point is not None else None
    entries = found.body.streams if found else [e for one in points.history(repository) for e in one.body.streams]
    host_id = None if host is None else identity(host, entries)
    ours = [entry for entry in entries if entry.host_id == host_id and stream in (None, entry.stream)]
    if host is not None and not ours:
        raise NotFoundError(
            f"nothing of {host}{f'/{stream}' if stream else ''} is there",
            host=host,
            remedy="Spell it as the inventory does or did, or give its holdfast_host_id.",
        )
    return Scope(found.id if found else None, host_id, stream)


def ask(
    repository: Repository, *, point: str | None, host: str | None, stream: str | None, request: Request
) -> tuple[Pending, bool]:
    """Ask people to sign that a hold ends; as :func:`scope` and :func:`records.ask_release`."""
    wanted = scope(repository, point=point, host=host, stream=stream)
    since = _held_since(repository, wanted, objects.now(repository.store))
    return records.ask_release(repository, wanted, request, since=since)


def present(repository: Repository, wanted: Scope) -> Holding:
    """Put all of it under legal hold: packs, manifests, and the points that say whose they are.

    What people have signed before ends it no more, also where all of it was held already.

    :raises NotFoundError: nothing of it is there any longer.
    """
    found, missing = _objects(repository, wanted)
    # first: a hold that no record tells of would end by what people signed for one before it
    anew = not all(one.held for one in found) or bool(_release(repository, wanted)[0])
    record = _note(repository, wanted) if anew else ""
    return Holding(wanted, found, _set(repository, found, on=True), missing, record)


def absent(repository: Repository, wanted: Scope) -> Holding:
    """End the legal hold of all of it, where people have signed for just that, and until when they said.

    They must have been asked since it was put, as far as a record tells when that was.

    :raises SignatureError: no such record counts now.
    :raises NotFoundError: nothing of it is there any longer.
    """
    found, missing = _objects(repository, wanted)
    if not any(one.held for one in found):
        return Holding(wanted, found, (), missing)
    record, refused = _release(repository, wanted)
    if not record:
        raise SignatureError(
            f"nobody has signed that the legal hold of {wanted.spoken} ends{refused}",
            item=HOLD_RELEASE,
            remedy="Ask people: holdfast.config.record state=requested operation=hold-release, with the same host, "
            "stream and recovery_point.",
        )
    return Holding(wanted, found, _set(repository, found, on=False), missing, record)


def _set(repository: Repository, found: Sequence[Object], *, on: bool) -> tuple[Object, ...]:
    changed = tuple(one for one in found if one.held is not on)
    for one in changed:
        repository.store.hold(one.name, one.version, on=on)
    return changed


def _note(repository: Repository, wanted: Scope) -> str:
    """Put a record that says that this is put under hold now, and return its digest."""
    now = objects.now(repository.store)
    at = instant.whole(now)
    record = Record(repository.name, repository.root.id, HOLD, at, _BY, wanted.subject, {})
    return names.parse(records.put_made(repository, record, now=now)).sha256


def _held_since(repository: Repository, wanted: Scope, now: dt.datetime) -> dt.datetime | None:
    """When this was put under hold, the last time that a record tells of."""
    found = records.record_names(repository, HOLD)
    for name in _newest_first(found):
        with contextlib.suppress(FormatError, ObjectMissingError):
            data = objects.read(repository.store, name, listed=found[name], limit=records.RECORD_LIMIT)
            payload = dsse.read(data, record_format.PAYLOAD_TYPE, what=name).payload
            record = record_format.read_payload(payload, what=name)
            if (
                hold_of(record, name) == wanted
                and record.repository == repository.name
                and record.at == names.parse(name).at
                and record.at <= now
            ):
                return record.at
    return None


def _newest_first(found: Iterable[str]) -> list[str]:
    # the end of a name begins with its time
    return sorted(found, key=lambda name: name.rsplit("/", 1)[1], reverse=True)


def _release(repository: Repository, wanted: Scope) -> tuple[str, str]:
    """The digest of the newest record that ends this hold now; else why those that are there do not."""
    now = objects.now(repository.store)
    found = records.record_names(repository, HOLD_RELEASE)
    refused = ""
    for name in _newest_first(found):
        try:
            signed = records.read_judged(repository, name, found[name])
            of = release_of(signed.record, signed.id)
        except (FormatError, ObjectMissingError) as e:
            refused = refused or f"; record {name} is not believed: {e.message}"
            continue
        request = signed.record.request
        if of != wanted or request is None or signed.record.at > now:
            continue
        if now > request.expires:
            return "", f"; what people signed for it ended at {instant.to_text(request.expires)}"
        since = _held_since(repository, wanted, now)
        if since is None or since <= signed.record.at:
            return signed.id, ""
        asked = instant.to_text(signed.record.at)
        return "", f"; it was put at {instant.to_text(since)}, and what people signed was asked for at {asked}"
    return "", refused


def _one_point(repository: Repository, prefix: str) -> points.Point:
    found, refused = points.find(repository, prefix)
    if not found and refused:
        raise refused[0]
    if len(found) != 1:
        raise NotFoundError(
            f"{len(found) or 'no'} recovery points have that id",
            item=prefix,
            remedy="Give all 64 digits of one that verify lists.",
        )
    return found[0]


def _objects(repository: Repository, wanted: Scope) -> tuple[tuple[Object, ...], tuple[str, ...]]:
    """The versions that are meant, and names of what is gone."""
    found: dict[tuple[str, str], Object] = {}
    missing: dict[str, None] = {}
    for name, ref in _named(repository, wanted):
        versions = list(_versions(repository, name, ref))
        if not versions:
            missing[name] = None
        for one in versions:
            held = repository.store.with_lock(one).held
            found[one.name, one.version] = Object(one.name, one.version, held)
    if not found:
        raise NotFoundError(
            f"nothing of {wanted.spoken} is in the store any longer",
            item=next(iter(missing), None),
            remedy="Look for it in a replica.",
        )
    return tuple(found[key] for key in sorted(found)), tuple(missing)


def _named(repository: Repository, wanted: Scope) -> Iterator[tuple[str, ObjectRef | None]]:
    """Names of what is meant, each with the version that a point names, where one does."""
    if wanted.point is not None:
        held = [(_one_point(repository, wanted.point), True)]
    else:
        held = [(point, False) for point in points.history(repository)]
        held.sort(key=lambda pair: (pair[0].statement.sealed_at, pair[0].id))
    known: set[str] = set()
    for point, whole in held:
        entries = [entry for entry in point.body.streams if _meant(entry, wanted)]
        fresh = [entry for entry in entries if entry.manifest.name not in known]
        for entry in fresh:
            known.add(entry.manifest.name)
            yield entry.pack.name, entry.pack
            yield entry.manifest.name, entry.manifest
        # the first point that names a snapshot says whose it is
        if whole or fresh:
            yield point.name, None
            yield point.statement.body_name, None
            yield from ((name, None) for name in _stamps(repository, point))


def _meant(entry: StreamEntry, wanted: Scope) -> bool:
    return wanted.host in (None, entry.host_id) and wanted.stream in (None, entry.stream)


def _stamps(repository: Repository, point: points.Point) -> list[str]:
    """Names of the time stamps beside a point."""
    at, run = point.statement.sealed_at, point.statement.run
    prefix = f"{Kind.STAMP.value}/{instant.to_text(at)[:10]}/{instant.to_name(at)}-{run}-"
    found = set()
    for listed in repository.store.list(prefix):
        with contextlib.suppress(FormatError):
            names.parse(listed.name)
            found.add(listed.name)
    return sorted(found)


def _versions(repository: Repository, name: str, ref: ObjectRef | None) -> Iterator[Listed]:
    """The version that a point names; else the first that has the digest which the name promises."""
    listed = [one for one in repository.store.list(name) if one.name == name and not one.marker]
    named = [one for one in listed if ref is not None and (one.version, one.size) == (ref.version, ref.size)]
    if named:
        yield named[0]
        return
    sha256 = names.parse(name).sha256
    for one in listed:
        with contextlib.suppress(ObjectMissingError):
            if hashlib.sha256(repository.store.get(name, version=one.version)).hexdigest() == sha256:
                yield one
                return
