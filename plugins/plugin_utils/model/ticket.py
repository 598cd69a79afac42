# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change ticket as its server tells it, and what a tier takes of one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import typing as t
from collections.abc import Collection

from . import instant
from .finding import Finding, read_known, read_mapping, read_words

NORMAL, STANDARD, EMERGENCY = "normal", "standard", "emergency"
KINDS = (NORMAL, STANDARD, EMERGENCY)
# what a tier asks for where something is done to it: nothing; that a ticket which is named holds; that one is named
RECORD, VERIFY, REQUIRE = "record", "verify", "require"
ASKED = (RECORD, VERIFY, REQUIRE)
# what is done where the ticket's server cannot be asked
REFUSE, MARK = "refuse", "mark"
UNREACHABLE = (REFUSE, MARK)
_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*")
BACKUP, RESTORE = "backup", "restore"
OPERATIONS = (BACKUP, RESTORE)


@dataclasses.dataclass(frozen=True)
class Ticket:
    """A change ticket.

    ``kind`` is one of KINDS, ``state`` the server's own word for where it is, ``open`` whether that state lets work be
    done, and ``approved`` whether those who decide have said yes. ``begins`` and ``ends`` bound its window in UTC, None
    where it has no such bound. ``items`` are the configuration items it names, as the server spells them. ``digest`` is
    the SHA-256 of the ticket's fields as they were read, in canonical JSON. ``rejected`` is whether those who decide
    have said no, or the change was cancelled: it permits nothing, of whatever kind it is.
    """

    id: str
    provider: str
    kind: str
    state: str
    open: bool
    approved: bool
    requester: str
    begins: dt.datetime | None
    ends: dt.datetime | None
    items: tuple[str, ...]
    digest: str
    url: str = ""
    rejected: bool = False


@dataclasses.dataclass(frozen=True)
class ChangeRule:
    """What a tier takes of the change under which it is backed up, or restored.

    ``backup`` and ``restore`` are each one of ASKED. ``kinds`` are the kinds of change that are taken. ``items`` says
    whether the host must be among the ticket's configuration items. ``unreachable`` is REFUSE or MARK: what a backup
    does where the ticket's server cannot be asked; a restore is refused there always.
    """

    backup: str = VERIFY
    restore: str = VERIFY
    kinds: tuple[str, ...] = KINDS
    items: bool = True
    unreachable: str = MARK


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a ticket does not permit what is to be done, and what would help."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


def read_change_rule(key: str, value: t.Any, findings: list[Finding]) -> ChangeRule:
    """Read ``change`` of a tier; what is wrong is added to *findings*."""
    fields = read_mapping(key, value, findings)
    read_known(key, fields, ("backup", "restore", "kinds", "items", "unreachable"), findings)
    given = ChangeRule()
    kinds = read_words(f"{key}.kinds", fields["kinds"], findings) if "kinds" in fields else given.kinds
    if not kinds or any(kind not in KINDS for kind in kinds):
        findings.append(Finding(f"{key}.kinds", "are not kinds of change", f"Give some of {', '.join(KINDS)}."))
    items = fields.get("items", given.items)
    if not isinstance(items, bool):
        findings.append(Finding(f"{key}.items", f"{items!r} is neither true nor false", "Give one of them."))
    return ChangeRule(
        backup=_one_of(f"{key}.backup", fields.get("backup", given.backup), ASKED, findings),
        restore=_one_of(f"{key}.restore", fields.get("restore", given.restore), ASKED, findings),
        kinds=kinds,
        items=items is True,
        unreachable=_one_of(f"{key}.unreachable", fields.get("unreachable", given.unreachable), UNREACHABLE, findings),
    )


def _one_of(key: str, value: t.Any, known: tuple[str, ...], findings: list[Finding]) -> str:
    if value in known:
        return str(value)
    findings.append(Finding(key, f"{value!r} is unknown", f"Give one of {', '.join(known)}."))
    return known[-1]


def judge(
    ticket: Ticket,
    rule: ChangeRule,
    *,
    now: dt.datetime,
    host_names: Collection[str],
    operation: str,
    subject: str = "this host",
) -> tuple[Refusal, ...]:
    """Why *ticket* does not permit the operation on a host now; nothing where it does.

    An emergency change may be approved afterwards, where the rule takes such changes; a rejected one permits nothing.
    A window is open from its first moment, and closed at its last. A ticket that bounds no window permits a backup at
    any time; a restore only where it is a standard change, which is approved once for whenever it is done.

    :param host_names: what the ticket's server may call the host; letter case and a domain are not looked at.
    :param operation: BACKUP or RESTORE.
    :param subject: what the names are of, for messages.
    """
    refusals = []
    named = f"change {ticket.id}"
    if ticket.kind not in rule.kinds:
        remedy = f"The tier takes {', '.join(rule.kinds)} changes: open one of these."
        refusals.append(Refusal(f"{named} is of kind {ticket.kind}", remedy))
    if ticket.rejected:
        refusals.append(Refusal(f"{named} was rejected or cancelled", "Name a change that was not, or open another."))
    elif not ticket.approved and ticket.kind != EMERGENCY:
        refusals.append(Refusal(f"{named} is not approved", "Have it approved, then run again."))
    if not ticket.open:
        remedy = "Move it to where work is done, or name the change that this run belongs to."
        refusals.append(Refusal(f"{named} is in state {ticket.state}", remedy))
    if ticket.begins is not None and now < ticket.begins:
        remedy = "Wait for its window, or have it moved."
        refusals.append(Refusal(f"the window of {named} opens at {_moment(ticket.begins)}", remedy))
    if ticket.ends is not None and now >= ticket.ends:
        remedy = "Have its window prolonged, or open another change."
        refusals.append(Refusal(f"the window of {named} closed at {_moment(ticket.ends)}", remedy))
    unbounded = ticket.begins is None or ticket.ends is None
    if operation == RESTORE and unbounded and ticket.kind != STANDARD:
        remedy = "Give it a planned start and end."
        refusals.append(Refusal(f"{named} has no window", remedy))
    if rule.items and not names_host(ticket, host_names):
        remedy = "Add it to the change's configuration items, or say in holdfast_tickets how it is called there."
        refusals.append(Refusal(f"{named} does not name {subject}", remedy))
    return tuple(refusals)


def names_host(ticket: Ticket, host_names: Collection[str]) -> bool:
    """Whether one of a ticket's configuration items means a host, by one of the names that it may have there."""
    return any(_same_host(item, name) for item in ticket.items for name in host_names)


def _same_host(item: str, name: str) -> bool:
    """Whether a configuration item means a host: in any case, and one of both may lack the domain."""
    one, other = (text.strip().rstrip(".").casefold() for text in (item, name))
    if not one or not other:
        return False
    short, long = sorted((one, other), key=len)
    if "." in short or _ADDRESS.fullmatch(long):
        return one == other
    return short == long.partition(".")[0]


def _moment(moment: dt.datetime) -> str:
    return instant.to_text(moment)
