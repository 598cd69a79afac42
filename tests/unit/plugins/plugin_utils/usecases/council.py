# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""People with FIDO2 keys that need no finger: asking, signing and completing in one call each, and past the code."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import shutil
import typing as t
from collections.abc import Iterable, Sequence
from pathlib import Path

from ansible_collections.holdfast.config.plugins.plugin_utils.format import dsse, names
from ansible_collections.holdfast.config.plugins.plugin_utils.format import record as record_format
from ansible_collections.holdfast.config.plugins.plugin_utils.format import root as root_format
from ansible_collections.holdfast.config.plugins.plugin_utils.keyring import people
from ansible_collections.holdfast.config.plugins.plugin_utils.model import instant
from ansible_collections.holdfast.config.plugins.plugin_utils.model.keys import Signature
from ansible_collections.holdfast.config.plugins.plugin_utils.model.record import Record, Request
from ansible_collections.holdfast.config.plugins.plugin_utils.model.root import Person, Quorum, Root
from ansible_collections.holdfast.config.plugins.plugin_utils.store.base import Store
from ansible_collections.holdfast.config.plugins.plugin_utils.store.memory import MemoryStore
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases import approvals, objects, records, succession
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.approvals import Pending
from ansible_collections.holdfast.config.plugins.plugin_utils.usecases.repository import open_repository
from ansible_collections.holdfast.config.tests.unit.plugins.plugin_utils.keyring.skemu import (
    TOUCHED,
    VERIFIED,
    Authenticator,
)

from .lab import NAME, START, Clock, Lab, declared

SECOND = dt.timedelta(seconds=1)
DAY = dt.timedelta(days=1)
EVER = START + 3650 * DAY
LOCK = START + 4000 * DAY
NOBODY = "0" * 64
ROLES = {
    "alice": ("security",),
    "bob": ("operations",),
    "carol": ("operations", "security"),
    "dave": ("audit",),
    "erin": ("operations",),
    "mallory": ("operations", "security"),
}
ROOT = Quorum("root", 2, ())
RETIRED = Quorum("retired", 2, ("security", "operations"))
QUORUM = (RETIRED, ROOT)
# mallory is not of them until a root says so
EVERYBODY = ("alice", "bob", "carol", "dave", "erin")
ASKING = succession.Asking("frank", "it is time", "CHG7")
_nonces = itertools.count(1)


def key_of(name: str, which: int = 0) -> Authenticator:
    """The key of a person; another one for each *which*."""
    return Authenticator(seed=1 + list(ROLES).index(name) + 100 * which)


def person(name: str, *, which: int = 0, **changes: t.Any) -> Person:
    """A person as a root names them."""
    return dataclasses.replace(Person(name, ROLES[name], key_of(name, which).line, START - DAY, EVER), **changes)


def persons(*who: str) -> tuple[Person, ...]:
    """Several of them; everybody where none is named."""
    return tuple(person(name) for name in who or EVERYBODY)


def signature(name: str, pae: bytes, *, which: int = 0, flags: int = TOUCHED | VERIFIED, counter: int = 7) -> Signature:
    """What a person's key makes of these bytes."""
    key = key_of(name, which)
    return Signature(people.fingerprint(key.line), key.sign(pae, flags=flags, counter=counter))


def by_people(pae: bytes, who: Iterable[str]) -> tuple[Signature, ...]:
    """Their signatures in the order that envelopes have."""
    return tuple(sorted((signature(name, pae) for name in who), key=lambda given: given.key_id))


def governed(
    path: Path,
    keys: Path,
    clock: Clock,
    *,
    named: Sequence[Person] | None = None,
    quorum: Sequence[Quorum] = QUORUM,
    store: Store | None = None,
) -> Lab:
    """A repository whose root names people, with a keyring of its own at ``path/keyring``."""
    shutil.copytree(keys, path / "keyring")
    return Lab.make(
        path,
        store or MemoryStore(now=clock),
        path / "keyring",
        clock,
        people=persons() if named is None else named,
        quorum=quorum,
    )


def all_sign(lab: Lab, pending: Pending, *who: str) -> None:
    """Add the signatures of these people to a request."""
    for name in who:
        blob = signature(name, pending.to_sign).signature
        assert approvals.add_signature(lab.repository, pending, people.armoured(blob))


