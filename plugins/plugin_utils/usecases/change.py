# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The change of a run: what its ticket says, and whether that permits what is to be done."""

from __future__ import annotations

import datetime as dt
import typing as t
from collections.abc import Collection, Iterable, Mapping

from ..errors import FormatError, PolicyError, TicketError, TicketServerError
from ..model import instant
from ..model.ticket import BACKUP, RECORD, REFUSE, REQUIRE, ChangeRule, Refusal, Ticket, judge
from ..tickets.base import Provider

# how a change says of itself, in a run's point, that its ticket was not seen; the reason follows
UNVERIFIED = "unverified"
# and that the server has no such ticket
REFUSED = "refused"
TICKET = "ticket"
_NO_ID = "no change is named"


class ChangeRefusedError(PolicyError):
    """The change does not permit this: nothing was touched."""


def looked_up(change: Mapping[str, t.Any], provider: Provider | None, now: dt.datetime) -> dict[str, t.Any]:
    """The change with what its ticket says at *now*, or with why that is not known.

    Without a *provider* it stays as it was given: nobody keeps tickets here.
    """
    given = unnamed(change, kept=False)
    if provider is None:
        return given
    ticket_id = given.get("id")
    if not ticket_id:
        return unnamed(given, kept=True)
    try:
        ticket = provider.fetch(str(ticket_id))
    except TicketServerError as e:
        return {**given, UNVERIFIED: e.message}
    except TicketError as e:
        return {**given, REFUSED: e.message}
    return {**given, TICKET: facts(ticket, now)}


def unnamed(change: Mapping[str, t.Any], *, kept: bool) -> dict[str, t.Any]:
    """The change without what somebody else says of a ticket; *kept* is whether tickets are kept, and none is named."""
    given = {key: value for key, value in change.items() if key not in (TICKET, UNVERIFIED, REFUSED)}
    return {**given, UNVERIFIED: _NO_ID} if kept else given


def as_judged(change: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    """The change of a point, for a host whose tickets are kept somewhere: unverified where nobody read its ticket.

    A point is opened by one host, and those beside it may say more than it does.
    """
    if any(change.get(told) for told in (TICKET, UNVERIFIED, REFUSED)):
        return change
    return {**change, UNVERIFIED: "it was not read when the point was opened"}


def facts(ticket: Ticket, at: dt.datetime) -> dict[str, t.Any]:
    """What a point or a record says of a ticket that was read at that moment."""
    said = {
        "provider": ticket.provider,
        "kind": ticket.kind,
        "state": ticket.state,
        "open": ticket.open,
        "approved": ticket.approved,
        "rejected": ticket.rejected or "",
        "requester": ticket.requester,
        "begins": "" if ticket.begins is None else instant.to_text(ticket.begins),
        "ends": "" if ticket.ends is None else instant.to_text(ticket.ends),
        "items": list(ticket.items),
        "sha256": ticket.digest,
        "url": ticket.url,
        "verified_at": instant.to_text(at),
    }
    return {name: value for name, value in said.items() if value not in ("", [])}


def ticket_of(change: Mapping[str, t.Any]) -> Ticket | None:
    """The ticket whose :func:`facts` a change holds; None where it holds none, or none that can be read."""
    said = change.get(TICKET)
    if not isinstance(said, Mapping):
        return None
    try:
        return Ticket(
            id=str(change.get("id", "")),
            provider=str(said.get("provider", "")),
            kind=str(said.get("kind", "")),
            state=str(said.get("state", "")),
            open=said.get("open") is True,
            approved=said.get("approved") is True,
            requester=str(said.get("requester", "")),
            begins=_moment(said.get("begins")),
            ends=_moment(said.get("ends")),
            items=tuple(map(str, said.get("items", ()))),
            digest=str(said.get("sha256", "")),
            url=str(said.get("url", "")),
            rejected=said.get("rejected") is True,
        )
    except (FormatError, TypeError):
        return None


def permit(
    change: Mapping[str, t.Any],
    rules: Iterable[ChangeRule],
    *,
    operation: str,
    now: dt.datetime,
    host: str | None,
    host_names: Collection[str],
    work: str = "",
) -> None:
    """Raise ChangeRefusedError where the change does not permit the operation on that host.

    :param change: as :func:`looked_up` gives it.
    :param rules: of the tiers that the operation is about: each must permit it.
    :param operation: BACKUP or RESTORE.
    :param host: None for what is about the repository as a whole, whose names *host_names* are then.
    :param host_names: what configuration items may call the host.
    :param work: what is to be done, for the message; without it the operation.
    """
    subject = "this repository" if host is None else "this host"
    found = refusals(change, rules, operation=operation, now=now, host_names=host_names, subject=subject)
    if found:
        remedies = " ".join(dict.fromkeys(refusal.remedy for refusal in found))
        raise ChangeRefusedError(
            f"{work or f'a {operation}'} is not permitted: {' and '.join(refusal.what for refusal in found)}",
            host=host,
            item=str(change.get("id") or "holdfast_change"),
            remedy=f"Nothing was touched. {remedies}",
        )


def refusals(
    change: Mapping[str, t.Any],
    rules: Iterable[ChangeRule],
    *,
    operation: str,
    now: dt.datetime,
    host_names: Collection[str],
    subject: str = "this host",
) -> tuple[Refusal, ...]:
    """Why a change does not permit the operation, each reason once; nothing where it does.

    Its arguments are those of :func:`permit`. A rule that only records refuses nothing.
    """
    found: dict[str, Refusal] = {}
    for rule in rules:
        asked = rule.backup if operation == BACKUP else rule.restore
        if asked != RECORD:
            for refusal in _refusals(change, rule, asked, operation, now, host_names, subject):
                found.setdefault(refusal.what, refusal)
    return tuple(found.values())


def _refusals(
    change: Mapping[str, t.Any],
    rule: ChangeRule,
    asked: str,
    operation: str,
    now: dt.datetime,
    host_names: Collection[str],
    subject: str,
) -> tuple[Refusal, ...]:
    if not change.get("id"):
        remedy = 'Name it: -e \'{"holdfast_change": {"id": "CHG0031337"}}\'.'
        taker = "its tier" if subject == "this host" else subject
        return (Refusal(f"{taker} takes a change, and none is named", remedy),) if asked == REQUIRE else ()
    if change.get(REFUSED):
        return (Refusal(str(change[REFUSED]), "Name the change that this run belongs to."),)
    ticket = ticket_of(change)
    if ticket is not None:
        return judge(ticket, rule, now=now, host_names=host_names, operation=operation, subject=subject)
    unverified = change.get(UNVERIFIED)
    # where nobody keeps tickets, what is named is believed
    if unverified is None or (operation == BACKUP and rule.unreachable != REFUSE):
        return ()
    remedy = "Mend the way to it and run again; docs/runbooks/change_refused.md says what to do at night."
    return (Refusal(f"its ticket could not be verified: {unverified}", remedy),)


def _moment(value: t.Any) -> dt.datetime | None:
    return None if value is None else instant.from_text(value)
