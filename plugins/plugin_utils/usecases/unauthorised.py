# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that no ticket allowed: drift of a host without an approved change for it in that time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping

from ..errors import HoldfastError, TicketError
from ..keyring.base import Keyring
from ..model import instant
from ..model.ticket import EMERGENCY, Ticket, names_host
from ..tickets.base import Provider
from . import change, events
from .repository import Repository
from .run_folder import PointFolder

# drift of so many streams is told one by one; what a whole fleet has in common is no event of each host
MOST_EVENTS = 200
_DRIFT = "drift"


@dataclasses.dataclass(frozen=True)
class Drifted:
    """A stream that a run found changed, between its last proof and now; ``components`` names those that differ."""

    host: str
    stream: str
    components: tuple[str, ...]
    since: dt.datetime
    until: dt.datetime


@dataclasses.dataclass(frozen=True)
class Unauthorised:
    """What was changed without a ticket, and a line for what could not be told."""

    drifted: tuple[Drifted, ...]
    warnings: tuple[str, ...]


def drifted(folder: PointFolder) -> tuple[Drifted, ...]:
    """What the hosts of an open point have changed since they were last proven. A first snapshot is no drift."""
    now = folder.read_open().now()
    parts = [
        (host, part, part.entry.key)
        for host, receipt in folder.read_receipts().items()
        for part in receipt.streams
        if part.reason == _DRIFT and part.entry is not None
    ]
    # of a large fleet this is much to read, for nothing in most runs
    proven = folder.read_proven() if parts else {}
    return tuple(
        Drifted(host, part.stream, part.changed, proven[key], now) for host, part, key in parts if key in proven
    )


def unauthorised(
    found: Collection[Drifted],
    own: Mapping[str, t.Any],
    provider: Provider,
    host_names: Callable[[str], Collection[str]],
) -> Unauthorised:
    """Those of the changes that no approved ticket names the host for, in the time in which they were made.

    A change of this run's own ticket is as good as one of another; one that is closed by now as one that is open. Where
    the tickets cannot be listed, or one of them cannot be read, nothing is said of anybody: that is a warning.

    :param own: the run's change, as :func:`change.looked_up` gives it.
    :param host_names: what configuration items may call a host.
    """
    if not found:
        return Unauthorised((), ())
    tickets = [ticket] if (ticket := change.ticket_of(own)) is not None else []
    try:
        tickets += provider.listed(min(one.since for one in found), max(one.until for one in found))
    except TicketError as e:
        return Unauthorised((), (f"whether changes were allowed is not known: {e.message}",))
    return Unauthorised(tuple(one for one in found if not _allowed(one, tickets, host_names(one.host))), ())


def put(
    repository: Repository, keyring: Keyring, found: Iterable[Drifted], point: str, actor: Mapping[str, t.Any]
) -> tuple[str, ...]:
    """Say each change, signed; returns a line for what was not kept.

    :param point: the id of the recovery point that holds what was changed.
    :param actor: who ran the run that found it; its trigger names who changed it, where that is known.
    """
    trigger = actor.get("trigger")
    by = str(trigger.get("by", "")) if isinstance(trigger, Mapping) else ""
    for number, one in enumerate(found):
        if number == MOST_EVENTS:
            return (f"of unauthorised changes the first {MOST_EVENTS} were kept as events",)
        try:
            events.put_event(
                repository,
                keyring,
                events.UNAUTHORISED_CHANGE,
                {"host": one.host, "stream": one.stream, "recovery_point": point},
                {
                    "components": list(one.components),
                    "since": instant.to_text(one.since),
                    "until": instant.to_text(one.until),
                    **({"by": by} if by else {}),
                },
            )
        except HoldfastError as e:
            return (f"an unauthorised change was not kept as an event: {e}",)
    return ()


def _allowed(one: Drifted, tickets: Iterable[Ticket], names: Collection[str]) -> bool:
    return any(
        (ticket.approved or ticket.kind == EMERGENCY)
        and not ticket.rejected
        and (ticket.begins is None or ticket.begins < one.until)
        and (ticket.ends is None or ticket.ends > one.since)
        and names_host(ticket, names)
        for ticket in tickets
    )
