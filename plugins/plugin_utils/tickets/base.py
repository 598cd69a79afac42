# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server of change tickets is asked for, whichever it is."""

from __future__ import annotations

import abc
import datetime as dt
import hashlib
import json
import re
import typing as t

from ..errors import TicketError
from ..model.ticket import Ticket

# what ids of all these servers are made of; nothing of a query or a path
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Provider(abc.ABC):
    """A server of change tickets.

    Every method raises TicketError where the ticket cannot be used, TicketServerError where the server was not reached
    or not understood, and nothing else.
    """

    name: t.ClassVar[str]

    @abc.abstractmethod
    def fetch(self, ticket_id: str) -> Ticket:
        """The ticket of that id; raises TicketMissingError where there is none."""

    @abc.abstractmethod
    def note(self, ticket_id: str, text: str, key: str) -> bool:
        """Write a note to a ticket, once.

        :param text: for people; it is written with the *key*.
        :param key: by which a note is known again: letters, digits, dots and dashes.
        :returns: False where a note of that key is there already.
        """

    @abc.abstractmethod
    def listed(self, since: dt.datetime, until: dt.datetime) -> tuple[Ticket, ...]:
        """The tickets whose window touches that time, in the order of their ids."""


def require_id(ticket_id: str) -> str:
    """Return *ticket_id*; raises TicketError for what is no id of a ticket, before anybody is asked."""
    if _ID.fullmatch(ticket_id):
        return ticket_id
    raise TicketError(
        f"{ticket_id!r} is no id of a change ticket",
        item="change_id",
        remedy="Give it as its server writes it, like CHG0031337: letters, digits, dots, dashes and underscores.",
    )


def digest(fields: t.Mapping[str, t.Any]) -> str:
    """The SHA-256 of a ticket's fields as they were read: JSON with sorted keys and no blanks, in UTF-8."""
    spelled = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(spelled.encode("utf-8", "backslashreplace")).hexdigest()


def line(value: t.Any, most: int = 200) -> str:
    """What a server says as a line for people: no control characters, bounded; empty for what is no text."""
    text = value if isinstance(value, str) else ""
    return "".join(character if character.isprintable() else " " for character in text)[:most].strip()
