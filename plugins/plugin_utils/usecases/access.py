# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restorer's rights for the length of a window that people have signed for, and gone afterwards.

The servers end what was given: a token of Vault and keys of a role's session cannot be made to last longer. That people
must sign is for this collection to ask, and for records to show: Vault knows no records. docs/guide_access.md says what
that leaves to who holds the broker's login.

A record says what was given. Nobody signs it, since the broker has no key that signs.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import typing as t
from collections.abc import Callable, Iterable

from ..errors import FormatError, HoldfastError, ObjectMissingError, PolicyError, SignatureError, StoreError
from ..format import dsse, names
from ..format import record as record_format
from ..keyring.vault_access import VaultAccess
from ..model import instant
from ..model.access import ACCESS_GIVEN, Given, Window, access_of, given_of
from ..model.record import ACCESS, Record, Request
from . import approvals, legal_hold, objects, records
from .access_folder import KEYS, AccessFolder, Kept, state_of
from .approvals import Pending
from .repository import Repository

if t.TYPE_CHECKING:
    from ..store.s3_client import RoleKeys

# what puts a record that nobody signs
_BY = "access"
# by which a token ends before its window: the time of a call
_CALL_SECONDS = 2
_CALL = dt.timedelta(seconds=_CALL_SECONDS)
# the same of keys for a store, whose server says when they end, by a clock of its own
_KEYS_SECONDS = 30
# STS gives no shorter sessions
SHORTEST_KEYS = 900
# keys for the store that end sooner are given anew while the window lasts
_SPENT = dt.timedelta(minutes=5)

Assume = Callable[[str, int], "RoleKeys"]


@dataclasses.dataclass(frozen=True)
class Approved:
    """A window that people have signed for. ``id`` is the digest in the record's name."""

    id: str
    window: Window
    ticket: str
    requester: str
    signers: tuple[str, ...]

    @property
    def meta(self) -> dict[str, str]:
        """What the servers' logs are to say."""
        return {"ticket": self.ticket, "record": self.id, "requester": self.requester}


@dataclasses.dataclass(frozen=True)
class Access:
    """What somebody has now.

    ``changed`` are the parts that were given or ended, or would be in check mode: ``token`` and ``store``. ``record``
    is the digest of the record that says so; empty where nothing changed. ``until`` and ``store_until`` are None where
    there is no such part.
    """

    approved: Approved | None
    changed: tuple[str, ...]
    until: dt.datetime | None = None
    store_until: dt.datetime | None = None
    record: str = ""
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Row:
    """A window that people have signed for, and what was given for it, each token once."""

    approved: Approved
    given: tuple[Given, ...]


@dataclasses.dataclass(frozen=True)
class Listing:
    """All that records tell, the newest first.

    ``strays`` are what was given for no record that counts; ``refused`` names that count as not there, with the reason;
    ``unread`` counts older ones that were not read. ``now`` is the store's time.
    """

    rows: tuple[Row, ...]
    strays: tuple[Given, ...]
    refused: tuple[tuple[str, str], ...]
    unread: int
    now: dt.datetime


def ask(
    repository: Repository, *, since: dt.datetime, until: dt.datetime, host: str | None, request: Request
) -> tuple[Pending, bool]:
    """Ask people to sign that somebody has the restorer's rights from *since* until *until*.

    :param host: a name that the host has or had, or its identity; None where it is for no one of them.
    :returns: the request, and whether it was made.
    :raises PolicyError: it names no ticket, the window is none, or has ended; or as :func:`records.ask`.
    :raises NotFoundError: nothing of the host is there.
    """
    if not request.ticket:
        raise PolicyError(
            "access is given for a ticket, and none is named",
            item="ticket",
            remedy="Give ticket, or change.id: the servers' logs will name it",
        )
    host_id = None if host is None else legal_hold.scope(repository, host=host).host
    window = Window("restorer", since, until, host_id)
    if until <= objects.now(repository.store):
        raise PolicyError(
            "the window has ended already", item="until", remedy="Give a time that is yet to come, in UTC"
        )
    return records.ask_access(repository, window, request)


def approved(repository: Repository, pending: Pending) -> Approved:
    """The window that people have signed for by a request.

    :raises SignatureError: no record of it counts.
    :raises PolicyError: it asks for something else.
    """
    if pending.operation != ACCESS:
        raise PolicyError(
            f"the request asks for {pending.operation}, not for access", item=pending.id, remedy="Name another request"
        )
    name = records.find_completed(repository, pending)
    if name is None:
        approval = approvals.judge(repository, pending, approvals.signatures(repository, pending))
        lacking = f": it lacks {', '.join(approval.lacking)}" if approval.lacking else ""
        raise SignatureError(
            f"no record that people have signed allows this access{lacking}",
            item=pending.id,
            remedy="Let them sign, and complete it: holdfast.config.record state=present",
        )
    return _approved(records.read_judged(repository, name))


