# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on loopback that answers as ServiceNow's Table API does, for the queries that are asked here.

Changes are held against what the client servicenow.itsm says of them (``tests/data/tickets/servicenow.json``); the rest
is that of the Table API's reference. Nothing here was ever held against an instance of ServiceNow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import threading
import typing as t
import urllib.parse
from collections.abc import Iterator, Mapping

from . import rest

TOKEN = "a-token-that-is-long-enough-for-a-test"


def change(number: str, **fields: str) -> dict[str, str]:
    """A record of change_request, as it is where display values are not asked for."""
    return {
        "sys_id": f"{abs(hash(number)):032x}"[:32],
        "number": number,
        "type": "normal",
        "state": "-1",
        "approval": "approved",
        "on_hold": "false",
        "start_date": "2026-11-28 01:00:00",
        "end_date": "2026-11-28 05:00:00",
        "requested_by.user_name": "jane",
        "cmdb_ci.name": "",
        "cab_required": "true",
        "conflict_status": "No Conflict",
        **fields,
    }


@dataclasses.dataclass
class ServiceNow:
    """The instance: its changes with their configuration items, what was noted, and how it misbehaves next."""

    changes: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    items: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    journal: list[dict[str, str]] = dataclasses.field(default_factory=list)
    # answers before all others: status, headers, body
    next: list[tuple[int, Mapping[str, str], bytes]] = dataclasses.field(default_factory=list)
    # the same for what changes something, which it does
    patched: list[tuple[int, Mapping[str, str], bytes]] = dataclasses.field(default_factory=list)
    # seconds before each answer
    slow: float = 0.0
    gone: threading.Event = dataclasses.field(default_factory=threading.Event)
    faults: list[str] = dataclasses.field(default_factory=list)
    asked: list[str] = dataclasses.field(default_factory=list)
    url: str = ""

    def add(self, number: str, *items: str, **fields: str) -> None:
        """Have a change, with the names of its configuration items."""
        self.changes[number] = change(number, **fields)
        self.items[self.changes[number]["sys_id"]] = list(items)

    def rows(self, table: str, query: str) -> list[dict[str, str]]:
        """The rows of a table for an encoded query."""
        terms = [term for term in query.split("^") if not term.startswith("ORDERBY")]
        if table == "change_request" and terms[0].startswith("number="):
            # texts are equal there in any case
            asked = terms[0].removeprefix("number=").casefold()
            return [row for number, row in self.changes.items() if number.casefold() == asked]
        if table == "change_request":
            unset, begins, unbounded, ends = terms
            if (unset, unbounded) != ("start_dateISEMPTY", "end_dateISEMPTY"):
                raise ValueError(query)
            before, after = begins.removeprefix("ORstart_date<"), ends.removeprefix("ORend_date>")
            rows = [
                row
                for row in self.changes.values()
                if (not row["start_date"] or row["start_date"] < before)
                and (not row["end_date"] or row["end_date"] > after)
            ]
            return sorted(rows, key=lambda row: row["number"])
        if table == "task_ci":
            return [
                {"task": task, "ci_item.name": name, "ci_item.fqdn": ""}
                for task in terms[0].removeprefix("taskIN").split(",")
                for name in self.items.get(task, [])
            ]
        element, _field, like = (term for term in terms)
        key = like.removeprefix("valueLIKE")
        return [r for r in self.journal if r["element_id"] == element.removeprefix("element_id=") and key in r["value"]]


def serve(instance: ServiceNow) -> Iterator[ServiceNow]:
    """Let an instance answer on a free port of loopback, until the iterator is closed."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: t.Any) -> None:
            """Say nothing."""

        def answer(self, status: int, document: t.Any, headers: Mapping[str, str] | None = None) -> None:
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            # who gave up waiting reads no more
            with contextlib.suppress(OSError):
                self.end_headers()
                self.wfile.write(data)

        def judged(self) -> bool:
            instance.asked.append(f"{self.command} {urllib.parse.unquote(self.path)}")
            instance.gone.wait(instance.slow)
            if instance.next:
                status, headers, body = instance.next.pop(0)
                self.answer(status, body, headers)
                return False
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer(401, {"error": {"message": "User Not Authenticated"}, "status": "failure"})
                return False
            return True

        def do_GET(self) -> None:
            if self.judged():
                split = urllib.parse.urlsplit(self.path)
                query = urllib.parse.parse_qs(split.query)
                table = split.path.rsplit("/", 1)[-1]
                rows = instance.rows(table, query["sysparm_query"][0])
                if table == "change_request":
                    instance.faults += rest.faults("servicenow", "[change_request]", rows[:10])
                first, most = (int(query[name][0]) for name in ("sysparm_offset", "sysparm_limit"))
                self.answer(200, {"result": rows[first : first + most]})

        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.judged():
                number = urllib.parse.urlsplit(self.path).path.rsplit("/", 1)[-1]
                instance.journal.append({"element_id": number, "element": "work_notes", "value": body["work_notes"]})
                status, headers, data = instance.patched.pop(0) if instance.patched else (200, {}, b'{"result": {}}')
                self.answer(status, data, headers)

    with rest.listening(Handler) as instance.url:
        try:
            yield instance
        finally:
            instance.gone.set()
