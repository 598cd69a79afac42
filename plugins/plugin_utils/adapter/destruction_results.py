# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes unreadable with a class-year's key, and how far its destruction is, as results of tasks."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from ..model import instant
from ..usecases.destruction import Destruction, Doomed, Outlook, Standing
from . import results

#: a result names so many snapshots, the newest of live streams first
MOST_LISTED = 1000
_NAMED = 20


def outlook(given: Outlook) -> dict[str, t.Any]:
    """What nobody but escrow can open once the key is gone."""
    first = sorted(given.snapshots, key=lambda one: not one.newest)
    return {
        **given.demand.subject,
        "hosts_left_without": list(given.bare),
        "held": sum(one.held for one in given.snapshots),
        "escrow": list(given.escrow),
        "unreadable": [_doomed(one) for one in first[:MOST_LISTED]],
        "not_listed": max(0, len(first) - MOST_LISTED),
        "not_read": list(given.unread),
    }


def warnings(given: Outlook, *, over: bool) -> list[str]:
    """What who asks, signs or destroys must not overlook.

    :param over: the key is gone.
    """
    newest = [one.entry.spoken for one in given.snapshots if one.newest]
    found = []
    if newest:
        found.append(
            f"the newest copies of {len(newest)} streams {'are' if over else 'would be'} lost: {_some(newest)}"
        )
    if given.bare:
        found.append(f"nothing that opens {'is' if over else 'would be'} left of {_some(given.bare)}")
    if given.in_use:
        found.append(f"backups of class {given.key.retention_class} fail without it: no key of the root follows it")
    if given.unread:
        found.append(f"{len(given.unread)} manifests cannot be read, so that nobody knows whether they are under it")
    return found


def listing(standings: Sequence[Standing], found: Outlook | None) -> dict[str, t.Any]:
    """How far each destruction is, and what one key opens."""
    result: dict[str, t.Any] = {"changed": False, "keys": [_standing(one) for one in standings]}
    if found is not None:
        over = any(one.gone is not None and one.key == found.key.id for one in standings)
        result |= outlook(found)
        result["warnings"] = warnings(found, over=over)
    return result


def destruction(given: Destruction, *, diff: bool) -> dict[str, t.Any]:
    """What became of a key."""
    found = given.outlook
    result = {
        "changed": given.made or given.given_up,
        **outlook(found),
        "demand": given.demand,
        "record": given.record,
        "token_revoked": given.given_up,
        # in check mode nothing is gone, and there is no record
        "warnings": warnings(found, over=bool(given.record)),
    }
    if diff and given.made:
        lost = [f"{_line(one)}: opens" for one in found.snapshots]
        result["diff"] = {
            "before": results.diff_lines([f"key {found.key.id}: there", *lost]),
            "after": results.diff_lines(
                [f"key {found.key.id}: destroyed", *(f"{_line(o)}: lost" for o in found.snapshots)]
            ),
        }
    return result


def _doomed(one: Doomed) -> dict[str, t.Any]:
    entry = one.entry
    return {
        "host": entry.name,
        "host_id": entry.host_id,
        "stream": entry.stream,
        "captured_at": instant.to_text(entry.captured_at),
        "snapshot": entry.manifest.sha256,
        "recovery_points": list(one.points),
        "locked_until": instant.to_text(one.lock_until),
        "newest": one.newest,
        "held": one.held,
    }


def _standing(one: Standing) -> dict[str, t.Any]:
    asked = one.demand.record.request
    gone = one.gone
    return {
        "key": one.key,
        "state": one.state,
        "demand": one.demand.id,
        "signed_by": list(one.demand.signers),
        "asked_at": instant.to_text(one.demand.record.at),
        "expires": instant.to_text(asked.expires) if asked else "",
        "reason": asked.reason if asked else "",
        "ticket": asked.ticket if asked else "",
        "destroyed_at": instant.to_text(gone.at) if gone else "",
        "record": gone.record if gone else "",
        "escrow": [
            {
                "key": key,
                "record": told.record if told else "",
                "signed_by": list(told.signers) if told else [],
            }
            for key, told in sorted(one.escrow.items())
        ],
        "snapshots": one.left,
    }


def _line(one: Doomed) -> str:
    return f"{one.entry.spoken} of {instant.to_text(one.entry.captured_at)}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