def present(
    repository: Repository,
    broker: VaultAccess,
    folder: AccessFolder,
    wanted: Approved,
    *,
    assume: Assume | None = None,
    longest_keys: int = 3600,
    check: bool = False,
) -> Access:
    """Give the rights for what is left of the window, unless they are there.

    :param assume: asks for keys of the store: name of the session and seconds to keys; None where none are needed.
    :param longest_keys: how many seconds such keys may last at most.
    :raises PolicyError: the window has not begun, or has ended.
    :raises KeyringError, StoreError: a server refuses; nothing was given then.
    """
    now = objects.now(repository.store)
    _require_open(wanted.window, now)
    kept = folder.read()
    mine = kept if kept is not None and _lasts(kept, wanted, broker, folder) else None
    store_until = _keys_until(kept, wanted, folder, now)
    warnings: list[str] = []
    seconds = 0
    if assume is not None and (store_until is None or store_until <= now + _SPENT):
        seconds = min(wanted.window.left(now) - _KEYS_SECONDS, longest_keys)
        if seconds < SHORTEST_KEYS:
            seconds = 0
            warnings += (_too_short(wanted.window),) if store_until is None else ()
    parts = (*(("token",) if mine is None else ()), *(("store",) if seconds else ()))
    if not parts or check:
        return Access(wanted, parts, None if mine is None else mine.until, store_until, warnings=tuple(warnings))
    if kept is not None and mine is None:
        # nobody here would end it any more
        broker.end(kept.accessor)
    given, record = _give(repository, broker, folder, wanted, mine, store_until, assume, seconds, now)
    if given.until < instant.whole(wanted.window.until) - 2 * _CALL:
        until_then = instant.to_text(given.until)
        warnings.append(f"the role in Vault lets the token last until {until_then} alone; run this again then")
    return Access(wanted, parts, given.until, given.store_until, record, tuple(warnings))


def absent(repository: Repository, broker: VaultAccess, folder: AccessFolder, *, check: bool = False) -> Access:
    """End what was given before its time, and remove the files, also where nothing says any more how it is ended.

    :raises KeyringError: Vault does not end it; the files stay.
    """
    try:
        kept = folder.read()
    except FormatError:
        kept = None
    if kept is None:
        return _forgotten(folder, check=check)
    now = objects.now(repository.store)
    keys_until = kept.store_until if kept.store_until is not None and kept.store_until > now else None
    warnings: tuple[str, ...] = ()
    if keys_until is not None:
        told = instant.to_text(keys_until)
        warnings = (f"keys for the store cannot be ended: who has copied them may use them until {told}",)
    parts = ("token", *(() if kept.store_until is None else ("store",)))
    if check:
        return Access(None, parts, warnings=warnings)
    broker.end(kept.accessor)
    record = ""
    if now < kept.until:
        ended = Given(kept.record, kept.ticket, _digest(kept.accessor), now, kept.store_until, ended=True)
        record = _note(repository, ended, now)
    folder.clear()
    return Access(None, parts, None, keys_until, record, warnings)


def _forgotten(folder: AccessFolder, *, check: bool) -> Access:
    """Remove the files where nothing says how what is in them is ended."""
    left = folder.left()
    if not left:
        return Access(None, ())
    if not check:
        folder.clear()
    told = (
        "nothing here says how this access is ended: a token that was given lives until its own end, and so do keys for"
        " the store; an administrator of Vault ends the token, and knows it by the ticket in its metadata"
    )
    parts = ("token", *(("store",) if KEYS in left else ()))
    return Access(None, parts, warnings=(told,))


def listing(repository: Repository, *, most: int = records.MOST_LISTED) -> Listing:
    """Who has had access and has it now, as far as records tell.

    :param most: how many records of each of both kinds are read at most.
    """
    now = objects.now(repository.store)
    refused: list[tuple[str, str]] = []
    signed: list[Approved] = []
    names_of = {kind: records.record_names(repository, kind) for kind in (ACCESS, ACCESS_GIVEN)}
    for name in _newest(names_of[ACCESS], most):
        try:
            signed.append(_approved(records.read_judged(repository, name, names_of[ACCESS][name])))
        except (FormatError, ObjectMissingError) as e:
            refused.append((name, e.message))
    told: dict[str, list[Given]] = {}
    for name in _newest(names_of[ACCESS_GIVEN], most):
        try:
            one = _read_given(repository, name, now)
        except (FormatError, ObjectMissingError) as e:
            refused.append((name, e.message))
            continue
        told.setdefault(one.accessor, []).append(one)
    given = [_joined(of) for of in told.values()]
    rows = [Row(one, tuple(each for each in given if each.record == one.id)) for one in signed]
    known = {one.id for one in signed}
    strays = tuple(each for each in given if each.record not in known)
    unread = sum(max(len(of) - most, 0) for of in names_of.values())
    return Listing(tuple(rows), strays, tuple(refused), unread, now)


