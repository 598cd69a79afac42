# Copyright (c) 2026 The holdfast.config contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server of the tests' own that answers as it is told: for faults that no real Vault can be made to have."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import typing as t
from collections.abc import Callable, Iterator

# a path and a body to a status and what is answered, with where it redirects to; None: the connection is cut
Answer = tuple[int, t.Any] | None
Answers = Callable[[str, str, t.Any], Answer]


class FakeVault:
    """What was asked, by how many connections, and where it listens."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, t.Any, str | None]] = []
        self.connections = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("OfOne", (_Handler,), {"fake": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [path for _method, path, _body, _token in self.asked]


class _Handler(http.server.BaseHTTPRequestHandler):
    fake: t.ClassVar[FakeVault]
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def setup(self) -> None:
        super().setup()
        self.fake.connections += 1

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        self.close_connection = True
        if self.raw_requestline and self.parse_request():
            self._answer()

    def _answer(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(data) if data else None
        path = self.path.removeprefix("/v1/")
        self.fake.asked.append((self.command, path, body, self.headers.get("X-Vault-Token")))
        answer = self.fake.answers(self.command, path, body)
        self.close_connection = answer is None
        if answer is None:
            return
        status, said = answer
        location = said.pop("Location", None) if isinstance(said, dict) else None
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_args: t.Any) -> None:
        """Print nothing."""


@contextlib.contextmanager
def fake_vault(answers: Answers) -> Iterator[FakeVault]:
    """Have such a server."""
    fake = FakeVault(answers)
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.server.shutdown()
        fake.server.server_close()
