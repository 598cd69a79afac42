# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A note in a change ticket of what a run backed up under it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ..errors import PolicyError
from ..model import instant
from ..tickets.base import Provider
from . import points
from .points import Point
from .repository import Repository
from .run_folder import PointFolder

# hosts named in a note; a ticket is no inventory
_NAMED = 20


@dataclasses.dataclass(frozen=True)
class Noted:
    """The points that a note is about, the oldest first, its text, and whether it was written now."""

    points: tuple[Point, ...]
    text: str
    written: bool


def note(
    repository: Repository, keeper: Provider, ticket_id: str, run: str, state_dir: Path, *, check: bool = False
) -> Noted:
    """Write into a ticket which points a run sealed under it; once, however often it is asked for.

    The note's key is the id of the run's last point under that change: a point that is sealed later is another note. No
    server of tickets writes what is not there yet in one call. Nobody but the run writes notes of its points, so its
    processes do that one after the other.

    :param run: the id of the run.
    :param state_dir: the folder of all runs.
    :param check: write nothing.
    :raises PolicyError: the run has no believed point under that change.
    :raises TicketError, TicketServerError: the note could not be written.
    """
    found, _refused = points.search(
        repository, lambda statement: statement.run == run and statement.change == ticket_id
    )
    if not found:
        raise PolicyError(
            f"this run has sealed no recovery point under change {ticket_id}",
            item=ticket_id,
            remedy="Seal one with that change in the same run, and write the note after it.",
        )
    ordered = tuple(sorted(found, key=lambda point: (point.body.sealed_at, point.id)))
    text = "\n".join(_lines(ordered))
    if check:
        return Noted(ordered, text, written=False)
    with PointFolder(state_dir, run, ordered[-1].body.point).locked():
        return Noted(ordered, text, keeper.note(ticket_id, text, ordered[-1].id))


def _lines(found: tuple[Point, ...]) -> list[str]:
    lines = ["Configuration backed up under this change:"]
    for point in found:
        body = point.body
        whole = "complete" if body.complete else "NOT complete"
        lines.append(
            f"{body.point} {point.id}, sealed at {instant.to_text(body.sealed_at)}, {len(body.expected)} hosts, {whole}"
        )
        lacking = sorted({*body.missing, *(failure.host for failure in body.failed)})
        if lacking:
            more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
            lines.append(f"  without {', '.join(lacking[:_NAMED])}{more}")
    return lines
