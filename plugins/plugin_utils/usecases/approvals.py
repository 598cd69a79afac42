# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests and the signatures of people under them, until enough have signed.

::

    records/request/…    an envelope of the document to be, with no signature: what people are asked to sign
    records/approval/…   the same payload with the signature of one of them
    root/…, records/retired/…   the same payload with all of them: only now it counts
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import re
from collections.abc import Iterator

from ..errors import FormatError, NotFoundError, ObjectMissingError, PolicyError, SignatureError
from ..format import dsse, names
from ..format import record as record_format
from ..format import root as root_format
from ..keyring import people
from ..model import instant, keep
from ..model.keys import Signature
from ..model.record import Record, Request
from ..model.root import ROOT_OPERATION, Root
from . import objects
from .chain import Approval, approve
from .repository import Repository

REQUEST = "request"
APPROVAL = "approval"
# a root link in base64, its signatures and some air
_LIMIT = 8 * 1024 * 1024
# so many digits that nobody meets them by chance
_ID = re.compile(r"[0-9a-f]{12,64}")


@dataclasses.dataclass(frozen=True)
class Pending:
    """Something that people are asked to sign. ``id`` is the digest in the name of the request."""

    id: str
    document: Record | Root
    envelope: dsse.Envelope

    @property
    def operation(self) -> str:
        """By which name the root's quorum knows it."""
        return self.document.kind if isinstance(self.document, Record) else ROOT_OPERATION

    @property
    def request(self) -> Request:
        """Who asks for it and why."""
        if self.document.request is None:
            raise FormatError("is no request", item=self.id)
        return self.document.request

    @property
    def at(self) -> dt.datetime:
        """When it was asked for."""
        return self.document.at if isinstance(self.document, Record) else self.document.created

    @property
    def to_sign(self) -> bytes:
        """The bytes that people sign: ``ssh-keygen -Y sign -n holdfast.config`` over a file of them."""
        return self.envelope.pae


def put_request(repository: Repository, document: Record | Root) -> Pending:
    """Put a request into the store, and return it."""
    if isinstance(document, Record):
        envelope = dsse.Envelope(record_format.PAYLOAD_TYPE, record_format.payload(document), ())
        at = document.at
    else:
        envelope = dsse.Envelope(root_format.PAYLOAD_TYPE, root_format.payload(document), ())
        at = document.created
    return _pending(_put(repository, REQUEST, at, envelope), envelope)


def requests(repository: Repository) -> Iterator[Pending]:
    """All requests that the store holds and that can be read, the oldest first; whoever asked for them."""
    for name in request_names(repository):
        with contextlib.suppress(FormatError, ObjectMissingError):
            yield read_request(repository, name)


def request_names(repository: Repository) -> list[str]:
    """Names of the requests that the store lists, the oldest first."""
    return _names(repository, f"records/{REQUEST}/")


def read_request(repository: Repository, name: str) -> Pending:
    """Read a request; raises FormatError or ObjectMissingError where it is none."""
    pending = _read(repository, name)
    if pending.envelope.signatures:
        raise FormatError("is signed, which no request is", item=name)
    return pending


def find_request(repository: Repository, id: str) -> Pending:  # noqa: A002
    """The request of that digest, or of its first 12 digits or more; raises NotFoundError or PolicyError."""
    if not _ID.fullmatch(id):
        raise PolicyError(
            f"{id!r} is not the id of a request", item="request", remedy="Give 12 to 64 small hex digits of its id."
        )
    found = []
    # the name ends in the id: of others, which whoever may put could make any number of, none is read
    for name in request_names(repository):
        if names.parse(name).sha256.startswith(id):
            with contextlib.suppress(FormatError, ObjectMissingError):
                found.append(read_request(repository, name))
    if len(found) != 1:
        raise NotFoundError(
            f"{len(found) or 'no'} requests have that id",
            item=id,
            remedy="Give all 64 digits." if found else "List the requests: holdfast.config.record state=listed.",
        )
    return found[0]


def signatures(repository: Repository, pending: Pending) -> tuple[Signature, ...]:
    """What people have signed of it so far, each key once, in the one order that envelopes have."""
    found: dict[str, Signature] = {}
    for signature in _given(repository, pending):
        if judge(repository, pending, (signature,)).counted:
            found.setdefault(signature.key_id, signature)
    return tuple(found[key_id] for key_id in sorted(found))


def refusals(repository: Repository, pending: Pending) -> tuple[str, ...]:
    """Why other signatures that the store holds for it do not count, a sentence each."""
    judged = [judge(repository, pending, (signature,)) for signature in _given(repository, pending)]
    return tuple(dict.fromkeys(_reason(one) for one in judged if not one.counted))


def judge(repository: Repository, pending: Pending, given: tuple[Signature, ...]) -> Approval:
    """What the people of the newest root say of a request with these signatures."""
    envelope = dataclasses.replace(pending.envelope, signatures=given)
    return approve(repository.root, pending.operation, envelope, pending.request, pending.at)