def _approved(signed: records.Signed) -> Approved:
    window = access_of(signed.record, signed.id)
    request = t.cast("Request", signed.record.request)
    return Approved(signed.id, window, request.ticket, request.by, signed.signers)


def _require_open(window: Window, now: dt.datetime) -> None:
    if window.left(now) > _CALL_SECONDS and window.open_at(now):
        return
    told = f"it is from {instant.to_text(window.since)} until {instant.to_text(window.until)}"
    if now < window.since:
        raise PolicyError(f"the window has not begun: {told}", item="request", remedy="Run this again then")
    raise PolicyError(
        f"the window has ended: {told}", item="request", remedy="Ask people for another: holdfast.config.record"
    )


def _lasts(kept: Kept, wanted: Approved, broker: VaultAccess, folder: AccessFolder) -> bool:
    """Whether the files are for that window, and their token has not ended."""
    return kept.record == wanted.id and folder.holds(kept) and broker.left(kept.accessor) > 0


def _keys_until(kept: Kept | None, wanted: Approved, folder: AccessFolder, now: dt.datetime) -> dt.datetime | None:
    """When keys for the store end that are there for that window, whatever became of its token; None without any."""
    if kept is None or kept.record != wanted.id or kept.store_until is None or not folder.has_keys:
        return None
    return kept.store_until if kept.store_until > now else None


def _too_short(window: Window) -> str:
    until = instant.to_text(window.until)
    return (
        f"no keys for the store: the window ends at {until}, and no server gives any for less than {SHORTEST_KEYS} "
        "seconds; ask people for a longer one"
    )


def _give(
    repository: Repository,
    broker: VaultAccess,
    folder: AccessFolder,
    wanted: Approved,
    mine: Kept | None,
    store_until: dt.datetime | None,
    assume: Assume | None,
    seconds: int,
    now: dt.datetime,
) -> tuple[Kept, str]:
    """Give a token unless *mine* is one, and keys for so many *seconds*; returns what is known, and the record.

    Without other keys those that are there until *store_until* stay. What was given is ended again where a later step
    fails: nobody has what no record tells of.
    """
    secret = None
    kept = mine
    if kept is None:
        token = broker.give(seconds=wanted.window.left(now) - _CALL_SECONDS, meta=wanted.meta)
        secret = token.secret
        until = instant.whole(now) + dt.timedelta(seconds=token.seconds)
        kept = state_of(
            record=wanted.id,
            ticket=wanted.ticket,
            accessor=token.accessor,
            secret=secret,
            until=until,
            store_until=store_until,
        )
    try:
        keys = _assumed(assume, wanted, seconds) if assume is not None and seconds else None
        if keys is not None:
            kept = dataclasses.replace(kept, store_until=keys.until)
        told = Given(wanted.id, wanted.ticket, _digest(kept.accessor), kept.until, kept.store_until)
        record = _note(repository, told, now)
        folder.write(kept, secret, keys)
    except HoldfastError:
        if secret is not None:
            broker.end(kept.accessor)
        raise
    return kept, record


def _assumed(assume: Assume, wanted: Approved, seconds: int) -> RoleKeys:
    keys = assume(wanted.ticket, seconds)
    if keys.until > wanted.window.until:
        raise StoreError(
            f"the store gave keys until {instant.to_text(keys.until)}, after the window, and they are not kept",
            item=instant.to_text(wanted.window.until),
            remedy="Look at the clock of the server that gives them, and run again",
        )
    return keys


def _note(repository: Repository, given: Given, now: dt.datetime) -> str:
    """Put a record of what was given or ended, and return its digest."""
    at = instant.whole(now)
    subject = {"identity": "restorer", "record": given.record}
    record = Record(repository.name, repository.root.id, ACCESS_GIVEN, at, _BY, subject, given.detail)
    return names.parse(records.put_made(repository, record, now=now)).sha256


def _read_given(repository: Repository, name: str, now: dt.datetime) -> Given:
    data = objects.read(repository.store, name, limit=records.RECORD_LIMIT)
    payload = dsse.read(data, record_format.PAYLOAD_TYPE, what=name).payload
    record = record_format.read_payload(payload, what=name)
    if record.repository != repository.name or record.at != names.parse(name).at or record.at > now:
        raise FormatError(
            "belongs to another repository, or another time than its name says or the store has", item=name
        )
    return given_of(record, name)


def _joined(told: Iterable[Given]) -> Given:
    """All that records tell of one token: who puts one more can say that it ended sooner, never later."""
    every = list(told)
    keys = [one.store_until for one in every if one.store_until is not None]
    return dataclasses.replace(
        every[-1],
        until=min(one.until for one in every),
        store_until=max(keys) if keys else None,
        ended=any(one.ended for one in every),
    )


def _newest(found: Iterable[str], most: int) -> list[str]:
    # the end of a name begins with its time
    return sorted(found, key=lambda name: name.rsplit("/", 1)[1], reverse=True)[:most]


def _digest(accessor: str) -> str:
    return hashlib.sha256(accessor.encode()).hexdigest()
