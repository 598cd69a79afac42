# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on loopback that answers as GitHub's REST API does, for the issues of one repository.

Paths and fields are those of the API's reference, version 2022-11-28; nothing here was ever held against GitHub.
"""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
import typing as t
import urllib.parse
from collections.abc import Iterator

TOKEN = "a-token-that-is-long-enough-for-a-test"
PROJECT = "example/changes"


@dataclasses.dataclass
class GitHub:
    """The issues of a repository with their comments, and how it misbehaves next."""

    issues: dict[int, dict[str, t.Any]] = dataclasses.field(default_factory=dict)
    comments: dict[int, list[dict[str, t.Any]]] = dataclasses.field(default_factory=dict)
    # answers before all others
    next: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    asked: list[str] = dataclasses.field(default_factory=list)
    url: str = ""

    def add(self, number: int, *labels: str, closed_at: str | None = None, **fields: t.Any) -> None:
        """Have an issue; one with a moment of closing is closed."""
        self.issues[number] = {
            "number": number,
            "state": "open" if closed_at is None else "closed",
            "state_reason": None if closed_at is None else "completed",
            "labels": [{"name": label} for label in labels],
            "user": {"login": "jane"},
            "closed_at": closed_at,
            "updated_at": closed_at or "2026-11-01T00:00:00Z",
            "html_url": f"https://github.example/{PROJECT}/issues/{number}",
            **fields,
        }

    def found(self, path: str, query: dict[str, str]) -> t.Any:
        """What there is at a path below the repository's issues; None where there is nothing."""
        first = (int(query.get("page", 1)) - 1) * int(query.get("per_page", 30))
        last = first + int(query.get("per_page", 30))
        number, _slash, rest = path.strip("/").partition("/")
        if rest == "comments":
            return self.comments.get(int(number), [])[first:last]
        if number:
            return self.issues.get(int(number))
        rows = [
            issue
            for issue in self.issues.values()
            if issue["state"] == query["state"]
            and query["labels"] in [label["name"] for label in issue["labels"]]
            and issue["updated_at"] >= query.get("since", "")
        ]
        return rows[first:last]


def serve(repository: GitHub) -> Iterator[GitHub]:
    """Let a repository answer on a free port of loopback, until the iterator is closed."""
    above = f"/repos/{PROJECT}/issues"

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: t.Any) -> None:
            """Say nothing."""

        def answer(self, status: int, document: t.Any) -> None:
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def judged(self) -> bool:
            repository.asked.append(f"{self.command} {self.path}")
            if repository.next:
                self.answer(*repository.next.pop(0))
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer(401, {"message": "Bad credentials"})
            elif not self.path.startswith(above):
                self.answer(404, {"message": "Not Found"})
            else:
                return True
            return False

        def do_GET(self) -> None:
            if self.judged():
                split = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(split.query))
                found = repository.found(split.path.removeprefix(above), query)
                self.answer(*((404, {"message": "Not Found"}) if found is None else (200, found)))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.judged():
                number = int(self.path.removeprefix(above).split("/")[1])
                repository.comments.setdefault(number, []).append(body)
                self.answer(201, body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    repository.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield repository
    finally:
        server.shutdown()
        server.server_close()
