# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change requests of ServiceNow, by its Table API.

https://www.servicenow.com/docs/bundle/xanadu-api-reference/page/integrate/inbound-rest/concept/c_TableAPI.html
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from collections.abc import Mapping, Sequence

from ..errors import TicketMissingError, TicketServerError
from ..model.ticket import KINDS, NORMAL, Ticket
from .base import Provider, digest, line, require_id
from .http import Http

_TABLE = "/api/now/table"
# the numbers of Change Management's states; an instance may have others, which are open to nobody
_STATES = {
    "-5": "new",
    "-4": "assess",
    "-3": "authorize",
    "-2": "scheduled",
    "-1": "implement",
    "0": "review",
    "3": "closed",
    "4": "canceled",
}
_OPEN = ("scheduled", "implement")
_CANCELED, _REJECTED = "canceled", "rejected"
_FIELDS = (
    "sys_id,number,type,state,approval,on_hold,start_date,end_date,requested_by.user_name,cmdb_ci.name,"
    "cab_required,conflict_status"
)
_ITEMS = ("ci_item.name", "ci_item.fqdn")
# the Table API gives dates in UTC where display values are not asked for
_MOMENT = "%Y-%m-%d %H:%M:%S"
_PLAIN: Mapping[str, str] = {"sysparm_display_value": "false", "sysparm_exclude_reference_link": "true"}
_PAGE = 1000
_MOST = 10 * _PAGE
_SYS_ID = re.compile(r"[0-9a-f]{32}")
# tickets whose items are asked for at once: a URL is no longer than 8 KiB everywhere
_AT_ONCE = 100


