# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tickets in a file, for teams whose changes are in no server's hands."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import typing as t
from collections.abc import Mapping
from pathlib import Path

from .. import safe_yaml
from ..errors import FormatError, TicketError, TicketMissingError, TicketServerError
from ..model import instant
from ..model.ticket import KINDS, NORMAL, Ticket
from .base import Provider, digest, line, require_id

_KEYS = ("id", "kind", "state", "approved", "rejected", "requester", "begins", "ends", "items", "url")
_OPEN = ("scheduled", "implement")
_CANCELLED = ("canceled", "cancelled")
_MOST_BYTES = 8 << 20


class FileTickets(Provider):
    """A list of tickets in a YAML or JSON file; notes are lines of JSON in the file beside it that ends in .notes.

    A state of ``scheduled`` or ``implement`` is open. What is wrong with one change is no fault of the others; a file
    that cannot be read as a whole is as a server that is not reached.
    """

    name: t.ClassVar[str] = "file"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes = path.with_name(f"{path.name}.notes")

    def fetch(self, ticket_id: str) -> Ticket:
        require_id(ticket_id)
        found = [given for given in self._read() if _id(given) == ticket_id]
        if not found:
            remedy = "Name a change that the file has."
            raise TicketMissingError(f"{self._path} has no change {ticket_id}", item=ticket_id, remedy=remedy)
        if len(found) > 1:
            raise self._odd(f"has several changes {ticket_id}")
        return self._ticket(found[0])

    def note(self, ticket_id: str, text: str, key: str) -> bool:
        self.fetch(ticket_id)
        entry = {"change": ticket_id, "key": require_id(key), "text": text}
        try:
            descriptor = os.open(
                self._notes, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            # a line that is not UTF-8 is none of ours
            with os.fdopen(descriptor, "r+", encoding="utf-8", errors="backslashreplace") as notes:
                fcntl.flock(notes, fcntl.LOCK_EX)
                if any(_same_note(before, entry) for before in notes):
                    return False
                notes.write(f"{json.dumps(entry, ensure_ascii=False)}\n")
                notes.flush()
                os.fsync(notes.fileno())
        except OSError as e:
            remedy = "Let this user write there."
            raise TicketServerError(
                f"no note can be written: {e.strerror}", item=str(self._notes), remedy=remedy
            ) from e
        return True

    def listed(self, since: dt.datetime, until: dt.datetime) -> tuple[Ticket, ...]:
        tickets = [self._ticket(given) for given in self._read()]
        touching = [
            ticket
            for ticket in tickets
            if (ticket.begins is None or ticket.begins < until) and (ticket.ends is None or ticket.ends > since)
        ]
        return tuple(sorted(touching, key=lambda ticket: ticket.id))

    def _read(self) -> list[Mapping[str, t.Any]]:
        try:
            if self._path.stat().st_size > _MOST_BYTES:
                raise self._unreadable(f"is larger than {_MOST_BYTES} bytes")
            tickets = safe_yaml.load(self._path.read_bytes())
        except OSError as e:
            remedy = "Name a file that this user may read."
            raise TicketServerError(
                f"the tickets cannot be read: {e.strerror}", item=str(self._path), remedy=remedy
            ) from e
        except FormatError as e:
            raise self._unreadable(e.message) from e
        if not isinstance(tickets, list) or not all(isinstance(given, Mapping) for given in tickets):
            raise self._unreadable("is no list of changes")
        return tickets

    def _ticket(self, given: Mapping[str, t.Any]) -> Ticket:
        unknown = [str(key) for key in given if key not in _KEYS]
        kind, items = given.get("kind", NORMAL), given.get("items", [])
        named = f"has a change {line(_id(given))}"
        if unknown:
            raise self._odd(f"{named} with {', '.join(unknown)}, which nobody reads")
        if kind not in KINDS:
            raise self._odd(f"{named} whose kind is none of {', '.join(KINDS)}")
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self._odd(f"{named} whose items are no list of texts")
        for field in ("approved", "rejected"):
            if not isinstance(given.get(field, False), bool):
                raise self._odd(f"{named} whose {field} is neither true nor false")
        state = line(given.get("state"))
        return Ticket(
            id=require_id(_id(given)),
            provider=self.name,
            kind=kind,
            state=state,
            open=state in _OPEN,
            approved=given.get("approved") is True,
            requester=line(given.get("requester")),
            begins=self._moment(given, "begins", named),
            ends=self._moment(given, "ends", named),
            items=tuple(item for item in map(line, items) if item),
            digest=digest({key: _plain(value) for key, value in given.items()}),
            url=line(given.get("url")),
            rejected=given.get("rejected") is True or state in _CANCELLED,
        )

    def _moment(self, given: Mapping[str, t.Any], field: str, named: str) -> dt.datetime | None:
        value = given.get(field)
        if value is None:
            return None
        try:
            return instant.from_text(str(_plain(value)))
        except FormatError:
            raise self._odd(f"{named} whose {field} is no moment like 2026-11-21T01:16:23Z") from None

    def _odd(self, why: str) -> TicketError:
        return TicketError(f"the file of tickets {why}", item=str(self._path), remedy="Correct it and run again.")

    def _unreadable(self, why: str) -> TicketServerError:
        return TicketServerError(f"the file of tickets {why}", item=str(self._path), remedy="Correct it and run again.")


def _id(given: Mapping[str, t.Any]) -> str:
    """The id of an entry; YAML reads one of digits as a number."""
    return str(given.get("id", ""))


def _plain(value: t.Any) -> t.Any:
    """A value as JSON has it: YAML reads moments by itself."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        try:
            return instant.to_text(value)
        except OverflowError:
            return str(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _same_note(written: str, entry: Mapping[str, str]) -> bool:
    try:
        before = json.loads(written)
    except ValueError:
        return False
    return isinstance(before, dict) and all(before.get(field) == entry[field] for field in ("change", "key"))
