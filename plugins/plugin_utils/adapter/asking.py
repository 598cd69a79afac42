# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the options of a task to the request that people are asked to sign: what each operation needs to know."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Mapping

from ..errors import NotFoundError
from ..model.finding import Finding, refuse
from ..model.record import ACCESS, DESTRUCTION, ESCROW_DESTROYED, EXCEPTION, HOLD_RELEASE
from ..model.waiver import Waiver, read_waivers
from ..usecases import access, destruction, legal_hold, points, records
from ..usecases.approvals import Pending
from ..usecases.repository import Repository
from .access_options import window
from .options import Options

ABOUT: Mapping[str, t.Any] = {
    "from": {"type": "str"},
    "until": {"type": "str"},
    "recovery_point": {"type": "str"},
    "exception": {"type": "str"},
}


def ask(options: Options, repository: Repository, now: dt.datetime) -> tuple[Pending, bool]:
    """Make the request of an operation, unless an open one asks the same; returns it, and whether it was made.

    :param now: the store's time.
    :raises PolicyError: options that the operation needs are not given, or it cannot be asked for now.
    :raises NotFoundError: what it is about is not there.
    """
    operation, request = options["operation"], options.asking().request(now)
    if operation == HOLD_RELEASE:
        point, host, stream = (options[name] for name in ("recovery_point", "host", "stream"))
        return legal_hold.ask(repository, point=point, host=host, stream=stream, request=request)
    if operation == DESTRUCTION:
        return destruction.ask(repository, options["key"], request, allow_in_use=options["allow_in_use"])
    if operation == ESCROW_DESTROYED:
        return destruction.ask_escrow(repository, options["key"], request)
    if operation == ACCESS:
        since, until = window(options)
        return access.ask(repository, since=since, until=until, host=options["host"], request=request)
    if operation == EXCEPTION:
        return records.ask_exception(repository, _waiver(options), request)
    live = points.live(repository, now=now).streams
    return records.ask(
        repository, operation, host=options["host"], stream=options["stream"], request=request, live=live
    )


def _waiver(options: Options) -> Waiver:
    """The exception of that id among those of the host the task runs for."""
    findings: list[Finding] = []
    known = {waiver.id: waiver for waiver in read_waivers(options.inherited("exceptions"), findings)}
    refuse(findings)
    wanted = options["exception"]
    if wanted not in known:
        raise NotFoundError(
            "holdfast_exceptions has no exception of that id",
            item=wanted,
            remedy=f"Known here: {', '.join(known)}." if known else "Run this for a host that has it.",
        )
    return known[wanted]
