# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers on loopback that answer as a vendor's API does, each answer held against what the vendor has published.

What was published is in ``tests/data/tickets``, with its source. An answer that is not of its schema fails the request,
and stays in ``faults`` for the test.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.server
import json
import threading
import typing as t
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema

DATA = Path(__file__).resolve().parents[1] / "data" / "tickets"
TOKEN = "a-token-that-is-long-enough-for-a-test"


@functools.cache
def _published(vendor: str) -> Mapping[str, t.Any]:
    return t.cast("Mapping[str, t.Any]", json.loads((DATA / f"{vendor}.json").read_text(encoding="utf-8")))


def faults(vendor: str, schema: str, document: t.Any) -> list[str]:
    """What of a document is not as a vendor has published it; ``[name]`` means a list of these."""
    published = _published(vendor)["schemas"]
    listed = schema.startswith("[")
    name = schema.strip("[]")
    asked = {"type": "array", "items": {"$ref": f"#/schemas/{name}"}} if listed else {"$ref": f"#/schemas/{name}"}
    validator = jsonschema.Draft202012Validator({**asked, "schemas": published})
    return [f"{schema}: {error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@dataclasses.dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, t.Any]


@dataclasses.dataclass
class Answer:
    """What is answered; ``schema`` is the published one that it is of."""

    document: t.Any
    schema: str
    status: int = 200


@dataclasses.dataclass
class Server:
    """What all such servers have: subclasses say what there is."""

    vendor: t.ClassVar[str]
    # answers before all others
    next: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    # the same for what changes something, which it does
    changed: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    # seconds before each answer
    slow: float = 0.0
    asked: list[str] = dataclasses.field(default_factory=list)
    faults: list[str] = dataclasses.field(default_factory=list)
    gone: threading.Event = dataclasses.field(default_factory=threading.Event)
    url: str = ""

    def answer(self, request: Request) -> Answer | None:
        """What there is; None where there is nothing."""
        raise AssertionError(request)


def serve(server: Server) -> Iterator[t.Any]:
    """Let a server answer on a free port of loopback, until the iterator is closed."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: t.Any) -> None:
            """Say nothing."""

        def say(self, status: int, document: t.Any) -> None:
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            # who gave up waiting reads no more
            with contextlib.suppress(OSError):
                self.end_headers()
                self.wfile.write(data)

        def do_GET(self) -> None:
            self.take()

        def do_POST(self) -> None:
            self.take()

        def take(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            server.asked.append(f"{self.command} {urllib.parse.unquote(self.path)}")
            server.gone.wait(server.slow)
            if server.next:
                return self.say(*server.next.pop(0))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.say(401, {"message": "401 Unauthorized"})
            split = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(split.query))
            found = server.answer(Request(self.command, split.path, query, body))
            if found is None:
                return self.say(404, {"message": "404 Not Found"})
            wrong = faults(server.vendor, found.schema, found.document)
            server.faults += wrong
            if self.command != "GET" and server.changed:
                return self.say(*server.changed.pop(0))
            return self.say(500 if wrong else found.status, found.document)

    with listening(Handler) as server.url:
        try:
            yield server
        finally:
            server.gone.set()


@contextlib.contextmanager
def listening(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer on a port of loopback, each request by a thread of its own; yields the URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
