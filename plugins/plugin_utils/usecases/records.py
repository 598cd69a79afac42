# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records that people signed: which of them count, and what they retire."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import FormatError, NotFoundError, ObjectMissingError, PolicyError, SignatureError
from ..format import dsse, names
from ..format import record as record_format
from ..keyring.base import Keyring
from ..model import instant, keep, quorum
from ..model.access import Window, access_of
from ..model.destruction import DESTROYED, DESTROYING, Demand, demand_of, escrow_of
from ..model.hold import Scope, release_of
from ..model.keys import class_year
from ..model.point import Retirement, StreamEntry, identity
from ..model.record import (
    ACCESS,
    AUDIT,
    DESTRUCTION,
    ESCROW_DESTROYED,
    EXCEPTION,
    HOLD_RELEASE,
    PEOPLE_KINDS,
    RETIRED,
    Record,
    Request,
)
from ..model.root import Root
from ..model.waiver import Waiver, waiver_of
from ..store.base import Listed
from . import approvals, objects
from .chain import Approval, approve, require_term
from .repository import Repository, sign_envelope, verify_signature
from .repository import Signed as KeySigned

# several signatures of people and what they signed
RECORD_LIMIT = 1024 * 1024
# what a listing reads, the newest first: who can put could put any number
MOST_LISTED = 200
_OF_KEYS = (DESTRUCTION, DESTROYING, DESTROYED, ESCROW_DESTROYED)


@dataclasses.dataclass(frozen=True)
class Signed:
    """A record that enough people signed. ``id`` is the digest in its name, ``signers`` are those who counted."""

    id: str
    record: Record
    signers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Listing:
    """What people are asked and have signed, the newest first.

    ``requests`` are those that may be signed and are not carried out yet. ``refused`` are names that count as not
    there, each with the reason; ``unread`` counts older ones that were not read.
    """

    requests: tuple[approvals.Pending, ...]
    records: tuple[Signed, ...]
    refused: tuple[tuple[str, str], ...]
    unread: int


def record_names(repository: Repository, kind: str) -> dict[str, list[Listed]]:
    """Names of the records of a kind with their versions."""
    found: dict[str, list[Listed]] = {}
    for listed in repository.store.list(f"records/{kind}/"):
        with contextlib.suppress(FormatError):
            names.parse(listed.name)
            if not listed.marker:
                found.setdefault(listed.name, []).append(listed)
    return found


def read_signed(repository: Repository, name: str, versions: Sequence[Listed] | None = None) -> Record:
    """Read a record that people signed, and judge them; raises as :func:`read_judged`."""
    return read_judged(repository, name, versions).record


def read_judged(repository: Repository, name: str, versions: Sequence[Listed] | None = None) -> Signed:
    """Read a record that people signed, judge them, and say who they are.

    :param versions: of *name*, where the caller has listed them.
    :raises SignatureError: not enough of the right people, or its root vouches for it no more.
    :raises FormatError, ObjectMissingError: not readable, or not what its name says.
    """
    data = objects.read(repository.store, name, listed=versions, limit=RECORD_LIMIT)
    return _judged(repository, data, name)


def _judged(repository: Repository, data: bytes, name: str) -> Signed:
    record, envelope = record_format.read(data, what=name)
    parts = names.parse(name)
    if (parts.record, parts.at) != (record.kind, record.at):
        raise FormatError("is named after another kind or time than it says", item=name)
    if record.kind not in PEOPLE_KINDS:
        raise SignatureError("is of a kind that a machine signs", item=name)
    if record.request is None:
        raise SignatureError("does not say what people signed it for", item=name)
    if record.by != record.request.by:
        raise SignatureError("names two people who ask for it", item=name)
    approval = require_people(repository, record, record.request, envelope, name)
    return Signed(parts.sha256, record, approval.counted)