def request_of(lab: Lab, *, lasts: dt.timedelta = 7 * DAY, **words: str) -> Request:
    """What people are asked now."""
    given = {"by": ASKING.by, "reason": ASKING.reason, "ticket": ASKING.ticket, "nonce": f"{next(_nonces):032x}"}
    return Request(**{**given, **words}, expires=instant.whole(lab.store.clock()) + lasts)


def reopened(lab: Lab, pin: str | None = None) -> Lab:
    """The lab as who opens its repository now sees it."""
    pin = pin or lab.repository.chain.links[0].root.id
    return dataclasses.replace(lab, repository=open_repository(lab.store, pin=pin))


# Through the use cases


def presented(lab: Lab, **more: t.Any) -> succession.Outcome:
    """What ``repository state=present`` makes of the repository now.

    :param more: ``keyring``, ``store``, ``pin``, ``asking`` and ``check``; all others are what is wanted.
    """
    given = {name: more.pop(name) for name in ("pin", "asking", "check") if name in more}
    return succession.present(
        more.pop("store", lab.store),
        more.pop("keyring", lab.keyring),
        name=NAME,
        wanted=succession.Wanted(**{"classes": declared().classes, **more}),
        **{"pin": lab.repository.chain.links[0].root.id, "asking": ASKING, **given},
    )


def followed(lab: Lab, *who: str, **wanted: t.Any) -> Lab:
    """Ask for another root link, let these people sign it, put it; alice and bob unless told otherwise."""
    asked = presented(lab, **wanted)
    assert asked.state == "asked"
    assert asked.pending is not None
    all_sign(lab, asked.pending, *(who or ("alice", "bob")))
    assert presented(lab, **wanted).state == "followed"
    return reopened(lab)


def retired(lab: Lab, host: str, *who: str, stream: str | None = None) -> str:
    """Ask to retire a host, let these people sign it, complete it; return the record's name."""
    pending, _made = records.ask(
        lab.repository, "retired", host=host, stream=stream, request=request_of(lab), live=lab.live().streams
    )
    all_sign(lab, pending, *(who or ("alice", "bob")))
    return records.complete(lab.repository, pending)[0]


# Past the code, as whoever may put can


def successor(lab: Lab, **changes: t.Any) -> Root:
    """A link that could follow the newest one."""
    head = lab.repository.root
    given = {
        "id": "",
        "link": head.link + 1,
        "previous": head.id,
        "created": instant.whole(lab.store.clock()),
        "tips": lab.live().tips,
        "request": request_of(lab),
    }
    return dataclasses.replace(head, **{**given, **changes})


def link_envelope(root: Root, *who: str) -> dsse.Envelope:
    """A link with the signatures of these people, in their order."""
    payload = root_format.payload(root)
    signatures = by_people(dsse.pae(root_format.PAYLOAD_TYPE, payload), who)
    return dsse.Envelope(root_format.PAYLOAD_TYPE, payload, signatures)


def put_link(lab: Lab, root: Root, *who: str, number: int | None = None) -> str:
    """Put a link that these people signed; return its id."""
    return put_envelope(lab, number or root.link, link_envelope(root, *who))


def put_envelope(lab: Lab, number: int, envelope: dsse.Envelope, *, lock: dt.datetime = LOCK) -> str:
    """Put any envelope as root link *number*; return its id."""
    data = dsse.write(envelope)
    return names.parse(objects.put(lab.store, names.for_root(number, data), data, lock_until=lock).name).sha256


def retiring(lab: Lab, host: str = "h", **changes: t.Any) -> Record:
    """A record that retires a host, of now."""
    request = changes.pop("request", None) or request_of(lab)
    now = instant.whole(lab.store.clock())
    record = Record(NAME, lab.repository.root.id, "retired", now, request.by, {"host": host}, {}, request)
    return dataclasses.replace(record, **changes)


def put_record(lab: Lab, record: Record, *who: str, signatures: Sequence[Signature] | None = None) -> str:
    """Put a record that these people signed, or with just these signatures; return its name."""
    payload = record_format.payload(record)
    given = by_people(dsse.pae(record_format.PAYLOAD_TYPE, payload), who) if signatures is None else tuple(signatures)
    data = dsse.write(dsse.Envelope(record_format.PAYLOAD_TYPE, payload, given))
    return objects.put(lab.store, names.for_record(record.kind, record.at, data), data, lock_until=LOCK).name