class ServiceNow(Provider):
    """Tickets are records of the table ``change_request``."""

    name: t.ClassVar[str] = "servicenow"

    def __init__(self, http: Http) -> None:
        self._http = http

    def fetch(self, ticket_id: str) -> Ticket:
        return self._tickets([self._record(ticket_id)])[0]

    def note(self, ticket_id: str, text: str, key: str) -> bool:
        number = self._text(self._record(ticket_id), "sys_id")
        written = self._rows(
            "sys_journal_field",
            f"element_id={number}^element=work_notes^valueLIKE{require_id(key)}",
            "value",
            most=_PAGE,
        )
        # a longer key holds a shorter one, and people quote notes
        if any(str(row.get("value", "")).endswith(f"\n[{key}]") for row in written):
            return False
        self._http.send("PATCH", f"{_TABLE}/change_request/{number}", {"work_notes": f"{text}\n[{key}]"}, **_PLAIN)
        return True

    def listed(self, since: dt.datetime, until: dt.datetime) -> tuple[Ticket, ...]:
        begin, end = (moment.astimezone(dt.timezone.utc).strftime(_MOMENT) for moment in (since, until))
        # OR binds closer than the terms beside it
        query = f"start_dateISEMPTY^ORstart_date<{end}^end_dateISEMPTY^ORend_date>{begin}^ORDERBYnumber"
        return self._tickets(self._all("change_request", query, _FIELDS))

    def _record(self, ticket_id: str) -> Mapping[str, t.Any]:
        found = self._rows("change_request", f"number={require_id(ticket_id)}", _FIELDS, most=2)
        if not found:
            raise TicketMissingError(
                f"{self._http.server} has no change {ticket_id}, or this credential may not see it",
                item=ticket_id,
                remedy="Name the change by its number.",
            )
        number = line(found[0].get("number"))
        if len(found) == 1 and number != ticket_id and number.casefold() == ticket_id.casefold():
            raise TicketMissingError(
                f"{self._http.server} has no change {ticket_id}, but {number}",
                item=ticket_id,
                remedy="Name the change by its number, in the same letters.",
            )
        if len(found) > 1 or number != ticket_id:
            raise TicketServerError(
                f"{self._http.server} has several changes {ticket_id}",
                item=ticket_id,
                remedy="Have the numbers of changes made unique there.",
            )
        return found[0]

    def _all(self, table: str, query: str, fields: str) -> list[Mapping[str, t.Any]]:
        """Every row; the query must say in which order, or a page would repeat what another had."""
        rows: list[Mapping[str, t.Any]] = []
        for first in range(0, _MOST, _PAGE):
            page = self._rows(table, query, fields, most=_PAGE, first=first)
            rows += page
            # rows that the credential may not see are taken out of a page: one that is not full need not be the last
            if not page:
                return rows
        raise TicketServerError(
            f"{self._http.server} has {_MOST} rows of {table} or more for this",
            item=self._http.server,
            remedy="Ask for a shorter time, and have changes without a planned start and end closed or dated.",
        )

    def _rows(self, table: str, query: str, fields: str, *, most: int, first: int = 0) -> list[Mapping[str, t.Any]]:
        asked = {
            "sysparm_query": query,
            "sysparm_fields": fields,
            "sysparm_limit": str(most),
            "sysparm_offset": str(first),
            **_PLAIN,
        }
        answer = self._http.get(f"{_TABLE}/{table}", **asked)
        rows = answer.get("result") if isinstance(answer, Mapping) else None if answer is not None else []
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise self._odd(f"table {table}")
        return rows

    def _tickets(self, records: Sequence[Mapping[str, t.Any]]) -> tuple[Ticket, ...]:
        items: dict[t.Any, list[dict[str, t.Any]]] = {}
        for first in range(0, len(records), _AT_ONCE):
            named = ",".join(self._text(record, "sys_id") for record in records[first : first + _AT_ONCE])
            for row in self._all("task_ci", f"taskIN{named}^ORDERBYsys_id", ",".join(("task", *_ITEMS))):
                items.setdefault(self._text(row, "task"), []).append({field: row.get(field) for field in _ITEMS})
        return tuple(self._ticket(record, items.get(record["sys_id"], [])) for record in records)

    def _ticket(self, record: Mapping[str, t.Any], rows: Sequence[Mapping[str, t.Any]]) -> Ticket:
        number = self._text(record, "number")
        state = _STATES.get(self._text(record, "state"), self._text(record, "state"))
        items = [row.get(field) for row in rows for field in _ITEMS] + [record.get("cmdb_ci.name")]
        kind = self._text(record, "type")
        return Ticket(
            id=number,
            provider=self.name,
            kind=kind if kind in KINDS else NORMAL,
            state=line(state),
            open=state in _OPEN and record.get("on_hold") in ("false", False),
            approved=record.get("approval") == "approved",
            requester=line(record.get("requested_by.user_name")),
            begins=self._moment(record, "start_date"),
            ends=self._moment(record, "end_date"),
            items=tuple(dict.fromkeys(name for name in map(line, items) if name)),
            digest=digest({**record, "task_ci": rows}),
            rejected=record.get("approval") == _REJECTED or state == _CANCELED,
        )

    def _text(self, record: Mapping[str, t.Any], field: str) -> str:
        value = record.get(field)
        if not isinstance(value, str) or not value:
            raise self._odd(f"a change without {field}")
        # it becomes part of a query, and of a path
        if field == "sys_id" and not _SYS_ID.fullmatch(value):
            raise self._odd("a sys_id")
        return value

    def _moment(self, record: Mapping[str, t.Any], field: str) -> dt.datetime | None:
        value = record.get(field)
        if value in (None, ""):
            return None
        try:
            return dt.datetime.strptime(str(value), _MOMENT).replace(tzinfo=dt.timezone.utc)
        except ValueError:
            raise self._odd(f"a {field} that is no moment") from None

    def _odd(self, what: str) -> TicketServerError:
        return TicketServerError(
            f"{self._http.server} answers with {what} that is not as the Table API has it",
            item=self._http.server,
            remedy="Look whether holdfast_tickets.url is that of a ServiceNow instance.",
        )
