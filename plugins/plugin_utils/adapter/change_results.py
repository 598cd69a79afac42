# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes and their backups as task results: ids, names and times, no content."""

from __future__ import annotations

import datetime as dt
import json
import textwrap
import typing as t
from collections.abc import Iterator

from ..errors import FormatError, PolicyError
from ..model import instant
from ..model.redaction import visible
from ..model.ticket import Ticket
from ..usecases.change_note import Noted
from ..usecases.change_report import Placed, Report, Row
from ..usecases.points import Point
from . import result_files
from .options import Options

_WIDTH = 80
# of each kind in the text; the file holds all
_LISTED = 200
_DAYS = 31


def time(options: Options, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """``since`` and ``until`` of a task: without them the 31 days before *now*.

    :raises PolicyError: one of them is no moment, or they lie in the wrong order.
    """
    until = _moment(options, "until") or now
    since = _moment(options, "since") or until - dt.timedelta(days=_DAYS)
    if since >= until:
        raise PolicyError("since lies not before until", item="since", remedy="Give the earlier moment in since.")
    return since, until


def noted(done: Noted, *, check: bool) -> dict[str, t.Any]:
    """What was written into a ticket; changed only where it was written now."""
    return {
        "changed": done.written or check,
        "text": done.text,
        "recovery_points": [point.id for point in done.points],
    }


def reported(found: Report, path: str | None, *, check: bool) -> dict[str, t.Any]:
    """A report as a result, and as a file of JSON where *path* names one. Never a change.

    :raises PolicyError: the file cannot be written.
    """
    told: dict[str, t.Any] = {
        "tickets": [_row(row) for row in found.rows],
        "without_ticket": [_point(point) for point in found.without_ticket],
        "unauthorised_changes": [
            {"at": instant.to_text(one.at), **one.subject, **one.detail} for one in found.unauthorised
        ],
    }
    if path is not None and not check:
        result_files.write(path, f"{json.dumps(told, indent=2, sort_keys=True)}\n", "report")
    return {"changed": False, **told, "report": list(_text(found)), "warnings": list(found.warnings[:_LISTED])}


def _moment(options: Options, name: str) -> dt.datetime | None:
    try:
        return None if options[name] is None else instant.from_text(options[name])
    except FormatError as e:
        raise PolicyError(f"{name} {e.message}", item=name, remedy="Give UTC like 2026-11-28T01:00:00Z.") from e


def _row(row: Row) -> dict[str, t.Any]:
    ticket = row.ticket
    return {
        "id": row.id,
        "verified": ticket is not None,
        "kind": "" if ticket is None else ticket.kind,
        "state": "" if ticket is None else ticket.state,
        "approved": ticket is not None and ticket.approved,
        "begins": "" if ticket is None or ticket.begins is None else instant.to_text(ticket.begins),
        "ends": "" if ticket is None or ticket.ends is None else instant.to_text(ticket.ends),
        "recovery_points": [{**_point(placed.point), "window": placed.place} for placed in row.points],
        "lacking": list(row.lacking),
        "why": row.why,
    }


def _point(point: Point) -> dict[str, t.Any]:
    return {
        "recovery_point": point.id,
        "name": point.body.point,
        "change": point.body.change_id,
        "opened_at": instant.to_text(point.body.opened_at),
        "sealed_at": instant.to_text(point.body.sealed_at),
        "complete": point.body.complete,
        "hosts": len(point.body.expected),
    }


def _text(found: Report) -> Iterator[str]:
    yield f"{len(found.rows)} changes, {sum(not row.points for row in found.rows)} of them without a backup"
    for row in found.rows[:_LISTED]:
        yield ""
        yield from _wrapped(f"{visible(row.id)}: {_said(row.ticket, row.why)}")
        for placed in row.points:
            yield f"  {_line(placed.point)} {_window(placed)}"
        yield from (f"  no backup {when} it" for when in row.lacking)
    yield from _more(len(found.rows))
    yield ""
    yield f"{len(found.without_ticket)} backups under no change"
    yield from (f"  {_line(point)}" for point in found.without_ticket[:_LISTED])
    yield from _more(len(found.without_ticket))
    yield ""
    yield f"{len(found.unauthorised)} changes that no ticket allowed"
    for event in found.unauthorised[:_LISTED]:
        components = event.detail.get("components")
        names = ", ".join(map(str, components)) if isinstance(components, list) else ""
        host = event.subject.get("host", "")
        yield from _wrapped(f"  {visible(str(host))}: {visible(names)}, found at {instant.to_text(event.at)}")
    yield from _more(len(found.unauthorised))


def _said(ticket: Ticket | None, why: str) -> str:
    if ticket is None:
        return f"not verified: {visible(why)}"
    bounds = [instant.to_text(one) if one else "open" for one in (ticket.begins, ticket.ends)]
    approved = "approved" if ticket.approved else "not approved"
    return f"{ticket.kind}, {visible(ticket.state)}, {approved}, {' to '.join(bounds)}"


def _line(point: Point) -> str:
    whole = "complete" if point.body.complete else "INCOMPLETE"
    return f"{instant.to_text(point.body.sealed_at)} {point.id[:16]} {visible(point.body.point)[:14]:<14} {whole}"


def _window(placed: Placed) -> str:
    return f"{placed.place} window"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="", subsequent_indent="    ")


def _more(count: int) -> list[str]:
    return [f"... and {count - _LISTED} more"] if count > _LISTED else []