def add_signature(repository: Repository, pending: Pending, armoured: str) -> bool:
    """Put one person's signature under a request; returns whether it was not there yet.

    :param armoured: what ``ssh-keygen -Y sign`` wrote.
    :raises SignatureError: nobody whose signature counts here and now made it.
    """
    require_open(repository, pending)
    blob = people.unarmoured(armoured)
    signature = Signature(people.verify(blob, pending.to_sign).fingerprint, blob)
    envelope = dataclasses.replace(pending.envelope, signatures=(signature,))
    now = repository.store.clock()
    for moment in (pending.at, now):
        judged = approve(repository.root, pending.operation, envelope, pending.request, moment)
        if not judged.counted:
            raise SignatureError(
                f"this signature does not count: {_reason(judged)}",
                item=pending.id,
                remedy="Ask somebody else whom the root names for this to sign.",
            )
    if any(known.key_id == signature.key_id for known in signatures(repository, pending)):
        return False
    _put(repository, APPROVAL, pending.at, envelope)
    return True


def completed(repository: Repository, pending: Pending) -> dsse.Envelope:
    """The envelope of a request with all signatures under it; raises SignatureError where people are missing."""
    require_open(repository, pending)
    given = signatures(repository, pending)
    approval = judge(repository, pending, given)
    if not approval.reached:
        raise SignatureError(
            f"not enough people have signed {pending.operation}: it lacks {', '.join(approval.lacking)}",
            item=pending.id,
            remedy="Let them sign, and add their signatures: holdfast.config.record state=signed.",
        )
    return dataclasses.replace(pending.envelope, signatures=given)


def require_open(repository: Repository, pending: Pending) -> None:
    """Raise SignatureError where nobody may sign a request any more."""
    document = pending.document
    stands_under = document.root if isinstance(document, Record) else document.previous
    if document.repository != repository.name or stands_under not in repository.chain.links[-1].ids:
        raise SignatureError(
            "the request stands under another root than the newest",
            item=pending.id,
            remedy="Ask again: make a new request.",
        )
    now = objects.now(repository.store)
    if pending.at > now:
        # what is signed ahead of its time would take effect when nobody thinks of it any more
        raise SignatureError(
            f"the request says that it was made at {instant.to_text(pending.at)}, which is yet to come",
            item=pending.id,
            remedy="Sign nothing of it; find out who made it.",
        )
    if now > pending.request.expires:
        raise SignatureError(
            f"the request expired at {instant.to_text(pending.request.expires)}",
            item=pending.id,
            remedy="Ask again: make a new request.",
        )


def is_open(repository: Repository, pending: Pending) -> bool:
    """Whether people may still sign a request."""
    try:
        require_open(repository, pending)
    except FormatError:
        return False
    return True


def _given(repository: Repository, pending: Pending) -> Iterator[Signature]:
    """Each signature that the store holds under the words of a request, by whomever."""
    prefix = f"records/{APPROVAL}/{instant.to_text(pending.at)[:7]}/{instant.to_name(pending.at)}-"
    for name in _names(repository, prefix):
        with contextlib.suppress(FormatError, ObjectMissingError):
            envelope = _read(repository, name).envelope
            if envelope.pae == pending.envelope.pae and len(envelope.signatures) == 1:
                yield envelope.signatures[0]


def _reason(judged: Approval) -> str:
    """Why the one signature that was judged does not count: what is missing beside it is told first."""
    return (judged.refused or judged.lacking)[-1]


def _names(repository: Repository, prefix: str) -> list[str]:
    found = set()
    for listed in repository.store.list(prefix):
        with contextlib.suppress(FormatError):
            names.parse(listed.name)
            if not listed.marker:
                found.add(listed.name)
    return sorted(found)


def _read(repository: Repository, name: str) -> Pending:
    data = objects.read(repository.store, name, limit=_LIMIT)
    try:
        envelope = dsse.read(data, record_format.PAYLOAD_TYPE, what=name)
    except FormatError:
        envelope = dsse.read(data, root_format.PAYLOAD_TYPE, what=name)
    pending = _pending(name, envelope)
    if pending.at != names.parse(name).at:
        raise FormatError("is named after another time than it says", item=name)
    return pending


def _pending(name: str, envelope: dsse.Envelope) -> Pending:
    parts = names.parse(name)
    document: Record | Root
    if envelope.payload_type == record_format.PAYLOAD_TYPE:
        document = record_format.read_payload(envelope.payload, what=name)
    else:
        document = root_format.read_payload(envelope.payload, id="", what=name)
    if document.request is None:
        raise FormatError("asks nobody for anything", item=name)
    if isinstance(document, Record) and document.by != document.request.by:
        raise FormatError("names two people who ask for it", item=name)
    return Pending(parts.sha256, document, envelope)


def _put(repository: Repository, kind: str, at: dt.datetime, envelope: dsse.Envelope) -> str:
    data = dsse.write(envelope)
    name = names.for_record(kind, at, data)
    now = repository.store.clock()
    objects.put(repository.store, name, data, lock_until=keep.record_lock(now, repository.root.longest_days))
    return name
