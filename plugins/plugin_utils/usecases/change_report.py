# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change tickets beside the recovery points made under them, both ways."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..errors import HoldfastError, TicketError
from ..model.ticket import Ticket, names_host
from ..tickets.base import Provider
from . import events, points
from .events import Event
from .points import Point
from .repository import Repository

# when a point was opened, seen from its ticket's window
BEFORE, INSIDE, AFTER = "before", "inside", "after"
# so long before its window a change is backed up, and after it
MARGIN = dt.timedelta(days=1)
# windows may be open for years, and each point of that time would be read
FARTHEST = dt.timedelta(days=31)


@dataclasses.dataclass(frozen=True)
class Placed:
    """A recovery point, and where its opening lies in its ticket's window: BEFORE, INSIDE or AFTER."""

    point: Point
    place: str


@dataclasses.dataclass(frozen=True)
class Row:
    """A ticket with the points made under it, the oldest first.

    ``ticket`` is None where it was not read, and ``why`` says why not. ``lacking`` is as :func:`lacking` gives it.
    """

    id: str
    ticket: Ticket | None
    points: tuple[Placed, ...]
    lacking: tuple[str, ...]
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Report:
    """Tickets by id; points under no change; changes that nobody allowed; and lines for what could not be read."""

    rows: tuple[Row, ...]
    without_ticket: tuple[Point, ...]
    unauthorised: tuple[Event, ...]
    warnings: tuple[str, ...]


def report(
    repository: Repository, keeper: Provider, *, since: dt.datetime, until: dt.datetime, ids: Collection[str] = ()
) -> Report:
    """What was changed under which ticket in that time, and what was backed up around it.

    Of each ticket it tells of the points sealed in that time, and of those from MARGIN before its window to MARGIN
    after it, as far as FARTHEST beyond that time.

    :param ids: tickets to report beside those whose window touches the time and those that points name.
    """
    told, doubted = events.events(repository, since=since, until=until)
    warnings = []
    known: dict[str, _Asked] = {}
    try:
        known = {ticket.id: _Asked(ticket) for ticket in keeper.listed(since, until)}
    except TicketError as e:
        warnings.append(f"which changes there were is not known: {e.message}")
    known |= {one: _ask(keeper, one) for one in ids if one not in known}
    first, last = _around(known.values(), since, until)
    found, refused = _search(repository, first, last)
    within = [point for point in found if since <= point.body.sealed_at <= until]
    named = {point.body.change_id for point in within} - {""}
    known |= {one: _ask(keeper, one) for one in sorted(named - known.keys())}
    wider = _around(known.values(), since, until)
    if wider != (first, last):
        found, refused = _search(repository, *wider)
    warnings += [*(f"{name}: {error.message}" for name, error in refused), *doubted]
    under: dict[str, list[Point]] = {}
    for point in found:
        under.setdefault(point.body.change_id, []).append(point)
    return Report(
        rows=tuple(_row(one, known[one], under.get(one, ()), since, until) for one in sorted(known)),
        without_ticket=tuple(point for point in within if not point.body.change_id),
        unauthorised=tuple(event for event in told if event.event == events.UNAUTHORISED_CHANGE),
        warnings=tuple(warnings),
    )


@dataclasses.dataclass(frozen=True)
class _Asked:
    """A ticket, or why there is none."""

    ticket: Ticket | None
    why: str = ""


def _ask(keeper: Provider, ticket_id: str) -> _Asked:
    try:
        return _Asked(keeper.fetch(ticket_id))
    except TicketError as e:
        return _Asked(None, e.message)


def _search(
    repository: Repository, since: dt.datetime, until: dt.datetime
) -> tuple[list[Point], list[tuple[str, HoldfastError]]]:
    """Points sealed in that time, the oldest first, and those that are not believed."""
    read, refused = points.search(repository, lambda statement: statement.sealed_at <= until, since=since)
    return sorted(read, key=lambda point: (point.body.sealed_at, point.id)), refused


def _around(asked: Iterable[_Asked], since: dt.datetime, until: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The time in which the points of all these tickets lie, and that which is reported."""
    bounds = [(since, until), *(_of_ticket(one.ticket, since, until) for one in asked)]
    return min(first for first, _last in bounds), max(last for _first, last in bounds)


def _of_ticket(ticket: Ticket | None, since: dt.datetime, until: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The time that is reported, and beyond it the ticket's window and a margin, as far as FARTHEST."""
    first, last = since, until
    if ticket is not None and ticket.begins is not None:
        first = min(since, max(_moved(ticket.begins, -MARGIN), _moved(since, -FARTHEST)))
    if ticket is not None and ticket.ends is not None:
        last = max(until, min(_moved(ticket.ends, MARGIN), _moved(until, FARTHEST)))
    return first, last


def _moved(moment: dt.datetime, by: dt.timedelta) -> dt.datetime:
    try:
        return moment + by
    except OverflowError:
        # what ends at the calendar's end has no end
        return moment


def _row(ticket_id: str, asked: _Asked, made: Iterable[Point], since: dt.datetime, until: dt.datetime) -> Row:
    ticket = asked.ticket
    first, last = _of_ticket(ticket, since, until)
    made = [point for point in made if first <= point.body.sealed_at <= last]
    placed = tuple(Placed(point, _place(point, ticket)) for point in made)
    places: dict[str, list[str]] = {}
    for one in placed:
        body = one.point.body
        without = {*body.missing, *(failure.host for failure in body.failed)}
        for host in body.expected:
            places.setdefault(host, []).extend(() if host in without else (one.place,))
    # a host that the change does not name is refused under it, and lacks nothing; where it names none of them by the
    # inventory's names, nobody can tell
    named = {host: held for host, held in places.items() if ticket is not None and names_host(ticket, (host,))}
    return Row(ticket_id, ticket, placed, lacking(named or places), asked.why)


def lacking(places: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What there is no backup of for some host: BEFORE and AFTER the change, one of them, or nothing.

    Inside its window nobody knows when the work began: of points made there, the first counts as before it unless the
    host has one from before the window, and the last as after it unless it is the one that counts as before.

    :param places: of the points that hold each host.
    """
    if not places:
        return BEFORE, AFTER
    before = all(BEFORE in held or INSIDE in held for held in places.values())
    after = all(AFTER in held or (INSIDE in held and len(held) > 1) for held in places.values())
    return (*(() if before else (BEFORE,)), *(() if after else (AFTER,)))


def _place(point: Point, ticket: Ticket | None) -> str:
    opened = point.body.opened_at
    if ticket is not None and ticket.begins is not None and opened < ticket.begins:
        return BEFORE
    if ticket is not None and ticket.ends is not None and opened >= ticket.ends:
        return AFTER
    return INSIDE