def read_witnessed(
    repository: Repository, name: str, versions: Sequence[Listed] | None = None
) -> tuple[Record, Root | None]:
    """Read a record that a machine signed, and check its signature.

    :param versions: of *name*, where the caller has listed them.
    :returns: it, and the first later root link that no longer lets its key sign.
    :raises SignatureError: no key of its root that signs records of its kind signed it, or another one than it says.
    :raises FormatError, ObjectMissingError: not readable, or not what its name says.
    """
    record, envelope = record_format.read(objects.read(repository.store, name, listed=versions), what=name)
    signed = _witness(repository, record, envelope, name)
    if record.request is not None:
        raise FormatError("holds a request, and a machine signed it", item=name)
    if signed.key_id != record.by:
        raise SignatureError("is signed by another key than it says", item=name)
    parts = names.parse(name)
    if (parts.record, parts.at) != (record.kind, record.at):
        raise FormatError("is named after another kind or time than it says", item=name)
    if record.repository != repository.name:
        raise FormatError("belongs to another repository or root", item=name)
    return record, signed.removed


def _witness(repository: Repository, record: Record, envelope: dsse.Envelope, name: str) -> KeySigned:
    """The machine's key that signed a record; the point key signs what a run says of itself, and nothing else.

    Who only backs up cannot say that a restore ended.
    """
    if record.kind == AUDIT and not of_restore(record):
        with contextlib.suppress(SignatureError):
            return verify_signature(repository.chain, record.root, envelope, use="point", at=record.at, what=name)
    return verify_signature(repository.chain, record.root, envelope, use="record", at=record.at, what=name)


def of_restore(record: Record) -> bool:
    """Whether a record is what a restore says of itself, which names its run and its host."""
    return record.kind == AUDIT and {"run", "host"} <= record.subject.keys()


def require_people(
    repository: Repository, record: Record, request: Request, envelope: dsse.Envelope, name: str
) -> Approval:
    """What the people of the record's root say of it.

    :raises SignatureError: not enough of them signed it, or a later root does not let that stand.
    """
    chain = repository.chain
    place = chain.place(record.root)
    if place is None or record.repository != repository.name:
        raise SignatureError("belongs to another repository or root", item=name)
    ids = [signature.key_id for signature in envelope.signatures]
    if ids != sorted(set(ids)):
        raise SignatureError("holds its signatures in another order, or one twice", item=name)
    require_term(request, record.at, name)
    root = chain.links[place].root
    signed = approve(root, record.kind, envelope, request, record.at)
    for later in (root, *(link.root for link in chain.links[place + 1 :])):
        approval = approve(_both(root, later), record.kind, envelope, request, record.at)
        if approval.reached:
            continue
        # who was removed counts for what was known then
        if later is not root and names.parse(name).sha256 in later.records:
            break
        since = "" if later is root else f" since root link {later.link}"
        raise SignatureError(f"lacks{since} {', '.join((*approval.lacking, *approval.refused))}", item=name)
    return signed


def _both(root: Root, later: Root) -> Root:
    """A later link with those of its people alone whom *root* names too: as strict as the link asks, whatever the time.

    What people sign could say any time: where they were fewer, held other roles or were asked for less is not chosen.
    """
    known = {(person.principal, person.public) for person in root.people}
    return dataclasses.replace(
        later, people=tuple(person for person in later.people if (person.principal, person.public) in known)
    )


def retirements(
    repository: Repository, known: Iterable[Retirement], *, now: dt.datetime
) -> tuple[tuple[Retirement, ...], tuple[str, ...]]:
    """All retirements that count, and what was not believed.

    :param known: those that a believed full body has taken in: their records are not read again.
    :param now: the store's time; a retirement that lies ahead does not count yet.
    """
    found = {retirement.record: retirement for retirement in known}
    warnings = []
    listed = record_names(repository, RETIRED)
    for name, versions in listed.items():
        digest = names.parse(name).sha256
        if digest in found:
            continue
        try:
            retirement = retirement_of(read_signed(repository, name, versions), digest)
        except (FormatError, ObjectMissingError) as e:
            warnings.append(f"record {name} is not believed: {e}")
            continue
        if retirement.at <= now:
            found[digest] = retirement
    there = {names.parse(name).sha256 for name in listed}
    return tuple(found[digest] for digest in sorted(found.keys() & there)), tuple(warnings)


