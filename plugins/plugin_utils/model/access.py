# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rights for the length of a window: what people sign for, and what the records say of what was given."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Mapping

from ..errors import FormatError, PolicyError
from . import instant
from .record import ACCESS, Record

#: kind of the records that say what was given, or ended early; nobody signs them
ACCESS_GIVEN = "access-given"
#: whose rights are given out; nobody else's are
IDENTITIES = ("restorer",)
#: longer ones are no window
LONGEST = dt.timedelta(hours=24)

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Window:
    """From when until when somebody has the rights of an identity.

    ``host`` says whose configuration they are for. It binds people who read it: no server knows hosts.

    :raises PolicyError: it is none, or a longer one than there may be.
    """

    identity: str
    since: dt.datetime
    until: dt.datetime
    host: str | None = None

    def __post_init__(self) -> None:
        if self.identity not in IDENTITIES:
            raise PolicyError(
                "the rights of this identity are not given out",
                item=self.identity[:64],
                remedy=f"Name one of {', '.join(IDENTITIES)}",
            )
        if not dt.timedelta(0) < self.until - self.since <= LONGEST:
            raise PolicyError(
                f"from {instant.to_text(self.since)} until {instant.to_text(self.until)} is no window",
                item="until",
                remedy=f"Give a later time than from, by {LONGEST // dt.timedelta(hours=1)} hours at most",
            )

    @property
    def subject(self) -> dict[str, str]:
        """What a record says of it."""
        told = {
            "identity": self.identity,
            "from": instant.to_text(self.since),
            "until": instant.to_text(self.until),
        }
        return told if self.host is None else {**told, "host": self.host}

    def open_at(self, now: dt.datetime) -> bool:
        """Whether it has begun and not ended."""
        return self.since <= now < self.until

    def left(self, now: dt.datetime) -> int:
        """Whole seconds until it ends."""
        return int((self.until - now).total_seconds())


@dataclasses.dataclass(frozen=True)
class Given:
    """What a record of kind ``access-given`` says: rights that were given, or that ended early.

    :param record: the digest of the record that people signed for it.
    :param accessor: SHA-256 of the accessor of the token in Vault, by which its audit log is searched.
    :param until: when the token ends; where it ended early, when it did.
    :param store_until: when the keys for the store end; None where none were given.
    """

    record: str
    ticket: str
    accessor: str
    until: dt.datetime
    store_until: dt.datetime | None = None
    ended: bool = False

    @property
    def detail(self) -> dict[str, t.Any]:
        """What a record says of it, beside its subject."""
        told: dict[str, t.Any] = {
            "ticket": self.ticket,
            "accessor": self.accessor,
            "until": instant.to_text(self.until),
            "ended": self.ended,
        }
        return told if self.store_until is None else {**told, "store_until": instant.to_text(self.store_until)}


def access_of(record: Record, digest: str) -> Window:
    """What a record of kind ``access`` allows; raises FormatError where it says nothing of the kind, or more."""
    subject: Mapping[str, t.Any] = record.subject
    host = subject.get("host")
    texts = [subject.get(name) for name in ("identity", "from", "until")]
    if record.kind != ACCESS or not all(isinstance(text, str) for text in texts) or not isinstance(host, str | None):
        raise FormatError("does not say whose rights somebody has, from when and until when", item=digest)
    identity, since, until = map(str, texts)
    try:
        found = Window(identity, instant.from_text(since), instant.from_text(until), host)
    except PolicyError as e:
        raise FormatError(e.message, item=digest) from None
    # what else it says may narrow what people meant
    if found.subject != dict(subject) or record.request is None or not record.request.ticket:
        raise FormatError("does not say whose rights somebody has, for which ticket, and no more", item=digest)
    return found


def given_of(record: Record, digest: str) -> Given:
    """What a record of kind ``access-given`` says; raises FormatError where it says nothing of the kind."""
    of, detail = record.subject.get("record"), record.detail
    ticket, accessor, ended = detail.get("ticket"), detail.get("accessor"), detail.get("ended")
    until, store_until = detail.get("until"), detail.get("store_until")
    if (
        record.kind != ACCESS_GIVEN
        or not all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in (of, accessor))
        or not isinstance(ticket, str)
        or not isinstance(until, str)
        or not isinstance(ended, bool)
        or not isinstance(store_until, str | None)
    ):
        raise FormatError("does not say what was given", item=digest)
    return Given(
        str(of),
        ticket,
        str(accessor),
        instant.from_text(until),
        None if store_until is None else instant.from_text(store_until),
        ended,
    )
