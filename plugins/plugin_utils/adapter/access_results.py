# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What access somebody has, as task results; what lets in stands in none of them."""

from __future__ import annotations

import datetime as dt
import shlex
import typing as t

from ..model import instant
from ..model.access import Given
from ..usecases.access import Access, Approved, Listing
from ..usecases.access_folder import KEYS, PROFILE, TOKEN, AccessFolder
from . import results

_END = "ansible-playbook -i INVENTORY holdfast.config.access -e access_state=absent"
_RESTORE = "ansible-playbook -i INVENTORY holdfast.config.restore --limit HOST -e restore_newest=true"


def access(given: Access, folder: AccessFolder, *, diff: bool, check: bool) -> dict[str, t.Any]:
    """What was given, or ended, and how it is used."""
    wanted = given.approved
    result: dict[str, t.Any] = {
        "changed": bool(given.changed),
        **(_asked(wanted) if wanted else {}),
        "parts": list(given.changed),
        "token_until": _text(given.until),
        "store_until": _text(given.store_until),
        "record": given.record,
        "environment": {},
        "next_steps": [],
    }
    if wanted is not None and not (check and given.changed):
        result["environment"] = _environment(given, folder)
        result["next_steps"] = _next_steps(result["environment"], folder)
    if given.warnings:
        result["warnings"] = list(given.warnings)
    if diff and given.changed:
        had, has = ("ended", "given") if wanted is not None else ("given", "ended")
        result["diff"] = {
            "before": results.diff_lines([f"{part}: {had}" for part in given.changed]),
            "after": results.diff_lines([f"{part}: {has}" for part in given.changed]),
        }
    return result


def listing(found: Listing) -> dict[str, t.Any]:
    """Who has had access, and has it now, as far as records tell."""
    return {
        "changed": False,
        "accesses": [
            {
                **_asked(row.approved),
                "requester": row.approved.requester,
                "signed_by": list(row.approved.signers),
                "open": row.approved.window.open_at(found.now),
                "given": [_given(one, found.now) for one in row.given],
            }
            for row in found.rows
        ],
        "without_record": [{**_given(one, found.now), "access": one.record} for one in found.strays],
        "not_believed": [{"name": name, "reason": reason} for name, reason in found.refused],
        "not_read": found.unread,
    }


def _asked(wanted: Approved) -> dict[str, t.Any]:
    return {"access": wanted.id, "subject": wanted.window.subject, "ticket": wanted.ticket}


def _given(one: Given, now: dt.datetime) -> dict[str, t.Any]:
    return {
        "ticket": one.ticket,
        "accessor_sha256": one.accessor,
        "until": instant.to_text(one.until),
        "store_until": _text(one.store_until),
        "ended": one.ended,
        "now": now < one.until or (one.store_until is not None and now < one.store_until),
    }


def _environment(given: Access, folder: AccessFolder) -> dict[str, str]:
    """The variables with which a restore uses what was given."""
    found = {
        "HASHI_VAULT_AUTH_METHOD": "token",
        "HASHI_VAULT_TOKEN_PATH": str(folder.path),
        "HASHI_VAULT_TOKEN_FILE": TOKEN,
    }
    if given.store_until is not None:
        found |= {"AWS_SHARED_CREDENTIALS_FILE": str(folder.path / KEYS), "AWS_PROFILE": PROFILE}
    return found


def _next_steps(environment: dict[str, str], folder: AccessFolder) -> list[str]:
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    path = shlex.quote(str(folder.path))
    return [
        f"Restore, with no other login in inventory and environment: {words} {_RESTORE}",
        f"End it when that is done: {_END} -e access_path={path}",
    ]


def _text(moment: dt.datetime | None) -> str:
    return "" if moment is None else instant.to_text(moment)