def believed_ids(repository: Repository, kinds: Iterable[str] = PEOPLE_KINDS) -> tuple[str, ...]:
    """Digests of all records of these kinds that people signed and that count: a later root link vouches for them."""
    found = set()
    for kind in sorted(kinds):
        for name, versions in record_names(repository, kind).items():
            with contextlib.suppress(FormatError, ObjectMissingError):
                read_signed(repository, name, versions)
                found.add(names.parse(name).sha256)
    return tuple(sorted(found))


def retirement_of(record: Record, digest: str) -> Retirement:
    """What a record of kind ``retired`` says; raises FormatError where it says nothing of the kind."""
    host, stream = record.subject.get("host"), record.subject.get("stream")
    if record.kind != RETIRED or not isinstance(host, str) or not isinstance(stream, str | None):
        raise FormatError("does not say whom it retires", item=digest)
    return Retirement(host, stream, record.at, digest)


def require_understood(document: Record, digest: str) -> None:
    """Raise FormatError where a record that people are asked to sign says nothing that a reader would understand."""
    _UNDERSTOOD.get(document.kind, retirement_of)(document, digest)


_UNDERSTOOD: Mapping[str, Callable[[Record, str], object]] = {
    ACCESS: access_of,
    HOLD_RELEASE: release_of,
    DESTRUCTION: demand_of,
    ESCROW_DESTROYED: escrow_of,
    EXCEPTION: waiver_of,
}


def ask_release(
    repository: Repository, scope: Scope, request: Request, *, since: dt.datetime | None = None
) -> tuple[approvals.Pending, bool]:
    """Ask people to sign that the legal hold of *scope* ends.

    An open request that asks the same, for the same reason, is found and not made again.

    :param since: when the hold was put, as far as is known: what was asked for before does not end it.
    :returns: the request, and whether it was made.
    :raises PolicyError: the root has no people for this, or never enough of them while this one asks.
    """
    now = instant.whole(objects.now(repository.store))
    _require_reachable(repository.root, HOLD_RELEASE, request.by, now)

    def ends_it(known: Record, _digest: str) -> bool:
        return since is None or since <= known.at

    return _asked(repository, HOLD_RELEASE, scope.subject, request, now, ends_it)


def ask_destruction(repository: Repository, demand: Demand, request: Request) -> tuple[approvals.Pending, bool]:
    """Ask people to sign that a class-year's key is destroyed, of which they see what *demand* says.

    Finds and raises as :func:`ask_release`.
    """
    return _asked_now(repository, DESTRUCTION, demand.subject, request)


def ask_access(repository: Repository, window: Window, request: Request) -> tuple[approvals.Pending, bool]:
    """Ask people to sign that somebody has the rights of an identity in this window.

    Finds and raises as :func:`ask_release`.
    """
    return _asked_now(repository, ACCESS, window.subject, request)


def ask_escrow(repository: Repository, key: str, request: Request) -> tuple[approvals.Pending, bool]:
    """Ask who holds the escrow key of that id to sign that it is destroyed. Finds and raises as :func:`ask_release`."""
    return _asked_now(repository, ESCROW_DESTROYED, {"key": key}, request)


def ask_exception(repository: Repository, waiver: Waiver, request: Request) -> tuple[approvals.Pending, bool]:
    """Ask people to accept an exception, of which they sign every word. Finds and raises as :func:`ask_release`.

    :raises PolicyError: it has expired.
    """
    if not waiver.holds(objects.now(repository.store)):
        raise PolicyError(
            f"the exception expired at {instant.to_text(waiver.expires)}",
            item=waiver.id,
            remedy="Give it a later end in holdfast_exceptions, or remove it.",
        )
    return _asked_now(repository, EXCEPTION, waiver.subject, request)


def _asked_now(
    repository: Repository, operation: str, subject: Mapping[str, t.Any], request: Request
) -> tuple[approvals.Pending, bool]:
    now = instant.whole(objects.now(repository.store))
    _require_reachable(repository.root, operation, request.by, now)
    return _asked(repository, operation, subject, request, now, lambda _record, _digest: True)


def ask(
    repository: Repository,
    operation: str,
    *,
    host: str,
    stream: str | None,
    request: Request,
    live: Mapping[tuple[str, str], StreamEntry],
) -> tuple[approvals.Pending, bool]:
    """Ask people to sign that nobody keeps a host's streams, or one of them, any longer.

    An open request that asks the same, for the same reason, of all that is live now is found and not made again.

    :param host: its inventory name or its identity; what people sign names the identity.
    :param stream: None for all streams of the host.
    :param live: the newest snapshot of every stream.
    :returns: the request, and whether it was made.
    :raises PolicyError: the root has no people for this, or never enough of them while this one asks.
    :raises NotFoundError: nothing of the host is live.
    :raises PolicyError: *host* means hosts of different identities.
    """
    now = instant.whole(objects.now(repository.store))
    _require_reachable(repository.root, operation, request.by, now)
    ending = _matching(host, stream, live)
    host_id = ending[0].host_id
    subject = {"host": host_id} if stream is None else {"host": host_id, "stream": stream}

    def ends_all(known: Record, digest: str) -> bool:
        retirement = retirement_of(known, digest)
        return all(retirement.ends(entry) for entry in ending)

    return _asked(repository, operation, subject, request, now, ends_all)


def _asked(
    repository: Repository,
    operation: str,
    subject: Mapping[str, t.Any],
    request: Request,
    now: dt.datetime,
    suits: Callable[[Record, str], bool],
) -> tuple[approvals.Pending, bool]:
    """The open request that says the same and *suits*; else a new one."""
    for pending in approvals.requests(repository):
        known = pending.document
        if (
            isinstance(known, Record)
            and (known.kind, known.subject) == (operation, subject)
            and _same_words(pending.request, request)
            and suits(known, pending.id)
            and approvals.is_open(repository, pending)
        ):
            return pending, False
    record = Record(repository.name, repository.root.id, operation, now, request.by, subject, {}, request)
    return approvals.put_request(repository, record), True


def _require_reachable(root: Root, operation: str, requester: str, now: dt.datetime) -> None:
    rule = root.rule(operation)
    if rule is None:
        raise PolicyError(
            f"the root of repository {root.repository} lets nobody sign for {operation}",
            item=f"holdfast_quorum.{operation}",
            remedy="Declare it, and let the root follow: holdfast.config.repository state=present."
            if root.people
            else "It names no people, and only they can sign its next link: make a repository with holdfast_people.",
        )
    if not quorum.satisfiable(rule, root.people, now, requester=requester):
        raise PolicyError(
            f"if {requester} asks, the people of the root are never enough for {operation}",
            item="requester",
            remedy="Let somebody ask who is not needed to sign, or name more people in the root.",
        )


def _matching(host: str, stream: str | None, live: Mapping[tuple[str, str], StreamEntry]) -> list[StreamEntry]:
    """The live snapshots that a request speaks of; raises NotFoundError where there are none."""
    host_id = identity(host, live.values())
    of_host = [entry for entry in live.values() if entry.host_id == host_id]
    found = [entry for entry in of_host if stream in (None, entry.stream)]
    if not found:
        held = ", ".join(sorted(entry.stream for entry in of_host))
        raise NotFoundError(
            f"host {host} has no live stream" + (f" {stream}" if held else ""),
            item="stream" if held else "host",
            remedy=f"It has {held}."
            if held
            else "Spell it as the inventory does, or give its holdfast_host_id; what is retired is live no more.",
        )
    return found


def _same_words(one: Request, other: Request) -> bool:
    return (one.by, one.reason, one.ticket) == (other.by, other.reason, other.ticket)


def find_completed(repository: Repository, pending: approvals.Pending) -> str | None:
    """The name of the record that a request has become; other signatures under its words are the same record."""
    for name, versions in record_names(repository, pending.operation).items():
        if names.parse(name).at == pending.at:
            with contextlib.suppress(FormatError, ObjectMissingError):
                if read_signed(repository, name, versions) == pending.document:
                    return name
    return None


def complete(repository: Repository, pending: approvals.Pending) -> tuple[str, bool]:
    """Put the record that enough people have signed; returns its name and whether it was not there yet.

    :raises SignatureError: people are missing, or the request is no longer open.
    :raises FormatError: the request says nothing that a reader would understand.
    """
    document = require_record(pending)
    known = find_completed(repository, pending)
    if known is not None:
        return known, False
    require_understood(document, pending.id)
    data = dsse.write(approvals.completed(repository, pending))
    name = names.for_record(pending.operation, pending.at, data)
    # what no reader would believe is not put
    _judged(repository, data, name)
    objects.put(repository.store, name, data, lock_until=_lock(repository, document, repository.store.clock()))
    return name, True


def put_made(
    repository: Repository,
    record: Record,
    *,
    now: dt.datetime,
    keyring: Keyring | None = None,
    use: str = "record",
    noted: Callable[[str], object] | None = None,
) -> str:
    """Put a record that a machine makes, and return the name of its object.

    :param now: the store's time.
    :param keyring: signs it with the key that it says it is by; without one nobody signs it.
    :param use: what that key is for.
    :param noted: called with its name before the store is asked to take it.
    """
    payload = record_format.payload(record)
    if keyring is None:
        data = dsse.write(dsse.Envelope(record_format.PAYLOAD_TYPE, payload, ()))
    else:
        data = sign_envelope(keyring, record_format.PAYLOAD_TYPE, payload, use=use, by=record.by)
    name = names.for_record(record.kind, record.at, data)
    if noted is not None:
        noted(name)
    objects.put(repository.store, name, data, lock_until=_lock(repository, record, now))
    return name


def _lock(repository: Repository, document: Record, now: dt.datetime) -> dt.datetime:
    """Until when a record is locked: what tells of a key that was destroyed longer than others."""
    longest = repository.root.longest_days
    known = class_year(document.subject["key"]) if document.kind in _OF_KEYS else None
    return keep.record_lock(now, longest) if known is None else keep.key_record_lock(now, known[1], longest)


def add_signature(repository: Repository, pending: approvals.Pending, armoured: str) -> bool:
    """Put one person's signature under a request whose words are understood; as :func:`approvals.add_signature`."""
    if isinstance(pending.document, Record):
        require_understood(pending.document, pending.id)
    return approvals.add_signature(repository, pending, armoured)


def require_record(pending: approvals.Pending) -> Record:
    """The record that is asked for; raises SignatureError where it is a root link."""
    if not isinstance(pending.document, Record):
        raise SignatureError(
            "asks for a root link",
            item=pending.id,
            remedy="Complete it with holdfast.config.repository state=present.",
        )
    return pending.document


def listing(repository: Repository, *, most: int = MOST_LISTED) -> Listing:
    """What people are asked and have signed.

    :param most: how many requests, and how many records, are read at most.
    """
    refused: list[tuple[str, str]] = []
    signed: list[Signed] = []
    found = {name: of for kind in sorted(PEOPLE_KINDS) for name, of in record_names(repository, kind).items()}
    for name in _newest(found, most):
        try:
            signed.append(read_judged(repository, name, found[name]))
        except (FormatError, ObjectMissingError) as e:
            refused.append((name, _told(e, name)))
    done = [one.record for one in signed]
    asked = approvals.request_names(repository)
    pending = []
    for name in _newest(asked, most):
        try:
            request = approvals.read_request(repository, name)
        except (FormatError, ObjectMissingError) as e:
            refused.append((name, _told(e, name)))
            continue
        if approvals.is_open(repository, request) and request.document not in done:
            pending.append(request)
    unread = max(len(found) - most, 0) + max(len(asked) - most, 0)
    return Listing(tuple(pending), tuple(signed), tuple(refused), unread)


def _newest(found: Iterable[str], most: int) -> list[str]:
    # the end of a name begins with its time
    return sorted(found, key=lambda name: name.rsplit("/", 1)[1], reverse=True)[:most]


def _told(error: FormatError | ObjectMissingError, name: str) -> str:
    return error.message if error.item in (None, name) else f"{error.message} ({error.item})"
